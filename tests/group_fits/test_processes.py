"""Fits in several processes: the same bits, nothing hangs, nothing is lost without a word, nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gbr_dag
from gbr_dag.errors import InputError, MissingExtraError
from gbr_dag.group_fits import processes, warning_counts
from gbr_dag.group_fits.batches import Batches
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.processes import fits_in_processes
from gbr_dag.group_fits.records import fits_of_bins
from tests.group_fits.fitters import Calling, Misbehaving, Rejecting, different, grouped

joblib = pytest.importorskip("joblib")

TIMEOUT_S = 120
ROOT = Path(__file__).resolve().parents[2]

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, sends signals")
forking = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

SIZES = [0, 1, 3, 4, *[5] * 60, 300, 2, 40, 31, 2000, *[17] * 20, 0]


def sequential(fitter, rows):
    return fits_of_bins(fitter, rows, 0, rows.n_bins)


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")


def finished(script: str, *arguments: str, complaints: str = "", **environment: str) -> str:
    """What a script writes; it has to end well and to complain about nothing else."""
    paths = os.pathsep.join([str(Path(gbr_dag.__file__).parents[1]), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(complaints, done.stderr, re.DOTALL), done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("n_jobs", "batches"),
    [
        (1, None),
        (2, None),
        (2, Batches(size=7)),
        (2, Batches(strategy="size_bucketing", small_group_threshold=10, min_batch_size=40)),
        (2, Batches(strategy="no_batching")),
        (2, Batches(size=1000)),
        (2, Batches(backend="threading")),
        pytest.param(2, Batches(backend="multiprocessing"), marks=forking),
        (None, None),
        (-1, Batches(size=30)),
        (np.int64(2), None),
        (3, Batches(size=20)),
    ],
    ids=str,
)
def test_no_bit_differs(n_jobs, batches):
    rows = grouped(SIZES)
    for fitter in (LeastSquares(), Rejecting()):
        assert different(fits_in_processes(fitter, rows, n_jobs, batches), sequential(fitter, rows)) == []


@pytest.mark.parametrize("shape", [{"p": 0}, {"t": 1}, {"intercept": False, "p": 1}], ids=str)
def test_no_bit_differs_with_other_shapes(shape):
    rows = grouped([6] * 50, **shape)
    fits = fits_in_processes(LeastSquares(), rows, 2, Batches(size=13))
    assert different(fits, sequential(LeastSquares(), rows)) == []


def test_large_groups_have_the_bits_of_one_blas_thread():
    """Groups of 20,000 rows have other bits with more threads of BLAS."""
    pytest.importorskip("threadpoolctl")
    rows = grouped([20_000, 50_000, 20_000], p=1, t=1)
    alone = fits_in_processes(LeastSquares(), rows, 1)
    assert different(fits_in_processes(LeastSquares(), rows, 2), alone) == []
    assert different(fits_in_processes(LeastSquares(), rows, 2, Batches(backend="threading")), alone) == []


def test_blas_has_its_threads_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def found():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    rows = grouped([5] * 20)
    before = found()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fits_in_processes(LeastSquares(), rows, 1), range(20)))
    assert found() == before


def test_no_groups_no_rows():
    for sizes in ([], [0, 0, 0]):
        rows = grouped(sizes)
        fits = fits_in_processes(LeastSquares(), rows, 2)
        assert different(fits, sequential(LeastSquares(), rows)) == []


def test_what_a_batch_sends_does_not_grow_with_the_rows(monkeypatch):
    from joblib.externals.loky.backend import queues

    sent = []
    original = queues.dumps

    def noted(obj, **settings):
        found = original(obj, **settings)
        sent[-1].append(len(found))
        return found

    monkeypatch.setattr(queues, "dumps", noted)
    for n in (2_000, 20_000):
        sent.append([])
        fits_in_processes(LeastSquares(), grouped([n // 20] * 20), 2, Batches(size=2))
    few, many = sent
    assert min(len(few), len(many)) >= 10
    assert max(many) <= max(few) + 100
    assert max(many) < 10_000


def test_a_large_fitter_is_mapped_too(monkeypatch):
    from joblib.externals.loky.backend import queues

    sent = []
    original = queues.dumps
    monkeypatch.setattr(queues, "dumps", lambda obj, **settings: sent.append(original(obj, **settings)) or sent[-1])
    rows = grouped([6] * 30)
    extra = np.zeros(3_000_000)
    fitter = Calling(lambda values: values + extra[0])
    assert different(fits_in_processes(fitter, rows, 2), sequential(fitter, rows)) == []
    assert max(map(len, sent)) < 10_000


@pytest.mark.parametrize("backend", ["loky", "threading", pytest.param("multiprocessing", marks=forking)])
def test_lambdas_and_closures_are_fitters(backend):
    rows, shift = grouped([6] * 40), 3.0
    fitter = Calling(lambda values: values + shift)
    fits = fits_in_processes(fitter, rows, 2, Batches(backend=backend))
    assert different(fits, sequential(fitter, rows)) == []


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("n_jobs", [2, None])
def test_a_fitter_that_cannot_be_sent_is_refused(backend, n_jobs):
    lock = threading.Lock()

    def locked(values):
        with lock:
            return values

    message = (
        r"^fitter Calling\(function=<function .*locked>\) cannot be sent to another process: TypeError: cannot"
        r" pickle '_thread.lock' object; define it at the top level of a module that can be imported, without open"
        r" files, locks or connections, or give n_jobs=1$"
    )
    rows = grouped([6] * 5)
    with pytest.raises(InputError, match=message):
        fits_in_processes(Calling(locked), rows, n_jobs, Batches(backend=backend))
    assert different(fits_in_processes(Calling(locked), rows, 1), sequential(LeastSquares(), rows)) == []


class Unloadable:
    """Can be pickled, but not read elsewhere."""

    def __init__(self, here):
        if here != os.getpid():
            message = "only here"
            raise RuntimeError(message)

    def __call__(self, rows):
        return LeastSquares()(rows)

    def __reduce__(self):
        return Unloadable, (os.getpid(),)


def test_a_fitter_that_cannot_be_loaded_is_refused():
    message = r"Unloadable object> cannot be loaded in another process: RuntimeError: only here; define it"
    with pytest.raises(InputError, match=message):
        fits_in_processes(Unloadable(os.getpid()), grouped([40] * 40), 2)


@pytest.mark.parametrize("backend", ["loky", "threading", pytest.param("multiprocessing", marks=forking)])
def test_a_fitter_that_ends_the_program_does(backend):
    rows = grouped([6] * 40)
    with pytest.raises(SystemExit):
        fits_in_processes(Misbehaving("exits"), rows, 2, Batches(backend=backend))
    assert different(fits_in_processes(LeastSquares(), rows, 2), sequential(LeastSquares(), rows)) == []


def test_failures_keep_their_text():
    rows, fitter = grouped([6] * 100), Misbehaving("raises")
    fits = fits_in_processes(fitter, rows, 2)
    assert different(fits, sequential(fitter, rows)) == []
    assert len(fits.failures) > 10
    assert all(failure.text.startswith("Stubborn: ") for failure in fits.failures)


def test_each_place_that_warns_is_told_once():
    rows = grouped([6] * 100)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        sequential(Misbehaving("warns"), rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits_in_processes(Misbehaving("warns"), rows, 2)
    (warned,) = caught
    assert warned.category is RuntimeWarning
    assert str(warned.message) == f"{expected[0].message} ({len(expected)} times in other processes)"
    assert (warned.filename, warned.lineno) == (expected[0].filename, expected[0].lineno)


def test_a_warning_of_an_odd_class_is_told():
    with pytest.warns(UserWarning, match="odd.* times in other processes"):
        fits_in_processes(Misbehaving("warns_oddly"), grouped([6] * 100), 2)


@pytest.mark.parametrize("action", ["error", "ignore"])
@pytest.mark.parametrize("module", ["", r"tests\.group_fits\.fitters"])
def test_filters_of_warnings_hold_in_other_processes(action, module):
    """An error makes the fit a failed one, as it does here."""
    rows = grouped([6] * 100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings(action, ".* rows are odd", RuntimeWarning, module)
        expected = sequential(Misbehaving("warns"), rows)
        assert different(fits_in_processes(Misbehaving("warns"), rows, 2), expected) == []
    assert bool(expected.failures) == (action == "error")
    assert caught == []


def test_filters_by_classes_of_others_import_nothing():
    odd = warning_counts.SentFilter("ignore", "", "", 0, ("no_such_module", "OddWarning"))
    for action, text in [("ignore", "one"), ("error", "two")]:
        with warning_counts.WarningCounts([warning_counts.replace(odd, action=action)]) as counts:
            warnings.warn(text, stacklevel=1)
        assert [warned.text for warned in counts.found()] == [text]


def test_calls_side_by_side():
    """From several threads, of different numbers of processes."""
    rows = [grouped([6] * 80, seed=seed) for seed in range(4)]
    expected = [sequential(LeastSquares(), one) for one in rows]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: fits_in_processes(LeastSquares(), rows[i % 4], 2 + i % 2), range(4)))
    assert [different(fits, expected[i % 4]) for i, fits in enumerate(found)] == [[]] * 4


def nested(seed, batches=None):
    rows = grouped([6] * 40, seed=seed)
    return different(fits_in_processes(LeastSquares(), rows, 2, batches), sequential(LeastSquares(), rows))


@pytest.mark.parametrize("backend", ["loky", "threading", pytest.param("multiprocessing", marks=forking)])
def test_inside_a_worker_of_joblib(backend):
    assert joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(nested)(seed) for seed in range(4)) == [[]] * 4


def test_without_joblib(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    rows = grouped([6] * 5)
    with pytest.raises(MissingExtraError, match=r'needs joblib; get it with: pip install "gbr-dag\[loky\]" \(n_jobs=1'):
        fits_in_processes(LeastSquares(), rows, 2)
    assert different(fits_in_processes(LeastSquares(), rows, 1), sequential(LeastSquares(), rows)) == []


def test_one_job_starts_nothing(monkeypatch):
    monkeypatch.setattr(processes, "_run", None)
    fits_in_processes(Calling(lambda values: values), grouped([6] * 50), 1)


COMMON = """
import os, sys, time, threading
from pathlib import Path
from gbr_dag.errors import WorkerError
from gbr_dag.group_fits.batches import Batches
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.processes import fits_in_processes
from gbr_dag.group_fits.records import fits_of_bins
from tests.group_fits.fitters import Calling, Misbehaving, different, grouped

rows = grouped([6] * 100)
expected = fits_of_bins(LeastSquares(), rows, 0, 100)

def workers():
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\\0")
            parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        tracker = any(b"resource_tracker" in word for word in words)
        if parent[1] == str(os.getpid()) and parent[0] != "Z" and not tracker:
            found.append(path.name)
    return found

def left_over(folder):
    end = time.monotonic() + 10
    while time.monotonic() < end and list(Path(folder).rglob("*.pkl")):
        time.sleep(0.05)
    return [str(path) for path in Path(folder).rglob("*.pkl")]

def works(**settings):
    return different(fits_in_processes(LeastSquares(), rows, 2, Batches(**settings)), expected) == []
"""


@on_linux
def test_workers_are_light_and_leave_no_files(tmp_path):
    script = (
        COMMON
        + """
texts = {failure.text for failure in fits_in_processes(Misbehaving("tells", 0.0), rows, 2).failures}
print(texts, left_over(sys.argv[1]), os.listdir(sys.argv[1]), len(workers()), works(), left_over(sys.argv[1]))
"""
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "3")
    told = finished(script, str(tmp_path), JOBLIB_TEMP_FOLDER=str(tmp_path), **threads)
    expected = {"ValueError: [] {'1'} tests.group_fits.fitters writeable=True"}
    assert told == f"{expected} [] [] 2 True []\n"


DYING = (
    COMMON
    + """
backend, folder = sys.argv[1:3]
for what in ("dies", "is_killed", "crashes"):
    start = time.monotonic()
    try:
        fits_in_processes(Misbehaving(what), rows, 2, Batches(backend=backend, size=5))
    except WorkerError as error:
        print(error)
    took = time.monotonic() - start
    end = time.monotonic() + 5
    while workers() and time.monotonic() < end:
        time.sleep(0.05)
    print(workers(), left_over(folder), took < 10, threading.active_count() < 4)
    print(works(backend=backend))
"""
)


@on_linux
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_process_that_dies_is_an_error(backend, tmp_path):
    settings = {"JOBLIB_TEMP_FOLDER": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    crash = "(Fatal Python error: .*)?"  # where, from the processes themselves, which may both speak
    told = finished(DYING, backend, str(tmp_path), complaints=crash, **settings)
    message = (
        "a process that was fitting groups died, so there is no result: it was killed, or ran out of memory, or a"
        " library crashed in it; give fewer n_jobs if memory is short, or n_jobs=1 to see it happen"
    )
    assert told == f"{message}\n[] [] True True\nTrue\n" * 3


@on_linux
def test_rows_that_cannot_be_shared_are_an_error(tmp_path):
    (tmp_path / "file").touch()
    script = (
        COMMON
        + """
try:
    works()
except WorkerError as error:
    print(error)
"""
    )
    told = finished(script, JOBLIB_TEMP_FOLDER=str(tmp_path / "file" / "folder"))
    assert told.startswith("the rows could not be shared with other processes: NotADirectoryError: ")
    assert told.endswith("JOBLIB_TEMP_FOLDER to a folder with more room, or give n_jobs=1\n")


INTERRUPTED = (
    COMMON
    + """
backend, busy, folder = sys.argv[1:]
works(backend=backend)
print("begun", flush=True)
try:
    fits_in_processes(Misbehaving("dawdles", 0.0, busy), rows, 2, Batches(backend=backend, size=5))
except KeyboardInterrupt:
    print("heard", flush=True)
time.sleep(0.5)
print(left_over(folder), set(os.listdir(busy)) & set(workers()), works(backend=backend), flush=True)
"""
)


@on_linux
@pytest.mark.parametrize(("backend", "whole_group"), [("loky", False), ("loky", True), ("multiprocessing", True)])
def test_ctrl_c_ends_the_workers(backend, whole_group, tmp_path):
    """To the parent only, or to all as a terminal sends it; workers sleep for a minute."""
    busy, maps = tmp_path / "busy", tmp_path / "maps"
    busy.mkdir()
    maps.mkdir()
    paths = os.pathsep.join([str(Path(gbr_dag.__file__).parents[1]), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "JOBLIB_TEMP_FOLDER": str(maps), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", INTERRUPTED, backend, str(busy), str(maps)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as child:
        try:
            assert child.stdout.readline() == "begun\n"
            end = time.monotonic() + TIMEOUT_S
            while len(list(busy.iterdir())) < 2 and time.monotonic() < end:
                time.sleep(0.02)
            (os.killpg if whole_group else os.kill)(child.pid, signal.SIGINT)
            start = time.monotonic()
            assert child.stdout.readline() == "heard\n"
            seconds = time.monotonic() - start
            out, error = child.communicate(timeout=TIMEOUT_S)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    assert (out, child.returncode) == ("[] set() True\n", 0), error
    assert seconds < 5


STARTLED = (
    COMMON
    + """
import signal
from joblib.externals.loky import process_executor
manager = process_executor._ExecutorManagerThread
start = manager.start

def interrupted(thread):
    manager.start = start
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
    start(thread)

manager.start = interrupted
try:
    works()
except KeyboardInterrupt:
    print(works())
for delay in (0.0, 0.1, 0.3):
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            works(size=9)
    except KeyboardInterrupt:
        print(works())
"""
)


@on_linux
def test_ctrl_c_while_workers_start():
    """At the worst of moments joblib itself would be left in pieces; and at some others."""
    assert finished(STARTLED) == "True\n" * 4


def test_threads_are_abandoned_on_an_error(tmp_path):
    """Groups that nobody waits for are not fitted: only the rest of the group that is being fitted runs on."""
    abandoned = threading.Event()
    abandoned.set()
    sent = processes._sent(Misbehaving("notes", 0.0, str(tmp_path)))
    with pytest.raises(BaseException, match=r"^$") as raised:
        processes._in_thread(abandoned, sent, grouped([6] * 5), 0, 5)
    assert raised.type is processes._Abandoned
    assert list(tmp_path.iterdir()) == []


WITHOUT_MAIN = (
    COMMON
    + """
class Doubling:
    def __call__(self, values):
        return factor * values

factor = 2.0
for function in (lambda values: factor * values, Doubling()):
    fitter = Calling(function)
    fits = fits_in_processes(fitter, rows, 2)
    print(different(fits, fits_of_bins(fitter, rows, 0, 100)))
"""
)


@pytest.mark.parametrize("way", ["file", "stdin", "-c"])
def test_scripts_without_a_main_guard(way, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_MAIN, encoding="utf-8")
    paths = os.pathsep.join([str(Path(gbr_dag.__file__).parents[1]), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *{"file": [str(script)], "stdin": ["-"], "-c": ["-c", WITHOUT_MAIN]}[way]],
        input=WITHOUT_MAIN if way == "stdin" else None,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n[]\n", "", 0)


FORKED = (
    COMMON
    + """
import multiprocessing
assert works()
context = multiprocessing.get_context("fork")

def child(queue):
    queue.put(works())

queue = context.Queue()
for daemon in (False, True):
    process = context.Process(target=child, args=(queue,), daemon=daemon)
    process.start()
    print(queue.get(timeout=60))
    process.join(60)
pid = os.fork()
if pid == 0:
    os._exit(0 if works() and works() else 3)
print(os.waitpid(pid, 0)[1], works())
"""
)


@on_linux
def test_forks_of_a_process_with_workers():
    assert finished(FORKED, PYTHONWARNINGS="ignore") == "True\nTrue\n0 True\n"

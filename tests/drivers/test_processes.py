"""Threads, processes and Ctrl-C around a fit: same numbers, nothing hangs, nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.kernels import factoring, solving, threads

TIMEOUT_S = 120
"""A hang ends the test; a cold cache of compiled kernels may take some tens of seconds on a slow machine."""

on_posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")


def rows(seed: int, n: int = 400_000, n_groups: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": rng.integers(0, n_groups, size=n), "x": rng.normal(5.0, 1.0, size=n)})
    frame["w"] = rng.uniform(0.1, 3.0, size=n)
    return frame.assign(y=seed + 2.0 * frame["x"] + rng.normal(size=n))


def fit(frame: pd.DataFrame, n_threads: object = 2, engine: str = "numba") -> pd.DataFrame:
    """The other engines take no number of threads."""
    threads = {"threads": n_threads} if engine == "numba" else {}
    return gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", **threads, engine=engine)


def finished(script: str, *arguments: str, **environment: str) -> str:
    """What a script writes; it has to end well and to complain about nothing."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_threads_do_not_change_a_bit(n_threads):
    frame = rows(1)
    pd.testing.assert_frame_equal(fit(frame, n_threads), fit(frame, 1), check_exact=True)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_a_dominant_group_is_shared_and_merged(n_threads, monkeypatch):
    """Threads take ranges of rows and records are merged: 1e-13 for another order of sums over 380,000 rows. The
    intercept is a difference of terms 5 times its size, mean(y) = 12 and slope mean(x) = 10, and has their rounding.
    """
    frame = rows(2)
    frame["g"] = frame["g"].where(frame.index % 20 == 0, 150)
    merged = []
    original = factoring.any_size.merge

    def merge(*arguments: object) -> None:
        merged.append(1)
        original(*arguments)

    serial = fit(frame, 1)
    monkeypatch.setattr(factoring.any_size, "merge", merge)
    table = fit(frame, n_threads)
    n_tables = min(n_threads, len(frame) >> 16)
    assert len(merged) == n_tables * (n_tables - 1)  # every thread merges its range of the bins from all others
    pd.testing.assert_frame_equal(table, fit(frame, n_threads), check_exact=True)
    np.testing.assert_allclose(table.pop("y_intercept"), serial.pop("y_intercept"), rtol=0, atol=1e-13 * 12)
    pd.testing.assert_frame_equal(table, serial, rtol=1e-13, atol=0)


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, True, "2", np.float64(2)])
def test_numbers_of_threads_that_are_none_are_refused(engine, n_threads):
    with pytest.raises(gbr_dag.InputError, match=r"threads must be an integer of at least 1, or None .* got "):
        gbr_dag.fit_groups(rows(3, n=9), "g", "y", "x", threads=n_threads, engine=engine)


def test_integers_of_numpy_are_numbers_of_threads():
    pd.testing.assert_frame_equal(fit(rows(3, n=90, n_groups=5), np.int8(2)), fit(rows(3, 90, 5), 1))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_fits_side_by_side_are_those_one_after_the_other(engine, n_threads):
    """Large enough for threads and for memory that is passed on from fit to fit."""
    frames = [rows(seed, *((400_000, 30_000) if engine == "numba" else (2000, 30))) for seed in range(4)]
    serial = [fit(frame, n_threads, engine) for frame in frames]
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda frame: fit(frame, n_threads, engine), frames * 4))
    for i, table in enumerate(tables):
        pd.testing.assert_frame_equal(table, serial[i % 4], check_exact=True)


def test_a_failure_in_one_thread_ends_the_others():
    rounds = []

    def work(i: int, stopped: threads.Stopped) -> None:
        if i == 1:
            raise ZeroDivisionError
        for _ in threads.blocks(0, 1000, stopped, 1):
            rounds.append(i)
            time.sleep(0.01)

    with pytest.raises(ZeroDivisionError):
        threads.side_by_side(work, 3)
    assert len(rounds) < 1000


def test_an_interrupt_while_others_are_waited_for_ends_them():
    """The caller's share is done first; Ctrl-C then arrives while it waits."""
    ended = []

    def work(i: int, stopped: threads.Stopped) -> None:
        if i:
            os.kill(os.getpid(), signal.SIGINT)
        for _ in threads.blocks(0, 1000 if i else 1, stopped, 1):
            time.sleep(0.01)
        ended.append((i, stopped()))

    with pytest.raises(KeyboardInterrupt):
        threads.side_by_side(work, 2)
    assert (1, True) in ended


def test_the_number_of_threads_of_the_environment_is_respected():
    script = """
import sys, threading
import numpy as np, pandas as pd, gbr_dag
started = []
original = threading.Thread.start
threading.Thread.start = lambda thread: started.append(thread) or original(thread)
frame = pd.DataFrame({"g": np.arange(400_000) % 100, "x": np.arange(4e5) ** 2, "y": np.arange(4e5)})
gbr_dag.fit_groups(frame, "g", "y", "x")
by_default = len(started)
gbr_dag.fit_groups(frame, "g", "y", "x", threads=2)
sys.stdout.write(f"{by_default} {len(started) > by_default}")
"""
    assert finished(script, NUMBA_NUM_THREADS="1") == "0 True"
    default, _ = finished(script, NUMBA_NUM_THREADS="2").split()
    assert int(default) > 0


CHILDREN = """
import multiprocessing, os, sys
import numpy as np, pandas as pd, gbr_dag

def fitted(seed):
    rng = np.random.default_rng(seed)
    n = 200_000
    frame = pd.DataFrame({"g": rng.integers(0, 30_000, size=n), "x": rng.normal(size=n)})
    frame["y"] = seed + frame["x"] + rng.normal(size=n)
    return gbr_dag.fit_groups(frame, "g", "y", "x", threads=2)

def digests(seed):
    return {pd.util.hash_pandas_object(fitted(seed)).sum() for _ in range(6)}

if __name__ == "__main__":
    expected = [{pd.util.hash_pandas_object(fitted(seed)).sum()} for seed in range(3)]
    kept = fitted(0)
    with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
        found = pool.map_async(digests, range(3))
        same = [digests(0)] == expected[:1]
        found = found.get(90)
    sys.stdout.write(f"{found == expected} {same} {kept.equals(fitted(0))}")
"""


@pytest.mark.parametrize("context", [pytest.param("fork", marks=on_posix), "spawn"])
def test_children_fit_after_their_parent(context, tmp_path):
    """Fits of all children at once, and of the parent: memory that fits pass on must not be shared among processes."""
    script = tmp_path / "children.py"
    script.write_text(CHILDREN, encoding="utf-8")
    root = str(Path(gbr_dag.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script), context],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert (done.stdout, done.returncode) == ("True True True", 0), done.stderr


@on_posix
def test_a_plain_fork_fits():
    script = """
import os, sys
import numpy as np, pandas as pd, gbr_dag
frame = pd.DataFrame({"g": np.arange(400_000) % 70_000, "x": np.sin(np.arange(4e5)), "y": np.cos(np.arange(4e5))})
table = gbr_dag.fit_groups(frame, "g", "y", "x", threads=2)
child = os.fork()
if child == 0:
    same = all(gbr_dag.fit_groups(frame, "g", "y", "x", threads=2).equals(table) for _ in range(3))
    other = gbr_dag.fit_groups(-frame, "g", "y", "x", threads=2)
    os._exit(0 if same and not other.equals(table) else 3)
again = [gbr_dag.fit_groups(frame, "g", "y", "x", threads=2).equals(table) for _ in range(6)]
_, status = os.waitpid(child, 0)
sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {all(again)}")
"""
    assert finished(script) == "0 True"


INTERRUPTED = """
import sys, threading, zlib
import numpy as np, pandas as pd, gbr_dag

kind, threads = sys.argv[1], int(sys.argv[2])
n, p = {"narrow": (20_000_000, 4), "wide": (2_000_000, 120)}[kind]
base = np.random.default_rng(1).normal(size=n + p)
names = [f"x{i}" for i in range(p)]
key = (np.arange(n) % 50).astype(np.int32)
columns = {name: base[i : n + i] for i, name in enumerate(names)}
frame = pd.DataFrame({"g": key, **columns, "y": base[p:]}, copy=False)
model = {"by": "g", "targets": "y", "predictors": names, "threads": threads, "diagnostics": ()}
gbr_dag.fit_groups(frame.head(1000), **model, min_entries=2)
before = zlib.crc32(base), zlib.crc32(key)
sys.stdout.write("begun\\n")
sys.stdout.flush()
try:
    while True:
        gbr_dag.fit_groups(frame, **model, min_entries=2)
finally:
    sys.stdout.write("heard\\n")
    sys.stdout.flush()
    harmed = (zlib.crc32(base), zlib.crc32(key)) != before
    sys.stdout.write(f"{threading.active_count()} {harmed}")
    sys.stdout.flush()
"""


@on_posix
@pytest.mark.parametrize("n_threads", ["1", "2"])
@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_ctrl_c_is_heard_within_two_seconds(kind, n_threads):
    """From the signal until the fit has ended; the frame is as before."""
    command = [sys.executable, "-c", INTERRUPTED, kind, n_threads]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.4)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert child.stdout.readline() == "heard\n"
        seconds = time.monotonic() - start
        late = threading.Timer(TIMEOUT_S, child.kill)
        late.start()
        # not by communicate, which does not see what readline has read ahead
        out, error = child.stdout.read(), child.stderr.read()
        child.wait()
        late.cancel()
    assert child.returncode == -signal.SIGINT
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert "fit_groups" in error
    assert out == "1 False"
    assert seconds < 2.0


@pytest.mark.parametrize("p", [1, 6, 30, 90])
def test_no_call_of_a_kernel_takes_long(p, monkeypatch):
    """Ctrl-C is heard between calls: their work, rows x columns^2 and bins x columns^3, must not grow with columns."""
    work = {"rows": [], "bins": []}
    kernels = {"rows": (factoring.any_size, "update"), "bins": (solving, "solve")}

    def noted(kind: str, measure: Callable[..., int]) -> None:
        module, name = kernels[kind]
        original = getattr(module, name)

        def kernel(*arguments: object) -> None:
            work[kind].append(measure(*arguments))
            original(*arguments)

        monkeypatch.setattr(module, name, kernel)

    noted("rows", lambda *arguments: len(arguments[1]) * (p + 1) ** 2)
    noted("bins", lambda *arguments: (arguments[2] - arguments[1]) * (p + 1) ** 3)
    monkeypatch.setattr(factoring, "straight_kernels", lambda *_: None)
    rng = np.random.default_rng(6)
    n = 20_000
    frame = pd.DataFrame(rng.normal(size=(n, p)), columns=[f"x{i}" for i in range(p)])
    frame["y"], frame["g"] = rng.normal(size=n), np.arange(n) // 40
    gbr_dag.fit_groups(frame, "g", "y", list(frame)[:p], threads=1, min_entries=2)
    assert work["rows"]
    assert max(work["rows"]) < 2**25
    assert max(work["bins"], default=0) < 2**24


def test_the_end_of_a_process_is_silent():
    """Tables that are alive at exit give their memory back when half of the modules are gone."""
    script = """
import numpy as np, pandas as pd, gbr_dag
frame = pd.DataFrame({"g": np.arange(400_000) % 200_000, "y": np.arange(4e5)})
table = gbr_dag.fit_groups(frame, "g", "y", threads=2)
cycle = [table]
cycle.append(cycle)
"""
    assert finished(script) == ""

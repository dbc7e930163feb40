"""The one line that says why the first fit takes its time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numba
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import compilation
from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers import fit_driver
from gbr_dag.graph import progress

pty = pytest.importorskip("pty", reason="needs terminals of POSIX")

ROOT = Path(__file__).resolve().parent.parent
LINE = "gbr-dag: compiling kernels, some seconds once"

FITS = """
import pandas as pd
from gbr_dag import GroupByDriver
frame = pd.DataFrame({"g": [1, 1, 2, 2, 2], "x": [1.0, 2.0, 1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0, 5.0, 1.0]})
for predictors in ([], [], ["x"]):
    inputs = {"frame": frame, "by": "g", "targets": "y", "predictors": predictors}
    GroupByDriver(engine=ENGINE).execute(["fit_table"], inputs)
"""

TINY = """
import sys, numba, threading
import gbr_dag
from gbr_dag.compilation import announced_compilation
def compiled(module="gbr_dag.somewhere"):
    def one_more(x):
        return x + 1
    one_more.__module__ = module
    return numba.njit(one_more)(1)
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal, and a process in which nothing was told."""
    monkeypatch.setattr(compilation, "_NOTICE", compilation._Notice())
    # pytest puts its own stream in the place of sys.stderr between fixture and test
    system = SimpleNamespace(stderr=Terminal())
    monkeypatch.setattr(compilation, "sys", system)
    monkeypatch.setattr(progress, "sys", system)
    return system.stderr


def compile_one(module="gbr_dag.somewhere"):
    def one_more(x):
        return x + 1

    one_more.__module__ = module
    return numba.njit(one_more)(1)


def on_terminal(script, **environment):
    """What a process writes to the terminal that its stderr is."""
    master, slave = pty.openpty()
    written = []

    def read():
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # Linux: the other end was closed
                return
            if not part:
                return
            written.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        environment = {**os.environ, "TERM": "xterm", "NUMBA_DISABLE_JIT": "0", **environment}
        command = [sys.executable, "-W", "error", "-c", script]
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=slave, check=True)
    finally:
        os.close(slave)
        reader.join()
        os.close(master)
    return b"".join(written).decode()


def test_told_once_and_not_when_the_machine_code_is_on_disk(tmp_path):
    script = FITS.replace("ENGINE", "'numba'")
    first = on_terminal(script, NUMBA_CACHE_DIR=str(tmp_path))
    assert first.count(LINE) == 1
    assert f"{LINE}; kept on disk for the next time\r\n" in first
    second = on_terminal(script, NUMBA_CACHE_DIR=str(tmp_path))
    assert LINE not in second


def test_other_engines_import_no_numba_for_it():
    script = FITS.replace("ENGINE", "'numpy'") + "import sys; assert 'numba' not in sys.modules"
    assert LINE not in on_terminal(script)


def test_the_line_stays_whole_beside_the_bar():
    script = f"""{TINY}
from gbr_dag.graph.progress import ProgressBar
bar = ProgressBar(3, at_once=False)
bar._open(3)
bar.show("first", 1, 3)
with announced_compilation(None):
    thread = threading.Thread(target=compiled)
    thread.start()
    thread.join()
bar.show("second", 2, 3)
bar.close()
"""
    written = on_terminal(script)
    assert "second" in written
    assert written.count(f"{LINE}\r\n") == 1


def test_nothing_is_told_into_a_pipe_but_when_asked_to():
    def piped(wanted):
        script = f"{TINY}\nwith announced_compilation({wanted}): compiled()"
        command = [sys.executable, "-c", script]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert (piped(None).stderr, piped(None).stdout) == ("", "")
    assert piped(True).stderr == f"{LINE}\n"


@pytest.mark.parametrize(("wanted", "lines"), [(None, 1), (True, 1), (False, 0), (print, 0)])
def test_progress_decides(terminal, wanted, lines):
    for _ in range(2):
        with announced_compilation(wanted):
            compile_one()
            compile_one()
    assert terminal.getvalue() == f"{LINE}\n" * lines


def test_kernels_of_others_are_not_told_of(terminal):
    with announced_compilation(None):
        compile_one("somewhere.else")
        compile_one("gbr_dagger")
    assert terminal.getvalue() == ""


def test_nothing_is_told_outside_of_a_run(terminal):
    with announced_compilation(None):
        pass
    compile_one()
    assert terminal.getvalue() == ""
    with pytest.raises(KeyError), announced_compilation(None):
        raise KeyError
    compile_one()
    assert terminal.getvalue() == ""
    with announced_compilation(None), announced_compilation(None):
        pass
    with announced_compilation(None):
        with announced_compilation(None):
            pass
        compile_one()
    assert terminal.getvalue() == f"{LINE}\n"


def test_threads_tell_once(terminal):
    def work():
        for _ in range(3):
            with announced_compilation(None):
                compile_one()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert terminal.getvalue() == f"{LINE}\n"


def test_a_broken_stream_ends_nothing(terminal):
    with announced_compilation(None):
        terminal.close()
        assert compile_one() == 2


@pytest.mark.usefixtures("terminal")
def test_without_stderr(monkeypatch):
    monkeypatch.setattr(compilation.sys, "stderr", None)
    for wanted in (None, True):
        with announced_compilation(wanted):
            assert compile_one() == 2


def test_the_driver_asks_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr(fit_driver, "announced_compilation", lambda progress: asked.append(progress) or io.StringIO())
    frame = pd.DataFrame({"g": [1, 1], "y": [1.0, 2.0]})
    for engine in ("numpy", "numba"):
        for wanted in (False, None):
            driver = gbr_dag.GroupByDriver(engine=engine, progress=wanted)
            driver.execute(["entries"], {"frame": frame, "by": "g", "targets": "y"})
    assert asked == [False, None]

"""A word to whoever waits at a terminal while kernels are compiled."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gbr_dag.graph.progress import wants_bar


class _Notice:
    """What has been told in this process, and how many runs would like it told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._listens = False
        self.told = False

    def open(self) -> None:
        """Tell of compilation from now on."""
        with self._lock:
            self._wanted += 1
            if not self._listens:
                self._listens = True
                _listen(self)

    def close(self) -> None:
        """Undo one ``open``."""
        with self._lock:
            self._wanted -= 1

    def tell(self, dispatcher: Any) -> None:
        """Write one line, the first time that a kernel of this package is compiled while a run wants it.

        A progress bar puts its own stream in the place of ``sys.stderr``, which writes whole lines above the bar.
        """
        if self.told or not dispatcher.py_func.__module__.startswith("gbr_dag."):
            return
        with self._lock:
            if self.told or self._wanted == 0:
                return
            self.told = True
        stream = sys.stderr
        if stream is None:  # a Windows program without console
            return
        stays = "; kept on disk for the next time" if dispatcher.stats.cache_path else ""
        with suppress(OSError, ValueError):  # a stream that is broken or closed must not end the fit
            stream.write(f"gbr-dag: compiling kernels, some seconds once{stays}\n")
            stream.flush()


_NOTICE = _Notice()


def _listen(notice: _Notice) -> None:
    """Have numba tell the notice of whatever it compiles, on any thread.

    For good: numba goes through its list of listeners without a lock, so that taking one off may hide the next.
    """
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            notice.tell(event.data["dispatcher"])

        def on_end(self, event: Any) -> None:
            pass

    register: Any = event.register
    register("numba:compile", Listener())


@contextmanager
def announced_compilation(progress: Any) -> Iterator[None]:
    """Within the context, the first compilation of a kernel in this process writes a line to stderr.

    Machine code that is loaded from disk is no compilation. numba is imported only where something may be written.

    Parameters
    ----------
    progress : bool, callable or None
        As of a driver: None writes on a terminal only, True always, False and a callable never.
    """
    if _NOTICE.told or not wants_bar(progress):
        yield
        return
    _NOTICE.open()
    try:
        yield
    finally:
        _NOTICE.close()

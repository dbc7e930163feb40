"""The backend "multiprocessing" of joblib, which notices that a process died."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gbr_dag.errors import WorkerError

_GLANCE_SECONDS = 0.2

_PATIENCE_SECONDS = 2.0
"""A pool that is ended has its own look at its pipe first."""


def watched_pool() -> Any:
    """A backend for ``joblib.Parallel``: that of joblib, but work whose process died fails.

    A pool of ``multiprocessing`` starts another process, the work is lost, and joblib would wait for it for ever.
    """
    from joblib.parallel import MultiprocessingBackend

    class WatchedPool(MultiprocessingBackend):  # type: ignore[misc]
        def configure(self, *arguments: Any, **settings: Any) -> Any:
            n_processes = super().configure(*arguments, **settings)
            self._watch = _Watch(self._pool._pool)
            return n_processes

        def terminate(self) -> None:
            if self._pool is not None:
                self._watch.end()
                stuck = (self._pool._task_handler, list(self._pool._pool), self._pool._inqueue._reader)
                threading.Thread(target=emptied_pipe, args=stuck, daemon=True).start()
            super().terminate()

        def submit(self, func: Any, callback: Any = None) -> Any:
            return super().submit(func, self._watch.kept(callback))

        def apply_async(self, func: Any, callback: Any = None) -> Any:
            """Before joblib 1.5 the name of ``submit``."""
            return super().apply_async(func, self._watch.kept(callback))

        def retrieve_result_callback(self, result: Any) -> Any:
            if isinstance(result, WorkerError):
                raise result
            return super().retrieve_result_callback(result)

    return WatchedPool()


def emptied_pipe(handler: threading.Thread, processes: Sequence[Any], reader: Any) -> None:
    """Read what nobody will, until the thread that hands out a pool's work has ended.

    A pool that is ended waits for that thread, which may stand before a full pipe whose readers have been ended: seen
    with Python 3.9, rarely.
    """
    handler.join(_PATIENCE_SECONDS)
    with suppress(OSError):  # closed meanwhile
        while handler.is_alive():
            if all(process.exitcode is not None for process in processes) and reader.poll(_GLANCE_SECONDS):
                os.read(reader.fileno(), 1 << 16)
            else:
                time.sleep(_GLANCE_SECONDS / 10)


class _Watch:
    """Looks after the processes of a pool, and answers for all that were lost when one has ended before its time."""

    def __init__(self, processes: list[Any]) -> None:
        self._processes = list(processes)
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def kept(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same callback, which is called here if no result will."""
        key = id(callback)
        self._waiting[key] = callback

        def answered(result: Any) -> None:
            self._waiting.pop(key, None)
            callback(result)

        return answered

    def end(self) -> None:
        """Look no longer: processes may end now."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_GLANCE_SECONDS):
            if any(process.exitcode is not None for process in self._processes):
                while self._waiting and not self._over.is_set():
                    _, callback = self._waiting.popitem()
                    callback(WorkerError("a process of the pool ended"))
                return

"""Kernels side by side on threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Result = TypeVar("Result")
Stopped = Callable[[], bool]

ROWS_PER_CALL = 1 << 18
"""Rows that a kernel takes at a time: some milliseconds, after which Ctrl-C is heard."""

_ROWS_PER_THREAD = 1 << 16
"""Fewer rows are not worth another thread: to start it and wait for it takes 0.1 ms."""


_PATIENCE_SECONDS = 0.2
"""A thread that has no number after this was not started."""


def thread_count(threads: Optional[int], n_rows: int) -> int:
    """Threads for so many rows: as many as given, or numba's number (``NUMBA_NUM_THREADS``, else the cores)."""
    settings: Any = numba.config
    most = threads if threads is not None else int(settings.NUMBA_NUM_THREADS)
    return max(1, min(most, n_rows // _ROWS_PER_THREAD))


def side_by_side(work: Callable[[int, Stopped], Result], n: int) -> list[Result]:
    """Results of ``work(0, stopped), ..., work(n - 1, stopped)``: the first on the caller's thread, each other on one.

    The threads live for one call: nothing is shared with other callers and nothing is lost in a fork. If one fails, or
    on Ctrl-C, ``stopped()`` becomes true and the others end at their next look at it.
    """
    if n == 1:
        return [work(0, lambda: False)]
    results: dict[int, Result] = {}
    stop = threading.Event()
    ended = [threading.Event() for _ in range(n)]
    failures = _Failures(stop)

    def one(i: int) -> None:
        with failures:
            results[i] = work(i, stop.is_set)
        ended[i].set()

    others = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(1, n)]
    try:
        for other in others:
            other.start()
        results[0] = work(0, stop.is_set)
        _wait_for(others, ended)
    except BaseException:  # Ctrl-C may also come while a thread starts, or the caller waits
        stop.set()
        _wait_for(others, ended)
        raise
    if failures.found:
        raise failures.found[0]
    return [results[i] for i in range(n)]


class _Failures:
    """What ends a thread is kept for the caller, who raises it, and stops the others."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.found: list[BaseException] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: Any, failure: Optional[BaseException], __: Any) -> bool:
        if failure is not None:
            self.found.append(failure)
            self._stop.set()
        return True


def _wait_for(others: list[threading.Thread], ended: list[threading.Event]) -> None:
    """Wait for threads 1, 2, ..., those that were started.

    Not by their ``join`` alone: up to Python 3.12 one that Ctrl-C interrupts takes a running thread for ended.
    """
    for other, end in zip(others, ended[1:]):
        while not end.wait(_PATIENCE_SECONDS):
            if other.ident is None:
                break


def blocks(start: int, stop: int, stopped: Stopped, size: int = ROWS_PER_CALL) -> Iterator[tuple[int, int]]:
    """Ranges of at most ``size`` from start to stop, until it is to be stopped."""
    for first in range(start, stop, size):
        if stopped():
            return
        yield first, min(first + size, stop)


def shares(n: int, parts: int) -> list[tuple[int, int]]:
    """Ranges of about equal length from 0 to n, one a part."""
    edges = [n * part // parts for part in range(parts + 1)]
    return list(zip(edges[:-1], edges[1:]))


def equal_loads(loads: npt.NDArray[np.int64], parts: int) -> list[tuple[int, int]]:
    """Ranges of about equal sum, one a part, over ``loads`` (n,)."""
    if parts == 1:
        return [(0, len(loads))]
    total = np.cumsum(loads)
    last = int(total[-1]) if len(total) else 0
    inner = np.searchsorted(total, [last * part // parts for part in range(1, parts)]).tolist()
    edges = [0, *inner, len(loads)]
    return list(zip(edges[:-1], edges[1:]))

"""Records of bins merged over windows: along one axis of a grid after the other, or pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.factoring import record_width
from gbr_dag.kernels.generator import MOST_PREDICTORS, MOST_TARGETS
from gbr_dag.kernels.memory import empty
from gbr_dag.kernels.threads import Stopped, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LINE = 8
"""Doubles of a cache line: records begin and end with one."""

_PIECE = 1 << 12
"""Longest piece of a line that is merged on one thread; runs begin anew with it, whatever the number of threads."""

_MERGES_PER_CALL = 1 << 13
"""Less than a millisecond with few columns: threads take turns, and Ctrl-C is heard."""

_WORTH_OF_A_MERGE = 4
"""A merge counts as so many rows where threads are handed out."""

_LONG_RUN = 2.5
"""Mean number of neighbours from which runs are merged by their tails.

Nanoseconds a cell with p = 2, t = 1: 50, 53, 57 for 1, 2, 3 bins to either side; neighbour by neighbour 55, 89, 123.
"""

Pairs = Callable[[int, int], Iterable[tuple[int, IntArray, IntArray, FloatArray]]]
"""First and last bin to: first of some centres, their starts (n + 1,) among the entries, neighbours and weights."""

_NO_PLACES = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class AxisNeighbours:
    """Neighbours along one axis of a grid.

    Attributes
    ----------
    starts : int64 array (n + 1,)
        Position ``c`` has the entries ``starts[c]`` to ``starts[c + 1]``.
    neighbours : int64 array (n_entries,)
    weights : float64 array (n_entries,)
        What the records are scaled by.
    runs : int64 array (2, n) or None
        Where all weights are 1 and neighbours are runs that move on with the position: begins and ends of the runs, as
        positions that may lie beyond the ends of the axis, which then is a ring.
    """

    starts: IntArray
    neighbours: IntArray
    weights: FloatArray
    runs: Optional[IntArray] = None

    @property
    def n(self) -> int:
        """Number of positions."""
        return len(self.starts) - 1

    @property
    def mean_length(self) -> float:
        """Mean number of neighbours."""
        return len(self.neighbours) / max(self.n, 1)


class WindowMerging:
    """Merging of records of ``p`` predictors and ``t`` targets.

    A merged record is followed by the sum of the kernel's weights over its rows. Every result is merged by one thread
    in an order of its own: it comes out the same to the last bit for any number of threads.
    """

    def __init__(self, p: int, t: int, *, centred: bool, threads: Optional[int]) -> None:
        self._kernels = _kernels_of(p, t)
        self._ending = (centred, (p, p + t))
        self._width = record_width(p, p + t)
        self._columns = p + t
        self._threads = threads

    def empty_records(self, n: int) -> FloatArray:
        """Records (n, at least width + 1) that hold anything."""
        return empty((n, -(-(self._width + 1) // _LINE) * _LINE))

    def along_axes(
        self,
        records: FloatArray,
        result: FloatArray,
        bins: IntArray,
        cells: IntArray,
        n_cells: int,
        axes: Sequence[AxisNeighbours],
        table: FloatArray,
    ) -> None:
        """Windows of some bins, written to their places in ``result``; their neighbours must be among them.

        Parameters
        ----------
        records : float64 array (n_bins, at least width)
            Records of bins.
        result : float64 array (n_bins, at least width + 1)
        bins, cells : int64 arrays (n,)
            Bins and their cells of a row-major grid whose last axes are ``axes``.
        n_cells : int
            Cells of the grid.
        axes : sequence of AxisNeighbours
            At least one.
        table : float64 array (at least n_cells, at least width + 1)
            Working memory; may be empty if there is one axis.
        """
        # Taking the inner axes of one position along the first after the other, 2,500 cells that stay in the cache, and
        # the first axis last was no gain: the last pass then goes the long way through the full table, 64 for 56 ms on
        # 100 x 50 x 50 cells, half of them occupied.
        place_of = np.full(n_cells, -1, dtype=np.int64)
        place_of[cells] = bins
        inner = int(np.prod([axis.n for axis in axes], dtype=np.int64))
        last = len(axes) - 1
        for i, axis in enumerate(axes):
            inner //= axis.n
            source, places, extra = (records, place_of, 0) if i == 0 else (table, _NO_PLACES, self._width)
            target, wanted = (result, place_of) if i == last else (table, _NO_PLACES)
            self._along_axis(source, places, extra, target, wanted, axis, inner, n_cells)

    def _along_axis(
        self,
        source: FloatArray,
        place_of: IntArray,
        extra: int,
        target: FloatArray,
        wanted: IntArray,
        axis: AxisNeighbours,
        inner: int,
        n_cells: int,
    ) -> None:
        in_place = source is target
        piece = axis.n if in_place else min(axis.n, _PIECE)
        units = n_cells // axis.n * -(-axis.n // piece)
        runs = axis.runs if axis.mean_length >= _LONG_RUN else None

        def of_units(first: int, last: int, line: FloatArray, tails: FloatArray) -> None:
            given = (source, place_of, extra, target, wanted, inner, piece, first, last, line)
            if runs is None:
                self._kernels.merge_lines(*given, axis.starts, axis.neighbours, axis.weights, *self._ending)
            else:
                self._kernels.merge_runs(*given, runs[0], runs[1], tails, *self._ending)

        def scratch() -> tuple[FloatArray, FloatArray]:
            longest = 0 if runs is None else int((runs[1] - runs[0]).max(initial=0))
            return self.empty_records(axis.n if in_place else 0), self.empty_records(longest + 1)

        merges = n_cells * axis.mean_length
        self._shared(units, merges / max(units, 1), of_units, scratch)

    def of_pairs(self, records: FloatArray, result: FloatArray, pairs: Pairs, mean_length: float) -> None:
        """Windows of all bins from their neighbours, bin by bin.

        Parameters
        ----------
        records : float64 array (n_bins, at least width)
        result : float64 array (n_bins, at least width + 1)
        pairs : callable
            Gives the neighbours of a range of bins, on any thread, some bins at a time.
        mean_length : float
            About how many neighbours a bin has.
        """

        def of_centres(first: int, last: int) -> None:
            for start, starts, bins, weights in pairs(first, last):
                given = (records, result, start, starts, bins, weights, 0, len(starts) - 1)
                self._kernels.merge_pairs(*given, *self._ending)

        self._shared(len(result), mean_length, of_centres, tuple)

    def _shared(
        self, n: int, merges: float, work: Callable[..., None], scratch: Callable[[], tuple[FloatArray, ...]]
    ) -> None:
        """Units 0 to n of about so many merges each, on threads that take turns; each thread has scratch of its own."""
        merges = max(merges, 1.0)
        n_threads = thread_count(self._threads, int(n * merges * _WORTH_OF_A_MERGE))
        size = max(1, int(_MERGES_PER_CALL / (merges * (1 + self._columns**2 // 16))))
        starts = iter(range(0, n, size))  # who is done first takes the next: a step of a range is atomic

        def of_thread(_: int, stopped: Stopped) -> None:
            own = scratch()
            for start in starts:
                if stopped():
                    return
                work(start, min(start + size, n), *own)

        side_by_side(of_thread, n_threads)


def _kernels_of(p: int, t: int) -> Any:
    straight = p <= MOST_PREDICTORS and t <= MOST_TARGETS
    name = f"windows_p{p}_t{t}" if straight else "windows_any_size"
    module: ModuleType = import_module(f"gbr_dag.kernels.straight.{name}")
    return module

"""Rows in any order into records of factors, columns read as they are: the frame is neither sorted nor copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels import records as any_size
from gbr_dag.kernels.generator import MOST_PREDICTORS, MOST_TARGETS
from gbr_dag.kernels.memory import empty
from gbr_dag.kernels.read_only import read_only, read_only_doubles
from gbr_dag.kernels.rows import CHUNK, NOTES
from gbr_dag.kernels.threads import ROWS_PER_CALL, Stopped, blocks, equal_loads, shares, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

_REASONS = 7
_MOST_TARGETS = 8

_LINE = 8
"""Doubles of a cache line: records begin and end with one."""

_BINS_PER_CALL = 1 << 12

_ROWS_PER_RECORD = 8
"""Least rows for each record of the threads' own tables.

16 threads with a table of 1.5M records each took 6.1 s and 3.0 GB for 3M rows, one thread 1.7 s and 0.6 GB.
"""

_UNEVEN = 1.5
"""Ranges of bins serve as shares of the threads while no share has so many times the rows of an equal one."""


@dataclass(frozen=True)
class Factored:
    """Records of all bins, (n_bins, width), and how many rows were left out; ``notes`` are those of ``rows.NOTES``."""

    records: FloatArray
    notes: npt.NDArray[np.int64]

    @property
    def left_out(self) -> npt.NDArray[np.int64]:
        """Rows left out of every fit, by the code of their reason."""
        counts = self.notes[:_REASONS].copy()
        counts[:2] = 0
        return counts

    @property
    def lacking_some(self) -> int:
        """Rows that lack some of the targets but not all."""
        return int(self.notes[0])

    @property
    def lacking_any(self) -> int:
        """Rows that lack a target."""
        return int(self.notes[1])

    @property
    def without_target(self) -> npt.NDArray[np.int64]:
        """Rows that lack a target, by target."""
        return self.notes[NOTES:]


def most_targets(p: int) -> int:
    """Targets that go into one record with ``p`` predictors: those of the straight-line kernels, or a handful."""
    return MOST_TARGETS if p <= MOST_PREDICTORS else _MOST_TARGETS


def factored(
    row_bin: Array,
    entries: npt.NDArray[np.int64],
    columns: Sequence[Array],
    weights: Optional[Array],
    p: int,
    centred: bool,
    threads: Optional[int],
) -> Factored:
    """Records of ``p`` predictors and their targets, in one pass over the rows.

    Parameters
    ----------
    row_bin : integer array (n_rows,)
        Bin of every row, -1 for none.
    entries : int64 array (n_bins,)
        Rows of every bin.
    columns : sequence of numeric arrays (n_rows,)
        Predictors, then targets.
    weights : array (n_rows,) or None
    centred : bool
        Whether rows enter as deviations from the bin's means.
    threads : int or None

    Notes
    -----
    Each thread goes through all rows and takes those of its own range of bins, so that every record sees its rows in
    the order of the frame and comes out the same to the last bit for any number of threads. Where single bins hold so
    many rows that no ranges of equal load exist, threads take ranges of rows and their records are merged.
    """
    n_rows, n_bins = len(row_bin), len(entries)
    width = record_width(p, len(columns))
    n_threads = thread_count(threads, n_rows)
    pass_ = _Pass(read_only(row_bin), list(columns), weights, p, centred)
    ranges = equal_loads(entries, n_threads)
    largest = max(int(entries[first:last].sum()) for first, last in ranges)
    n_tables = min(n_threads, n_rows // (_ROWS_PER_RECORD * max(n_bins, 1)))
    if largest * n_threads <= _UNEVEN * entries.sum() or n_tables < 2:
        table = _records(n_bins, width)

        def of_bins(i: int, stopped: Stopped) -> npt.NDArray[np.int64]:
            table[slice(*ranges[i])] = 0.0
            return pass_.run(table, ranges[i], (0, n_rows), stopped)

        return Factored(table, np.sum(side_by_side(of_bins, len(ranges)), axis=0))
    tables = [_records(n_bins, width) for _ in range(n_tables)]
    rows = shares(n_rows, n_tables)

    def of_rows(i: int, stopped: Stopped) -> npt.NDArray[np.int64]:
        tables[i].fill(0.0)
        return pass_.run(tables[i], (0, n_bins), rows[i], stopped)

    notes = side_by_side(of_rows, n_tables)
    bins = shares(n_bins, n_tables)

    def merged(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*bins[i], stopped, _BINS_PER_CALL):
            for other in tables[1:]:
                any_size.merge(tables[0], other, start, stop, centred, p, len(columns))

    side_by_side(merged, n_tables)
    return Factored(tables[0], np.sum(notes, axis=0))


def record_width(p: int, k: int) -> int:
    """Doubles of a record, as :func:`gbr_dag.tables.record_width` has it."""
    return 2 + 2 * k + p * k - p * (p - 1) // 2 + k - p


class _Pass:
    """One pass over the rows, for any thread."""

    def __init__(self, row_bin: Array, columns: list[Array], weights: Optional[Array], p: int, centred: bool) -> None:
        self._row_bin, self._columns, self._weights = row_bin, columns, weights
        self._p, self._centred = p, centred
        self._straight = straight_kernels(p, len(columns) - p)

    def run(
        self, records: FloatArray, bins: tuple[int, int], rows: tuple[int, int], stopped: Stopped
    ) -> npt.NDArray[np.int64]:
        """Add the rows of a range of rows that belong to a range of bins; the notes on those left out."""
        notes = np.zeros(NOTES + len(self._columns) - self._p, dtype=np.int64)
        # a row costs O(columns^2), and Ctrl-C is heard between blocks
        size = max(CHUNK, ROWS_PER_CALL // (1 + len(self._columns) ** 2 // 64))
        for start, stop in blocks(*rows, stopped, size):
            block = self._row_bin[start:stop]
            columns = [read_only_doubles(column[start:stop]) for column in self._columns]
            weights = None if self._weights is None else read_only_doubles(self._weights[start:stop])
            arguments = (records, block, *bins, self._centred, notes)
            if self._straight is None:
                present = np.empty(0) if weights is None else weights
                any_size.update(*arguments, np.stack(columns), read_only(present), self._p)
            elif weights is None:
                self._straight.update_unweighted(*arguments, *columns)
            else:
                self._straight.update(*arguments, *columns, weights)
        return notes


def straight_kernels(p: int, t: int) -> Optional[ModuleType]:
    """Kernels with their loops written out for so many predictors and targets, if there are such."""
    if p > MOST_PREDICTORS or t > MOST_TARGETS:
        return None
    return import_module(f"gbr_dag.kernels.straight.p{p}_t{t}")


def _records(n: int, width: int) -> FloatArray:
    """Records (n, at least width) that hold anything, each on cache lines of its own."""
    return empty((n, -(-width // _LINE) * _LINE))

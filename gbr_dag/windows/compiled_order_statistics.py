"""Order statistics of windows by compiled loops on threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels import gathered_windows, window_order_statistics
from gbr_dag.kernels.read_only import read_only
from gbr_dag.kernels.threads import Stopped, blocks, equal_loads, side_by_side, thread_count
from gbr_dag.kernels.value_runs import value_runs, weighted_runs
from gbr_dag.tables import BinRows
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.searching import searched_neighbours
from gbr_dag.windows.tiles import Tile, tiles

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MOST_BUCKETS = 256

_TABLE_SIZE = 1 << 19
"""Numbers of the table of a tile, 2 MiB a copy: tiles with more cells have fewer buckets."""

_BINS_PER_CALL = 1 << 10
"""Bins whose rows are sorted, or whose windows are gathered, before Ctrl-C is heard."""


def order_statistics(
    values: FloatArray,
    weights: Optional[FloatArray],
    bin_rows: BinRows,
    layout: WindowLayout,
    levels: Sequence[float],
    with_mad: bool,
    threads: Optional[int],
) -> tuple[FloatArray, FloatArray]:
    """Quantiles and median absolute deviations of the finite values in every window.

    Parameters
    ----------
    values : float64 array (n_rows,)
    weights : float64 array (n_rows,) or None
        Weights of the rows, 0 where a row is left out, that go together with those of the kernel. None for statistics
        without weights: the kernel says how often a neighbour's values count.
    bin_rows : BinRows
    layout : WindowLayout
    levels : sequence of float
        Quantiles from 0 to 1; NaN for the median.
    with_mad : bool
    threads : int or None

    Returns
    -------
    results : float64 array (n_levels, n_bins)
        NaN for windows without values.
    mads : float64 array (n_bins,); (0,) if they are not wanted
    """
    asked = np.array(levels, dtype=np.float64)
    results, mads = np.full((len(asked), layout.n_bins), np.nan), np.full(layout.n_bins if with_mad else 0, np.nan)
    if layout.n_bins == 0:
        return results, mads
    rows, offsets = read_only(bin_rows.rows), read_only(bin_rows.offsets)
    n_threads = thread_count(threads, len(rows))
    lengths = np.zeros(layout.n_bins, dtype=np.int64)
    runs = np.empty(len(rows) if weights is None else (3, len(rows)))

    def sort(start: int, stop: int) -> None:
        if weights is None:
            value_runs(read_only(values), rows, offsets, start, stop, runs, lengths)
        else:
            weighted_runs(read_only(values), weights, rows, offsets, start, stop, runs, lengths)

    _over_bins(sort, np.diff(offsets), n_threads)
    if weights is None and layout.on_grid:
        _over_tiles(runs, offsets, lengths, layout, asked, results, mads, n_threads)
    else:
        kernel = gathered_windows.of_neighbours if weights is None else gathered_windows.of_weighted_neighbours
        _over_neighbours(kernel, (runs, offsets, lengths), layout, asked, results, mads, n_threads)
    return results, mads


def _over_bins(work: Callable[[int, int], None], loads: IntArray, n_threads: int) -> None:
    share = equal_loads(loads, n_threads)

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*share[i], stopped, _BINS_PER_CALL):
            work(start, stop)

    side_by_side(of_thread, len(share))


def _over_neighbours(
    kernel: Callable[..., None],
    of_bins: tuple[FloatArray, IntArray, IntArray],
    layout: WindowLayout,
    levels: FloatArray,
    results: FloatArray,
    mads: FloatArray,
    n_threads: int,
) -> None:
    for chunk in searched_neighbours(layout):
        found = np.empty((len(levels), chunk.stop - chunk.start))
        found_mads = np.empty(chunk.stop - chunk.start if len(mads) else 0)
        given = (*of_bins, chunk.starts, chunk.bins, chunk.weights)

        def of_centres(start: int, stop: int, given: Any = given, to: Any = (found, found_mads)) -> None:
            kernel(*given, start, stop, levels, *to)

        _over_bins(of_centres, np.diff(chunk.starts), n_threads)
        results[:, chunk.start : chunk.stop] = found
        if len(mads):
            mads[chunk.start : chunk.stop] = found_mads


def _over_tiles(
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    layout: WindowLayout,
    levels: FloatArray,
    results: FloatArray,
    mads: FloatArray,
    n_threads: int,
) -> None:
    """Tiles by turns on the threads, so many slices at a time as have the cells of a large tile."""
    bin_at = np.full(layout.n_cells, -1, dtype=np.int32 if layout.n_bins < 2**31 else np.int64)
    bin_at[layout.cells()] = np.arange(layout.n_bins)
    shape = np.array(layout.shape)
    every = list(tiles(layout))
    jobs = [(tile, first) for tile in every for first in range(0, layout.n_slices, _slices_at_a_time(tile))]
    # the values of a window, each as often as it may count
    most = len(runs) * 2 ** len(layout.axes)

    def of_thread(i: int, stopped: Stopped) -> None:
        for tile, first in jobs[i::n_threads]:
            if stopped():
                return
            buckets = max(1, min(_MOST_BUCKETS, _TABLE_SIZE // tile.n_cells - 1))
            work = np.empty((3, tile.n_cells * (buckets + 1)), dtype=np.int32 if most < 2**31 else np.int64)
            last = min(first + _slices_at_a_time(tile), layout.n_slices)
            box = (tile.halo, tile.halo_sizes, tile.centres, tile.centre_sizes)
            along = (tile.starts, tile.members, tile.multiples)
            of_slices = (first, last, levels, work, buckets, results, mads)
            given: tuple[Any, ...] = (runs, offsets, lengths, bin_at, shape, *box, *along, *of_slices)
            window_order_statistics.of_tile(*given)

    side_by_side(of_thread, n_threads)


def _slices_at_a_time(tile: Tile) -> int:
    return max(1, (1 << 12) // tile.n_cells)

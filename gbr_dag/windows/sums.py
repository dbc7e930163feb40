"""Whole numbers summed over the bins of every window."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.axes import WindowAxis, positions_reached
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import Search, neighbour_chunks

IntArray = npt.NDArray[np.int64]


def window_sums(layout: WindowLayout, values: IntArray, search: Search = neighbour_chunks) -> IntArray:
    """Sums over each bin's neighbours of whole numbers (n_bins, m), (n_bins, m); every neighbour counts once.

    Cost O(cells m) on a grid, whatever the window's size: differences of running sums, which are exact here. O(pairs m)
    otherwise, the pairs found by ``search``.
    """
    if not layout.axes:
        return values.astype(np.int64)
    result = np.empty(values.shape, dtype=np.int64)
    if not layout.on_grid:
        for found in search(layout):
            result[found.start : found.stop] = _segment_sums(values[found.bins], found.starts)
        return result
    size, m = math.prod(layout.shape), values.shape[1]
    for first, last, bins, cells in layout.slice_batches():
        grid = np.zeros((m, (last - first) * size), dtype=np.int64)
        grid[:, cells] = values[bins].T
        grid = grid.reshape(m, last - first, *layout.shape)
        for i, axis in enumerate(layout.axes, start=2):
            grid = _counts_along(grid, i, axis)
        result[bins] = grid.reshape(m, -1)[:, cells].T
    return result


def _segment_sums(parts: IntArray, starts: IntArray) -> IntArray:
    """Sums of the rows from each start to the next, 0 for none."""
    sums = np.zeros((len(starts) - 1, parts.shape[1]), dtype=np.int64)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(parts, starts[filled], axis=0)
    return sums


def _counts_along(grid: IntArray, place: int, axis: WindowAxis) -> IntArray:
    n = axis.n_positions
    shape = list(grid.shape)
    shape[place] = 1
    sums = np.concatenate([np.zeros(shape, dtype=np.int64), np.cumsum(grid, axis=place)], axis=place)
    turns = [1] * grid.ndim
    turns[place] = n
    total = np.take(sums, [n], axis=place)
    begins, ends = positions_reached(axis)
    counts: IntArray = np.take(sums, ends % n, axis=place) - np.take(sums, begins % n, axis=place)
    counts += (ends // n - begins // n).reshape(turns) * total
    return counts

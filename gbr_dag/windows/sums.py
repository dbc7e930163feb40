"""Sums over the bins of every window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.axes import WindowAxis, positions_reached
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import neighbour_chunks

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def window_counts(layout: WindowLayout, values: IntArray) -> IntArray:
    """Sums over each bin's neighbours of whole numbers ``values`` (n_bins, m), (n_bins, m); every neighbour counts once.

    Cost O(cells m) on a grid, whatever the window's size: differences of running sums, which are exact here. O(pairs m)
    otherwise.
    """
    if not layout.axes:
        return values.astype(np.int64)
    result = np.empty(values.shape, dtype=np.int64)
    if not layout.on_grid:
        for chunk in neighbour_chunks(layout):
            result[chunk.start : chunk.stop] = _segment_sums(values[chunk.bins], chunk.starts)
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


def window_sums(layout: WindowLayout, values: FloatArray, power: int = 0) -> FloatArray:
    """Sums over each bin's neighbours of ``values`` (n_bins, m) times their kernel weight to a power, (n_bins, m).

    With power 0 every neighbour counts once. Cost O(cells m sum(2 w + 1)) on a grid, O(pairs m) otherwise.
    """
    if not layout.axes:
        return values.astype(np.float64)
    result = np.empty(values.shape)
    if not layout.on_grid:
        for chunk in neighbour_chunks(layout):
            parts = values[chunk.bins] * (chunk.weights**power)[:, None]
            result[chunk.start : chunk.stop] = _segment_sums(parts, chunk.starts)
        return result
    size, m = math.prod(layout.shape), values.shape[1]
    for first, last, bins, cells in layout.slice_batches():
        grid = np.zeros(((last - first) * size, m))
        grid[cells] = values[bins]
        grid = grid.reshape(last - first, *layout.shape, m)
        for i, axis in enumerate(layout.axes, start=1):
            grid = _along_axis(grid, i, axis, power)
        result[bins] = grid.reshape(-1, m)[cells]
    return result


def _segment_sums(parts: Array, starts: IntArray) -> Array:
    """Sums of the rows from each start to the next, 0 for none."""
    sums = np.zeros((len(starts) - 1, parts.shape[1]), dtype=parts.dtype)
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
    counts = np.take(sums, ends % n, axis=place) - np.take(sums, begins % n, axis=place)
    return counts + (ends // n - begins // n).reshape(turns) * total


def _along_axis(grid: FloatArray, place: int, axis: WindowAxis, power: int) -> FloatArray:
    moved = np.moveaxis(grid, place, 0)
    parts = moved[axis.neighbours]
    if power and not axis.is_plain:
        parts = parts * (axis.weights**power).reshape(-1, *[1] * (moved.ndim - 1))
    return np.moveaxis(np.add.reduceat(parts, axis.starts[:-1], axis=0), 0, place)

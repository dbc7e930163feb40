"""Sums over the bins of every window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.axes import WindowAxis
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import neighbour_chunks

FloatArray = npt.NDArray[np.float64]


def window_sums(layout: WindowLayout, values: FloatArray, power: int = 0) -> FloatArray:
    """Sums over each bin's neighbours of ``values`` (n_bins, m) times their kernel weight to a power, (n_bins, m).

    With power 0 every neighbour counts once. Cost O(cells m sum(2 w + 1)) on a grid, O(pairs m) otherwise.
    """
    if not layout.axes:
        return values.astype(np.float64)
    if layout.on_grid:
        return _on_grids(layout, values, power)
    result = np.empty(values.shape)
    for chunk in neighbour_chunks(layout):
        parts = values[chunk.bins] * (chunk.weights**power)[:, None]
        result[chunk.start : chunk.stop] = _segment_sums(parts, chunk.starts)
    return result


def _segment_sums(parts: FloatArray, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Sums of the rows from each start to the next, 0 for none."""
    sums = np.zeros((len(starts) - 1, parts.shape[1]))
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(parts, starts[filled], axis=0)
    return sums


def _on_grids(layout: WindowLayout, values: FloatArray, power: int) -> FloatArray:
    cells, size, m = layout.cells(), math.prod(layout.shape), values.shape[1]
    result = np.empty((layout.n_bins, m))
    for first, last in layout.slice_ranges():
        inside: Any = slice(None)
        if (first, last) != (0, layout.n_slices):
            inside = np.flatnonzero((layout.slices >= first) & (layout.slices < last))
        places = cells[inside] - first * size
        grid = np.zeros(((last - first) * size, m))
        grid[places] = values[inside]
        grid = grid.reshape(last - first, *layout.shape, m)
        for i, axis in enumerate(layout.axes, start=1):
            grid = _along_axis(grid, i, axis, power)
        result[inside] = grid.reshape(-1, m)[places]
    return result


def _along_axis(grid: FloatArray, place: int, axis: WindowAxis, power: int) -> FloatArray:
    moved = np.moveaxis(grid, place, 0)
    parts = moved[axis.neighbours]
    if power and not axis.is_plain:
        parts = parts * (axis.weights**power).reshape(-1, *[1] * (moved.ndim - 1))
    return np.moveaxis(np.add.reduceat(parts, axis.starts[:-1], axis=0), 0, place)

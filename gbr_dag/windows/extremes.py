"""Least values over the bins of every window."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import Search, neighbour_chunks

FloatArray = npt.NDArray[np.float64]


def window_minima(layout: WindowLayout, values: FloatArray, search: Search = neighbour_chunks) -> FloatArray:
    """Least of the ``values`` (n_bins, m) of each bin's neighbours, (n_bins, m); infinity where it has none.

    Cost O(cells m sum(2 w + 1)) on a grid, O(pairs m) otherwise, the pairs found by ``search``.
    """
    if not layout.axes or not layout.n_bins:
        return values
    result = np.full(values.shape, np.inf)
    if not layout.on_grid:
        for chunk in search(layout):
            filled = np.flatnonzero(np.diff(chunk.starts))
            if len(filled):
                least = np.minimum.reduceat(values[chunk.bins], chunk.starts[filled], axis=0)
                result[chunk.start + filled] = least
        return result
    cells, size, m = layout.cells(), math.prod(layout.shape), values.shape[1]
    for first, last in layout.slice_ranges():
        inside = np.flatnonzero((layout.slices >= first) & (layout.slices < last))
        grid = np.full(((last - first) * size, m), np.inf)
        grid[cells[inside] - first * size] = values[inside]
        grid = grid.reshape(last - first, *layout.shape, m)
        for i, axis in enumerate(layout.axes, start=1):
            moved = np.moveaxis(grid, i, 0)[axis.neighbours]
            grid = np.moveaxis(np.minimum.reduceat(moved, axis.starts[:-1], axis=0), 0, i)
        result[inside] = grid.reshape(-1, m)[cells[inside] - first * size]
    return result

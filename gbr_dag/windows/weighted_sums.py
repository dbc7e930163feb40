"""Sums over the bins of every window, weighted by the kernel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import Search, neighbour_chunks

FloatArray = npt.NDArray[np.float64]


def weighted_sums(
    layout: WindowLayout, values: FloatArray, power: int, search: Search = neighbour_chunks
) -> FloatArray:
    """Sums over each bin's neighbours of ``values`` (n_bins,) times their kernel weight to a power, (n_bins,).

    Cost O(cells sum(2 w + 1)) on a grid, O(pairs) otherwise, the pairs found by ``search``; every sum is made
    anew, none by differences.
    """
    if not layout.axes:
        return values
    result = np.zeros(layout.n_bins)
    if not layout.on_grid:
        for found in search(layout):
            parts = values[found.bins] * found.weights**power
            filled = np.flatnonzero(np.diff(found.starts))
            if len(filled):
                result[found.start + filled] = np.add.reduceat(parts, found.starts[filled])
        return result
    for first, last, bins, cells in layout.slice_batches():
        grid = np.zeros((last - first) * math.prod(layout.shape))
        grid[cells] = values[bins]
        grid = grid.reshape(last - first, *layout.shape)
        for place, axis in enumerate(layout.axes, start=1):
            moved = np.moveaxis(grid, place, 0)
            parts = moved[axis.neighbours] * (axis.weights**power).reshape(-1, *[1] * (grid.ndim - 1))
            grid = np.moveaxis(np.add.reduceat(parts, axis.starts[:-1], axis=0), 0, place)
        result[bins] = grid.reshape(-1)[cells]
    return result

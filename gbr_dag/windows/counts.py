"""How many bins lie in every window of a grid, counted together with the rows in them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.memory import empty, zeros
from gbr_dag.kernels.window_counts import sum_along
from gbr_dag.windows.axes import positions_reached
from gbr_dag.windows.layout import WindowLayout

IntArray = npt.NDArray[np.int64]

_BITS = 63


def counts_on_grid(layout: WindowLayout, entries: IntArray) -> IntArray:
    """Bins in the window of each bin and the sum of their ``entries``, int64 (n_bins, 2); cost O(cells).

    Both are the two ends of one integer as long as they fit: half the memory that is gone through. Numbers that run
    over on the way do no harm, since differences are exact modulo 2^64.
    """
    counts: IntArray = empty((2, layout.n_bins), np.int64).T  # columns of a table
    total = int(entries.sum())
    shift = total.bit_length()
    if shift + layout.n_bins.bit_length() > _BITS:
        counts[:, 0] = _sums(layout, np.ones_like(entries))
        counts[:, 1] = _sums(layout, entries)
        return counts
    both = _sums(layout, entries + (1 << shift))
    np.right_shift(both, shift, out=counts[:, 0])
    np.bitwise_and(both, (1 << shift) - 1, out=counts[:, 1])
    return counts


def _sums(layout: WindowLayout, values: IntArray) -> IntArray:
    """Sums over each bin's neighbours of whole numbers (n_bins,), (n_bins,); every neighbour counts once."""
    result: IntArray = empty((layout.n_bins,), np.int64)
    runs = [positions_reached(axis) for axis in layout.axes]
    size = math.prod(layout.shape)
    for first, last, bins, cells in layout.slice_batches():
        grid = zeros(((last - first) * size,), np.int64)
        grid[cells] = values[bins]
        inner = size
        for n, (begins, ends) in zip(layout.shape, runs):
            inner //= n
            sum_along(grid, n, inner, begins, ends)
        result[bins] = grid[cells]
    return result

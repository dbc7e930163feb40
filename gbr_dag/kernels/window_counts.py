"""Whole numbers summed over the cells of every window of a grid, along one axis after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

IntArray = npt.NDArray[np.int64]

_PIECE = 64
"""Neighbouring lines that are summed together: whole cache lines are read, and additions are vectorised."""


def sum_along(grid: IntArray, n: int, inner: int, begins: IntArray, ends: IntArray) -> None:
    """Replace every number by the sum over its run of neighbours along one axis.

    Parameters
    ----------
    grid : int64 array (n_cells,)
        A row-major grid.
    n : int
        Positions along the axis.
    inner : int
        Cells from one position to the next.
    begins, ends : int64 arrays (n,)
        Run of every position; beyond the ends of the axis, which then is a ring, lie the positions of the other end.
    """
    sums = np.empty((n + 1, min(inner, _PIECE)), dtype=np.int64)
    _sum_along(grid, n, inner, begins % n, ends % n, ends // n - begins // n, sums)


@kernel
def _sum_along(
    grid: IntArray, n: int, inner: int, begins: IntArray, ends: IntArray, turns: IntArray, sums: IntArray
) -> None:
    """Differences of running sums, which are exact in whole numbers, and so many whole lines."""
    piece = sums.shape[1]
    for outer in range(0, grid.size, n * inner):
        for first in range(0, inner, piece):
            width = min(piece, inner - first)
            base = outer + first
            for j in range(width):
                sums[0, j] = 0
            for position in range(n):
                here = base + position * inner
                for j in range(width):
                    sums[position + 1, j] = sums[position, j] + grid[here + j]
            for position in range(n):
                here = base + position * inner
                low, high, whole = begins[position], ends[position], turns[position]
                for j in range(width):
                    grid[here + j] = sums[high, j] - sums[low, j] + whole * sums[n, j]

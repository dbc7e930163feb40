"""Rows in the order of their bins, by counting."""

from __future__ import annotations

from typing import Any, Union

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

IntArray = npt.NDArray[np.int64]
PositionArray = Union[npt.NDArray[np.int32], npt.NDArray[np.int64]]


def counting_sort(row_bin: npt.NDArray[Any], n_bins: int) -> tuple[PositionArray, IntArray]:
    """Row positions sorted by bin, in the order they came in within a bin.

    Parameters
    ----------
    row_bin : int32 or int64 array (n_rows,)
        Bin of every row, below ``n_bins``, which is not checked; negative where the row is left out.
    n_bins : int
        Number of bins.

    Returns
    -------
    rows : int32 array (n_binned_rows,)
        Row positions; int64 if there are more than 2**31 rows.
    offsets : int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.

    Notes
    -----
    Cost O(n_rows + n_bins), two passes over ``row_bin``.

    Examples
    --------
    >>> import numpy as np
    >>> rows, offsets = counting_sort(np.array([1, 0, -1, 1]), 3)
    >>> rows.tolist(), offsets.tolist()
    ([1, 0, 3], [0, 1, 3, 3])
    """
    offsets = bin_offsets(row_bin, n_bins)
    rows = np.empty(offsets[-1], dtype=position_dtype(len(row_bin)))
    place_rows(row_bin, offsets, rows)
    return rows, offsets


def position_dtype(n_rows: int) -> type[np.signedinteger[Any]]:
    """Smallest integer type for positions of rows that a compiled loop is made for."""
    return np.int32 if n_rows <= 2**31 else np.int64


@kernel
def bin_offsets(row_bin: npt.NDArray[Any], n_bins: int) -> IntArray:
    """Rows in the bins before each one, int64 (n_bins + 1,); negative bins are not counted."""
    offsets = np.zeros(n_bins + 1, dtype=np.int64)
    for row in range(len(row_bin)):
        if row_bin[row] >= 0:
            offsets[row_bin[row] + 1] += 1
    for b in range(n_bins):
        offsets[b + 1] += offsets[b]
    return offsets


@kernel
def place_rows(row_bin: npt.NDArray[Any], offsets: IntArray, rows: PositionArray) -> None:
    """Write the row positions of every bin, ascending, to its part of ``rows`` (n_binned_rows,)."""
    free = offsets.copy()
    for row in range(len(row_bin)):
        b = row_bin[row]
        if b >= 0:
            rows[free[b]] = row
            free[b] += 1

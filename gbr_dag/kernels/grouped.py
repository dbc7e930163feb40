"""One value per group of one column, in one pass over unsorted rows.

In every function ``ids`` is an integer array (n_rows,) with the group of every row, negative where it is in none, and
``n`` the number of groups. NaN is skipped, so that what a group has left is told beside its value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import compensated_sum

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
IdArray = npt.NDArray[np.signedinteger[Any]]


@kernel
def group_sizes(ids: IdArray, n: int) -> IntArray:
    """Rows of every group, int64 (n,)."""
    sizes = np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0:
            sizes[ids[row]] += 1
    return sizes


@kernel
def group_sums(values: npt.NDArray[Any], ids: IdArray, n: int) -> tuple[FloatArray, IntArray]:
    """Sum of the floats of every group, and how many are not NaN, float64 and int64 (n,).

    Compensated: the error does not grow with the number of rows.
    """
    sums, counts = np.zeros((n, 2)), np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        group, value = ids[row], np.float64(values[row])
        if group >= 0 and not np.isnan(value):
            counts[group] += 1
            total, rest = sums[group, 0], sums[group, 1]
            if np.isfinite(value) and np.isfinite(total):
                total, rest = compensated_sum(total, rest, value)
            else:  # the rest of an infinite sum would be NaN
                total, rest = total + value, 0.0
            sums[group, 0], sums[group, 1] = total, rest
    return sums[:, 0].copy(), counts


@kernel
def group_integer_sums(values: npt.NDArray[Any], ids: IdArray, n: int) -> IntArray:
    """Sum of the integers or booleans of every group, int64 (n,), modulo 2**64."""
    sums = np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0:
            sums[ids[row]] += np.int64(values[row])
    return sums


@kernel
def group_squares(values: npt.NDArray[Any], centres: FloatArray, ids: IdArray, n: int) -> FloatArray:
    """Sum of the squared distances from the centre of its group, float64 (n,), corrected for the centre's rounding.

    T. F. Chan, G. H. Golub, R. J. LeVeque, Am. Stat. 37 (1983) 242, equation (1.7).
    """
    squares, rests, counts = np.zeros(n), np.zeros(n), np.zeros(n)
    for row in range(len(ids)):
        group, value = ids[row], np.float64(values[row])
        if group >= 0 and not np.isnan(value):
            distance = value - centres[group]
            squares[group] += distance * distance
            rests[group] += distance
            counts[group] += 1.0
    for group in range(n):
        if counts[group] > 0.0:
            squares[group] -= rests[group] * rests[group] / counts[group]
    return squares


@kernel
def group_products(values: npt.NDArray[Any], ids: IdArray, n: int) -> tuple[FloatArray, IntArray]:
    """Product of the floats of every group, and how many are not NaN, float64 and int64 (n,)."""
    products, counts = np.ones(n), np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        value = np.float64(values[row])
        if ids[row] >= 0 and not np.isnan(value):
            products[ids[row]] *= value
            counts[ids[row]] += 1
    return products, counts


@kernel
def group_extremes(values: npt.NDArray[Any], ids: IdArray, n: int, sign: int) -> IntArray:
    """Row of the largest value of every group (``sign`` 1) or of the smallest (-1), int64 (n,); -1 where there is none.

    The first of equal ones. Numbers and booleans; a row rather than a value, so that integers stay what they are.
    """
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids)):
        group, value = ids[row], values[row]
        if group < 0 or value != value:
            continue
        best = rows[group]
        if best < 0 or (values[best] < value if sign > 0 else value < values[best]):
            rows[group] = row
    return rows


@kernel
def first_rows(present: npt.NDArray[np.bool_], ids: IdArray, n: int) -> IntArray:
    """First row of every group where a value is present, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0 and present[row] and rows[ids[row]] < 0:
            rows[ids[row]] = row
    return rows


@kernel
def last_rows(present: npt.NDArray[np.bool_], ids: IdArray, n: int) -> IntArray:
    """Last row of every group where a value is present, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0 and present[row]:
            rows[ids[row]] = row
    return rows


@kernel
def group_quantiles(values: npt.NDArray[Any], rows: IdArray, offsets: IntArray, level: float) -> FloatArray:
    """Quantile of the values of every group by linear interpolation between order statistics, float64 (n,).

    Group ``g`` holds ``values[rows[offsets[g]:offsets[g + 1]]]``; NaN is left out, and NaN stands where nothing is
    left. R. J. Hyndman, Y. Fan, Am. Stat. 50 (1996) 361, definition 7.
    """
    n = len(offsets) - 1
    quantiles = np.empty(n)
    for group in range(n):
        scratch = np.empty(offsets[group + 1] - offsets[group])
        count = 0
        for i in range(offsets[group], offsets[group + 1]):
            value = np.float64(values[rows[i]])
            if not np.isnan(value):
                scratch[count] = value
                count += 1
        if count == 0:
            quantiles[group] = np.nan
            continue
        ordered = np.sort(scratch[:count])
        place = level * (count - 1)
        below = int(np.floor(place))
        above = min(below + 1, count - 1)
        share = place - below
        step = ordered[above] - ordered[below]
        if share == 0.0 or ordered[above] == ordered[below]:
            quantiles[group] = ordered[below]
        elif share < 0.5:
            quantiles[group] = ordered[below] + step * share
        else:
            quantiles[group] = ordered[above] - step * (1.0 - share)
    return quantiles

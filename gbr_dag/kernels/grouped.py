"""One value per group of one column, in one pass over unsorted rows.

In every function ``values`` are numbers or booleans (n_rows,), ``ids`` is an integer array (n_rows,) with the group of
every row, negative where it is in none, and ``n`` the number of groups. NaN is skipped.
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
def group_counts(values: npt.NDArray[Any], ids: IdArray, n: int) -> IntArray:
    """Values of every group that are not NaN, int64 (n,)."""
    counts = np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0 and values[row] == values[row]:
            counts[ids[row]] += 1
    return counts


@kernel
def group_sums(values: npt.NDArray[Any], ids: IdArray, n: int) -> tuple[FloatArray, bool]:
    """Sum of every group in double precision, float64 (n,), and whether NaN was skipped anywhere.

    Compensated: the error does not grow with the number of rows.
    """
    sums, rests, skipped, overflown = np.zeros(n), np.zeros(n), False, False
    for row in range(len(ids)):
        group, value = ids[row], np.float64(values[row])
        if group < 0:
            continue
        if value != value:
            skipped = True
            continue
        sums[group], rests[group] = compensated_sum(sums[group], rests[group], value)
    for group in range(n):
        if rests[group] != rests[group]:  # of an infinite sum, which needs no compensation
            sums[group], overflown = 0.0, True
    if overflown:
        for row in range(len(ids)):
            group, value = ids[row], np.float64(values[row])
            if group >= 0 and value == value and rests[group] != rests[group]:
                sums[group] += value
    return sums, skipped


@kernel
def group_integer_sums(values: npt.NDArray[Any], ids: IdArray, n: int) -> IntArray:
    """Sum of the integers or booleans of every group, int64 (n,), modulo 2**64."""
    sums = np.zeros(n, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0:
            sums[ids[row]] += np.int64(values[row])
    return sums


@kernel
def group_squares(values: npt.NDArray[Any], centres: FloatArray, counts: IntArray, ids: IdArray) -> FloatArray:
    """Sum of the squared distances from the centre of its group, float64 (n,), corrected for the centre's rounding.

    ``centres`` and ``counts`` (n,) are the means, and how many values are not NaN. T. F. Chan, G. H. Golub,
    R. J. LeVeque, Am. Stat. 37 (1983) 242, equation (1.7).
    """
    n = len(counts)
    squares, rests = np.zeros(n), np.zeros(n)
    for row in range(len(ids)):
        group, value = ids[row], np.float64(values[row])
        if group >= 0 and value == value:
            distance = value - centres[group]
            squares[group] += distance * distance
            rests[group] += distance
    for group in range(n):
        if counts[group] > 0:
            squares[group] -= rests[group] * rests[group] / counts[group]
    return squares


@kernel
def group_products(values: npt.NDArray[Any], ids: IdArray, n: int) -> FloatArray:
    """Product of the floats of every group, float64 (n,)."""
    products = np.ones(n)
    for row in range(len(ids)):
        value = np.float64(values[row])
        if ids[row] >= 0 and value == value:
            products[ids[row]] *= value
    return products


@kernel
def group_integer_products(values: npt.NDArray[Any], ids: IdArray, n: int) -> IntArray:
    """Product of the integers or booleans of every group, int64 (n,), modulo 2**64."""
    products = np.ones(n, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0:
            products[ids[row]] *= np.int64(values[row])
    return products


@kernel
def group_minima(values: npt.NDArray[Any], ids: IdArray, minima: npt.NDArray[Any]) -> None:
    """Smallest value of every group, written to ``minima`` (n,), which holds the largest of its type, or NaN."""
    for row in range(len(ids)):
        group, value = ids[row], values[row]
        if group >= 0 and value == value and not minima[group] <= value:
            minima[group] = value


@kernel
def group_maxima(values: npt.NDArray[Any], ids: IdArray, maxima: npt.NDArray[Any]) -> None:
    """Largest value of every group, written to ``maxima`` (n,), which holds the smallest of its type, or NaN."""
    for row in range(len(ids)):
        group, value = ids[row], values[row]
        if group >= 0 and value == value and not maxima[group] >= value:
            maxima[group] = value


@kernel
def group_any(values: npt.NDArray[Any], ids: IdArray, n: int) -> npt.NDArray[np.bool_]:
    """Whether some value of every group is neither 0 nor NaN (n,)."""
    found = np.zeros(n, dtype=np.bool_)
    for row in range(len(ids)):
        if ids[row] >= 0 and values[row] != 0 and values[row] == values[row]:
            found[ids[row]] = True
    return found


@kernel
def group_all(values: npt.NDArray[Any], ids: IdArray, n: int) -> npt.NDArray[np.bool_]:
    """Whether no value of every group is 0 (n,)."""
    found = np.ones(n, dtype=np.bool_)
    for row in range(len(ids)):
        if ids[row] >= 0 and values[row] == 0:
            found[ids[row]] = False
    return found


@kernel
def first_rows(ids: IdArray, n: int) -> IntArray:
    """First row of every group, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids) - 1, -1, -1):
        if ids[row] >= 0:
            rows[ids[row]] = row
    return rows


@kernel
def last_rows(ids: IdArray, n: int) -> IntArray:
    """Last row of every group, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0:
            rows[ids[row]] = row
    return rows


@kernel
def first_present_rows(missing: npt.NDArray[np.bool_], ids: IdArray, n: int) -> IntArray:
    """First row of every group whose value is not missing, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids) - 1, -1, -1):
        if ids[row] >= 0 and not missing[row]:
            rows[ids[row]] = row
    return rows


@kernel
def last_present_rows(missing: npt.NDArray[np.bool_], ids: IdArray, n: int) -> IntArray:
    """Last row of every group whose value is not missing, int64 (n,); -1 where there is none."""
    rows = np.full(n, -1, dtype=np.int64)
    for row in range(len(ids)):
        if ids[row] >= 0 and not missing[row]:
            rows[ids[row]] = row
    return rows


@kernel
def group_quantiles(values: npt.NDArray[Any], rows: IdArray, offsets: IntArray, level: float) -> FloatArray:
    """Quantile of the values of every group by linear interpolation between order statistics, float64 (n,).

    Group ``g`` holds ``values[rows[offsets[g]:offsets[g + 1]]]``; NaN is left out, and NaN stands where nothing is
    left. ``level`` is from 0 to 1, which is not checked. R. J. Hyndman, Y. Fan, Am. Stat. 50 (1996) 361, definition 7.
    """
    quantiles = np.full(len(offsets) - 1, np.nan)
    scratch = np.empty(len(rows))
    for group in range(len(offsets) - 1):
        count = 0
        for i in range(offsets[group], offsets[group + 1]):
            value = np.float64(values[rows[i]])
            if value == value:
                scratch[count] = value
                count += 1
        if count == 0:
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


@kernel
def group_distinct(values: npt.NDArray[Any], rows: IdArray, offsets: IntArray) -> IntArray:
    """Number of distinct values of every group but NaN, int64 (n,); ``rows``, ``offsets`` as in `group_quantiles`."""
    distinct = np.zeros(len(offsets) - 1, dtype=np.int64)
    scratch = np.empty(len(rows), dtype=values.dtype)
    for group in range(len(offsets) - 1):
        count = 0
        for i in range(offsets[group], offsets[group + 1]):
            value = values[rows[i]]
            if value == value:
                scratch[count] = value
                count += 1
        ordered = np.sort(scratch[:count])
        for i in range(count):
            if i == 0 or ordered[i] != ordered[i - 1]:
                distinct[group] += 1
    return distinct

"""One value per group of one column, in one pass over unsorted rows.

In every function ``values`` are numbers or booleans (n_rows,), ``ids`` is an integer array (n_rows,) with the group of
every row, negative where it is in none, and ``n`` the number of groups. NaN is skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import compensated_sum, median

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
IdArray = npt.NDArray[np.signedinteger[Any]]

_FEW = 24
"""Values that are ordered by counting, whose cost grows with their square."""


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
    records = np.zeros((n, 4))  # centre, squares, rest: together in one cache line
    records[:, 0] = centres
    for row in range(len(ids)):
        group, value = ids[row], np.float64(values[row])
        if group >= 0 and value == value:
            distance = value - records[group, 0]
            records[group, 1] += distance * distance
            records[group, 2] += distance
    squares = np.zeros(n)
    for group in range(n):
        if counts[group] > 0:
            squares[group] = records[group, 1]
            if squares[group] != np.inf:  # nothing is to be corrected where the squares are beyond doubles
                squares[group] -= records[group, 2] * records[group, 2] / counts[group]
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
        if group >= 0:
            best = minima[group]  # no branch depends on a value: random ones made it twice as slow
            minima[group] = value if value < best or best != best else best


@kernel
def group_maxima(values: npt.NDArray[Any], ids: IdArray, maxima: npt.NDArray[Any]) -> None:
    """Largest value of every group, written to ``maxima`` (n,), which holds the smallest of its type, or NaN."""
    for row in range(len(ids)):
        group, value = ids[row], values[row]
        if group >= 0:
            best = maxima[group]
            maxima[group] = value if value > best or best != best else best


@kernel
def group_any(values: npt.NDArray[Any], ids: IdArray, n: int) -> npt.NDArray[np.bool_]:
    """Whether some value of every group is neither 0 nor NaN (n,)."""
    found = np.zeros(n, dtype=np.bool_)
    for row in range(len(ids)):
        if ids[row] >= 0:  # no branch depends on a value
            found[ids[row]] |= (values[row] != 0) & (values[row] == values[row])
    return found


@kernel
def group_all(values: npt.NDArray[Any], ids: IdArray, n: int) -> npt.NDArray[np.bool_]:
    """Whether no value of every group is 0 (n,)."""
    found = np.ones(n, dtype=np.bool_)
    for row in range(len(ids)):
        if ids[row] >= 0:
            found[ids[row]] &= values[row] != 0
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
def group_medians(values: FloatArray, ids: IdArray, sizes: IntArray) -> FloatArray:
    """Median of every group, float64 (n,); ``sizes`` (n,) are the rows of every group."""
    medians = np.empty(len(sizes))
    gathered, starts, stops = _gathered(values, ids, sizes)
    ordered = np.empty(_FEW)
    for group in range(len(medians)):
        count = stops[group] - starts[group]
        own = gathered[starts[group] : stops[group]]
        if count == 0 or count > _FEW:
            medians[group] = median(own, count)
            continue
        _ranked(own, count, ordered)
        lower, upper = ordered[(count - 1) // 2], ordered[count // 2]
        middle = (lower + upper) / 2.0 + 0.0
        medians[group] = lower / 2.0 + upper / 2.0 if np.isinf(middle) else middle  # the sum may overflow
    return medians


@kernel
def group_quantiles(values: FloatArray, ids: IdArray, sizes: IntArray, level: float) -> FloatArray:
    """Quantile of every group by linear interpolation between order statistics, float64 (n,).

    ``sizes`` (n,) are the rows of every group. NaN is left out, and NaN stands where nothing is left. A step between
    infinite values is NaN, as in NumPy. ``level`` is from 0 to 1, which is not checked.
    R. J. Hyndman, Y. Fan, Am. Stat. 50 (1996) 361, definition 7.
    """
    quantiles = np.full(len(sizes), np.nan)
    gathered, starts, stops = _gathered(values, ids, sizes)
    ordered = np.empty(_largest(sizes))
    for group in range(len(quantiles)):
        count = stops[group] - starts[group]
        if count == 0:
            continue
        _order(gathered[starts[group] : stops[group]], count, ordered)
        place = level * (count - 1)
        below = int(np.floor(place))
        above = min(below + 1, count - 1)
        share = place - below
        step = ordered[above] - ordered[below]
        if share < 0.5:
            quantiles[group] = ordered[below] + step * share
        else:
            quantiles[group] = ordered[above] - step * (1.0 - share)
    return quantiles


@kernel
def group_distinct(values: npt.NDArray[Any], ids: IdArray, sizes: IntArray) -> IntArray:
    """Number of distinct values of every group but NaN, int64 (n,); ``sizes`` (n,) are the rows of every group."""
    distinct = np.zeros(len(sizes), dtype=np.int64)
    gathered, starts, stops = _gathered(values, ids, sizes)
    ordered = np.empty(_largest(sizes), dtype=values.dtype)
    for group in range(len(distinct)):
        count = stops[group] - starts[group]
        _order(gathered[starts[group] : stops[group]], count, ordered)
        for i in range(count):
            distinct[group] += i == 0 or ordered[i] != ordered[i - 1]
    return distinct


@kernel
def _gathered(values: npt.NDArray[Any], ids: IdArray, sizes: IntArray) -> tuple[npt.NDArray[Any], IntArray, IntArray]:
    """Values sorted by group, and where in them those of each group begin and end; NaN is left out.

    Group by group through sorted positions, the medians of 1M rows in 100k groups took twice as long.
    """
    starts = np.zeros(len(sizes), dtype=np.int64)
    for group in range(1, len(sizes)):
        starts[group] = starts[group - 1] + sizes[group - 1]
    stops = starts.copy()
    gathered = np.empty(len(ids), dtype=values.dtype)
    for row in range(len(ids)):
        group, value = ids[row], values[row]
        if group >= 0:
            place = stops[group]
            gathered[place] = value
            stops[group] = place + (value == value)
    return gathered, starts, stops


@kernel
def _largest(sizes: IntArray) -> int:
    largest = 0
    for size in sizes:
        largest = max(largest, size)
    return largest


@kernel
def _order(values: npt.NDArray[Any], n: int, ordered: npt.NDArray[Any]) -> None:
    """Write the first ``n`` values to the front of ``ordered``, ascending."""
    if n <= _FEW:
        _ranked(values, n, ordered)
    else:
        ordered[:n] = np.sort(values[:n])


@kernel
def _ranked(values: npt.NDArray[Any], n: int, ordered: npt.NDArray[Any]) -> None:
    """Order a few values by counting those before each: no branch depends on a value."""
    for i in range(n):
        value, rank = values[i], 0
        for j in range(i):
            rank += values[j] <= value
        for j in range(i + 1, n):
            rank += values[j] < value
        ordered[rank] = value

"""Exact medians and median absolute deviations of the rows of every bin.

Every function here that takes ``start`` and ``stop`` writes the bins from ``start`` up to but not including ``stop``
and nothing else, so that threads may share a result. Its scratch space is as large as the largest of those bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import median, sorted_pairs, weighted_median

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def bin_medians(
    values: npt.NDArray[Any],
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    medians: FloatArray,
) -> None:
    """Median of the values of every bin, NaN left out.

    Parameters
    ----------
    values : array of any real dtype (n_rows,)
        Converted to double precision one by one; integers beyond 2**53 are rounded by that.
    rows, offsets : integer array (n_binned_rows,), int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.
    start, stop : int
        Bins to do.
    medians : float64 array (n_bins,)
        Result: the mean of the two middle values when their number is even, never -0; NaN for a bin without values,
        and where the middle values are the two infinities.

    Notes
    -----
    Selection in O(rows), but for a heap sort of what a row of bad pivots has left: O(rows log(rows)) at worst.

    References
    ----------
    D. R. Musser, Introspective sorting and selection algorithms, Softw. Pract. Exper. 27 (1997) 983.
    """
    scratch = np.empty(_largest_bin(offsets, start, stop))
    for b in range(start, stop):
        n = 0
        for i in range(offsets[b], offsets[b + 1]):
            value = np.float64(values[rows[i]])
            if not np.isnan(value):
                scratch[n] = value
                n += 1
        medians[b] = median(scratch, n)


@kernel
def weighted_bin_medians(
    values: npt.NDArray[Any],
    weights: FloatArray,
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    medians: FloatArray,
) -> None:
    """Weighted median of the values of every bin; NaN values and rows without positive weight are left out.

    The smallest value at which the cumulative weight passes half of the total; the midpoint to the next one where it
    is at half, within 4 roundoff units of the total. Parameters are those of :func:`bin_medians`, with ``weights``
    float64 (n_rows,). Cost O(rows log(rows)) by a merge sort, which keeps the order of equal values.
    """
    size = _largest_bin(offsets, start, stop)
    pairs, spare = np.empty((2, size)), np.empty((2, size))
    for b in range(start, stop):
        n = 0
        for i in range(offsets[b], offsets[b + 1]):
            value, weight = np.float64(values[rows[i]]), weights[rows[i]]
            if weight > 0.0 and not np.isnan(value):
                pairs[0, n], pairs[1, n] = value, weight
                n += 1
        medians[b] = weighted_median(sorted_pairs(pairs, spare, n), n)


@kernel
def bin_mads(
    values: FloatArray,
    used: npt.NDArray[np.bool_],
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    mads: FloatArray,
) -> None:
    """Median absolute deviation from the median, unscaled, of the values of every bin where ``used`` (n_rows,) is true.

    NaN values are left out, and so are infinite ones where the median is the same infinity. Parameters and cost are
    those of :func:`bin_medians`.
    """
    scratch = np.empty(_largest_bin(offsets, start, stop))
    for b in range(start, stop):
        n = 0
        for i in range(offsets[b], offsets[b + 1]):
            row = rows[i]
            if used[row] and not np.isnan(values[row]):
                scratch[n] = values[row]
                n += 1
        middle = median(scratch, n)
        n_present, n = n, 0
        for i in range(n_present):
            deviation = abs(scratch[i] - middle)
            if not np.isnan(deviation):
                scratch[n] = deviation
                n += 1
        mads[b] = median(scratch, n)


@kernel
def weighted_bin_mads(
    values: FloatArray,
    used: npt.NDArray[np.bool_],
    weights: FloatArray,
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    mads: FloatArray,
) -> None:
    """Median absolute deviation as by :func:`bin_mads`, both medians weighted as by :func:`weighted_bin_medians`."""
    size = _largest_bin(offsets, start, stop)
    pairs, spare = np.empty((2, size)), np.empty((2, size))
    for b in range(start, stop):
        n = 0
        for i in range(offsets[b], offsets[b + 1]):
            row = rows[i]
            if used[row] and weights[row] > 0.0 and not np.isnan(values[row]):
                pairs[0, n], pairs[1, n] = values[row], weights[row]
                n += 1
        ordered = sorted_pairs(pairs, spare, n)
        middle = weighted_median(ordered, n)
        n_present, n = n, 0
        for i in range(n_present):
            deviation, weight = abs(ordered[0, i] - middle), ordered[1, i]
            if not np.isnan(deviation):
                pairs[0, n], pairs[1, n] = deviation, weight
                n += 1
        mads[b] = weighted_median(sorted_pairs(pairs, spare, n), n)


@kernel
def _largest_bin(offsets: IntArray, start: int, stop: int) -> int:
    largest = 0
    for b in range(start, stop):
        largest = max(largest, offsets[b + 1] - offsets[b])
    return largest

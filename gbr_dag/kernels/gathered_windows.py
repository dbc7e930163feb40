"""Exact order statistics of windows whose values are gathered, neighbour by neighbour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import median, sorted_pairs, weighted_quantile
from gbr_dag.kernels.window_order_statistics import adjacent, between, ranks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def of_neighbours(
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    starts: IntArray,
    bins: IntArray,
    weights: FloatArray,
    start: int,
    stop: int,
    levels: FloatArray,
    results: FloatArray,
    mads: FloatArray,
) -> None:
    """Order statistics of the values in the bins next to the centres ``start`` to ``stop``.

    Parameters
    ----------
    runs, offsets, lengths : float64 array (n_values,), int64 arrays (n_bins + 1,), (n_bins,)
        Bin ``b`` holds ``lengths[b]`` values from ``offsets[b]`` on.
    starts, bins, weights : int64 array (n_centres + 1,), int64 and float64 arrays (n_entries,)
        Neighbours of every centre, and how often each of their values counts, a whole number.
    start, stop : int
        Centres to do.
    levels : float64 array (m,)
        Quantiles from 0 to 1; NaN for the median.
    results : float64 array (m, n_centres)
        Statistics at the levels; NaN for a window without values.
    mads : float64 array (n_centres,), or (0,) if they are not wanted

    Notes
    -----
    Cost O(values in the window) for each statistic, by selection.
    """
    scratch = np.empty(0)
    for c in range(start, stop):
        n = 0
        for entry in range(starts[c], starts[c + 1]):
            n += lengths[bins[entry]] * int(weights[entry])
        if len(scratch) < n:
            scratch = np.empty(2 * n)
        n = 0
        for entry in range(starts[c], starts[c + 1]):
            first = offsets[bins[entry]]
            for _ in range(int(weights[entry])):
                for place in range(first, first + lengths[bins[entry]]):
                    scratch[n] = runs[place]
                    n += 1
        for i in range(len(levels)):
            results[i, c] = _at_level(levels[i], scratch, n)
        if len(mads):
            middle = median(scratch, n)
            for i in range(n):
                scratch[i] = abs(scratch[i] - middle)
            mads[c] = median(scratch, n)


@kernel
def _at_level(level: float, values: FloatArray, n: int) -> float:
    if n == 0:
        return np.nan
    rank, share = ranks(level, n)
    lower, upper = adjacent(values, n, rank)
    return between(level, lower, upper, share)


@kernel
def of_weighted_neighbours(
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    starts: IntArray,
    bins: IntArray,
    weights: FloatArray,
    start: int,
    stop: int,
    levels: FloatArray,
    results: FloatArray,
    mads: FloatArray,
) -> None:
    """As :func:`of_neighbours` with values that have weights, ``runs`` (2, n_values), times their neighbour's weight.

    The smallest value at which the cumulative weight passes the level's share of the total; the midpoint to the next
    one where it is at that share. Cost O(values log(values)) by a merge sort.
    """
    pairs, spare = np.empty((2, 0)), np.empty((2, 0))
    for c in range(start, stop):
        n = 0
        for entry in range(starts[c], starts[c + 1]):
            n += lengths[bins[entry]]
        if pairs.shape[1] < n:
            pairs, spare = np.empty((2, 2 * n)), np.empty((2, 2 * n))
        n = 0
        for entry in range(starts[c], starts[c + 1]):
            first = offsets[bins[entry]]
            for place in range(first, first + lengths[bins[entry]]):
                pairs[0, n], pairs[1, n] = runs[0, place], runs[1, place] * weights[entry]
                n += 1
        ordered = sorted_pairs(pairs, spare, n)
        for i in range(len(levels)):
            results[i, c] = weighted_quantile(ordered, n, 0.5 if np.isnan(levels[i]) else levels[i])
        if len(mads):
            middle = weighted_quantile(ordered, n, 0.5)
            for i in range(n):
                pairs[0, i], pairs[1, i] = abs(ordered[0, i] - middle), ordered[1, i]
            mads[c] = weighted_quantile(sorted_pairs(pairs, spare, n), n, 0.5)

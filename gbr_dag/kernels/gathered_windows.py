"""Exact order statistics of windows whose values are gathered, neighbour by neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import (
    compensated_sum,
    median,
    quantile_within,
    side_of_share,
    sorted_pairs,
    weighted_quantile,
)
from gbr_dag.kernels.window_order_statistics import adjacent, between, ranks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SAMPLE = 512
"""Values of a window, at least, that tell where to look for a weighted quantile."""

_MARGIN = 32
"""Part of the sample that the range reaches to either side."""


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
    """As :func:`of_neighbours` with values that have weights, times their neighbour's weight.

    The smallest value at which the cumulative weight passes the level's share of the total; the midpoint to the next
    one where it is at that share. ``runs`` (3, n_values) holds values, weights, and the weights up to each in its bin.

    Notes
    -----
    A sample of the window tells a range of values that holds the quantile if the weights below and through it say so;
    only that range is sorted. Median absolute deviations cost O(values log(values)).
    """
    pairs, spare = np.empty((2, 0)), np.empty((2, 0))
    for c in range(start, stop):
        entries = slice(starts[c], starts[c + 1])
        window = (runs, offsets, lengths, bins[entries], weights[entries])
        n = 0
        for b in bins[entries]:
            n += lengths[b]
        if pairs.shape[1] < n:
            pairs, spare = np.empty((2, 2 * n)), np.empty((2, 2 * n))
        for i in range(len(levels)):
            results[i, c] = _weighted_at(0.5 if np.isnan(levels[i]) else levels[i], window, n, pairs, spare)
        if len(mads):
            middle = _weighted_at(0.5, window, n, pairs, spare)
            _gathered(window, -np.inf, np.inf, pairs)
            for i in range(n):
                pairs[0, i] = abs(pairs[0, i] - middle)
            mads[c] = weighted_quantile(sorted_pairs(pairs, spare, n), n, 0.5)


@kernel
def _weighted_at(share: float, window: Any, n: int, pairs: FloatArray, spare: FloatArray) -> float:
    if n == 0:
        return np.nan
    total = _weight_up_to(window, np.inf, True)
    low, high, below = -np.inf, np.inf, 0.0
    step = n // _SAMPLE
    if step > 1:
        ordered = sorted_pairs(pairs, spare, _sampled(window, step, pairs))
        size = n // step
        place = _place_of(ordered, size, share)
        margin = 2 + size // _MARGIN
        low = ordered[0, place - margin] if place >= margin else -np.inf
        high = ordered[0, place + margin] if place + margin < size else np.inf
        below = _weight_up_to(window, low, False)
        if side_of_share(below, share, total) >= 0:
            low, below = -np.inf, 0.0
        if side_of_share(_weight_up_to(window, high, True), share, total) <= 0:
            high = np.inf
    found = _gathered(window, low, high, pairs)
    return quantile_within(sorted_pairs(pairs, spare, found), found, share, below, total)


@kernel
def _sampled(window: Any, step: int, pairs: FloatArray) -> int:
    """Write one value of a window in ``step``, with its weight; their number."""
    runs, offsets, lengths, bins, weights = window
    n, place = 0, step - 1
    for i in range(len(bins)):
        first = offsets[bins[i]]
        while place < lengths[bins[i]]:
            pairs[0, n], pairs[1, n] = runs[0, first + place], runs[1, first + place] * weights[i]
            n += 1
            place += step
        place -= lengths[bins[i]]
    return n


@kernel
def _place_of(ordered: FloatArray, n: int, share: float) -> int:
    """Place at which the cumulative weight comes to about a share of the total."""
    total = ordered[1, :n].sum()
    cumulative = 0.0
    for i in range(n):
        cumulative += ordered[1, i]
        if cumulative >= share * total:
            return i
    return n - 1


@kernel
def _weight_up_to(window: Any, value: float, with_value: bool) -> float:
    """Weight of the values of a window below one, or not above it."""
    runs, offsets, lengths, bins, weights = window
    total, rest = 0.0, 0.0
    for i in range(len(bins)):
        first = offsets[bins[i]]
        n = _count_up_to(runs[0, first : first + lengths[bins[i]]], value, with_value)
        if n > 0:
            total, rest = compensated_sum(total, rest, runs[2, first + n - 1] * weights[i])
    return total


@kernel
def _count_up_to(run: FloatArray, value: float, with_value: bool) -> int:
    return int(np.searchsorted(run, value, side="right") if with_value else np.searchsorted(run, value, side="left"))


@kernel
def _gathered(window: Any, low: float, high: float, pairs: FloatArray) -> int:
    """Write the values from one to another with their weights; their number."""
    runs, offsets, lengths, bins, weights = window
    n = 0
    for i in range(len(bins)):
        first = offsets[bins[i]]
        run = runs[0, first : first + lengths[bins[i]]]
        for place in range(_count_up_to(run, low, False), _count_up_to(run, high, True)):
            pairs[0, n], pairs[1, n] = run[place], runs[1, first + place] * weights[i]
            n += 1
    return n

"""The finite values of every bin in ascending order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import sorted_pairs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FEW = 16
"""Values that an insertion sort orders faster than anything else does."""


@kernel
def extremes(
    values: FloatArray, row_bin: npt.NDArray[Any], start: int, stop: int, counts: IntArray, ends: FloatArray
) -> None:
    """Count the finite values of rows ``start`` to ``stop`` bin by bin, and widen the bins' ranges by them.

    Parameters
    ----------
    values, row_bin : float64 array, integer array (n_rows,)
        A negative bin leaves the row out.
    counts : int64 array (n_bins,)
    ends : float64 array (2, n_bins)
        Least and largest value so far.
    """
    for row in range(start, stop):
        b, value = row_bin[row], values[row]
        if b >= 0 and np.isfinite(value):
            counts[b] += 1
            ends[0, b] = min(ends[0, b], value)
            ends[1, b] = max(ends[1, b], value)


@kernel
def value_runs(
    values: FloatArray,
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    runs: FloatArray,
    lengths: IntArray,
) -> None:
    """Write the finite values of the bins ``start`` to ``stop`` in ascending order; -0 becomes 0.

    Parameters
    ----------
    values : float64 array (n_rows,)
    rows, offsets : integer array (n_binned_rows,), int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.
    start, stop : int
        Bins to do.
    runs : float64 array (n_binned_rows,)
        The run of bin ``b`` begins at ``offsets[b]``.
    lengths : int64 array (n_bins,)
    """
    spare = np.empty(0)
    for b in range(start, stop):
        n, first = 0, offsets[b]
        for i in range(first, offsets[b + 1]):
            value = values[rows[i]]
            if np.isfinite(value):
                runs[first + n] = value + 0.0
                n += 1
        lengths[b] = n
        if len(spare) < n:
            spare = np.empty(2 * n)
        _sort(runs[first : first + n], spare)


@kernel
def _sort(values: FloatArray, spare: FloatArray) -> None:
    """Sort by merging runs, in O(n log(n)) whatever the order; ``spare`` is as long at least."""
    n = len(values)
    for first in range(0, n, _FEW):
        for i in range(first + 1, min(first + _FEW, n)):
            value, j = values[i], i
            while j > first and values[j - 1] > value:
                values[j] = values[j - 1]
                j -= 1
            values[j] = value
    source, target, width, in_spare = values, spare[:n], _FEW, False
    while width < n:
        for first in range(0, n, 2 * width):
            _merge(source, target, first, min(first + width, n), min(first + 2 * width, n))
        source, target = target, source
        width, in_spare = 2 * width, not in_spare
    if in_spare:
        values[:] = spare[:n]


@kernel
def _merge(source: FloatArray, target: FloatArray, first: int, middle: int, stop: int) -> None:
    left, right, i = first, middle, first
    while left < middle and right < stop:
        # without a branch on the values
        from_right = source[right] < source[left]
        target[i] = source[right] if from_right else source[left]
        right += from_right
        left += not from_right
        i += 1
    while left < middle:
        target[i] = source[left]
        left += 1
        i += 1
    while right < stop:
        target[i] = source[right]
        right += 1
        i += 1


@kernel
def weighted_runs(
    values: FloatArray,
    weights: FloatArray,
    rows: npt.NDArray[Any],
    offsets: IntArray,
    start: int,
    stop: int,
    runs: FloatArray,
    lengths: IntArray,
) -> None:
    """Write values with their weights in ascending order of the values; those of weight 0 are left out.

    As :func:`value_runs`, with ``weights`` float64 (n_rows,) and ``runs`` float64 (2, n_binned_rows).
    """
    pairs, spare = np.empty((2, 0)), np.empty((2, 0))
    for b in range(start, stop):
        n, first = 0, offsets[b]
        size = offsets[b + 1] - first
        if pairs.shape[1] < size:
            pairs, spare = np.empty((2, 2 * size)), np.empty((2, 2 * size))
        for i in range(first, offsets[b + 1]):
            value, weight = values[rows[i]], weights[rows[i]]
            if weight > 0.0 and np.isfinite(value):
                pairs[0, n], pairs[1, n] = value + 0.0, weight
                n += 1
        lengths[b] = n
        ordered = sorted_pairs(pairs, spare, n)
        for i in range(n):
            runs[0, first + i], runs[1, first + i] = ordered[0, i], ordered[1, i]

"""Median of the values in one buffer, exact, plain or weighted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

FloatArray = npt.NDArray[np.float64]

_FEW = 16
"""Values that an insertion sort orders faster than anything else does."""

_LOOKS = 8
"""Looks at each value of a bin, on average, after which selection gives way to a sort; 2.7 are expected."""

_HUGE = 8.9e307
"""Above it the sum of two values may overflow."""

_TIE = 4.0 * np.finfo(np.float64).eps
"""Twice the distance of cumulative weights from a share of the total, relative to it, that rounding may make."""


@kernel
def median(values: FloatArray, n: int) -> float:
    """Median of the first ``n`` values, of which none is NaN and which it reorders; NaN for none."""
    if n == 0:
        return np.nan
    middle = n // 2
    _select(values, n, middle)
    upper: float = values[middle]
    if n % 2 == 1:
        return upper + 0.0  # -0 and 0 are equal, and the order of the rows must not show in the result
    lower = values[0]
    for i in range(1, middle):
        lower = max(lower, values[i])
    return _midpoint(lower, upper)


@kernel
def _midpoint(lower: float, upper: float) -> float:
    if lower == -np.inf and upper == np.inf:
        return np.nan
    if max(abs(lower), abs(upper)) > _HUGE:
        return lower / 2.0 + upper / 2.0
    return (lower + upper) / 2.0 + 0.0


@kernel
def _select(values: FloatArray, n: int, k: int) -> None:
    """Reorder the first ``n`` values so that none before position ``k`` is above, none after it below what is there."""
    first, last, looks, seed = 0, n - 1, _LOOKS * n, n
    while last - first >= _FEW:
        looks -= last - first
        if looks < 0:
            _heap_sort(values[first : last + 1])
            return
        pivot, seed = _pivot(values, first, last, seed)
        above = _partition(values, first, last, pivot, False)
        if k < above:
            last = above - 1
            continue
        if 8 * (above - first) < last - first:  # the pivot is the smallest value, or many values equal it
            above = _partition(values, above, last, pivot, True)
            if k < above:
                return
        first = above
    for i in range(first + 1, last + 1):
        value, j = values[i], i
        while j > first and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@kernel
def _pivot(values: FloatArray, first: int, last: int, seed: int) -> tuple[float, int]:
    """Median of three values, and the next seed.

    Scattered positions: with fixed ones a million values that rise and fall, or rise a thousand times, took 8 to
    25 times as long as random ones.
    """
    left = (seed * 25173 + 13849) % 65536
    middle = (left * 25173 + 13849) % 65536
    right = (middle * 25173 + 13849) % 65536
    size = last - first + 1
    a = values[first + left * size // 65536]
    b = values[first + middle * size // 65536]
    c = values[first + right * size // 65536]
    return max(min(a, b), min(max(a, b), c)), right


@kernel
def _partition(values: FloatArray, first: int, last: int, pivot: float, with_pivot: bool) -> int:
    """Move the values below the pivot, or not above it, to the front; the position after them.

    No branch depends on a value, which made medians of bins of 100 rows 1.4 times as fast as Hoare's partition did.
    """
    free = first
    if with_pivot:
        for i in range(first, last + 1):
            value = values[i]
            values[i], values[free] = values[free], value
            free += value <= pivot
    else:
        for i in range(first, last + 1):
            value = values[i]
            values[i], values[free] = values[free], value
            free += value < pivot
    return free


@kernel
def _heap_sort(values: FloatArray) -> None:
    n = len(values)
    first = n // 2
    while n > 1:
        if first > 0:
            first -= 1
        else:
            n -= 1
            values[0], values[n] = values[n], values[0]
        parent, child = first, 2 * first + 1
        while child < n:
            if child + 1 < n and values[child + 1] > values[child]:
                child += 1
            if values[parent] >= values[child]:
                break
            values[parent], values[child] = values[child], values[parent]
            parent, child = child, 2 * child + 1


@kernel
def weighted_median(ordered: FloatArray, n: int) -> float:
    """Weighted median of the first ``n`` columns (value, positive weight), sorted by value; NaN for none."""
    return weighted_quantile(ordered, n, 0.5)


@kernel
def weighted_quantile(ordered: FloatArray, n: int, share: float) -> float:
    """Smallest of the first ``n`` values at which the cumulative weight passes a share of the total; NaN for none.

    The midpoint to the next one where it is at that share. Columns are (value, positive weight), sorted by value.
    """
    total, rest = 0.0, 0.0
    for i in range(n):
        total, rest = _compensated_sum(total, rest, ordered[1, i])
    lower, at_share = np.nan, False
    cumulative, rest = 0.0, 0.0
    for i in range(n):
        cumulative, rest = _compensated_sum(cumulative, rest, ordered[1, i])
        beyond = 2.0 * ((1.0 - share) * cumulative - share * (total - cumulative))
        if not at_share and beyond >= -_TIE * total:
            lower, at_share = ordered[0, i], True
        if beyond > _TIE * total:
            return _midpoint(lower, ordered[0, i])
    return lower


@kernel
def _compensated_sum(total: float, rest: float, term: float) -> tuple[float, float]:
    """Kahan's step: no value's weight is lost in the sum of those before it."""
    term -= rest
    larger = total + term
    return larger, (larger - total) - term


@kernel
def sorted_pairs(pairs: FloatArray, spare: FloatArray, n: int) -> FloatArray:
    """Columns sorted by the first row, equal ones in their order; either of the two arrays holds the result."""
    for first in range(0, n, _FEW):
        for i in range(first + 1, min(first + _FEW, n)):
            value, weight, j = pairs[0, i], pairs[1, i], i
            while j > first and pairs[0, j - 1] > value:
                pairs[0, j], pairs[1, j] = pairs[0, j - 1], pairs[1, j - 1]
                j -= 1
            pairs[0, j], pairs[1, j] = value, weight
    width = _FEW
    while width < n:
        for first in range(0, n, 2 * width):
            left, right = first, min(first + width, n)
            middle, stop = right, min(first + 2 * width, n)
            for i in range(first, stop):
                if right == stop or (left < middle and pairs[0, left] <= pairs[0, right]):
                    spare[0, i], spare[1, i] = pairs[0, left], pairs[1, left]
                    left += 1
                else:
                    spare[0, i], spare[1, i] = pairs[0, right], pairs[1, right]
                    right += 1
        pairs, spare = spare, pairs
        width *= 2
    return pairs


@kernel
def selected_weighted_median(pairs: FloatArray, spare: FloatArray, n: int) -> float:
    """Weighted median of the first ``n`` columns (value, positive weight) in any order, both of which it reorders.

    By selection: a sort of 3,000 columns took 8 to 12 times as long. The sums of weights are compensated, so that a
    cumulative weight of half the total is found as it is in the sorted columns.
    """
    total, rest = 0.0, 0.0
    for i in range(n):
        total, rest = _compensated_sum(total, rest, pairs[1, i])
    first, last, looks, seed = 0, n - 1, _LOOKS * n, n
    below, rest = 0.0, 0.0
    while last - first >= _FEW:
        looks -= last - first
        if looks < 0:
            return weighted_median(sorted_pairs(pairs, spare, n), n)
        pivot, seed = _pivot(pairs[0], first, last, seed)
        above = _partition_pairs(pairs, first, last, pivot, False)
        is_smallest = above == first
        if is_smallest:
            above = _partition_pairs(pairs, first, last, pivot, True)
        part, part_rest = below, rest
        for i in range(first, above):
            part, part_rest = _compensated_sum(part, part_rest, pairs[1, i])
        beyond = part - (total - part)
        if beyond > _TIE * total:
            if is_smallest:
                return pivot
            last = above - 1
            continue
        if beyond >= -_TIE * total:
            return _midpoint(np.max(pairs[0, first:above]), np.min(pairs[0, above:n]))
        first, below, rest = above, part, part_rest
    return _weighted_median_among(pairs, first, last, below, rest, total)


@kernel
def _partition_pairs(pairs: FloatArray, first: int, last: int, pivot: float, with_pivot: bool) -> int:
    """Move the columns with values below the pivot, or not above it, to the front; the position after them."""
    free = first
    for i in range(first, last + 1):
        value, weight = pairs[0, i], pairs[1, i]
        pairs[0, i], pairs[1, i] = pairs[0, free], pairs[1, free]
        pairs[0, free], pairs[1, free] = value, weight
        free += (value <= pivot) if with_pivot else (value < pivot)
    return free


@kernel
def _weighted_median_among(pairs: FloatArray, first: int, last: int, below: float, rest: float, total: float) -> float:
    """The weighted median, known to lie from ``first`` to ``last``, with the weight below them."""
    for i in range(first + 1, last + 1):
        value, weight, j = pairs[0, i], pairs[1, i], i
        while j > first and pairs[0, j - 1] > value:
            pairs[0, j], pairs[1, j] = pairs[0, j - 1], pairs[1, j - 1]
            j -= 1
        pairs[0, j], pairs[1, j] = value, weight
    lower, at_half = np.nan, False
    for i in range(first, last + 1):
        below, rest = _compensated_sum(below, rest, pairs[1, i])
        beyond = below - (total - below)
        if not at_half and beyond >= -_TIE * total:
            lower, at_half = pairs[0, i], True
        if beyond > _TIE * total:
            return _midpoint(lower, pairs[0, i])
    return np.nan

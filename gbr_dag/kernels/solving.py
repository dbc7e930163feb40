"""Fits from the records of bins, whatever the number of columns and whichever of them are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.factoring import straight_kernels
from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.memory import empty
from gbr_dag.kernels.records import reduce
from gbr_dag.kernels.rows import is_odd_size
from gbr_dag.kernels.threads import Stopped, blocks, shares, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]

_BINS_PER_CALL = 1 << 14
"""Bins of up to 7 columns that are solved in some milliseconds, after which Ctrl-C is heard."""

_WORTH_OF_A_BIN = 8
"""A bin counts as so many rows where threads are handed out."""


@dataclass(frozen=True)
class Solved:
    """Fits of all bins.

    ``out`` (rows, n_bins) holds for each target the intercept and the slopes, then each target's residual sum of
    squares, each target's scatter, the unit covariance (m, m) with m = p + 1, the intercept first, and q; NaN where
    not determined. ``constant`` (t, n_bins): the target's scatter is rounding. ``count``, ``rank`` (n_bins,).
    ``odd_sizes`` (k,): bins in which a column's squares come near the ends of the doubles.
    """

    out: FloatArray
    constant: npt.NDArray[np.bool_]
    count: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    odd_sizes: npt.NDArray[np.int64]


def solved(
    records: FloatArray,
    min_entries: int,
    centred: bool,
    precision: FloatArray,
    p: int,
    threads: Optional[int],
) -> Solved:
    """Fits from reduced records (n_bins, width); ``precision`` (k,) holds the roundoff of the columns."""
    n, k = len(records), len(precision)
    t, m = k - p, p + 1
    out = empty((t * (m + 2) + m * m + 1, n))
    constant = empty((t, n), np.bool_)
    count = empty((n,), np.int64)
    rank = empty((n,), np.int64)
    rank.fill(p + int(centred))
    straight = straight_kernels(p, t)
    share = shares(n, thread_count(threads, n * _WORTH_OF_A_BIN))

    def of_thread(i: int, stopped: Stopped) -> npt.NDArray[np.int64]:
        odd_sizes = np.zeros(k, dtype=np.int64)
        for start, stop in blocks(*share[i], stopped, _bins_per_call(k)):
            others = 1
            if straight is not None:
                others = straight.solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes)
            if others:
                rest_only = straight is not None
                solve(
                    *(records, start, stop, min_entries, centred, precision, out, constant, count, odd_sizes, rank),
                    *(p, rest_only),
                )
        return odd_sizes

    odd = side_by_side(of_thread, len(share))
    return Solved(out, constant, count, rank, np.sum(odd, axis=0))


def reduced(
    records: FloatArray, centred: bool, precision: FloatArray, tolerance: float, p: int, threads: Optional[int]
) -> tuple[FloatArray, Optional[npt.NDArray[np.bool_]]]:
    """Records without aliased predictors, and which were kept, bool (n_bins, p); the records as given and None if all.

    ``tolerance`` is the number of roundoff units below which a pivot is noise.
    """
    n, size = len(records), _bins_per_call(len(precision))
    share = shares(n, thread_count(threads, n * _WORTH_OF_A_BIN))
    straight = straight_kernels(p, len(precision) - p)
    nothing = np.empty((0, 0), dtype=np.bool_)

    def looked_at(i: int, stopped: Stopped) -> int:
        ranges = blocks(*share[i], stopped, size)
        if straight is None:
            return sum(
                reduce(records, start, stop, centred, precision, tolerance, nothing, p) for start, stop in ranges
            )
        return sum(straight.aliased(records, start, stop, centred, precision, tolerance) for start, stop in ranges)

    def taken_out(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*share[i], stopped, size):
            reduce(table, start, stop, centred, precision, tolerance, kept, p)

    if sum(side_by_side(looked_at, len(share))) == 0:
        return records, None
    table, kept = records.copy(), np.ones((n, p), dtype=np.bool_)
    side_by_side(taken_out, len(share))
    return table, kept


def _bins_per_call(k: int) -> int:
    """Bins that take about as long for any number of columns: each costs O(k^3)."""
    return max(1, _BINS_PER_CALL // (1 + k**3 // 512))


@kernel
def solve(
    records: FloatArray,
    start: int,
    stop: int,
    min_entries: int,
    centred: bool,
    precision: FloatArray,
    out: FloatArray,
    constant: npt.NDArray[np.bool_],
    count: npt.NDArray[np.int64],
    odd_sizes: npt.NDArray[np.int64],
    rank: npt.NDArray[np.int64],
    p: int,
    rest_only: bool,
) -> None:
    """Fits of the bins ``start <= bin < stop``; of those that the straight-line kernel skips if ``rest_only``.

    The arrays are those of :class:`Solved`.
    """
    k, m = precision.size, p + 1
    t = k - p
    v, pivots, means = np.empty((p, p)), np.empty(p), np.empty(p)
    scatter = np.empty(k)
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        full = r[0] >= min_entries
        for i in range(p):
            pivots[i] = r[2 + 2 * k + i * k - i * (i - 1) // 2]
            full = full and pivots[i] > 0.0
        if full and rest_only:
            continue
        if r[0] > 0:
            _note_scatter(r, k, p, scatter, odd_sizes)
        if r[0] < min_entries:
            out[:, b] = np.nan
            constant[:, b] = False
            rank[b] = 0
            continue
        _invert(r, k, p, v, means)
        n_kept = 0
        for i in range(p):
            n_kept += pivots[i] > 0.0
        rank[b] = n_kept + int(centred)
        for j in range(t):
            _solve_target(r, k, p, j, pivots, out, b)
            size = scatter[p + j] + r[1] * r[2 + p + j] ** 2
            out[t * m + j, b] = r[2 + 2 * k + p * k - p * (p - 1) // 2 + j]
            out[t * (m + 1) + j, b] = scatter[p + j]
            constant[j, b] = scatter[p + j] <= (32.0 * precision[p + j]) ** 2 * size
        base = t * (m + 2)
        inflation = _covariance(r[1], p, v, pivots, means, scatter, out, base, b)
        out[base + m * m, b] = 1.0 / (n_kept * inflation) if n_kept > 0 else 1.0


@kernel
def _note_scatter(r: FloatArray, k: int, p: int, scatter: FloatArray, odd_sizes: npt.NDArray[np.int64]) -> None:
    """Weighted scatter of every column; whether its size is fit for squares."""
    for j in range(k):
        own = r[2 + 2 * k + p * k - p * (p - 1) // 2 + j - p] if j >= p else 0.0
        for i in range(min(j + 1, p)):
            row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
            u = 1.0 if i == j else r[row + j]
            own += r[row + i] * u * u  # in this order: the square of u alone may leave the doubles
        scatter[j] = own
        odd_sizes[j] += is_odd_size(own + r[1] * r[2 + j] ** 2, r[1], r[2 + j])


@kernel
def _invert(r: FloatArray, k: int, p: int, v: FloatArray, means: FloatArray) -> None:
    """V, the inverse of the predictors' U, and V' times their means."""
    for j in range(p):
        v[j, j] = 1.0
        for i in range(j - 1, -1, -1):
            row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
            total = r[row + j]
            for n in range(i + 1, j):
                total += r[row + n] * v[n, j]
            v[i, j] = -total
        means[j] = 0.0
        for i in range(j + 1):
            means[j] += v[i, j] * r[2 + i]


@kernel
def _solve_target(r: FloatArray, k: int, p: int, j: int, pivots: FloatArray, out: FloatArray, b: int) -> None:
    """Slopes by back-substitution, the intercept from the means as hi + lo; aliased slopes are NaN and add nothing."""
    place = j * (p + 1)
    high, low = r[2 + p + j], r[2 + k + p + j]
    for i in range(p - 1, -1, -1):
        row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
        slope = r[row + p + j]
        for n in range(i + 1, p):
            if pivots[n] > 0.0:
                slope -= r[row + n] * out[place + 1 + n, b]
        out[place + 1 + i, b] = slope if pivots[i] > 0.0 else np.nan
    for i in range(p):
        if pivots[i] > 0.0:
            high -= r[2 + i] * out[place + 1 + i, b]
            low -= r[2 + k + i] * out[place + 1 + i, b]
    out[place, b] = high + low


@kernel
def _covariance(
    weight: float,
    p: int,
    v: FloatArray,
    pivots: FloatArray,
    means: FloatArray,
    scatter: FloatArray,
    out: FloatArray,
    base: int,
    b: int,
) -> float:
    """(X'WX)^-1 of the kept columns with the intercept, NaN elsewhere; gives the sum of S_j C_jj over them."""
    m = p + 1
    inflation = 0.0
    variance = 1.0 / weight
    for n in range(p):
        if pivots[n] > 0.0:
            variance += means[n] / pivots[n] * means[n]
    out[base, b] = variance
    for i in range(p):
        for j in range(-1, i + 1):
            value = np.nan
            if pivots[i] > 0.0 and (j < 0 or pivots[j] > 0.0):
                value = 0.0
                for n in range(i, p):
                    if pivots[n] > 0.0:
                        value += v[i, n] / pivots[n] * (-means[n] if j < 0 else v[j, n])
            out[base + m * (1 + i) + 1 + j, b] = value
            out[base + m * (1 + j) + 1 + i, b] = value
        if pivots[i] > 0.0:
            inflation += scatter[i] * out[base + m * (1 + i) + 1 + i, b]
    return inflation

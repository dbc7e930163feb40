"""Huber regression of every bin from its rows, with a cut on the residuals on demand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.irls import RESIDUALS, Space, Y, covariance_factor, huber_iteration, new_space, scatter
from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import median
from gbr_dag.kernels.orthogonal import (
    Basis,
    back_substitute,
    conditioning,
    dot,
    fill_basis,
    largest_leverage,
    new_basis,
    write_covariance,
)
from gbr_dag.kernels.threads import Stopped, equal_loads, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_ROWS_PER_CALL = 1 << 15
"""Rows that are gathered and fitted at a time: some ten milliseconds, after which Ctrl-C is heard."""

_WORTH_OF_A_ROW = 32
"""A row takes at least so many times as long as one of a plain pass over the rows, by which threads are counted."""


@dataclass(frozen=True)
class HuberFits:
    """Fits of every bin for t targets with m coefficients, the intercept first; arrays (n_bins, t) but where shown.

    ``values`` (n_bins, t, m) is NaN where aliased or not fitted, and so is ``unit_covariance`` (n_bins, t, m, m), the
    covariance over the square of ``scale``; in saturated fits, whose scale is NaN, it is the inverse of X'WX. ``sse``,
    ``syy``: weighted squared residuals and scatter of the target. ``constant``: the target's scatter is rounding;
    ``at_floor``: the scale is rounding. ``count``: rows used in the end. ``leverage``: the largest of them.
    ``rejected`` (n_rows, t): rows that a cut threw out; None without a cut.
    """

    values: FloatArray
    unit_covariance: FloatArray
    scale: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: BoolArray
    at_floor: BoolArray
    not_converged: BoolArray
    count: IntArray
    rank: IntArray
    n_refits: IntArray
    n_rejected: IntArray
    conditioning: FloatArray
    leverage: FloatArray
    rejected: Optional[BoolArray]


class _Table(NamedTuple):
    """Arrays of :class:`HuberFits` for a range of bins, without ``rejected``."""

    values: FloatArray
    unit_covariance: FloatArray
    scale: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: BoolArray
    at_floor: BoolArray
    not_converged: BoolArray
    n_used: IntArray
    rank: IntArray
    n_refits: IntArray
    n_rejected: IntArray
    conditioning: FloatArray
    leverage: FloatArray


class _Options(NamedTuple):
    tuning: float
    cut: float
    max_refits: int
    max_iter: int
    tol: float
    min_entries: int


def huber_fits(
    predictors: Sequence[npt.NDArray[Any]],
    targets: Sequence[npt.NDArray[Any]],
    row_weights: FloatArray,
    used: BoolArray,
    rows: npt.NDArray[np.signedinteger[Any]],
    offsets: IntArray,
    *,
    intercept: bool,
    precision: FloatArray,
    tuning: float,
    sigma_cut: Optional[float],
    max_refits: int,
    max_iter: int,
    tol: float,
    min_entries: int,
    threads: Optional[int],
) -> HuberFits:
    """Huber fits of every bin, by iteratively reweighted least squares.

    Parameters
    ----------
    predictors, targets : sequences of real arrays (n_rows,)
        Finite in the rows used.
    row_weights : float64 array (n_rows,)
        Positive in the rows used, which are scaled by their roots.
    used : bool array (n_rows,)
        Rows that enter.
    rows, offsets : integer array (n_binned_rows,), int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.
    intercept : bool
        Whether there is one.
    precision : float64 array (p + t,)
        Unit roundoff of the dtype that each column came in.
    tuning : float
        Residuals beyond so many scales are weighted down; infinity for least squares.
    sigma_cut : float or None
        Rows with residuals beyond so many scales are thrown out, and what is left is fitted anew.
    max_refits : int
        Times that this is done.
    max_iter, tol : int, float
        Steps of one fit, and size of the last one in scales.
    min_entries : int
        Bins with fewer rows are not fitted.
    threads : int or None
        At most so many; the results are the same to the bit.

    Notes
    -----
    Cost O(rows m^2) a step; the memory is that of the results and of some 32,768 rows, or of the largest bin, a thread.

    References
    ----------
    P. J. Huber, Robust Statistics (1981), ch. 7: errors H1.
    """
    n_bins, p, t = len(offsets) - 1, len(predictors), len(targets)
    table = _new_table(n_bins, t, p + int(intercept))
    rejected = np.zeros((len(row_weights), t), dtype=np.bool_) if sigma_cut is not None else None
    nobody = np.zeros((0, t), dtype=np.bool_)
    cut = math.inf if sigma_cut is None else float(sigma_cut)
    options = _Options(float(tuning), cut, int(max_refits), int(max_iter), float(tol), int(min_entries))
    share = equal_loads(np.diff(offsets), thread_count(threads, len(rows) * _WORTH_OF_A_ROW))
    columns = [*predictors, *targets]

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in _ranges(offsets, *share[i]):
            if stopped():
                return
            part = rows[offsets[start] : offsets[stop]]
            enter = used[part]
            before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(enter)])
            part = part[enter].astype(np.intp)
            data = np.empty((p + t, len(part)))
            for values, column in zip(data, columns):
                values[:] = column.take(part)
            _fit_bins(
                *(data, row_weights.take(part), part, before[offsets[start : stop + 1] - offsets[start]]),
                *(bool(intercept), precision, options, _Table._make(array[start:stop] for array in table)),
                nobody if rejected is None else rejected,
            )

    side_by_side(of_thread, len(share))
    return HuberFits(*table, rejected=rejected)


def _new_table(n_bins: int, t: int, m: int) -> _Table:
    arrays: dict[str, npt.NDArray[Any]] = {"values": np.empty((n_bins, t, m))}
    arrays["unit_covariance"] = np.empty((n_bins, t, m, m))
    for name in ("scale", "sse", "syy", "conditioning", "leverage"):
        arrays[name] = np.empty((n_bins, t))
    for name in ("constant", "at_floor", "not_converged"):
        arrays[name] = np.empty((n_bins, t), dtype=np.bool_)
    for name in ("n_used", "rank", "n_refits", "n_rejected"):
        arrays[name] = np.empty((n_bins, t), dtype=np.int64)
    return _Table(**arrays)


def _ranges(offsets: IntArray, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Ranges of bins from start to stop with at most ``_ROWS_PER_CALL`` rows, or of one bin."""
    while start < stop:
        end = int(np.searchsorted(offsets, offsets[start] + _ROWS_PER_CALL, side="right")) - 1
        end = min(max(end, start + 1), stop)
        yield start, end
        start = end


@kernel
def _fit_bins(
    data: FloatArray,
    weights: FloatArray,
    positions: npt.NDArray[Any],
    offsets: IntArray,
    intercept: bool,
    precision: FloatArray,
    options: _Options,
    table: _Table,
    rejected: BoolArray,
) -> None:
    """Fit bins whose used rows lie one after the other in ``data`` (p + t, n), which come from ``positions`` (n,)."""
    n_bins, t = table.scale.shape
    m, size = table.values.shape[2], 1
    p = m - int(intercept)
    for b in range(n_bins):
        size = max(size, offsets[b + 1] - offsets[b])
    basis = new_basis(p, m, size)
    space = new_space(m, size)
    rows = np.empty(size, dtype=np.int64)
    for b in range(n_bins):
        n = offsets[b + 1] - offsets[b]
        if n < max(options.min_entries, 1):
            _leave_out(table, b, n)
            continue
        k, whole = 0, False
        for j in range(t):
            if not whole:  # the first target, or the one before lost rows
                for i in range(n):
                    rows[i] = offsets[b] + i
                k = fill_basis(data, weights, rows, n, intercept, precision, basis)
            _fit_target(data, weights, rows, n, k, intercept, precision, options, basis, space, table, b, j)
            whole = table.n_rejected[b, j] == 0
            if not whole:
                _note_rejected(positions, offsets[b], offsets[b + 1], rows, table.n_used[b, j], rejected[:, j])


@kernel
def _note_rejected(
    positions: npt.NDArray[Any], start: int, stop: int, rows: IntArray, n_kept: int, rejected: BoolArray
) -> None:
    """Mark the rows from start to stop but for the first ``n_kept`` of ``rows``, which ascend."""
    kept = 0
    for row in range(start, stop):
        if kept < n_kept and rows[kept] == row:
            kept += 1
        else:
            rejected[positions[row]] = True


@kernel
def _leave_out(table: _Table, b: int, n: int) -> None:
    table.values[b] = np.nan
    table.unit_covariance[b] = np.nan
    for numbers in (table.scale, table.sse, table.syy, table.conditioning, table.leverage):
        numbers[b] = np.nan
    for flags in (table.constant, table.at_floor, table.not_converged):
        flags[b] = False
    for counts in (table.rank, table.n_refits, table.n_rejected):
        counts[b] = 0
    table.n_used[b] = n


@kernel
def _fit_target(
    data: FloatArray,
    weights: FloatArray,
    rows: IntArray,
    n: int,
    k: int,
    intercept: bool,
    precision: FloatArray,
    options: _Options,
    basis: Basis,
    space: Space,
    table: _Table,
    b: int,
    j: int,
) -> None:
    """Fit target j of bin b, again without the rows beyond the cut as long as there are any.

    The first ``n`` of ``rows`` and their basis come in; those used in the end are what is left of them.
    """
    m, p = table.values.shape[2], len(basis.squares)
    n_first, n_refits, unsettled = n, 0, False
    values, own_precision = data[p + j], precision[p + j]
    while True:
        centre, squares = _fill_target(values, weights, rows, n, intercept, basis, space)
        rounding = own_precision * own_precision * squares
        scale, floor, converged = huber_iteration(
            n, k, rounding, precision, options.tuning, options.max_iter, options.tol, basis, space
        )
        beyond = 0
        if scale > 0.0:
            for i in range(n):
                beyond += abs(space.lines[RESIDUALS, i]) > options.cut * scale
        if beyond == 0 or n - beyond < max(options.min_entries, m + 1):
            break
        if n_refits == options.max_refits:
            unsettled = True
            break
        n = _keep_rows(rows, n, space.lines, options.cut * scale)
        n_refits += 1
        k = fill_basis(data, weights, rows, n, intercept, precision, basis)
    table.scale[b, j] = scale
    table.at_floor[b, j] = scale <= floor
    table.not_converged[b, j] = unsettled or not converged
    table.n_used[b, j] = n
    table.rank[b, j] = k
    table.n_refits[b, j] = n_refits
    table.n_rejected[b, j] = n_first - n
    table.sse[b, j] = dot(space.lines, RESIDUALS, space.lines, RESIDUALS, n)
    syy = scatter(n, intercept, basis, space)
    table.syy[b, j] = syy
    table.constant[b, j] = math.sqrt(syy) <= 32.0 * math.sqrt(rounding)
    _write_values(k, intercept, centre, basis, space, table.values[b, j])
    factor = 1.0 if n <= k else covariance_factor(space.lines, n, k, scale, options.tuning)
    write_covariance(k, intercept, factor, basis, table.unit_covariance[b, j])
    table.conditioning[b, j] = conditioning(k, intercept, basis)
    table.leverage[b, j] = largest_leverage(n, k, basis)


@kernel
def _keep_rows(rows: IntArray, n: int, lines: FloatArray, bound: float) -> int:
    kept = 0
    for i in range(n):
        if abs(lines[RESIDUALS, i]) <= bound:
            rows[kept] = rows[i]
            kept += 1
    return kept


@kernel
def _fill_target(
    values: FloatArray,
    weights: FloatArray,
    rows: IntArray,
    n: int,
    intercept: bool,
    basis: Basis,
    space: Space,
) -> tuple[float, float]:
    """Write the target, centred and times the root of the weights; gives the centre and its sum of squares about zero.

    The centre is the median, as any number does where there is an intercept: next to a mean that a gross outlier has
    moved, the other values would lose their last digits.
    """
    centre = 0.0
    if intercept:
        for i in range(n):
            space.sizes[i] = values[rows[i]]
        centre = median(space.sizes, n)
    squares = 0.0
    for i in range(n):
        value = values[rows[i]]
        squares += weights[rows[i]] * value * value
        space.lines[Y, i] = basis.root[i] * (value - centre)
    return centre, squares


@kernel
def _write_values(k: int, intercept: bool, centre: float, basis: Basis, space: Space, values: FloatArray) -> None:
    """Coefficients of the columns as they came: the intercept from the centres as hi + lo."""
    slopes = space.slopes
    back_substitute(basis.triangle, k, space.gamma, slopes)
    values[:] = np.nan
    high, low = centre, slopes[0] if intercept else 0.0
    for i in range(int(intercept), k):
        j = basis.kept[i]
        values[j + int(intercept)] = slopes[i]
        high -= slopes[i] * basis.centre[j, 0]
        low -= slopes[i] * basis.centre[j, 1]
    if intercept:
        values[0] = high + low

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

_NEAR = 16.0
"""Times the floor up to which a scale is mostly rounding: where it comes to rest between the two is left to chance."""


@dataclass(frozen=True)
class HuberFits:
    """Fits of every bin for t targets with m coefficients, the intercept first; arrays (n_bins, t) but where shown.

    ``values`` (n_bins, t, m) is NaN where aliased or not fitted, and so is ``unit_covariance`` (n_bins, t, m, m), the
    covariance over the square of ``scale``; in saturated fits, whose scale is NaN, it is the inverse of X'WX. ``sse``,
    ``syy``: weighted squared residuals and scatter of the target. ``constant``: the target's scatter is rounding;
    ``at_floor``: the scale is mostly rounding. ``count``: rows used in the end. ``leverage``: the largest of them.
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


_SCALE, _SSE, _SYY, _CONDITIONING, _LEVERAGE = range(5)
_CONSTANT, _AT_FLOOR, _NOT_CONVERGED = range(3)
_COUNT, _RANK, _N_REFITS, _N_REJECTED = range(4)


class _Table(NamedTuple):
    """Arrays of :class:`HuberFits`, those of shape (n_bins, t) one after the other by their kinds.

    ``numbers`` (5, n_bins, t), ``flags`` (3, n_bins, t), ``counts`` (4, n_bins, t).
    """

    values: FloatArray
    unit_covariance: FloatArray
    numbers: FloatArray
    flags: BoolArray
    counts: IntArray


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

    Returns
    -------
    HuberFits
        NaN, false and 0 in bins with too few rows, but for their count.

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
    marks = np.zeros((0, t), dtype=np.bool_) if rejected is None else rejected
    cut = math.inf if sigma_cut is None else float(sigma_cut)
    options = _Options(float(tuning), cut, int(max_refits), int(max_iter), float(tol), int(min_entries))
    precision = np.array(precision, dtype=np.float64)  # for a read-only array the kernel would be compiled once more
    share = equal_loads(np.diff(offsets), thread_count(threads, len(rows) * _WORTH_OF_A_ROW))

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in _ranges(offsets, *share[i]):
            if stopped():
                return
            part, ends = _used_part(used, rows, offsets[start : stop + 1])
            data = np.empty((p + t, len(part)))
            for values, column in zip(data, (*predictors, *targets)):
                values[:] = column.take(part)
            _fit_bins(
                data, row_weights.take(part), part, ends, bool(intercept), precision, options, table, start, marks
            )

    side_by_side(of_thread, len(share))
    return _fits(table, rejected)


def _used_part(
    used: BoolArray, rows: npt.NDArray[np.signedinteger[Any]], offsets: IntArray
) -> tuple[npt.NDArray[np.intp], IntArray]:
    """Positions of the used rows of some bins, in the order of the bins, and the offsets of the bins in them."""
    part = rows[offsets[0] : offsets[-1]]
    enter = used.take(part)
    before = np.zeros(len(part) + 1, dtype=np.int64)
    np.cumsum(enter, out=before[1:])
    return part[enter].astype(np.intp), before[offsets - offsets[0]]


def _fits(table: _Table, rejected: Optional[BoolArray]) -> HuberFits:
    return HuberFits(
        values=table.values,
        unit_covariance=table.unit_covariance,
        scale=table.numbers[_SCALE],
        sse=table.numbers[_SSE],
        syy=table.numbers[_SYY],
        constant=table.flags[_CONSTANT],
        at_floor=table.flags[_AT_FLOOR],
        not_converged=table.flags[_NOT_CONVERGED],
        count=table.counts[_COUNT],
        rank=table.counts[_RANK],
        n_refits=table.counts[_N_REFITS],
        n_rejected=table.counts[_N_REJECTED],
        conditioning=table.numbers[_CONDITIONING],
        leverage=table.numbers[_LEVERAGE],
        rejected=rejected,
    )


def _new_table(n_bins: int, t: int, m: int) -> _Table:
    """Table in which every bin is left out."""
    return _Table(
        np.full((n_bins, t, m), np.nan),
        np.full((n_bins, t, m, m), np.nan),
        np.full((5, n_bins, t), np.nan),
        np.zeros((3, n_bins, t), dtype=np.bool_),
        np.zeros((4, n_bins, t), dtype=np.int64),
    )


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
    positions: IntArray,
    offsets: IntArray,
    intercept: bool,
    precision: FloatArray,
    options: _Options,
    table: _Table,
    first: int,
    rejected: BoolArray,
) -> None:
    """Fit the bins from ``first``, whose used rows lie one after the other in ``data`` (p + t, n).

    ``positions`` (n,) are those in the frame; ``offsets`` count in ``data`` and end with the last bin to do. The table
    comes in as one of bins that are left out.
    """
    t = table.numbers.shape[2]
    m, size = table.values.shape[2], 1
    p = m - int(intercept)
    for i in range(len(offsets) - 1):
        size = max(size, offsets[i + 1] - offsets[i])
    basis = new_basis(p, m, size)
    space = new_space(m, size)
    rows = np.empty(size, dtype=np.int64)
    for b in range(first, first + len(offsets) - 1):
        start, stop = offsets[b - first], offsets[b - first + 1]
        n, k, whole = stop - start, 0, False
        for j in range(t):
            table.counts[_COUNT, b, j] = n
            if n < max(options.min_entries, 1):
                continue
            if not whole:  # the first target, or the one before lost rows
                for i in range(n):
                    rows[i] = start + i
                k = fill_basis(data, weights, rows, n, intercept, precision, basis)
            _fit_target(data, weights, rows, n, k, intercept, precision, options, basis, space, table, b, j)
            whole = table.counts[_COUNT, b, j] == n
            if not whole:
                _note_rejected(positions, start, stop, rows, table.counts[_COUNT, b, j], rejected, j)


@kernel
def _note_rejected(
    positions: IntArray, start: int, stop: int, rows: IntArray, n_kept: int, rejected: BoolArray, j: int
) -> None:
    """Mark the rows from start to stop but for the first ``n_kept`` of ``rows``, which ascend."""
    kept = 0
    for row in range(start, stop):
        if kept < n_kept and rows[kept] == row:
            kept += 1
        else:
            rejected[positions[row], j] = True


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

    The first ``n`` of ``rows`` and their basis, k columns, come in; those used in the end are what is left of them.
    """
    m, p = table.values.shape[2], len(basis.squares)
    n_first, n_refits, unsettled = n, 0, False
    values, own_precision = data[p + j], precision[p + j]
    while True:
        centre, squares = _fill_target(values, weights, rows, n, intercept, basis, space)
        scale, floor, converged = huber_iteration(
            n, k, centre, own_precision, precision, options.tuning, options.max_iter, options.tol, basis, space
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
    numbers, flags, counts = table.numbers, table.flags, table.counts
    syy = scatter(n, intercept, basis, space)
    numbers[_SCALE, b, j] = scale
    numbers[_SSE, b, j] = dot(space.lines, RESIDUALS, space.lines, RESIDUALS, n)
    numbers[_SYY, b, j] = syy
    numbers[_CONDITIONING, b, j] = conditioning(k, intercept, basis)
    numbers[_LEVERAGE, b, j] = largest_leverage(n, k, basis)
    flags[_CONSTANT, b, j] = math.sqrt(syy) <= 32.0 * own_precision * math.sqrt(squares)
    flags[_AT_FLOOR, b, j] = scale <= _NEAR * floor
    flags[_NOT_CONVERGED, b, j] = unsettled or not converged
    counts[_COUNT, b, j] = n
    counts[_RANK, b, j] = k
    counts[_N_REFITS, b, j] = n_refits
    counts[_N_REJECTED, b, j] = n_first - n
    _write_values(k, intercept, centre, basis, space, table.values[b, j])
    factor = 1.0 if n <= k else covariance_factor(space.lines, n, k, scale, options.tuning)
    write_covariance(k, intercept, factor, basis, table.unit_covariance[b, j])


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
    high, low = centre, slopes[0] if intercept else 0.0
    for i in range(int(intercept), k):
        j = basis.kept[i]
        values[j + int(intercept)] = slopes[i]
        high -= slopes[i] * basis.centre[j, 0]
        low -= slopes[i] * basis.centre[j, 1]
    if intercept:
        values[0] = high + low

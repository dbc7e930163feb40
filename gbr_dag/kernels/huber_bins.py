"""Huber's fit of bins whose rows lie one after the other, compiled."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.irls import (
    RESIDUALS,
    ROOT_KERNEL,
    Space,
    Y,
    covariance_factor,
    fill_kernel,
    huber_iteration,
    new_space,
    scatter,
)
from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.kernel_spread import fill_spread, write_spread_covariance
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

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NEAR = 16.0
"""Times the floor up to which a scale is mostly rounding: where it comes to rest between the two is left to chance."""


SCALE, SSE, SYY, CONDITIONING, LEVERAGE, SUM_WEIGHTS, FREEDOM, STUDENT = range(8)
CONSTANT, AT_FLOOR, NOT_CONVERGED = range(3)
COUNT, RANK, N_REFITS, N_REJECTED = range(4)


class Table(NamedTuple):
    """Arrays of ``HuberFits``, those of shape (n_bins, t) one after the other by their kinds.

    ``numbers`` (8, n_bins, t), ``flags`` (3, n_bins, t), ``counts`` (4, n_bins, t).
    """

    values: FloatArray
    unit_covariance: FloatArray
    numbers: FloatArray
    flags: BoolArray
    counts: IntArray


class Options(NamedTuple):
    """Settings of the fits; a cut of infinity rejects nothing."""

    tuning: float
    cut: float
    max_refits: int
    max_iter: int
    tol: float
    min_entries: int


def new_table(n_bins: int, t: int, m: int) -> Table:
    """Table in which every bin is left out."""
    return Table(
        np.full((n_bins, t, m), np.nan),
        np.full((n_bins, t, m, m), np.nan),
        np.full((8, n_bins, t), np.nan),
        np.zeros((3, n_bins, t), dtype=np.bool_),
        np.zeros((4, n_bins, t), dtype=np.int64),
    )


@kernel
def fit_bins(
    data: FloatArray,
    weights: FloatArray,
    kernel_weights: Optional[FloatArray],
    positions: IntArray,
    offsets: IntArray,
    intercept: bool,
    precision: FloatArray,
    options: Options,
    table: Table,
    first: int,
    rejected: BoolArray,
) -> None:
    """Fit the bins from ``first``, whose used rows lie one after the other in ``data`` (p + t, n).

    ``weights`` (n,) are the kernel's times the rows' own, ``kernel_weights`` (n,) the kernel's, None where all are 1.
    ``positions`` (n,) are those in the frame; ``offsets`` count in ``data`` and end with the last bin to do. The table
    comes in as one of bins that are left out. ``rejected`` is (0, t) where nobody asks which rows a cut throws out.
    """
    t = table.numbers.shape[2]
    m, size = table.values.shape[2], 1
    p = m - int(intercept)
    for i in range(len(offsets) - 1):
        size = max(size, offsets[i + 1] - offsets[i])
    basis = new_basis(p, m, size)
    space = new_space(m, size, 0 if kernel_weights is None else size)
    rows = np.empty(size, dtype=np.int64)
    for b in range(first, first + len(offsets) - 1):
        start, stop = offsets[b - first], offsets[b - first + 1]
        n, k, whole = stop - start, 0, False
        for j in range(t):
            table.counts[COUNT, b, j] = n
            if n < max(options.min_entries, 1):
                continue
            if not whole:  # the first target, or the one before lost rows
                for i in range(n):
                    rows[i] = start + i
                k = fill_basis(data, weights, rows, n, intercept, precision, basis)
            _fit_target(
                data, weights, kernel_weights, rows, n, k, intercept, precision, options, basis, space, table, b, j
            )
            whole = table.counts[COUNT, b, j] == n
            if not whole and len(rejected) > 0:
                _note_rejected(positions, start, stop, rows, table.counts[COUNT, b, j], rejected, j)


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
    kernel_weights: Optional[FloatArray],
    rows: IntArray,
    n: int,
    k: int,
    intercept: bool,
    precision: FloatArray,
    options: Options,
    basis: Basis,
    space: Space,
    table: Table,
    b: int,
    j: int,
) -> None:
    """Fit target j of bin b, again without the rows beyond the cut as long as there are any.

    The first ``n`` of ``rows`` and their basis, k columns, come in; those used in the end are what is left of them.
    """
    m, p = table.values.shape[2], len(basis.squares)
    n_first, n_refits, unsettled, weight_used = n, 0, False, 0.0
    values, own_precision = data[p + j], precision[p + j]
    while True:
        centre, squares = _fill_target(values, weights, rows, n, intercept, basis, space)
        total, plain = fill_kernel(kernel_weights, rows, n, space)
        scale, floor, converged = huber_iteration(
            n,
            k,
            kernel_weights,
            total,
            plain,
            centre,
            own_precision,
            precision,
            options.tuning,
            options.max_iter,
            options.tol,
            basis,
            space,
        )
        beyond = 0
        if scale > 0.0:
            for i in range(n):
                beyond += _is_beyond(space.lines, i, options.cut * scale)
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
    numbers[SCALE, b, j] = scale
    numbers[SSE, b, j] = dot(space.lines, RESIDUALS, space.lines, RESIDUALS, n)
    numbers[SYY, b, j] = syy
    numbers[CONDITIONING, b, j] = conditioning(k, intercept, basis)
    numbers[LEVERAGE, b, j] = largest_leverage(n, k, basis)
    flags[CONSTANT, b, j] = math.sqrt(syy) <= 32.0 * own_precision * math.sqrt(squares)
    flags[AT_FLOOR, b, j] = scale <= _NEAR * floor
    flags[NOT_CONVERGED, b, j] = unsettled or not converged
    counts[COUNT, b, j] = n
    counts[RANK, b, j] = k
    counts[N_REFITS, b, j] = n_refits
    counts[N_REJECTED, b, j] = n_first - n
    _write_values(k, intercept, centre, basis, space, table.values[b, j])
    numbers[FREEDOM, b, j], numbers[STUDENT, b, j] = _write_covariance(
        kernel_weights, n, k, intercept, total, plain, scale, options.tuning, basis, space, table.unit_covariance[b, j]
    )
    for i in range(n):
        weight_used += weights[rows[i]]
    numbers[SUM_WEIGHTS, b, j] = weight_used


@kernel
def _write_covariance(
    kernel_weights: Optional[FloatArray],
    n: int,
    k: int,
    intercept: bool,
    total: float,
    plain: bool,
    scale: float,
    tuning: float,
    basis: Basis,
    space: Space,
    covariance: FloatArray,
) -> tuple[float, float]:
    """Write the covariance over the squared scale; gives degrees of freedom of the residuals and of Student's t."""
    trace, student = float(k), float(n - k)
    if kernel_weights is not None and not plain:
        trace, student = fill_spread(n, k, total, basis, space)
    factor = 1.0 if n <= k else covariance_factor(space.lines, n, trace, total, scale, tuning)
    if kernel_weights is not None and not plain:
        write_spread_covariance(k, intercept, factor, basis, space, covariance)
        return total - trace, student
    write_covariance(k, intercept, factor, basis, covariance)
    return total - trace, student


@kernel
def _is_beyond(lines: FloatArray, i: int, bound: float) -> bool:
    """Whether the residual of row i, without the root of its kernel weight, is larger than the bound."""
    beyond: bool = abs(lines[RESIDUALS, i]) > bound * lines[ROOT_KERNEL, i]
    return beyond


@kernel
def _keep_rows(rows: IntArray, n: int, lines: FloatArray, bound: float) -> int:
    kept = 0
    for i in range(n):
        if not _is_beyond(lines, i, bound):
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

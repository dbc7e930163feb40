"""Huber's iteration for one target on the orthonormal basis of its rows."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import median, selected_weighted_median
from gbr_dag.kernels.orthogonal import Basis, back_substitute, dot, orthogonalize, solve_by_cholesky

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MEDIAN_OF_NORMAL = 0.6744897501960817
"""Median of the size of a standard normal variable."""

_FLOOR = 16.0
"""Roundings of the data below which no scale falls: else groups without noise lose rows to the solver's rounding."""

_STEP_NOISE = 8.0 * float(np.finfo(np.float64).eps)
"""Steps below this share of the fit are its own rounding, and no sign that it has yet to converge."""

_LEAST_PIVOT = 1e-10
"""Share of a diagonal below which a pivot of the step's matrix has lost too much to rounding, and QR takes over.

Only a pivot of 0 or less is sure to end badly. Of 44,800 fits with outliers of 1e6 to 1e16 scales that alone carry one
or two predictors, those that settle end within some roundings of the target with 1e-300 in its place too: each step
starts at residuals made anew. So no test depends on how large it is.
"""


Y, RESIDUALS, KERNEL, ROOT_KERNEL, _WEIGHTS, _SCRATCH = range(6)
"""Lines of :class:`Space`: kernel weights and their roots come from outside, 1 where there are none."""


class Space(NamedTuple):
    """Scratch for one fit of up to ``size`` rows and m columns.

    ``lines`` (6, size) and ``sizes`` (size,) of the rows; ``gamma``, ``step``, ``slopes`` (m,); ``columns`` (m, size),
    ``matrix`` (m, m); ``pairs``, ``spare`` (2, size), of no length where no kernel weighs rows.
    """

    lines: FloatArray
    sizes: FloatArray
    gamma: FloatArray
    step: FloatArray
    slopes: FloatArray
    columns: FloatArray
    matrix: FloatArray
    pairs: FloatArray
    spare: FloatArray


@kernel
def new_space(m: int, size: int, size_weighed: int) -> Space:
    """Scratch that holds anything; up to ``size_weighed`` rows have kernel weights."""
    lines, sizes, columns = np.empty((6, size)), np.empty(size), np.empty((m, size))
    pairs, spare = np.empty((2, size_weighed)), np.empty((2, size_weighed))
    return Space(lines, sizes, np.empty(m), np.empty(m), np.empty(m), columns, np.empty((m, m)), pairs, spare)


@kernel
def fill_kernel(kernel_weights: Optional[FloatArray], rows: IntArray, n: int, space: Space) -> tuple[float, bool]:
    """Write kernel weights of the first ``n`` of ``rows``, 1 if there are none; gives their sum, and if all are 1."""
    if kernel_weights is None:
        for i in range(n):
            space.lines[KERNEL, i] = space.lines[ROOT_KERNEL, i] = 1.0
        return float(n), True
    total, plain = 0.0, True
    for i in range(n):
        weight = kernel_weights[rows[i]]
        space.lines[KERNEL, i] = weight
        space.lines[ROOT_KERNEL, i] = math.sqrt(weight)
        total += weight
        plain &= weight == 1.0
    return total, plain


@kernel
def huber_iteration(
    n: int,
    k: int,
    kernel_weights: Optional[FloatArray],
    total: float,
    plain: bool,
    centre: float,
    own_precision: float,
    precision: FloatArray,
    tuning: float,
    max_iter: int,
    tol: float,
    basis: Basis,
    space: Space,
) -> tuple[float, float, bool]:
    """Fit the target to the first k columns of the basis: scale, its floor, and whether it has converged.

    ``total`` is the sum of the kernel weights, ``plain`` tells that all are 1. Without any (None), what weighs by them
    is not even compiled, which took 8 s more. ``centre`` was taken off the target, which came in ``own_precision``. The
    coordinates of the fit, ``space.gamma`` (k,), are those on the orthonormal columns; residuals are times the roots of
    all weights, the kernel's and the rows' own.
    """
    # arrays one by one from here on: to hand a whole tuple on counts references of all its arrays, and that was a
    # third of the time
    q, triangle, kept, squares, root = basis.q, basis.triangle, basis.kept, basis.squares, basis.root
    lines, sizes, gamma, step = space.lines, space.sizes, space.gamma, space.step
    slopes, matrix, pairs, spare = space.slopes, space.matrix, space.pairs, space.spare
    for i in range(k):
        gamma[i] = dot(q, i, lines, Y, n)
    _fill_residuals(q, lines, gamma, n, k)
    if n <= k:
        return np.nan, np.nan, True
    back_substitute(triangle, k, gamma, slopes)
    for row in range(n):
        lines[_WEIGHTS, row] = 1.0
    rounding = _rounding(lines, root, centre, own_precision, n)
    floor = _floor(slopes, kept, squares, precision, rounding, total, k)
    size = _median_size(kernel_weights, lines, sizes, pairs, spare, n, plain)
    scale = max(size / _MEDIAN_OF_NORMAL, floor)
    for _ in range(max_iter):
        if scale == 0.0:  # the target is 0 throughout
            break
        _fill_step(q, lines, n, k, tuning * scale, matrix, step)
        if not solve_by_cholesky(matrix, k, _LEAST_PIVOT, step):
            _fill_step_by_qr(q, lines, n, k, space.columns, matrix, slopes, step)
        moved, length = 0.0, 0.0
        for i in range(k):
            gamma[i] += step[i]
            moved += step[i] * step[i]
            length += gamma[i] * gamma[i]
        _fill_residuals(q, lines, gamma, n, k)
        back_substitute(triangle, k, gamma, slopes)
        rounding = _rounding(lines, root, centre, own_precision, n)
        floor = _floor(slopes, kept, squares, precision, rounding, total, k)
        size = _median_size(kernel_weights, lines, sizes, pairs, spare, n, plain)
        before, scale = scale, max(size / _MEDIAN_OF_NORMAL, floor)
        least = max(tol * scale, _STEP_NOISE * math.sqrt(length))
        if math.sqrt(moved) <= least and abs(scale - before) <= least:
            return scale, floor, True
    return scale, floor, scale == 0.0


@kernel
def _fill_residuals(q: FloatArray, lines: FloatArray, gamma: FloatArray, n: int, k: int) -> None:
    """Residuals of the target, not of the residuals before: no rounding is handed on from step to step."""
    for row in range(n):
        lines[RESIDUALS, row] = lines[Y, row]
    for i in range(k):
        coordinate = gamma[i]
        for row in range(n):
            lines[RESIDUALS, row] -= coordinate * q[i, row]


@kernel
def _rounding(lines: FloatArray, root: FloatArray, centre: float, own_precision: float, n: int) -> float:
    """Squared rounding of the target's data, with the weights of the last step: an outlier must not lift the floor.

    A sentinel of -999999 among values of 1 in single precision would lift it to a tenth of them.
    """
    total = 0.0
    for row in range(n):
        value = centre * root[row] + lines[Y, row]
        total += lines[_WEIGHTS, row] * value * value
    return own_precision * own_precision * total


@kernel
def _floor(
    slopes: FloatArray,
    kept: IntArray,
    squares: FloatArray,
    precision: FloatArray,
    rounding: float,
    total: float,
    k: int,
) -> float:
    squared = rounding
    for i in range(k):
        j = kept[i]
        if j >= 0:
            squared += slopes[i] * (precision[j] * precision[j] * squares[j]) * slopes[i]
    return _FLOOR * math.sqrt(squared / total)


@kernel
def _median_size(
    kernel_weights: Optional[FloatArray],
    lines: FloatArray,
    sizes: FloatArray,
    pairs: FloatArray,
    spare: FloatArray,
    n: int,
    plain: bool,
) -> float:
    """Median of the residuals' sizes, weighted by the kernel, whose root they are without."""
    if kernel_weights is None:
        return _plain_median_size(lines, sizes, n)
    if plain:
        return _plain_median_size(lines, sizes, n)
    for row in range(n):
        pairs[0, row] = abs(lines[RESIDUALS, row]) / lines[ROOT_KERNEL, row]
        pairs[1, row] = lines[KERNEL, row]
    return selected_weighted_median(pairs, spare, n)


@kernel
def _plain_median_size(lines: FloatArray, sizes: FloatArray, n: int) -> float:
    for row in range(n):
        sizes[row] = abs(lines[RESIDUALS, row])
    return median(sizes, n)


@kernel
def _fill_step(
    q: FloatArray, lines: FloatArray, n: int, k: int, bound: float, matrix: FloatArray, step: FloatArray
) -> None:
    """Weighted least squares of the residuals on the basis Q, with Huber's weights V: (Q'VQ) step = Q'V residuals.

    The one place where sums of products are solved: the columns are orthonormal and no weight is above 1, so that the
    condition of the matrix is at most one over the smallest weight, whatever that of the predictors; and the step
    corrects residuals made anew, so that the rounding of the matrix slows it down and does not move where it ends.
    """
    for row in range(n):
        size = abs(lines[RESIDUALS, row])
        ratio = bound * lines[ROOT_KERNEL, row] / size  # infinite where the residual is 0; the bound is not
        lines[_WEIGHTS, row] = ratio if ratio < 1.0 else 1.0
    for i in range(k):
        for row in range(n):
            lines[_SCRATCH, row] = lines[_WEIGHTS, row] * q[i, row]
        step[i] = dot(lines, _SCRATCH, lines, RESIDUALS, n)
        for other in range(i, k):
            matrix[other, i] = dot(lines, _SCRATCH, q, other, n)


@kernel
def _fill_step_by_qr(
    q: FloatArray,
    lines: FloatArray,
    n: int,
    k: int,
    columns: FloatArray,
    triangle: FloatArray,
    right: FloatArray,
    step: FloatArray,
) -> None:
    """Solve for the same step where the weights differ so much that products would not do."""
    for row in range(n):
        root = math.sqrt(lines[_WEIGHTS, row])
        lines[_SCRATCH, row] = root * lines[RESIDUALS, row]
        for i in range(k):
            columns[i, row] = root * q[i, row]
    for i in range(k):
        pivot = orthogonalize(columns, triangle, i, n)
        for row in range(n):
            columns[i, row] = columns[i, row] / pivot if pivot > 0.0 else 0.0
        right[i] = dot(columns, i, lines, _SCRATCH, n)
    back_substitute(triangle, k, right, step)


@kernel
def scatter(n: int, intercept: bool, basis: Basis, space: Space) -> float:
    """Weighted scatter of the target, about its mean where there is an intercept."""
    mean = dot(basis.q, 0, space.lines, Y, n) if intercept else 0.0
    for row in range(n):
        space.lines[_SCRATCH, row] = space.lines[Y, row]
        if intercept:
            space.lines[_SCRATCH, row] -= mean * basis.q[0, row]
    return dot(space.lines, _SCRATCH, space.lines, _SCRATCH, n)


@kernel
def covariance_factor(lines: FloatArray, n: int, trace: float, total: float, scale: float, tuning: float) -> float:
    """Huber's H1 factor on (X'WX)^-1, or on what kernel weights make of it, over the square of the scale.

    ``total``: sum of the kernel weights k, the number of rows where all are 1. ``trace``: that of B M, with
    B = (sum k w x x')^-1 and M = sum k^2 w x x', the number of columns where all are 1.
    """
    if scale == 0.0:
        return 0.0
    inside, squares = 0.0, 0.0
    for row in range(n):
        size = abs(lines[RESIDUALS, row] / scale) / lines[ROOT_KERNEL, row]
        inside += lines[KERNEL, row] * (size <= tuning)
        squares += lines[KERNEL, row] * min(size, tuning) ** 2
    if inside == 0.0:
        return np.nan
    inside /= total
    correction = 1.0 + trace / total * (inside * (1.0 - inside)) / inside**2
    return correction**2 * squares / (total - trace) / inside**2

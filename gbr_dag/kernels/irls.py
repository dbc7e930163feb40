"""Huber's iteration for one target on the orthonormal basis of its rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import median
from gbr_dag.kernels.orthogonal import Basis, back_substitute, dot, orthogonalize, solve_by_cholesky

FloatArray = npt.NDArray[np.float64]

_MEDIAN_OF_NORMAL = 0.6744897501960817
"""Median of the size of a standard normal variable."""

_FLOOR = 16.0
"""Roundings of the data below which no scale falls: else groups without noise lose rows to the solver's rounding."""

_STEP_NOISE = 8.0 * float(np.finfo(np.float64).eps)
"""Steps below this share of the fit are its own rounding, and no sign that it has yet to converge."""

_LEAST_PIVOT = 1e-10
"""Share of a diagonal below which a pivot of the step's matrix has lost too much to rounding."""


class Space(NamedTuple):
    """Scratch for one fit of up to ``size`` rows and m columns: (size,), ..., (m,), ..., (m, size) and (m, m)."""

    y: FloatArray
    residuals: FloatArray
    weights: FloatArray
    scratch: FloatArray
    gamma: FloatArray
    step: FloatArray
    slopes: FloatArray
    columns: FloatArray
    matrix: FloatArray


@kernel
def new_space(m: int, size: int) -> Space:
    """Scratch that holds anything."""
    return Space(
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty((m, size)),
        np.empty((m, m)),
    )


@kernel
def huber_iteration(
    n: int,
    k: int,
    rounding: float,
    precision: FloatArray,
    tuning: float,
    max_iter: int,
    tol: float,
    basis: Basis,
    space: Space,
) -> tuple[float, float, bool]:
    """Fit the target to the first k columns of the basis: scale, its floor, and whether it has converged.

    ``rounding`` is the square of the target's own. The coordinates of the fit, ``space.gamma`` (k,), are those on the
    orthonormal columns.
    """
    gamma, step = space.gamma, space.step
    for i in range(k):
        gamma[i] = dot(basis.q[i], space.y, n)
    _fill_residuals(n, k, basis, space)
    if n <= k:
        return np.nan, np.nan, True
    scale, floor = _scale(n, k, rounding, precision, basis, space)
    for _ in range(max_iter):
        if scale == 0.0:  # the target is 0 throughout
            return scale, floor, True
        _fill_step(n, k, tuning * scale, basis, space)
        for i in range(k):
            gamma[i] += step[i]
        _fill_residuals(n, k, basis, space)
        before = scale
        scale, floor = _scale(n, k, rounding, precision, basis, space)
        least = max(tol * scale, _STEP_NOISE * math.sqrt(dot(gamma, gamma, k)))
        if math.sqrt(dot(step, step, k)) <= least and abs(scale - before) <= least:
            return scale, floor, True
    return scale, floor, scale == 0.0


@kernel
def _fill_residuals(n: int, k: int, basis: Basis, space: Space) -> None:
    """Residuals of the target, not of the residuals before: no rounding is handed on from step to step."""
    residuals = space.residuals
    for i in range(n):
        residuals[i] = space.y[i]
    for j in range(k):
        coordinate = space.gamma[j]
        for i in range(n):
            residuals[i] -= coordinate * basis.q[j, i]


@kernel
def _scale(n: int, k: int, rounding: float, precision: FloatArray, basis: Basis, space: Space) -> tuple[float, float]:
    """Scale of the residuals and its floor."""
    back_substitute(basis.triangle, k, space.gamma, space.slopes)
    squared = rounding
    for i in range(k):
        j = basis.kept[i]
        if j >= 0:
            squared += space.slopes[i] * (precision[j] ** 2 * basis.squares[j]) * space.slopes[i]
    floor = _FLOOR * math.sqrt(squared / n)
    for i in range(n):
        space.scratch[i] = abs(space.residuals[i])
    return max(median(space.scratch, n) / _MEDIAN_OF_NORMAL, floor), floor


@kernel
def _fill_step(n: int, k: int, bound: float, basis: Basis, space: Space) -> None:
    """Weighted least squares of the residuals on the basis Q, with Huber's weights V: (Q'VQ) step = Q'V residuals.

    The one place where sums of products are solved: the columns are orthonormal and no weight is above 1, so that the
    condition of the matrix is at most one over the smallest weight, whatever that of the predictors; and the step
    corrects residuals made anew, so that the rounding of the matrix slows it down and does not move where it ends.
    """
    v, residuals, scratch = space.weights, space.residuals, space.scratch
    for i in range(n):
        size = abs(residuals[i])
        v[i] = 1.0 if size <= bound else bound / size
    for j in range(k):
        column = basis.q[j]
        for i in range(n):
            scratch[i] = v[i] * column[i]
        space.step[j] = dot(scratch, residuals, n)
        for other in range(j, k):
            space.matrix[other, j] = dot(scratch, basis.q[other], n)
    if not solve_by_cholesky(space.matrix, k, _LEAST_PIVOT, space.step):
        _fill_step_by_qr(n, k, basis, space)


@kernel
def _fill_step_by_qr(n: int, k: int, basis: Basis, space: Space) -> None:
    """Solve for the same step where the weights differ so much that products would not do."""
    columns, rooted = space.columns, space.scratch
    for i in range(n):
        rooted[i] = math.sqrt(space.weights[i]) * space.residuals[i]
    for j in range(k):
        for i in range(n):
            columns[j, i] = math.sqrt(space.weights[i]) * basis.q[j, i]
        pivot = orthogonalize(columns, space.matrix, j, n)
        for i in range(n):
            columns[j, i] = columns[j, i] / pivot if pivot > 0.0 else 0.0
        space.slopes[j] = dot(columns[j], rooted, n)
    back_substitute(space.matrix, k, space.slopes, space.step)


@kernel
def scatter(n: int, intercept: bool, basis: Basis, space: Space) -> float:
    """Weighted scatter of the target, about its mean where there is an intercept."""
    mean = dot(basis.q[0], space.y, n) if intercept else 0.0
    for i in range(n):
        space.scratch[i] = space.y[i]
        if intercept:
            space.scratch[i] -= mean * basis.q[0, i]
    return dot(space.scratch, space.scratch, n)


@kernel
def covariance_factor(residuals: FloatArray, n: int, k: int, scale: float, tuning: float) -> float:
    """Huber's H1 factor on (X'WX)^-1, over the square of the scale."""
    if scale == 0.0:
        return 0.0
    n_inside, squares = 0, 0.0
    for i in range(n):
        size = abs(residuals[i] / scale)
        n_inside += size <= tuning
        squares += min(size, tuning) ** 2
    inside = n_inside / n
    correction = 1.0 + k / n * (inside * (1.0 - inside)) / inside**2
    return correction**2 * squares / (n - k) / inside**2 if n_inside > 0 else np.nan

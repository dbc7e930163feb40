"""Orthonormal basis of one group's weighted design, and what is solved with its triangle."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TOLERANCE = 32.0
"""Roundoff units of the data below which a pivot is noise, as in every other engine's rank rule."""

_DOUBLE_EPS = float(np.finfo(np.float64).eps)


class Basis(NamedTuple):
    """Weighted design ``q' triangle`` of up to ``size`` rows: m columns, of which the first k are in use.

    ``q`` (m, size) orthonormal rows; ``triangle`` (m, m) upper, of the centred design; ``inverse`` (m, m) its inverse
    for the design as it came, so that (X'WX)^-1 = inverse inverse'; ``kept`` (m,) the predictor of every column, -1
    for the intercept; ``root`` (size,) square roots of the weights. For every predictor:
    ``centre`` (p, 2) its weighted mean as hi + lo, 0 without intercept; ``squares`` (p,) its weighted sum of squares
    about zero, ``scatter`` (p,) about the centre.
    """

    q: FloatArray
    triangle: FloatArray
    inverse: FloatArray
    kept: IntArray
    root: FloatArray
    centre: FloatArray
    squares: FloatArray
    scatter: FloatArray


@kernel
def new_basis(p: int, m: int, size: int) -> Basis:
    """Space for a basis."""
    return Basis(
        np.zeros((m, size)),
        np.zeros((m, m)),
        np.zeros((m, m)),
        np.zeros(m, dtype=np.int64),
        np.zeros(size),
        np.zeros((p, 2)),
        np.zeros(p),
        np.zeros(p),
    )


@kernel
def dot(a: FloatArray, i: int, b: FloatArray, j: int, n: int) -> float:
    """Sum of the first ``n`` products of row i of a and row j of b.

    Four sums side by side, as an addition waits for the one before it; tables and not their rows, as a row is an array
    of its own whose references are counted.
    """
    s, t, u, v = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for row in range(0, whole, 4):
        s += a[i, row] * b[j, row]
        t += a[i, row + 1] * b[j, row + 1]
        u += a[i, row + 2] * b[j, row + 2]
        v += a[i, row + 3] * b[j, row + 3]
    for row in range(whole, n):
        s += a[i, row] * b[j, row]
    return (s + t) + (u + v)


@kernel
def fill_basis(
    columns: FloatArray,
    weights: FloatArray,
    rows: IntArray,
    n: int,
    intercept: bool,
    precision: FloatArray,
    basis: Basis,
) -> int:
    """Basis of the first ``n`` of ``rows``; gives the number of columns that the rank rule keeps.

    Parameters
    ----------
    columns, weights : float64 array (p or more, n_rows), float64 array (n_rows,)
        The predictors come first.
    rows : int64 array (n or more,)
        Positions.
    precision : float64 array (p or more,)
        Unit roundoff of the dtype that each predictor came in.

    Notes
    -----
    Predictor j is kept if what is left of it after its projection on the kept ones before it is above 32 times the
    rounding of its own data and theirs, and if there are more rows than kept columns. Cost O(n m^2).
    """
    total = 0.0
    for i in range(n):
        total += weights[rows[i]]
        basis.root[i] = math.sqrt(weights[rows[i]])
    k = 0
    if intercept:
        length = math.sqrt(total)
        basis.triangle[0, 0] = length
        basis.kept[0] = -1
        for i in range(n):
            basis.q[0, i] = basis.root[i] / length
        k = 1
    for j in range(len(basis.squares)):
        _fill_column(columns[j], weights, rows, n, total if intercept else 0.0, j, k, basis)
        if k < n:
            pivot = orthogonalize(basis.q, basis.triangle, k, n)
            if pivot > _rounding(basis, precision, j, k, intercept, total):
                basis.kept[k] = j
                for i in range(n):
                    basis.q[k, i] /= pivot
                k += 1
    _invert(basis.triangle, k, basis.inverse)
    if intercept:
        for i in range(1, k):
            for column in range(i, k):
                basis.inverse[0, column] -= basis.centre[basis.kept[i], 0] * basis.inverse[i, column]
    return k


@kernel
def _fill_column(
    values: FloatArray, weights: FloatArray, rows: IntArray, n: int, total: float, j: int, k: int, basis: Basis
) -> None:
    """Write predictor j, centred and times the root of the weights, to column k; about zero if ``total`` is 0."""
    high, low = 0.0, 0.0
    if total > 0.0:
        for i in range(n):
            high += weights[rows[i]] * values[rows[i]]
        high /= total
        for i in range(n):
            low += weights[rows[i]] * (values[rows[i]] - high)
        low /= total
    squares, scatter = 0.0, 0.0
    for i in range(n):
        value = values[rows[i]]
        rooted = basis.root[i] * ((value - high) - low)
        squares += weights[rows[i]] * value * value
        scatter += rooted * rooted
        basis.q[k, i] = rooted
    basis.centre[j, 0], basis.centre[j, 1] = high, low
    basis.squares[j], basis.scatter[j] = squares, scatter


@kernel
def orthogonalize(q: FloatArray, triangle: FloatArray, k: int, n: int) -> float:
    """Take the first k columns out of column k, which is not normed; writes the triangle's column, gives its pivot.

    Twice: after once, what is left of nearly dependent columns is orthogonal to one over their condition number only.

    References
    ----------
    L. Giraud, J. Langou, M. Rozloznik, Comput. Math. Appl. 50 (2005) 1069.
    """
    for i in range(k):
        triangle[i, k] = 0.0
    for _ in range(2):
        for i in range(k):
            share = dot(q, i, q, k, n)
            triangle[i, k] += share
            for row in range(n):
                q[k, row] -= share * q[i, row]
    pivot = math.sqrt(dot(q, k, q, k, n))
    triangle[k, k] = pivot
    return pivot


@kernel
def _rounding(basis: Basis, precision: FloatArray, j: int, k: int, intercept: bool, total: float) -> float:
    """Length that rounding of the data alone may leave of predictor j, which is in column k."""
    squared = precision[j] ** 2 * basis.squares[j]
    if intercept:
        squared += _DOUBLE_EPS**2 * total * basis.centre[j, 0] ** 2
    for i in range(1 if intercept else 0, k):
        earlier = basis.kept[i]
        share = basis.triangle[i, k] / basis.triangle[i, i]
        squared += share * (precision[earlier] ** 2 * basis.squares[earlier]) * share
    return TOLERANCE * math.sqrt(squared)


@kernel
def _invert(triangle: FloatArray, k: int, inverse: FloatArray) -> None:
    for j in range(k):
        inverse[j, j] = 1.0 / triangle[j, j]
        for i in range(j - 1, -1, -1):
            total = 0.0
            for n in range(i + 1, j + 1):
                total += triangle[i, n] * inverse[n, j]
            inverse[i, j] = -total / triangle[i, i]
            inverse[j, i] = 0.0


@kernel
def conditioning(k: int, intercept: bool, basis: Basis) -> float:
    """One over the kept predictors' number times the sum of their variance inflations; 1 without any."""
    first = int(intercept)
    inflation = 0.0
    for i in range(first, k):
        for n in range(i, k):
            inflation += basis.inverse[i, n] * basis.scatter[basis.kept[i]] * basis.inverse[i, n]
    return 1.0 / ((k - first) * inflation) if k > first else 1.0


@kernel
def largest_leverage(n: int, k: int, basis: Basis) -> float:
    """Largest diagonal element of the projection on the design."""
    largest = 0.0
    for row in range(n):
        own = 0.0
        for i in range(k):
            own += basis.q[i, row] * basis.q[i, row]
        largest = max(largest, own)
    return largest


@kernel
def write_covariance(k: int, intercept: bool, factor: float, basis: Basis, covariance: FloatArray) -> None:
    """Write ``factor`` (X'WX)^-1 of the kept columns.

    The intercept's variance is a sum of squares; 1 / total + mean' covariance mean can come out negative.
    """
    first = int(intercept)
    for i in range(k):
        for j in range(i + 1):
            value = 0.0
            for n in range(i, k):
                value += basis.inverse[i, n] * basis.inverse[j, n]
            row, column = basis.kept[i] + first, basis.kept[j] + first
            covariance[row, column] = covariance[column, row] = factor * value


@kernel
def back_substitute(triangle: FloatArray, k: int, right: FloatArray, solution: FloatArray) -> None:
    """Solve triangle solution = right, (k,); a pivot of 0 gives 0."""
    for i in range(k - 1, -1, -1):
        value = right[i]
        for n in range(i + 1, k):
            value -= triangle[i, n] * solution[n]
        solution[i] = value / triangle[i, i] if triangle[i, i] > 0.0 else 0.0


@kernel
def solve_by_cholesky(matrix: FloatArray, k: int, least: float, solution: FloatArray) -> bool:
    """Solve matrix x = solution in place; the lower triangle of the matrix is overwritten.

    False, with nothing solved, if a pivot is below ``least`` times its diagonal.
    """
    for j in range(k):
        pivot = matrix[j, j]
        bound = least * pivot
        for n in range(j):
            pivot -= matrix[j, n] * matrix[j, n]
        if not pivot > bound:
            return False
        matrix[j, j] = math.sqrt(pivot)
        for i in range(j + 1, k):
            value = matrix[i, j]
            for n in range(j):
                value -= matrix[i, n] * matrix[j, n]
            matrix[i, j] = value / matrix[j, j]
    for i in range(k):
        for n in range(i):
            solution[i] -= matrix[i, n] * solution[n]
        solution[i] /= matrix[i, i]
    for i in range(k - 1, -1, -1):
        for n in range(i + 1, k):
            solution[i] -= matrix[n, i] * solution[n]
        solution[i] /= matrix[i, i]
    return True

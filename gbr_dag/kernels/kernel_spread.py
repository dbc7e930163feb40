"""What kernel weights, which are no inverse variances, make of the errors of one fit.

With kernel weights k, row weights w and v = k w: B = (sum v x x')^-1, M = sum k^2 w x x', M3 = sum k^3 w x x'. On the
orthonormal columns q of the design times sqrt(v), B is the identity and M is sum k q q': all traces are sums of
squares.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.irls import KERNEL, ROOT_KERNEL, Space
from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.orthogonal import Basis, orthogonalize

FloatArray = npt.NDArray[np.float64]


@kernel
def fill_spread(n: int, k: int, total: float, basis: Basis, space: Space) -> tuple[float, float]:
    """Write the triangle T with T'T = M in the coordinates of the basis; gives tr BM and Student's degrees of freedom.

    The latter are nu = (sum k - tr BM)^2 / (sum k^2 - 2 tr B M3 + tr BMBM); ``total`` is sum k.
    """
    q, lines, columns, triangle = basis.q, space.lines, space.columns, space.matrix
    trace, third, squares = 0.0, 0.0, 0.0
    for row in range(n):
        leverage = 0.0
        for i in range(k):
            leverage += q[i, row] * q[i, row]
            columns[i, row] = lines[ROOT_KERNEL, row] * q[i, row]
        weight = lines[KERNEL, row]
        trace += weight * leverage
        third += weight * weight * leverage
        squares += weight * weight
    for i in range(k):
        pivot = orthogonalize(columns, triangle, i, n)
        for row in range(n):
            columns[i, row] = columns[i, row] / pivot if pivot > 0.0 else 0.0
    fourth = 0.0
    for i in range(k):
        for j in range(k):
            element = 0.0
            for row in range(min(i, j) + 1):
                element += triangle[row, i] * triangle[row, j]
            fourth += element * element
    return trace, (total - trace) ** 2 / (squares - 2.0 * third + fourth)


@kernel
def write_spread_covariance(
    k: int, intercept: bool, factor: float, basis: Basis, space: Space, covariance: FloatArray
) -> None:
    """Write ``factor`` B M B of the kept columns, H'H with H = T inverse'; overwrites the rows of the scratch."""
    first, half = int(intercept), space.columns
    for i in range(k):
        for row in range(k):
            value = 0.0
            for n in range(max(row, i), k):
                value += space.matrix[row, n] * basis.inverse[i, n]
            half[i, row] = value
    for i in range(k):
        for j in range(i + 1):
            value = 0.0
            for row in range(k):
                value += half[i, row] * half[j, row]
            row, column = basis.kept[i] + first, basis.kept[j] + first
            covariance[row, column] = covariance[column, row] = factor * value

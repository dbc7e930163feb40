"""One windowed fit in 50-digit arithmetic, by the formulas as they stand on paper.

v = k w, B = (sum v x x')^-1, beta = B sum v x y, M = sum k^2 w x x', sigma^2 = sum v r^2 / (sum k - tr BM),
Cov = sigma^2 B M B, nu = (sum k - tr BM)^2 / (sum k^2 - 2 tr B M3 + tr BMBM) with M3 = sum k^3 w x x'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

DIGITS = 50
Array = NDArray[np.float64]


@dataclass(frozen=True)
class KernelFit:
    """Figures rounded to doubles at the end; ``m`` coefficients in the order of the design's columns."""

    coefficients: Array
    covariance: Array
    rms: float
    rmse: float
    freedom: float
    nu: float

    @property
    def errors(self) -> Array:
        """Standard errors, (m,)."""
        errors: Array = np.sqrt(np.diag(self.covariance))
        return errors


def kernel_fit(design: Array, target: Array, weights: Array, kernel: Array) -> KernelFit:
    """Fit ``target`` (n,) on the columns of ``design`` (n, m), a column of ones among them if wanted."""
    with mpmath.workdps(DIGITS):
        x, y = mpmath.matrix(design.tolist()), mpmath.matrix(target.tolist())
        w, k = ([mpmath.mpf(float(value)) for value in values] for values in (weights, kernel))
        n = len(y)
        first, second, third = (_moments(x, w, k, power) for power in (1, 2, 3))
        inverse = first**-1
        beta = inverse * _product(x, [w[i] * k[i] * y[i] for i in range(n)])
        fitted = x * beta
        squares = mpmath.fsum(w[i] * k[i] * (y[i] - fitted[i]) ** 2 for i in range(n))
        step = inverse * second
        freedom = mpmath.fsum(k) - _trace(step)
        spread = mpmath.fsum(value**2 for value in k) - 2 * _trace(inverse * third) + _trace(step * step)
        covariance = step * inverse * (squares / freedom)
        total = mpmath.fsum(w[i] * k[i] for i in range(n))
        return KernelFit(
            np.array(beta.tolist(), dtype=np.float64)[:, 0],
            np.array(covariance.tolist(), dtype=np.float64),
            float(mpmath.sqrt(squares / freedom)),
            float(mpmath.sqrt(squares / total)),
            float(freedom),
            float(freedom**2 / spread),
        )


def _moments(x: Any, w: list[Any], k: list[Any], power: int) -> Any:
    scaled = x.copy()
    for i in range(x.rows):
        for j in range(x.cols):
            scaled[i, j] *= w[i] * k[i] ** power
    return x.T * scaled


def _product(x: Any, values: list[Any]) -> Any:
    return x.T * mpmath.matrix(values)


def _trace(matrix: Any) -> Any:
    return mpmath.fsum(matrix[i, i] for i in range(matrix.rows))

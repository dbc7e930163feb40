"""Huber's M-estimate of windows from their gathered rows, one window after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gbr_dag.group_fits.huber import NEAR, largest_leverage, rooted_design
from gbr_dag.group_fits.least_squares import LeastSquares, RootedRows, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import GroupFit, GroupRows, SortedRows
from gbr_dag.group_fits.rejection import NORMAL_MEDIAN, ScaledFit, fit_with_cut, scale_floor
from gbr_dag.options import HuberOptions
from gbr_dag.tables import BoolArray, FitStatus, FloatArray

_TIE = 4.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class WindowGroup(GroupRows):
    """The usable rows of one window for one target: ``w`` is the kernel's weight times the row's own.

    ``kernel`` float64 (n,): the kernel's alone.
    """

    kernel: FloatArray

    def of(self, kept: BoolArray) -> WindowGroup:
        """The same with the rows kept (n,) only."""
        x, y, w, kernel = self.x[kept], self.y[kept], self.w[kept], self.kernel[kept]
        return replace(self, x=x, y=y, w=w, kernel=kernel)


@dataclass(frozen=True)
class SortedWindows(SortedRows):
    """The rows of all windows, window after window; ``kernel`` float64 (n,), of which ``w`` holds the product."""

    kernel: FloatArray

    def of(self, b: int, target: int) -> WindowGroup:
        """The usable rows of one window for one target."""
        rows = super().of(b, target)
        part = slice(self.offsets[b], self.offsets[b + 1])
        kernel = self.kernel[part][self.used[part, target]]
        return WindowGroup(rows.x, rows.y, rows.w, rows.precision, rows.intercept, rows.min_entries, kernel)


@dataclass(frozen=True)
class WindowHuber:
    """Fits one window by Huber's M-estimate: minimises sum k rho(u), u = sqrt(w) r / s, with the scale s beside it."""

    options: HuberOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance B M B with Huber's factor, and sums of squares."""
        return fit_with_cut(self._fit, rows, self.options)

    def _fit(self, rows: GroupRows) -> ScaledFit:
        """The fit of all the rows, which starts from least squares."""
        kernel = kernel_of(rows)
        plain = LeastSquares()(rows)
        basis = _basis(rows)
        plain = replace(plain, leverage=largest_leverage(basis.q), unit_covariance=basis.spread(kernel))
        if plain.count <= plain.rank:
            return ScaledFit(plain, np.zeros(plain.count), math.nan)
        root = np.sqrt(kernel)
        tuning, tol = self.options.tuning, self.options.tol
        shift, flags = np.zeros(plain.rank), FitStatus.NOT_CONVERGED.value
        residuals = basis.residuals(shift)
        huber = np.ones(len(root))
        floor = _floor(rows, plain.values, huber)
        scale = max(_weighted_median(np.abs(residuals) / root, kernel) / NORMAL_MEDIAN, floor)
        for _ in range(0 if math.isinf(tuning) else self.options.max_iter):
            size = np.abs(residuals) / root
            far = size > tuning * scale
            huber = np.where(far, tuning * scale / np.where(far, size, 1.0), 1.0)
            step = np.linalg.solve((basis.q.T * huber) @ basis.q, basis.q.T @ (huber * residuals))
            shift = shift + step
            residuals = basis.residuals(shift)
            floor = _floor(rows, plain.values + basis.to_coefficients @ shift, huber)
            before = scale
            scale = max(_weighted_median(np.abs(residuals) / root, kernel) / NORMAL_MEDIAN, floor)
            least = max(tol * scale, 8.0 * np.finfo(float).eps * float(np.linalg.norm(basis.y)))
            if np.linalg.norm(step) <= least and abs(scale - before) <= least:
                flags = 0
                break
        if math.isinf(tuning) or scale == 0.0:
            flags = 0
        fit = replace(
            plain,
            values=plain.values + basis.to_coefficients @ shift,
            unit_covariance=_variance_factor(residuals / root, scale, tuning, kernel, basis) * plain.unit_covariance,
            scale=scale,
            sse=float(np.sum(residuals**2)),
            flags=flags | (FitStatus.NEARLY_EXACT.value if scale <= NEAR * floor else 0),
        )
        return ScaledFit(fit, residuals / root, scale)


@dataclass(frozen=True)
class Basis:
    """Orthonormal columns ``q`` (n, rank) of the design times the roots of all weights.

    ``to_coefficients`` (m, rank) takes coordinates on them to coefficients, NaN where aliased; ``y`` (n,) is the target
    about its mean times the roots.
    """

    q: FloatArray
    y: FloatArray
    to_coefficients: FloatArray

    def residuals(self, shift: FloatArray) -> FloatArray:
        """Residuals (n,) of the fit that lies so far from least squares."""
        residuals: FloatArray = self.y - self.q @ (self.q.T @ self.y + shift)
        return residuals

    def spread(self, kernel: FloatArray) -> FloatArray:
        """B M B, the covariance for rows of variance 1/w, (m, m)."""
        estimator = self.to_coefficients @ self.q.T
        covariance: FloatArray = (estimator * kernel) @ estimator.T
        return covariance

    def freedom(self, kernel: FloatArray) -> tuple[float, float]:
        """Degrees of freedom of the residuals, sum k - tr BM, and of Student's t."""
        leverage = np.sum(self.q**2, axis=1)
        freedom = float(np.sum(kernel * (1.0 - leverage)))
        product = (self.q.T * kernel) @ self.q
        spread = np.sum(kernel**2 * (1.0 - 2.0 * leverage)) + np.sum(product**2)
        return freedom, freedom**2 / float(spread) if spread > 0.0 else math.nan


def window_freedoms(rows: WindowGroup) -> tuple[float, float]:
    """Degrees of freedom of the residuals, and of Student's t, of the fit of these rows."""
    return _basis(rows).freedom(rows.kernel)


def kernel_of(rows: GroupRows) -> FloatArray:
    """Kernel weights of the rows, 1 for those of a group."""
    return rows.kernel if isinstance(rows, WindowGroup) else np.ones(len(rows.y))


def _basis(rows: GroupRows) -> Basis:
    rooted = rooted_rows(rows)
    kept = kept_predictors(rows, rooted)
    q, r = np.linalg.qr(rooted_design(rows, rooted, kept))
    return Basis(q, rooted.y, _to_coefficients(rows, rooted, kept, np.linalg.inv(r)))


def _to_coefficients(rows: GroupRows, rooted: RootedRows, kept: list[int], inverse: FloatArray) -> FloatArray:
    c = int(rows.intercept)
    result = np.full((rows.n_coefficients, len(inverse)), np.nan)
    result[[j + c for j in kept]] = inverse[c:]
    if c:
        result[0] = inverse[0] - rooted.hi[kept] @ inverse[c:] - rooted.lo[kept] @ inverse[c:]
    return result


def _floor(rows: GroupRows, values: FloatArray, huber: FloatArray) -> float:
    """What of the scale is the rounding of the data: a sum over the rows, over the sum of the kernel weights."""
    floor = scale_floor(rows, values[int(rows.intercept) :], huber)
    return floor * math.sqrt(len(rows.y) / float(np.sum(kernel_of(rows))))


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Smallest value at which the cumulative weight passes half, the midpoint to the next where it hits half."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order].astype(np.longdouble))
    total = cumulative[-1]
    beyond = 2.0 * cumulative - total
    lower = values[order][np.argmax(beyond >= -_TIE * total)]
    upper = values[order][np.argmax(beyond > _TIE * total)]
    return float(lower + upper) / 2.0


def _variance_factor(u: FloatArray, scale: float, tuning: float, kernel: FloatArray, basis: Basis) -> float:
    """What B M B is to be multiplied by, over the squared scale; NaN if every residual is beyond the tuning."""
    u = u / scale if scale > 0.0 else np.zeros(len(u))
    total = float(np.sum(kernel))
    freedom, _ = basis.freedom(kernel)
    slope = (np.abs(u) <= tuning).astype(np.float64)
    mean = float(np.sum(kernel * slope)) / total
    if mean == 0.0:
        return math.nan
    variance = float(np.sum(kernel * (slope - mean) ** 2)) / total
    correction = 1.0 + (total - freedom) / total * variance / mean**2
    squares = float(np.sum(kernel * np.clip(u, -tuning, tuning) ** 2))
    return correction**2 * squares / freedom / mean**2

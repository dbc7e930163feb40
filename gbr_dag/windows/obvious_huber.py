"""Huber's M-estimate of windows from their gathered rows, one window after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from gbr_dag.group_fits.huber import NEAR, largest_leverage
from gbr_dag.group_fits.least_squares import LeastSquares, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import DOUBLE_EPS, GroupFit, GroupRows, SortedRows
from gbr_dag.group_fits.rejection import NORMAL_MEDIAN, ScaledFit, fit_with_cut, scale_floor
from gbr_dag.options import HuberOptions
from gbr_dag.tables import BoolArray, FitStatus, FloatArray
from gbr_dag.windows.obvious_fits import GatheredRows, orthonormal_basis, spread_of

_TIE = 4.0 * DOUBLE_EPS
"""Cumulative weights this close to half of the total, relative to it, are at half."""

_STEP_NOISE = 8.0 * DOUBLE_EPS
"""Steps below this share of the target are rounding."""


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

    @classmethod
    def gathered(cls, gathered: GatheredRows) -> SortedWindows:
        """The same rows with the kernel among them."""
        columns: dict[str, Any] = {field.name: getattr(gathered.rows, field.name) for field in fields(SortedRows)}
        return cls(**columns, kernel=gathered.kernel)

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
        kernel = _kernel(rows)
        plain, rooted = LeastSquares()(rows), rooted_rows(rows)
        kept = kept_predictors(rows, rooted)
        q, change = orthonormal_basis(rows, rooted, kept)
        covariance, freedom, _ = spread_of(rows, kernel)
        plain = replace(plain, leverage=largest_leverage(q), unit_covariance=covariance)
        if plain.count <= plain.rank:
            return ScaledFit(plain, np.zeros(plain.count), math.nan)
        shift, scale, flags = self._iterated(
            rows, q, rooted.y, lambda shift: plain.values + _movement(shift, change, rows, kept)
        )
        residuals = (rooted.y - q @ (q.T @ rooted.y + shift)) / np.sqrt(kernel)
        fit = replace(
            plain,
            values=plain.values + _movement(shift, change, rows, kept),
            unit_covariance=_variance_factor(residuals, scale, self.options.tuning, kernel, freedom) * covariance,
            scale=scale,
            sse=float(np.sum(kernel * residuals**2)),
            flags=flags,
        )
        return ScaledFit(fit, residuals, scale)

    def _iterated(
        self, rows: GroupRows, q: FloatArray, y: FloatArray, values_at: Callable[[FloatArray], FloatArray]
    ) -> tuple[FloatArray, float, int]:
        """How far the fit lies from least squares (rank,) on the orthonormal columns q, its scale, and flags."""
        tuning, tol, kernel = self.options.tuning, self.options.tol, _kernel(rows)
        shift, flags = np.zeros(q.shape[1]), FitStatus.NOT_CONVERGED.value
        huber = np.ones(len(y))

        def sizes_and_scale() -> tuple[FloatArray, FloatArray, float, float]:
            residuals = y - q @ (q.T @ y + shift)
            sizes = np.abs(residuals) / np.sqrt(kernel)
            floor = _floor(rows, values_at(shift), huber)
            return residuals, sizes, max(_weighted_median(sizes, kernel) / NORMAL_MEDIAN, floor), floor

        residuals, sizes, scale, floor = sizes_and_scale()
        for _ in range(0 if math.isinf(tuning) else self.options.max_iter):
            far = sizes > tuning * scale
            huber = np.where(far, tuning * scale / np.where(far, sizes, 1.0), 1.0)
            step = np.linalg.solve((q.T * huber) @ q, q.T @ (huber * residuals))
            shift, before = shift + step, scale
            residuals, sizes, scale, floor = sizes_and_scale()
            least = max(tol * scale, _STEP_NOISE * float(np.linalg.norm(y)))
            if np.linalg.norm(step) <= least and abs(scale - before) <= least:
                flags = 0
                break
        if math.isinf(tuning) or scale == 0.0:
            flags = 0
        return shift, scale, flags | (FitStatus.NEARLY_EXACT.value if scale <= NEAR * floor else 0)


def _kernel(rows: GroupRows) -> FloatArray:
    """Kernel weights of the rows, 1 for those of a group."""
    return rows.kernel if isinstance(rows, WindowGroup) else np.ones(len(rows.y))


def _movement(shift: FloatArray, change: FloatArray, rows: GroupRows, kept: list[int]) -> FloatArray:
    """What coordinates on the orthonormal columns are in coefficients (m,); NaN where aliased."""
    moved = np.full(rows.n_coefficients, np.nan)
    moved[[*range(int(rows.intercept)), *(j + int(rows.intercept) for j in kept)]] = change @ shift
    return moved


def _floor(rows: GroupRows, values: FloatArray, huber: FloatArray) -> float:
    """What of the scale is the rounding of the data: a sum over the rows, over the sum of the kernel weights."""
    floor = scale_floor(rows, values[int(rows.intercept) :], huber)
    return floor * math.sqrt(len(rows.y) / float(np.sum(_kernel(rows))))


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Smallest value at which the cumulative weight passes half, the midpoint to the next where it hits half."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order].astype(np.longdouble))
    total = cumulative[-1]
    beyond = 2.0 * cumulative - total
    lower = values[order][np.argmax(beyond >= -_TIE * total)]
    upper = values[order][np.argmax(beyond > _TIE * total)]
    return float(lower + upper) / 2.0


def _variance_factor(u: FloatArray, scale: float, tuning: float, kernel: FloatArray, freedom: float) -> float:
    """What B M B is to be multiplied by, over the squared scale; NaN if every residual is beyond the tuning."""
    u = u / scale if scale > 0.0 else np.zeros(len(u))
    total = float(np.sum(kernel))
    slope = (np.abs(u) <= tuning).astype(np.float64)
    mean = float(np.sum(kernel * slope)) / total
    if mean == 0.0:
        return math.nan
    variance = float(np.sum(kernel * (slope - mean) ** 2)) / total
    correction = 1.0 + (total - freedom) / total * variance / mean**2
    squares = float(np.sum(kernel * np.clip(u, -tuning, tuning) ** 2))
    return correction**2 * squares / freedom / mean**2

"""Huber's M-estimate of one group by iteratively reweighted QR of its centred rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gbr_dag.group_fits.least_squares import LeastSquares, RootedRows, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.group_fits.rejection import ScaledFit, fit_with_cut, robust_scale, scale_floor
from gbr_dag.options import HuberOptions
from gbr_dag.tables import FitStatus, FloatArray

NEARLY_EXACT = FitStatus.NEARLY_EXACT.value

NEAR = 16.0
"""Times the floor up to which a scale is mostly rounding: where it comes to rest between the two is left to chance."""


@dataclass(frozen=True)
class Huber:
    """Fits by Huber's M-estimate with the scale estimated beside, and rejects rows beyond a cut if there is one.

    The iteration is that of statsmodels RLM(sqrt(w) y, sqrt(w) X, HuberT(tuning)), and so are the errors (``H1``: P. J.
    Huber, Robust Statistics, Wiley 1981, section 7.6).
    """

    options: HuberOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance and sums of squares; ``scale`` is 1.4826 median abs(sqrt(w) r)."""
        return fit_with_cut(self._fit, rows, self.options)

    def _fit(self, rows: GroupRows) -> ScaledFit:
        """The fit of all the rows, which starts from least squares."""
        plain = LeastSquares()(rows)
        rooted = rooted_rows(rows)
        kept = kept_predictors(rows, rooted)
        q, r = np.linalg.qr(rooted_design(rows, rooted, kept))
        plain = replace(plain, leverage=largest_leverage(q))
        if plain.count <= plain.rank:  # goes through every row: there are no residuals to weigh
            return ScaledFit(plain, np.zeros(plain.count), math.nan)

        def values_at(shift: FloatArray) -> FloatArray:
            return plain.values + _uncentred(np.linalg.solve(r, shift), rows, rooted, kept)

        residuals = rooted.y - q @ (q.T @ rooted.y)
        shift, residuals, scale, flags = self._iterated(rows, q, residuals, values_at)
        fit = replace(
            plain,
            values=values_at(shift),
            unit_covariance=_variance_factor(residuals, scale, self.options.tuning, plain.rank) * plain.unit_covariance,
            scale=scale,
            sse=float(np.sum(residuals**2)),
            flags=flags,
        )
        return ScaledFit(fit, residuals, scale)

    def _iterated(
        self, rows: GroupRows, q: FloatArray, residuals: FloatArray, values_at: Callable[[FloatArray], FloatArray]
    ) -> tuple[FloatArray, FloatArray, float, int]:
        """How far the fit lies from least squares (rank,) on the orthonormal columns q, its residuals (n,) and scale.

        The last are flags: whether the steps did not settle, and whether the scale is rounding. Steps are taken on q,
        the same columns throughout, and from the
        residuals of the last one: steps on the rows as they come carry the rounding of the target and, where predictors
        are nearly collinear, of the condition number, which is more than the settled step may be.
        """
        tuning, tol = self.options.tuning, self.options.tol
        slopes = slice(int(rows.intercept), None)
        shift = np.zeros(q.shape[1])
        v = np.ones(len(residuals))
        floor = scale_floor(rows, values_at(shift)[slopes], v)
        scale, flags = robust_scale(residuals, floor), FitStatus.NOT_CONVERGED.value
        if math.isinf(tuning):  # least squares, where the steps start
            return shift, residuals, scale, NEARLY_EXACT if scale <= NEAR * floor else 0
        for _ in range(self.options.max_iter):
            v = _huber_weights(residuals, scale, tuning)
            step = _weighted(q, residuals, v)
            shift, residuals = shift + step, residuals - q @ step
            floor = scale_floor(rows, values_at(shift)[slopes], v)
            before, scale = scale, robust_scale(residuals, floor)
            if np.linalg.norm(step) <= tol * scale and abs(scale - before) <= tol * scale:
                flags = 0
                break
        return shift, residuals, scale, flags | (NEARLY_EXACT if scale <= NEAR * floor else 0)


def rooted_design(rows: GroupRows, rooted: RootedRows, kept: list[int]) -> FloatArray:
    """The columns of the fit scaled by root w, (n, rank): the constant, if there is one, and the centred kept ones."""
    constant = np.sqrt(rows.w)[:, None] if rows.intercept else np.empty((len(rows.w), 0))
    return np.hstack([constant, rooted.x[:, kept]])


def largest_leverage(q: FloatArray) -> float:
    """Largest diagonal element of the projection q q' on orthonormal columns (n, rank)."""
    return float(np.max(np.sum(q**2, axis=1)))


def _weighted(q: FloatArray, residuals: FloatArray, v: FloatArray) -> FloatArray:
    """Coefficients of the least squares fit of the residuals on q with weights v, which take the orthogonality away.

    By the seminormal equations R'R step = q'(v residuals), R from Householder QR of the weighted rows: v residuals is
    bounded however far an outlier lies, which sqrt(v) residuals is not, and their rounding goes to 0 with the step.
    """
    _, r = np.linalg.qr(np.sqrt(v)[:, None] * q)
    step: FloatArray = np.linalg.solve(r, np.linalg.solve(r.T, q.T @ (v * residuals)))
    return step


def _huber_weights(residuals: FloatArray, scale: float, tuning: float) -> FloatArray:
    """min(1, tuning scale / abs(r)); 1 for residuals of 0 whose scale is 0, as of a target that is 0 throughout."""
    size = np.abs(residuals)
    weights = np.ones(len(size))
    far = size > tuning * scale
    weights[far] = tuning * scale / size[far]
    return weights


def _variance_factor(residuals: FloatArray, scale: float, tuning: float, rank: int) -> float:
    """What (X'WX)^-1 is to be multiplied by, over the squared scale; NaN if every residual is beyond the tuning."""
    n = len(residuals)
    u = residuals / scale if scale > 0.0 else np.zeros(n)
    slope = (np.abs(u) <= tuning).astype(np.float64)
    mean = float(np.mean(slope))
    if mean == 0.0:
        return math.nan
    k = 1.0 + rank / n * float(np.var(slope)) / mean**2
    return k**2 * float(np.sum(np.clip(u, -tuning, tuning) ** 2)) / (n - rank) / mean**2


def _uncentred(beta: FloatArray, rows: GroupRows, rooted: RootedRows, kept: list[int]) -> FloatArray:
    """Coefficients (m,) of the columns about zero from those of the centred ones (rank,); 0 where aliased."""
    slopes = beta[int(rows.intercept) :]
    values = np.zeros(rows.n_coefficients)
    values[[j + rows.intercept for j in kept]] = slopes
    if rows.intercept:
        means = np.concatenate([rooted.hi[kept], rooted.lo[kept]])
        values[0] = math.fsum([beta[0], *(-np.tile(slopes, 2) * means)])
    return values

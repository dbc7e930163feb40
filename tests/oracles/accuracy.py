"""Judges fits against the oracle: what is an error, and how large may it be.

Definitions, with s_j and s_y the roots of the weighted scatter of a predictor and of the target (about the mean with
an intercept, about zero without):

* slope: |d beta_j| / max(|beta_j|, s_y / s_j). A coefficient that is zero by chance is measured by the size that
  coefficients have in this group.
* intercept: |d beta_0| / max(|beta_0|, |ymean|, s_y / sqrt(sum w), sum_j |xmean_j| max(|beta_j|, s_y / s_j)). It is
  ymean - sum_j xmean_j beta_j and inherits the slopes' errors times the means, which no algorithm can avoid once the
  slopes are rounded: with means of 1e6 standard deviations the terms cancel to far less than their size.
* rms: |d rms| / max(rms, floor), the floor being the rounding of the target (``ExactFit.rms_floor``).
* errors: |d se_j| / max(se_j, floor sqrt(V_jj)).
* r squared: |d r2|, a number between 0 and 1.

Coefficients are judged by the tier of q alone, everything else by the tier of min(q, SSE / Syy), both of the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.oracles.exact import EPS, ExactFit

TIERS = ((1e-6, 1e-10), (1e-8, 1e-9), (1e-10, 1e-8))
"""Above the first number every relative error is within the second."""
LIMIT = 1e-10
"""At or below it q sets ILL_CONDITIONED, and SSE / Syy sets NEARLY_EXACT."""
BAND = 1e-3
"""A flag may go either way where its criterion is within this fraction of the limit: there q is known to about
eps kappa = 2e-11 and SSE / Syy, through residuals of 1e-5 of the target, to 2e-8 in the last tier and less well where
the design is ill conditioned too; 1e-3 leaves room for that and still holds one design in ten thousand only."""
INSUFFICIENT, RANK_DEFICIENT, SATURATED, ILL_CONDITIONED, NEARLY_EXACT = 1, 2, 4, 8, 16
BEYOND = len(TIERS)


@dataclass(frozen=True)
class EngineFit:
    """What an engine says of one group.

    Attributes
    ----------
    coefficients, errors : float arrays (m,)
        Intercept first if there is one; NaN where aliased.
    rms, r_squared : float
    status : int
        Flags of ``FitStatus``.
    """

    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    rms: float
    r_squared: float
    status: int


@dataclass
class Verdict:
    """How one fit compares with the oracle.

    Attributes
    ----------
    coefficient_tier, scatter_tier : int
        Position in ``TIERS`` by q and by min(q, SSE / Syy); ``BEYOND`` below the last; -1 where there is nothing to
        judge (not fitted; saturated).
    coefficients, errors, rms, r_squared : float
        Largest error of each kind, by the definitions above.
    over_kappa : float
        Largest error of a coefficient in units of eps kappa.
    violations : list of str
        Promises that are broken, in words.
    """

    coefficient_tier: int = -1
    scatter_tier: int = -1
    coefficients: float = 0.0
    errors: float = 0.0
    rms: float = 0.0
    r_squared: float = 0.0
    over_kappa: float = 0.0
    violations: list[str] = field(default_factory=list)


def judge(exact: ExactFit, fit: EngineFit, min_entries: int) -> Verdict:
    """Compare one fit with the oracle's figures for the columns that the fit kept."""
    verdict = Verdict()
    if exact.n_rows < min_entries:
        _judge_insufficient(fit, verdict)
        return verdict
    _judge_flags(exact, fit, verdict)
    if not np.array_equal(np.isfinite(fit.coefficients), exact.kept):
        verdict.violations.append(f"finite coefficients {np.isfinite(fit.coefficients)}, identifiable {exact.kept}")
        return verdict
    _measure(exact, fit, verdict)
    _judge_tier(verdict, "coefficient_tier", ("coefficients",))
    if exact.n_rows > exact.rank:
        _judge_tier(verdict, "scatter_tier", ("errors", "rms", "r_squared"))
    elif np.isfinite([*fit.errors, fit.rms]).any():
        verdict.violations.append("errors or rms without a spare row")
    return verdict


def _judge_insufficient(fit: EngineFit, verdict: Verdict) -> None:
    if fit.status != INSUFFICIENT:
        verdict.violations.append(f"status {fit.status}, must be INSUFFICIENT")
    if np.isfinite([*fit.coefficients, *fit.errors, fit.rms, fit.r_squared]).any():
        verdict.violations.append("figures from too few rows")


def _judge_flags(exact: ExactFit, fit: EngineFit, verdict: Verdict) -> None:
    saturated = exact.n_rows == exact.rank
    expected = {
        INSUFFICIENT: False,
        RANK_DEFICIENT: not exact.kept.all(),
        SATURATED: saturated,
        ILL_CONDITIONED: _below(exact.conditioning),
        NEARLY_EXACT: None if saturated else _below(exact.unexplained),
    }
    for flag, value in expected.items():
        if value is not None and bool(fit.status & flag) != value:
            verdict.violations.append(f"status {fit.status}, flag {flag} must be {'set' if value else 'clear'}")


def _below(criterion: float) -> bool | None:
    """Whether a criterion is at or below the limit; None within the band around it and where it is not defined."""
    if not np.isfinite(criterion) or abs(criterion / LIMIT - 1) <= BAND:
        return None
    return criterion < LIMIT


def _measure(exact: ExactFit, fit: EngineFit, verdict: Verdict) -> None:
    kept = exact.kept
    verdict.coefficient_tier = _tier(exact.conditioning)
    off = np.abs(fit.coefficients - exact.coefficients)[kept] / coefficient_scale(exact)[kept]
    verdict.coefficients = _largest(off)
    verdict.over_kappa = verdict.coefficients / (EPS * exact.kappa)
    if exact.n_rows == exact.rank:
        return
    verdict.scatter_tier = scatter_tier(exact)
    floor = exact.rms_floor
    error_floor = floor * np.sqrt(np.diag(exact.unit_covariance)[kept])
    verdict.errors = _largest(np.abs(fit.errors - exact.errors)[kept] / np.maximum(exact.errors[kept], error_floor))
    verdict.rms = _largest(abs(fit.rms - exact.rms) / max(exact.rms, floor))
    verdict.r_squared = _largest(abs(fit.r_squared - exact.r_squared))


def coefficient_scale(exact: ExactFit) -> NDArray[np.float64]:
    """What an error of each coefficient is measured by; see the definitions above."""
    s_y = np.sqrt(exact.syy)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale: NDArray[np.float64] = np.fmax(np.abs(exact.coefficients), s_y / np.sqrt(exact.sxx))
    if exact.sum_weights:
        slopes = np.flatnonzero(exact.kept)[1:]
        inherited = np.sum(np.abs(exact.means[slopes]) * scale[slopes])
        scale[0] = max(scale[0], abs(exact.target_mean), inherited)
    return scale


def _largest(values: NDArray[np.float64] | float) -> float:
    """Return the largest value; infinity if any is NaN, which is a figure that is missing."""
    values = np.atleast_1d(values)
    return float("inf") if np.isnan(values).any() else float(np.max(values, initial=0.0))


def scatter_tier(exact: ExactFit) -> int:
    """Position in ``TIERS`` by min(q, SSE / Syy), ``BEYOND`` below the last."""
    return _tier(min(exact.conditioning, exact.unexplained))


def _tier(criterion: float) -> int:
    return next((number for number, (above, _) in enumerate(TIERS) if criterion > above), BEYOND)


def _judge_tier(verdict: Verdict, tier: str, kinds: tuple[str, ...]) -> None:
    number = getattr(verdict, tier)
    for kind in kinds:
        value = getattr(verdict, kind)
        if np.isinf(value):
            verdict.violations.append(f"{kind} missing")
        elif number < BEYOND and value > TIERS[number][1]:
            verdict.violations.append(f"{kind} off by {value:.2g}, tier allows {TIERS[number][1]:.0e}")

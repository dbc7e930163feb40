"""Fits of one group by statsmodels: least squares, generalized linear models, M-estimates."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from gbr_dag.group_fits.least_squares import RootedRows, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import DOUBLE_EPS, GroupFit, GroupRows
from gbr_dag.options import FAMILIES, LINKS, NORMS, GlmOptions, RlmOptions
from gbr_dag.tables import FitStatus, FloatArray, IntArray

_ABOVE_ZERO = ("gamma", "inverse_gaussian")
"""Families whose target cannot be 0."""

_KNOWN_DISPERSION = ("poisson", "binomial", "negative_binomial")
"""Families whose variance is given by the mean alone: their scale is 1."""

_SEPARABLE = (None, "logit", "probit", "cloglog")
"""Links that send 0 and 1 to infinity on either side."""


@dataclass(frozen=True)
class StatsmodelsLeastSquares:
    """Fits by ``statsmodels`` WLS; without weights it is given ones, which is OLS."""

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance and sums of squares."""
        from statsmodels.regression.linear_model import WLS

        design = _design(rows)
        if not design.rank:
            sse = float(np.sum(design.rooted.y**2))
            return design.fit(rows, _nothing(design, sse, math.sqrt(sse / len(rows.y))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a saturated group divides by no degrees of freedom
            result = WLS(rows.y, design.x, weights=rows.w).fit()
            sse, variance = float(result.ssr), float(result.scale)
        scale = math.sqrt(variance) if len(rows.y) > design.rank else math.nan
        estimate = _Estimate(result.params, result.normalized_cov_params, scale, sse)
        return design.fit(rows, estimate, _conditioning(design))


@dataclass(frozen=True)
class Glm:
    """Fits by ``statsmodels`` GLM with the weights as ``var_weights``.

    A group whose target its family cannot have, or whose likelihood has no maximum, raises.
    """

    options: GlmOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance and the root of the dispersion."""
        from statsmodels.genmod.generalized_linear_model import GLM

        _check_target(self.options, rows.y)
        design = _design(rows)
        if not design.rank:
            return design.fit(rows, _nothing(design, math.nan, math.nan))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # domains, separation, convergence: they would come once a group
            model = GLM(rows.y, design.x, family=_family(self.options), var_weights=rows.w)
            # The deviance is compared unscaled: an estimated scale is 0 for a constant target, infinite without
            # degrees of freedom, and either ends the steps of statsmodels too early.
            tolerance = _settled_change(model.family, rows)
            result = model.fit(maxiter=self.options.max_iter, scale=1.0, tol=tolerance)
            mean = np.asarray(result.fittedvalues)
            pearson = float(np.sum(rows.w * (rows.y - mean) ** 2 / model.family.variance(mean)))
        if self.options.family == "binomial" and self.options.link in _SEPARABLE:
            _check_not_separated(rows.y, design.x @ result.params)
        freedom = len(rows.y) - design.rank
        scale = math.sqrt(pearson / freedom) if freedom > 0 else math.nan
        estimate = _Estimate(
            values=result.params,
            unit_covariance=result.normalized_cov_params,
            scale=1.0 if self.options.family in _KNOWN_DISPERSION else scale,
            sse=float(np.sum(rows.w * (rows.y - mean) ** 2)),
            flags=0 if result.converged else FitStatus.NOT_CONVERGED.value,
        )
        return design.fit(rows, estimate)


@dataclass(frozen=True)
class Rlm:
    """Fits by ``statsmodels`` RLM on the rows scaled by the roots of their weights.

    The target and the columns are fitted in units of their own size, so that one tolerance serves every unit.
    """

    options: RlmOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, Huber's H1 covariance over the squared scale, and the scale."""
        from statsmodels.robust import norms
        from statsmodels.robust.robust_linear_model import RLM

        design = _design(rows)
        if not design.rank:
            return design.fit(rows, _nothing(design, math.nan, math.nan))
        if len(rows.y) <= design.rank:  # through every row, and statsmodels would divide by no degrees of freedom
            return StatsmodelsLeastSquares()(rows)
        root = np.sqrt(rows.w)
        x, y = design.x * root[:, None], rows.y * root
        x_size = np.sqrt(np.mean(x**2, axis=0))
        y_size = math.sqrt(float(np.mean(design.rooted.y**2))) or 1.0
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a scale of 0, which is looked at below
            model = RLM(y / y_size, x / x_size, M=getattr(norms, NORMS[self.options.norm])())
            result = model.fit(conv="coefs", tol=self.options.tol, maxiter=self.options.max_iter)
            covariance = np.asarray(result.bcov_scaled)
        values = np.asarray(result.params) * y_size / x_size
        scale = float(result.scale)
        sse = float(np.sum((y - x @ values) ** 2))
        settled = _last_move(result.fit_history["params"]) <= self.options.tol
        flags = 0 if settled else FitStatus.NOT_CONVERGED.value
        if scale == 0.0:
            # more than half of the rows lie on the fit, and statsmodels stops: settled only if all of them do
            exact = design.constant or sse <= 1e-10 * design.syy
            flags = FitStatus.NEARLY_EXACT.value | (0 if exact else FitStatus.NOT_CONVERGED.value)
            covariance = np.full_like(covariance, np.nan)
        else:
            covariance = covariance / scale**2 / np.outer(x_size, x_size)
        return design.fit(rows, _Estimate(values, covariance, scale * y_size, sse, flags))


@dataclass(frozen=True)
class _Estimate:
    """What statsmodels says of the ``k`` columns kept: (k,), (k, k), and numbers."""

    values: FloatArray
    unit_covariance: FloatArray
    scale: float
    sse: float
    flags: int = 0


@dataclass(frozen=True)
class _Design:
    """The columns that are no linear combination of earlier ones, as they came, that of ones first.

    ``x`` (n, k); ``places`` (k,) of these among all coefficients.
    """

    x: FloatArray
    places: IntArray
    kept: list[int]
    rooted: RootedRows
    syy: float
    constant: bool

    @property
    def rank(self) -> int:
        """Number of columns kept."""
        return len(self.places)

    def fit(self, rows: GroupRows, estimate: _Estimate, conditioning: float = 1.0) -> GroupFit:
        """An estimate as the fit of all coefficients: NaN for the columns left out.

        Raises
        ------
        ArithmeticError
            If a coefficient is not finite.
        """
        if not np.isfinite(estimate.values).all():
            message = "the coefficients are not finite"
            raise ArithmeticError(message)
        m = rows.n_coefficients
        values, unit_covariance = np.full(m, np.nan), np.full((m, m), np.nan)
        values[self.places] = estimate.values
        unit_covariance[np.ix_(self.places, self.places)] = estimate.unit_covariance
        return GroupFit(
            values,
            unit_covariance,
            estimate.scale,
            estimate.sse,
            self.syy,
            self.constant,
            len(rows.y),
            self.rank,
            conditioning,
            estimate.flags,
        )


def _design(rows: GroupRows) -> _Design:
    rooted = rooted_rows(rows)
    kept = kept_predictors(rows, rooted)
    x = np.column_stack([*[np.ones(len(rows.y))] * rows.intercept, rows.x[:, kept]])
    places = np.array([*range(rows.intercept), *(j + rows.intercept for j in kept)], dtype=np.int64)
    syy = float(np.sum(rooted.y**2))
    constant = math.sqrt(syy) <= 32 * float(rows.precision[-1]) * math.sqrt(rooted.size[-1])
    return _Design(x, places, kept, rooted, syy, constant)


def _nothing(design: _Design, sse: float, scale: float) -> _Estimate:
    """No column at all: neither an intercept nor a predictor that is not zero."""
    return _Estimate(np.empty(0), np.empty((design.rank, design.rank)), scale, sse)


def _conditioning(design: _Design) -> float:
    """Bound from below on 1/kappa^2 of the centred columns, 1 / (p * sum of VIF_j)."""
    if not design.kept:
        return 1.0
    columns = design.rooted.x[:, design.kept]
    inverse = np.linalg.inv(np.linalg.qr(columns, mode="r"))
    length = np.linalg.norm(columns, axis=0)
    return 1.0 / (len(design.kept) * float(np.sum((length[:, None] * inverse) ** 2)))


def _last_move(params: list[Any]) -> float:
    """Largest change of a coefficient in the last step; infinite before the first."""
    return float(np.max(np.abs(params[-1] - params[-2])))


def _family(options: GlmOptions) -> Any:
    """The family of ``statsmodels`` with its link."""
    from statsmodels.genmod import families

    kind = getattr(families, FAMILIES[options.family])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the negative binomial says that it takes its default dispersion
        return kind() if options.link is None else kind(link=getattr(families.links, LINKS[options.link])())


def mean_of(options: GlmOptions, linear: FloatArray) -> FloatArray:
    """Mean of the target where the linear predictor is ``linear``, any shape; NaN stays."""
    with np.errstate(all="ignore"):
        return np.asarray(_family(options).link.inverse(linear), dtype=np.float64)


def mean_slope_of(options: GlmOptions, linear: FloatArray) -> FloatArray:
    """Derivative of the mean by the linear predictor, any shape; NaN stays."""
    with np.errstate(all="ignore"):
        return np.asarray(_family(options).link.inverse_deriv(linear), dtype=np.float64)


def _settled_change(family: Any, rows: GroupRows) -> float:
    """Change of the deviance below which a fit has settled: 1e-12 of that of the mean alone, and its rounding.

    The absolute 1e-8 of statsmodels ends the steps too early when the weights are small: with 1e-8 after the first.
    """
    mean = float(np.average(rows.y, weights=rows.w))
    of_mean = float(family.deviance(rows.y, np.full_like(rows.y, mean), rows.w))
    rounding = 32 * DOUBLE_EPS * float(np.sum(rows.w) * mean**2 / family.variance(np.array([mean]))[0])
    return 1e-12 * of_mean + rounding


def _check_target(options: GlmOptions, y: FloatArray) -> None:
    """Refuse what the family cannot have: statsmodels fits some of it all the same.

    Raises
    ------
    ValueError
        With the lowest or highest value; or if every value is 0 and the mean cannot be.
    """
    family, low, high = options.family, float(np.min(y)), float(np.max(y))
    if family == "gaussian":
        return
    if low < 0.0 or (low == 0.0 and family in _ABOVE_ZERO):
        words = "of 0 or below" if family in _ABOVE_ZERO else "below 0"
        message = f"family {family!r} has no target {words}, got {low!r}"
        raise ValueError(message)
    if family == "binomial" and high > 1.0:
        message = f"family 'binomial' has no target above 1, got {high!r}"
        raise ValueError(message)
    if family != "binomial" and high == 0.0:
        message = f"every target is 0, which family {family!r} cannot have for a mean"
        raise ValueError(message)


def _check_not_separated(y: FloatArray, linear: FloatArray) -> None:
    """Refuse a group in which the fit tells all 0 from all 1: any steeper one is likelier.

    Raises
    ------
    PerfectSeparationError
    """
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    if np.all(((y == 1.0) & (linear > 0.0)) | ((y == 0.0) & (linear < 0.0))):
        message = "the predictors tell all 0 from all 1 (perfect separation), so that no coefficients are the likeliest"
        raise PerfectSeparationError(message)

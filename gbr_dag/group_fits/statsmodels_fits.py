"""Fits of one group by statsmodels: least squares, generalized linear models, M-estimates.

Statsmodels solves by the pseudo-inverse, which drops every direction that is 1e-15 of the largest one. It is given
columns about their weighted means and in units of their own scatter, so that neither an offset nor a unit of a
predictor makes such directions; what it finds is put back into the columns as they came.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from gbr_dag.group_fits.glm_family import family_of, link_of, mean_of, scale_is_known
from gbr_dag.group_fits.least_squares import RootedRows, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import DOUBLE_EPS, GroupFit, GroupRows
from gbr_dag.group_fits.rejection import NORMAL_MEDIAN
from gbr_dag.options import NORMS, GlmOptions, RlmOptions
from gbr_dag.tables import FitStatus, FloatArray, IntArray

_ABOVE_ZERO = ("gamma", "inverse_gaussian")
"""Families whose target cannot be 0."""

_SEPARABLE = ("logit", "probit", "cloglog")
"""Links that send 0 and 1 to infinity on either side."""

_DROPPED = 1e-15
"""Share of the largest singular value below which the pseudo-inverse of statsmodels and NumPy drops a direction."""


@dataclass(frozen=True)
class StatsmodelsLeastSquares:
    """Fits by ``statsmodels`` WLS; without weights it is given ones, which is OLS."""

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance and sums of squares."""
        from statsmodels.regression.linear_model import WLS

        design = _design(rows)
        if not design.rank:
            sse = float(np.sum(design.rooted.y**2))
            return design.fit(rows, _nothing(sse, math.sqrt(sse / len(rows.y))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a saturated group divides by no degrees of freedom
            model = WLS(design.centred(rows.y), design.x, weights=rows.w)
            result = model.fit()
            sse, variance = float(result.ssr), float(result.scale)
        _check_rank(design.rank, model.wexog_singular_values, int(model.rank))
        scale = math.sqrt(variance) if len(rows.y) > design.rank else math.nan
        estimate = _Estimate(result.params, model.pinv_wexog, scale, sse, target_centred=True)
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
            return design.fit(rows, self._without_columns(rows))
        # a mean that is linear moves with its target: about the target's own, no offset takes digits from the steps
        linear = self.options.family == "gaussian" and link_of(self.options) == "identity"
        y = design.centred(rows.y) if linear else rows.y
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # domains, separation, convergence: they would come once a group
            model = GLM(y, design.x, family=family_of(self.options), var_weights=rows.w)
            # The deviance is compared unscaled: an estimated scale is 0 for a constant target, infinite without
            # degrees of freedom, and either ends the steps of statsmodels too early.
            tolerance = _settled_change(model.family, y, rows.w)
            result = model.fit(maxiter=self.options.max_iter, scale=1.0, tol=tolerance, attach_wls=True)
            mean, last = np.asarray(result.fittedvalues), result.results_wls.model
            pearson = float(np.sum(rows.w * (y - mean) ** 2 / model.family.variance(mean)))
        if self.options.family == "binomial" and link_of(self.options) in _SEPARABLE:
            _check_not_separated(rows.y, design.x @ result.params)
        _check_rank(design.rank, last.wexog_singular_values, int(last.rank))
        estimate = _Estimate(
            values=result.params,
            root=last.pinv_wexog,
            scale=self._scale(pearson, len(y) - design.rank),
            sse=float(np.sum(rows.w * (y - mean) ** 2)),
            flags=0 if result.converged else FitStatus.NOT_CONVERGED.value,
            target_centred=linear,
        )
        return design.fit(rows, estimate)

    def _scale(self, pearson: float, freedom: int) -> float:
        """Root of the dispersion, from the weighted sum of squared Pearson residuals."""
        if scale_is_known(self.options):
            return 1.0
        return math.sqrt(pearson / freedom) if freedom > 0 else math.nan

    def _without_columns(self, rows: GroupRows) -> _Estimate:
        """The model whose linear predictor is 0 everywhere.

        Raises
        ------
        ArithmeticError
            If the family has no such mean.
        """
        mean = mean_of(self.options, np.zeros(len(rows.y)))
        with np.errstate(all="ignore"):
            pearson = float(np.sum(rows.w * (rows.y - mean) ** 2 / family_of(self.options).variance(mean)))
        if not (np.isfinite(mean).all() and math.isfinite(pearson)):
            message = (
                f"without a predictor the mean is {float(mean[0])!r}, which family {self.options.family!r} cannot have"
            )
            raise ArithmeticError(message)
        return _nothing(float(np.sum(rows.w * (rows.y - mean) ** 2)), self._scale(pearson, len(rows.y)))


@dataclass(frozen=True)
class Rlm:
    """Fits by ``statsmodels`` RLM on the rows scaled by the roots of their weights.

    The target too is fitted in units of its own scatter, so that one tolerance serves every unit.
    """

    options: RlmOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, Huber's H1 covariance over the squared scale, and the scale."""
        from statsmodels.robust import norms
        from statsmodels.robust.robust_linear_model import RLM

        design = _design(rows)
        if not design.rank:
            return design.fit(rows, _robust_nothing(design.rooted.y))
        if len(rows.y) <= design.rank:  # through every row, and statsmodels would divide by no degrees of freedom
            return StatsmodelsLeastSquares()(rows)
        x_size, y_size = math.sqrt(float(np.mean(rows.w))), design.target_size
        x, y = design.x * np.sqrt(rows.w)[:, None] / x_size, design.rooted.y / y_size
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a scale of 0, which is looked at below
            model = RLM(y, x, M=getattr(norms, NORMS[self.options.norm])())
            result = model.fit(conv="coefs", tol=self.options.tol, maxiter=self.options.max_iter)
            # H1 is the inverse of X'X times a number
            inflation = float(result.bcov_scaled[0, 0] / model.normalized_cov_params[0, 0])
        scale = float(result.scale)
        sse = float(np.sum((y - x @ result.params) ** 2)) * y_size**2
        settled = _last_move(x, result.fit_history["params"]) <= self.options.tol
        flags = 0 if settled else FitStatus.NOT_CONVERGED.value
        if scale == 0.0:
            # more than half of the rows lie on the fit, and statsmodels stops: settled only if all of them do
            exact = design.constant or sse <= 1e-10 * design.syy
            flags = FitStatus.NEARLY_EXACT.value | (0 if exact else FitStatus.NOT_CONVERGED.value)
            root = np.full((design.rank, 1), np.nan)
        else:
            weighted = x * np.sqrt(model.weights)[:, None]  # of the last step, where a norm may weigh rows by 0
            _check_rank(design.rank, np.linalg.svd(weighted, compute_uv=False), len(y) - int(model.df_resid))
            root = model.pinv_wexog * (math.sqrt(inflation) / scale / x_size)
        values = np.asarray(result.params) * (y_size / x_size)
        return design.fit(rows, _Estimate(values, root, scale * y_size, sse, flags, target_centred=True))


@dataclass(frozen=True)
class _Estimate:
    """What statsmodels says of the ``k`` columns that it was given.

    ``values`` (k,); ``root`` (k, any), times its transpose the unit covariance; ``target_centred``: whether the target
    was given about its mean too.
    """

    values: FloatArray
    root: FloatArray
    scale: float
    sse: float
    flags: int = 0
    target_centred: bool = False


@dataclass(frozen=True)
class _Design:
    """The columns that are no linear combination of earlier ones, that of ones first.

    ``x`` (n, k): about their weighted means when there is an intercept, in units of their weighted root mean square;
    ``size`` (k,): that unit, 1 for the ones; ``places`` (k,) among all coefficients; ``kept``: predictors.
    """

    x: FloatArray
    size: FloatArray
    places: IntArray
    kept: list[int]
    rooted: RootedRows
    syy: float
    constant: bool

    @property
    def rank(self) -> int:
        """Number of columns kept."""
        return len(self.places)

    @property
    def target_size(self) -> float:
        """Root mean square of the rooted target; 1 if it is 0."""
        return math.sqrt(float(np.mean(self.rooted.y**2))) or 1.0

    def centred(self, y: FloatArray) -> FloatArray:
        """The target about its weighted mean if there is an intercept, (n,)."""
        hi, lo = float(self.rooted.hi[-1]), float(self.rooted.lo[-1])
        return (y - hi) - lo

    def fit(self, rows: GroupRows, estimate: _Estimate, conditioning: float = 1.0) -> GroupFit:
        """An estimate as the fit of all coefficients of the columns as they came: NaN for the columns left out.

        Raises
        ------
        ArithmeticError
            If a coefficient is not finite.
        """
        kept_values = np.asarray(estimate.values, dtype=np.float64) / self.size
        root = np.asarray(estimate.root, dtype=np.float64) / self.size[:, None]
        if rows.intercept:
            # its variance is a sum of squares: as mean' covariance mean it comes out negative for large offsets
            hi, lo, slopes = self.rooted.hi[self.kept], self.rooted.lo[self.kept], kept_values[1:]
            level = [self.rooted.hi[-1], self.rooted.lo[-1]] if estimate.target_centred else []
            terms = [kept_values[0], *level, *(-slopes * hi), *(-slopes * lo)]
            kept_values[0] = math.fsum(terms) if np.isfinite(terms).all() else math.nan
            root[0] -= hi @ root[1:]
        if not np.isfinite(kept_values).all():
            message = "the coefficients are not finite"
            raise ArithmeticError(message)
        m = rows.n_coefficients
        values, unit_covariance = np.full(m, np.nan), np.full((m, m), np.nan)
        values[self.places] = kept_values
        unit_covariance[np.ix_(self.places, self.places)] = root @ root.T
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
    scatter = np.linalg.norm(rooted.x[:, kept], axis=0) / math.sqrt(rooted.total)
    columns = ((rows.x[:, kept] - rooted.hi[kept]) - rooted.lo[kept]) / scatter
    x = np.column_stack([*[np.ones(len(rows.y))] * rows.intercept, columns])
    size = np.concatenate([np.ones(int(rows.intercept)), scatter])
    places = np.array([*range(rows.intercept), *(j + rows.intercept for j in kept)], dtype=np.int64)
    syy = float(np.sum(rooted.y**2))
    constant = math.sqrt(syy) <= 32 * float(rows.precision[-1]) * math.sqrt(rooted.size[-1])
    return _Design(x, size, places, kept, rooted, syy, constant)


def _check_rank(rank: int, singular_values: FloatArray, own_rank: int) -> None:
    """Refuse a fit in which statsmodels left a direction out of the columns that it was given.

    Raises
    ------
    ArithmeticError
        Its coefficients would be the shortest of many, and wrong.
    """
    taken = int(np.count_nonzero(singular_values > _DROPPED * np.max(singular_values)))
    if min(taken, own_rank) < rank:
        message = f"statsmodels takes {rank} independent columns for {min(taken, own_rank)}: they are nearly collinear"
        raise ArithmeticError(message)


def _nothing(sse: float, scale: float, flags: int = 0) -> _Estimate:
    """No column at all: neither an intercept nor a predictor that is not zero."""
    return _Estimate(np.empty(0), np.empty((0, 0)), scale, sse, flags)


def _robust_nothing(residuals: FloatArray) -> _Estimate:
    """The same with the scale that statsmodels takes of the residuals, which are the targets."""
    sse, scale = float(np.sum(residuals**2)), float(np.median(np.abs(residuals))) / NORMAL_MEDIAN
    return _nothing(sse, scale, 0 if scale > 0.0 else FitStatus.NEARLY_EXACT.value)


def _conditioning(design: _Design) -> float:
    """Bound from below on 1/kappa^2 of the centred columns, 1 / (p * sum of VIF_j)."""
    if not design.kept:
        return 1.0
    columns = design.rooted.x[:, design.kept]
    inverse = np.linalg.inv(np.linalg.qr(columns, mode="r"))
    length = np.linalg.norm(columns, axis=0)
    return 1.0 / (len(design.kept) * float(np.sum((length[:, None] * inverse) ** 2)))


def _last_move(x: FloatArray, params: list[Any]) -> float:
    """Change in the last step: of the coefficients (the largest) or the fitted values (root mean square), the smaller.

    Coefficients of nearly collinear columns wobble by the condition number times the rounding of a fit that stands.
    Infinite before the first step.
    """
    moves = params[-1] - params[-2]
    if not np.isfinite(moves).all():
        return math.inf
    return min(float(np.max(np.abs(moves))), math.sqrt(float(np.mean((x @ moves) ** 2))))


def _settled_change(family: Any, y: FloatArray, w: FloatArray) -> float:
    """Change of the deviance below which a fit has settled: 1e-12 of that of the mean alone, and its rounding.

    The absolute 1e-8 of statsmodels ends the steps too early when the weights are small: with 1e-8 after the first.
    """
    mean = float(np.average(y, weights=w))
    of_mean = float(family.deviance(y, np.full_like(y, mean), w))
    rounding = 32 * DOUBLE_EPS * float(np.sum(w) * mean**2 / family.variance(np.array([mean]))[0])
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

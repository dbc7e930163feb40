"""What there is to be known of every fit besides its coefficients: status, errors, scatter, quality."""

import numpy as np
import numpy.typing as npt

from gbr_dag.graph.backend import config
from gbr_dag.group_fits.glm_family import scale_is_known
from gbr_dag.kernels.memory import empty
from gbr_dag.options import GlmOptions
from gbr_dag.tables import BoolArray, Coefficients, FitStatus, FloatArray

_TIERS = ((1e-10, 1e-8), (1e-8, 1e-9), (1e-6, 1e-10))
"""Lower limits of min(q, SSE/Syy) with what is promised above them; see benchmarks/scan_designs.py."""

_FLAGGED_BELOW = _TIERS[0][0]
"""Fits at or below the last tier carry a flag."""

_LINEAR = ["ols", "wls", "huber", "rlm", "own"]
"""Fitters that take errors from the scatter about a fitted value which is linear in the coefficients."""


@config.when_in(fitter=_LINEAR)
def fit_status__linear(coefficients: Coefficients) -> npt.NDArray[np.int16]:
    """Flags of ``FitStatus`` for every bin and target, int16 (n_bins, t).

    ILL_CONDITIONED: q = 1 / (p sum VIF_j) <= 1e-10, q a bound from below on 1/kappa^2 of the scaled design.
    NEARLY_EXACT: residual degrees of freedom, but SSE <= 1e-10 Syy or a constant target.
    """
    return _status(coefficients, errors_from_scatter=True)


@config.when(fitter="glm")
def fit_status__glm(coefficients: Coefficients, fitter_options: GlmOptions) -> npt.NDArray[np.int16]:
    """Flags of ``FitStatus`` for every bin and target, int16 (n_bins, t).

    NEARLY_EXACT: residual degrees of freedom, but SSE <= 1e-10 Syy or a constant target, where the dispersion is
    estimated. Where the family fixes it, the errors come from the mean and no residual can limit them.
    """
    return _status(coefficients, errors_from_scatter=not scale_is_known(fitter_options))


def _status(coefficients: Coefficients, *, errors_from_scatter: bool) -> npt.NDArray[np.int16]:
    """Flags (n_bins, t)."""
    count, rank, fitted = coefficients.count, coefficients.rank, coefficients.fitted
    of_blocks = {
        FitStatus.INSUFFICIENT: ~fitted,
        FitStatus.RANK_DEFICIENT: fitted & (rank < coefficients.values.shape[2]),
        FitStatus.SATURATED: fitted & (count <= rank),
        FitStatus.ILL_CONDITIONED: coefficients.conditioning <= _FLAGGED_BELOW,
    }
    status = np.zeros(count.shape, dtype=np.int16, order="F")
    for flag, condition in of_blocks.items():
        if condition.any():
            status |= np.where(condition, np.int16(flag), np.int16(0))
    result = np.array(coefficients.of_targets(status), order="F")
    if errors_from_scatter:
        exact = _nearly_exact(coefficients)
        if exact.any():
            exact &= coefficients.of_targets(fitted & (count > rank))
            result |= np.where(exact, np.int16(FitStatus.NEARLY_EXACT), np.int16(0))
    if coefficients.flags is not None:
        failed = (coefficients.flags & np.int16(FitStatus.FAILED)) != 0
        result = np.where(failed, coefficients.flags, result | coefficients.flags)
    return result


def _nearly_exact(coefficients: Coefficients) -> BoolArray:
    """Whether residuals are rounding beside the target's scatter, (n_bins, t)."""
    limit = np.multiply(coefficients.syy, _FLAGGED_BELOW, out=empty(coefficients.syy.T.shape).T)
    exact: BoolArray = (coefficients.sse <= limit) | coefficients.constant
    return exact


def promised_accuracy(coefficients: Coefficients) -> FloatArray:
    """Bound on the relative error of coefficients, errors and rms, (n_bins, t): 1e-10, 1e-9 or 1e-8.

    By min(q, SSE/Syy) above 1e-6, 1e-8 or 1e-10, where q = 1 / (p sum VIF_j); SSE/Syy does not count without residual
    degrees of freedom. A coefficient's error is relative to max(abs(beta_j), s_y / s_j), s the root of the centred
    weighted scatter. NaN below these and where nothing was fitted.
    """
    freedom = coefficients.of_targets(coefficients.count - coefficients.rank) > 0
    unexplained = np.divide(
        coefficients.sse, coefficients.syy, out=np.zeros(freedom.shape), where=~coefficients.constant
    )
    quality = np.minimum(coefficients.of_targets(coefficients.conditioning), np.where(freedom, unexplained, 1.0))
    accuracy = np.full(freedom.shape, np.nan)
    for limit, bound in _TIERS:
        accuracy[quality > limit] = bound
    return accuracy


def chi2(coefficients: Coefficients) -> FloatArray:
    """Weighted sum of squared residuals, (n_bins, t); chi-square distributed when the weights are 1/sigma^2."""
    return coefficients.sse


def rms(coefficients: Coefficients, residual_freedom: FloatArray) -> FloatArray:
    """Standard deviation of a row of weight 1, in the target's unit, (n_bins, t); NaN without degrees of freedom.

    Least squares: sqrt(sum w r^2 / (n - rank)), as ``sqrt(scale)`` of statsmodels WLS. Other fitters: their own scale,
    1.4826 median abs(sqrt(w) r) of robust ones and the root of the dispersion of glm, where they have one.
    """
    if coefficients.scale is not None:
        return np.where(residual_freedom > 0, coefficients.scale, np.nan)
    n_bins, t = residual_freedom.shape
    scatter: FloatArray = empty((t, n_bins)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(coefficients.sse, residual_freedom, out=scatter)
    scatter[residual_freedom <= 0] = np.nan
    return np.sqrt(scatter, out=scatter)


def error_scale(rms: FloatArray, coefficients: Coefficients, absolute_weights: bool) -> FloatArray:
    """Standard deviation of a row of weight 1, (n_bins, t): the rms, or 1 if the weights are known to be 1/sigma^2."""
    return np.where(np.isnan(coefficients.sse), np.nan, 1.0) if absolute_weights else rms


def r_squared(coefficients: Coefficients) -> FloatArray:
    """Share of the target's weighted scatter that the fit explains, 1 - SSE/Syy, (n_bins, t).

    The scatter is about the weighted mean, or about zero without intercept. NaN for a constant target.
    """
    unexplained = np.full(coefficients.sse.shape, np.nan)
    np.divide(coefficients.sse, coefficients.syy, out=unexplained, where=~coefficients.constant)
    return 1.0 - unexplained


def confidence_bounds(
    coefficients: Coefficients, coefficient_errors: FloatArray, distribution_freedom: FloatArray
) -> FloatArray:
    """95 % confidence bounds, lower and upper, (2, n_bins, t, m).

    Student's t with n - rank degrees of freedom; the normal distribution if the scale of the errors is known: by
    weights that are 1/sigma^2, or by the family of a generalized linear model.
    """
    from scipy import special

    quantile: FloatArray = special.stdtrit(distribution_freedom, 0.975)
    half_width = coefficient_errors * quantile[:, :, None]
    return np.stack([coefficients.values - half_width, coefficients.values + half_width])


def p_values(
    coefficients: Coefficients, coefficient_errors: FloatArray, distribution_freedom: FloatArray
) -> FloatArray:
    """Two-sided p-values of each coefficient being zero, (n_bins, t, m); distributions as for the bounds."""
    from scipy import special

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(coefficients.values / coefficient_errors)
    p: FloatArray = 2.0 * special.stdtr(distribution_freedom[:, :, None], -ratio)
    return p

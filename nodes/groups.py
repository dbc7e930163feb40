"""Groups: bins that stand for themselves, whose errors are those of weighted least squares."""

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.group_fits.glm_family import scale_is_known
from gbr_dag.kernels.memory import empty
from gbr_dag.options import GlmOptions
from gbr_dag.tables import Coefficients, Factors, FloatArray

_LINEAR = ["ols", "wls", "huber", "rlm", "own"]
"""Fitters that take errors from the scatter about a fitted value which is linear in the coefficients."""


@config.when_in(engine=["numba", "numpy"])
def window_factors(bin_factors: tuple[Factors, ...]) -> tuple[Factors, ...]:
    """Factors that the fits are made from: a group has no neighbours, these are its own."""
    return bin_factors


def residual_freedom(coefficients: Coefficients) -> FloatArray:
    """Degrees of freedom of the residuals, rows less rank, (n_bins, t); NaN where nothing was fitted."""
    freedom: FloatArray = empty(coefficients.count.T.shape).T
    np.subtract(coefficients.count, coefficients.rank, out=freedom)
    freedom[~coefficients.fitted] = np.nan
    return coefficients.of_targets(freedom)


def coefficient_errors(coefficients: Coefficients, error_scale: FloatArray) -> FloatArray:
    """Standard errors sqrt(diag((X'WX)^-1)) times the error scale, (n_bins, t, m); NaN where aliased or saturated.

    Equal ``bse`` of statsmodels WLS.
    """
    n_bins, t, m = coefficients.values.shape
    variances = np.einsum("gbmm->gbm", coefficients.unit_covariance)
    roots = np.sqrt(variances, out=np.moveaxis(empty((variances.shape[1], m, n_bins)), -1, 0))
    unit_errors = coefficients.of_targets(roots)
    errors: FloatArray = np.moveaxis(empty((t, m, n_bins)), -1, 0)  # the columns of the table, one after the other
    np.multiply(unit_errors, error_scale[:, :, None], out=errors)
    return errors


def covariance(coefficients: Coefficients, error_scale: FloatArray) -> FloatArray:
    """Covariance of the coefficients, (X'WX)^-1 times the squared error scale, (n_bins, t, m, m)."""
    return coefficients.of_targets(coefficients.unit_covariance) * error_scale[:, :, None, None] ** 2


@config.when_in(fitter=_LINEAR)
def distribution_freedom__student(residual_freedom: FloatArray, absolute_weights: bool) -> FloatArray:
    """Degrees of freedom of Student's t that bounds and p-values are made with, (n_bins, t).

    Those of the residuals, NaN without any; infinitely many (the normal distribution) if the weights are known to be
    1/sigma^2.
    """
    if absolute_weights:
        return np.where(np.isnan(residual_freedom), np.nan, np.inf)
    return np.where(residual_freedom > 0, residual_freedom, np.nan)


@config.when(fitter="glm")
def distribution_freedom__glm(residual_freedom: FloatArray, fitter_options: GlmOptions) -> FloatArray:
    """Degrees of freedom of Student's t that bounds and p-values are made with, (n_bins, t).

    Those of the residuals, NaN without any; infinitely many (the normal distribution) where the family fixes the
    dispersion at 1: poisson, binomial and negative_binomial.
    """
    if scale_is_known(fitter_options):
        return np.where(residual_freedom > 0, np.inf, np.nan)
    return np.where(residual_freedom > 0, residual_freedom, np.nan)

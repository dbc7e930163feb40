"""What the fits say of every row."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.graph.backend import config
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.group_fits.statsmodels_fits import mean_of, mean_slope_of
from gbr_dag.options import GlmOptions
from gbr_dag.tables import BinMap, Coefficients, Columns, FloatArray, IntArray

_FLOATS_OF_ROWS = bytes_estimate(lambda frame, targets: 8 * len(frame) * len(targets))
_LINEAR = ["ols", "wls", "huber", "rlm", "own"]
"""Fitters whose fitted value is a sum of coefficients times predictors."""


def coefficient_values(coefficients: Coefficients) -> FloatArray:
    """Coefficients of every bin and target, intercept first, (n_bins, t, m); NaN where aliased or not fitted."""
    return coefficients.values


@config.when_in(fitter=_LINEAR)
@_FLOATS_OF_ROWS
def row_prediction__linear(
    design: Columns, bin_map: BinMap, coefficient_values: FloatArray, intercept: bool
) -> FloatArray:
    """Fitted value of every row, (n_rows, t): NaN outside the bins, in unfitted bins and for missing predictors.

    An aliased predictor adds nothing.
    """
    return _linear(design, bin_map, coefficient_values, intercept)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def linear_prediction__glm(
    design: Columns, bin_map: BinMap, coefficient_values: FloatArray, intercept: bool
) -> FloatArray:
    """Linear predictor of every row, the link of the fitted value, (n_rows, t); NaN as there."""
    return _linear(design, bin_map, coefficient_values, intercept)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def row_prediction__glm(linear_prediction: FloatArray, fitter_options: GlmOptions) -> FloatArray:
    """Fitted value of every row, in the target's unit: the inverse link of the linear predictor, (n_rows, t).

    NaN outside the bins, in unfitted bins and for missing predictors. An aliased predictor adds nothing.
    """
    return mean_of(fitter_options, linear_prediction)


@config.when_in(fitter=_LINEAR)
@_FLOATS_OF_ROWS
def row_prediction_error__linear(
    design: Columns, bin_map: BinMap, covariance: FloatArray, intercept: bool
) -> FloatArray:
    """Standard error of the fitted value, sqrt(x' Cov x), (n_rows, t); it says nothing of the scatter of single rows.

    Relative rounding error about 1e-16 (offset / scatter)^2 of the predictors, since Cov refers to the origin.
    """
    return _linear_error(design, bin_map, covariance, intercept)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def row_prediction_error__glm(
    design: Columns,
    bin_map: BinMap,
    covariance: FloatArray,
    intercept: bool,
    linear_prediction: FloatArray,
    fitter_options: GlmOptions,
) -> FloatArray:
    """Standard error of the fitted value by the delta method, (n_rows, t), in the target's unit.

    That of the linear predictor, sqrt(x' Cov x), times the derivative of the inverse link.
    """
    slope = mean_slope_of(fitter_options, linear_prediction)
    return np.abs(slope) * _linear_error(design, bin_map, covariance, intercept)


@_FLOATS_OF_ROWS
def residual(response: Columns, row_prediction: FloatArray) -> FloatArray:
    """Target less fitted value of every row, (n_rows, t), in the target's unit; NaN where either is missing."""
    return np.stack([column - row_prediction[:, i] for i, column in enumerate(response)], axis=1)


@_FLOATS_OF_ROWS
def pull(residual: FloatArray, raw_weights: npt.NDArray[Any], rms: FloatArray, bin_map: BinMap) -> FloatArray:
    """Residual over its expected scatter, sqrt(w) residual / rms, (n_rows, t); NaN without rms or positive weight."""
    root = np.sqrt(np.where(raw_weights > 0.0, raw_weights, np.nan).astype(np.float64, copy=False))
    scatter = _of_rows(rms, bin_map.row_bin)
    return residual * root[:, None] / np.where(scatter > 0.0, scatter, np.nan)


def _of_rows(per_bin: FloatArray, row_bin: IntArray) -> FloatArray:
    """Values of each row's bin, NaN for rows in none."""
    with_none = np.concatenate([per_bin, np.full((1, *per_bin.shape[1:]), np.nan)])
    return with_none[row_bin]


def _linear(design: Columns, bin_map: BinMap, coefficient_values: FloatArray, intercept: bool) -> FloatArray:
    """Sum of the coefficients times the predictors of every row, (n_rows, t)."""
    unfitted = np.all(np.isnan(coefficient_values), axis=2)
    known = np.where(unfitted[:, :, None], np.nan, np.nan_to_num(coefficient_values, nan=0.0))
    first_slope = int(intercept)
    start = known[:, :, 0] if intercept else np.where(unfitted, np.nan, 0.0)
    prediction = _of_rows(start, bin_map.row_bin)
    for j, column in enumerate(design, start=first_slope):
        finite = np.where(np.isfinite(column), column, np.nan)
        prediction += _of_rows(known[:, :, j], bin_map.row_bin) * finite[:, None]
    return prediction


def _linear_error(design: Columns, bin_map: BinMap, covariance: FloatArray, intercept: bool) -> FloatArray:
    """Root of x' Cov x of every row, (n_rows, t)."""
    columns = [np.ones(len(bin_map.row_bin))] * int(intercept) + [
        np.where(np.isfinite(column), column, np.nan) for column in design
    ]
    undetermined = np.all(np.isnan(np.einsum("gtmm->gtm", covariance)), axis=2)
    known = np.where(undetermined[:, :, None, None], np.nan, np.nan_to_num(covariance, nan=0.0))
    variance = _of_rows(np.where(undetermined, np.nan, 0.0), bin_map.row_bin)
    for i, left in enumerate(columns):
        for j, right in enumerate(columns[: i + 1]):
            multiplicity = 1.0 if i == j else 2.0
            variance += _of_rows(known[:, :, i, j], bin_map.row_bin) * (multiplicity * left * right)[:, None]
    return np.sqrt(np.maximum(variance, 0.0))

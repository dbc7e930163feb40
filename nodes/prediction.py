"""What the fits say of every row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.graph.backend import config
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.group_fits.glm_family import mean_of, mean_slope_of, variance_of
from gbr_dag.options import GlmOptions
from gbr_dag.tables import BinMap, BoolArray, Coefficients, Columns, FitStatus, FloatArray, IntArray

_FLOATS_OF_ROWS = bytes_estimate(lambda frame, targets: 8 * len(frame) * len(targets))
_LINEAR = ["ols", "wls", "huber", "rlm", "own"]
"""Fitters whose fitted value is a sum of coefficients times predictors."""


def coefficient_values(coefficients: Coefficients) -> FloatArray:
    """Coefficients of every bin and target, intercept first, (n_bins, t, m); NaN where aliased or not fitted."""
    return coefficients.values


def fitted_targets(fit_status: npt.NDArray[np.int16]) -> BoolArray:
    """Whether there is a fit of each bin and target, (n_bins, t): neither too few rows nor a fitter that failed."""
    fitted: BoolArray = (fit_status & np.int16(FitStatus.INSUFFICIENT | FitStatus.FAILED)) == 0
    return fitted


@config.when_in(fitter=_LINEAR)
@_FLOATS_OF_ROWS
def row_prediction__linear(
    design: Columns, bin_map: BinMap, coefficient_values: FloatArray, fitted_targets: BoolArray, intercept: bool
) -> FloatArray:
    """Fitted value of every row, (n_rows, t): NaN outside the bins, in unfitted bins and for missing predictors.

    An aliased predictor adds nothing.
    """
    return _linear(design, bin_map, coefficient_values, fitted_targets, intercept)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def linear_prediction__glm(
    design: Columns, bin_map: BinMap, coefficient_values: FloatArray, fitted_targets: BoolArray, intercept: bool
) -> FloatArray:
    """Linear predictor of every row, the link of the fitted value, (n_rows, t); NaN as there."""
    return _linear(design, bin_map, coefficient_values, fitted_targets, intercept)


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
    design: Columns,
    bin_map: BinMap,
    coefficient_values: FloatArray,
    covariance: FloatArray,
    fitted_targets: BoolArray,
    intercept: bool,
) -> FloatArray:
    """Standard error of the fitted value, sqrt(x' Cov x), (n_rows, t); it says nothing of the scatter of single rows.

    Relative rounding error about 1e-16 (offset / scatter)^2 of the predictors, since Cov refers to the origin.
    """
    return _linear_error(design, bin_map, coefficient_values, covariance, fitted_targets, intercept)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def row_prediction_error__glm(
    design: Columns,
    bin_map: BinMap,
    coefficient_values: FloatArray,
    covariance: FloatArray,
    fitted_targets: BoolArray,
    intercept: bool,
    linear_prediction: FloatArray,
    fitter_options: GlmOptions,
) -> FloatArray:
    """Standard error of the fitted value by the delta method, (n_rows, t), in the target's unit.

    That of the linear predictor, sqrt(x' Cov x), times the derivative of the inverse link.
    """
    slope = mean_slope_of(fitter_options, linear_prediction)
    error = _linear_error(design, bin_map, coefficient_values, covariance, fitted_targets, intercept)
    return np.abs(slope) * error


@_FLOATS_OF_ROWS
def residual(response: Columns, row_prediction: FloatArray) -> FloatArray:
    """Target less fitted value of every row, (n_rows, t), in the target's unit; NaN where either is missing."""
    return np.stack([column - row_prediction[:, i] for i, column in enumerate(response)], axis=1)


@config.when_in(fitter=_LINEAR)
@_FLOATS_OF_ROWS
def pull__linear(residual: FloatArray, raw_weights: npt.NDArray[Any], rms: FloatArray, bin_map: BinMap) -> FloatArray:
    """Residual over its expected scatter, sqrt(w) residual / rms, (n_rows, t); NaN without rms or positive weight."""
    return _pull(residual, raw_weights, rms, bin_map)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def pull__glm(
    residual: FloatArray,
    raw_weights: npt.NDArray[Any],
    rms: FloatArray,
    bin_map: BinMap,
    row_prediction: FloatArray,
    fitter_options: GlmOptions,
) -> FloatArray:
    """Pearson residual over the root of the dispersion, sqrt(w) residual / (rms sqrt(V)), (n_rows, t).

    V is the family's variance function at the fitted value. NaN without rms, positive weight or positive V.
    """
    variance = variance_of(fitter_options, row_prediction)
    return _pull(residual, raw_weights, rms, bin_map) / np.sqrt(np.where(variance > 0.0, variance, np.nan))


@config.when_in(fitter=_LINEAR)
@_FLOATS_OF_ROWS
def working_weights__linear(raw_weights: npt.NDArray[Any], targets: Sequence[str]) -> FloatArray:
    """Weights w that leverages are made with, (n_rows, t): those given. What a robust fit makes of them is left out."""
    return np.stack([raw_weights.astype(np.float64, copy=False)] * len(targets), axis=1)


@config.when(fitter="glm")
@_FLOATS_OF_ROWS
def working_weights__glm(
    raw_weights: npt.NDArray[Any],
    linear_prediction: FloatArray,
    row_prediction: FloatArray,
    fitter_options: GlmOptions,
) -> FloatArray:
    """Weights that leverages are made with, w (dmu / deta)^2 / V(mu), (n_rows, t): those of the last step.

    NaN without a fitted value, and where V is 0.
    """
    variance = variance_of(fitter_options, row_prediction)
    slope = mean_slope_of(fitter_options, linear_prediction)
    return raw_weights[:, None] * slope**2 / np.where(variance > 0.0, variance, np.nan)


def _pull(residual: FloatArray, raw_weights: npt.NDArray[Any], rms: FloatArray, bin_map: BinMap) -> FloatArray:
    root = np.sqrt(np.where(raw_weights > 0.0, raw_weights, np.nan).astype(np.float64, copy=False))
    scatter = _of_rows(rms, bin_map.row_bin)
    return residual * root[:, None] / np.where(scatter > 0.0, scatter, np.nan)


def _of_rows(per_bin: FloatArray, row_bin: IntArray) -> FloatArray:
    """Values of each row's bin, NaN for rows in none."""
    with_none = np.concatenate([per_bin, np.full((1, *per_bin.shape[1:]), np.nan)])
    return with_none[row_bin]


def _linear(
    design: Columns, bin_map: BinMap, coefficient_values: FloatArray, fitted_targets: BoolArray, intercept: bool
) -> FloatArray:
    """Sum of the coefficients times the predictors of every row, (n_rows, t)."""
    known = np.nan_to_num(coefficient_values, nan=0.0)
    start = np.where(fitted_targets, coefficient_values[:, :, 0] if intercept else 0.0, np.nan)
    prediction = _of_rows(start, bin_map.row_bin)
    for j, column in enumerate(design, start=int(intercept)):
        finite = np.where(np.isfinite(column), column, np.nan)
        prediction += _of_rows(known[:, :, j], bin_map.row_bin) * finite[:, None]
    return prediction


def _linear_error(
    design: Columns,
    bin_map: BinMap,
    coefficient_values: FloatArray,
    covariance: FloatArray,
    fitted_targets: BoolArray,
    intercept: bool,
) -> FloatArray:
    """Root of x' Cov x of every row, (n_rows, t)."""
    columns = [np.ones(len(bin_map.row_bin))] * int(intercept) + [
        np.where(np.isfinite(column), column, np.nan) for column in design
    ]
    aliased = np.isnan(coefficient_values)
    known = np.where(aliased[:, :, :, None] | aliased[:, :, None, :], 0.0, covariance)
    variance = _of_rows(np.where(fitted_targets, 0.0, np.nan), bin_map.row_bin)
    for i, left in enumerate(columns):
        for j, right in enumerate(columns[: i + 1]):
            multiplicity = 1.0 if i == j else 2.0
            variance += _of_rows(known[:, :, i, j], bin_map.row_bin) * (multiplicity * left * right)[:, None]
    return np.sqrt(np.maximum(variance, 0.0))

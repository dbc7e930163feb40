"""Nodes on top of the sliding-window graph: a calibration map with its errors and what it leaves over."""

import numpy as np
import pandas as pd

from gbr_dag.tables import BinMap, BinTable, Coefficients, Columns, FloatArray, IntArray


def bin_weights(row_weights: FloatArray, bin_map: BinMap) -> FloatArray:
    """Sum of the weights of each bin's own rows, (n_bins,)."""
    used = row_weights > 0
    return np.bincount(bin_map.row_bin[used], row_weights[used], bin_map.n_bins)


def bin_regressors(design: Columns, row_weights: FloatArray, bin_map: BinMap, bin_weights: FloatArray) -> FloatArray:
    """Mean regressors of each bin's own rows behind a 1 for the intercept, (n_bins, m)."""
    means = [_mean(column, row_weights, bin_map, bin_weights) for column in design]
    return np.column_stack([np.ones(len(bin_weights)), *means])


def map_value(coefficients: Coefficients, bin_regressors: FloatArray) -> FloatArray:
    """The window's fit at the mean regressors of its centre, in the target's unit, (n_bins,)."""
    return np.sum(coefficients.values[:, 0] * bin_regressors, axis=1)


def map_error(covariance: FloatArray, bin_regressors: FloatArray) -> FloatArray:
    """Standard error of ``map_value``, sqrt(x' Cov x), (n_bins,)."""
    return np.sqrt(np.einsum("bi,bij,bj->b", bin_regressors, covariance[:, 0], bin_regressors))


def residual_map(
    response: Columns, row_weights: FloatArray, bin_map: BinMap, bin_weights: FloatArray, map_value: FloatArray
) -> FloatArray:
    """Mean target of each bin's own rows less ``map_value``, (n_bins,)."""
    return _mean(response[0], row_weights, bin_map, bin_weights) - map_value


def residual_pull(
    residual_map: FloatArray, map_error: FloatArray, rms: FloatArray, bin_weights: FloatArray
) -> FloatArray:
    """``residual_map`` over its standard deviation, (n_bins,); the rows are part of the fit, which takes some of it.

    Under a uniform kernel the variance of a mean of residuals is sigma^2 / sum w - x' Cov x.
    """
    return residual_map / np.sqrt(rms[:, 0] ** 2 / bin_weights - map_error**2)


def calibration_map(
    bin_table: BinTable,
    map_value: FloatArray,
    map_error: FloatArray,
    residual_map: FloatArray,
    residual_pull: FloatArray,
    n_neighbors_used: IntArray,
) -> pd.DataFrame:
    """One row a bin: the map, its error, what is left over, and how many bins it comes from."""
    return bin_table.keys.assign(
        value=map_value,
        error=map_error,
        residual=residual_map,
        residual_pull=residual_pull,
        neighbours=n_neighbors_used,
    )


def _mean(column: FloatArray, row_weights: FloatArray, bin_map: BinMap, bin_weights: FloatArray) -> FloatArray:
    used = row_weights > 0
    sums = np.bincount(bin_map.row_bin[used], row_weights[used] * column[used], bin_map.n_bins)
    with np.errstate(invalid="ignore"):  # a bin none of whose rows is used
        return sums / bin_weights

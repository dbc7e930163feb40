"""The reference engine of windows: the rows of every window gathered and fitted one window after the other."""

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.group_fits.least_squares import LeastSquares, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import fits_of_bins
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.tables import BinMap, BinRows, BinTable, Coefficients, Columns, FloatArray, IntArray, TargetBlock
from gbr_dag.windows import gathered, obvious_fits
from gbr_dag.windows.gathered import WindowRows
from gbr_dag.windows.obvious_fits import GatheredRows
from gbr_dag.windows.slow_paths import warn_if_slow
from gbr_dag.windows.specification import WindowDimension


@config.when(engine="reference")
def window_rows__reference(bin_table: BinTable, bin_rows: BinRows, window: Sequence[WindowDimension]) -> WindowRows:
    """Rows of every window with their kernel weights, looked up offset by offset.

    Warns
    -----
    PerformanceWarning
        Once, if the windows will take longer than 10 s, with the time that they will.
    """
    warn_if_slow(
        "engine 'reference'",
        "gathered window",
        bin_table.n_bins,
        "engine 'numba' gives the same numbers; take a selection of bins to compare",
    )
    return gathered.window_rows(bin_table.keys, window, bin_rows.rows, bin_rows.offsets)


@config.when(engine="reference")
def neighbour_counts__reference(window_rows: WindowRows) -> IntArray:
    """Occupied neighbours of every bin and the selected rows in them, int64 (n_bins, 2); each counts once."""
    counts = [(len(bins), len(rows)) for bins, rows in zip(window_rows.bins, window_rows.rows)]
    return np.array(counts, dtype=np.int64).reshape(-1, 2)


@config.when(engine="reference")
def effective_window_fraction__reference(window_rows: WindowRows, window: Sequence[WindowDimension]) -> FloatArray:
    """Occupied bins in the window over the bins of a whole window, prod(2 w + 1), (n_bins,)."""
    volume = 1
    for dimension in window:
        volume *= 2 * dimension.size + 1
    return np.array([len(bins) / volume for bins in window_rows.bins])


@config.when(engine="reference")
def gathered_rows__reference(
    window_rows: WindowRows,
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    intercept: bool,
    min_entries: int,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
) -> GatheredRows:
    """The columns of the fits, window after window, weighted by the kernel.

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.
    """
    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    return obvious_fits.gathered_rows(
        window_rows, design, response, row_weights, target_blocks, intercept=intercept, min_entries=min_entries
    )


@config.when_in(fitter=["ols", "wls"], engine=["reference"])
def coefficients__reference(gathered_rows: GatheredRows) -> Coefficients:
    """Coefficients of every bin and target, by Householder QR of the centred rows of every window."""
    rows = gathered_rows.rows
    fits = fits_of_bins(LeastSquares(), rows, 0, rows.n_bins)
    return Coefficients(
        values=fits.values,
        sse=fits.sse,
        syy=fits.syy,
        constant=fits.constant,
        unit_covariance=fits.unit_covariance,
        count=fits.count,
        rank=fits.rank,
        conditioning=fits.conditioning,
        block_of=tuple(range(fits.values.shape[1])),
    )


@config.when_in(fitter=["ols", "wls"], engine=["reference"])
def sum_of_weights__reference(gathered_rows: GatheredRows) -> FloatArray:
    """Sum of the weights of the rows in each fit, the kernel's times their own, (n_bins, t)."""
    return obvious_fits.obvious_weights(gathered_rows)


@config.when(engine="reference")
def condition__reference(gathered_rows: GatheredRows, coefficients: Coefficients) -> FloatArray:
    """Condition number (2-norm) of the centred, weighted design with columns scaled to length 1, (n_bins, t).

    Aliased predictors are left out; 1 without predictors, NaN where nothing was fitted.
    """
    fitted = coefficients.of_targets(coefficients.fitted)
    result = np.full(fitted.shape, np.nan)
    for window, target in zip(*np.nonzero(fitted)):
        rows, _ = gathered_rows.of(window, target)
        rooted = rooted_rows(rows)
        kept = kept_predictors(rows, rooted)
        x = rooted.x[:, kept]
        result[window, target] = np.linalg.cond(x / np.linalg.norm(x, axis=0)) if kept else 1.0
    return result

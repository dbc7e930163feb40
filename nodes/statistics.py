"""Order statistics of the rows of every bin, exact; made from the rows, so only when asked for."""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import compiled_values, numeric_values
from gbr_dag.graph.backend import config
from gbr_dag.tables import BinMap, BinRows, FloatArray, IntArray, TargetBlock

_BINS_PER_CALL = 1 << 12
"""Bins that a kernel takes at a time, so that Ctrl-C is heard."""


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def bin_medians__pandas(
    frame: pd.DataFrame,
    medians: Sequence[str],
    bin_map: BinMap,
    row_weights: Optional[FloatArray],
    weighted_medians: bool,
) -> FloatArray:
    """Median of the present values of each column over all rows of the bin, (n_bins, len(medians)).

    The mean of the two middle values when their number is even; NaN for a bin without values. Weighted medians take
    the rows that enter the fits.
    """
    weights = row_weights if weighted_medians else None
    columns = [_bin_median(numeric_values(frame[name]), bin_map.row_bin, bin_map.n_bins, weights) for name in medians]
    return np.stack(columns, axis=1) if columns else np.empty((bin_map.n_bins, 0))


@config.when(engine="numba")
def bin_medians__numba(
    frame: pd.DataFrame,
    medians: Sequence[str],
    bin_rows: BinRows,
    row_weights: Optional[FloatArray],
    weighted_medians: bool,
    threads: Optional[int],
) -> FloatArray:
    """Median of the present values of each column over all rows of the bin, (n_bins, len(medians)).

    The mean of the two middle values when their number is even; NaN for a bin without values. Weighted medians take
    the rows that enter the fits. Cost O(rows) a column, O(rows log(rows)) when weighted.
    """
    from gbr_dag.kernels import order_statistics

    result = np.empty((len(medians), len(bin_rows.offsets) - 1))
    for name, column in zip(medians, result):
        values = compiled_values(frame[name])
        if weighted_medians:
            _over_bins(order_statistics.weighted_bin_medians, (values, row_weights), bin_rows, column, threads)
        else:
            _over_bins(order_statistics.bin_medians, (values,), bin_rows, column, threads)
    return result.T


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def mad__pandas(
    residual: FloatArray,
    fitted_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    row_weights: Optional[FloatArray],
    weighted_medians: bool,
) -> FloatArray:
    """Median absolute deviation of the residuals from their median over the rows used, (n_bins, t), unscaled.

    Times 1.4826 it estimates the standard deviation of normal residuals.
    """
    weights = row_weights if weighted_medians else None
    result = np.full((bin_map.n_bins, residual.shape[1]), np.nan)
    for block in fitted_blocks:
        row_bin = np.where(block.rows, bin_map.row_bin, -1)
        for target in block.targets:
            middle = _bin_median(residual[:, target], row_bin, bin_map.n_bins, weights)
            deviation = np.abs(residual[:, target] - np.append(middle, np.nan)[row_bin])
            result[:, target] = _bin_median(deviation, row_bin, bin_map.n_bins, weights)
    return result


@config.when(engine="numba")
def mad__numba(
    residual: FloatArray,
    fitted_blocks: tuple[TargetBlock, ...],
    bin_rows: BinRows,
    row_weights: Optional[FloatArray],
    weighted_medians: bool,
    threads: Optional[int],
) -> FloatArray:
    """Median absolute deviation of the residuals from their median over the rows used, (n_bins, t), unscaled.

    Times 1.4826 it estimates the standard deviation of normal residuals.
    """
    from gbr_dag.kernels import order_statistics

    result = np.full((residual.shape[1], len(bin_rows.offsets) - 1), np.nan)
    for block in fitted_blocks:
        for target in block.targets:
            values, mads = residual[:, target], result[target]
            if weighted_medians:
                given = (values, block.rows, row_weights)
                _over_bins(order_statistics.weighted_bin_mads, given, bin_rows, mads, threads)
            else:
                _over_bins(order_statistics.bin_mads, (values, block.rows), bin_rows, mads, threads)
    return result.T


def _over_bins(
    kernel: Callable[..., None],
    given: tuple[Optional[npt.NDArray[Any]], ...],
    bin_rows: BinRows,
    result: FloatArray,
    threads: Optional[int],
) -> None:
    """Run a kernel on ranges of bins that hold about equally many rows, on threads."""
    from gbr_dag.kernels.threads import Stopped, blocks, equal_loads, side_by_side, thread_count

    rows, offsets = bin_rows.rows, bin_rows.offsets
    share = equal_loads(np.diff(offsets), thread_count(threads, len(rows)))

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*share[i], stopped, _BINS_PER_CALL):
            kernel(*given, rows, offsets, start, stop, result)

    side_by_side(of_thread, len(share))


def _bin_median(
    values: npt.NDArray[np.generic], row_bin: IntArray, n_bins: int, weights: Optional[FloatArray]
) -> FloatArray:
    """Median of every bin, (n_bins,), over rows with a bin and a present value."""
    present = (row_bin >= 0) & ~np.isnan(values)
    if weights is not None:
        present &= weights > 0.0
    rows = np.flatnonzero(present)
    if weights is None:
        medians = pd.Series(values[rows], dtype=np.float64).groupby(row_bin[rows]).median()
    else:
        medians = _weighted_medians(values[rows], row_bin[rows], weights[rows])
    result: FloatArray = medians.reindex(np.arange(n_bins)).to_numpy(dtype=np.float64)
    return result


def _weighted_medians(values: npt.NDArray[np.generic], row_bin: IntArray, weights: FloatArray) -> pd.Series:
    """Smallest value at which the cumulative weight passes half; midpoint to the next where it hits half exactly."""
    order = np.lexsort((values, row_bin))
    ordered = pd.DataFrame({"bin": row_bin[order], "value": values[order].astype(np.float64), "weight": weights[order]})
    groups = ordered.groupby("bin")
    # pandas sums groups with compensation: no group inherits the rounding of those before it, and what is left of
    # its own must not hide a tie
    total = groups["weight"].transform("sum")
    beyond = 2.0 * groups["weight"].cumsum() - total
    beyond[beyond.abs() <= 4.0 * np.finfo(np.float64).eps * total] = 0.0
    upper = ordered[beyond > 0.0].groupby("bin")["value"].first()
    lower = ordered[beyond >= 0.0].groupby("bin")["value"].first()
    return lower.where(lower == upper, lower / 2.0 + upper / 2.0)

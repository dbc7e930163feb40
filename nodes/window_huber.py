"""Huber regression of windows: the rows of every window gathered, some windows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional, Union

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.compiled_huber import group_fits_of_blocks, of_targets
from gbr_dag.group_fits.records import GroupFits, Rejections, fits_of_bins
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.nodes.window_errors import KernelSpread
from gbr_dag.options import HuberOptions
from gbr_dag.tables import BinMap, BinRows, Coefficients, Columns, FloatArray, IntArray, TargetBlock
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.obvious_fits import GatheredRows, spread_of
from gbr_dag.windows.obvious_huber import SortedWindows, WindowHuber
from gbr_dag.windows.slow_paths import warn_if_slow


@dataclass(frozen=True)
class WindowFits:
    """Fits of every window and target, with what a kernel makes of them.

    Attributes
    ----------
    fits : GroupFits
        ``unit_covariance`` is B M B with Huber's factor; sums of squares are of rows weighted by kernel times row
        weight; nothing tells which rows were rejected, as a row can stay in one window and not in another.
    sum_weights : float64 array (n_bins, t)
        Of the rows used, kernel times row weight.
    freedom, student : float64 arrays (n_bins, t)
        Degrees of freedom of the residuals, sum k - tr BM, and of Student's t.
    """

    fits: GroupFits
    sum_weights: FloatArray
    freedom: FloatArray
    student: FloatArray


@config.when_in(fitter=["huber"], engine=["numba"])
def window_fits__numba(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    bin_rows: BinRows,
    window_layout: WindowLayout,
    n_rows_aggregated: IntArray,
    intercept: bool,
    min_entries: int,
    fitter_options: HuberOptions,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
    threads: Optional[int],
) -> WindowFits:
    """Huber fits of every window and target; cost O(rows in all windows * predictors^2) a step.

    Minimises sum k rho(u), u = sqrt(w) r / s, with the kernel's weights k and s the median of abs(sqrt(w) r) under them
    over 0.6745.

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.

    Warns
    -----
    PerformanceWarning
        Once, if the fits will take longer than 10 s, with the time that they will.

    References
    ----------
    P. J. Huber, Robust Statistics (1981), section 7.6 for the errors (H1), which take B M B in the place of (X'WX)^-1.
    """
    from gbr_dag.kernels.window_huber import window_huber_fits
    from gbr_dag.windows.searching import searched_neighbours

    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    warn_if_slow(
        "fitter 'huber'",
        "row of a window",
        float(n_rows_aggregated.sum()) * len(targets),
        "a smaller window takes less; fitter 'ols' does not depend on the window's size",
    )
    options, found = fitter_options, []
    for block in target_blocks:
        columns = [response[target] for target in block.targets]
        fits = window_huber_fits(
            design,
            columns,
            row_weights,
            block.rows,
            bin_rows.rows,
            bin_rows.offsets,
            searched_neighbours(window_layout),
            is_plain=window_layout.is_plain,
            intercept=intercept,
            precision=np.array([roundoff(column) for column in (*design, *columns)]),
            tuning=options.tuning,
            sigma_cut=options.sigma_cut,
            max_refits=options.max_refits,
            max_iter=options.max_iter,
            tol=options.tol,
            min_entries=min_entries,
            threads=threads,
        )
        found.append(fits)
    extra: dict[str, Any] = {
        name: of_targets(found, target_blocks, name) for name in ("sum_weights", "freedom", "student")
    }
    return WindowFits(group_fits_of_blocks(found, target_blocks), **extra)


@config.when_in(fitter=["huber"], engine=["reference"])
def window_fits__reference(gathered_rows: GatheredRows, fitter_options: HuberOptions) -> WindowFits:
    """Huber fits of every window and target, one after the other."""
    windows = SortedWindows.gathered(gathered_rows)
    fits = fits_of_bins(WindowHuber(fitter_options), windows, 0, windows.n_bins)
    extra = np.full((3, *fits.scale.shape), np.nan)
    for b, target in zip(*np.nonzero(~np.isnan(fits.conditioning))):
        rows = windows.of(b, target)
        if fits.rejected is not None:
            part = slice(windows.offsets[b], windows.offsets[b + 1])
            rows = rows.of(~fits.rejected[part, target][windows.used[part, target]])
        extra[:, b, target] = (np.sum(rows.w), *spread_of(rows, rows.kernel)[1:])
    return WindowFits(replace(fits, rejected=None), *extra)


@config.when_in(fitter=["huber"])
def coefficients__window_huber(window_fits: WindowFits) -> Coefficients:
    """Coefficients of every window and target, with what errors and diagnostics are made from: the robust scale."""
    return replace(window_fits.fits.coefficients(), scale=window_fits.fits.scale)


@config.when_in(fitter=["huber"])
def sum_of_weights__window_huber(window_fits: WindowFits) -> FloatArray:
    """Sum of the weights of the rows in each fit, the kernel's times their own, (n_bins, t)."""
    return window_fits.sum_weights


@config.when_in(fitter=["huber"])
def kernel_spread__window_huber(window_fits: WindowFits, window_layout: WindowLayout) -> Optional[KernelSpread]:
    """What kernel weights make of the errors; None where all kernel weights are 1."""
    if window_layout.is_plain:
        return None
    return KernelSpread(window_fits.fits.unit_covariance, window_fits.freedom, window_fits.student)


@config.when_in(fitter=["huber"])
def rejections__window_huber(window_fits: WindowFits) -> Optional[Rejections]:
    """How often each fit was made anew, and how many rows it rejected."""
    return Rejections(window_fits.fits.n_refits, window_fits.fits.n_rejected, None)


@config.when_in(fitter=["ols", "wls"])
def rejections__window_none() -> Optional[Rejections]:
    """Refits and rejected rows of every fit: None, as these fitters use every row that they are given."""
    return None

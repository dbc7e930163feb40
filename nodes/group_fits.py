"""Fits of one group after the other, in this process or in others, by any fitter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.frame_order import in_frame_order
from gbr_dag.group_fits.least_squares import kept_predictors, rooted_rows
from gbr_dag.group_fits.records import GroupFits, GroupFitter, Rejections, SortedRows, fits_of_bins
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.tables import BinMap, BinRows, BinTable, Coefficients, Columns, FloatArray, TargetBlock


def sorted_rows(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    bin_rows: BinRows,
    intercept: bool,
    min_entries: int,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
) -> SortedRows:
    """The columns of the fits as doubles, group after group; a copy of them.

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.
    """
    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    rows = bin_rows.rows
    block_of = {target: block for block in target_blocks for target in block.targets}
    return SortedRows(
        x=_stacked(design, rows),
        y=_stacked(response, rows),
        w=row_weights[rows],
        used=np.stack([block_of[target].rows[rows] for target in range(len(response))], axis=1),
        offsets=bin_rows.offsets,
        precision=np.array([roundoff(column) for column in (*design, *response)]),
        intercept=intercept,
        min_entries=min_entries,
    )


def _stacked(columns: Columns, rows: Any) -> FloatArray:
    table = np.empty((len(rows), len(columns)))
    for i, column in enumerate(columns):
        table[:, i] = column[rows]
    return table


@config.when_in(engine=["reference"])
def group_fits__reference(
    group_fitter: GroupFitter,
    sorted_rows: SortedRows,
    bin_map: BinMap,
    bin_rows: BinRows,
    bin_table: BinTable,
    targets: Sequence[str],
) -> GroupFits:
    """Fits of every group and target, one after the other."""
    fits = fits_of_bins(group_fitter, sorted_rows, 0, sorted_rows.n_bins)
    return in_frame_order(fits, bin_map, bin_rows, bin_table, targets)


@config.when_in(fitter=["ols", "wls"], engine=["reference", "loky", "statsmodels"])
def coefficients__groups(group_fits: GroupFits) -> Coefficients:
    """Coefficients of every bin and target, with what errors and diagnostics are made from."""
    return group_fits.coefficients()


@config.when_in(fitter=["huber", "glm", "rlm", "own"], engine=["numba", "reference", "loky", "statsmodels"])
def coefficients__scaled(group_fits: GroupFits) -> Coefficients:
    """Coefficients of every bin and target, with what errors and diagnostics are made from: the fitter's own scale."""
    return replace(group_fits.coefficients(), scale=group_fits.scale)


@config.when_in(fitter=["ols", "wls", "glm", "rlm"])
def rejections__none() -> Optional[Rejections]:
    """Refits and rejected rows of every fit: None, as these fitters use every row that they are given."""
    return None


@config.when_in(fitter=["huber", "own"])
def rejections__groups(group_fits: GroupFits) -> Optional[Rejections]:
    """How often each fit was made anew, and the rows that it rejected."""
    return Rejections(group_fits.n_refits, group_fits.n_rejected, group_fits.rejected)


def fitted_blocks(target_blocks: tuple[TargetBlock, ...], rejections: Optional[Rejections]) -> tuple[TargetBlock, ...]:
    """The target blocks with the rows that the last fit used: those that it did not reject."""
    if rejections is None or rejections.rejected is None:
        return target_blocks
    return tuple(
        TargetBlock((target,), block.rows & ~rejections.rejected[:, target])
        for block in target_blocks
        for target in block.targets
    )


@config.when_in(engine=["reference", "loky", "statsmodels"])
def condition__rows(sorted_rows: SortedRows, coefficients: Coefficients) -> FloatArray:
    """Condition number (2-norm) of the centred, weighted design with columns scaled to length 1, (n_bins, t).

    Aliased predictors are left out; 1 without predictors, NaN where nothing was fitted. Rows that a robust fit gives
    less weight to, or rejects, count as they came.
    """
    fitted = coefficients.of_targets(coefficients.fitted)
    result = np.full(fitted.shape, np.nan)
    for b, target in zip(*np.nonzero(fitted)):
        rows = sorted_rows.of(b, target)
        rooted = rooted_rows(rows)
        kept = kept_predictors(rows, rooted)
        x = rooted.x[:, kept]
        result[b, target] = np.linalg.cond(x / np.linalg.norm(x, axis=0)) if kept else 1.0
    return result

"""Which rows of the frame take part, and why the others do not."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import every_row, is_every_row, is_numeric, numeric_values
from gbr_dag.expressions import expression_values
from gbr_dag.graph.backend import config
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.row_reasons import ROW_REASONS, warn_of_negative_weights
from gbr_dag.tables import BoolArray, Columns, FloatArray, TargetBlock

_BLOCK_TARGETS = 8
"""Most targets in a factor: its cost grows with their square. 60 targets in one were 4 times slower than one by one."""


@bytes_estimate(lambda frame, selection: 0 if selection is None else len(frame))
def selected_rows(frame: pd.DataFrame, selection: Optional[Union[str, npt.NDArray[np.bool_]]]) -> BoolArray:
    """Rows that the caller's selection lets in, bool (n_rows,); all of them without a selection.

    An expression that gives a missing value is false there; NaN compares as in numpy (``!=`` is true).
    """
    if selection is None:
        return every_row(len(frame))
    if not isinstance(selection, str):
        return selection
    selected: BoolArray = expression_values(selection, frame).to_numpy(dtype=bool, na_value=False)
    return selected


def keyed_rows(frame: pd.DataFrame, by: Sequence[str]) -> BoolArray:
    """Rows in which no key is missing, bool (n_rows,)."""
    keyed = every_row(len(frame))
    for name in by:
        column = frame[name]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            continue
        present = column.notna().to_numpy()
        if is_numeric(column.dtype) and column.dtype.kind == "f":
            # Arrow and nullable columns can hold NaN beside missing values
            present = present & ~np.isnan(numeric_values(column))
        if not present.all():
            keyed = keyed & present
    return keyed


def usable_rows(selected_rows: BoolArray, keyed_rows: BoolArray) -> BoolArray:
    """Rows that belong to a bin, bool (n_rows,): selected, all keys present."""
    if is_every_row(keyed_rows):
        return selected_rows
    return keyed_rows if is_every_row(selected_rows) else selected_rows & keyed_rows


@bytes_estimate(lambda frame, weights: 0 if weights is None else 8 * len(frame))
def raw_weights(frame: pd.DataFrame, weights: Optional[Union[str, FloatArray]]) -> npt.NDArray[Any]:
    """Weights as the caller gave them, (n_rows,) in their own dtype, NaN where missing; ones without weights."""
    if weights is None:
        return np.broadcast_to(1.0, len(frame))
    if isinstance(weights, str):
        values = numeric_values(frame[weights])
        if values.itemsize <= 8:
            return values
        with np.errstate(over="ignore"):  # what is zero or infinite among doubles must be seen as such
            return values.astype(np.float64)
    return weights


@bytes_estimate(lambda frame: len(frame))
def row_reasons(
    selected_rows: BoolArray, keyed_rows: BoolArray, raw_weights: npt.NDArray[Any], design: Columns
) -> npt.NDArray[np.int8]:
    """Why each row is left out of every fit, int8 (n_rows,): positions in ``ROW_REASONS``, 0 for a used row."""
    finite = np.ones(len(selected_rows), dtype=bool)
    for column in design:
        if column.dtype.kind == "f":
            finite &= np.isfinite(column)
    conditions = (
        ~selected_rows,
        ~keyed_rows,
        ~np.isfinite(raw_weights),
        raw_weights == 0.0,
        raw_weights < 0.0,
        ~finite,
    )
    reasons = np.zeros(len(selected_rows), dtype=np.int8)
    for code, condition in reversed(list(enumerate(conditions, start=1))):
        reasons[condition] = code
    return reasons


@bytes_estimate(lambda frame: 8 * len(frame))
@config.when_in(fitter=["ols", "wls"], engine=["numba"])
def row_weights__numba(raw_weights: npt.NDArray[Any], row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    """Weight of every row in the fits, float64 (n_rows,): the caller's, 0 where the row is left out.

    The pass over the rows, which does without it, warns of negative weights.
    """
    return _row_weights(raw_weights, row_reasons)


@bytes_estimate(lambda frame: 8 * len(frame))
@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def row_weights__numpy(raw_weights: npt.NDArray[Any], row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    """Weight of every row in the fits, float64 (n_rows,): the caller's, 0 where the row is left out.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.
    """
    return _warned_weights(raw_weights, row_reasons)


@bytes_estimate(lambda frame: 8 * len(frame))
@config.when_in(fitter=["huber"], engine=["numba"])
def row_weights__huber(raw_weights: npt.NDArray[Any], row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    """Weight of every row in the fits, float64 (n_rows,): the caller's, 0 where the row is left out.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.
    """
    return _warned_weights(raw_weights, row_reasons)


def _warned_weights(raw_weights: npt.NDArray[Any], row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    n_negative = int(np.count_nonzero(row_reasons == ROW_REASONS.index("weight negative")))
    warn_of_negative_weights(n_negative, len(raw_weights))
    return _row_weights(raw_weights, row_reasons)


def _row_weights(raw_weights: npt.NDArray[Any], row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    return np.where(row_reasons == 0, raw_weights.astype(np.float64, copy=False), 0.0)


@bytes_estimate(lambda frame, targets: len(frame) * len(targets))
def target_blocks(response: Columns, row_reasons: npt.NDArray[np.int8], missing: str) -> tuple[TargetBlock, ...]:
    """Targets that share their rows, in the caller's order of their first target.

    With ``missing="any"`` a row that lacks one target serves none: all blocks have the same rows.
    """
    usable = row_reasons == 0
    finite = [usable & np.isfinite(column) if column.dtype.kind == "f" else usable for column in response]
    if missing == "any":
        together = np.logical_and.reduce(finite)
        every = range(len(response))
        return tuple(TargetBlock(tuple(every[i : i + _BLOCK_TARGETS]), together) for i in every[::_BLOCK_TARGETS])
    blocks: list[TargetBlock] = []
    for target, rows in enumerate(finite):
        for i, block in enumerate(blocks):
            if len(block.targets) < _BLOCK_TARGETS and np.array_equal(block.rows, rows):
                blocks[i] = TargetBlock((*block.targets, target), rows)
                break
        else:
            blocks.append(TargetBlock((target,), rows))
    return tuple(blocks)


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def left_out_rows__numpy(
    row_reasons: npt.NDArray[np.int8], target_blocks: tuple[TargetBlock, ...], targets: Sequence[str]
) -> dict[str, int]:
    """Rows left out, by reason; every reason is there, and one entry a target for rows that lack only that target."""
    return _left_out(row_reasons, target_blocks, targets)


@config.when_in(fitter=["huber"], engine=["numba"])
def left_out_rows__huber(
    row_reasons: npt.NDArray[np.int8], target_blocks: tuple[TargetBlock, ...], targets: Sequence[str]
) -> dict[str, int]:
    """Rows left out, by reason; every reason is there, and one entry a target for rows that lack only that target."""
    return _left_out(row_reasons, target_blocks, targets)


def _left_out(
    row_reasons: npt.NDArray[np.int8], target_blocks: tuple[TargetBlock, ...], targets: Sequence[str]
) -> dict[str, int]:
    counts = np.bincount(row_reasons, minlength=len(ROW_REASONS))
    left_out = {reason: int(count) for reason, count in zip(ROW_REASONS[1:], counts[1:])}
    block_of = {target: block for block in target_blocks for target in block.targets}
    for i, target in enumerate(targets):
        left_out[f"target missing or infinite: {target}"] = int(counts[0] - np.count_nonzero(block_of[i].rows))
    return left_out

"""Which rows of the frame take part, and why the others do not."""

import warnings
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_numeric, numeric_values
from gbr_dag.errors import DataWarning
from gbr_dag.expressions import expression_values
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.tables import BoolArray, Columns, FloatArray, TargetBlock

ROW_REASONS = (
    "used",
    "not selected",
    "key missing",
    "weight missing or infinite",
    "weight zero",
    "weight negative",
    "predictor missing or infinite",
)
"""Why a row is in no fit, by the code that ``row_reasons`` gives it; the first that applies."""

_BLOCK_TARGETS = 8
"""Most targets in a factor: its cost grows with their square. 60 targets in one were 4 times slower than one by one."""


@bytes_estimate(lambda frame: len(frame))
def selected_rows(frame: pd.DataFrame, selection: Optional[Union[str, npt.NDArray[np.bool_]]]) -> BoolArray:
    """Rows that the caller's selection lets in, bool (n_rows,); all of them without a selection.

    An expression that gives a missing value is false there; NaN compares as in numpy (``!=`` is true).
    """
    if selection is None:
        return np.ones(len(frame), dtype=bool)
    if not isinstance(selection, str):
        return selection
    selected: BoolArray = expression_values(selection, frame).to_numpy(dtype=bool, na_value=False)
    return selected


@bytes_estimate(lambda frame: len(frame))
def keyed_rows(frame: pd.DataFrame, by: Sequence[str]) -> BoolArray:
    """Rows in which no key is missing, bool (n_rows,)."""
    keyed = np.ones(len(frame), dtype=bool)
    for name in by:
        column = frame[name]
        keyed &= column.notna().to_numpy()
        if is_numeric(column.dtype) and column.dtype.kind == "f":
            keyed &= ~np.isnan(numeric_values(column))  # Arrow and nullable columns can hold NaN beside missing values
    return keyed


@bytes_estimate(lambda frame: len(frame))
def usable_rows(selected_rows: BoolArray, keyed_rows: BoolArray) -> BoolArray:
    """Rows that belong to a bin, bool (n_rows,): selected, all keys present."""
    return selected_rows & keyed_rows


@bytes_estimate(lambda frame: 8 * len(frame))
def raw_weights(frame: pd.DataFrame, weights: Optional[Union[str, FloatArray]]) -> FloatArray:
    """Weights as the caller gave them, float64 (n_rows,), NaN where missing; ones without weights."""
    if weights is None:
        return np.ones(len(frame))
    if isinstance(weights, str):
        return numeric_values(frame[weights]).astype(np.float64, copy=False)
    return weights


@bytes_estimate(lambda frame: len(frame))
def row_reasons(
    selected_rows: BoolArray, keyed_rows: BoolArray, raw_weights: FloatArray, design: Columns
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
def row_weights(raw_weights: FloatArray, row_reasons: npt.NDArray[np.int8]) -> FloatArray:
    """Weight of every row in the fits, float64 (n_rows,): the caller's, 0 where the row is left out.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.
    """
    negative = np.count_nonzero(row_reasons == ROW_REASONS.index("weight negative"))
    if negative:
        message = f"{negative} of {len(raw_weights)} rows have a negative weight and are left out of every fit"
        warnings.warn(message, DataWarning, stacklevel=2)
    return np.where(row_reasons == 0, raw_weights, 0.0)


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


def left_out_rows(
    row_reasons: npt.NDArray[np.int8], target_blocks: tuple[TargetBlock, ...], targets: Sequence[str]
) -> dict[str, int]:
    """Rows left out, by reason; every reason is there, and one entry a target for rows that lack only that target."""
    counts = np.bincount(row_reasons, minlength=len(ROW_REASONS))
    left_out = {reason: int(count) for reason, count in zip(ROW_REASONS[1:], counts[1:])}
    block_of = {target: block for block in target_blocks for target in block.targets}
    for i, target in enumerate(targets):
        left_out[f"target missing or infinite: {target}"] = int(counts[0] - np.count_nonzero(block_of[i].rows))
    return left_out

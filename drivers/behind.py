"""The rows behind one group's fits: which serve, why the others do not, what each contributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.arguments import checked_arguments
from gbr_dag.drivers.fitters import inputs_for
from gbr_dag.drivers.groupby import GroupByDriver
from gbr_dag.errors import InputError
from gbr_dag.options import fitter_text, options_of_record
from gbr_dag.row_reasons import ROW_REASONS
from gbr_dag.tables import BoolArray, Columns, FloatArray, IntArray

_ARRAYS = {"weights": r"array of \d+ values", "selection": r"mask of \d+ rows"}
"""What the metadata say of arrays in place of their values."""


@dataclass(frozen=True)
class GroupRows:
    """The rows as the caller sees them, for each target why they serve or not, strings (n_rows,), and its fit (m,)."""

    frame: pd.DataFrame
    reasons: Mapping[str, npt.NDArray[np.object_]]
    coefficients: Mapping[str, FloatArray]


def recorded_inputs(record: Mapping[str, Any], frame: Any, weights: Any, selection: Any, fitter: Any) -> dict[str, Any]:
    """Checked arguments of the fit behind a table: those in its metadata, and arrays and fitters given again.

    Raises
    ------
    InputError
        If arrays or the fitter are missing or differ from what was fitted, or the frame has another number of rows.
    """
    inputs = dict(record["inputs"])
    inputs["own_fitter"] = _own_fitter(record, fitter)
    columns = frame.columns if isinstance(frame, pd.DataFrame) else ()
    for name, given in (("weights", weights), ("selection", selection)):
        kept = inputs[name]
        was_array = isinstance(kept, str) and re.fullmatch(_ARRAYS[name], kept) is not None and kept not in columns
        if was_array and (given is None or isinstance(given, str)):
            message = f"{name} were given to the fit as {kept}, which the table does not hold; give {name}= again"
            raise InputError(message)
        if not was_array and given is not None and not (isinstance(given, str) and given == kept):
            message = f"{name} of the fit were {kept!r}, got others; leave {name} out"
            raise InputError(message)
        inputs[name] = given if was_array else kept
    inputs["fitter_options"] = options_of_record(record["fitter"], inputs["fitter_options"])
    checked = checked_arguments({**inputs, "frame": frame}, fitter=record["fitter"], engine=record["engine"])
    if len(frame) != record["n_rows"]:
        message = f"frame must be the one that was fitted ({record['n_rows']} rows), got {len(frame)} rows"
        raise InputError(message)
    return checked


def _own_fitter(record: Mapping[str, Any], fitter: Any) -> Any:
    """A fitter of the user's own, which the table knows in words only."""
    words = record["inputs"]["own_fitter"]
    if words is None and fitter is not None:
        message = f"fitter of the fit was {record['fitter']!r}, got another; leave fitter out"
        raise InputError(message)
    if words is not None and (fitter is None or fitter_text(fitter) != words):
        given = "none" if fitter is None else fitter_text(fitter)
        message = f"fitter was given to the fit as {words}, which the table does not hold, got {given}; give it again"
        raise InputError(message)
    return fitter


def group_positions(inputs: Mapping[str, Any], group: Mapping[str, Any]) -> IntArray:
    """Positions of all rows with the group's key, selected or not."""
    asked = {"frame": inputs["frame"], "by": inputs["by"]}
    out = GroupByDriver(engine="numpy", progress=False).execute(["bin_table", "bin_map"], asked)
    keys = out["bin_table"].keys
    same = np.ones(len(keys), dtype=bool)
    for name, value in group.items():
        same &= (keys[name] == value).to_numpy(dtype=bool, na_value=False)
    found = np.flatnonzero(same)
    if len(found) != 1:
        words = ", ".join(f"{name}={value}" for name, value in group.items())
        message = f"frame has no row with {words}; give the frame that was fitted"
        raise InputError(message)
    return np.flatnonzero(out["bin_map"].row_bin == found[0])


def group_rows(inputs: Mapping[str, Any], positions: IntArray, record: Mapping[str, Any]) -> GroupRows:
    """Every row with its weight, reasons, fitted values, residuals, pulls and leverages."""
    alone = {name: value for name, value in inputs.items() if name != "frame"}
    alone.update(frame=inputs["frame"].iloc[positions], medians=(), diagnostics=("rms",), suffix="")
    alone["absolute_weights"] = False
    for name in _ARRAYS:
        if isinstance(inputs[name], np.ndarray):
            alone[name] = inputs[name][positions]
    fitter = inputs["own_fitter"] if record["fitter"] == "own" else record["fitter"]
    if record["engine"] == "loky":
        alone["n_jobs"] = 1
    fitted = GroupByDriver(engine=record["engine"], fitter=fitter, progress=False)
    wanted = ["coefficient_values", "fitted_targets", "rejections", "row_prediction", "residual", "pull"]
    fits = fitted.execute([*wanted, "working_weights"], alone)
    rejected = None if fits["rejections"] is None else fits["rejections"].rejected
    plain = GroupByDriver(engine="numpy", progress=False)
    alone = inputs_for("ols", "numpy", alone)
    rows = plain.execute(["design", "response", "raw_weights", "row_reasons", "target_blocks"], alone)
    frame = pd.DataFrame(index=alone["frame"].index)
    frame["position"] = positions
    for name, column in zip(inputs["predictors"], rows["design"]):
        frame[_free(name, frame)] = column
    frame[_free("weight", frame)] = rows["raw_weights"]
    used = {target: block.rows for block in rows["target_blocks"] for target in block.targets}
    reasons = {}
    for i, target in enumerate(inputs["targets"]):
        reasons[target] = _reasons(rows["row_reasons"], used[i], inputs["missing"])
        if rejected is not None:
            reasons[target][rejected[:, i]] = _REJECTED
            used[i] = used[i] & ~rejected[:, i]
        parts = {
            "": rows["response"][i],
            "_used": used[i],
            "_reason": reasons[target],
            "_fitted": fits["row_prediction"][:, i],
            "_residual": fits["residual"][:, i],
            "_pull": fits["pull"][:, i],
            "_leverage": _leverage(plain, alone, rows["design"], fits, used[i], i),
        }
        for ending, values in parts.items():
            frame[_free(f"{target}{ending}", frame)] = values
    values = {target: fits["coefficient_values"][0, i] for i, target in enumerate(inputs["targets"])}
    return GroupRows(frame, reasons, values)


def row_counts(rows: GroupRows, targets: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows by reason for each target, the used ones first, then in the order of the reasons."""
    order = [*ROW_REASONS, *_TARGET_REASONS.values(), _REJECTED]
    counts = {target: pd.Series(rows.reasons[target]).value_counts() for target in targets}
    return {
        target: {reason: int(found[reason]) for reason in order if reason in found} for target, found in counts.items()
    }


_TARGET_REASONS = {"per_target": "target missing or infinite", "any": "one of the targets missing or infinite"}
"""Why a row that could serve does not, by the fit's ``missing``."""

_REJECTED = "rejected as an outlier"


def _reasons(codes: npt.NDArray[np.int8], used: BoolArray, missing: str) -> npt.NDArray[np.object_]:
    words = np.array(ROW_REASONS, dtype=object)[codes]
    words[(codes == 0) & ~used] = _TARGET_REASONS[missing]
    return words


def _free(name: str, frame: pd.DataFrame) -> str:
    while name in frame:
        name += "_"
    return name


def _leverage(
    driver: GroupByDriver,
    inputs: Mapping[str, Any],
    design: Columns,
    fits: Mapping[str, Any],
    used: BoolArray,
    target: int,
) -> FloatArray:
    """Share that a row's own value has in its fitted value, (n_rows,): w x' (X'WX)^-1 x of rows used, else NaN.

    W are the working weights of the fit. Made of the kept predictors, centred when there is an intercept: about the
    origin the rounding error would be 1e-16 (offset / scatter)^2.
    """
    nothing = np.full(len(used), np.nan)
    first_slope = int(inputs["intercept"])
    kept = ~np.isnan(fits["coefficient_values"][0, target, first_slope:])
    if not fits["fitted_targets"][0, target]:
        return nothing
    if not kept.any() and not first_slope:
        return np.where(used, 0.0, nothing)
    columns = [column.astype(np.float64) for column, keep in zip(design, kept) if keep]
    if first_slope:
        columns = [column - column[used].mean() for column in columns]
    model = {
        **inputs,
        "targets": (inputs["targets"][target],),
        "predictors": tuple(np.array(inputs["predictors"], dtype=object)[kept]),
    }
    weights = np.where(used, fits["working_weights"][:, target], 0.0)
    weights[np.isnan(weights)] = 0.0  # of a variance that is 0 in doubles: its slope is so too
    reasons = np.where(used, 0, 1).astype(np.int8)
    stand_ins = {
        "design": tuple(columns),
        "row_weights": weights,
        "row_reasons": reasons,
        "error_scale": np.ones((1, 1)),
    }
    error = driver.execute(["row_prediction_error"], model, stand_ins)["row_prediction_error"][:, 0]
    return np.where(used, weights * error**2, nothing)

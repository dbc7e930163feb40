"""The fits behind the doors of existing scripts, as arrays by name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.groupby import driver_of
from gbr_dag.drivers.script_calls import ScriptCall
from gbr_dag.nodes.prediction import fitted_targets
from gbr_dag.tables import BoolArray, Coefficients, Factors, FitStatus, FloatArray, IntArray, TargetBlock
from gbr_dag.triangles import triangle_of

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ScriptFits:
    """What a door's table and predictions are made from.

    Attributes
    ----------
    keys : pandas.DataFrame (n_bins, n_keys)
    arrays : dict of str to array (n_bins, ...)
        Sources of the table's columns by name, over the bins first.
    fitted : bool array (n_bins,)
        Whether any target was fitted.
    prediction : float64 array (n_rows, t) or None
        Fitted value of the rows that entered a fit, NaN for all others; None where nobody asked.
    record : dict
        How the fits came to be, plain JSON.
    """

    keys: pd.DataFrame
    arrays: Arrays
    fitted: BoolArray
    prediction: Optional[FloatArray]
    record: dict[str, Any]


def least_squares(
    call: ScriptCall,
    engine: str,
    *,
    min_stat: int,
    intercept: bool = True,
    missing: str = "per_target",
    errors: bool = False,
    diagnostics: bool = False,
) -> ScriptFits:
    """Fits by weighted least squares, all groups at once.

    ``errors`` gives errors, rms and mad; ``diagnostics`` the counts, the condition, the status and the times.
    """
    outputs = ["bin_table", "entries", "coefficients", "fit_status", "fit_record"]
    outputs += ["bin_medians"] if call.medians else []
    outputs += ["coefficient_errors", "rms", "mad"] if errors else []
    outputs += ["row_prediction", "target_blocks"] if call.add_prediction else []
    outputs += ["bin_factors"] if diagnostics else []
    start = time.perf_counter()
    found = driver_of(engine, "ols").execute(
        outputs, call.inputs(intercept=intercept, missing=missing, min_entries=min_stat)
    )
    seconds = time.perf_counter() - start
    coefficients = found["coefficients"]
    arrays = _coefficient_arrays(coefficients, found.get("coefficient_errors"), intercept)
    arrays.update({name: found[name] for name in ("rms", "mad") if name in found})
    fitted: BoolArray = np.any(fitted_targets(found["fit_status"]), axis=1)
    if diagnostics:
        rank = coefficients.of_targets(coefficients.rank)
        arrays["cond_xtx"] = worst_target(condition_numbers(found["bin_factors"], rank, coefficients.values.shape[2]))
        arrays["n_valid"] = coefficients.of_targets(coefficients.count).max(axis=1)
        arrays["n_filtered"] = found["entries"] - arrays["n_valid"]
        arrays["status"] = _status_words(found["fit_status"])
    prediction = _of_used_rows(found["row_prediction"], found["target_blocks"]) if call.add_prediction else None
    return completed_fits(call, found, arrays, fitted, prediction, seconds)


def condition_numbers(bin_factors: tuple[Factors, ...], rank: IntArray, m: int) -> FloatArray:
    """Condition number (2-norm) of X'WX with its column of ones, (n_bins, t); infinite where rank-deficient.

    The square of that of the triangular factor of the weighted design, so that it holds far beyond 1e16.
    """
    result = np.full((len(bin_factors[0].records), rank.shape[1]), np.nan)
    for factors in bin_factors:
        p, c = factors.n_predictors, int(factors.intercept)
        design = np.zeros((len(factors.records), p + c, p + c))
        design[:, c:, c:] = triangle_of(factors)[:, :p, :p]
        if c:
            root = np.sqrt(factors.sum_weights)
            design[:, 0, 0] = root
            design[:, 0, 1:] = root[:, None] * factors.mean_hi[:, :p]
        sizes = np.linalg.svd(design, compute_uv=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:, list(factors.targets)] = ((sizes[:, 0] / sizes[:, -1]) ** 2)[:, None]
    result[rank < m] = np.inf
    return result


def _coefficient_arrays(coefficients: Coefficients, errors: Optional[FloatArray], intercept: bool) -> Arrays:
    first = int(intercept)
    arrays: Arrays = {}
    for suffix, values in (("", coefficients.values), ("_err", errors)):
        if values is not None:
            arrays[f"slope{suffix}"] = values[:, :, first:]
            if intercept:
                arrays[f"intercept{suffix}"] = values[:, :, 0]
    return arrays


def completed_fits(
    call: ScriptCall,
    found: Mapping[str, Any],
    arrays: Arrays,
    fitted: BoolArray,
    prediction: Optional[FloatArray],
    seconds: float,
) -> ScriptFits:
    """With what every table has; in a bin without fits all floats are missing."""
    entries = found["entries"]
    wall = np.full(len(entries), 1e3 * seconds)
    arrays = {**arrays, "entries": entries, "time_ms": wall * entries / max(int(entries.sum()), 1), "wall_ms": wall}
    if call.medians:
        arrays["medians"] = np.where(fitted[:, None], found["bin_medians"], np.nan)
    arrays["time_ms"] = np.where(fitted, arrays["time_ms"], np.nan)
    if "cond_xtx" in arrays:
        arrays["cond_xtx"] = np.where(fitted, arrays["cond_xtx"], np.nan)
    inputs = {**found["fit_record"]["inputs"], "suffix": call.suffix}
    record = {**found["fit_record"], "inputs": inputs}
    return ScriptFits(found["bin_table"].keys, arrays, fitted, prediction, record)


def rows_of(blocks: Sequence[TargetBlock], t: int) -> BoolArray:
    """Rows of every target, bool (n_rows, t)."""
    rows = np.zeros((len(blocks[0].rows), t), dtype=bool)
    for block in blocks:
        rows[:, list(block.targets)] = block.rows[:, None]
    return rows


def _of_used_rows(prediction: FloatArray, blocks: Sequence[TargetBlock]) -> FloatArray:
    return np.where(rows_of(blocks, prediction.shape[1]), prediction, np.nan)


def worst_target(values: FloatArray) -> FloatArray:
    """Largest over the targets, (n_bins,); NaN only where all are."""
    worst: FloatArray = np.fmax.reduce(values, axis=1)
    return worst


def _status_words(fit_status: npt.NDArray[np.int16]) -> npt.NDArray[Any]:
    """The worst of the targets in the words of the doors, (n_bins,)."""
    words = np.array(["OK", "ILL_CONDITIONED", "SINGULAR_MATRIX", "INSUFFICIENT_DATA"])
    flags = (FitStatus.ILL_CONDITIONED, FitStatus.RANK_DEFICIENT, FitStatus.INSUFFICIENT)
    worst = np.zeros(len(fit_status), dtype=np.int64)
    for place, flag in enumerate(flags, start=1):
        worst[((fit_status & np.int16(flag)) != 0).any(axis=1)] = place
    return words[worst]

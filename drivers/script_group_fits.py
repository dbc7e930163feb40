"""Fits that may reject rows, for the doors of existing scripts, and without predictors that have too few rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.drivers.groupby import driver_of
from gbr_dag.drivers.script_calls import ScriptCall
from gbr_dag.drivers.script_fits import (
    Arrays,
    ScriptFits,
    completed_fits,
    condition_numbers,
    fitted_targets,
    rows_of,
    worst_target,
)
from gbr_dag.nodes.statistics import bin_medians__pandas
from gbr_dag.row_reasons import ROW_REASONS
from gbr_dag.tables import BinMap, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class ChosenFitter:
    """A fitter of single groups with its settings.

    ``fitter`` and ``engine`` as :func:`gbr_dag.fit_groups` has them, ``inputs`` what else the graph is given.
    """

    fitter: Any
    engine: str
    inputs: Mapping[str, Any]


def group_fits(
    call: ScriptCall, fitter: ChosenFitter, min_stat: Sequence[int], *, per_predictor: bool, condition: bool
) -> ScriptFits:
    """Fits of one group at a time, which may reject rows.

    Parameters
    ----------
    call : ScriptCall
    fitter : ChosenFitter
    min_stat : sequence of int
        Rows that each predictor needs; a fit needs the least of them.
    per_predictor : bool
        Whether a predictor with fewer rows is dropped in that group for that target.
    condition : bool
        Whether the condition of the design is wanted, which takes a pass of its own.
    """
    start = time.perf_counter()
    shared = ["bin_table", "entries", "fit_record", *(["bin_medians"] if call.medians else [])]
    rows_too = ["row_reasons", "design", "response"] if per_predictor else []
    inputs = call.inputs(**fitter.inputs, min_entries=min(min_stat))
    found = driver_of(fitter.engine, fitter.fitter).execute([*shared, *_FIT_OUTPUTS, *rows_too], inputs)
    fits = _RejectingFits.of(found)
    if condition:
        fits = replace(fits, condition=_condition_of_used(inputs, fits))
    if per_predictor and call.predictors:
        _fit_without_sparse_predictors(call, fitter, min_stat, found, fits, condition=condition)
    seconds = time.perf_counter() - start
    some: BoolArray = np.any(fits.fitted, axis=1)
    return completed_fits(
        call,
        found,
        fits.arrays(),
        some,
        np.where(fits.entered, fits.prediction, np.nan),
        seconds,
    )


_FIT_OUTPUTS = (
    "bin_map",
    "coefficients",
    "coefficient_errors",
    "fit_status",
    "mad",
    "residual",
    "row_prediction",
    "target_blocks",
    "fitted_blocks",
    "rejections",
    "group_fits",
)


@dataclass(frozen=True)
class _RejectingFits:
    """Fits of every bin and target, and what they say of every row; arrays own their memory."""

    values: FloatArray
    errors: FloatArray
    count: IntArray
    rank: IntArray
    n_refits: IntArray
    n_rejected: IntArray
    leverage: FloatArray
    mad: FloatArray
    fitted: BoolArray
    row_bin: IntArray
    entered: BoolArray
    used: BoolArray
    prediction: FloatArray
    residual: FloatArray
    condition: FloatArray

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _RejectingFits:
        coefficients, rejections = found["coefficients"], found["rejections"]
        t = coefficients.values.shape[1]
        return cls(
            values=coefficients.values.copy(),
            errors=found["coefficient_errors"].copy(),
            count=coefficients.of_targets(coefficients.count).copy(),
            rank=coefficients.of_targets(coefficients.rank).copy(),
            n_refits=rejections.n_refits.copy(),
            n_rejected=rejections.n_rejected.copy(),
            leverage=found["group_fits"].leverage.copy(),
            mad=found["mad"].copy(),
            fitted=fitted_targets(found["fit_status"]),
            row_bin=found["bin_map"].row_bin.astype(np.int64),
            entered=rows_of(found["target_blocks"], t),
            used=rows_of(found["fitted_blocks"], t),
            prediction=found["row_prediction"].copy(),
            residual=found["residual"].copy(),
            condition=np.full(coefficients.values.shape[:2], np.nan),
        )

    def drop(self, bins: BoolArray, target: int) -> None:
        """Make these bins unfitted for one target."""
        for name in ("values", "errors", "leverage", "mad", "condition"):
            getattr(self, name)[bins, target] = np.nan
        for name in ("rank", "n_refits", "n_rejected", "fitted"):
            getattr(self, name)[bins, target] = 0
        rows = np.append(bins, False)[self.row_bin]
        self.prediction[rows, target] = self.residual[rows, target] = np.nan
        self.entered[rows, target] = self.used[rows, target] = False

    def put(self, others: _RejectingFits, target: int, places: IntArray) -> None:
        """Take one target from fits of that target alone: bin b of theirs is ``places[b]`` here.

        Their predictors are a part of these; the coefficients of the others are NaN.
        """
        for name in ("count", "rank", "n_refits", "n_rejected", "leverage", "mad", "fitted", "condition"):
            getattr(self, name)[places, target] = getattr(others, name)[:, 0]
        rows = others.row_bin >= 0
        for name in ("prediction", "residual", "entered", "used"):
            getattr(self, name)[rows, target] = getattr(others, name)[rows, 0]

    def arrays(self) -> Arrays:
        """Sources of a table's columns; rms and ``mad_about_zero`` are unweighted, over the rows used."""
        kept = np.where(self.used, self.residual, np.nan)
        n_bins, t = self.count.shape
        inside = self.row_bin >= 0
        row_bin, kept = self.row_bin[inside], kept[inside]
        rms = np.full((n_bins, t), np.nan)
        for target in range(t):
            present = ~np.isnan(kept[:, target])
            members = row_bin[present]
            squares = np.bincount(members, weights=kept[present, target] ** 2, minlength=n_bins)
            entries = np.bincount(members, minlength=n_bins)
            np.divide(squares, entries, out=rms[:, target], where=entries > 0)
        columns = pd.DataFrame(np.abs(kept), columns=[str(i) for i in range(t)])
        about_zero = bin_medians__pandas(columns, tuple(columns), BinMap(row_bin, n_bins), None, False)
        entered = self.count + self.n_rejected
        rejected = np.full((n_bins, t), np.nan)
        np.divide(self.n_rejected, entered, out=rejected, where=self.fitted & (entered > 0))
        return {
            "intercept": self.values[:, :, 0],
            "slope": self.values[:, :, 1:],
            "slope_err": self.errors[:, :, 1:],
            "rms": np.sqrt(rms),
            "mad": self.mad,
            "mad_about_zero": about_zero,
            "mad_scaled": 1.4826 * self.mad,
            "n_refits": self.n_refits.max(axis=1),
            "n_used": self.count.min(axis=1),
            "frac_rejected": worst_target(rejected),
            "hat_max": worst_target(self.leverage),
            "cond_xtx": worst_target(self.condition),
        }


def _fit_without_sparse_predictors(
    call: ScriptCall,
    fitter: ChosenFitter,
    min_stat: Sequence[int],
    found: Mapping[str, Any],
    fits: _RejectingFits,
    *,
    condition: bool,
) -> None:
    """Fit groups anew in which some predictor has too few rows, without it; its missing values cost no rows then."""
    usable = np.isin(found["row_reasons"], (0, ROW_REASONS.index("predictor missing or infinite")))
    finite = np.stack([np.isfinite(column) for column in found["design"]], axis=1)
    for target, column in enumerate(found["response"]):
        base = usable & np.isfinite(column)
        enough = np.stack(
            [
                np.bincount(fits.row_bin[base & finite[:, j]], minlength=len(fits.count)) >= least
                for j, least in enumerate(min_stat)
            ],
            axis=1,
        )
        for pattern in np.unique(enough, axis=0):
            if pattern.all():
                continue
            bins = (enough == pattern).all(axis=1)
            fits.drop(bins, target)
            if not pattern.any():
                continue
            rows = base & np.append(bins, False)[fits.row_bin]
            kept = np.flatnonzero(pattern)
            part = {
                "targets": (call.targets[target],),
                "predictors": tuple(call.predictors[j] for j in kept),
                "medians": (),
                "selection": rows,
            }
            inputs = {**call.inputs(**fitter.inputs, min_entries=min(min_stat)), **part}
            others = _RejectingFits.of(driver_of(fitter.engine, fitter.fitter).execute(_FIT_OUTPUTS, inputs))
            if condition:
                others = replace(others, condition=_condition_of_used(inputs, others))
            places = _places(others.row_bin, fits.row_bin, len(others.count))
            fits.put(others, target, places)
            coefficients = np.concatenate(([0], 1 + kept))
            fits.values[places[:, None], target, coefficients] = others.values[:, 0]
            fits.errors[places[:, None], target, coefficients] = others.errors[:, 0]


def _places(row_bin: IntArray, others: IntArray, n_bins: int) -> IntArray:
    """For every bin of one numbering, its number in another of the same rows."""
    places = np.zeros(n_bins, dtype=np.int64)
    inside = row_bin >= 0
    places[row_bin[inside]] = others[inside]
    return places


def _condition_of_used(inputs: Mapping[str, Any], fits: _RejectingFits) -> FloatArray:
    """Condition of the design of the rows used, (n_bins, t), NaN where nothing was fitted."""
    result = np.full(fits.count.shape, np.nan)
    shared = {name: inputs[name] for name in ("frame", "by", "predictors", "weights", "suffix", "diagnostics")}
    for target, name in enumerate(inputs["targets"]):
        rows = fits.used[:, target] & np.append(fits.fitted[:, target], False)[fits.row_bin]
        if not rows.any():
            continue
        given = {**shared, "targets": (name,), "selection": rows}
        found = driver_of("numba", "ols").execute(["bin_map", "bin_factors"], given)
        places = _places(found["bin_map"].row_bin, fits.row_bin, found["bin_map"].n_bins)
        rank = fits.rank[places, target][:, None]
        result[places, target] = condition_numbers(found["bin_factors"], rank, fits.values.shape[2])[:, 0]
    return result

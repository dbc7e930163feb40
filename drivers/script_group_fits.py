"""Fits that may reject rows, for the doors of existing scripts, and without predictors that have too few rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.drivers.groupby import GroupByDriver, driver_of
from gbr_dag.drivers.script_calls import ScriptCall
from gbr_dag.drivers.script_fits import (
    Arrays,
    ScriptFits,
    completed_fits,
    condition_numbers,
    rows_of,
    worst_target,
)
from gbr_dag.errors import DataWarning
from gbr_dag.group_fits.frame_order import FAILED_FITS, warn_of_failures
from gbr_dag.group_fits.records import Failure
from gbr_dag.nodes.prediction import fitted_targets
from gbr_dag.nodes.statistics import bin_medians__pandas
from gbr_dag.row_reasons import ROW_REASONS
from gbr_dag.tables import BinMap, BoolArray, FloatArray, IntArray, TargetBlock


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
    inputs = call.inputs(**fitter.inputs, min_entries=min(min_stat))
    driver = driver_of(fitter.engine, fitter.fitter)
    overrides: dict[str, Any] = {}
    sparse: list[_SparseFit] = []
    if per_predictor and call.predictors:
        overrides = driver.execute(_BEFORE_THE_FIT, inputs)
        sparse = _sparse_fits(overrides, min_stat)
        overrides["target_blocks"] = _without_sparse(overrides["target_blocks"], sparse)
    with _untold_failures() if sparse else nullcontext():
        found = driver.execute([*shared, *_FIT_OUTPUTS], inputs, overrides)
        fits = _RejectingFits.of(found)
        if condition:
            fits = replace(fits, condition=_condition_of_used(inputs, fits))
        failures = list(found["group_fits"].failures)
        for part in sparse:
            failures += _fit_without_sparse_predictors(driver, call, inputs, part, fits, condition=condition)
    if sparse:
        failures.sort(key=lambda failure: (failure.bin, failure.target))
        warn_of_failures(failures, fits.count.size, found["bin_table"], call.targets)
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


_BEFORE_THE_FIT = (
    "bin_table",
    "bin_map",
    "entries",
    "row_reasons",
    "design",
    "response",
    "target_blocks",
    "left_out_rows",
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


@dataclass(frozen=True)
class _SparseFit:
    """Groups that one target is fitted in without some predictors, which have too few rows there.

    ``kept`` are the predictors that are left, in ascending order; with none of them nothing is fitted. ``rows``, bool
    (n_rows,), are those of the groups that serve if a missing value of any predictor costs no row.
    """

    target: int
    kept: IntArray
    rows: BoolArray


def _sparse_fits(found: Mapping[str, Any], min_stat: Sequence[int]) -> list[_SparseFit]:
    """One for each target and set of predictors that are left."""
    usable = np.isin(found["row_reasons"], (0, ROW_REASONS.index("predictor missing or infinite")))
    finite = [np.isfinite(column) for column in found["design"]]
    row_bin, n_bins = found["bin_map"].row_bin.astype(np.int64), found["bin_map"].n_bins
    fits = []
    for target, column in enumerate(found["response"]):
        base = usable & np.isfinite(column)
        counts = [np.bincount(row_bin[base & present], minlength=n_bins) for present in finite]
        enough = np.stack([count >= least for count, least in zip(counts, min_stat)], axis=1)
        for pattern in np.unique(enough, axis=0):
            if not pattern.all():
                bins = (enough == pattern).all(axis=1)
                fits.append(_SparseFit(target, np.flatnonzero(pattern), base & _of_rows(bins, row_bin)))
    return fits


def _without_sparse(blocks: Sequence[TargetBlock], sparse: Sequence[_SparseFit]) -> tuple[TargetBlock, ...]:
    """The blocks without the rows of what is fitted apart; targets that lose the same rows stay together."""
    if not sparse:
        return tuple(blocks)
    lost: dict[int, BoolArray] = {}
    for part in sparse:
        lost[part.target] = lost[part.target] | part.rows if part.target in lost else part.rows
    left: list[TargetBlock] = []
    for block in blocks:
        of_block: list[TargetBlock] = []
        for target in block.targets:
            rows = block.rows & ~lost[target] if target in lost else block.rows
            for i, other in enumerate(of_block):
                if np.array_equal(other.rows, rows):
                    of_block[i] = TargetBlock((*other.targets, target), rows)
                    break
            else:
                of_block.append(TargetBlock((target,), rows))
        left += of_block
    return tuple(left)


def _fit_without_sparse_predictors(
    driver: GroupByDriver,
    call: ScriptCall,
    inputs: Mapping[str, Any],
    sparse: _SparseFit,
    fits: _RejectingFits,
    *,
    condition: bool,
) -> list[Failure]:
    """Fit these groups, which are not fitted yet, and put them among the others; what failed, by bin and target."""
    if not len(sparse.kept):
        return []
    part = {
        "targets": (call.targets[sparse.target],),
        "predictors": tuple(call.predictors[j] for j in sparse.kept),
        "medians": (),
        "selection": sparse.rows,
    }
    found = driver.execute(_FIT_OUTPUTS, {**inputs, **part})
    others = _RejectingFits.of(found)
    if condition:
        others = replace(others, condition=_condition_of_used({**inputs, **part}, others))
    places = _places(others.row_bin, fits.row_bin, len(others.count))
    fits.put(others, sparse.target, places)
    coefficients = np.concatenate(([0], 1 + sparse.kept))
    fits.values[places[:, None], sparse.target, coefficients] = others.values[:, 0]
    fits.errors[places[:, None], sparse.target, coefficients] = others.errors[:, 0]
    return [Failure(int(places[one.bin]), sparse.target, one.text) for one in found["group_fits"].failures]


@contextmanager
def _untold_failures() -> Iterator[None]:
    """Let no run tell of its failed fits: the call is told of all of them at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", FAILED_FITS, DataWarning)
        yield


def _of_rows(bins: BoolArray, row_bin: IntArray) -> BoolArray:
    """Whether each row is in one of the bins, bool (n_rows,)."""
    return np.append(bins, False)[row_bin]


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
        rows = fits.used[:, target] & _of_rows(fits.fitted[:, target], fits.row_bin)
        if not rows.any():
            continue
        given = {**shared, "targets": (name,), "selection": rows}
        found = driver_of("numba", "ols").execute(["bin_map", "bin_factors"], given)
        places = _places(found["bin_map"].row_bin, fits.row_bin, found["bin_map"].n_bins)
        rank = fits.rank[places, target][:, None]
        result[places, target] = condition_numbers(found["bin_factors"], rank, fits.values.shape[2])[:, 0]
    return result

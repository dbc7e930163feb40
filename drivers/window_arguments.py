"""The arguments of a sliding-window fit, checked once at the door."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gbr_dag.bin_columns import Bins, bins_record, with_bins
from gbr_dag.drivers.arguments import (
    check_choice,
    check_model,
    check_switches,
    checked_entries,
    checked_frame,
    checked_jobs,
    checked_names,
    checked_selection,
    checked_threads,
    checked_weights,
    dtype_name,
)
from gbr_dag.drivers.binning_arguments import binning_sources, checked_binning
from gbr_dag.drivers.fitters import REJECTING, checked_options
from gbr_dag.drivers.window_specification import checked_window
from gbr_dag.errors import InputError
from gbr_dag.frames import dtype_text
from gbr_dag.graph.checks import unknown
from gbr_dag.naming import WINDOW_DIAGNOSTICS, column_word, fit_columns

DEFAULTS: dict[str, Any] = {
    "predictors": (),
    "within": (),
    "weights": None,
    "absolute_weights": False,
    "selection": None,
    "intercept": True,
    "min_entries": 10,
    "missing": "per_target",
    "boundary": "truncate",
    "period": None,
    "kernel": "uniform",
    "kernel_width": None,
    "binning": None,
    "statistics": ("mean", "std", "median", "entries"),
    "weighted_medians": False,
    "diagnostics": ("errors", "rmse", "r_squared"),
    "suffix": "",
    "dtype": "float64",
    "threads": None,
    "n_jobs": None,
    "fitter_options": None,
}
"""Optional inputs of the sliding-window graph with their defaults."""

STATISTICS = ("mean", "std", "median", "entries", "sum_weights", "min", "max", "mad")
"""What ``statistics`` may name besides quantiles such as ``q05``."""

OF_BINS = ("n_neighbors_used", "n_rows_aggregated", "effective_window_fraction", "quality_flag")
"""Columns of the table that are no target's."""

_NAME_LISTS = ("by", "within", "targets", "predictors", "statistics", "diagnostics")


def checked_window_arguments(given: Mapping[str, Any], *, fitter: str, engine: str) -> dict[str, Any]:
    """Inputs of the sliding-window graph from the caller's arguments: defaults filled in, every rule checked.

    Required arguments that were not given stay out, so that a plan can name them. The graph's ``by`` are all keys,
    those of ``within`` first.

    Raises
    ------
    InputError
        If one breaks its rule; the message names the argument, the rule, what came and the way out.
    """
    inputs = {**given, **{name: given.get(name, default) for name, default in DEFAULTS.items()}}
    for name in _NAME_LISTS:
        if name in inputs:
            inputs[name] = checked_names(name, inputs[name])
    inputs["dtype"] = dtype_name(inputs["dtype"])
    check_switches(inputs, ("absolute_weights", "intercept", "weighted_medians"))
    check_model(inputs, fitter)
    inputs["fitter_options"] = checked_options(fitter, inputs["fitter_options"])
    inputs["diagnostics"] = _checked_diagnostics(inputs["diagnostics"], inputs["absolute_weights"])
    check_statistics(inputs["statistics"])
    _check_weighted_medians(inputs)
    inputs["threads"] = checked_threads(inputs["threads"], engine)
    inputs["n_jobs"] = checked_jobs(inputs["n_jobs"], engine)
    inputs["min_entries"] = checked_entries(inputs["min_entries"], None)
    form = {name: inputs.pop(name) for name in ("boundary", "period", "kernel", "kernel_width")}
    if "by" in inputs and "window" in inputs:
        inputs["window"] = checked_window(inputs["window"], inputs["by"], **form)
    binning = {}
    if "by" in inputs:
        _check_within(inputs)
        binning = checked_binning(inputs["binning"], (*inputs["within"], *inputs["by"]))
        if "targets" in inputs:
            _check_collisions(inputs, rejecting=fitter in REJECTING)
    inputs["binning"] = {name: bins_record(bins) for name, bins in binning.items()}
    if "frame" in inputs:
        _check_rows(inputs, binning)
    if "by" in inputs:
        inputs["by"] = (*inputs["within"], *inputs["by"])
    return inputs


def _check_rows(inputs: dict[str, Any], binning: Mapping[str, Bins]) -> None:
    """Check the frame and what comes by row; bins are made last, when nothing else can be refused."""
    given = inputs["frame"]
    sources = binning_sources(given, binning)
    names = ("by", "within", "targets", "predictors")
    roles: dict[str, tuple[str, ...]] = {name: inputs[name] for name in names if name in inputs}
    roles.update({name: _unbinned(roles[name], binning) for name in ("by", "within") if name in roles})
    columns = [column for of_name in sources.values() for column in of_name]
    roles.update({f"binning of {name!r}": of_name for name, of_name in sources.items()})
    frame = checked_frame(given, roles, inputs["weights"], inputs["selection"], columns)
    inputs["weights"] = checked_weights(frame, inputs["weights"])
    inputs["selection"] = checked_selection(frame, inputs["selection"])
    _check_integers(given, frame, roles.get("by", ()))
    inputs["frame"] = with_bins(frame, binning)


def _unbinned(names: Sequence[str], binning: Mapping[str, Bins]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in binning)


def check_statistics(asked: Sequence[str], argument: str = "statistics") -> None:
    """Refuse names of no statistic."""
    for name in asked:
        if name not in STATISTICS and not re.fullmatch(r"q\d\d(\.\d+)?", name):
            way_out = f"choices: {', '.join(sorted(STATISTICS))}, or a quantile such as q05"
            raise InputError(unknown(argument, name, STATISTICS, way_out))


def _check_weighted_medians(inputs: Mapping[str, Any]) -> None:
    """Refuse weights for medians where there are no weights, or no medians."""
    if not inputs["weighted_medians"]:
        return
    if inputs["weights"] is None:
        message = "weighted_medians=True needs weights, got none; give weights=..., or leave it out"
        raise InputError(message)
    if not any(name in ("median", "mad") or name.startswith("q") for name in inputs["statistics"]):
        asked = ", ".join(map(repr, inputs["statistics"])) or "none"
        message = (
            f"weighted_medians=True needs 'median', 'mad' or a quantile such as 'q05' in statistics, got {asked};"
            " add one, or leave it out"
        )
        raise InputError(message)


def _check_within(inputs: Mapping[str, Any]) -> None:
    both = [name for name in inputs["within"] if name in inputs["by"]]
    if both:
        message = (
            f"within and by must not share columns, got {', '.join(map(repr, both))} in both; leave them out of within"
        )
        raise InputError(message)


def _check_integers(given: Any, frame: pd.DataFrame, dimensions: Sequence[str]) -> None:
    """Refuse dimensions of the grid that are no integers."""
    for name in dimensions:
        dtype = frame[name].dtype
        plain = getattr(dtype, "numpy_dtype", dtype)
        if getattr(plain, "kind", "O") not in "iu":
            way_out = "move it to within, or make integers of it"
            if getattr(plain, "kind", "O") in "fmM":
                rule = f"{{'bin': {{'column': {name!r}, 'width': ...}}}}"
                way_out = f"make bins with binning={rule} and by='bin', or move it to within"
                if plain.kind == "f":
                    way_out += "; whole numbers with gaps are integers after .astype('Int64') or a cast to Int64"
            message = f"by must be integer bins, column {name!r} is {dtype_text(given, name)}; {way_out}"
            raise InputError(message)


def _checked_diagnostics(asked: Sequence[str], absolute_weights: bool) -> tuple[str, ...]:
    for name in asked:
        if name == "mad":
            message = "diagnostics 'mad' is not there for windows; statistics='mad' is that of the targets"
            raise InputError(message)
        check_choice("diagnostics", name, WINDOW_DIAGNOSTICS)
    if "chi2" in asked and not absolute_weights:
        message = "diagnostics 'chi2' needs weights that are known to be 1/sigma^2; give absolute_weights=True"
        raise InputError(message)
    return tuple(name for name in WINDOW_DIAGNOSTICS if name in asked or (name == "chi2" and absolute_weights))


def _check_collisions(inputs: Mapping[str, Any], *, rejecting: bool) -> None:
    """Two columns of the table must not have one name."""
    suffix = inputs["suffix"]
    words = _words(inputs["predictors"])
    names = [*inputs["within"], *inputs["by"], *(f"{name}{suffix}" for name in OF_BINS)]
    for target in inputs["targets"]:
        names.extend(f"{target}_{name}{suffix}" for name in inputs["statistics"])
        columns = fit_columns(
            target,
            words,
            inputs["diagnostics"],
            intercept=inputs["intercept"],
            suffix=suffix,
            rejecting=rejecting,
            count="n_fitted",
        )
        names.extend(column.name for column in columns)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        message = (
            f"columns of the table would collide: {', '.join(map(repr, repeated))}; give a suffix, or rename columns"
        )
        raise InputError(message)


def _words(predictors: Sequence[str]) -> list[str]:
    """Predictors as they stand in names of columns; two that would be one are refused."""
    first: dict[str, str] = {}
    for name in predictors:
        word = column_word(name)
        if word in first:
            message = (
                f"predictors {first[word]!r} and {name!r} would both be {word!r} in the names of columns; rename one"
            )
            raise InputError(message)
        first[word] = name
    return list(first)

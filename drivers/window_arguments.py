"""The arguments of a sliding-window fit, checked once at the door."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
    _check_statistics(inputs["statistics"])
    inputs["threads"] = checked_threads(inputs["threads"], engine)
    inputs["n_jobs"] = checked_jobs(inputs["n_jobs"], engine)
    inputs["min_entries"] = checked_entries(inputs["min_entries"], 10)
    form = {name: inputs.pop(name) for name in ("boundary", "period", "kernel", "kernel_width")}
    if "by" in inputs and "window" in inputs:
        inputs["window"] = checked_window(inputs["window"], inputs["by"], **form)
    inputs["binning"] = {}
    if "by" in inputs:
        _check_within(inputs)
    if "frame" in inputs:
        roles = {name: inputs[name] for name in ("by", "within", "targets", "predictors") if name in inputs}
        frame = inputs["frame"] = checked_frame(inputs["frame"], roles, inputs["weights"], inputs["selection"])
        inputs["weights"] = checked_weights(frame, inputs["weights"])
        inputs["selection"] = checked_selection(frame, inputs["selection"])
        _check_integers(inputs)
    if "by" in inputs:
        inputs["by"] = (*inputs["within"], *inputs["by"])
        if "targets" in inputs:
            _check_collisions(inputs, rejecting=fitter in REJECTING)
    return inputs


def _check_within(inputs: Mapping[str, Any]) -> None:
    both = [name for name in inputs["within"] if name in inputs["by"]]
    if both:
        message = (
            f"within and by must not share columns, got {', '.join(map(repr, both))} in both; leave them out of within"
        )
        raise InputError(message)


def _check_integers(inputs: Mapping[str, Any]) -> None:
    """Refuse dimensions of the grid that are no integers."""
    for name in inputs.get("by", ()):
        dtype = inputs["frame"][name].dtype
        plain = getattr(dtype, "numpy_dtype", dtype)
        if getattr(plain, "kind", "O") not in "iu":
            message = (
                f"by must be integer bins, column {name!r} is {dtype_text(inputs['frame'], name)}; make bins with"
                f" binning={{{name!r}: {{'column': ..., 'width': ...}}}}, or move it to within"
            )
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


def _check_statistics(asked: Sequence[str]) -> None:
    for name in asked:
        if name not in STATISTICS and not re.fullmatch(r"q\d\d(\.\d+)?", name):
            way_out = f"choices: {', '.join(sorted(STATISTICS))}, or a quantile such as q05"
            raise InputError(unknown("statistics", name, STATISTICS, way_out))


def _check_collisions(inputs: Mapping[str, Any], *, rejecting: bool) -> None:
    """Two columns of the table must not have one name."""
    suffix = inputs["suffix"]
    words = [column_word(name) for name in inputs["predictors"]]
    names = [*inputs["by"], *(f"{name}{suffix}" for name in OF_BINS)]
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

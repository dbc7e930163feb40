"""The arguments of a group-by fit, checked once at the door."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_numeric
from gbr_dag.drivers.fitters import REJECTING, SCALED, checked_options
from gbr_dag.errors import InputError
from gbr_dag.expressions import expression_columns, expression_values
from gbr_dag.frames import (
    column_names,
    dtype_text,
    library_of,
    number_way_out,
    rename_way_out,
    working_frame,
    working_series,
)
from gbr_dag.graph.checks import suggestion, unknown
from gbr_dag.naming import DIAGNOSTICS, fit_columns

DEFAULTS: dict[str, Any] = {
    "predictors": (),
    "weights": None,
    "absolute_weights": False,
    "selection": None,
    "intercept": True,
    "min_entries": None,
    "missing": "per_target",
    "medians": (),
    "weighted_medians": False,
    "diagnostics": ("errors", "rms"),
    "suffix": "",
    "dtype": "float64",
    "threads": None,
    "n_jobs": None,
    "fitter_options": None,
    "own_fitter": None,
}
"""Optional inputs of the group-by graph with their defaults."""

_MOST_ROWS = 2**62
"""More than any frame has, and within the 64 bits of compiled code."""

_NAME_LISTS = ("by", "targets", "predictors", "medians", "diagnostics")
_NUMERIC = ("targets", "predictors", "medians")
_SWITCHES = ("absolute_weights", "intercept", "weighted_medians")


def checked_arguments(given: Mapping[str, Any], *, fitter: str, engine: str) -> dict[str, Any]:
    """Inputs of the group-by graph from the caller's arguments: defaults filled in, every rule checked.

    Required arguments that were not given stay out, so that a plan can name them.

    Raises
    ------
    InputError
        If one breaks its rule; the message names the argument, the rule, what came and the way out.
    """
    inputs = {**given, **{name: given.get(name, default) for name, default in DEFAULTS.items()}}
    if engine == "loky":
        inputs.setdefault("batches", None)
    elif inputs.get("batches") is not None:
        message = f"batches is for engine 'loky'; leave it out for engine {engine!r}"
        raise InputError(message)
    for name in _NAME_LISTS:
        if name in inputs:
            inputs[name] = checked_names(name, inputs[name])
    inputs["dtype"] = dtype_name(inputs["dtype"])
    check_switches(inputs)
    check_model(inputs, fitter)
    inputs["fitter_options"] = checked_options(fitter, inputs["fitter_options"])
    inputs["diagnostics"] = _checked_diagnostics(inputs["diagnostics"], inputs["absolute_weights"], fitter)
    inputs["threads"] = checked_threads(inputs["threads"], engine)
    inputs["n_jobs"] = checked_jobs(inputs["n_jobs"], engine)
    inputs["min_entries"] = checked_entries(inputs["min_entries"], len(inputs["predictors"]) + inputs["intercept"])
    if "frame" in inputs:
        roles = {name: inputs[name] for name in _NAME_LISTS if name in inputs and name != "diagnostics"}
        frame = inputs["frame"] = checked_frame(inputs["frame"], roles, inputs["weights"], inputs["selection"])
        inputs["weights"] = checked_weights(frame, inputs["weights"])
        inputs["selection"] = checked_selection(frame, inputs["selection"])
    if "by" in inputs and "targets" in inputs:
        _check_collisions(inputs, fitter)
    return inputs


def checked_names(argument: str, value: Any) -> tuple[str, ...]:
    """One name or several, as a tuple; anything but strings, and repeated names, are refused."""
    alone = isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0
    names = (value,) if alone else tuple(value)
    for name in names:
        if not isinstance(name, str):
            message = f"{argument} must be names (str), got {name!r} of type {type(name).__name__}"
            raise InputError(message)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        message = f"{argument} must be distinct, got {', '.join(map(repr, repeated))} more than once"
        raise InputError(message)
    if not names and argument in {"by", "targets"}:
        message = f"{argument} must name at least one column, got none"
        raise InputError(message)
    return names


def checked_frame(
    frame: Any,
    roles: Mapping[str, Sequence[str]],
    weights: Any = None,
    selection: Any = None,
    sources: Sequence[str] = (),
) -> pd.DataFrame:
    """The caller's pandas frame itself, or what the call names of another frame as pandas, over the same memory.

    Frames of another kind are refused, and so are columns that are missing, there twice, or not numeric where they
    must be. Weights and a selection count when they are text. ``sources`` are columns that keys are made of.
    """
    known, library = column_names(frame), library_of(frame)
    if isinstance(weights, str):
        roles = {**roles, "weights": (weights,)}
    _check_names(roles, known, library)
    compared = (*sources, *(expression_columns(selection, known) if isinstance(selection, str) else ()))
    names = [name for of_role in roles.values() for name in of_role]
    working = working_frame(frame, [*names, *compared], keys=roles.get("by", ()), compared=compared)
    for argument in (*_NUMERIC, "weights"):
        for name in roles.get(argument, ()):
            if not is_numeric(working[name].dtype):
                message = (
                    f"{argument} must be numeric, column {name!r} is {dtype_text(frame, name)}; convert it with"
                    f" {number_way_out(library)}"
                )
                raise InputError(message)
    return working


def _check_names(roles: Mapping[str, Sequence[str]], known: Sequence[Any], library: str) -> None:
    """Refuse names that stand for no column, or for several."""
    occurrences = Counter(known)
    for argument, names in roles.items():
        for name in names:
            if name not in occurrences:
                near = suggestion(name, [column for column in known if isinstance(column, str)])
                message = f"{argument}: column {name!r} is not in the frame{near}"
                raise InputError(message)
            if occurrences[name] > 1:
                message = (
                    f"{argument}: the frame has {occurrences[name]} columns named {name!r}; {rename_way_out(library)}"
                )
                raise InputError(message)


def checked_weights(frame: pd.DataFrame, weights: Any) -> Optional[Union[str, npt.NDArray[np.float64]]]:
    """A column's name, or one value a row as float64 (n_rows,) with NaN for a missing one."""
    if weights is None:
        return None
    if isinstance(weights, str):
        return weights
    column = _one_per_row(frame, "weights", weights)
    if not is_numeric(column.dtype):
        way_out = number_way_out(type(weights).__module__.split(".")[0])
        message = f"weights must be numeric, got {column.dtype}; convert them with {way_out}"
        raise InputError(message)
    values: npt.NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def checked_selection(frame: pd.DataFrame, selection: Any) -> Optional[Union[str, npt.NDArray[np.bool_]]]:
    """An expression that can be read, or one bool a row."""
    if selection is None:
        return None
    if isinstance(selection, str):
        condition = expression_values(selection, frame.iloc[:0])  # reads it and checks the types of its operands
        if not pd.api.types.is_bool_dtype(condition):
            message = f"selection must be a condition, {selection!r} gives {condition.dtype}; compare it with something"
            raise InputError(message)
        return selection
    mask = _one_per_row(frame, "selection", selection)
    if not pd.api.types.is_bool_dtype(mask.dtype):
        message = f"selection must be boolean, got {mask.dtype}; for positions use numpy.isin(numpy.arange(n), ...)"
        raise InputError(message)
    if mask.isna().any():
        message = f"selection must not have missing values, got {int(mask.isna().sum())}; fill them with False first"
        raise InputError(message)
    selected: npt.NDArray[np.bool_] = mask.to_numpy(dtype=bool)
    return selected


def _one_per_row(frame: pd.DataFrame, argument: str, values: Any) -> pd.Series:
    """Values by position, whatever their index; the length is checked."""
    if not isinstance(values, (pd.Series, np.ndarray, list, tuple)):
        series = working_series(values)
        values = values if series is None else series
    if isinstance(values, pd.Series):
        shape, column = values.shape, values.reset_index(drop=True)
    else:
        array = values if hasattr(values, "dtype") else np.asarray(values)
        shape = np.shape(array)
        column = pd.Series(array) if len(shape) == 1 else pd.Series(dtype=float)
    if shape != (len(frame),):
        message = f"{argument} must have one value per row ({len(frame)},), got {shape}"
        raise InputError(message)
    return column


def check_switches(inputs: dict[str, Any], switches: Sequence[str] = _SWITCHES) -> None:
    """Refuse switches that are no booleans, a suffix that is no text and an unknown rule for missing targets."""
    for argument in switches:
        if not isinstance(inputs[argument], (bool, np.bool_)):
            message = f"{argument} must be True or False, got {inputs[argument]!r}"
            raise InputError(message)
        inputs[argument] = bool(inputs[argument])
    if not isinstance(inputs["suffix"], str):
        message = f"suffix must be a string, got {inputs['suffix']!r}"
        raise InputError(message)
    check_choice("missing", inputs["missing"], ("any", "per_target"))


def check_model(inputs: Mapping[str, Any], fitter: str) -> None:
    """Refuse targets that are predictors, fits of nothing and weights that are missing where the fitter needs them."""
    both = [name for name in inputs.get("targets", ()) if name in inputs["predictors"]]
    if both:
        message = f"targets and predictors must not share columns, got {', '.join(map(repr, both))} in both"
        raise InputError(message)
    if not inputs["predictors"] and not inputs["intercept"]:
        message = "there is nothing to fit: give predictors, or intercept=True for means with errors"
        raise InputError(message)
    if fitter == "wls" and inputs["weights"] is None:
        message = "fitter 'wls' needs weights, got none; give weights=..., or fitter='ols'"
        raise InputError(message)
    if inputs["absolute_weights"] and inputs["weights"] is None:
        message = "absolute_weights=True needs weights 1/sigma^2, got none; give weights=..."
        raise InputError(message)
    if inputs["absolute_weights"] and fitter not in SCALED:
        message = "absolute_weights=True is for fitters 'ols' and 'wls': all others take a scale from the residuals"
        raise InputError(message)


def _checked_diagnostics(asked: Sequence[str], absolute_weights: bool, fitter: str) -> tuple[str, ...]:
    for name in asked:
        check_choice("diagnostics", name, DIAGNOSTICS)
    if "r_squared" in asked and fitter == "glm":
        message = "diagnostics 'r_squared' is a share of squares, which fitter 'glm' does not minimise; leave it out"
        raise InputError(message)
    if "chi2" in asked and not absolute_weights:
        message = "diagnostics 'chi2' needs weights that are known to be 1/sigma^2; give absolute_weights=True"
        raise InputError(message)
    return tuple(name for name in DIAGNOSTICS if name in asked or (name == "chi2" and absolute_weights))


def check_choice(argument: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(unknown(argument, value, choices, f"choices: {', '.join(sorted(choices))}"))


def checked_entries(min_entries: Any, n_coefficients: Optional[int]) -> int:
    """An integer of at least 1; from None the number of coefficients, if that stands for it."""
    if min_entries is None and n_coefficients is not None:
        return n_coefficients
    if not isinstance(min_entries, numbers.Integral) or isinstance(min_entries, bool) or min_entries < 1:
        message = f"min_entries must be an integer of at least 1, got {min_entries!r}"
        raise InputError(message)
    return min(int(min_entries), _MOST_ROWS)


def checked_threads(threads: Any, engine: str) -> Optional[int]:
    """An integer of at least 1 for the compiled engine, None for all others."""
    if threads is None:
        return None
    if not isinstance(threads, numbers.Integral) or isinstance(threads, bool) or threads < 1:
        message = (
            f"threads must be an integer of at least 1, or None for NUMBA_NUM_THREADS or all cores, got {threads!r}"
        )
        raise InputError(message)
    if engine != "numba":
        others = "engine 'loky' takes n_jobs" if engine == "loky" else f"engine {engine!r} runs on one thread of Python"
        message = f"threads is for engine 'numba'; {others}; leave threads out"
        raise InputError(message)
    return int(threads)


def checked_jobs(n_jobs: Any, engine: str) -> Optional[int]:
    """An integer of at least 1, or -1, for the engine that runs in processes; None for all others."""
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, numbers.Integral) or isinstance(n_jobs, bool) or (n_jobs < 1 and n_jobs != -1):
        message = f"n_jobs must be an integer of at least 1, or -1 or None for all cores, got {n_jobs!r}"
        raise InputError(message)
    if engine != "loky":
        others = "engine 'numba' takes threads" if engine == "numba" else f"engine {engine!r} runs in this process"
        message = f"n_jobs is for engine 'loky'; {others}; leave n_jobs out"
        raise InputError(message)
    return int(n_jobs)


def dtype_name(dtype: Any) -> str:
    """``"float32"`` or ``"float64"``."""
    try:
        name = str(np.dtype(dtype).name)
    except (SyntaxError, TypeError, ValueError):  # all of them come from numpy for text that names no dtype
        name = str(dtype)
    check_choice("dtype", name, ("float32", "float64"))
    return name


def _check_collisions(inputs: Mapping[str, Any], fitter: str) -> None:
    """Two columns of the table must not have one name."""
    suffix = inputs["suffix"]
    names = [*inputs["by"], *(f"{name}{suffix}" for name in inputs["medians"]), f"n_rows{suffix}"]
    for target in inputs["targets"]:
        columns = fit_columns(
            target,
            inputs["predictors"],
            inputs["diagnostics"],
            intercept=inputs["intercept"],
            suffix=suffix,
            rejecting=fitter in REJECTING,
        )
        names.extend(column.name for column in columns)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        message = (
            f"columns of the table would collide: {', '.join(map(repr, repeated))}; give a suffix, or rename columns"
        )
        raise InputError(message)

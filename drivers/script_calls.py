"""What an existing script asks one of its doors for, checked before anything runs."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_numeric
from gbr_dag.drivers.arguments import checked_frame, checked_names
from gbr_dag.errors import InputError
from gbr_dag.frames import number_way_out
from gbr_dag.graph.checks import unknown
from gbr_dag.group_fits.rejection import NORMAL_MEDIAN

MIN_STAT = [10, 10]
"""Default of the robust door; it stands for 10 rows a predictor, however many there are."""

FITTERS = ("auto", "huber", "ols", "robust")
"""Fitters that the doors know by name; the first, second and last are the same one."""

_SUFFIX_OF_GRAPH = " in the fit"
"""Keeps the names of the graph's table, which no door gives out, apart from the keys."""


@dataclass(frozen=True)
class ScriptCall:
    """Arguments that all doors share; names as :func:`gbr_dag.fit_groups` has them.

    ``cast_dtype`` is None where floats stay doubles. ``selection`` is looked at by the graph.
    """

    frame: pd.DataFrame
    by: tuple[str, ...]
    targets: tuple[str, ...]
    predictors: tuple[str, ...]
    medians: tuple[str, ...]
    weights: Optional[str]
    suffix: str
    selection: Any
    add_prediction: bool
    cast_dtype: Optional[np.dtype[Any]]

    @property
    def prediction_names(self) -> list[str]:
        """Columns of predictions, one a target."""
        return [f"{target}{self.suffix}" for target in self.targets]

    def inputs(self, **others: Any) -> dict[str, Any]:
        """Inputs of the group-by graph."""
        return {
            "frame": self.frame,
            "by": self.by,
            "targets": self.targets,
            "predictors": self.predictors,
            "medians": self.medians,
            "weights": self.weights,
            "selection": self.selection,
            "diagnostics": (),
            "suffix": _SUFFIX_OF_GRAPH,
            **others,
        }


def checked_call(
    df: Any,
    gb_columns: Any,
    fit_columns: Any,
    linear_columns: Any,
    median_columns: Any,
    weights: Any,
    suffix: Any,
    selection: Any,
    addPrediction: Any,
    cast_dtype: Any,
) -> ScriptCall:
    """The arguments with their rules checked; messages name them as the doors do.

    Raises
    ------
    InputError
        If one breaks its rule.
    """
    if not isinstance(df, pd.DataFrame):
        kind = f"{type(df).__module__.split('.')[0]}.{type(df).__name__}"
        message = f"df must be a pandas.DataFrame, got {kind}; convert it, or give it to fit_groups, which takes others"
        raise InputError(message)
    given = {"gb_columns": gb_columns, "fit_columns": fit_columns, "linear_columns": linear_columns}
    given["median_columns"] = () if median_columns is None else median_columns
    roles = {argument: _checked_roles(argument, value) for argument, value in given.items()}
    if weights is not None and not isinstance(weights, str):
        message = f"weights must be the name of a column or None, got {type(weights).__name__}; fit_groups takes arrays"
        raise InputError(message)
    checked_frame(df, roles, weights)
    numeric = {argument: names for argument, names in roles.items() if argument != "gb_columns"}
    check_numeric(df, {**numeric, "weights": () if weights is None else (weights,)})
    check_text("suffix", suffix)
    check_switch("addPrediction", addPrediction)
    by, targets, predictors, medians = roles.values()
    call = ScriptCall(
        frame=df,
        by=by,
        targets=targets,
        predictors=predictors,
        medians=medians,
        weights=weights,
        suffix=suffix,
        selection=selection,
        add_prediction=bool(addPrediction),
        cast_dtype=_checked_dtype(cast_dtype),
    )
    _check_predictions(call)
    return call


def check_switch(argument: str, value: Any) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, (bool, np.bool_)):
        message = f"{argument} must be True or False, got {value!r}"
        raise InputError(message)


def check_text(argument: str, value: Any) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        message = f"{argument} must be a string, got {value!r}"
        raise InputError(message)


def checked_whole(argument: str, value: Any, least: int) -> int:
    """An integer of at least ``least``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        message = f"{argument} must be an integer of at least {least}, got {value!r}"
        raise InputError(message)
    return int(value)


def checked_jobs(n_jobs: Any) -> Optional[int]:
    """Processes or threads; None for all cores, which scripts call -1."""
    whole = isinstance(n_jobs, numbers.Integral) and not isinstance(n_jobs, bool)
    if not whole or (n_jobs < 1 and n_jobs != -1):
        message = f"n_jobs must be an integer of at least 1, or -1 for all cores, got {n_jobs!r}"
        raise InputError(message)
    return None if n_jobs == -1 else int(n_jobs)


def checked_batch_size(batch_size: Any, strategy: str = "auto") -> Optional[int]:
    """Groups a task; None for ``"auto"``. With a strategy of no batches there is nothing to choose."""
    if isinstance(batch_size, str) and batch_size == "auto":
        return None
    if not isinstance(batch_size, numbers.Integral) or isinstance(batch_size, bool) or batch_size < 1:
        message = f"batch_size must be 'auto' or an integer of at least 1, got {batch_size!r}"
        raise InputError(message)
    if strategy == "no_batching" and batch_size != 1:
        message = f"batch_size must be 'auto', or 1, with batch_strategy 'no_batching', got {batch_size!r}"
        raise InputError(message)
    return int(batch_size)


def check_choice(argument: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is not among the choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(unknown(argument, value, choices, f"choices: {', '.join(choices)}"))


def checked_cut(sigma_cut: Any) -> Optional[float]:
    """A cut in raw MAD as one in standard deviations; None and infinity are no cut."""
    if sigma_cut is None:
        return None
    if not isinstance(sigma_cut, numbers.Real) or isinstance(sigma_cut, bool) or not float(sigma_cut) > 0:
        message = f"sigmaCut must be a number above 0, or None or infinity for no cut, got {sigma_cut!r}"
        raise InputError(message)
    return None if math.isinf(sigma_cut) else float(sigma_cut) * NORMAL_MEDIAN


def check_fitter(fitter: Any) -> None:
    """Refuse what is neither one of the names, nor can be called, nor has a method ``fit``."""
    way_out = f"fitters: {', '.join(FITTERS)}, or a callable or estimator of your own"
    if isinstance(fitter, str):
        if fitter not in FITTERS:
            raise InputError(unknown("fitter", fitter, FITTERS, way_out))
    elif isinstance(fitter, type) or not (callable(fitter) or hasattr(fitter, "fit")):
        message = f"fitter {fitter!r} can neither be called nor fitted{' as a class' * isinstance(fitter, type)}"
        message = f"{message}; {way_out}"
        raise InputError(message)


def checked_min_stat(min_stat: Any, n_predictors: int) -> tuple[int, ...]:
    """Least rows of every predictor; of one that is no predictor when there is none."""
    wanted = max(n_predictors, 1)
    if isinstance(min_stat, str) or not isinstance(min_stat, Iterable):
        return (checked_whole("min_stat", min_stat, 1),) * wanted
    least = tuple(checked_whole("min_stat", value, 1) for value in min_stat)
    if list(least) == MIN_STAT:
        return (MIN_STAT[0],) * wanted
    if len(least) != wanted:
        message = f"min_stat must be one integer, or one for every linear column ({wanted}), got {len(least)}"
        raise InputError(message)
    return least


def check_numeric(df: pd.DataFrame, roles: Mapping[str, Sequence[str]]) -> None:
    """Refuse columns that hold no numbers."""
    for argument, names in roles.items():
        for name in names:
            if not is_numeric(df[name].dtype):
                way_out = number_way_out("pandas")
                message = f"{argument} must be numeric, column {name!r} is {df[name].dtype}; convert it with {way_out}"
                raise InputError(message)


def check_distinct(names: Sequence[str]) -> None:
    """Two columns of the table must not have one name."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        message = f"columns of dfGB would collide: {', '.join(map(repr, repeated))}; give a suffix, or rename columns"
        raise InputError(message)


def _checked_roles(argument: str, value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = checked_names(argument, value)
    if not names and argument in {"gb_columns", "fit_columns"}:
        message = f"{argument} must name at least one column, got none"
        raise InputError(message)
    return names


def _checked_dtype(cast_dtype: npt.DTypeLike) -> Optional[np.dtype[Any]]:
    if cast_dtype is None:
        return None
    try:
        dtype = np.dtype(cast_dtype)
    except (SyntaxError, TypeError, ValueError):  # all of them come from numpy for text that names no dtype
        dtype = np.dtype(object)
    if dtype.kind != "f":
        message = f"cast_dtype must be a float dtype of numpy, such as 'float32', or None, got {cast_dtype!r}"
        raise InputError(message)
    return dtype


def _check_predictions(call: ScriptCall) -> None:
    """Refuse predictions that would overwrite what the fit is made from."""
    if not call.add_prediction:
        return
    used = {*call.by, *call.targets, *call.predictors, *call.medians, call.weights}
    lost = [name for name in call.prediction_names if name in used]
    if lost:
        message = f"suffix {call.suffix!r} would overwrite column {lost[0]!r} of df with its prediction; give another"
        raise InputError(message)

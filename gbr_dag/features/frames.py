"""Functions that take and return frames, as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.columns import GroupedColumn
from gbr_dag.features.feature import Feature
from gbr_dag.features.gaps import with_gaps
from gbr_dag.features.grouping import Grouping


def called_on_frame(feature: Feature, arguments: Mapping[str, GroupedColumn], grouping: Grouping) -> tuple[Any, ...]:
    """Values of each output of a feature whose function takes and returns a frame, (n_rows,) or (n_groups,).

    Parameters
    ----------
    feature : Feature
        Its function may change the frame that it gets.
    arguments : mapping of str to GroupedColumn
        The keys, then the columns that it asks for; what groups have is given to each of their rows.
    grouping : Grouping
        The frame given has its index.

    Returns
    -------
    tuple of array
        Row level: the columns of the frame returned, whose index must be that of the frame given. Group level: those of
        a frame with one row per group, whose keys are columns or index levels; missing for groups that it leaves out.
        A row without keys, as group-bys of pandas may give, is no group's. Where there is one output, a Series will do.

    Raises
    ------
    InputError
        If the function looks for a column that it is not given, or what is returned is neither, or lacks an output, or
        its rows are not those of the frame or of the groups.
    """
    given = pd.DataFrame(
        {name: pd.Series(column.per_row().released()) for name, column in arguments.items()}, copy=True
    )
    given.index = grouping.index
    result = _as_frame(feature, _returned(feature, given))
    if feature.level == "group":
        keys = grouping.groups.keys
        result = _with_key_columns(feature, result, list(keys.columns))
        rows = _rows_of_groups(feature, result[list(keys.columns)], keys)
        return tuple(_in_order(_values(result[name]), rows) for name in feature.outputs)
    if len(result) != grouping.n_rows or not result.index.equals(grouping.index):
        got = f"{len(result):,} rows" if len(result) != grouping.n_rows else "another index, or in another order"
        message = (
            f"{feature.label} is row level: the frame returned must have the index of the frame given,"
            f" {grouping.n_rows:,} rows, got {got}"
        )
        raise InputError(message)
    return tuple(_values(result[name]) for name in feature.outputs)


def _returned(feature: Feature, given: pd.DataFrame) -> Any:
    """What the function returns, which may change the frame."""
    columns = list(given.columns)
    try:
        return feature.function(given)
    except KeyError as error:
        if not _was_raised_by_pandas(error):  # a dict of the function's own, say
            raise
        message = (
            f"{feature.label}: KeyError: {error}; if that is a column, inputs= lacks it: the function gets"
            f" {_listed(columns)}, and inputs=[...] must name every column that it takes"
        )
        raise InputError(message) from error


def _was_raised_by_pandas(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("pandas.")


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(repr, names))


def _as_frame(feature: Feature, result: Any) -> pd.DataFrame:
    """What a function returned as a frame that has the outputs."""
    if isinstance(result, pd.Series) and len(feature.outputs) == 1:
        result = result.to_frame(feature.outputs[0])
    if not isinstance(result, pd.DataFrame):
        got = "None; is a return missing?" if result is None else f"what is of type {type(result).__name__}"
        message = f"{feature.label} has legacy_mode and must return a pandas.DataFrame, got {got}"
        raise InputError(message)
    for name in feature.outputs:
        there = list(result.columns).count(name)
        if there != 1:
            fault = "lacks it" if not there else f"has {there} columns of that name"
            message = (
                f"{feature.label} must return a frame with {name!r}, which outputs names, but what it returned {fault}"
            )
            raise InputError(message)
    return result


def _with_key_columns(feature: Feature, result: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """A result of groups with its keys as columns."""
    levels = [name for name in by if name not in result.columns and name in result.index.names]
    lacking = [name for name in by if name not in result.columns and name not in levels]
    if lacking:
        message = (
            f"{feature.label} is group level: the frame returned must have one row per group with the keys as columns"
            f" or index, but {', '.join(map(repr, lacking))} is neither"
        )
        raise InputError(message)
    return result.reset_index(level=levels) if levels else result


def _rows_of_groups(feature: Feature, found: pd.DataFrame, keys: pd.DataFrame) -> Any:
    """Row of each group in a result, int64 (n_groups,), -1 where it is left out."""
    present = np.flatnonzero(found.notna().all(axis=1).to_numpy())
    labels, wanted = _labels(found.iloc[present]), _labels(keys)
    if not labels.is_unique:
        _refuse_keys(feature, "several rows for", labels[labels.duplicated()], keys)
    unknown = wanted.get_indexer(labels) < 0
    # a group-by of categories may have rows for those that no row of the frame has
    if unknown.any() and not any(isinstance(keys[name].dtype, pd.CategoricalDtype) for name in keys):
        _refuse_keys(feature, "a row for the unknown key", labels[unknown], keys)
    places = labels.get_indexer(wanted)
    return np.where(places < 0, -1, present[places]) if len(present) else places


def _labels(keys: pd.DataFrame) -> pd.Index:
    """Keys as labels; categories as what they stand for."""
    plain = {
        name: keys[name].astype(keys[name].cat.categories.dtype)
        if isinstance(keys[name].dtype, pd.CategoricalDtype)
        else keys[name]
        for name in keys
    }
    if len(plain) == 1:
        return pd.Index(next(iter(plain.values())))
    return pd.MultiIndex.from_frame(pd.DataFrame(plain))


def _refuse_keys(feature: Feature, what: str, labels: pd.Index, keys: pd.DataFrame) -> NoReturn:
    first = labels[0] if isinstance(labels[0], tuple) else (labels[0],)
    plain = [value.item() if isinstance(value, np.generic) else value for value in first]
    named = ", ".join(f"{name}={value!r}" for name, value in zip(keys, plain))
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    message = (
        f"{feature.label} is group level: the frame returned must have one row per group, got {what} {named}{more}"
    )
    raise InputError(message)


def _in_order(values: Any, rows: Any) -> Any:
    if (rows >= 0).all():
        return values[rows]
    return with_gaps(values, rows)


def _values(column: pd.Series) -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array

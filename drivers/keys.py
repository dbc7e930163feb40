"""The row of a fit table that a caller's key names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.graph.checks import listed, suggestion, unknown
from gbr_dag.tables import BoolArray

_MOST_CANDIDATES = 10_000
"""Comparing a name with more of them takes longer than a person waits."""


def group_place(table: pd.DataFrame, by: Sequence[str], key: Any) -> int:
    """Position of a group's row.

    Raises
    ------
    InputError
        If the key is of the wrong form, or no group or several have it.
    """
    for name in by:
        if name not in table:
            message = f"table: key column {name!r} is not there; give the table as fit_groups returned it"
            raise InputError(message)
    wanted = _by_name(by, key)
    matches = {name: _equal(table[name], value) for name, value in wanted.items()}
    found = np.flatnonzero(np.logical_and.reduce(list(matches.values())))
    if len(found) > 1:
        message = f"table has {len(found)} rows for the key {_words(wanted)}; give the table of one fit"
        raise InputError(message)
    if not len(found):
        raise InputError(_refusal(table, wanted, matches))
    return int(found[0])


def _by_name(by: Sequence[str], key: Any) -> dict[str, Any]:
    if isinstance(key, Mapping):
        for name in key:
            if name not in by:
                raise InputError(unknown("key: name", name, by, f"keys of the table: {', '.join(by)}"))
        values = [key[name] for name in by if name in key]
    else:
        values = list(key) if isinstance(key, tuple) else [key]
    if len(values) != len(by):
        message = f"key must have one value for each of by={list(by)}, got {key!r}; give a tuple or a dict"
        raise InputError(message)
    for name, value in zip(by, values):
        if not pd.api.types.is_scalar(value) or pd.isna(value):
            message = f"key: the value of {name!r} must be a single, present value, got {value!r}"
            raise InputError(message)
    return dict(zip(by, values))


def _equal(column: pd.Series, value: Any) -> BoolArray:
    """Whether each key equals a value; of another type none does."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(value, (bool, np.bool_)) != pd.api.types.is_bool_dtype(column.dtype) and column.dtype != object:
        return np.zeros(len(column), dtype=bool)  # True is not the key 1
    same: BoolArray = (column == value).to_numpy(dtype=bool, na_value=False)
    return same


def _words(group: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in group.items())


def _refusal(table: pd.DataFrame, wanted: Mapping[str, Any], matches: Mapping[str, BoolArray]) -> str:
    """Name the first value that no group has, else what stands with most of the others."""
    for name, value in wanted.items():
        if not matches[name].any():
            return f"key: no group has {name}={value!r}{_close(table[name], value)}"
    best: list[dict[str, Any]] = []
    for name in wanted:
        others = [found for other, found in matches.items() if other != name]
        places = np.flatnonzero(np.logical_and.reduce(others))
        if len(places):
            near = _nearest(table[name].iloc[places], wanted[name])
            best.append({**wanted, name: near})
    close = "" if not best else f"; close ones: {'; '.join(_words(group) for group in best)}"
    return f"key: no group has {_words(wanted)}, only groups with each of these values alone{close}"


def _nearest(column: pd.Series, value: Any) -> Any:
    """The value that is nearest as a number, or else as text."""
    values = column.drop_duplicates().tolist()[:_MOST_CANDIDATES]
    if _all_numbers([*values, value]):
        return min(values, key=lambda other: abs(other - value))
    near = get_close_matches(str(value), [str(other) for other in values], n=1, cutoff=0.0)
    return next(other for other in values if str(other) == near[0])


def _all_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Real) for value in values)


def _close(column: pd.Series, value: Any) -> str:
    values = column.drop_duplicates().tolist()[:_MOST_CANDIDATES]
    if _all_numbers([*values, value]):
        near = sorted(values, key=lambda other: abs(other - value))[:3]
        return f"; close ones: {', '.join(map(repr, near))}"
    guess = suggestion(value, [str(other) for other in values])
    return guess or f"; it has {listed(map(repr, values))}"

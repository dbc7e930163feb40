"""Reductions of a column, with the rules of a Series and of an array for their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.column_values import ColumnValues
from gbr_dag.features.reductions import REDUCTIONS, any_missing, first_row, last_row, propagated
from gbr_dag.features.refusals import refuse, refuse_change

_OF_ARRAYS = frozenset({"all", "any", "max", "mean", "min", "prod", "std", "sum", "var"})
_ARGUMENTS = {
    "nunique": {"dropna"},
    "prod": {"min_count"},
    "product": {"min_count"},
    "quantile": {"q"},
    "std": {"ddof"},
    "sum": {"min_count"},
    "var": {"ddof"},
}
"""Arguments of the reductions of a Series beside ``axis`` and ``skipna``."""

_OF_ARRAYS_ARGUMENTS = {"std": {"ddof"}, "var": {"ddof"}}
_NO_SKIPNA = frozenset({"count", "first", "last", "nunique", "quantile", "size"})
_OF_COMPLEX = frozenset({"all", "any", "count", "first", "last", "mean", "nunique", "size", "sum"})
"""Reductions of complex numbers; the others would go by the real part alone, or by none."""

_COMPUTED = frozenset({"mean", "median", "prod", "product", "quantile", "std", "sum", "var"})
"""Reductions whose results are no values of the column."""

_NEUTRAL = {"axis": (None, 0), "interpolation": ("linear",), "numeric_only": (False,)}
"""Values of arguments that ask for nothing else than their absence does."""


class Reduction:
    """A reduction of a column, to be called."""

    def __init__(self, column: ColumnValues, name: str) -> None:
        self._column, self._name = column, name

    def __call__(self, *positional: Any, **arguments: Any) -> Any:
        """One value per group."""
        column, name = self._column, self._name
        if column.is_group_level:
            refuse(f".{name}() of one value per group", "; take the column of the rows")
        if column.kind == "array" and name not in _OF_ARRAYS:
            refuse(f".{name}() of an array", f"; arrays have np.{name}, if anything")
        if name == "quantile" and len(positional) == 1:
            arguments, positional = {"q": positional[0], **arguments}, ()
        if positional:
            refuse(f".{name}{positional}", "; give arguments by name")
        return reduced(column, name, arguments)


def reduced(column: ColumnValues, name: str, arguments: Mapping[str, Any]) -> Any:
    """One value per group of a column.

    Parameters
    ----------
    column : ColumnValues
        Row level.
    name : str
        Of the Series' method.
    arguments : mapping
        Its arguments.
    """
    given = without_neutral(arguments)
    skips = column.kind == "series"
    if name not in _NO_SKIPNA and skips:
        skips = bool(given.pop("skipna", True))
    known = _ARGUMENTS if column.kind == "series" else _OF_ARRAYS_ARGUMENTS
    wrong = [key for key in given if key not in known.get(name, ())]
    if wrong or not all(np.isscalar(value) for value in given.values()):
        refuse(f".{name}({', '.join(f'{key}=...' for key in wrong or given)})")
    if name == "quantile" and not 0.0 <= given.get("q", 0.5) <= 1.0:
        message = f"q must be between 0 and 1, got {given['q']!r}"
        raise InputError(message)
    if column.kind == "array" and name in ("std", "var"):
        given.setdefault("ddof", 0)
    values = _numbers(column, name)
    if name in _NO_SKIPNA or skips:
        return column.made(REDUCTIONS[name](values, column.rows, **given), "group")
    return column.made(propagated(name, values, column.rows, given), "group")


def _numbers(column: ColumnValues, name: str) -> Any:
    """The values as a reduction computes with them; refused where the type of one group's run has no such reduction."""
    values = column.raw
    if values.dtype.kind == "c" and name not in _OF_COMPLEX:
        refuse(f".{name}() of complex numbers", "; .real, .imag and np.abs() of them have")
    if name == "quantile":
        if pd.api.types.is_bool_dtype(values.dtype):
            message = "booleans have no quantiles, in pandas neither; write .astype(float) before .quantile()"
            raise InputError(message)
        if not (pd.api.types.is_numeric_dtype(values.dtype) or values.dtype.kind in "mM"):
            refuse(f".quantile() of {values.dtype}", "; if they are numbers, .astype(float).quantile() has")
    if values.dtype == np.float16 and name in _COMPUTED:
        return values.astype(np.float64)  # neither compiled loops nor group-bys of pandas know half precision
    return values


def without_neutral(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that ask for something."""
    return {key: value for key, value in arguments.items() if not any(value is one for one in _NEUTRAL.get(key, ()))}


def has_missing(column: ColumnValues) -> Any:
    """Whether some value of the group is missing."""
    return column.made(any_missing(column.raw, column.rows), "group")


class Positions:
    """The first row or the last one of each group: ``.iloc[0]``, ``.iloc[-1]``."""

    def __init__(self, column: ColumnValues) -> None:
        self._column = column

    def __getitem__(self, place: Any) -> Any:
        """Value of the row at a place, missing or not."""
        column = self._column
        whole = isinstance(place, (int, np.integer)) and not isinstance(place, bool)
        if column.is_group_level or not whole or place not in (0, -1):
            shown = repr(place) if whole else type(place).__name__
            refuse(f".iloc[{shown}]", "; .iloc[0] and .iloc[-1] have")
        row = first_row if place == 0 else last_row
        return column.made(row(column.raw, column.rows), "group")

    def __setitem__(self, place: Any, value: Any) -> None:
        """Refuse: functions of a model do not change what they are given."""
        refuse_change()

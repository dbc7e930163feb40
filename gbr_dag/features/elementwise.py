"""Operations that look at one row at a time, on whole columns."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.column_values import ColumnValues, Kind
from gbr_dag.features.grouping import Rows
from gbr_dag.features.refusals import refuse, refuse_rows


def elementwise(
    function: Callable[..., Any], operands: Sequence[Any], arguments: Mapping[str, Any], label: str = ""
) -> Any:
    """Apply a function that looks at one row at a time to whole columns.

    Parameters
    ----------
    function : callable
        Of pandas or NumPy.
    operands, arguments : sequence, mapping
        What it takes, columns among it.
    label : str, optional
        What it is called in messages; default its name.
    """
    columns = columns_among([*operands, *arguments.values()])
    kind, rows = _meeting(columns)
    plain = [_operand(one, kind, rows) for one in operands]
    named = {key: _operand(value, kind, rows) for key, value in arguments.items()}
    with np.errstate(all="ignore"):  # infinities and NaN tell as much
        result = function(*plain, **named)
    label = label or f"what {getattr(function, '__name__', 'this')} gives"
    return wrapped(result, next(one for one in columns if (one.kind == "group") == (kind == "group")), kind, label)


def columns_among(operands: Sequence[Any]) -> list[ColumnValues]:
    """Columns among operands, and those in lists among them."""
    found: list[ColumnValues] = []
    for one in operands:
        if isinstance(one, ColumnValues):
            found.append(one)
        elif isinstance(one, (list, tuple)):
            found += columns_among(one)
    return found


def wrapped(result: Any, like: ColumnValues, kind: Kind, label: str) -> Any:
    """What came out of an operation as a column; anything without one value a row is refused."""
    if isinstance(result, tuple):
        return tuple(wrapped(one, like, kind, label) for one in result)
    n = like.grouping.groups.n_groups if kind == "group" else len(like.rows)
    if isinstance(result, pd.Series) and len(result) == n:
        values = result.to_numpy() if isinstance(result.dtype, np.dtype) else result.array
        return like.made(values, kind)
    if isinstance(result, (np.ndarray, pd.api.extensions.ExtensionArray)) and result.shape == (n,):
        return like.made(result, kind if kind == "group" else "array")
    return refuse(label)


def _meeting(columns: Sequence[ColumnValues]) -> tuple[Kind, Rows]:
    """What comes of columns that meet in one operation."""
    grouping = columns[0].grouping
    if any(column.grouping is not grouping for column in columns):
        message = "columns of different models or runs cannot be put together"
        raise InputError(message)
    of_the_rows = [column for column in columns if not column.is_group_level]
    if not of_the_rows:
        return "group", grouping.every_row
    rows = of_the_rows[0].rows
    if not all(column.rows.same(rows) for column in of_the_rows):
        refuse_rows()
    return ("series" if any(column.kind == "series" for column in of_the_rows) else "array"), rows


def _operand(value: Any, kind: Kind, rows: Rows) -> Any:
    """An operand as pandas or NumPy take it."""
    if isinstance(value, (list, tuple)) and columns_among(value):
        return [_operand(one, kind, rows) for one in value]
    if not isinstance(value, ColumnValues):
        return value
    if value.is_group_level and kind != "group":
        spread = value.spread(rows)
        return pd.Series(spread, copy=False) if kind == "series" else np.asarray(spread)
    if value.is_group_level:
        return _group_values(value)
    return value.raw if value.kind == "array" else value.as_series()


def _group_values(column: ColumnValues) -> Any:
    """Values of groups: numbers as NumPy's arrays, which divide and compare as one number of NumPy's does."""
    values = column.raw
    if isinstance(values, np.ndarray) and values.dtype.kind in "biufc":
        return values
    plain_type = getattr(values.dtype, "numpy_dtype", None)
    if isinstance(plain_type, np.dtype) and plain_type.kind in "biuf" and not values.isna().any():
        return values.to_numpy(dtype=plain_type)
    return column.as_series()


def refuse_date(column: ColumnValues, other: Any) -> None:
    """Refuse that points in time meet a date: pandas compares neither, and finds them different, which none means."""
    is_date = isinstance(other, datetime.date) and not isinstance(other, datetime.datetime)
    if is_date and column.dtype.kind == "M":
        message = (
            f"a datetime.date meets {column.dtype}, as which dates come: to pandas they are of different types; write"
            f" pd.Timestamp({str(other)!r})"
        )
        raise InputError(message)


def refuse_collections(values: Sequence[Any]) -> None:
    """Refuse what holds many values but is no column: it would be laid beside the rows of all groups."""
    for one in values:
        if not isinstance(one, (ColumnValues, type)) and not pd.api.types.is_scalar(one) and np.ndim(one) > 0:
            hint = "; take it as an argument of the function, as a column or a feature"
            refuse(f"an operation with a {type(one).__name__} of {len(one)} values", hint)
        if isinstance(one, (dict, set, frozenset)):
            refuse(f"an operation with a {type(one).__name__}")

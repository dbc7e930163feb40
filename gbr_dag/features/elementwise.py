"""Operations that look at one row at a time, on whole columns."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.column_values import ColumnValues, Kind
from gbr_dag.features.refusals import refuse, refuse_rows

_MASKED = (pd.arrays.BooleanArray, pd.arrays.FloatingArray, pd.arrays.IntegerArray)


def elementwise(
    function: Callable[..., Any],
    operands: Sequence[Any],
    arguments: Mapping[str, Any],
    label: str = "",
    *,
    chooses: bool = False,
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
    chooses : bool, optional
        Whether it puts values of operands in the place of others.
    """
    columns = columns_among([*operands, *arguments.values()])
    meeting = Meeting(columns, chooses=chooses)
    plain = [meeting.operand(one) for one in operands]
    named = {key: meeting.operand(value) for key, value in arguments.items()}
    with np.errstate(all="ignore"):  # infinities and NaN tell as much
        result = function(*plain, **named)
    label = label or f"what {getattr(function, '__name__', 'this')} gives"
    return wrapped(result, meeting.like, meeting.kind, label)


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


class Meeting:
    """Columns that meet in one operation.

    Parameters
    ----------
    columns : sequence of ColumnValues
        One at least.
    chooses : bool, optional
        Whether the operation puts values of some in the place of others.

    Attributes
    ----------
    kind : {"series", "array", "group"}
        Of what comes of them.
    like : ColumnValues
        A column of the same rows as what comes of them.
    """

    def __init__(self, columns: Sequence[ColumnValues], *, chooses: bool = False) -> None:
        grouping = columns[0].grouping
        if any(column.grouping is not grouping for column in columns):
            message = "columns of different models or runs cannot be put together"
            raise InputError(message)
        of_rows = [column for column in columns if not column.is_group_level]
        self.kind: Kind = "group"
        self.like, self._stands_in = columns[0], False
        self._of_rows, self._chooses = of_rows, chooses
        if not of_rows:
            return
        rows = of_rows[0].rows
        if not all(column.rows.same(rows) for column in of_rows):
            refuse_rows()
        self.kind = "series" if any(column.kind == "series" for column in of_rows) else "array"
        needs_group = len(of_rows) < len(columns) or any(column.needs_group for column in of_rows)
        self._stands_in = needs_group and rows.stand_in is not None
        self.like = of_rows[0]
        if needs_group and not self.like.needs_group:
            self.like = self.like.made(self.like.raw, self.like.kind, needs_group=True)

    def operand(self, value: Any) -> Any:
        """An operand as pandas or NumPy take it."""
        if isinstance(value, (list, tuple)) and columns_among(value):
            return [self.operand(one) for one in value]
        if not isinstance(value, ColumnValues):
            return value
        if self.kind == "group":
            return _group_values(value)
        if value.is_group_level:
            return self._spread(value)
        if self._stands_in:
            value = value.stood_in()
        return value.raw if value.kind == "array" else value.as_series()

    def _spread(self, column: ColumnValues) -> Any:
        """Values of the rows' groups, of a type with which they act as one value of the group does."""
        if all(isinstance(one.dtype, np.dtype) for one in self._of_rows):
            values = column.plain().spread(self.like.rows)
            if values.dtype.kind in "iu" and any(one.dtype.kind == "b" for one in self._of_rows):
                values = values.astype(np.int64)  # as one number it is Python's, to which booleans are 0 and 1
            return np.asarray(values) if self.kind == "array" else pd.Series(values, copy=False)
        of_plain = column.plain() if isinstance(column.raw, pd.Categorical) else column
        values = of_plain.spread(self.like.rows)
        is_float = isinstance(values, np.ndarray) and values.dtype.kind == "f"
        if is_float and not self._chooses and any(isinstance(one.raw, _MASKED) for one in self._of_rows):
            # NaN of a Series is NA to what is nullable, as one number it stays NaN
            values = pd.arrays.FloatingArray(values, np.zeros(len(values), dtype=bool))
        categories = [one.dtype for one in self._of_rows if isinstance(one.dtype, pd.CategoricalDtype)]
        if categories:  # of which one is compared with a plain value, but no categories with many
            values = pd.Categorical(values, dtype=categories[0])
        return np.asarray(values) if self.kind == "array" else pd.Series(values, copy=False)


def _group_values(column: ColumnValues) -> Any:
    """Values of groups: numbers as NumPy's arrays, which divide and compare as one number of NumPy's does."""
    if isinstance(column.raw, pd.Categorical):
        column = column.plain()
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

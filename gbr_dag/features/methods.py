"""Methods of a Series, an array or one value that look at one row at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.features.column_values import ColumnValues, plain_truth
from gbr_dag.features.elementwise import columns_among, elementwise, refuse_collections, wrapped
from gbr_dag.features.refusals import refuse

# fmt: off
_ARITHMETIC = frozenset({
    "add", "div", "divide", "divmod", "floordiv", "mod", "mul", "multiply", "pow", "radd", "rdiv", "rdivmod",
    "rfloordiv", "rmod", "rmul", "rpow", "rsub", "rtruediv", "sub", "subtract", "truediv",
})
# fmt: on
_COMPARISONS = frozenset({"between", "eq", "ge", "gt", "le", "lt", "ne"})
_FLEXIBLE = _ARITHMETIC | _COMPARISONS - {"between"}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "div": operator.truediv,
    "divide": operator.truediv,
    "divmod": divmod,
    "multiply": operator.mul,
    "subtract": operator.sub,
    **{
        name: getattr(operator, name)
        for name in ("add", "eq", "floordiv", "ge", "gt", "le", "lt", "mod", "mul", "ne", "pow", "sub", "truediv")
    },
}
"""Operators that these are, an ``r`` before the name apart."""

_CHOICES = frozenset({"clip", "fillna", "mask", "where"})
_MISSING = frozenset({"isna", "isnull", "notna", "notnull"})
_TABLES = frozenset({"isin", "map", "replace"})
_CONVERSIONS = frozenset({"abs", "astype", "copy", "round"})
OF_SERIES = _ARITHMETIC | _COMPARISONS | _CHOICES | _MISSING | _TABLES | _CONVERSIONS
"""Methods of a Series that give every row its value without a look at others."""

OF_ARRAYS = frozenset({"astype", "clip", "copy", "round"})
"""The same of an array of NumPy's, and of one number of NumPy's."""

# fmt: off
_OF_TIMES = frozenset({
    "ceil", "day", "day_name", "day_of_week", "day_of_year", "dayofweek", "dayofyear", "days_in_month",
    "daysinmonth", "floor", "hour", "is_leap_year", "is_month_end", "is_month_start", "is_quarter_end",
    "is_quarter_start", "is_year_end", "is_year_start", "microsecond", "minute", "month", "month_name",
    "nanosecond", "normalize", "quarter", "round", "second", "strftime", "tz_convert", "tz_localize", "year",
})
# fmt: on
# fmt: off
_OF_SPANS = frozenset({
    "ceil", "days", "floor", "microseconds", "nanoseconds", "round", "seconds", "total_seconds",
})
# fmt: on
# fmt: off
_OF_TEXTS = frozenset({
    "capitalize", "endswith", "lower", "lstrip", "rstrip", "startswith", "strip", "swapcase", "title", "upper",
    "zfill",
})
# fmt: on

_LOOK_AROUND = {
    "cat": frozenset({"remove_unused_categories"}),
    "dt": frozenset({"freq", "tz", "unit"}),
    "str": frozenset({"get_dummies"}),
}
"""What an accessor finds from all rows together."""


def allowed_method(column: ColumnValues, name: str) -> bool:
    """Whether a column has a method that looks at one row at a time."""
    if column.kind == "series":
        return name in OF_SERIES
    if column.kind == "array":
        return name in OF_ARRAYS
    return name in OF_ARRAYS and pd.api.types.is_numeric_dtype(column.dtype)


def accessor_of_values(column: ColumnValues, name: str) -> str:
    """Accessor of a Series that gives what one date, span of time or string has by a name; else nothing."""
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype) and name in _OF_TIMES:
        return "dt"
    if pd.api.types.is_timedelta64_dtype(dtype) and name in _OF_SPANS:
        return "dt"
    if name in _OF_TEXTS and pd.api.types.infer_dtype(column.plain().as_series(), skipna=True) == "string":
        return "str"
    return ""


class Method:
    """A method that looks at one row at a time, to be called."""

    def __init__(self, column: ColumnValues, name: str) -> None:
        self._column, self._name = column, name

    def __call__(self, *operands: Any, **arguments: Any) -> Any:
        """Apply it to the whole column."""
        column, name = self._column, self._name
        _check(name, operands, arguments)
        meets_groups = any(one.is_group_level for one in columns_among([*operands, *arguments.values()]))
        if meets_groups and column.kind == "series" and name in _FLEXIBLE:
            return self._operator(operands, arguments)
        if name == "clip" and column.kind == "series":
            operands, arguments = (), clip_bounds(*operands, **arguments)
        return elementwise(
            lambda values, *others, **named: getattr(values, name)(*others, **named),
            (column, *operands),
            arguments,
            f".{name} with these arguments",
            chooses=name in _CHOICES,
        )

    def _operator(self, operands: Sequence[Any], arguments: dict[str, Any]) -> Any:
        """The operator that a method is with one value: with as many as rows the method divides by zero otherwise."""
        column, name = self._column, self._name
        others = [*operands, *(value for key, value in arguments.items() if key == "other")]
        if len(others) != 1 or arguments.get("fill_value") is not None:
            refuse(f".{name} of a value of the group with these arguments", "; write .fillna(...) and the operator")
        if name in _OPERATORS:
            return _OPERATORS[name](column, others[0])
        return _OPERATORS[name[1:]](others[0], column)


def clip_bounds(lower: Any = None, upper: Any = None, **others: Any) -> dict[str, Any]:
    """Arguments of ``clip``, where pandas takes the smaller one of two values as the lower bound."""
    lower, upper = (
        one.plain() if isinstance(one, ColumnValues) and one.is_group_level else one for one in (lower, upper)
    )  # pandas puts infinity for missing bounds, which no integer is
    columns = columns_among([lower, upper])
    if lower is not None and upper is not None and columns and all(column.is_group_level for column in columns):
        wrong = plain_truth(elementwise(operator.gt, (lower, upper), {}).raw)
        if wrong.any():
            index = pd.RangeIndex(len(wrong))
            low, high = (
                one.as_series() if isinstance(one, ColumnValues) else pd.Series(one, index=index)
                for one in (lower, upper)
            )
            lower, upper = (
                columns[0].made(one.to_numpy() if isinstance(one.dtype, np.dtype) else one.array, "group")
                for one in (low.mask(wrong, high), high.mask(wrong, low))
            )
    return {"lower": lower, "upper": upper, **others}


class Accessor:
    """``.str``, ``.dt`` or ``.cat`` of a column."""

    def __init__(self, column: ColumnValues, name: str) -> None:
        self._column, self._name = column, name

    def __getattr__(self, name: str) -> Any:
        """One of the accessor's properties or methods."""
        if name.startswith("_"):
            raise AttributeError(name)
        label = f".{self._name}.{name}"
        if name in _LOOK_AROUND[self._name]:
            refuse(label)
        value = getattr(getattr(self._column.as_series(), self._name), name)
        if not callable(value):
            return wrapped(value, self._column, self._column.kind, label)

        def called(*operands: Any, **arguments: Any) -> Any:
            _check_accessor(label, operands, arguments)
            return elementwise(
                lambda values, *others, **named: operator.attrgetter(label[1:])(values)(*others, **named),
                (self._column, *operands),
                arguments,
                label,
            )

        return called

    def __getitem__(self, place: Any) -> Any:
        """A character or a part of every row's string."""
        label = f".{self._name}[{place!r}]"
        return elementwise(lambda values: getattr(values, self._name)[place], (self._column,), {}, label)


def _check(name: str, operands: Sequence[Any], arguments: dict[str, Any]) -> None:
    """Refuse what a method would do with its arguments beyond one row, or to the rows themselves."""
    given = [*operands, *arguments.values()]
    for key in ("inplace", "limit", "method", "level"):
        if arguments.get(key) not in (None, False):
            refuse(f".{name}({key}=...)")
    if name != "astype" and any(callable(one) and not isinstance(one, ColumnValues) for one in given):
        refuse(f".{name} with a function", "; .map of a dict has" if name == "map" else "")
    if name in _TABLES and (columns_among(given) or any(isinstance(one, pd.Series) for one in given)):
        refuse(f".{name} of a column")
    if name == "astype" and any(_finds_categories(one) for one in given):
        refuse(".astype('category')", "; pandas.CategoricalDtype(categories=[...]) has")
    if name == "replace" and not _says_by_what(operands, arguments):
        refuse(".replace without a value")
    if name not in _TABLES and name != "astype":
        refuse_collections(given)


def _finds_categories(dtype: Any) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        return dtype.categories is None
    return isinstance(dtype, str) and dtype == "category"


def _says_by_what(operands: Sequence[Any], arguments: dict[str, Any]) -> bool:
    """Whether ``replace`` has a value to put: without one it takes that of the row before."""
    value = operands[1] if len(operands) > 1 else arguments.get("value")
    what = operands[0] if operands else arguments.get("to_replace")
    return value is not None or isinstance(what, dict)


def _check_accessor(label: str, operands: Sequence[Any], arguments: dict[str, Any]) -> None:
    given = [*operands, *arguments.values()]
    columns = columns_among(given)
    if columns and (label != ".str.cat" or any(column.is_group_level for column in columns)):
        refuse(f"{label} of a column")
    if any(isinstance(one, (pd.Series, pd.Index)) for one in given):
        refuse(f"{label} with a Series")
    if arguments.get("ambiguous") == "infer":
        refuse(f"{label}(ambiguous='infer')")

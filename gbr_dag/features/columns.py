"""Columns that a function written for one group computes with, holding the values of all groups at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features import numpy_functions
from gbr_dag.features.grouping import Grouping, Rows
from gbr_dag.features.reductions import REDUCTIONS, first_row, last_row, nan_where_missing, with_gaps

Kind = Literal["series", "array", "group"]
"""What one group's run of a function would hold: a Series of its rows, an array of NumPy's, or one value."""

WAYS_OUT = (
    "; @per_group (of gbr_dag.features) runs the whole function group by group, @per_row value by value, both slowly"
)

ELEMENTWISE = frozenset(
    [
        "abs",
        "add",
        "astype",
        "between",
        "clip",
        "copy",
        "div",
        "divide",
        "eq",
        "fillna",
        "floordiv",
        "ge",
        "gt",
        "isin",
        "isna",
        "isnull",
        "le",
        "lt",
        "map",
        "mask",
        "mod",
        "mul",
        "multiply",
        "ne",
        "notna",
        "notnull",
        "pow",
        "radd",
        "rdiv",
        "replace",
        "rfloordiv",
        "rmod",
        "rmul",
        "round",
        "rpow",
        "rsub",
        "rtruediv",
        "sub",
        "subtract",
        "truediv",
        "where",
    ]
)
"""Methods of a Series that give every row its value without a look at others."""

_OF_ARRAYS = frozenset({"astype", "clip", "copy", "round"})
_ARRAY_REDUCTIONS = frozenset({"all", "any", "max", "mean", "min", "prod", "std", "sum", "var"})
_ARGUMENTS = {
    "nunique": {"dropna"},
    "prod": {"min_count"},
    "product": {"min_count"},
    "quantile": {"q"},
    "std": {"ddof"},
    "sum": {"min_count"},
    "var": {"ddof"},
}
"""Arguments of the reductions beside ``axis`` and ``skipna``."""

_NO_SKIPNA = frozenset({"count", "first", "last", "nunique", "quantile", "size"})


def refuse(what: str, hint: str = "") -> NoReturn:
    """Refuse what cannot be done for all groups at once.

    Raises
    ------
    InputError
        Always; the text tells the ways out.
    """
    message = f"{what} has no form for all groups at once{hint}{WAYS_OUT}"
    raise InputError(message)


class GroupedColumn:
    """The values of all groups, computed with as if they were those of one.

    A function of a model is written for one group: it takes a Series of the group's rows, and single values of the
    group. Given these columns in their place it runs once for all groups. Arithmetic, comparisons, ``[mask]``, NumPy's
    ufuncs, ``np.where`` and the methods of a Series that look at one row at a time stay row level; ``sum``, ``mean``,
    ``min``, ``max``, ``count``, ``median``, ``std``, ``var``, ``first``, ``last``, ``nunique``, ``quantile``, ``any``,
    ``all``, ``prod``, ``size`` and NumPy's functions of these names give one value per group. A value of the group
    meets its rows as a scalar would. Anything else raises :class:`gbr_dag.InputError`, and tells the ways out.

    Parameters
    ----------
    values : array (n_rows,) or (n_groups,)
        NumPy's or an extension array of pandas.
    kind : {"series", "array", "group"}
        What it is in the run of one group: a Series, an array of NumPy's (as ``np.where`` gives, whose reductions do
        not skip NaN and whose ``ddof`` is 0), or one value.
    rows : Rows
        The rows that it has values for.
    grouping : Grouping
        The groups of these.

    Notes
    -----
    Made by :class:`gbr_dag.ModelDriver`; the arithmetic is that of pandas and NumPy on the whole column. ``first`` and
    ``last`` skip missing values, as in the group-by of pandas; ``.iloc[0]`` and ``.iloc[-1]`` do not.
    """

    __slots__ = ("_broadcast", "_kind", "_rows", "_series", "_subset", "_values", "grouping")

    def __init__(self, values: Any, kind: Kind, rows: Rows, grouping: Grouping) -> None:
        self._values = values
        self._kind: Kind = kind
        self._rows = rows
        self.grouping = grouping
        self._series: Optional[pd.Series] = None
        self._broadcast: Optional[Any] = None
        self._subset: Optional[Rows] = None

    @property
    def kind(self) -> Kind:
        """What it is in the run of one group."""
        return self._kind

    @property
    def is_group_level(self) -> bool:
        """Whether it has one value per group."""
        return self._kind == "group"

    @property
    def raw(self) -> Any:
        """The values, (n_rows,) or (n_groups,)."""
        return self._values

    @property
    def rows(self) -> Rows:
        """The rows that it has values for; of one per group those of the whole frame."""
        return self._rows

    @property
    def nbytes(self) -> int:
        """Memory of the values."""
        return int(getattr(self._values, "nbytes", 0))

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        return self._values.dtype

    @property
    def size(self) -> GroupedColumn:
        """Rows of each group; may be called, too."""
        if self.is_group_level:
            refuse("size of one value per group")
        return _Callable(self._rows.sizes, "group", self.grouping.every_row, self.grouping)

    @property
    def values(self) -> GroupedColumn:
        """The column as an array of NumPy's: reductions of it do not skip NaN."""
        return self.to_numpy()

    @property
    def iloc(self) -> _Positions:
        """The first row or the last one of each group: ``[0]`` and ``[-1]``."""
        return _Positions(self)

    @property
    def loc(self) -> GroupedColumn:
        """The column itself: ``.loc[mask]`` is ``[mask]``."""
        return self

    def to_numpy(self) -> GroupedColumn:
        """The column as an array of NumPy's: reductions of it do not skip NaN."""
        if self.is_group_level:
            refuse(".to_numpy() of one value per group")
        return GroupedColumn(np.asarray(self._values), "array", self._rows, self.grouping)

    def dropna(self) -> GroupedColumn:
        """The rows whose value is not missing."""
        return self[self.notna()]

    def as_series(self) -> pd.Series:
        """The values as a Series over a range."""
        if self._series is None:
            self._series = pd.Series(self._values, copy=False)
        return self._series

    def per_row(self) -> GroupedColumn:
        """One value per row of the frame; missing where the row is in no group."""
        if not self.is_group_level:
            return self
        return GroupedColumn(self._on(self.grouping.every_row), "series", self.grouping.every_row, self.grouping)

    def _on(self, rows: Rows) -> Any:
        """Value of the group of every row."""
        if rows.positions is not None:
            return _spread(self._values, rows)
        if self._broadcast is None:
            self._broadcast = _spread(self._values, rows)
        return self._broadcast

    def __getitem__(self, mask: Any) -> GroupedColumn:
        """The rows that a mask lets through; a missing one does not."""
        if self.is_group_level:
            refuse("[...] of one value per group")
        if not isinstance(mask, GroupedColumn) or mask.is_group_level:
            refuse(f"[{type(mask).__name__}]", "; only a mask of the rows selects, and .iloc[0], .iloc[-1]")
        if not pd.api.types.is_bool_dtype(mask.dtype):
            refuse(f"[column of {mask.dtype}]", "; only a mask of booleans selects")
        if not mask.rows.same(self._rows):
            _refuse_rows()
        if mask._subset is None:
            mask._subset = mask.rows.kept(mask.as_series().to_numpy(dtype=bool, na_value=False))
        kept = self._values[_positions_within(mask)]
        return GroupedColumn(kept, self._kind, mask._subset, self.grouping)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **arguments: Any) -> Any:
        """Apply a ufunc of NumPy to the whole columns."""
        if method != "__call__":
            refuse(f"np.{ufunc.__name__}.{method}")
        if "out" in arguments:
            refuse(f"np.{ufunc.__name__} with out=")
        return _elementwise(ufunc, operands, arguments)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], operands: Sequence[Any], arguments: Mapping[str, Any]
    ) -> Any:
        """Apply a function of NumPy, if it has a form for all groups at once."""
        name = function.__name__
        if name in numpy_functions.ELEMENTWISE and not (name == "where" and len(operands) == 1):
            return _elementwise(function, operands, arguments)
        form = numpy_functions.REDUCTIONS.get(name)
        if form is None or not operands or not isinstance(operands[0], GroupedColumn):
            refuse(f"np.{name}")
        arguments = {key: value for key, value in arguments.items() if not (key == "axis" and value in (None, 0))}
        try:
            return form(*operands, **arguments)
        except TypeError as error:
            refuse(f"np.{name} with these arguments ({error})")

    def __getattr__(self, name: str) -> Any:
        """A method of a Series that has a form for all groups at once."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in REDUCTIONS:
            return _Reduction(self, name)
        if name in ("str", "dt", "cat") and self._kind == "series":
            return _Accessor(self, name)
        allowed = ELEMENTWISE if self._kind == "series" else _OF_ARRAYS
        if name in allowed:
            return _Method(self, name)
        if not hasattr(pd.Series, name) and not hasattr(np.ndarray, name):
            message = f"neither a Series nor a column of all groups has {name!r}"
            raise AttributeError(message)
        owner = {"series": "", "array": " of an array", "group": " of one value per group"}[self._kind]
        refuse(f".{name}{owner}", _hint(self._kind, name))

    def __repr__(self) -> str:
        """Give level, length and type."""
        level = "group" if self.is_group_level else "row"
        return f"<GroupedColumn, {level} level, {len(self._values):,} values of {self.dtype}>"

    def __str__(self) -> str:
        """Refuse: the text would be one for all groups."""
        refuse("str() or print()", "; .astype(str) gives the text of every row, repr() says what the column is")

    def __format__(self, specification: str) -> str:
        """Refuse: the text would be one for all groups."""
        refuse("an f-string or format()", "; .astype(str) gives the text of every row")

    def __bool__(self) -> bool:
        """Refuse: there is one answer a row or group, not one."""
        refuse("if, and, or, not, in or a chain of comparisons", "; write &, |, ~, np.where, .isin or np.maximum")

    def __len__(self) -> int:
        """Refuse: there is one length a group."""
        refuse("len()", "; write .size()")

    def __iter__(self) -> Any:
        """Refuse: what follows would loop over rows."""
        refuse("a loop, sum(), min(), max() or list() over a column", "; write .sum(), .min(), .max()")

    def __float__(self) -> float:
        """Refuse: there is one number a row or group."""
        refuse("float(), int() or a function of math", "; write .astype(float), or NumPy's function of that name")

    __int__ = __index__ = __complex__ = __float__  # type: ignore[assignment]

    def __contains__(self, value: object) -> bool:
        """Refuse: there is one answer a group."""
        refuse("in", "; write (column == value).any()")

    def __array__(self, *_: Any, **__: Any) -> npt.NDArray[Any]:
        """Refuse: what takes an array does not know of groups."""
        refuse("what makes an array of a column", "; .to_numpy() is its array")

    def __setitem__(self, key: Any, value: Any) -> None:
        """Refuse: functions of a model do not change what they are given."""
        message = "a feature must not change its arguments; write .where(condition, other) or np.where"
        raise InputError(message)

    def __neg__(self) -> Any:
        """The negative."""
        return _elementwise(operator.neg, (self,), {})

    def __pos__(self) -> Any:
        """The same."""
        return _elementwise(operator.pos, (self,), {})

    def __abs__(self) -> Any:
        """The absolute value."""
        return _elementwise(operator.abs, (self,), {})

    def __invert__(self) -> Any:
        """The opposite."""
        return _elementwise(operator.invert, (self,), {})

    def __round__(self, digits: int = 0) -> Any:
        """Round to so many digits."""
        return self.round(digits)


def _install_operators() -> None:
    """Give the class the operators of two operands, and their reflections."""

    def direct(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda self, other: _elementwise(function, (self, other), {})

    def reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda self, other: _elementwise(function, (other, self), {})

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"):
        function, plain = getattr(operator, name), name.rstrip("_")
        setattr(GroupedColumn, f"__{plain}__", direct(function))
        setattr(GroupedColumn, f"__r{plain}__", reflected(function))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(GroupedColumn, f"__{name}__", direct(getattr(operator, name)))
    GroupedColumn.__hash__ = None


_install_operators()


class _Callable(GroupedColumn):
    """Sizes, which a frame's Series has as an attribute and a group-by as a method."""

    __slots__ = ()

    def __call__(self) -> GroupedColumn:
        return self


class _Reduction:
    """A reduction of a column, to be called."""

    def __init__(self, column: GroupedColumn, name: str) -> None:
        self._column, self._name = column, name

    def __call__(self, *positional: Any, **arguments: Any) -> GroupedColumn:
        column, name = self._column, self._name
        if column.is_group_level:
            refuse(f".{name}() of one value per group", "; take the column of the rows")
        if column.kind == "array" and name not in _ARRAY_REDUCTIONS:
            refuse(f".{name}() of an array", f"; arrays have np.{name}, if anything")
        if name == "quantile" and len(positional) == 1:
            arguments, positional = {"q": positional[0], **arguments}, ()
        if positional:
            refuse(f".{name}{positional}", "; give arguments by name")
        return reduced(column, name, arguments)


def reduced(column: GroupedColumn, name: str, arguments: Mapping[str, Any]) -> GroupedColumn:
    """One value per group of a column.

    Parameters
    ----------
    column : GroupedColumn
        Row level.
    name : str
        Of the Series' method.
    arguments : mapping
        Its arguments.
    """
    given = {key: value for key, value in arguments.items() if not (key == "axis" and value in (None, 0))}
    skips = column.kind == "series"
    if name not in _NO_SKIPNA and skips:
        skips = given.pop("skipna", True)
    wrong = [key for key in given if key not in _ARGUMENTS.get(name, ())]
    if wrong or not all(np.isscalar(value) for value in given.values()):
        refuse(f".{name}({', '.join(f'{key}=...' for key in wrong or given)})")
    if column.kind == "array" and name in ("std", "var"):
        given.setdefault("ddof", 0)
    values = column.raw
    if not skips and not isinstance(values, np.ndarray):
        refuse(f".{name}(skipna=False) of {column.dtype}")
    if not skips and name in ("any", "all") and values.dtype.kind == "f":
        values = values.astype(bool)  # NaN is true
    result = REDUCTIONS[name](values, column.rows, **given)
    if not skips:
        result = nan_where_missing(values, column.rows, result)
    return of_groups(result, column.grouping)


def of_groups(values: Any, grouping: Grouping) -> GroupedColumn:
    """A column of one value per group."""
    return GroupedColumn(values, "group", grouping.every_row, grouping)


def of_rows(values: Any, grouping: Grouping) -> GroupedColumn:
    """A column of one value per row of the frame."""
    return GroupedColumn(values, "series", grouping.every_row, grouping)


class _Positions:
    """The first row or the last one of each group."""

    def __init__(self, column: GroupedColumn) -> None:
        self._column = column

    def __getitem__(self, place: Any) -> GroupedColumn:
        column = self._column
        if column.is_group_level or place not in (0, -1) or isinstance(place, bool):
            refuse(f".iloc[{place!r}]", "; .iloc[0] and .iloc[-1] have")
        taken = first_row if place == 0 else last_row
        return of_groups(taken(column.raw, column.rows), column.grouping)


class _Method:
    """A method that looks at one row at a time, to be called."""

    def __init__(self, column: GroupedColumn, name: str) -> None:
        self._column, self._name = column, name

    def __call__(self, *operands: Any, **arguments: Any) -> Any:
        name = self._name
        given = [*operands, *arguments.values()]
        if name == "map" and any(callable(one) or isinstance(one, pd.Series) for one in given):
            refuse(".map with a function", "; .map of a dict has")
        if name == "isin" and any(isinstance(one, GroupedColumn) for one in given):
            refuse(".isin of a column")
        if name == "astype" and any(str(one) == "category" for one in given):
            refuse(".astype('category')")
        if name == "fillna" and "method" in arguments:
            refuse(".fillna(method=...)")

        def called(values: Any, *others: Any, **named: Any) -> Any:
            return getattr(values, name)(*others, **named)

        return _elementwise(called, (self._column, *operands), arguments)


class _Accessor:
    """``.str``, ``.dt`` or ``.cat`` of a column."""

    def __init__(self, column: GroupedColumn, name: str) -> None:
        self._column, self._name = column, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        accessor = getattr(self._column.as_series(), self._name)
        value = getattr(accessor, name)
        column = self._column
        label = f".{self._name}.{name}"
        if not callable(value):
            return _wrapped(value, "series", column.rows, column.grouping, label)

        def called(values: Any, *others: Any, **named: Any) -> Any:
            return getattr(getattr(values, self._name), name)(*others, **named)

        return lambda *operands, **arguments: _elementwise(called, (column, *operands), arguments, label)

    def __getitem__(self, place: Any) -> Any:
        return _elementwise(lambda values: getattr(values, self._name)[place], (self._column,), {})


def _elementwise(
    function: Callable[..., Any], operands: Sequence[Any], arguments: Mapping[str, Any], label: str = ""
) -> Any:
    """Apply a function that looks at one row at a time to whole columns."""
    columns = [one for one in (*operands, *arguments.values()) if isinstance(one, GroupedColumn)]
    kind, rows, grouping = _meeting(columns)
    plain = [_operand(one, kind, rows) for one in operands]
    named = {key: _operand(value, kind, rows) for key, value in arguments.items()}
    with np.errstate(all="ignore"):  # infinities and NaN tell as much
        result = function(*plain, **named)
    return _wrapped(result, kind, rows, grouping, label or getattr(function, "__name__", "this"))


def _meeting(columns: Sequence[GroupedColumn]) -> tuple[Kind, Rows, Grouping]:
    """What comes of columns that meet in one operation."""
    grouping = columns[0].grouping
    if any(column.grouping is not grouping for column in columns):
        message = "columns of different models or runs cannot be put together"
        raise InputError(message)
    of_the_rows = [column for column in columns if not column.is_group_level]
    if not of_the_rows:
        return "group", grouping.every_row, grouping
    rows = of_the_rows[0].rows
    if not all(column.rows.same(rows) for column in of_the_rows):
        _refuse_rows()
    kind: Kind = "series" if any(column.kind == "series" for column in of_the_rows) else "array"
    return kind, rows, grouping


def _refuse_rows() -> NoReturn:
    refuse("an operation on columns of different rows, as x[mask] + x,", "; give both the same [mask]")


def _operand(value: Any, kind: Kind, rows: Rows) -> Any:
    """An operand as pandas or NumPy take it."""
    if not isinstance(value, GroupedColumn):
        if isinstance(value, (np.ndarray, pd.Series, pd.Index)) and np.ndim(value) > 0 and len(value) != 1:
            hint = "; take it as an argument of the function, as a column or a feature"
            refuse(f"an operation with a {type(value).__name__} of {len(value)} values", hint)
        return value
    if value.is_group_level and kind != "group":
        spread = value._on(rows)
        return pd.Series(spread, copy=False) if kind == "series" else np.asarray(spread)
    numeric = isinstance(value.raw, np.ndarray) and value.raw.dtype.kind in "biufc"
    if value.kind == "array" or (value.is_group_level and numeric):
        return value.raw  # divides and compares as one number of NumPy's does
    return value.as_series()


def _wrapped(result: Any, kind: Kind, rows: Rows, grouping: Grouping, label: str) -> Any:
    """What came out of an operation as a column; anything without one value a row is refused."""
    if isinstance(result, tuple):
        return tuple(_wrapped(one, kind, rows, grouping, label) for one in result)
    n = grouping.groups.n_groups if kind == "group" else len(rows)
    if isinstance(result, pd.Series) and len(result) == n:
        values = result.to_numpy() if isinstance(result.dtype, np.dtype) else result.array
        return GroupedColumn(values, kind, rows, grouping)
    if isinstance(result, (np.ndarray, pd.api.extensions.ExtensionArray)) and result.shape == (n,):
        return GroupedColumn(result, kind if kind == "group" else "array", rows, grouping)
    return refuse(label if label.startswith(".") else f"what {label} gives")


def _spread(values: Any, rows: Rows) -> Any:
    """Value of the group of every row, missing where it is in none."""
    ids = rows.ids
    if len(ids) == 0 or int(ids.min()) >= 0:
        return values.take(ids) if isinstance(values, np.ndarray) else values[ids]
    return with_gaps(values, ids)


def _positions_within(mask: GroupedColumn) -> npt.NDArray[np.int64]:
    """Positions, within the rows of a mask, of those that it lets through."""
    return np.flatnonzero(mask.as_series().to_numpy(dtype=bool, na_value=False))


def _hint(kind: Kind, name: str) -> str:
    if kind == "group" and name in ("fillna", "isna", "notna", "isnull", "where"):
        return ": one group's run has a plain number there; write np.where(np.isnan(value), other, value)"
    return ""

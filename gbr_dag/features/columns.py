"""Columns that a function written for one group computes with, holding the values of all groups at once."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import pandas as pd

from gbr_dag.features import numpy_functions
from gbr_dag.features.column_reductions import Positions, Reduction, without_neutral
from gbr_dag.features.column_values import ColumnValues, Kind
from gbr_dag.features.elementwise import elementwise, refuse_collections, refuse_date
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.methods import Accessor, Method, accessor_of_values, allowed_method
from gbr_dag.features.reductions import REDUCTIONS
from gbr_dag.features.refusals import Refusals, RefusedAttributeError, RefusedMethod, refusal_text, refuse

_OWNERS = {"series": "", "array": " of an array", "group": " of one value per group"}

__all__ = ["GroupedColumn", "Kind", "of_groups", "of_rows"]


class GroupedColumn(Refusals, ColumnValues):
    """The values of all groups, computed with as if they were those of one.

    A function of a model is written for one group: it takes a Series of the group's rows, and single values of the
    group. Given these columns in their place it runs once for all groups. Arithmetic, comparisons, ``[mask]``, NumPy's
    ufuncs, ``np.where`` and the methods of a Series that look at one row at a time stay row level; ``sum``, ``mean``,
    ``min``, ``max``, ``count``, ``median``, ``std``, ``var``, ``first``, ``last``, ``nunique``, ``quantile``, ``any``,
    ``all``, ``prod``, ``size`` and NumPy's functions of these names give one value per group. A value of the group
    meets its rows as a scalar would. Anything else raises :class:`gbr_dag.InputError`, and tells the ways out.

    In the run of one group it stands for a Series, an array of NumPy's (as ``np.where`` gives, whose reductions do not
    skip NaN and whose ``ddof`` is 0), or one value. ``repr`` tells which, ``as_series()`` gives the values of all
    groups.

    Notes
    -----
    Made by :class:`gbr_dag.ModelDriver`; the arithmetic is that of pandas and NumPy on the whole column. ``first`` and
    ``last`` skip missing values, as in the group-by of pandas; ``.iloc[0]`` and ``.iloc[-1]`` do not.

    One column has one type, where groups run one by one may each have their own: values agree, the type is one that
    holds them all. Integers are floats, and booleans nullable, once a group has no value. Where one group's run would
    raise, as ``.iloc[0]`` of no rows does, the value is missing. What raises for the whole column, as ``.fillna`` of
    nullable integers with a fraction, raises even if only some group has such a value.

    Rows without a group take part in no group's run. What depends on a value of the group has none for them: it is
    missing in what leaves the model, where integers are floats then and booleans nullable, and changes nothing before.

    What is computed from half precision, and quantiles of single precision, are doubles.

    In a group without values a Series gives Python's own NaN, of which ``~(x.mean() > 2)`` is -1 and ``round`` raises;
    here it is NumPy's. In one group's run an operator keeps the narrow type of the rows, as ``int8`` or ``float32``,
    beside one number of the group, even if that overflows; here the result has the wider type of the two. Dates with a
    time zone have no form as an array.

    Examples
    --------
    >>> import gbr_dag
    >>> import pandas as pd
    >>> driver = gbr_dag.ModelDriver({"model_name": "ages", "group_by": "zone"})
    >>> _ = driver.register_attribute("mean", lambda age: print(repr(age)) or age.mean())
    >>> houses = pd.DataFrame({"zone": ["B", "A", "B"], "age": [100, 50, 20]})
    >>> driver.execute(houses)["groups"]
    <GroupedColumn, row level, 3 values of int64>
      zone  mean
    0    A  50.0
    1    B  60.0
    """

    __slots__ = ()

    @property
    def size(self) -> GroupedColumn:
        """Rows of each group; may be called, too."""
        if self.is_group_level:
            refuse("size of one value per group")
        return _Sizes(self.rows.sizes, "group", self.grouping.every_row, self.grouping)

    @property
    def values(self) -> GroupedColumn:
        """The column as an array of NumPy's, whose reductions do not skip NaN; of pandas' own types as it is."""
        if self.kind != "series":  # Python goes on to __getattr__
            raise AttributeError
        is_numpy = isinstance(self.as_series().dtype, np.dtype)
        return self.to_numpy() if is_numpy or isinstance(self.dtype, pd.DatetimeTZDtype) else self

    @property
    def iloc(self) -> Positions:
        """The first row or the last one of each group: ``[0]`` and ``[-1]``."""
        return Positions(self)

    @property
    def loc(self) -> GroupedColumn:
        """The column itself: ``.loc[mask]`` is ``[mask]``."""
        return self

    def to_numpy(self) -> GroupedColumn:
        """The column as an array of NumPy's: reductions of it do not skip NaN.

        Returns
        -------
        GroupedColumn
        """
        if self.is_group_level:
            refuse(".to_numpy() of one value per group")
        if isinstance(self.dtype, pd.DatetimeTZDtype):  # an array of objects, where NumPy's order does not know NaT
            refuse("an array of dates with a time zone", "; .dt.tz_convert(None).to_numpy() has")
        return self.made(np.asarray(self._values), "array")  # type: ignore[no-any-return]

    def dropna(self) -> GroupedColumn:
        """The rows whose value is not missing.

        Returns
        -------
        GroupedColumn
        """
        return self[self.notna()]

    def per_row(self) -> GroupedColumn:
        """One value per row of the frame; a row in no group has none, which shows once it leaves the model.

        Returns
        -------
        GroupedColumn
        """
        if not self.is_group_level:
            return self
        rows = self.grouping.every_row
        return self.made(self.spread(rows), "series", rows, needs_group=True)  # type: ignore[no-any-return]

    def _plain_class(self) -> type[ColumnValues]:
        return GroupedColumn

    def __getitem__(self, mask: Any) -> GroupedColumn:
        """The rows that a mask lets through; a missing one does not."""
        if self.is_group_level:
            refuse("[...] of one value per group")
        if not isinstance(mask, GroupedColumn):
            refuse(f"[{type(mask).__name__}]", "; only a mask of the rows selects, and .iloc[0], .iloc[-1]")
        if mask.is_group_level:
            refuse("[one value per group]", "; only a mask of the rows selects: write .where(condition)")
        return self.kept_by(mask)  # type: ignore[no-any-return]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **arguments: Any) -> Any:
        """Apply a ufunc of NumPy to the whole columns."""
        if method != "__call__":
            refuse(f"np.{ufunc.__name__}.{method}")
        wrong = {"out", "where", "axis", "axes", "keepdims", "signature"} & set(arguments)
        if wrong:
            refuse(f"np.{ufunc.__name__} with {'=, '.join(sorted(wrong))}=")
        if ufunc.signature is not None:
            refuse(f"np.{ufunc.__name__}", "; write (x * y).sum()" if ufunc is np.matmul else "")
        refuse_collections(operands)
        return elementwise(ufunc, operands, arguments)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], operands: Sequence[Any], arguments: Mapping[str, Any]
    ) -> Any:
        """Apply a function of NumPy, if it has a form for all groups at once."""
        name = function.__name__
        if name in numpy_functions.ELEMENTWISE and not (name == "where" and len(operands) == 1):
            return numpy_functions.elementwise_function(function, operands, arguments)
        form = numpy_functions.REDUCTIONS.get(name)
        if form is None or not operands or not isinstance(operands[0], GroupedColumn):
            refuse(f"np.{name}")
        given = without_neutral(arguments)
        try:
            return form(*operands, **given)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            refuse(f"np.{name} with these arguments ({error})")

    def __getattr__(self, name: str) -> Any:
        """A method of a Series that has a form for all groups at once."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in REDUCTIONS:
            return Reduction(self, name)
        if name in ("str", "dt", "cat") and self.kind == "series":
            return Accessor(self, name)
        if allowed_method(self, name):
            return Method(self, name)
        if self.is_group_level:
            accessor = accessor_of_values(self, name)
            if accessor:
                return getattr(Accessor(self.plain(), accessor), name)
        return _without_form(self, name)

    def __neg__(self) -> Any:
        """The negative."""
        return elementwise(operator.neg, (self,), {})

    def __pos__(self) -> Any:
        """The same."""
        return elementwise(operator.pos, (self,), {})

    def __abs__(self) -> Any:
        """The absolute value."""
        return elementwise(operator.abs, (self,), {})

    def __invert__(self) -> Any:
        """The opposite."""
        return elementwise(operator.invert, (self,), {})

    def __round__(self, digits: Optional[int] = None) -> Any:
        """Round to so many digits."""
        if self.is_group_level and digits is None:
            return elementwise(_whole, (self,), {})
        return self.round(digits or 0)


def _whole(values: Any) -> Any:
    """Nearest integers, as ``round()`` of one number gives; floats if some is none."""
    rounded = np.rint(values)
    return rounded.astype(np.int64) if np.isfinite(rounded).all() else rounded


def _install_operators() -> None:
    """Give the class the operators of two operands, and their reflections."""

    def direct(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def applied(self: GroupedColumn, other: Any) -> Any:
            refuse_collections((other,))
            refuse_date(self, other)
            return elementwise(function, (self, other), {})

        return applied

    def reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def applied(self: GroupedColumn, other: Any) -> Any:
            refuse_collections((other,))
            refuse_date(self, other)
            return elementwise(function, (other, self), {})

        return applied

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "divmod"):
        function = divmod if name == "divmod" else getattr(operator, name)
        plain = name.rstrip("_")
        setattr(GroupedColumn, f"__{plain}__", direct(function))
        setattr(GroupedColumn, f"__r{plain}__", reflected(function))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(GroupedColumn, f"__{name}__", direct(getattr(operator, name)))


_install_operators()


class _Sizes(GroupedColumn):
    """Sizes, which a Series has as an attribute and a group-by as a method."""

    __slots__ = ()

    def __call__(self) -> GroupedColumn:
        """The sizes."""
        return self


def of_groups(values: Any, grouping: Grouping) -> GroupedColumn:
    """A column of one value per group."""
    return GroupedColumn(values, "group", grouping.every_row, grouping)


def of_rows(values: Any, grouping: Grouping, *, needs_group: bool = False) -> GroupedColumn:
    """A column of one value per row of the frame, which rows without a group have none of if it needs one."""
    return GroupedColumn(values, "series", grouping.every_row, grouping, needs_group=needs_group)


def _without_form(column: GroupedColumn, name: str) -> RefusedMethod:
    """Refuse an attribute; a method of what one group's run has there once it is called."""
    label, hint = f".{name}{_OWNERS[column.kind]}", _hint(column.kind, name)
    found = getattr(_type_of_one_group(column), name, None)
    if inspect.isroutine(found):
        return RefusedMethod(label, hint)
    if found is not None:
        refuse(label, hint)
    if not hasattr(pd.Series, name) and not hasattr(np.ndarray, name):
        message = f"neither a Series nor a column of all groups has {name!r}"
        raise AttributeError(message)
    raise RefusedAttributeError(refusal_text(label, hint))


def _type_of_one_group(column: GroupedColumn) -> type:
    """Type of what one group's run has in the place of a column."""
    if column.kind == "series":
        return pd.Series  # type: ignore[no-any-return]
    if column.kind == "array":
        return np.ndarray
    of_kind = {"M": pd.Timestamp, "m": pd.Timedelta, "O": str}
    return of_kind.get(column.dtype.kind, np.float64)  # type: ignore[no-any-return]


def _hint(kind: Kind, name: str) -> str:
    if kind == "group" and name in ("fillna", "isna", "notna", "isnull", "where"):
        return ": one group's run has a plain number there; write np.where(np.isnan(value), other, value)"
    if name in ("index", "name", "ndim", "shape"):
        return "; functions of pandas take no such column: write the column's own method"
    if kind == "group" and name in ("dt", "str", "cat"):
        return ": one group's run has a plain date or string there, whose own attributes and methods have"
    return ""

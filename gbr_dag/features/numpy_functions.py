"""NumPy's functions of columns of all groups, written with the columns' own operations.

NumPy hands some of its functions to the method of a Series, which skips NaN, and makes arrays of a Series for others,
which do not: ``np.mean`` does what ``Series.mean`` does, ``np.median`` is NaN if a value is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.column_reductions import has_missing
from gbr_dag.features.column_values import ColumnValues, Kind
from gbr_dag.features.elementwise import columns_among, elementwise, refuse_collections
from gbr_dag.features.gaps import missing_where
from gbr_dag.features.refusals import refuse

_TABLES = frozenset({"digitize", "interp", "isin"})
"""Functions whose first argument is looked up in the others, which hold many values."""

# fmt: off
ELEMENTWISE = _TABLES | frozenset({
    "around", "clip", "fix", "full_like", "imag", "isclose", "iscomplex", "isneginf", "isposinf", "isreal",
    "nan_to_num", "ones_like", "real", "round", "select", "where", "zeros_like",
})
# fmt: on
"""Functions that give every row its value without a look at others, beside the ufuncs."""


def elementwise_function(function: Callable[..., Any], operands: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
    """Apply a function of :data:`ELEMENTWISE` to whole columns."""
    name = function.__name__
    if "out" in arguments:
        refuse(f"np.{name} with out=")
    if name in _TABLES:
        if not operands or columns_among([*operands[1:], *arguments.values()]):
            refuse(f"np.{name} with a table from a column")
    elif name == "select":
        refuse_collections([one for part in [*operands, *arguments.values()] for one in _listed(part)])
    else:
        refuse_collections([*operands, *arguments.values()])
    if name in ("select", "where"):
        return _chosen(function, operands, arguments)
    if name == "clip" and getattr(operands[0] if operands else None, "kind", "") == "series":
        return _clipped(*operands, **arguments)
    return elementwise(function, operands, arguments)


def _clipped(column: Any, a_min: Any = None, a_max: Any = None, **others: Any) -> Any:
    """``clip``, which NumPy hands to the method of a Series."""
    lower, upper = others.pop("min", a_min), others.pop("max", a_max)
    return column.clip(lower, upper, **others)


def _listed(part: Any) -> Sequence[Any]:
    return part if isinstance(part, (list, tuple)) else [part]


def _chosen(function: Callable[..., Any], operands: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
    """``where`` or ``select``: missing where a group's condition is, or that of a row in no group."""
    columns = columns_among([*operands, *arguments.values()])
    like = next((one for one in columns if not one.is_group_level), columns[0])
    conditions, unknown = [], np.zeros(0, dtype=bool)
    for condition in _listed(operands[0]):
        known, missing = _answered(condition, like)
        conditions.append(known)
        unknown = missing if len(unknown) == 0 else unknown | missing
    whole = isinstance(operands[0], (list, tuple))
    result = elementwise(function, [conditions if whole else conditions[0], *operands[1:]], arguments)
    if result.needs_group and result.rows.stand_in is not None and len(unknown):
        unknown = unknown[result.rows.stand_in]
    return result.made(missing_where(unknown, result.raw), result.kind) if unknown.any() else result


def _answered(condition: Any, like: ColumnValues) -> tuple[Any, npt.NDArray[np.bool_]]:
    """A condition without missing answers, and where there were some; empty if nowhere."""
    nowhere = np.zeros(0, dtype=bool)
    if not isinstance(condition, ColumnValues):
        return condition, nowhere
    spread = condition.is_group_level and not like.is_group_level
    values = condition.spread(like.rows) if spread else condition.raw
    if not isinstance(values, pd.arrays.BooleanArray):
        return condition, nowhere
    missing = values.isna()
    if not (condition.is_group_level or (condition.rows.ids[missing] < 0).all()):
        message = "a condition of np.where or np.select is missing in some rows; write .fillna(False) or .fillna(True)"
        raise InputError(message)
    kind: Kind = "series" if spread else condition.kind
    plain = values.to_numpy(dtype=bool, na_value=False)
    if kind == "group":
        return condition.made(plain, kind), missing
    return like.made(plain, kind, needs_group=spread or condition.needs_group), missing


def _as_method(name: str) -> Callable[..., Any]:
    return lambda column, **arguments: getattr(column, name)(**arguments)


def _deviation(column: Any, *, ddof: int = 0) -> Any:
    return column.std(ddof=ddof)


def _variance(column: Any, *, ddof: int = 0) -> Any:
    return column.var(ddof=ddof)


def _size(column: Any) -> Any:
    return column.size


def _quantile(column: Any, q: float) -> Any:
    return _nan_where_missing(column, _nan_quantile(column, q))


def _nan_where_missing(column: Any, result: Any) -> Any:
    missing = has_missing(column)
    if not missing.raw.any():
        return result
    return column.made(missing_where(missing.raw, result.raw), "group")


def _percentile(column: Any, q: float) -> Any:
    return _quantile(column, _share(q))


def _share(q: Any) -> float:
    if not isinstance(q, Real) or not 0.0 <= float(q) <= 100.0:
        message = f"q must be one number between 0 and 100, got {q!r}"
        raise InputError(message)
    return float(q) / 100.0


def _median(column: Any) -> Any:
    return _nan_where_missing(column, _nan_median(column))


def _skipping(column: Any, name: str) -> Any:
    """The column with the Series' way of skipping NaN, which is all that NumPy's functions know as missing."""
    values = column.raw
    if values.dtype.kind == "M" or (values.dtype.kind == "m" and name != "median"):
        refuse(f"NumPy's {name} of {values.dtype}", f"; .{name}() has, if anything")
    if values.dtype.kind == "O":
        missing = np.asarray(pd.isna(values), dtype=bool)
        only_nan = all(isinstance(one, float) for one in np.asarray(values)[missing])
        if missing.any() and (not only_nan or pd.api.types.infer_dtype(values, skipna=True) == "string"):
            refuse(f"NumPy's {name} of {values.dtype} with missing values", f"; .{name}() has, if anything")
    return column if column.kind == "series" else column.made(values, "series")


def _nan_method(name: str) -> Callable[..., Any]:
    """What skips NaN but not NaT: NumPy takes the one for missing, and computes with the other."""

    def function(column: Any) -> Any:
        spans = column.dtype.kind == "m" and name in ("max", "mean", "min", "sum")
        dates = column.dtype.kind == "M" and name in ("max", "min") and not isinstance(column.dtype, pd.DatetimeTZDtype)
        if spans or dates:
            return getattr(column.to_numpy(), name)()
        return getattr(_skipping(column, name), name)()

    return function


def _nan_median(column: Any) -> Any:
    return _skipping(column, "median").median()


def _nan_quantile(column: Any, q: float) -> Any:
    result = _skipping(column, "quantile").quantile(q)
    precision = column.dtype if column.dtype in (np.float16, np.float32) else result.dtype
    return column.made(result.raw.astype(precision, copy=False), "group")


def _nan_percentile(column: Any, q: float) -> Any:
    return _nan_quantile(column, _share(q))


def _nan_deviation(column: Any, *, ddof: int = 0) -> Any:
    return _skipping(column, "std").std(ddof=ddof)


def _nan_variance(column: Any, *, ddof: int = 0) -> Any:
    return _skipping(column, "var").var(ddof=ddof)


def _range(column: Any) -> Any:
    array = column.to_numpy()
    return np.subtract(array.max(), array.min())  # as NumPy: there is no difference of booleans


def _count_nonzero(column: Any) -> Any:
    return column.to_numpy().astype(bool).sum()


def _average(column: Any, weights: Optional[Any] = None) -> Any:
    array = column.to_numpy()
    if weights is None:
        return array.mean()
    if not isinstance(weights, ColumnValues) or weights.is_group_level:
        refuse("np.average with weights that are no column")
    factors = weights.to_numpy()  # type: ignore[attr-defined]
    plain = [one.dtype for one in (array, factors)]
    if all(one.kind in "biuf" for one in plain):  # products of small integers would overflow
        of_integers = [np.float64] if plain[0].kind in "biu" else []
        precision = np.result_type(*plain, *of_integers)
        array, factors = array.astype(precision), factors.astype(precision)
    total = factors.sum()
    return np.where(total == 0, np.nan, (array * factors).sum() / total)  # NumPy raises where weights sum to 0


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "all": _as_method("all"),
    "amax": _as_method("max"),
    "amin": _as_method("min"),
    "any": _as_method("any"),
    "average": _average,
    "count_nonzero": _count_nonzero,
    "max": _as_method("max"),
    "mean": _as_method("mean"),
    "median": _median,
    "min": _as_method("min"),
    "nanmax": _nan_method("max"),
    "nanmean": _nan_method("mean"),
    "nanmedian": _nan_median,
    "nanmin": _nan_method("min"),
    "nanpercentile": _nan_percentile,
    "nanprod": _nan_method("prod"),
    "nanquantile": _nan_quantile,
    "nanstd": _nan_deviation,
    "nansum": _nan_method("sum"),
    "nanvar": _nan_variance,
    "percentile": _percentile,
    "prod": _as_method("prod"),
    "ptp": _range,
    "quantile": _quantile,
    "size": _size,
    "std": _deviation,
    "sum": _as_method("sum"),
    "var": _variance,
}
"""Functions that give one value per group, by NumPy's name."""

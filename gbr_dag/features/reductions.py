"""One value per group of a column: what a method of a Series gives in one group, for all groups at once.

NumPy's numbers and booleans go through compiled loops, every other type through the group-by of pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.gaps import missing_where, taken
from gbr_dag.features.grouping import Rows
from gbr_dag.kernels import grouped
from gbr_dag.kernels.read_only import read_only, read_only_doubles

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def is_plain(values: Any) -> bool:
    """Whether values are numbers or booleans of NumPy that compiled loops read."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype.isnative
        and (values.dtype.kind in "biu" or values.dtype in (np.float32, np.float64))
    )


def sizes(values: Any, rows: Rows) -> Any:  # noqa: ARG001 - the shape of all reductions
    """Rows, missing ones too."""
    return rows.sizes


def count(values: Any, rows: Rows) -> Any:
    """Values that are not missing."""
    if not is_plain(values):
        missing = _missing(values)
        return (
            rows.sizes - grouped.group_integer_sums(missing, rows.ids, rows.n_groups) if missing.any() else rows.sizes
        )
    if values.dtype.kind != "f":
        return rows.sizes
    return grouped.group_counts(read_only(values), rows.ids, rows.n_groups)


def total(values: Any, rows: Rows, min_count: int = 0) -> Any:
    """Sum, 0 of nothing; missing where fewer than ``min_count`` values are there."""
    if not is_plain(values):
        return _by_pandas(values, rows, "sum", min_count=min_count)
    if values.dtype.kind == "f":
        precise, _ = grouped.group_sums(read_only(values), rows.ids, rows.n_groups)
        sums = precise.astype(values.dtype, copy=False)
    else:
        sums = grouped.group_integer_sums(read_only(values), rows.ids, rows.n_groups)
        sums = sums.view(np.uint64) if values.dtype.kind == "u" else sums
    return _with_least(sums, values, rows, min_count)


def product(values: Any, rows: Rows, min_count: int = 0) -> Any:
    """Product, 1 of nothing; integers stay integers, modulo 2**64."""
    if not is_plain(values):
        return _by_pandas(values, rows, "prod", min_count=min_count)
    if values.dtype.kind == "f":
        products = grouped.group_products(read_only(values), rows.ids, rows.n_groups).astype(values.dtype, copy=False)
    else:
        products = grouped.group_integer_products(read_only(values), rows.ids, rows.n_groups)
        products = products.view(np.uint64) if values.dtype.kind == "u" else products
    return _with_least(products, values, rows, min_count)


def mean(values: Any, rows: Rows) -> Any:
    """Mean, missing of nothing."""
    if not is_plain(values):
        return _by_pandas(values, rows, "mean")
    means, _ = _means(values, rows)
    return means.astype(_float_type(values), copy=False)


def variance(values: Any, rows: Rows, ddof: int = 1) -> Any:
    """Sum of squared distances from the mean over ``n - ddof``, missing unless ``n > ddof``."""
    if not is_plain(values):
        return _by_pandas(values, rows, "var", ddof=ddof)
    means, counts = _means(values, rows)
    squares = grouped.group_squares(read_only(values), means, counts, rows.ids)
    with np.errstate(all="ignore"):
        squares /= counts - ddof
    squares[counts <= ddof] = np.nan
    return squares.astype(_float_type(values), copy=False)


def deviation(values: Any, rows: Rows, ddof: int = 1) -> Any:
    """Square root of the variance."""
    if not is_plain(values):
        return _by_pandas(values, rows, "std", ddof=ddof)
    return np.sqrt(variance(values, rows, ddof))


def smallest(values: Any, rows: Rows) -> Any:
    """Smallest value, missing of nothing."""
    return _extremes(values, rows, "min")


def largest(values: Any, rows: Rows) -> Any:
    """Largest value, missing of nothing."""
    return _extremes(values, rows, "max")


def first(values: Any, rows: Rows) -> Any:
    """First value that is not missing, in the order of the rows."""
    return _present(values, rows, rows.first, grouped.first_present_rows)


def last(values: Any, rows: Rows) -> Any:
    """Last value that is not missing, in the order of the rows."""
    return _present(values, rows, rows.last, grouped.last_present_rows)


def first_row(values: Any, rows: Rows) -> Any:
    """Value of the first row, missing or not."""
    return taken(values, rows.first)


def last_row(values: Any, rows: Rows) -> Any:
    """Value of the last row, missing or not."""
    return taken(values, rows.last)


def median(values: Any, rows: Rows) -> Any:
    """Median, the mean of the two in the middle of an even number."""
    if not is_plain(values):
        return _of_present(values, rows, "median")
    medians = grouped.group_medians(read_only_doubles(values), rows.ids, rows.sizes)
    return medians.astype(_float_type(values), copy=False)


def quantile(values: Any, rows: Rows, q: float = 0.5) -> Any:
    """Quantile by linear interpolation between the order statistics, doubles of single precision too."""
    if not is_plain(values):
        return _of_present(values, rows, "quantile", q=q)
    return grouped.group_quantiles(read_only_doubles(values), rows.ids, rows.sizes, float(q))


def distinct(values: Any, rows: Rows, *, dropna: bool = True) -> Any:
    """Number of distinct values."""
    if not is_plain(values):
        return _by_pandas(values, rows, "nunique", dropna=dropna).astype(np.int64)
    found = grouped.group_distinct(_of_two_types(values), rows.ids, rows.sizes)
    return found if dropna else found + any_missing(values, rows)


def any_true(values: Any, rows: Rows) -> Any:
    """Whether some value is true, false of nothing; missing ones are not."""
    return grouped.group_any(_truth(values, "any", missing=False), rows.ids, rows.n_groups)


def all_true(values: Any, rows: Rows) -> Any:
    """Whether every value is true, true of nothing; missing ones are."""
    return grouped.group_all(_truth(values, "all", missing=True), rows.ids, rows.n_groups)


def any_missing(values: Any, rows: Rows) -> BoolArray:
    """Whether some value is missing."""
    return count(values, rows) < rows.sizes  # type: ignore[no-any-return]


def propagated(name: str, values: Any, rows: Rows, arguments: Mapping[str, Any]) -> Any:
    """A reduction that does not skip what is missing, as those of arrays and ``skipna=False``."""
    if name in ("all", "any"):
        return _plain_answer(name, values, rows)
    result = REDUCTIONS[name](values, rows, **arguments)
    if is_plain(values) and values.dtype.kind != "f":
        return result
    return missing_where(any_missing(values, rows), result)


def _plain_answer(name: str, values: Any, rows: Rows) -> Any:
    """``any`` or ``all`` where NaN of NumPy is true, and a missing value of pandas leaves the answer open."""
    if isinstance(values, (np.ndarray, pd.arrays.TimedeltaArray)):
        return REDUCTIONS[name](_truth_of_each(name, np.asarray(values), rows), rows)
    answer = REDUCTIONS[name](values, rows)
    return missing_where(any_missing(values, rows) & (answer == (name == "all")), answer)


def _truth_of_each(name: str, values: npt.NDArray[Any], rows: Rows) -> BoolArray:
    """What ``bool()`` of each value in a group is: of None false, of NaN and NaT true."""
    truth = np.zeros(len(values), dtype=bool)
    known = rows.ids >= 0
    try:
        truth[known] = values[known].astype(bool)
    except TypeError:
        message = f"{name} of values of which some are pd.NA, which is neither true nor false; write .fillna() before"
        raise InputError(message) from None
    return truth


def _of_two_types(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Doubles or 64-bit integers, distinct where the values are: a loop with a sort takes long to compile."""
    if values.dtype.kind == "f":
        return read_only_doubles(values)
    return read_only(values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64, copy=False))


def _float_type(values: npt.NDArray[Any]) -> Any:
    return values.dtype if values.dtype.kind == "f" else np.float64


def _means(values: npt.NDArray[Any], rows: Rows) -> tuple[FloatArray, IntArray]:
    sums, skipped = grouped.group_sums(read_only(values), rows.ids, rows.n_groups)
    counts = count(values, rows) if skipped else rows.sizes
    with np.errstate(all="ignore"):
        sums /= counts
    return sums, counts


def _with_least(results: Any, values: Any, rows: Rows, min_count: int) -> Any:
    """Results, missing where fewer than ``min_count`` values are there."""
    return results if min_count <= 0 else missing_where(count(values, rows) < min_count, results)


def _extremes(values: Any, rows: Rows, which: str) -> Any:
    """Smallest or largest values, of the type of the values where no group is empty."""
    if not is_plain(values):
        return _by_pandas(values, rows, which)
    kind = values.dtype.kind
    if kind == "f":
        start: Any = np.nan
    elif kind == "b":
        start = which == "min"
    else:
        limits = np.iinfo(values.dtype)
        start = limits.max if which == "min" else limits.min
    found = np.full(rows.n_groups, start, dtype=values.dtype)
    loop = grouped.group_minima if which == "min" else grouped.group_maxima
    loop(read_only(values), rows.ids, found)
    if kind == "f" or rows.none_empty:
        return found
    empty = rows.sizes == 0
    found[empty] = 0  # where the loop started from is beyond the digits of floats, and so would the type be
    return missing_where(empty, found)


def _present(values: Any, rows: Rows, edge: IntArray, search: Callable[..., IntArray]) -> Any:
    """Values of rows at the edge of their groups; where one is missing, of the next that is not."""
    if is_plain(values) and values.dtype.kind != "f":
        return taken(values, edge)
    found = taken(values, edge)
    if not _missing(found)[edge >= 0].any():
        return found
    return taken(values, search(_missing(values), rows.ids, rows.n_groups))


def _missing(values: Any) -> BoolArray:
    """Whether each value is missing."""
    return np.asarray(pd.isna(values), dtype=bool)


def _truth(values: Any, name: str, *, missing: bool) -> Any:
    """Values that are true unless 0, with an answer for missing ones."""
    if is_plain(values):
        return read_only(values)
    getattr(pd.Series(values[:0], copy=False), name)()  # raises what pandas does of types without truth
    absent = _missing(values)
    truth = np.full(len(values), missing)
    truth[~absent] = np.asarray(values[~absent]).astype(bool)
    return read_only(truth)


def _by_pandas(values: Any, rows: Rows, method: str, **arguments: Any) -> Any:
    """What the group-by of pandas gives, (n_groups,), with groups that a mask has emptied."""
    series = pd.Series(values, copy=False)
    try:
        result = getattr(series.groupby(rows.by_pandas, observed=False, sort=True), method)(**arguments)
    except TypeError as error:
        if series.dtype != object or method not in ("max", "min"):
            raise
        message = f".{method}() of objects that do not compare ({error}); missing ones do not, .dropna() takes them out"
        raise InputError(message) from error
    return result.array if not isinstance(result.dtype, np.dtype) else result.to_numpy()


def _of_present(values: Any, rows: Rows, method: str, **arguments: Any) -> Any:
    """The same of the values that are there: pandas 2.3 takes a missing date for one of the year 1677 here."""
    present = np.flatnonzero(~_missing(values))
    if len(present) < len(values):
        values, rows = values[present], rows.kept(present)
    with np.errstate(invalid="ignore"):  # of groups that have none
        result = _by_pandas(values, rows, method, **arguments)
    return missing_where(rows.sizes == 0, result)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "all": all_true,
    "any": any_true,
    "count": count,
    "first": first,
    "last": last,
    "max": largest,
    "mean": mean,
    "median": median,
    "min": smallest,
    "nunique": distinct,
    "prod": product,
    "product": product,
    "quantile": quantile,
    "size": sizes,
    "std": deviation,
    "sum": total,
    "var": variance,
}
"""Reductions by the name of the Series' method."""

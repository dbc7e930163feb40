"""One value per group of a column: what a method of a Series gives in one group, for all groups at once.

NumPy's numbers and booleans go through compiled loops, every other type through the group-by of pandas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.features.grouping import Rows
from gbr_dag.kernels import grouped
from gbr_dag.kernels.order_statistics import bin_medians

FloatArray = npt.NDArray[np.float64]


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
    if is_plain(values) and values.dtype.kind != "f":
        return rows.sizes
    return grouped.group_integer_sums(_present(values), rows.ids, _n(rows))


def total(values: Any, rows: Rows, min_count: int = 0) -> Any:
    """Sum, 0 of nothing; missing where fewer than ``min_count`` values are there."""
    if not is_plain(values):
        return _by_pandas(values, rows, "sum", min_count=min_count)
    if values.dtype.kind == "f":
        precise, counts = grouped.group_sums(values, rows.ids, _n(rows))
        sums = precise.astype(values.dtype, copy=False)
    else:
        counts = rows.sizes
        sums = grouped.group_integer_sums(values, rows.ids, _n(rows))
        sums = sums.view(np.uint64) if values.dtype.kind == "u" else sums
    return sums if min_count <= 0 else _missing_where(counts < min_count, sums)


def product(values: Any, rows: Rows, min_count: int = 0) -> Any:
    """Product, 1 of nothing; integers stay integers, modulo 2**64."""
    if not is_plain(values) or values.dtype.kind != "f":
        return _by_pandas(values, rows, "prod", min_count=min_count)
    products, counts = grouped.group_products(values, rows.ids, _n(rows))
    products = products.astype(values.dtype, copy=False)
    return products if min_count <= 0 else _missing_where(counts < min_count, products)


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
    squares = grouped.group_squares(values, means, rows.ids, _n(rows))
    with np.errstate(all="ignore"):
        result = np.where(counts > ddof, squares / (counts - ddof), np.nan)
    return result.astype(_float_type(values), copy=False)


def deviation(values: Any, rows: Rows, ddof: int = 1) -> Any:
    """Square root of the variance."""
    if not is_plain(values):
        return _by_pandas(values, rows, "std", ddof=ddof)
    return np.sqrt(variance(values, rows, ddof))


def smallest(values: Any, rows: Rows) -> Any:
    """Smallest value, missing of nothing."""
    if not is_plain(values):
        return _by_pandas(values, rows, "min")
    return _taken(values, grouped.group_extremes(values, rows.ids, _n(rows), -1))


def largest(values: Any, rows: Rows) -> Any:
    """Largest value, missing of nothing."""
    if not is_plain(values):
        return _by_pandas(values, rows, "max")
    return _taken(values, grouped.group_extremes(values, rows.ids, _n(rows), 1))


def first(values: Any, rows: Rows) -> Any:
    """First value that is not missing, in the order of the rows."""
    return _taken(values, grouped.first_rows(_present(values), rows.ids, _n(rows)))


def last(values: Any, rows: Rows) -> Any:
    """Last value that is not missing, in the order of the rows."""
    return _taken(values, grouped.last_rows(_present(values), rows.ids, _n(rows)))


def first_row(values: Any, rows: Rows) -> Any:
    """Value of the first row, missing or not."""
    return _taken(values, grouped.first_rows(np.ones(len(values), dtype=bool), rows.ids, _n(rows)))


def last_row(values: Any, rows: Rows) -> Any:
    """Value of the last row, missing or not."""
    return _taken(values, grouped.last_rows(np.ones(len(values), dtype=bool), rows.ids, _n(rows)))


def median(values: Any, rows: Rows) -> Any:
    """Median, the mean of the two in the middle of an even number."""
    if not is_plain(values):
        return _by_pandas(values, rows, "median")
    positions, offsets = rows.by_group
    medians = np.empty(_n(rows))
    bin_medians(values, positions, offsets, 0, len(medians), medians)
    return medians.astype(_float_type(values), copy=False)


def quantile(values: Any, rows: Rows, q: float = 0.5) -> Any:
    """Quantile by linear interpolation between the order statistics."""
    if not is_plain(values):
        return _by_pandas(values, rows, "quantile", q=q)
    quantiles = grouped.group_quantiles(values, *rows.by_group, float(q))
    return quantiles.astype(_float_type(values), copy=False)


def distinct(values: Any, rows: Rows, *, dropna: bool = True) -> Any:
    """Number of distinct values."""
    return _by_pandas(values, rows, "nunique", dropna=dropna).astype(np.int64)


def any_true(values: Any, rows: Rows) -> Any:
    """Whether some value is true, false of nothing; missing ones are not."""
    truth = _truth(values, missing=False)
    return grouped.group_integer_sums(truth, rows.ids, _n(rows)) > 0


def all_true(values: Any, rows: Rows) -> Any:
    """Whether every value is true, true of nothing; missing ones are."""
    truth = _truth(values, missing=True)
    return grouped.group_integer_sums(~truth, rows.ids, _n(rows)) == 0


def _n(rows: Rows) -> int:
    return len(rows.sizes)


def _float_type(values: npt.NDArray[Any]) -> Any:
    return values.dtype if values.dtype.kind == "f" else np.float64


def _means(values: npt.NDArray[Any], rows: Rows) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    sums, counts = grouped.group_sums(values, rows.ids, _n(rows))
    with np.errstate(all="ignore"):
        return sums / counts, counts


def _present(values: Any) -> npt.NDArray[np.bool_]:
    """Whether each value is there."""
    present: npt.NDArray[np.bool_] = ~np.asarray(pd.isna(values), dtype=bool)
    return present


def _truth(values: Any, *, missing: bool) -> npt.NDArray[np.bool_]:
    """Whether each value is true, with an answer for missing ones."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values
    absent = np.asarray(pd.isna(values), dtype=bool)
    truth = np.full(len(values), missing)
    truth[~absent] = np.asarray(values[~absent]).astype(bool)
    return truth


def _taken(values: Any, rows: npt.NDArray[np.int64]) -> Any:
    """Values of rows (n_groups,), missing where the row is -1; only then do numbers change their type."""
    if (rows >= 0).all():
        return values[rows]
    return with_gaps(values, rows)


def with_gaps(values: Any, rows: npt.NDArray[Any]) -> Any:
    """Values of rows, missing where the row is -1: integers become floats, booleans nullable ones."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        values = pd.array(values, dtype="boolean")
    elif isinstance(values, np.ndarray) and values.dtype.kind in "US":
        values = values.astype(object)
    return pd.api.extensions.take(values, rows, allow_fill=True)


def _missing_where(mask: npt.NDArray[np.bool_], values: Any) -> Any:
    if not mask.any():
        return values
    return with_gaps(values, np.where(mask, -1, np.arange(len(values))))


def _by_pandas(values: Any, rows: Rows, method: str, **arguments: Any) -> Any:
    """What the group-by of pandas gives, (n_groups,), with groups that a mask has emptied."""
    codes = pd.Categorical.from_codes(rows.ids, categories=pd.RangeIndex(_n(rows)))
    series = pd.Series(values, copy=False)
    result = getattr(series.groupby(codes, observed=False, sort=True), method)(**arguments)
    return result.array if not isinstance(result.dtype, np.dtype) else result.to_numpy()


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


def nan_where_missing(values: Any, rows: Rows, result: Any) -> Any:
    """A result of NumPy's functions, which do not skip NaN: NaN in groups that have one."""
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "f"):
        return result
    missing = count(values, rows) < rows.sizes
    return _missing_where(missing, result)

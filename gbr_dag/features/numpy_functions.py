"""NumPy's functions of columns of all groups, written with the columns' own operations.

NumPy hands some of its functions to the method of a Series, which skips NaN, and makes arrays of a Series for others,
which do not: ``np.mean`` does what ``Series.mean`` does, ``np.median`` is NaN if a value is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np

ELEMENTWISE = frozenset(
    [
        "around",
        "clip",
        "digitize",
        "full_like",
        "interp",
        "isclose",
        "isin",
        "isneginf",
        "isposinf",
        "nan_to_num",
        "ones_like",
        "round",
        "select",
        "where",
        "zeros_like",
    ]
)
"""Functions that give every row its value without a look at others, beside the ufuncs."""


def _as_method(name: str) -> Callable[..., Any]:
    return lambda column, **arguments: getattr(column, name)(**arguments)


def _deviation(column: Any, *, ddof: int = 0) -> Any:
    return column.std(ddof=ddof)


def _variance(column: Any, *, ddof: int = 0) -> Any:
    return column.var(ddof=ddof)


def _size(column: Any) -> Any:
    return column.size


def _missing(column: Any) -> Any:
    """Whether some value of the group is NaN."""
    return np.isnan(column.to_numpy()).any()


def _quantile(column: Any, q: float) -> Any:
    return np.where(_missing(column), np.nan, _nan_quantile(column, q))


def _percentile(column: Any, q: float) -> Any:
    return _quantile(column, q / 100.0)


def _median(column: Any) -> Any:
    return np.where(_missing(column), np.nan, _nan_median(column))


def _skipping(column: Any) -> Any:
    """The column with the Series' way of skipping NaN."""
    return column if column.kind == "series" else type(column)(column.raw, "series", column.rows, column.grouping)


def _nan_method(name: str) -> Callable[..., Any]:
    return lambda column: getattr(_skipping(column), name)()


def _nan_median(column: Any) -> Any:
    return _skipping(column).median()


def _nan_quantile(column: Any, q: float) -> Any:
    return _skipping(column).quantile(q)


def _nan_percentile(column: Any, q: float) -> Any:
    return _nan_quantile(column, q / 100.0)


def _nan_deviation(column: Any, *, ddof: int = 0) -> Any:
    return _skipping(column).std(ddof=ddof)


def _nan_variance(column: Any, *, ddof: int = 0) -> Any:
    return _skipping(column).var(ddof=ddof)


def _range(column: Any) -> Any:
    array = column.to_numpy()
    return array.max() - array.min()


def _count_nonzero(column: Any) -> Any:
    return (column.to_numpy() != 0).sum()


def _average(column: Any, weights: Optional[Any] = None) -> Any:
    array = column.to_numpy()
    if weights is None:
        return array.mean()
    factors = weights.to_numpy()
    return (array * factors).sum() / factors.sum()


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

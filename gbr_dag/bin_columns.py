"""Integer bins made of other columns: by edges, by a width, or by an expression."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_numeric, numeric_values
from gbr_dag.errors import InputError
from gbr_dag.expressions import expression_columns, expression_values
from gbr_dag.frames import NULLS_MARK
from gbr_dag.graph.checks import unknown

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FARTHEST = 2**60
"""Largest bin, as of the grids that bins make."""

_FINITE = 1e300
"""Numbers beyond are as good as infinite."""

_EXACT = 2**53
"""Largest value of an expression, in doubles, that is known to be an integer."""

_WAYS_OUT = "give {'column': ..., 'edges': [...]}, {'column': ..., 'width': ...} or an expression"

_PARTS = ("column", "edges", "width", "origin")

_TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds of one tick of a column of times."""


@dataclass(frozen=True)
class EdgeBins:
    """Bin i holds edges[i] <= x < edges[i + 1], the last one its right edge too."""

    column: str
    edges: tuple[float, ...]

    @property
    def record(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        return {"column": self.column, "edges": list(self.edges)}


@dataclass(frozen=True)
class WidthBins:
    """Bin floor((x - origin) / width); None as origin is 0, or 1970-01-01."""

    column: str
    width: Union[int, float, pd.Timedelta]
    origin: Union[int, float, pd.Timestamp, pd.Timedelta, None] = None

    @property
    def record(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        width = str(self.width) if isinstance(self.width, pd.Timedelta) else self.width
        if self.origin is None:
            return {"column": self.column, "width": width}
        plain = self.origin if isinstance(self.origin, (int, float)) else str(self.origin)
        return {"column": self.column, "width": width, "origin": plain}


Bins = Union[EdgeBins, WidthBins, str]
"""Rule of one column of bins; text is an expression."""


def checked_bins(name: str, described: Any) -> Bins:
    """The rule of one column of bins, from what the caller wrote.

    Raises
    ------
    InputError
        If it is none of the three kinds, or a part of it breaks its rule.
    """
    if isinstance(described, str):
        return described
    if not isinstance(described, Mapping):
        message = f"binning of {name!r} must be a rule: {_WAYS_OUT}; got {described!r}"
        raise InputError(message)
    for part in described:
        if part not in _PARTS:
            raise InputError(unknown(f"binning of {name!r}: part", part, _PARTS, _WAYS_OUT))
    column = described.get("column")
    if not isinstance(column, str) or ("edges" in described) == ("width" in described):
        message = f"binning of {name!r} must name a column, with either edges or width: {_WAYS_OUT}; got {described!r}"
        raise InputError(message)
    if "width" in described:
        return WidthBins(column, *_checked_width(name, described["width"], described.get("origin")))
    if "origin" in described:
        message = f"binning of {name!r}: origin is for bins of one width, edges have none; leave it out"
        raise InputError(message)
    return EdgeBins(column, _checked_edges(name, described["edges"]))


def bins_record(bins: Bins) -> Union[str, dict[str, Any]]:
    """The rule as plain JSON, which :func:`checked_bins` reads back."""
    return bins if isinstance(bins, str) else bins.record


def source_columns(bins: Bins, known: Sequence[Any]) -> tuple[str, ...]:
    """Columns that the bins are made of.

    Raises
    ------
    InputError
        If an expression cannot be read, or names what is not among the columns ``known``.
    """
    return expression_columns(bins, known) if isinstance(bins, str) else (bins.column,)


def bin_values(name: str, bins: Bins, frame: pd.DataFrame) -> Any:
    """Bin of every row, (n_rows,): int64, or nullable integers where some row is in no bin.

    A row is in none if the source is missing or infinite, or beyond the edges. Cost O(n_rows), times log(edges).

    Raises
    ------
    InputError
        If the source is neither numeric nor times, if an expression gives anything but whole numbers, or if bins are
        beyond 2**60.
    """
    if isinstance(bins, str):
        numbers_found = _whole_values(name, bins, frame)
        return _integers(name, numbers_found, np.isfinite(numbers_found))
    column = frame[bins.column]
    if getattr(column.dtype, "kind", "O") in "mM":
        if isinstance(bins, EdgeBins):
            message = f"binning of {name!r}: edges are for numbers, {bins.column!r} is {column.dtype}; give a width"
            raise InputError(message)
        return _times(name, bins, column)
    if not is_numeric(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        message = f"binning of {name!r}: column {bins.column!r} must be numeric or times, it is {column.dtype}"
        raise InputError(message)
    values = numeric_values(column)
    if isinstance(bins, EdgeBins):
        edges = np.array(bins.edges)
        inside = (values >= edges[0]) & (values <= edges[-1])
        return _integers(name, np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 2), inside)
    if isinstance(bins.width, pd.Timedelta) or isinstance(bins.origin, (pd.Timestamp, pd.Timedelta)):
        message = f"binning of {name!r}: column {bins.column!r} is {column.dtype} and no times; give a number as width"
        raise InputError(message)
    return _of_numbers(name, bins.width, bins.origin or 0, values)


def with_bins(frame: pd.DataFrame, binning: Mapping[str, Bins]) -> pd.DataFrame:
    """A frame with the columns of bins beside those of ``frame``, which stays as it is and shares its memory.

    Columns that share a name are left out.
    """
    if not binning:
        return frame
    labels = list(frame.columns)
    once = labels if frame.columns.is_unique else [label for label in labels if labels.count(label) == 1]
    # all at once: pandas complains about frames that single columns are added to
    columns = {label: frame[label].array for label in once}
    columns.update({name: bin_values(name, bins, frame) for name, bins in binning.items()})
    binned = pd.DataFrame(columns, index=frame.index, copy=False)
    binned.attrs = {mark: value for mark, value in frame.attrs.items() if mark == NULLS_MARK}
    return binned


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and -_FINITE < float(value) < _FINITE


def _plain(value: Any) -> Union[int, float]:
    """A number of Python's own: numpy's are not plain JSON."""
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _checked_edges(name: str, edges: Any) -> tuple[float, ...]:
    given = [] if isinstance(edges, (str, Mapping)) or not hasattr(edges, "__iter__") else list(edges)
    rising = all(_is_number(edge) for edge in given) and all(low < high for low, high in zip(given, given[1:]))
    if len(given) < 2 or not rising:
        message = f"binning of {name!r}: edges must be at least two finite numbers that ascend, got {edges!r}"
        raise InputError(" ".join(message.split()))
    return tuple(float(edge) for edge in given)


def _checked_width(name: str, width: Any, origin: Any) -> tuple[Any, Any]:
    """A number or a length of time, above 0, and an origin that goes with it, or None."""
    rule = f"binning of {name!r}: width must be a number above 0, or a length of time such as '30min', got {width!r}"
    if isinstance(width, np.timedelta64):  # an integer to Python
        width = pd.Timedelta(width)
    if _is_number(width):
        if width <= 0:
            raise InputError(rule)
        if origin is not None and not _is_number(origin):
            message = f"binning of {name!r}: origin must be a finite number as width is one, got {origin!r}"
            raise InputError(message)
        return _plain(width), None if origin is None else _plain(origin)
    try:
        if isinstance(width, (bool, np.bool_, numbers.Real)):
            raise InputError(rule)
        length = pd.Timedelta(width)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(rule) from error
    if length is pd.NaT or length <= pd.Timedelta(0):
        raise InputError(rule)
    return length, _checked_origin(name, origin)


def _checked_origin(name: str, origin: Any) -> Union[pd.Timestamp, pd.Timedelta, None]:
    if origin is None or (isinstance(origin, pd.Timedelta) and origin is not pd.NaT):
        return origin
    rule = f"binning of {name!r}: origin must be a point in time such as '2024-01-01', got {origin!r}"
    if isinstance(origin, (bool, np.bool_, numbers.Real)):
        raise InputError(rule)
    try:
        if isinstance(origin, str) and origin.split(" ")[1:2] == ["days"]:  # as the record of a length of time has it
            return pd.Timedelta(origin)
        moment = pd.Timestamp(origin)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(rule) from error
    if moment is pd.NaT:
        raise InputError(rule)
    return moment


def _whole_values(name: str, text: str, frame: pd.DataFrame) -> FloatArray:
    """Values of an expression as doubles, NaN where missing."""
    for column in expression_columns(text, frame.columns):
        values = numeric_values(frame[column]) if is_numeric(frame[column].dtype) else np.empty(0)
        if values.dtype.kind in "iu" and len(values) and max(-int(values.min()), int(values.max())) > _EXACT:
            message = (
                f"binning of {name!r}: expression {text!r} is in doubles, which integers beyond 2**53 as in {column!r}"
                " do not fit; give {'column': ..., 'width': ...}"
            )
            raise InputError(message)
    found = expression_values(text, frame)
    if not is_numeric(found.dtype) or pd.api.types.is_bool_dtype(found.dtype):
        message = f"binning of {name!r}: expression {text!r} must give numbers, it gives {found.dtype}"
        raise InputError(message)
    bins: FloatArray = found.to_numpy(dtype=np.float64, na_value=np.nan)
    odd = np.isfinite(bins) & ((bins != np.floor(bins)) | (np.abs(bins) >= _EXACT))
    if odd.any():
        message = (
            f"binning of {name!r}: expression {text!r} must give whole numbers below 2**53, row {int(odd.argmax())} has"
            f" {float(bins[odd.argmax()])!r}; divide with //, as in 'x // 2', or give {{'column': ..., 'width': ...}}"
        )
        raise InputError(message)
    return bins


def _of_numbers(name: str, width: Union[int, float], origin: Union[int, float], values: npt.NDArray[Any]) -> Any:
    """floor((x - origin) / width); among integers exactly."""
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        whole = isinstance(width, int) and isinstance(origin, int) and width <= _FARTHEST
        if whole and max(abs(low), abs(high), abs(origin)) < 2**62:
            return _integers(name, (values.astype(np.int64) - int(origin)) // int(width), None)
        if max(abs(low), abs(high)) > _EXACT:
            rule = "within -2**62 to 2**62" if whole else "within -2**53 to 2**53, or width and origin whole numbers"
            message = f"binning of {name!r}: integers must lie {rule}, got {low} to {high}; subtract an offset"
            raise InputError(message)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.floor((values.astype(np.float64) - origin) / width)
    return _integers(name, found, np.isfinite(found))


def _times(name: str, bins: WidthBins, column: pd.Series) -> Any:
    """floor((t - origin) / width) of points in time or durations, exactly."""
    if not isinstance(bins.width, pd.Timedelta):
        message = (
            f"binning of {name!r}: column {bins.column!r} is {column.dtype}; width must be a length of time such as"
            f" '30min', got {bins.width!r}"
        )
        raise InputError(message)
    present = column.notna().to_numpy()
    is_moment = column.dtype.kind == "M"
    origin = _origin_ns(name, bins, column, is_moment=is_moment)
    ticks, unit = _ticks(column, is_moment=is_moment)
    width, step = bins.width.value, _TICKS[unit]
    if width % step == 0 and origin % step == 0:
        width, origin, step = width // step, origin // step, 1
    elif len(ticks) and present.any() and np.abs(ticks[present]).max() > 2**62 // step:
        message = f"binning of {name!r}: times of {bins.column!r} are too far off for bins of {bins.width}"
        raise InputError(message)
    found = (np.where(present, ticks, 0) * step - origin) // width
    return _integers(name, found, present)


def _ticks(column: pd.Series, *, is_moment: bool) -> tuple[IntArray, str]:
    """Ticks since 1970-01-01, of UTC where the column has a time zone, or of a duration, with their unit."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        unit = column.dtype.unit
    elif isinstance(column.dtype, np.dtype):
        unit = np.datetime_data(column.dtype)[0]
    else:  # of Arrow
        unit = column.dtype.pyarrow_dtype.unit
    values = column.to_numpy(dtype=f"{'datetime64' if is_moment else 'timedelta64'}[{unit}]", na_value=None)
    return values.astype(np.int64), str(unit)


def _origin_ns(name: str, bins: WidthBins, column: pd.Series, *, is_moment: bool) -> int:
    """Nanoseconds from 1970-01-01, or from 0 among durations."""
    origin: Any = bins.origin
    if origin is None:
        return 0
    if isinstance(origin, pd.Timestamp) != is_moment:
        message = f"binning of {name!r}: origin {origin!s} does not go with column {bins.column!r}, {column.dtype}"
        raise InputError(message)
    if is_moment and origin.tz is not None and _zone(column) is None:
        message = f"binning of {name!r}: origin {origin!s} has a time zone, column {bins.column!r} none; leave it out"
        raise InputError(message)
    return int(origin.value)  # of a point without time zone as if it were UTC


def _zone(column: pd.Series) -> Optional[Any]:
    kind = getattr(column.dtype, "pyarrow_dtype", column.dtype)
    return getattr(kind, "tz", None)


def _integers(name: str, values: npt.NDArray[Any], present: Optional[npt.NDArray[np.bool_]]) -> Any:
    """Whole numbers as int64, nullable where one is absent."""
    if present is None or present.all():
        kept, missing = values, None
    else:
        kept, missing = np.where(present, values, 0), ~present
    if len(kept) and np.abs(kept).max() > _FARTHEST:
        message = f"binning of {name!r}: bins must lie within -2**60 to 2**60, got {kept[np.abs(kept).argmax()]}"
        raise InputError(message)
    whole = kept.astype(np.int64)
    return whole if missing is None else pd.arrays.IntegerArray(whole, missing)

"""Where two runs of a feature give different values."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_ROUNDINGS = 64
"""Roundings of single precision by which values made of it may differ."""

_NUMBERS = (int, float, complex, np.number)


def precision_of(values: Any) -> float:
    """Spacing of the floats near 1 of a type: of single precision for single precision, else of double."""
    dtype = getattr(values, "dtype", None)
    if dtype is None or getattr(dtype, "kind", "O") not in "fc" or getattr(dtype, "itemsize", 8) >= 8:
        return float(np.finfo(np.float64).eps)
    return float(np.finfo(np.float16 if dtype.itemsize == 2 else np.float32).eps)


def relative_tolerance(tolerance: float, precision: float) -> float:
    """The tolerance asked for, or what values of that precision can keep."""
    return tolerance if precision <= np.finfo(np.float64).eps else max(tolerance, _ROUNDINGS * precision)


def value_differences(grouped: pd.Series, literal: pd.Series, relative: float) -> tuple[BoolArray, FloatArray]:
    """Where values differ, and by how much.

    Parameters
    ----------
    grouped, literal : pandas.Series (n,)
        Of any two types.
    relative : float
        What floats may differ by, relative to the larger one.

    Returns
    -------
    differing : bool array (n,)
        Missing values equal each other and nothing else; integers and whatever is no number must be equal.
    difference : float array (n,)
        Grouped minus literal; infinite where one alone is missing, NaN where they are no numbers.
    """
    if _are_integers(grouped) and _are_integers(literal):
        exact = _integers(grouped) != _integers(literal)
        return exact, grouped.to_numpy(dtype=np.float64) - literal.to_numpy(dtype=np.float64)
    left, right = as_floats(grouped), as_floats(literal)
    if left is None or right is None:
        return _differences_of_objects(grouped, literal, relative)
    with np.errstate(all="ignore"):
        difference = left - right
        close = (left == right) | (np.abs(difference) <= relative * np.maximum(np.abs(left), np.abs(right)))
    infinite = ~(np.isfinite(left) & np.isfinite(right))
    close = np.where(infinite, left == right, close)
    absent = np.isnan(left), np.isnan(right)
    close |= absent[0] & absent[1]
    difference[absent[0] != absent[1]] = np.inf
    return ~close, np.where(close, 0.0, difference)


def _are_integers(values: pd.Series) -> bool:
    return getattr(values.dtype, "kind", "O") in "iub" and not values.hasnans


def _integers(values: pd.Series) -> npt.NDArray[Any]:
    integers: npt.NDArray[Any] = values.to_numpy(dtype=np.uint64 if values.dtype.kind == "u" else np.int64)
    return integers


def as_floats(values: pd.Series) -> Optional[FloatArray]:
    """Numbers and booleans as floats, missing ones as NaN; None for anything else."""
    kind = getattr(values.dtype, "kind", "O")
    if kind not in "iubf" or isinstance(values.dtype, pd.CategoricalDtype):
        return None
    return np.array(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _differences_of_objects(grouped: pd.Series, literal: pd.Series, relative: float) -> tuple[BoolArray, FloatArray]:
    differing = np.zeros(len(grouped), dtype=bool)
    difference = np.zeros(len(grouped))
    for place, (left, right) in enumerate(zip(grouped.tolist(), literal.tolist())):
        if not _same(left, right, relative):
            differing[place] = True
            difference[place] = _distance(left, right)
    return differing, difference


def _same(left: Any, right: Any, relative: float) -> bool:
    if _missing(left) or _missing(right):
        return _missing(left) and _missing(right)
    spans = isinstance(left, pd.Timedelta) and isinstance(right, pd.Timedelta)  # which round to their own unit
    if (spans or _inexact(left, right)) and left != right:
        return bool(abs(left - right) <= relative * max(abs(left), abs(right)))
    return bool(np.all(left == right))


def _inexact(left: Any, right: Any) -> bool:
    """Whether two values are numbers, one of which is no integer."""
    return all(isinstance(value, _NUMBERS) for value in (left, right)) and not all(
        isinstance(value, (int, np.integer)) for value in (left, right)
    )


def _missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _distance(left: Any, right: Any) -> float:
    if _missing(left) != _missing(right):
        return math.inf
    if not all(isinstance(value, _NUMBERS) for value in (left, right)):
        return math.nan
    return float(np.real(left - right))

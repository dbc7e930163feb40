"""Values taken by position, missing where there is no position."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def with_gaps(values: Any, positions: npt.NDArray[Any]) -> Any:
    """Values of positions, missing where the position is -1.

    Integers become floats, those beyond 2**53 nullable ones, which lose no digit; booleans become nullable ones.
    """
    kind = values.dtype.kind if isinstance(values, np.ndarray) else None
    if kind == "b" or _beyond_floats(values):
        values = pd.array(values)
    elif kind in {"U", "S"}:
        values = values.astype(object)
    return pd.api.extensions.take(values, positions, allow_fill=True)


def _beyond_floats(values: Any) -> bool:
    long = isinstance(values, np.ndarray) and values.dtype in (np.int64, np.uint64) and len(values) > 0
    return long and max(int(values.max()), -int(values.min())) > 2**53


def taken(values: Any, positions: npt.NDArray[np.int64]) -> Any:
    """Values of positions (n,), missing where the position is -1; only then do numbers change their type."""
    if (positions >= 0).all():
        return values.take(positions)
    return with_gaps(values, positions)


def plain_form(values: Any) -> Any:
    """Numbers of pandas' own types as those of NumPy, NaN for missing ones unless that loses digits; no categories."""
    if isinstance(values, pd.Categorical):
        known = values.categories
        return taken(
            known.to_numpy() if isinstance(known.dtype, np.dtype) else known.array, values.codes.astype(np.int64)
        )
    plain_type = None if isinstance(values, np.ndarray) else getattr(values.dtype, "numpy_dtype", None)
    if not isinstance(plain_type, np.dtype) or plain_type.kind not in "biuf":
        return values
    missing = values.isna()
    if not missing.any():
        return values.to_numpy(dtype=plain_type)
    if plain_type.kind == "b" or _beyond_floats(np.asarray(values[~missing]).astype(plain_type)):
        return values
    return values.to_numpy(dtype=plain_type if plain_type.kind == "f" else np.float64, na_value=np.nan)


def missing_where(mask: npt.NDArray[np.bool_], values: Any) -> Any:
    """Values (n,), missing where a mask is true; only then do numbers change their type."""
    if not mask.any():
        return values
    return with_gaps(values, np.where(mask, -1, np.arange(len(values))))

"""Values taken by position, missing where there is no position."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def with_gaps(values: Any, positions: npt.NDArray[Any]) -> Any:
    """Values of positions, missing where the position is -1: integers become floats, booleans nullable ones."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        values = pd.array(values, dtype="boolean")
    elif isinstance(values, np.ndarray) and values.dtype.kind in "US":
        values = values.astype(object)
    return pd.api.extensions.take(values, positions, allow_fill=True)


def taken(values: Any, positions: npt.NDArray[np.int64]) -> Any:
    """Values of positions (n,), missing where the position is -1; only then do numbers change their type."""
    if (positions >= 0).all():
        return values.take(positions)
    return with_gaps(values, positions)


def missing_where(mask: npt.NDArray[np.bool_], values: Any) -> Any:
    """Values (n,), missing where a mask is true; only then do numbers change their type."""
    if not mask.any():
        return values
    return with_gaps(values, np.where(mask, -1, np.arange(len(values))))

"""Columns whose squares leave the range of doubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InputError

_LARGEST = 1e100
"""Squares of larger (and of smaller than 1 over it) values times weights may overflow (underflow)."""


def check_magnitudes(columns: Mapping[str, npt.NDArray[Any]], used: npt.NDArray[np.bool_]) -> None:
    """Refuse columns whose squares would leave the range of doubles, even times a weight and summed over all rows.

    Parameters
    ----------
    columns : mapping of str to numeric array (n_rows,)
        By the words that name them in a message.
    used : bool array (n_rows,)
        Rows that count.

    Raises
    ------
    InputError
        If the largest value used is beyond 1e100 or below 1e-100 in size.
    """
    for name, values in columns.items():
        if values.dtype.kind != "f" or values.dtype == np.float32:
            continue
        size = np.abs(values)
        largest = float(np.max(size, initial=0.0, where=used & np.isfinite(size)))
        if largest > _LARGEST or 0.0 < largest < 1.0 / _LARGEST:
            message = (
                f"{name} has values up to {largest:.1e} in size, whose squares leave the range of doubles; rescale it"
                f" to between {1 / _LARGEST:.0e} and {_LARGEST:.0e}"
            )
            raise InputError(message)

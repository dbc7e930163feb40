"""Columns whose squares leave the range of doubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InputError

_LARGEST = 1e100
"""Squares of larger (and of smaller than 1 over it) values times weights may overflow (underflow)."""


def check_magnitudes(
    columns: Mapping[str, npt.NDArray[Any]],
    used: npt.NDArray[np.bool_],
    row_bin: Optional[npt.NDArray[np.signedinteger[Any]]] = None,
) -> None:
    """Refuse columns whose squares would leave the range of doubles, even times a weight and summed over all rows.

    Parameters
    ----------
    columns : mapping of str to numeric array (n_rows,)
        By the words that name them in a message.
    used : bool array (n_rows,)
        Rows that count.
    row_bin : integer array (n_rows,), optional
        Bin of every row, not negative where ``used``; None to look at all rows as one bin.

    Raises
    ------
    InputError
        If the largest value used in some bin is beyond 1e100 or below 1e-100 in size, and not zero.
    """
    for name, values in columns.items():
        if values.dtype.kind != "f" or values.dtype.itemsize <= 4:
            continue
        largest = _odd_size(np.abs(values), used, row_bin)
        if largest is not None:
            message = (
                f"{name} has values up to {largest:.1e} in size, whose squares leave the range of doubles; rescale it"
                f" to between {1 / _LARGEST:.0e} and {_LARGEST:.0e}"
            )
            raise InputError(message)


def _odd_size(
    size: npt.NDArray[Any], used: npt.NDArray[np.bool_], row_bin: Optional[npt.NDArray[np.signedinteger[Any]]]
) -> Optional[float]:
    """Largest size in a bin where its square leaves the range, if there is such a bin."""
    counted = used & np.isfinite(size)
    if row_bin is None:
        largest = np.array([np.max(size, initial=0.0, where=counted)])
    else:
        bins = row_bin[counted]
        largest = np.zeros(int(bins.max(initial=-1)) + 1, dtype=size.dtype)
        np.maximum.at(largest, bins, size[counted])
    odd = largest[(largest > _LARGEST) | ((largest > 0.0) & (largest < 1.0 / _LARGEST))]
    return float(odd[0]) if odd.size else None

"""Columns whose squares leave the range of doubles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InputError

_LARGEST = 1e100
"""Squares of larger (and of smaller than 1 over it) values times weights may overflow (underflow)."""

Column = npt.NDArray[Any]


def check_magnitudes(
    predictors: Iterable[tuple[str, Column]],
    targets: Iterable[tuple[str, Column]],
    weights: Union[str, Column, None],
    row_weights: Column,
    row_bin: npt.NDArray[np.signedinteger[Any]],
) -> None:
    """Refuse columns whose squares would leave the range of doubles, even times a weight and summed over a bin.

    Parameters
    ----------
    predictors, targets : pairs of str and numeric array (n_rows,)
        Columns by name.
    weights : str, array or None
        As the caller gave them.
    row_weights : real array (n_rows,)
        The rows that count are those with a positive finite weight here.
    row_bin : integer array (n_rows,)
        Bin of every row, -1 for none.

    Raises
    ------
    InputError
        If the largest value that counts in some bin is beyond 1e100 or below 1e-100 in size, and not zero.
    """
    used = (row_bin >= 0) & (row_weights > 0.0) & np.isfinite(row_weights)
    columns = [(f"targets: column {name!r}", values) for name, values in targets]
    for name, values in predictors:
        columns.append((f"predictors: column {name!r}", values))
        if values.dtype.kind == "f":
            used &= np.isfinite(values)
    if weights is not None:
        words = f"weights: column {weights!r}" if isinstance(weights, str) else "weights: the array"
        columns.append((words, row_weights))
    for words, values in columns:
        largest = _odd_size(values, used, row_bin)
        if largest is not None:
            message = (
                f"{words} has values up to {largest:.1e} in size, whose squares leave the range of doubles; rescale it"
                f" to between {1 / _LARGEST:.0e} and {_LARGEST:.0e}"
            )
            raise InputError(message)


def _odd_size(
    values: Column, used: npt.NDArray[np.bool_], row_bin: npt.NDArray[np.signedinteger[Any]]
) -> Optional[float]:
    """Largest size in a bin where its square leaves the range, if there is such a bin."""
    if values.dtype.kind != "f" or values.dtype.itemsize <= 4:
        return None
    size = np.abs(values)
    counted = used & np.isfinite(size)
    small = (size < 1.0 / _LARGEST) & (size > 0.0)
    if not ((size > _LARGEST) | small)[counted].any():
        return None
    bins = row_bin[counted]
    largest = np.zeros(int(bins.max(initial=-1)) + 1, dtype=size.dtype)
    np.maximum.at(largest, bins, size[counted])
    odd = largest[(largest > _LARGEST) | ((largest > 0.0) & (largest < 1.0 / _LARGEST))]
    return float(odd[0]) if odd.size else None

"""Columns of a fit table out of the arrays behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.memory import empty
from gbr_dag.naming import FitColumn

Array = npt.NDArray[Any]


def table_columns(
    named: Sequence[Sequence[FitColumn]], sources: Mapping[str, Optional[Array]], dtype: str
) -> dict[str, Array]:
    """Columns (n_bins,) by name, one sequence of them a target; floats in ``dtype``.

    A source is an array (n_bins, t, ...); one that no column is taken from may be None.

    Raises
    ------
    ValueError
        If a column's source is None.
    """
    columns = {}
    for i, of_target in enumerate(named):
        for column in of_target:
            values = sources[column.source]
            if values is None:
                message = f"column {column.name!r} needs the values of {column.source!r}, which were given as None"
                raise ValueError(message)
            place: tuple[Any, ...] = (slice(None), i, *column.place)
            columns[column.name] = own_column(values[place], dtype)
    return columns


def own_column(values: Array, dtype: str) -> Array:
    """The values in memory that only one column of a table has, floats in ``dtype``."""
    kind = np.dtype(dtype) if values.dtype.kind == "f" else values.dtype
    if values.dtype == kind and values.flags.writeable and values.flags.c_contiguous:
        return values
    # a table owns its columns: what several targets share is copied, and so is what is spread over memory
    own = empty(values.shape, kind)
    own[...] = values
    return own

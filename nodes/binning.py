"""From key columns to coordinates on a grid of cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_numeric, numeric_values
from gbr_dag.errors import InputError
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.tables import BinCoordinates, BoolArray, CellIds, IntArray

_LARGEST_SPAN = 2**62


@bytes_estimate(lambda frame, by: 8 * len(frame) * len(by))
def bin_coordinates(frame: pd.DataFrame, by: Sequence[str], usable_rows: BoolArray) -> BinCoordinates:
    """Position of every row's keys in the sorted order of each key's values; -1 for rows that are left out.

    Categories keep their order; equality of floats is exact, with -0 = 0.

    Raises
    ------
    InputError
        If the values of a key cannot be ordered.
    """
    codes, spans = zip(*(_key_codes(frame[name], name, usable_rows) for name in by))
    return BinCoordinates(codes, spans)


@bytes_estimate(lambda frame: 8 * len(frame))
def cell_ids(bin_coordinates: BinCoordinates) -> CellIds:
    """One integer a row that orders rows as their keys do, -1 for rows that are left out."""
    ids, span = bin_coordinates.codes[0], bin_coordinates.spans[0]
    for codes, width in zip(bin_coordinates.codes[1:], bin_coordinates.spans[1:]):
        if span * width > _LARGEST_SPAN:
            ids, span = _compressed(ids)
        ids = np.where(ids >= 0, ids * width + codes, -1)
        span *= width
    return CellIds(ids, span)


def _key_codes(column: pd.Series, name: str, usable_rows: BoolArray) -> tuple[IntArray, int]:
    """Codes of one key, and the exclusive upper bound on them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, span = column.cat.codes.to_numpy(dtype=np.int64), len(column.cat.categories)
    else:
        try:
            values = _comparable(column)
            codes, levels = pd.factorize(values, sort=True, use_na_sentinel=True)
        except TypeError as error:
            message = f"by column {name!r} holds values that cannot be hashed and ordered ({error}); make them strings"
            raise InputError(message) from error
        span = len(levels)
    return np.where(usable_rows, codes, -1).astype(np.int64, copy=False), max(span, 1)


def _comparable(column: pd.Series) -> Any:
    """Values that compare as the key's do; Arrow would tell -0 from 0."""
    if isinstance(column.dtype, np.dtype) or (is_numeric(column.dtype) and column.dtype.kind == "f"):
        return numeric_values(column)
    return column.array


def _compressed(ids: npt.NDArray[np.int64]) -> tuple[IntArray, int]:
    """The same order with consecutive ids: only those that occur are counted."""
    levels, codes = np.unique(ids, return_inverse=True)
    left_out = int(levels.size > 0 and levels[0] < 0)
    return codes.reshape(ids.shape).astype(np.int64) - left_out, max(len(levels) - left_out, 1)

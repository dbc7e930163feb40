"""From key columns to coordinates on a grid of cells."""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_every_row, is_numeric, numeric_values
from gbr_dag.errors import InputError
from gbr_dag.graph.backend import config
from gbr_dag.graph.notes import plan_note
from gbr_dag.graph.sizes import bytes_estimate, readable_bytes
from gbr_dag.nodes import selection as row_selection
from gbr_dag.tables import BinCoordinates, BoolArray, CellIds, IntArray

_CELLS_PER_ROW = 4
"""A table over all cells beats sorting while it is not much larger than the ids themselves."""

_BYTES_PER_CELL = 12
"""The count of its rows and the number of its bin."""

_LARGEST_SPAN = 2**62

Codes = npt.NDArray[np.integer[Any]]


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def bin_coordinates__numpy(frame: pd.DataFrame, by: Sequence[str], usable_rows: BoolArray) -> BinCoordinates:
    """Position of every row's keys in the sorted order of each key's values.

    An integer key stands for itself; of others the values that occur are sorted. Categories keep their order; equality
    of floats is exact, with -0 = 0.

    Raises
    ------
    InputError
        If the values of a key cannot be ordered.
    """

    def bounds(codes: Sequence[Codes], present: BoolArray) -> list[tuple[int, int]]:
        chosen = codes if is_every_row(present) else [column[present] for column in codes]
        return [(int(column.min()), int(column.max())) if len(column) else (0, -1) for column in chosen]

    return _coordinates(frame, by, usable_rows, bounds)


@config.when(engine="numba")
def bin_coordinates__numba(
    frame: pd.DataFrame, by: Sequence[str], usable_rows: BoolArray, threads: Optional[int]
) -> BinCoordinates:
    """Position of every row's keys in the sorted order of each key's values; integers are looked at in place."""
    from gbr_dag.kernels import cells

    def bounds(codes: Sequence[Codes], present: BoolArray) -> list[tuple[int, int]]:
        return cells.bounds(codes, None if is_every_row(present) else present, threads)

    return _coordinates(frame, by, usable_rows, bounds)


def _key_path(frame: pd.DataFrame, by: Sequence[str], selection: Any = None) -> str:
    """How cells will be numbered."""
    selected = row_selection.selected_rows(frame, selection)
    usable = row_selection.usable_rows(selected, row_selection.keyed_rows(frame, by))
    coordinates = bin_coordinates__numpy(frame, by, usable)
    kinds = ["integers as they are" if levels is None else "sorted values" for levels in coordinates.levels]
    keys = ", ".join(f"{name}: {kind}" for name, kind in zip(by, kinds))
    n_cells = _grid_size(coordinates)
    if _is_dense(coordinates):
        return f"{keys}; a grid of {n_cells:,} cells, {readable_bytes(_BYTES_PER_CELL * n_cells)}"
    return f"{keys}; ranks of the cells that occur, the grid would have {n_cells:,}"


@plan_note(_key_path)
@bytes_estimate(lambda frame: 4 * len(frame))
@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def cell_ids__numpy(bin_coordinates: BinCoordinates) -> CellIds:
    """One integer a row that orders rows as their keys do, -1 for rows that are left out.

    Row-major positions on the grid of the keys' spans if that has at most four cells a row (or 1024), else the ranks
    of those that occur.
    """
    if not _is_dense(bin_coordinates):
        return _ranked(bin_coordinates)
    ids = np.zeros(len(bin_coordinates.codes[0]), dtype=np.int32)
    for codes, low, span in zip(bin_coordinates.codes, bin_coordinates.lows, bin_coordinates.spans):
        np.multiply(ids, span, out=ids, where=bin_coordinates.present)
        np.add(ids, codes.astype(np.int64) - low, out=ids, where=bin_coordinates.present, casting="unsafe")
    ids[~bin_coordinates.present] = -1
    span = _grid_size(bin_coordinates)
    return CellIds(ids, span, _counts(ids, span), None)


@plan_note(_key_path)
@bytes_estimate(lambda frame: 4 * len(frame))
@config.when(engine="numba")
def cell_ids__numba(bin_coordinates: BinCoordinates, threads: Optional[int]) -> CellIds:
    """One integer a row that orders rows as their keys do, -1 for rows that are left out.

    Row-major positions on the grid of the keys' spans if that has at most four cells a row (or 1024), else the ranks
    of those that occur.
    """
    from gbr_dag.kernels import cells

    if not _is_dense(bin_coordinates):
        return _ranked(bin_coordinates)
    present = None if is_every_row(bin_coordinates.present) else bin_coordinates.present
    ids, counts = cells.cells(bin_coordinates.codes, bin_coordinates.lows, bin_coordinates.spans, present, threads)
    return CellIds(ids, len(counts), counts, None)


def _coordinates(
    frame: pd.DataFrame,
    by: Sequence[str],
    usable_rows: BoolArray,
    bounds: Callable[[Sequence[Codes], BoolArray], list[tuple[int, int]]],
) -> BinCoordinates:
    keys = [_key_codes(frame[name], name) for name in by]
    found = bounds([codes for codes, _ in keys], usable_rows)
    for i, (low, high) in enumerate(found):
        if high - low >= _LARGEST_SPAN:
            keys[i] = _factorised(frame[by[i]], by[i])
            (found[i],) = bounds([keys[i][0]], usable_rows)
    codes, levels = zip(*keys)
    lows = tuple(low for low, _ in found)
    return BinCoordinates(codes, lows, tuple(max(high - low + 1, 1) for low, high in found), levels, usable_rows)


def _key_codes(column: pd.Series, name: str) -> tuple[Codes, Optional[pd.Index]]:
    """Codes of one key, and the values that they stand for unless these are the codes themselves."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories
    if isinstance(dtype, np.dtype) and dtype.kind in "iub" and dtype.isnative:
        codes = column.to_numpy()
        if dtype.kind == "b":
            return codes.view(np.uint8), None
        if dtype != np.uint64:
            return codes, None
    return _factorised(column, name)


def _factorised(column: pd.Series, name: str) -> tuple[Codes, pd.Index]:
    try:
        codes, levels = pd.factorize(_comparable(column), sort=True, use_na_sentinel=True)
    except TypeError as error:
        message = f"by column {name!r} holds values that cannot be hashed and ordered ({error}); make them strings"
        raise InputError(message) from error
    if isinstance(levels, np.ndarray) and levels.dtype.kind == "f":
        levels = levels + 0.0  # a group of zeros is shown as 0, whichever sign came first
    return codes.astype(np.int32) if len(levels) < 2**31 else codes, pd.Index(levels)


def _comparable(column: pd.Series) -> Any:
    """Values that compare as the key's do; Arrow would tell -0 from 0."""
    if isinstance(column.dtype, np.dtype) or (is_numeric(column.dtype) and column.dtype.kind == "f"):
        values = numeric_values(column)
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return column.array


def _is_dense(coordinates: BinCoordinates) -> bool:
    """Whether a table over all cells of the grid is worth its memory, and can be had."""
    n_cells = _grid_size(coordinates)
    most = min(max(_CELLS_PER_ROW * len(coordinates.codes[0]), 1024), 2**31 - 2)
    return n_cells <= most and _grid_fits(n_cells)


def _grid_size(coordinates: BinCoordinates) -> int:
    n_cells = 1
    for span in coordinates.spans:
        n_cells *= span  # as a Python integer, which has no end
    return n_cells


def _grid_fits(n_cells: int) -> bool:
    """Whether there is memory for the counts and the bins of all cells."""
    try:
        np.empty(_BYTES_PER_CELL * n_cells, dtype=np.uint8)
    except MemoryError:
        return False
    return True


def _ranked(coordinates: BinCoordinates) -> CellIds:
    """Ranks of the cells that occur; cost O(n_rows) and a sort of these cells."""
    rows = None if is_every_row(coordinates.present) else np.flatnonzero(coordinates.present)
    ids, span = np.zeros(len(coordinates.codes[0]) if rows is None else len(rows), dtype=np.int64), 1
    for codes, low, width in zip(coordinates.codes, coordinates.lows, coordinates.spans):
        places = (codes if rows is None else codes[rows]).astype(np.int64) - low
        if span * width > _LARGEST_SPAN:
            ids, span = _dense(ids)
        if span * width > _LARGEST_SPAN:
            places, width = _dense(places)
        ids *= width
        ids += places
        span *= width
    ranks, cells = _ranks(ids)
    members = np.empty(len(cells), dtype=np.int64)
    members[ranks[::-1]] = np.arange(len(ranks))[::-1] if rows is None else rows[::-1]
    if rows is not None:
        everywhere = np.full(len(coordinates.codes[0]), -1, dtype=ranks.dtype)
        everywhere[rows] = ranks
        ranks = everywhere
    return CellIds(ranks, len(cells), _counts(ranks, len(cells)), members)


def _counts(ids: npt.NDArray[np.signedinteger[Any]], span: int) -> IntArray:
    """Rows of every id, int64 (span,); -1 is not counted."""
    return np.bincount(ids + 1, minlength=span + 1)[1:].astype(np.int64, copy=False)


def _dense(ids: IntArray) -> tuple[IntArray, int]:
    """Ranks of ids, and how many there are: no more than rows, so that two of them make an int64."""
    ranks, occurring = _ranks(ids)
    return ranks.astype(np.int64), len(occurring)


def _ranks(ids: IntArray) -> tuple[npt.NDArray[np.signedinteger[Any]], IntArray]:
    """Rank of every id among those that occur, and these sorted; a hash table beats sorting all rows."""
    codes, occurring = pd.factorize(ids)
    order = np.argsort(occurring)
    rank = np.empty(len(order), dtype=np.int32 if len(order) < 2**31 else np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], occurring[order]

"""The occupied bins and the rows that lie in them."""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import pandas as pd

from gbr_dag.graph.backend import config
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.tables import BinCoordinates, BinMap, BinRows, BinTable, CellIds, IntArray


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def bin_table__numpy(
    frame: pd.DataFrame, by: Sequence[str], bin_coordinates: BinCoordinates, cell_ids: CellIds
) -> BinTable:
    """The occupied bins sorted by key, with their key values in the caller's dtypes."""

    def unravelled(cells: IntArray) -> list[IntArray]:
        positions = np.unravel_index(cells, bin_coordinates.spans)
        return [position + low for position, low in zip(positions, bin_coordinates.lows)]

    return _table(frame, by, bin_coordinates, cell_ids, np.flatnonzero(cell_ids.counts), unravelled)


@config.when(engine="numba")
def bin_table__numba(
    frame: pd.DataFrame, by: Sequence[str], bin_coordinates: BinCoordinates, cell_ids: CellIds
) -> BinTable:
    """The occupied bins sorted by key, with their key values in the caller's dtypes."""
    from gbr_dag.kernels import cells as grid

    def unravelled(cells: IntArray) -> list[IntArray]:
        return grid.unravelled(cells, bin_coordinates.lows, bin_coordinates.spans)

    return _table(frame, by, bin_coordinates, cell_ids, grid.occupied(cell_ids.counts), unravelled)


@bytes_estimate(lambda frame: 4 * len(frame))
@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
def bin_map__numpy(cell_ids: CellIds, bin_table: BinTable) -> BinMap:
    """The bin of every row."""
    if bin_table.n_bins == cell_ids.span:
        return BinMap(cell_ids.ids, bin_table.n_bins)
    return BinMap(_bin_of_cell(cell_ids, bin_table)[cell_ids.ids], bin_table.n_bins)


@bytes_estimate(lambda frame: 4 * len(frame))
@config.when(engine="numba")
def bin_map__numba(cell_ids: CellIds, bin_table: BinTable, threads: Optional[int]) -> BinMap:
    """The bin of every row."""
    from gbr_dag.kernels import cells

    if bin_table.n_bins == cell_ids.span:
        return BinMap(cell_ids.ids, bin_table.n_bins)
    return BinMap(cells.relabelled(cell_ids.ids, _bin_of_cell(cell_ids, bin_table), threads), bin_table.n_bins)


def entries(bin_table: BinTable, cell_ids: CellIds) -> IntArray:
    """Rows of the frame in each bin, int64 (n_bins,): selected and with all keys, whether usable in a fit or not."""
    return cell_ids.counts if bin_table.n_bins == cell_ids.span else cell_ids.counts[bin_table.cells]


@config.when_in(engine=["numpy", "reference", "loky", "statsmodels"])
@bytes_estimate(lambda frame: 8 * len(frame))
def bin_rows__argsort(bin_map: BinMap, entries: IntArray) -> BinRows:
    """Row positions sorted by bin, in the frame's order within a bin."""
    # numpy sorts 16-bit integers by radix: 5 times faster than int64 at 1M rows in 30,000 bins
    order = np.argsort(bin_map.row_bin.astype(np.min_scalar_type(-max(bin_map.n_bins, 1))), kind="stable")
    offsets = np.concatenate(([0], np.cumsum(entries)))
    return BinRows(order[len(order) - offsets[-1] :], offsets)


@config.when(engine="numba")
@bytes_estimate(lambda frame: 4 * len(frame))
def bin_rows__numba(bin_map: BinMap) -> BinRows:
    """Row positions sorted by bin, in the frame's order within a bin, by a counting sort."""
    from gbr_dag.kernels.counting_sort import counting_sort

    return BinRows(*counting_sort(bin_map.row_bin, bin_map.n_bins))


def _table(
    frame: pd.DataFrame,
    by: Sequence[str],
    coordinates: BinCoordinates,
    cell_ids: CellIds,
    cells: IntArray,
    unravelled: Callable[[IntArray], list[IntArray]],
) -> BinTable:
    if cell_ids.members is None:
        codes = unravelled(cells)
    else:
        rows = cell_ids.members[cells]
        codes = [column[rows].astype(np.int64) for column in coordinates.codes]
    keys = {name: _key_values(frame[name].dtype, codes[i], coordinates.levels[i]) for i, name in enumerate(by)}
    return BinTable(pd.DataFrame(keys, index=pd.RangeIndex(len(cells)), copy=False), cells)


def _key_values(dtype: Any, codes: IntArray, levels: Optional[pd.Index]) -> Any:
    if levels is None:
        return codes.astype(dtype, copy=False)
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(codes, dtype=dtype)
    return pd.Series(levels.take(codes), dtype=dtype).array


def _bin_of_cell(cell_ids: CellIds, bin_table: BinTable) -> Any:
    """Bin of every cell, int32 (span + 1,), -1 for empty ones and for the last, which serves id -1."""
    bin_of_cell = np.full(cell_ids.span + 1, -1, dtype=np.int32)
    bin_of_cell[bin_table.cells] = np.arange(bin_table.n_bins)
    return bin_of_cell

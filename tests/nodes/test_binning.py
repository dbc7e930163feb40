"""Coordinates, cells, bins and their rows, each node called alone, compiled or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from gbr_dag.columns import every_row
from gbr_dag.nodes import bin_map, binning
from gbr_dag.tables import BinCoordinates, BinMap, BinTable, CellIds


@dataclass(frozen=True)
class Binning:
    """What the nodes give, one after the other."""

    coordinates: BinCoordinates
    cells: CellIds
    table: BinTable
    map: BinMap
    entries: np.ndarray


@pytest.fixture(params=["numpy", "numba"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


def binned(frame: pd.DataFrame, by: tuple[str, ...], way: str, usable: np.ndarray | None = None) -> Binning:
    usable = every_row(len(frame)) if usable is None else usable
    if way == "numpy":
        coordinates = binning.bin_coordinates__numpy(frame, by, usable)
        cells = binning.cell_ids__numpy(coordinates)
        table = bin_map.bin_table__numpy(frame, by, coordinates, cells)
        map_ = bin_map.bin_map__numpy(cells, table)
    else:
        coordinates = binning.bin_coordinates__numba(frame, by, usable, 2)
        cells = binning.cell_ids__numba(coordinates, 2)
        table = bin_map.bin_table__numba(frame, by, coordinates, cells)
        map_ = bin_map.bin_map__numba(cells, table, 2)
    return Binning(coordinates, cells, table, map_, bin_map.entries(table, cells))


@pytest.mark.parametrize("spread", [1, 10**9], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32", "int16"])
def test_bins_are_the_sorted_cells_with_their_rows(way, spread, dtype):
    spread = min(spread, {"int16": 8_000, "int32": 10**8}.get(dtype, spread))
    keys = np.array([4, 1, 0, 4, 2, 0, 4]) * spread
    frame = pd.DataFrame({"key": keys.astype(dtype)}, index=list("abcdefg"))
    found = binned(frame, ("key",), way, np.array([True, False, True, True, True, True, True]))
    assert (found.cells.members is None) == (spread == 1)
    assert found.table.keys["key"].tolist() == [0, 2 * spread, 4 * spread]
    assert found.table.keys["key"].dtype == dtype
    assert found.map.row_bin.tolist() == [2, -1, 0, 2, 1, 0, 2]
    assert found.entries.tolist() == [2, 1, 3]
    for rows in (bin_map.bin_rows__argsort(found.map, found.entries), bin_map.bin_rows__numba(found.map)):
        assert rows.offsets.tolist() == [0, 2, 3, 6]
        assert rows.rows.tolist() == [2, 5, 4, 0, 3, 6]


@pytest.mark.parametrize("n_bins", [1, 127, 128, 129, 32767, 32768, 40000])
def test_rows_are_sorted_for_every_width_of_the_bin_number(n_bins):
    """The sort runs on the narrowest integers that hold the bin numbers and the -1 of rows left out."""
    rng = np.random.default_rng(n_bins)
    map_ = BinMap(np.append(rng.integers(-1, n_bins, size=500), [n_bins - 1, -1]), n_bins)
    rows = bin_map.bin_rows__argsort(map_, np.bincount(map_.row_bin + 1, minlength=n_bins + 1)[1:])
    compiled = bin_map.bin_rows__numba(map_)
    np.testing.assert_array_equal(compiled.rows, rows.rows)
    np.testing.assert_array_equal(compiled.offsets, rows.offsets)
    bins = map_.row_bin[rows.rows]
    assert (bins >= 0).all()
    assert (np.diff(bins) >= 0).all()
    assert len(rows.rows) == np.count_nonzero(map_.row_bin >= 0)
    assert (np.diff(rows.rows)[np.diff(bins) == 0] > 0).all()


def test_coordinates_order_values_and_look_at_rows_present_only(way):
    frame = pd.DataFrame({"a": [3.0, -0.0, np.nan, 0.0], "b": pd.Categorical(["y", "x", "z", "y"], ["y", "x", "z"])})
    frame["c"] = [7, 8, 10**15, 7]
    coordinates = binned(frame, ("a", "b", "c"), way, np.array([True, True, False, True])).coordinates
    places = [np.asarray(codes)[[0, 1, 3]] - low for codes, low in zip(coordinates.codes, coordinates.lows)]
    assert [place.tolist() for place in places] == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert coordinates.spans == (2, 2, 2)
    assert coordinates.codes[2] is not None
    assert np.shares_memory(coordinates.codes[2], frame["c"].to_numpy())


def test_cells_keep_the_order_when_their_span_overflows(way):
    rng = np.random.default_rng(0)
    names = ("a", "b", "c", "d")
    frame = pd.DataFrame({name: rng.integers(-(2**61), 2**61, size=300) for name in names})
    usable = np.arange(300) % 7 > 0
    found = binned(frame, names, way, usable)
    assert (found.map.row_bin[~usable] == -1).all()
    expected = frame[usable].sort_values(list(names), ignore_index=True)
    pd.testing.assert_frame_equal(found.table.keys, expected)
    pd.testing.assert_frame_equal(
        found.table.keys.iloc[found.map.row_bin[usable]].reset_index(drop=True), frame[usable].reset_index(drop=True)
    )


@pytest.mark.parametrize("ends", [(-(2**62), 2**62), (-(2**63), 2**63 - 1), (2**62 - 1, 2**62)])
def test_keys_at_the_ends_of_the_integers(way, ends):
    frame = pd.DataFrame({"key": np.array([ends[1], ends[0], ends[1]], dtype=np.int64), "other": [1, 0, 1]})
    found = binned(frame, ("key", "other"), way)
    assert found.table.keys["key"].tolist() == list(ends)
    assert found.map.row_bin.tolist() == [1, 0, 1]


def test_a_grid_that_does_not_fit_into_memory_is_not_made(way, monkeypatch):
    frame = pd.DataFrame({"key": [5, 3, 9, 3]})
    expected = binned(frame, ("key",), way)
    assert expected.cells.members is None

    with monkeypatch.context() as patched:
        patched.setattr(binning, "_grid_fits", lambda _: False)
        found = binned(frame, ("key",), way)
    assert found.cells.members is not None
    pd.testing.assert_frame_equal(found.table.keys, expected.table.keys)
    np.testing.assert_array_equal(found.map.row_bin, expected.map.row_bin)

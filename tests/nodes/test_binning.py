"""Coordinates, cells, bins and their rows, each node called alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gbr_dag.nodes.bin_map import bin_map, bin_rows__argsort, bin_rows__numba, bin_table, entries
from gbr_dag.nodes.binning import bin_coordinates, cell_ids
from gbr_dag.tables import BinCoordinates, CellIds


@pytest.mark.parametrize("spread", [1, 10**9], ids=["dense", "sparse"])
def test_bins_are_the_sorted_cells_with_their_rows(spread):
    ids = CellIds(np.array([4, -1, 0, 4, 2, 0, 4]) * spread, 5 * spread)
    ids.ids[1] = -1
    frame = pd.DataFrame({"key": [40, 99, 0, 40, 20, 0, 40]}, index=list("abcdefg"))
    table = bin_table(frame, ("key",), ids)
    assert table.keys["key"].tolist() == [0, 20, 40]
    assert table.cells.tolist() == [0, 2 * spread, 4 * spread]
    map_ = bin_map(ids, table)
    assert map_.row_bin.tolist() == [2, -1, 0, 2, 1, 0, 2]
    counts = entries(map_)
    assert counts.tolist() == [2, 1, 3]
    for rows in (bin_rows__argsort(map_, counts), bin_rows__numba(map_)):
        assert rows.offsets.tolist() == [0, 2, 3, 6]
        assert rows.rows.tolist() == [2, 5, 4, 0, 3, 6]


@pytest.mark.parametrize("n_bins", [1, 127, 128, 129, 32767, 32768, 40000])
def test_rows_are_sorted_for_every_width_of_the_bin_number(n_bins):
    """The sort runs on the narrowest integers that hold the bin numbers and the -1 of rows left out."""
    rng = np.random.default_rng(n_bins)
    row_bin = np.append(rng.integers(-1, n_bins, size=500), [n_bins - 1, -1])
    map_ = bin_map(CellIds(row_bin, n_bins), bin_table(pd.DataFrame({"k": row_bin}), ("k",), CellIds(row_bin, n_bins)))
    rows = bin_rows__argsort(map_, entries(map_))
    compiled = bin_rows__numba(map_)
    np.testing.assert_array_equal(compiled.rows, rows.rows)
    np.testing.assert_array_equal(compiled.offsets, rows.offsets)
    bins = map_.row_bin[rows.rows]
    assert (bins >= 0).all()
    assert (np.diff(bins) >= 0).all()
    assert len(rows.rows) == np.count_nonzero(row_bin >= 0)
    assert (np.diff(rows.rows)[np.diff(bins) == 0] > 0).all()


def test_coordinates_leave_out_rows_and_order_values():
    frame = pd.DataFrame({"a": [3.0, -0.0, np.nan, 0.0], "b": pd.Categorical(["y", "x", "x", "y"], ["y", "x", "z"])})
    coordinates = bin_coordinates(frame, ("a", "b"), np.array([True, True, False, True]))
    assert [codes.tolist() for codes in coordinates.codes] == [[1, 0, -1, 0], [0, 1, -1, 0]]
    assert coordinates.spans == (2, 3)


def test_cells_keep_the_order_when_their_span_overflows():
    rng = np.random.default_rng(0)
    codes = tuple(rng.integers(0, 2**40, size=300) for _ in range(4))
    codes = tuple(np.where(np.arange(300) % 7 == 0, -1, code) for code in codes)
    ids = cell_ids(BinCoordinates(codes, (2**40,) * 4))
    present = ids.ids >= 0
    assert present.sum() == 300 - 43
    order = np.lexsort([code[present] for code in codes[::-1]])
    assert (np.diff(ids.ids[present][order]) > 0).all()
    assert ids.ids.max() < ids.span

"""Neighbours of bins: along axes, pair by pair by both searches, and counted, against a look at every offset."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from gbr_dag.errors import InputError, InvalidWindowSpec
from gbr_dag.nodes.neighbours import window_layout
from gbr_dag.tables import BinTable
from gbr_dag.windows import counts
from gbr_dag.windows import layout as layouts
from gbr_dag.windows.axes import positions_reached, window_axis
from gbr_dag.windows.counts import counts_on_grid
from gbr_dag.windows.gathered import window_rows
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import neighbour_chunks
from gbr_dag.windows.searching import NeighbourSearch
from gbr_dag.windows.specification import BOUNDARIES, KERNELS, WindowDimension, default_width
from gbr_dag.windows.sums import window_sums

NAMES = ("x", "y", "z", "u")


def own(offsets, widths):
    return np.maximum(0.0, 2.5 - np.abs(offsets / widths).sum(axis=1))


def bins(n_dimensions, *, span=6, share=0.5, n_slices=1, seed=3, low=-2):
    rng = np.random.default_rng([seed, n_dimensions])
    places = np.argwhere(rng.random((n_slices, *[span] * n_dimensions)) < share)
    places[:, 1:] += low
    return pd.DataFrame(places, columns=["sector", *NAMES[:n_dimensions]])


def dimensions(n_dimensions, boundary, kernel, size=2):
    period = 9 if boundary == "periodic" else None
    sizes = [size, 1, 0, 1][:n_dimensions]
    return [
        WindowDimension(name, n, boundary, period, kernel, default_width(kernel, n)) for name, n in zip(NAMES, sizes)
    ]


def layout_of(keys, window):
    return window_layout(BinTable(keys, np.arange(len(keys))), window, list(keys))


def found_by_offsets(keys, window):
    n = len(keys)
    gathered = window_rows(keys, window, np.arange(n), np.arange(n + 1))
    return [dict(zip(bins.tolist(), kernel.tolist())) for bins, kernel in zip(gathered.bins, gathered.kernel)]


def as_dicts(chunks):
    found = []
    for chunk in chunks:
        for start, stop in zip(chunk.starts[:-1], chunk.starts[1:]):
            assert len(set(chunk.bins[start:stop])) == stop - start
            found.append(dict(zip(chunk.bins[start:stop].tolist(), chunk.weights[start:stop].tolist())))
    return found


@pytest.mark.parametrize("kernel", [*KERNELS, own])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("n_dimensions", [1, 2, 4])
def test_every_neighbour_is_found_once_with_its_weight(n_dimensions, boundary, kernel):
    keys = bins(n_dimensions, span=6 if n_dimensions < 3 else 4, n_slices=2)
    window = dimensions(n_dimensions, boundary, kernel)
    layout = layout_of(keys, window)
    expected = found_by_offsets(keys, window)
    for chunks in (neighbour_chunks(layout, 40), NeighbourSearch(layout).chunks(0, layout.n_bins, 40)):
        found = as_dicts(chunks)
        assert [sorted(one) for one in found] == [sorted(one) for one in expected]
        for one, other in zip(found, expected):  # a product and an exponential of a sum differ by roundings
            assert one == pytest.approx(other, rel=1e-14)
    values = np.stack([np.ones(len(keys), dtype=np.int64), np.arange(len(keys)) % 7], axis=1)
    sums = [[len(one), sum(i % 7 for i in one)] for one in expected]
    for on_grid in (False, True) if layout.is_separable else (False,):
        np.testing.assert_array_equal(counted(layout, values, on_grid), sums)


def counted(layout, values, on_grid):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowLayout, "on_grid", on_grid)
        patch.setattr(layouts, "_CELLS_AT_A_TIME", 10)  # every slice by itself
        return window_sums(layout, values)


@pytest.mark.parametrize("bits", [63, 3], ids=["in one integer", "one after the other"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("n_dimensions", [1, 2, 4])
def test_counts_on_a_grid_are_those_of_the_neighbours_found(n_dimensions, boundary, bits, monkeypatch):
    layout = layout_of(bins(n_dimensions, n_slices=3), dimensions(n_dimensions, boundary, "uniform"))
    entries = np.random.default_rng(5).integers(1, 1000, layout.n_bins)
    expected = counted(layout, np.stack([np.ones_like(entries), entries], axis=1), on_grid=False)
    monkeypatch.setattr(counts, "_BITS", bits)
    monkeypatch.setattr(layouts, "_CELLS_AT_A_TIME", 10)
    np.testing.assert_array_equal(counts_on_grid(layout, entries), expected)


def test_a_range_of_centres_is_searched_as_all_are():
    layout = layout_of(bins(3), dimensions(3, "mirror", "epanechnikov"))
    search = NeighbourSearch(layout)
    every = as_dicts(search.chunks(0, layout.n_bins))
    assert as_dicts(search.chunks(7, 31, 1)) == every[7:31]  # room for one pair grows


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kernel", ["epanechnikov", own])
def test_weights_that_are_not_tabulated_are_those_of_the_table(kernel, boundary, monkeypatch):
    layout = layout_of(bins(3), dimensions(3, boundary, kernel))
    every = as_dicts(NeighbourSearch(layout).chunks(0, layout.n_bins))
    assert layout.tabulates
    monkeypatch.setattr(layouts, "_SMALL_TABLE", 0)
    monkeypatch.setattr(layouts, "_LARGEST_TABLE", 0)
    assert not layout.tabulates
    found = as_dicts(NeighbourSearch(layout).chunks(7, layout.n_bins, 1))
    for one, other in zip(found, every[7:]):
        assert one == pytest.approx(other, rel=1e-14)


@pytest.mark.parametrize("kernel", ["epanechnikov", "distance"])
def test_few_bins_in_a_huge_window_take_little_memory(kernel):
    rng = np.random.default_rng(2)
    keys = pd.DataFrame({name: rng.integers(0, 10**6, 300) for name in ("sector", "x", "y")}).assign(sector=0)
    window = [WindowDimension(name, 20_000, kernel=kernel, width=20_001.0) for name in ("x", "y")]
    layout = layout_of(keys, window)  # the box of all offsets holds 1.6e9
    peak, found = traced_peak(lambda: as_dicts(NeighbourSearch(layout).chunks(0, 300)))
    assert peak < 20e6
    assert found == as_dicts(neighbour_chunks(layout))
    assert ", 0 B of its weights" in layout.described(8)


def traced_peak(work):
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kernel", ["uniform", "epanechnikov"])
def test_candidates_along_the_first_axes_count_too(kernel):
    """One in a thousand cells of four dimensions: some 1.6 neighbours a bin, but hundreds of cells to look at."""
    rng = np.random.default_rng(4)
    keys = pd.DataFrame(rng.integers(0, 40, (3000, 4)), columns=list(NAMES)).drop_duplicates(ignore_index=True)
    layout = layout_of(keys.assign(sector=0), [WindowDimension(name, 2, kernel=kernel, width=3.0) for name in NAMES])
    most = 4000
    chunks = neighbour_chunks(layout, most)
    peak, lengths = traced_peak(lambda: [len(chunk.bins) for chunk in chunks])
    assert sum(lengths) > len(keys)
    assert peak < 150 * most + 100 * len(keys)  # bytes: arrays of candidates, and the tree


def test_candidates_of_a_single_bin_are_gone_through_in_parts():
    rng = np.random.default_rng(5)
    keys = pd.DataFrame(rng.integers(0, 200, (1500, 3)), columns=list(NAMES[:3])).drop_duplicates(ignore_index=True)
    layout = layout_of(keys.assign(sector=0), [WindowDimension(name, 200) for name in NAMES[:3]])
    chunks = neighbour_chunks(layout, 1000)
    peak, first = traced_peak(lambda: next(chunks))
    np.testing.assert_array_equal(np.sort(first.bins), np.arange(len(keys)))  # of some 300,000 candidates
    assert peak < 0.8e6


@pytest.mark.parametrize(("low", "scale"), [(-(2**60) + 10, 1), (0, 10**15), (-7, 3)])
@pytest.mark.parametrize("boundary", ["truncate", "symmetric", "mirror"])
def test_gaps_and_huge_coordinates_cost_nothing(low, scale, boundary):
    coordinates = low + scale * np.array([0, 1, 2, 5, 6, 40, 41])
    dimension = WindowDimension("x", 2 * scale, boundary)
    axis = window_axis(dimension, coordinates, joined=False)
    small = window_axis(WindowDimension("x", 2, boundary), np.array([0, 1, 2, 5, 6, 40, 41]), joined=False)
    np.testing.assert_array_equal(axis.neighbours, small.neighbours)
    np.testing.assert_array_equal(axis.starts, small.starts)
    np.testing.assert_array_equal(axis.weights, small.weights)


def test_a_period_may_exceed_the_range():
    axis = window_axis(WindowDimension("hour", 2, "periodic", 24), np.array([0, 1, 12, 22, 23]), joined=False)
    begins, ends = positions_reached(axis)
    np.testing.assert_array_equal(begins, [-2, -1, 2, 3, 3])
    np.testing.assert_array_equal(ends, [2, 2, 3, 6, 7])
    assert axis.is_plain


@pytest.mark.parametrize("boundary", ["truncate", "symmetric"])
def test_a_window_may_exceed_the_range(boundary):
    axis = window_axis(WindowDimension("x", 2**40, boundary), np.array([3, 4, 6]), joined=False)
    begins, ends = positions_reached(axis)
    np.testing.assert_array_equal(ends - begins, [3, 3, 3] if boundary == "truncate" else [1, 2, 1])


@pytest.mark.parametrize("boundary", ["truncate", "symmetric", "periodic"])
def test_huge_windows_are_gone_through_within_the_range(boundary):
    keys = pd.DataFrame({"x": [-3, -1, 0, 4], "y": [7, 7, 8, 9]})
    period = 2**60 if boundary == "periodic" else None
    size = 2**59 - 1 if boundary == "periodic" else 2**60
    window = [WindowDimension(name, size, boundary, period) for name in keys]
    expected = found_by_offsets(keys, window)
    assert as_dicts(neighbour_chunks(layout_of(keys, window))) == expected
    assert len(expected[0]) == (1 if boundary == "symmetric" else 4)


@pytest.mark.parametrize("size", [0, 1])
def test_bins_beyond_64_bits_are_refused_where_they_take_a_window(size):
    keys = pd.DataFrame({"x": np.array([0, 2**63], dtype=np.uint64)})
    window = [WindowDimension("x", size)]
    for neighbours_of in (layout_of, found_by_offsets):
        if size:
            with pytest.raises(InvalidWindowSpec, match=r"by: bins of 'x' must lie within .* 0 to 9223372036854775808"):
                neighbours_of(keys, window)
        else:
            neighbours_of(keys, window)


@pytest.mark.parametrize("boundary", ["truncate", "symmetric", "periodic"])
def test_a_single_bin_is_its_own_neighbour(boundary):
    layout = layout_of(bins(2).iloc[:1], dimensions(2, boundary, "gaussian"))
    assert as_dicts(NeighbourSearch(layout).chunks(0, 1)) == [{0: 1.0}]
    np.testing.assert_array_equal(window_sums(layout, np.array([[3, 4]])), [[3, 4]])


def test_without_bins_nothing_is_found():
    layout = layout_of(bins(2).iloc[:0], dimensions(2, "truncate", "uniform"))
    assert list(neighbour_chunks(layout)) == list(NeighbourSearch(layout).chunks(0, 0)) == []
    assert window_sums(layout, np.empty((0, 2), dtype=np.int64)).shape == (0, 2)
    assert layout.described(8)


@pytest.mark.parametrize(
    ("dimension", "coordinates", "words"),
    [
        (WindowDimension("x", 3, "mirror"), [0, 2], "at least 4 bins of 'x'"),
        (WindowDimension("x", 3, "periodic"), [0, 5], "observed range is 6"),
        (WindowDimension("x", 1, "periodic", 5), [0, 5], "period 5 of 'x' is shorter than its range, 0 to 5"),
    ],
)
def test_boundaries_that_do_not_fit_are_refused(dimension, coordinates, words):
    with pytest.raises(InvalidWindowSpec, match=words):
        window_axis(dimension, np.array(coordinates), joined=False)


@pytest.mark.parametrize("weights", [-1.0, np.nan, np.inf, 1e-21, 1e21])
def test_odd_weights_of_own_kernels_are_refused(weights):
    layout = layout_of(bins(1), dimensions(1, "truncate", lambda offsets, widths: np.full(len(offsets), weights)))  # noqa: ARG005
    with pytest.raises(InputError, match=r"kernel must give 0 or weights from 1e-20 to 1e20, got .*; rescale it"):
        NeighbourSearch(layout)


@pytest.mark.parametrize(
    ("share", "kernel", "words"),
    [
        (1.0, "uniform", "along x, y, u one after the other on a grid: 100 % of 1,296 cells are occupied"),
        (0.02, "gaussian", "neighbour by neighbour: "),
        (1.0, "linear", "neighbour by neighbour: the kernel is no product"),
    ],
)
def test_the_way_follows_the_kernel_and_the_share_of_occupied_cells(share, kernel, words):
    layout = layout_of(bins(4, share=share), dimensions(4, "truncate", kernel))
    assert layout.described(128).startswith(words)
    assert layout.on_grid == words.startswith("along")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("width", [0.03, 0.1042, 0.15])
def test_weights_too_small_to_count_are_left_out_alike(width, boundary):
    """exp(-46.05) is 1e-20, which offset 1 has at width 0.1042 along one dimension, and (1, 1) as a product twice."""
    keys = bins(2)
    window = [WindowDimension(name, 2, boundary, 9, "gaussian", width) for name in NAMES[:2]]
    layout = layout_of(keys, window)
    expected = found_by_offsets(keys, window)
    for chunks in (neighbour_chunks(layout), NeighbourSearch(layout).chunks(0, layout.n_bins)):
        for one, other in zip(as_dicts(chunks), expected):
            assert one == pytest.approx(other, rel=1e-12, abs=0.0)
            assert min(one.values()) >= 1e-40
    assert (sum(map(len, expected)) == len(keys)) == (width == 0.03)

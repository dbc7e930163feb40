"""Order statistics of tiles and of gathered windows against NumPy on the values of each window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gbr_dag.kernels import gathered_windows, window_order_statistics
from gbr_dag.kernels.medians import weighted_quantile
from gbr_dag.kernels.value_runs import extremes, value_runs, weighted_runs
from gbr_dag.kernels.window_order_statistics import of_tile
from gbr_dag.windows.axes import window_axis
from gbr_dag.windows.compiled_order_statistics import order_statistics
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.specification import WindowDimension
from gbr_dag.windows.tiles import tiles

LEVELS = (np.nan, 0.0, 0.1, 0.5, 0.77, 0.999)


class Grid:
    """Runs of a full grid, the layout of windows over it, and the values of each window by definition."""

    def __init__(self, values_of_bin, shape, sizes, boundary="truncate"):
        self.values, self.shape, self.sizes = values_of_bin, shape, sizes
        self.lengths = np.array([len(values) for values in values_of_bin])
        self.offsets = np.concatenate(([0], np.cumsum(self.lengths)))
        self.runs = np.concatenate([np.sort(values) for values in values_of_bin])
        places = np.indices(shape).reshape(len(shape), -1)
        dimensions = [WindowDimension(f"x{i}", size, boundary=boundary) for i, size in enumerate(sizes)]
        axes = [window_axis(dimension, np.arange(n), joined=False) for dimension, n in zip(dimensions, shape)]
        n_bins = len(values_of_bin)
        self.layout = WindowLayout(tuple(axes), places, np.zeros(n_bins, dtype=np.int64), 1, 0)

    def window(self, centre):
        """Values in a truncated window."""
        ranges = [range(max(c - w, 0), min(c + w + 1, n)) for c, w, n in zip(centre, self.sizes, self.shape)]
        bins = [np.ravel_multi_index(place, self.shape) for place in itertools.product(*ranges)]
        return np.concatenate([self.values[b] for b in bins])

    def of_tiles(self, most_buckets, kind=np.int32):
        results = np.full((len(LEVELS), len(self.lengths)), -7.0)
        mads, bin_at = np.full(len(self.lengths), -7.0), np.arange(len(self.lengths), dtype=np.int32)
        for tile in tiles(self.layout):
            box = (tile.halo, tile.halo_sizes, tile.centres, tile.centre_sizes)
            along = (tile.starts, tile.members, tile.multiples)
            work = np.empty((3, tile.n_cells * (most_buckets + 1)), dtype=kind)
            given = (self.runs, self.offsets, self.lengths, bin_at, np.array(self.shape), *box, *along)
            of_tile(*given, 0, 1, np.array(LEVELS), work, most_buckets, results, mads)
        return results, mads


def values_of(kind, rng, n):
    return {
        "normal": lambda: rng.normal(size=n),
        "one value": lambda: np.full(n, -2.5),
        "two values": lambda: rng.integers(0, 2, size=n) * 1.0,
        "whole numbers": lambda: np.floor(3.0 * rng.normal(size=n)),
        "zeros and ones and others": lambda: np.where(
            rng.random(n) < 0.6, rng.integers(0, 2, size=n), rng.normal(size=n)
        ),
        "neighbouring doubles": lambda: 1.0 + rng.integers(0, 40, size=n) * 2.0**-52,
        "largest and smallest": lambda: rng.choice([-1e300, 1e300, 5e-324, -5e-324, 1.0], size=n),
    }[kind]()


KINDS = (
    "normal",
    "one value",
    "two values",
    "whole numbers",
    "zeros and ones and others",
    "neighbouring doubles",
    "largest and smallest",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most_buckets", [1, 2, 7, 256])
@pytest.mark.parametrize("steep", [0.0, 1e3])
def test_tiles_give_what_numpy_gives(kind, most_buckets, steep):
    rng = np.random.default_rng(2)
    shape, sizes = (7, 6), (2, 1)
    counts = rng.integers(0, 60, size=42)
    counts[rng.random(42) < 0.2] = 0
    counts[:8] = 0  # some windows hold nothing
    values = [values_of(kind, rng, count) + steep * (i // 6) for i, count in enumerate(counts)]
    grid = Grid(values, shape, sizes)
    results, mads = grid.of_tiles(most_buckets)
    for b, centre in enumerate(itertools.product(range(7), range(6))):
        window = grid.window(centre)
        if len(window) == 0:
            assert np.isnan(results[:, b]).all()
            assert np.isnan(mads[b])
            continue
        middle = np.median(window)
        assert results[0, b] == middle
        np.testing.assert_array_equal(results[1:, b], np.quantile(window, LEVELS[1:]))
        assert mads[b] == np.median(np.abs(window - middle))


def test_wide_counts_and_small_tiles_make_no_difference(monkeypatch):
    rng = np.random.default_rng(6)
    grid = Grid([rng.normal(size=20) for _ in range(5 * 4 * 6)], (5, 4, 6), (1, 1, 2), boundary="mirror")
    expected = grid.of_tiles(16)
    for found, wanted in zip(grid.of_tiles(16, np.int64), expected):
        np.testing.assert_array_equal(found, wanted)
    monkeypatch.setattr("gbr_dag.windows.tiles._CELLS", 1)
    assert len(list(tiles(grid.layout))) > 1
    for found, wanted in zip(grid.of_tiles(16), expected):
        np.testing.assert_array_equal(found, wanted)


def test_buckets_of_a_tile_hold_equally_many_values():
    rng = np.random.default_rng(0)
    values = rng.standard_cauchy(size=(30, 100))
    runs, bins = np.sort(values, axis=1).ravel(), np.arange(30)
    offsets, lengths, edges = np.arange(31) * 100, np.full(30, 100), np.empty(51)
    window_order_statistics._cut(edges, 50, runs, offsets, lengths, bins, 3000, np.empty(1600))
    assert np.histogram(values, edges)[0].max() <= 120


@pytest.mark.parametrize("layout", ["grid", "pairs"])
def test_which_way_is_taken(layout, monkeypatch):
    """On a grid no window is gathered; where most cells are empty no table is made."""
    shape = (6, 6)
    grid = Grid([np.array([float(i)]) for i in range(36)], shape, (1, 1))
    taken = grid.layout
    if layout == "pairs":
        axes = [window_axis(axis.dimension, np.arange(36) * 5, joined=False) for axis in taken.axes]
        ranks = np.stack([np.arange(36), np.arange(36)])
        taken = WindowLayout(tuple(axes), ranks, taken.slices, 1, 9)
    assert taken.on_grid == (layout == "grid")
    monkeypatch.setattr(
        *((gathered_windows, "of_neighbours") if layout == "grid" else (window_order_statistics, "of_tile")), None
    )

    class Rows:
        rows, offsets = np.arange(36), grid.offsets

    found, _ = order_statistics(np.arange(36.0), None, Rows, taken, [np.nan], False, None)
    assert found[0, 0] == (np.median([0, 1, 6, 7]) if layout == "grid" else 0.0)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 33, 100, 513])
def test_runs_are_sorted(n):
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), np.arange(n)[::-1] * 1.0, rng.integers(0, 3, size=n) - 0.0):
        odd = np.concatenate([values, [np.nan, np.inf, -np.inf, -0.0]])
        rows = rng.permutation(len(odd))
        runs, lengths = np.full(len(odd), -7.0), np.empty(1, dtype=np.int64)
        value_runs(odd, rows, np.array([0, len(odd)]), 0, 1, runs, lengths)
        assert lengths[0] == n + 1
        np.testing.assert_array_equal(runs[: n + 1], np.sort(np.append(values, 0.0)))
        assert not np.signbit(runs[: n + 1][runs[: n + 1] == 0.0]).any()
        pairs, weights = np.empty((3, len(odd))), rng.integers(0, 2, size=len(odd)) * 1.0
        weighted_runs(odd, weights, rows, np.array([0, len(odd)]), 0, 1, pairs, lengths)
        kept = np.isfinite(odd) & (weights > 0.0)
        np.testing.assert_array_equal(pairs[0, : lengths[0]], np.sort(odd[kept]))
        np.testing.assert_array_equal(pairs[2, : lengths[0]], np.arange(lengths[0]) + 1.0)


def test_extremes():
    values, row_bin = np.array([3.0, np.nan, -1.0, 7.0, np.inf]), np.array([0, 0, 0, -1, 1])
    counts, ends = np.zeros(2, dtype=np.int64), np.full((2, 2), np.inf)
    extremes(values, row_bin, counts, ends)
    assert counts.tolist() == [2, 0]
    assert ends.tolist() == [[-1.0, np.inf], [-3.0, np.inf]]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, 1.5), (0.3, 2.0), (0.5, 2.5), (0.75, 3.5), (0.9, 4.0), (0.1, 1.0)]
)
def test_weighted_quantiles(share, expected):
    ordered = np.array([[1.0, 2.0, 3.0, 4.0], [0.7, 0.7, 0.7, 0.7]])
    assert weighted_quantile(ordered, 4, share) == expected
    assert np.isnan(weighted_quantile(ordered, 0, share))

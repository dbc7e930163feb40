"""Records merged over windows against the rows behind them, along axes and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from gbr_dag.kernels import window_merging
from gbr_dag.kernels.factoring import factored, record_width
from gbr_dag.kernels.window_merging import AxisNeighbours, WindowMerging
from gbr_dag.tables import Factors
from gbr_dag.triangles import triangle_of

SIZES = [(0, 1), (1, 2), (2, 1), (4, 1)]
"""Of those that are written out; each takes some seconds to compile."""

LARGER = [(5, 1), (6, 5), (2, 4), (0, 8)]
SHAPE = (5, 4, 6)
N_CELLS = 5 * 4 * 6


def sample(p, t, *, n_rows=1500, drift=0.0, noise=1.0, seed=0):
    """Bins of rows on a grid, some of them empty, some cells without a bin; weights from 0.1 to 10."""
    rng = np.random.default_rng([seed, p, t])
    cells = np.sort(rng.choice(N_CELLS, size=90, replace=False))
    row_bin = rng.integers(0, 85, size=n_rows).astype(np.int32)
    columns = noise * rng.normal(size=(p + t, n_rows))
    columns[:p] += drift * row_bin
    return cells, row_bin, list(columns), 10.0 ** rng.uniform(-1.0, 1.0, size=n_rows)


def records_of(row_bin, columns, weights, p, *, centred=True, n_bins=90):
    entries = np.bincount(row_bin, minlength=n_bins)
    return factored(row_bin, entries, columns, weights, p, centred, 1).records


def axis_of(n, size, weights=None, *, ring=False):
    """Neighbours up to ``size`` to either side; plain unless weights by distance are given."""
    lists = [
        sorted({(c + o) % n for o in range(-size, size + 1)}) if ring else range(max(0, c - size), min(n, c + size + 1))
        for c in range(n)
    ]
    lengths = [len(one) for one in lists]
    starts, neighbours = np.concatenate(([0], np.cumsum(lengths))), np.concatenate([np.array(one) for one in lists])
    distance = np.abs(neighbours - np.repeat(np.arange(n), lengths))
    distance = np.minimum(distance, n - distance) if ring else distance
    begins = np.arange(n) - size if ring else np.maximum(np.arange(n) - size, 0)
    runs = np.stack([begins, begins + lengths]) if weights is None else None
    return AxisNeighbours(starts, neighbours, np.ones(len(neighbours)) if weights is None else weights[distance], runs)


def kernel_of(cells, axes):
    """Kernel weight of every bin in the window of every other one, (n, n)."""
    kernel = np.ones((len(cells), len(cells)))
    for place, axis in zip(np.unravel_index(cells, SHAPE), axes):
        of_axis = np.zeros((axis.n, axis.n))
        of_axis[np.repeat(np.arange(axis.n), np.diff(axis.starts)), axis.neighbours] = axis.weights
        kernel *= of_axis[np.ix_(place, place)]
    return kernel


def along_axes(records, cells, axes, p, t, *, centred=True, threads=1):
    merging = WindowMerging(p, t, centred=centred, threads=threads)
    result, table = merging.empty_records(len(cells)), merging.empty_records(N_CELLS)
    result[:] = table[:] = np.nan
    merging.along_axes(records, result, np.arange(len(cells)), cells, N_CELLS, axes, table)
    return result


def by_pairs(records, kernel, p, t, *, centred=True, threads=1):
    merging = WindowMerging(p, t, centred=centred, threads=threads)
    result = merging.empty_records(len(kernel))
    result[:] = np.nan

    def pairs(first, last):
        for start in range(first, last, 7):
            part = kernel[start : min(start + 7, last)]
            centres, found = np.nonzero(part)
            yield start, np.searchsorted(centres, np.arange(len(part) + 1)), found, part[centres, found]

    merging.of_pairs(records, result, pairs, 27.0)
    return result


def check(found, kernel, row_bin, columns, weights, p, *, centred=True, rtol=1e-12):
    """Merged records against records of the rows themselves, weighted by the kernel."""
    k = len(columns)
    width = record_width(p, k)
    for centre in range(0, len(kernel), 3):
        of_row = kernel[centre][row_bin]
        rows = of_row > 0.0
        one = np.zeros(rows.sum(), dtype=np.int32)
        inside = [column[rows] for column in columns]
        expected = records_of(one, inside, weights[rows] * of_row[rows], p, centred=centred, n_bins=1)[0]
        record = found[centre]
        assert record[0] == rows.sum()
        np.testing.assert_allclose(record[width], of_row.sum(), rtol=1e-13)
        if not rows.any():
            assert not record[: width + 1].any()
            continue
        np.testing.assert_allclose(record[1], expected[1], rtol=1e-13)
        left, right = (
            triangle_of(Factors(tuple(range(k - p)), part[None], np.ones(k), centred))[0] for part in (record, expected)
        )
        size = np.linalg.norm(right, axis=0)
        assert np.all(np.abs(left - right) <= rtol * size)
        means = [part[2 : 2 + k] + part[2 + k : 2 + 2 * k] for part in (record, expected)]
        assert np.all(np.abs(means[0] - means[1]) <= rtol * (size + np.abs(means[1])))


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(("p", "t"), [*SIZES, *LARGER])
def test_merged_records_are_those_of_the_rows(p, t, plain):
    cells, row_bin, columns, weights = sample(p, t)
    by_distance = None if plain else np.array([1.0, 0.6, 0.2])
    axes = [axis_of(5, 1, by_distance), axis_of(4, 1, by_distance), axis_of(6, 2, by_distance, ring=True)]
    kernel = kernel_of(cells, axes)
    for centred in (True, False):
        records = records_of(row_bin, columns, weights, p, centred=centred)
        for found in (
            along_axes(records, cells, axes, p, t, centred=centred),
            by_pairs(records, kernel, p, t, centred=centred),
        ):
            check(found, kernel, row_bin, columns, weights, p, centred=centred)


@pytest.mark.parametrize("n_axes", [1, 2])
def test_fewer_axes_take_slices_side_by_side(n_axes):
    cells, row_bin, columns, weights = sample(2, 1)
    axes = [axis_of(5, 1), axis_of(4, 3), axis_of(6, 2)][-n_axes:]
    records = records_of(row_bin, columns, weights, 2)
    alone = [axis_of(n, 0) for n in SHAPE[: 3 - n_axes]]
    check(along_axes(records, cells, axes, 2, 1), kernel_of(cells, [*alone, *axes]), row_bin, columns, weights, 2)


@pytest.mark.parametrize("ring", [True, False])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 17, 40])
def test_runs_by_their_tails_are_those_neighbour_by_neighbour(size, ring, monkeypatch):
    rng = np.random.default_rng(size)
    n = 90
    columns = list(rng.normal(size=(3, 900)) + 100.0)
    row_bin = np.where(rng.random(900) < 0.9, rng.integers(0, n, size=900), 5).astype(np.int32)
    records = records_of(row_bin, columns, None, 2)
    axis = axis_of(n, size, ring=ring)
    found = []
    for longest, piece in ((np.inf, 4096), (0.0, 4096), (0.0, 25)):
        monkeypatch.setattr(window_merging, "_LONG_RUN", longest)
        monkeypatch.setattr(window_merging, "_PIECE", piece)
        merging = WindowMerging(2, 1, centred=True, threads=1)
        found.append(merging.empty_records(n))
        merging.along_axes(records, found[-1], np.arange(n), np.arange(n), n, [axis], merging.empty_records(0))
        found[-1] = found[-1][:, :15]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-9)  # lo parts differ by roundings of hi
    np.testing.assert_allclose(found[2], found[0], rtol=1e-9, atol=1e-9)
    assert size < 2 or not np.array_equal(found[0], found[1])


@pytest.mark.parametrize(("p", "t"), [(2, 1), (5, 2)])
@pytest.mark.parametrize("plain", [True, False])
def test_any_number_of_threads_gives_the_same_bits(p, t, plain, monkeypatch):
    monkeypatch.setattr(window_merging, "_MERGES_PER_CALL", 8)
    monkeypatch.setattr(window_merging, "_WORTH_OF_A_MERGE", 1 << 16)
    cells, row_bin, columns, weights = sample(p, t)
    by_distance = None if plain else np.array([1.0, 0.6, 0.2])
    axes = [axis_of(5, 1, by_distance), axis_of(4, 2, by_distance), axis_of(6, 2, by_distance)]
    kernel = kernel_of(cells, axes)
    records = records_of(row_bin, columns, weights, p)
    width = record_width(p, p + t) + 1
    for way, layout in ((along_axes, (cells, axes)), (by_pairs, (kernel,))):
        one, *others = (way(records, *layout, p, t, threads=threads)[:, :width] for threads in (1, 2, 5))
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_straight_lines_do_what_the_loops_do(monkeypatch):
    for p, t in SIZES:
        cells, row_bin, columns, weights = sample(p, t, n_rows=400)
        axes = [axis_of(n, 1, np.array([1.0, 0.5])) for n in SHAPE]
        records = records_of(row_bin, columns, weights, p)
        straight = along_axes(records, cells, axes, p, t)
        with monkeypatch.context() as patch:
            patch.setattr(window_merging, "MOST_PREDICTORS", -1)
            loops = along_axes(records, cells, axes, p, t)
        width = record_width(p, p + t) + 1
        np.testing.assert_allclose(straight[:, :width], loops[:, :width], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("plain", [True, False])
def test_a_drift_far_larger_than_the_noise_is_no_harm(plain):
    """Bins whose predictors lie 1e5 apart with a noise of 1e-6: the means' low parts come along."""
    cells, row_bin, columns, weights = sample(1, 1, drift=1e5, noise=1e-6)
    by_distance = None if plain else np.array([1.0, 0.3])
    axes = [axis_of(n, 1, by_distance) for n in SHAPE]
    records = records_of(row_bin, columns, weights, 1)
    kernel = kernel_of(cells, axes)
    for found in (along_axes(records, cells, axes, 1, 1), by_pairs(records, kernel, 1, 1)):
        check(found, kernel, row_bin, columns, weights, 1)


def test_windows_without_their_neighbours_keep_the_low_parts():
    cells, row_bin, columns, weights = sample(2, 1, drift=1e9)
    records = records_of(row_bin, columns, weights, 2)
    for found in (
        along_axes(records, cells, [axis_of(n, 0) for n in SHAPE], 2, 1),
        by_pairs(records, np.eye(90), 2, 1),
    ):
        np.testing.assert_array_equal(found[:, :14], records[:, :14])
        np.testing.assert_array_equal(found[:, 14], records[:, 0])


def test_weights_that_underflow_leave_no_nan():
    cells, row_bin, columns, weights = sample(2, 1)
    records = records_of(row_bin, columns, 1e-150 * weights, 2)
    axes = [axis_of(n, 1, np.array([1.0, 1e-200])) for n in SHAPE]
    assert np.isfinite(along_axes(records, cells, axes, 2, 1)[:, :15]).all()

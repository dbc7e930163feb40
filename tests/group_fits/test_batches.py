"""Groups are dealt out in ranges that cover all of them, in the way that is asked for."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbr_dag.errors import InputError
from gbr_dag.group_fits.batches import Batches, batch_ranges

sizes = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 100_000)), max_size=300).map(np.array)


def dealt(rows_per_group, n_processes=2, **settings):
    return batch_ranges(Batches(**settings), np.asarray(rows_per_group, dtype=np.int64), n_processes)


@given(sizes, st.integers(1, 9), st.sampled_from([1, 5, None]), st.integers(0, 60), st.integers(1, 50))
def test_every_group_is_in_one_batch(rows, n_processes, size, threshold, least):
    settings = {"size": size, "small_group_threshold": threshold, "min_batch_size": least}
    for strategy in ("auto", "size_bucketing", "no_batching")[: 3 if size in (None, 1) else 2]:
        ranges = dealt(rows, n_processes, strategy=strategy, **settings)
        assert [b for start, stop in ranges for b in range(start, stop)] == list(range(len(rows)))
        assert all(start < stop for start, stop in ranges)


@given(sizes, st.integers(1, 9), st.integers(0, 60), st.integers(1, 50))
def test_small_groups_go_together(rows, n_processes, threshold, least):
    """A batch of small groups only has as many as asked for, or lies between groups that have their own batch."""
    ranges = dealt(rows, n_processes, small_group_threshold=threshold, min_batch_size=least)
    alone = {start for start, stop in ranges if stop == start + 1 and rows[start] >= threshold}
    for i, (start, stop) in enumerate(ranges):
        if (rows[start:stop] < threshold).all() and stop - start < least:
            assert stop == len(rows) or stop in alone
            assert i == 0 or ranges[i - 1][0] in alone or not (rows[slice(*ranges[i - 1])] < threshold).all()


def test_equal_groups_give_several_batches_a_process():
    for n_processes in (2, 4, 16):
        ranges = dealt(np.full(10_000, 5), n_processes)
        assert 4 * n_processes <= len(ranges) <= 8 * n_processes
        assert len({stop - start for start, stop in ranges[:-1]}) <= 2


def test_batches_have_equal_work():
    """Of all that counts, rows and a constant a group, no batch has more than twice its share."""
    rows = np.random.default_rng(1).integers(1, 3000, size=2000)
    ranges = dealt(rows, 3)
    work = np.array([rows[start:stop].sum() + 500 * (stop - start) for start, stop in ranges])
    assert 12 <= len(ranges) <= 24
    assert work.max() < 2 * work.mean()
    assert work[:-1].min() > work.mean() / 2


def test_a_huge_group_is_alone():
    rows = np.full(200, 10)
    rows[[70, 71, 150]] = 1_000_000
    ranges = dealt(rows)
    assert {(70, 71), (71, 72), (150, 151)} <= set(ranges)
    assert ranges[0] == (0, 70)


def test_size_is_the_number_of_groups():
    assert dealt(np.arange(10), size=4) == [(0, 4), (4, 8), (8, 10)]
    assert dealt(np.arange(10), size=4, strategy="size_bucketing") == [(0, 4), (4, 8), (8, 10)]
    assert dealt(np.arange(10), size=np.int32(100)) == [(0, 10)]


def test_no_batching_is_one_group_a_batch():
    assert dealt(np.full(50, 3), strategy="no_batching") == [(b, b + 1) for b in range(50)]
    assert dealt(np.full(50, 3), strategy="no_batching", size=1) == [(b, b + 1) for b in range(50)]


def test_the_least_number_of_small_groups_is_kept():
    rows = np.full(1000, 5)
    assert min(stop - start for start, stop in dealt(rows, 8)) >= 10
    assert min(stop - start for start, stop in dealt(rows, 8, min_batch_size=300)) >= 300
    # groups of five rows are none below a threshold of five
    assert dealt(rows, 8, min_batch_size=300, small_group_threshold=5) == dealt(rows, 8, min_batch_size=1)
    assert dealt(np.full(8, 5)) == [(0, 8)]


def test_size_bucketing_is_auto():
    rows = np.random.default_rng(2).integers(1, 300, size=500)
    assert dealt(rows, strategy="size_bucketing") == dealt(rows)


def test_no_groups_make_no_batches():
    for settings in ({}, {"size": 3}, {"strategy": "no_batching"}):
        assert dealt([], **settings) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size must be an integer of at least 1, or None for batches of equal work, got 0"),
        ({"size": True}, "size must be an integer of at least 1, or None for batches of equal work, got True"),
        ({"size": 2.0}, "size must be an integer of at least 1, or None for batches of equal work, got 2.0"),
        ({"size": "auto"}, "size must be an integer of at least 1, or None for batches of equal work, got 'auto'"),
        (
            {"strategy": "atuo"},
            "strategy 'atuo' is unknown; did you mean 'auto'? choices: auto, no_batching, size_buck",
        ),
        ({"backend": "dask"}, "backend 'dask' is unknown; choices: loky, multiprocessing, threading"),
        ({"backend": None}, "backend None is unknown; choices: loky, multiprocessing, threading"),
        ({"size": 4, "strategy": "no_batching"}, "size must be left out, or 1, with strategy 'no_batching', got 4"),
        ({"small_group_threshold": -1}, "small_group_threshold must be an integer of at least 0, got -1"),
        ({"min_batch_size": 0}, "min_batch_size must be an integer of at least 1, got 0"),
    ],
)
def test_settings_that_break_their_rule_are_refused(settings, message):
    with pytest.raises(InputError) as refused:
        Batches(**settings)
    assert str(refused.value).startswith(message)


def test_batches_are_light():
    script = "import sys, gbr_dag.group_fits.processes; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not {"numba", "pandas", "hamilton", "joblib", "networkx", "scipy"} & set(done.stdout.split())

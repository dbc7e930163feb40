"""The benchmark of feature models runs at small sizes, refuses wrong values and says whether the goals are reached."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_features
from benchmarks.goals import Timing


def test_everybody_is_measured_and_gives_the_same():
    timings = bench_features.measure(3000, 200, turns=1, sampled_groups=20)
    assert [timing.key for timing in timings] == ["ours", "by_hand", "apply"]
    assert timings[2].label.endswith("(on 20 groups, scaled)")
    assert all(timing.median > 0 for timing in timings)


def test_every_group_has_rows_and_the_features_are_of_both_levels():
    frame = bench_features.houses(500, 400)
    assert frame["zone"].nunique() == 400
    registry = bench_features.model().registry
    assert (len(registry.outputs("row")), len(registry.outputs("group"))) == (4, 4)


def test_the_sample_holds_whole_groups():
    frame = bench_features.houses(3000, 200)
    some, scale = bench_features.sampled(frame, 20)
    assert scale == 10
    assert some["zone"].nunique() == 20
    assert len(some) == frame["zone"].isin(some["zone"]).sum()
    assert bench_features.sampled(frame, 200)[1] == 1.0


@pytest.mark.parametrize("place", [0, 1])
def test_values_that_differ_are_refused(place):
    frame = bench_features.houses(300, 20)
    expected = bench_features.ours(bench_features.model(), frame)
    got = list(bench_features.by_hand(frame))
    bench_features.compare("peer", tuple(got), expected)
    name = ("z_score", "median_value")[place]
    got[place] = got[place].assign(**{name: np.nextafter(got[place][name], np.inf) + 1e-11})
    with pytest.raises(AssertionError, match=f"peer: {name}"):
        bench_features.compare("peer", tuple(got), expected)
    with pytest.raises(AssertionError, match="peer: columns"):
        bench_features.compare("peer", (got[0].drop(columns="age"), got[1]), expected)


@pytest.mark.parametrize(("by_hand", "words"), [(1.0, ("reached", "reached")), (0.5, ("reached", "missed"))])
def test_goals_are_judged(by_hand, words):
    seconds = {"ours": 1.0, "by_hand": by_hand, "apply": 120.0}
    text = bench_features.table([Timing("toy", key, key, (value, value)) for key, value in seconds.items()])
    assert [line.rpartition("| ")[2].strip(" |") for line in text.splitlines()[-2:]] == list(words)
    assert "| at least 100 times as fast as apply and vectorize | 120 |" in text


def test_the_script_prints_its_tables():
    script = Path(bench_features.__file__)
    command = [sys.executable, str(script), "--rows", "2000", "--groups", "100", "--turns", "2"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "2,000 rows, 100 groups, 8 features" in found
    assert "groupby.apply and np.vectorize" in found

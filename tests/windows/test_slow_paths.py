"""Slow paths are named, with the time that they will take, before they are gone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.windows import slow_paths


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame({"a": np.repeat(np.arange(30), 12), "b": np.tile(np.arange(4), 90), "y": rng.normal(size=360)})


@pytest.mark.parametrize(
    ("step", "arguments", "text"),
    [
        ("gathered window", {"engine": "reference"}, "engine 'reference' goes through 120 windows one by one"),
        ("row of a window", {"fitter": "huber"}, "fitter 'huber' goes through 2,640 rows"),
        ("neighbour", {"kernel": "epanechnikov"}, "kernel 'epanechnikov' of several dimensions goes through"),
    ],
)
def test_a_slow_path_is_named(frame, monkeypatch, step, arguments, text):
    model = {"by": ["a", "b"], "window": {"a": 1, "b": 1}, "targets": "y", "statistics": ()}
    quiet = gbr_dag.fit_windows(frame, **model, **arguments)  # warnings are errors here
    monkeypatch.setitem(slow_paths.SECONDS_OF, step, 1.0)
    with pytest.warns(gbr_dag.PerformanceWarning, match=text) as caught:
        slow = gbr_dag.fit_windows(frame, **model, **arguments)
    assert len(caught) == 1
    assert "will take about" in str(caught[0].message)
    assert caught[0].filename == __file__
    pd.testing.assert_frame_equal(quiet, slow)


def test_minutes_are_told_as_minutes(monkeypatch):
    monkeypatch.setitem(slow_paths.SECONDS_OF, "neighbour", 60.0)
    with pytest.warns(gbr_dag.PerformanceWarning, match="5 neighbours one by one, which will take about 5 minutes; do"):
        slow_paths.warn_if_slow("x", "neighbour", 5, "do less")

"""The engine that fits one group after the other by statsmodels: any fitter, and a word on how long it will take."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import GroupByDriver, PerformanceWarning
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.nodes import statsmodels_fits

MODEL = {"by": "g", "targets": ["y", "u"], "predictors": "x", "weights": "w"}


@dataclass(frozen=True)
class Slow:
    """Least squares that takes a while by a clock of its own."""

    clock: list[float]

    def __call__(self, rows: GroupRows) -> GroupFit:
        self.clock[0] += 0.01
        return LeastSquares()(rows)


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(statsmodels_fits, "_clock", lambda: now[0])
    return now


def frame_of(n_groups: int) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"g": np.repeat(np.arange(n_groups), 4), "x": rng.normal(size=4 * n_groups)})
    frame["y"], frame["u"] = rng.normal(size=(2, len(frame)))
    frame["w"] = rng.uniform(0.5, 2.0, len(frame))
    frame.loc[frame["g"] == 0, "x"] = np.nan  # a first group that costs nothing
    frame.loc[:30, "u"] = np.nan
    return frame


def run(frame: pd.DataFrame, fitter: Slow) -> pd.DataFrame:
    driver = GroupByDriver(engine="statsmodels")
    return driver.execute(["fit_table"], {"frame": frame, **MODEL}, {"group_fitter": fitter})["fit_table"]


@pytest.mark.parametrize("n_groups", [1, 2, 25, 90])
def test_a_fitter_of_any_kind_gives_what_it_gives_elsewhere(n_groups, clock):
    frame = frame_of(n_groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = run(frame, Slow(clock))
    expected = gbr_dag.fit_groups(frame, **MODEL, engine="reference")
    pd.testing.assert_frame_equal(table, expected)


def test_a_long_run_is_announced_once_with_its_time(clock, monkeypatch):
    # 90 groups of two targets: the first has no rows at all, and the next seven none for u
    monkeypatch.setattr(statsmodels_fits, "_TOLERATED_SECONDS", 1.7)
    with pytest.warns(PerformanceWarning) as said:
        run(frame_of(90), Slow(clock))
    assert len(said) == 1
    # 171 fits of 0.01 s; the first group that has rows is not timed, the next 20 are
    assert str(said[0].message) == (
        "engine 'statsmodels' makes 171 fits one after the other: the first 34 took 0.34 s, all of them will take"
        ' about 2 s; engine "numba" makes the same fits faster'
    )
    monkeypatch.setattr(statsmodels_fits, "_TOLERATED_SECONDS", 1.72)
    run(frame_of(90), Slow(clock))


def test_the_first_batch_takes_time_enough_to_tell(clock, monkeypatch):
    monkeypatch.setattr(statsmodels_fits, "_TOLERATED_SECONDS", 0.1)
    monkeypatch.setattr(statsmodels_fits, "_TIMED_SECONDS", 0.5)
    with pytest.warns(PerformanceWarning, match="the first 74 took 0.74 s"):
        run(frame_of(90), Slow(clock))
    monkeypatch.setattr(statsmodels_fits, "_TIMED_SECONDS", 5.0)
    run(frame_of(90), Slow(clock))  # all of them are the first batch: no use in a word


@pytest.mark.parametrize(
    ("fitter", "words"),
    [
        ("ols", 'engine "numba" makes the same'),
        ("wls", 'engine "numba" makes the same'),
        ("rlm", 'fitter "huber" on engine "numba"'),
        ("glm", "fewer groups"),
        ("own", 'engine "loky"'),
    ],
)
def test_the_way_out_is_that_of_the_fitter(fitter, words):
    with pytest.warns(PerformanceWarning, match=f"about 17 minutes.*{words}"):
        statsmodels_fits._announce(fitter, 10_000, 20, 2.0)
    statsmodels_fits._announce(fitter, 100, 20, 2.0)


def test_the_fitter_chooses_what_fits_a_group():
    for fitter, kind in (("ols", "StatsmodelsLeastSquares"), ("wls", "StatsmodelsLeastSquares"), ("rlm", "Rlm")):
        driver = GroupByDriver(engine="statsmodels", fitter=fitter)
        chosen = driver.execute(["group_fitter"], {"weights": "w"})["group_fitter"]
        assert type(chosen).__name__ == kind
    options = gbr_dag.GlmOptions(family="poisson", max_iter=7)
    chosen = GroupByDriver(engine="statsmodels", fitter="glm").execute(["group_fitter"], {"fitter_options": options})
    assert chosen["group_fitter"].options == options

"""Toys: errors and bounds mean what they say, for weights that go with the predictors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gbr_dag

N_TOYS, N_ROWS = 20_000, 12
DEGREES = N_ROWS - 3
TRUTH = {"intercept": 5.0, "slope_x": -2.0, "slope_z": 0.5}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """20,000 fits of 12 rows each; rows far from the middle have most leverage and least weight, var(y) = 1/w."""
    rng = np.random.default_rng(20240611)
    n = N_TOYS * N_ROWS
    frame = pd.DataFrame({"toy": np.tile(np.arange(N_TOYS), N_ROWS), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["w"] = 1.0 / (0.1 + frame["x"] ** 2)
    signal = TRUTH["intercept"] + TRUTH["slope_x"] * frame["x"] + TRUTH["slope_z"] * frame["z"]
    frame["y"] = signal + rng.normal(size=n) / np.sqrt(frame["w"])
    diagnostics = ("errors", "confidence", "rms")
    return gbr_dag.fit_groups(
        frame, "toy", "y", ["x", "z"], weights="w", engine="numba", diagnostics=diagnostics, threads=2
    )


def pulls(table: pd.DataFrame, name: str) -> pd.Series:
    return (table[f"y_{name}"] - TRUTH[name]) / table[f"y_{name}_err"]


@pytest.mark.parametrize("name", TRUTH)
def test_pulls_follow_students_t(table, name):
    """20,000 toys tell a width that is off by 3 %, and t from the normal: the test would see either."""
    assert (table["y_status"] == 0).all()
    pull, student = pulls(table, name), stats.t(DEGREES)
    assert stats.kstest(pull, student.cdf).pvalue > 0.01
    assert stats.kstest(pull, stats.norm.cdf).pvalue < 1e-3
    for wrong in (1.1, 1 / 1.1):
        assert stats.kstest(wrong * pull, student.cdf).pvalue < 1e-3
    # means of 20,000 pulls of variance 9/7 scatter by 0.008
    assert abs(pull.mean()) < 4 * student.std() / np.sqrt(N_TOYS)


@pytest.mark.parametrize("name", TRUTH)
def test_bounds_cover_the_truth_as_often_as_they_say(table, name):
    covered = (table[f"y_{name}_low"] < TRUTH[name]) & (TRUTH[name] < table[f"y_{name}_high"])
    assert stats.binomtest(int(covered.sum()), N_TOYS, 0.95).pvalue > 0.01
    below = int((table[f"y_{name}_high"] < TRUTH[name]).sum())
    assert stats.binomtest(below, N_TOYS, 0.025).pvalue > 0.01


def test_the_scale_is_that_of_the_noise(table):
    """SSE / sigma^2 follows chi-squared with 9 degrees of freedom."""
    assert stats.kstest(DEGREES * table["y_rms"] ** 2, stats.chi2(DEGREES).cdf).pvalue > 0.01

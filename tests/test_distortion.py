"""Fits in windows give back the known distortion of a detector within the errors that they state."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from benchmarks.distortion_closure import WORST_MEAN_OF_SEEDS, Closure, closure
from gbr_dag.datasets import DISTORTION_TERMS

SEEDS = range(20)


@cache
def closures(engine: str) -> tuple[Closure, ...]:
    return tuple(closure(gbr_dag.synthetic_distortion(seed=seed), engine) for seed in SEEDS)


def weighted_rows(seed: int) -> pd.DataFrame:
    """Weights over two decades, var(dX_meas) = (0.02 cm)^2 / w."""
    rows = gbr_dag.synthetic_distortion(seed=seed)
    weights = 10.0 ** np.random.default_rng(1000 + seed).uniform(-1, 1, size=len(rows))
    noise = (rows["dX_meas"] - rows["dX_true"]) / np.sqrt(weights)
    return rows.assign(dX_meas=rows["dX_true"] + noise, w=weights)


@pytest.fixture(params=["numpy", "numba"])
def merging(request: pytest.FixtureRequest) -> str:
    """Engines that merge factors; the reference takes the rows of 5,000 windows of 2,250 one by one."""
    return request.param


def test_predictions_are_within_their_errors_for_every_seed(merging):
    wrong = {seed: found.wrong() for seed, found in zip(SEEDS, closures(merging))}
    assert wrong == {seed: set() for seed in SEEDS}


def test_predictions_are_unbiased(merging):
    assert abs(np.mean([found.mean for found in closures(merging)])) < WORST_MEAN_OF_SEEDS


@pytest.mark.parametrize("kernel", ["uniform", "gaussian", "epanechnikov", "linear", "distance"])
def test_errors_hold_under_weights_of_rows_and_kernel(merging, kernel):
    assert closure(weighted_rows(0), merging, weights="w", kernel=kernel).wrong() == set()


def test_errors_hold_in_the_reference():
    rows = gbr_dag.synthetic_distortion(n_dr=12, n_y=6, n_z=6, rows=10, seed=1)
    found, expected = closure(rows, "numpy", kernel="gaussian"), closure(rows, "reference", kernel="gaussian")
    assert found.width == pytest.approx(
        expected.width, rel=1e-9
    )  # condition below 1e3, two solvers in double precision
    assert found.mean_error == pytest.approx(expected.mean_error, rel=1e-9)


def test_row_weights_are_worth_their_information(merging):
    """Weights over two decades have E[w] E[1/w] = 4.6: without them predictions scatter by the root of it more."""
    rows = weighted_rows(0)
    ratio = closure(rows, merging).rms / closure(rows, merging, weights="w").rms
    assert ratio == pytest.approx(np.sqrt(4.6), rel=0.1)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"overrides": {"kernel_spread": None}}, {"width", "rms"}),  # kernel weights taken for inverse variances
        ({"predictors": DISTORTION_TERMS[:2]}, {"width", "rms"}),
        ({"predictors": ()}, {"width", "rms"}),
        ({"shift": 4e-4}, {"mean"}),  # cm, about the mean error
    ],
    ids=["naive errors", "terms left out", "window mean", "bias"],
)
def test_what_is_wrong_is_seen(change, wrong):
    rows = weighted_rows(0)
    rows["dX_meas"] += change.get("shift", 0.0)
    changed = {name: value for name, value in change.items() if name != "shift"}
    assert wrong <= closure(rows, "numpy", weights="w", kernel="gaussian", **changed).wrong()

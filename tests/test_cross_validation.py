"""Every engine and every door on one small frame with everything in it: always on, a second or two."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import FitStatus

TARGETS, PREDICTORS = ["y", "z", "q"], ["u", "v"]  # z has missing values: y and q are fitted together, z apart
MODEL = {"by": "cell", "targets": TARGETS, "predictors": PREDICTORS, "weights": "w"}
PARTS = ["intercept", "slope_u", "slope_v"]
COLLINEAR, CONSTANT, SATURATED, FEW, MISSING, ILL = range(100, 106)
ODD = {COLLINEAR, CONSTANT, SATURATED, FEW, MISSING, ILL}
RTOL = 1e-10
"""Of the larger of a value and its error, where the condition number is below 100."""

RTOL_ILL = 1e-7
"""The same for a condition number of 6e6: what rounding of the rows alone does is 6e6 * 2e-16 of a few sizes."""


def need_joblib() -> None:
    pytest.importorskip("joblib", reason="engine loky and the doors v2 and robust need joblib: gbr-dag[loky]")


def group(rng: np.random.Generator, cell: int, n: int) -> pd.DataFrame:
    frame = pd.DataFrame({"cell": cell, "u": rng.normal(size=n) + 3.0, "v": rng.normal(size=n)})
    frame["w"] = 10.0 ** rng.uniform(-1, 1, size=n)
    sigma = 0.2 / np.sqrt(frame["w"])
    frame["y"] = 1.0 + 2.0 * frame["u"] - frame["v"] + sigma * rng.normal(size=n)
    frame["z"] = -4.0 + 0.5 * frame["u"] + 3.0 * frame["v"] + sigma * rng.normal(size=n)
    frame["q"] = frame["u"] * frame["v"]
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """60 groups in mixed order, a tenth of the second target missing, six groups odd, outliers in some of the rest."""
    rng = np.random.default_rng(20)
    regular = [group(rng, cell, int(n)) for cell, n in enumerate(rng.integers(8, 40, size=54))]
    collinear, constant, ill = (group(rng, cell, 12) for cell in (COLLINEAR, CONSTANT, ILL))
    collinear["v"] = 2.0 * collinear["u"]
    constant["v"] = 0.1
    ill["v"] = ill["u"] + 1e-6 * ill["v"]
    missing = group(rng, MISSING, 9)
    missing.loc[2:, "z"] = np.nan  # two rows left
    rest = [group(rng, SATURATED, 3), group(rng, FEW, 2)]
    whole = pd.concat(regular, ignore_index=True)
    whole.loc[rng.random(len(whole)) < 0.1, "z"] = np.nan
    whole.loc[rng.random(len(whole)) < 0.02, "y"] += 5.0
    whole = pd.concat([whole, collinear, constant, ill, missing, *rest], ignore_index=True)
    return whole.sample(frac=1.0, random_state=7)


def fitted(frame: pd.DataFrame, engine: str, **more: object) -> pd.DataFrame:
    if engine == "loky":
        need_joblib()
    jobs = {"n_jobs": 1} if engine == "loky" else {}
    return gbr_dag.fit_groups(frame, **MODEL, engine=engine, **jobs, **more).set_index("cell")


@pytest.fixture(scope="module")
def expected(frame) -> pd.DataFrame:
    return fitted(frame, "reference", diagnostics=("errors", "rms", "condition"))


def largest(got: pd.DataFrame, expected: pd.DataFrame, target: str, suffix: str = "") -> float:
    """Largest distance of coefficients, relative to the larger of value and error; missing must be missing."""
    worst = 0.0
    for part in PARTS:
        value, error = expected[f"{target}_{part}"], expected[f"{target}_{part}_err"]
        other = got[f"{target}_{part}{suffix}"]
        np.testing.assert_array_equal(other.isna(), value.isna(), err_msg=f"{target}_{part}")
        worst = max(worst, float((np.abs(other - value) / np.fmax(np.abs(value), error)).max()))
    return worst


def test_the_frame_has_everything(expected):
    assert len(expected) == 60
    flags = FitStatus
    statuses = zip(expected["y_status"].map(flags), expected["z_status"].map(flags))
    said = dict(zip(expected.index, statuses))
    assert said[COLLINEAR] == said[CONSTANT] == (flags.RANK_DEFICIENT, flags.RANK_DEFICIENT)
    assert said[SATURATED] == (flags.SATURATED, flags.SATURATED)
    assert said[FEW] == (flags.INSUFFICIENT, flags.INSUFFICIENT)
    assert said[MISSING] == (flags.OK, flags.INSUFFICIENT)
    assert said[ILL][0] & flags.ILL_CONDITIONED
    assert {value for cell, both in said.items() if cell not in ODD for value in both} == {flags.OK}
    assert (expected["z_n_used"] < expected["y_n_used"]).sum() > 40


@pytest.mark.parametrize("engine", ["numpy", "numba", "loky", "statsmodels"])
def test_least_squares_of_every_engine(frame, expected, engine):
    got = fitted(frame, engine)
    for target in TARGETS:
        for column in (f"{target}_status", f"{target}_n_used"):
            np.testing.assert_array_equal(got[column], expected[column], err_msg=column)
        ill = expected[f"{target}_condition"] > 100
        assert list(expected.index[ill]) == [ILL]
        for rows, rtol in ((~ill, RTOL), (ill, RTOL_ILL)):
            assert largest(got[rows], expected[rows], target) < rtol
            scatter = [f"{target}_{part}" for part in [*(f"{part}_err" for part in PARTS), "rms"]]
            np.testing.assert_allclose(got.loc[rows, scatter], expected.loc[rows, scatter], rtol=rtol)


@pytest.fixture(scope="module")
def fewer(frame) -> pd.DataFrame:
    """The odd groups and some of the others: the slow twin takes milliseconds a group."""
    return frame[frame["cell"].isin([*range(15), *ODD])]


@pytest.fixture(scope="module")
def huber(fewer) -> pd.DataFrame:
    return fitted(fewer, "reference", fitter="huber")


@pytest.mark.parametrize("engine", ["numba", "loky"])
def test_huber_of_every_engine(fewer, huber, engine):
    """1e-8 of the errors: the iteration ends where a step is below 1e-10 of the scale."""
    got = fitted(fewer, engine, fitter="huber")
    for target in TARGETS:
        np.testing.assert_array_equal(got[f"{target}_status"], huber[f"{target}_status"])
        for part in PARTS:
            value, error = huber[f"{target}_{part}"], huber[f"{target}_{part}_err"]
            np.testing.assert_array_equal(got[f"{target}_{part}"].isna(), value.isna())
            distance = (got[f"{target}_{part}"] - value).abs() / error
            assert distance.drop(ILL).max() < 1e-8
            assert distance[ILL] < 1e-6
            assert got.at[SATURATED, f"{target}_{part}"] == pytest.approx(value[SATURATED], rel=RTOL)  # has no error
        scatter = [f"{target}_{part}" for part in [*(f"{part}_err" for part in PARTS), "rms"]]
        np.testing.assert_allclose(got[scatter].drop(ILL), huber[scatter].drop(ILL), rtol=1e-8)


def test_outliers_tell_huber_from_least_squares(expected, huber):
    regular = huber.index.difference(sorted(ODD))
    apart = (huber["y_slope_u"] - expected["y_slope_u"])[regular].abs()
    assert apart.max() > 0.05


@pytest.fixture(scope="module")
def whole(frame) -> pd.DataFrame:
    """The rows with every target: doors differ in what they do with the others."""
    return frame.dropna()


ARGUMENTS = {"gb_columns": ["cell"], "fit_columns": TARGETS, "linear_columns": PREDICTORS, "weights": "w"}


@pytest.mark.parametrize("door", ["v2", "v3", "v4", "robust"])
def test_least_squares_through_every_door(whole, door):
    if door in ("v2", "robust"):
        need_joblib()
    everything = pd.Series(True, index=whole.index)
    process = {"median_columns": [], "selection": everything, "min_stat": 3, "sigmaCut": 1e9, "fitter": "ols"}
    if door == "v2":
        table = gbr_dag.make_parallel_fit_v2(whole, **ARGUMENTS, **process, suffix="_d")[1]
    elif door == "v3":
        table = gbr_dag.make_parallel_fit_v3(whole, **ARGUMENTS, suffix="_d")[1]
    elif door == "v4":
        table = gbr_dag.make_parallel_fit_v4(df=whole, **ARGUMENTS, suffix="_d")[1]
    else:
        table = gbr_dag.GroupByRegressor.make_parallel_fit(whole, **ARGUMENTS, **process, suffix="_d")[1]
    got, expected = table.set_index("cell"), fitted(whole, "reference", min_entries=3)
    assert list(got.index) == list(expected.index)
    regular = [cell for cell in expected.index if cell not in ODD or cell == SATURATED]
    for target in TARGETS:
        assert largest(got.loc[regular], expected.loc[regular], target, "_d") < RTOL
        for part in PARTS:
            assert np.isnan(got.loc[[FEW, MISSING], f"{target}_{part}_d"]).all()

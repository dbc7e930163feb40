"""Huber fits through the public door: against statsmodels RLM, and toys whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag
from gbr_dag import FitStatus, HuberOptions

N_GROUPS = 500
RTOL = 1e-6
"""statsmodels stops at steps of 1e-12, but leaves the last digits to its pseudo-inverse of the raw design."""

TARGETS = ("y", "t")
ROBUST_ENGINES = ("numba", "reference", "loky")


def with_outliers(seed: int, n_groups: int, least: int, most: int, share: float) -> pd.DataFrame:
    """Unsorted rows of a plane with weighted normal noise, a share of it ten times as wide."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(least, most + 1, size=n_groups)
    frame = pd.DataFrame({"g": rng.permutation(np.repeat(np.arange(n_groups), sizes))})
    n = len(frame)
    frame["x"], frame["z"] = rng.normal(size=n) + 3.0, rng.uniform(-1.0, 1.0, size=n)
    frame["w"] = 10.0 ** rng.uniform(-1, 1, size=n)
    for target, slope in zip(TARGETS, (1.5, -2.0)):
        wide = np.where(rng.random(n) < share, 10.0, 1.0)
        frame[target] = 0.5 + slope * frame["x"] + frame["z"] + wide * rng.normal(size=n) / np.sqrt(frame["w"])
    return frame


FRAME = with_outliers(7, N_GROUPS, 20, 100, 0.1)
MODEL = {"by": "g", "predictors": ["x", "z"], "fitter": "huber"}


@pytest.fixture(scope="module", params=["w", None], ids=["weighted", "unweighted"])
def peers(request):
    """Coefficients, errors and scales of statsmodels, group by group, with the weights' name."""
    found = []
    for _, group in FRAME.groupby("g"):
        root = np.sqrt(group["w"]) if request.param else np.ones(len(group))
        design = sm.add_constant(group[["x", "z"]]).mul(root, axis=0)
        peer = sm.RLM(group["y"] * root, design, M=sm.robust.norms.HuberT())
        fit = peer.fit(conv="coefs", tol=1e-12, maxiter=2000)
        found.append([*fit.params, *fit.bse, fit.scale])
    return request.param, np.array(found)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_500_groups_equal_statsmodels(peers, engine):
    weights, expected = peers
    table = gbr_dag.fit_groups(FRAME, targets="y", weights=weights, engine=engine, **MODEL)
    names = ["intercept", "slope_x", "slope_z"]
    values = table[[f"y_{name}" for name in names]].to_numpy()
    errors = table[[f"y_{name}_err" for name in names]].to_numpy()
    assert len(table) == N_GROUPS
    assert (table["y_status"] == 0).all()
    # a coefficient near zero has no relative accuracy: it is judged by its error
    size = np.maximum(np.abs(expected[:, :3]), expected[:, 3:6])
    assert np.max(np.abs(values - expected[:, :3]) / size) < RTOL
    np.testing.assert_allclose(errors, expected[:, 3:6], rtol=RTOL)
    np.testing.assert_allclose(table["y_rms"], expected[:, 6], rtol=RTOL)


def test_engines_agree():
    """They take the same steps from the same start, so that little more than rounding is between them."""
    frame = with_outliers(3, 60, 4, 60, 0.1)
    frame.loc[::11, "t"] = np.nan
    asked = {
        "targets": list(TARGETS),
        "weights": "w",
        "diagnostics": ["errors", "covariance", "rms", "mad", "condition"],
    }
    options = HuberOptions(sigma_cut=4.0)
    tables = [
        gbr_dag.fit_groups(
            frame,
            engine=engine,
            fitter_options=options,
            **({"n_jobs": 1} if engine == "loky" else {}),
            **asked,
            **MODEL,
        )
        for engine in ROBUST_ENGINES
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table, rtol=1e-9, atol=1e-9)
    assert tables[0]["t_n_rejected"].sum() > 20
    assert tables[0]["y_n_refits"].max() > 1


@pytest.mark.parametrize(("rows", "share"), [(100, 0.0), (200, 0.1)])
def test_pulls_have_width_one(rows, share):
    frame = with_outliers(11, 4_000, rows, rows, share)
    table = gbr_dag.fit_groups(frame, targets="y", weights="w", **MODEL)
    truth = {"intercept": 0.5, "slope_x": 1.5, "slope_z": 1.0}
    for name, value in truth.items():
        pull = (table[f"y_{name}"] - value) / table[f"y_{name}_err"]
        # 4,000 pulls: their mean scatters by 0.016, their width by 0.011
        assert abs(pull.mean()) < 0.064
        assert abs(pull.std() - 1.0) < 0.05


def test_least_squares_is_the_limit():
    """An infinite tuning constant weighs every row as it came: coefficients, errors and rms of ols."""
    frame = with_outliers(5, 50, 5, 40, 0.1)
    asked = {"by": "g", "targets": list(TARGETS), "predictors": ["x", "z"], "weights": "w"}
    asked["diagnostics"] = ["errors", "covariance", "confidence", "r_squared", "condition"]
    robust = gbr_dag.fit_groups(frame, **asked, fitter="huber", fitter_options=HuberOptions(tuning=np.inf))
    plain = gbr_dag.fit_groups(frame, **asked)
    pd.testing.assert_frame_equal(robust[plain.columns], plain, rtol=1e-10, atol=1e-12)


def test_rejected_rows_are_in_no_number():
    """The table with a cut is that of the rows that stay, fitted without one."""
    frame = with_outliers(9, 40, 20, 60, 0.15)
    asked = {"targets": "y", "weights": "w", "diagnostics": ["errors", "rms", "mad"], **MODEL}
    driver = gbr_dag.GroupByDriver(fitter="huber")
    inputs = {"frame": frame, "by": "g", "targets": "y", "predictors": ["x", "z"], "weights": "w"}
    inputs.update(fitter_options=HuberOptions(sigma_cut=3.0), diagnostics=["errors", "rms", "mad"])
    out = driver.execute(["fit_table", "rejections"], inputs)
    table, rejected = out["fit_table"], out["rejections"].rejected[:, 0]
    again = gbr_dag.fit_groups(frame[~rejected], **asked)
    assert rejected.sum() == table["y_n_rejected"].sum() > 50
    assert not (table["y_status"] & FitStatus.NOT_CONVERGED).any()
    columns = [name for name in table if name not in {"y_n_rejected", "y_n_refits", "n_rows"}]
    pd.testing.assert_frame_equal(table[columns], again[columns], rtol=1e-9)
    np.testing.assert_array_equal(table["n_rows"], frame.groupby("g").size())


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_a_sentinel_in_single_precision_does_not_set_the_scale(engine):
    """The rounding of -999999 is no rounding of the values beside it."""
    frame = with_outliers(2, 20, 30, 60, 0.0)
    frame["y"] = (0.01 * frame["y"]).astype(np.float32)
    clean = gbr_dag.fit_groups(frame, targets="y", weights="w", engine=engine, **MODEL)
    frame.loc[frame.groupby("g").head(1).index, "y"] = np.float32(-999999.0)
    spoilt = gbr_dag.fit_groups(frame, targets="y", weights="w", engine=engine, **MODEL)
    assert (spoilt["y_status"] == 0).all()
    np.testing.assert_allclose(spoilt["y_rms"], clean["y_rms"], rtol=0.3)
    moved = np.abs(spoilt["y_slope_x"] - clean["y_slope_x"]) / clean["y_slope_x_err"]
    assert moved.max() < 1.0


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_groups_without_noise_are_nearly_exact(engine):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"g": np.arange(300) % 30, "x": rng.normal(size=300), "z": rng.normal(size=300)})
    frame["y"] = 2.0 + 1.1 * frame["x"] - frame["z"]
    table = gbr_dag.fit_groups(frame, targets="y", engine=engine, **MODEL)
    assert (table["y_status"] == FitStatus.NEARLY_EXACT).all()
    np.testing.assert_allclose(table["y_slope_x"], 1.1, rtol=1e-12)

"""Fitters at the public door: which engines run them, their settings, and what tells of them afterwards."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import CutOptions, GlmOptions, HuberOptions, InputError, RlmOptions, UnknownNameError
from gbr_dag.drivers.fitters import ENGINES_OF

ENGINES = sorted({engine for engines in ENGINES_OF.values() for engine in engines})
PAIRS = [(fitter, engine) for fitter, engines in ENGINES_OF.items() for engine in engines]
OTHERS = [(fitter, engine) for fitter in ENGINES_OF for engine in ENGINES if (fitter, engine) not in PAIRS]
MODEL = {"by": "g", "targets": "y", "predictors": "x"}


def slope(X, y, w):
    """Weighted least squares in one line."""
    return np.linalg.lstsq(X * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)[0]


def raising(X, y, w):
    if y[0] > 0.0:
        message = "y begins above 0"
        raise RuntimeError(message)
    return slope(X, y, w)


FITTER = {"own": slope}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 240
    frame = pd.DataFrame({"g": rng.permutation(np.arange(n) % 8), "x": rng.normal(size=n)})
    frame["w"], frame["y"] = rng.uniform(0.2, 5.0, size=n), 1.0 + 2.0 * frame["x"] + rng.normal(size=n)
    frame.loc[::40, "y"] += 60.0
    return frame


@pytest.mark.parametrize(("fitter", "engine"), PAIRS)
def test_every_pair_fits(frame, fitter, engine):
    pytest.importorskip("joblib", reason="engine loky needs joblib") if engine == "loky" else None
    jobs = {"n_jobs": 1} if engine == "loky" else {}
    table = gbr_dag.fit_groups(frame, **MODEL, weights="w", fitter=FITTER.get(fitter, fitter), engine=engine, **jobs)
    assert len(table) == 8
    assert (table["y_status"] == 0).all()
    wide = 0.6 if fitter in {"huber", "rlm"} else 12.0
    assert np.abs(table["y_slope_x"] - 2.0).max() < wide
    record = gbr_dag.fit_metadata(table)
    assert (record["fitter"], record["engine"]) == (fitter, engine)
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    ("fitter", "engine"),
    [(fitter, engine) for fitter in ENGINES_OF for engine in ENGINES if (fitter, engine) not in PAIRS],
)
def test_other_pairs_are_refused_with_the_engines_that_can(frame, fitter, engine):
    with pytest.raises(UnknownNameError, match=f"engines that can: {', '.join(ENGINES_OF[fitter])}$"):
        gbr_dag.fit_groups(frame, **MODEL, weights="w", fitter=FITTER.get(fitter, fitter), engine=engine)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fitter": "own"}, "fitter 'own' is unknown"),
        ({"fitter": 3}, "fitter must be one of glm, huber, ols, rlm, wls, a function"),
        ({"fitter": dict}, "an instance, not the class"),
        ({"fitter_options": HuberOptions()}, "fitter_options must be left out for fitter 'ols'"),
        ({"fitter": "huber", "fitter_options": GlmOptions()}, "must be a gbr_dag.HuberOptions for fitter 'huber'"),
        ({"fitter": "huber", "fitter_options": {"tuning": 2}}, "must be a gbr_dag.HuberOptions"),
        ({"fitter": slope, "engine": "loky", "fitter_options": RlmOptions()}, "CutOptions for a fitter of your own"),
        ({"fitter": "huber", "weights": "w", "absolute_weights": True}, "absolute_weights=True is for fitters 'ols'"),
        (
            {"fitter": "glm", "engine": "statsmodels", "diagnostics": "r_squared"},
            "fitter 'glm' does not minimise",
        ),
        ({"n_jobs": 2}, "n_jobs is for engine 'loky'; engine 'numba' takes threads"),
        ({"engine": "loky", "n_jobs": 0}, "n_jobs must be an integer of at least 1, or -1 or None"),
        ({"engine": "loky", "n_jobs": -5}, "n_jobs must be an integer of at least 1, or -1 or None"),
    ],
)
def test_settings_that_do_not_fit_are_refused(frame, options, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        gbr_dag.fit_groups(frame, **MODEL, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HuberOptions(tuning=0), "tuning must be a number above 0, got 0"),
        (lambda: HuberOptions(tuning=math.nan), "tuning must be a number above 0, got nan"),
        (lambda: HuberOptions(sigma_cut=-1.0), "sigma_cut must be a number above 0"),
        (lambda: HuberOptions(max_refits=-1), "max_refits must be an integer of at least 0"),
        (lambda: HuberOptions(max_iter=2.5), "max_iter must be an integer of at least 1"),
        (lambda: HuberOptions(tol=True), "tol must be a number above 0, got True"),
        (lambda: CutOptions(sigma_cut="5"), "sigma_cut must be a number above 0, got '5'"),
        (lambda: GlmOptions(family="poison"), "family 'poison' is unknown; did you mean 'poisson'"),
        (lambda: GlmOptions(link="logg"), "link 'logg' is unknown; did you mean 'log'"),
        (lambda: RlmOptions(norm="tuckey"), "norm 'tuckey' is unknown; did you mean 'tukey'"),
    ],
)
def test_settings_are_checked_when_they_are_made(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_metadata_tell_fitter_and_settings(frame):
    options = HuberOptions(tuning=math.inf, sigma_cut=4.0)
    record = gbr_dag.fit_metadata(gbr_dag.fit_groups(frame, **MODEL, fitter="huber", fitter_options=options))
    assert record["inputs"]["fitter_options"]["sigma_cut"] == 4.0
    assert record["inputs"]["fitter_options"]["tuning"] == "inf"
    record = gbr_dag.fit_metadata(gbr_dag.fit_groups(frame, **MODEL, fitter=slope, engine="loky", n_jobs=1))
    assert record["inputs"]["own_fitter"].endswith("test_fitters.slope")


def test_explain_names_rejected_rows(frame):
    options = HuberOptions(tuning=math.inf, sigma_cut=4.0)
    table = gbr_dag.fit_groups(frame, **MODEL, weights="w", fitter="huber", fitter_options=options)
    key = table.loc[table["y_n_rejected"].idxmax(), "g"]
    explanation = gbr_dag.explain(table, key, frame)
    n_rejected = table["y_n_rejected"].max()
    assert explanation.counts["y"] == {"used": 30 - n_rejected, "rejected as an outlier": n_rejected}
    thrown = explanation.rows[explanation.rows["y_reason"] == "rejected as an outlier"]
    assert (thrown["y_residual"].abs() > 30.0).any()
    assert thrown["y_leverage"].isna().all()
    assert explanation.rows["y_leverage"].sum() == pytest.approx(2.0, rel=1e-12)
    assert explanation.meanings["y_n_rejected"] == "rows rejected as outliers"


def test_explain_takes_a_fitter_of_ones_own_again(frame):
    table = gbr_dag.fit_groups(frame, **MODEL, fitter=slope, engine="statsmodels")
    explanation = gbr_dag.explain(table, 3, frame, fitter=slope)
    residual = explanation.rows["y"] - table["y_intercept"][3] - table["y_slope_x"][3] * explanation.rows["x"]
    np.testing.assert_allclose(explanation.rows["y_residual"], residual, rtol=1e-9)
    with pytest.raises(InputError, match=r"which the table does not hold, got none; give it again"):
        gbr_dag.explain(table, 3, frame)
    with pytest.raises(InputError, match=r"got .*raising; give it again"):
        gbr_dag.explain(table, 3, frame, fitter=raising)
    with pytest.raises(InputError, match="fitter of the fit was 'ols', got another"):
        gbr_dag.explain(gbr_dag.fit_groups(frame, **MODEL), 3, frame, fitter=slope)


def test_robust_engines_are_compared_node_by_node(frame):
    inputs = {"frame": frame, **MODEL, "weights": "w", "fitter_options": HuberOptions(sigma_cut=4.0)}
    comparison = gbr_dag.GroupByDriver(fitter="huber").compare(inputs, {"engine": "reference"}, {"engine": "numba"})
    assert comparison.equal, str(comparison)
    assert "rejections" in comparison.nodes_compared
    apart = gbr_dag.GroupByDriver(fitter="huber").compare(inputs, {"fitter": "ols"}, {})
    assert (apart.node, apart.equal) == ("coefficients", False)


def test_a_fitter_that_fails_costs_its_group_alone(frame):
    begins = frame.groupby("g")["y"].first() > 0.0
    with pytest.warns(
        gbr_dag.DataWarning, match=rf"failed in {begins.sum()} of 8 fits.*RuntimeError: y begins above 0"
    ):
        table = gbr_dag.fit_groups(frame, **MODEL, fitter=raising, engine="loky", n_jobs=1)
    np.testing.assert_array_equal(table["y_status"] == gbr_dag.FitStatus.FAILED, begins)
    assert table.loc[begins.to_numpy(), "y_slope_x"].isna().all()
    plain = gbr_dag.fit_groups(frame, **MODEL)
    np.testing.assert_allclose(table["y_slope_x"][~begins], plain["y_slope_x"][~begins], rtol=1e-10)


@pytest.mark.parametrize(
    ("fitter", "words"),
    [
        (lambda *_: [1.0], r"\(2,\)"),
        (lambda *_: [np.nan, 1.0], "finite"),
        (lambda *_: "none", "coefficients"),
    ],
    ids=["shape", "nan", "text"],
)
def test_what_is_no_fit_is_told(frame, fitter, words):
    with pytest.warns(gbr_dag.DataWarning, match=words):
        table = gbr_dag.fit_groups(frame, **MODEL, fitter=fitter, engine="statsmodels")
    assert (table["y_status"] == gbr_dag.FitStatus.FAILED).all()
    assert table["y_slope_x"].isna().all()


def test_what_cannot_be_sent_is_refused_with_ways_out(frame):
    pytest.importorskip("joblib", reason="engine loky needs joblib")
    lock = threading.Lock()

    def locked(X, y, w):
        with lock:
            return slope(X, y, w)

    with pytest.raises(InputError, match=r"locked cannot be sent to another process: .*lock.*n_jobs=1"):
        gbr_dag.fit_groups(frame, **MODEL, fitter=locked, engine="loky", n_jobs=2)
    assert len(gbr_dag.fit_groups(frame, **MODEL, fitter=locked, engine="loky", n_jobs=1)) == 8


def test_the_condition_of_ones_own_fits_leaves_out_aliased_predictors(frame):
    frame.loc[frame["g"] == 1, "x"] = 3.0
    table = gbr_dag.fit_groups(frame, **MODEL, fitter=slope, engine="statsmodels", diagnostics=["condition"])
    plain = gbr_dag.fit_groups(frame, **MODEL, diagnostics=["condition"])
    np.testing.assert_allclose(table["y_condition"], plain["y_condition"], rtol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"engine": "numba"}, {"engine": "statsmodels"}),
        ({"engine": "loky"}, {"engine": "numba"}),
        ({"fitter": "rlm", "engine": "statsmodels"}, {"fitter": "huber", "engine": "reference"}),
    ],
)
def test_configurations_of_other_fitters_are_compared_by_what_both_have(frame, left, right):
    inputs = {"frame": frame, **MODEL, "weights": "w"}
    # statsmodels stops its robust fits at steps of 1e-8
    comparison = gbr_dag.GroupByDriver().compare(inputs, left, right, tolerance=1e-6)
    assert comparison.equal, str(comparison)
    assert {"coefficients", "fit_table"} <= set(comparison.nodes_compared)


def test_settings_are_numbers_of_python(frame):
    options = HuberOptions(
        tuning=np.float32(1.5), sigma_cut=np.float64(4), max_refits=np.int64(3), max_iter=np.int8(99)
    )
    assert [type(value) for value in (options.tuning, options.sigma_cut, options.max_refits)] == [float, float, int]
    table = gbr_dag.fit_groups(frame, **MODEL, fitter="huber", fitter_options=options)
    json.dumps(gbr_dag.fit_metadata(table))


class Scaled:
    """A callable with a state and no text of its own."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, X, y, w):
        return self.factor * slope(X, y, w)


def test_explain_knows_a_fitter_by_its_coefficients(frame):
    table = gbr_dag.fit_groups(frame, **MODEL, fitter=Scaled(1.0), engine="statsmodels", dtype="float32")
    again = gbr_dag.fit_groups(frame, **MODEL, fitter=Scaled(1.0), engine="statsmodels", dtype="float32")
    assert " at 0x" not in gbr_dag.fit_metadata(table)["inputs"]["own_fitter"]
    assert gbr_dag.fit_metadata(table)["inputs"] == gbr_dag.fit_metadata(again)["inputs"]
    assert len(gbr_dag.explain(table, 3, frame, fitter=Scaled(1.0)).rows) == 30
    with pytest.raises(InputError, match="fitter gives other coefficients of 'y' than the table holds"):
        gbr_dag.explain(table, 3, frame, fitter=Scaled(2.0))


@pytest.mark.parametrize("engine", sorted(set(ENGINES) - {"numba"}))
def test_threads_are_for_the_compiled_engine(frame, engine):
    with pytest.raises(InputError, match="threads is for engine 'numba'"):
        gbr_dag.fit_groups(frame, **MODEL, engine=engine, threads=2)


def test_warnings_point_to_the_caller(frame):
    frame.loc[3, "w"] = -1.0
    with pytest.warns(gbr_dag.DataWarning, match="negative") as caught:
        gbr_dag.fit_groups(frame, **MODEL, weights="w")
    assert [warning.filename for warning in caught] == [__file__]

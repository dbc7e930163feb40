"""What is behind one result: the group found by its key, its rows with reasons, residuals and leverages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag

MODEL = {"by": ["g", "h"], "targets": ["y", "t"], "predictors": ["x", "z"]}
KEY = {"g": 2, "h": "b"}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    n = 200
    frame = pd.DataFrame({"g": rng.integers(0, 5, size=n), "h": rng.choice(["a", "b"], size=n)})
    frame["x"], frame["z"] = rng.normal(size=n) + 1.7e9, rng.normal(size=n)
    frame["w"] = rng.uniform(0.1, 9.0, size=n)
    frame["y"], frame["t"] = frame["x"] - 1.7e9 + rng.normal(size=n), rng.normal(size=n)
    frame.index = [f"row {i}" for i in range(n)]
    here = np.flatnonzero((frame["g"] == 2) & (frame["h"] == "b"))
    frame.loc[frame.index[here[:5]], ["x", "w", "t", "z", "y"]] = [
        [np.nan, 1, 1, 1, 1],
        [1.7e9, 0, 1, 1, 1],
        [1.7e9, 1, np.nan, 1, 1],
        [1.7e9, -1, 1, 1, 1],
        [1.7e9, np.inf, 1, 1, 1],
    ]
    return frame


def fitted(frame: pd.DataFrame, **options) -> pd.DataFrame:
    with pytest.warns(gbr_dag.DataWarning, match="negative"):
        return gbr_dag.fit_groups(frame, **MODEL, **options)


def test_the_table_alone_tells_values_status_and_meanings(frame):
    table = fitted(frame, weights="w", diagnostics=["errors", "covariance", "pvalues", "rms"], medians="x", suffix="_s")
    explanation = gbr_dag.explain(table, KEY)
    row = table[(table["g"] == 2) & (table["h"] == "b")].iloc[0]
    assert explanation.group == KEY
    assert explanation.values["y_slope_x_s"] == row["y_slope_x_s"]
    assert isinstance(explanation.values["y_n_used_s"], np.int64)
    assert [*KEY, *explanation.meanings] == table.columns.tolist()
    assert explanation.meanings["y_slope_x_s"] == "change of y per unit of x"
    assert explanation.meanings["t_slope_z_pvalue_s"] == "two-sided p-value of t_slope_z being zero"
    assert explanation.meanings["y_cov_intercept_x_s"] == "covariance of intercept and the slope of x"
    assert explanation.meanings["x_s"] == "median of x"
    assert explanation.status == {"y": "ok", "t": "ok"}
    assert explanation.rows is None
    text = str(explanation)
    assert "group g=2, h=b" in text
    assert "y, t ~ 1 + x + z, weights: w; fitter ols, engine numba" in text
    assert "status of y: ok" in text


def test_every_row_of_the_group_has_its_reason(frame):
    selection = "z < 1.5"
    frame.loc[frame.index[np.flatnonzero((frame["g"] == 2) & (frame["h"] == "b"))[-1]], "z"] = 2.0
    table = fitted(frame, weights="w", selection=selection)
    before = frame.copy()
    explanation = gbr_dag.explain(table, (2, "b"), frame)
    pd.testing.assert_frame_equal(frame, before)
    rows = explanation.rows
    positions = np.flatnonzero((frame["g"] == 2) & (frame["h"] == "b"))
    assert rows["position"].tolist() == positions.tolist()
    assert rows.index.tolist() == frame.index[positions].tolist()
    assert rows["y_reason"].iloc[:5].tolist() == [
        "predictor missing or infinite",
        "weight zero",
        "used",
        "weight negative",
        "weight missing or infinite",
    ]
    assert rows["t_reason"].iloc[2] == "target missing or infinite"
    assert rows["y_reason"].iloc[-1] == "not selected"
    assert (rows["y_used"] == (rows["y_reason"] == "used")).all()
    for target in MODEL["targets"]:
        assert sum(explanation.counts[target].values()) == len(rows)
        assert explanation.counts[target]["used"] == explanation.values[f"{target}_n_used"]
    assert "row 1" in str(explanation)


def test_fitted_values_pulls_and_leverages_are_those_of_statsmodels(frame, engine):
    """atol 1e-6: the rounding of the intercept, which predictors at 1.7e9 make that large; leverages are free of it."""
    table = fitted(frame, weights="w", engine=engine)
    rows = gbr_dag.explain(table, KEY, frame).rows
    for target in MODEL["targets"]:
        used = rows[rows[f"{target}_used"]]
        design = sm.add_constant(used[["x", "z"]] - used[["x", "z"]].mean())
        fit = sm.WLS(used[target], design, weights=used["weight"]).fit()
        np.testing.assert_allclose(used[f"{target}_fitted"], fit.fittedvalues, atol=2e-6)
        np.testing.assert_allclose(used[f"{target}_residual"], fit.resid, atol=2e-6)
        np.testing.assert_allclose(used[f"{target}_pull"], fit.wresid / np.sqrt(fit.scale), atol=2e-5)
        hat_diagonal = np.sum(fit.model.wexog * fit.model.pinv_wexog.T, axis=1)
        np.testing.assert_allclose(used[f"{target}_leverage"], hat_diagonal, rtol=1e-9)
        assert rows.loc[~rows[f"{target}_used"], f"{target}_leverage"].isna().all()


@pytest.mark.parametrize("intercept", [True, False])
def test_leverages_sum_up_to_the_rank(frame, intercept):
    """rtol 1e-9: the predictors left are well conditioned."""
    frame["x"] = np.where(frame["x"].isna(), np.nan, 1.0)
    frame.loc[frame["g"] == 2, "z"] = 0.0
    table = fitted(frame, weights="w", intercept=intercept, missing="any")
    explanation = gbr_dag.explain(table, KEY, frame)
    rows = explanation.rows
    assert "rank deficient" in explanation.status["y"]
    assert explanation.counts["y"]["one of the targets missing or infinite"] == 1
    np.testing.assert_allclose(rows[["y_leverage", "t_leverage"]].sum(), 1.0, rtol=1e-9)
    assert rows["y_leverage"].notna().sum() == explanation.values["y_n_used"]


def test_a_predictor_lost_in_the_rounding_of_its_offset_has_no_leverage(frame):
    """rtol 1e-9: nothing but the intercept is left."""
    frame["x"] = 1e16 + 2.0 * (np.arange(len(frame)) % 2)
    table = gbr_dag.fit_groups(frame, by="g", targets="y", predictors="x")
    explanation = gbr_dag.explain(table, 2, frame)
    assert "rank deficient" in explanation.status["y"]
    np.testing.assert_allclose(explanation.rows["y_leverage"], 1 / len(explanation.rows), rtol=1e-9)


def test_a_group_without_a_fit_has_rows_too(frame):
    table = fitted(frame, weights="w", min_entries=1000)
    rows = gbr_dag.explain(table, KEY, frame).rows
    assert rows["y_used"].any()
    assert rows[["y_fitted", "y_leverage"]].isna().all(axis=None)


def test_arrays_have_to_be_given_again(frame):
    weights, mask = frame["w"].to_numpy(), frame["z"].to_numpy() < 1.5
    table = fitted(frame, weights=weights, selection=mask)
    with pytest.raises(gbr_dag.InputError, match=r"weights were given to the fit as array of 200 values.* again"):
        gbr_dag.explain(table, KEY, frame, selection=mask)
    with pytest.raises(gbr_dag.InputError, match=r"selection were given to the fit as mask of 200 rows"):
        gbr_dag.explain(table, KEY, frame, weights=weights)
    with pytest.raises(gbr_dag.InputError, match=r"rows of the group serve 'y', the table says"):
        gbr_dag.explain(table, KEY, frame, weights=weights, selection=~mask)
    with pytest.raises(gbr_dag.InputError, match=r"got no frame"):
        gbr_dag.explain(table, KEY, weights=weights)
    rows = gbr_dag.explain(table, KEY, frame, weights=weights, selection=mask).rows
    np.testing.assert_array_equal(rows["weight"], weights[rows["position"]])


def test_another_frame_or_other_arguments_are_refused(frame):
    table = fitted(frame, weights="w")
    with pytest.raises(gbr_dag.InputError, match=r"frame must be the one that was fitted \(200 rows\), got 199"):
        gbr_dag.explain(table, KEY, frame.iloc[1:])
    with pytest.raises(gbr_dag.InputError, match=r"frame has no row with g=2, h=b"):
        gbr_dag.explain(table, KEY, frame.assign(h="a"))
    with pytest.raises(gbr_dag.InputError, match=r"weights of the fit were 'w', got others"):
        gbr_dag.explain(table, KEY, frame, weights=frame["w"])
    with pytest.raises(gbr_dag.InputError, match=r"selection of the fit were None, got others"):
        gbr_dag.explain(table, KEY, frame, selection="z < 1")
    with pytest.raises(gbr_dag.InputError, match="frame must be a pandas"):
        gbr_dag.explain(table, KEY, frame.to_dict())
    with pytest.raises(gbr_dag.InputError, match="no metadata"):
        gbr_dag.explain(pd.DataFrame(table.to_dict()), KEY)
    with pytest.raises(gbr_dag.InputError, match="column 'y_rms' is not there"):
        gbr_dag.explain(table.drop(columns="y_rms"), KEY)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (2, r"one value for each of by=\['g', 'h'\], got 2"),
        ((2,), "one value for each"),
        ({"g": 2}, "one value for each"),
        ({"g": 2, "hh": "a"}, "name 'hh' is unknown; did you mean 'h'"),
        ((7, "b"), "no group has g=7; close ones: 4, 3, 2"),
        ((2, "c"), "no group has h='c'; it has 'a', 'b'"),
        (("2", "b"), "no group has g='2'"),
        ((True, "b"), "no group has g=True"),
        ((2, None), "must be a single, present value"),
        ((2, ["b"]), "must be a single, present value"),
    ],
)
def test_keys_that_no_group_has_are_refused(frame, key, words):
    with pytest.raises(gbr_dag.GbrDagError, match=words):
        gbr_dag.explain(fitted(frame, weights="w"), key)


def test_values_that_never_stand_together_name_close_groups():
    frame = pd.DataFrame({"g": [1, 2, 5], "h": ["a", "a", "b"], "y": [1.0, 2.0, 3.0]})
    table = gbr_dag.fit_groups(frame, by=["g", "h"], targets="y")
    with pytest.raises(gbr_dag.InputError, match=r"close ones: g=2, h='a'; g=5, h='b'") as caught:
        gbr_dag.explain(table, (5, "a"))
    assert "g=5, h='a'" in str(caught.value)
    doubled = table.loc[[0, 0]]
    with pytest.raises(gbr_dag.InputError, match="2 rows for the key"):
        gbr_dag.explain(doubled, (1, "a"))


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (pd.Categorical(["u", "v", "u", "v"]), "v"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"] * 2), "2020-01-02"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"] * 2), pd.Timestamp("2020-01-02")),
        ([True, False] * 2, False),
        ([0.5, -0.0] * 2, 0.0),
        (pd.array([1, 2] * 2, dtype="Int64"), 2),
        (pd.array(["u", "v"] * 2, dtype="string"), "v"),
    ],
)
def test_keys_of_every_kind_find_their_rows(keys, key):
    frame = pd.DataFrame({"k": keys, "weight": 2.0, "y": [1.0, 2.0, 3.0, 5.0]})
    table = gbr_dag.fit_groups(frame, by="k", targets="y", predictors="weight")
    rows = gbr_dag.explain(table, key, frame).rows
    assert rows["position"].tolist() == [1, 3]
    assert rows[["weight", "weight_"]].iloc[0].tolist() == [2.0, 1.0]
    np.testing.assert_allclose(rows["y_fitted"], 3.5, rtol=1e-12)
    np.testing.assert_allclose(rows["y_leverage"], 0.5, rtol=1e-12)


def test_tables_of_windows_are_refused():
    table = gbr_dag.fit_windows(
        gbr_dag.load_flights(), "month", {"month": 1}, "arr_delay", engine="numpy", statistics=()
    )
    with pytest.raises(gbr_dag.InputError, match="table is one of windows"):
        gbr_dag.explain(table, 3)

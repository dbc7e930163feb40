"""Fitted values, residuals and pulls of rows from a fit table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag

MODEL = {"by": ["cell", "side"], "targets": ["y", "u"], "predictors": ["x", "z"]}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 90
    frame = pd.DataFrame(
        {
            "cell": rng.integers(0, 3, size=n).astype("int8"),
            "side": pd.Categorical(rng.choice(["C", "A"], size=n), ["C", "A", "unused"]),
            "x": rng.normal(5.0, 1.0, size=n),
            "z": rng.normal(size=n),
            "y": rng.normal(size=n),
            "u": rng.normal(size=n),
            "w": 10.0 ** rng.uniform(-2, 2, size=n),
        }
    )
    return frame.set_index(rng.integers(0, 5, size=n))


@pytest.fixture
def table(frame) -> pd.DataFrame:
    return gbr_dag.fit_groups(frame, **MODEL, weights="w", suffix="_s", diagnostics=("covariance", "rms"))


def test_rows_equal_statsmodels(frame, table):
    rows = gbr_dag.predictions(frame, table, **MODEL, weights="w", suffix="_s")
    assert rows.index.equals(frame.index)
    assert list(rows) == [
        f"{t}_{name}_s" for t in "yu" for name in ("prediction", "prediction_err", "residual", "pull")
    ]
    for positions in frame.reset_index(drop=True).groupby(["cell", "side"], observed=True).indices.values():
        group, ours = frame.iloc[positions], rows.iloc[positions]
        design = sm.add_constant(group[["x", "z"]])
        result = sm.WLS(group["u"], design, weights=group["w"]).fit()
        predicted = result.get_prediction(design, weights=group["w"])
        np.testing.assert_allclose(ours["u_prediction_s"], predicted.predicted_mean, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(ours["u_prediction_err_s"], predicted.se_mean, rtol=1e-9)
        np.testing.assert_allclose(ours["u_residual_s"], result.resid, rtol=1e-8, atol=1e-12)
        pulls = np.sqrt(group["w"]) * result.resid / np.sqrt(result.scale)
        np.testing.assert_allclose(ours["u_pull_s"], pulls, rtol=1e-8, atol=1e-12)


def test_the_nodes_of_the_graph_give_the_same(frame, table):
    rows = gbr_dag.predictions(frame, table, **MODEL, weights="w", suffix="_s")
    names = {
        "row_prediction": "prediction",
        "row_prediction_error": "prediction_err",
        "residual": "residual",
        "pull": "pull",
    }
    nodes = gbr_dag.GroupByDriver().execute(list(names), {"frame": frame, **MODEL, "weights": "w"})
    for node, part in names.items():
        for i, target in enumerate(MODEL["targets"]):
            np.testing.assert_allclose(nodes[node][:, i], rows[f"{target}_{part}_s"], rtol=1e-12)


def test_rows_of_unfitted_groups_and_unknown_keys_are_missing(frame, table):
    other = frame.head(4).reset_index(drop=True)
    other["cell"] = [77, *other["cell"][1:]]
    other.loc[1, "x"] = np.nan
    other.loc[2, "y"] = np.nan
    table.loc[(table["cell"] == other["cell"][3]) & (table["side"] == other["side"][3]), "y_rms_s"] = np.nan
    rows = gbr_dag.predictions(other, table, **MODEL, weights="w", suffix="_s")
    assert rows["y_prediction_s"].isna().tolist()[:3] == [True, True, False]
    assert rows["y_residual_s"].isna().tolist()[:3] == [True, True, True]
    assert np.isnan(rows.loc[3, "y_pull_s"])
    assert np.isfinite(rows.loc[3, "u_pull_s"])


def test_an_aliased_predictor_adds_nothing(frame):
    frame["twice"] = 2.0 * frame["x"]
    model = {**MODEL, "predictors": ["x", "twice", "z"]}
    aliased = gbr_dag.fit_groups(frame, **model, weights="w", diagnostics=("covariance", "rms"))
    plain = gbr_dag.fit_groups(frame, **MODEL, weights="w", diagnostics=("covariance", "rms"))
    pd.testing.assert_frame_equal(
        gbr_dag.predictions(frame, aliased, **model, weights="w"),
        gbr_dag.predictions(frame, plain, **MODEL, weights="w"),
        rtol=1e-10,
    )


def test_means_need_no_covariance_and_no_intercept_is_seen(frame):
    means = gbr_dag.fit_groups(frame, "cell", "y", weights="w")
    rows = gbr_dag.predictions(frame, means, by="cell", targets="y", weights="w")
    expected = means.set_index("cell").loc[frame["cell"], "y_intercept_err"].to_numpy()
    np.testing.assert_array_equal(rows["y_prediction_err"], expected)
    through_zero = gbr_dag.fit_groups(frame, "cell", "y", "x", intercept=False, diagnostics=("covariance", "rms"))
    rows = gbr_dag.predictions(frame, through_zero, by="cell", targets="y", predictors="x")
    slope = through_zero.set_index("cell").loc[frame["cell"], "y_slope_x"].to_numpy()
    np.testing.assert_allclose(rows["y_prediction"], slope * frame["x"], rtol=1e-15)


def test_unfitted_groups_are_missing_without_intercept_too(frame):
    enough = int(frame["cell"].value_counts().max())
    table = gbr_dag.fit_groups(
        frame, "cell", "y", "x", intercept=False, min_entries=enough, diagnostics=("covariance", "rms")
    )
    rows = gbr_dag.predictions(frame, table, by="cell", targets="y", predictors="x")
    fitted = frame["cell"].map(frame["cell"].value_counts()).to_numpy() >= enough
    assert not fitted.all()
    for part in ("prediction", "prediction_err", "residual", "pull"):
        np.testing.assert_array_equal(rows[f"y_{part}"].notna(), fitted)


def test_what_the_table_lacks_is_said(frame):
    table = gbr_dag.fit_groups(frame, **MODEL, weights="w", diagnostics=("errors", "rms"))
    with pytest.warns(gbr_dag.DataWarning, match="prediction errors are missing.*diagnostics='covariance'"):
        rows = gbr_dag.predictions(frame, table, **MODEL)
    assert rows["y_prediction_err"].isna().all()
    assert rows["y_prediction"].notna().all()
    with pytest.raises(gbr_dag.InputError, match="table: column 'y_slope_x_s' is not there; did you mean 'y_slope_x'"):
        gbr_dag.predictions(frame, table, **MODEL, suffix="_s")
    with pytest.raises(gbr_dag.InputError, match="several rows for one key"):
        gbr_dag.predictions(frame, pd.concat([table, table]), **MODEL)


def test_keys_that_cannot_be_compared_are_refused(frame, table):
    with pytest.raises(gbr_dag.InputError, match="types that cannot be compared"):
        gbr_dag.predictions(frame.assign(cell=frame["cell"].astype(str)), table, **MODEL, suffix="_s")


def test_a_written_table_serves_as_well(frame, table, tmp_path):
    table.to_parquet(tmp_path / "fits.parquet")
    pd.testing.assert_frame_equal(
        gbr_dag.predictions(frame, pd.read_parquet(tmp_path / "fits.parquet"), **MODEL, weights="w", suffix="_s"),
        gbr_dag.predictions(frame, table, **MODEL, weights="w", suffix="_s"),
    )


def test_an_empty_table_predicts_nothing(frame):
    table = gbr_dag.fit_groups(frame, **MODEL, selection="x > 1e9", diagnostics=("covariance", "rms"))
    assert gbr_dag.predictions(frame, table, **MODEL).isna().all(axis=None)


def test_an_infinite_predictor_has_no_prediction(frame, table):
    frame.iloc[0, frame.columns.get_loc("x")] = np.inf
    rows = gbr_dag.predictions(frame, table, **MODEL, weights="w", suffix="_s")
    assert rows.iloc[0].isna().all()


def test_a_key_named_like_an_intercept_is_none(frame):
    frame = frame.rename(columns={"cell": "y_intercept"})
    model = {"by": "y_intercept", "targets": "y", "predictors": "x"}
    table = gbr_dag.fit_groups(frame, **model, intercept=False, diagnostics=("covariance", "rms"))
    slope = table.set_index("y_intercept").loc[frame["y_intercept"], "y_slope_x"].to_numpy()
    rows = gbr_dag.predictions(frame, table, **model)
    np.testing.assert_allclose(rows["y_prediction"], slope * frame["x"], rtol=1e-15)


def test_predictors_that_are_not_those_of_the_fit_are_refused():
    flights = gbr_dag.load_flights()
    model = {"by": "origin", "targets": "arr_delay"}
    table = gbr_dag.fit_groups(flights, **model, predictors=["dep_delay", "distance"])
    with pytest.raises(
        gbr_dag.InputError, match="predictors must be those of the fit, 'dep_delay', 'distance', got none"
    ):
        gbr_dag.predictions(flights, table, **model)
    with pytest.raises(gbr_dag.InputError, match="'dep_delay', 'distance', got 'dep_delay'"):
        gbr_dag.predictions(flights, table, **model, predictors="dep_delay")
    table.attrs.clear()
    with pytest.raises(gbr_dag.InputError, match="the table has 'arr_delay_slope_dep_delay'"):
        gbr_dag.predictions(flights, table, **model)

"""The engine "statsmodels" end to end: tables, statuses, kinds of frames and predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
from statsmodels.genmod.families import Binomial, Gamma, Poisson, links

import gbr_dag
from gbr_dag import DataWarning, FitStatus, GlmOptions, InputError, RlmOptions

MODEL = {"by": "g", "predictors": ["x", "z"], "weights": "w"}
DIAGNOSTICS = ("errors", "covariance", "rms", "mad")
NAMES = ["intercept", "slope_x", "slope_z"]
FAMILIES = {
    "counts": (GlmOptions("poisson"), Poisson()),
    "hits": (GlmOptions("binomial"), Binomial()),
    "sizes": (GlmOptions("gamma", "log"), Gamma(link=links.Log())),
}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(30)
    n_groups, per_group = 30, 25
    n = n_groups * per_group
    frame = pd.DataFrame({"g": rng.permutation(np.repeat(np.arange(n_groups), per_group)), "x": rng.normal(size=n)})
    frame["z"] = rng.uniform(-1.0, 1.0, size=n)
    eta = 0.3 + 0.4 * frame["x"] - 0.3 * frame["z"]
    frame["w"] = rng.uniform(0.3, 3.0, size=n)
    frame["y"] = eta + rng.standard_t(3, size=n)
    frame["counts"] = rng.poisson(np.exp(eta))
    frame["hits"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["sizes"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    frame.index = pd.Index(rng.integers(0, 9, size=n), name="odd")
    return frame


def groups(frame: pd.DataFrame):
    for key, rows in frame.groupby("g"):
        yield key, rows, np.column_stack([np.ones(len(rows)), rows["x"], rows["z"]])


def holds(row: pd.Series, target: str, values, errors, rms: float, rtol: float) -> None:
    np.testing.assert_allclose(row[[f"{target}_{name}" for name in NAMES]].to_numpy(dtype=float), values, rtol=rtol)
    found = row[[f"{target}_{name}_err" for name in NAMES]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, errors, rtol=rtol)
    np.testing.assert_allclose(row[f"{target}_rms"], rms, rtol=rtol)


@pytest.mark.parametrize("fitter", ["ols", "wls"])
def test_least_squares_equal_statsmodels_and_the_reference(frame, fitter):
    frame.iloc[::11, frame.columns.get_loc("y")] = np.nan
    table = gbr_dag.fit_groups(
        frame, targets=["y", "sizes"], **MODEL, fitter=fitter, engine="statsmodels", diagnostics=DIAGNOSTICS
    )
    expected = gbr_dag.fit_groups(frame, targets=["y", "sizes"], **MODEL, engine="reference", diagnostics=DIAGNOSTICS)
    assert table.attrs["gbr_dag"]["engine"] == "statsmodels"
    pd.testing.assert_frame_equal(table, expected, rtol=1e-9)
    for key, rows, design in groups(frame):
        used = rows["y"].notna().to_numpy()
        result = sm.WLS(rows["y"][used].to_numpy(), design[used], weights=rows["w"][used].to_numpy()).fit()
        row = table.set_index("g").loc[key]
        holds(row, "y", result.params, result.bse, np.sqrt(result.scale), 1e-12)
        assert row["y_n_used"] == used.sum()
        assert row["sizes_n_used"] == 25
    assert (table["y_n_used"] < 25).sum() > 20


@pytest.mark.parametrize("target", FAMILIES)
def test_glm_equals_statsmodels(frame, target):
    options, family = FAMILIES[target]
    model = {"targets": target, **MODEL, "fitter": "glm", "fitter_options": options}
    table = gbr_dag.fit_groups(frame, **model, engine="statsmodels", diagnostics=DIAGNOSTICS).set_index("g")
    assert (table[f"{target}_status"] == FitStatus.OK).all()
    for key, rows, design in groups(frame):
        y, w = rows[target].to_numpy(dtype=float), rows["w"].to_numpy()
        result = sm.GLM(y, design, family=family, var_weights=w).fit(tol=1e-11)
        # 1e-5: the last step of the link that is not the family's own, in units of the value
        holds(table.loc[key], target, result.params, result.bse, np.sqrt(result.scale), 1e-5)
        residual = y - result.fittedvalues
        mad = np.median(np.abs(residual - np.median(residual)))
        np.testing.assert_allclose(table.loc[key, f"{target}_mad"], mad, rtol=1e-5)


def test_rlm_equals_statsmodels_and_solves_its_equations(frame):
    options = RlmOptions(max_iter=500, tol=1e-12)
    table = gbr_dag.fit_groups(
        frame, targets="y", **MODEL, fitter="rlm", fitter_options=options, engine="statsmodels"
    ).set_index("g")
    for key, rows, design in groups(frame):
        y, root = rows["y"].to_numpy(), np.sqrt(rows["w"].to_numpy())
        result = sm.RLM(root * y, root[:, None] * design).fit(conv="coefs", tol=1e-12, maxiter=500)
        holds(table.loc[key], "y", result.params, result.bse, result.scale, 1e-8)
        values = table.loc[key, [f"y_{name}" for name in NAMES]].to_numpy(dtype=float)
        psi = np.clip(root * (y - design @ values) / table.loc[key, "y_rms"], -1.345, 1.345)
        np.testing.assert_allclose((root[:, None] * design).T @ psi, 0.0, atol=1e-8)


def test_all_kinds_of_groups_have_their_status(frame):
    some = frame[frame["g"] < 6].copy()
    some["counts"] = some["counts"].astype(float)
    here = {g: np.flatnonzero(some["g"] == g) for g in range(6)}
    columns = {name: some.columns.get_loc(name) for name in some}
    some.iloc[here[0][0], columns["counts"]] = -1.0  # no target of poisson
    some.iloc[here[1], columns["counts"]] = 0.0  # no mean
    some.iloc[here[2], columns["z"]] = 2.0 * some.iloc[here[2], columns["x"]]
    some.iloc[here[3][3:], columns["counts"]] = np.nan
    some.iloc[here[4][2:], columns["counts"]] = np.nan
    model = {"targets": ["counts", "sizes"], **MODEL, "fitter": "glm", "fitter_options": GlmOptions("poisson")}
    with pytest.warns(
        DataWarning, match=r"failed in 2 of 12 fits.*'counts' in g=0: ValueError: family 'poisson'"
    ) as said:
        table = gbr_dag.fit_groups(some, **model, engine="statsmodels")
    assert len(said) == 1
    flags = [FitStatus.FAILED, FitStatus.FAILED, FitStatus.RANK_DEFICIENT, FitStatus.SATURATED, FitStatus.INSUFFICIENT]
    assert table["counts_status"].tolist() == [*flags, FitStatus.OK]
    assert table["sizes_status"].tolist() == [0, 0, FitStatus.RANK_DEFICIENT, 0, 0, 0]
    assert table["counts_n_used"].tolist() == [25, 25, 25, 3, 2, 25]
    fitted = table["counts_slope_x"].notna().tolist()
    assert fitted == [False, False, True, True, False, True]
    assert table["counts_slope_z"].isna().tolist() == [True, True, True, False, True, False]
    assert table["counts_slope_x_err"].isna().tolist() == [True, True, False, True, True, False]
    alone = gbr_dag.fit_groups(some[some["g"] == 5], **model, engine="statsmodels")
    pd.testing.assert_frame_equal(table[table["g"] == 5].reset_index(drop=True), alone)


def test_a_separated_group_fails_alone(frame):
    frame["hits"] = np.where(frame["g"] == 3, frame["x"] > 0, frame["hits"])
    model = {"targets": "hits", **MODEL, "fitter": "glm", "fitter_options": GlmOptions("binomial")}
    with pytest.warns(DataWarning, match="g=3: PerfectSeparationError") as said:
        table = gbr_dag.fit_groups(frame, **model, engine="statsmodels")
    assert len(said) == 1
    assert np.flatnonzero(table["hits_status"]).tolist() == [3]


def test_a_link_out_of_the_family_domain_is_let_pass_in_silence(frame):
    options = GlmOptions("poisson", "sqrt")
    table = gbr_dag.fit_groups(
        frame, targets="counts", **MODEL, fitter="glm", fitter_options=options, engine="statsmodels"
    )
    assert (table["counts_status"] == 0).all()
    with pytest.raises(
        InputError, match="link 'logit' does not go with family 'poisson'; links that do: identity, log"
    ):
        GlmOptions("poisson", "logit")


# --- predictions -------------------------------------------------------------------------------------------------


def glm_model(target: str) -> tuple[dict, dict]:
    options, _ = FAMILIES[target]
    rows = {"by": "g", "targets": target, "predictors": ["x", "z"], "weights": "w"}
    return rows, {"fitter": "glm", "fitter_options": options}


@pytest.mark.parametrize("target", FAMILIES)
def test_predictions_of_glm_equal_statsmodels(frame, target):
    rows, fitter = glm_model(target)
    table = gbr_dag.fit_groups(frame, **rows, **fitter, engine="statsmodels", diagnostics=DIAGNOSTICS)
    found = gbr_dag.predictions(frame, table, **rows)
    assert found.index.equals(frame.index)
    positions = frame.reset_index(drop=True).groupby("g").indices
    for key, group, design in groups(frame):
        y, w = group[target].to_numpy(dtype=float), group["w"].to_numpy()
        result = sm.GLM(y, design, family=FAMILIES[target][1], var_weights=w).fit(tol=1e-11)
        expected = result.get_prediction(design)
        ours = found.iloc[positions[key]]
        np.testing.assert_allclose(ours[f"{target}_prediction"], expected.predicted_mean, rtol=1e-6)
        np.testing.assert_allclose(ours[f"{target}_prediction_err"], expected.se_mean, rtol=1e-5)
        np.testing.assert_allclose(ours[f"{target}_residual"], y - expected.predicted_mean, rtol=1e-5, atol=1e-6)
    driver = gbr_dag.GroupByDriver(engine="statsmodels", fitter="glm")
    names = {"row_prediction": "prediction", "row_prediction_error": "prediction_err", "residual": "residual"}
    nodes = driver.execute(names, {"frame": frame, **rows, "fitter_options": fitter["fitter_options"]})
    for node, part in names.items():
        np.testing.assert_allclose(nodes[node][:, 0], found[f"{target}_{part}"], rtol=1e-12)


def test_a_table_knows_its_fitter_if_it_can(frame):
    rows, fitter = glm_model("counts")
    table = gbr_dag.fit_groups(frame, **rows, **fitter, engine="statsmodels", diagnostics=DIAGNOSTICS)
    expected = gbr_dag.predictions(frame, table, **rows)
    pd.testing.assert_frame_equal(gbr_dag.predictions(frame, table, **rows, **fitter), expected)
    arrow = gbr_dag.fit_groups(
        pa.Table.from_pandas(frame, preserve_index=False),
        **rows,
        **fitter,
        engine="statsmodels",
        diagnostics=DIAGNOSTICS,
    )
    pd.testing.assert_frame_equal(gbr_dag.predictions(frame, arrow, **rows), expected)
    with pytest.raises(InputError, match="fitter 'rlm' is not that of the table, 'glm'"):
        gbr_dag.predictions(frame, table, **rows, fitter="rlm")
    with pytest.raises(InputError, match=r"fitter_options .* are not those of the table"):
        gbr_dag.predictions(frame, arrow, **rows, fitter_options=GlmOptions("gamma", "log"))
    linear = gbr_dag.fit_groups(frame, **rows, diagnostics=DIAGNOSTICS)
    with pytest.raises(InputError, match="fitter 'glm' is not that of the table, 'ols'"):
        gbr_dag.predictions(frame, linear, **rows, **fitter)


def test_a_polars_table_is_told_its_fitter(frame):
    rows, fitter = glm_model("counts")
    given = pl.from_pandas(frame)
    table = gbr_dag.fit_groups(given, **rows, **fitter, engine="statsmodels", diagnostics=DIAGNOSTICS)
    assert isinstance(table, pl.DataFrame)
    from_pandas = gbr_dag.fit_groups(frame, **rows, **fitter, engine="statsmodels", diagnostics=DIAGNOSTICS)
    pd.testing.assert_frame_equal(table.to_pandas(), from_pandas, check_exact=True)
    expected = gbr_dag.predictions(frame, from_pandas, **rows).reset_index(drop=True)
    told = gbr_dag.predictions(given, table, **rows, **fitter)
    assert isinstance(told, pl.DataFrame)
    pd.testing.assert_frame_equal(told.to_pandas(), expected)
    linear = gbr_dag.predictions(given, table, **rows)["counts_prediction"].to_numpy()
    np.testing.assert_allclose(np.exp(linear), expected["counts_prediction"], rtol=1e-12)
    with pytest.raises(InputError, match=r"fitter_options GlmOptions.* give fitter=.glm. too"):
        gbr_dag.predictions(given, table, **rows, fitter_options=fitter["fitter_options"])


def test_rows_without_a_fit_have_no_prediction(frame):
    rows, fitter = glm_model("counts")
    frame = frame.assign(counts=frame["counts"].astype(float))
    frame.loc[frame["g"] == 2, "counts"] = 0.0
    with pytest.warns(DataWarning, match="failed in 1 of 30"):
        table = gbr_dag.fit_groups(frame, **rows, **fitter, engine="statsmodels", diagnostics=DIAGNOSTICS)
    frame.iloc[0, frame.columns.get_loc("x")] = np.inf
    found = gbr_dag.predictions(frame, table, **rows)
    lost = (frame["g"] == 2).to_numpy() | (np.arange(len(frame)) == 0)
    for part in ("prediction", "prediction_err", "residual"):
        np.testing.assert_array_equal(found[f"counts_{part}"].isna(), lost)

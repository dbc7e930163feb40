"""What tables of glm say beyond their coefficients: pulls, bounds, statuses, leverages, words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.genmod import families

import gbr_dag
from gbr_dag import FitStatus, GlmOptions, RlmOptions
from gbr_dag.group_fits.glm_family import link_of, variance_of
from gbr_dag.options import FAMILIES, LINKS, LINKS_OF

ROWS = {"by": "g", "targets": "y", "predictors": ["x", "z"], "weights": "w"}
OPTIONS = {
    "gaussian": GlmOptions(),
    "poisson": GlmOptions("poisson"),
    "binomial": GlmOptions("binomial"),
    "gamma": GlmOptions("gamma", "log"),
    "probit": GlmOptions("binomial", "probit"),
}


def family_of(options: GlmOptions):
    kind = getattr(families, FAMILIES[options.family])
    return kind() if options.link is None else kind(link=getattr(families.links, LINKS[options.link])())


def made(options: GlmOptions, *, n_groups: int = 8, per_group: int = 30, weighted: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(41)
    n = n_groups * per_group
    frame = pd.DataFrame({"g": rng.permutation(np.repeat(np.arange(n_groups), per_group)), "x": rng.normal(size=n)})
    frame["z"] = rng.uniform(-1.0, 1.0, size=n)
    frame["w"] = rng.uniform(0.3, 3.0, size=n) if weighted else 1.0
    eta = 0.8 + 0.4 * frame["x"] - 0.3 * frame["z"]
    frame["y"] = {
        "gaussian": lambda: rng.normal(eta, 0.7 / np.sqrt(frame["w"])),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "binomial": lambda: (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-eta))).astype(float),
        "gamma": lambda: rng.gamma(5.0 * frame["w"], np.exp(eta) / (5.0 * frame["w"])),
    }[options.family]()
    return frame


def fitted(frame: pd.DataFrame, options: GlmOptions, *diagnostics: str, **changes) -> pd.DataFrame:
    model = {**ROWS, **changes}
    diagnostics = diagnostics or ("errors", "covariance", "rms")
    return gbr_dag.fit_groups(
        frame, **model, fitter="glm", fitter_options=options, engine="statsmodels", diagnostics=diagnostics
    )


def peers(frame: pd.DataFrame, options: GlmOptions):
    for key, rows in frame.groupby("g"):
        design = np.column_stack([np.ones(len(rows)), rows["x"], rows["z"]])
        model = sm.GLM(rows["y"].to_numpy(), design, family=family_of(options), var_weights=rows["w"].to_numpy())
        yield key, rows, model.fit(tol=1e-12, use_t=options.family in {"gaussian", "gamma"})


@pytest.mark.parametrize("name", ["poisson", "gamma", "gaussian", "binomial"])
def test_pulls_have_width_one(name):
    options = OPTIONS[name]
    frame = made(options, n_groups=100, per_group=60, weighted=name in {"gamma", "gaussian"})
    pull = gbr_dag.predictions(frame, fitted(frame, options), **ROWS)["y_pull"]
    # 60 rows less 3 coefficients scatter by sqrt(57/60) = 0.975; 6000 rows tell the width to 0.01
    assert abs(pull.std() / np.sqrt(57 / 60) - 1.0) < 0.05
    assert abs(pull.mean()) < 0.05
    for low, high in ((0.0, 0.5), (0.5, 1.0)):  # of small and of large means alike
        part = frame["x"].rank(pct=True).between(low, high)
        assert abs(pull[part].std() / np.sqrt(57 / 60) - 1.0) < 0.07


@pytest.mark.parametrize("name", OPTIONS)
def test_pulls_are_pearson_residuals_over_the_root_of_the_dispersion(name):
    options = OPTIONS[name]
    frame = made(options)
    table = fitted(frame, options)
    found = gbr_dag.predictions(frame, table, **ROWS)
    positions = frame.groupby("g").indices
    for key, rows, result in peers(frame, options):
        # resid_pearson has the weights in it
        expected = result.resid_pearson / np.sqrt(result.scale)
        np.testing.assert_allclose(found["y_pull"].to_numpy()[positions[key]], expected, rtol=1e-4, atol=1e-6)
        assert len(rows) == len(expected)
    driver = gbr_dag.GroupByDriver(engine="statsmodels", fitter="glm")
    pull = driver.execute(["pull"], {"frame": frame, **ROWS, "fitter_options": options})["pull"]
    np.testing.assert_allclose(pull[:, 0], found["y_pull"], rtol=1e-12)
    explained = gbr_dag.explain(table, 3, frame).rows
    np.testing.assert_allclose(explained["y_pull"], found["y_pull"].to_numpy()[positions[3]], rtol=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_bounds_and_p_values_are_those_of_statsmodels(name):
    """Normal where the family fixes the dispersion, as statsmodels says; Student's t where it is estimated."""
    options = OPTIONS[name]
    frame = made(options)
    table = fitted(frame, options, "errors", "confidence", "pvalues", "rms").set_index("g")
    names = ["intercept", "slope_x", "slope_z"]
    for key, _, result in peers(frame, options):
        row = table.loc[key]
        low, high = result.conf_int().T
        # 1e-5: the steps of statsmodels end where the deviance stands
        np.testing.assert_allclose([row[f"y_{name}_low"] for name in names], low, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([row[f"y_{name}_high"] for name in names], high, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([row[f"y_{name}_pvalue"] for name in names], result.pvalues, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_leverages_are_those_of_the_last_step(name):
    options = OPTIONS[name]
    frame = made(options)
    table = fitted(frame, options)
    for key, _, result in peers(frame, options):
        rows = gbr_dag.explain(table, key, frame).rows
        expected = result.get_hat_matrix_diag(observed=False)
        np.testing.assert_allclose(rows["y_leverage"], expected, rtol=1e-4)
        np.testing.assert_allclose(rows["y_leverage"].sum(), 3.0, rtol=1e-9)


def test_leverages_of_robust_fits_stay_those_of_the_design():
    frame = made(OPTIONS["gaussian"])
    table = gbr_dag.fit_groups(frame, **ROWS, fitter="rlm", engine="statsmodels")
    plain = gbr_dag.fit_groups(frame, **ROWS)
    leverage, expected = (gbr_dag.explain(fits, 2, frame).rows["y_leverage"] for fits in (table, plain))
    pd.testing.assert_series_equal(leverage, expected, rtol=1e-12)


def test_a_fit_that_failed_has_no_leverage():
    frame = made(OPTIONS["poisson"])
    frame.loc[frame["g"] == 1, "y"] = -1.0
    with pytest.warns(gbr_dag.DataWarning, match="failed in 1 of 8"):
        table = fitted(frame, OPTIONS["poisson"])
    rows = gbr_dag.explain(table, 1, frame).rows
    assert rows[["y_leverage", "y_pull", "y_fitted"]].isna().all(axis=None)


def test_constant_counts_have_errors_that_mean_something():
    frame = made(OPTIONS["poisson"]).assign(y=4.0)
    assert (fitted(frame, GlmOptions("poisson"))["y_status"] == FitStatus.OK).all()
    assert (fitted(frame, GlmOptions("gamma", "log"))["y_status"] == FitStatus.NEARLY_EXACT).all()
    assert (fitted(frame, GlmOptions())["y_status"] == FitStatus.NEARLY_EXACT).all()
    share = fitted(frame.assign(y=0.25), GlmOptions("binomial"))
    assert (share["y_status"] == FitStatus.OK).all()
    weight = frame.groupby("g")["w"].sum().to_numpy()
    alone = fitted(frame.assign(y=0.25), GlmOptions("binomial"), predictors=())
    np.testing.assert_allclose(alone["y_intercept_err"], 1.0 / np.sqrt(weight * 0.25 * 0.75), rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_own_links_are_those_of_statsmodels(family):
    own = type(getattr(families, FAMILIES[family])().link) if family != "negative_binomial" else families.links.Log
    assert issubclass(own, getattr(families.links, LINKS[link_of(GlmOptions(family))]))
    for link in LINKS_OF[family]:
        assert link_of(GlmOptions(family, link)) == link


def test_variances_are_those_of_the_families():
    mean = np.array([[0.2, 0.5], [0.8, np.nan]])
    wanted = {
        "gaussian": np.ones_like(mean),
        "poisson": mean,
        "binomial": mean * (1.0 - mean),
        "gamma": mean**2,
        "inverse_gaussian": mean**3,
        "negative_binomial": mean + mean**2,
        "tweedie": mean,
    }
    for family, expected in wanted.items():
        np.testing.assert_allclose(variance_of(GlmOptions(family), mean), expected, rtol=1e-12)


def test_slopes_of_a_link_are_said_to_be_that():
    frame = made(OPTIONS["poisson"])
    words = gbr_dag.explain(fitted(frame, GlmOptions("poisson")), 0).meanings
    assert words["y_slope_x"] == "change of link(y) per unit of x"
    assert words["y_intercept"] == "link(y) where the predictors are 0"
    words = gbr_dag.explain(fitted(frame, GlmOptions("poisson", "identity")), 0).meanings
    assert words["y_slope_x"] == "change of y per unit of x"
    alone = gbr_dag.explain(fitted(frame, GlmOptions("poisson"), predictors=()), 0).meanings
    assert alone["y_intercept"] == "link of the weighted mean of y"


# --- nothing but aliased predictors ------------------------------------------------------------------------------

FITTERS = [
    ("ols", "numba", None),
    ("ols", "numpy", None),
    ("ols", "reference", None),
    ("ols", "statsmodels", None),
    ("huber", "numba", None),
    ("huber", "reference", None),
    ("rlm", "statsmodels", RlmOptions()),
    ("glm", "statsmodels", GlmOptions()),
    ("glm", "statsmodels", GlmOptions("poisson")),
]


@pytest.mark.parametrize(("fitter", "engine", "options"), FITTERS)
def test_aliased_predictors_alone_add_nothing(fitter, engine, options):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"g": np.repeat([0, 1, 2], 8), "x": rng.normal(size=24), "y": rng.poisson(5.0, 24) + 1.0})
    frame.loc[frame["g"] == 1, "x"] = 0.0
    frame.loc[frame.index[18:], "y"] = np.nan  # two rows are left of the last group
    model = {"by": "g", "targets": "y", "predictors": "x"}
    with np.errstate(all="raise"):
        table = gbr_dag.fit_groups(
            frame,
            **model,
            intercept=False,
            min_entries=3,
            fitter=fitter,
            fitter_options=options,
            engine=engine,
            diagnostics=("errors", "covariance", "rms", "mad"),
        )
    row = table.iloc[1]
    assert row["y_status"] == FitStatus.RANK_DEFICIENT
    assert np.isfinite([row["y_rms"], row["y_mad"]]).all()
    rows = gbr_dag.predictions(frame, table, **model)
    here = frame["g"] == 1
    value = 1.0 if options == GlmOptions("poisson") else 0.0
    assert (rows.loc[here, "y_prediction"] == value).all()
    assert (rows.loc[here, "y_residual"] == frame.loc[here, "y"] - value).all()
    assert (rows.loc[here, "y_prediction_err"] == 0.0).all()
    residual = frame.loc[here, "y"] - value
    np.testing.assert_allclose(row["y_mad"], np.median(np.abs(residual - residual.median())), rtol=1e-14)
    np.testing.assert_allclose(rows.loc[here, "y_pull"], residual / row["y_rms"], rtol=1e-14)
    assert rows[frame["g"] == 2].isna().all(axis=None)
    assert rows[frame["g"] == 0].notna().all(axis=None)
    driver = gbr_dag.GroupByDriver(engine=engine, fitter=fitter)
    inputs = {"frame": frame, **model, "intercept": False, "min_entries": 3}
    nodes = {"row_prediction": "prediction", "row_prediction_error": "prediction_err", "pull": "pull"}
    found = driver.execute(nodes, {**inputs, **({} if options is None else {"fitter_options": options})})
    for node, part in nodes.items():
        np.testing.assert_allclose(found[node][:, 0], rows[f"y_{part}"], rtol=1e-12)


def test_without_a_status_coefficients_tell_what_was_fitted():
    frame = pd.DataFrame({"g": [0] * 4 + [1] * 4, "x": [0.0] * 4 + [1.0, 2.0, 3.0, 4.0], "y": np.arange(8.0)})
    model = {"by": "g", "targets": "y", "predictors": "x"}
    table = gbr_dag.fit_groups(frame, **model, intercept=False, diagnostics=("errors", "covariance", "rms"))
    rows = gbr_dag.predictions(frame, table.drop(columns="y_status"), **model)
    assert rows["y_prediction"].isna().tolist() == [True] * 4 + [False] * 4
    unknown = table.assign(y_status=[np.nan, 0.0])
    rows = gbr_dag.predictions(frame, unknown, **model)
    assert rows["y_prediction"].isna().tolist() == [True] * 4 + [False] * 4

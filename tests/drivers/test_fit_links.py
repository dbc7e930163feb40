"""Fits as links of chains, alone and between models."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.errors import InputError, MissingInputError, UnknownNameError
from tests.drivers.test_pipeline import assert_same, executed

BOTH = pytest.mark.parametrize("merged", [False, True], ids=["sequence", "merged"])


def made_rows(n: int = 600) -> pd.DataFrame:
    """Lines of six sectors, with outliers, on an odd index; some rows have no sector."""
    generator = np.random.default_rng(7)
    sector = generator.integers(0, 6, n).astype(float)
    x = generator.normal(size=n)
    y = sector + (1 + 0.2 * sector) * x + 0.3 * x**2 + generator.normal(0, 0.1, n)
    y[::50] += 20
    sector[::37] = np.nan
    return pd.DataFrame(
        {"sector": sector, "x": x, "y": y, "bin": np.floor(4 * x).astype(int), "side": np.where(sector > 2, "A", "C")},
        index=generator.permutation(n) % 100,
    )


def masked() -> gbr_dag.ModelDriver:
    """Which rows are no outliers, from the residuals of a first fit."""
    driver = gbr_dag.ModelDriver({"model_name": "mask", "group_by": "sector"})

    def scale(y_residual):
        return y_residual.abs().median()

    def kept(y_residual, scale):
        return y_residual.abs() < 5 * scale

    def n_kept(kept):
        return kept.sum()

    driver.register_attribute("scale", scale)
    driver.register_filter("kept", kept)
    driver.register_attribute("n_kept", n_kept)
    return driver


LINE = {"by": "sector", "targets": "y", "predictors": "x"}
LINE_FIT = gbr_dag.GroupFit("line", **LINE)
SMOOTH = {"by": "bin", "window": {"bin": 2}, "targets": "y_residual", "selection": "kept", "min_entries": 5}
SMOOTH_FIT = gbr_dag.WindowFit("smooth", **SMOOTH)


def last_model() -> gbr_dag.ModelDriver:
    driver = gbr_dag.ModelDriver({"model_name": "last", "group_by": "sector"})
    driver.register_attribute("left", lambda y_residual_residual, kept: y_residual_residual[kept].std())
    driver.register_attribute("slope", lambda y_slope_x: y_slope_x.first())
    driver.register_filter("rel", lambda y_residual_residual, left: y_residual_residual / left)
    return driver


@BOTH
def test_fit_residual_mask_window_fit_and_model(merged):
    rows = made_rows()
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, masked(), SMOOTH_FIT, last_model()], on="rows")
    results = executed(pipeline, rows, None, merged=merged)
    table = gbr_dag.fit_groups(rows, **LINE)
    pd.testing.assert_frame_equal(results["line"]["groups"], table, check_exact=True)
    with pytest.warns(gbr_dag.DataWarning, match="prediction errors are missing"):
        said = gbr_dag.predictions(rows, table, **LINE)
    residual = said["y_residual"].to_numpy()
    np.testing.assert_array_equal(results["line"]["rows"]["y_residual"], residual)
    np.testing.assert_array_equal(results["line"]["rows"]["y_pull"], said["y_pull"])
    assert list(results["line"]["rows"]) == ["y_prediction", "y_residual", "y_pull"]
    step = rows.assign(y_residual=residual).reset_index(drop=True)
    scale = step["y_residual"].abs().groupby(step["sector"]).transform("median")
    step["kept"] = step["y_residual"].abs() < 5 * scale
    kept = results["mask"]["rows"]["kept"]
    np.testing.assert_array_equal(kept.isna(), step["sector"].isna())
    np.testing.assert_array_equal(kept.to_numpy(dtype=bool, na_value=False), step["kept"])
    smooth = gbr_dag.fit_windows(step, **SMOOTH)
    pd.testing.assert_frame_equal(results["smooth"]["groups"], smooth, check_exact=True)
    fitted = step["bin"].map(smooth.set_index("bin")["y_residual_intercept"])
    left = step["y_residual"] - fitted
    np.testing.assert_allclose(results["smooth"]["rows"]["y_residual_residual"], left, rtol=1e-12, atol=1e-14)
    spread = left[step["kept"]].groupby(step["sector"]).std()
    np.testing.assert_allclose(results["output"]["left"], spread, rtol=1e-10)
    np.testing.assert_array_equal(results["output"]["slope"], table["y_slope_x"])
    assert results["smooth"]["rows"].index.equals(rows.index)
    # the first fit leaves the curve, the second takes it
    assert spread.mean() < 0.6 * residual[step["kept"]].std()


@pytest.mark.parametrize("outputs", [None, ["last__left"], ["smooth__fit_table"], ["line__predictions", "last__slope"]])
def test_merged_equals_the_sequence(outputs):
    rows = made_rows()
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, masked(), SMOOTH_FIT, last_model()], on="rows")
    merged = pipeline.merged(outputs)
    results = merged.execute(rows)
    assert_same(results, pipeline.execute(rows, outputs))
    if outputs:
        n_nodes = len(merged.report())
        pipeline.execute(rows)
        assert n_nodes < len(pipeline.report())


def test_all_columns_of_a_fit_are_one_node():
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, masked(), SMOOTH_FIT, last_model()], on="rows")
    merged = pipeline.merged()
    assert {"line__fit_table", "line__predictions", "smooth__fit_table"} <= set(merged.outputs)
    of_line = [node for node in merged.plan().nodes if node.startswith("line__y_")]
    assert of_line == ["line__y_residual", "line__y_slope_x", "line__y_slope_x per row"]  # later links take these
    some = pipeline.merged(["line__y_slope_x", "line__y_rms"])
    assert some.outputs == ("line__y_slope_x", "line__y_rms")


def test_merged_runs_the_fits_that_are_needed():
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, masked(), SMOOTH_FIT, last_model()], on="rows")
    nodes = pipeline.merged(["last__slope"]).plan().nodes
    assert "line__fit_table" in nodes
    assert not {"line__predictions", "smooth__fit_table", "mask__kept"} & set(nodes)
    assert "line__y_slope_x per row" in nodes
    assert "smooth__predictions" not in pipeline.merged(["smooth__fit_table"]).plan().nodes


@BOTH
def test_the_table_of_a_fit_is_the_rows_of_the_next_link(merged):
    rows = made_rows()
    first = gbr_dag.GroupFit("first", by=["side", "sector"], targets="y", predictors="x")
    trend = gbr_dag.GroupFit("trend", by="side", targets="y_slope_x", predictors="sector", weights="y_n_used")
    last = gbr_dag.ModelDriver({"model_name": "last", "group_by": "side"})
    last.register_attribute("steep", lambda y_slope_x_slope_sector: y_slope_x_slope_sector.max())
    pipeline = gbr_dag.ModelPipeline([first, trend, last])
    results = executed(pipeline, rows, None, merged=merged)
    table = gbr_dag.fit_groups(rows, by=["side", "sector"], targets="y", predictors="x")
    of_sides = gbr_dag.fit_groups(table, by="side", targets="y_slope_x", predictors="sector", weights="y_n_used")
    pd.testing.assert_frame_equal(results["trend"]["groups"], of_sides, check_exact=True)
    assert len(results["trend"]["rows"]) == len(table)
    np.testing.assert_array_equal(results["output"]["steep"], of_sides["y_slope_x_slope_sector"])


@BOTH
def test_bins_of_a_window_fit_are_made_of_what_a_model_gives(merged):
    rows = made_rows()
    model = gbr_dag.ModelDriver({"model_name": "shape", "group_by": "sector"})
    model.register_filter("radius", lambda x: x.abs())
    window = {"by": "ring", "window": {"ring": 1}, "targets": "y", "within": "side"}
    window["binning"] = {"ring": {"column": "radius", "width": 0.5}}
    pipeline = gbr_dag.ModelPipeline([model, gbr_dag.WindowFit("rings", **window)], on="rows")
    results = executed(
        pipeline, rows, ["rings__y_intercept", "rings__y_residual", "rings__n_neighbors_used"], merged=merged
    )
    table = gbr_dag.fit_windows(rows.assign(radius=rows["x"].abs()), **window)
    wanted = ["side", "ring", "y_intercept", "n_neighbors_used"]
    found = results["rings"]["groups"]
    pd.testing.assert_frame_equal(found, table[wanted], check_exact=True)
    keyed = rows.assign(ring=np.floor(rows["x"].abs() / 0.5).astype(int)).reset_index(drop=True)
    expected = keyed.merge(table, how="left", on=["side", "ring"])
    np.testing.assert_allclose(
        results["rings"]["rows"]["y_residual"], expected["y"] - expected["y_intercept"], rtol=1e-9
    )
    assert pipeline.required_inputs() == ["sector", "x", "side", "y"]


@BOTH
def test_columns_of_a_table_made_with_bins_go_to_every_row(merged):
    rows = made_rows()
    fit = {"by": "cell", "window": {"cell": 0}, "targets": "y", "binning": {"cell": {"column": "x", "width": 1.0}}}
    model = gbr_dag.ModelDriver({"model_name": "m", "group_by": "side"})
    model.register_filter("deviation", lambda y, y_mean: y - y_mean)
    pipeline = gbr_dag.ModelPipeline([gbr_dag.WindowFit("w", **fit), model], on="rows")
    found = executed(pipeline, rows, ["m__deviation"], merged=merged)["output"]
    means = rows["y"].groupby(np.floor(rows["x"]).to_numpy()).transform("mean")
    np.testing.assert_allclose(found["deviation"], rows["y"] - means, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
@BOTH
def test_frames_of_other_libraries(kind, merged):
    polars = pytest.importorskip("polars", reason="frames of polars")
    rows = made_rows().reset_index(drop=True)
    frame = polars.from_pandas(rows)
    frame = {"polars": frame, "lazy": frame.lazy(), "pyarrow": frame.to_arrow()}[kind]
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, masked(), SMOOTH_FIT], on="rows")
    found = executed(pipeline, frame, None, merged=merged)
    expected = pipeline.execute(rows)
    for link in ("line", "smooth"):
        for part in ("rows", "groups"):
            table = found[link][part]
            assert type(table).__module__.split(".")[0] == ("pyarrow" if kind == "pyarrow" else "polars")
            pd.testing.assert_frame_equal(table.to_pandas(), expected[link][part], check_dtype=False)
    if kind == "pyarrow":
        assert gbr_dag.fit_metadata(found["line"]["groups"])["fitter"] == "ols"


@pytest.mark.parametrize(
    ("values", "text"),
    [([1, None, 2, 2, None, 1], "s != 2"), ([1.0, None, 2.0, 2.0, None, 1.0], "s != 2"), (list("a-bb-a"), "s != 'b'")],
)
def test_nulls_are_no_nan_in_a_selection(values, text):
    polars = pytest.importorskip("polars", reason="frames of polars")
    values = [None if value == "-" else value for value in values]
    frame = polars.DataFrame({"k": [1] * 6, "y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "s": values})
    fit = gbr_dag.GroupFit("f", by="k", targets="y", selection=text)
    pipeline = gbr_dag.ModelPipeline([fit])
    results = pipeline.execute(frame, ["f__n_rows"])
    assert results["output"]["n_rows"].to_list() == [2]  # of pandas, where NaN differs from 2, it would be 4
    assert pipeline.merged(["f__n_rows"]).execute(frame)["output"].equals(results["output"])


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        ({}, ["y_prediction", "y_residual", "y_pull"]),
        ({"diagnostics": ("covariance",)}, ["y_prediction", "y_residual", "y_prediction_err"]),
        ({"diagnostics": (), "suffix": "_0"}, ["y_prediction_0", "y_residual_0"]),
        ({"predictors": (), "diagnostics": "errors"}, ["y_prediction", "y_residual", "y_prediction_err"]),
    ],
)
def test_columns_of_the_rows_are_those_of_predictions_that_hold_something(arguments, columns):
    rows, given = made_rows(), {**LINE, **arguments}
    fit = gbr_dag.GroupFit("f", **given)
    assert list(fit.outputs("row")) == columns
    results = gbr_dag.ModelPipeline([fit]).execute(rows)["f"]
    assert list(results["rows"]) == columns
    assert results["rows"].notna().any().all()
    assert list(results["groups"]) == ["sector", *fit.outputs("group")]


@BOTH
def test_nulls_of_times_are_no_values_in_a_selection(merged):
    polars = pytest.importorskip("polars", reason="frames of polars")
    day = [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2), None]
    frame = polars.DataFrame({"k": [1] * 4, "y": [1.0, 2.0, 3.0, 4.0], "s": day, "t": day[:1] * 4})
    pipeline = gbr_dag.ModelPipeline([gbr_dag.GroupFit("f", by="k", targets="y", selection="s != t")])
    found = executed(pipeline, frame, ["f__n_rows"], merged=merged)["output"]
    assert found["n_rows"].to_list() == [1]
    # NaT of pandas differs from every time
    of_pandas = executed(pipeline, frame.to_pandas(), ["f__n_rows"], merged=merged)["output"]
    assert list(of_pandas["n_rows"]) == [3]


@BOTH
def test_pulls_take_the_weights(merged):
    rows = made_rows().assign(w=np.linspace(1.0, 9.0, 600))
    given = {**LINE, "weights": "w"}
    results = executed(gbr_dag.ModelPipeline([gbr_dag.GroupFit("f", **given)]), rows, ["f__y_pull"], merged=merged)
    table = gbr_dag.fit_groups(rows, **given, diagnostics=("covariance", "rms"))
    expected = gbr_dag.predictions(rows, table, **given)["y_pull"]
    np.testing.assert_allclose(results["output"]["y_pull"], expected, rtol=1e-12)


GLM = gbr_dag.GlmOptions(family="gaussian")


@pytest.mark.parametrize(
    "fit",
    [
        gbr_dag.GroupFit("f", **LINE, medians="bin", diagnostics=("covariance", "mad", "pvalues", "condition")),
        gbr_dag.GroupFit("f", by="sector", targets=["y", "bin"], predictors="x", fitter="huber", engine="reference"),
        gbr_dag.GroupFit("f", **LINE, fitter="glm", fitter_options=GLM, engine="statsmodels"),
        gbr_dag.GroupFit("f", **LINE, weights="w", absolute_weights=True, suffix="_s"),
        gbr_dag.WindowFit("f", "bin", {"bin": 1}, "y", "x", within="side", statistics=("q05", "mad"), suffix="_s"),
        gbr_dag.WindowFit("f", "bin", {"bin": 1}, "y", "x 1", weights="w", diagnostics=("rms", "covariance")),
    ],
    ids=repr,
)
def test_columns_that_a_fit_tells_beforehand_are_those_of_its_table(fit):
    rows = made_rows().assign(w=2.0, **{"x 1": lambda frame: frame["x"]}).iloc[1:]
    pipeline = gbr_dag.ModelPipeline([fit])
    results = pipeline.execute(rows)
    assert list(results["f"]["groups"]) == [*fit.by, *fit.outputs("group")]
    assert list(results["f"]["rows"]) == list(fit.outputs("row"))
    assert set(pipeline.required_inputs()) == set(fit.required_inputs()) <= set(rows)
    assert_same(pipeline.merged().execute(rows), results)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: gbr_dag.GroupFit("f", **LINE, fiter="ols"), "argument 'fiter' is unknown; did you mean 'fitter'?"),
        (lambda: gbr_dag.GroupFit("f", **LINE, window=2), "GroupFit 'f': argument 'window' is unknown"),
        (lambda: gbr_dag.GroupFit("f", **LINE, frame=1), "takes no frame"),
        (lambda: gbr_dag.GroupFit("f", **LINE, return_metadata=True), "takes no return_metadata"),
        (lambda: gbr_dag.GroupFit("f", **LINE, min_entries=0), "GroupFit 'f': min_entries must be an integer"),
        (lambda: gbr_dag.GroupFit("f", **LINE, weights=[1.0]), "weights must be the name of a column in a chain"),
        (lambda: gbr_dag.GroupFit("f", **LINE, selection=np.ones(3)), "selection must be an expression of columns"),
        (lambda: gbr_dag.GroupFit("f", **LINE, fitter="osl"), "did you mean 'ols'"),
        (lambda: gbr_dag.GroupFit("f", **LINE, medians="predictions"), "would be called 'predictions'"),
        (lambda: gbr_dag.WindowFit("f", "bin", {"bim": 1}, "y"), "WindowFit 'f': .*'bim'"),
        (lambda: gbr_dag.WindowFit("f", "bin", {"bin": 1}, "y", engine="loky"), "loky"),
        (lambda: gbr_dag.WindowFit("f", "bin", {"bin": 1}, "y", selection="x >"), "x >"),
    ],
)
def test_arguments_are_checked_when_the_link_is_made(make, text):
    with pytest.raises((InputError, UnknownNameError), match=text):
        make()


def test_missing_columns_of_fits_are_told():
    second = gbr_dag.GroupFit("second", by="side", targets="y_residul", predictors="z", weights="y_pul")
    pipeline = gbr_dag.ModelPipeline([LINE_FIT, second], on="rows")
    with pytest.raises(MissingInputError) as caught:
        pipeline.validate(made_rows())
    text = str(caught.value)
    assert "3 things are wrong" in text
    assert "link 'second': column 'y_residul', needed by fit 'second' as targets, is not there" in text
    assert "did you mean 'y_residual'?" in text
    assert "did you mean 'y_pull'?" in text
    assert "link 'line' offers y_prediction, y_residual, y_pull, y_intercept" in text


def test_a_column_that_another_diagnostic_gives_is_hinted_at():
    second = gbr_dag.GroupFit("second", by="side", targets="y_prediction_err")
    with pytest.raises(MissingInputError, match="fit 'line' gives 'y_prediction_err' if diagnostics has 'covariance'"):
        gbr_dag.ModelPipeline([LINE_FIT, second], on="rows").validate(made_rows())
    with pytest.raises(UnknownNameError, match="if diagnostics has 'covariance'"):
        gbr_dag.ModelPipeline([LINE_FIT]).merged(["line__y_prediction_err"])


def test_a_diagnostic_that_is_there_is_not_hinted_at():
    over_groups = gbr_dag.GroupFit("second", by="sector", targets="y_prediction", weights="y_pull")
    with pytest.raises(MissingInputError) as caught:
        gbr_dag.ModelPipeline([LINE_FIT, over_groups]).validate(made_rows())
    text = str(caught.value)
    assert "if diagnostics has" not in text
    assert text.startswith("did you mean on='rows'? of the rows, not of their groups: y_prediction, y_pull; 2 things")


def test_bins_that_the_frame_has_are_told_beforehand():
    fit = gbr_dag.WindowFit("w", "bin", {"bin": 1}, "y", binning={"bin": "sector // 2"})
    with pytest.raises(InputError, match="link 'w': binning makes 'bin', which the frame has already"):
        gbr_dag.ModelPipeline([fit]).validate(made_rows())


def test_seq_orders_fits_and_models():
    fit = gbr_dag.GroupFit("line", **LINE, seq=1)
    model = gbr_dag.ModelDriver({"model_name": "m", "group_by": "sector", "seq": 2})
    model.register_attribute("rms", lambda y_residual: (y_residual**2).mean())
    pipeline = gbr_dag.ModelPipeline([model, fit], on="rows")
    assert pipeline.names == ("line", "m")
    table: Any = pipeline.execute(made_rows(), ["m__rms"])["output"]
    assert (table["rms"] > 0).all()

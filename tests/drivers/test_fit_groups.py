"""What ``fit_groups`` promises of rows, keys, weights and columns; its numbers are proven in test_precision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag
from gbr_dag import FitStatus
from gbr_dag.ragged import _BATCH_DOUBLES, padded_batches

ALL_DIAGNOSTICS = ("errors", "covariance", "confidence", "pvalues", "rms", "mad", "r_squared", "condition")


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 120
    cell = rng.integers(-3, 5, size=n)
    x, z = rng.normal(1e3, 1.0, size=n), rng.normal(size=n)
    y = 2.0 + 3.0 * x - 0.5 * z + rng.normal(size=n)
    return pd.DataFrame(
        {"cell": cell, "x": x, "z": z, "y": y, "u": y**2 / 1e6, "w": 10.0 ** rng.uniform(-3, 3, size=n)}
    )


MODEL = {"by": "cell", "targets": "y", "predictors": ["x", "z"], "weights": "w"}


def test_everything_equals_statsmodels(frame, engine):
    """rtol 1e-7 for what depends on (X'WX)^-1 of the uncentred design: with weights over 6 decades and an offset of
    1e3 its condition number is about 1e6 to 1e8, and statsmodels' pseudo-inverse loses that many digits of 16.
    """
    table = gbr_dag.fit_groups(frame, **MODEL, engine=engine, diagnostics=ALL_DIAGNOSTICS).set_index("cell")
    assert len(table) == frame["cell"].nunique()
    for cell, rows in frame.groupby("cell"):
        design = sm.add_constant(rows[["x", "z"]])
        result = sm.WLS(rows["y"], design, weights=rows["w"]).fit()
        ours = table.loc[cell]
        names = ["intercept", "slope_x", "slope_z"]
        bounds = result.conf_int()
        for i, name in enumerate(names):
            expected = [result.params.iloc[i], result.bse.iloc[i], *bounds.iloc[i], result.pvalues.iloc[i]]
            columns = [f"y_{name}{part}" for part in ("", "_err", "_low", "_high", "_pvalue")]
            np.testing.assert_allclose(ours[columns].to_numpy(dtype=float), expected, rtol=1e-7)
        np.testing.assert_allclose(ours["y_rms"], np.sqrt(result.scale), rtol=1e-9)
        np.testing.assert_allclose(ours["y_r_squared"], result.rsquared, rtol=1e-9)
        covariance = result.cov_params()
        np.testing.assert_allclose(ours["y_cov_x_z"], covariance.loc["x", "z"], rtol=1e-7)
        np.testing.assert_allclose(ours["y_cov_intercept_x"], covariance.loc["const", "x"], rtol=1e-7)
        residual = result.resid
        np.testing.assert_allclose(ours["y_mad"], np.median(np.abs(residual - np.median(residual))), rtol=1e-8)
        centred = rows[["x", "z"]] - np.average(rows[["x", "z"]], axis=0, weights=rows["w"])
        scaled = centred.mul(np.sqrt(rows["w"]), axis=0)
        np.testing.assert_allclose(
            ours["y_condition"], np.linalg.cond(scaled / np.linalg.norm(scaled, axis=0)), rtol=1e-8
        )
        assert ours["y_n_used"] == ours["n_rows"] == len(rows)


def test_without_intercept_equals_statsmodels(frame, engine):
    table = gbr_dag.fit_groups(
        frame, **MODEL, intercept=False, engine=engine, diagnostics=("errors", "rms", "r_squared", "confidence")
    )
    assert "y_intercept" not in table
    for ours in table.to_dict("records"):
        rows = frame[frame["cell"] == ours["cell"]]
        result = sm.WLS(rows["y"], rows[["x", "z"]], weights=rows["w"]).fit()
        expected = [*result.params, *result.bse, np.sqrt(result.scale), result.rsquared, *result.conf_int().loc["x"]]
        names = ("slope_x", "slope_z", "slope_x_err", "slope_z_err", "rms", "r_squared", "slope_x_low", "slope_x_high")
        np.testing.assert_allclose([ours[f"y_{name}"] for name in names], expected, rtol=1e-9)


def test_no_predictors_gives_weighted_means_with_errors(frame, engine):
    table = gbr_dag.fit_groups(frame, "cell", ["y", "u"], weights="w", engine=engine)
    for ours in table.to_dict("records"):
        rows = frame[frame["cell"] == ours["cell"]]
        result = sm.WLS(rows["u"], np.ones(len(rows)), weights=rows["w"]).fit()
        np.testing.assert_allclose(ours["u_intercept"], result.params.iloc[0], rtol=1e-12)
        np.testing.assert_allclose(ours["u_intercept_err"], result.bse.iloc[0], rtol=1e-9)
        np.testing.assert_allclose(ours["u_rms"], np.sqrt(result.scale), rtol=1e-9)


def test_absolute_weights_take_no_scale(frame, engine):
    table = gbr_dag.fit_groups(
        frame, **MODEL, absolute_weights=True, engine=engine, diagnostics=("errors", "confidence", "pvalues")
    )
    for ours in table.to_dict("records"):
        rows = frame[frame["cell"] == ours["cell"]]
        design = sm.add_constant(rows[["x", "z"]])
        fit = sm.WLS(rows["y"], design, weights=rows["w"]).fit(cov_type="fixed scale")
        np.testing.assert_allclose(ours["y_slope_z_err"], fit.bse.loc["z"], rtol=1e-9)
        np.testing.assert_allclose(
            ours["y_slope_z_low"], fit.params.loc["z"] - 1.959963984540054 * fit.bse.loc["z"], rtol=1e-7
        )
        np.testing.assert_allclose(ours["y_chi2"], np.sum(rows["w"] * fit.resid**2), rtol=1e-8)
        assert ours["y_ndf"] == len(rows) - 3


def test_saturated_fits_have_errors_only_with_known_weights(engine):
    frame = pd.DataFrame({"g": [1, 1], "x": [0.0, 2.0], "y": [1.0, 5.0], "w": [4.0, 4.0]})
    free = gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", engine=engine).iloc[0]
    np.testing.assert_allclose([free["y_intercept"], free["y_slope_x"]], [1.0, 2.0], rtol=1e-14)
    assert np.isnan([free["y_slope_x_err"], free["y_intercept_err"], free["y_rms"]]).all()
    assert free["y_status"] == FitStatus.SATURATED
    known = gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", absolute_weights=True, engine=engine).iloc[0]
    # slope = (y2 - y1) / 2, each y with sigma 1/2
    np.testing.assert_allclose([known["y_slope_x_err"], known["y_intercept_err"]], [np.sqrt(0.5) / 2, 0.5], rtol=1e-14)


def test_constant_and_collinear_predictors_are_left_out_by_status(frame, engine):
    """The aliased column must leave no trace: equal to the fit without it, to rounding."""
    frame["constant"], frame["sum"] = 4.2e6, frame["x"] + frame["z"]
    with_aliased = gbr_dag.fit_groups(
        frame,
        "cell",
        "y",
        ["constant", "x", "z", "sum"],
        weights="w",
        engine=engine,
        diagnostics=("errors", "rms", "condition"),
    )
    without = gbr_dag.fit_groups(frame, **MODEL, engine=engine, diagnostics=("errors", "rms", "condition"))
    assert (with_aliased["y_status"] == FitStatus.RANK_DEFICIENT).all()
    assert (
        with_aliased[["y_slope_constant", "y_slope_constant_err", "y_slope_sum", "y_slope_sum_err"]]
        .isna()
        .all(axis=None)
    )
    for column in ("y_intercept", "y_intercept_err", "y_slope_x", "y_slope_x_err", "y_slope_z", "y_rms", "y_condition"):
        np.testing.assert_allclose(with_aliased[column], without[column], rtol=1e-11)


def test_float32_predictors_are_judged_by_their_own_rounding(engine):
    rng = np.random.default_rng(3)
    x = rng.uniform(1.0, 2.0, size=30)
    frame = pd.DataFrame({"g": 1, "x": x, "third": (x / 3).astype(np.float32), "y": x + rng.normal(size=30)})
    coarse = gbr_dag.fit_groups(frame, "g", "y", ["x", "third"], engine=engine)
    for nullable in ("Float32", "float[pyarrow]"):
        same = gbr_dag.fit_groups(frame.astype({"third": nullable}), "g", "y", ["x", "third"], engine=engine)
        pd.testing.assert_frame_equal(same, coarse)
    fine = gbr_dag.fit_groups(frame.astype({"third": "float64"}), "g", "y", ["x", "third"], engine=engine)
    assert coarse.loc[0, "y_status"] == FitStatus.RANK_DEFICIENT
    assert fine.loc[0, "y_status"] == FitStatus.ILL_CONDITIONED


def test_small_groups_are_missing_and_counted(engine):
    frame = pd.DataFrame({"g": [1, 1, 1, 2, 2, 3], "x": [0.0, 1, 2, 0, 1, 0], "y": [0.0, 1.5, 2, 3, 4, 5]})
    table = gbr_dag.fit_groups(frame, "g", "y", "x", engine=engine, min_entries=3)
    assert table["y_status"].tolist() == [FitStatus.OK, FitStatus.INSUFFICIENT, FitStatus.INSUFFICIENT]
    assert table["y_n_used"].tolist() == table["n_rows"].tolist() == [3, 2, 1]
    assert table.loc[1:, ["y_intercept", "y_intercept_err", "y_slope_x", "y_rms"]].isna().all(axis=None)
    generous = gbr_dag.fit_groups(frame, "g", "y", "x", engine=engine, min_entries=1)
    assert generous["y_status"].tolist() == [0, FitStatus.SATURATED, FitStatus.SATURATED | FitStatus.RANK_DEFICIENT]
    assert generous.loc[2, "y_intercept"] == 5.0


def test_a_constant_target_has_no_r_squared(engine):
    frame = pd.DataFrame({"g": [1] * 5, "x": [0.1, 1, 2, 3, 5], "y": [1e6 / 3] * 5, "w": [1.0, 2, 3, 4, 5]})
    table = gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", engine=engine, diagnostics=("rms", "r_squared"))
    assert np.isnan(table.loc[0, "y_r_squared"])
    assert table.loc[0, "y_status"] == FitStatus.NEARLY_EXACT
    assert abs(table.loc[0, "y_slope_x"]) < 1e-10
    assert table.loc[0, "y_rms"] < 1e-9


def test_a_single_precision_target_is_constant_within_its_rounding(engine):
    third = np.float32(1 / 3)
    frame = pd.DataFrame({"g": 1, "x": [0.1, 1, 2, 3], "y": np.array([third, third, third, np.nextafter(third, 1)])})
    assert frame["y"].dtype == np.float32
    single = gbr_dag.fit_groups(frame, "g", "y", "x", engine=engine, diagnostics="r_squared")
    double = gbr_dag.fit_groups(frame.astype("float64"), "g", "y", "x", engine=engine, diagnostics="r_squared")
    assert np.isnan(single.loc[0, "y_r_squared"])
    assert 0.0 < double.loc[0, "y_r_squared"] < 1.0


def test_rows_left_out_are_counted_by_their_first_reason(engine):
    nan = np.nan
    frame = pd.DataFrame(
        {
            "g": [1, 1, 1, 1, 1, 1, 1, 1, nan, 1],
            "x": [0.0, 1, 2, 3, np.inf, 4, 5, 6, 7, 8],
            "y": [1.0, 2, 4, 3, 5, nan, 6, 7, 8, 9],
            "u": [1.0, 2, 4, 3, 5, 6, -np.inf, 7, 8, 9],
            "w": [1.0, 2, 1, 2, 1, 1, 1, 0, 1, -1],
            "keep": [True] * 3 + [False] + [True] * 6,
        }
    )
    arguments = {"by": "g", "targets": ["y", "u"], "predictors": "x", "weights": "w", "selection": "keep == True"}
    with pytest.warns(gbr_dag.DataWarning, match="1 of 10 rows have a negative weight") as caught:
        table = gbr_dag.fit_groups(frame, **arguments, engine=engine)
    assert len(caught) == 1
    left_out = {reason: count for reason, count in gbr_dag.fit_metadata(table)["left_out_rows"].items() if count}
    assert left_out == {
        "not selected": 1,
        "key missing": 1,
        "weight zero": 1,
        "weight negative": 1,
        "predictor missing or infinite": 1,
        "target missing or infinite: y": 1,
        "target missing or infinite: u": 1,
    }
    assert table.loc[0, ["n_rows", "y_n_used", "u_n_used"]].tolist() == [8, 4, 4]
    with pytest.warns(gbr_dag.DataWarning):
        together = gbr_dag.fit_groups(frame, **arguments, missing="any", engine=engine)
    assert together.loc[0, ["y_n_used", "u_n_used"]].tolist() == [3, 3]


def test_targets_with_gaps_of_their_own_are_fitted_as_if_alone(frame, engine):
    frame.loc[frame["y"] < frame["y"].quantile(0.2), "y"] = np.nan
    frame.loc[::3, "u"] = np.nan
    frame["v"] = frame["u"] + frame["x"]  # missing where u is: they share a factor
    together = gbr_dag.fit_groups(frame, "cell", ["y", "u", "v"], ["x", "z"], weights="w", engine=engine)
    for target in ("y", "u", "v"):
        alone = gbr_dag.fit_groups(frame, "cell", target, ["x", "z"], weights="w", engine=engine)
        assert alone[f"{target}_n_used"].nunique() > 1
        pd.testing.assert_frame_equal(together[list(alone)], alone, rtol=1e-11)
    nodes = gbr_dag.GroupByDriver(engine=engine).execute(
        ["target_blocks"], {"frame": frame, "by": "cell", "targets": ["y", "u", "v"], "predictors": ["x", "z"]}
    )
    assert [block.targets for block in nodes["target_blocks"]] == [(0,), (1, 2)]


@pytest.mark.parametrize("missing", ["any", "per_target"])
def test_more_targets_than_a_factor_takes(frame, engine, missing):
    names = [f"y{i}" for i in range(19)]
    many = frame.assign(**{name: frame["y"] * (i + 1) for i, name in enumerate(names)})
    table = gbr_dag.fit_groups(many, "cell", names, ["x", "z"], weights="w", missing=missing, engine=engine)
    single = gbr_dag.fit_groups(frame, **MODEL, engine=engine)
    for i, name in enumerate(names):
        np.testing.assert_allclose(table[f"{name}_slope_x"], (i + 1) * single["y_slope_x"], rtol=1e-11)
        np.testing.assert_allclose(table[f"{name}_rms"], (i + 1) * single["y_rms"], rtol=1e-11)


def test_what_an_aliased_column_leaves_goes_to_the_next_one(engine):
    """Two rows leave one direction: the rounding of a constant points along it, and must not take it from x."""
    rng = np.random.default_rng(12)
    n = 400
    frame = pd.DataFrame({"g": np.arange(n) // 2, "constant": np.repeat(rng.uniform(0.1, 0.9, n // 2), 2)})
    frame["x"], frame["y"], frame["w"] = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.1, 3.0, size=n)
    table = gbr_dag.fit_groups(
        frame, "g", "y", ["constant", "x"], weights="w", engine=engine, min_entries=2, diagnostics="errors"
    )
    assert (table["y_status"] == (FitStatus.RANK_DEFICIENT | FitStatus.SATURATED)).all()
    first, second = frame.iloc[::2], frame.iloc[1::2]
    slope = (second["y"].to_numpy() - first["y"].to_numpy()) / (second["x"].to_numpy() - first["x"].to_numpy())
    np.testing.assert_allclose(table["y_slope_x"], slope, rtol=1e-9)


@pytest.mark.parametrize("weight", [np.inf, np.nan, -np.inf])
def test_rows_without_a_usable_weight_are_left_out(frame, engine, weight):
    frame.loc[::4, "w"] = weight
    table = gbr_dag.fit_groups(frame, **MODEL, engine=engine)
    assert gbr_dag.fit_metadata(table)["left_out_rows"]["weight missing or infinite"] == 30
    expected = gbr_dag.fit_groups(frame[np.isfinite(frame["w"])], **MODEL, engine=engine)
    pd.testing.assert_frame_equal(table.drop(columns="n_rows"), expected.drop(columns="n_rows"), rtol=1e-12)


def test_all_weights_zero_gives_insufficient_groups(frame, engine):
    table = gbr_dag.fit_groups(frame.assign(w=0.0), **MODEL, engine=engine)
    assert (table["y_status"] == FitStatus.INSUFFICIENT).all()
    assert table["y_intercept"].isna().all()
    assert gbr_dag.fit_metadata(table)["left_out_rows"]["weight zero"] == len(frame)


def test_all_rows_missing_gives_insufficient_groups(frame, engine):
    table = gbr_dag.fit_groups(frame.assign(y=np.nan), **MODEL, medians="x", engine=engine)
    assert (table["y_status"] == FitStatus.INSUFFICIENT).all()
    assert (table["y_n_used"] == 0).all()
    assert table["x"].notna().all()


@pytest.mark.parametrize("nothing", ["frame", "selection", "keys"])
def test_nothing_to_fit_gives_an_empty_table_of_the_same_shape(frame, engine, nothing):
    arguments = {**MODEL, "medians": "z", "diagnostics": ALL_DIAGNOSTICS, "engine": engine}
    frame["label"] = pd.Categorical(["p"] * len(frame))
    arguments["by"] = ["cell", "label"]
    full = gbr_dag.fit_groups(frame, **arguments)
    if nothing == "frame":
        empty = gbr_dag.fit_groups(frame.iloc[:0], **arguments)
    elif nothing == "selection":
        empty = gbr_dag.fit_groups(frame, **arguments, selection="x < 0")
    else:
        empty = gbr_dag.fit_groups(frame.assign(label=frame["label"].where(frame["x"] < 0)), **arguments)
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_rows_are_positions_whatever_the_index(frame, engine):
    mask = (frame["x"] > 1e3).to_numpy()
    expected = gbr_dag.fit_groups(frame[mask], **MODEL, engine=engine)
    odd = frame.set_index(np.arange(len(frame))[::-1] // 2)
    for selection in (mask, list(mask), pd.Series(mask, index=np.arange(len(frame)) + 7), "x > 1e3"):
        pd.testing.assert_frame_equal(gbr_dag.fit_groups(odd, **MODEL, selection=selection, engine=engine), expected)


def test_weights_as_an_array_equal_weights_in_the_frame(frame, engine):
    expected = gbr_dag.fit_groups(frame, **MODEL, engine=engine)
    by_position = gbr_dag.fit_groups(
        frame.drop(columns="w"),
        **{**MODEL, "weights": pd.Series(frame["w"].to_numpy(), index=range(5, 125))},
        engine=engine,
    )
    pd.testing.assert_frame_equal(by_position, expected)


def test_read_only_and_strided_columns(frame, engine):
    expected = gbr_dag.fit_groups(frame, **MODEL, medians="z", engine=engine)
    block = np.repeat(frame.drop(columns="cell").to_numpy(), 2, axis=0)[::2]
    block.flags.writeable = False
    strided = pd.DataFrame(block, columns=frame.columns.drop("cell"), copy=False)
    strided["cell"] = frame["cell"]
    pd.testing.assert_frame_equal(gbr_dag.fit_groups(strided, **MODEL, medians="z", engine=engine), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float32", "bool", "Int16", "Float64", "boolean"])
def test_numeric_dtypes_enter_as_doubles(dtype, engine):
    rng = np.random.default_rng(9)
    values = rng.integers(0, 2, size=60) if dtype.startswith("bool") else rng.integers(0, 90, size=60)
    frame = pd.DataFrame({"g": np.arange(60) % 4, "x": pd.array(values, dtype=dtype), "y": rng.normal(size=60)})
    frame["w"] = rng.uniform(0.1, 3.0, size=60)
    expected = gbr_dag.fit_groups(frame.assign(x=values.astype(float)), "g", "y", "x", weights="w", engine=engine)
    pd.testing.assert_frame_equal(gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", engine=engine), expected)
    swapped = gbr_dag.fit_groups(frame, "g", "x", "y", weights="x", engine=engine)
    assert swapped["x_n_used"].sum() == np.count_nonzero(values)


def test_missing_values_of_nullable_columns_are_left_out(engine):
    frame = pd.DataFrame({"g": 1, "x": pd.array([1, None, 3, 4, 7], dtype="Int64"), "y": [1.0, 2, 3, 5, 5]})
    table = gbr_dag.fit_groups(frame, "g", "y", "x", engine=engine)
    assert table.loc[0, "y_n_used"] == 4


def test_medians(frame, engine):
    frame.loc[::7, "z"] = np.nan
    table = gbr_dag.fit_groups(frame, "cell", "y", "x", weights="w", medians=["z", "x"], engine=engine, suffix="_v1")
    expected = frame.groupby("cell")[["z", "x"]].agg(lambda column: np.median(column.dropna()))
    np.testing.assert_array_equal(table["z_v1"], expected["z"])
    np.testing.assert_array_equal(table["x_v1"], expected["x"])


def test_weighted_medians_take_the_midpoint_on_a_tie():
    frame = pd.DataFrame(
        {
            "g": [1, 1, 1, 2, 2, 2, 3, 3],
            "v": [5.0, 1.0, 3.0, 1.0, 2.0, 4.0, 1.0, 9.0],
            "w": [3.0, 1.0, 2.0, 1.0, 5.0, 1.0, 1.0, 0.0],
            "y": 1.0,
        }
    )
    table = gbr_dag.fit_groups(frame, "g", "y", weights="w", medians="v", weighted_medians=True)
    assert table["v"].tolist() == [4.0, 2.0, 1.0]


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 0.7, 1.0])
def test_equal_weights_give_the_plain_median(weight):
    rng = np.random.default_rng(7)
    sizes = np.arange(1, 40)
    frame = pd.DataFrame({"g": np.repeat(sizes, sizes), "w": weight, "y": 0.0})
    frame["v"] = rng.integers(0, 50, size=len(frame)) / 8
    frame.loc[frame["g"] == 2, "v"] = np.inf
    table = gbr_dag.fit_groups(frame, "g", "y", weights="w", medians="v", weighted_medians=True)
    np.testing.assert_array_equal(table["v"], frame.groupby("g")["v"].median())


def test_the_suffix_is_on_everything_but_the_keys(frame):
    table = gbr_dag.fit_groups(frame, **MODEL, suffix="_s", medians="x", diagnostics=ALL_DIAGNOSTICS)
    assert [name for name in table if not name.endswith("_s")] == ["cell"]


def test_the_order_of_the_columns(frame):
    table = gbr_dag.fit_groups(
        frame, "cell", ["y", "u"], "x", diagnostics=("errors", "rms", "mad", "r_squared"), medians="z", suffix="_s"
    )
    names = ["intercept", "intercept_err", "slope_x", "slope_x_err", "rms", "mad", "r_squared", "n_used", "status"]
    expected = ["cell", *(f"{t}_{name}_s" for t in "yu" for name in names), "z_s", "n_rows_s"]
    assert list(table) == expected


def test_output_in_single_precision(frame, engine):
    double = gbr_dag.fit_groups(frame, **MODEL, medians="x", engine=engine)
    single = gbr_dag.fit_groups(frame, **MODEL, medians="x", dtype=np.float32, engine=engine)
    floats = [name for name in double if double[name].dtype == np.float64]
    assert floats
    pd.testing.assert_frame_equal(single, double.astype(dict.fromkeys(floats, "float32")))


def test_metadata_tell_how_the_table_came_to_be(frame):
    import json

    mask = np.ones(len(frame), dtype=bool)
    table = gbr_dag.fit_groups(frame, **MODEL, selection=mask, fitter="wls", engine="reference")
    record = gbr_dag.fit_metadata(table)
    assert json.loads(json.dumps(record)) == record
    assert (record["fitter"], record["engine"], record["n_rows"]) == ("wls", "reference", 120)
    assert record["inputs"]["predictors"] == ["x", "z"]
    assert record["inputs"]["selection"] == "mask of 120 rows"
    assert record["inputs"]["min_entries"] == 3
    assert record["seconds"] > 0
    assert record["versions"]["gbr_dag"] == gbr_dag.__version__
    assert gbr_dag.fit_metadata(table.head(2))["engine"] == "reference"
    with pytest.raises(gbr_dag.InputError, match="carries no metadata"):
        gbr_dag.fit_metadata(pd.DataFrame())


@pytest.mark.parametrize("k", range(1, 12))
def test_every_group_is_in_one_batch(k):
    """Sizes around the limit of a batch, where padding ends, must stay in order."""
    limit = _BATCH_DOUBLES // k
    count = np.sort(
        np.array([0, 1, 2, 3, k, 100, limit - 1, limit - 800, limit, limit, limit + 1, limit + 700, 2 * limit])
    )
    offsets = np.concatenate(([0], np.cumsum(count)))
    seen = []
    for bins, positions in padded_batches(count, offsets, doubles=k, least=k):
        assert len(bins)
        seen.extend(bins.tolist())
        assert ((positions >= 0).sum(axis=1) == count[bins]).all()
    assert sorted(seen) == np.flatnonzero(count).tolist()


def test_a_huge_group_beside_small_ones(engine):
    """Padding must not mix rows of neighbouring groups, nor lose the last ones."""
    rng = np.random.default_rng(4)
    sizes = [70_000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 33, 1000]
    frame = pd.DataFrame({"g": rng.permutation(np.repeat(np.arange(len(sizes)), sizes))})
    frame["x"], frame["w"] = rng.normal(50, 1, size=len(frame)), rng.uniform(0.1, 9, size=len(frame))
    frame["y"] = frame["x"] * frame["g"] + rng.normal(size=len(frame))
    table = gbr_dag.fit_groups(frame, "g", "y", "x", weights="w", engine=engine)
    assert table["y_n_used"].tolist() == sizes
    for g in range(2, len(sizes)):
        rows = frame[frame["g"] == g]
        root = np.sqrt(rows["w"].to_numpy())
        design = np.stack([root, root * (rows["x"] - 50)], axis=1)
        slope = np.linalg.lstsq(design, root * rows["y"].to_numpy(), rcond=None)[0][1]
        np.testing.assert_allclose(table.loc[g, "y_slope_x"], slope, rtol=1e-9)

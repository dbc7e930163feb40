"""What the doors of existing scripts take and give: columns, dtypes, definitions, options, refusals."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import GroupByRegressor, GroupByRegressorOptimized
from gbr_dag.errors import InputError
from tests.oracles.doors import DOORS, REJECTING, WEIGHTED, fit, huber_values, least_squares, rejecting

TARGETS, PREDICTORS, MEDIANS = ["y", "u"], ["x", "z"], ["x", "q"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 240
    x, z, w = rng.normal(2.0, 1.0, n), rng.normal(size=n), 10.0 ** rng.uniform(-1.0, 1.0, n)
    df = pd.DataFrame({"a": rng.integers(0, 3, n), "b": rng.choice(["p", "qq"], n), "x": x, "z": z, "w": w})
    df["y"] = 1.0 + 2.0 * x - z + rng.normal(size=n) / np.sqrt(w)
    df["u"] = 4.0 - x + rng.normal(size=n) / np.sqrt(w)
    df["q"] = rng.integers(0, 100, n)
    return df


def diagnosed(door: str) -> dict[str, bool]:
    return {"diag": True} if door in {"robust", "v3", "v4"} else {}


def _diag(*names: str) -> list[str]:
    return [f"diag_{name}" for name in names]


COLUMNS = {
    "linear": (["slope_x", "slope_z", "intercept"], ["x", "q", "bin_count"]),
    "robust": (
        ["slope_x", "err_x", "slope_z", "err_z", "intercept", "rms", "mad"],
        ["x", "q", "bin_count", *_diag("n_refits", "frac_rejected", "hat_max", "cond_xtx", "time_ms", "n_rows")],
    ),
    "v2": (["slope_x", "slope_z", "intercept", "rms", "mad"], ["n_refits", "n_used", "frac_rejected", "x", "q"]),
    "v3": (
        ["intercept", "intercept_err", "slope_x", "slope_x_err", "slope_z", "slope_z_err", "rms", "mad"],
        ["x", "q", *_diag("n_total", "n_valid", "n_filtered", "cond_xtx", "status", "time_ms", "wall_ms")],
    ),
    "v4": (
        ["intercept", "intercept_err", "slope_x", "slope_x_err", "slope_z", "slope_z_err", "rms", "mad"],
        ["x", "q", *_diag("n_total", "n_valid", "n_filtered", "cond_xtx", "status")],
    ),
}
COUNTS = {"bin_count", "n_refits", "n_used", "diag_n_refits", "diag_n_rows", "diag_n_total", "diag_n_valid"}


@pytest.mark.parametrize("door", DOORS)
def test_columns_and_dtypes(door, frame):
    _, groups = fit(door, frame, ["a", "b"], TARGETS, PREDICTORS, MEDIANS, "w", **diagnosed(door))
    per_target, per_group = COLUMNS[door]
    names = [f"{target}_{name}" for target in TARGETS for name in per_target] + per_group
    assert list(groups) == ["a", "b", *(f"{name}_s" for name in names)]
    assert groups["a"].dtype == frame["a"].dtype
    assert groups["b"].dtype == frame["b"].dtype
    whole = {f"{name}_s" for name in [*COUNTS, "diag_n_filtered"]}
    for name in groups.columns[2:].drop("diag_status_s", errors="ignore"):
        assert groups[name].dtype == ("int64" if name in whole else "float64"), name
    assert len(groups) == 6
    assert groups[["a", "b"]].equals(groups[["a", "b"]].sort_values(["a", "b"]))
    bare = {"diag": False} if door == "v3" else {}
    _, groups = fit(door, frame, "a", "y", "x", **bare)
    assert not any(name.startswith("diag_") for name in groups)


@pytest.mark.parametrize("door", DOORS)
def test_dtypes_are_cast(door, frame):
    rows, groups = fit(
        door, frame, "a", "y", "x", "q", min_stat=5, cast_dtype="float32", addPrediction=True, **diagnosed(door)
    )
    assert set(groups.drop(columns="a").select_dtypes("float").dtypes) == {np.dtype("float32")}
    assert rows["y_s"].dtype == "float32"
    assert rows["y"].dtype == "float64"
    exact = fit(door, frame, "a", "y", "x", "q", min_stat=5, cast_dtype=None)[1]
    assert exact["y_slope_x_s"].dtype == "float64"
    np.testing.assert_array_equal(groups["y_slope_x_s"], exact["y_slope_x_s"].astype("float32"))


def residuals(rows: pd.DataFrame, target: str, values: np.ndarray) -> np.ndarray:
    return (rows[target] - values[0] - rows[PREDICTORS] @ values[1:]).to_numpy()


@pytest.mark.parametrize("door", ["v3", "v4"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_scatter_and_diagnostics_of_least_squares(door, weights, frame):
    frame.loc[[3, 40], "y"] = np.nan
    frame.loc[7, "x"] = np.inf
    frame.loc[9, "w"] = 0.0
    _, groups = fit(door, frame, "a", TARGETS, PREDICTORS, weights=weights, diag=True)
    for values in groups.to_dict("records"):
        inside = frame[frame["a"] == values["a"]]
        used = inside[np.isfinite(inside[["y", "x"]]).all(axis=1) & ((inside["w"] > 0) | (weights is None))]
        w = np.ones(len(used)) if weights is None else used["w"].to_numpy()
        for target in TARGETS:  # a missing y leaves the row out for u too
            r = residuals(used, target, least_squares(used, target, PREDICTORS, weights))
            assert values[f"{target}_rms_s"] == pytest.approx(np.sqrt((w * r**2).sum() / (len(used) - 3)), rel=1e-9)
            assert values[f"{target}_mad_s"] == pytest.approx(np.median(np.abs(r - np.median(r))), rel=1e-8)
        counts = [values[f"diag_{name}_s"] for name in ("n_total", "n_valid", "n_filtered")]
        assert counts == [len(inside), len(used), len(inside) - len(used)]
        design = np.column_stack([np.ones(len(used)), used[PREDICTORS]])
        assert values["diag_cond_xtx_s"] == pytest.approx(np.linalg.cond(design.T @ (w[:, None] * design)), rel=1e-9)
        assert values["diag_status_s"] == "OK"


@pytest.mark.parametrize("door", ["v3", "v4"])
def test_without_intercept(door, frame):
    _, groups = fit(door, frame, "a", "y", PREDICTORS, weights="w", fit_intercept=False, diag=True)
    assert not any("intercept" in name for name in groups)
    for values in groups.to_dict("records"):
        rows = frame[frame["a"] == values["a"]]
        design, w = rows[PREDICTORS].to_numpy(), rows["w"].to_numpy()
        root = np.sqrt(w)
        expected = np.linalg.lstsq(root[:, None] * design, root * rows["y"], rcond=None)[0]
        np.testing.assert_allclose([values["y_slope_x_s"], values["y_slope_z_s"]], expected, rtol=1e-10)
        assert values["diag_cond_xtx_s"] == pytest.approx(np.linalg.cond(design.T @ (w[:, None] * design)), rel=1e-9)


@pytest.mark.parametrize("door", ["v3", "v4"])
def test_status_words(door, frame):
    near = frame[frame["a"] == 0].assign(a=10)
    near["z"] = near["x"] + 1e-9 * near["z"]
    same = frame[frame["a"] == 0].assign(a=11, z=lambda rows: 2.0 * rows["x"])
    exact = frame[frame["a"] == 0].head(3).assign(a=12)
    small = frame[frame["a"] == 0].head(2).assign(a=13)
    df = pd.concat([frame, near, same, exact, small], ignore_index=True)
    _, groups = fit(door, df, "a", "y", PREDICTORS, weights="w", diag=True)
    words = dict(zip(groups["a"], groups["diag_status_s"]))
    expected = {10: "ILL_CONDITIONED", 11: "SINGULAR_MATRIX", 12: "OK", 13: "INSUFFICIENT_DATA"}
    assert words == {0: "OK", 1: "OK", 2: "OK", **expected}
    condition = dict(zip(groups["a"], groups["diag_cond_xtx_s"]))
    assert condition[10] > 1e16
    assert condition[11] == np.inf
    assert np.isnan(condition[13])
    singular = groups[groups["a"] == 11]
    assert singular["y_slope_z_s"].isna().all()
    assert singular["y_slope_x_s"].notna().all()
    times = [name for name in groups if name.endswith("_ms_s")]
    assert len(times) == (2 if door == "v3" else 0)
    if times:
        assert groups["diag_wall_ms_s"].nunique() == 1
        assert groups["diag_time_ms_s"].sum() <= groups["diag_wall_ms_s"][0] * (1 + 1e-9)


@pytest.mark.parametrize("door", REJECTING)
@pytest.mark.parametrize("fitter", ["ols", "huber", "auto", "robust"])
def test_scatter_of_rejecting_doors(door, fitter, frame):
    frame.loc[::23, "y"] += 40.0
    frame.loc[[3, 40], "u"] = np.nan
    _, groups = fit(door, frame, "a", TARGETS, PREDICTORS, weights="w", fitter=fitter, sigmaCut=6.0, **diagnosed(door))
    one_fit = least_squares if fitter == "ols" else huber_values
    for values in groups.to_dict("records"):
        shares, refits, counts, leverage, conditions = [], [], [], [], []
        for target in TARGETS:
            rows = frame[(frame["a"] == values["a"]) & frame[target].notna()]
            expected, used, n_refits = rejecting(one_fit, rows, target, PREDICTORS, "w", 6.0)
            r = residuals(rows[used], target, expected)
            ours = [values[f"{target}_{name}_s"] for name in ("intercept", "slope_x", "slope_z")]
            np.testing.assert_allclose(ours, expected, rtol=1e-7)
            assert values[f"{target}_rms_s"] == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-7)
            about_median = 1.4826 * np.median(np.abs(r - np.median(r)))
            mad = np.median(np.abs(r)) if door == "robust" else about_median
            assert values[f"{target}_mad_s"] == pytest.approx(mad, rel=1e-6)
            root = np.sqrt(rows["w"][used].to_numpy())[:, None]
            design = root * np.column_stack([np.ones(used.sum()), rows[PREDICTORS][used]])
            leverage.append(np.max(np.sum(np.linalg.qr(design)[0] ** 2, axis=1)))
            conditions.append(np.linalg.cond(design.T @ design))
            shares.append(1.0 - used.mean())
            refits.append(n_refits)
            counts.append(used.sum())
        prefix = "diag_" if door == "robust" else ""
        assert values[f"{prefix}n_refits_s"] == max(refits) >= 1
        assert values[f"{prefix}frac_rejected_s"] == pytest.approx(max(shares))
        if door == "v2":
            assert values["n_used_s"] == min(counts)
        else:
            assert values["diag_hat_max_s"] == pytest.approx(max(leverage), rel=1e-8)
            assert values["diag_cond_xtx_s"] == pytest.approx(max(conditions), rel=1e-8)
            assert values["diag_n_rows_s"] == values["bin_count_s"] == (frame["a"] == values["a"]).sum()


def scaled_least_squares(design: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    root = np.sqrt(w)
    return np.linalg.lstsq(root[:, None] * design, root * y, rcond=None)[0]


@pytest.mark.parametrize("door", REJECTING)
def test_fitters_of_ones_own(door, frame):
    linear_model = pytest.importorskip("sklearn.linear_model")
    named = fit(door, frame, "a", TARGETS, PREDICTORS, weights="w", fitter="ols")[1]
    for fitter in (scaled_least_squares, linear_model.LinearRegression()):
        _, groups = fit(door, frame, "a", TARGETS, PREDICTORS, weights="w", fitter=fitter, batch_size=2)
        columns = [f"{target}_{name}_s" for target in TARGETS for name in ("slope_x", "slope_z", "intercept", "rms")]
        np.testing.assert_allclose(groups[columns], named[columns], rtol=1e-8)


@pytest.mark.parametrize("door", REJECTING)
def test_jobs_change_no_number(door, frame):
    one, two = (fit(door, frame, ["a", "b"], TARGETS, PREDICTORS, weights="w", n_jobs=n_jobs)[1] for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two, rtol=1e-13)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 1},
        {"batch_size": 100, "batch_strategy": "auto"},
        {"batch_size": 1, "batch_strategy": "no_batching"},
        {"small_group_threshold": 5, "min_batch_size": 2},
        {"backend": "threading", "n_jobs": 2},
    ],
    ids=str,
)
def test_batches_change_no_number(options, frame):
    model = (frame, ["a", "b"], TARGETS, PREDICTORS, MEDIANS, "w", "_s", None)
    _, expected = gbr_dag.make_parallel_fit_v2(*model, fitter="huber")
    _, groups = gbr_dag.make_parallel_fit_v2(*model, fitter="huber", **options)
    pd.testing.assert_frame_equal(groups, expected)


def test_max_refits(frame):
    frame.loc[::17, "y"] += 10.0 ** np.arange(len(frame) // 17 + 1)[: len(frame[::17])]
    most = [
        fit("v2", frame, "a", "y", PREDICTORS, weights="w", sigmaCut=3.0, max_refits=most)[1]["n_refits_s"].max()
        for most in (0, 1, 10)
    ]
    assert most[:2] == [0, 1]
    assert most[2] > 1


@pytest.mark.parametrize("door", REJECTING)
@pytest.mark.parametrize("cut", [None, np.inf])
def test_no_cut_rejects_nothing(door, cut, frame):
    frame.loc[::17, "y"] += 1e4
    _, groups = fit(door, frame, "a", "y", PREDICTORS, weights="w", sigmaCut=cut, **diagnosed(door))
    prefix = "diag_" if door == "robust" else ""
    assert (groups[f"{prefix}frac_rejected_s"] == 0.0).all()


@pytest.mark.parametrize("door", DOORS)
def test_no_rows_give_an_empty_table(door, frame):
    rows, groups = fit(
        door,
        frame,
        "a",
        "y",
        "x",
        "q",
        selection=np.zeros(len(frame), dtype=bool),
        addPrediction=True,
        **diagnosed(door),
    )
    assert len(groups) == 0
    assert "y_slope_x_s" in groups
    assert rows["y_s"].isna().all()


@pytest.mark.parametrize("door", DOORS)
def test_attributes_of_the_frame_stay(door, frame):
    frame.attrs["period"] = "LHC22o"
    for wanted in (False, True):
        assert fit(door, frame, "a", "y", "x", addPrediction=wanted)[0].attrs == {"period": "LHC22o"}


@pytest.mark.parametrize("door", WEIGHTED)
def test_negative_weights_are_warned_of_once(door, frame):
    frame.loc[[4, 8], "w"] = -1.0
    frame.loc[frame["a"] == 1, "z"] = np.nan  # another fit in the robust door, without z
    with pytest.warns(gbr_dag.DataWarning, match="2 of 240 rows have a negative weight") as warned:
        rows, _ = fit(door, frame, "a", "y", PREDICTORS, weights="w", addPrediction=True, **diagnosed(door))
    assert len(warned) == 1
    assert rows["y_s"][[4, 8]].isna().all()


@pytest.mark.parametrize("door", DOORS)
def test_selection_as_an_expression(door, frame):
    text = fit(door, frame, "a", "y", "x", selection="(x > 1.5) & (b == 'p')", min_stat=3)[1]
    mask = fit(door, frame, "a", "y", "x", selection=(frame["x"] > 1.5) & (frame["b"] == "p"), min_stat=3)[1]
    times = [name for name in text if name.endswith("_ms_s")]
    pd.testing.assert_frame_equal(text.drop(columns=times), mask.drop(columns=times))


@pytest.mark.parametrize("door", DOORS)
def test_an_existing_prediction_is_replaced(door, frame):
    once = fit(door, frame, "a", TARGETS, "x", addPrediction=True)[0]
    twice = fit(door, once, "a", TARGETS, "x", addPrediction=True)[0]
    pd.testing.assert_frame_equal(once, twice)
    odd = fit(door, frame.assign(y_s="text"), "a", TARGETS, "x", addPrediction=True)[0]
    pd.testing.assert_frame_equal(odd[list(once)], once)


REFUSED = [
    ({"df": {"a": [1]}}, "df must be a pandas.DataFrame, got builtins.dict"),
    ({"by": "aa"}, "gb_columns: column 'aa' is not in the frame"),
    ({"by": []}, "gb_columns must name at least one column"),
    ({"targets": "why"}, "fit_columns: column 'why' is not in the frame"),
    ({"targets": []}, "fit_columns must name at least one column"),
    ({"targets": "b"}, "fit_columns must be numeric, column 'b'"),
    ({"predictors": ["x", "b"]}, "linear_columns must be numeric, column 'b'"),
    ({"predictors": ["x", "x"]}, "linear_columns must be distinct"),
    ({"medians": "b"}, "median_columns must be numeric, column 'b'"),
    ({"medians": 3}, "median_columns must be names"),
    ({"selection": np.ones(3, dtype=bool)}, "selection must have one value per row"),
    ({"selection": "x >"}, "expression 'x >' cannot be read"),
    ({"selection": "x + 1"}, "selection must be a condition"),
    ({"suffix": None}, "suffix must be a string"),
    ({"suffix": "", "addPrediction": True}, "suffix '' would overwrite column 'y' of df"),
    ({"medians": "y_s", "addPrediction": True}, "suffix '_s' would overwrite column 'y_s' of df"),
    ({"predictors": "y_s", "addPrediction": True}, "suffix '_s' would overwrite column 'y_s' of df"),
    ({"by": "y_s", "addPrediction": True}, "suffix '_s' would overwrite column 'y_s' of df"),
    ({"suffix": "", "medians": "a"}, "columns of dfGB would collide: 'a'"),
    ({"addPrediction": 1}, "addPrediction must be True or False"),
    ({"cast_dtype": "int32"}, "cast_dtype must be a float dtype"),
    ({"cast_dtype": "float31"}, "cast_dtype must be a float dtype"),
    ({"min_stat": 0}, "min_stat must be an integer of at least 1"),
    ({"min_stat": 2.5}, "min_stat must be an integer of at least 1"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
@pytest.mark.parametrize("door", DOORS)
def test_refusals(door, changed, message, frame):
    frame["y_s"] = 1.0  # as a prediction is called
    with pytest.raises(InputError) as refused:
        fit(door, **{"df": frame, "by": "a", "targets": "y", "predictors": "x", **changed})
    assert message in str(refused.value)


REFUSED_BY = [
    (WEIGHTED, {"weights": np.ones(240)}, "weights must be the name of a column"),
    (WEIGHTED, {"weights": "b"}, "weights must be numeric"),
    (WEIGHTED, {"weights": "y_s", "addPrediction": True}, "suffix '_s' would overwrite column 'y_s' of df"),
    (WEIGHTED, {"weights": "ww"}, "weights: column 'ww' is not in the frame"),
    (REJECTING, {"sigmaCut": 0.0}, "sigmaCut must be a number above 0"),
    (REJECTING, {"sigmaCut": "5"}, "sigmaCut must be a number above 0"),
    (REJECTING, {"sigmaCut": np.nan}, "sigmaCut must be a number above 0"),
    (REJECTING, {"n_jobs": 0}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"n_jobs": -1.0}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"n_jobs": 1.0}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"n_jobs": True}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"n_jobs": -2}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"n_jobs": None}, "n_jobs must be an integer of at least 1, or -1"),
    (REJECTING, {"batch_size": 0}, "batch_size must be 'auto' or an integer of at least 1"),
    (REJECTING, {"batch_size": "all"}, "batch_size must be 'auto' or an integer of at least 1"),
    (REJECTING, {"fitter": "hubber"}, "fitter 'hubber' is unknown; did you mean 'huber'?"),
    (REJECTING, {"fitter": "OLS"}, "fitter 'OLS' is unknown; did you mean 'ols'?"),
    (REJECTING, {"fitter": 3}, "fitter 3 can neither be called nor fitted"),
    (("v2",), {"max_refits": -1}, "max_refits must be an integer of at least 0"),
    (
        ("v2",),
        {"batch_strategy": "no_batching", "batch_size": 5},
        "batch_size must be 'auto', or 1, with batch_strategy 'no_batching', got 5",
    ),
    (("v2",), {"batch_strategy": "any"}, "batch_strategy 'any' is unknown"),
    (("v2",), {"small_group_threshold": "few"}, "small_group_threshold"),
    (("v2",), {"min_batch_size": 0}, "min_batch_size"),
    (("v2",), {"backend": "dask"}, "backend"),
    (("v3", "v4"), {"fit_intercept": None}, "fit_intercept must be True or False"),
    (("robust", "v3", "v4"), {"diag": "yes"}, "diag must be True or False"),
    (("robust", "v3", "v4"), {"diag": True, "diag_prefix": 1}, "diag_prefix must be a string"),
]


@pytest.mark.parametrize(
    ("door", "changed", "message"),
    [(door, changed, message) for doors, changed, message in REFUSED_BY for door in doors],
)
def test_refusals_of_some(door, changed, message, frame):
    frame["y_s"] = 1.0  # as a prediction is called
    with pytest.raises(InputError) as refused:
        fit(door, frame, "a", "y", "x", **changed)
    assert message in str(refused.value)


@pytest.mark.parametrize("door", DOORS)
def test_unknown_arguments_are_refused(door, frame):
    with pytest.raises(TypeError, match="sigma_cut"):
        fit(door, frame, "a", "y", "x", sigma_cut=5.0)


def test_other_frames_are_told_where_to_go(frame):
    polars = pytest.importorskip("polars")
    with pytest.raises(InputError, match=r"got polars\.DataFrame; convert it, or give it to fit_groups"):
        fit("v4", polars.from_pandas(frame), "a", "y", "x")


SIGNATURES = {
    gbr_dag.make_parallel_fit_v2: (
        "(df, gb_columns, fit_columns, linear_columns, median_columns, weights, suffix, selection, addPrediction=False,"
        " cast_dtype=None, n_jobs=1, min_stat=10, sigmaCut=5.0, fitter='ols', batch_size='auto', batch_strategy='auto',"
        " max_refits=10, small_group_threshold=30, min_batch_size=10, backend='loky')"
    ),
    gbr_dag.make_parallel_fit_v3: (
        "(df, *, gb_columns, fit_columns, linear_columns, median_columns=None, weights=None, suffix='_fast',"
        " selection=None, addPrediction=False, fit_intercept=True, cast_dtype=None, diag=True, diag_prefix='diag_',"
        " min_stat=3)"
    ),
    gbr_dag.make_parallel_fit_v4: (
        "(*, df, gb_columns, fit_columns, linear_columns, median_columns=None, weights=None, suffix='_v4',"
        " selection=None, addPrediction=False, fit_intercept=True, cast_dtype='float64', diag=False,"
        " diag_prefix='diag_', min_stat=3)"
    ),
    GroupByRegressor.make_linear_fit: (
        "(df, gb_columns, fit_columns, linear_columns, median_columns, suffix, selection, addPrediction=False,"
        " cast_dtype=None, min_stat=10)"
    ),
    GroupByRegressor.make_parallel_fit: (
        "(df, gb_columns, fit_columns, linear_columns, median_columns, weights, suffix, selection, addPrediction=False,"
        " cast_dtype=None, n_jobs=1, min_stat=[10, 10], sigmaCut=4.0, fitter='auto', batch_size='auto', diag=False,"
        " diag_prefix='diag_')"
    ),
    GroupByRegressor.summarize_diagnostics: (
        "(dfGB, diag_prefix='diag_', diag_suffix='', quantiles=(0.5, 0.9, 0.95, 0.99))"
    ),
    GroupByRegressor.format_diagnostics_summary: "(summary)",
    GroupByRegressor.summarize_diagnostics_top: "(dfGB, diag_prefix='diag_', suffix='', top=10)",
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__name__)
def test_signatures(function):
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[function]


def test_class_of_the_faster_doors():
    for name in ("make_parallel_fit_v2", "make_parallel_fit_v3", "make_parallel_fit_v4"):
        assert getattr(GroupByRegressorOptimized, name) is getattr(gbr_dag, name)
    assert GroupByRegressorOptimized.make_parallel_fit_optimized is gbr_dag.make_parallel_fit_v2


def test_metadata_tell_of_the_call(frame):
    _, groups = fit("v4", frame, "a", "y", "x", weights="w")
    record = gbr_dag.fit_metadata(groups)
    assert record["inputs"]["by"] == ["a"]
    assert record["inputs"]["suffix"] == "_s"
    assert record["engine"] == "numba"


@pytest.mark.parametrize("door", ["robust", "v3"])
def test_summaries_of_diagnostics(door, frame):
    _, groups = fit(door, frame, ["a", "b"], TARGETS, PREDICTORS, weights="w", diag=True)
    summary = GroupByRegressor.summarize_diagnostics(groups, diag_suffix="_s", quantiles=(0.5, 0.999))
    assert list(summary) == ["count", "mean", "std", "min", "q50", "q99.9", "max"]
    assert summary.loc["cond_xtx", "count"] == 6
    values = groups["diag_cond_xtx_s"]
    expected = [
        6,
        values.mean(),
        values.std(),
        values.min(),
        values.quantile(0.5),
        values.quantile(0.999),
        values.max(),
    ]
    np.testing.assert_allclose(summary.loc["cond_xtx"], expected, rtol=1e-14)
    if door == "v3":
        assert summary.loc["status=OK", "count"] == 6
        assert "status" not in summary.index
    text = GroupByRegressor.format_diagnostics_summary(summary)
    assert len(text.splitlines()) == len(summary) + 1
    assert "cond_xtx" in text
    assert "nan" not in text.lower()
    top = GroupByRegressor.summarize_diagnostics_top(groups, suffix="_s", top=2)
    largest = groups.nlargest(2, "diag_cond_xtx_s")
    pd.testing.assert_frame_equal(
        top["cond_xtx"], largest[["a", "b", "diag_cond_xtx_s"]].rename(columns={"diag_cond_xtx_s": "cond_xtx"})
    )
    assert "status" not in top
    labelled = groups.set_axis(10 * np.arange(len(groups))[::-1])
    labelled.attrs = groups.attrs
    for kind, table in (("other", labelled), ("repeated", labelled.set_axis(np.zeros(len(groups), dtype=int)))):
        again = GroupByRegressor.summarize_diagnostics_top(table, suffix="_s", top=2)["cond_xtx"]
        np.testing.assert_array_equal(again, top["cond_xtx"], kind)
        assert again.index.isin(table.index).all()
    groups.attrs = {}
    assert list(GroupByRegressor.summarize_diagnostics_top(groups, suffix="_s")["cond_xtx"]) == ["cond_xtx"]


def test_summaries_refuse_what_they_cannot_read(frame):
    _, groups = fit("v4", frame, "a", "y", "x")
    for summarize in (GroupByRegressor.summarize_diagnostics, GroupByRegressor.summarize_diagnostics_top):
        with pytest.raises(InputError, match="fit with diag=True"):
            summarize(groups)
        with pytest.raises(InputError, match="dfGB must be the table"):
            summarize([])
    with pytest.raises(InputError, match="summary must be the result"):
        GroupByRegressor.format_diagnostics_summary(groups)
    _, groups = fit("v4", frame, "a", "y", "x", diag=True)
    with pytest.raises(InputError, match="quantiles must be numbers from 0 to 1"):
        GroupByRegressor.summarize_diagnostics(groups, quantiles=[50])
    with pytest.raises(InputError, match="top must be an integer of at least 1"):
        GroupByRegressor.summarize_diagnostics_top(groups, top=0)

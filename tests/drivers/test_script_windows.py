"""The door of existing scripts to windows: its rules, and what older code got wrong."""

from __future__ import annotations

import contextlib
import inspect
import json
import re

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.drivers.script_formulas import sum_of_columns

STATISTICS = ["mean", "std", "median", "entries"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 900
    frame = pd.DataFrame(
        {
            "xBin": rng.integers(0, 6, n),
            "yBin": rng.integers(0, 4, n),
            "drift": rng.normal(size=n),
            "d": rng.normal(size=n),
            "w": rng.uniform(0.2, 4.0, n),
            "name": rng.choice(["a", "b"], n),
        }
    )
    frame["dX"] = 1 + 2 * frame["drift"] - frame["d"] + rng.normal(size=n)
    frame["dY"] = 3 - frame["drift"] + rng.normal(size=n)
    return frame


def fit(frame, **changes):
    arguments = {
        "group_columns": ["xBin", "yBin"],
        "window_spec": {"xBin": 1, "yBin": 1},
        "fit_columns": ["dX", "dY"],
        "predictor_columns": ["drift", "d"],
        "fit_formula": "target ~ drift + d",
        "aggregation_functions": {},
    }
    return gbr_dag.make_sliding_window_fit(frame, **{**arguments, **changes})


def window_fit(frame, **changes):
    arguments = {
        "by": ["xBin", "yBin"],
        "window": {"xBin": 1, "yBin": 1},
        "targets": ["dX", "dY"],
        "predictors": ["drift", "d"],
        "statistics": (),
        "engine": "numpy",
    }
    return gbr_dag.fit_windows(frame, **{**arguments, **changes})


def test_the_signature_is_the_agreed_one():
    parameters = inspect.signature(gbr_dag.make_sliding_window_fit).parameters.values()
    assert [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == [
        *((name, inspect.Parameter.empty) for name in ("df", "group_columns", "window_spec")),
        *((name, inspect.Parameter.empty) for name in ("fit_columns", "predictor_columns")),
        *(("fit_formula", None), ("fitter", "ols"), ("aggregation_functions", None), ("weights_column", None)),
        *(("selection", None), ("binning_formulas", None), ("min_entries", 10), ("backend", "numpy")),
        ("partition_strategy", None),
    ]
    assert [(p.name, p.default) for p in parameters if p.kind is p.KEYWORD_ONLY] == [
        *(("boundary", "truncate"), ("kernel", "uniform"), ("kernel_width", None), ("suffix", ""))
    ]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_fits_are_those_of_fit_windows(frame, backend):
    selection = frame["drift"] > -1.5
    found = fit(frame, weights_column="w", selection=selection, min_entries=25, suffix="_s", backend=backend)
    expected = window_fit(frame, weights="w", selection=selection, min_entries=25, suffix="_s", engine=backend)
    pd.testing.assert_frame_equal(found, expected)
    assert found.attrs["backend_used"] == backend


def test_rich_windows_bins_kernels_and_boundaries(frame):
    made = frame.rename(columns={"xBin": "x"})
    rich = {"xBin": {"size": 1, "boundary": "periodic"}, "yBin": 0}
    found = fit(made, window_spec=rich, binning_formulas={"xBin": "x // 2"}, kernel="gaussian", kernel_width=0.8)
    half = frame.assign(xBin=frame["xBin"] // 2)
    expected = window_fit(half, window={"xBin": 1}, boundary={"xBin": "periodic"}, kernel="gaussian", kernel_width=0.8)
    pd.testing.assert_frame_equal(found, expected)
    assert json.loads(found.attrs["binning_formulas_json"]) == {"xBin": "x // 2"}


def test_attributes_are_flat_and_plain(frame):
    attrs = fit(frame, boundary={"yBin": "mirror"}, selection="drift > 0").attrs
    flat = {name: value for name, value in attrs.items() if name != "gbr_dag"}
    assert json.loads(json.dumps(flat)) == flat
    assert flat["group_columns"] == ["xBin", "yBin"]
    assert json.loads(flat["window_spec_json"])["xBin"]["size"] == 1
    assert flat["binning_formulas_json"] == "{}"
    assert flat["boundary_mode_per_dim"] == {"xBin": "truncate", "yBin": "mirror"}
    assert (flat["kernel"], flat["backend_used"], flat["fitter_used"]) == ("uniform", "numpy", "ols")
    assert flat["computation_time_sec"] == attrs["gbr_dag"]["seconds"] > 0
    assert flat["left_out_rows"]["not selected"] == int((frame["drift"] <= 0).sum())
    assert flat["python_version"].startswith("3.")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_statistics_alone(frame, backend):
    frame.loc[frame["xBin"] == 5, "dY"] = np.nan
    table = fit(frame, fit_formula=None, aggregation_functions=None, min_entries=100, backend=backend)
    assert table.columns.tolist() == [
        *("xBin", "yBin"),
        *(f"{target}_{name}" for target in ("dX", "dY") for name in STATISTICS),
        *("n_neighbors_used", "n_rows_aggregated", "effective_window_fraction", "quality_flag"),
    ]
    assert table.attrs["fitter_used"] is None
    for i, row in table.iterrows():
        near = frame[(abs(frame["xBin"] - row["xBin"]) <= 1) & (abs(frame["yBin"] - row["yBin"]) <= 1)]
        for target in ("dX", "dY"):
            values = near[target].dropna()
            expected = [values.mean(), values.std(), values.median(), len(values)]
            assert table.loc[i, [f"{target}_{name}" for name in STATISTICS]].tolist() == pytest.approx(expected)
        few = near[["dX", "dY"]].notna().sum().min() < 100
        assert row["quality_flag"] == ("insufficient_stats" if few else "")
        assert row["n_rows_aggregated"] == len(near)
    assert set(table["quality_flag"]) == {"", "insufficient_stats"}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_windows_without_values_are_flagged(frame, backend):
    frame.loc[frame["xBin"] <= 1, ["dX", "dY"]] = np.nan
    table = fit(frame, fit_formula=None, backend=backend)
    assert (table["quality_flag"] == "empty_window").tolist() == (table["xBin"] == 0).tolist()


def test_statistics_by_target(frame):
    asked = {"dY": ["q10", "max"], "dX": None}
    table = fit(frame, aggregation_functions=asked)
    found = [name for name in table if re.fullmatch(r"d[XY]_(mean|std|median|entries|q10|max)", name)]
    assert found == [*(f"dX_{name}" for name in STATISTICS), "dY_q10", "dY_max"]
    only = fit(frame, aggregation_functions={"dX": "mean"}, fit_formula=None)
    assert "dX_mean" in only
    assert not [name for name in only if name.startswith("dY")]


@pytest.mark.parametrize(
    ("formula", "predictors", "intercept"),
    [
        ("target ~ a + b", ["a", "b"], True),
        ("b + a", ["b", "a"], True),
        ("y ~ a - 1", ["a"], False),
        ("~ 0 + a + a", ["a"], False),
        ("-1 + a", ["a"], False),
        ("y ~ 1 + a", ["a"], True),
        ("y~1", [], True),
        ("`y` ~ `c d` + a", ["c d", "a"], True),
    ],
)
def test_formulas(formula, predictors, intercept):
    found = sum_of_columns(formula, ["y"], ["a", "b", "c d"])
    assert (list(found.predictors), found.intercept) == (predictors, intercept)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("target ~ a * b", "term 'a * b' is no plain column; formulas with products and functions are not there yet"),
        ("target ~ a + I(a**2)", "term 'I(a**2)' is no plain column"),
        ("target ~ C(b) + a", "term 'C(b)' is no plain column"),
        ("target ~ a:b", "cannot be read at ':b'"),
        ("target ~ a b", "cannot be read at 'b'"),
        ("target ~ a + ", "cannot be read at"),
        ("target ~ (`c d` + a) ** 2", "term '(`c d` + a) ** 2' is no plain column"),
        ("target ~ a - b", "term '- b' is no plain column"),
        ("target ~ a + 2", "term '2' is no plain column"),
        ("target ~ a + True", "term 'True' is no plain column"),
        ("target ~ a + bb", "term 'bb' is not in predictor_columns (a, b, c d); did you mean 'b'?"),
        ("u ~ a", "the left side must be the word target or one of fit_columns (y, z), got 'u'"),
        ("log(y) ~ a", "the left side must be the word target or one of fit_columns (y, z), got 'log(y)'"),
        ("~ 0", "has nothing to fit"),
        (
            "`z` ~ a + b",
            "the left side names one of 2 fit_columns; write 'target ~ a + b', which serves them all, or call once for"
            " each target",
        ),
        ("", "cannot be read at ''"),
        (3, "fit_formula must be a string such as 'target ~ a + b', or None for statistics only, got 3"),
    ],
)  # fmt: skip
def test_formulas_that_are_refused_name_the_token(formula, text):
    with pytest.raises(gbr_dag.InputError, match=re.escape(text)) as caught:
        sum_of_columns(formula, ["y", "z"], ["a", "b", "c d"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "formula", ["a" + " + a" * 30000, "a" + "*a" * 30000, "-" * 30000 + "a"], ids=["sum", "product", "signs"]
)
def test_endless_formulas_are_read_or_refused(formula):
    with contextlib.suppress(gbr_dag.InputError):  # as deep as the parser of this Python goes
        assert sum_of_columns(formula, ["y"], ["a"]).predictors == ("a",)


REFUSED = {
    "no frame": ({"df": [1]}, "df must be a pandas.DataFrame, got builtins.list"),
    "missing key": ({"group_columns": ["xBin", "zBin"]}, "group_columns: column 'zBin' is not in the frame"),
    "missing target": ({"fit_columns": "dZ"}, "fit_columns: column 'dZ' is not in the frame"),
    "missing predictor": ({"predictor_columns": ["drif"]}, "predictor_columns: column 'drif' is not in the frame"),
    "missing weights": ({"weights_column": "ww"}, "weights_column: column 'ww' is not in the frame"),
    "weights of rows": ({"weights_column": np.ones(900)}, "weights_column must be the name of a column or None"),
    "text target": ({"fit_columns": "name"}, "fit_columns must be numeric, column 'name'"),
    "no targets": ({"fit_columns": []}, "fit_columns must name at least one column, got none"),
    "float bins": (
        {"group_columns": "drift", "window_spec": {"drift": 1}, "predictor_columns": "d", "fit_formula": "d"},
        "group_columns must be integer bins, column 'drift' is float64; make bins with binning_formulas={'bin': "
        "{'column': 'drift', 'width': ...}} and group_columns='bin', or give it to fit_windows as within",
    ),
    "mask length": ({"selection": np.ones(3, dtype=bool)}, "selection must have one value per row (900,), got (3,)"),
    "mask dtype": ({"selection": np.ones(900)}, "selection must be boolean, got float64"),
    "backend": ({"backend": "nunba"}, "backend 'nunba' is unknown; did you mean 'numba'?"),
    "backend of ours": ({"backend": "reference"}, "backend 'reference' is unknown; choices: numba, numpy"),
    "fitter": ({"fitter": "olss"}, "fitter 'olss' is unknown; did you mean 'ols'?"),
    "glm": ({"fitter": "glm", "weights_column": "w"}, "fitter 'glm' is not there for windows; fitters:"),
    "rlm": ({"fitter": "rlm", "weights_column": "w"}, "fitter 'rlm' is not there for windows; fitters:"),
    "huber": ({"fitter": "huber"}, "fitter 'huber' does not run on backend 'numpy'; give backend='numba'"),
    "wls": ({"fitter": "wls"}, "fitter 'wls' needs weights_column, got none; give weights_column=..., or fitter="),
    "wls of statistics": ({"fitter": "wls", "fit_formula": None}, "fitter 'wls' needs weights_column, got none"),
    "shared": (
        {"fit_columns": "d", "fit_formula": "drift + d"},
        "fit_columns and predictor_columns must not share columns, got 'd' in both",
    ),
    "bins of none": ({"binning_formulas": {"by": "d"}}, "binning_formulas 'by' is unknown; keys: xBin, yBin"),
    "no bins": ({"binning_formulas": 3}, "binning_formulas must be a dict of rules by name, such as {'xBin'"),
    "bins there": ({"binning_formulas": {"xBin": "d // 2"}}, "binning_formulas: the frame has a column 'xBin' already"),
    "unused predictor": (
        {"fit_formula": "target ~ drift"},
        "predictor_columns: fit_formula 'target ~ drift' has no 'd'; add them, or leave them out",
    ),
    "one of the targets": ({"fit_formula": "dX ~ drift + d"}, "the left side names one of 2 fit_columns; write"),
    "min_entries 0": ({"min_entries": 0}, "min_entries must be an integer of at least 1, got 0"),
    "min_entries none": ({"min_entries": None}, "min_entries must be an integer of at least 1, got None"),
    "min_entries float": ({"min_entries": 5.0}, "min_entries must be an integer of at least 1, got 5.0"),
    "partition": ({"partition_strategy": "tiles"}, "partition_strategy must be None, got 'tiles': windows are merged"),
    "aggregations": ({"aggregation_functions": ["mean"]}, "aggregation_functions must be a dict of statistics by"),
    "aggregated column": ({"aggregation_functions": {"dZ": ["mean"]}}, "aggregation_functions 'dZ' is unknown"),
    "aggregation": (
        {"aggregation_functions": {"dX": ["avg"]}},
        "aggregation_functions['dX'] 'avg' is unknown; choices: entries, mad, max, mean",
    ),
    "aggregating function": (
        {"aggregation_functions": {"dX": [np.mean]}},
        "aggregation_functions['dX'] must be names (str)",
    ),
    "formula": ({"fit_formula": "target ~ drift * d"}, "term 'drift * d' is no plain column"),
    "suffix": ({"suffix": 3}, "suffix must be a string, got 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_in_one_message(frame, case):
    changes, text = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        fit(**{"frame": changes.get("df", frame), **{k: v for k, v in changes.items() if k != "df"}})
    assert isinstance(caught.value, gbr_dag.GbrDagError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, "window_spec must be a dict of sizes by name such as {'xBin': 1}, got {}"),
        (3, "window_spec must be a dict of sizes by name"),
        ({"xBin": 1}, "window_spec must name every one of group_columns, it lacks 'yBin'; give 0 for no window"),
        ({"xBin": 1, "yBin": 1, "zBin": 1}, "window_spec 'zBin' is unknown"),
        (
            {"xBin": -1, "yBin": 1},
            "window_spec['xBin'] must be an integer of at least 0, the bins to either side, got -1",
        ),
        ({"xBin": 1.5, "yBin": 1}, "got 1.5"),
        ({"xBin": True, "yBin": 1}, "got True"),
    ],
)
def test_windows_that_cannot_be_are_refused(frame, spec, text):
    with pytest.raises(gbr_dag.InvalidWindowSpec, match=re.escape(text)):
        fit(frame, window_spec=spec)


def test_the_only_target_may_stand_on_the_left(frame):
    named, general = (fit(frame, fit_columns="dX", fit_formula=f"{left} ~ drift + d") for left in ("dX", "target"))
    pd.testing.assert_frame_equal(named, general)


def test_refusals_name_what_they_quote_as_it_is(frame):
    odd = frame.rename(columns={"drift": "by=weights=", "d": "it's binning="})
    columns = ["by=weights=", "it's binning="]
    with pytest.raises(gbr_dag.InputError, match=r"^fit_columns and .* got 'by=weights=', \"it's binning=\" in both"):
        fit(odd, fit_columns=columns, predictor_columns=columns, fit_formula="`by=weights=` + `it's binning=`")


# what the older code got wrong


def test_keywords_are_not_swallowed(frame):
    with pytest.raises(TypeError, match="fit_intercept"):
        fit(frame, fit_intercept=False)


def test_the_target_is_not_replaced_within_the_names_of_predictors(frame):
    # the target d was put into the formula as text, so that drift became something else
    renamed = frame.rename(columns={"dX": "t", "dY": "d", "d": "e"})
    table = fit(renamed, fit_columns=["t", "d"], predictor_columns=["drift", "e"], fit_formula="target ~ drift + e")
    expected = window_fit(frame)
    np.testing.assert_array_equal(table["d_slope_drift"], expected["dY_slope_drift"])
    np.testing.assert_array_equal(table["t_slope_e"], expected["dX_slope_d"])


@pytest.mark.parametrize("formula", ["target ~ drift + d", "~ drift + d - 1", "drift"])
def test_every_fitted_term_has_its_columns(frame, formula):
    terms = [name for name in ("drift", "d") if re.search(rf"\b{name}\b", formula)]
    table = fit(frame, fit_formula=formula, predictor_columns=terms)
    for target in ("dX", "dY"):
        assert {f"{target}_slope_{name}{end}" for name in terms for end in ("", "_err")} <= set(table)
        assert (f"{target}_intercept" in table) == ("- 1" not in formula)


@pytest.mark.parametrize("boundary", ["symmetric", "mirror", "periodic"])
def test_the_boundary_is_heeded_by_default(frame, boundary):
    default, other = fit(frame), fit(frame, boundary=boundary)
    edge = default["xBin"].isin([0, 5])
    assert (default["dX_slope_drift"] != other["dX_slope_drift"])[edge].all()


def test_errors_under_a_kernel_are_no_naive_ones(frame):
    # a naive weighted fit with the kernel as weights has errors that are too small by a factor of about 1.4
    table = fit(frame, kernel="gaussian", kernel_width=0.7)
    row = table[(table["xBin"] == 3) & (table["yBin"] == 2)].iloc[0]
    x, y = frame["xBin"].to_numpy() - 3, frame["yBin"].to_numpy() - 2
    near = (abs(x) <= 1) & (abs(y) <= 1)
    kernel = np.exp(-0.5 * (x[near] ** 2 + y[near] ** 2) / 0.7**2)
    design = np.column_stack([np.ones(near.sum()), frame.loc[near, ["drift", "d"]]])
    bread = np.linalg.inv(design.T @ (kernel[:, None] * design))
    meat = design.T @ (kernel[:, None] ** 2 * design)
    slope = bread @ design.T @ (kernel * frame.loc[near, "dX"])
    left = frame.loc[near, "dX"] - design @ slope
    variance = (kernel * left**2).sum() / (kernel.sum() - np.trace(bread @ meat))
    errors = np.sqrt(variance * np.diag(bread @ meat @ bread))
    found = row[["dX_intercept_err", "dX_slope_drift_err", "dX_slope_d_err"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, errors, rtol=1e-9)  # normal equations of a well-conditioned design
    naive = np.sqrt((kernel * left**2).sum() / (near.sum() - 3) * np.diag(bread))
    assert (found > 1.1 * naive).all()


def test_a_constant_predictor_is_flagged_and_not_split_with_the_intercept(frame):
    table = fit(frame.assign(d=2.0))
    assert table["dX_slope_d"].isna().all()
    assert (table["dX_status"] & int(gbr_dag.FitStatus.RANK_DEFICIENT)).all()
    assert (table["quality_flag"] == "singular_dX,singular_dY").all()
    alone = fit(frame, fit_formula="drift", predictor_columns="drift")
    np.testing.assert_allclose(table["dX_intercept"], alone["dX_intercept"], rtol=1e-10)


def test_bins_of_one_row_have_no_r_squared_and_a_flag(frame):
    one = frame.drop_duplicates(["xBin", "yBin"])
    table = fit(one, window_spec={"xBin": 0, "yBin": 0}, min_entries=1)
    assert table["dX_r_squared"].isna().all()
    assert (table["quality_flag"] != "").all()
    few = fit(one, window_spec={"xBin": 0, "yBin": 0})
    assert few["dX_intercept"].isna().all()
    assert (few["quality_flag"] == "insufficient_stats").all()


@pytest.mark.parametrize("formula", [None, "drift + d"])
def test_an_empty_selection_gives_an_empty_table(frame, formula):
    full, empty = fit(frame, fit_formula=formula), fit(frame, fit_formula=formula, selection=np.zeros(900, dtype=bool))
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
    assert empty.attrs["left_out_rows"]["not selected"] == 900


def test_bins_are_sorted_and_not_in_order_of_appearance(frame):
    shuffled = frame.sample(frac=1.0, random_state=3)
    table = fit(shuffled)
    assert table[["xBin", "yBin"]].equals(table[["xBin", "yBin"]].sort_values(["xBin", "yBin"]))
    pd.testing.assert_frame_equal(table, fit(frame), rtol=1e-10)


def test_rows_are_positions_and_the_frame_stays(frame):
    odd = frame.set_axis(np.arange(900) // 7)
    before = odd.copy(deep=True)
    selection = pd.Series(frame["drift"].to_numpy() > 0)
    pd.testing.assert_frame_equal(fit(odd, selection=selection), fit(frame, selection="drift > 0"))
    pd.testing.assert_frame_equal(odd, before)


def test_weights_weight_least_squares_only_where_they_are_given(frame):
    weighted, plain = fit(frame, weights_column="w"), fit(frame)
    pd.testing.assert_frame_equal(weighted, fit(frame, weights_column="w", fitter="wls"))
    assert (weighted["dX_slope_drift"] != plain["dX_slope_drift"]).all()

"""Two configurations side by side: what counts as a difference, and which one is named first."""

from __future__ import annotations

import types

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.drivers.agreement import relative_difference
from gbr_dag.drivers.leaves import Layout
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import SortedRows

REFERENCE, NUMPY = {"engine": "reference"}, {"engine": "numpy"}
EVERYTHING = ["errors", "covariance", "confidence", "pvalues", "rms", "mad", "r_squared", "condition", "chi2"]


@pytest.fixture
def inputs() -> dict[str, object]:
    rng = np.random.default_rng(31)
    n = 300
    frame = pd.DataFrame({"g": rng.integers(0, 30, size=n), "h": rng.choice(["a", "b"], size=n)})
    frame["x"], frame["z"] = rng.normal(size=n) + 1e4, rng.normal(size=n)
    frame["w"] = rng.uniform(0.1, 9.0, size=n)
    frame["y"], frame["t"] = 2 * frame["x"] + frame["z"] + rng.normal(size=n), rng.normal(size=n)
    frame.loc[::17, "t"] = np.nan
    model = {"by": ["g", "h"], "targets": ["y", "t"], "predictors": ["x", "z"], "weights": "w"}
    return {"frame": frame, **model}


@pytest.fixture
def wrong_fit(monkeypatch):
    """Change the reference's fits of the first target in the sixth and the ninth group."""

    def install(change) -> None:
        rows_of, right, last = SortedRows.of, LeastSquares.__call__, []

        def of(self, b, target):
            last[:] = [(b, target)]
            return rows_of(self, b, target)

        def fit(self, rows):
            result = right(self, rows)
            if last[0] in {(5, 0), (8, 0)}:
                change(result)
            return result

        monkeypatch.setattr(SortedRows, "of", of)
        monkeypatch.setattr(LeastSquares, "__call__", fit)

    return install


def compared(inputs, **options) -> gbr_dag.Comparison:
    return gbr_dag.GroupByDriver().compare(inputs, REFERENCE, NUMPY, **options)


def with_node(name: str, argument: str, by_numpy: str, by_reference: str) -> gbr_dag.GroupByDriver:
    """A driver with one more node, an expression of one argument by each engine."""
    source = ["import numpy as np", "from hamilton.function_modifiers import config"]
    for engine, expression in (("numpy", by_numpy), ("reference", by_reference)):
        source += [
            f"@config.when(engine={engine!r})",
            f"def {name}__{engine}({argument}: object) -> object:",
            f"    return {expression}",
        ]
    module = types.ModuleType(f"own_{name}")
    exec(compile("\n".join(source), f"own_{name}.py", "exec"), module.__dict__)
    return gbr_dag.GroupByDriver(engine="numpy", modules=[module])


def test_engines_agree_in_every_node(inputs):
    outputs = ["fit_table", "row_prediction_error", "pull", "bin_medians"]
    comparison = compared({**inputs, "diagnostics": EVERYTHING, "absolute_weights": True}, outputs=outputs)
    assert comparison.equal
    assert 0 < comparison.largest < 1e-9
    assert {"coefficients", "fit_table", "bin_map", "pull", "mad"} <= set(comparison.nodes_compared)
    assert comparison.not_comparable["bin_factors"] == "only with engine='numpy', fitter='ols'"
    assert comparison.not_comparable["group_fits"] == "only with engine='reference', fitter='ols'"
    assert "fit_record['engine']" in comparison.not_comparable
    assert comparison.node == ""
    assert str(comparison).startswith("no difference between engine='reference', fitter='ols' and engine='numpy'")
    assert f"in {len(comparison.nodes_compared)} nodes" in str(comparison)


def test_the_first_wrong_group_is_named_with_its_rows(inputs, wrong_fit):
    wrong_fit(lambda fit: np.multiply(fit.values[1], 1.01, out=fit.values[1:2]))
    comparison = compared(inputs)
    table = gbr_dag.fit_groups(**inputs)
    assert (comparison.node, comparison.field) == ("coefficients", "values, target y, slope_x")
    assert comparison.group == table.loc[5, ["g", "h"]].to_dict()
    assert comparison.right == pytest.approx(table.loc[5, "y_slope_x"], rel=1e-12)
    assert comparison.left == pytest.approx(1.01 * comparison.right, rel=1e-9)
    frame = inputs["frame"]
    chosen = (frame["g"] == comparison.group["g"]) & (frame["h"] == comparison.group["h"])
    pd.testing.assert_frame_equal(comparison.rows, frame[chosen])
    text = str(comparison)
    assert text.startswith("first difference in 'coefficients' (values, target y, slope_x): ")
    assert f"its {chosen.sum()} rows:" in text


@pytest.mark.parametrize(("change", "equal"), [(3e-10, True), (1e-7, False)])
def test_differences_within_the_tolerance_pass(inputs, wrong_fit, change, equal):
    wrong_fit(lambda fit: fit.values.__setitem__(2, fit.values[2] * (1 + change)))
    comparison = compared(inputs)
    assert comparison.equal is equal
    assert compared(inputs, tolerance=1e-3).equal


def test_integers_count_exactly(inputs, wrong_fit):
    wrong_fit(lambda fit: object.__setattr__(fit, "rank", fit.rank - 1))
    comparison = compared(inputs, tolerance=10.0)
    assert (comparison.node, comparison.field) == ("coefficients", "rank, target y")
    assert comparison.difference == 1


def test_a_missing_value_is_a_difference(inputs, wrong_fit):
    wrong_fit(lambda fit: fit.values.__setitem__(0, np.nan))
    comparison = compared(inputs)
    assert np.isnan(comparison.left)
    assert comparison.difference == comparison.largest == np.inf


def test_fits_without_a_promise_are_listed_but_do_not_count(inputs, wrong_fit):
    frame = inputs["frame"]
    frame.loc[frame["g"] < 6, "z"] = frame["x"] * 1e-3 + 1e-10 * frame["z"]  # q of about 1e-14
    wrong_fit(lambda fit: np.multiply(fit.values[1:], 1.01, out=fit.values[1:]))
    comparison = compared(inputs, outputs=["fit_status", "coefficients"])
    group = gbr_dag.fit_groups(**inputs).loc[5]
    assert group["g"] == 2
    assert group["y_status"] & gbr_dag.FitStatus.ILL_CONDITIONED
    assert comparison.equal
    listed = comparison.uncounted.set_index(["node", "field"]).loc[("coefficients", "values, target y, slope_x")]
    assert listed["group"]["g"] == 2
    assert listed["difference"] > 1e-9
    assert "not counted" in str(comparison)


def test_an_engine_cannot_hide_behind_its_own_flag(inputs, wrong_fit):
    def flag(fit) -> None:
        fit.values[1] *= 1.01
        object.__setattr__(fit, "conditioning", 1e-20)

    wrong_fit(flag)
    comparison = compared(inputs)
    assert comparison.field == "values, target y, slope_x"


def test_saturated_constant_and_insufficient_groups_agree():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": np.repeat(np.arange(60), np.tile([1, 2, 3, 4, 6, 9], 10))})
    frame["x"], frame["z"] = rng.normal(size=len(frame)) + 1e6, rng.normal(size=len(frame))
    frame["y"] = np.where(frame["g"] % 4 == 0, 1e5 / 3, frame["x"] + rng.normal(size=len(frame)))
    frame["w"] = 10 ** rng.uniform(-3, 3, size=len(frame))
    frame.loc[frame["g"] % 7 == 0, "z"] = 1.0
    model = {"by": "g", "targets": "y", "predictors": ["x", "z"], "weights": "w", "diagnostics": EVERYTHING}
    comparison = compared(
        {"frame": frame, **model, "absolute_weights": True}, outputs=["fit_table", "pull", "row_prediction"]
    )
    assert comparison.equal, str(comparison)


def test_a_float32_table_is_compared_as_such(inputs):
    assert compared({**inputs, "dtype": "float32"}, tolerance=0.0).equal


@pytest.mark.parametrize("seed", range(6))
def test_designs_at_the_limits_of_the_accuracy_agree_too(seed):
    """Offsets to 1e6, scales and weights over 6 decades, collinear predictors, nearly exact fits."""
    rng = np.random.default_rng(seed)
    n, p = 400, 1 + seed % 4
    frame = pd.DataFrame({"g": rng.integers(0, 80, size=n), "w": 10 ** rng.uniform(-3, 3, size=n)})
    columns = rng.normal(size=(n, p))
    columns[:, -1] += columns[:, 0] * 10 ** rng.uniform(0, 7)
    predictors = [f"x{j}" for j in range(p)]
    frame[predictors] = (columns + 10 ** rng.uniform(-1, 6, size=p)) * 10 ** rng.uniform(-3, 3, size=p)
    frame["y"] = columns.sum(axis=1) + 10 ** rng.uniform(-6, 1) * rng.normal(size=n) + 1e4
    frame["t"] = rng.integers(0, 3, size=n).astype(float)
    model = {"by": "g", "targets": ["y", "t"], "predictors": predictors, "weights": "w"}
    outputs = ["fit_table", "row_prediction_error", "pull"]
    comparison = compared(
        {"frame": frame, **model, "diagnostics": EVERYTHING[:-1], "intercept": seed != 3}, outputs=outputs
    )
    assert comparison.equal, str(comparison)


@pytest.mark.parametrize(
    ("other", "equal"),
    [("row_bin.astype(np.int64)", True), ("np.where(row_bin == 3, 4, row_bin)", False)],
)
def test_values_count_and_not_dtypes(inputs, other, equal):
    driver = with_node("shown_bins", "bin_map", "bin_map.row_bin", other.replace("row_bin", "bin_map.row_bin"))
    comparison = driver.compare(inputs, REFERENCE, NUMPY, outputs=["shown_bins"])
    assert comparison.equal is equal
    if not equal:
        assert comparison.group == gbr_dag.fit_groups(**inputs).loc[3, ["g", "h"]].to_dict()
        assert (comparison.left, comparison.right) == (4, 3)


def test_a_row_in_no_group_is_shown_alone(inputs):
    driver = with_node(
        "mark", "raw_weights", "raw_weights", "np.where(np.arange(len(raw_weights)) == 7, -1.0, raw_weights)"
    )
    selection = np.arange(len(inputs["frame"])) != 7
    comparison = driver.compare({**inputs, "selection": selection}, REFERENCE, NUMPY, outputs=["mark"])
    assert comparison.group == {}
    assert comparison.rows.index.tolist() == [7]
    assert "the row:" in str(comparison)


@pytest.mark.parametrize(
    ("other", "field"), [("{'a': np.ones(3), 'c': None}", "['a']"), ("{'a': np.ones(2), 'b': None}", "['c']")]
)
def test_shapes_and_absent_parts_are_differences(inputs, other, field):
    driver = with_node("facts", "by", "{'a': np.ones(2), 'c': None}", other)
    comparison = driver.compare(inputs, NUMPY, REFERENCE, outputs=["facts"])
    assert (comparison.node, comparison.field) == ("facts", field)
    assert "shape (2,)" in str(comparison) or "nothing" in str(comparison)


def test_objects_that_cannot_be_compared_are_listed(inputs):
    comparison = with_node("thing", "by", "object()", "object()").compare(inputs, NUMPY, REFERENCE, outputs=["thing"])
    assert comparison.equal
    assert comparison.not_comparable["thing"] == "every configuration has its own"
    assert comparison.nodes_compared == ()


def test_factors_are_the_engines_own(inputs):
    comparison = gbr_dag.GroupByDriver().compare(inputs, {}, {}, tolerance=0)
    assert comparison.equal
    assert comparison.largest == 0.0
    assert {"bin_factors", "reduced_factors"} <= set(comparison.not_comparable)
    assert "coefficients" in comparison.nodes_compared


def test_missing_keys_are_the_drivers_own(inputs):
    driver = gbr_dag.GroupByDriver(engine="reference", fitter="wls")
    comparison = driver.compare(inputs, {}, {"engine": "numpy"})
    assert comparison.sides == ("engine='reference', fitter='wls'", "engine='numpy', fitter='wls'")
    assert comparison.equal


@pytest.mark.parametrize(
    ("left", "right", "options", "words"),
    [
        ({"engin": "numpy"}, {}, {}, "left: config key 'engin' is unknown; did you mean 'engine'"),
        ({}, {"engine": "nunpy"}, {}, "engine 'nunpy' is unknown; did you mean 'numpy'"),
        ({}, {"engine": 5}, {}, "right: engine must be a name"),
        ({}, "numpy", {}, "right must be a dict"),
        ({}, {}, {"tolerance": -1}, "tolerance must be a finite number"),
        ({}, {}, {"tolerance": "small"}, "tolerance must be a finite number"),
        ({}, {}, {"tolerance": float("nan")}, "tolerance must be a finite number"),
        ({}, {}, {"outputs": "fit_table"}, "outputs must be a list"),
        ({}, {}, {"outputs": ["fit_tabl"]}, "output 'fit_tabl' is unknown"),
    ],
)
def test_requests_that_break_a_rule_are_refused(inputs, left, right, options, words):
    with pytest.raises(gbr_dag.GbrDagError, match=words):
        gbr_dag.GroupByDriver().compare(inputs, left, right, **options)


def test_axes_of_one_length_are_told_by_the_node():
    layout = Layout(n_rows=3, n_bins=3, n_targets=1, columns={})
    assert layout.leaf("row_weights", np.ones(3), "").axis == "row"
    assert layout.leaf("target_blocks[0]", np.ones(3), "").axis == "row"
    assert layout.leaf("entries", np.ones(3), "").axis == "group"


def test_relative_differences():
    left, right = np.array([1.0, np.nan, np.nan, np.inf, 0.0]), np.array([1.1, np.nan, 1.0, np.inf, 0.0])
    np.testing.assert_allclose(relative_difference(left, right), [0.1 / 1.1, 0, np.inf, 0, 0], rtol=1e-12)
    near = np.array([2**60, 2**60], dtype=np.int64)
    np.testing.assert_array_equal(relative_difference(near, near + np.array([1, 0])), [1, 0])
    words = np.array(["a", None, "b"], dtype=object)
    np.testing.assert_array_equal(relative_difference(words, np.array(["a", None, "c"], dtype=object)), [0, 0, np.inf])

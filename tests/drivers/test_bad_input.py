"""Bad input: refused with one clear message before anything runs, or handled as documented."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import gbr_dag


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 40
    return pd.DataFrame(
        {
            "cell": np.repeat([3, 1, 2, 7], 10),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "y": rng.normal(size=n),
            "u": rng.normal(size=n),
            "w": rng.uniform(0.1, 5.0, size=n),
            "name": list("ab") * (n // 2),
            "ok": rng.uniform(size=n) > 0.3,
        }
    )


def fit(frame, **changes):
    arguments = {"by": "cell", "targets": "y", "predictors": "x", "weights": "w", **changes}
    return gbr_dag.fit_groups(frame, **arguments)


REFUSED = {
    "missing column": ({"predictors": ["xx"]}, "predictors: column 'xx' is not in the frame; did you mean 'x'?"),
    "missing key": ({"by": "cel"}, "by: column 'cel' is not in the frame; did you mean 'cell'?"),
    "missing weights": ({"weights": "ww"}, "weights: column 'ww' is not in the frame; did you mean 'w'?"),
    "text target": ({"targets": "name"}, "targets must be numeric, column 'name' is"),
    "text weights": ({"weights": "name"}, "weights must be numeric, column 'name' is"),
    "text median": ({"medians": "name"}, "medians must be numeric, column 'name' is"),
    "mask length": ({"selection": np.ones(39, dtype=bool)}, "selection must have one value per row (40,), got (39,)"),
    "mask dtype": ({"selection": np.arange(40)}, "selection must be boolean, got int64"),
    "mask missing": (
        {"selection": pd.array([True, None] * 20, dtype="boolean")},
        "selection must not have missing values, got 20",
    ),
    "weights length": ({"weights": np.ones(41)}, "weights must have one value per row (40,), got (41,)"),
    "weights shape": ({"weights": np.ones((40, 1))}, "weights must have one value per row (40,), got (40, 1)"),
    "target is predictor": (
        {"targets": ["x", "y"], "predictors": ["z", "x"]},
        "targets and predictors must not share columns, got 'x' in both",
    ),
    "predictor twice": ({"predictors": ["x", "x"]}, "predictors must be distinct, got 'x' more than once"),
    "no target": ({"targets": []}, "targets must name at least one column, got none"),
    "no key": ({"by": ()}, "by must name at least one column, got none"),
    "name no string": ({"predictors": [3]}, "predictors must be names (str), got 3 of type int"),
    "nothing to fit": ({"predictors": (), "intercept": False}, "there is nothing to fit"),
    "wls without weights": ({"fitter": "wls", "weights": None}, "fitter 'wls' needs weights, got none"),
    "absolute without weights": ({"absolute_weights": True, "weights": None}, "absolute_weights=True needs weights"),
    "chi2 without sigma": ({"diagnostics": "chi2"}, "diagnostics 'chi2' needs weights that are known to be 1/sigma^2"),
    "unknown diagnostic": ({"diagnostics": ["error"]}, "diagnostics 'error' is unknown; did you mean 'errors'?"),
    "unknown missing": ({"missing": "drop"}, "missing 'drop' is unknown; choices: any, per_target"),
    "unknown dtype": ({"dtype": "int32"}, "dtype 'int32' is unknown"),
    "broken dtype": ({"dtype": "("}, "dtype '(' is unknown; choices: float32, float64"),
    "min_entries 0": ({"min_entries": 0}, "min_entries must be an integer of at least 1, got 0"),
    "min_entries float": ({"min_entries": 3.0}, "min_entries must be an integer of at least 1, got 3.0"),
    "intercept no bool": ({"intercept": "yes"}, "intercept must be True or False, got 'yes'"),
    "suffix no string": ({"suffix": 3}, "suffix must be a string, got 3"),
    "median collides with key": ({"medians": "cell"}, "columns of the table would collide: 'cell'"),
    "unknown engine": (
        {"engine": "nunpy"},
        "engine 'nunpy' is unknown; did you mean 'numpy'? engines: loky, numba, numpy, reference, statsmodels",
    ),
    "unknown fitter": ({"fitter": "old"}, "fitter 'old' is unknown; did you mean 'ols'? fitters: glm, huber, ols, rlm"),
    "call": ({"selection": "abs(x) > 1"}, "expression 'abs(x) > 1': Call is not allowed"),
    "call of python": ({"selection": "__import__('os')"}, "Call is not allowed"),
    "attribute": ({"selection": "x.values > 1"}, "Attribute is not allowed"),
    "at sign": ({"selection": "x > @limit"}, "cannot be read"),
    "matrix product": ({"selection": "(x @ z) > 1"}, "MatMult is not allowed"),
    "and": ({"selection": "(x > 0) and (z > 0)"}, "use & and | with parentheses"),
    "no parentheses": ({"selection": "x > 0 & z > 0"}, "comparisons joined by & or | need parentheses"),
    "no condition": ({"selection": "x + z"}, "selection must be a condition, 'x + z' gives float64"),
    "unknown in expression": ({"selection": "xy > 0"}, "expression 'xy > 0': column 'xy' is unknown"),
    "text repeated": ({"selection": "name * 1000000000 == 'a'"}, "arithmetic needs numbers, column 'name' is"),
    "text formatted": ({"selection": "'%9999999999d' % 3 == name"}, "cannot be evaluated: could not convert string"),
    "huge power": ({"selection": "2 ** 10000000000 > x"}, "cannot be evaluated"),
    "half an expression": ({"selection": "x >"}, "expression 'x >' cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_in_one_message(frame, case):
    changes, text = REFUSED[case]
    with pytest.raises(gbr_dag.GbrDagError, match=re.escape(text)) as caught:
        fit(frame, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [1e160, 1e-170])
@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_columns_whose_squares_overflow_are_refused(frame, column, factor):
    with pytest.raises(gbr_dag.InputError, match=rf"column '{column}' has values up to .* rescale it"):
        fit(frame.assign(**{column: factor * frame[column]}))
    with np.errstate(over="ignore"):
        barely = frame.assign(**{column: frame[column] * 10.0 ** (np.sign(np.log10(factor)) * 95)})
    assert (fit(barely)["y_status"] == 0).all()


def test_an_unknown_keyword_is_refused(frame):
    with pytest.raises(TypeError, match="weight_column"):
        fit(frame, weight_column="w")
    with pytest.raises(gbr_dag.GraphError, match="did you mean 'weights'"):
        gbr_dag.GroupByDriver().execute(["fit_table"], {"frame": frame, "by": "cell", "targets": "y", "weigths": "w"})


def test_other_frames_are_refused_with_the_way_out(frame):
    import pyarrow as pa

    accepted = r"frame must be a pandas\.DataFrame, polars\.DataFrame, polars\.LazyFrame or pyarrow\.Table"
    batch = pa.RecordBatch.from_pandas(frame)
    for other, text in ((batch, r"got pyarrow\.RecordBatch; .*\.to_pandas\(\)"), ([1], "got list"), ({}, "got dict")):
        with pytest.raises(gbr_dag.InputError, match=rf"{accepted}, {text}"):
            fit(other)


def test_a_column_that_is_there_twice_is_refused(frame):
    doubled = pd.concat([frame, frame[["x"]]], axis=1)
    with pytest.raises(gbr_dag.InputError, match="the frame has 2 columns named 'x'"):
        fit(doubled)
    assert len(fit(doubled, predictors="z")) == 4


def test_decimals_and_complex_numbers_are_refused(frame):
    from decimal import Decimal

    for column in ([Decimal(1)] * 40, np.ones(40, dtype=complex)):
        with pytest.raises(gbr_dag.InputError, match=r"targets must be numeric.*astype\('float64'\)"):
            fit(frame.assign(y=column))


def test_keys_without_an_order_are_refused(frame):
    with pytest.raises(gbr_dag.InputError, match="by column 'cell' holds values that cannot be hashed and ordered"):
        fit(frame.assign(cell=[[1]] * 40))


def test_the_refused_frame_is_untouched_and_nothing_ran(frame):
    before = frame.copy()
    ran = []
    driver = gbr_dag.GroupByDriver(progress=lambda node, *_: ran.append(node))
    with pytest.raises(gbr_dag.InputError):
        driver.execute(["fit_table"], {"frame": frame, "by": "cell", "targets": "y", "selection": "x > 0 & z > 0"})
    assert ran == []
    pd.testing.assert_frame_equal(frame, before)


def test_rows_that_take_no_part_may_hold_anything(frame):
    frame.loc[0, "x"], frame.loc[1, ["y", "w"]] = 1e300, [1e300, 0.0]
    assert (fit(frame, selection="x < 1e10")["y_status"] == 0).all()


def test_strings_may_hold_backticks(frame):
    table = fit(frame.assign(name=["`a`", "b"] * 20), selection="name == '`a`'")
    assert table["n_rows"].sum() == 20


@pytest.mark.parametrize("text", ["x" + " + x" * 30000 + " > 1", "-" * 30000 + "x > 1"])
def test_endless_expressions_are_refused(frame, text):
    with pytest.raises(gbr_dag.InputError, match="cannot be"):
        fit(frame, selection=text)


def test_a_column_that_is_there_twice_is_refused_in_expressions(frame):
    with pytest.raises(gbr_dag.InputError, match="2 columns named 'x'; rename them"):
        fit(pd.concat([frame, frame[["x"]]], axis=1), predictors="z", selection="x > 0")


def test_switches_of_numpy_stay_plain(frame):
    table = fit(frame, intercept=np.True_)
    assert gbr_dag.fit_metadata(table)["inputs"]["intercept"] is True

"""What the driver of feature models refuses, in words that name the place and the way out."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag import CycleError, DuplicateNameError, InputError, MissingInputError, UnknownNameError
from gbr_dag.features import attribute, per_row, row

PLACE = r"\(\S*test_model_refusals.py:\d+\)"


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"zone": ["b", "a", "b"], "x": [1.0, 2.0, 5.0], "n": [1, 2, 3]})


def driver_of(by="zone", **options) -> gbr_dag.ModelDriver:
    return gbr_dag.ModelDriver({"model_name": "toy", "group_by": by}, progress=False, **options)


def refused(error, text):
    return pytest.raises(error, match=text)


CONFIGS = {
    "no dict": ("zone", "config must be a dict with model_name and group_by, as in .*got 'zone'"),
    "unknown key": (
        {"model_name": "m", "groupby": "zone"},
        "config key 'groupby' is unknown; did you mean 'group_by'\\? keys: client_name, group_by, model_name, seq",
    ),
    "no name": ({"group_by": "zone"}, "config must have 'model_name'"),
    "no keys": ({"model_name": "m"}, "config must have 'group_by'"),
    "empty keys": (
        {"model_name": "m", "group_by": []},
        "group_by must be a key column or a list of them, .*got \\[\\]",
    ),
    "empty key": ({"model_name": "m", "group_by": ""}, "group_by must be a key column"),
    "number as key": ({"model_name": "m", "group_by": ["a", 3]}, "group_by must be a key column .*got \\['a', 3\\]"),
    "set of keys": ({"model_name": "m", "group_by": {"a"}}, "group_by must be a key column"),
    "repeated keys": ({"model_name": "m", "group_by": ["a", "a"]}, "group_by must be a list of distinct columns"),
    "odd name": ({"model_name": 3, "group_by": "a"}, "model_name must be a text that is not empty, got 3"),
    "blank name": ({"model_name": " ", "group_by": "a"}, "model_name must be a text that is not empty"),
    "odd client": ({"model_name": "m", "group_by": "a", "client_name": 3}, "client_name must be a text or None, got 3"),
    "odd seq": ({"model_name": "m", "group_by": "a", "seq": "1"}, "seq must be an integer or None.* got '1'"),
    "bool as seq": ({"model_name": "m", "group_by": "a", "seq": True}, "seq must be an integer or None.* got True"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configs(case):
    config, text = CONFIGS[case]
    with refused(InputError, text):
        gbr_dag.ModelDriver(config)


def test_switches():
    with refused(InputError, "legacy_mode must be True or False, got 1"):
        driver_of(legacy_mode=1)
    with refused(
        InputError, "legacy_mode of feature 'f' must be True or False, or None as the driver has it, got 'no'"
    ):
        driver_of().register_filter("f", lambda x: x, legacy_mode="no")
    with refused(InputError, "progress must be"):
        gbr_dag.ModelDriver({"model_name": "m", "group_by": "a"}, progress="bar")


def one(x):
    return x


REGISTRATIONS = {
    "no name": (("", one), {}, "name must be a text that is not empty, got ''"),
    "number as name": ((3, one), {}, "name must be a text that is not empty, got 3"),
    "no function": (("f", "one"), {}, "function of feature 'f' must be a function, got 'one'"),
    "text as inputs": (
        ("f", one),
        {"inputs": "x"},
        "inputs of feature 'f' must be a list of names, got the string 'x'",
    ),
    "number as input": (("f", one), {"inputs": [0]}, "inputs of feature 'f': a name must be a text .*got 0"),
    "number in dict": (("f", one), {"inputs": {"x": 0}}, "inputs of feature 'f': a name must be a text .*got 0"),
    "too many inputs": (("f", one), {"inputs": ["x", "y"]}, "takes 1 arguments \\(x\\), inputs names 2"),
    "no such argument": (("f", one), {"inputs": {"xx": "x"}}, "has no argument 'xx', .*did you mean 'x'"),
    "text as outputs": (("f", one), {"outputs": "y"}, "outputs of feature 'f' must be a list of names"),
    "repeated outputs": (("f", one), {"outputs": ["y", "y"]}, "outputs of feature 'f' must be distinct"),
    "number as inputs": (("f", one), {"inputs": 3}, "inputs of feature 'f' must be a list of names, got 3"),
    "number as outputs": (("f", one), {"outputs": 3}, "outputs of feature 'f' must be a list of names, got 3"),
    "text as tags": (("f", one), {"tags": "toy"}, "tags of feature 'f' must be a list of names"),
    "any arguments": (("f", lambda *x: x), {}, "takes \\*x; a feature takes each thing it needs by its name"),
}


@pytest.mark.parametrize("case", REGISTRATIONS)
@pytest.mark.parametrize("register", ["register_filter", "register_attribute"])
def test_registrations(case, register):
    positional, arguments, text = REGISTRATIONS[case]
    driver = driver_of()
    with refused(InputError, text):
        getattr(driver, register)(*positional, **arguments)
    assert not len(driver.registry)


def test_marks_that_contradict():
    @attribute
    def of_group(x):
        return x.mean()

    @row
    def of_row(x):
        return x

    @per_row
    def of_value(x):
        return x

    def commented(x):  # agg
        return x.mean()

    with refused(InputError, f"'of_group' {PLACE} is marked @attribute and register_filter, which contradict"):
        driver_of().register_filter("f", of_group)
    with refused(InputError, f"'commented' {PLACE} is marked #agg and register_filter"):
        driver_of().register_filter("f", commented)
    for function in (of_row, of_value):
        with refused(InputError, "and register_attribute, which contradict each other; keep one"):
            driver_of().register_attribute("f", function)


def test_names_that_clash(frame):
    driver = driver_of().register_filter("f", one)
    with refused(DuplicateNameError, "feature 'f' is there twice: .*:\\d+ and .*:\\d+; rename one"):
        driver.register_attribute("f", lambda x: x.mean())
    with refused(DuplicateNameError, f"'f' is yielded twice: by feature 'f' {PLACE} and feature 'g' {PLACE}"):
        driver.register_attribute("g", lambda x: (x.mean(), x.sum()), outputs=["h", "f"])
    with refused(DuplicateNameError, f"feature 'zone' {PLACE} yields 'zone', which is a key column"):
        driver.register_filter("zone", one)
    with refused(DuplicateNameError, f"feature 'keys' {PLACE} yields 'zone', which is a key column"):
        driver.register_attribute("keys", lambda x: (x.min(), x.max()), outputs=["low", "zone"])
    assert list(driver.execute(frame)["rows"]) == ["f"]


def test_features_with_the_name_of_a_column(frame):
    driver = driver_of().register_filter("x", lambda n: n + 1).register_attribute("n", lambda w: w.sum())
    driver.register_filter("other", lambda w: w)
    wider = frame.assign(w=1.0)
    text = f"has the name of a column of the frame: feature 'x' {PLACE} and column 'x'; rename one, or drop the column"
    with refused(DuplicateNameError, f"feature 'n' {PLACE} and column 'n'"):
        driver.execute(wider, outputs=["x"])
    with refused(DuplicateNameError, text):
        driver.execute(wider.drop(columns="n"))
    assert driver.execute(wider, outputs=["other"])["rows"]["other"].tolist() == [1.0] * 3  # the others do not run
    assert driver.execute(wider.drop(columns=["x", "n"]))["rows"]["x"].tolist() == [3.0, 2.0, 3.0]


def test_columns_with_the_name_of_a_step():
    driver = driver_of().register_attribute("mean", lambda x: x.mean()).register_filter("f", lambda x, mean: x - mean)
    for column in ("mean per row", "group by zone"):
        other = driver_of()
        for feature in driver.registry:
            other._add(feature)
        other.register_filter("g", lambda one: one, inputs=[column])
        with refused(
            DuplicateNameError, f"feature 'g' {PLACE} takes column '{column}', whose name a step of the model has"
        ):
            other.plan()


def test_circles(frame):
    driver = driver_of().register_filter("a", lambda c: c).register_attribute("b", lambda a: a.sum())
    driver.register_filter("c", lambda b, x: b + x)
    for ask in (lambda: driver.execute(frame), driver.required_inputs, driver.plan, driver.draw):
        with refused(CycleError, f"circle: a <- c <- b <- a: a {PLACE}, c {PLACE}, b {PLACE}$"):
            ask()


def test_circles_of_one(frame):
    driver = driver_of().register_filter("x", lambda x: x + 1)
    with refused(CycleError, f"circle: x <- x: x {PLACE}; 'x' would take what it yields itself.*inputs=\\["):
        driver.execute(frame)
    driver = driver_of().register_attribute("b", lambda x, low: (x.min() + low, x.max()), outputs=["low", "high"])
    with refused(CycleError, f"circle: low <- low: low {PLACE}; 'low' would take what it yields itself"):
        driver.execute(frame)


def test_outputs_that_are_unknown(frame):
    driver = driver_of().register_filter("double", one).register_filter("other", one)
    with refused(UnknownNameError, "output 'duoble' is unknown; did you mean 'double'\\? outputs: double, other"):
        driver.execute(frame, outputs=["duoble"])
    with refused(UnknownNameError, "output 'x' is unknown"):
        driver.required_inputs(["x"])
    with refused(InputError, "outputs must be a list of names, got the string 'double'; write \\['double'\\]"):
        driver.execute(frame, outputs="double")
    for method in ("plan", "draw", "required_inputs"):
        with refused(InputError, r"^outputs must be names of features, got a DataFrame; .*plan\(outputs, frame\)"):
            getattr(driver, method)(frame)
    with refused(InputError, "outputs must be names \\(str\\), got 3"):
        driver.execute(frame, outputs=[3])
    with refused(InputError, "outputs must name at least one"):
        driver.execute(frame, outputs=[])
    with refused(InputError, "model 'toy' has no features yet; add them with register_filter or register_attribute"):
        driver_of().execute(frame)


def test_columns_that_are_missing(frame):
    driver = driver_of(["zone", "sidde"])
    driver.register_filter("f", lambda xx, year_built, n: xx + n + year_built)
    driver.register_attribute("g", lambda xx, f: (xx + f).sum())
    frame = frame.assign(side=1, year_buildt=2000)
    with refused(MissingInputError, "columns are missing in the frame: ") as caught:
        driver.execute(frame)
    parts = str(caught.value).partition("frame: ")[2]
    assert re.fullmatch(
        r"'sidde' \(a key of the model\); did you mean 'side'\?; "
        rf"'xx' \(taken by f {PLACE}, taken by g {PLACE}\); did you mean 'x'\?; "
        rf"'year_built' \(taken by f {PLACE}\); did you mean 'year_buildt'\?",
        parts,
    )
    single = driver_of().register_filter("f", lambda quite_another: quite_another)
    hint = f"; if feature 'f' {PLACE} takes and returns a frame, register it with legacy_mode=True"
    missing = rf"^column is missing in the frame: 'quite_another' \(taken by f {PLACE}\)"
    with refused(MissingInputError, f"{missing}{hint}$"):
        single.execute(frame)
    several = driver_of().register_filter("f", lambda quite_another, x: quite_another + x)
    with refused(MissingInputError, f"{missing}$"):
        several.execute(frame)


def test_a_feature_of_several_outputs_taken_by_its_own_name(frame):
    driver = driver_of().register_attribute("bounds", lambda x: (x.min(), x.max()), outputs=["low", "high"])
    driver.register_filter("width", lambda bounds: bounds)
    with refused(
        MissingInputError, "'bounds' .taken by width .*; feature 'bounds' yields low, high, take one of these"
    ):
        driver.execute(frame)


RETURNS = {
    "a mask's rows": (lambda x: x[x > 1], "row level but gives values for some rows only.*\\.where\\(mask\\)"),
    "one per group": (lambda x: x.sum(), "row level but gives one value per group; mark it as such: #agg"),
    "None": (lambda: None, "gave None; is a return missing\\?"),
    "an array": (lambda: np.arange(3), "gave 3 values of type ndarray, whose rows nobody can tell"),
    "a list": (lambda: [1, 2, 3], "gave 3 values of type list"),
    "a Series": (lambda: pd.Series([1, 2, 3]), "gave 3 values of type Series"),
    "a function": (lambda: one, "gave <function one"),
    "a dict": (lambda x: {"other": x}, "returned a dict of 'other', its outputs are 'f'"),
    "a tuple": (lambda x: (x, x), "returned 2 values for 1 output"),
}


@pytest.mark.parametrize("case", RETURNS)
@pytest.mark.filterwarnings("error")
def test_what_filters_return(frame, case):
    function, text = RETURNS[case]
    with refused(InputError, f"feature 'f' {PLACE}.*{text}"):
        driver_of().register_filter("f", function).execute(frame)


def test_what_attributes_return(frame):
    with refused(InputError, f"feature 'f' {PLACE} is group level but gives one value per row; reduce them"):
        driver_of().register_attribute("f", lambda x: 2 * x).execute(frame)
    with refused(InputError, "gave 2 values of type ndarray"):
        driver_of().register_attribute("f", lambda: np.arange(2)).execute(frame)


def test_columns_of_another_run(frame):
    kept = []
    driver = driver_of().register_filter("f", lambda x: kept.append(x) or kept[0])
    driver.execute(frame)
    with refused(InputError, f"feature 'f' {PLACE} gave a column of another run"):
        driver.execute(frame)


def test_what_functions_raise_comes_through(frame):
    class OwnError(Exception):
        pass

    def fails(x):
        raise OwnError(x.dtype)

    with pytest.raises(OwnError, match="float64") as caught:
        driver_of().register_filter("f", fails).execute(frame)
    (note,) = caught.value.__notes__
    assert "in node 'f'" in note
    assert "test_model_refusals.py" in note


def test_frames_that_are_none(frame):
    driver = driver_of().register_filter("f", one)
    with refused(InputError, "frame must be a pandas.DataFrame"):
        driver.execute({"x": [1]})
    with refused(InputError, "frame has several columns 'x'; rename them"):
        driver.execute(pd.concat([frame, frame[["x"]]], axis=1))
    assert len(driver.execute(pd.concat([frame, frame[["n"]]], axis=1))["rows"]) == 3  # n is not taken

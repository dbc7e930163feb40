"""Refusals that a feature's own code or a library meets: none becomes a value, and a look is none."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features.columns import of_rows
from gbr_dag.features.grouping import Grouping, Groups
from gbr_dag.features.refusals import recorded_refusals

FRAME = pd.DataFrame({"zone": ["b", "a", "b", "a"], "x": [1.0, 2.0, 4.0, 9.0]})


def value_of(function):
    driver = gbr_dag.ModelDriver({"model_name": "model", "group_by": "zone"}, progress=False)
    return driver.register_attribute("y", function).execute(FRAME)["groups"]["y"].tolist()


def swallowed(statement):
    def function(x):
        try:
            return eval(statement, {"x": x, "np": np, "pd": pd})
        except Exception:  # noqa: BLE001 - as users write it
            return 0

    return function


@pytest.mark.parametrize("statement", [
    "x.apply(abs)", "x.cumsum().sum()", "float(x.mean())", "1 if x.mean() > 1 else 2", "len(x)", "np.sort(x)",
    "x.index", "x[x > 1] + x", "pd.isna(x)", "x.__setitem__(x > 1, 0)", "x.rank()",
])  # fmt: skip
def test_a_caught_refusal_is_none_the_less_one(statement):
    with pytest.raises(gbr_dag.InputError, match=r"^feature 'y' .*(has no form|must not change)"):
        value_of(swallowed(statement))


def test_a_caught_refusal_of_an_inner_model_is_its_own():
    def outer(x):
        with pytest.raises(gbr_dag.InputError):
            value_of(lambda x: x.apply(abs))
        return x.sum()

    assert value_of(outer) == [11.0, 5.0]


def test_a_refusal_after_an_inner_model_is_the_outer_ones():
    def outer(x):
        value_of(lambda x: x.sum())
        return swallowed("x.apply(abs)")(x)

    with pytest.raises(gbr_dag.InputError, match=r"\.apply has no form"):
        value_of(outer)


def test_refusals_of_other_threads_are_theirs():
    refused, met = {}, threading.Barrier(2)

    def run(name, function):
        try:
            value_of(lambda x: (met.wait(10), function(x))[1])
        except gbr_dag.InputError as error:
            refused[name] = str(error)

    threads = [
        threading.Thread(target=run, args=("swallowed", swallowed("x.apply(abs)"))),
        threading.Thread(target=run, args=("clean", lambda x: x.sum())),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refused) == {"swallowed"}


@pytest.mark.parametrize("name", ["apply", "rank", "unique", "values", "dt2", "fillna", "tolist", "sum", "timestamp"])
@pytest.mark.parametrize("of", [lambda x: x, lambda x: x.to_numpy(), lambda x: x.mean()])
def test_looks_find_what_one_group_has(name, of):
    found = value_of(lambda x: int(hasattr(of(x), name)))
    assert found == [int(hasattr(of(FRAME["x"]), name))] * 2


@pytest.mark.parametrize("statement", [
    "pd.Timestamp('2025-01-01') - d", "np.datetime64('2025-01-01') > d", "pd.NaT == d", "np.float64(2) * n",
    "pd.api.types.is_hashable(n)", "pd.api.types.is_numeric_dtype(n)", "np.isscalar(n)", "np.where(n > 1, n.mean(), 0)",
    "n.quantile(0.3)", "np.average(n, weights=n)", "d.max().day_name()", "repr(n)", "n.mean() is None", "n == None",
])  # fmt: skip
def test_what_is_allowed_is_refused_nowhere_within(statement):
    grouping = Grouping(pd.RangeIndex(4), lambda: Groups(np.array([1, 0, 1, 0]), pd.DataFrame({"zone": ["a", "b"]})))
    columns = {
        "n": of_rows(np.arange(4), grouping),
        "d": of_rows(pd.to_datetime(["2024-01-01", None, "2024-01-03", "2024-01-04"]).array, grouping),
    }
    with recorded_refusals() as refused:
        eval(statement, {"np": np, "pd": pd, **columns})
    assert refused == []


@pytest.mark.filterwarnings("ignore:factorize with argument:FutureWarning")
@pytest.mark.parametrize("statement", ["pd.concat([x])", "pd.factorize(x)", "{x}", "{1.0: 2}.get(x)", "pd.merge(x, x)"])
def test_functions_that_take_no_columns_tell_the_ways_out(statement):
    with pytest.raises(gbr_dag.InputError, match=r"^feature 'y' .*no form for all groups at once.*@per_group"):
        value_of(lambda x: eval(statement, {"x": x, "pd": pd}))


def test_type_errors_of_the_function_itself_stay():
    with pytest.raises(TypeError, match="unsupported operand"):
        value_of(lambda x: x.sum() + len({}) + None)


@pytest.mark.parametrize("value", [np.array(3), np.array(2.5), np.array("2024-01-01", dtype="M8[s]")])
def test_an_array_of_no_dimension_is_one_value(value):
    assert value_of(lambda x: value) == [value[()]] * 2  # noqa: ARG005 - the same for all


def test_augmented_assignment_names_another_column():
    def doubled(x):
        y = x
        y *= 2
        return x.sum()

    assert value_of(doubled) == [11.0, 5.0]  # as of copies: a Series would have changed in place

"""Plans: what would run, why, and how large it gets."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from gbr_dag.errors import UnknownNameError
from gbr_dag.graph import Driver, Plan

INPUTS = {"frame": np.zeros(1000), "weights": np.ones(1000)}


@pytest.fixture
def driver(fit_steps):
    return Driver([fit_steps], {"engine": "numba", "fitter": "ols"})


def test_a_plan_lists_what_runs_what_it_takes_and_what_is_missing(driver):
    plan = driver.plan(["fit_table"], {"frame": INPUTS["frame"]})
    assert isinstance(plan, Plan)
    assert plan.outputs == ("fit_table",)
    assert plan.nodes == ("bin_map", "bin_factors", "coefficients", "entries", "fit_table")
    assert plan.inputs == ("frame", "weights")
    assert plan.missing == ("weights",)
    assert plan.kept == ()


def test_optional_inputs_are_taken_only_when_given(driver):
    assert "threads" not in driver.plan(["fit_table"], INPUTS).inputs
    assert "threads" in driver.plan(["fit_table"], {**INPUTS, "threads": 1}).inputs


def test_overrides_prune(driver):
    plan = driver.plan(["fit_table"], INPUTS, {"coefficients": {}, "bin_factors": {}})
    assert plan.nodes == ("bin_map", "entries", "fit_table")
    assert plan.kept == ("coefficients",)
    assert plan.inputs == ("frame",)


def test_bytes_of_given_values_and_of_nodes_that_can_tell(driver):
    plan = driver.plan(["fit_table"], INPUTS)
    assert plan.bytes == {"frame": 8000, "weights": 8000, "bin_map": 8000}
    assert driver.plan(["fit_table"], {}).bytes == {}
    kept = driver.plan(["fit_table"], INPUTS, {"bin_map": np.zeros(10), "coefficients": {}})
    assert kept.bytes == {"bin_map": 80}


def test_planning_runs_nothing(driver):
    driver.plan(["fit_table"], INPUTS)
    assert len(driver.report()) == 0


def test_a_plan_is_frozen_comparable_and_hashable(driver):
    plan = driver.plan(["entries"], INPUTS)
    assert plan == driver.plan(["entries"], INPUTS)
    assert plan != driver.plan(["bin_map"], INPUTS)
    assert len({plan, driver.plan(["entries"], INPUTS)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.nodes = ()


WHY = [
    (["fit_table"], {}, "bin_map", "bin_map runs because fit_table <- entries <- bin_map"),
    (["coefficients"], {}, "bin_map", "bin_map runs because coefficients <- bin_factors <- bin_map"),
    (
        ["coefficients", "entries"],
        {},
        "bin_map",
        "bin_map runs because coefficients <- bin_factors <- bin_map; entries <- bin_map",
    ),
    (["coefficients", "entries"], {}, "entries", "entries runs because entries is asked for"),
    (["entries"], {}, "frame", "frame is taken because entries <- bin_map <- frame"),
    (["coefficients"], {}, "weights", "weights is missing because coefficients <- bin_factors <- weights"),
    (["coefficients"], {}, "threads", "threads is not taken: coefficients can do without it, and it is not given"),
    (["entries"], {}, "coefficients", "coefficients does not run: entries does not need it"),
    (["entries", "bin_map"], {}, "weights", "weights is not taken: entries, bin_map do not need it"),
    (
        ["fit_table"],
        {"coefficients": {}},
        "coefficients",
        "coefficients does not run: its value is given in overrides; fit_table <- coefficients",
    ),
    (["bin_map"], {"bin_map": 1}, "bin_map", "bin_map does not run: its value is given in overrides"),
    (
        ["fit_table"],
        {"coefficients": {}},
        "bin_factors",
        "bin_factors does not run: only coefficients would need it, which is given in overrides",
    ),
    (
        ["coefficients", "entries"],
        {"coefficients": {}, "entries": {}},
        "bin_map",
        "bin_map does not run: only coefficients, entries would need it, which are given in overrides",
    ),
]


@pytest.mark.parametrize(("outputs", "overrides", "name", "text"), WHY)
def test_why(driver, outputs, overrides, name, text):
    assert driver.plan(outputs, {"frame": INPUTS["frame"]}, overrides).why(name) == text


def test_a_plan_whose_kept_nodes_are_hidden_still_answers(driver):
    plan = driver.plan(["fit_table"], INPUTS, {"coefficients": {}})
    plan = dataclasses.replace(plan, kept=())
    assert plan.why("coefficients") == "coefficients does not run: fit_table can do without it"
    assert plan.why("weights") == "weights is not taken: fit_table does not need it"


def test_why_of_the_driver(driver):
    assert driver.why("bin_map", ["entries"]) == "bin_map runs because entries <- bin_map"
    text = "bin_map runs for entries, bin_factors, and through them for coefficients, fit_table"
    assert driver.why("bin_map") == text
    assert driver.why("bin_factors") == "bin_factors runs for coefficients, and through it for fit_table"
    assert driver.why("fit_table") == "fit_table runs only when it is asked for"
    assert driver.why("threads") == "threads is taken for bin_factors, and through it for coefficients, fit_table"


@pytest.mark.parametrize("outputs", [None, ["entries"]])
def test_why_of_an_unknown_name(driver, outputs):
    message = "node 'bin_mpa' is unknown; did you mean 'bin_map'? `driver.list_outputs()` shows all"
    with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
        driver.why("bin_mpa", outputs)


def test_the_text_is_an_aligned_table(driver):
    text = str(driver.plan(["fit_table"], {"frame": INPUTS["frame"]}, {"entries": np.zeros(2)}))
    assert text.splitlines() == [
        "outputs: fit_table",
        "inputs:  frame (8.0 kB), weights",
        "missing: weights",
        "kept:    entries (16 B)",
        "",
        "#  node          stage  variant      bytes  needed by",
        "1  bin_map       steps              8.0 kB  bin_factors",
        "2  bin_factors   steps  numba               coefficients",
        "3  coefficients  steps  numba, ols          fit_table",
        "4  fit_table     steps                      (asked for)",
    ]


def test_nothing_is_called_missing_where_nothing_was_given(driver):
    plan = driver.plan(["fit_table"])
    assert "missing" not in str(plan)
    assert "missing" not in plan._repr_html_()
    assert plan.missing == plan.inputs


def test_empty_columns_are_left_out(driver):
    lines = str(driver.plan(["entries"])).splitlines()
    assert lines[-3:] == [
        "#  node     stage  needed by",
        "1  bin_map  steps  entries",
        "2  entries  steps  (asked for)",
    ]


def test_the_notebook_shows_a_table(driver):
    shown = driver.plan(["fit_table"], INPUTS)._repr_html_()
    assert shown.count("<tr>") == 6
    assert "<td>bin_factors</td><td>steps</td><td>numba</td>" in shown
    assert "missing" not in shown
    assert "<b>missing</b> weights" in driver.plan(["fit_table"], {"frame": INPUTS["frame"]})._repr_html_()

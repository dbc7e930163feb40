"""Swappable nodes: what a config picks and how a wrong one is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gbr_dag.errors import GraphError, UnknownNameError
from gbr_dag.graph import Driver

ENGINES = """
from gbr_dag.graph.backend import config

@config.when(engine="numpy")
def factors__numpy(x: int) -> str: return "numpy"

@config.when(engine="numba")
def factors__numba(x: int) -> str: return "numba"

@config.when_in(engine=["loky", "robust", "reference"])
def factors__slow(x: int) -> str: return "slow"

def fit(factors: str) -> str: return factors
"""
CONFIG = {"engine": "numba", "fitter": "ols"}
GIVEN = {"frame": np.zeros(2), "weights": np.ones(2)}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"engine": "nunba"},
            "engine 'nunba' is unknown; did you mean 'numba'? engines: loky, numba, numpy, reference, robust",
        ),
        ({"engine": "xyz"}, "engine 'xyz' is unknown; engines: loky, numba, numpy, reference, robust"),
        ({"engine": None}, "engine None is unknown; engines: loky, numba, numpy, reference, robust"),
        ({"engine": "numba", "enigne": 1}, "config key 'enigne' is unknown; did you mean 'engine'? keys: engine"),
    ],
)
def test_unknown_keys_and_values(make_module, caplog, config, message):
    module = make_module(ENGINES)
    with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
        Driver([module], config)
    assert caplog.records == []


def test_each_value_picks_its_function_in_any_order_and_again(make_module):
    module = make_module(ENGINES)
    for engine, made in [("numba", "numba"), ("loky", "slow"), ("numpy", "numpy"), ("numba", "numba")]:
        assert Driver([module], {"engine": engine}).execute(["fit"], {"x": 1}) == {"fit": made}
    assert module.factors__numpy.__name__ == "factors__numpy"


def test_drivers_of_two_engines_live_side_by_side(make_module):
    module = make_module(ENGINES)
    one, two = Driver([module], {"engine": "numba"}), Driver([module], {"engine": "numpy"})
    assert one.execute(["fit"], {"x": 1}) == {"fit": "numba"}
    assert two.execute(["fit"], {"x": 1}) == {"fit": "numpy"}


def test_names_with_two_double_underscores_survive_a_second_build(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config.when(engine="numpy")
    def row__factors__numpy(x: int) -> int: return x
    """
    module = make_module(source)
    for _ in range(3):
        assert Driver([module], {"engine": "numpy"}).execute(["row__factors"], {"x": 1}) == {"row__factors": 1}


def test_a_missing_key_is_named_with_its_values(make_module):
    message = (
        "config key 'engine' is missing: it chooses the function of 'factors';"
        " engines: loky, numba, numpy, reference, robust"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Driver([make_module(ENGINES)])


def test_a_pair_that_does_not_exist_is_refused_with_those_that_can(fit_steps):
    message = (
        "node 'coefficients' has no variant for engine='numba', fitter='glm';"
        " fitters that can with engine='numba': ols; engines that can with fitter='glm': statsmodels"
    )
    with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
        Driver([fit_steps], {"engine": "numba", "fitter": "glm"})


def test_a_node_that_an_engine_does_not_have_is_refused_when_needed(fit_steps):
    driver = Driver([fit_steps], {"engine": "statsmodels", "fitter": "glm"})
    given = {"frame": np.zeros(2), "family": "poisson"}
    assert driver.execute(["coefficients"], given) == {"coefficients": {"statsmodels": "poisson"}}
    message = "output 'bin_factors' has no variant for engine='statsmodels'; engines that can: numba, numpy"
    for method in (driver.execute, driver.plan):
        with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
            method(["bin_factors"], given)


@pytest.fixture
def partial(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config.when(engine="numba")
    def factors__numba(x: int) -> int: return x
    @config.when(engine="reference")
    def fits(x: int) -> int: return x
    def record(factors: int) -> int: return factors
    """
    return Driver([make_module(source)], {"engine": "reference"})


def test_a_needed_node_without_a_function_is_refused_before_anything_runs(partial):
    message = "node 'factors', which 'record' needs, has no variant for engine='reference'; engines that can: numba"
    with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
        partial.execute(["fits", "record"], {"x": 1})
    assert len(partial.report()) == 0


def test_a_node_without_a_function_may_be_given(partial):
    assert partial.execute(["record"], {"factors": 3}) == {"record": 3}
    assert partial.execute(["record"], {}, {"factors": 4}) == {"record": 4}
    assert partial.plan(["record"], {}, {"factors": 4}).kept == ("factors",)


def test_inputs_of_functions_that_are_not_picked_are_known(fit_steps):
    driver = Driver([fit_steps], {"engine": "numpy", "fitter": "ols"})
    assert driver.execute(["bin_factors"], {**GIVEN, "threads": 4}) == {"bin_factors": {"made_by": "numpy"}}
    driver = Driver([fit_steps], CONFIG)
    assert driver.execute(["bin_factors"], {**GIVEN, "threads": 4})["bin_factors"]["threads"] == 4


def test_variants_of_one_node_in_several_modules(make_module):
    more = """
    from gbr_dag.graph.backend import config
    @config.when(engine="mine")
    def factors__mine(x: int) -> str: return "mine"
    """
    modules = [make_module(ENGINES), make_module(more, "more")]
    assert Driver(modules, {"engine": "mine"}).execute(["fit"], {"x": 1}) == {"fit": "mine"}
    assert Driver(modules, {"engine": "numpy"}).execute(["fit"], {"x": 1}) == {"fit": "numpy"}


def test_a_plain_function_may_replace_all_variants(make_module):
    mine = make_module("def factors(x: int) -> str: return 'mine'", "mine")
    for engine in ("numba", "numpy"):
        driver = Driver([make_module(ENGINES), mine], {"engine": engine}, replace=["factors"])
        assert driver.execute(["fit"], {"x": 1}) == {"fit": "mine"}


def test_a_function_may_be_there_under_one_value_and_an_input_otherwise(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config.when(source="file")
    def frame(path: str) -> str: return path
    def rows(frame: str) -> int: return len(frame)
    """
    module = make_module(source)
    assert Driver([module], {"source": "file"}).execute(["rows"], {"path": "abc"}) == {"rows": 3}
    assert Driver([module]).execute(["rows"], {"frame": "ab"}) == {"rows": 2}
    assert Driver([module]).plan(["rows"]).missing == ("frame",)


def test_conditions_that_hide_their_keys_are_taken_as_they_are(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config(lambda settings: settings["mode"] == "fast")
    def fit__fast(x: int) -> str: return "fast"
    @config(lambda settings: settings["mode"] != "fast")
    def fit__slow(x: int) -> str: return "slow"
    """
    module = make_module(source)
    assert Driver([module], {"mode": "fast", "other": 1}).execute(["fit"], {"x": 1}) == {"fit": "fast"}
    assert Driver([module], {"mode": "any"}).execute(["fit"], {"x": 1}) == {"fit": "slow"}
    with pytest.raises(
        GraphError, match=r"^config key 'mode' is missing: the @config of 'fit' \(.*steps.py:3\) reads it$"
    ):
        Driver([module])


def test_negative_conditions_leave_their_key_open(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config.when(engine="numba")
    def fit__numba(x: int) -> str: return "numba"
    @config.when_not(engine="numba")
    def fit__other(x: int) -> str: return "other"
    """
    module = make_module(source)
    assert Driver([module], {"engine": "whatever"}).execute(["fit"], {"x": 1}) == {"fit": "other"}


def test_config_must_not_name_a_computed_node(make_module):
    module = make_module("def a(x: int) -> int: return x\ndef b(a: int) -> int: return a")
    message = f"config key 'a' is computed by the graph ({module.__file__}:1); to give its value, put it into overrides"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Driver([module], {"a": 1})


def test_excluded_functions_are_no_nodes(make_module):
    source = """
    from hamilton.function_modifiers import hamilton_exclude
    @hamilton_exclude
    def helper(x): return x
    def a(x: int) -> int: return helper(x)
    """
    driver = Driver([make_module(source)])
    assert driver.list_outputs()["name"].tolist() == ["a"]
    assert driver.execute(["a"], {"x": 1}) == {"a": 1}

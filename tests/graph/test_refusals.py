"""Everything wrong is refused before anything runs, in these words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from gbr_dag.errors import (
    CycleError,
    DuplicateNameError,
    GraphError,
    InputError,
    MissingInputError,
    UnknownNameError,
)
from gbr_dag.graph import Driver

GIVEN = {"frame": np.zeros(3), "weights": np.ones(3)}


@pytest.fixture
def driver(fit_steps):
    return Driver([fit_steps], {"engine": "numba", "fitter": "ols"})


REQUESTS = [
    (
        ["coeficients"],  # codespell:ignore
        {},
        {},
        UnknownNameError,
        "output 'coeficients' is unknown; did you mean 'coefficients'? "  # codespell:ignore
        "`driver.list_outputs()` shows all",
    ),
    (["xyz"], {}, {}, UnknownNameError, "output 'xyz' is unknown; `driver.list_outputs()` shows all"),
    (
        ["frame"],
        GIVEN,
        {},
        UnknownNameError,
        "output 'frame' is an input of the graph, nothing computes it; `driver.list_outputs()` shows all",
    ),
    (
        "fit_table",
        {},
        {},
        InputError,
        "outputs must be a list of names, got the string 'fit_table'; write ['fit_table']",
    ),
    ([], {}, {}, InputError, "outputs must name at least one node, got none; `driver.list_outputs()` shows all"),
    ([3], {}, {}, InputError, "outputs must be names (str), got 3 of type int"),
    (3, {}, {}, InputError, "outputs must be a list of names, got 3 of type int"),
    (["entries"], [], {}, InputError, "inputs must be a dict of name to value, got list"),
    (["entries"], {}, "x", InputError, "overrides must be a dict of name to value, got str"),
    (
        ["entries"],
        {"farme": 1},
        {},
        UnknownNameError,
        "input 'farme' is unknown; did you mean 'frame'? inputs: frame, threads, weights",
    ),
    (
        ["entries"],
        {"bin_map": 1},
        {},
        UnknownNameError,
        "input 'bin_map' is computed by the graph; to give its value, put it into overrides",
    ),
    (
        ["entries"],
        {"engine": "numpy"},
        {},
        UnknownNameError,
        "input 'engine' is part of the driver's config; make a driver with another config",
    ),
    (
        ["entries"],
        GIVEN,
        {"bin_mpa": 1},
        UnknownNameError,
        "override 'bin_mpa' is unknown; did you mean 'bin_map'? `driver.list_outputs()` shows all",
    ),
    (
        ["entries"],
        GIVEN,
        {"frame": 1},
        UnknownNameError,
        "override 'frame' is an input of the graph; put it into inputs",
    ),
    (
        ["entries"],
        GIVEN,
        {"engine": 1},
        UnknownNameError,
        "override 'engine' is part of the driver's config; make a driver with another config",
    ),
]


@pytest.mark.parametrize(("outputs", "inputs", "overrides", "kind", "message"), REQUESTS)
@pytest.mark.parametrize("method", ["execute", "plan"])
def test_wrong_requests(driver, outputs, inputs, overrides, kind, message, method):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        getattr(driver, method)(outputs, inputs, overrides)
    assert len(driver.report()) == 0


MISSING = [
    (["entries"], {}, "input is missing: 'frame' (needed by bin_map)"),
    (
        ["fit_table"],
        {},
        "inputs are missing: 'frame' (needed by bin_map), 'weights' (needed by bin_factors)",
    ),
]


@pytest.mark.parametrize(("outputs", "inputs", "message"), MISSING)
def test_all_missing_inputs_are_named_at_once(driver, outputs, inputs, message):
    with pytest.raises(MissingInputError, match=f"^{re.escape(message)}$"):
        driver.execute(outputs, inputs)
    assert len(driver.report()) == 0


def test_a_long_list_of_nodes_that_need_an_input_is_cut(make_module):
    module = make_module("\n".join(f"def n{i}(x: int) -> int: return x" for i in range(6)))
    message = "input is missing: 'x' (needed by n0, n1, n2 and 3 more)"
    with pytest.raises(MissingInputError, match=f"^{re.escape(message)}$"):
        Driver([module]).execute([f"n{i}" for i in range(6)])


TYPES = [
    ("x: pd.DataFrame", [1], "input 'x' must be DataFrame for node 'y', got list"),
    ("x: Sequence[str]", "abc", "input 'x' must be Sequence[str] for node 'y', got the string 'abc'"),
    ("x: int", 1.5, "input 'x' must be int for node 'y', got 1.5 of type float"),
    ("x: Literal['a', 'b']", "c", "input 'x' must be Literal['a', 'b'] for node 'y', got the string 'c'"),
    ("x: Optional[float]", pd.DataFrame(), "input 'x' must be Optional[float] for node 'y', got pandas.DataFrame"),
]


@pytest.mark.parametrize(("argument", "value", "message"), TYPES)
def test_inputs_must_fit_their_annotation(make_module, caplog, argument, value, message):
    source = f"""
    from collections.abc import Sequence
    from typing import Literal, Optional
    import pandas as pd
    def y({argument}) -> int: return 1
    """
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Driver([make_module(source)]).execute(["y"], {"x": value})
    assert caplog.records == []


def test_a_circle_is_named_with_every_place(make_module):
    source = """
    def a(c: int, x: int) -> int: return c
    def b(a: int) -> int: return a
    def c(b: int) -> int: return b
    """
    module = make_module(source, "circle")
    file = module.__file__
    message = f"functions need each other in a circle: a <- c <- b <- a: a ({file}:2), c ({file}:4), b ({file}:3)"
    with pytest.raises(CycleError, match=f"^{re.escape(message)}$"):
        Driver([module])


def test_a_function_that_needs_itself_is_a_circle(make_module):
    module = make_module("def a(a: int) -> int: return a", "selfish")
    message = f"functions need each other in a circle: a <- a: a ({module.__file__}:1)"
    with pytest.raises(CycleError, match=f"^{re.escape(message)}$"):
        Driver([module])


def test_circles_across_modules_and_several_at_once(make_module):
    one = make_module("def a(b: int) -> int: return b\ndef p(q: int) -> int: return q", "one")
    two = make_module("def b(a: int) -> int: return a\ndef q(p: int) -> int: return p", "two")
    with pytest.raises(CycleError) as caught:
        Driver([one, two])
    assert f"a <- b <- a: a ({one.__file__}:1), b ({two.__file__}:1)" in str(caught.value)
    assert f"p <- q <- p: p ({one.__file__}:2), q ({two.__file__}:2)" in str(caught.value)


def test_many_interlocked_circles_are_found_quickly(make_module):
    names = [f"n{i}" for i in range(40)]
    lines = [
        f"def {name}({', '.join(f'{other}: int' for other in names if other != name)}) -> int: ..." for name in names
    ]
    with pytest.raises(CycleError, match=r"^functions need each other in a circle: n"):
        Driver([make_module("\n".join(lines))])


def test_two_functions_for_one_name(make_module):
    one = make_module("def a(x: int) -> int: return 1", "one")
    two = make_module("\ndef a(x: int) -> int: return 2", "two")
    message = (
        f"node 'a' is defined twice: {one.__file__}:1 and {two.__file__}:2;"
        " rename one, or let the later one win with replace=['a']"
    )
    with pytest.raises(DuplicateNameError, match=f"^{re.escape(message)}$"):
        Driver([one, two])


def test_two_variants_that_are_both_picked(make_module):
    source = """
    from gbr_dag.graph.backend import config
    @config.when(engine="numpy")
    def a__one(x: int) -> int: return 1
    @config.when_not(engine="numba")
    def a__two(x: int) -> int: return 2
    """
    module = make_module(source)
    message = (
        f"node 'a' is defined twice: {module.__file__}:3 and {module.__file__}:5;"
        " the config picks both; make their conditions exclude each other"
    )
    with pytest.raises(DuplicateNameError, match=f"^{re.escape(message)}$"):
        Driver([module], {"engine": "numpy"}, replace=[])


def test_replace_lets_the_later_module_win(make_module):
    one = make_module("def a(x: int) -> int: return 1\ndef b(a: int) -> int: return a", "one")
    two = make_module("def a(x: int) -> int: return 2", "two")
    assert Driver([one, two], replace=["a"]).execute(["b"], {"x": 0}) == {"b": 2}
    assert Driver([two, one], replace=["a"]).execute(["b"], {"x": 0}) == {"b": 1}
    assert Driver([one, two], replace=["a"]).list_outputs().set_index("name")["stage"].to_dict() == {
        "a": "two",
        "b": "one",
    }


REPLACE = [
    (["b"], UnknownNameError, "replace: 'b' replaces nothing: no two of the modules have a function for it"),
    (
        ["bb"],
        UnknownNameError,
        "replace: 'bb' replaces nothing: no two of the modules have a function for it; did you mean 'b'?",
    ),
    ("a", InputError, "replace must be a list of names, got the string 'a'; write ['a']"),
]


@pytest.mark.parametrize(("replace", "kind", "message"), REPLACE)
def test_wrong_replacements(make_module, replace, kind, message):
    one = make_module("def a(x: int) -> int: return 1\ndef b(a: int) -> int: return a", "one")
    two = make_module("def a(x: int) -> int: return 2", "two")
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        Driver([one, two], replace=replace)


FUNCTIONS = [
    ("def a(x: int): return 1", "does not say what it yields; annotate it with -> type"),
    ("def a(x) -> int: return 1", "has no type for its argument 'x'; annotate it"),
    (
        "def a(x: 'Nowhere') -> int: return 1",
        "has an annotation that cannot be evaluated: name 'Nowhere' is not defined",
    ),
    ("def a(*x: int) -> int: return 1", "takes *x: int; a node takes each thing it needs by its name"),
    ("async def a(x: int) -> int: return 1", "is async; nodes must be plain functions"),
]


@pytest.mark.parametrize(("source", "message"), FUNCTIONS)
def test_functions_that_are_no_nodes(make_module, caplog, source, message):
    module = make_module(source)
    with pytest.raises(GraphError, match=re.escape(f"function 'a' ({module.__file__}:1) {message}")):
        Driver([module])
    assert caplog.records == []


def test_types_that_contradict_each_other(make_module):
    module = make_module("def a(x: int) -> str: return ''\ndef b(a: dict) -> int: return 1")
    message = f"b ({module.__file__}:2) takes a as dict, but a ({module.__file__}:1) yields str"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Driver([module])


def test_parallel_nodes(make_module):
    source = """
    from hamilton.htypes import Parallelizable
    def a(x: int) -> Parallelizable[int]:
        yield x
    """
    with pytest.raises(GraphError, match="is Parallelizable or Collect, which these graphs do not run"):
        Driver([make_module(source)])


def test_modules_must_be_a_list_of_modules(fit_steps):
    with pytest.raises(
        InputError, match=r"^modules must be a list of modules, got the module 'steps'; write \[steps\]$"
    ):
        Driver(fit_steps)
    with pytest.raises(InputError, match=r"^modules must be modules, got 'steps' of type str; import it first$"):
        Driver(["steps"])


def test_progress_must_be_a_switch_or_a_function(fit_steps):
    message = "progress must be None, True, False or a function (node, done, total), got 'yes'"
    with pytest.raises(InputError, match=re.escape(message)):
        Driver([fit_steps], {"engine": "numpy", "fitter": "ols"}, progress="yes")

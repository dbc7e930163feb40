"""Runs of graphs: what runs, in which order, what comes back and what is told about it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from gbr_dag.graph import Driver

INPUTS = {"frame": np.array([0.0, 1.0, 1.0]), "weights": np.ones(3)}


@pytest.fixture
def driver(fit_steps):
    return Driver([fit_steps], {"engine": "numpy", "fitter": "ols"})


@pytest.fixture
def diamond(make_module):
    source = """
    def top(x: int) -> int: return x
    def left(top: int) -> int: return top + 1
    def right(top: int, y: int = 5) -> int: return top * y
    def bottom(right: int, left: int) -> int: return left * right
    def aside(x: int) -> int: return -x
    """
    return Driver([make_module(source, "diamond")])


def test_gives_the_values_by_name_in_the_order_asked_for(driver):
    values = driver.execute(["fit_table", "bin_map", "entries"], INPUTS)
    assert list(values) == ["fit_table", "bin_map", "entries"]
    assert values["fit_table"] == ({"ols": "numpy"}, [1, 2], "numpy")
    np.testing.assert_array_equal(values["entries"], [1, 2])


def test_runs_only_what_is_needed(driver):
    driver.execute(["entries"], INPUTS)
    assert driver.report()["node"].tolist() == ["bin_map", "entries"]
    driver.execute(["fit_table"], INPUTS)
    assert driver.report()["node"].tolist() == ["bin_map", "bin_factors", "coefficients", "entries", "fit_table"]


def test_arguments_are_run_in_the_order_of_the_signature(diamond):
    diamond.execute(["aside", "bottom"], {"x": 2})
    assert diamond.report()["node"].tolist() == ["aside", "top", "right", "left", "bottom"]


@pytest.mark.parametrize("outputs", [["bottom"], ["left", "bottom", "aside"], ["aside", "top"], ["right", "left"]])
@pytest.mark.parametrize("overrides", [{}, {"top": 3}, {"left": 1, "aside": 2}])
def test_the_plan_has_the_very_order_of_the_run(diamond, outputs, overrides):
    diamond.execute(outputs, {"x": 2}, overrides)
    report = diamond.report()
    plan = diamond.plan(outputs, {"x": 2}, overrides)
    assert report.loc[report["state"] == "ran", "node"].tolist() == list(plan.nodes)
    assert report.loc[report["state"] == "kept", "node"].tolist() == list(plan.kept)


def test_chains_longer_than_the_recursion_limit_run():
    chain = ModuleType("gbr_dag_test_chain")
    lines = ["def n0(x: int) -> int: return x"]
    lines += [f"def n{i}(n{i - 1}: int, x: int) -> int: return n{i - 1} + x" for i in range(1, 1500)]
    lines += ["def side(x: int) -> int: return -x", "def last(side: int, n1499: int) -> int: return side + n1499"]
    exec("\n".join(lines), chain.__dict__)
    try:
        driver = Driver([chain])
        assert driver.execute(["last", "n3"], {"x": 1}) == {"last": 1499, "n3": 4}
        assert driver.report()["node"].tolist() == list(driver.plan(["last", "n3"], {"x": 1}).nodes)
    finally:
        sys.modules.pop(chain.__name__)


def test_generated_modules_are_registered(monkeypatch):
    made = ModuleType("gbr_dag_test_made")
    exec("def twice(x: int) -> int: return 2 * x", made.__dict__)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.delitem(sys.modules, made.__name__)
    assert Driver([made]).execute(["twice"], {"x": 2}) == {"twice": 4}
    assert sys.modules[made.__name__] is made


def test_defaults_of_optional_inputs_hold_until_a_value_is_given(diamond):
    assert diamond.execute(["right"], {"x": 2}) == {"right": 10}
    assert diamond.execute(["right"], {"x": 2, "y": 3}) == {"right": 6}


def test_inputs_that_are_not_needed_are_not_looked_at(diamond):
    assert diamond.execute(["aside"], {"x": 2, "y": "not a number"}) == {"aside": -2}


def test_only_nodes_that_run_judge_the_type_of_an_input(make_module):
    driver = Driver([make_module("def a(x: int) -> int: return x\ndef b(x: str) -> str: return x\n", "two")])
    assert driver.execute(["a"], {"x": 1}) == {"a": 1}
    assert driver.execute(["b"], {"x": "1"}) == {"b": "1"}


def test_overrides_stand_in_and_prune_what_only_they_need(driver):
    table = driver.execute(["fit_table"], {"frame": INPUTS["frame"]}, {"coefficients": {"mine": 1}})["fit_table"]
    assert table == ({"mine": 1}, [1, 2], "numpy")
    assert driver.report()["node"].tolist() == ["coefficients", "bin_map", "entries", "fit_table"]
    assert driver.report()["state"].tolist() == ["kept", "ran", "ran", "ran"]


def test_an_override_may_be_asked_for(driver):
    values = driver.execute(["bin_map"], {}, {"bin_map": None})
    assert values == {"bin_map": None}
    assert driver.report()["state"].tolist() == ["kept"]


def test_the_config_may_be_an_argument(driver):
    assert driver.execute(["fit_table"], INPUTS)["fit_table"][2] == "numpy"


def test_report_before_any_run_is_empty_with_the_dtypes_of_a_full_one(driver):
    empty = driver.report()
    assert empty.columns.tolist() == ["node", "state", "seconds", "bytes"]
    assert len(empty) == 0
    driver.execute(["entries"], INPUTS)
    pd.testing.assert_series_equal(driver.report().dtypes, empty.dtypes)


def test_report_has_seconds_and_bytes(driver):
    driver.execute(["fit_table"], INPUTS)
    report = driver.report().set_index("node")
    assert (report["seconds"] >= 0).all()
    assert report.loc["bin_map", "bytes"] == 24
    assert report.loc["bin_factors", "bytes"] is pd.NA


@pytest.fixture
def failing(make_module):
    source = """
    def first(x: int) -> int: return x

    def second(first: int, fail_as: type) -> int:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise fail_as("secret") from error

    def third(second: int) -> int: return second

    def fourth(first: int, fail_as: type) -> int: raise fail_as
    """
    return Driver([make_module(source, "failing")])


def test_what_a_node_raises_comes_through_as_it_is(failing):
    with pytest.raises(ValueError, match="secret") as caught:
        failing.execute(["third"], {"x": 1, "fail_as": ValueError})
    assert str(caught.value) == "secret"
    assert isinstance(caught.value.__cause__, KeyError)
    functions = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert functions[1:] == ["execute", "_run", "values", "_run_node", "second"]
    (note,) = caught.value.__notes__
    assert note.startswith("in node 'second' (")
    assert note.endswith("failing.py:4)")


def test_an_exception_without_context_gets_none(failing):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        failing.execute(["fourth"], {"x": 1, "fail_as": ValueError})
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_failing_node_logs_and_prints_nothing(failing, caplog, capfd):
    caplog.set_level(logging.DEBUG - 1)
    caplog.set_level(logging.INFO, logger="hamilton")
    with pytest.raises(ValueError, match="secret"):
        failing.execute(["third"], {"x": 1, "fail_as": ValueError})
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_the_report_of_a_failed_run_ends_with_the_failing_node(failing):
    with pytest.raises(ValueError, match="secret"):
        failing.execute(["third"], {"x": 1, "fail_as": ValueError})
    assert failing.report()["node"].tolist() == ["first", "second"]
    assert failing.report()["state"].tolist() == ["ran", "failed"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass(failing, interrupt):
    with pytest.raises(interrupt):
        failing.execute(["third"], {"x": 1, "fail_as": interrupt})
    assert failing.report()["state"].tolist() == ["ran", "failed"]


def test_a_driver_may_be_used_inside_a_node(diamond, make_module):
    outer = make_module(
        "def outer(inner: object, x: int) -> int: return inner.execute(['left'], {'x': x})['left']", "o"
    )
    driver = Driver([outer])
    assert driver.execute(["outer"], {"inner": diamond, "x": 4}) == {"outer": 5}
    assert driver.report()["node"].tolist() == ["outer"]
    assert diamond.report()["node"].tolist() == ["top", "left"]


def test_threads_do_not_mix_their_runs(make_module):
    source = """
    def waited(barrier: object, x: int) -> int:
        barrier.wait(10)
        return x

    def twice(waited: int) -> int: return 2 * waited
    """
    driver = Driver([make_module(source, "threads")])
    barrier, results = threading.Barrier(2), {}

    def work(x):
        results[x] = driver.execute(["twice"], {"barrier": barrier, "x": x})

    threads = [threading.Thread(target=work, args=(x,)) for x in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: {"twice": 2}, 2: {"twice": 4}}
    assert driver.report()["node"].tolist() == ["waited", "twice"]


def test_progress_calls_before_and_after_every_node(make_module):
    module = make_module("def a(x: int) -> int: return x\ndef b(a: int) -> int: return a\n", "two")
    calls = []
    driver = Driver([module], progress=lambda *call: calls.append(call))
    driver.execute(["b"], {"x": 1})
    assert calls == [("a", 0, 2), ("a", 1, 2), ("b", 1, 2), ("b", 2, 2)]


def test_what_progress_raises_ends_the_run(make_module, caplog):
    module = make_module("def a(x: int) -> int: return x\ndef b(a: int) -> int: return a\n", "two")

    def cancel(node, done, total):
        if node == "b":
            message = f"enough after {done} of {total}"
            raise RuntimeError(message)

    driver = Driver([module], progress=cancel)
    with pytest.raises(RuntimeError, match=r"^enough after 1 of 2$"):
        driver.execute(["b"], {"x": 1})
    assert caplog.records == []
    assert driver.report()["node"].tolist() == ["a"]


@pytest.fixture
def slow(make_module, monkeypatch):
    """Two nodes, and a clock by which each takes a second."""
    from gbr_dag.graph import progress

    now = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    return make_module("def a(x: int) -> int: return x\ndef b(a: int) -> int: return a\n", "two")


def test_a_long_run_shows_a_bar_when_told_to(slow, capsys):
    Driver([slow], progress=True).execute(["b"], {"x": 1})
    out, err = capsys.readouterr()
    assert out == ""
    assert "/2" in err


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_shown_off_a_terminal_or_when_told_not_to(slow, capsys, progress):
    Driver([slow], progress=progress).execute(["b"], {"x": 1})
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_shown_on_a_terminal(slow, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Driver([slow]).execute(["b"], {"x": 1})
    assert "/2" in capsys.readouterr().err


def test_a_short_run_shows_no_bar(make_module, capsys):
    module = make_module("def a(x: int) -> int: return x\n", "one")
    Driver([module], progress=True).execute(["a"], {"x": 1})
    assert capsys.readouterr() == ("", "")


def test_no_bar_comes_when_all_is_done(make_module, monkeypatch, capsys):
    from gbr_dag.graph import progress

    now = iter([0, 0, 10])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    module = make_module("def a(x: int) -> int: return x\n", "one")
    Driver([module], progress=True).execute(["a"], {"x": 1})
    assert capsys.readouterr() == ("", "")


def test_list_outputs(driver):
    table = driver.list_outputs()
    assert table["name"].tolist() == ["bin_map", "entries", "bin_factors", "coefficients", "fit_table"]
    assert table.loc[0].tolist() == ["bin_map", "ndarray", "steps", "The bin of every row."]
    assert table.loc[1, "description"] == ""


def test_repr_names_the_class_the_config_and_the_stages(driver):
    assert repr(driver) == "<Driver engine='numpy', fitter='ols': 5 nodes of steps; 2 inputs>"


def test_subclasses_may_complete_the_request(fit_steps):
    class Completing(Driver):
        def execute(self, outputs, inputs=None, overrides=None):
            return super().execute(outputs, {"weights": np.ones(3), **(inputs or {})}, overrides)

    driver = Completing([fit_steps], {"engine": "numpy", "fitter": "ols"})
    assert driver.execute(["fit_table"], {"frame": INPUTS["frame"]})["fit_table"][1] == [1, 2]


def test_drawings_and_reasons_follow_the_plan_of_a_subclass(fit_steps):
    class Fixed(Driver):
        def plan(self, outputs, inputs=None, overrides=None):
            return super().plan(outputs, inputs, {"coefficients": {}, **(overrides or {})})

    driver = Fixed([fit_steps], {"engine": "numpy", "fitter": "ols"})
    assert "bin_factors" not in driver.draw(["fit_table"])
    assert driver.why("bin_factors", ["fit_table"]).startswith("bin_factors does not run: only coefficients")


def test_columns_can_be_extracted(make_module):
    module = make_module(
        """
        import pandas as pd
        from hamilton.function_modifiers import extract_columns

        @extract_columns("a", "b")
        def table(n: int) -> pd.DataFrame:
            return pd.DataFrame({"a": range(n), "b": 1.5})

        def total(a: pd.Series, b: pd.Series) -> float:
            return float((a * b).sum())
        """
    )
    driver = Driver([module])
    assert driver.execute(["total"], {"n": 3}) == {"total": 4.5}
    assert set(driver.list_outputs()["name"]) == {"table", "a", "b", "total"}


def test_building_and_running_leave_the_environment_as_it_is(driver):
    driver.execute(["entries"], INPUTS)
    assert "HAMILTON_AUTOLOAD_EXTENSIONS" not in os.environ

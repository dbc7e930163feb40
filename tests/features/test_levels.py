"""Marks of functions: decorators and the comment on the def line."""

from __future__ import annotations

import functools
import importlib
import linecache
import re
from types import ModuleType

import numpy as np
import pytest

from gbr_dag import InputError
from gbr_dag.features import attribute, per_group, per_row, row
from gbr_dag.features.feature import made_feature
from gbr_dag.features.levels import settled

COUNT = iter(range(1000))


def module_of(text: str) -> ModuleType:
    """A module of a text whose lines ``inspect`` finds."""
    module = ModuleType(f"levels_{next(COUNT)}")
    file = f"<{module.__name__}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), vars(module))
    return module


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("def f(x):  #agg\n    return x.mean()\n", "group"),
        ("def f(x):  # agg: one a zone\n    return x.mean()\n", "group"),
        ("def f(x): return x.mean()  #agg\n", "group"),
        ("def f(\n    x,\n    y,\n):  #agg\n    return x.mean()\n", "group"),
        ("def f(\n    x,  #agg\n    y,\n):\n    return x.mean()\n", "group"),
        ("def f(x, k={'a': 1}, g=lambda v: v):  #agg\n    return x.mean()\n", "group"),
        ("def f(x) -> dict[str, int]:  #agg\n    return x.mean()\n", "group"),
        ("import functools\n@functools.lru_cache(\n    maxsize=None\n)\ndef f(x):  #agg\n    return x\n", "group"),
        ("if True:\n    def f(x):  #agg\n        return x\n", "group"),
        ("def f(x):  #aggregate\n    return x\n", "row"),
        ("def f(x):  #agg-regate\n    return x\n", "row"),
        ("def f(x):  # no agg\n    return x\n", "row"),
        ("def f(x):  ##agg\n    return x\n", "row"),
        ("#agg\ndef f(x):\n    return x\n", "row"),
        ("def f(x):\n    #agg\n    return x\n", "row"),
        ("def f(x):\n    return x  #agg\n", "row"),
        ("def f(x): return (\n    x  #agg\n)\n", "row"),
        ("def f(x, k='#agg'):\n    return x\n", "row"),
        ("def f(x):\n    '''#agg'''\n    return x\n", "row"),
        ("def f(x):\n    def g(y):  #agg\n        return y\n    return g(x)\n", "row"),
        ("import functools\n@functools.lru_cache(maxsize=None)  #agg\ndef f(x):\n    return x\n", "row"),
        ("def f(x): return x\ndef g(x):  #agg\n    return x\n", "row"),
        ("def g(h):  #agg\n    return h\nf = g(lambda x: x)  #agg\n", "row"),
        ("def outer(h=lambda x: x):  #agg\n    return h\nf = outer()\n", "row"),
    ],
)
def test_comment_counts_on_the_def_line_only(text, level):
    assert settled(module_of(text).f, None) == (level, "grouped")


def twin(x):
    return x


@pytest.mark.parametrize(
    ("marks", "registered", "expected"),
    [
        ([], None, ("row", "grouped")),
        ([], "group", ("group", "grouped")),
        ([attribute], None, ("group", "grouped")),
        ([row], None, ("row", "grouped")),
        ([per_group], None, ("group", "per_group")),
        ([per_group, row], None, ("row", "per_group")),
        ([row, per_group], None, ("row", "per_group")),
        ([per_group, attribute], None, ("group", "per_group")),
        ([per_group], "row", ("row", "per_group")),
        ([per_row], None, ("row", "per_row")),
        ([per_row, row], "row", ("row", "per_row")),
        ([attribute, attribute], "group", ("group", "grouped")),
        ([attribute(tags=["a"]), attribute(outputs=["b"])], None, ("group", "grouped")),
    ],
)
def test_level_and_way_are_apart(marks, registered, expected):
    def function(x):
        return x

    for mark in marks:
        assert mark(function) is function
    assert settled(function, registered) == expected


@pytest.mark.parametrize(
    ("marks", "registered", "words"),
    [
        ([attribute, row], None, "@attribute and @row"),
        ([attribute, per_row], None, "@attribute and @per_row"),
        ([per_row, per_group], None, "@per_row and @per_group"),
        ([attribute], "row", "@attribute and register_filter"),
        ([row], "group", "@row and register_attribute"),
        ([per_group, row], "group", "@per_group and @row and register_attribute"),
        ([per_row], "group", "@per_row and register_attribute"),
        ([row(legacy_mode=True), per_group], None, "@row and @per_group"),
        ([row(inputs=["a"]), row(inputs=["b"])], None, "say inputs=('a',) and inputs=('b',)"),
        ([row(outputs=["a"]), row(outputs=["b"])], None, "say outputs=('a',) and outputs=('b',)"),
        ([row(name="a"), row(name="b")], None, "say name='a' and name='b'"),
    ],
)
def test_marks_that_contradict_are_refused(marks, registered, words):
    def function(x):
        return x

    def marked():
        for mark in marks:
            mark(function)
        settled(function, registered)

    with pytest.raises(InputError, match=re.escape(words)) as caught:
        marked()
    assert "'function'" in str(caught.value)
    assert f"{__file__}:{function.__code__.co_firstlineno}" in str(caught.value)


def test_comment_against_decorator_names_both():
    module = module_of("def f(x):  #agg\n    return x\n")
    row(module.f)
    with pytest.raises(InputError, match=rf"'f' \(<{module.__name__}>:1\) is marked @row and #agg"):
        settled(module.f, None)


def timed(function):
    @functools.wraps(function)
    def inner(*values, **named):
        return function(*values, **named)

    return inner


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):  # agg
        return self.factor * x

    def scaled(self, x):  # agg
        return self.factor * x


def average(x, k=1):  # agg
    return x.mean() + k


@pytest.mark.parametrize(
    "function",
    [timed(average), functools.partial(average, k=2), functools.partial(timed(average)), Scaled(2), Scaled(2).scaled],
    ids=["wraps", "partial", "partial of wraps", "object", "method"],
)
def test_marks_of_what_is_behind(function):
    assert settled(function, None) == ("group", "grouped")
    assert made_feature("f", function).arguments[0].source == "x"
    with pytest.raises(InputError, match=rf"{re.escape(__file__)}:\d+\) is marked #agg and register_filter"):
        settled(function, "row")


def test_decorators_outside_and_inside_a_wrapper():
    assert settled(attribute(timed(twin)), None) == ("group", "grouped")
    assert settled(twin, None) == ("row", "grouped")

    def copied(x):
        return x

    assert settled(timed(per_group(copied)), None) == ("group", "per_group")


async def later(x):
    return x


async def later_each(x):
    yield x


def each(x):
    yield x


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (later, "an async function"),
        (later_each, "an async function"),
        (each, "a generator"),
        (Scaled, "a class"),
        (functools.partial(each), "a generator"),
    ],
)
def test_what_returns_no_values_is_refused(function, kind):
    with pytest.raises(InputError, match=rf"feature 'f' \(.*\) is {kind}"):
        made_feature("f", function)


@pytest.mark.parametrize("thing", [len, Scaled(1).scaled])
def test_what_cannot_be_marked_is_refused(thing):
    with pytest.raises(InputError, match=r"@attribute cannot mark .*write a function of your own"):
        attribute(thing)


def test_names_are_lists():
    with pytest.raises(InputError, match="must be lists of names"):
        row(inputs="year")
    with pytest.raises(InputError, match="@row: name must be a text, got 3"):
        row(name=3)
    with pytest.raises(InputError, match="marks a function, got 'age'"):
        row("age")


def test_functions_stay_as_they_are():
    module = importlib.import_module("gbr_dag.features")
    assert set(module.__all__) == {"attribute", "per_group", "per_row", "row"}
    marked = attribute(outputs=["low", "high"])(average)
    assert marked is average
    assert average(np.array([1.0, 3.0])) == 3.0
    del average.__feature_mark__

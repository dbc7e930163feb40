"""Measured and estimated bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from gbr_dag.graph import Driver
from gbr_dag.graph.sizes import bytes_estimate, estimated_bytes, measured_bytes, readable_bytes


@dataclass(frozen=True)
class Pair:
    left: object
    right: object


ARRAY = np.zeros((10, 4))


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (ARRAY, 320),
        (ARRAY[:, :2], 160),
        (np.zeros(3, dtype=bool), 3),
        (np.broadcast_to(1.0, (1000, 10)), 8),
        (np.zeros((0, 5)), 0),
        (Pair(ARRAY, ARRAY), 320),
        (Pair(ARRAY, ARRAY.copy()), 640),
        (Pair(ARRAY, (1, "name", {"deep": [np.zeros(2)]})), 336),
        ({"a": ARRAY, "b": None}, 320),
        ([ARRAY, ARRAY.T], 320),
        (pd.Series(np.zeros(5), index=np.arange(5)), 80),
        (pd.Index(np.zeros(5)), 40),
        (pd.DataFrame({"a": np.zeros(5), "b": np.zeros(5, dtype="i4")}, index=np.arange(5)), 100),
        (memoryview(b"12345"), 5),
        (None, None),
        (1.5, None),
        (np.float64(1.5), None),
        ("text", None),
        (Pair(1, "text"), None),
        ((), None),
        (Pair, None),
        ([0.0] * 2000, None),
    ],
)
def test_measured_bytes(value, size):
    assert measured_bytes(value) == size


def test_the_mark_leaves_the_function_as_it_is():
    def node(frame: list) -> int:
        return len(frame)

    assert bytes_estimate(lambda frame: 8 * len(frame))(node) is node
    assert node([1]) == 1


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"frame": [1, 2], "by": "ab", "other": 1}, 32),
        ({"frame": [1, 2]}, None),
        ({"frame": [1, 2], "by": None}, None),
        ({"frame": 3, "by": "ab"}, None),
    ],
)
def test_an_estimate_needs_all_its_inputs_and_those_it_can_use(given, size):
    @bytes_estimate(lambda frame, by: 8 * len(frame) * len(by))
    def node(frame: list) -> int:
        return len(frame)

    assert estimated_bytes(node, given) == size


def test_estimates_survive_the_decorators_of_hamilton(make_module):
    source = """
    from hamilton.function_modifiers import tag
    from gbr_dag.graph.backend import config
    from gbr_dag.graph.sizes import bytes_estimate

    @bytes_estimate(lambda n: 8 * n)
    @config.when(engine="numpy")
    @tag(kind="test")
    def above__numpy(n: int) -> list: return []

    @config.when(engine="numpy")
    @tag(kind="test")
    @bytes_estimate(lambda n: 4 * n)
    def below__numpy(n: int) -> list: return []
    """
    driver = Driver([make_module(source)], {"engine": "numpy"})
    assert driver.plan(["above", "below"], {"n": 3}).bytes == {"above": 24, "below": 12}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (2_694_208, "2.7 MB"),
        (999_600, "1.0 MB"),
        (3 * 10**9, "3.0 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_readable_bytes(size, text):
    assert readable_bytes(size) == text

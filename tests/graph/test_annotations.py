"""Values and annotations that fit each other, and how annotations are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Callable, Literal, NewType, Optional, Protocol, TypeVar, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gbr_dag.graph.annotations import annotation_text, annotations_match, value_fits

Floats = npt.NDArray[np.float64]
UserId = NewType("UserId", int)
Anything = TypeVar("Anything")


class Sized(Protocol):
    size: int


@pytest.mark.parametrize(
    ("annotation", "value", "fits"),
    [
        (Any, 1, True),
        (object, 1, True),
        (Anything, 1, True),
        (Sized, 1, True),
        (int, 1, True),
        (int, np.int64(1), True),
        (int, 1.5, False),
        (int, "1", False),
        (float, 1, True),
        (float, np.float32(1), True),
        (float, None, True),
        (complex, 1.5, True),
        (bool, np.bool_(True), True),
        (bool, 1, False),
        (str, "a", True),
        (str, 1, False),
        (UserId, 1, True),
        (UserId, "1", False),
        (Annotated[int, "positive"], 1, True),
        (Annotated[int, "positive"], "1", False),
        (Optional[str], "a", True),
        (Optional[str], 1, False),
        (Union[str, Sequence[str]], "a", True),
        (Sequence[str], "a", False),
        (Iterable[str], "a", False),
        (Sequence[str], ["a"], True),
        (Sequence[str], ("a",), True),
        (Sequence[float], np.zeros(2), True),
        (Sequence[str], pd.Index(["a"]), True),
        (Sequence[str], {"a": 1}, False),
        (Sequence[str], 1, False),
        (Mapping[str, int], {}, True),
        (dict[str, int], [], False),
        (tuple[int, ...], (1, 2), True),
        (tuple[int, ...], [1, 2], False),
        (Literal["a", "b"], "a", True),
        (Literal["a", "b"], "c", False),
        (Callable[[int], int], len, True),
        (Callable[[int], int], 1, False),
        (type, int, True),
        (type[int], int, True),
        (type[int], 1, False),
        (Floats, np.zeros(2), True),
        (Floats, [0.0], False),
        (pd.DataFrame, pd.DataFrame(), True),
        (pd.DataFrame, pd.Series(dtype=float), False),
        (npt.ArrayLike, [1, 2], True),
    ],
)
def test_value_fits(annotation, value, fits):
    assert value_fits(annotation, value) is fits


@pytest.mark.parametrize(
    ("given", "wanted", "match"),
    [
        (int, int, True),
        (int, float, True),
        (float, int, False),
        (str, int, False),
        (Any, int, True),
        (int, Any, True),
        (int, Optional[int], True),
        (Optional[int], int, True),
        (Optional[str], int, False),
        (None, Optional[int], True),
        (Floats, npt.NDArray[np.int64], True),
        (Floats, pd.DataFrame, False),
        (bool, int, True),
        (dict[str, int], Mapping[str, int], True),
        (list, Sequence[int], True),
        (Literal["a"], str, True),
        (Literal["a"], int, False),
        (object, int, True),
        (tuple[int, ...], tuple[str, ...], True),
        (tuple[int, ...], dict, False),
    ],
)
def test_annotations_match(given, wanted, match):
    assert annotations_match(given, wanted) is match


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (pd.DataFrame, "DataFrame"),
        (Floats, "NDArray[float64]"),
        (tuple[Floats, ...], "tuple[NDArray[float64], ...]"),
        (Optional[Floats], "Optional[NDArray[float64]]"),
        (Optional[Union[str, int]], "Optional[Union[str, int]]"),
        (Union[str, Sequence[str]], "Union[str, Sequence[str]]"),
        (dict[str, Any], "dict[str, Any]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Any, "Any"),
    ],
)
def test_annotation_text(annotation, text):
    assert annotation_text(annotation) == text

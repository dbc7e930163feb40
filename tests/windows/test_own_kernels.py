"""Kernels of the user's own that cannot be: refused in one line that names them."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from gbr_dag.drivers.window_fitting import fit_windows
from gbr_dag.errors import InputError
from gbr_dag.windows.own_kernels import check_own_kernel, own_weights


def cone(offsets, widths):
    return np.maximum(0.0, 3.0 - np.sqrt(((offsets / widths) ** 2).sum(axis=1)))


def raising(_offsets, _widths):
    message = "no such\nname"
    raise KeyError(message)


BY_ITSELF = "kernel must weigh each offset by itself: of offset "
ODD = {
    "exception": (raising, "it raised KeyError: 'no such\\nname'"),
    "arguments": (lambda offsets: np.ones(len(offsets)), "it raised TypeError"),
    "text": (lambda offsets, _: ["a"] * len(offsets), "kernel must give numbers, got an array of <U1"),
    "numbers as text": (lambda offsets, _: ["1"] * len(offsets), "kernel must give numbers, got an array of <U1"),
    "complex": (lambda offsets, _: np.ones(len(offsets)) * 1j, "kernel must give numbers, got an array of complex128"),
    "objects": (lambda offsets, _: [{}] * len(offsets), "it raised TypeError: float()"),
    "ragged": (lambda offsets, _: [[1.0], [1.0, 2.0], *offsets], "it raised ValueError"),
    "nothing": (lambda *_: None, "kernel must give one weight for each of 1 offsets, got an array ()"),
    "one number": (lambda *_: 1.0, "kernel must give one weight for each of 1 offsets, got an array ()"),
    "negative": (lambda offsets, _: -np.ones(len(offsets)), "kernel must give 0 or weights from 1e-20 to 1e20, got -1"),
    "tiny": (lambda offsets, _: np.full(len(offsets), 1e-30), "got 1e-30; rescale it"),
    "normalized": (lambda offsets, widths: cone(offsets, widths) / cone(offsets, widths).sum(), BY_ITSELF),
    "of ranks": (lambda offsets, _: 1.0 + np.arange(len(offsets)), BY_ITSELF),
    "random": (lambda offsets, _: np.random.default_rng().uniform(1, 2, len(offsets)), BY_ITSELF),
}


@pytest.mark.parametrize("engine", ["numba", "numpy", "reference"])
@pytest.mark.parametrize("case", ODD)
def test_refused_before_anything_runs(case, engine):
    kernel, words = ODD[case]
    frame = pd.DataFrame({"a": [0, 1, 2], "b": [0, 0, 1], "y": [1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        fit_windows(frame, ["a", "b"], {"a": 1, "b": 1}, "y", kernel=kernel, engine=engine, min_entries=1)
    assert str(caught.value).startswith("kernel ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kernel",
    [
        cone,
        lambda offsets, _: np.ones(len(offsets), dtype=bool),
        lambda offsets, _: [Fraction(1, 3)] * len(offsets),
        lambda offsets, widths: pd.Series(cone(offsets, widths)),
        lambda offsets, _: np.exp(-0.5 * (np.multiply(offsets, 10, out=offsets) ** 2).sum(axis=1)),  # its own copy
        lambda offsets, _: 1.0 / (1.0 + (offsets**4).sum(axis=1)),
    ],
)
def test_fit_kernels_pass(kernel):
    check_own_kernel(kernel, [2, 2**60], [2.0, 1.0])


def test_only_an_exception_is_caught():
    def interrupted(_offsets, _widths):
        raise KeyboardInterrupt

    def out_of_memory(_offsets, _widths):
        raise MemoryError

    for kernel, error in ((interrupted, KeyboardInterrupt), (out_of_memory, MemoryError)):
        with pytest.raises(error):
            own_weights(kernel, np.zeros((1, 1), dtype=np.int64), [1.0])

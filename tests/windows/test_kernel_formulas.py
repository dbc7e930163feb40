"""Kernel weights against their formulas, written anew: with one row a bin, sum_weights is the sum of the kernel."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import gbr_dag

ROWS, COLUMNS = 7, 5
A, B = 3, 2
"""The centre of a grid of 7 by 5 bins, two bins from the nearest edge."""


def expected(weight, sizes: tuple[int, int]) -> float:
    """Sum of weight(i, j) over the offsets of a window about the centre."""
    over_a, over_b = (range(-size, size + 1) for size in sizes)
    return math.fsum(weight(i, j) for i in over_a for j in over_b)


@pytest.mark.parametrize(
    ("arguments", "weight"),
    [
        ({"kernel": "uniform"}, lambda *_: 1.0),
        ({"kernel": "gaussian"}, lambda i, j: math.exp(-((i / 2) ** 2 + j**2) / 2)),
        (
            {"kernel": "gaussian", "kernel_width": {"a": 1.5, "b": 0.7}},
            lambda i, j: math.exp(-((i / 1.5) ** 2 + (j / 0.7) ** 2) / 2),
        ),
        ({"kernel": "epanechnikov"}, lambda i, j: max(0.0, 1 - (i / 3) ** 2 - (j / 2) ** 2)),
        ({"kernel": "linear"}, lambda i, j: max(0.0, 1 - math.hypot(i / 3, j / 2))),
        ({"kernel": "distance"}, lambda i, j: 1 / (1 + math.hypot(i, j))),
        (
            {"kernel": lambda offsets, widths: 1.0 / (2.0 + offsets[:, 0] ** 2 / widths[0])},
            lambda i, _: 1 / (2 + i**2 / 2),
        ),
        (
            {"kernel": {"a": "epanechnikov", "b": "gaussian"}},
            lambda i, j: max(0.0, 1 - (i / 3) ** 2) * math.exp(-(j**2) / 2),
        ),
        ({"kernel": {"a": "linear", "b": "distance"}}, lambda i, j: max(0.0, 1 - abs(i) / 3) / (1 + abs(j))),
    ],
    ids=[
        "uniform",
        "gaussian",
        "widths",
        "epanechnikov",
        "linear",
        "distance",
        "own",
        "product",
        "two of one dimension",
    ],
)
def test_weights_follow_their_formulas(engine, arguments, weight):
    bins = [(a, b) for a in range(ROWS) for b in range(COLUMNS)]
    frame = pd.DataFrame(bins, columns=["a", "b"]).assign(y=1.0)
    model = {"by": ["a", "b"], "targets": "y", "statistics": "sum_weights", "min_entries": 1}
    table = gbr_dag.fit_windows(frame, window={"a": 2, "b": 1}, engine=engine, **model, **arguments)
    found = table.set_index(["a", "b"])["y_sum_weights"][A, B]
    # at most 15 weights of rounding 1e-16 each are added
    assert found == pytest.approx(expected(weight, (2, 1)), rel=1e-14)

"""Loops of groups against the same said plainly, one group after the other."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gbr_dag.kernels import grouped

ROOT = Path(__file__).resolve().parents[2]
N = 4
IDS = np.array([2, 0, -1, 2, 0, 2, -1, 0, 2, 2], dtype=np.int64)
"""Group 1 is empty, group 3 too; two rows are in none."""

SIZES = np.array([3, 0, 5, 0])

VALUES = {
    "float64": np.array([1.5, -2.0, 9.0, np.nan, 0.5, 3.0, np.nan, -0.0, 3.0, -7.25]),
    "float32": np.array([1.5, -2.0, 9.0, np.nan, 0.5, 3.0, np.nan, 0.0, 3.0, -7.25], dtype=np.float32),
    "infinities": np.array([np.inf, -np.inf, np.inf, 1.0, np.nan, 2.0, np.nan, 5.0, np.inf, 1.0]),
    "int8": np.array([127, -128, 5, 127, -128, 3, 1, 0, 0, 2], dtype=np.int8),
    "int64": np.array([2**63 - 1, -(2**63), 5, 1, 2**62, 2**62, 1, 0, 3, 2], dtype=np.int64),
    "uint64": np.array([2**64 - 1, 2**63, 5, 1, 0, 2**63, 1, 7, 3, 2], dtype=np.uint64),
    "bool": np.array([True, False, True, False, False, True, True, False, True, True]),
}
FLOATS = ("float64", "float32", "infinities")
INTEGERS = ("int8", "int64", "uint64", "bool")
TYPES = pytest.mark.parametrize("kind", VALUES)
OF_FLOATS = pytest.mark.parametrize("kind", FLOATS)
OF_INTEGERS = pytest.mark.parametrize("kind", INTEGERS)


@pytest.fixture(autouse=True)
def infinities_in_silence():
    """Compiled loops warn of nothing; run as plain Python they would of infinities and overflows."""
    with np.errstate(all="ignore"):
        yield


def groups(kind):
    """Values of every group that are not NaN, as Python's numbers, which are exact."""
    rows = [[row for row in range(len(IDS)) if IDS[row] == group] for group in range(N)]
    values = VALUES[kind].tolist()
    return [[values[row] for row in own if not math.isnan(values[row])] for own in rows]


def wrapped(number):
    return (int(number) + 2**63) % 2**64 - 2**63


def plain_sum(values):
    """Exact, or what IEEE 754 says of infinities."""
    return float(sum(map(Fraction, values))) if all(map(math.isfinite, values)) else sum(values)


@pytest.mark.parametrize("ids", [IDS, IDS.astype(np.int32)])
def test_sizes(ids):
    assert grouped.group_sizes(ids, N).tolist() == [3, 0, 5, 0]
    assert grouped.first_rows(ids, N).tolist() == [1, -1, 0, -1]
    assert grouped.last_rows(ids, N).tolist() == [7, -1, 9, -1]


def test_present_rows():
    missing = np.array([True, True, False, False, False, False, False, True, True, True])
    assert grouped.first_present_rows(missing, IDS, N).tolist() == [4, -1, 3, -1]
    assert grouped.last_present_rows(missing, IDS, N).tolist() == [4, -1, 5, -1]
    assert grouped.first_present_rows(np.ones(10, dtype=bool), IDS, N).tolist() == [-1] * N


@TYPES
def test_counts(kind):
    assert grouped.group_counts(VALUES[kind], IDS, N).tolist() == [len(one) for one in groups(kind)]


@TYPES
def test_sums(kind):
    sums, skipped = grouped.group_sums(VALUES[kind], IDS, N)
    expected = [plain_sum([float(value) for value in one]) for one in groups(kind)]
    assert np.array_equal(sums, expected, equal_nan=True)
    assert skipped == (kind in FLOATS)


@OF_INTEGERS
def test_integer_sums_and_products(kind):
    sums = grouped.group_integer_sums(VALUES[kind], IDS, N)
    assert sums.tolist() == [wrapped(sum(one)) for one in groups(kind)]
    products = grouped.group_integer_products(VALUES[kind], IDS, N)
    assert products.tolist() == [wrapped(math.prod(one)) for one in groups(kind)]


@OF_FLOATS
def test_products(kind):
    products = grouped.group_products(VALUES[kind], IDS, N)
    assert np.array_equal(products, [math.prod(one) for one in groups(kind)], equal_nan=True)


@TYPES
@pytest.mark.parametrize(("loop", "choice"), [(grouped.group_minima, min), (grouped.group_maxima, max)])
def test_extremes(kind, loop, choice):
    values = VALUES[kind]
    empty = np.nan if kind in FLOATS else values[0]
    start = {"f": np.nan, "b": choice is min}.get(values.dtype.kind)
    if start is None:
        start = np.iinfo(values.dtype).max if choice is min else np.iinfo(values.dtype).min
    found = np.full(N, start, dtype=values.dtype)
    loop(values, IDS, found)
    for value, own in zip(found.tolist(), groups(kind)):
        assert value == choice(own) if own else (value == start or (math.isnan(value) and math.isnan(empty)))


@TYPES
def test_truth(kind):
    assert grouped.group_any(VALUES[kind], IDS, N).tolist() == [any(one) for one in groups(kind)]
    assert grouped.group_all(VALUES[kind], IDS, N).tolist() == [all(one) for one in groups(kind)]


@pytest.mark.parametrize("kind", ["float64", "float32", "int8", "bool"])
def test_squares(kind):
    own = groups(kind)
    means = [Fraction(0) if not one else sum(map(Fraction, one)) / len(one) for one in own]
    exact = [float(sum((Fraction(value) - mean) ** 2 for value in one)) for one, mean in zip(own, means)]
    counts = np.array([len(one) for one in own])
    squares = grouped.group_squares(VALUES[kind], np.array([float(mean) for mean in means]), counts, IDS)
    np.testing.assert_allclose(squares, exact, rtol=1e-14)


@pytest.mark.parametrize("level", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("kind", ["float64", "infinities"])
def test_quantiles(kind, level):
    with np.errstate(all="ignore"):
        expected = [np.percentile(one, 100.0 * level) if one else np.nan for one in groups(kind)]
    quantiles = grouped.group_quantiles(VALUES[kind], IDS, SIZES, level)
    np.testing.assert_allclose(quantiles, expected, rtol=1e-15)


@pytest.mark.parametrize("kind", ["float64", "infinities"])
def test_medians(kind):
    medians = grouped.group_medians(VALUES[kind], IDS, SIZES)
    expected = [np.median(one) if one else np.nan for one in groups(kind)]
    assert np.array_equal(medians, expected, equal_nan=True)


def test_medians_of_huge_values():
    ids, sizes = np.zeros(2, dtype=np.int64), np.array([2])
    assert grouped.group_medians(np.array([1.6e308, 1.4e308]), ids, sizes)[0] == 1.5e308


def test_squares_beyond_doubles_are_infinite():
    values, ids = np.array([1e300, -1e300, 1.5e308, 1.4e308]), np.array([0, 0, 1, 1])
    squares = grouped.group_squares(values, np.array([0.0, np.inf]), np.array([2, 2]), ids)
    assert squares.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("size", [1, 2, 23, 24, 25, 26, 200])
def test_orders_of_any_size(size):
    values = np.random.default_rng(size).integers(0, size, size).astype(np.float64)
    ids, sizes = np.zeros(size, dtype=np.int64), np.array([size])
    assert grouped.group_medians(values, ids, sizes)[0] == np.median(values)
    assert grouped.group_quantiles(values, ids, sizes, 0.3)[0] == pytest.approx(np.quantile(values, 0.3), rel=1e-15)
    assert grouped.group_distinct(values, ids, sizes)[0] == len(set(values.tolist()))


@pytest.mark.parametrize("kind", ["float64", "infinities", "int64"])
def test_distinct(kind):
    assert grouped.group_distinct(VALUES[kind], IDS, SIZES).tolist() == [len(set(one)) for one in groups(kind)]


def test_sums_of_a_large_offset():
    # the error of an uncompensated sum grows with the rows, to 1e-9 here
    generator = np.random.default_rng(7)
    values, ids = 1e8 + generator.normal(size=30_000), generator.integers(0, 3, 30_000)
    sums, _ = grouped.group_sums(values, ids, 3)
    exact = [sum(map(Fraction, values[ids == group].tolist())) for group in range(3)]
    assert [abs(float(Fraction(one) / other - 1)) <= 2.0**-52 for one, other in zip(sums.tolist(), exact)] == [True] * 3
    counts = np.bincount(ids)
    squares = grouped.group_squares(values, sums / counts, counts, ids)
    for group in range(3):
        own = list(map(Fraction, values[ids == group].tolist()))
        mean = sum(own) / len(own)
        # distances of size 1 from a mean that is rounded to 1.5e-8
        assert squares[group] == pytest.approx(float(sum((value - mean) ** 2 for value in own)), rel=1e-12)


@pytest.mark.parametrize("n_rows", [0, 1])
def test_hardly_any_rows(n_rows):
    ids, values = np.zeros(n_rows, dtype=np.int64), np.ones(n_rows)
    assert grouped.group_sums(values, ids, n_rows)[0].tolist() == [1.0] * n_rows
    assert grouped.group_distinct(values, ids, np.ones(n_rows, dtype=np.int64)).tolist() == [1] * n_rows


def test_read_only_and_strided():
    wide = np.repeat(VALUES["float64"], 2)
    wide.flags.writeable = False
    expected, _ = grouped.group_sums(VALUES["float64"], IDS, N)
    assert grouped.group_sums(wide[::2], IDS, N)[0].tolist() == expected.tolist()


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="runs itself that way")
def test_without_compilation():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout

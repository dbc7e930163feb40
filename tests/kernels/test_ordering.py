"""Counting sort and order statistics of bins against loops over numpy, pandas nodes and an obvious weighted median."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gbr_dag.columns import compiled_values
from gbr_dag.graph import Driver
from gbr_dag.kernels import counting_sort as counting
from gbr_dag.kernels import medians as selection
from gbr_dag.kernels.counting_sort import counting_sort, place_rows
from gbr_dag.kernels.order_statistics import bin_mads, bin_medians, weighted_bin_mads, weighted_bin_medians
from gbr_dag.nodes import bin_map as bin_map_nodes
from gbr_dag.nodes import statistics as statistics_nodes
from gbr_dag.nodes.bin_map import bin_rows__numba
from gbr_dag.nodes.statistics import bin_medians__numba, bin_medians__pandas, mad__numba, mad__pandas
from gbr_dag.tables import BinMap, TargetBlock

ROOT = Path(__file__).resolve().parent.parent.parent
DTYPES = ["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
LARGEST = np.finfo(np.float64).max
SMALLEST = 5e-324


def by_bin(kernel, row_bin, n_bins, *columns):
    rows, offsets = counting_sort(np.asarray(row_bin), n_bins)
    result = np.full(n_bins, -7.0)
    with np.errstate(invalid="ignore"):  # infinity less infinity, when the loops are interpreted
        kernel(*columns, rows, offsets, 0, n_bins, result)
    return result


def of_one_bin(kernel, *columns):
    return by_bin(kernel, np.zeros(len(columns[0]), dtype=np.int64), 1, *columns)[0]


def median_of(values):
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):  # -inf and inf in the middle
        return np.median(values) if len(values) else np.nan


def weighted_median_of(values, weights):
    """By definition, in rational arithmetic."""
    pairs = sorted(
        (float(value), Fraction(float(weight)))
        for value, weight in zip(values, weights)
        if not np.isnan(value) and weight > 0
    )
    total, cumulative = sum(weight for _, weight in pairs), Fraction(0)
    for i, (value, weight) in enumerate(pairs):
        cumulative += weight
        if 2 * cumulative == total:
            return value if value == pairs[i + 1][0] else value / 2 + pairs[i + 1][0] / 2
        if 2 * cumulative > total:
            return value
    return np.nan


def sample(dtype, size, rng):
    """Values over the whole range of a dtype, some of them equal."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = rng.normal(size=size).astype(dtype)
        values[rng.random(size) < 0.1] = np.nan
    else:
        values = rng.integers(0, 256, size=(size, dtype.itemsize), dtype=np.uint8).view(dtype)[:, 0]
        if dtype.kind == "b":
            values = rng.random(size) < 0.5
    repeated = rng.random(size) < 0.3
    values[repeated] = values[0]
    return values


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("n_rows", "n_bins"), [(0, 0), (0, 3), (1, 1), (500, 7), (500, 2000)])
def test_rows_are_those_of_a_stable_sort(n_rows, n_bins, dtype):
    row_bin = np.random.default_rng(n_rows + n_bins).integers(-1, n_bins, size=n_rows).astype(dtype)
    rows, offsets = counting_sort(row_bin, n_bins)
    assert (rows.dtype, offsets.dtype) == (np.int32, np.int64)
    np.testing.assert_array_equal(rows, [row for b in range(n_bins) for row in range(n_rows) if row_bin[row] == b])
    np.testing.assert_array_equal(np.diff(offsets), [np.count_nonzero(row_bin == b) for b in range(n_bins)])
    assert offsets[0] == 0


def test_rows_beyond_int32_get_wider_positions():
    assert counting.position_dtype(2**31) is np.int32
    assert counting.position_dtype(2**31 + 1) is np.int64
    rows = np.empty(3, dtype=np.int64)
    place_rows(np.array([1, -1, 0, 1]), np.array([0, 1, 3]), rows)
    assert rows.tolist() == [2, 0, 3]


@pytest.mark.parametrize("layout", ["plain", "strided", "backwards", "read-only"])
def test_any_layout_is_read(layout):
    rng = np.random.default_rng(5)
    row_bin, values, weights = rng.integers(-1, 4, size=90), rng.normal(size=90), rng.uniform(0.1, 9.0, size=90)
    used = rng.random(90) < 0.8
    expected = [counting_sort(row_bin, 4)[0], *(by_bin(bin_medians, row_bin, 4, values),)]
    expected += [by_bin(weighted_bin_mads, row_bin, 4, values, used, weights)]

    def laid_out(array):
        if layout == "strided":
            return np.stack([array, array[::-1]], axis=1)[:, 0]
        if layout == "backwards":
            return array[::-1].copy()[::-1]
        changed = array.copy()
        changed.flags.writeable = layout != "read-only"
        return changed

    row_bin, values, used, weights = (laid_out(array) for array in (row_bin, values, used, weights))
    np.testing.assert_array_equal(counting_sort(row_bin, 4)[0], expected[0])
    np.testing.assert_array_equal(by_bin(bin_medians, row_bin, 4, values), expected[1])
    np.testing.assert_array_equal(by_bin(weighted_bin_mads, row_bin, 4, values, used, weights), expected[2])
    rows, offsets = (laid_out(array) for array in counting_sort(row_bin, 4))
    result = np.empty((4, 2))[:, 0]
    bin_medians(values, rows, offsets, 0, 4, result)
    np.testing.assert_array_equal(result, expected[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_medians_of_every_dtype(dtype):
    rng = np.random.default_rng(3)
    values, row_bin = sample(dtype, 600, rng), rng.integers(-1, 31, size=600)
    row_bin[row_bin == 11] = 4
    values_before = values.copy()
    expected = [median_of(values[row_bin == b]) for b in range(31)]
    np.testing.assert_array_equal(by_bin(bin_medians, row_bin, 31, values), expected)
    np.testing.assert_array_equal(by_bin(weighted_bin_medians, row_bin, 31, values, np.full(600, 0.3)), expected)
    np.testing.assert_array_equal(values, values_before)
    assert np.isnan(expected[11])


def test_integers_beyond_double_precision_are_rounded_to_it():
    assert of_one_bin(bin_medians, np.array([2**53 + 1])) == float(2**53)
    assert of_one_bin(bin_medians, np.array([2**53 + 3, 2**53 + 3])) == float(2**53 + 4)
    assert of_one_bin(bin_medians, np.array([2**64 - 1, 0, 2**64 - 1], dtype=np.uint64)) == 2.0**64


@pytest.mark.parametrize("size", [*range(1, 70), 511, 512, 513])
def test_medians_of_every_size(size):
    rng = np.random.default_rng(size)
    for values in (rng.normal(size=size), rng.integers(0, 5, size=size).astype(float), np.arange(size) % 2 * 1.0):
        assert of_one_bin(bin_medians, values) == np.median(values)
        assert of_one_bin(weighted_bin_medians, values, np.full(size, 0.1)) == np.median(values)


PATTERNS = {
    "sorted": lambda i: i,
    "reversed": lambda i: len(i) - i,
    "equal": lambda i: 0 * i,
    "all but one equal": lambda i: i == len(i) // 3,
    "two values": lambda i: i % 2,
    "organ pipe": lambda i: np.minimum(i, len(i) - i),
    "valley": lambda i: np.maximum(i, len(i) - i),
    "saw": lambda i: i % 1000,
    "rotated": lambda i: (i + len(i) // 2) % len(i),
    "scattered": lambda i: i * 7919 % len(i),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("n", [999_999, 1_000_000])
def test_a_million_rows_in_one_bin_in_any_pattern(pattern, n):
    values = PATTERNS[pattern](np.arange(n)).astype(np.float64)
    used = np.ones(n, dtype=bool)
    middle = np.median(values)
    assert of_one_bin(bin_medians, values) == middle
    assert of_one_bin(weighted_bin_medians, values, np.full(n, 2.0)) == middle
    assert of_one_bin(bin_mads, values, used) == np.median(np.abs(values - middle))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_ends_in_a_sort(pattern, monkeypatch):
    """Interpreted, since compiled loops keep the functions they were compiled with."""
    monkeypatch.setattr(selection, "_heap_sort", None)
    values = PATTERNS[pattern](np.arange(4001)).astype(np.float64)
    expected = np.median(values)
    select = getattr(selection._select, "py_func", selection._select)
    select(values, 4001, 2000)
    assert values[2000] == expected


@pytest.mark.parametrize("n", [1, 2, 17, 500])
def test_selection_out_of_looks_sorts(n, monkeypatch):
    monkeypatch.setattr(selection, "_LOOKS", 0)
    monkeypatch.setattr(selection, "_pivot", None)
    values = np.random.default_rng(n).integers(0, 60, size=n).astype(float)
    expected = np.sort(values)
    select = getattr(selection._select, "py_func", selection._select)
    select(values, n, n // 2)
    np.testing.assert_array_equal(values, expected)


def test_the_smallest_pivot_ends_too(monkeypatch):
    monkeypatch.setattr(selection, "_pivot", lambda values, first, last, seed: (values[first : last + 1].min(), seed))
    values = np.random.default_rng(1).permutation(400.0 * np.arange(300))
    select = getattr(selection._select, "py_func", selection._select)
    select(values, 300, 150)
    assert values[150] == 400.0 * 150


NAN_PAYLOADS = [
    struct.unpack("<d", struct.pack("<Q", bits))[0]
    for bits in (0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0xFFFFFFFFFFFFFFFF, 0x7FF80000DEADBEEF)
]


def test_every_nan_is_left_out():
    values = np.array([*NAN_PAYLOADS, 3.0, *NAN_PAYLOADS, 1.0])
    weights = np.ones(len(values))
    used = weights > 0
    assert of_one_bin(bin_medians, values) == 2.0
    assert of_one_bin(weighted_bin_medians, values, weights) == 2.0
    assert of_one_bin(bin_mads, values, used) == 1.0
    assert of_one_bin(weighted_bin_mads, values, used, weights) == 1.0
    for kernel, columns in [
        (bin_medians, ()),
        (weighted_bin_medians, (weights,)),
        (bin_mads, (used,)),
        (weighted_bin_mads, (used, weights)),
    ]:
        assert np.isnan(of_one_bin(kernel, np.array(NAN_PAYLOADS), *(column[:5] for column in columns)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.inf], np.inf),
        ([-np.inf, 1.0], -np.inf),
        ([np.inf, np.inf], np.inf),
        ([-np.inf, np.inf], np.nan),
        ([-np.inf, 2.0, np.inf], 2.0),
        ([LARGEST, LARGEST], LARGEST),
        ([-LARGEST, -LARGEST], -LARGEST),
        ([LARGEST, LARGEST / 2], LARGEST * 0.75),
        ([-LARGEST, LARGEST], 0.0),
        ([SMALLEST, LARGEST], LARGEST / 2),
        ([SMALLEST], SMALLEST),
        ([SMALLEST, SMALLEST], SMALLEST),
        ([SMALLEST, 3 * SMALLEST], 2 * SMALLEST),
        ([-SMALLEST, SMALLEST], 0.0),
    ],
)
def test_medians_at_the_ends_of_the_range(values, expected):
    for order in permutations(values):
        assert of_one_bin(bin_medians, np.array(order)) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
        result = of_one_bin(weighted_bin_medians, np.array(order), np.full(len(values), 0.7))
        assert result == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("values", [[-0.0], [0.0, -0.0], [-0.0, -0.0], [-0.0, 0.0, -0.0], [-0.0] * 40 + [0.0] * 41])
def test_zero_has_no_sign(values):
    for order in (values, values[::-1]):
        assert math.copysign(1.0, of_one_bin(bin_medians, np.array(order))) == 1.0
        assert math.copysign(1.0, of_one_bin(weighted_bin_medians, np.array(order), np.ones(len(order)))) == 1.0


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ([5.0, 1.0, 3.0], [3.0, 1.0, 2.0], 4.0),
        ([1.0, 2.0, 4.0], [1.0, 5.0, 1.0], 2.0),
        ([1.0, 9.0], [1.0, 0.0], 1.0),
        ([1.0, 9.0], [0.0, 0.0], np.nan),
        ([np.nan, 9.0], [1.0, 1.0], 9.0),
        ([2.0, 2.0, 9.0], [1.0, 1.0, 2.0], 5.5),
        ([2.0, 2.0, 9.0], [0.1, 0.2, 0.3], 5.5),  # 0.1 + 0.2 is not 0.3: within 4 roundoff units it is half
        ([1.0, 2.0, 3.0], [1.0, 1e-17, 1.0], 2.0),
        ([1.0, 2.0], [1.0, 1.0 + 1e-14], 2.0),
        ([1.0, 2.0], [1e308, 1e308 / 2], 1.0),
        ([1.0, 2.0], [SMALLEST, SMALLEST], 1.5),
        ([4.0, 3.0], [SMALLEST, 2 * SMALLEST], 3.0),
    ],
)
def test_weighted_medians(values, weights, expected):
    for order in permutations(range(len(values))):
        result = of_one_bin(weighted_bin_medians, np.array(values)[list(order)], np.array(weights)[list(order)])
        assert result == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("size", [*range(1, 40), 1000, 1001])
def test_weighted_medians_of_every_size(size):
    rng = np.random.default_rng(size)
    values = rng.integers(0, 40, size=size) / 8
    for weights in (rng.integers(0, 4, size=size) * 1.0, 10.0 ** rng.uniform(-3, 3, size=size)):
        np.testing.assert_equal(of_one_bin(weighted_bin_medians, values, weights), weighted_median_of(values, weights))


def test_the_weights_of_a_million_rows_hide_no_tie():
    """Summed one after the other without compensation 0.1 a row is off by 1e-11, far beyond 4 roundoff units."""
    n = 1_000_000
    assert of_one_bin(weighted_bin_medians, np.arange(n), np.full(n, 0.1)) == np.median(np.arange(n))


def test_only_the_asked_bins_are_written():
    row_bin, values = np.repeat(np.arange(5), [3, 0, 40, 2, 6]), np.arange(51.0)
    used, weights = np.ones(51, dtype=bool), np.ones(51)
    rows, offsets = counting_sort(row_bin, 5)
    for kernel, columns in [
        (bin_medians, ()),
        (weighted_bin_medians, (weights,)),
        (bin_mads, (used,)),
        (weighted_bin_mads, (used, weights)),
    ]:
        whole, parts = np.full(5, -7.0), np.full(5, -7.0)
        kernel(values, *columns, rows, offsets, 0, 5, whole)
        kernel(values, *columns, rows, offsets, 2, 4, parts)
        np.testing.assert_array_equal(parts, [-7, -7, *whole[2:4], -7])
        for start, stop in [(0, 2), (4, 5), (5, 5), (3, 3)]:
            kernel(values, *columns, rows, offsets, start, stop, parts)
        np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("size", [*range(1, 40), 1000])
def test_mads_are_medians_of_deviations_of_the_used_rows(size):
    rng = np.random.default_rng(size)
    values, used = rng.normal(5.0, size=size), rng.random(size) < 0.7
    weights = rng.integers(0, 5, size=size) * 1.0
    values[rng.random(size) < 0.1] = np.nan
    middle = median_of(values[used])
    assert of_one_bin(bin_mads, values, used) == pytest.approx(
        median_of(np.abs(values - middle)[used]), rel=0, abs=0, nan_ok=True
    )
    middle = weighted_median_of(values[used], weights[used])
    expected = weighted_median_of(np.abs(values - middle)[used], weights[used])
    assert of_one_bin(weighted_bin_mads, values, used, weights) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.inf, np.inf, 1.0], np.inf),
        ([np.inf], np.nan),
        ([-np.inf, np.inf], np.nan),
        ([np.inf, 1.0, 2.0], 1.0),
        ([3.0, 3.0, 3.0, 9.0], 0.0),
    ],
)
def test_mads_of_infinite_values(values, expected):
    used, weights = np.ones(len(values), dtype=bool), np.ones(len(values))
    np.testing.assert_equal(of_one_bin(bin_mads, np.array(values), used), expected)
    np.testing.assert_equal(of_one_bin(weighted_bin_mads, np.array(values), used, weights), expected)


NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, 2.0, np.inf, -np.inf, np.nan]))


@given(arrays.arrays(np.float64, st.integers(1, 60), elements=NUMBERS), st.data())
def test_properties(values, data):
    n = len(values)
    row_bin = data.draw(arrays.arrays(np.int64, n, elements=st.integers(-1, 4)))
    weights = data.draw(arrays.arrays(np.float64, n, elements=st.integers(0, 4).map(float)))
    plain = by_bin(bin_medians, row_bin, 5, values)
    weighted = by_bin(weighted_bin_medians, row_bin, 5, values, weights)
    order = data.draw(st.permutations(range(n)))
    np.testing.assert_array_equal(by_bin(bin_medians, row_bin[order], 5, values[order]), plain)
    np.testing.assert_array_equal(
        by_bin(weighted_bin_medians, row_bin[order], 5, values[order], weights[order]), weighted
    )
    repeated = np.repeat(np.arange(n), weights.astype(int))  # whole weights are repetitions of the row
    np.testing.assert_array_equal(by_bin(bin_medians, row_bin[repeated], 5, values[repeated]), weighted)
    for b in range(5):
        inside = values[row_bin == b]
        with np.errstate(over="ignore"):
            overflows = np.isinf(median_of(inside)) and np.isfinite(plain[b])
        assert overflows or plain[b] == median_of(inside) or np.isnan([plain[b], median_of(inside)]).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_nodes_of_both_engines_agree(weighted):
    rng = np.random.default_rng(17)
    n, n_bins = 2000, 90
    bin_map = BinMap(rng.integers(-1, n_bins - 3, size=n), n_bins)
    frame = pd.DataFrame({f"c{dtype}": sample(dtype, n, rng) for dtype in DTYPES})
    frame["nullable"] = pd.array(np.where(rng.random(n) < 0.3, None, rng.integers(0, 9, size=n)), dtype="Int64")
    frame["half"] = rng.normal(size=n).astype(np.float16)
    frame["long"] = rng.normal(size=n).astype(np.longdouble)
    frame["foreign"] = rng.normal(size=n).astype(np.dtype("f8").newbyteorder())
    weights = np.where(rng.random(n) < 0.1, 0.0, rng.uniform(0.1, 9.0, size=n))
    bin_rows = bin_rows__numba(bin_map)
    ours = bin_medians__numba(frame, list(frame), bin_rows, weights, weighted, 1)
    expected = bin_medians__pandas(frame, list(frame), bin_map, weights, weighted)
    np.testing.assert_array_equal(ours, expected)
    assert ours.shape == (n_bins, len(frame.columns))
    assert bin_medians__numba(frame, [], bin_rows, weights, weighted, 1).shape == (n_bins, 0)
    residual = rng.normal(size=(n, 3))
    residual[rng.random((n, 3)) < 0.1] = np.nan
    blocks = (TargetBlock((2, 0), rng.random(n) < 0.7), TargetBlock((1,), rng.random(n) < 0.7))
    np.testing.assert_array_equal(
        mad__numba(residual, blocks, bin_rows, weights, weighted, 1),
        mad__pandas(residual, blocks, bin_map, weights, weighted),
    )


def test_the_graph_picks_the_compiled_nodes():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"v": rng.normal(size=50)})
    given = {"frame": frame, "medians": ["v"], "weighted_medians": False, "row_weights": np.ones(50), "threads": 1}
    found = {"bin_map": BinMap(rng.integers(-1, 4, size=50), 4)}
    driver = Driver([bin_map_nodes, statistics_nodes], {"engine": "numba"})
    medians = driver.execute(["bin_medians"], given, found)["bin_medians"]
    assert driver.report()["node"].tolist()[-2:] == ["bin_rows", "bin_medians"]
    slow = Driver([bin_map_nodes, statistics_nodes], {"engine": "numpy"})
    np.testing.assert_array_equal(medians, slow.execute(["bin_medians"], given, found)["bin_medians"])


def test_columns_are_copied_only_where_they_must():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": np.array([1, 2], dtype="u2")})
    assert np.shares_memory(compiled_values(frame["a"]), frame["a"].to_numpy())
    assert compiled_values(frame["b"]).dtype == np.uint16


SMALL_RUN = """
import sys
import numpy as np
from gbr_dag.kernels import medians
from gbr_dag.kernels.counting_sort import counting_sort
from gbr_dag.kernels.order_statistics import bin_mads, bin_medians, weighted_bin_mads, weighted_bin_medians

rng = np.random.default_rng(4)
row_bin = rng.integers(-1, 6, size=400)
row_bin[row_bin == 3] = 2
floats = rng.normal(size=400)
floats[::9] = np.nan
used, weights = rng.random(400) < 0.8, rng.integers(0, 9, size=400) / 8
rows, offsets = counting_sort(row_bin, 6)
results = [rows.astype(float), offsets.astype(float)]
for values in (floats, floats.astype("f4"), rng.integers(-9, 9, size=400, dtype="i2"), row_bin.astype("u8"), used):
    for kernel, columns in (
        (bin_medians, ()),
        (weighted_bin_medians, (weights,)),
        (bin_mads, (used,)),
        (weighted_bin_mads, (used, weights)),
    ):
        if kernel in (bin_mads, weighted_bin_mads):
            values = floats
        results.append(np.full(6, -7.0))
        kernel(values, *columns, rows, offsets, 0, 6, results[-1])
print(hasattr(medians.median, "py_func"), np.concatenate(results).tobytes().hex())
"""


def small_run(**environment):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", SMALL_RUN],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.split()


def test_interpreted_loops_give_the_same_bits():
    compiled, result = small_run(NUMBA_DISABLE_JIT="0")
    interpreted, same = small_run(NUMBA_DISABLE_JIT="1")
    assert (compiled, interpreted) == ("True", "False")
    assert result == same

"""Values and sizes at the ends of what a machine holds: right numbers or a refusal, never garbage."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gbr_dag
from gbr_dag.nodes import binning

END = 2**63
MODEL = {"by": "g", "targets": "y", "predictors": "x", "weights": "w"}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 48
    frame = pd.DataFrame({"g": np.arange(n) % 4, "x": rng.normal(size=n), "w": rng.uniform(0.1, 5.0, size=n)})
    return frame.assign(y=1.0 + 2.0 * frame["x"] + rng.normal(size=n))


def fit(frame, engine, **changes):
    return gbr_dag.fit_groups(frame, **{**MODEL, **changes}, engine=engine)


def assert_same_numbers(one: pd.DataFrame, two: pd.DataFrame, but: tuple[str, ...] = ()) -> None:
    pd.testing.assert_frame_equal(one.drop(columns=list(but)), two.drop(columns=list(but)), check_exact=True)


KEYS = {
    "around 2**62": [-(2**62) - 1, -(2**62), -(2**62) + 1, 2**62 - 1, 2**62, 2**62 + 1],
    "span 2**62": [0, 5, 2**62 - 1],
    "span 2**62 and one more": [0, 5, 2**62],
    "both ends": [-END, -END + 1, 0, END - 2, END - 1],
    "the low end": [-END, -END + 1, -END + 7],
    "the high end": [END - 9, END - 2, END - 1],
    "unsigned ends": [0, END - 1, END, END + 1, 2 * END - 1],
}


@pytest.mark.parametrize("case", KEYS)
def test_integer_keys_at_the_ends(case, engine):
    dtype = np.uint64 if case.startswith("unsigned") else np.int64
    keys = np.array(KEYS[case], dtype=dtype)
    rng = np.random.default_rng(1)
    place = rng.permutation(np.arange(10 * len(keys)) % len(keys))
    frame = pd.DataFrame({"g": place, "x": rng.normal(size=len(place)), "y": rng.normal(size=len(place)), "w": 2.0})
    table = fit(frame.assign(g=keys[place]), engine)
    assert table["g"].dtype == dtype
    assert table["g"].tolist() == KEYS[case]
    assert_same_numbers(table, fit(frame, engine), but=("g",))
    chosen = fit(frame.assign(g=keys[place]), engine, selection=place != 0)
    assert chosen["g"].tolist() == KEYS[case][1:]


@pytest.mark.parametrize("span", [2**31, 2**61, 2**62 - 1])
def test_several_keys_whose_spans_multiply_beyond_int64(span, engine):
    """16 x 16 combinations: ranks of the first key times the span of the second leave int64 too."""
    one, other = np.divmod(np.random.default_rng(2).permutation(np.repeat(np.arange(256), 2)), 16)
    values = np.append(np.arange(15) * (span // 16), span - 1)
    frame = pd.DataFrame({"a": values[one], "b": values[other], "y": np.arange(512.0)})
    table = gbr_dag.fit_groups(frame, ["a", "b"], "y", engine=engine)
    expected = frame.groupby(["a", "b"])["y"].mean().reset_index()
    assert table[["a", "b"]].to_numpy().tolist() == expected[["a", "b"]].to_numpy().tolist()
    np.testing.assert_allclose(table["y_intercept"], expected["y"], rtol=1e-15)


def test_ten_million_rows_in_one_group():
    """rtol 1e-12: numpy's own sums over 10 million rows, pairwise and centred, round to about 1e-14."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(10_000_000)
    y = x + rng.standard_normal(len(x))
    frame = pd.DataFrame({"g": np.full(len(x), -5, dtype=np.int8), "x": x, "y": y}, copy=False)
    table = gbr_dag.fit_groups(frame, "g", "y", "x", threads=2).iloc[0]
    centred = np.stack([x - x.mean(), y - y.mean()])
    (sxx, sxy), (_, syy) = centred @ centred.T
    assert (table["y_n_used"], table["n_rows"], table["y_status"]) == (len(x), len(x), 0)
    np.testing.assert_allclose(table["y_slope_x"], sxy / sxx, rtol=1e-12)
    np.testing.assert_allclose(table["y_intercept"], y.mean() - sxy / sxx * x.mean(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(table["y_rms"], np.sqrt((syy - sxy**2 / sxx) / (len(x) - 2)), rtol=1e-12)


def test_five_million_groups_of_two_rows():
    """Takes about 1.5 GB, 160 MB of which are the frame."""
    n_groups = 5_000_000
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((2, n_groups))
    frame = pd.DataFrame({"g": np.tile(np.arange(n_groups)[::-1], 2), "y": np.concatenate([first, second])}, copy=False)
    table = gbr_dag.fit_groups(frame, "g", "y", diagnostics="errors", threads=2)
    assert len(table) == n_groups
    assert (table["y_n_used"] == 2).all()
    # one rounding of the sum, one of the difference; the mean of two numbers of opposite sign cancels
    np.testing.assert_allclose(table["y_intercept"], (first + second)[::-1] / 2, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(table["y_intercept_err"], np.abs(first - second)[::-1] / 2, rtol=1e-14)
    some = frame[frame["g"] % 50_000 == 7]
    means = some.groupby("g")["y"].mean()
    np.testing.assert_allclose(table.set_index("g").loc[means.index, "y_intercept"], means, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("n_keys", [1, 2])
def test_without_memory_for_the_grid_keys_are_ranked(frame, engine, n_keys, monkeypatch):
    frame["h"] = frame["g"].to_numpy()[::-1] * 7
    by = ["g", "h"][:n_keys]
    expected = fit(frame, engine, by=by)
    asked = []

    def no_memory(n_cells: int) -> bool:
        asked.append(n_cells)
        return False

    monkeypatch.setattr(binning, "_grid_fits", no_memory)
    assert_same_numbers(fit(frame, engine, by=by), expected)
    assert asked == [4 if n_keys == 1 else 4 * 22]


LIMITED = """
import resource, sys
import numpy as np, pandas as pd, gbr_dag
from gbr_dag.nodes import binning

rng = np.random.default_rng(5)
n = 2_000_000
frame = pd.DataFrame({"g": rng.integers(0, 4 * n - 1, 200)[rng.integers(0, 200, n)], "y": rng.normal(size=n)})
frame.loc[:1, "g"] = [0, 4 * n - 1]
expected = gbr_dag.fit_groups(frame, "g", "y", threads=1)
ranked = []
original = binning._ranked
binning._ranked = lambda coordinates: ranked.append(1) or original(coordinates)
gbr_dag.fit_groups(frame.head(9), "g", "y", threads=1)
ranked.clear()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
free = {"none": 100, "rows only": 85, "plenty": 2000}[sys.argv[1]] * 10**6
resource.setrlimit(resource.RLIMIT_AS, (used + free, resource.RLIM_INFINITY))
table = gbr_dag.fit_groups(frame, "g", "y", threads=1)
sys.stdout.write(f"{len(ranked)} {table.equals(expected)}")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space as Linux does")
@pytest.mark.parametrize(("free", "ranked"), [("rows only", "1"), ("plenty", "0")])
def test_a_limit_on_memory_takes_the_way_with_less(free, ranked):
    """A grid of 8M cells needs 96 MB beside the rows; 200 occupied groups do not."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, free], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.returncode) == (f"{ranked} True", 0), done.stderr


NANS = {
    "negative": 0xFFF8000000000000,
    "payload": 0x7FF8DEADBEEF0001,
    "signalling": 0x7FF0000000000001,
    "negative signalling": 0xFFF7FFFFFFFFFFFF,
    "all bits": 0xFFFFFFFFFFFFFFFF,
}


@pytest.mark.parametrize("column", ["x", "y", "w", "g"])
@pytest.mark.parametrize("bits", NANS.values(), ids=NANS)
def test_every_nan_is_missing(frame, engine, column, bits):
    frame["g"] = frame["g"] + 0.5
    values = frame[column].to_numpy().copy()
    values.view(np.uint64)[5::9] = bits
    odd = pd.DataFrame({**frame, column: values}, copy=False)
    assert np.isnan(odd[column]).sum() == len(values[5::9])
    kept = np.ones(len(frame), dtype=bool)
    kept[5::9] = False
    assert_same_numbers(fit(odd, engine), fit(frame[kept], engine), but=("n_rows",))
    reasons = {"x": "predictor missing or infinite", "w": "weight missing or infinite", "g": "key missing"}
    reason = reasons.get(column, "target missing or infinite: y")
    assert gbr_dag.fit_metadata(fit(odd, engine))["left_out_rows"][reason] == len(values[5::9])


@pytest.mark.parametrize("column", ["x", "y", "w"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinities_are_left_out(frame, engine, column, value):
    odd = frame.copy()
    odd.loc[[0, 1, 7], column] = value
    assert_same_numbers(fit(odd, engine), fit(frame.drop([0, 1, 7]), engine), but=("n_rows",))


def test_infinite_float_keys_are_keys(frame, engine):
    names = np.array([-np.inf, -1.5, 0.0, np.inf])
    table = fit(frame.assign(g=names[frame["g"]]), engine)
    assert table["g"].tolist() == names.tolist()
    assert_same_numbers(table, fit(frame, engine), but=("g",))


def test_zeros_of_both_signs_are_one(frame, engine):
    zeros = np.where(np.arange(len(frame)) % 3 == 0, -0.0, 0.0)
    keyed = fit(frame.assign(g=zeros), engine)
    assert keyed["g"].tolist() == [0.0]
    assert not np.signbit(keyed["g"]).any()
    assert_same_numbers(keyed, fit(frame.assign(g=0.0), engine))
    for column in ("x", "y", "w"):
        half = frame[column].where(frame.index % 8 < 4, 0.0)
        negative = half.where(half != 0.0, -0.0)
        one, other = (fit(frame.assign(**{column: values}), engine) for values in (half, negative))
        assert_same_numbers(one, other)


@pytest.mark.parametrize("factor", [1e-155, 1e-160, 1e-170, 1e-308, 1e-320, 1e155])
@pytest.mark.parametrize("column", ["x", "y", "w"])
@pytest.mark.parametrize("everywhere", [True, False], ids=["all groups", "one group"])
def test_sizes_whose_squares_leave_the_doubles_are_refused(frame, column, factor, everywhere):
    """Also in one group among others: its sums of squares would have a few digits or none."""
    rows = (frame["g"] == 2) | everywhere
    odd = frame.assign(**{column: frame[column].where(~rows, frame[column] * factor)})
    with pytest.raises(gbr_dag.InputError, match=rf"column '{column}' has values up to .* rescale it"):
        fit(odd, "numba")


@pytest.mark.parametrize("factor", [1e-95, 1e-60, 1e60, 1e95])
@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_sizes_just_inside_are_fitted_in_full(frame, engine, column, factor):
    """rtol 1e-12: the factor is no power of two, so that the data are rounded anew."""
    rows = frame["g"] == 2
    odd = fit(frame.assign(**{column: frame[column].where(~rows, frame[column] * factor)}), engine).loc[2]
    plain = fit(frame, engine).loc[2]
    powers = {"x": (0, 0, -1, -1, 0), "y": (1, 1, 1, 1, 1), "w": (0, 0, 0, 0, 0.5)}[column]
    names = ("y_intercept", "y_intercept_err", "y_slope_x", "y_slope_x_err", "y_rms")
    for name, power in zip(names, powers):
        np.testing.assert_allclose(odd[name], plain[name] * factor**power, rtol=1e-12)


@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_denormals_beside_normal_values_are_zeros(frame, engine, column):
    odd, zero = frame.copy(), frame.copy()
    odd.loc[::5, column], zero.loc[::5, column] = 5e-324, 0.0
    one, other = fit(odd, engine), fit(zero, engine)
    # a row of weight 5e-324 counts, as its weight is positive; the sums do not feel it
    names = ["y_intercept", "y_slope_x"] if column == "w" else list(one)
    pd.testing.assert_frame_equal(one[names], other[names], rtol=1e-12)


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64", "longdouble"]


@pytest.mark.parametrize("column", ["x", "y", "w"])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, ">i2", ">u4", ">i8", ">f2", ">f4", ">f8", "bool"])
def test_every_number_enters_as_its_double(frame, engine, column, dtype):
    values = np.random.default_rng(6).integers(0, 2 if dtype == "bool" else 100, size=len(frame)).astype(dtype)
    typed = fit(frame.assign(**{column: values}), engine)
    # single precision stays so to the rank's tolerance, which no column here comes near
    assert_same_numbers(typed, fit(frame.assign(**{column: values.astype(np.float64)}), engine))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_beyond_double_precision_are_rounded_to_doubles(frame, engine, dtype):
    info = np.iinfo(dtype)
    values = np.random.default_rng(7).integers(info.min, info.max, size=len(frame), dtype=dtype, endpoint=True)
    values[:4] = [info.max, info.max - 1, 2**53 + 1, info.min]
    for column in ("x", "y"):
        typed = fit(frame.assign(**{column: values}), engine)
        assert (typed["y_status"] == 0).all()
        assert_same_numbers(typed, fit(frame.assign(**{column: values.astype(np.float64)}), engine))


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_single_precision_of_either_byte_order_is_judged_by_its_rounding(engine, dtype):
    x = np.random.default_rng(8).uniform(1.0, 2.0, size=30)
    frame = pd.DataFrame({"g": 1, "x": x, "third": (x / 3).astype(dtype), "y": x**2})
    table = gbr_dag.fit_groups(frame, "g", "y", ["x", "third"], engine=engine)
    assert table.loc[0, "y_status"] & gbr_dag.FitStatus.RANK_DEFICIENT


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="longdouble is double here")
@pytest.mark.parametrize("column", ["x", "y", "w"])
def test_extended_precision_beyond_doubles_is_refused(frame, engine, column):
    wide = frame[column].to_numpy().astype(np.longdouble)
    wide[3] = np.longdouble("1e4000")
    if column == "w":  # infinite among doubles, and as such left out
        table = fit(frame.assign(**{column: wide}), engine)
        assert gbr_dag.fit_metadata(table)["left_out_rows"]["weight missing or infinite"] == 1
    else:
        with pytest.raises(gbr_dag.InputError, match=rf"column '{column}' has values up to inf in size"):
            fit(frame.assign(**{column: wide}), engine)
    wide[3] = np.longdouble("1e-4000")  # zero among doubles
    zero = frame[column].where(frame.index != 3, 0.0)
    assert_same_numbers(fit(frame.assign(**{column: wide}), engine), fit(frame.assign(**{column: zero}), engine))


@pytest.mark.parametrize("argument", ["targets", "predictors", "weights"])
@pytest.mark.parametrize("kind", ["pandas arrow", "pandas object", "polars", "pyarrow"])
def test_decimals_are_refused_with_the_way_out(frame, engine, argument, kind):
    column = {"targets": "y", "predictors": "x", "weights": "w"}[argument]
    values = [Decimal(i) / 8 for i in range(len(frame))]
    if kind == "pandas arrow":
        odd, way_out = frame.assign(**{column: pd.array(values, dtype=pd.ArrowDtype(pa.decimal128(9, 3)))}), "astype"
    elif kind == "pandas object":
        odd, way_out = frame.assign(**{column: values}), "astype"
    elif kind == "polars":
        odd, way_out = pl.from_pandas(frame).with_columns(pl.Series(column, values, dtype=pl.Decimal(9, 3))), "cast"
    else:
        plain = pa.Table.from_pandas(frame)
        place = plain.schema.get_field_index(column)
        odd, way_out = plain.set_column(place, column, pa.array(values, pa.decimal128(9, 3))), "cast"
    with pytest.raises(gbr_dag.InputError, match=rf"{argument} must be numeric, column '{column}' is .*{way_out}"):
        fit(odd, engine)


@pytest.mark.parametrize("predictors", [(), "x"])
def test_frames_without_rows_or_groups(frame, engine, predictors):
    full = fit(frame, engine, predictors=predictors)
    nothing = {
        "no rows": (frame.iloc[:0], {}),
        "none selected": (frame, {"selection": np.zeros(len(frame), dtype=bool)}),
        "no keys": (frame.assign(g=pd.array([None] * len(frame), dtype="Int64")), {}),
    }
    for odd, changes in nothing.values():
        table = fit(odd, engine, predictors=predictors, **changes)
        assert len(table) == 0
        pd.testing.assert_series_equal(table.dtypes.drop("g"), full.dtypes.drop("g"))
    unweighted = fit(frame.assign(w=0), engine, predictors=predictors)
    assert (unweighted["y_status"] == gbr_dag.FitStatus.INSUFFICIENT).all()
    assert unweighted["y_intercept"].isna().all()
    assert unweighted["n_rows"].tolist() == full["n_rows"].tolist()


def test_a_single_row(frame, engine):
    mean = fit(frame.iloc[[9]], engine, predictors=())
    assert mean["y_intercept"].tolist() == [frame.loc[9, "y"]]
    assert mean["y_intercept_err"].isna().all()
    assert mean["y_status"].tolist() == [gbr_dag.FitStatus.SATURATED]
    line = fit(frame.iloc[[9]], engine)
    assert line["y_status"].tolist() == [gbr_dag.FitStatus.INSUFFICIENT]
    assert line["y_intercept"].isna().all()


def test_strided_columns(frame, engine):
    expected = fit(frame, engine)
    names = ["x", "y", "w"]
    block = np.ascontiguousarray(frame[names].to_numpy())
    columns = {name: block[:, i] for i, name in enumerate(names)}
    twice = np.repeat(frame[names].to_numpy(), 2, axis=0)
    second = {name: np.ascontiguousarray(twice[:, i])[::2] for i, name in enumerate(names)}
    backwards = {name: frame[name].to_numpy()[::-1].copy()[::-1] for name in names}
    keys = np.repeat(frame["g"].to_numpy(), 2)[::2]
    for arrays in (columns, second, backwards):
        odd = pd.DataFrame({"g": keys, **arrays}, copy=False)
        assert odd["x"].to_numpy().strides != (8,)
        assert_same_numbers(fit(odd, engine), expected)

"""Bins made of other columns: by edges, widths and expressions."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.bin_columns import bin_values, bins_record, checked_bins


def bins_of(described, **columns):
    """Bins as a list, None where there is none; the recorded rule gives the same."""
    frame = pd.DataFrame(columns)
    bins = checked_bins("bin", described)
    found = pd.Series(bin_values("bin", bins, frame))
    again = checked_bins("bin", json.loads(json.dumps(bins_record(bins))))
    pd.testing.assert_series_equal(pd.Series(bin_values("bin", again, frame)), found)
    return [None if pd.isna(value) else int(value) for value in found]


def test_edges_are_as_those_of_histograms():
    edges, inf = [-1.0, 0.0, 0.5, 2.0], np.inf
    x = np.array([-1.0, -0.0, 0.0, 0.49, 0.5, 2.0, -1.1, 2.1, np.nan, inf, -inf])
    assert bins_of({"column": "x", "edges": edges}, x=x) == [0, 1, 1, 1, 2, 2, *[None] * 5]
    inside = np.isfinite(x)
    counted = np.bincount([b for b in bins_of({"column": "x", "edges": edges}, x=x) if b is not None])
    assert counted.tolist() == np.histogram(x[inside], edges)[0].tolist()


@pytest.mark.parametrize(
    ("rule", "x", "expected"),
    [
        ({"width": 2.0}, [-0.1, 0.0, 1.9, 2.0, np.nan, np.inf], [-1, 0, 0, 1, None, None]),
        ({"width": 0.5, "origin": 0.25}, [0.0, 0.25, 0.75], [-1, 0, 1]),
        ({"width": 3, "origin": 1}, np.array([-5, 0, 1, 3, 4]), [-2, -1, 0, 0, 1]),
        ({"width": 2}, np.array([2**59 + 1, -(2**59) - 1]), [2**58, -(2**58) - 1]),
        ({"width": 50}, np.array([2**61 + 49, 2**61 - 51]), [(2**61 + 49) // 50, (2**61 - 51) // 50]),
        ({"width": 2}, np.array([7, 250], dtype=np.uint8), [3, 125]),
        ({"width": 3, "origin": 10}, np.array([7, 250], dtype=np.uint8), [-1, 80]),
        ({"width": 1}, np.array([1.5, 2.5], dtype=np.float32), [1, 2]),
        ({"width": 2}, pd.array([3, None, -1], dtype="Int64"), [1, None, -1]),
    ],
)
def test_widths(rule, x, expected):
    assert bins_of({"column": "x", **rule}, x=x) == expected


@pytest.mark.parametrize(
    ("width", "x"), [(50, np.array([2**63 + 49], dtype=np.uint64)), (50, np.array([2**62])), (0.5, np.array([2**54]))]
)
def test_integers_that_doubles_would_round_are_refused(width, x):
    with pytest.raises(
        gbr_dag.InputError, match=r"integers must lie within -2\*\*\d\d to 2\*\*\d\d.*subtract an offset"
    ):
        bins_of({"column": "x", "width": width}, x=x)


def test_integers_that_expressions_would_round_are_refused():
    with pytest.raises(gbr_dag.InputError, match=r"expression 'x % 7' is in doubles, which integers beyond 2\*\*53"):
        bins_of("x % 7", x=np.array([2**60 + 3]))
    assert bins_of("x % 7", x=np.array([2**53, -3])) == [2**53 % 7, 4]


TIMES = ["2024-01-01 00:10:00", "2024-01-01 00:50:00", None, "1969-12-31 23:59:59"]
HALF_HOURS = 19723 * 48


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_widths_of_times(unit):
    times = pd.Series(pd.to_datetime(TIMES)).astype(f"datetime64[{unit}]")
    assert bins_of({"column": "t", "width": "30min"}, t=times) == [HALF_HOURS, HALF_HOURS + 1, None, -1]
    rule = {"column": "t", "width": pd.Timedelta("30min"), "origin": "2024-01-01 00:20"}
    assert bins_of(rule, t=times)[:3] == [-1, 1, None]
    assert bins_of({"column": "t", "width": "1ns"}, t=times[:1] - pd.Timestamp("2024-01-01") + pd.Timestamp(0)) == [
        600 * 10**9
    ]


def test_time_zones_count_from_utc():
    times = pd.Series(pd.to_datetime(TIMES)).dt.tz_localize("America/New_York")
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None)
    rule = {"column": "t", "width": "1h"}
    assert bins_of(rule, t=times) == bins_of(rule, t=utc)
    zoned = {**rule, "origin": pd.Timestamp("2024-01-01 00:00", tz="America/New_York")}
    assert bins_of(zoned, t=times)[:2] == [0, 0]


def test_durations():
    spent = pd.Series(pd.to_timedelta(["10min", "95min", None]))
    assert bins_of({"column": "t", "width": "30min"}, t=spent) == [0, 3, None]
    assert bins_of({"column": "t", "width": "30min", "origin": pd.Timedelta("60min")}, t=spent) == [-2, 1, None]


def test_expressions():
    x, y = np.array([0.5, -0.5, 7.0, np.nan]), np.array([1, 2, 3, 4])
    assert bins_of("x // 2", x=x) == [0, -1, 3, None]
    assert bins_of("10 * (x // 2) + y", x=x, y=y) == [1, -8, 33, None]
    assert bins_of("`x y` // 0.5", **{"x y": x}) == [1, -1, 14, None]


REFUSED = {
    "halves": ("y / 2", "expression 'y / 2' must give whole numbers below 2**53, row 0 has 0.5; divide with //"),
    "condition": ("y > 2", "expression 'y > 2' must give numbers, it gives bool"),
    "call": ("floor(x)", "Call is not allowed"),
    "unknown in expression": ("xx // 2", "expression 'xx // 2': column 'xx' is unknown"),
    "no rule": (3, "binning of 'bin' must be a rule"),
    "unknown part": ({"colum": "x", "width": 1}, "part 'colum' is unknown; did you mean 'column'?"),
    "no column": ({"width": 1}, "must name a column, with either edges or width"),
    "both": ({"column": "x", "width": 1, "edges": [0, 1]}, "must name a column, with either edges or width"),
    "neither": ({"column": "x"}, "must name a column, with either edges or width"),
    "edges and origin": ({"column": "x", "edges": [0, 1], "origin": 0}, "origin is for bins of one width"),
    "one edge": ({"column": "x", "edges": [0]}, "edges must be at least two finite numbers that ascend, got [0]"),
    "equal edges": ({"column": "x", "edges": [0, 0]}, "edges must be at least two finite numbers that ascend"),
    "infinite edge": ({"column": "x", "edges": [0, np.inf]}, "edges must be at least two finite numbers that ascend"),
    "edges of times": ({"column": "t", "edges": [0, 1]}, "edges are for numbers, 't' is datetime64"),
    "width 0": ({"column": "x", "width": 0}, "width must be a number above 0, or a length of time such as '30min'"),
    "width boolean": ({"column": "x", "width": True}, "width must be a number above 0"),
    "width text": ({"column": "x", "width": "wide"}, "width must be a number above 0"),
    "width negative time": ({"column": "t", "width": "-1h"}, "width must be a number above 0"),
    "time of numbers": ({"column": "x", "width": "1h"}, "column 'x' is float64 and no times; give a number as width"),
    "number of times": ({"column": "t", "width": 2}, "width must be a length of time such as '30min', got 2"),
    "origin of numbers": ({"column": "t", "width": "1h", "origin": 3}, "origin must be a point in time"),
    "origin no time": ({"column": "t", "width": "1h", "origin": "noon?"}, "origin must be a point in time"),
    "origin of times": ({"column": "x", "width": 1, "origin": "2024"}, "origin must be a finite number as width is"),
    "zone of origin": (
        {"column": "t", "width": "1h", "origin": pd.Timestamp("2024", tz="UTC")},
        "has a time zone, column 't' none",
    ),
    "missing column": ({"column": "xx", "width": 1}, "binning of 'bin': column 'xx' is not in the frame; did you"),
    "text": ({"column": "s", "width": 1}, "column 's' must be numeric or times"),
    "boolean": ({"column": "ok", "width": 1}, "column 'ok' must be numeric or times, it is bool"),
    "too many bins": ({"column": "x", "width": 1e-25}, "bins must lie within -2**60 to 2**60"),
}  # fmt: skip


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 400
    return pd.DataFrame(
        {
            "x": rng.uniform(0.1, 10.0, n),
            "y": 1 + np.arange(n) % 4,
            "t": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 600, n), unit="min"),
            "p": rng.normal(size=n),
            "q": rng.normal(size=n),
            "s": rng.choice(["A", "C"], n),
            "ok": rng.uniform(size=n) > 0.5,
        }
    )


def fit(frame, binning, by="bin", **changes):
    arguments = {"window": {"bin": 1}, "targets": "q", "predictors": "p", "statistics": (), "engine": "numpy"}
    return gbr_dag.fit_windows(frame, by, binning=binning, **{**arguments, **changes})


@pytest.mark.parametrize("case", REFUSED)
def test_rules_that_cannot_be_are_refused_in_one_message(frame, case):
    rule, text = REFUSED[case]
    with pytest.raises(gbr_dag.InputError, match=re.escape(text)) as caught:
        fit(frame, {"bin": rule})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("binning", "text"),
    [
        ("x // 2", "binning must be a dict of rules by name, such as {'bin': 'x // 2'}, got 'x // 2'"),
        ({"bim": "x // 2"}, "binning 'bim' is unknown; did you mean 'bin'? keys: bin"),
    ],
)
def test_binning_itself(frame, binning, text):
    with pytest.raises(gbr_dag.InputError, match=re.escape(text)):
        fit(frame, binning)


def test_a_column_is_not_replaced(frame):
    with pytest.raises(gbr_dag.InputError, match="the frame has a column 'bin' already"):
        fit(frame.assign(bin=1), {"bin": "x // 2"})


RULES = {"bin": {"column": "x", "edges": [1, 2, 4, 8]}, "hour": {"column": "t", "width": "1h"}, "half": "y // 2"}


@pytest.mark.parametrize("index", [None, "doubled"])
def test_fits_are_those_of_bins_made_by_hand(frame, index):
    if index:
        frame.index = np.arange(len(frame)) // 2
    frame.loc[frame.index[:2], "x"] = np.nan
    before = frame.copy(deep=True)
    table = fit(frame, RULES, ["bin", "hour"], within="half")
    by_hand = frame.assign(
        bin=pd.cut(frame["x"], [1, 2, 4, 8], right=False, labels=False).astype("Int64"),
        hour=frame["t"].astype("datetime64[s]").astype("int64") // 3600,
        half=frame["y"] // 2,
    )
    expected = fit(by_hand, None, ["bin", "hour"], within="half")
    pd.testing.assert_frame_equal(table, expected.astype({"bin": "int64"}))
    pd.testing.assert_frame_equal(frame, before)
    assert table.dtypes[["half", "bin", "hour"]].tolist() == [np.dtype("int64")] * 3
    record = gbr_dag.fit_metadata(table)
    outside = int((~frame["x"].between(1, 8)).sum())
    assert record["left_out_rows"]["key missing"] == outside > 0
    assert json.loads(table.attrs["binning_formulas_json"]) == record["inputs"]["binning"]
    assert record["inputs"]["binning"]["half"] == "y // 2"
    again = fit(frame, record["inputs"]["binning"], ["bin", "hour"], within="half")
    pd.testing.assert_frame_equal(again, table)


def test_doubled_columns_may_stand_beside(frame):
    doubled = pd.concat([frame, frame[["s"]]], axis=1)
    pd.testing.assert_frame_equal(fit(doubled, {"bin": "x // 2"}), fit(frame, {"bin": "x // 2"}))


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
def test_bins_of_other_frames(frame, kind):
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    frame.loc[:3, "x"] = np.nan
    other = pa.Table.from_pandas(frame)
    if kind != "pyarrow":
        other = pl.from_pandas(frame)
    expected = fit(frame, RULES, ["bin", "hour"], within="half")
    found = fit(other.lazy() if kind == "lazy" else other, RULES, ["bin", "hour"], within="half")
    pd.testing.assert_frame_equal(found.to_pandas(), expected, check_dtype=False)
    assert [str(found[name].dtype if kind != "pyarrow" else found[name].type).lower() for name in RULES] == [
        "int64"
    ] * 3


def test_times_of_arrow_in_pandas(frame):
    import pyarrow as pa

    arrow = frame.astype({"t": pd.ArrowDtype(pa.timestamp("us"))})
    pd.testing.assert_frame_equal(fit(arrow, {"bin": RULES["hour"]}), fit(frame, {"bin": RULES["hour"]}))


def test_widths_of_numpy_are_lengths_of_time():
    times = pd.DataFrame({"t": pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(40) * 10, unit="min")})
    frame = times.assign(y=np.arange(40.0))
    grid = {"by": "slot", "window": {"slot": 1}, "targets": "y", "engine": "numpy", "min_entries": 1}
    tables = [
        gbr_dag.fit_windows(frame, **grid, binning={"slot": {"column": "t", "width": width}})
        for width in ("30min", np.timedelta64(30, "m"))
    ]
    pd.testing.assert_frame_equal(*tables, check_flags=False)

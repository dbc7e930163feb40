"""Frames of pandas, polars and pyarrow: the same numbers from each, and results in the kind that came."""

from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gbr_dag
from gbr_dag.frames import working_frame

pl = pytest.importorskip("polars")

N = 120
KINDS = ("pandas", "polars", "lazy", "pyarrow")
NUMBERS = (
    "y_intercept",
    "y_intercept_err",
    "y_slope_x",
    "y_slope_x_err",
    "y_rms",
    "y_n_used",
    "y_status",
    "z",
    "n_rows",
)
MODEL = {"targets": "y", "predictors": "x", "weights": "w", "medians": "z"}
DAY = datetime.date(2024, 2, 28)
TIME = datetime.datetime(2024, 2, 28, 23, 59, 59, 123457)

KEYS = {
    "Int8": (pl.Int8, [3, -1, 2]),
    "UInt8": (pl.UInt8, [255, 0, 3]),
    "Int64": (pl.Int64, [2**63 - 1, -(2**63), 2**53 + 1]),
    "UInt64": (pl.UInt64, [2**64 - 1, 2**64 - 2, 0]),
    "Float32": (pl.Float32, [0.5, -0.25, 1.5]),
    "Float64": (pl.Float64, [0.5, float("inf"), -1.0]),
    "Boolean": (pl.Boolean, [True, False, True]),
    "String": (pl.String, ["ü", "a", "Z"]),
    "Binary": (pl.Binary, [b"b", b"a", b""]),
    "Date": (pl.Date, [DAY, DAY - datetime.timedelta(days=40000), DAY + datetime.timedelta(days=1)]),
    "Time": (pl.Time, [datetime.time(23), datetime.time(1, 2, 3, 4), datetime.time(5)]),
    "Datetime us": (pl.Datetime("us"), [TIME, datetime.datetime(1600, 1, 1), datetime.datetime(2500, 1, 1)]),
    "Datetime ns": (pl.Datetime("ns"), [TIME, TIME - datetime.timedelta(1), TIME + datetime.timedelta(1)]),
    "Datetime zoned": (pl.Datetime("ms", "Europe/Zurich"), [TIME, TIME - datetime.timedelta(1), TIME]),
    "Duration": (pl.Duration("us"), [datetime.timedelta(2), datetime.timedelta(-1), datetime.timedelta(0, 1)]),
    "Decimal": (pl.Decimal(10, 2), [Decimal("1.50"), Decimal("-2.25"), Decimal("1.40")]),
    "Categorical": (pl.Categorical, ["b", "a", "c"]),
    "Enum": (pl.Enum(["unused", "c", "b", "a"]), ["b", "a", "c"]),
}


def polars_frame(key: str = "Int64", *, nulls: bool = False, n: int = N) -> pl.DataFrame:
    dtype, values = KEYS[key]
    rng = np.random.default_rng(7)
    frame = pl.DataFrame(
        {
            "key": pl.Series([values[i] for i in rng.integers(0, 3, size=n)], dtype=dtype, strict=False),
            "side": rng.choice(["C", "A"], size=n),
            "x": rng.normal(5.0, 1.0, size=n),
            "y": rng.normal(size=n),
            "z": rng.normal(size=n).astype(np.float32),
            "w": rng.uniform(0.1, 3.0, size=n),
            "count": rng.integers(0, 50, size=n).astype(np.int16),
            "ok": rng.uniform(size=n) > 0.3,
        }
    )
    if not nulls:
        return frame
    rows = pl.int_range(n)
    return frame.with_columns(
        pl.when(rows % 11 != i).then(pl.col(name)).alias(name) for i, name in enumerate(frame.columns)
    )


def in_kind(frame: pl.DataFrame, kind: str):
    if kind == "pandas":
        return frame.to_pandas()
    return {"polars": frame, "lazy": frame.lazy(), "pyarrow": frame.to_arrow()}[kind]


def kind_of(result) -> str:
    return {pd.DataFrame: "pandas", pl.DataFrame: "polars", pa.Table: "pyarrow"}[type(result)]


def column(table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy())


def key_values(table, name: str = "key") -> list:
    return table[name].to_pylist() if isinstance(table, pa.Table) else table[name].to_list()


def assert_same_numbers(table, expected, names=NUMBERS) -> None:
    for name in names:
        np.testing.assert_array_equal(column(table, name), column(expected, name), err_msg=name)
        assert column(table, name).dtype == column(expected, name).dtype


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_the_same_to_the_last_bit(engine, kind, nulls):
    frame = polars_frame(nulls=nulls)
    given = in_kind(frame, kind)
    model = {**MODEL, "by": ["side", "key"], "medians": ["z", "count"], "diagnostics": ("errors", "rms", "mad")}
    if nulls and kind == "pandas":
        given["key"] = pd.array(frame["key"].to_list(), dtype="Int64")  # to_pandas would round 2^63 - 1
    table = gbr_dag.fit_groups(given, **model, engine=engine)
    assert kind_of(table) == {"lazy": "polars"}.get(kind, kind)
    groups = frame.drop_nulls(["side", "key"]).sort("side", "key", maintain_order=True)
    keys = list(groups.select("side", "key").unique(maintain_order=True).iter_rows())
    assert list(zip(key_values(table, "side"), key_values(table))) == keys
    for i, (side, key) in enumerate(keys):
        rows = groups.filter((pl.col("side") == side) & (pl.col("key") == key))
        used = rows.drop_nulls(["x", "y", "w"])
        root = np.sqrt(used["w"].to_numpy())
        design = np.column_stack([root, root * used["x"].to_numpy()])
        slope = np.linalg.lstsq(design, root * used["y"].to_numpy(), rcond=None)[0][1]
        # lstsq does not centre: kappa is about 30 here
        np.testing.assert_allclose(column(table, "y_slope_x")[i], slope, rtol=1e-11)
        assert column(table, "y_n_used")[i] == len(used)
        assert column(table, "n_rows")[i] == len(rows)
        np.testing.assert_allclose(column(table, "count")[i], rows["count"].median(), rtol=0)
    assert_same_numbers(table, gbr_dag.fit_groups(frame, **model, engine=engine), [*NUMBERS, "y_mad", "count"])


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_keys_keep_their_types_and_order(key, nulls):
    frame = polars_frame(key, nulls=nulls)
    present = frame.filter(pl.col("key").is_not_null())
    expected = present.select("key").unique().sort("key")["key"]
    if key == "Categorical":
        expected = expected.cast(pl.String).sort()
    polars = gbr_dag.fit_groups(frame, "key", **MODEL)
    lazy = gbr_dag.fit_groups(frame.lazy(), "key", **MODEL)
    arrow = gbr_dag.fit_groups(frame.to_arrow(), "key", **MODEL)
    assert polars["key"].dtype == lazy["key"].dtype == frame["key"].dtype
    assert arrow.schema.field("key") == frame.to_arrow().schema.field("key")
    assert polars["key"].to_list() == lazy["key"].to_list() == expected.to_list()
    if key == "Categorical":  # its dictionary is in the order of appearance
        assert sorted(key_values(arrow)) == expected.to_list()
        arrow = arrow.take(np.argsort(key_values(arrow)))
    else:
        assert key_values(arrow) == polars["key"].to_arrow().to_pylist()
    assert_same_numbers(lazy, polars)
    assert_same_numbers(arrow, polars)
    counts = present.group_by("key").len()
    assert dict(zip(polars["key"], polars["n_rows"])) == dict(zip(counts["key"], counts["len"]))


@pytest.mark.parametrize(
    "key", ["Int8", "Float32", "Boolean", "String", "Datetime us", "Datetime zoned", "Duration", "Enum"]
)
def test_pandas_gives_the_same_from_the_same_keys(key):
    frame = polars_frame(key)
    polars = gbr_dag.fit_groups(frame, "key", **MODEL)
    pandas = gbr_dag.fit_groups(frame.to_pandas(), "key", **MODEL)
    assert pandas["key"].tolist() == polars.to_pandas()["key"].tolist()
    assert_same_numbers(pandas, polars)


ARROW_KEYS = {
    "string": pa.array(["b", "a", "b", None, "c"], pa.string()),
    "date64": pa.array([DAY, DAY - datetime.timedelta(1), DAY, None, DAY], pa.date64()),
    "time32": pa.array([5, 3, 5, None, 4], pa.time32("s")),
    "seconds": pa.array([5, 3, 5, None, 4], pa.timestamp("s", "UTC")),
    "decimal256": pa.array([Decimal(5), Decimal(3), Decimal(5), None, Decimal(4)], pa.decimal256(50, 2)),
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 2, 0, None, 1], pa.int8()), ["c", "b", "a"]),
    "numbers": pa.DictionaryArray.from_arrays(pa.array([0, 2, 0, None, 1], pa.uint16()), [7, 3, 5]),
    "twice": pa.DictionaryArray.from_arrays(pa.array([0, 2, 3, 1, 4], pa.int8()), ["a", None, "b", "a", "c"]),
}


@pytest.mark.parametrize("kind", ARROW_KEYS)
def test_arrow_keys(kind):
    key = ARROW_KEYS[kind]
    table = gbr_dag.fit_groups(pa.table({"key": key, "y": [1.0, 2.0, 3.0, 4.0, 5.0]}), "key", "y")
    assert table.schema.field("key").type == key.type
    order = key.dictionary.to_pylist() if kind in {"dictionary", "numbers"} else sorted({*key.to_pylist()} - {None})
    assert key_values(table) == [value for value in order if value in key.to_pylist()]
    means = {}
    for value, y in zip(key.to_pylist(), (1.0, 2.0, 3.0, 4.0, 5.0)):
        means.setdefault(value, []).append(y)
    assert table["y_intercept"].to_pylist() == [np.mean(means[value]) for value in key_values(table)]
    assert gbr_dag.fit_metadata(table)["left_out_rows"]["key missing"] == 1


def test_chunks_and_slices_are_rows_like_others(engine):
    frame = polars_frame("Enum", nulls=True)
    expected = gbr_dag.fit_groups(frame[13:], "key", **MODEL, engine=engine)
    chunks = pl.concat([frame[13:40], frame[40:41], frame[41:]], rechunk=False)
    assert chunks.n_chunks() == 3
    sliced = frame.to_arrow().slice(13)
    assert sliced["x"].chunk(0).offset == 13
    dictionaries = [pa.array(values).dictionary_encode() for values in (["b", "a"], ["c", "a"], [None, "b"])]
    for given in (chunks, sliced, chunks.to_arrow(), pa.concat_tables([sliced.slice(0, 30), sliced.slice(30)])):
        assert_same_numbers(gbr_dag.fit_groups(given, "key", **MODEL, engine=engine), expected)
    mixed = gbr_dag.fit_groups(pa.table({"key": pa.chunked_array(dictionaries), "y": np.arange(6.0)}), "key", "y")
    assert dict(zip(key_values(mixed), key_values(mixed, "y_intercept"))) == {"b": 2.5, "a": 2.0, "c": 2.0}


def test_float32_is_told_from_float64(engine):
    """The rank of nearly equal predictors is taken from the rounding of the column's own dtype."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=40)
    frame = pl.DataFrame({"key": [1] * 40, "y": rng.normal(size=40), "x": x, "v": x + 1e-8 * rng.normal(size=40)})
    for dtype, status in ((pl.Float64, 0), (pl.Float32, gbr_dag.FitStatus.RANK_DEFICIENT)):
        cast = frame.with_columns(pl.col("x", "v").cast(dtype))
        nulls = cast.with_columns(pl.when(pl.int_range(40) > 0).then(pl.col("x")).alias("x"))
        for given in (cast, nulls, nulls.to_arrow(), nulls.lazy()):
            table = gbr_dag.fit_groups(given, "key", "y", ["x", "v"], engine=engine)
            assert column(table, "y_status")[0] & gbr_dag.FitStatus.RANK_DEFICIENT == status


@pytest.mark.parametrize("kind", KINDS)
def test_empty_frames(kind):
    frame = polars_frame("Enum")
    table = gbr_dag.fit_groups(in_kind(frame.head(0), kind), "key", **MODEL)
    full = gbr_dag.fit_groups(in_kind(frame, kind), "key", **MODEL)
    assert len(table) == 0
    if kind == "pandas":
        assert table.dtypes.tolist() == full.dtypes.tolist()
    else:
        without = [table.schema, full.schema]
        assert without[0] == without[1]


def test_numbers_of_the_working_frame_are_the_callers_own():
    frame = polars_frame().with_columns(when=pl.lit(TIME) + pl.duration(days=pl.int_range(N)))
    names = ["x", "y", "z", "count", "key", "when"]
    for given in (frame, frame.to_arrow(), frame.to_arrow().slice(5), frame.lazy()):
        working = working_frame(given, names, keys=["key"])
        assert list(working) == names
        for name in names:
            held = frame[name].to_numpy(allow_copy=False)
            assert np.shares_memory(working[name].to_numpy(), held), name
            assert working[name].dtype == held.dtype
    pandas = frame.to_pandas()
    assert working_frame(pandas, ["x"]) is pandas


def test_only_the_column_in_chunks_is_copied():
    table = polars_frame().to_arrow()
    chunked = pa.chunked_array([table["x"].chunk(0).slice(0, 7), table["x"].chunk(0).slice(7)])
    working = working_frame(table.set_column(table.column_names.index("x"), "x", chunked), ["x", "y"])
    held = {name: table[name].chunk(0).to_numpy() for name in ("x", "y")}
    np.testing.assert_array_equal(working["x"], held["x"])
    assert not np.shares_memory(working["x"].to_numpy(), held["x"])
    assert np.shares_memory(working["y"].to_numpy(), held["y"])


def test_dtypes_of_the_working_frame():
    frame = polars_frame("Boolean", nulls=True)
    plain = working_frame(frame, ["key", "z", "count", "x"])
    assert [str(dtype) for dtype in plain.dtypes] == ["float64", "float32", "float64", "float64"]
    kept = working_frame(frame, ["key", "z", "count", "x", "side"], keys=["key"], compared=["z", "count"])
    assert [str(dtype) for dtype in kept.dtypes] == ["boolean", "Float32", "Int16", "float64", "string"]
    names = ["b", "a"]
    categories = pl.DataFrame(
        {"c": pl.Series(names, dtype=pl.Categorical), "e": pl.Series(names, dtype=pl.Enum(names))}
    )
    working = working_frame(categories, ["c", "e"])
    assert working["c"].dtype == pd.CategoricalDtype(pd.Index(["a", "b"]), ordered=False)
    assert working["e"].dtype == pd.CategoricalDtype(pd.Index(names), ordered=True)


def test_the_frame_is_untouched():
    frame = polars_frame("Enum", nulls=True)
    arrow = pa.concat_tables([frame.to_arrow().slice(0, 9), frame.to_arrow().slice(9)])
    before = frame.clone(), arrow.slice(0)
    for given in (frame, arrow):
        table = gbr_dag.fit_groups(given, "key", **MODEL, selection="x > 4.5", diagnostics=("covariance", "rms"))
        rows = gbr_dag.predictions(given, table, by="key", targets="y", predictors="x", weights="w")
        assert rows.shape == (N, 4)
    assert frame.equals(before[0])
    assert frame.schema == before[0].schema
    assert arrow.equals(before[1], check_metadata=True)
    assert arrow["x"].num_chunks == 2


def test_a_lazy_frame_is_collected_once_and_only_where_it_is_named():
    calls = []

    def counted(series: pl.Series) -> pl.Series:
        calls.append(series.name)
        return series

    lazy = (
        polars_frame()
        .lazy()
        .with_columns(
            pl.col(name).map_batches(counted, return_dtype=dtype)
            for name, dtype in {"w": pl.Float64, "x": pl.Float64, "z": pl.Float32, "ok": pl.Boolean}.items()
        )
    )
    table = gbr_dag.fit_groups(lazy, "key", "y", "x", weights="w", selection="side == 'A'")
    assert isinstance(table, pl.DataFrame)
    assert sorted(calls) == ["w", "x"]


EXPRESSIONS = (
    "(x > 4.5) & (side == 'A')",
    "side != 'A'",
    "~(side == 'A')",
    "(count != 7) | (x < 4)",
    "~(count > 7)",
    "count / 2 + x >= 10",
    "ok",
    "~ok & (w > 1)",
    "(e != 'a') & ok",
    "~(e == 'a')",
    "e < 'b'",
    "c != 'b'",
    "(x != 3) & (3 < x)",
    "(side != 'A') | (e == 'b') | (w < 1) | ok",
)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_nulls_are_false_in_expressions(text):
    frame = polars_frame("Enum", nulls=True).rename({"key": "e"}).with_columns(c=pl.col("e").cast(pl.String))
    frame = frame.with_columns(pl.col("c").cast(pl.Categorical))
    condition = eval(text, {name: pl.col(name) for name in frame.columns})
    expected = frame.select(condition.fill_null(value=False)).to_series().to_numpy()
    assert 0 < expected.sum() < N
    arrow = frame.to_arrow()
    if not arrow.schema.field("e").type.ordered:  # before polars 1.30 an Enum lost its order on the way
        arrow = frame.with_columns(pl.col("e").cast(pl.String)).to_arrow()
        arrow = arrow if "e <" not in text else frame
    for given in (frame, frame.lazy(), arrow):
        inputs = {"frame": given, "by": "w", "targets": "y", "selection": text}
        rows = gbr_dag.GroupByDriver().execute(["selected_rows"], inputs)["selected_rows"]
        np.testing.assert_array_equal(rows, expected)


def test_dates_compare_with_text_in_expressions():
    days = [DAY, None, DAY - datetime.timedelta(1), DAY + datetime.timedelta(1)]
    frame = pl.DataFrame(
        {"day": days, "y": [1.0, 2.0, 3.0, 4.0], "when": pl.Series(days, dtype=pl.Datetime("us", "UTC"))}
    )
    expected = {"{} >= '2024-02-28'": [1, 4], "{} != '2024-02-28'": [3, 4], "~({} < '2024-02-28')": [1, 4]}
    for text, rows in expected.items():
        for name in ("day", "when"):
            for given in (frame, frame.to_arrow()):
                table = gbr_dag.fit_groups(given, "y", "y", selection=text.format(name))
                assert key_values(table, "y") == rows


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
def test_masks_and_weights_of_every_library(kind):
    frame = polars_frame()
    given = in_kind(frame, kind)
    diagnostics = ("covariance", "errors", "rms")
    expected = gbr_dag.fit_groups(frame, "key", "y", "x", weights="w", selection="ok")
    weights = frame["w"]
    pieces = pa.chunked_array([weights.to_arrow().slice(0, 11), weights.to_arrow().slice(11)])
    masks = (frame["ok"], frame["ok"].to_arrow(), pa.chunked_array([frame["ok"].to_arrow()]), frame["ok"].to_pandas())
    for w, mask in zip((weights, weights.to_arrow(), pieces, weights.to_numpy()), masks):
        table = gbr_dag.fit_groups(given, "key", "y", "x", weights=w, selection=mask, diagnostics=diagnostics)
        assert_same_numbers(table, expected, ["y_intercept", "y_slope_x_err", "n_rows"])
        rows = gbr_dag.predictions(given, table, by="key", targets="y", predictors="x", weights=w)
        assert rows.shape == (N, 4)
    missing = polars_frame(nulls=True)
    counts = gbr_dag.fit_groups(given, "key", "y", weights=missing["w"], return_metadata=True)[1]["left_out_rows"]
    assert counts["weight missing or infinite"] == missing["w"].null_count()
    for mask in (missing["ok"], missing["ok"].to_arrow()):
        with pytest.raises(gbr_dag.InputError, match="selection must not have missing values, got 11"):
            gbr_dag.fit_groups(given, "key", "y", selection=mask)
    with pytest.raises(
        gbr_dag.InputError, match=r"weights must be numeric, got decimal128.*; convert them with \.cast\(pl"
    ):
        gbr_dag.fit_groups(given, "key", "y", weights=weights.cast(pl.Decimal(10, 2)))
    with pytest.raises(gbr_dag.InputError, match=r"one value per row \(120,\), got \(119,\)"):
        gbr_dag.fit_groups(given, "key", "y", weights=weights[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_beside_every_table(kind):
    table, metadata = gbr_dag.fit_groups(in_kind(polars_frame(), kind), "key", **MODEL, return_metadata=True)
    assert metadata["n_rows"] == N
    assert metadata["seconds"] > 0
    assert metadata["inputs"]["targets"] == ["y"]
    library = {"lazy": "polars"}.get(kind, kind)
    assert metadata["versions"][library] == sys.modules[library].__version__
    if library == "polars":
        with pytest.raises(
            gbr_dag.InputError, match="polars, which has no place for metadata; give return_metadata=True"
        ):
            gbr_dag.fit_metadata(table)
    else:
        in_table = gbr_dag.fit_metadata(table)
        assert {**in_table, "seconds": 0} == {**metadata, "seconds": 0}
    with pytest.raises(gbr_dag.InputError, match="return_metadata must be True or False"):
        gbr_dag.fit_groups(in_kind(polars_frame(), kind), "key", **MODEL, return_metadata="yes")


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_metadata_survive_parquet(kind, tmp_path):
    table, metadata = gbr_dag.fit_groups(in_kind(polars_frame(), kind), "key", **MODEL, return_metadata=True)
    path = tmp_path / "fits.parquet"
    if kind == "pandas":
        table.to_parquet(path)
        back = pd.read_parquet(path)
    else:
        pq.write_table(table, path)
        back = pq.read_table(path)
    assert {**gbr_dag.fit_metadata(back), "seconds": 0} == {**metadata, "seconds": 0}


def test_tables_without_metadata_are_refused():
    bare = gbr_dag.fit_groups(polars_frame().to_arrow(), "key", "y").replace_schema_metadata()
    for table, text in (
        (bare, "table carries no metadata of a fit.*join"),
        ([1], r"table must be a pandas\.DataFrame"),
    ):
        with pytest.raises(gbr_dag.InputError, match=text):
            gbr_dag.fit_metadata(table)


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_every_kind_from_tables_of_every_kind(kind, other):
    frame = polars_frame("Enum", nulls=True)
    model = {"by": ["key", "side"], "targets": ["y", "z"], "predictors": "x"}
    diagnostics = ("covariance", "rms")
    expected = gbr_dag.predictions(frame, gbr_dag.fit_groups(frame, **model, diagnostics=diagnostics), **model)
    assert isinstance(expected, pl.DataFrame)
    missing = frame.select(pl.any_horizontal(pl.col("key", "side", "x").is_null())).to_series().to_numpy()
    np.testing.assert_array_equal(np.isnan(column(expected, "z_prediction")), missing)
    if other == "lazy":
        table = gbr_dag.fit_groups(frame, **model, diagnostics=diagnostics).lazy()
    else:
        table = gbr_dag.fit_groups(in_kind(frame, other), **model, diagnostics=diagnostics)
    rows = gbr_dag.predictions(in_kind(frame, kind), table, **model)
    assert kind_of(rows) == {"lazy": "polars"}.get(kind, kind)
    assert_same_numbers(rows, expected, expected.columns)


REFUSED = {
    "decimal target": ({"targets": "d"}, r"targets must be numeric, column 'd' is {d}; convert it with {out}"),
    "decimal weights": ({"weights": "d"}, r"weights must be numeric, column 'd' is {d}; convert it with {out}"),
    "text predictor": (
        {"predictors": "side"},
        r"predictors must be numeric, column 'side' is .*; convert it with {out}",
    ),
    "list key": ({"by": "l"}, r"by column 'l' is .*, whose values cannot be hashed and ordered"),
    "unknown name": ({"predictors": "xx"}, r"predictors: column 'xx' is not in the frame; did you mean 'x'\?"),
    "unknown in expression": ({"selection": "sides == 'A'"}, r"column 'sides' is unknown; did you mean 'side'\?"),
    "lists in an expression": ({"selection": "l > 1"}, r"expression 'l > 1' cannot be evaluated"),
}
WORDS = {
    "polars": {"d": r"Decimal\(precision=10, scale=2\)", "out": r"\.cast\(pl\.Float64\)"},
    "pyarrow": {"d": r"decimal128\(10, 2\)", "out": r"\.cast\(pa\.float64\(\)\)"},
}


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
@pytest.mark.parametrize("case", REFUSED)
def test_refusals_speak_the_callers_library(case, kind):
    changes, text = REFUSED[case]
    frame = polars_frame().with_columns(d=pl.col("x").cast(pl.Decimal(10, 2)), l=pl.concat_list("x", "y"))
    arguments = {"by": "key", "targets": "y", "predictors": "x", **changes}
    with pytest.raises(gbr_dag.InputError, match=text.format(**WORDS[{"lazy": "polars"}.get(kind, kind)])):
        gbr_dag.fit_groups(in_kind(frame, kind), **arguments)


def test_columns_of_arrow_that_share_a_name():
    table = polars_frame().to_arrow().append_column("x", pa.array(np.zeros(N)))
    with pytest.raises(
        gbr_dag.InputError, match=r"the frame has 2 columns named 'x'; rename them with \.rename_columns"
    ):
        gbr_dag.fit_groups(table, "key", "y", "x")
    with pytest.raises(gbr_dag.InputError, match="2 columns named 'x'; rename them"):
        gbr_dag.fit_groups(table, "key", "y", "z", selection="x > 0")
    assert_same_numbers(
        gbr_dag.fit_groups(table, "key", "y", "z"), gbr_dag.fit_groups(polars_frame(), "key", "y", "z"), ["y_slope_z"]
    )


def test_objects_are_refused_and_not_read_as_addresses():
    frame = polars_frame().with_columns(pl.Series("thing", [object()] * N, dtype=pl.Object))
    with pytest.raises(gbr_dag.InputError, match="column 'thing' is Object, which cannot be handed over"):
        gbr_dag.fit_groups(frame, "thing", "y")
    assert len(gbr_dag.fit_groups(frame, "side", "y")) == 2


def test_other_kinds_are_refused():
    import narwhals as nw

    frame = polars_frame()
    for other, text in (
        (nw.from_native(frame), r"got narwhals\.DataFrame; take \.to_native\(\)"),
        (frame["x"], r"got polars\.Series"),
        (frame.to_dict(), "got dict"),
        (frame.to_numpy(), r"got numpy\.ndarray"),
        (None, "got NoneType"),
        (type("DataFrame", (), {"__module__": "dask.dataframe"})(), r"got dask\.DataFrame; load it with \.compute\(\)"),
    ):
        with pytest.raises(gbr_dag.InputError, match=rf"frame must be a pandas\.DataFrame, polars.*{text}"):
            gbr_dag.fit_groups(other, "key", "y")
        with pytest.raises(gbr_dag.InputError, match=rf"table must be a pandas\.DataFrame, polars.*{text}"):
            gbr_dag.predictions(frame, other, by="key", targets="y")


def test_other_outputs_and_plans_take_every_kind():
    frame = polars_frame(nulls=True)
    driver = gbr_dag.GroupByDriver()
    expected = frame["side"].drop_nulls().value_counts().sort("side")["count"].to_list()
    for kind in KINDS:
        inputs = {"frame": in_kind(frame, kind), "by": "side", "targets": "y"}
        assert driver.execute(["entries"], inputs)["entries"].tolist() == expected
        assert driver.plan(["entries"], inputs).nodes[-1] == "entries"
        mask = {"frame": in_kind(frame, kind), "selection": np.arange(N) < 5}
        assert driver.execute(["selected_rows"], mask)["selected_rows"].sum() == 5


def test_a_pandas_frame_needs_no_other_library():
    script = (
        "import sys, gbr_dag, pandas as pd\n"
        "frame = pd.DataFrame({'k': [1, 1, 2], 'y': [1.0, 2.0, 3.0]})\n"
        "table = gbr_dag.fit_groups(frame, 'k', 'y', weights=[1, 2, 3], selection=pd.array([True] * 3))\n"
        "gbr_dag.predictions(frame, table, by='k', targets='y')\n"
        "print('narwhals' in sys.modules, 'gbr_dag.arrow_columns' in sys.modules)\n"
    )
    root = Path(gbr_dag.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

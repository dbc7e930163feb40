"""Frames of polars and pyarrow into feature models, and results of every type out of them."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

import gbr_dag

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

KINDS = ("polars", "lazy", "pyarrow")


def given(table, kind: str):
    """A polars frame as a frame of some kind."""
    return {"polars": table, "lazy": table.lazy(), "pyarrow": table.to_arrow()}[kind]


def as_polars(result, kind: str):
    assert isinstance(result, pa.Table if kind == "pyarrow" else pl.DataFrame)
    return pl.from_arrow(result) if kind == "pyarrow" else result


def driver_of(by="zone") -> gbr_dag.ModelDriver:
    return gbr_dag.ModelDriver({"model_name": "toy", "group_by": by}, progress=False)


@pytest.fixture
def table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "zone": ["b", "a", None, "b", "a"],
            "x": [1.0, None, 3.0, 5.0, float("nan")],
            "n": pl.Series([1, None, 3, 4, 5], dtype=pl.Int32),
            "long": [2**60 + 1, None, 3, 4, 5],
            "nothing": [None] * 5,
            "flag": [True, False, None, None, True],
            "word": ["one", None, "three", "four", "five"],
            "day": [date(2024, 5, k) for k in (3, 1, 4, 1, 5)],
            "when": [datetime(2024, 5, 1, 7, k) for k in (3, 1, 4, 1, 5)],
            "late": [None, date(2024, 1, 2), None, None, date(2024, 1, 1)],
            "colour": pl.Series(["red", None, "blue", "red", "blue"], dtype=pl.Categorical),
        }
    )


ROW_LEVEL = {
    "double": (lambda x: 2 * x, pl.Float64, [2.0, "nan", 6.0, 10.0, "nan"]),
    "more": (lambda n: n + 1, pl.Float64, [2, "nan", 4, 5, 6]),  # to pandas, integers with nulls are floats
    "opposite": (lambda flag: ~flag, pl.Boolean, [False, True, None, None, False]),
    "loud": (lambda word: word.str.upper(), pl.String, ["ONE", None, "THREE", "FOUR", "FIVE"]),
    "length": (lambda word: word.str.len(), None, [3, "nan", 5, 4, 4]),
    "tomorrow": (  # no date any more, but a point in time, as to pandas
        lambda day: day + pd.Timedelta(days=1),
        pl.Datetime,
        [datetime(2024, 5, k) for k in (4, 2, 5, 2, 6)],
    ),
    "noon": (
        lambda day: day + pd.Timedelta(hours=12),
        pl.Datetime,
        [datetime(2024, 5, k, 12) for k in (3, 1, 4, 1, 5)],
    ),
    "same_day": (lambda late: late, pl.Date, [None, date(2024, 1, 2), None, None, date(2024, 1, 1)]),
    "is_may": (lambda day: day.dt.month == 5, pl.Boolean, [True] * 5),
    "hue": (lambda colour: colour, pl.Categorical, ["red", None, "blue", "red", "blue"]),
    "is_red": (lambda colour: colour == "red", pl.Boolean, [True, False, False, True, False]),
    "many": (lambda n: n > 3, pl.Boolean, [False, False, False, True, True]),
    "is_one": (lambda word: np.where(word == "one", 1, 0), pl.Int64, [1, 0, 0, 0, 0]),
    "known": (lambda word: word != "", pl.Boolean, [True] * 5),
    "longer": (lambda long: long + 1, pl.Int64, [2**60 + 2, None, 4, 5, 6]),
    "of_nothing": (lambda nothing: nothing + 1, pl.Float64, ["nan"] * 5),
    "size_word": (lambda x: np.where(x > 2, "big", "small"), pl.String, ["small", "small", "big", "big", "small"]),
}

GROUP_LEVEL = {
    "mean": (lambda x: x.mean(), pl.Float64, ["nan", 3.0]),
    "total": (lambda n: n.sum(), None, [5, 5]),
    "n_known": (lambda n: n.count(), pl.Int64, [1, 2]),
    "n_rows": (lambda n: n.size(), pl.Int64, [2, 2]),
    "any_flag": (lambda flag: flag.any(), pl.Boolean, [True, True]),
    "first_word": (lambda word: word.first(), pl.String, ["five", "one"]),
    "latest": (lambda day: day.max(), pl.Date, [date(2024, 5, 5), date(2024, 5, 3)]),
    "earliest": (lambda when: when.min(), pl.Datetime, [datetime(2024, 5, 1, 7, 1), datetime(2024, 5, 1, 7, 1)]),
    "last_late": (lambda late: late.max(), pl.Date, [date(2024, 1, 2), None]),
    "first_colour": (lambda colour: colour.first(), pl.Categorical, ["blue", "red"]),
}


def check(column, dtype, expected) -> None:
    kind = column.dtype
    if isinstance(kind, pl.Enum):
        kind = pl.Categorical()
    assert dtype is None or kind == dtype or isinstance(kind, dtype), (column.name, kind)
    found = ["nan" if isinstance(value, float) and np.isnan(value) else value for value in column.to_list()]
    assert found == expected, column.name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROW_LEVEL)
def test_columns_of_rows(table, kind, name):
    function, dtype, expected = ROW_LEVEL[name]
    result = driver_of().register_filter(name, function).execute(given(table, kind))
    assert result["groups"] is None
    check(as_polars(result["rows"], kind)[name], dtype, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GROUP_LEVEL)
def test_columns_of_groups(table, kind, name):
    function, dtype, expected = GROUP_LEVEL[name]
    result = driver_of().register_attribute(name, function).execute(given(table, kind))
    groups = as_polars(result["groups"], kind)
    assert groups.columns == ["zone", name]
    assert groups["zone"].to_list() == ["a", "b"]
    check(groups[name], dtype, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_values_for_rows_that_lack_a_key(table, kind):
    driver = driver_of().register_attribute("latest", lambda day: day.max())
    driver.register_attribute("total", lambda n: n.sum())
    driver.register_filter("latest_of_row", lambda latest: latest).register_filter(
        "of_total", lambda n, total: n * total
    )
    rows = as_polars(driver.execute(given(table, kind))["rows"], kind)
    b, a = date(2024, 5, 3), date(2024, 5, 5)
    check(rows["latest_of_row"], pl.Date, [b, a, None, b, a])
    check(rows["of_total"], None, [5, "nan", "nan", 20, 25])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["day", "n", "long", "flag", "colour", "late"])
def test_keys_keep_their_type(table, kind, key):
    groups = as_polars(
        driver_of(key).register_attribute("m", lambda x: x.size()).execute(given(table, kind))["groups"], kind
    )
    expected = sorted(table[key].drop_nulls().unique().to_list())
    if (key, kind) == ("colour", "pyarrow"):
        expected = ["red", "blue"]  # the dictionary's own order
    assert groups[key].to_list() == expected
    if kind != "pyarrow":
        assert groups.schema[key] == table.schema[key]


def test_several_keys_in_polars(table):
    driver = driver_of(["flag", "zone"]).register_attribute("total", lambda x: x.size())
    groups = driver.execute(table)["groups"]
    assert groups.rows() == [(False, "a", 1), (True, "a", 1), (True, "b", 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_floats_have_nan_where_nulls_were(table, kind):
    driver = driver_of().register_filter("missing", lambda x: x.isna()).register_filter("n_missing", lambda n: n.isna())
    rows = as_polars(driver.execute(given(table, kind))["rows"], kind)
    assert rows["missing"].to_list() == [False, True, False, False, True]
    assert rows["n_missing"].to_list() == [False, True, False, False, False]


MISSING = {
    "share_many": lambda n: (n > 2).mean(),
    "n_differ": lambda n, x: (n != x).sum(),
    "n_one": lambda word: (word == "one").sum(),
    "n_before": lambda late: (late < pd.Timestamp("2024-01-02")).sum(),
    "spread": lambda n: np.where(n > 2, n, -1).std(),
    "n_keys": lambda key: (key > 1).sum(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MISSING)
def test_missing_values_are_those_of_pandas(table, kind, name):
    table = table.with_columns(key=pl.Series([2, 2, None, 1, 1]))
    frame = table.select("key", "x", "n", "word", "late").to_pandas()
    driver = driver_of("key").register_attribute(name, MISSING[name])
    found = as_polars(driver.execute(given(table, kind))["groups"], kind)
    assert found["key"].to_list() == [1, 2]
    expected = driver.execute(frame)["groups"]
    assert found[name].to_list() == expected[name].tolist()
    assert driver.verify(given(table, kind)).equal


def test_nullable_columns_of_pandas_stay_such():
    frame = pd.DataFrame({"zone": [1, 1], "n": pd.array([3, None], dtype="Int64")})
    driver = driver_of().register_attribute("share_many", lambda n: (n > 2).mean())
    assert driver.execute(frame)["groups"]["share_many"].tolist() == [1.0]


def test_a_key_of_nulls_alone(table):
    for kind in KINDS:
        driver = driver_of("nothing").register_attribute("n_rows", lambda x: x.size)
        assert as_polars(driver.execute(given(table, kind))["groups"], kind).height == 0


@pytest.mark.parametrize("compared", [lambda day: day > date(2024, 5, 2), lambda day: date(2024, 5, 2) == day])
def test_dates_of_python_are_refused_with_the_cure(table, compared):
    driver = driver_of().register_filter("later", compared)
    with pytest.raises(gbr_dag.InputError, match=r"feature 'later'.*write pd.Timestamp\('2024-05-02'\)"):
        driver.execute(table)


def test_a_lazy_frame_is_collected_with_the_columns_needed_only(table):
    def fail(_):
        message = "collected"
        raise AssertionError(message)

    lazy = table.lazy().with_columns(pl.col("word").map_elements(fail, return_dtype=pl.String).alias("bad"))
    driver = driver_of().register_filter("double", lambda x: 2 * x).register_filter("worse", lambda bad: bad)
    assert driver.execute(lazy, outputs=["double"])["rows"].columns == ["double"]
    with pytest.raises(Exception, match="collected"):
        driver.execute(lazy)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(table, kind):
    driver = driver_of().register_filter("double", lambda x: 2 * x).register_attribute("latest", lambda day: day.max())
    result = driver.execute(given(table.head(0), kind))
    assert as_polars(result["rows"], kind).schema == {"double": pl.Float64}
    assert as_polars(result["groups"], kind).height == 0


def test_timestamps_to_the_second_stay_such_where_no_dates_came():
    table = pa.table({"zone": [1, 1], "t": pa.array([0, 86400], pa.timestamp("s"))})
    result = driver_of().register_attribute("last", lambda t: t.max()).execute(table)["groups"]
    assert result.schema.field("last").type == pa.timestamp("s")


def test_what_arrow_has_no_type_for_is_refused_by_name(table):
    driver = driver_of().register_filter("odd", lambda word: word.map({"one": 1, "three": "3", "four": (4,)}))
    with pytest.raises(gbr_dag.InputError, match="column 'odd' of the result cannot be handed over to Arrow"):
        driver.execute(table)


def test_the_callers_frame_is_not_changed(table):
    before = table.clone()
    driver = driver_of().register_filter("same", lambda x: x).register_attribute("mean", lambda x: x.mean())
    driver.execute(table)
    assert table.equals(before, null_equal=True)


def test_messages_name_columns_of_polars(table):
    driver = driver_of().register_filter("double", lambda xx: 2 * xx)
    with pytest.raises(gbr_dag.MissingInputError, match=r"'xx' \(taken by double .*did you mean 'x'"):
        driver.execute(table.lazy())


def test_columns_of_one_name_in_pyarrow():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2.0]), pa.array([3.0])], names=["zone", "x", "x"])
    driver = driver_of().register_filter("double", lambda x: 2 * x)
    with pytest.raises(gbr_dag.InputError, match=r"several columns 'x'.*rename_columns"):
        driver.execute(table)


@pytest.mark.parametrize("kind", ["pandas", *KINDS])
def test_missing_values_in_a_chain(table, kind):
    frame = table.select("zone", "n", "word", "flag").to_pandas() if kind == "pandas" else given(table, kind)
    zones = driver_of().register_attribute("share", lambda n: (n > 2).mean())
    zones.register_filter("is_one", lambda word: np.where(word == "one", 1, 0))
    ones = gbr_dag.ModelDriver({"model_name": "ones", "group_by": "is_one"}, progress=False)
    ones.register_attribute("many", lambda n: (n > 2).mean())
    chain = gbr_dag.ModelPipeline([zones, ones], on="rows")
    for result in (chain.execute(frame), chain.merged(["toy__share", "ones__many"]).execute(frame)):
        for name, key, expected in (("toy", "share", [0.5, 0.5]), ("ones", "many", [0.75, 0.0])):
            groups = result[name]["groups"]
            assert (groups[key].to_pylist() if kind == "pyarrow" else groups[key].to_list()) == expected

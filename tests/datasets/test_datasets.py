from __future__ import annotations

import re
from importlib.resources import files

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gbr_dag
from gbr_dag.datasets import FLIGHTS_COLUMNS, load_flights

DTYPES = {
    "month": "int8",
    "day": "int8",
    "hour": "int8",
    "dep_delay": "float64",
    "arr_delay": "float64",
    "carrier": "category",
    "origin": "category",
    "dest": "category",
    "air_time": "float64",
    "distance": "int16",
}
MISSING = {"dep_delay": 8255, "arr_delay": 9430, "air_time": 9430}


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights()


def test_flights_are_whole(flights):
    assert flights.shape == (336_776, 10)
    assert flights.index.equals(pd.RangeIndex(336_776))
    assert {name: str(dtype) for name, dtype in flights.dtypes.items()} == DTYPES
    assert {name: count for name, count in flights.isna().sum().items() if count} == MISSING


def test_flights_hold_known_values(flights):
    first = flights.iloc[0].to_dict()
    assert first == {
        "month": 1,
        "day": 1,
        "hour": 5,
        "dep_delay": 2.0,
        "arr_delay": 11.0,
        "carrier": "UA",
        "origin": "EWR",
        "dest": "IAH",
        "air_time": 227.0,
        "distance": 1400,
    }
    # sums over the source's table
    assert flights["distance"].astype("int64").sum() == 350_217_607
    assert flights["arr_delay"].sum() == 2_257_174
    assert flights["origin"].value_counts().to_dict() == {"EWR": 120_835, "JFK": 111_279, "LGA": 104_662}


@pytest.mark.parametrize(("name", "count"), [("carrier", 16), ("origin", 3), ("dest", 105)])
def test_categories_are_sorted_and_all_used(flights, name, count):
    categories = list(flights[name].cat.categories)
    assert len(categories) == count
    assert categories == sorted(categories)
    assert set(flights[name].unique()) == set(categories)


def test_docstring_tells_every_column():
    table = re.findall(r"^ +(\w+) +(int8|int16|float64|category) +\S", load_flights.__doc__, flags=re.MULTILINE)
    assert dict(table) == DTYPES
    assert tuple(DTYPES) == FLIGHTS_COLUMNS


def test_columns_come_in_the_order_asked_for(flights):
    names = ["distance", "carrier", "arr_delay"]
    pd.testing.assert_frame_equal(load_flights(names), flights[names])
    pd.testing.assert_frame_equal(load_flights(tuple(names)), flights[names])


def test_every_call_gives_a_frame_of_its_own(flights):
    mine = load_flights(["month"])
    mine["month"] = 0
    assert load_flights(["month"])["month"].iloc[0] == flights["month"].iloc[0] == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["arr_dealy"], r"columns must be names of the flights data set, got 'arr_dealy'; did you mean 'arr_delay'\?"),
        (["qqqq"], r"got 'qqqq'; columns: month, day, hour, dep_delay, arr_delay, carrier, "),
        ([3], r"got 3; columns: month, "),
        ("month", r"columns must be a sequence of names, got the string 'month'; write \['month'\]"),
        ([], r"columns must be one name or more, each once, got \[\]"),
        (["month", "month"], r"columns must be one name or more, each once, got \['month', 'month'\]"),
    ],
)
def test_bad_columns_are_refused(columns, message):
    with pytest.raises(gbr_dag.InputError, match=message):
        load_flights(columns)


def test_file_is_readable_by_older_arrow():
    # unsigned dictionary indices cannot be converted to pandas by pyarrow 21, the newest for Python 3.9
    schema = pq.read_schema(files("gbr_dag.datasets").joinpath("flights.parquet"))
    indices = [field.type.index_type for field in schema if pa.types.is_dictionary(field.type)]
    assert len(indices) == 3
    assert all(pa.types.is_signed_integer(index) for index in indices)


def test_licence_lies_beside_the_data():
    notice = files("gbr_dag.datasets").joinpath("NOTICE.md").read_text(encoding="utf-8")
    for file in files("gbr_dag.datasets").iterdir():
        if file.name.endswith(".parquet"):
            assert f"## {file.name}\n" in notice
    assert "CC0" in notice

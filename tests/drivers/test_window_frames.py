"""Frames of other libraries and keys of all kinds, in and out of windows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import gbr_dag


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 500
    return pd.DataFrame(
        {
            "i": rng.integers(0, 5, n).astype("int16"),
            "j": rng.integers(0, 4, n).astype("uint8"),
            "side": rng.choice(["C", "A"], n),
            "x": rng.normal(size=n),
            "y": rng.normal(size=n).astype("float32"),
            "w": rng.uniform(0.3, 3.0, n),
        }
    )


def fit(frame, **changes):
    arguments = {"by": ["i", "j"], "window": {"i": 1}, "targets": "y", "predictors": "x", "weights": "w"}
    return gbr_dag.fit_windows(frame, **{**arguments, "statistics": (), "engine": "numpy", **changes})


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
def test_tables_are_of_the_frames_kind(frame, kind):
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    expected = fit(frame, within="side", selection="x > -1")
    other = pa.Table.from_pandas(frame) if kind == "pyarrow" else pl.from_pandas(frame)
    found = fit(other.lazy() if kind == "lazy" else other, within="side", selection="x > -1")
    assert isinstance(found, pa.Table if kind == "pyarrow" else pl.DataFrame)
    pd.testing.assert_frame_equal(found.to_pandas(), expected, check_dtype=False)
    types = found.schema if kind == "pyarrow" else found.collect_schema()
    kept = types if kind != "pyarrow" else {field.name: field.type for field in types}
    assert [str(kept[name]).lower() for name in ("i", "j")] == ["int16", "uint8"]
    assert str(kept["y_status"]).lower() == "int16"
    assert str(kept["quality_flag"]).lower() in {"string", "large_string"}


def test_statistics_alone_are_of_the_frames_kind(frame):
    pl = pytest.importorskip("polars")
    inputs = {"by": ["i", "j"], "window": {"i": 1}, "targets": "y", "statistics": (), "min_entries": 60}
    driver = gbr_dag.SlidingWindowDriver(engine="numpy")
    table = driver.execute(["statistics_table"], {"frame": frame, **inputs})["statistics_table"]
    found = driver.execute(["statistics_table"], {"frame": pl.from_pandas(frame), **inputs})["statistics_table"]
    pd.testing.assert_frame_equal(found.to_pandas(), table, check_dtype=False)
    few = table["n_rows_aggregated"] < 60
    assert (table["quality_flag"] == np.where(few, "insufficient_stats", "")).all()
    assert 0 < few.sum() < len(table)
    assert "coefficients" not in driver.report()["node"].tolist()


def test_metadata_of_polars_come_beside_the_table(frame):
    pl = pytest.importorskip("polars")
    table, record = fit(pl.from_pandas(frame), return_metadata=True)
    assert isinstance(table, pl.DataFrame)
    of_pandas = gbr_dag.fit_metadata(fit(frame))
    assert json.loads(json.dumps(record)) == record
    assert record["inputs"] == of_pandas["inputs"]
    assert record["inputs"]["window"] == {
        "i": {"size": 1, "boundary": "truncate", "kernel": "uniform"},
        "j": {"size": 0, "boundary": "truncate", "kernel": "uniform"},
    }
    assert record["versions"]["polars"] == pl.__version__
    with pytest.raises(gbr_dag.InputError, match="return_metadata must be True or False, got 'yes'"):
        fit(frame, return_metadata="yes")


def test_metadata_of_pyarrow_ride_in_the_schema(frame):
    import pyarrow as pa

    table = fit(pa.Table.from_pandas(frame))
    assert gbr_dag.fit_metadata(table)["inputs"]["window"]["i"]["size"] == 1


KEYS = {
    "categories": lambda frame: pd.Categorical(frame["side"], categories=["C", "B", "A"], ordered=True),
    "text": lambda frame: frame["side"],
    "booleans": lambda frame: frame["side"] == "A",
    "dates": lambda frame: pd.Timestamp("2024-01-01") + pd.to_timedelta((frame["side"] == "A").astype(int), unit="D"),
    "floats": lambda frame: np.where(frame["side"] == "A", 0.5, -0.25),
    "nullable": lambda frame: (frame["side"] == "A").astype("Int64"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_within_may_be_of_any_type_and_parts_the_windows(frame, kind):
    keyed = frame.assign(side=KEYS[kind](frame))
    table = fit(keyed, within="side", window={"i": 1, "j": 1})
    assert table["side"].dtype == keyed["side"].dtype
    sides = table["side"].drop_duplicates().tolist()
    assert sides == (["C", "A"] if kind == "categories" else sorted(keyed["side"].unique()))
    for side in sides:
        # the grid is that of all sides; here every side fills it
        alone = fit(keyed[keyed["side"] == side], window={"i": 1, "j": 1})
        part = table[table["side"] == side].drop(columns="side").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone, rtol=1e-12)


@pytest.mark.parametrize("kind", ["Enum", "Categorical", "dictionary"])
def test_categories_of_other_frames_part_the_windows(frame, kind):
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    categories = pd.Categorical(frame["side"], categories=["C", "A"])
    other = pa.Table.from_pandas(frame.assign(side=categories))
    if kind != "dictionary":
        dtype = pl.Enum(["C", "A"]) if kind == "Enum" else pl.Categorical
        other = pl.from_pandas(frame).with_columns(pl.col("side").cast(dtype))
    found = fit(other, within="side")
    if kind != "dictionary":
        assert found.schema["side"] == other.schema["side"]
    expected = fit(frame if kind == "Categorical" else frame.assign(side=categories), within="side")
    found, expected = (table.astype({"side": str}) for table in (found.to_pandas(), expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-12)


def test_rows_with_missing_keys_are_left_out_and_counted(frame):
    keyed = frame.assign(side=frame["side"].where(frame["x"] < 1), i=frame["i"].astype("Int16").where(frame["x"] > -1))
    table = fit(keyed, within="side")
    whole = frame[frame["x"].between(-1, 1, inclusive="neither")]
    assert table.attrs["left_out_rows"]["key missing"] == len(frame) - len(whole) > 0
    pd.testing.assert_frame_equal(table, fit(whole, within="side"), check_dtype=False, rtol=1e-12)


def test_the_frame_is_neither_sorted_nor_changed(frame):
    frame.index = np.arange(len(frame)) % 3
    before = frame.copy(deep=True)
    fit(frame, within="side", selection=np.arange(len(frame)) % 2 == 0)
    pd.testing.assert_frame_equal(frame, before)


def test_the_record_tells_the_periods_that_were_used():
    frame = pd.DataFrame({"i": [0, 4, 9], "j": [-2, 1, 3], "k": [0, 1, 2], "y": 1.0})
    sizes, boundary = {"i": 1, "j": 1, "k": 1}, {"i": "periodic", "j": "periodic"}
    given = {"targets": "y", "window": sizes, "boundary": boundary, "period": {"i": 24}, "engine": "numpy"}
    _, record = gbr_dag.fit_windows(frame, ["i", "j", "k"], **given, return_metadata=True)
    assert record["periods"] == {"i": 24, "j": 6}
    assert [record["inputs"]["window"][name].get("period") for name in "ijk"] == [24, None, None]
    _, record = gbr_dag.fit_windows(frame, ["i", "j", "k"], **given, selection="y > 1", return_metadata=True)
    assert record["periods"] == {}

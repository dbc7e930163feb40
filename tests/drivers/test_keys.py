"""Keys of every kind and of every span."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

import gbr_dag

KEYS = {
    "int8": (pd.Series([3, -1, 3, 2], dtype="int8"), [-1, 2, 3]),
    "uint64": (pd.Series([2**64 - 1, 0, 2**64 - 1, 5], dtype="uint64"), [0, 5, 2**64 - 1]),
    "int64 at its ends": (pd.Series([2**63 - 1, -(2**63), 2**63 - 1, 0]), [-(2**63), 0, 2**63 - 1]),
    "Int64": (pd.Series([3, 1, 3, None], dtype="Int64"), [1, 3]),
    "float": (pd.Series([0.5, -0.0, 0.5, 0.0]), [0.0, 0.5]),
    "float missing": (pd.Series([0.5, np.nan, 0.5, np.inf]), [0.5, np.inf]),
    "Arrow float": (pd.Series([0.5, -0.0, 0.5, 0.0], dtype="double[pyarrow]"), [0.0, 0.5]),
    "Float64": (pd.Series([0.5, -0.0, 0.5, 0.0], dtype="Float64"), [0.0, 0.5]),
    "interval": (
        pd.Series(pd.IntervalIndex.from_tuples([(1, 2), (0, 1), (1, 2), (0, 1)])),
        [pd.Interval(0, 1), pd.Interval(1, 2)],
    ),
    "bool": (pd.Series([True, False, True, True]), [False, True]),
    "boolean": (pd.Series([True, None, True, False], dtype="boolean"), [False, True]),
    "str": (pd.Series(["b", "a", "b", None], dtype="str"), ["a", "b"]),
    "object": (pd.Series(["b", "ä", "b", None], dtype="object"), ["b", "ä"]),
    "category": (pd.Series(pd.Categorical(["b", "a", "b", None], ["c", "b", "a"])), ["b", "a"]),
    "ordered": (pd.Series(pd.Categorical([2, 1, 2, 3], [3, 2, 1, 0], ordered=True)), [3, 2, 1]),
    "date": (
        pd.Series(pd.to_datetime(["2024-05-02", "2024-05-01", "2024-05-02", None])),
        list(pd.to_datetime(["2024-05-01", "2024-05-02"])),
    ),
    "zoned": (
        pd.Series(pd.to_datetime(["2024-05-02", "2024-05-01", "2024-05-02", None]).tz_localize("Europe/Zurich")),
        list(pd.to_datetime(["2024-05-01", "2024-05-02"]).tz_localize("Europe/Zurich")),
    ),
    "python dates": (
        pd.Series([datetime.date(2024, 5, 2), datetime.date(2024, 5, 1), datetime.date(2024, 5, 2), None]),
        [datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)],
    ),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("others", [0, 1])
def test_keys_of_every_kind(kind, others):
    """Sorted, in their own dtype, missing ones left out; the mean of y tells which rows came together."""
    key, expected = KEYS[kind]
    frame = pd.DataFrame({"key": key, "y": [1.0, 2.0, 3.0, 10.0], "same": 7}, index=[5, 5, 1, 0])
    frame["key"] = key.array
    table = gbr_dag.fit_groups(frame, ["key", "same"][: 1 + others], "y")
    assert table["key"].tolist() == expected
    assert table["key"].dtype == frame["key"].dtype
    means = {value: frame["y"][(frame["key"] == value).fillna(False).to_numpy(dtype=bool)].mean() for value in expected}
    np.testing.assert_allclose(table["y_intercept"], list(means.values()), rtol=4e-16)  # the last bit is the engine's
    assert table.index.equals(pd.RangeIndex(len(expected)))


def test_key_spans_beyond_63_bits(engine):
    rng = np.random.default_rng(1)
    n = 3000
    picks = rng.integers(0, 50, size=n)
    frame = pd.DataFrame(
        {
            "a": rng.permutation(np.arange(-25, 25) * (2**62 // 13))[picks],
            "b": np.arange(n, dtype=np.int64)[rng.integers(0, 200, size=n)] * (2**62 // 500) - 2**61,
            "c": (picks % 7).astype(np.uint64) * np.uint64(2**61),
            "day": np.arange(n) % 17,
            "y": rng.normal(size=n),
        }
    )
    by = ["b", "a", "c", "day"]
    table = gbr_dag.fit_groups(frame, by, "y", engine=engine)
    expected = frame.groupby(by)["y"].mean().reset_index()
    pd.testing.assert_frame_equal(table[by], expected[by])
    np.testing.assert_allclose(table["y_intercept"], expected["y"], rtol=1e-13)


def test_many_sparse_keys_overflow_no_product():
    """Seven keys of 3,000 values each span 3000^7 > 2^80 cells."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({f"k{i}": rng.permutation(3000) for i in range(7)})
    frame["y"] = rng.normal(size=3000)
    doubled = pd.concat([frame, frame])
    by = [f"k{i}" for i in range(7)]
    table = gbr_dag.fit_groups(doubled, by, "y")
    assert len(table) == 3000
    assert (table["n_rows"] == 2).all()
    pd.testing.assert_frame_equal(table[by], frame[by].sort_values(by, ignore_index=True))


def test_nan_beside_missing_values_is_no_key():
    import pyarrow as pa

    keys = pd.arrays.ArrowExtensionArray(pa.array([np.nan, 1.0, None, 1.0]))
    table = gbr_dag.fit_groups(pd.DataFrame({"key": keys, "y": [1.0, 2.0, 3.0, 4.0]}), "key", "y")
    assert table["key"].tolist() == [1.0]
    assert gbr_dag.fit_metadata(table)["left_out_rows"]["key missing"] == 2

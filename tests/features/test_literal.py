"""Functions called once a group or once a row: types of what they give, failures, cost."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features import per_group, per_row, row
from gbr_dag.features.literal import GroupSeries


def frame_of(n: int = 7) -> pd.DataFrame:
    """Three groups, not sorted, and a row without a key."""
    return pd.DataFrame(
        {
            "zone": ["b", "a", None, "c", "b", "a", "b"],
            "number": [3, 1, 5, 2, 4, 6, 0],
            "value": [1.5, np.nan, 2.0, 3.0, -1.0, 0.5, 2.5],
            "day": pd.to_datetime("2024-03-01") + pd.to_timedelta([3, 1, 2, 6, 5, 4, 0], "D"),
        },
        index=[4, 4, 1, 9, 2, 3, 0],
    ).iloc[:n]


def run(function: Any, level: str = "group", frame: Any = None, **given: Any) -> Any:
    """Result of a model of one function, whose warnings of cost are let go."""
    driver = gbr_dag.ModelDriver({"model_name": "zones", "group_by": "zone"})
    register = driver.register_filter if level == "row" else driver.register_attribute
    register("result", function, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gbr_dag.PerformanceWarning)
        table = driver.execute(frame_of() if frame is None else frame)["rows" if level == "row" else "groups"]
    return table if "outputs" in given else table["result"]


def failing(value: Any) -> Any:
    """A function for a group that fails in the zone 'c', the only one with a 3.0."""

    @per_group
    def result(number, value):
        if (value == 3.0).any():
            message = "no"
            raise ValueError(message)
        return value_of(number)

    def value_of(number: Any) -> Any:
        return value(number)

    return result


@pytest.mark.parametrize(
    ("value", "dtype", "with_gap"),
    [
        (lambda number: number.sum(), "int64", "float64"),
        (lambda number: int(number.sum()), "int64", "float64"),
        (lambda number: np.float32(number.sum()), "float32", "float32"),
        (lambda number: number.sum() > 6, "bool", "boolean"),
        (lambda number: pd.Timestamp("2024-01-01") + pd.Timedelta(int(number.sum()), "D"), "datetime64", "datetime64"),
        (lambda number: np.where(number.sum() > 6, 1.0, 2.0), "float64", "float64"),
        (lambda number: pd.NA if number.size == 3 else 3, "Int64", "Int64"),
    ],
    ids=["integer", "plain integer", "single precision", "boolean", "date", "array of no axis", "nullable"],
)
def test_results_keep_their_type_and_failed_groups_are_missing(value: Any, dtype: str, with_gap: str) -> None:
    @per_group
    def result(number):
        return value(number)

    frame = frame_of()
    plain = run(result)
    assert str(plain.dtype).startswith(dtype)
    for zone, got in zip("abc", plain):
        expected = value(GroupSeries(frame["number"][frame["zone"] == zone]))
        assert (pd.isna(got) and pd.isna(expected)) or got == expected
    with pytest.warns(
        gbr_dag.DataWarning, match=r"'result' \(.*test_literal.py:\d+\) failed in 1 of 3 groups.*zone 'c'"
    ):
        gap = run(failing(value))
    assert str(gap.dtype).startswith(with_gap)
    assert gap.isna().iloc[2]
    pd.testing.assert_series_equal(gap.iloc[:2].astype(object), plain.iloc[:2].astype(object))


def test_text_stays_text() -> None:
    @per_group
    def result(number):
        return "many" if number.sum() > 6 else "few"

    assert run(result).tolist() == ["many", "many", "few"]


def test_rows_get_their_values_back_in_the_callers_order() -> None:
    @row
    @per_group
    def result(number):
        return number.cumsum()

    got = run(result, "row")
    frame = frame_of()
    pd.testing.assert_index_equal(got.index, frame.index)
    expected = frame["number"].groupby(frame["zone"].to_numpy()).cumsum()
    np.testing.assert_array_equal(got.to_numpy(), expected.to_numpy())
    keyed = frame.dropna(subset="zone")
    assert run(result, "row", keyed).dtype == np.int64


def test_a_series_in_another_order_is_taken_by_label() -> None:
    @row
    @per_group
    def result(number):
        return number.sort_values().cumsum()

    frame = frame_of().reset_index(drop=True)
    expected = frame["number"].sort_values().groupby(frame["zone"]).cumsum().reindex(frame.index)
    np.testing.assert_array_equal(run(result, "row", frame).to_numpy(dtype=float), expected.to_numpy(dtype=float))
    with pytest.raises(gbr_dag.InputError, match=r"index is not that of the group's rows; return an array"):
        run(lambda_of_fresh_series(), "row", frame)


def lambda_of_fresh_series() -> Any:
    @row
    @per_group
    def result(number):
        return pd.Series(number.to_numpy())

    return result


def test_a_series_of_the_outputs_is_taken_like_a_dict() -> None:
    @per_group
    def ends(number):
        return pd.Series({"most": number.max(), "least": number.min()})

    found = run(ends, outputs=["least", "most"])
    assert found["least"].tolist() == [1, 0, 2]
    assert found["most"].tolist() == [6, 4, 2]
    with pytest.raises(gbr_dag.InputError, match=r"'result' .*returned a GroupSeries for 2 output"):
        run(per_group(lambda number: number), outputs=["least", "most"])


def test_several_outputs_each_of_its_type() -> None:
    @per_group
    def result(number, day):
        return {"last_day": day.max(), "n": number.size()}

    got = run(result, outputs=["n", "last_day"])
    assert got["n"].tolist() == [2, 3, 1]
    assert got["n"].dtype == np.int64
    assert got["last_day"].tolist() == [
        pd.Timestamp("2024-03-05"),
        pd.Timestamp("2024-03-06"),
        pd.Timestamp("2024-03-07"),
    ]


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("mark", [per_group, per_row])
def test_frames_of_no_row_or_one(rows: int, mark: Any) -> None:
    @mark
    def result(number):
        return number if mark is per_row else number.sum()

    got = run(result, "row" if mark is per_row else "group", frame_of().iloc[:rows])
    assert got.tolist() == [3][:rows]


def test_a_function_that_changes_what_it_gets_changes_nothing_else() -> None:
    @per_group
    def result(number, value):
        number.iloc[:] = -1
        value.iloc[0] = 99.0
        return number.sum()

    frame = frame_of()
    before = frame.copy()
    assert run(result, frame=frame).tolist() == [-2, -3, -1]
    pd.testing.assert_frame_equal(frame, before)


def test_an_array_of_a_feature_comes_as_a_series() -> None:
    driver = gbr_dag.ModelDriver({"model_name": "zones", "group_by": "zone"})
    driver.register_filter("capped", lambda value: np.where(value > 2.0, 2.0, value))

    @per_group
    def kind(capped, value):
        return f"{type(capped).__name__} {type(value).__name__}"

    driver.register_attribute("kind", kind)
    with pytest.warns(gbr_dag.PerformanceWarning):
        kinds = driver.execute(frame_of(), ["kind"])["groups"]["kind"]
    assert set(kinds) == {"GroupSeries GroupSeries"}


def test_the_cost_is_told_once() -> None:
    @per_row
    def result(number):
        return number

    driver = gbr_dag.ModelDriver({"model_name": "zones", "group_by": "zone"}).register_filter("result", result)
    frame = pd.DataFrame({"zone": 1, "number": np.arange(250)})
    told = r"'result' \(.*test_literal.py:\d+\) runs once per row: 250 calls of [\d,]+ us each, about [\d.e-]+ s"
    with pytest.warns(gbr_dag.PerformanceWarning, match=told) as caught:
        assert driver.execute(frame)["rows"]["result"].tolist() == list(range(250))
    assert [warning.filename for warning in caught] == [__file__]


def test_an_interrupt_is_no_failed_group() -> None:
    @per_group
    def result():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(result)


@pytest.mark.parametrize(
    ("value", "level", "text"),
    [
        (lambda number: number, "group", "called once per group for one value, but gave 2"),
        (lambda number: number.iloc[:1].tolist(), "row", "its call for a group of 2 rows gave 1 values"),
        (lambda number: np.zeros((len(number), 2)), "row", r"gave an array of shape \(2, 2\)"),
        (lambda number: (number.min(), 2), "group", "returned 2 values for 1 output"),
        (lambda number: {"n": number.min()}, "group", "returned a dict of 'n'"),
    ],
)
def test_results_of_a_wrong_form_are_refused_with_the_place(value: Any, level: str, text: str) -> None:
    @per_group
    def result(number):
        return value(number)

    with pytest.raises(gbr_dag.InputError, match=rf"(?s)'result' \(.*test_literal.py:\d+\).*{text}"):
        run(row(result) if level == "row" else result, level)


def test_what_a_group_has_more_than_a_series() -> None:
    days = GroupSeries(pd.to_datetime(["2024-03-01", None, "2024-04-02"]))
    assert days.dt.month.first() == 3
    assert days.dt.floor("D").last() == pd.Timestamp("2024-04-02")
    assert GroupSeries(pd.Categorical(["b", "a"])).cat.codes.first() == 1
    assert days.size() == days.size == 3
    assert np.isnan(GroupSeries([np.nan]).first())
    assert np.isnan(GroupSeries([], dtype=float).last())
    with np.errstate(divide="ignore"):
        assert np.isinf(1 / GroupSeries([], dtype=float).size())

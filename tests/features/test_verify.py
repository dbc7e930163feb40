"""ModelDriver.verify: what it compares, what it tells, and that faults planted in the engine are found."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.drivers import model_frames as door
from gbr_dag.features import per_group, per_row, reductions
from gbr_dag.features.columns import GroupedColumn
from gbr_dag.features.grouping import Grouping, Groups
from gbr_dag.features.literal_run import FrameGroups
from gbr_dag.features.value_differences import value_differences


def houses(n: int = 120) -> pd.DataFrame:
    """Unsorted rows of six zones; some without a key, some without a value; labels that repeat."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "zone": rng.choice(["f", "b", "a", "d", "c", "e"], n),
            "value": rng.normal(5.0, 2.0, n),
            "rooms": rng.integers(1, 9, n),
            "sold": rng.random(n) < 0.5,
        },
        index=rng.integers(0, 40, n),
    )
    frame.loc[rng.random(n) < 0.1, "zone"] = None
    frame.loc[rng.random(n) < 0.2, "value"] = np.nan
    return frame


def driver_of(*functions: Any, by: Any = "zone", rows: tuple[str, ...] = ()) -> gbr_dag.ModelDriver:
    driver = gbr_dag.ModelDriver({"model_name": "houses", "group_by": by})
    for function in functions:
        register = driver.register_filter if function.__name__ in rows else driver.register_attribute
        register(function.__name__, function)
    return driver


def spread(value):
    return value.std()


def plain(value):
    return value.mean()


def large(value):
    return value[value > 5.0].sum()


def fewest(rooms):
    return rooms.min()


def earliest(value):
    return value.first()


def middle(rooms):
    return rooms.median()


def known(value):
    return value.count()


def some(sold):
    return sold.any()


def entries(rooms):
    return rooms.size()


def above(value, plain):
    return value - plain


def rest(above):
    return above.max()


FUNCTIONS = (spread, plain, large, fewest, earliest, middle, known, some, entries, above, rest)


def model() -> gbr_dag.ModelDriver:
    return driver_of(*FUNCTIONS, rows=("above",))


def test_a_right_engine_is_found_right() -> None:
    verification = model().verify(houses())
    assert verification.equal, str(verification)
    assert (verification.groups, verification.all_groups) == (6, 6)
    assert verification.rows == houses()["zone"].notna().sum()
    assert set(verification.features) == {function.__name__ for function in FUNCTIONS}
    assert list(verification.differences) == ["feature", "level", "zone", "row", "grouped", "literal", "difference"]
    assert verification.called_alike == ()
    assert "equals the literal one: 11 features in 6 of 6 groups" in str(verification)


Plant = Callable[[pytest.MonkeyPatch], None]
REDUCTIONS = dict(reductions.REDUCTIONS)


def reduction(name: str, wrong: Callable[..., Any]) -> Plant:
    return lambda patch: patch.setitem(reductions.REDUCTIONS, name, wrong)


def filled(values: Any) -> Any:
    return np.nan_to_num(values) if values.dtype.kind == "f" else values


def lower_middle(values: Any, rows: Any) -> Any:
    return REDUCTIONS["quantile"](np.sort(values)[np.argsort(np.argsort(values))], rows, q=0.45)


def missing_keys_in_the_last_group(patch: pytest.MonkeyPatch) -> None:
    right = door.grouping_of

    def wrong(frame: pd.DataFrame, by: Any) -> Grouping:
        groups = right(frame, by).groups
        ids = np.where(groups.ids < 0, groups.n_groups - 1, groups.ids)
        return Grouping(frame.index, lambda: Groups(ids, groups.keys))

    patch.setattr(door, "grouping_of", wrong)


def shifted_broadcast(patch: pytest.MonkeyPatch) -> None:
    right = GroupedColumn.per_row

    def wrong(column: GroupedColumn) -> GroupedColumn:
        if not column.is_group_level:
            return right(column)
        return right(GroupedColumn(np.roll(column.raw, 1), "group", column.rows, column.grouping))

    patch.setattr(GroupedColumn, "per_row", wrong)


FAULTS: dict[str, tuple[Plant, str]] = {
    "std with another ddof": (
        reduction("std", lambda values, rows, ddof=1: REDUCTIONS["std"](values, rows, ddof=1 - ddof)),
        "spread",
    ),
    "mask ignored": (lambda patch: patch.setattr(GroupedColumn, "__getitem__", lambda self, _: self), "large"),
    "rows without key counted to the last group": (missing_keys_in_the_last_group, "spread"),
    "mean takes missing values for zero": (
        reduction("mean", lambda values, rows: REDUCTIONS["mean"](filled(values), rows)),
        "plain",
    ),
    "broadcast shifted by one group": (shifted_broadcast, "above"),
    "first and last swapped": (reduction("first", REDUCTIONS["last"]), "earliest"),
    "smallest of integers with the wrong sign": (
        reduction("min", lambda values, rows: -REDUCTIONS["min"](-values, rows)),
        "fewest",
    ),
    "median is the lower one of the two in the middle": (reduction("median", lower_middle), "middle"),
    "count takes missing values": (reduction("count", lambda _, rows: rows.sizes), "known"),
    "any and all swapped": (reduction("any", REDUCTIONS["all"]), "some"),
    "size is one too large": (reduction("size", lambda _, rows: rows.sizes + 1), "entries"),
    "sum off in one group by 1e-8 of itself": (
        reduction(
            "sum",
            lambda values, rows, **given: (
                REDUCTIONS["sum"](values, rows, **given) * np.where(np.arange(len(rows.sizes)) == 3, 1 + 1e-8, 1.0)
            ),
        ),
        "large",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_where_it_is(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, name = FAULTS[fault]
    driver, frame = model(), houses()
    if fault.startswith("size"):
        monkeypatch.setattr(GroupedColumn, "size", property(lambda self: _one_more(self)))
    else:
        plant(monkeypatch)
    verification = driver.verify(frame)
    assert not verification.equal
    assert verification.differences["feature"].iloc[0] == name
    assert str(verification).startswith(f"{name!r} (")
    assert "test_verify.py:" in str(verification).partition("differs first")[0]


def _one_more(column: GroupedColumn) -> Any:
    sizes = GroupedColumn(column.rows.sizes + 1, "group", column.rows, column.grouping)
    return lambda: sizes


def test_the_cause_is_told_before_what_follows_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reduction("mean", lambda values, rows: REDUCTIONS["mean"](values, rows) + 1.0)(monkeypatch)
    lines = str(model().verify(houses())).splitlines()
    assert lines[0].startswith("'plain' (")
    assert "in 6 of 6 groups" in lines[0]
    assert "difference 1" in lines[0]
    assert lines[1].endswith("may follow from it: above, rest")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = model().verify(houses(), outputs=["above"])
    assert rows.features == ("plain", "above")
    above_only = rows.differences[rows.differences["level"] == "row"]
    assert set(above_only["row"]) <= set(houses().index)
    np.testing.assert_allclose(above_only["difference"].astype(float), -1.0, rtol=1e-12)


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "pyarrow"])
@pytest.mark.parametrize("by", ["zone", ["zone", "rooms"]])
def test_frames_and_keys_of_all_kinds(kind: str, by: Any) -> None:
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = houses().reset_index(drop=True)
    given = {
        "pandas": lambda: frame,
        "polars": lambda: polars.from_pandas(frame),
        "lazy": lambda: polars.from_pandas(frame).lazy(),
        "pyarrow": lambda: arrow.Table.from_pandas(frame),
    }[kind]()
    verification = driver_of(*FUNCTIONS, by=by, rows=("above",)).verify(given, sample=1000)
    assert verification.equal, str(verification)
    assert verification.groups == verification.all_groups == len(frame.dropna(subset=["zone"]).groupby(by))


def test_functions_of_every_way_with_several_outputs_and_defaults() -> None:
    @per_group
    def ranked(value):
        return value.rank().max()

    @per_row
    def kind(value, plain):
        return "high" if value > plain else "low"

    def lowered(frame):
        return pd.DataFrame({"lowered": frame["rooms"] - 1}, index=frame.index)

    def high(kind):
        return (kind == "high").sum()

    def limits(value, digits=1):
        return np.round(value.min(), digits), value.max()

    def constant():
        return 3

    driver = driver_of(plain, ranked, kind, high, constant, rows=("kind", "constant"))
    driver.register_filter("lowered", lowered, inputs=["rooms"], outputs=["lowered"], legacy_mode=True)
    driver.register_attribute("least", lambda lowered: lowered.min())
    driver.register_attribute("limits", limits, outputs=["low", "most"])
    with pytest.warns(gbr_dag.PerformanceWarning):
        verification = driver.verify(houses())
    assert verification.equal, str(verification)
    assert set(verification.features) == {"plain", "high", "constant", "least", "low", "most"}
    assert set(verification.called_alike) == {"ranked", "kind", "lowered"}
    told = "6 features in 6 of 6 groups (110 rows); 3 called the same way in both runs: ranked, kind, lowered"
    assert str(verification) == f"the grouped run equals the literal one: {told}"
    with pytest.warns(gbr_dag.PerformanceWarning):
        verification = driver.verify(houses(), outputs=["ranked"])
    assert (
        str(verification)
        == "nothing to compare: 0 features in 6 of 6 groups (110 rows); 1 called the same way in both runs: ranked"
    )


def test_a_literal_call_that_raises_counts_where_the_other_run_has_a_value() -> None:
    def inverse(value):
        return 1.0 / len_of(value[value > 100.0])

    def len_of(column: Any) -> Any:
        return column.size if isinstance(column, GroupedColumn) else int(column.size)

    verification = driver_of(inverse).verify(houses())
    assert not verification.equal
    assert np.isinf(verification.differences["difference"]).all()
    assert (
        verification.failures["error"].eq("ZeroDivisionError: division by zero").sum()
        + (verification.failures["error"].eq("ZeroDivisionError: float division by zero").sum())
        == 6
    )
    assert "literal calls of 'inverse' raised in 6 groups" in str(verification)


def test_a_literal_call_that_raises_is_told_where_both_are_missing() -> None:
    def highest(value):
        kept = value[value > 100.0]
        return kept.max() if isinstance(value, GroupedColumn) else kept.iloc[0]

    verification = driver_of(highest).verify(houses())
    assert verification.equal
    assert len(verification.failures) == 6
    assert "IndexError" in str(verification)


def test_the_sample_has_the_largest_the_smallest_and_one_with_a_missing_value() -> None:
    n = 300
    sizes = np.r_[np.full(n, 3), 1, 9]
    frame = pd.DataFrame({"zone": np.repeat(np.arange(n + 2), sizes), "value": 1.0})
    frame.loc[frame["zone"] == 17, "value"] = np.nan
    chosen = FrameGroups(frame, ["zone"]).sampled(5, 0, ["value"])
    assert {17, n, n + 1} <= set(chosen)
    assert len(chosen) == 5
    assert FrameGroups(frame, ["zone"]).sampled(5, 0, ["value"]) == chosen
    assert FrameGroups(frame, ["zone"]).sampled(5, 1, ["value"]) != chosen
    assert driver_of(plain).verify(frame, sample=5).groups == 5


@pytest.mark.parametrize("rows", [0, 1])
def test_frames_of_no_row_or_one(rows: int) -> None:
    verification = model().verify(houses().dropna().iloc[:rows])
    assert verification.equal
    assert (verification.groups, verification.rows) == (rows, rows)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"sample": 0}, "sample must be a whole number, 1 or more, got 0"),
        ({"sample": 2.5}, "sample must be a whole number"),
        ({"sample": True}, "sample must be a whole number"),
        ({"seed": -1}, "seed must be a whole number, 0 or more"),
        ({"tolerance": -1e-9}, "tolerance must be a number from 0 to below 1"),
        ({"tolerance": "1e-9"}, "tolerance must be a number"),
        ({"tolerance": float("nan")}, "tolerance must be a number"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(gbr_dag.InputError, match=text):
        model().verify(houses(), **arguments)


def test_missing_columns_are_refused_as_by_execute() -> None:
    with pytest.raises(gbr_dag.MissingInputError, match="'value'"):
        model().verify(houses().drop(columns="value"))


def test_keys_named_as_the_facts_of_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    reduction("mean", lambda values, rows: REDUCTIONS["mean"](values, rows) + 1.0)(monkeypatch)
    frame = houses().rename(columns={"zone": "row"})
    verification = driver_of(plain, by="row").verify(frame)
    assert "row (key)" in verification.differences
    assert "row (key) '" in str(verification)


def test_a_verification_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        model().verify(houses()).groups = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("grouped", "literal", "differs"),
    [
        ([1, 2], [1.0, 2.0], [False, False]),
        ([1.0, np.nan], [1.0 + 1e-10, np.nan], [False, False]),
        ([1.0, np.nan], [1.0 + 1e-8, 0.0], [True, True]),
        ([2**60], [2**60 + 1], [True]),
        ([True, False], pd.array([True, None], dtype="boolean"), [False, True]),
        ([np.inf, -np.inf, np.inf], [np.inf, np.inf, 1.0], [False, True, True]),
        (["a", None], ["a", np.nan], [False, False]),
        (["a", "b"], ["a", "c"], [False, True]),
        (pd.to_datetime(["2024-01-01", None]), [pd.Timestamp("2024-01-01"), pd.NaT], [False, False]),
        (pd.Categorical(["a", "b"]), ["a", "a"], [False, True]),
        (pd.array([1, None], dtype="Int64"), [1.0, None], [False, False]),
        ([1.0, "a", None], [1.0 + 1e-10, "a", pd.NA], [False, False, False]),
    ],
)
def test_values_that_differ(grouped: Any, literal: Any, differs: list[bool]) -> None:
    found, difference = value_differences(pd.Series(grouped), pd.Series(literal), 1e-9)
    assert found.tolist() == differs
    assert (difference[~found] == 0.0).all()


def test_float32_and_sums_that_cancel_are_compared_to_their_rounding() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"zone": rng.integers(0, 5, 5000), "value": rng.normal(1e3, 1.0, 5000)})
    frame["single"] = frame["value"].astype(np.float32)

    def mean_of_single(single):
        return single.mean()

    driver = driver_of(plain, above, mean_of_single, rows=("above",))
    driver.register_attribute("left", lambda above: above.sum())
    driver.register_attribute("spread_of_single", lambda single: single.std())
    verification = driver.verify(frame)
    assert verification.equal, str(verification)


def times(n: int = 40) -> pd.DataFrame:
    """Two groups with numbers, large identifiers of whole and of floating type, and times in nanoseconds."""
    frame = pd.DataFrame({"zone": np.tile(["a", "b"], n // 2), "value": np.linspace(0.3, 0.7, n)})
    frame["run_id"] = np.where(np.arange(n) % 4 < 2, 10**15, 10**15 + 1)
    frame["float_id"] = frame["run_id"].astype(float)
    frame["when"] = pd.to_datetime(1_700_000_000 * 10**9 + np.arange(n) * 10**7)
    frame["ns"] = 1_700_000_000 * 10**9 + np.arange(n) * 10**7
    return frame


@pytest.mark.parametrize(
    "function",
    [
        lambda value, run_id: value[run_id == 10**15].mean(),
        lambda value, run_id: value[run_id > 10**15].mean(),
        lambda value, run_id: value[run_id % 2 == 1].mean(),
        lambda value, run_id: np.where(run_id == 10**15, value, 0.0).mean(),
        lambda value, float_id: value[float_id == 10**15].mean(),
        lambda value, float_id: value[float_id.isin([10**15])].mean(),
        lambda value, ns: value[ns > ns.min()].mean(),
        lambda value, when: value[when > when.min()].mean(),
        lambda value, when: value[when.dt.year > 2000].mean(),
    ],
)
def test_large_numbers_that_are_only_compared_hide_no_fault(
    function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = driver_of(by="zone").register_attribute("chosen", function)
    driver.register_filter("left", lambda value, chosen: value - chosen)
    driver.register_attribute("rest", lambda left: left.sum())
    assert driver.verify(times()).equal
    right = REDUCTIONS["mean"]
    monkeypatch.setitem(reductions.REDUCTIONS, "mean", lambda values, rows: right(values, rows) + 1e-6)
    verification = driver.verify(times())
    assert set(verification.differences["feature"]) == {"chosen", "left", "rest"}


@pytest.mark.parametrize("size", [0.1, 1e9])
@pytest.mark.parametrize(
    "function",
    [
        lambda value: value.std(),
        lambda value: (value - value.mean()).sum(),
        lambda value: (value / value.sum()).sum() - 1.0,
        lambda value: (value * 0.1)[value == value].var(),
        lambda rooms: (rooms * 0.1).std(),
        lambda rooms: (rooms * 0.1)[rooms == 3].std(),
        lambda value, rooms: np.where(rooms == 3, value, value.mean()).std(),
    ],
)
@pytest.mark.parametrize("constant", [True, False])
def test_what_cancels_may_differ_by_rounding(function: Callable[..., Any], size: float, constant: bool) -> None:
    rng = np.random.default_rng(5)
    n = 600
    value = np.full(n, size) if constant else rng.normal(size, 0.1 * size, n)
    frame = pd.DataFrame({"zone": rng.integers(0, 8, n), "value": value, "rooms": 3})
    if not constant:
        frame["rooms"] = rng.integers(3, 9, n)
    driver = driver_of(by="zone").register_attribute("cancelled", function)
    driver.register_filter("shifted", lambda rooms, cancelled: rooms * 0.0 + cancelled)
    driver.register_attribute("mean_of_shifted", lambda shifted: shifted.mean())
    verification = driver.verify(frame)
    assert verification.equal, str(verification)


def test_text_made_of_an_integer_that_other_groups_lack_differs_and_is_explained() -> None:
    frame = pd.DataFrame({"zone": ["A", "B"], "s": ["x", "y"], "n": [3, 7]})
    driver = gbr_dag.ModelDriver({"model_name": "labels", "group_by": "zone"})
    driver.register_attribute("top", lambda n: n[n > 5].max())
    driver.register_filter("lab", lambda s, top: s + top.astype(str))
    verification = driver.verify(frame)
    differing = verification.differences[["feature", "zone", "grouped", "literal"]].to_numpy().tolist()
    assert differing == [["lab", "B", "y7.0", "y7"]]
    assert "'top' is an integer in this group, but missing in some group, so a float for all" in str(verification)


def test_a_chain_of_diamonds_that_differs_calls_each_function_some_times(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def diamond(name: str) -> Callable[..., Any]:
        def function(left, right):
            if not isinstance(left, GroupedColumn):
                calls.append(name)
            return (left + right) / 2.0

        return function

    driver = gbr_dag.ModelDriver({"model_name": "diamonds", "group_by": "zone"})
    driver.register_attribute("f0", lambda value: value.mean())
    driver.register_attribute("f1", lambda value: value.mean() + 1.0)
    for i in range(2, 40):
        inputs = [f"f{i - 2}", f"f{i - 1}"]
        driver.register_attribute(f"f{i}", diamond(f"f{i}"), inputs=inputs)
    reduction("mean", lambda values, rows: REDUCTIONS["mean"](values, rows) + 1e-3)(monkeypatch)
    verification = driver.verify(houses(), sample=1)
    assert len(verification.differences) == 40
    assert max(map(calls.count, calls)) <= 1 + 2 * 8


def test_spans_of_time_round_to_their_unit() -> None:
    rng = np.random.default_rng(1)
    seconds = pd.to_timedelta(rng.integers(0, 10**6, 2000), unit="s")
    frame = pd.DataFrame({"zone": rng.integers(0, 100, 2000), "day": pd.Timestamp("2024-01-01") + seconds})
    driver = gbr_dag.ModelDriver({"model_name": "days", "group_by": "zone"})
    driver.register_attribute("scatter", lambda day: day.std())
    verification = driver.verify(frame, sample=100)
    assert verification.equal, str(verification)
    driver.register_attribute(
        "scatter", lambda day: day.std() + pd.Timedelta("1s") * int(hasattr(day, "grouping")), replace=True
    )
    assert not driver.verify(frame, sample=100).equal

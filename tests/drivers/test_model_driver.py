"""The driver of feature models: what runs, what comes out, and that nothing else happens."""

from __future__ import annotations

import pickle
import sys
import threading
from datetime import date

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features import attribute
from gbr_dag.features.grouping import Groups


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 300
    return pd.DataFrame(
        {
            "zone": rng.choice(["north", "east", "south"], n),
            "side": rng.integers(0, 2, n),
            "x": rng.normal(size=n),
            "n": rng.integers(0, 9, n),
            "float 32": rng.normal(size=n).astype("float32"),
        },
        index=rng.permutation(n) // 2,
    )


def driver_of(by="zone", **options) -> gbr_dag.ModelDriver:
    return gbr_dag.ModelDriver({"model_name": "toy", "group_by": by}, progress=False, **options)


def three_levels(by="zone") -> gbr_dag.ModelDriver:
    """A filter that needs an attribute that needs a filter, three times over."""
    driver = driver_of(by)
    driver.register_filter("excess", lambda x, mean: x - mean)
    driver.register_filter("is_far", lambda excess, spread: abs(excess) > spread)
    driver.register_attribute("spread", lambda excess: abs(excess).mean())
    driver.register_attribute("mean", lambda x: x.mean())
    driver.register_attribute("n_far", lambda is_far: is_far.sum())
    driver.register_filter("share_far", lambda is_far, n_far: is_far / n_far)
    driver.register_filter("near_mean", lambda excess, mean, n_far: excess + mean * n_far)
    return driver


def by_hand(frame: pd.DataFrame, by) -> pd.DataFrame:
    rows = frame.reset_index(drop=True)
    grouped = rows.groupby(by, observed=True)
    mean = grouped["x"].transform("mean")
    excess = rows["x"] - mean
    keys = [rows[name] for name in ([by] if isinstance(by, str) else by)]
    is_far = excess.abs() > excess.abs().groupby(keys, observed=True).transform("mean")
    n_far = is_far.groupby(keys, observed=True).transform("sum")
    return pd.DataFrame({"excess": excess, "is_far": is_far, "share_far": is_far / n_far, "n_far": n_far})


def test_three_levels_in_one_pass(frame):
    driver, expected = three_levels(), by_hand(frame, "zone")
    before = frame.copy(deep=True)
    result = driver.execute(frame)
    rows, groups = result["rows"], result["groups"]
    pd.testing.assert_index_equal(rows.index, frame.index)
    assert list(rows) == ["excess", "is_far", "share_far", "near_mean"]
    for name in ("excess", "is_far", "share_far"):
        np.testing.assert_allclose(rows[name].astype(float), expected[name].astype(float), rtol=1e-12, atol=1e-14)
    n_far = expected["n_far"].groupby(frame["zone"].to_numpy()).first()
    assert groups["zone"].tolist() == n_far.index.tolist() == ["east", "north", "south"]
    assert groups["n_far"].tolist() == n_far.tolist()
    assert result["output"] is groups
    pd.testing.assert_frame_equal(frame, before)


def test_groupings_and_broadcasts_happen_once(frame):
    driver = three_levels()
    driver.execute(frame)
    steps = driver.report()
    assert sorted(steps["node"]) == sorted(
        [*driver.registry.outputs(), "group by zone", "mean per row", "spread per row", "n_far per row"]
    )
    assert (steps["seconds"] >= 0).all()
    driver.execute(frame, outputs=["excess"])
    assert driver.report()["node"].tolist() == ["group by zone", "mean", "mean per row", "excess"]


def test_groups_are_found_once_and_only_where_they_matter(frame, monkeypatch):
    found = []

    def counted(_, by):
        found.append(by)
        raise RuntimeError

    monkeypatch.setattr("gbr_dag.drivers.feature_groups._groups", counted)
    driver = driver_of().register_filter("double", lambda x: 2 * x).register_filter("one", lambda: 1)
    driver.register_attribute("mean", lambda x: x.mean())
    result = driver.execute(frame, outputs=["double", "one"])
    assert result["groups"] is None
    assert result["output"] is None
    assert not found
    with pytest.raises(RuntimeError):
        driver.execute(frame, outputs=["mean"])
    ids = np.zeros(len(frame), dtype=int)
    monkeypatch.setattr(
        "gbr_dag.drivers.feature_groups._groups",
        lambda _, by: found.append(by) or Groups(ids, pd.DataFrame({"zone": ["all"]})),
    )
    found.clear()
    three_levels().execute(frame)
    assert found == [("zone",)]


def test_only_what_is_asked_for_runs(frame):
    driver = three_levels()
    assert driver.required_inputs() == driver.required_inputs(["near_mean"]) == ["zone", "x"]
    assert driver.plan(["mean"]).nodes == ("group by zone", "mean")
    assert driver.why("mean", ["share_far"]) == (
        "mean runs because share_far <- is_far <- excess <- mean per row <- mean"
    )
    result = driver.execute(frame, outputs=["mean", "excess", "mean"])
    assert list(result["groups"]) == ["zone", "mean"]
    assert list(result["rows"]) == ["excess"]


def test_a_plan_of_a_frame_tells_bytes(frame):
    plan = three_levels().plan(["mean"], frame)
    assert not plan.missing
    assert plan.bytes["x"] == 8 * len(frame)
    assert set(driver_of().register_filter("one", lambda: 1).plan(frame=frame).inputs) == {"zone"}


KEYS = {
    "unsorted text": lambda n, rng: rng.choice(["b", "a", "c"], n),
    "missing": lambda n, rng: pd.Series(rng.choice(["b", "a", "c"], n), dtype=object).where(rng.random(n) > 0.2),
    "floats": lambda n, rng: rng.choice([0.0, -0.0, 2.5, np.nan, -1.0], n),
    "nullable": lambda n, rng: pd.Series(rng.integers(0, 3, n), dtype="Int64").where(rng.random(n) > 0.2),
    "dates": lambda n, rng: pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 4, n), unit="D"),
    "booleans": lambda n, rng: rng.random(n) > 0.5,
    "categories": lambda n, rng: pd.Categorical(rng.choice(["b", "a"], n), categories=["c", "b", "unused", "a"]),
    "one group": lambda n, _: np.ones(n),
    "all alone": lambda n, rng: rng.permutation(n),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("several", [False, True])
def test_keys_of_all_kinds(frame, kind, several):
    rng = np.random.default_rng(7)
    frame["key"] = pd.Series(KEYS[kind](len(frame), rng)).array
    by = ["side", "key"] if several else "key"
    driver = (
        driver_of(by).register_attribute("mean", lambda x: x.mean()).register_attribute("n_rows", lambda x: x.size())
    )
    driver.register_filter("excess", lambda x, mean: x - mean)
    result = driver.execute(frame)
    grouped = frame.reset_index(drop=True).groupby(by, observed=True)["x"]
    expected = grouped.agg(mean="mean", n_rows="size").reset_index()
    pd.testing.assert_frame_equal(result["groups"], expected, check_dtype=False, check_categorical=False, rtol=1e-12)
    np.testing.assert_allclose(
        result["rows"]["excess"], (frame["x"].to_numpy() - grouped.transform("mean")), atol=1e-14
    )


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(list("cab")),
        pd.Index([7, 7, 7], name="run"),
        pd.MultiIndex.from_tuples([(1, "b"), (0, "a"), (1, "b")], names=["p", "q"]),
        pd.date_range("2024-01-01", periods=3)[::-1],
    ],
)
def test_rows_keep_the_callers_order_and_index(index):
    frame = pd.DataFrame({"zone": ["b", "a", "b"], "x": [1.0, 2.0, 5.0]}, index=index)
    driver = driver_of().register_filter("share", lambda x: x / x.sum())
    rows = driver.execute(frame)["rows"]
    pd.testing.assert_frame_equal(rows, pd.DataFrame({"share": [1 / 6, 1.0, 5 / 6]}, index=index))


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("keys", ["there", "missing"])
def test_hardly_any_rows(frame, n, keys):
    few = frame.iloc[:n] if keys == "there" else frame.iloc[:n].assign(zone=None)
    result = three_levels().execute(few)
    assert result["rows"].shape == (n, 4)
    assert len(result["groups"]) == (n if keys == "there" else 0)
    assert list(result["groups"]) == ["zone", "spread", "mean", "n_far"]


@pytest.mark.parametrize(
    "value", [3, 2.5, True, "text", date(2024, 5, 1), pd.Timestamp("2024-05-01"), np.nan, np.int8(3)]
)
def test_constants_of_both_levels(frame, value):
    driver = driver_of().register_filter("of_rows", lambda: value).register_attribute("of_groups", lambda: value)
    driver.register_filter("taken", lambda of_groups: of_groups)
    result = driver.execute(frame)
    for column in (result["rows"]["of_rows"], result["rows"]["taken"], result["groups"]["of_groups"]):
        expected = pd.Series(value, index=column.index, name=column.name)
        pd.testing.assert_series_equal(column, expected)
    assert len(result["groups"]) == 3


def test_arguments_of_all_forms(frame):
    driver = driver_of()
    driver.register_filter("with_default", lambda x, factor=3: x * factor)
    driver.register_filter("with_column", lambda x, n=1000: x * n)
    driver.register_filter("with_feature", lambda x, with_default=0: x + with_default)

    def by_keyword(x, *, power=2):
        return x**power

    driver.register_filter("by_keyword", by_keyword)
    driver.register_filter("half", lambda single: single / 2, inputs=["float 32"])
    driver.register_filter("twice", lambda one, other: one + other, inputs=["x", "x"])
    driver.register_filter("mixed", lambda one, x=0: one - x, inputs={"one": "x"})
    driver.register_filter("is_north", lambda zone: zone == "north")
    result = driver.execute(frame)["rows"]
    x = frame["x"]
    expected = {
        "with_default": x * 3,
        "with_column": x * frame["n"],
        "with_feature": x + x * 3,
        "by_keyword": x**2,
        "half": frame["float 32"] / 2,
        "twice": x + x,
        "mixed": x - x,
        "is_north": frame["zone"] == "north",
    }
    pd.testing.assert_frame_equal(result, pd.DataFrame(expected))
    assert driver.required_inputs(["with_column"]) == ["zone", "x"]
    without = driver.execute(frame.drop(columns="n"), outputs=["with_column"])["rows"]
    np.testing.assert_array_equal(without["with_column"], 1000 * x)


def test_an_argument_required_once_and_optional_once():
    driver = driver_of().register_filter("both", lambda a, b=0: a + b, inputs=["x", "x"])
    assert driver.required_inputs() == ["zone", "x"]
    assert driver.plan().missing == ("x",)


def test_a_feature_registered_anew(frame):
    driver = driver_of().register_filter("size", lambda x: 2 * x)
    driver.register_attribute("largest", lambda size: size.max())
    driver.execute(frame)
    driver.register_filter("size", lambda x: 3 * x, replace=True)
    assert driver.list_outputs()["name"].tolist() == ["size", "largest"]
    assert driver.execute(frame, ["size"])["rows"]["size"].equals(3 * frame["x"])
    for error, arguments in (
        (gbr_dag.DuplicateNameError, {"outputs": ["zone"]}),
        (gbr_dag.DuplicateNameError, {"outputs": ["largest"]}),
        (gbr_dag.InputError, {"replace": "yes"}),
    ):
        with pytest.raises(error):
            driver.register_filter("size", lambda x: 4 * x, **{"replace": True, **arguments})
    assert driver.execute(frame, ["size"])["rows"]["size"].equals(3 * frame["x"])


def test_several_outputs_of_a_function(frame):
    driver = driver_of()

    @attribute(outputs=["low", "high"])
    def bounds(x):
        return x.min(), x.max()

    driver.register_attribute("bounds", bounds)
    driver.register_filter(
        "halves", lambda x: {"up": x.where(x > 0, 0), "down": x.where(x < 0, 0)}, outputs=["down", "up"]
    )
    driver.register_filter("place", lambda x, low, high: (x - low) / (high - low))
    result = driver.execute(frame, outputs=["up", "high", "place"])
    assert list(result["rows"]) == ["up", "place"]
    assert list(result["groups"]) == ["zone", "high"]
    in_zone = frame.reset_index(drop=True).groupby("zone")["x"]
    np.testing.assert_array_equal(result["rows"]["up"], frame["x"].clip(lower=0))
    low, high = in_zone.transform("min"), in_zone.transform("max")
    np.testing.assert_allclose(result["rows"]["place"], (frame["x"].to_numpy() - low) / (high - low), rtol=1e-12)


SAME = {
    "itself": lambda x: x,
    "copy": lambda x: x.copy(),
    "no astype": lambda x: x.astype(x.dtype),
    "plus": lambda x: +x,
    "array": lambda x: x.to_numpy(),
}


KINDS = ["float64", "Int64", "category", "str", "datetime64[ns]", object]
NOT_THERE = {("no astype", "category"), *(("plus", kind) for kind in KINDS[2:])}


@pytest.mark.parametrize(
    ("way", "values"), [(way, kind) for way in SAME for kind in KINDS if (way, kind) not in NOT_THERE]
)
def test_results_share_no_memory(values, way):
    plain = pd.Series([1, 2, 3]) if values in ("float64", "Int64", "datetime64[ns]") else pd.Series(["a", "b", "c"])
    frame = pd.DataFrame({"zone": [1, 1, 2], "x": plain.astype(values)})
    before = frame.copy(deep=True)
    driver = driver_of().register_filter("same", SAME[way]).register_filter("again", lambda same: same)
    rows = driver.execute(frame)["rows"]
    other = rows["again"].copy(deep=True)
    rows.loc[0, "same"] = rows.loc[2, "same"]
    array = rows["same"].array
    if not isinstance(array, pd.arrays.NumpyExtensionArray):
        array[1] = array[2]
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_series_equal(rows["again"], other)
    assert rows.loc[0, "same"] == rows.loc[2, "same"]


def test_what_a_feature_gives_is_a_series_to_others(frame):
    """An array of NumPy's would not skip NaN, and has no first."""
    driver = driver_of().register_filter("positive", lambda x: np.where(x > 0, x, np.nan))
    driver.register_filter("sign", lambda x: np.where(x > 0, "up", "down"))
    driver.register_attribute("mean", lambda positive: positive.mean())
    driver.register_attribute("spread", lambda positive: positive.std())
    driver.register_attribute("first_sign", lambda sign: sign.first())
    groups = driver.execute(frame)["groups"]
    in_zone = frame["x"].where(frame["x"] > 0).groupby(frame["zone"].to_numpy())
    np.testing.assert_allclose(groups["mean"], in_zone.mean(), rtol=1e-12)
    np.testing.assert_allclose(groups["spread"], in_zone.std(), rtol=1e-12)
    first = frame["x"].groupby(frame["zone"].to_numpy()).first()
    assert groups["first_sign"].tolist() == np.where(first > 0, "up", "down").tolist()


def test_results_can_be_written_to_and_never_to_the_frame(frame):
    driver = driver_of().register_filter("double", lambda x: 2 * x).register_attribute("mean", lambda x: x.mean())
    result = driver.execute(frame)
    for name, table in (("double", result["rows"]), ("mean", result["groups"])):
        assert not np.may_share_memory(table[name].to_numpy(), frame["x"].to_numpy())
        table.iloc[0, table.columns.get_loc(name)] = 7.0
        assert table[name].iloc[0] == 7.0


def test_types_of_results_are_those_of_pandas(frame):
    driver = driver_of()
    rows = {
        "flag": (lambda n: n > 3, "bool"),
        "whole": (lambda n: n + 1, "int64"),
        "single": (lambda y: y * 2, "float32"),
        "word": (lambda n: np.where(n > 3, "many", "few"), pd.Series(["few"]).to_numpy().dtype),
    }
    for name, (function, _) in rows.items():
        driver.register_filter(name, function, inputs=["float 32"] if name == "single" else None)
    for name in rows:
        driver.register_attribute(f"first_{name}", lambda value: value.first(), inputs=[name])
    result = driver.execute(frame)
    for name, (_, dtype) in rows.items():
        for column in (result["rows"][name], result["groups"][f"first_{name}"]):
            assert column.dtype == dtype or (name == "word" and pd.api.types.is_string_dtype(column.dtype)), name


def test_threads_share_a_driver():
    driver = three_levels()
    frames = [
        pd.DataFrame({"zone": np.arange(2000) % (k + 2), "x": np.random.default_rng(k).normal(size=2000)})
        for k in range(4)
    ]
    expected = [three_levels().execute(frame)["groups"] for frame in frames]
    found: dict[int, list[pd.DataFrame]] = {k: [] for k in range(4)}

    def work(k: int) -> None:
        for _ in range(10):
            found[k].append(driver.execute(frames[k])["groups"])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, tables in found.items():
        assert len(tables) == 10
        for table in tables:
            pd.testing.assert_frame_equal(table, expected[k])


def test_a_long_chain_and_many_features(frame):
    driver = driver_of()
    for i in range(500):
        driver.register_filter(f"step{i}", lambda value: value + 1, inputs=["x" if i == 0 else f"step{i - 1}"])
        driver.register_attribute(f"mean{i}", lambda value: value.mean(), inputs=[f"step{i}"])
    depth = sys.getrecursionlimit()
    result = driver.execute(frame, outputs=["step499", "mean499"])
    assert sys.getrecursionlimit() == depth
    np.testing.assert_allclose(result["rows"]["step499"], frame["x"] + 500, rtol=1e-12)
    assert driver.execute(frame)["groups"].shape == (3, 501)


def test_progress_names_every_node(frame, capsys, monkeypatch):
    told = []
    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"}, progress=lambda *step: told.append(step))
    driver.register_attribute("mean", lambda x: x.mean()).execute(frame)
    assert told == [("group by zone", 0, 2), ("group by zone", 1, 2), ("mean", 1, 2), ("mean", 2, 2)]
    monkeypatch.setattr("gbr_dag.graph.progress._PATIENCE_SECONDS", 0.0)
    shown = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"}, progress=True)
    shown.register_attribute("mean", lambda x: x.mean()).execute(frame)
    assert "mean" in capsys.readouterr().err


def test_what_a_driver_says_of_itself():
    config = {"model_name": "ages", "group_by": ["zone", "side"], "seq": 2}
    driver = gbr_dag.ModelDriver(config)
    assert driver.config == {"client_name": None, "model_name": "ages", "group_by": ("zone", "side"), "seq": 2}
    assert (driver.name, driver.by) == ("ages", ("zone", "side"))
    driver.register_filter("double", lambda x: 2 * x, tags=["toy"])
    assert repr(driver) == "<ModelDriver 'ages' by zone, side: 1 features>"
    assert driver.list_outputs()["tags"].tolist() == ["toy"]
    assert "double" in driver.draw()
    assert driver.report().empty


def largest(x: pd.Series) -> float:
    return x.max()


def test_a_driver_is_pickled_after_a_run_as_before(frame) -> None:
    driver = gbr_dag.ModelDriver({"model_name": "sizes", "group_by": "zone"}).register_attribute("largest", largest)
    before = pickle.dumps(driver)
    expected = driver.execute(frame)["groups"]
    assert pickle.dumps(driver) == before
    pd.testing.assert_frame_equal(pickle.loads(before).execute(frame)["groups"], expected)

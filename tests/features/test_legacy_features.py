"""Functions that take and return frames, as features beside others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features import attribute, per_group, per_row, row


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 60
    return pd.DataFrame(
        {
            "zone": rng.choice(["north", "east", "south"], n),
            "side": rng.integers(0, 2, n),
            "x": rng.normal(size=n),
            "word": rng.choice(["a", "b"], n),
        },
        index=rng.permutation(n) // 3,
    )


def driver_of(by="zone", **options) -> gbr_dag.ModelDriver:
    return gbr_dag.ModelDriver({"model_name": "toy", "group_by": by}, progress=False, **options)


def filters(frame):
    frame["double"] = 2 * frame["x"]
    frame["rank"] = frame.groupby("zone")["x"].rank()
    return frame


def summary(frame):
    return frame.groupby("zone").agg(mean=("x", "mean"), highest=("x", "max")).reset_index()


def test_functions_of_frames_beside_others(frame):
    driver = driver_of(legacy_mode=True)
    driver.register_filter("old_filters", filters, inputs=["x"], outputs=["double", "rank"])
    driver.register_attribute("summary", summary, inputs=["x"], outputs=["mean", "highest"])
    driver.register_filter("excess", lambda x, mean: x - mean, legacy_mode=False)
    driver.register_attribute("n_high", lambda excess: (excess > 0).sum(), legacy_mode=False)
    before = frame.copy(deep=True)
    result = driver.execute(frame)
    plain = frame.reset_index(drop=True)
    in_zone = plain.groupby("zone")["x"]
    excess = plain["x"] - in_zone.transform("mean")
    expected = pd.DataFrame({"double": 2 * plain["x"], "rank": in_zone.rank(), "excess": excess})
    pd.testing.assert_frame_equal(result["rows"], expected.set_index(frame.index), rtol=1e-12)
    groups = in_zone.agg(mean="mean", highest="max")
    groups["n_high"] = (excess > 0).groupby(plain["zone"]).sum()
    pd.testing.assert_frame_equal(result["groups"], groups.reset_index(), rtol=1e-12)
    pd.testing.assert_frame_equal(frame, before)
    assert driver.required_inputs(["mean"]) == ["zone", "x"]


RESULTS = {
    "keys as columns": lambda found: found.reset_index(),
    "keys as index": lambda found: found,
    "another order": lambda found: found.iloc[::-1],
    "further columns": lambda found: found.assign(other=1),
    "a Series": lambda found: found["mean"],
    "a Series of any name": lambda found: found["mean"].rename("whatever"),
    "one level as index": lambda found: found.reset_index(level=0),
}


@pytest.mark.parametrize("by", ["zone", ["side", "zone"]])
@pytest.mark.parametrize("form", RESULTS)
def test_what_functions_of_groups_may_return(frame, by, form):
    def means(given):
        return RESULTS[form](given.groupby(by).agg(mean=("x", "mean")))

    driver = driver_of(by).register_attribute("means", means, inputs=["x"], outputs=["mean"], legacy_mode=True)
    expected = frame.groupby(by)["x"].mean().rename("mean").reset_index()
    pd.testing.assert_frame_equal(driver.execute(frame)["groups"], expected, rtol=1e-12)


@pytest.mark.parametrize("by", ["zone", ["zone", "side"]])
def test_groups_left_out_are_missing(frame, by):
    def some(given):
        found = (
            given.groupby(by)
            .agg(n=("x", "size"), text=("word", "first"), yes=("x", lambda x: len(x) > 0))
            .reset_index()
        )
        return found[found["zone"] != "north"]

    names = ["n", "text", "yes"]
    driver = driver_of(by).register_attribute("some", some, inputs=["x", "word"], outputs=names, legacy_mode=True)
    groups = driver.execute(frame)["groups"]
    is_north = groups["zone"] == "north"
    assert (groups[names].isna().all(axis=1) == is_north).all()
    sizes = frame.groupby(by).size().reset_index(name="n")["n"]
    assert groups["n"][~is_north].tolist() == sizes[~is_north].tolist()


def test_a_column_that_inputs_lacks_is_told(frame):
    def value(frame):
        frame["value"] = frame["x"] * frame["price"]
        return frame

    driver = driver_of().register_filter("value", value, inputs=["x"], outputs=["value"], legacy_mode=True)
    told = (
        r"feature 'value' \(.*KeyError: 'price'; if that is a column, inputs= lacks it: the function gets 'zone', 'x'"
    )
    with pytest.raises(gbr_dag.InputError, match=told) as caught:
        driver.execute(frame.assign(price=2.0))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_dict_of_the_function_that_lacks_a_key_is_left_alone(frame):
    def value(frame):
        return frame.assign(value={"a": 1}["b"])

    driver = driver_of().register_filter("value", value, inputs=["x"], outputs=["value"], legacy_mode=True)
    with pytest.raises(KeyError):
        driver.execute(frame)


def test_a_function_that_leaves_all_groups_out(frame):
    driver = driver_of().register_attribute(
        "none",
        lambda given: given.groupby("zone").agg(m=("x", "mean")).iloc[:0],
        inputs=["x"],
        outputs=["m"],
        legacy_mode=True,
    )
    assert driver.execute(frame)["groups"]["m"].isna().tolist() == [True] * 3


def test_values_of_groups_are_given_to_each_row(frame):
    seen = []

    def share(given):
        seen.append(given)
        return (given["x"] / given["total"]).rename("share").to_frame()

    def weighted(given):
        seen.append(given)
        return (given["x"] * given["total"]).groupby(given["zone"]).sum()

    driver = driver_of().register_attribute("total", lambda x: x.sum())
    driver.register_filter("share", share, inputs=["x", "total"], outputs=["share"], legacy_mode=True)
    driver.register_attribute("weighted", weighted, inputs=["x", "total"], outputs=["weighted"], legacy_mode=True)
    result = driver.execute(frame)
    total = frame.reset_index(drop=True).groupby("zone")["x"].transform("sum").to_numpy()
    np.testing.assert_allclose(result["rows"]["share"], frame["x"] / total, rtol=1e-12)
    expected = (frame["x"] * total).groupby(frame["zone"].to_numpy()).sum()
    np.testing.assert_allclose(result["groups"]["weighted"], expected, rtol=1e-12)
    assert [list(given) for given in seen] == [["zone", "x", "total"]] * 2
    assert driver.report()["node"].tolist().count("total per row") == 1
    driver.execute(frame, outputs=["weighted"])
    assert "total per row" in driver.report()["node"].tolist()
    for given in seen:
        pd.testing.assert_index_equal(given.index, frame.index)


def test_functions_may_change_what_they_are_given(frame):
    def zeroed(given):
        given.loc[:, "x"] = 0.0
        given.iloc[:, 1] += 1.0
        return given.rename(columns={"x": "one"})

    before = frame.copy(deep=True)
    driver = driver_of().register_filter("zeroed", zeroed, inputs=["x"], outputs=["one"], legacy_mode=True)
    driver.register_attribute("mean", lambda x: x.mean())
    result = driver.execute(frame, outputs=["one", "mean"])
    assert (result["rows"]["one"] == 1.0).all()
    np.testing.assert_allclose(result["groups"]["mean"], before.groupby("zone")["x"].mean(), rtol=1e-12)
    pd.testing.assert_frame_equal(frame, before)


def test_rows_without_a_key_are_in_no_group(frame):
    frame["zone"] = frame["zone"].where(frame["zone"] != "south", None)

    def means(given):
        return given.groupby("zone", dropna=False).agg(mean=("x", "mean")).reset_index().iloc[::-1]

    driver = driver_of().register_attribute("means", means, inputs=["x"], outputs=["mean"], legacy_mode=True)
    groups = driver.execute(frame)["groups"]
    pd.testing.assert_frame_equal(groups, frame.groupby("zone")["x"].mean().rename("mean").reset_index(), rtol=1e-12)


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("by", ["zone", ["zone", "side"]])
def test_keys_of_categories_with_unused_ones(frame, observed, by):
    frame["zone"] = pd.Categorical(frame["zone"], categories=["south", "west", "north", "east"])

    def means(given):
        return given.groupby(by, observed=observed).agg(mean=("x", "mean"))

    driver = driver_of(by).register_attribute("means", means, inputs=["x"], outputs=["mean"], legacy_mode=True)
    groups = driver.execute(frame)["groups"]
    expected = frame.groupby(by, observed=True)["x"].mean().rename("mean").reset_index()
    pd.testing.assert_frame_equal(groups, expected, check_categorical=False, rtol=1e-12)


def test_polars_frames_are_given_as_pandas(frame):
    pl = pytest.importorskip("polars")
    driver = driver_of(legacy_mode=True).register_filter("f", filters, inputs=["x"], outputs=["double", "rank"])
    driver.register_attribute("summary", summary, inputs=["x"], outputs=["mean", "highest"])
    plain = driver.execute(frame)
    result = driver.execute(pl.from_pandas(frame.reset_index(drop=True)))
    assert isinstance(result["rows"], pl.DataFrame)
    np.testing.assert_array_equal(result["rows"]["rank"].to_numpy(), plain["rows"]["rank"])
    assert result["groups"]["zone"].to_list() == plain["groups"]["zone"].tolist()


def of_rows(function, outputs=("y",), inputs=("x",)):
    return driver_of().register_filter("old", function, inputs=list(inputs), outputs=list(outputs), legacy_mode=True)


def of_groups(function, outputs=("y",), by="zone"):
    return driver_of(by).register_attribute("old", function, inputs=["x"], outputs=list(outputs), legacy_mode=True)


def means(given):
    return given.groupby("zone").agg(y=("x", "mean")).reset_index()


HEAD = r"feature 'old' \(.*test_legacy_features.py:\d+\)"
REFUSED = {
    "no frame": (of_rows(lambda _: 3), "has legacy_mode and must return a pandas.DataFrame, got what is of type int"),
    "nothing": (of_rows(lambda _: None), "got None; is a return missing"),
    "output lacking": (of_rows(lambda given: given), "return a frame with 'y', which outputs names, .* lacks it"),
    "output twice": (
        of_rows(lambda given: pd.concat([given.x.rename("y"), given.x.rename("y")], axis=1)),
        "has 2 columns of that name",
    ),
    "a Series for two": (
        of_rows(lambda given: given.x, ["y", "z"]),
        "must return a pandas.DataFrame, got what is of type Series",
    ),
    "fewer rows": (of_rows(lambda given: given.assign(y=1).iloc[1:]), "row level: .* 60 rows, got 59"),
    "sorted rows": (of_rows(lambda given: given.assign(y=1).sort_values("x")), "another index, or in another order"),
    "rows for groups": (of_groups(lambda given: given.assign(y=1)), "one row per group, got several rows for zone='"),
    "no keys": (of_groups(lambda given: given[["x"]].rename(columns={"x": "y"})), "'zone' is neither"),
    "unknown key": (of_groups(lambda given: means(given).replace("east", "west")), "unknown key zone='west'"),
    "repeated keys": (
        of_groups(lambda given: pd.concat([means(given)] * 2)),
        "several rows for zone='east' and 2 more",
    ),
    "unknown pair": (
        of_groups(lambda given: given.assign(y=1, side=5).drop_duplicates("zone"), by=["zone", "side"]),
        "unknown key zone='.*', side=5 and 2 more",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_returns_that_are_refused(frame, case):
    driver, text = REFUSED[case]
    with pytest.raises(gbr_dag.InputError, match=f"{HEAD}.*{text}"):
        driver.execute(frame)


@pytest.mark.parametrize(
    "arguments", [{}, {"inputs": ["x"]}, {"outputs": ["y"]}, {"inputs": {"a": "x"}, "outputs": ["y"]}]
)
def test_inputs_and_outputs_must_be_given(arguments):
    with pytest.raises(gbr_dag.InputError, match=r"needs inputs=\[...\] and outputs=\[...\]"):
        driver_of(legacy_mode=True).register_filter("old", filters, **arguments)


def test_decorators_may_give_them(frame):
    @row(inputs=["x"], outputs=["double"])
    def doubled(given):
        return given.assign(double=2 * given["x"])

    rows = driver_of(legacy_mode=True).register_filter("doubled", doubled).execute(frame)["rows"]
    np.testing.assert_array_equal(rows["double"], 2 * frame["x"])


@pytest.mark.parametrize("mark", [per_group, per_row])
def test_marks_of_loops_contradict_frames(mark):
    @mark
    def looped(given):
        return given

    with pytest.raises(gbr_dag.InputError, match=f"marked @{mark.__name__} and has legacy_mode, which contradict"):
        driver_of().register_filter("looped", looped, inputs=["x"], outputs=["y"], legacy_mode=True)


def test_marks_of_levels_contradict_too():
    @attribute
    def of_group(given):
        return given

    with pytest.raises(gbr_dag.InputError, match="marked @attribute and register_filter, which contradict"):
        driver_of().register_filter("of_group", of_group, inputs=["x"], outputs=["y"], legacy_mode=True)


def test_what_a_function_raises_comes_through(frame):
    def fails(_):
        message = "my own"
        raise KeyError(message)

    with pytest.raises(KeyError, match="my own"):
        of_rows(fails).execute(frame)

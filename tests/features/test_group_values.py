"""Values of groups that meet rows, against the function called on each group's own rows."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features import per_group, per_row
from gbr_dag.features.columns import of_rows
from gbr_dag.features.grouping import Grouping, Groups
from gbr_dag.features.literal import GroupSeries

IDS = np.array([1, 0, 1, 0, 1, 0])


def differing(text, **columns):
    """Rows in which a function of all groups gives something else than one of each group's rows."""
    function = eval(f"lambda {', '.join(columns)}: {text}", {"np": np, "pd": pd})
    n = len(next(iter(columns.values())))
    grouping = Grouping(pd.RangeIndex(n), lambda: Groups(IDS[:n], pd.DataFrame({"key": [0, 1]})))
    found = function(**{name: of_rows(values, grouping) for name, values in plain(columns).items()})
    values = pd.Series(found.released()).astype(object)
    wrong = []
    for group in (0, 1):
        rows = np.flatnonzero(IDS[:n] == group)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            one = function(**{name: GroupSeries(pd.Series(values).iloc[rows]) for name, values in columns.items()})
        single = np.ndim(one) == 0
        pairs = [(values[group], one)] if single else zip(values[rows], one)
        wrong += [pair for pair in pairs if not same(*pair)]
    return wrong


def plain(columns):
    return {
        name: values.to_numpy() if isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype) else values
        for name, values in columns.items()
    }


def same(value, wanted):
    if pd.isna(wanted) or pd.isna(value):
        return pd.isna(wanted) and pd.isna(value)
    return value == wanted or (isinstance(wanted, float) and value == pytest.approx(wanted, rel=1e-7))


X = np.array([1.0, -3.0, 2.0, np.nan, 9.0, 2.0])
N = np.array([0, 1, 1, 0, 4, 2])
NULLABLE = pd.array([5, 1, 2, None, None, 7], dtype="Int64")
ONE_EMPTY = pd.array([None, 1, None, 3, None, 7], dtype="Int64")
FLOATS = pd.array([5, None, 2, 1, None, None], dtype="Float64")
FLAGS = pd.array([True, None, False, False, None, True], dtype="boolean")


# pandas 2.3 tells that 3 gives such results another type
@pytest.mark.filterwarnings("ignore:Downcasting behavior:FutureWarning")
@pytest.mark.parametrize(
    "text",
    [
        "(x < i.max()).mean()",
        "x < i.max()",
        "x != i.max()",
        "x - i.max()",
        "n < e.max()",
        "n == e.min()",
        "(n >= e.min()).sum()",
        "x * e.sum()",
        "np.where(x < i.max(), 1, 2)",
        "np.where(x.to_numpy() < i.max(), n, 0)",
        "x.where(x > i.min(), i.min())",
        "x.fillna(i.max())",
        "i.max() % n",
        "i.max() // n",
        "n // i.min()",
        "x < f.mean()",
        "f < x[x > 100].mean()",
        "(f != x[x > 8].max()).sum()",
        "i > x[x > 8].max()",
        "(i > x[x > 8].max()).mean()",
        "f - x[x > 8].max()",
        "f.where(f > 1, x[x > 8].max())",
        "f.clip(x[x > 8].max(), 3)",
        "f.fillna(x[x > 8].max()).count()",
        "i < i.max()",
        "i < e.max()",
        "i.fillna(e.max()).sum()",
        "b & b.any()",
        "x + b.any()",
    ],
)
def test_missing_values_of_groups_and_of_rows(text):
    assert not differing(text, x=X, n=N, i=NULLABLE, e=ONE_EMPTY, f=FLOATS, b=FLAGS)


METHODS = ["add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow", "rsub", "rtruediv", "rfloordiv", "rmod"]


@pytest.mark.parametrize("name", [*METHODS, "divide", "subtract", "multiply", "radd", "lt", "ge", "eq", "ne"])
@pytest.mark.parametrize("values", [N, X, NULLABLE])
def test_methods_of_operators(name, values):
    for bound in ("n.min()", "n.max()", "n.median()"):
        assert not differing(f"n.{name}({bound})", n=values)
        assert not differing(f"n.{name}(other={bound})", n=values)


def test_quotients_and_remainders_together():
    for name in ("divmod", "rdivmod"):
        for part in (0, 1):
            assert not differing(f"n.{name}(n.min())[{part}]", n=N)


def test_no_fill_value_with_a_value_of_the_group():
    with pytest.raises(gbr_dag.InputError, match="fillna"):
        differing("x.sub(x.mean(), fill_value=0)", x=X)


LIMITS = ["lower=0, upper=x.mean()", "x.max(), x.min()", "x.min(), 0", "x[x > 8].max(), 1", "n.max(), x.mean()"]


@pytest.mark.filterwarnings("ignore:Downcasting behavior:FutureWarning")
@pytest.mark.parametrize("limits", [*LIMITS, "i.max(), 0", "0, e.min()", "lower=x.mean()", "x, x.mean()", "0, i.max()"])
@pytest.mark.parametrize("column", ["x", "n", "f"])
def test_bounds(limits, column):
    columns = {"x": np.array([1.0, -3.0, 2.0, -1.0, 7.0, 2.0]), "n": N, "i": NULLABLE, "e": ONE_EMPTY, "f": FLOATS}
    assert not differing(f"{column}.clip({limits})", **columns)
    if "=" not in limits:
        assert not differing(f"np.clip({column}, {limits})", **columns)
        assert not differing(f"{column}.to_numpy().clip(0, n.max())", x=columns["x"], n=N, f=columns["x"])


def test_bounds_of_dates():
    days = pd.Series(pd.to_datetime([f"2024-01-0{day}" for day in (1, 5, 3, 2, 9, 4)]))
    assert not differing("d.clip(d.max(), d.min())", d=days)
    assert not differing("d.clip(pd.Timestamp('2024-01-06'), d.min())", d=days)


@pytest.mark.parametrize(
    "text",
    [
        "c.max() > c.min()",
        "c.max() == 'low'",
        "np.where(c.max() > c.min(), 1, 0)",
        "c == c.max()",
        "c >= c.max()",
        "c < c.max()",
        "c.max() > c",
        "c.fillna(c.min())",
        "w > c.max()",
        "w == c.first()",
        "c.first() + w",
        "c.max().upper()",
        "c.where(c > c.min(), c.max())",
        "np.where(w > 'm', c.first(), w)",
    ],
)
def test_one_of_ordered_categories_is_a_plain_value(text):
    levels = ["low", "mid", "high"]
    c = pd.Categorical(["low", "high", "mid", "low", None, "mid"], categories=levels, ordered=True)
    w = pd.Series(["low", "a", "z", "mid", "mid", "low"])
    assert not differing(text, c=c, w=w)


NARROW = ["u - u.max()", "u - u.iloc[0]", "u * u.min()", "u - u.mean()", "u - u.median()", "u / u.max()", "u > u.sum()"]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "float32", "uint64"])
@pytest.mark.parametrize("text", NARROW)
def test_narrow_numbers(text, dtype):
    assert not differing(text, u=np.array([1, 200 % 120, 7, 3, 9, 90], dtype=dtype))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
@pytest.mark.parametrize("text", ["b - u.max()", "b * u.max()", "u.max() - b", "b + u.iloc[0]"])
def test_booleans_and_narrow_numbers(text, dtype):
    b = np.array([True, False, True, True, False, True])
    assert not differing(text, b=b, u=np.array([1, 80, 7, 3, 9, 90], dtype=dtype))


# models, with rows without a group and without


def label(s, n):
    return s + n.max().astype(str)


def chosen(flag):
    return flag.astype(int) - flag.any().astype(int)


def bits(n):
    return n & n.max()


def below(n):
    return n.astype("uint8") - n.max().astype("uint8")


def late(day):
    return day.clip(day.min(), day.max())


def top(n):
    return n.max()


def third(bits, top):
    return (bits - top) // 2


def high(third):
    return third.max()


def fourth(third, high, label):
    return label + (third - high).astype(int).astype(str)


@per_row
def own(n, top):
    return f"{n}/{top}"


@per_row
def whole(top):
    return divmod(top, 2)[1] == 0


@per_group
def ranks(n):
    return n.rank().astype(int)


def of_ranks(ranks, whole):
    assert (ranks.dtype.kind, whole.dtype.kind) == ("i", "b")
    return np.where(whole, ranks, -ranks).astype(int)


def checked(of_ranks):
    assert of_ranks.dtype.kind == "i", of_ranks.dtype
    return of_ranks.sum()


def share(x, m):
    return x[m].sum() / x.sum()


ROWS = (label, chosen, bits, below, late, third, fourth, own, whole, ranks, of_ranks)


def model(by="zone", name="m"):
    driver = gbr_dag.ModelDriver({"model_name": name, "group_by": by})
    for function in ROWS:
        driver.register_filter(function.__name__, function)
    for function in (top, high, checked, share):
        driver.register_attribute(function.__name__, function)
    return driver


def frame_of(keys):
    n = len(keys)
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "zone": pd.Series(keys, dtype=object),
            "s": pd.Series(list("wvutsrqponmlk"[:n])),
            "n": rng.integers(0, 50, n),
            "flag": rng.random(n) > 0.5,
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D"),
            "x": rng.random(n),
            "m": rng.random(n) > 0.3,
        }
    )


@pytest.mark.filterwarnings("ignore::gbr_dag.PerformanceWarning")
@pytest.mark.parametrize("keys", ["AAB-BA", "-AABBA", "--BAAB-A", "A--"])
def test_rows_without_a_group_change_no_other(keys):
    frame = frame_of([None if key == "-" else key for key in keys])
    grouped = frame["zone"].notna()
    found, expected = model().execute(frame), model().execute(frame[grouped])
    pd.testing.assert_frame_equal(found["groups"], expected["groups"], check_exact=True)
    rows = found["rows"]
    assert rows[~grouped].isna().all(axis=None)
    for name, column in expected["rows"].items():
        left = rows.loc[grouped, name].astype(column.dtype)
        pd.testing.assert_series_equal(left, column, check_exact=True)
    assert model().verify(frame).equal


@pytest.mark.filterwarnings("ignore::gbr_dag.PerformanceWarning")
def test_rows_that_are_all_without_a_group():
    frame = frame_of([None] * 3)
    result = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"})
    for function in (bits, label, third, fourth, ranks, own, whole):
        result.register_filter(function.__name__, function)
    result.register_attribute("top", top).register_attribute("high", high)
    found = result.execute(frame)
    assert found["rows"].isna().all(axis=None)
    assert len(found["groups"]) == 0


def test_a_row_function_is_not_called_without_a_group():
    called = []

    @per_row
    def seen(n, top):
        called.append((n, top))
        return n

    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"}).register_attribute("top", top)
    driver.register_filter("seen", seen)
    with pytest.warns(gbr_dag.PerformanceWarning, match="2 calls"):
        driver.execute(pd.DataFrame({"zone": ["A", None, "A"], "n": [1, 9, 2]}))
    assert called == [(1, 2), (2, 2)]
    assert {type(value) for pair in called for value in pair} == {int}


@pytest.mark.filterwarnings("ignore::gbr_dag.PerformanceWarning")
@pytest.mark.parametrize("on", ["rows", "groups"])
def test_merged_models_give_the_same(on):
    frame = frame_of(["A", None, "B", "B", "A", None, "B"])
    frame["town"] = ["p", "p", None, "q", "q", "q", None]
    second = gbr_dag.ModelDriver({"model_name": "second", "group_by": "town" if on == "rows" else "zone"})
    if on == "rows":
        second.register_filter("sum_of_rows", lambda third, top: third.fillna(0) + top.fillna(0).max())
        second.register_filter("above", lambda n, sums: n > sums)
        second.register_attribute("sums", lambda bits: bits.sum())
    else:
        second.register_attribute("sums", lambda top: top.sum())
    pipeline = gbr_dag.ModelPipeline([model(), second], on=on)
    sequence, merged = pipeline.execute(frame), pipeline.merged().execute(frame)
    for name in ("m", "second"):
        for part in ("rows", "groups"):
            left, right = sequence[name][part], merged[name][part]
            assert (left is None) == (right is None)
            if left is not None:
                pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_functions_of_frames_get_missing_values():
    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"}, legacy_mode=True)
    seen = []

    def frames(frame):
        seen.append(frame["above"].tolist())
        return frame.assign(twice=frame["above"] * 2)

    driver.register_attribute("top", top, legacy_mode=False)
    driver.register_filter("above", lambda n, top: n - top, legacy_mode=False)
    driver.register_filter("twice", frames, inputs=["above"], outputs=["twice"])
    rows = driver.execute(pd.DataFrame({"zone": ["A", None, "A"], "n": [1, 9, 2]}), ["twice"])["rows"]
    np.testing.assert_array_equal(seen, [[-1.0, np.nan, 0.0]])
    np.testing.assert_array_equal(rows["twice"], [-2.0, np.nan, 0.0])


def test_no_value_of_a_row_without_a_group_is_met():
    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"})
    driver.register_filter("digits", lambda x, n: (x * n.max()).astype(int).astype(str))
    frame = pd.DataFrame({"zone": ["A", None, "A", "B"], "n": [1, 0, 2, 5], "x": [1.0, np.nan, 3.0, 4.0]})
    digits = driver.execute(frame)["rows"]["digits"]
    assert digits.dropna().tolist() == ["2", "6", "20"]
    assert digits.isna().tolist() == [False, True, False, False]


def test_no_mask_differs_by_rows_without_a_group():
    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"})
    driver.register_attribute("value", lambda x, n: (x[n < 800] * n[n < n.max() + 1]).sum())
    frame = pd.DataFrame({"zone": ["A", None, "A", "B"], "n": [1, 900, 2, -5], "x": [1.0, 2.0, 3.0, 4.0]})
    assert driver.execute(frame)["groups"]["value"].tolist() == [7.0, -20.0]


def test_a_condition_that_is_missing_where_there_is_no_group():
    driver = gbr_dag.ModelDriver({"model_name": "m", "group_by": "zone"})
    driver.register_filter("value", lambda b, n: np.where(b, n.max(), n)).register_filter(
        "text", lambda value: value.astype(str)
    )
    flags = pd.array([True, None, False], dtype="boolean")
    found = driver.execute(pd.DataFrame({"zone": ["A", None, "A"], "n": [1, 9, 2], "b": flags}))["rows"]
    assert found["text"].tolist()[::2] == ["2", "2"]
    assert found["value"].isna().tolist() == [False, True, False]

"""What columns refuse, with the ways out, and that nothing of it is done group by group instead."""

from __future__ import annotations

import copy
import math
import operator

import numpy as np
import pandas as pd
import pytest

from gbr_dag.errors import InputError
from gbr_dag.features import literal
from gbr_dag.features.columns import of_rows
from gbr_dag.features.grouping import Grouping, Groups

WAYS = "@per_group (of gbr_dag.features) runs the whole function group by group, @per_row value by value"


def grouping_of(ids):
    ids = np.asarray(ids, dtype=np.int64)
    keys = pd.DataFrame({"key": range(int(ids.max(initial=-1)) + 1)})
    return Grouping(pd.RangeIndex(len(ids)), lambda: Groups(ids, keys))


@pytest.fixture
def columns():
    grouping = grouping_of([1, 0, 1, -1, 2])
    values = {
        "x": np.array([1.0, 2.0, np.nan, 4.0, 5.0]),
        "n": np.array([1, 2, 3, 4, 5]),
        "m": np.array([True, False, True, True, False]),
        "s": pd.array(["a", "b", None, "d", "e"], dtype="string"),
        "d": pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-04", "2024-01-05"]).array,
        "c": pd.Categorical(["a", "b", None, "a", "b"]),
    }
    return {name: of_rows(array, grouping) for name, array in values.items()}


@pytest.fixture(autouse=True)
def nothing_loops(monkeypatch):
    def looped(*_, **__):
        pytest.fail("a loop over groups or rows")

    for owner, name in [
        (literal, "GroupSeries"),
        (literal, "called_per_group"),
        (literal, "called_per_row"),
        (np, "vectorize"),
        (np, "apply_along_axis"),
        (pd.core.groupby.SeriesGroupBy, "apply"),
        (pd.core.groupby.SeriesGroupBy, "agg"),
        (pd.core.groupby.SeriesGroupBy, "transform"),
        (pd.core.groupby.SeriesGroupBy, "__iter__"),
        (pd.Series, "apply"),
    ]:
        monkeypatch.setattr(owner, name, looped)


REFUSED = {
    "if x > 1: pass": "if, and, or, not, in or a chain of comparisons",
    "0 < x < 3": "write &, |, ~, np.where",
    "x.mean() > 1 and x.max() > 2": "if, and, or, not",
    "not m": "if, and, or, not",
    "2 in x": "(column == value).any()",
    "len(x)": "len() has no form for all groups at once; write .size",
    "[one for one in x]": "a loop, sum(), min(), max() or list()",
    "sum(x)": "write .sum()",
    "max(x)": "a loop, sum(), min(), max()",
    "list(x)": "no form for all groups at once",
    "reversed(x)": "reversed()",
    "float(x.mean())": "float(), int() or a function of math",
    "int(x.size())": "float(), int()",
    "complex(x.mean())": "float(), int()",
    "range(x.count())": "float(), int()",
    "math.sqrt(x.mean())": "write .astype(float), or NumPy's function of that name",
    "str(x)": ".astype(str) gives the text of every row",
    "f'{x.mean():.2f}'": "an f-string or format()",
    "np.asarray(x)": "what makes an array of a column",
    "pd.Series(x)": "functions of pandas take no such column",
    "pd.isna(x)": "as x.isna() for pd.isna(x)",
    "pd.to_numeric(x)": "no form for all groups at once",
    "x @ x": "write (x * y).sum()",
    "np.dot(x, x)": "np.dot",
    "np.matmul(x, x)": "np.matmul",
    "x[0]": "[int]",
    "x[:2]": "[slice]",
    "x[[True, False]]": "[list]",
    "x[n]": "only a mask of booleans selects",
    "x[s]": "only a mask of booleans selects",
    "x[x.mean() > 1]": "only a mask of the rows selects: write .where(condition)",
    "x.loc[2]": "[int]",
    "x.mean()[0]": "[...] of one value per group",
    "x.mean().iloc[0]": ".iloc[0]",
    "x.iloc[1]": ".iloc[1] has no form for all groups at once; .iloc[0] and .iloc[-1] have",
    "x.iloc[0.0]": ".iloc[float]",
    "x.iloc[:2]": ".iloc[slice]",
    "x.iloc[m]": ".iloc[GroupedColumn]",
    "x[m] + x": "an operation on columns of different rows",
    "x[m][m]": "an operation on columns of different rows",
    "x + pd.Series([1.0])": "an operation with a Series of 1 values",
    "x + np.arange(5)": "an operation with a ndarray of 5 values has no form for all groups at once; take it",
    "np.arange(5) * x": "an operation with a ndarray of 5 values",
    "x > [1, 2, 3, 4, 5]": "an operation with a list of 5 values",
    "np.add(x, np.arange(5))": "an operation with a ndarray",
    "np.where(m, np.arange(5), 0)": "an operation with a ndarray",
    "np.where(m)": "np.where",
    "x.where(np.array([True] * 5))": "an operation with a ndarray",
    "x.fillna({0: 1})": "an operation with a dict",
    "x.cumsum()": ".cumsum has no form for all groups at once",
    "x.shift()": ".shift",
    "x.rank()": ".rank",
    "x.diff()": ".diff",
    "x.sort_values()": ".sort_values",
    "x.apply(abs)": ".apply",
    "x.agg('mean')": ".agg",
    "x.transform('mean')": ".transform",
    "x.groupby(n)": ".groupby",
    "x.rolling(2)": ".rolling",
    "x.value_counts()": ".value_counts",
    "x.unique()": ".unique",
    "x.idxmax()": ".idxmax",
    "x.mode()": ".mode",
    "x.index": ".index",
    "x.name": ".name",
    "x.shape": ".shape",
    "x.tolist()": ".tolist",
    "x.convert_dtypes()": ".convert_dtypes",
    "x.ffill()": ".ffill",
    "x.interpolate()": ".interpolate",
    "x.map(abs)": ".map of a dict has",
    "x.map(pd.Series([1]))": ".map of a column",
    "x.isin(n)": ".isin of a column",
    "x.where(lambda one: one > one.mean())": ".where with a function",
    "x.mask(lambda one: one > one.mean(), 0)": ".mask with a function",
    "x.fillna(0, inplace=True)": ".fillna(inplace=...)",
    "x.clip(0, 1, inplace=True)": ".clip(inplace=...)",
    "x.fillna(0, limit=1)": ".fillna(limit=...)",
    "x.replace(1)": ".replace without a value",
    "x.replace(1, n)": ".replace of a column",
    "s.astype('category')": ".astype('category')",
    "s.astype(pd.CategoricalDtype())": "pandas.CategoricalDtype(categories=[...]) has",
    "c.cat.remove_unused_categories()": ".cat.remove_unused_categories",
    "c.cat.categories": ".cat.categories",
    "s.str.cat()": ".str.cat",
    "s.str.get_dummies()": ".str.get_dummies",
    "s.str.startswith(s)": ".str.startswith of a column",
    "s.str.cat(pd.Series(['a'] * 5))": ".str.cat with a Series",
    "d.dt.isocalendar()": ".dt.isocalendar",
    "d.dt.freq": ".dt.freq",
    "d.dt.tz_localize('UTC', ambiguous='infer')": "ambiguous='infer'",
    "d.max().dt": "one group's run has a plain date or string there",
    "s.first().str": "a plain date or string",
    "x.mean().fillna(0)": "write np.where(np.isnan(value), other, value)",
    "x.mean().sum()": ".sum() of one value per group has no form for all groups at once; take the column",
    "x.mean().size": "size of one value per group",
    "x.mean().values": ".values of one value per group",
    "x.mean().to_numpy()": ".to_numpy() of one value per group",
    "d.dt.tz_localize('UTC').values": ".dt.tz_convert(None).to_numpy() has",
    "x.values.median()": ".median() of an array",
    "x.values.fillna(0)": ".fillna of an array",
    "x.values.T": ".T of an array",
    "x.std(1)": "give arguments by name",
    "x.sum(axis=1)": ".sum(axis=...)",
    "x.mean(numeric_only=True)": ".mean(numeric_only=...)",
    "x.count(skipna=False)": ".count(skipna=...)",
    "x.quantile([0.1, 0.9])": ".quantile(q=...)",
    "x.quantile(q=[0.1])": ".quantile(q=...)",
    "x.quantile(1.5)": "q must be between 0 and 1, got 1.5",
    "x.quantile(0.5, interpolation='lower')": ".quantile(interpolation=...)",
    "x.quantile(q=0.5, interpolation='lower')": ".quantile(interpolation=...)",
    "x.values.sum(min_count=1)": ".sum(min_count=...)",
    "np.percentile(x, 130)": "q must be one number between 0 and 100, got 130",
    "np.percentile(x, [10, 90])": "q must be one number",
    "np.quantile(x, 0.5, method='lower')": "np.quantile with these arguments",
    "np.sum(x, where=m)": "no form",
    "np.std(x, dtype=float)": "np.std with these arguments",
    "np.median(x, keepdims=True)": "np.median with these arguments",
    "np.cumsum(x)": "np.cumsum",
    "np.diff(x)": "np.diff",
    "np.sort(x)": "np.sort",
    "np.unique(x)": "np.unique",
    "np.argmax(x)": "np.argmax",
    "np.corrcoef(x, x)": "np.corrcoef",
    "np.cov(x, x)": "np.cov",
    "np.concatenate([x, x])": "np.concatenate",
    "np.histogram(x)": "np.histogram",
    "np.add.reduce(x)": "np.add.reduce",
    "np.add.accumulate(x)": "np.add.accumulate",
    "np.maximum.outer(x, x)": "np.maximum.outer",
    "np.sqrt(x, out=np.zeros(5))": "np.sqrt with out=",
    "np.sqrt(x, where=m)": "np.sqrt with where=",
    "np.isin(x, n)": "np.isin with a table from a column",
    "np.interp(2, x, n)": "np.interp",
    "np.average(x, weights=[1, 2, 3, 4, 5])": "np.average with weights that are no column",
    "np.average(x, weights=2)": "np.average with weights that are no column",
    "(x * 1j).std()": ".std() of complex numbers has no form for all groups at once; .real",
    "np.median(x * 1j)": ".median() of complex numbers",
    "(x * 1j).max()": ".max() of complex numbers",
    "np.prod(x * 1j)": ".prod() of complex numbers",
    "x.astype(object).quantile()": ".quantile() of object has no form for all groups at once; if they are numbers",
    "np.percentile(x.astype(object), 30)": ".quantile() of object",
    "c.quantile()": ".quantile() of category",
    "np.nanstd(d)": "NumPy's std of datetime64",
    "np.nanmean(d)": "NumPy's mean of datetime64",
    "np.median(d)": "NumPy's median of datetime64",
    "np.percentile(d, 30)": "NumPy's quantile of datetime64",
    "np.nanmax(s)": "NumPy's max of str",
    "np.nanmin(d.dt.tz_localize('UTC'))": "NumPy's min of datetime64",
    "{x}": "an unhashable column, as in {x}, dict.get(x)",
    "d.max().timestamp()": ".timestamp of one value per group",
    "s.first().split('a')": ".split of one value per group",
    "np.where(m.astype('boolean').where(x > 1), 1, 0)": "a condition of np.where or np.select is missing",
}


def run(statement, columns):
    names = {**columns, "np": np, "pd": pd, "math": math}
    exec(statement, names)
    return names


@pytest.mark.parametrize("statement", REFUSED)
def test_refused(statement, columns):
    with pytest.raises(InputError) as caught:
        run(statement, columns)
    assert REFUSED[statement] in str(caught.value)
    assert WAYS in str(caught.value) or " must be " in str(caught.value) or "is missing" in str(caught.value)


@pytest.mark.parametrize(
    "statement", ["x[m] = 0", "x.loc[m] = 0", "x.iloc[0] = 0", "x.values[m] = 0", "x[m] += 1", "del x[0]"]
)
def test_arguments_are_not_changed(statement, columns):
    with pytest.raises(InputError, match=r"a feature must not change its arguments; write \.where"):
        run(statement, columns)


def test_augmented_assignment_makes_another_column(columns):
    before = columns["n"].raw.copy()
    after = run("n += 1", columns)["n"]
    assert after.raw.tolist() == [2, 3, 4, 5, 6]
    assert np.array_equal(columns["n"].raw, before)


@pytest.mark.parametrize(
    "statement", ["x.nonsense", "x.sum_", "x.mean().nonsense", "x.foo = 1", "x._repr_html_", "x.__wrapped__"]
)
def test_unknown_attribute(statement, columns):
    with pytest.raises(AttributeError):
        run(statement, columns)


def test_columns_of_two_frames(columns):
    other = of_rows(np.arange(5), grouping_of([0, 1, 2, 0, 0]))
    with pytest.raises(InputError, match="columns of different models or runs"):
        operator.add(columns["x"], other)


@pytest.mark.parametrize(
    "statement",
    ["s.mean()", "s.std()", "c.min()", "c.sum()", "d.sum()", "d.var()", "s.prod()", "s.median()"],
)
def test_what_pandas_refuses(statement, columns):
    with pytest.raises(TypeError, match=r"(?i)string|object|category|datetime|categorical|cannot|not support"):
        run(statement, columns)


def test_probes_end(columns):
    x = columns["x"]
    again = copy.copy(x)
    assert again.raw is x.raw
    assert repr(again) == "<GroupedColumn, row level, 5 values of float64>"
    assert type(x).__new__(type(x)).__class__ is type(x)
    assert not hasattr(type(x).__new__(type(x)), "_repr_html_")
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_a_mask_is_evaluated_once(columns):
    x, n, mask = columns["x"], columns["n"], columns["m"]
    assert x[mask].rows is n[mask].rows
    assert (x[mask] * n[mask]).sum().raw.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(("statement", "words"), [
    ("m.quantile()", "booleans have no quantiles"), ("np.percentile(m, 30)", "booleans have no quantiles"),
    ("np.all(m.astype('boolean').where(x > 1).to_numpy())", "pd.NA, which is neither true nor false"),
])  # fmt: skip
def test_what_one_group_refuses_too(statement, words, columns):
    with pytest.raises(InputError, match=words):
        run(statement, columns)


@pytest.mark.parametrize("operation", [
    "x.sum()", "x.mean()", "x.max()", "m.any()", "m.min()", "n.median()", "x.std()", "x.first()", "s.first()",
    "d.max()", "x[m].quantile()", "n.nunique()", "c.nunique()", "s.max()", "d.mean()", "x - x.mean()", "n.iloc[-1]",
    "np.where(x.mean() > 1, x, 0)", "(n * n.sum()).sum()",
])  # fmt: skip
def test_no_rows(operation, columns):
    grouping = grouping_of([])
    empty = {name: of_rows(column.raw[:0], grouping) for name, column in columns.items()}
    assert len(eval(operation, {**empty, "np": np}).raw) == 0


def test_whole_numbers_beyond_those_of_doubles():
    grouping = grouping_of([0, 1, -1, 1])
    large = of_rows(np.array([2**53 + 1, 2**63 - 1, 5, 2**53 + 3]), grouping)
    assert (large - large.min()).raw[[0, 1, 3]].tolist() == [0, 2**63 - 1 - 2**53 - 3, 0]
    assert large[large > 2**60].max().raw[1] == 2**63 - 1


def test_rows_of_no_group_are_missing():
    grouping = grouping_of([0, 1, -1, 1])
    n, word = of_rows(np.arange(4), grouping), of_rows(np.array(["a", "b", "c", "d"], dtype=object), grouping)
    date = of_rows(pd.to_datetime(["2024-01-01"] * 4).array, grouping)
    for column, kind in [
        (n.sum(), "float64"),
        ((n > 1).any(), "boolean"),
        (date.max(), date.dtype),
        (word.first(), object),
    ]:
        spread = column.per_row()
        assert spread.dtype == column.dtype
        assert spread.released().dtype == kind
        assert pd.isna(spread.released()).tolist() == [False, False, True, False]
    assert pd.isna(np.where((n > 1).any(), 1, 0).per_row().released()).tolist() == [False, False, True, False]

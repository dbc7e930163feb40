"""Columns of all groups against the function called on each group's Series, one after the other."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from gbr_dag.features.columns import of_rows
from gbr_dag.features.grouping import Grouping, Groups
from gbr_dag.features.literal import GroupSeries

KEYS = ["b", "a", "c", "b", None, "d", "a", "b", "e", "c", "a", "b", "e", "b", "a", "b"]
"""Unsorted, one missing; "d" has one row, "c" no value of most types."""

N = len(KEYS)
ABSENT = [2, 9, 3, 12]
NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 0, 7, 9, 3]


def absent(values, missing=None):
    return [missing if i in ABSENT else value for i, value in enumerate(values)]


DAYS = [f"2024-0{1 + value % 9}-1{value}T0{value}:30:00" for value in NUMBERS]
WORDS = [["kiwi", "", "Fig", "apple"][value % 4] for value in NUMBERS]
LEVELS = ["kiwi", "", "Fig", "apple", "unused"]
COLUMNS = {
    "float64": np.array(absent([value - 4.5 for value in NUMBERS], np.nan)),
    "infinite": np.array([np.inf, 1, 2, -np.inf, 0, np.inf, 1e300, np.nan, 2, 2, -0.0, 3, 4, 5, 6, 7.0]),
    "float32": np.array(absent(NUMBERS, np.nan), dtype=np.float32) / np.float32(7),
    **{kind: np.array(NUMBERS, dtype=kind) for kind in ("int8", "int64", "uint8", "uint64")},
    "bool": np.array(NUMBERS) % 2 == 0,
    "Int64": pd.array(absent(NUMBERS), dtype="Int64"),
    "Float64": pd.array(absent([value / 3 for value in NUMBERS]), dtype="Float64"),
    "boolean": pd.array(absent([value % 2 == 0 for value in NUMBERS]), dtype="boolean"),
    "str": pd.Series(absent(WORDS), dtype="str" if pd.__version__ >= "3" else "string").array,
    "object": np.array(absent(WORDS), dtype=object),
    "dates": pd.to_datetime(absent(DAYS)).array,
    "dates with zone": pd.to_datetime(absent(DAYS)).tz_localize("Europe/Paris").array,
    "spans": pd.to_timedelta(absent(NUMBERS), unit="h").array,
    "categories": pd.Categorical(absent(WORDS), categories=LEVELS),
    "ordered categories": pd.Categorical(absent(WORDS), categories=LEVELS, ordered=True),
}
FLOATS = ("float64", "infinite", "Float64")
INTEGERS = ("int8", "int64", "Int64")
NUMERIC = (*FLOATS, *INTEGERS, "float32", "uint8", "uint64", "bool", "boolean")
PLAIN = ("infinite", "float32", "int64", "uint8")
DATES = ("dates", "dates with zone")
TEXTS = ("str", "object")
ORDERED = (*NUMERIC, *DATES, *TEXTS, "spans", "ordered categories")
EVERY = tuple(COLUMNS)
OTHER = {
    "float16": np.array(absent(NUMBERS, np.nan), dtype=np.float16) / np.float16(4),
    "complex": np.array(absent([complex(value, 5 - value) for value in NUMBERS], np.nan)),
    "huge": np.array([(value - 4) / 5 * 1e308 for value in NUMBERS]),
    "large int8": np.array([100, -100, 100, 90] * 4, dtype=np.int8),
    "int8 weights": np.array([1 + value for value in NUMBERS], dtype=np.int8),
    "object numbers": np.array(absent(NUMBERS), dtype=object),
    "object booleans": np.array(absent([value % 2 == 0 for value in NUMBERS]), dtype=object),
}
COLUMNS.update(OTHER)
SMALL = ("large int8", "int8 weights", "int8", "uint8", "bool", "int64", "float32", "float64")

REDUCTIONS = {
    EVERY: """x.count() ; x.size() ; x.size ; x.nunique() ; x.nunique(dropna=False) ; x.first() ; x.last() ; x.iloc[0]
        ; x.iloc[-1] ; x.isna().sum() ; x.notna().all() ; x[m].size() ; x[m].count() ; x[m].first() ; x[m].last()
        ; x[~m].nunique() ; x[none].count() ; x[none].nunique() ; x[none].first() ; x.dropna().size() ; np.size(x)""",
    ORDERED: "x.min() ; x.max() ; x[m].min() ; x[m].max() ; x[none].max()",
    NUMERIC: """x.sum() ; x.mean() ; x.any() ; x.all() ; x.prod() ; x.product() ; x.sum(min_count=1)
        ; x.prod(min_count=2) ; x.sum(skipna=False) ; x.min(skipna=False) ; x.any(skipna=False) ; x.all(skipna=False)
        ; x.mean(skipna=False) ; x[m].sum() ; x[none].sum() ; x[none].any() ; x[none].all() ; x[m].any()
        ; x[m].mean() ; x[none].mean() ; np.sum(x) ; np.mean(x) ; np.min(x) ; np.max(x) ; np.any(x) ; np.all(x)
        ; np.prod(x) ; np.amax(x) ; np.amin(x) ; x.sum() / x.count() ; x[m][x[m].notna()].sum()""",
    (*FLOATS, *INTEGERS): """x.median() ; x.std() ; x.var() ; x.std(ddof=0) ; x.var(ddof=2) ; x.quantile()
        ; x.quantile(0.3) ; x.quantile(q=0.9) ; x[m].std() ; x[m].median() ; x[none].std() ; x[m].quantile(0.25)
        ; np.std(x) ; np.var(x) ; np.std(x, ddof=1) ; x.max() - x.min() ; x.sum() // 3 ; x.sum() % 4 ; -x.sum()
        ; x.mean() ** 2 ; round(x.mean(), 2) ; round(x.count() / 3) ; abs(x.min()) ; x.mean() > 2 ; ~(x.sum() > 2)
        ; (x.sum() > 2) & (x.count() > 1) ; np.where(x.mean() > 2, 1, 2) ; np.sqrt(abs(x.sum()))
        ; x.mean().round(1) ; np.round(x.mean(), 1) ; np.maximum(x.max(), 4) ; 1 / x.sum() ; x.sum() / 0.0
        ; divmod(x.sum(), 4)[0] ; x.std(skipna=False) ; (x / x.sum()).sum() ; (x - x.mean()).abs().max()
        ; (x > x.mean()).sum() ; (x * 2).max() ; np.floor(x.mean()) ; x.clip(1, 3).sum()""",
    PLAIN: """np.median(x) ; np.ptp(x)
        ; np.nansum(x) ; np.nanmean(x) ; np.nanmax(x) ; np.nanmin(x) ; np.nanstd(x) ; np.nanvar(x, ddof=1)
        ; np.nanmedian(x) ; np.nanprod(x) ; np.percentile(x, 30) ; np.quantile(x, 0.3) ; np.nanpercentile(x, 30)
        ; np.nanquantile(x, 0.3) ; np.average(x) ; np.average(x, weights=w) ; np.count_nonzero(x)
        ; np.average(x[m], weights=w[m]) ; x.values.sum() ; x.values.mean() ; x.values.std() ; x.values.var(ddof=1)
        ; x.values.any() ; x.values.all() ; np.std(x.values) ; np.mean(x.values) ; np.sum(x.values)
        ; np.nanmean(x.values) ; np.where(m, x, 0).sum() ; np.where(m, x, 0).std() ; np.where(m, x, 0).max()
        ; np.median(np.where(m, x, 0)) ; np.where(m, x, 1).prod() ; np.where(x > 2, "a", "b")[m].size""",
    (*DATES, "spans"): """x.median() ; x.mean() ; x.std() ; x.quantile(0.5) ; x.max() - x.min()
        ; (x.max() - x.min()).total_seconds() ; (x.max() - x.min()).days ; (x - x.min()).max() ; x[m].mean()
        ; x.max() == x.min() ; (x == x.max()).sum()""",
    ("float64", "float32", "int8", "Int64", "Float64"): "x[x > 2].size() ; x[x > 2].sum() ; x[x > 2][m[x > 2]].max()",
    ("boolean", "bool"): "w[x].size() ; w[x & m].mean() ; w[~x].sum()",
    ("dates", "spans"): "x.to_numpy().max() ; x.values.min()",
    DATES: """x.max().year ; x.min().month ; x.max().day_name() ; x.max().floor("D") ; x.max() > pd.NaT
        ; x.dt.year.max() ; x.dt.month.nunique() ; (x.dt.hour > 3).sum() ; x.max() + pd.Timedelta("1D")""",
    ("spans",): "x.sum() ; x[m].sum() ; x.sum() / pd.Timedelta('1h') ; x.dt.total_seconds().mean() ; x.sum().days",
    TEXTS: """x.first() + "_" ; x.max() == "kiwi" ; (x == "kiwi").sum() ; x.str.len().max()
        ; x.str.upper().first() ; x.first().upper() ; x.isin(["kiwi", "Fig"]).any() ; (x == x.first()).sum()
        ; x.map({"kiwi": 1, "Fig": 2}).sum() ; x.str.contains("i").sum() ; x.fillna("none").last()""",
    ("categories", "ordered categories"): """(x == "kiwi").sum() ; x.cat.codes.max() ; x.isin(["Fig"]).sum()
        ; x.astype(str).max() ; x.str.len().sum()""",
}
RARE_REDUCTIONS = {
    SMALL: """np.average(x, weights=(w * 3).astype("int8")) ; np.average(x[m], weights=(w[m] * 3).astype("float32"))
        ; np.average(w, weights=x.abs()) ; np.average(x, weights=w * none)""",
    ("float16",): """x.sum() ; x.mean() ; x.std() ; x.var() ; x.median() ; x.quantile(0.3) ; x.prod() ; np.sum(x)
        ; np.std(x) ; np.percentile(x, 30) ; x.min() ; x.max() ; x.count() ; x.any() ; x.first() ; x[none].mean()""",
    (
        "complex",
    ): """abs(x.sum()) ; np.imag(x.mean()) ; x.count() ; abs(x.first()) ; abs(x.last()) ; x.size() ; x.nunique()
        ; x.any() ; x.all() ; np.abs(x).std() ; np.imag(x).max()""",
    (
        "huge",
    ): """x.std() ; x.var() ; np.std(x) ; np.var(x.to_numpy()) ; (x * 0 + 1e308).sum() ; (abs(x) + 1e308).var()""",
    ("object numbers", "object booleans"): """np.all(x.to_numpy()) ; np.any(x.to_numpy()) ; x.all(skipna=False)
        ; x.any(skipna=False) ; x.any() ; x.all() ; np.any(x[none].to_numpy()) ; x.to_numpy().all() ; x.median()""",
    (
        "spans",
    ): """x.all(skipna=False) ; x.any(skipna=False) ; np.nansum(x) ; np.nanmean(x) ; np.nanmax(x) ; np.nanmin(x)
        ; np.nanmedian(x) ; np.median(x) ; x[m].all() ; np.nanstd(x) ; np.nanprod(x)""",
    ("dates",): "np.nanmax(x) ; np.nanmin(x) ; np.nansum(x) ; np.nanvar(x)",
    (
        "Int64",
        "Float64",
    ): """np.median(x) ; np.percentile(x, 30) ; np.quantile(x, 0.3) ; np.nanmedian(x) ; np.nanmax(x)
        ; np.nanpercentile(x, 30) ; np.median(x.dropna()) ; np.nansum(x) ; np.nanstd(x)""",
    ("bool",): "x.quantile() ; np.quantile(x, 0.3) ; np.nanpercentile(x, 30) ; np.median(x) ; x.median()",
    ("float32",): "x.quantile(0.3) ; np.quantile(x, 0.3) ; np.nanquantile(x, 0.3)",
}
ROWS = {
    EVERY: """x.isna() ; x.notnull() ; x == x ; x != x ; x.copy() ; x.where(m) ; x.mask(m) ; x.isin([1, "kiwi"])
        ; x.astype(object) ; x == None""",
    (
        *FLOATS,
        *INTEGERS,
    ): """x + 1 ; 1 - x ; x * 2.5 ; x / 2 ; 3 / (x + 0.5) ; x // 2 ; x % 3 ; x ** 2 ; 2 ** x.clip(0, 3)
        ; x / 0 ; x // 0 ; x % 0 ; 0 / x ; -x ; +x ; abs(x) ; x > 2 ; 2 <= x ; x >= x.mean() ; x - x.mean()
        ; x / x.sum() ; x * x.count() ; (x - x.mean()) / x.std() ; x + w ; (x > 2) & m ; (x > 2) | m ; ~(x > 2)
        ; (x > 2) ^ m ; m & True ; x.clip(1, 3) ; x.round(1) ; round(x, 1) ; x.abs()
        ; x.between(1, 3) ; x.between(x.min(), 4) ; x.fillna(0) ; x.fillna(x.max()) ; x.astype("float64")
        ; x.isin([1, 3]) ; x.isin({1.0, 2.0}) ; x.isin(np.array([1, 2])) ; x.map({1: 10, 3: 30}) ; x.replace(3, 33)
        ; x.replace({1: 7}) ; x.add(1) ; x.rsub(1) ; x.mul(w, fill_value=1) ; x.where(x > 2, -1)
        ; x.where(x > 2, x.min())
        ; x.mask(m, 0) ; divmod(x, 3)[0] ; divmod(x, 3)[1] ; divmod(7, x)[1] ; x.eq(3) ; x * w.sum() ; x == x.max()
        ; np.where(x > x.mean(), 1, 0) ; np.where(m, x, w) ; np.where(m, "in", "out") ; np.clip(x, 1, 3)
        ; np.select([x > 4, x > 2], ["big", "mid"], "low") ; np.select([x > x.mean()], [x], default=0)
        ; x.astype(str) ; x == x.iloc[0] ; x.first() + x ; (m & (x > 2)).where(m, False) ; w.iloc[0] * x""",
    PLAIN: """np.sqrt(x) ; np.exp(-w)
        ; np.maximum(x, 2) ; np.minimum(x, x.mean()) ; np.hypot(x, w) ; np.sign(w) ; np.modf(x)[1] ; np.divmod(x, 2)[0]
        ; np.isnan(x) ; np.isfinite(x) ; np.log1p(x.clip(0)) ; np.round(x, 1) ; np.around(x / 3, 2) ; np.abs(w)
        ; np.nan_to_num(x) ; np.isclose(x, 3) ; np.interp(x, [0, 5], [0, 1]) ; np.digitize(x, [1, 3, 5])
        ; np.isin(x, [1, 3]) ; np.zeros_like(x) ; np.ones_like(x) ; np.full_like(x, 2) ; x.values * 2 ; x.values > 2
        ; x.values - x ; x.values - x.values.mean() ; np.power(x, 2) ; np.float_power(w, 2) ; np.logical_and(m, x > 2)
        ; np.where(m, x, 0) + 1 ; np.where(m, x, 0).clip(0, 2) ; np.where(m, x, 0).round(1) ; np.greater(x, x.mean())
        ; np.where(x.max() > 6, x, -1) ; np.where(m, x.min(), x.max())""",
    (
        "boolean",
        "bool",
    ): "x & m ; x | m ; ~x ; x ^ m ; x & True ; x.astype(object) ; x.fillna(False) ; x == True ; x & x.any()",
    (
        *DATES,
        "spans",
    ): "x - x.min() ; x > x.min() ; x == x.max() ; x.fillna(x.min()) ; x + pd.Timedelta('1D') ; x.max() - x",
    DATES: """x.dt.year ; x.dt.floor("D") ; x.dt.day_name() ; x.dt.strftime("%Y") ; x > "2024-04-01" ; x.dt.hour + 1
        ; x.dt.is_month_end""",
    ("spans",): "x / pd.Timedelta('1h') ; x.dt.total_seconds() ; x.dt.days ; x * 2 ; x / x.sum() ; -x ; abs(x)",
    TEXTS: """x + "_" ; "_" + x ; x == "kiwi" ; x > "b" ; x.str.len() ; x.str[0] ; x.str[:2] ; x.str.upper()
        ; x.str.replace("i", "o") ; x.str.contains("i", na=False) ; x.fillna("none")
        ; x.map({"kiwi": 1}) ; x.replace("kiwi", "plum") ; x == x.first() ; x + x.str.lower() ; x.str.cat(x)
        ; x.str.get(0) ; x.str.zfill(6) ; x.isin(["Fig"]) ; x.where(m, "no") ; np.where(x == "Fig", 1, 2)""",
    ("categories", "ordered categories"): """x == "kiwi" ; x.cat.codes ; x.astype(str) ; x.str.len() ; x.isin(["kiwi"])
        ; x.cat.rename_categories({"kiwi": "plum"}) ; x.map({"kiwi": 1, "Fig": 2}) ; x.where(m, "Fig")""",
}


def cases(table):
    return [
        (" ".join(text.split()), kind) for kinds, texts in table.items() for text in texts.split(";") for kind in kinds
    ]


def function_of(text):
    return eval(f"lambda x, w, m, none: {text}", {"np": np, "pd": pd})


def frame_of(kind):
    values = COLUMNS[kind]
    if isinstance(values, np.ndarray):
        values = values.copy()
        values.flags.writeable = False
    weights = np.linspace(0.5, 2.5, N)
    mask = np.arange(N) % 3 != 2
    return {"x": values, "w": weights, "m": mask, "none": np.array([key == "b" for key in KEYS])}


INDEX = pd.Index([7, 7, 5, *range(N - 5), 5, 5])
MORE = (
    "x.astype(str) + x.iloc[0].astype(str) ; x.clip(x.min(), x.max()).to_numpy()"
    " ; np.where(x == x.iloc[0], x.iloc[-1], x) ; x.where(m, x.iloc[0])"
)
GROUPED = [KEYS.index(None) != i for i in range(N)]


def grouping_of(keys):
    labels = sorted({key for key in keys if key is not None})
    ids = np.array([-1 if key is None else labels.index(key) for key in keys], dtype=np.int64)
    return Grouping(INDEX[: len(keys)], lambda: Groups(ids, pd.DataFrame({"key": labels})))


def literal(function, frame):
    """What every group's call gives, by its rows; an exception in the place of what it raises."""
    found = []
    for key in sorted({key for key in KEYS if key is not None}):
        positions = [i for i in range(N) if KEYS[i] == key]
        given = {name: GroupSeries(values[positions], index=INDEX[positions]) for name, values in frame.items()}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found.append((positions, function(**given)))
            except Exception as error:  # noqa: BLE001 - whatever pandas or NumPy raises
                found.append((positions, error))
    return found


def whole(function, frame, keys=KEYS):
    grouping = grouping_of(keys)
    return function(**{name: of_rows(values, grouping) for name, values in frame.items()})


def is_missing(value):
    return value is None or bool(pd.isna(value))


def same(value, expected, rtol):
    if isinstance(expected, Exception) or is_missing(expected):
        return is_missing(value)
    if is_missing(value) or isinstance(expected, (str, pd.Timestamp, pd.Timedelta)) or isinstance(value, str):
        return not is_missing(value) and value == expected
    if isinstance(expected, (np.datetime64, np.timedelta64)):
        return value == expected
    if np.isinf(expected):
        return value == expected
    return value == expected or abs(float(value) - float(expected)) <= rtol * max(abs(float(expected)), 1e-3)


def differences(text, kind):
    function, frame = function_of(text), frame_of(kind)
    expected = literal(function, frame)
    raised = [one for _, one in expected if isinstance(one, Exception)]
    if len(raised) == len(expected):
        with pytest.raises(Exception):  # noqa: B017, PT011 - of whatever type pandas or NumPy raises
            whole(function, frame)
        return []
    try:
        column = whole(function, frame)
    except (TypeError, ValueError):  # a group's failure may be that of all, told in words
        if raised:
            return []
        raise
    # sums of short floats are made in double precision here, in their own by pandas
    rtol = {"float16": 2e-3, "float32": 1e-5}.get(kind, 1e-12)
    found = []
    for group, (positions, values) in enumerate(expected):
        if column.is_group_level:
            assert isinstance(values, Exception) or np.ndim(values) == 0
            pairs = [(group, column.raw[group], values)]
        else:
            one = isinstance(values, Exception)
            parts = [values] * len(positions) if one else list(values)
            pairs = [(row, column.raw[row], part) for row, part in zip(positions, parts)]
        found += [pair for pair in pairs if not same(pair[1], pair[2], rtol)]
    return found


@pytest.mark.parametrize(("text", "kind"), cases(REDUCTIONS) + cases(RARE_REDUCTIONS))
def test_reductions(text, kind):
    assert differences(text, kind) == []


# pandas 2.3 tells that 3 gives such results another type
@pytest.mark.filterwarnings("ignore:Downcasting behavior:FutureWarning")
@pytest.mark.parametrize(("text", "kind"), cases(ROWS))
def test_rows(text, kind):
    assert differences(text, kind) == []


MEETING = re.compile(r"\.(min|max|mean|sum|any|all|first|std|count|median|iloc|size)\b")
WITH_GROUPS = {kinds: ";".join(filter(MEETING.search, texts.split(";"))) for kinds, texts in ROWS.items()}
WITH_GROUPS = {kinds: texts for kinds, texts in WITH_GROUPS.items() if texts}


def values_of(result):
    parts = result if isinstance(result, tuple) else (result,)
    return [(one, one.raw[np.array(GROUPED)[: len(one.raw)]] if len(one.raw) == N else one.raw) for one in parts]


@pytest.mark.filterwarnings("ignore:Downcasting behavior:FutureWarning")
@pytest.mark.parametrize(("text", "kind"), cases({**WITH_GROUPS, EVERY: MORE}))
def test_a_row_without_a_group_changes_nothing_of_others(text, kind):
    function, frame = function_of(text), frame_of(kind)
    keys = [key for key in KEYS if key is not None]
    try:
        expected = whole(function, {name: values[np.array(GROUPED)] for name, values in frame.items()}, keys)
    except Exception as error:  # noqa: BLE001 - of whatever type pandas or NumPy raises
        with pytest.raises(type(error)):
            whole(function, frame)
        return
    for (column, values), (other, wanted) in zip(values_of(whole(function, frame)), values_of(expected)):
        assert (column.kind, column.dtype) == (other.kind, other.dtype)
        pd.testing.assert_series_equal(pd.Series(values), pd.Series(wanted), check_exact=True)

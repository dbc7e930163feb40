"""The ways one would otherwise go: each takes a frame and yields keys, coefficients, errors and rms by group.

All but statsmodels sum weighted products and so lose digits with the square of the condition number and of the offset
of the columns; gbr-dag does not. Figures beside rejected variants are of 2 cores, G2b (5 million rows) unless another
scenario is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.scenarios import KEYS, Scenario

Array = npt.NDArray[Any]

SAMPLE = 200
"""statsmodels is timed on this many groups and scaled up."""


def the_frame(frame: pd.DataFrame, _: Scenario) -> pd.DataFrame:
    """What most peers start from."""
    return frame


@dataclass(frozen=True)
class Peer:
    """One way to fit all groups.

    Attributes
    ----------
    fit : callable
        ``(source, scenario) -> table``: what is timed. None is a table for a peer that fits nothing.
    source : callable
        ``(frame, scenario) -> source``: what a user of the peer has at hand, not timed.
    needs : str
        Library without which the peer is left out.
    scale : callable
        ``scenario ->`` factor on the seconds, for a peer that takes a sample of the groups.
    """

    key: str
    label: str
    fit: Callable[[Any, Scenario], Any]
    source: Callable[[pd.DataFrame, Scenario], Any] = the_frame
    needs: str = "numpy"
    scale: Callable[[Scenario], float] = lambda _: 1.0

    @property
    def absent(self) -> bool:
        return find_spec(self.needs) is None


def pairs(scenario: Scenario) -> list[tuple[str, str]]:
    """Products that a fit needs: no target with another."""
    columns = [*scenario.predictors, *scenario.targets]
    return [
        (a, b)
        for i, a in enumerate(columns)
        for b in columns[i:]
        if a == b or a in scenario.predictors  # a comes first, so a target here has a target beside it
    ]


def solved(keys: Mapping[str, Array], sums: Mapping[str, Array], scenario: Scenario) -> dict[str, Array]:
    """Fits of all groups from ``n``, ``w``, ``w a`` and ``w a b``, by Gauss-Jordan sweeps over all groups at once.

    ``np.linalg.inv`` on stacked 2 x 2 matrices alone takes 13 ms for 100,000 groups, all of this 18 with 3 targets.
    """
    total, columns = sums["w"], [*scenario.predictors, *scenario.targets]
    mean = {a: sums[f"w {a}"] / total for a in columns}
    swept = {(a, b): sums[f"w {a} {b}"] - sums[f"w {a}"] * mean[b] for a, b in pairs(scenario)}
    for pivot in scenario.predictors:
        inverse = 1.0 / swept[pivot, pivot]
        row = {a: swept.get((pivot, a), swept.get((a, pivot))) for a in columns}
        for a, b in swept:
            if pivot not in (a, b):
                swept[a, b] = swept[a, b] - row[a] * row[b] * inverse
            elif a != b:
                swept[a, b] = swept[a, b] * inverse
        swept[pivot, pivot] = -inverse
    table = dict(keys)
    leverage = 1.0 / total
    for a, b in pairs(scenario):
        if b in scenario.predictors:
            leverage = leverage - (1.0 if a == b else 2.0) * swept[a, b] * mean[a] * mean[b]
    for y in scenario.targets:
        rms = np.sqrt(np.maximum(swept[y, y], 0.0) / (sums["n"] - scenario.p - 1))
        table[f"{y}_intercept"] = mean[y] - sum(swept[x, y] * mean[x] for x in scenario.predictors)
        table[f"{y}_intercept_err"] = rms * np.sqrt(leverage)
        for x in scenario.predictors:
            table[f"{y}_slope_{x}"] = swept[x, y]
            table[f"{y}_slope_{x}_err"] = rms * np.sqrt(-swept[x, x])
        table[f"{y}_rms"] = rms
    return table


def as_pandas(table: Mapping[str, Array]) -> pd.DataFrame:
    return pd.DataFrame(dict(table), copy=False)


def sums_by(add: Callable[[Array], Array], column: Mapping[str, Array], scenario: Scenario) -> dict[str, Array]:
    """``w``, ``w a`` and ``w a b`` of all groups."""
    sums = {"w": add(column["w"])}
    for a in (*scenario.predictors, *scenario.targets):
        weighted = column["w"] * column[a]
        sums[f"w {a}"] = add(weighted)
        sums.update({f"w {a} {b}": add(weighted * column[b]) for first, b in pairs(scenario) if first == a})
    return sums


def columns_of(frame: pd.DataFrame, scenario: Scenario) -> dict[str, Array]:
    return {name: frame[name].to_numpy() for name in (*scenario.predictors, *scenario.targets, "w")}


def raveled_keys(frame: pd.DataFrame) -> Array:
    """One id a row from integer keys of which nothing is known."""
    cell: Array = np.zeros(len(frame), dtype=np.int64)
    for key in KEYS:
        column = frame[key].to_numpy()
        low = column.min()
        cell = cell * (column.max() - low + 1) + (column - low)
    return cell


def hand_numpy(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """argsort, reduceat, sweeps.

    A stable argsort takes 510 ms against 207 (160 on 32 bits); centring the rows by group means before the products
    580 ms against 520, and 939 against 719 on G3.
    """
    cell = raveled_keys(frame)
    if cell.max() < np.iinfo(np.int32).max:
        cell = cell.astype(np.int32)
    order = np.argsort(cell)
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    column = {name: values[order] for name, values in columns_of(frame, scenario).items()}
    sums = sums_by(partial(np.add.reduceat, indices=starts), column, scenario)
    sums["n"] = np.diff(np.append(starts, len(cell)))
    keys = {key: frame[key].to_numpy()[order[starts]] for key in KEYS}
    return as_pandas(solved(keys, sums, scenario))


def dense_numpy(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """bincount on the raveled keys, sweeps: only for integer keys that leave few holes in their box."""
    cell = raveled_keys(frame)
    n = np.bincount(cell)
    there = np.flatnonzero(n)
    sums = sums_by(lambda values: np.bincount(cell, values)[there], columns_of(frame, scenario), scenario)
    keys, rest = {}, there
    for key in reversed(KEYS):
        low, high = frame[key].min(), frame[key].max()
        rest, place = np.divmod(rest, high - low + 1)
        keys[key] = place + low
    return as_pandas(solved({key: keys[key] for key in KEYS}, {**sums, "n": n[there]}, scenario))


def pandas_moments(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """groupby.ngroup, bincount, sweeps; ``groupby.sum`` of the products takes 708 ms against 470."""
    grouped = frame.groupby(list(KEYS))
    cell = grouped.ngroup().to_numpy()
    n = np.bincount(cell)
    sums = sums_by(partial(np.bincount, cell), columns_of(frame, scenario), scenario)
    first = np.empty(len(n), dtype=np.intp)
    first[cell] = np.arange(len(cell))  # any row of the group has its keys
    keys = {key: frame[key].to_numpy()[first] for key in KEYS}
    return as_pandas(solved(keys, {**sums, "n": n}, scenario))


def polars_sums(source: Any, scenario: Scenario) -> dict[str, Array]:
    """Keys and sums, sorted by key, from a polars frame.

    Products inside ``agg`` alone take 824 ms against 435, the streaming engine 447, ``group_by`` without ``lazy`` 935.
    Centred by ``over``: 93 ms against 68 on G2a, 1,193 against 541 on G3; centred inside ``agg``: 948 and 3,628 ms.
    """
    import polars as pl

    columns = [*scenario.predictors, *scenario.targets]
    weighted = [(pl.col("w") * pl.col(a)).alias(f"w {a}") for a in columns]
    sums = [pl.col("w", *(f"w {a}" for a in columns)).sum()]
    products = [(pl.col(f"w {a}") * pl.col(b)).sum().alias(f"w {a} {b}") for a, b in pairs(scenario)]
    grouped = source.lazy().with_columns(weighted).group_by(KEYS).agg(pl.len().alias("n"), *sums, *products)
    table = grouped.sort(KEYS).collect()
    return {name: table[name].to_numpy() for name in table.columns}


def polars_from_polars(source: Any, scenario: Scenario) -> Any:
    import polars as pl

    sums = polars_sums(source, scenario)
    return pl.DataFrame(solved({key: sums[key] for key in KEYS}, sums, scenario))


def as_polars(frame: pd.DataFrame, _: object = None) -> Any:
    """Without a copy; ``pl.from_pandas`` takes 10 ms."""
    import polars as pl

    return pl.DataFrame({str(name): frame[name].to_numpy() for name in frame.columns})


def polars_from_pandas(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    sums = polars_sums(as_polars(frame), scenario)
    return as_pandas(solved({key: sums[key] for key in KEYS}, sums, scenario))


def as_duckdb(frame: pd.DataFrame, _: Scenario) -> Any:
    """Connection with a table of its own."""
    import duckdb

    connection = duckdb.connect()
    connection.register("frame", frame)
    connection.execute("create table rows as select * from frame")
    connection.unregister("frame")
    return connection


def duckdb_from_table(connection: Any, scenario: Scenario, table: str = "rows") -> pd.DataFrame:
    """Sums in SQL, sweeps; ``preserve_insertion_order=false`` makes no difference (363 ms against 381)."""
    by = ", ".join(KEYS)
    columns = [*scenario.predictors, *scenario.targets]
    parts = [f'sum(w * {a}) as "w {a}"' for a in columns]
    parts += [f'sum(w * {a} * {b}) as "w {a} {b}"' for a, b in pairs(scenario)]
    query = f'select {by}, count(*) as n, sum(w) as "w", {", ".join(parts)} from {table} group by {by} order by {by}'
    got = connection.execute(query).fetchnumpy()
    sums = {name: np.ma.getdata(values) for name, values in got.items()}
    return as_pandas(solved({key: sums[key] for key in KEYS}, sums, scenario))


def connected(frame: pd.DataFrame, _: Scenario) -> tuple[Any, pd.DataFrame]:
    """Open connection: opening one takes 20 ms."""
    import duckdb

    return duckdb.connect(), frame


def duckdb_from_pandas(source: tuple[Any, pd.DataFrame], scenario: Scenario) -> pd.DataFrame:
    connection, frame = source
    connection.register("frame", frame)
    table = duckdb_from_table(connection, scenario, "frame")
    connection.unregister("frame")
    return table


def first_groups(frame: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Rows of the groups that statsmodels is timed on, the first in key order."""
    cells = frame[list(KEYS)].drop_duplicates().sort_values(list(KEYS)).head(min(SAMPLE, scenario.groups))
    return frame.merge(cells, on=list(KEYS))


def statsmodels_sampled(rows: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """WLS group by group, target by target."""
    import statsmodels.api as sm

    records = []
    for key, group in rows.groupby(list(KEYS)):
        record = list(key)
        design = sm.add_constant(group[scenario.predictors].to_numpy())
        for target in scenario.targets:
            fit = sm.WLS(group[target].to_numpy(), design, weights=group["w"].to_numpy()).fit()
            record += [*fit.params, *fit.bse, np.sqrt(fit.scale)]
        records.append(record)
    return pd.DataFrame(records, columns=[*KEYS, *scenario.results()])


def one_read(frame: pd.DataFrame, scenario: Scenario) -> None:
    """Every column that a fit needs is summed once, by one thread."""
    for name in (*KEYS, *columns_of(frame, scenario)):
        frame[name].to_numpy().sum()


PEERS = (
    Peer("numpy", "NumPy by hand (argsort, reduceat, solve)", hand_numpy),
    Peer("dense", "NumPy by hand, dense integer keys only (bincount, solve)", dense_numpy),
    Peer("pandas", "pandas (ngroup, bincount, solve)", pandas_moments),
    Peer("polars", "polars (expressions, solve), polars frame", polars_from_polars, as_polars, "polars"),
    Peer("polars_pandas", "polars, from the pandas frame", polars_from_pandas, needs="polars"),
    Peer("duckdb", "DuckDB (SQL, solve), its own table", duckdb_from_table, as_duckdb, "duckdb"),
    Peer("duckdb_pandas", "DuckDB, from the pandas frame", duckdb_from_pandas, connected, "duckdb"),
    Peer(
        "statsmodels",
        f"statsmodels WLS, {SAMPLE} groups scaled up",
        statsmodels_sampled,
        first_groups,
        "statsmodels",
        lambda scenario: max(scenario.groups / SAMPLE, 1.0),
    ),
    Peer("read", "one read of the same columns, the limit", one_read),
)

"""Features of rows and groups against the ways one would otherwise go, in one process and one run.

``python benchmarks/bench_features.py [--quick] [--rows N] [--groups N] [--turns N] [--readme FILE]``. Eight features
of both levels; every entrant's values are compared with ours before anything is timed, and turns alternate. The
older code, which calls Python once a group and once a row, runs on some of the groups only, and its seconds are scaled.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

import gbr_dag
from benchmarks import report
from benchmarks.goals import Timing

BEGIN, END = "<!-- bench_features -->", "<!-- end of bench_features -->"
LIBRARIES = ("numpy", "pandas", "numba")
RTOL, ATOL = 1e-12, 1e-12
"""Sums of some ten numbers near 1 in another order; z-scores near zero lose digits that their neighbours have."""

SAMPLED_GROUPS = 1000
LEAST_OLDER, MOST_BY_HAND = 100.0, 1.3
"""How much slower the older code must be, and how much slower than the hand-written one we may be."""


def age(year_built):
    return 2025 - year_built


def mean_age(age):  # agg
    return age.mean()


def older(age, mean_age):
    return age > mean_age


def n_older(older):  # agg
    return older.sum()


def value_of_older(value, older):  # agg
    return value[older].mean()


def share(value):
    return value / value.sum()


def z_score(value):
    return (value - value.mean()) / value.std()


def median_value(value):  # agg
    return value.median()


ROW_LEVEL = (age, older, share, z_score)
GROUP_LEVEL = (mean_age, n_older, value_of_older, median_value)


def houses(n_rows: int, n_groups: int) -> pd.DataFrame:
    """Houses of many zones, in no order; every zone has some."""
    rng = np.random.default_rng(20)
    zones = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, n_rows - n_groups)])
    return pd.DataFrame(
        {
            "zone": rng.permutation(7 * zones + 3),
            "year_built": rng.integers(1900, 2025, n_rows),
            "value": rng.lognormal(0.0, 0.5, n_rows),
        }
    )


def model() -> gbr_dag.ModelDriver:
    """The eight features."""
    driver = gbr_dag.ModelDriver({"model_name": "houses", "group_by": "zone"}, progress=False)
    for function in ROW_LEVEL:
        driver.register_filter(function.__name__, function)
    for function in GROUP_LEVEL:
        driver.register_attribute(function.__name__, function)
    return driver


def by_hand(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One look-up of the groups, then bincount and take: each sum once, each mean from its sum.

    The keys are integers of a small range, whose look-up needs no hash table as ``pandas.factorize`` does.
    """
    year, value = frame["year_built"].to_numpy(), frame["value"].to_numpy()
    zone = frame["zone"].to_numpy()
    least = zone.min()
    places = zone - least
    is_there = np.zeros(places.max() + 1, dtype=bool)
    is_there[places] = True
    zones = np.flatnonzero(is_there) + least
    ids = (np.cumsum(is_there) - 1)[places]
    n = len(zones)
    counts = np.bincount(ids, minlength=n)
    age = 2025 - year
    mean_age = np.bincount(ids, age, n) / counts
    older = age > mean_age[ids]
    ids_of_older = ids[older]
    n_older = np.bincount(ids_of_older, minlength=n)
    with np.errstate(invalid="ignore"):
        value_of_older = np.bincount(ids_of_older, value[older], n) / n_older
    total = np.bincount(ids, value, n)
    distance = value - (total / counts)[ids]
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(np.bincount(ids, distance * distance, n) / (counts - 1))
        z_score = distance / deviation[ids]
    known = pd.Categorical.from_codes(ids, categories=pd.RangeIndex(n))  # pandas need not find the groups again
    median_value = pd.Series(value, copy=False).groupby(known, observed=False).median().to_numpy()
    rows = {"age": age, "older": older, "share": value / total[ids], "z_score": z_score}
    groups = {
        "zone": zones,
        "mean_age": mean_age,
        "n_older": n_older,
        "value_of_older": value_of_older,
        "median_value": median_value,
    }
    return pd.DataFrame(rows, index=frame.index, copy=False), pd.DataFrame(groups, copy=False)


def apply_and_vectorize(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The older code: scalar functions through np.vectorize, functions of groups through groupby.apply."""
    rows = frame.assign(age=np.vectorize(lambda year: 2025 - year)(frame["year_built"]))
    found = {"mean_age": rows.groupby("zone")["age"].apply(lambda age: age.mean())}
    known = rows.merge(found["mean_age"].rename("mean_age"), left_on="zone", right_index=True, how="left")
    rows["older"] = np.vectorize(lambda age, mean: age > mean)(known["age"], known["mean_age"])
    by_zone = rows.groupby("zone")
    found["n_older"] = by_zone["older"].apply(lambda older: older.sum())
    found["value_of_older"] = by_zone[["value", "older"]].apply(lambda zone: zone["value"][zone["older"]].mean())
    found["median_value"] = by_zone["value"].apply(lambda value: value.median())
    in_zone = rows.groupby("zone", group_keys=False)["value"]
    rows["share"] = in_zone.apply(lambda value: value / value.sum())
    rows["z_score"] = in_zone.apply(lambda value: (value - value.mean()) / value.std())
    return rows[["age", "older", "share", "z_score"]], pd.DataFrame(found).reset_index()


def ours(driver: gbr_dag.ModelDriver, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The model's two frames."""
    result = driver.execute(frame)
    return result["rows"], result["groups"]


def compare(who: str, got: tuple[pd.DataFrame, pd.DataFrame], expected: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Refuse values that differ from ours.

    Raises
    ------
    AssertionError
        Naming the entrant and the column.
    """
    for left, right in zip(got, expected):
        assert sorted(left) == sorted(right), f"{who}: columns {sorted(left)} instead of {sorted(right)}"
        np.testing.assert_array_equal(left.index, right.index, err_msg=f"{who}: index")
        for name in right:
            one, other = left[name].to_numpy(dtype=float), right[name].to_numpy(dtype=float)
            np.testing.assert_allclose(one, other, RTOL, ATOL, err_msg=f"{who}: {name}")


def sampled(frame: pd.DataFrame, n_groups: int) -> tuple[pd.DataFrame, float]:
    """The rows of some groups, and how many times more groups there are."""
    zones = frame["zone"].unique()
    if len(zones) <= n_groups:
        return frame, 1.0
    chosen = np.random.default_rng(0).choice(zones, n_groups, replace=False)
    return frame[frame["zone"].isin(chosen)], len(zones) / n_groups


def measure(n_rows: int, n_groups: int, turns: int, sampled_groups: int = SAMPLED_GROUPS) -> list[Timing]:
    """Everybody's seconds, in turns, after the values were found to be equal; ours first."""
    frame, driver = houses(n_rows, n_groups), model()
    some, scale = sampled(frame, sampled_groups)
    compare("hand-written pandas", by_hand(frame), ours(driver, frame))
    compare("apply and vectorize", apply_and_vectorize(some), ours(driver, some))
    scaled = f" (on {sampled_groups:,} groups, scaled)" if scale > 1.0 else ""
    entrants: dict[str, tuple[str, Callable[[], Any], float]] = {
        "ours": ("gbr-dag", lambda: ours(driver, frame), 1.0),
        "by_hand": ("NumPy and pandas by hand, one look-up of the groups", lambda: by_hand(frame), 1.0),
        "apply": (f"groupby.apply and np.vectorize{scaled}", lambda: apply_and_vectorize(some), scale),
    }
    seconds: dict[str, list[float]] = {key: [] for key in entrants}
    rng = np.random.default_rng(0)  # nobody always follows the same
    for turn in range(turns):
        for key in rng.permutation(list(entrants)):
            _, run, factor = entrants[key]
            if key == "apply" and turn > 2:  # hundreds of times slower: three runs will do
                continue
            start = time.perf_counter()
            run()
            seconds[key].append((time.perf_counter() - start) * factor)
    scenario = f"{n_rows:,} rows, {n_groups:,} groups, {len(ROW_LEVEL) + len(GROUP_LEVEL)} features"
    return [Timing(scenario, key, label, tuple(seconds[key])) for key, (label, _, _) in entrants.items()]


def table(timings: list[Timing]) -> str:
    """Markdown: a row for everybody, and the two goals."""
    medians = {timing.key: timing.median for timing in timings}
    lines = [f"| {timings[0].scenario} | ms, median ± spread | times ours |", "|---|---:|---:|"]
    for timing in timings:
        spread = "" if timing.spread is None else f" ± {report.milliseconds(timing.spread)}"
        ratio = report.times(timing.median / medians["ours"])
        lines.append(f"| {timing.label} | {report.milliseconds(timing.median)}{spread} | {ratio} |")
    pairs = {timing.key: timing.seconds for timing in timings}
    paired = statistics.median(one / other for one, other in zip(pairs["ours"], pairs["by_hand"]))
    older, hand = medians["apply"] / medians["ours"], medians["ours"] / medians["by_hand"]
    return "\n".join(
        [
            *lines,
            "",
            "| must reach | measured | |",
            "|---|---:|---|",
            f"| at least {LEAST_OLDER:g} times as fast as apply and vectorize | {report.times(older)} |"
            f" {_word(older >= LEAST_OLDER)} |",
            f"| at most {MOST_BY_HAND:g} times the time by hand | {hand:.2f} ({paired:.2f} turn by turn) |"
            f" {_word(hand <= MOST_BY_HAND)} |",
        ]
    )


def _word(reached: bool) -> str:
    return "reached" if reached else "missed"


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    options = _options(arguments)
    stamp = report.environment(LIBRARIES) + report.busy_note()
    text = f"{table(measure(options.rows, options.groups, options.turns))}\n\n{stamp}; `{_command(options)}`."
    print(text)
    if options.readme:
        report.put_into(options.readme, text, BEGIN, END)


def _command(options: argparse.Namespace) -> str:
    return f"benchmarks/bench_features.py --rows {options.rows} --groups {options.groups}"


def _options(arguments: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=15, help="how often everybody is timed")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    parser.add_argument("--readme", type=Path, help="file whose table is to be replaced")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.groups = options.rows // 100, options.groups // 100
    return options


if __name__ == "__main__":
    main()

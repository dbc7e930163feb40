"""The three fast doors against each other: v2 on processes (loky), v3 on NumPy, v4 on compiled code (numba).

``python benchmarks/bench_groupby_regression_optimized.py [--quick | --full | --phase3] [--out DIR]``, or with ``-m`` as
a module. Every table is held against the reference engine before anything is timed, and that call, which compiles and
starts the worker processes, is outside the timing. All fit with weights; v2 rejects nothing but where outliers are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pandas as pd

from benchmarks import report
from benchmarks.against_reference import MOST_GROUPS, Expected, compared, reference
from benchmarks.door_runs import (
    WARM,
    Entrant,
    Result,
    Run,
    add_options,
    at_most,
    command_of,
    draw,
    entered,
    publish,
    race,
)
from benchmarks.doors import V2, V2_CUT, V3, V4, Workload
from benchmarks.goals import Goal, Verdict, judged
from benchmarks.records import run_stamp

PHASE3 = Workload("phase3", 1_000, 5, n_jobs=4)
GOALS = (
    Goal("v4 on 1,000 x 5", 5, ("v2",), "v2 with 4 jobs"),
    Goal("v4 on 1,000 x 5", 15, ("v3",), "v3"),
)
V2_MOST_GROUPS = 10_000
"""v2 takes some milliseconds a group, so that a single turn beyond would take minutes."""


def workloads(groups: int, sizes: Sequence[int]) -> list[Workload]:
    """The scenarios with so many groups, and one with 5 rows a group for each of the sizes."""
    return [
        PHASE3,
        Workload("clean_serial", groups, 20, decades=0.0),
        Workload("clean_parallel", groups, 20, decades=0.0, n_jobs=None),
        Workload("outliers_5_percent", groups, 20, outliers=0.05),
        Workload("outliers_10_percent", groups, 20, outliers=0.10),
        *(Workload(f"rows_{rows}", groups, rows) for rows in (5, 20, 50, 100)),
        Workload("targets_3", groups, 20, targets=3),
        Workload("weights_4_decades", groups, 20, decades=4.0),
        Workload("clustered_sizes", groups, 20, clustered=True),
        *(Workload(f"{_SIZE}{size}", size, 5) for size in sizes),
    ]


_SIZE = "groups_"
QUICK = workloads(1_000, (100, 300, 1_000, 2_000))
FULL = workloads(5_000, (1_000, 3_000, 10_000, 30_000, 100_000))


def measure(workload: Workload, stamp: Mapping[str, str], turns: Optional[int] = None) -> list[Result]:
    """The doors' results on one workload, after their tables were found to be right."""
    frame = workload.frame()
    expected = reference(frame, workload)
    entrants = []
    for door in (V2, V3, V4):
        if door is V2 and workload.groups > V2_MOST_GROUPS:
            print(f"{workload.key}: skipped {door.label}: more than {V2_MOST_GROUPS:,} groups take too long")
            continue
        entrant = entered(door, frame, workload, expected)
        if door is V2:
            entrant = _v2(entrant, frame, workload, expected)
        entrants.append(entrant)
    results = race(workload, len(frame), entrants, stamp, turns=turns)
    print(f"{workload.key}: " + ", ".join(f"{r.timing.key} {report.milliseconds(r.timing.median)} ms" for r in results))
    return results


def _v2(entrant: Entrant, frame: pd.DataFrame, workload: Workload, expected: Expected) -> Entrant:
    """With its processes in the notes; where there are outliers, v2 as scripts call it: with its cut."""
    jobs = "all cores" if workload.n_jobs is None else f"n_jobs={workload.n_jobs}"
    if not workload.outliers:
        return replace(entrant, notes=jobs)
    door = replace(V2, cut=V2_CUT)
    table = door.table(frame, workload)
    share = float(table[f"frac_rejected{door.suffix}"].mean())
    deltas = compared(door, table, expected, workload)
    notes = f"{jobs}; rejects {share:.1%} of the rows, which the differences show; without the cut it agrees"
    return replace(entrant, run=lambda: door.table(frame, workload), deltas=deltas, notes=notes)


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """Goals on 1,000 groups of 5 rows, if that is what was timed."""
    timed = [one for one in results if one.record.scenario == PHASE3.key and one.record.n_groups == PHASE3.groups]
    medians = {"ours" if one.timing.key == "v4" else one.timing.key: one.timing.median for one in timed}
    return [judged(goal, medians, {}) for goal in GOALS] if timed else []


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    options = _options(arguments)
    busy, stamp = report.busy_note(), run_stamp()
    chosen = {"quick": QUICK, "full": FULL, "phase3": [PHASE3]}[options.mode]
    results = [one for load in at_most(chosen, options.groups) for one in measure(load, stamp, options.turns)]
    remarks = [
        f"Not in the times: {WARM}.",
        f"Differences are from the engine reference with fitter ols, on {MOST_GROUPS['ols']:,} groups at most.",
        "v2 rejects nothing in scenarios without outliers. Weights are not uniform but in clean_*.",
    ]
    if options.mode == "full":
        remarks.append(f"v2 was not timed on more than {V2_MOST_GROUPS:,} groups.")
    name = f"bench_groupby_regression_optimized_{options.mode}"
    command = command_of("bench_groupby_regression_optimized", options, f"--{options.mode}")
    run = Run(name, command, results, verdicts(results), remarks, busy)
    publish(run, options.out)
    sizes = [one for one in results if one.record.scenario.startswith(_SIZE)]
    draw(sizes or results, options.out / f"{name}.png", run.stamp)
    print(f"drawn: {name}.png")


def _options(arguments: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    for mode, words in (
        ("quick", "up to 2,000 groups, under 5 minutes (default)"),
        ("full", "up to 100,000 groups, under 30 minutes"),
        ("phase3", "1,000 groups of 5 rows, v2 with 4 jobs"),
    ):
        modes.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, default="quick", help=words)
    add_options(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()

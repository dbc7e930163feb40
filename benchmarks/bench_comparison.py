"""The robust door against v2 and v4 on the same frames, with a history of all runs.

``python benchmarks/bench_comparison.py [--scenarios quick] [--out DIR]``, or with ``-m`` as a module. Before anything
is timed v2 without its cut and v4 are held against the reference engine, and on noise-free data the robust door
against v2 and v4. Timed is what scripts call: the doors with their own cuts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.against_reference import coefficients, compared, reference, refuse
from benchmarks.door_runs import WARM, Entrant, Result, Run, add_options, at_most, command_of, entered, publish, race
from benchmarks.doors import ROBUST, ROBUST_CUT, V2, V2_CUT, V4, Workload
from benchmarks.records import append_history, history_text, run_stamp
from benchmarks.scenarios import KEYS

NOISE_FREE = 1e-5
"""Largest distance of Huber slopes from those of least squares on exact lines."""

SCENARIOS = {
    "quick": [
        Workload("noise_free", 100, 5, noise=0.0),
        Workload("clean", 1_000, 20, decades=0.0),
        Workload("weighted", 1_000, 20),
        Workload("outliers_5_percent", 1_000, 20, outliers=0.05),
        Workload("outliers_10_percent", 1_000, 20, outliers=0.10),
        Workload("rows_5", 1_000, 5),
        Workload("targets_3", 500, 20, targets=3),
    ],
    "full": [
        Workload("noise_free", 100, 5, noise=0.0),
        Workload("clean", 10_000, 50, decades=0.0),
        Workload("weighted", 10_000, 50),
        Workload("outliers_5_percent", 10_000, 50, outliers=0.05),
        Workload("outliers_10_percent", 10_000, 50, outliers=0.10),
        Workload("rows_5", 10_000, 5),
        Workload("targets_3", 5_000, 20, targets=3),
    ],
}


def measure(workload: Workload, stamp: Mapping[str, str], turns: Optional[int] = None) -> list[Result]:
    """The doors' results on one workload."""
    frame = workload.frame()
    expected = reference(frame, workload)
    for door in (V2, V4):
        entered(door, frame, workload, expected)
    doors = [replace(ROBUST, cut=ROBUST_CUT), replace(V2, cut=V2_CUT), V4]
    tables = {door.key: door.table(frame, workload) for door in doors}
    if workload.noise == 0.0:
        check_noise_free(tables, workload)
    bases = {"ols": expected, "huber": reference(frame, workload, "huber", ROBUST_CUT)}
    entrants = []
    for door in doors:
        table = tables[door.key]
        column = {"robust": "diag_frac_rejected", "v2": "frac_rejected"}.get(door.key)
        notes = "" if column is None else f"rejects {float(table[f'{column}{door.suffix}'].mean()):.1%} of the rows"
        deltas = compared(door, table, bases[door.fitter], workload)
        entrants.append(Entrant(door.key, door.label, partial(door.table, frame, workload), deltas, notes))
    results = race(workload, len(frame), entrants, stamp, turns=turns)
    print(f"{workload.key}: " + ", ".join(f"{r.timing.key} {report.milliseconds(r.timing.median)} ms" for r in results))
    return results


def check_noise_free(tables: Mapping[str, pd.DataFrame], workload: Workload) -> None:
    """Refuse Huber fits of exact lines that are not those of least squares.

    Raises
    ------
    AssertionError
        Naming the two doors.
    """
    in_order = {key: table.sort_values(list(KEYS)) for key, table in tables.items()}
    robust = coefficients(in_order["robust"], workload, ROBUST.suffix)
    for door in (V2, V4):
        off = np.abs(robust - coefficients(in_order[door.key], workload, door.suffix)).max()
        refuse(f"robust on {workload.key} against {door.label}", float(off), NOISE_FREE, "in themselves")


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", choices=list(SCENARIOS), default="quick", help="quick is under 5 minutes")
    add_options(parser)
    parser.add_argument("--history", type=Path, help="CSV that the records are added to (default: OUT/history.csv)")
    options = parser.parse_args(arguments)
    history = options.history or options.out / "history.csv"
    history_text(history)  # a broken one is refused before minutes are spent
    busy, stamp = report.busy_note(), run_stamp()
    chosen = at_most(SCENARIOS[options.scenarios], options.groups)
    results = [one for load in chosen for one in measure(load, stamp, options.turns)]
    remarks = [
        f"Not in the times: {WARM}. Differences are from the engine reference, of robust with fitter huber and the same"
        " cut (200 groups at most), of v2 and v4 with fitter ols: those of v2 show what it rejects. robust has"
        " one thread, v2 one process. The share of rejected rows is the mean over the groups, of the target with most.",
    ]
    command = command_of("bench_comparison", options, f"--scenarios {options.scenarios}")
    run = Run(f"bench_comparison_{options.scenarios}", command, results, [], remarks, busy)
    publish(run, options.out, kinds=("txt", "csv"))
    append_history(history, run.records)
    print(f"added to {history}: {len(run.records)} records")


if __name__ == "__main__":
    main()

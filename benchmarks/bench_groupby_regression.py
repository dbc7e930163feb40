"""The robust door, with one thread and with all cores, against one RLM of statsmodels after the other.

``python benchmarks/bench_groupby_regression.py [--quick] [--out DIR]``, or with ``-m`` as a module. On clean data the
door's slopes are held against both statsmodels and the reference engine before anything is timed, with a cut that
rejects nothing; where there are outliers it is shown how many rows the door rejects, and how far its slopes and those
of least squares are from the true ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.against_reference import Expected, coefficients, compared, reference, refuse
from benchmarks.door_runs import WARM, Entrant, Result, Run, add_options, at_most, command_of, publish, race
from benchmarks.doors import PREDICTORS, ROBUST, ROBUST_CUT, SLOPES, V4, Door, Workload, cell_of
from benchmarks.records import run_stamp
from benchmarks.scenarios import KEYS

SAMPLE = 100
"""Groups that statsmodels is timed on; its seconds are scaled up."""

IN_ERRORS = 1e-6
"""Largest distance from statsmodels and the reference on clean data, in standard errors."""

TIGHT_STEPS, TIGHT = 500, 1e-13
"""Of statsmodels where it is held against the door; it is timed with its defaults, which stop earlier."""

ONE, ALL = replace(ROBUST, key="robust", n_jobs=1), replace(ROBUST, key="robust_all_cores", n_jobs=-1)


def workloads(groups: int) -> list[Workload]:
    """The scenarios with so many groups."""
    return [
        Workload("clean", groups, 50, decades=0.0),
        Workload("weighted", groups, 50),
        Workload("outliers_5_percent", groups, 50, outliers=0.05),
        Workload("outliers_10_percent", groups, 50, outliers=0.10),
        *(Workload(f"rows_{rows}", groups, rows) for rows in (5, 20, 100)),
        Workload("targets_3", groups, 50, targets=3),
        Workload("clustered_sizes", groups, 50, clustered=True),
    ]


QUICK, FULL = workloads(500), workloads(5_000)


def sampled(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each of the first groups, group by group: statsmodels is spared the grouping."""
    return [rows for _, rows in frame[cell_of(frame) < SAMPLE].groupby(list(KEYS))]


def rlm_slopes(
    groups: Sequence[pd.DataFrame], workload: Workload, max_iter: int = 50, tol: float = 1e-8
) -> pd.DataFrame:
    """statsmodels' Huber fits of rows scaled by sqrt(w), in the columns of a door without suffix."""
    import statsmodels.api as sm

    names = [f"{target}_{part}" for target in workload.target_names for part in _PARTS]
    table = []
    for rows in groups:
        root = np.sqrt(rows["w"].to_numpy())
        design = np.column_stack([np.ones(len(rows)), rows[list(PREDICTORS)]]) * root[:, None]
        fits = [sm.RLM(rows[y].to_numpy() * root, design).fit(max_iter, tol) for y in workload.target_names]
        table.append([rows[key].iloc[0] for key in KEYS] + [value for fit in fits for value in fit.params])
    return pd.DataFrame(table, columns=[*KEYS, *names])


_PARTS = ("intercept", *(f"slope_{name}" for name in PREDICTORS))


def check_clean(frame: pd.DataFrame, workload: Workload, groups: Sequence[pd.DataFrame]) -> None:
    """Refuse a door that differs from statsmodels or the reference where nothing is rejected.

    Raises
    ------
    AssertionError
        Naming the door and the workload.
    """
    expected = reference(frame, workload, "huber")
    peer = expected.table[list(KEYS)].merge(rlm_slopes(groups, workload, TIGHT_STEPS, TIGHT), on=list(KEYS))
    first = expected.table[list(KEYS)].merge(peer[list(KEYS)], on=list(KEYS), how="left", indicator=True)
    chosen = (first["_merge"] == "both").to_numpy()
    against_peer = Expected(peer, coefficients(peer, workload), expected.errors[chosen])
    for door in (ONE, ALL):
        table = door.table(frame, workload)
        for base, whom in ((expected, "the reference"), (against_peer, "statsmodels")):
            found = compared(door, table, base, workload).in_errors
            refuse(f"{door.label} on {workload.key} against {whom}", found, IN_ERRORS, "errors")


def bias(table: pd.DataFrame, workload: Workload, suffix: str) -> float:
    """Mean of slope minus true slope, of the predictor that outliers bend."""
    slopes = coefficients(table, workload, suffix)[..., 1]
    return float(np.nanmean(slopes) - SLOPES[0])


def measure(workload: Workload, stamp: Mapping[str, str], turns: Optional[int] = None) -> list[Result]:
    """Results of statsmodels and the door on one workload."""
    frame = workload.frame()
    groups = sampled(frame)
    if workload.key in ("clean", "weighted"):
        check_clean(frame, workload, groups)
    expected = reference(frame, workload, "huber", ROBUST_CUT)
    scale = max(workload.groups / SAMPLE, 1.0)
    peer = f"statsmodels RLM, {len(groups)} groups scaled up, no rejection" if scale > 1 else "statsmodels RLM"
    entrants = [Entrant("statsmodels_rlm", "statsmodels", lambda: rlm_slopes(groups, workload), None, peer, scale)]
    entrants += [_entrant(replace(door, cut=ROBUST_CUT), frame, workload, expected) for door in (ONE, ALL)]
    results = race(workload, len(frame), entrants, stamp, turns=turns)
    print(f"{workload.key}: " + ", ".join(f"{r.timing.key} {report.milliseconds(r.timing.median)} ms" for r in results))
    return results


def _entrant(door: Door, frame: pd.DataFrame, workload: Workload, expected: Expected) -> Entrant:
    table = door.table(frame, workload)
    notes = f"rejects {float(table[f'diag_frac_rejected{door.suffix}'].mean()):.1%} of the rows"
    if workload.outliers:
        plain = bias(V4.table(frame, workload), workload, V4.suffix)
        notes += f"; slope biased by {bias(table, workload, door.suffix):+.1e}, least squares {plain:+.1e}"
    deltas = compared(door, table, expected, workload)
    return Entrant(door.key, door.label, lambda: door.table(frame, workload), deltas, notes)


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 groups instead of 5,000")
    add_options(parser)
    options = parser.parse_args(arguments)
    busy, stamp = report.busy_note(), run_stamp()
    chosen = at_most(QUICK if options.quick else FULL, options.groups)
    results = [one for load in chosen for one in measure(load, stamp, options.turns)]
    remarks = [
        f"Not in the times: {WARM}. Differences are from the engine reference with fitter huber and the same cut, on"
        " 200 groups at most; on clean and weighted the door was held against statsmodels, too, with nothing rejected."
        " The share of rejected rows is the mean over the groups, of the target with most. n_jobs are threads here, of"
        " which few rows take one.",
    ]
    mode = "quick" if options.quick else "full"
    command = command_of("bench_groupby_regression", options, *(["--quick"] if options.quick else []))
    publish(Run(f"bench_groupby_regression_{mode}", command, results, [], remarks, busy), options.out)


if __name__ == "__main__":
    main()

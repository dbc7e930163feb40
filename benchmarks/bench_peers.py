"""Group-by regression against the ways one would otherwise go, in one process and one run.

``python benchmarks/bench_peers.py [--quick] [--scenarios G1,G3] [--engine NAME] [--readme FILE] [--picture FILE]``.
Every peer's table is compared with ours before anything is timed, everybody runs with default threads, and turns
alternate. Every scenario has weights and three unsorted integer keys.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

import gbr_dag
from benchmarks import report
from benchmarks.fresh_process import can_measure_memory, compile_seconds, fitted, peak_bytes
from benchmarks.goals import Timing, verdicts
from benchmarks.peers import PEERS, Peer, as_polars
from benchmarks.scenarios import FULL, KEYS, QUICK, SCENARIOS, Scenario

RTOL, ATOL, WORST_CONDITION = 1e-6, 1e-9, 100.0
"""Peers lose digits with the square of the condition and where residuals are small, so that 1e-6 is left of 1e-16."""


def ours(engine: Optional[str]) -> tuple[Peer, Peer]:
    """From a pandas frame, the headline, and from a polars frame."""

    def fit(frame: Any, scenario: Scenario) -> Any:
        return fitted(frame, scenario, engine)

    name = "gbr-dag" if engine is None else f"gbr-dag, engine {engine}"
    return Peer("ours", f"{name}, pandas frame", fit), Peer(
        "ours_polars", f"{name}, polars frame", fit, as_polars, "polars"
    )


def well_conditioned(frame: pd.DataFrame, scenario: Scenario, engine: Optional[str]) -> np.ndarray:
    """Groups whose every target can be compared, in key order."""
    chosen = {} if engine is None else {"engine": engine}
    model = (list(KEYS), scenario.targets, scenario.predictors)
    table = gbr_dag.fit_groups(frame, *model, weights="w", diagnostics="condition", **chosen)
    conditions = table[[f"{target}_condition" for target in scenario.targets]].to_numpy()
    statuses = table[[f"{target}_status" for target in scenario.targets]].to_numpy()
    usable = (conditions < WORST_CONDITION).all(axis=1) & (statuses == 0).all(axis=1)
    if usable.mean() < 0.9:
        message = f"only {usable.mean():.0%} of the groups of {scenario.key} are well-conditioned; 90 % are needed"
        raise ValueError(message)
    return usable


def compare(who: str, got: Any, expected: Any, scenario: Scenario, usable: np.ndarray) -> None:
    """Refuse a table that differs from ours.

    Raises
    ------
    AssertionError
        Naming the peer and the column.
    """
    n = len(got)
    if n != len(expected) and not who.startswith("statsmodels"):
        message = f"{who} on {scenario.key}: {n} groups instead of {len(expected)}"
        raise AssertionError(message)
    for key in KEYS:
        np.testing.assert_array_equal(
            np.asarray(got[key]), np.asarray(expected[key])[:n], err_msg=f"{who} on {scenario.key}: {key}"
        )
    for name in scenario.results():
        left, right = np.asarray(got[name])[usable[:n]], np.asarray(expected[name])[:n][usable[:n]]
        np.testing.assert_allclose(left, right, RTOL, ATOL, err_msg=f"{who} on {scenario.key}: {name}")


def measure(
    scenario: Scenario, engine: Optional[str] = None, turns: Optional[int] = None, peers: Sequence[Peer] = PEERS
) -> list[Timing]:
    """Everybody's seconds, in turns, after the tables were found to be equal; ours first."""
    frame = scenario.frame()
    first, *others = [*ours(engine), *peers]
    expected, usable = first.fit(frame, scenario), well_conditioned(frame, scenario, engine)
    sources = {first: frame}
    for peer in others:
        if peer.absent:
            print(f"{scenario.key}: skipped {peer.label}: {peer.needs} is not installed")
            continue
        source = peer.source(frame, scenario)
        try:
            table = peer.fit(source, scenario)
        except gbr_dag.InputError as error:
            print(f"{scenario.key}: skipped {peer.label}: {error}")
            continue
        if table is not None:
            compare(peer.label, table, expected, scenario, usable)
        sources[peer] = source
    seconds = _in_turns(sources, scenario, turns or scenario.turns)
    return [Timing(scenario.key, peer.key, peer.label, tuple(taken)) for peer, taken in seconds.items()]


def _in_turns(sources: dict[Peer, Any], scenario: Scenario, turns: int) -> dict[Peer, list[float]]:
    seconds: dict[Peer, list[float]] = {peer: [] for peer in sources}
    order = list(sources)
    for turn in range(turns):
        for peer in order:
            scale = peer.scale(scenario)
            if scale > 1.0 and turn > 2:  # thousands of times slower: three runs will do
                continue
            start = time.perf_counter()
            peer.fit(sources[peer], scenario)
            seconds[peer].append((time.perf_counter() - start) * scale)
        order = [*order[1:], order[0]]  # nobody always follows the same
    return seconds


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    options = _options(arguments)
    busy = report.busy_note()
    names = options.scenarios or (QUICK if options.quick else FULL)
    chosen = [SCENARIOS[name] for name in names]
    timings = [timing for scenario in chosen for timing in measure(scenario, options.engine, options.turns)]
    compiled, peak = {}, None
    if not options.no_processes:
        # one scenario for every number of predictors and targets
        shapes = {(scenario.p, scenario.t): scenario for scenario in reversed(chosen)}.values()
        compiled = {scenario.key: compile_seconds(scenario, options.engine) for scenario in reversed(list(shapes))}
        if "G3" in names:
            peak = peak_bytes(SCENARIOS["G3"], options.engine) if can_measure_memory() else None
    tables = [report.table(timings), report.goals_table(verdicts(timings, peak)), report.compile_line(compiled)]
    stamp = report.environment() + busy
    text = "\n\n".join(part for part in [*tables, f"{stamp}; `{_command(options)}`."] if part)
    print(text)
    if options.picture:
        report.draw(timings, options.picture, stamp)
    if options.readme:
        report.put_into(options.readme, text)


def _command(options: argparse.Namespace) -> str:
    parts = ["benchmarks/bench_peers.py", "--quick" if options.quick else ""]
    parts += [f"--scenarios {','.join(options.scenarios)}" if options.scenarios else ""]
    parts += [f"--engine {options.engine}" if options.engine else ""]
    return " ".join(part for part in parts if part)


def _options(arguments: Optional[list[str]]) -> argparse.Namespace:
    def known(text: str) -> list[str]:
        wrong = [name for name in text.split(",") if name not in SCENARIOS]
        if wrong:
            message = f"unknown scenario {wrong[0]!r}; there are {', '.join(SCENARIOS)}"
            raise argparse.ArgumentTypeError(message)
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only, under a minute")
    parser.add_argument("--scenarios", type=known, help=f"some of {','.join(SCENARIOS)}")
    parser.add_argument("--engine", help="engine that is timed (default: the library's default)")
    parser.add_argument("--turns", type=int, help="how often everybody is timed (default: by scenario)")
    parser.add_argument("--no-processes", action="store_true", help="neither compilation nor memory")
    parser.add_argument("--readme", type=Path, help="file whose table is to be replaced")
    parser.add_argument("--picture", type=Path, help="PNG to be drawn (needs the extra draw)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()

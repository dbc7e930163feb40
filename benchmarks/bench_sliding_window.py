"""Sliding-window regression against the ways one would otherwise go, in one process and one run.

``python benchmarks/bench_sliding_window.py [--quick] [--scenarios S1,S2] [--engine NAME] [--readme FILE]
[--picture FILE]``. Slopes, errors and rms of every peer are compared with ours before anything is timed, everybody
runs with default threads, and turns alternate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from benchmarks import report, window_report
from benchmarks.fresh_process import can_measure_memory
from benchmarks.goals import Timing
from benchmarks.window_goals import verdicts
from benchmarks.window_memory import Memory, memory_of
from benchmarks.window_peers import BOX, MEDIANS, PEERS, VOLUME, WindowPeer
from benchmarks.window_report import Facts
from benchmarks.window_scenarios import SCENARIOS, WindowScenario, fitted, small

BEGIN, END = "<!-- bench_sliding_window -->", "<!-- end of bench_sliding_window -->"
LIBRARIES = ("numpy", "pandas", "numba", "scipy", "statsmodels")
RTOL, ATOL, WORST_CONDITION = 1e-6, 1e-9, 100.0
"""Peers lose digits with the square of the condition and where residuals are small, so that 1e-6 is left of 1e-16."""

PAUSE_SECONDS = 0.2
"""Before everybody's turn: threads of the BLAS go on waiting at full load for a while after they had work.

Not asleep: after that a virtual machine took a third longer for everything.
"""

WIDEST = 6
"""Largest window of the picture, in bins to either side."""


def compare(who: str, got: pd.DataFrame, expected: pd.DataFrame, scenario: WindowScenario, names: list[str]) -> None:
    """Refuse a table that differs from ours in well-conditioned windows.

    Raises
    ------
    AssertionError
        Naming the peer and the column.
    """
    keys = [*scenario.within, *scenario.keys]
    ours = expected
    if len(got) == len(expected):
        for key in keys:
            np.testing.assert_array_equal(got[key], expected[key], err_msg=f"{who} on {scenario.key}: {key}")
    else:
        ours = got[keys].merge(expected, on=keys, how="left", validate="one_to_one")
    usable = (ours["condition"] < WORST_CONDITION).to_numpy()
    if usable.mean() < 0.9:
        message = f"only {usable.mean():.0%} of the windows of {scenario.key} can be compared with {who}; 90 % must be"
        raise AssertionError(message)
    for name in names:
        left, right = got[name].to_numpy()[usable], ours[name].to_numpy()[usable]
        np.testing.assert_allclose(left, right, RTOL, ATOL, err_msg=f"{who} on {scenario.key}: {name}")


def expected_table(frame: pd.DataFrame, scenario: WindowScenario, engine: Optional[str]) -> pd.DataFrame:
    """Our table with the column ``condition``, NaN where nothing was fitted."""
    table = fitted(frame, scenario, engine, diagnostics=("errors", "rms", "condition"))
    target = scenario.targets[0]
    return table.assign(condition=table[f"{target}_condition"].where(table[f"{target}_status"] == 0))


def measure(
    scenario: WindowScenario,
    engine: Optional[str] = None,
    turns: Optional[int] = None,
    peers: Optional[Sequence[WindowPeer]] = None,
) -> tuple[list[Timing], Facts]:
    """Everybody's seconds, in turns, after the tables were found to be equal; ours first."""
    frame = scenario.frame()
    expected = expected_table(frame, scenario, engine)
    chosen = (() if scenario.distortion else PEERS) if peers is None else peers
    for peer in chosen:
        compare(peer.label, peer.run(frame, scenario)[0], expected, scenario, scenario.results)

    def ours(rows: pd.DataFrame, of: WindowScenario) -> tuple[pd.DataFrame, float]:
        start = time.perf_counter()
        table = fitted(rows, of, engine)
        return table, time.perf_counter() - start

    entrants = (_ours(engine, ours), *chosen)
    return _in_turns(entrants, frame, scenario, turns or scenario.turns), Facts.of(expected, scenario, len(frame))


def measure_medians(
    scenario: WindowScenario, engine: Optional[str] = None, turns: Optional[int] = None
) -> list[Timing]:
    """Medians of the target alone, without predictors, against gathering the rows of every window."""
    frame, only = scenario.frame(), {"predictors": (), "statistics": "median", "diagnostics": ()}
    expected = fitted(frame, scenario, engine, **only).assign(condition=1.0)
    names = [f"{scenario.targets[0]}_median"]
    compare(MEDIANS.label, MEDIANS.run(frame, scenario)[0], expected, scenario, names)

    def ours(rows: pd.DataFrame, of: WindowScenario) -> tuple[pd.DataFrame, float]:
        start = time.perf_counter()
        table = fitted(rows, of, engine, **only)
        return table, time.perf_counter() - start

    named = replace(scenario, key=f"{scenario.key} medians")
    return _in_turns((_ours(engine, ours), MEDIANS), frame, named, turns or scenario.turns)


def measure_costs(
    scenario: WindowScenario, sizes: Sequence[int], engine: Optional[str] = None, turns: int = 5
) -> dict[int, list[Timing]]:
    """Everybody's seconds that sums over all bins at once, by the size of the window."""
    found = {}
    for size in sizes:
        of_size = replace(scenario, sizes=(size,) * len(scenario.sizes))
        found[size] = measure(of_size, engine, turns, (VOLUME, BOX))[0]
    return found


def _ours(engine: Optional[str], run: object) -> WindowPeer:
    return WindowPeer("ours", "gbr-dag" if engine is None else f"gbr-dag, engine {engine}", run)


def _in_turns(
    entrants: Sequence[WindowPeer], frame: pd.DataFrame, scenario: WindowScenario, turns: int
) -> list[Timing]:
    seconds: dict[WindowPeer, list[float]] = {entrant: [] for entrant in entrants}
    rng = np.random.default_rng(0)  # nobody always follows the same
    for _ in range(turns):
        for place in rng.permutation(len(entrants)):
            entrant = entrants[place]
            _wait_at_work(PAUSE_SECONDS)
            seconds[entrant].append(entrant.run(frame, scenario)[1])
    return [Timing(scenario.key, entrant.key, entrant.label, tuple(taken)) for entrant, taken in seconds.items()]


def _wait_at_work(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    options = _options(arguments)
    stamp = report.environment(LIBRARIES) + report.busy_note()
    scenarios = [SCENARIOS[name] for name in options.scenarios or SCENARIOS]
    if options.quick:
        scenarios = [small(scenario) for scenario in scenarios]
    timings: list[Timing] = []
    facts: dict[str, Facts] = {}
    memory: dict[str, Memory] = {}
    for scenario in scenarios:
        found, facts[scenario.key] = measure(scenario, options.engine, options.turns)
        timings += found
        if scenario.key == "S4" and not options.no_medians:
            timings += measure_medians(scenario, options.engine, options.turns)
        if can_measure_memory() and not options.no_processes:
            memory[scenario.key] = memory_of(scenario, options.engine)
    goals = [] if options.quick else verdicts(timings, memory)  # they are of the full sizes
    tables = [window_report.facts_table(facts, timings, memory), window_report.ratios_table(timings)]
    text = "\n\n".join(
        part for part in [*tables, report.goals_table(goals), f"{stamp}; `{_command(options)}`."] if part
    )
    print(text)
    if options.picture:
        grid = small(SCENARIOS["S2"]) if options.quick else SCENARIOS["S2"]
        costs = measure_costs(grid, range(WIDEST + 1), options.engine, options.turns or grid.turns)
        title = grid.label.partition(": ")[2].rpartition(",")[0]
        window_report.draw_costs(costs, options.picture, f"{title}, two predictors, weights", stamp)
    if options.readme:
        report.put_into(options.readme, text, BEGIN, END)


def _command(options: argparse.Namespace) -> str:
    parts = ["benchmarks/bench_sliding_window.py", "--quick" if options.quick else ""]
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
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    parser.add_argument("--scenarios", type=known, help=f"some of {','.join(SCENARIOS)}")
    parser.add_argument("--engine", help="engine that is timed (default: the library's default)")
    parser.add_argument("--turns", type=int, help="how often everybody is timed (default: by scenario)")
    parser.add_argument("--no-processes", action="store_true", help="no memory")
    parser.add_argument("--no-medians", action="store_true", help="no medians in S4")
    parser.add_argument("--readme", type=Path, help="file whose table is to be replaced")
    parser.add_argument("--picture", type=Path, help="PNG of cost against window to be drawn (needs the extra draw)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()

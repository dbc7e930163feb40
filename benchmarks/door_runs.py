"""Timings of doors in turns, and what comes of them: records, a table, files, a picture."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

import pandas as pd

from benchmarks import records, report
from benchmarks.against_reference import OLS_TOLERANCE, Deltas, Expected, compared, refuse
from benchmarks.doors import Door, Workload
from benchmarks.goals import Timing, Verdict
from benchmarks.records import Record

OUT = Path(__file__).resolve().parent / "out"
LIBRARIES = ("numpy", "pandas", "numba", "joblib", "scikit-learn", "statsmodels")
WARM = "everything ran once before, so machine code is loaded and worker processes are there"
SECONDS, MOST_TURNS, FEWEST_TURNS = 2.0, 15, 3


@dataclass(frozen=True)
class Entrant:
    """One that is timed: ``run`` takes nothing; ``scale`` is the factor on the seconds of a sample of the groups."""

    key: str
    label: str
    run: Callable[[], Any]
    deltas: Optional[Deltas] = None
    notes: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Result:
    """A record with all of its seconds; ``remark`` is what its notes say beside the figures."""

    record: Record
    timing: Timing
    remark: str = ""


def entered(
    door: Door, frame: pd.DataFrame, workload: Workload, expected: Expected, tolerance: Optional[float] = OLS_TOLERANCE
) -> Entrant:
    """A door whose table was held against the reference; that call also compiles and starts its processes.

    Raises
    ------
    AssertionError
        If a coefficient is off by more than the tolerance, of the larger of itself and its error; None is none.
    """
    deltas = compared(door, door.table(frame, workload), expected, workload)
    if tolerance is not None:
        refuse(f"{door.label} on {workload.key}", deltas.relative, tolerance, "of themselves or their errors")
    return Entrant(door.key, door.label, lambda: door.table(frame, workload), deltas)


def in_turns(entrants: Sequence[Entrant], seconds: float, most: int) -> dict[str, list[float]]:
    """Everybody's seconds; one who has used up his has three turns at least, or one if that alone took far longer."""
    taken: dict[str, list[float]] = {entrant.key: [] for entrant in entrants}
    order = list(entrants)
    for _ in range(most):
        for entrant in order:
            own = taken[entrant.key]
            spent = sum(own) / entrant.scale
            if spent > seconds and (len(own) >= FEWEST_TURNS or spent / len(own) > 15 * seconds):
                continue
            start = time.perf_counter()
            entrant.run()
            own.append((time.perf_counter() - start) * entrant.scale)
        order = [*order[1:], order[0]]  # nobody always follows the same
    return taken


def race(
    workload: Workload,
    n_rows: int,
    entrants: Sequence[Entrant],
    stamp: Mapping[str, str],
    *,
    seconds: float = SECONDS,
    turns: Optional[int] = None,
) -> list[Result]:
    """Results of one workload; speeds are relative to the first entrant."""
    taken = in_turns(entrants, seconds, turns or MOST_TURNS)
    timings = [Timing(workload.key, one.key, one.label, tuple(taken[one.key])) for one in entrants]
    first = timings[0]
    results = []
    for entrant, timing in zip(entrants, timings):
        spread = "" if timing.spread is None else f", spread {report.milliseconds(timing.spread)} ms"
        count = len(timing.seconds)
        notes = [f"median of {count}{spread}" if count > 1 else "one run", f"speedup over {first.key}", entrant.notes]
        record = Record(
            **stamp,
            scenario=workload.key,
            engine=entrant.key,
            n_groups=workload.groups,
            rows_per_group=round(n_rows / workload.groups),
            duration_s=timing.median,
            per_1k_s=timing.median / workload.groups * 1e3,
            speedup=first.median / timing.median,
            max_abs_delta_slope=None if entrant.deltas is None else entrant.deltas.slope,
            max_abs_delta_intercept=None if entrant.deltas is None else entrant.deltas.intercept,
            notes="; ".join(note for note in notes if note),
        )
        results.append(Result(record, timing, entrant.notes))
    return results


def table(results: Sequence[Result]) -> str:
    """Markdown, one row an engine and scenario."""
    head = ["scenario", "engine", "groups x rows", "median ± spread in ms", "ms per 1,000 groups", "speedup"]
    head += ["slope off by", "intercept off by", "notes"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---:|---:|---:|---:|---:|---:|---|"]
    for result in results:
        one, spread = result.record, result.timing.spread
        taken = report.milliseconds(one.duration_s) + ("" if spread is None else f" ± {report.milliseconds(spread)}")
        off = ["" if d is None else f"{d:.1e}" for d in (one.max_abs_delta_slope, one.max_abs_delta_intercept)]
        speed = "" if one.speedup is None else report.times(one.speedup)
        figures = [f"{one.n_groups:,} x {one.rows_per_group}", taken, report.milliseconds(one.per_1k_s), speed, *off]
        lines.append(f"| {' | '.join([one.scenario, one.engine, *figures, result.remark])} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Run:
    """All that one benchmark found.

    Attributes
    ----------
    name : str
        Of its files.
    command : str
        As it was started.
    remarks : sequence of str
        What a reader of the table has to know.
    busy : str
        Other work on the machine.
    """

    name: str
    command: str
    results: Sequence[Result]
    verdicts: Sequence[Verdict]
    remarks: Sequence[str]
    busy: str

    @property
    def records(self) -> list[Record]:
        return [result.record for result in self.results]

    @property
    def stamp(self) -> str:
        """Machine, versions, threads, commit."""
        return f"{report.environment(LIBRARIES)}, {report.threads_note()}{self.busy}"

    def text(self) -> str:
        parts = [table(self.results), report.goals_table(self.verdicts), "\n".join(self.remarks)]
        return "\n\n".join([*(part for part in parts if part), f"{self.stamp}; `{self.command}`."]) + "\n"

    def json(self) -> str:
        judged = [{"goal": one.text, "measured": one.measured, "verdict": one.word} for one in self.verdicts]
        seconds = [
            {"scenario": one.timing.scenario, "engine": one.timing.key, "seconds": one.timing.seconds}
            for one in self.results
        ]
        more = {"environment": self.stamp, "command": self.command, "remarks": list(self.remarks)}
        return records.json_text(self.records, {**more, "goals": judged, "timings": seconds})


def publish(run: Run, out: Path, *, kinds: Sequence[str] = ("txt", "json", "csv")) -> None:
    """Print the table and write the files."""
    texts: dict[str, Callable[[], str]] = {
        "txt": run.text,
        "json": run.json,
        "csv": lambda: records.csv_text(run.records),
    }
    print(run.text())
    for kind in kinds:
        records.replace(out / f"{run.name}.{kind}", texts[kind]())
    print(f"written to {out}: {', '.join(f'{run.name}.{kind}' for kind in kinds)}")


def draw(results: Sequence[Result], path: Path, stamp: str) -> None:
    """Seconds against groups, a line an engine, both axes logarithmic."""
    if find_spec("matplotlib") is None:
        print("no picture: matplotlib is not installed (pip install 'gbr-dag[draw]')")
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis: Any = figure.subplots()
    for label in dict.fromkeys(result.timing.label for result in results):
        own = sorted(
            (one.record.n_groups, one.timing.median, one.timing.spread or 0.0)
            for one in results
            if one.timing.label == label
        )
        groups, medians, spreads = zip(*own)
        axis.errorbar(groups, medians, yerr=spreads, marker="o", markersize=4, linewidth=1.2, label=label)
    axis.set(xscale="log", yscale="log", xlabel="groups", ylabel="seconds (median, half of the quartiles' distance)")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(lambda value, _: f"{value:,g}")
        side.set_minor_formatter("")
    axis.set_title(", ".join(dict.fromkeys(f"{one.record.rows_per_group} rows a group" for one in results)), loc="left")
    axis.grid(color="#e5e5e5", linewidth=0.6)
    axis.legend(frameon=False)
    figure.supxlabel(report.wrapped(stamp, 110), fontsize=6, color="#666666")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What all benchmarks of the doors can be told."""
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the files (default: benchmarks/out)")
    parser.add_argument("--turns", type=int, help=f"most turns of everybody (default: {MOST_TURNS})")
    parser.add_argument("--groups", type=int, help="most groups of a scenario, for a trial")


def command_of(script: str, options: argparse.Namespace, *chosen: str) -> str:
    """As it was started, but for the files."""
    trial = [f"--{name} {value}" for name in ("turns", "groups") if (value := getattr(options, name)) is not None]
    return " ".join([f"benchmarks/{script}.py", *chosen, *trial])


def at_most(workloads: Sequence[Workload], groups: Optional[int]) -> list[Workload]:
    """The workloads with no more groups than that."""
    return [one if groups is None else replace(one, groups=min(groups, one.groups)) for one in workloads]

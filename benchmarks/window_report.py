"""Tables and the picture of what the benchmark of sliding windows measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.goals import Timing
from benchmarks.report import milliseconds, times, wrapped
from benchmarks.window_memory import Memory
from benchmarks.window_scenarios import WindowScenario

_COLOURS = {"ours": "#c44e52", "shifted": "#4c72b0", "box": "#55806b"}


@dataclass(frozen=True)
class Facts:
    """What our table of a scenario says."""

    label: str
    rows: int
    bins: int
    fitted: int
    neighbours: float

    @staticmethod
    def of(table: pd.DataFrame, scenario: WindowScenario, rows: int) -> Facts:
        fitted = int(table[scenario.results].notna().all(axis=1).sum())
        return Facts(scenario.label, rows, len(table), fitted, float(table["n_neighbors_used"].mean()))


def facts_table(facts: Mapping[str, Facts], timings: Sequence[Timing], memory: Mapping[str, Memory]) -> str:
    """Markdown: a row for every scenario, what we did in it."""
    ours = {timing.scenario: timing for timing in timings if timing.key == "ours"}
    heads = ["rows", "bins", "fitted", "skipped", "mean neighbours", "ms", "bins/s"]
    heads += ["peak MB beside the frame", "result MB"] if memory else []
    lines = [f"| gbr-dag | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for key, found in facts.items():
        timing = ours[key]
        spread = "" if timing.spread is None else f" ± {milliseconds(timing.spread)}"
        cells = [f"{found.rows:,}", f"{found.bins:,}", f"{found.fitted:,}", f"{found.bins - found.fitted:,}"]
        cells += [f"{found.neighbours:.1f}", f"{milliseconds(timing.median)}{spread}"]
        cells.append(f"{float(f'{found.bins / timing.median:.3g}'):,.0f}")
        if memory:
            used = memory.get(key)
            cells += ["", ""] if used is None else [f"{used.peak / 1e6:,.0f}", f"{used.result / 1e6:,.0f}"]
        lines.append(f"| {found.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratios_table(timings: Sequence[Timing]) -> str:
    """Markdown: a row for every peer, a column for every scenario, how many times as long as we they take."""
    found = {(timing.scenario, timing.key): timing for timing in timings}
    peers = {timing.key: timing.label for timing in timings if timing.key != "ours"}
    compared = list(dict.fromkeys(timing.scenario for timing in timings if timing.key != "ours"))
    lines = [f"| median ± spread in ms (times gbr-dag) | {' | '.join(compared)} |", f"|---|{'---:|' * len(compared)}"]
    for peer, label in peers.items():
        cells = []
        for key in compared:
            timing, ours = found.get((key, peer)), found[key, "ours"]
            if timing is None:
                cells.append("")
                continue
            spread = "" if timing.spread is None else f" ± {milliseconds(timing.spread)}"
            cells.append(f"{milliseconds(timing.median)}{spread} ({times(timing.median / ours.median)} x)")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_costs(costs: Mapping[int, Sequence[Timing]], path: Path, title: str, stamp: str) -> None:
    """Seconds against the size of the window on a logarithmic axis, a line for everybody."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    sizes = list(costs)
    labels = {timing.key: timing.label for timings in costs.values() for timing in timings}
    for key, label in labels.items():
        found = [next(timing for timing in costs[size] if timing.key == key) for size in sizes]
        low, middle, high = np.array([np.quantile(timing.seconds, (0.25, 0.5, 0.75)) for timing in found]).T * 1e3
        line = {"color": _COLOURS[key], "linewidth": 2.4 if key == "ours" else 1.4}
        axis.plot(sizes, middle, marker="o", markersize=4, **line)
        axis.fill_between(sizes, low, high, color=_COLOURS[key], alpha=0.2, linewidth=0)
        weight = "bold" if key == "ours" else "normal"
        axis.annotate(
            f"{wrapped(label, 30)}\n{milliseconds(middle[-1] / 1e3)} ms at ±{sizes[-1]}",
            (sizes[-1], middle[-1]),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=_COLOURS[key],
            fontweight=weight,
            annotation_clip=False,
        )
    _dress(axis, sizes, title)
    figure.supxlabel(wrapped(stamp, 140), fontsize=6.5, color="#666666")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _dress(axis: Any, sizes: Sequence[int], title: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_xticks(sizes, [f"±{size}\n{(2 * size + 1) ** 3:,}" for size in sizes])
    axis.set_xlabel("window along each of three dimensions, and its volume in bins", fontsize=9)
    axis.set_ylabel("time, frame to frame (ms)", fontsize=9)
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axis.tick_params(labelsize=8.5)
    axis.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)

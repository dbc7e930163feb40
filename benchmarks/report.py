"""Tables and the picture of what the benchmarks measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Optional

from benchmarks.goals import Timing, Verdict
from benchmarks.scenarios import SCENARIOS

BEGIN, END = "<!-- bench_peers -->", "<!-- end of bench_peers -->"
LIBRARIES = ("numpy", "pandas", "numba", "polars", "duckdb", "statsmodels")


def milliseconds(seconds: float) -> str:
    """Three digits."""
    value = 1e3 * seconds
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.{1 if value >= 9.95 else 2}f}"


def times(ratio: float) -> str:
    """Two digits and more for large ones."""
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.{1 if ratio >= 0.995 else 2}f}"


def cell(timing: Optional[Timing], ours: float) -> str:
    """Median and spread in milliseconds, and the ratio to ours."""
    if timing is None:
        return ""
    spread = "" if timing.spread is None else f" ± {milliseconds(timing.spread)}"
    if timing.key == "ours":
        return f"**{milliseconds(timing.median)}{spread}**"
    return f"{milliseconds(timing.median)}{spread} ({times(timing.median / ours)} x)"


def table(timings: Sequence[Timing]) -> str:
    """Markdown: a row for everybody, a column for every scenario."""
    scenarios = list(dict.fromkeys(timing.scenario for timing in timings))
    labels = dict(sorted({timing.key: timing.label for timing in timings}.items(), key=lambda item: _place(*item)))
    found = {(timing.scenario, timing.key): timing for timing in timings}
    head = ["median ± spread in ms (times ours)", *(SCENARIOS[name].label for name in scenarios)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * len(scenarios)}"]
    for key, label in labels.items():
        cells = [cell(found.get((name, key)), found[name, "ours"].median) for name in scenarios]
        lines.append(f"| {f'**{label}**' if key == 'ours' else label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(key: str, _: str) -> int:
    return {"ours": 0, "ours_polars": 1, "read": 3}.get(key, 2)


def goals_table(verdicts: Sequence[Verdict]) -> str:
    """Markdown; empty if no goal belongs to what was timed."""
    if not verdicts:
        return ""
    rows = [f"| {verdict.text} | {verdict.measured} | {verdict.word} |" for verdict in verdicts]
    return "\n".join(["| must reach | measured | |", "|---|---:|---|", *rows])


def compile_line(seconds: Mapping[str, Mapping[str, float]]) -> str:
    """First fit minus second, by scenario."""
    parts = [
        f"{name} {max(found['cold'], 0.0):.2f} s, {max(found['cached'], 0.0):.2f} s from the cache on disk"
        for name, found in seconds.items()
    ]
    return f"Compilation in the first fit of a process: {'; '.join(parts)}." if parts else ""


def environment(libraries: Sequence[str] = LIBRARIES) -> str:
    """Machine, versions and commit."""
    versions = ", ".join(f"{name} {_version(name)}" for name in libraries)
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"
    return f"{machine}, Python {platform.python_version()}, {versions}, commit {commit()}"


def threads_note() -> str:
    """How many threads the compiled engine may take here, and how they are run."""
    from gbr_dag.kernels.threads import thread_count

    most = thread_count(None, 1 << 40)
    return f"compiled code on up to {most} Python threads without the GIL, one for few rows"


def busy_note() -> str:
    """Words for other work on the machine, which slows those with several threads most; empty if there is none."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f", other work beside (load average {load:.1f} at the start)" if load > 0.5 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """Short name of the checkout's commit, and whether files were changed since."""
    folder = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    name = git("rev-parse", "--short", "HEAD")
    if not name:
        return "unknown"
    changed = git("status", "--porcelain", "--", "gbr_dag", "nodes", "drivers", "benchmarks")
    return f"{name} with changes" if changed else name


def put_into(readme: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what stands between the two marks.

    Raises
    ------
    ValueError
        If a mark is not there.
    """
    before, mark, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, other, after = rest.partition(end)
    if not (mark and other):
        message = f"{readme} has no marks {begin} and {end}"
        raise ValueError(message)
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def draw(timings: Sequence[Timing], path: Path, stamp: str) -> None:
    """Bars of everybody's time relative to ours, a panel a scenario, on a logarithmic axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scenarios = list(dict.fromkeys(timing.scenario for timing in timings))
    rows = max(sum(timing.scenario == name for timing in timings) for name in scenarios)
    height = len(scenarios) * (0.27 * rows + 0.75) + 0.5
    figure = Figure(figsize=(9.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(scenarios), 1, sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, scenarios):
        _panel(axis, [timing for timing in timings if timing.scenario == name], SCENARIOS[name].label)
    low, high = axes[0].get_xlim()
    axes[0].set_xlim(low, high * 6)  # room for the figures beside the longest bar
    axes[-1].set_xlabel("time relative to gbr-dag (logarithmic): right of the line is slower", fontsize=8.5)
    figure.supxlabel(wrapped(stamp), fontsize=6.5, color="#666666")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _panel(axis: Any, timings: Sequence[Timing], title: str) -> None:
    ours = next(timing.median for timing in timings if timing.key == "ours")
    ordered = sorted(timings, key=lambda timing: -timing.median)
    colour = {"ours": "#c44e52", "ours_polars": "#c44e52", "read": "#bbbbbb"}
    ratios = [timing.median / ours for timing in ordered]
    # a bar begins at 1, so that its length is the factor between the two
    bars = axis.barh(
        [timing.label for timing in ordered],
        [ratio - 1 for ratio in ratios],
        left=1,
        color=[colour.get(timing.key, "#4c72b0") for timing in ordered],
        height=0.7,
    )
    for bar, timing, ratio in zip(bars, ordered, ratios):
        middle = bar.get_y() + bar.get_height() / 2
        text = f"  {milliseconds(timing.median)} ms" + ("" if timing.key == "ours" else f", {times(ratio)} x")
        axis.text(max(ratio, 1), middle, text, va="center", fontsize=7.5)
    axis.set_xscale("log")
    axis.axvline(1, color="#c44e52", linewidth=1.2)
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axis.tick_params(axis="y", labelsize=8, length=0)
    for label in axis.get_yticklabels():
        if label.get_text().startswith("gbr-dag"):
            label.set(color="#c44e52", fontweight="bold")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def wrapped(text: str, width: int = 150) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))

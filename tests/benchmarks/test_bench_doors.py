"""The benchmarks of the doors run at a small size, refuse wrong tables, and write their files whole or not at all."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import gbr_dag
from benchmarks import against_reference, bench_comparison, bench_groupby_regression, door_runs, records
from benchmarks import bench_groupby_regression_optimized as optimized
from benchmarks.against_reference import reference
from benchmarks.door_runs import Entrant, Result, in_turns
from benchmarks.doors import PREDICTORS, ROBUST, V2, V3, V4, Workload, cell_of
from benchmarks.goals import Timing
from benchmarks.records import COLUMNS, Record, append_history

pytest.importorskip("joblib", reason="v2 runs on joblib's processes: gbr-dag[loky]")

HEADER = (
    "date,host,commit,scenario,engine,n_groups,rows_per_group,duration_s,per_1k_s,speedup,max_abs_delta_slope,"
    "max_abs_delta_intercept,notes"
)
STAMP = {"date": "2026-01-01", "host": "here", "commit": "abc"}
SMALL = Workload("small", 40, 8)
RECORD = Record(**STAMP, scenario="s", engine="v4", n_groups=40, rows_per_group=5, duration_s=0.25, per_1k_s=6.25,
                speedup=None, max_abs_delta_slope=1e-15, max_abs_delta_intercept=None, notes='a, "b"')  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def result(engine: str, seconds: float, scenario: str = "phase3", groups: int = 1_000) -> Result:
    record = replace(RECORD, scenario=scenario, engine=engine, n_groups=groups, duration_s=seconds)
    return Result(record, Timing(scenario, engine, engine, (seconds,)))


def test_columns_are_those_agreed_upon():
    assert ",".join(COLUMNS) == HEADER


def test_fast_doors_from_the_command_line(tmp_path, monkeypatch, capsys):
    chosen = [load for load in optimized.QUICK if load.key in ("outliers_10_percent", "clustered_sizes", "groups_100")]
    assert len(chosen) == 3
    monkeypatch.setattr(optimized, "QUICK", [*chosen, replace(optimized.PHASE3, n_jobs=1)])
    optimized.main(["--quick", "--groups", "40", "--turns", "2", "--out", str(tmp_path)])
    name = "bench_groupby_regression_optimized_quick"
    assert (tmp_path / f"{name}.csv").read_text().splitlines()[0] == HEADER
    rows = rows_of(tmp_path / f"{name}.csv")
    assert [row["engine"] for row in rows] == ["v2", "v3", "v4"] * 4
    for row in rows:
        assert float(row["duration_s"]) > 0
        assert float(row["per_1k_s"]) == pytest.approx(float(row["duration_s"]) / 40 * 1e3, rel=1e-4)
        cut = row["scenario"].startswith("outliers") and row["engine"] == "v2"
        assert (float(row["max_abs_delta_slope"]) > 1e-3) == cut  # what v2 rejects is seen in its slopes
        assert ("rejects" in row["notes"]) == cut
    told = json.loads((tmp_path / f"{name}.json").read_text())
    assert [tuple(record) for record in told["records"]] == [COLUMNS] * 12
    assert [len(timing["seconds"]) for timing in told["timings"]] == [2] * 12
    for word in ("Python", "numpy", "pandas", "numba", "joblib", "cores", "threads", "commit"):
        assert word in told["environment"]
    text = (tmp_path / f"{name}.txt").read_text()
    assert text in capsys.readouterr().out
    assert "--quick --turns 2 --groups 40`" in text
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_robust_door_from_the_command_line(tmp_path, monkeypatch):
    chosen = [load for load in bench_groupby_regression.QUICK if load.key in ("weighted", "outliers_10_percent")]
    monkeypatch.setattr(bench_groupby_regression, "QUICK", chosen)
    monkeypatch.setattr(bench_groupby_regression, "SAMPLE", 10)
    monkeypatch.setattr(bench_groupby_regression, "ALL", replace(bench_groupby_regression.ALL, n_jobs=1))
    bench_groupby_regression.main(["--quick", "--groups", "40", "--turns", "1", "--out", str(tmp_path)])
    name = "bench_groupby_regression_quick"
    assert (tmp_path / f"{name}.csv").read_text().splitlines()[0] == HEADER
    rows = rows_of(tmp_path / f"{name}.csv")
    assert [row["engine"] for row in rows] == ["statsmodels_rlm", "robust", "robust_all_cores"] * 2
    assert "rejects 1" in rows[4]["notes"]  # ten percent lie off, and a few of the rest
    assert "least squares +" in rows[4]["notes"]
    assert "10 groups scaled up" in rows[0]["notes"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".json", ".csv"}


def test_comparison_adds_to_its_history(tmp_path, monkeypatch):
    quick = [load for load in bench_comparison.SCENARIOS["quick"] if load.key in ("noise_free", "outliers_5_percent")]
    monkeypatch.setitem(bench_comparison.SCENARIOS, "quick", quick)
    for _ in range(2):
        bench_comparison.main(["--scenarios", "quick", "--groups", "40", "--turns", "1", "--out", str(tmp_path)])
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 6
    assert lines.count(HEADER) == 1
    assert lines[-6:] == (tmp_path / "bench_comparison_quick.csv").read_text().splitlines()[1:]
    assert {path.name for path in tmp_path.iterdir()} == {
        "history.csv",
        "bench_comparison_quick.csv",
        "bench_comparison_quick.txt",
    }


def off(call, column, by):
    """A door whose column is off."""

    def wrong(*arguments, **named):
        rows, table = call(*arguments, **named)
        return rows, table.assign(**{column: table[column] + by})

    return wrong


@pytest.mark.parametrize(
    ("door", "name", "column"),
    [
        (V2, "make_parallel_fit_v2", "y0_slope_x1_v2"),
        (V3, "make_parallel_fit_v3", "y0_intercept_fast"),
        (V4, "make_parallel_fit_v4", "y0_slope_x0_v4"),
    ],
)
def test_a_door_that_is_off_is_refused(monkeypatch, door, name, column):
    column = column.replace("_fast", door.suffix)
    monkeypatch.setattr(gbr_dag, name, off(getattr(gbr_dag, name), column, 1e-6))
    with pytest.raises(AssertionError, match=rf"{door.key} \(\w+\) on small: coefficients are off by .*e-0[67]"):
        optimized.measure(SMALL, STAMP, turns=1)


def test_a_robust_door_that_is_off_is_refused(monkeypatch):
    door = gbr_dag.GroupByRegressor
    wrong = off(door.make_parallel_fit, f"y0_slope_x0{ROBUST.suffix}", 1e-6)
    monkeypatch.setattr(door, "make_parallel_fit", staticmethod(wrong))
    clean = replace(SMALL, key="clean", rows=20, decades=0.0)
    with pytest.raises(AssertionError, match="robust on clean against the reference: coefficients are off"):
        bench_groupby_regression.measure(clean, STAMP, turns=1)


def test_robust_fits_of_exact_lines_must_be_those_of_least_squares():
    load = replace(SMALL, noise=0.0)
    frame = load.frame()
    exact = {door.key: door.table(frame, load) for door in (ROBUST, V2, V4)}
    bench_comparison.check_noise_free(exact, load)
    slope = f"y0_slope_x0{ROBUST.suffix}"
    wrong = {**exact, "robust": exact["robust"].assign(**{slope: exact["robust"][slope] + 1.1e-5})}
    with pytest.raises(AssertionError, match="robust on small against v2"):
        bench_comparison.check_noise_free(wrong, load)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.iloc[1:], "39 groups instead of 40"),
        (lambda table: table.assign(k3=table["k3"] + 1), "120 missing coefficients instead of 0"),
        (lambda table: table.assign(y0_slope_x0_v4=table["y0_slope_x0_v4"].where(table.index != 3)), "1 missing"),
    ],
)
def test_a_door_with_missing_groups_is_refused(spoil, message):
    frame = SMALL.frame()
    door = replace(V4, call=lambda *arguments: (None, spoil(V4.call(*arguments)[1])))
    with pytest.raises(AssertionError, match=message):
        door_runs.entered(door, frame, SMALL, reference(frame, SMALL))


def test_the_reference_of_many_groups_fits_the_first_ones(monkeypatch):
    monkeypatch.setitem(against_reference.MOST_GROUPS, "ols", 15)
    frame = SMALL.frame()
    some = reference(frame, SMALL)
    assert sorted(cell_of(some.table)) == list(range(15))
    assert door_runs.entered(V4, frame, SMALL, some).deltas.slope < 1e-12


def test_goals_are_judged_on_what_they_are_about():
    def words(**seconds: float) -> list[str]:
        return [one.word for one in optimized.verdicts([result(key, value) for key, value in seconds.items()])]

    assert words(v2=5.0, v3=15.0, v4=1.0) == ["PASS", "PASS"]
    assert words(v2=4.9, v3=14.9, v4=1.0) == ["FALLS SHORT", "FALLS SHORT"]
    assert words(v3=15.0, v4=1.0) == ["NOT MEASURED", "PASS"]
    assert optimized.verdicts([result("v4", 1.0, groups=40), result("v4", 1.0, "rows_5")]) == []


def test_workloads_are_what_their_names_say():
    frame = Workload("w", 300, 20, targets=2, outliers=0.1, noise=0.01, clustered=True).frame()
    sizes = np.bincount(cell_of(frame))
    assert len(sizes) == 300
    assert sizes.min() == 5
    assert sizes.max() > 10 * np.median(sizes)
    residual = frame["y1"] - 2.0 - frame[PREDICTORS[0]] - 1.5 * frame[PREDICTORS[1]]
    far = np.abs(residual * np.sqrt(frame["w"])) > 0.05  # five standard deviations
    assert far.mean() == pytest.approx(0.1, abs=0.02)
    assert (Workload("w", 3, 5, decades=0.0).frame()["w"] == 1).all()
    assert {load.n_jobs for load in optimized.QUICK} == {1, 4, None}
    assert max(load.groups for load in optimized.QUICK) == 2_000
    assert max(load.groups for load in optimized.FULL) == 100_000


def test_turns_change_and_slow_ones_have_few(monkeypatch):
    order = []
    entrants = [Entrant(key, key, partial(order.append, key)) for key in "ab"]
    taken = in_turns(entrants, seconds=10.0, most=3)
    assert order == list("abbaab")
    assert [len(seconds) for seconds in taken.values()] == [3, 3]
    now = [0.0]

    def takes(seconds: float) -> Entrant:
        return Entrant("slow", "slow", lambda: now.__setitem__(0, now[0] + seconds), scale=10.0)

    monkeypatch.setattr(door_runs.time, "perf_counter", lambda: now[0])
    turns = {seconds: in_turns([takes(seconds)], seconds=1.0, most=9)["slow"] for seconds in (0.125, 0.5, 2.0, 16.0)}
    assert {seconds: len(taken) for seconds, taken in turns.items()} == {0.125: 9, 0.5: 3, 2.0: 3, 16.0: 1}
    assert turns[2.0] == [20.0] * 3  # a sample is scaled up, but its own time counts


def test_history_keeps_one_header_and_quotes_notes(tmp_path):
    path = tmp_path / "deep" / "history.csv"
    append_history(path, [RECORD])
    before = path.stat().st_ino
    append_history(path, [RECORD, RECORD])
    assert path.stat().st_ino != before  # another file took its place: nobody ever saw a half
    line = '2026-01-01,here,abc,s,v4,40,5,0.25,6.25,,1e-15,,"a, ""b"""'
    assert path.read_text().splitlines() == [HEADER, line, line, line]
    assert rows_of(path)[2]["notes"] == 'a, "b"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has none"),
        ("date,host\n", "has date,host; move it away"),
        (HEADER.replace("engine,n_groups", "n_groups,engine") + "\n", "must have the columns"),
        (HEADER + "\n2026-01-01,here\n", "broken at record 2"),
        (HEADER + "\n" + ",".join("abcdefghijklm"), "broken at record 2"),
    ],
)
def test_a_broken_history_is_refused_and_left_alone(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        append_history(path, [RECORD])
    with pytest.raises(ValueError, match=message):  # before anything is measured
        bench_comparison.main(["--out", str(tmp_path)])
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("history.csv", text)]


def test_nothing_is_half_written(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    append_history(path, [RECORD])
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        append_history(path, [RECORD])
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("history.csv", before)]


@pytest.mark.parametrize("module", [bench_comparison, bench_groupby_regression, optimized])
def test_they_run_as_scripts(module):
    done = subprocess.run([sys.executable, module.__file__, "--help"], capture_output=True, text=True, check=True)
    assert "--out" in done.stdout


def test_they_run_as_modules():
    root = Path(optimized.__file__).resolve().parent.parent
    command = [sys.executable, "-m", bench_comparison.__name__, "--help"]
    assert "--out" in subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout

"""The benchmark of sliding windows runs at small sizes, refuses wrong peers and says whether the goals are reached."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_sliding_window, fresh_process, window_report
from benchmarks.goals import Timing
from benchmarks.window_goals import verdicts
from benchmarks.window_memory import Memory, memory_of
from benchmarks.window_peers import BOX, MEDIANS, PEERS, VOLUME, WindowPeer, box_sums, shifted_sums, sorted_rows
from benchmarks.window_scenarios import SCENARIOS, fitted, small

SMALL = replace(small(SCENARIOS["S1"]), shape=(4, 3, 5))


def timing(scenario: str, key: str, *seconds: float) -> Timing:
    return Timing(scenario, key, key, seconds)


@pytest.mark.parametrize("key", SCENARIOS)
def test_every_scenario_is_measured_beside_its_peers(key):
    timings, facts = bench_sliding_window.measure(small(SCENARIOS[key]), engine="numpy", turns=1)
    expected = ["ours"] if key == "TPC" else ["ours", *(peer.key for peer in PEERS)]
    assert [timing.key for timing in timings] == expected
    assert facts.fitted == facts.bins > 0
    assert facts.neighbours > 5


def test_scenarios_are_those_of_the_goals():
    sizes = {key: (scenario.n_cells, scenario.rows, scenario.sizes[0]) for key, scenario in SCENARIOS.items()}
    assert sizes == {
        "S1": (1_000, 20, 1),
        "S2": (30_000, 100, 1),
        "S3": (250_000, 10, 2),
        "S4": (30_000, 100, 3),
        "S5": (3_064_320, 3, 1),
        "TPC": (68_000, 100, 2),
    }
    assert len(small(SCENARIOS["S3"]).frame().drop_duplicates(SMALL.keys)) < 0.65 * small(SCENARIOS["S3"]).n_cells


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 2), (3, 3, 3)])
def test_sums_over_windows_are_those_of_a_loop(sizes):
    sums = np.random.default_rng(2).normal(size=(2, 4, 3, 6))
    expected = np.zeros_like(sums)
    for place in np.ndindex(4, 3, 6):
        box = tuple(slice(max(at - size, 0), at + size + 1) for at, size in zip(place, sizes))
        expected[(slice(None), *place)] = sums[(slice(None), *box)].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(shifted_sums(sums, sizes), expected, atol=1e-13)
    np.testing.assert_allclose(box_sums(sums, sizes), expected, atol=1e-12)  # running sums


def test_windows_are_gathered_whole():
    scenario = replace(small(SCENARIOS["S5"]), shape=(4, 3, 5), rows=2)
    frame = scenario.frame()
    prepared = sorted_rows(frame, scenario, ["sector", "k1", "k2", "k3", "y"])
    assert len(prepared.centres) == 100
    places = np.transpose(np.unravel_index(prepared.centres, prepared.grid.shape))
    row_places = frame[["sector", "k1", "k2", "k3"]].to_numpy()
    for place, rows in zip(places, prepared.windows()):
        near = (np.abs(row_places - place) <= (0, 1, 1, 1)).all(axis=1)
        assert sorted(rows[:, -1]) == sorted(frame.loc[near, "y"])


@pytest.mark.parametrize("column", SMALL.results)
def test_a_peer_that_is_wrong_in_one_column_is_refused(column):
    def wrong(frame, scenario):
        table, seconds = VOLUME.run(frame, scenario)
        return table.assign(**{column: table[column] * (1 + 1e-5)}), seconds

    with pytest.raises(AssertionError, match=f"wrong on S1: {column}"):
        bench_sliding_window.measure(SMALL, engine="numpy", turns=1, peers=[WindowPeer("wrong", "wrong", wrong)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.iloc[::-1], "wrong on S1: k1"),
        (lambda table: table.assign(k3=table["k3"] + 100).iloc[1:], "only 0% of the windows of S1 can be compared"),
    ],
)
def test_a_peer_with_unsorted_or_unknown_bins_is_refused(spoil, message):
    def wrong(frame, scenario):
        table, seconds = BOX.run(frame, scenario)
        return spoil(table), seconds

    with pytest.raises(AssertionError, match=message):
        bench_sliding_window.measure(SMALL, engine="numpy", turns=1, peers=[WindowPeer("wrong", "wrong", wrong)])


def test_a_sample_is_scaled_up(monkeypatch):
    monkeypatch.setattr("benchmarks.window_peers.SAMPLE", 1)
    frame = SMALL.frame()
    clock = iter([0.0, 1.0, 3.0])
    monkeypatch.setattr("benchmarks.window_peers.time.perf_counter", lambda: next(clock))
    _, seconds = PEERS[2].run(frame, SMALL)
    assert seconds == 1.0 + 2.0 * SMALL.n_cells


def test_goals_at_the_bound_and_beyond():
    timings = [timing("S2", "ours", 1.0), timing("S4", "ours", 1.5)]
    timings += [timing("S2", key, 4.0) for key in ("shifted", "box", "lstsq")]
    timings += [timing("S2", "statsmodels", 399.0)]
    found = verdicts(timings, {"S2": Memory(13_000_000, 1_000_000, 4_000_000), "S1": Memory(10**9, 0, 100)})
    assert {verdict.text: verdict.word for verdict in found} == {
        "S2: at least 4 x as fast as the best peer": "PASS",
        "S2: at least 400 x as fast as gathering with statsmodels": "FALLS SHORT",
        "S4: at least 4 x as fast as the best peer": "NOT MEASURED",
        "S4: at least 5000 x as fast as gathering with statsmodels": "NOT MEASURED",
        "S4: at most 1.5 x the time of S2": "PASS",
        "S2: at most 3 x the dense table of records beside frame and result": "PASS",
    }
    slower = verdicts([timing("S2", "ours", 1.0), timing("S4", "ours", 1.51)], {})
    assert [verdict.word for verdict in slower if "the time of S2" in verdict.text] == ["FALLS SHORT"]


def test_tables_say_what_was_measured():
    facts = {"S1": window_report.Facts("S1: small", 500, 60, 58, 19.25)}
    timings = [timing("S1", "ours", 0.002, 0.002), timing("S1", "box", 0.02), timing("S4 medians", "ours", 0.5)]
    timings += [timing("S4 medians", "partition", 3.0)]
    memory = {"S1": Memory(3_000_000, 1_000_000, 500)}
    row = window_report.facts_table(facts, timings, memory).splitlines()[2]
    assert row == "| S1: small | 500 | 60 | 58 | 2 | 19.2 | 2.00 ± 0.00 | 30,000 | 3 | 1 |"
    assert window_report.ratios_table(timings).splitlines()[2:] == [
        "| box | 20.0 (10 x) |  |",
        "| partition |  | 3,000 (6.0 x) |",
    ]


def test_costs_are_drawn_for_every_window(tmp_path):
    pytest.importorskip("matplotlib")
    costs = bench_sliding_window.measure_costs(SMALL, (0, 2), "numpy", turns=2)
    assert [[timing.key for timing in timings] for timings in costs.values()] == [["ours", "shifted", "box"]] * 2
    window_report.draw_costs(costs, tmp_path / "docs" / "costs.png", "small", "a machine")
    assert (tmp_path / "docs" / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_quick_run_from_the_command_line(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{bench_sliding_window.BEGIN}\nold\n{bench_sliding_window.END}\nbelow\n")
    options = ["--turns", "1", "--engine", "numpy", "--no-processes", "--no-medians", "--readme", str(page)]
    bench_sliding_window.main(["--quick", "--scenarios", "S2,S4", *options])
    text = page.read_text()
    assert "| S4: 10x10x10 bins x 12 rows, ±3 |" in text
    assert "must reach" not in text  # the goals are of full sizes
    assert "--quick --scenarios S2,S4 --engine numpy`" in text
    assert text.partition("\n")[2].partition("\n| gbr-dag |")[0] == bench_sliding_window.BEGIN
    assert "statsmodels WLS" in capsys.readouterr().out


def test_an_unknown_scenario_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench_sliding_window.main(["--scenarios", "S1,S9"])
    assert "unknown scenario 'S9'; there are S1, S2, S3, S4, S5, TPC" in capsys.readouterr().err


def test_memory_comes_from_a_process_of_its_own():
    if not fresh_process.can_measure_memory():
        pytest.skip("this system cannot reset the high-water mark of a process")
    used = memory_of(SMALL, "numpy")
    table = fitted(small(SCENARIOS["S1"]).frame(), small(SCENARIOS["S1"]), "numpy")
    assert used.result == table.memory_usage(index=False).sum()
    assert used.records == 216 * 8 * 15
    assert 0 <= used.peak < 2e9


def test_it_runs_as_a_script():
    script = Path(bench_sliding_window.__file__)
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "--picture" in done.stdout


def test_medians_are_measured():
    timings = bench_sliding_window.measure_medians(SMALL, "reference", turns=1)
    assert [(timing.scenario, timing.key) for timing in timings] == [
        ("S1 medians", "ours"),
        ("S1 medians", MEDIANS.key),
    ]

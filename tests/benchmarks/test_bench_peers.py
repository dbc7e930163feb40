"""The benchmark of small sizes runs, refuses wrong peers, says whom it compares and whether the goals are reached."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_peers, fresh_process, report
from benchmarks.goals import BY_HAND, GOALS, Goal, Timing, judged, verdicts
from benchmarks.peers import PEERS, Peer, dense_numpy, hand_numpy
from benchmarks.scenarios import KEYS, SCENARIOS, Scenario

SMALL = Scenario("G1", 60, 8, 2, 2, turns=2)
BY_KEY = {peer.key: peer for peer in PEERS}


def timing(scenario: str, key: str, *seconds: float) -> Timing:
    return Timing(scenario, key, key, seconds)


def test_peers_that_are_installed_agree_and_are_timed(capsys):
    timings = bench_peers.measure(SMALL, engine="numpy")
    said = capsys.readouterr().out
    named = {timing.key for timing in timings}
    for peer in (*PEERS, bench_peers.ours("numpy")[1]):
        assert (peer.key in named) != (f"skipped {peer.label}" in said)
    assert {"ours", "numpy", "dense", "pandas", "statsmodels", "read"} <= named
    assert timings[0].key == "ours"
    assert all(len(timing.seconds) == 2 for timing in timings)


def test_a_peer_that_is_not_installed_is_skipped_with_the_reason(capsys):
    peers = [replace(BY_KEY["duckdb"], needs="no_such_library"), BY_KEY["numpy"]]
    timings = bench_peers.measure(SMALL, engine="numpy", peers=peers)
    assert "duckdb" not in {timing.key for timing in timings}
    assert "its own table: no_such_library is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("column", ["y0_slope_x1", "y1_slope_x0_err", "y0_intercept", "y1_intercept_err", "y1_rms"])
def test_a_peer_that_is_wrong_in_one_column_is_refused(column):
    def wrong(frame, scenario):
        table = hand_numpy(frame, scenario)
        return table.assign(**{column: table[column] * (1 + 1e-4)})

    with pytest.raises(AssertionError, match=f"wrong on G1: {column}"):
        bench_peers.measure(SMALL, engine="numpy", peers=[Peer("wrong", "wrong", wrong)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(lambda table: table.iloc[::-1], "wrong on G1: k1"), (lambda table: table.iloc[1:], "59 groups instead of 60")],
)
def test_a_peer_with_unsorted_or_missing_groups_is_refused(spoil, message):
    def wrong(frame, scenario):
        return spoil(hand_numpy(frame, scenario))

    with pytest.raises(AssertionError, match=message):
        bench_peers.measure(SMALL, engine="numpy", peers=[Peer("wrong", "wrong", wrong)])


def test_a_sample_is_scaled_up_and_not_timed_at_every_turn():
    sampled = Peer("half", "half", lambda *_: None, scale=lambda _: 1e9)
    timings = bench_peers.measure(SMALL, engine="numpy", turns=5, peers=[sampled])
    half = next(timing for timing in timings if timing.key == "half")
    assert len(half.seconds) == 3
    assert half.median > 10  # at least 10 ns each


def test_dense_keys_with_holes_keep_their_groups():
    frame = SMALL.frame()
    frame = frame[frame["k1"] != 3].assign(k2=lambda rows: rows["k2"] * 7 - 5)
    left, right = dense_numpy(frame, SMALL), hand_numpy(frame, SMALL)
    assert len(left) == 54
    for key in KEYS:
        np.testing.assert_array_equal(left[key], right[key])
    np.testing.assert_allclose(left["y0_rms"], right["y0_rms"], rtol=1e-10)  # same sums in another order


def test_goals_at_the_bound_and_beyond():
    at_most, at_least = Goal("G1", 4, ("a",), "a", at_most=True), Goal("G2a", 4, ("a", "b"), "the best")
    labels = {"a": "A", "b": "B"}
    assert judged(at_most, {"ours": 4.0, "a": 1.0}, labels).reached is True
    assert judged(at_most, {"ours": 4.1, "a": 1.0}, labels).reached is False
    assert judged(at_least, {"ours": 1.0, "a": 9.0, "b": 4.0}, labels).reached is True
    short = judged(at_least, {"ours": 1.0, "a": 9.0, "b": 3.9}, labels)
    assert (short.reached, short.word, short.measured) == (False, "FALLS SHORT", "3.90 x (B)")


def test_a_goal_is_not_measured_when_one_of_its_peers_is_absent():
    # the best of fewer peers is easier to beat
    medians = dict.fromkeys(["ours", *BY_HAND], 1.0)
    del medians["duckdb"]
    verdict = judged(GOALS[1], medians, {})
    assert (verdict.word, verdict.measured) == ("NOT MEASURED", "without duckdb")


def test_verdicts_of_what_was_timed():
    timings = [timing("G3", "ours", 0.05), timing("G3", "duckdb", 0.3), timing("G3", "read", 0.004)]
    words = [verdict.word for verdict in verdicts(timings, 401e6)]
    assert words == ["PASS", "NOT MEASURED", "FALLS SHORT", "FALLS SHORT"]
    assert [verdict.word for verdict in verdicts(timings, 399e6)][-1] == "PASS"
    assert verdicts([timing("Q", "ours", 1.0)], None) == []


def test_median_and_spread():
    taken = timing("G1", "a", 1.0, 2.0, 3.0, 4.0, 100.0)
    assert (taken.median, taken.spread) == (3.0, 1.0)
    assert timing("G1", "a", 1.0).spread is None


def test_table_and_picture(tmp_path):
    timings = [timing("G1", "read", 0.5e-3), timing("G1", "ours", 1e-3, 1e-3), timing("Q", "ours", 1.0)]
    lines = report.table([*timings, timing("Q", "numpy", 12.0)]).splitlines()
    assert lines[2:] == [
        "| **ours** | **1.00 ± 0.00** | **1,000** |",
        "| numpy |  | 12,000 (12 x) |",
        "| read | 0.50 (0.50 x) |  |",
    ]
    report.draw(timings, tmp_path / "docs" / "peers.png", report.environment())
    assert (tmp_path / "docs" / "peers.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_is_put_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    report.put_into(readme, "new")
    assert readme.read_text() == f"above\n{report.BEGIN}\nnew\n{report.END}\nbelow\n"


def test_quick_run_from_the_command_line(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"{report.BEGIN}\n{report.END}\n")
    bench_peers.main(["--quick", "--turns", "1", "--engine", "numpy", "--no-processes", "--readme", str(readme)])
    text = readme.read_text()
    assert "G1: 1,000 x 5, 1 predictor, 1 target" in text
    assert "G1: at most 4 x the time of NumPy by hand" in text
    assert "--quick --engine numpy`" in text
    assert text.splitlines()[1] in capsys.readouterr().out


def test_other_work_on_the_machine_is_told(monkeypatch):
    monkeypatch.setattr(report.os, "getloadavg", lambda: (1.74, 0.0, 0.0), raising=False)
    assert report.busy_note() == ", other work beside (load average 1.7 at the start)"
    monkeypatch.setattr(report.os, "getloadavg", lambda: (0.2, 9.0, 9.0), raising=False)
    assert report.busy_note() == ""


def test_an_unknown_scenario_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench_peers.main(["--scenarios", "G1,G9"])
    assert "unknown scenario 'G9'; there are G1, Q, G2a, G2b, G3" in capsys.readouterr().err


def test_memory_and_compilation_come_from_processes_of_their_own():
    seconds = fresh_process.compile_seconds(SCENARIOS["G1"], "numpy")
    assert set(seconds) == {"cold", "cached"}
    if not fresh_process.can_measure_memory():
        pytest.skip("this system cannot reset the high-water mark of a process")
    assert 0 <= fresh_process.peak_bytes(SCENARIOS["Q"], "numpy") < 2e9


def test_it_runs_as_a_script():
    script = Path(bench_peers.__file__)
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "--scenarios" in done.stdout
    assert importlib.util.find_spec("benchmarks.bench_peers") is not None

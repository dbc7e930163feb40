"""``gbr-dag window``: files in, files out, exit codes, one-line errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.drivers.cli import main
from gbr_dag.drivers.window_options import window_arguments


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    n = 800
    return pd.DataFrame(
        {
            "x": rng.uniform(0, 12, n),
            "hour": rng.integers(0, 24, n),
            "sector": rng.choice(["A", "C"], n),
            "drift": rng.normal(size=n),
            "dz": rng.normal(size=n),
            "w": rng.uniform(0.1, 4.0, n),
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="min"),
        }
    )


@pytest.fixture
def file(frame, tmp_path) -> Path:
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path)
    return path


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command with arguments; gives the exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gbr-dag", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run


GRID = ("--by", "xBin,hour", "--window", "xBin=2,hour=1", "--bin", "xBin=x:2.0", "--target", "dz", "--on", "drift")
PLAIN = ("--engine", "numpy", "--statistics", "")


def test_fits_are_those_of_fit_windows(call, file, frame, tmp_path):
    out = tmp_path / "new" / "fits.parquet"
    code, printed, err = call(
        "window", file, *GRID, *PLAIN, "--within", "sector", "--boundary", "hour=periodic:24", "--boundary", "mirror",
        "--kernel", "xBin=gaussian", "--kernel-width", "xBin=1.5", "--weights", "w", "--select", "drift > -1",
        "--diagnostics", "errors,rms", "--min-entries", 20, "--fitter", "wls", "-o", out,
    )  # fmt: skip
    assert (code, err) == (0, "")
    expected = gbr_dag.fit_windows(
        frame,
        ["xBin", "hour"],
        {"xBin": 2, "hour": 1},
        "dz",
        "drift",
        within="sector",
        binning={"xBin": {"column": "x", "width": 2.0}},
        boundary={"xBin": "mirror", "hour": "periodic"},
        period={"hour": 24},
        kernel={"xBin": "gaussian"},
        kernel_width={"xBin": 1.5},
        weights="w",
        selection="drift > -1",
        diagnostics=("errors", "rms"),
        min_entries=20,
        fitter="wls",
        engine="numpy",
        statistics=(),
    )
    table = pd.read_parquet(out)
    pd.testing.assert_frame_equal(table, expected)
    assert json.loads(table.attrs["window_spec_json"]) == json.loads(expected.attrs["window_spec_json"])
    assert f"{len(expected)}  bins" in printed
    assert "dz: ok" in printed
    assert "rows left out: not selected" in printed
    assert f"wrote {out}" in " ".join(printed.split())


def test_texts_become_arguments():
    found = window_arguments(
        ["i", "j", "k"],
        ["i=2, j=1", "k=0"],
        ["j=periodic:24", "symmetric"],
        ["gaussian", "i=linear"],
        ["1.5,i=3"],
        ["i=x:2:0.5", "j=t:30min:2024-01-01 00:10", "k=u:[0, 1,2.5]", "l=(n // 2) + 1"],
    )
    assert found == {
        "window": {"i": 2, "j": 1, "k": 0},
        "boundary": {"i": "symmetric", "j": "periodic"},
        "period": {"j": 24},
        "kernel": {"i": "linear", "j": "gaussian"},
        "kernel_width": {"i": 3, "j": 1.5},
        "binning": {
            "i": {"column": "x", "width": 2, "origin": 0.5},
            "j": {"column": "t", "width": "30min", "origin": "2024-01-01 00:10"},
            "k": {"column": "u", "edges": [0, 1, 2.5]},
            "l": "(n // 2) + 1",
        },
    }


def test_one_width_serves_the_kernels_that_have_one(call, file, tmp_path):
    width = ("--kernel", "xBin=gaussian", "--kernel-width", "1.5", "-o", tmp_path / "o.parquet")
    assert call("window", file, *GRID, *PLAIN, *width)[0] == 0
    window = json.loads(pd.read_parquet(tmp_path / "o.parquet").attrs["window_spec_json"])
    assert (window["xBin"]["width"], window["hour"]["kernel"]) == (1.5, "uniform")


def test_a_general_width_leaves_out_kernels_without_one_beside_widths_by_name():
    sizes, kernels = ["i=1,j=1,k=2,l=0"], ["gaussian", "j=uniform"]
    found = window_arguments(["i", "j", "k", "l"], sizes, [], kernels, ["2,k=1"], [])
    assert found["kernel"] == {"i": "gaussian", "j": "uniform", "k": "gaussian"}
    assert found["kernel_width"] == {"i": 2, "k": 1}


def test_values_without_a_name_are_for_all_that_have_a_window(call, file, tmp_path):
    general = ("--boundary", "periodic:24", "--kernel", "gaussian", "--kernel-width", "2", "--within", "sector")
    by = ("--by", "hour,xBin", "--bin", "xBin=x:2.0", "--window", "hour=1", "--target", "dz")
    assert call("window", file, *by, *PLAIN, *general, "-o", tmp_path / "o.parquet")[::2] == (0, "")
    assert json.loads(pd.read_parquet(tmp_path / "o.parquet").attrs["window_spec_json"]) == {
        "hour": {"size": 1, "boundary": "periodic", "kernel": "gaussian", "width": 2.0, "period": 24},
        "xBin": {"size": 0, "boundary": "truncate", "kernel": "uniform"},
    }


def test_times_and_edges_from_the_command_line(call, file, frame, tmp_path):
    bins = ("--bin", "t=time:1h:2024-01-01 00:30", "--bin", "xBin=x:[0,3,6,12]")
    code, _, err = call(
        "window", file, "--by", "t,xBin", "--window", "t=1", "--target", "dz", *bins, *PLAIN, "-o", tmp_path / "o.csv"
    )
    assert (code, err) == (0, "")
    rules = {
        "t": {"column": "time", "width": "1h", "origin": "2024-01-01 00:30"},
        "xBin": {"column": "x", "edges": [0, 3, 6, 12]},
    }
    expected = gbr_dag.fit_windows(frame, ["t", "xBin"], {"t": 1}, "dz", binning=rules, statistics=(), engine="numpy")
    found = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)
    np.testing.assert_allclose(found["dz_intercept"].astype(float), expected["dz_intercept"], rtol=1e-12)


BAD = {
    "no file": ((*GRID, *PLAIN), "-o is missing: name the file to write, or give --plan"),
    "unknown column": (("--by", "sector,our", "--window", "our=1", "--target", "dz"), "by: column 'our' is not in"),
    "size": (("--by", "hour", "--window", "hour=two", "--target", "dz"), "window['hour'] must be an integer of"),
    "no size": (("--by", "hour", "--window", "hour", "--target", "dz"), "--window 'hour' cannot be read; write"),
    "size twice": (
        ("--by", "hour", "--window", "hour=1,hour=2", "--target", "dz"),
        "--window must be given once for hour, got it again with '2'",
    ),
    "boundary": ((*GRID, "--boundary", "wrap"), "boundary of 'xBin' 'wrap' is unknown"),
    "boundary of none": ((*GRID, "--boundary", "zBin=mirror"), "boundary 'zBin' is unknown"),
    "period": ((*GRID, "--boundary", "hour=periodic:x"), "--boundary 'periodic:x': the period must be an integer, got"),
    "period float": ((*GRID, "--boundary", "periodic:24.0"), "the period must be an integer, got '24.0'; write"),
    "no period": ((*GRID, "--boundary", "hour=periodic:"), "--boundary 'periodic:': the period must be an integer"),
    "period too short": ((*GRID, "--boundary", "hour=periodic:2"), "period of 'hour' must be an integer of at least 3"),
    "width overridden": (
        (*GRID, "--kernel", "hour=gaussian", "--kernel-width", "2,hour=1"),
        "--kernel-width 2 is used by no dimension: none without its own has a use for it; leave it out",
    ),
    "boundary overridden": (
        (*GRID, "--boundary", "mirror,hour=symmetric,xBin=symmetric"),
        "--boundary mirror is used by no dimension",
    ),
    "kernel": ((*GRID, "--kernel", "gauss"), "kernel of 'xBin' 'gauss' is unknown; did you mean 'gaussian'?"),
    "kernel width": ((*GRID, "--kernel-width", "2"), "kernel_width 2 is used by no dimension"),
    "bins": (("--by", "x", "--window", "x=1", "--target", "dz"), "by must be integer bins, column 'x' is float64"),
    "no rule": ((*GRID, "--bin", "hour="), "--bin 'hour=' cannot be read; write --bin xBin=x:2"),
    "edges": ((*GRID, "--bin", "hour=x:[a,b]"), "edges must be at least two finite numbers"),
    "engine": ((*GRID, "--engine", "nunpy"), "engine 'nunpy' is unknown; did you mean 'numpy'?"),
    "fitter": ((*GRID, "--fitter", "glm"), "fitter 'glm' is not there for windows"),
    "statistics": ((*GRID, "--statistics", "means"), "statistics 'means' is unknown; did you mean 'mean'?"),
    "option": ((*GRID, "--option", "sigma_cut=3"), "option must be left out for fitter 'ols'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_usage_is_one_line_and_exit_code_2(call, file, tmp_path, case):
    options, text = BAD[case]
    where = () if case == "no file" else ("-o", tmp_path / "o.parquet")
    code, out, err = call("window", file, *options, *where)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("gbr-dag: ")
    assert text in err
    assert not (tmp_path / "o.parquet").exists()


def test_a_plan_runs_nothing(call, file, frame, tmp_path):
    code, out, _ = call("window", file, *GRID, *PLAIN, "--plan", "-o", tmp_path / "o.parquet")
    assert code == 0
    arguments = {"by": ["xBin", "hour"], "window": {"xBin": 2, "hour": 1}, "targets": "dz", "predictors": "drift"}
    rules = {"xBin": {"column": "x", "width": 2.0}}
    expected = gbr_dag.SlidingWindowDriver(engine="numpy").plan(
        ["fit_table"], {"frame": frame, **arguments, "binning": rules, "statistics": ()}
    )
    assert out.strip() == str(expected).strip()
    assert not (tmp_path / "o.parquet").exists()


def test_the_graph_of_windows_is_listed_and_drawn(call):
    _, listed, _ = call("outputs", "--windows", "--engine", "numpy")
    for name in gbr_dag.SlidingWindowDriver(engine="numpy").list_outputs()["name"]:
        assert name in listed
    code, drawn, _ = call("draw", "--windows", "--engine", "numpy", "--output", "n_neighbors_used")
    assert code == 0
    assert "window_layout" in drawn
    assert "fit_table" not in drawn
    assert "window_layout" not in call("outputs")[1]


def test_help_tells_of_windows(call):
    assert "window" in call("--help")[1]
    code, out, _ = call("window", "--help")
    assert code == 0
    for option in ("--boundary", "--kernel", "--within", "--bin", "--plan"):
        assert option in out
    assert "glm" not in out

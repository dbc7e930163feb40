"""The command line as a user meets it: files in, files out, exit codes, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.drivers.cli import main
from gbr_dag.drivers.files import write_frame

WRITE = {".parquet": "to_parquet", ".feather": "to_feather", ".csv": "to_csv"}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    n = 60
    return pd.DataFrame(
        {
            "sector": rng.integers(0, 3, size=n),
            "side": rng.choice(["A", "C"], size=n),
            "x": rng.normal(size=n),
            "y": rng.normal(size=n),
            "w": rng.uniform(0.1, 4.0, size=n),
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


@pytest.mark.parametrize("suffix", WRITE)
def test_fit_reads_and_writes_every_format(call, frame, tmp_path, suffix):
    source, target = tmp_path / f"rows{suffix}", tmp_path / "new" / f"fits{suffix}"
    getattr(frame, WRITE[suffix])(source, **({"index": False} if suffix == ".csv" else {}))
    code, out, err = call(
        "fit", source, "--by", "sector,side", "--target", "y", "--on", "x", "--weights", "w", "--select", "x > -1",
        "--min-entries", 4, "--medians", "x", "-o", target,
    )  # fmt: skip
    assert (code, err) == (0, "")
    read = {".parquet": pd.read_parquet, ".feather": pd.read_feather, ".csv": pd.read_csv}[suffix]
    expected = gbr_dag.fit_groups(
        frame, ["sector", "side"], "y", "x", weights="w", selection="x > -1", min_entries=4, medians="x"
    )
    pd.testing.assert_frame_equal(read(target), expected, check_dtype=suffix != ".csv", rtol=1e-12)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    for part in ("6  groups", "y: ok", "rows left out: not selected", "rows/s", f"wrote {target}"):
        assert part in " ".join(out.split(" ")), out


def test_repeated_options_and_engines(call, file, tmp_path):
    code, _, _ = call(
        "fit", file, "--by", "sector", "--by", "side", "--target", "y", "--target", "x", "--engine", "reference",
        "--fitter", "wls", "--weights", "w", "--diagnostics", "errors, covariance", "-o", tmp_path / "o.parquet",
    )  # fmt: skip
    assert code == 0
    table = pd.read_parquet(tmp_path / "o.parquet")
    assert {"y_intercept_err", "x_cov_intercept_intercept"} <= set(table)
    assert "y_rms" not in table


def test_groups_that_fail_do_not_change_the_exit_code(call, file, tmp_path):
    code, out, _ = call("fit", file, "--by", "sector", "--target", "y", "--min-entries", 1000, "-o", tmp_path / "o.csv")
    assert code == 0
    assert "insufficient" in out


BAD = {
    "unknown column": (
        ["--by", "sektor", "--target", "y"],
        2,
        "by: column 'sektor' is not in the frame; did you mean 'sector'?",
    ),
    "unknown engine": (
        ["--by", "sector", "--target", "y", "--engine", "nunpy"],
        2,
        "engine 'nunpy' is unknown; did you mean 'numpy'?",
    ),
    "bad expression": (["--by", "sector", "--target", "y", "--select", "abs(x) > 1"], 2, "Call is not allowed"),
    "text target": (["--by", "sector", "--target", "side"], 2, "targets must be numeric"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_usage_is_one_line_and_exit_code_2(call, file, tmp_path, case):
    options, expected, text = BAD[case]
    code, out, err = call("fit", file, *options, "-o", tmp_path / "o.parquet")
    assert (code, out) == (expected, "")
    assert err.count("\n") == 1
    assert err.startswith("gbr-dag: ")
    assert text in err
    assert not (tmp_path / "o.parquet").exists()
    code, _, err = call("fit", file, *options, "-o", tmp_path / "o.parquet", "--debug")
    assert code == expected
    assert "Traceback" in err


def test_usage_of_the_command_itself(call, file, tmp_path):
    assert call("fit", tmp_path / "none.parquet", "--by", "a", "--target", "b", "-o", "o.csv")[0] == 2
    assert call("fit", file, "--by", "sector", "-o", "o.csv")[0] == 2
    assert call("fit", file, "--by", "sector", "--target", "y", "--wieghts", "w", "-o", "o.csv")[0] == 2


def test_unknown_suffixes_are_refused_before_the_fit(call, file, tmp_path):
    code, _, err = call("fit", file, "--by", "sector", "--target", "y", "-o", tmp_path / "fits.xlsx")
    assert code == 2
    assert "the suffix must be one of .parquet, .feather, .csv, got '.xlsx'" in err


def test_what_fails_is_exit_code_1(call, file, tmp_path):
    (tmp_path / "wall").write_text("a file where a folder should be")
    code, _, err = call("fit", file, "--by", "sector", "--target", "y", "-o", tmp_path / "wall" / "fits.csv")
    assert code == 1
    assert err.count("\n") == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    class Unwritable:
        def __str__(self) -> str:
            message = "half of the file is written"
            raise RuntimeError(message)

    target = tmp_path / "fits.csv"
    write_frame(pd.DataFrame({"a": [1, 2]}), target)
    with pytest.raises(RuntimeError, match="half of the file"):
        write_frame(pd.DataFrame({"a": [1] * 200_000 + [Unwritable()]}, dtype=object), target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text().split() == ["a", "1", "2"]


def test_a_file_that_is_not_what_it_says(call, tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_text("no parquet")
    code, _, err = call("fit", path, "--by", "a", "--target", "b", "-o", tmp_path / "o.csv")
    assert code == 2
    assert f"{path} cannot be read as parquet" in " ".join(err.split("\n"))


def test_plan_shows_and_runs_nothing(call, file):
    code, out, _ = call("plan", file, "--by", "sector", "--target", "y", "--output", "entries,mad")
    assert code == 0
    expected = gbr_dag.GroupByDriver().plan(
        ["entries", "mad"], {"frame": pd.read_parquet(file), "by": "sector", "targets": "y"}
    )
    assert out.strip() == str(expected).strip()


def test_draw_writes_or_prints(call, tmp_path):
    code, out, _ = call("draw", "--output", "rms", "-o", tmp_path / "graph.dot")
    assert (code, out.strip()) == (0, f"wrote {tmp_path / 'graph.dot'}")
    assert (tmp_path / "graph.dot").read_text().startswith("digraph")
    code, out, _ = call("draw", "--output", "rms", "--engine", "reference")
    assert code == 0
    assert "group_fits" in out


def test_outputs_lists_all_nodes(call):
    code, out, _ = call("outputs")
    assert code == 0
    for name in gbr_dag.GroupByDriver().list_outputs()["name"]:
        assert name in out


def test_version_and_help(call):
    assert call("--version")[1].strip() == f"gbr-dag {gbr_dag.__version__}"
    _code, out, _ = call("--help")
    for command in ("demo", "fit", "plan", "draw", "outputs"):
        assert command in out


def test_the_demo_writes_its_table_and_pictures(call, tmp_path):
    pytest.importorskip("matplotlib", reason="the demo draws pictures")
    code, out, _ = call("demo", "-o", tmp_path)
    assert code == 0
    assert "AS Alaska" in out
    assert "399  groups" in out
    fits = pd.read_parquet(tmp_path / "fits.parquet")
    assert len(fits) == 399
    assert " 12 h       1.038 ± 0.013 " in out
    assert "maps of their slopes" in out
    windows = pd.read_parquet(tmp_path / "windows.parquet")
    assert len(windows) == 6936
    for name in ("slopes.png", "graph.png", "windows.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "fit_table" in (tmp_path / "graph.svg").read_text()


def test_carriers_are_ranked_by_their_flights_weighted_mean():
    from gbr_dag.drivers.demo import time_made_up

    fits = pd.DataFrame(
        {
            "carrier": ["A", "A", "B"],
            "arr_delay_n_used": [10, 30, 5],
            "arr_delay_intercept": [-1.0, -5.0, -2.0],
            "arr_delay_intercept_err": [0.4, 0.1, np.nan],
            "arr_delay_slope_dep_delay": [1.0, 0.6, 1.0],
            "arr_delay_slope_dep_delay_err": [0.04, 0.01, np.nan],
        }
    )
    ranking = time_made_up(fits)
    assert ranking["carrier"].tolist() == ["A"]
    assert ranking.loc[0, ["flights", "made_up", "slope"]].tolist() == pytest.approx([40, 4.0, 0.7])
    assert ranking.loc[0, "made_up_err"] == pytest.approx(np.hypot(0.25 * 0.4, 0.75 * 0.1))


def test_the_installed_command_is_the_same():
    done = subprocess.run(
        [sys.executable, "-c", "from gbr_dag.drivers.cli import main; main()", "outputs"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(gbr_dag.__file__).parent.parent,
    )
    assert done.returncode == 0
    assert "fit_table" in done.stdout


def test_fitters_and_their_settings(call, file, frame, tmp_path):
    fit = ("fit", file, "--by", "sector", "--target", "y", "--on", "x")
    robust = ("--fitter", "huber", "--option", "sigma_cut=2.5", "--option", "tuning=inf")
    code, _, _ = call(*fit, "-o", tmp_path / "fits.parquet", *robust)
    assert code == 0
    options = gbr_dag.HuberOptions(sigma_cut=2.5, tuning=np.inf)
    expected = gbr_dag.fit_groups(frame, "sector", "y", "x", fitter="huber", fitter_options=options)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "fits.parquet"), expected)
    code, _, _ = call(*fit, "-o", tmp_path / "glm.csv", "--fitter", "glm", "--engine", "statsmodels")
    assert code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--fitter", "huber", "--option", "sigmacut=3"),
            "fitter 'huber' has no option 'sigmacut'; did you mean 'sigma_cut'? options: tuning, sigma_cut, max_refits",
        ),
        (("--fitter", "huber", "--option", "bogus=3"), "fitter 'huber' has no option 'bogus'; options: tuning"),
        (
            ("--fitter", "huber", "--option", "sigma_cut=4", "--option", "sigma_cut=5"),
            "option 'sigma_cut' must be given once, got it again with '5'",
        ),
        (("--option", "sigma_cut=3"), "option must be left out for fitter 'ols'"),
        (("--fitter", "huber", "--option", "sigma_cut=wide"), "sigma_cut must be a number above 0, got 'wide'"),
        (("--fitter", "glm"), "fitter 'glm' does not run on engine 'numba'; engines that can: statsmodels"),
        (("--n-jobs", "2"), "n_jobs is for engine 'loky'"),
    ],
)
def test_settings_that_do_not_fit_take_one_line(call, file, tmp_path, options, message):
    fit = ("fit", file, "--by", "sector", "--target", "y", "--on", "x", "-o", tmp_path / "fits.csv")
    code, _, err = call(*fit, *options)
    assert code == 2
    assert err.startswith(f"gbr-dag: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "fits.csv").exists()


@pytest.mark.filterwarnings("default")
def test_warnings_take_one_line(call, frame, tmp_path):
    frame.loc[3, "w"] = -1.0
    frame.to_parquet(tmp_path / "rows.parquet")
    fit = ("fit", tmp_path / "rows.parquet", "--by", "sector", "--target", "y", "--weights", "w")
    code, _, err = call(*fit, "-o", tmp_path / "fits.csv")
    assert code == 0
    assert err == "gbr-dag: warning: 1 of 60 rows have a negative weight and are left out of every fit\n"

"""``gbr-dag model``: a file of features and one of rows in, tables out, exit codes, one-line errors."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gbr_dag import ModelDriver
from gbr_dag.drivers.cli import main

FEATURES = '''
"""Houses of a zone."""

from gbr_dag.features import attribute

YEAR = 2025


def age(year_built):
    """Age in years."""
    return YEAR - year_built


def avg_age(age):  #agg
    return age.mean()


def older_than_zone(age, avg_age):
    return age > avg_age


@attribute
def n_older(older_than_zone):
    return older_than_zone.sum()
'''


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 60
    keys = {"zone": rng.choice(list("DBCA"), n), "side": rng.integers(0, 3, n)}
    return pd.DataFrame({**keys, "year_built": rng.integers(1900, 2020, n)})


@pytest.fixture
def file(frame, tmp_path) -> Path:
    path = tmp_path / "houses.parquet"
    frame.to_parquet(path)
    return path


@pytest.fixture
def features(tmp_path) -> Path:
    path = tmp_path / "ages.py"
    path.write_text(FEATURES, encoding="utf-8")
    return path


@pytest.fixture
def expected(frame) -> dict[str, pd.DataFrame]:
    """What pandas gives."""
    age = 2025 - frame["year_built"]
    older = age > age.groupby(frame["zone"]).transform("mean")
    groups = pd.DataFrame({"avg_age": age, "n_older": older}).groupby(frame["zone"])
    return {
        "rows": pd.DataFrame({"age": age, "older_than_zone": older}),
        "groups": groups.agg({"avg_age": "mean", "n_older": "sum"}).reset_index(),
    }


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command with arguments; gives the exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gbr-dag", "model", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run


def test_both_tables_are_written(call, features, file, frame, tmp_path, expected):
    groups, rows = tmp_path / "new" / "groups.parquet", tmp_path / "rows.csv"
    code, out, err = call("run", features, file, "--key", "zone", "-o", groups, "--rows-out", rows)
    assert (code, err) == (0, "")
    pd.testing.assert_frame_equal(pd.read_parquet(groups), expected["groups"], rtol=1e-12)  # order of summation
    pd.testing.assert_frame_equal(pd.read_csv(rows), frame[["zone"]].join(expected["rows"]), check_dtype=False)
    assert out == f"wrote {groups}: 4 rows, 3 columns\nwrote {rows}: 60 rows, 3 columns\n"


@pytest.mark.parametrize(
    ("option", "columns"), [("-o", ["zone", "avg_age", "n_older"]), ("--rows-out", ["zone", "age", "older_than_zone"])]
)
def test_one_file_takes_the_features_of_its_level(call, features, file, tmp_path, option, columns):
    path = tmp_path / "table.parquet"
    assert call("run", features, file, "--key", "zone", option, path)[0] == 0
    assert list(pd.read_parquet(path)) == columns


def test_keys_of_rows_are_those_of_the_file(call, features, frame, tmp_path):
    given = frame.assign(zone=frame["zone"].where(frame["side"] > 0), side=frame["side"].astype("Int8"))
    given.index = [7] * len(given)
    file, rows = tmp_path / "odd.parquet", tmp_path / "rows.parquet"
    given.to_parquet(file)
    code, _, err = call("run", features, file, "--key", "side,zone", "--outputs", "age", "--rows-out", rows)
    assert (code, err) == (0, "")
    found = pd.read_parquet(rows)
    assert list(found) == ["side", "zone", "age"]
    pd.testing.assert_frame_equal(
        found[["side", "zone"]], pd.read_parquet(file)[["side", "zone"]].reset_index(drop=True)
    )
    np.testing.assert_array_equal(found["age"], 2025 - frame["year_built"])


def commands_of_the_guide() -> list[list[str]]:
    """Commands of the page's section of the command line."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "feature-models.md").read_text(encoding="utf-8")
    section = page.partition("\n## Command line\n")[2].partition("\n## ")[0]
    lines = [line for block in re.findall(r"^```sh$(.*?)^```$", section, re.M | re.S) for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line]


def test_the_commands_of_the_guide_run(features, file, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    commands = commands_of_the_guide()
    assert {command[1] for command in commands} == {"run", "plan", "draw", "verify"}
    if any(name.endswith((".svg", ".png")) for command in commands for name in command):
        pytest.importorskip("matplotlib.font_manager", reason="the page draws a picture")
    for _, *arguments in commands:
        code, out, err = call(*arguments)
        assert (code, err) == (0, ""), arguments
        assert out
    written = {path.name for path in tmp_path.iterdir()} - {features.name, file.name, "__pycache__"}
    assert written == {"zones.parquet", "rows.parquet", "graph.svg"}
    assert list(pd.read_parquet("rows.parquet")) == ["zone", "age"]


@pytest.mark.parametrize("command", ["run", "verify"])
@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("def month(year_built):\n    return year_built.monthly()\n", "feature 'month' (%s:4): AttributeError: "),
        ("@attribute(outputs=['a', 'b'])\ndef both(year_built):\n    return 1 / 0, 2\n", "feature 'both' (%s:4): Zero"),
    ],
)
def test_an_error_in_a_feature_takes_a_line(call, file, tmp_path, command, function, told):
    path = tmp_path / "cf.py"
    path.write_text(f"from gbr_dag.features import attribute\n\n\n{function}", encoding="utf-8")
    code, out, err = call(command, path, file, "--key", "zone")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith("gbr-dag: " + told % path)
    assert "Traceback" in call(command, path, file, "--key", "zone", "--debug")[2]


def test_without_a_file_the_first_groups_are_printed(call, features, file):
    code, out, err = call("run", features, file, "--key", "zone,side")
    assert (code, err) == (0, "")
    for part in (
        "avg_age",
        "n_older",
        "12 groups by zone, side, the first 10 shown",
        "60 rows of age, older_than_zone",
    ):
        assert part in " ".join(out.split())
    code, out, _ = call("run", features, file, "--key", "zone", "--outputs", "age")
    assert out.splitlines()[0].strip() == "age"
    assert "60 rows of age, the first 10 shown" in out
    assert "groups" not in out


def test_a_plan_runs_nothing(call, features, file, frame):
    features.write_text(FEATURES + '\n\ndef refuses(age):  #agg\n    raise RuntimeError("ran")\n', encoding="utf-8")
    code, out, err = call("plan", features, file, "--key", "zone", "--outputs", "refuses")
    assert (code, err) == (0, "")
    driver = ModelDriver({"model_name": "ages", "group_by": "zone"})
    driver.load_from_python_file(features)
    assert out == f"{driver.plan(['refuses'], frame)}\n"
    assert "n_older" not in out


def test_the_graph_is_drawn(call, features, file, tmp_path):
    code, out, _ = call("draw", features, "--key", "zone", "--outputs", "avg_age")
    assert code == 0
    assert "avg_age" in out
    assert "n_older" not in out
    assert call("draw", features, file, "--key", "zone", "-o", tmp_path / "graph.dot")[0] == 0
    assert "avg_age per row" in (tmp_path / "graph.dot").read_text(encoding="utf-8")
    code, _, err = call("draw", features, file, "--key", "zoen")
    assert code == 2
    assert "'zoen' (a key of the model); did you mean 'zone'?" in err


def test_verify_tells_by_its_exit_code(call, features, file):
    code, out, err = call("verify", features, file, "--key", "zone")
    assert (code, err) == (0, "")
    assert "in 4 of 4 groups" in out
    # asks what it was given: the whole column does not look like a Series
    planted = "\n\ndef planted(age):  #agg\n    return age.mean() + hasattr(age, 'grouping')\n"
    features.write_text(FEATURES + planted, encoding="utf-8")
    code, out, err = call("verify", features, file, "--key", "zone", "--outputs", "planted", "--sample", 2)
    assert (code, err) == (1, "")
    assert "planted" in out
    assert "2 of 2 groups" in out


BAD = {
    "unknown key": (
        ("run", "--key", "zoen"),
        "column is missing in the frame: 'zoen' (a key of the model); did you mean 'zone'?",
    ),
    "unknown output": (("run", "--outputs", "n_odler"), "output 'n_odler' is unknown; did you mean 'n_older'?"),
    "suffix": (("run", "-o", "groups.xls"), "groups.xls: the suffix must be one of .parquet"),
    "row level": (
        ("run", "--outputs", "age,n_older", "-o", "groups.csv"),
        "output 'age' is one value per row: name a file for such with --rows-out, or leave it out",
    ),
    "group level": (
        ("run", "--outputs", "n_older", "--rows-out", "rows.csv"),
        "output 'n_older' is one value per group: name a file for such with -o, or leave it out",
    ),
    "nothing to hold": (
        ("run", "--outputs", "n_older", "-o", "groups.csv", "--rows-out", "rows.csv"),
        "--rows-out has nothing to hold: no output asked for is one value per row",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_usage_is_one_line_and_exit_code_2(call, features, file, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (command, *options), text = BAD[case]
    key = () if "--key" in options else ("--key", "zone")
    code, out, err = call(command, features, file, *key, *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"gbr-dag: {text}")
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != "") == ["ages.py", "houses.parquet"]


@pytest.mark.parametrize(
    ("text", "error"),
    [("def age(year_built:\n", "SyntaxError"), ("import no_such_library\n", "ModuleNotFoundError")],
)
def test_a_file_that_cannot_be_loaded_takes_one_line(call, features, file, text, error):
    features.write_text(text, encoding="utf-8")
    code, _, err = call("run", features, file, "--key", "zone")
    assert code == 2
    assert err.count("\n") == 1
    assert re.match(rf"gbr-dag: {re.escape(str(features))}(:\d+)? cannot be loaded: {error}: ", err)


def test_code_that_raises_when_it_is_loaded_takes_one_line(call, features, file):
    features.write_text("def age(year_built):\n    return 1\n\n\nage(1 / 0)\n", encoding="utf-8")
    code, _, err = call("run", features, file, "--key", "zone")
    assert (code, err) == (2, f"gbr-dag: {features}:5 cannot be loaded: ZeroDivisionError: division by zero\n")
    code, _, err = call("run", features, file, "--key", "zone", "--debug")
    assert code == 2
    assert "age(1 / 0)" in err
    features.write_text("raise SystemExit(0)\n", encoding="utf-8")
    code, _, err = call("run", features, file, "--key", "zone")
    assert code == 2
    assert "ends the program when it is loaded (SystemExit: 0)" in err


def test_help_says_that_code_is_run(call):
    for command in ("run", "plan", "draw", "verify"):
        code, out, _ = call(command, "--help")
        assert code == 0
        assert "code" in " ".join(out.split())
    assert "[default" not in call("run", "--help")[1]

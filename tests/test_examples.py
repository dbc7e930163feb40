"""Every example runs, and prints what its README shows."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag
from gbr_dag.datasets import DISTORTION_TERMS

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/run.py"))


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_example_prints_what_its_readme_shows(folder, tmp_path):
    if "matplotlib" in (folder / "run.py").read_text(encoding="utf-8"):
        # also writes its list of fonts, of which the example would tell
        pytest.importorskip("matplotlib.font_manager", reason="the example draws pictures")
    process = subprocess.run(
        [sys.executable, folder / "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stderr == ""
    assert process.returncode == 0
    readme = (folder / "README.md").read_text(encoding="utf-8")
    command = f"$ python {(folder / 'run.py').relative_to(ROOT).as_posix()}\n"
    assert re.search(rf"```\n{re.escape(command)}(.*?)```", readme, flags=re.DOTALL)[1] == process.stdout


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_readme_has_its_sections(folder):
    titles = re.findall(r"^## (.+)$", (folder / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert titles == ["Purpose", "Inputs", "Overrides", "Limits"]


def test_route_ranking_equals_statsmodels(monkeypatch, capsys):
    folder = ROOT / "examples" / "flights_by_route"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    first = runpy.run_path(str(folder / "run.py"))["ranking"].iloc[0]
    monkeypatch.delitem(sys.modules, "nodes")
    capsys.readouterr()
    flights = gbr_dag.load_flights()
    route = (flights["origin"] == first["origin"]) & (flights["dest"] == first["dest"])
    rows = flights[route].dropna(subset=["arr_delay", "dep_delay"])
    fit = sm.OLS(rows["arr_delay"], sm.add_constant(rows["dep_delay"])).fit()
    expected = fit.get_prediction(np.array([[1.0, 30.0]]))
    assert first["flights"] == len(rows)
    # both are QR fits of a well-conditioned line
    np.testing.assert_allclose(first["made_up_min"], 30.0 - expected.predicted_mean[0], rtol=1e-10)
    np.testing.assert_allclose(first["made_up_min_err"], expected.se_mean[0], rtol=1e-10)


@pytest.fixture
def calibration(monkeypatch, tmp_path, capsys) -> dict[str, Any]:
    """What the script leaves behind."""
    pytest.importorskip("matplotlib.font_manager", reason="the example draws pictures")
    folder = ROOT / "examples" / "calibration_map"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    left = runpy.run_path(str(folder / "run.py"))
    monkeypatch.delitem(sys.modules, "nodes")
    capsys.readouterr()
    return left


def test_calibration_map_equals_statsmodels(calibration, tmp_path):
    rows, table = calibration["rows"], calibration["table"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "calibration_map.parquet"), table)
    assert (tmp_path / "calibration_map.png").read_bytes().startswith(b"\x89PNG")
    keys = rows[["xBin", "y2xBin", "z2xBin"]].to_numpy()
    terms = rows[list(DISTORTION_TERMS)].to_numpy()
    for place in ([0, 0, 0], [20, 9, 5]):
        window = (np.abs(keys - place) <= [2, 1, 1]).all(axis=1)
        own = (keys[window] == place).all(axis=1)
        y, X = rows["dX_meas"].to_numpy()[window], sm.add_constant(terms[window])
        fit = sm.OLS(y, X).fit()
        centre = fit.get_prediction(X[own].mean(axis=0))
        found = table[(table[["xBin", "y2xBin", "z2xBin"]] == place).all(axis=1)].iloc[0]
        # coefficients of a condition up to 725 by two ways in double precision
        np.testing.assert_allclose(found["value"], centre.predicted_mean[0], rtol=1e-9)
        np.testing.assert_allclose(found["error"], centre.se_mean[0], rtol=1e-9)
        np.testing.assert_allclose(found["residual"], fit.resid[own].mean(), rtol=1e-7, atol=1e-12)
        # the variance of a mean of residuals, from the whole hat matrix
        hat = X @ np.linalg.pinv(X)
        share = own / own.sum()
        variance = fit.scale * (share @ share - share @ hat @ share)
        np.testing.assert_allclose(found["residual_pull"], fit.resid[own].mean() / np.sqrt(variance), rtol=1e-7)


def test_calibration_map_at_other_places(calibration):
    driver, rows = calibration["driver"], calibration["rows"]
    inputs = {"frame": rows, "by": ["xBin", "y2xBin", "z2xBin"], "window": {"xBin": 2}, "targets": "dX_meas"}
    inputs["predictors"] = "meanIDC"
    at_current = np.tile([1.0, 3.0], (5_000, 1))
    nodes = ["map_value", "map_error", "coefficients"]
    found = driver.execute(nodes, inputs, overrides={"bin_regressors": at_current})
    intercept, slope = found["coefficients"].values[:, 0].T
    np.testing.assert_allclose(found["map_value"], intercept + 3.0 * slope, rtol=1e-12, atol=1e-15)
    assert (found["map_error"] > 0).all()


def test_carriers_equal_pandas(monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib.font_manager", reason="the example draws pictures")
    monkeypatch.chdir(tmp_path)
    left = runpy.run_path(str(ROOT / "examples" / "feature_model" / "run.py"))
    capsys.readouterr()
    assert (tmp_path / "carriers.png").read_bytes().startswith(b"\x89PNG")
    flights = gbr_dag.load_flights().dropna(subset=["arr_delay", "dep_delay"])
    route = [flights["origin"], flights["dest"]]
    made_up = flights["dep_delay"] - flights["arr_delay"]
    behind = made_up.groupby(route, observed=True).transform("median") - made_up
    held_up = behind > 3 * 1.4826 * behind.abs().groupby(route, observed=True).transform("median")
    of_route = held_up.astype(float).groupby(route, observed=True).transform("mean")
    expected = (
        pd.DataFrame({"share_held_up": held_up, "expected_share": of_route})
        .groupby(flights["carrier"], observed=True)
        .mean()
    )
    found = left["table"].set_index("carrier")
    np.testing.assert_allclose(found[expected.columns], expected, rtol=1e-12)  # order of summation
    n = flights.groupby("carrier", observed=True).size()
    error = np.sqrt(expected["expected_share"] * (1 - expected["expected_share"]) / n)
    np.testing.assert_allclose(found["share_error"], error, rtol=1e-12)


def test_notebook_gives_the_outputs_that_it_shows(tmp_path, monkeypatch):
    pytest.importorskip("nbclient", reason="runs a notebook")
    pytest.importorskip("ipykernel", reason="runs a notebook")
    pytest.importorskip("matplotlib.font_manager", reason="the notebook draws a picture")
    folder = ROOT / "examples" / "feature_model"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    executed = runpy.run_path(str(folder / "execute_notebook.py"))["executed"]
    stored = json.loads((folder / "feature_model.ipynb").read_text(encoding="utf-8"))
    assert shown(executed(tmp_path)) == shown(stored)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.png", "routes_features.py"]


def test_notebook_holds_neither_times_nor_paths():
    text = (ROOT / "examples" / "feature_model" / "feature_model.ipynb").read_text(encoding="utf-8")
    assert shown(json.loads(text))
    assert not re.search(r"iopub|/home|/tmp|/root|/work|<ipython-input", text)


def shown(notebook: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Kind of every output of a notebook with the words of its text, however many blanks are between them."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    kinds = [" ".join([output["output_type"], *sorted(output.get("data", {}))]) for output in outputs]
    return [(kind, "".join(text).split()) for kind, text in zip(kinds, texts)]

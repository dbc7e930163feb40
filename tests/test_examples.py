"""Every example runs, and prints what its README shows."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

import gbr_dag

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/run.py"))


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_example_prints_what_its_readme_shows(folder, tmp_path):
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

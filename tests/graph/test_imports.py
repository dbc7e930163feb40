"""What is imported, and when."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["hamilton", "networkx", "pandas", "numpy", "matplotlib", "rich"]


def modules_after(code: str, names: list[str]) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps([name for name in {names!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["gbr_dag.graph", "gbr_dag.graph.checks", "gbr_dag.graph.sizes"])
def test_nothing_heavy_comes_with_the_engine(module):
    assert modules_after(f"import {module}", HEAVY) == set()


RUN = """
from types import ModuleType
from gbr_dag.graph import Driver
made = ModuleType("made")
exec("def twice(x: int) -> int: return 2 * x", made.__dict__)
assert Driver([made]).execute(["twice"], {"x": 1}) == {"twice": 2}
"""


def test_a_run_imports_no_library_of_pictures_or_progress_and_no_plug_ins():
    assert modules_after(RUN, ["matplotlib", "rich", "dask", "polars", "sklearn"]) == set()


def test_drawing_leaves_pyplot_alone():
    code = f"{RUN}\nDriver([made])._repr_html_()"
    assert modules_after(code, ["matplotlib", "matplotlib.pyplot"]) == {"matplotlib"}


def test_hamilton_sends_nothing():
    check = "t = sys.modules.get('hamilton.telemetry')\nassert t is None or not t.is_telemetry_enabled()"
    assert modules_after(f"{RUN}\nimport sys\n{check}", []) == set()

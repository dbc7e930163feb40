"""Kernels interpreted, kept on disk, and where nothing can be kept."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ("gbr_dag", "nodes", "drivers")
NOBODY = 65534

COUNTED = """
from numba.core import event
class Listener(event.Listener):
    compiled = []
    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("gbr_dag."):
            self.compiled.append(function.__name__)
    def on_end(self, event):
        pass
event.register("numba:compile", Listener())
"""

SMALL_FIT = """
import pandas as pd
from gbr_dag import fit_groups
frame = pd.DataFrame({"g": ["a", "b"] * 20, "x": range(40), "y": [float(i % 7) for i in range(40)], "w": 2.0})
table = fit_groups(frame, "g", "y", PREDICTORS, weights="w", medians="y", diagnostics=("rms", "mad"))
print(table["y_rms"].tolist())
"""

EVERYTHING = """
import sys
import numpy as np, pandas as pd
from gbr_dag import fit_groups
frame = pd.read_pickle(sys.argv[1])
with np.errstate(all="ignore"):
    tables = [
        fit_groups(
            frame, ["key", "number"], ["y", "z"], predictors, weights="w", medians=["y", "x"], engine="numba",
            diagnostics=("errors", "covariance", "rms", "mad", "r_squared", "condition", "pvalues"),
            missing=missing, weighted_medians=weighted, intercept=intercept, selection="x > -2.5",
        )
        for predictors, missing, weighted, intercept in [
            (["x", "twice", "v"], "per_target", False, True),
            (["x", "twice", "v", "x2", "x3"], "any", True, True),
            ([], "per_target", False, True),
            (["x"], "any", False, False),
        ]
    ]
from gbr_dag.kernels.records import merge
print(hasattr(merge, "py_func"))
pd.to_pickle(tables, sys.argv[2])
"""


def run(script, *arguments, cwd=ROOT, user=None, **environment):
    """Output and errors of a process; variables set to None are taken away."""
    environment = {**os.environ, "PYTHONPATH": "", **environment}
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
    )
    assert process.returncode == 0, process.stderr
    return process.stdout, process.stderr


def rich_frame():
    rng = np.random.default_rng(8)
    n = 240
    frame = pd.DataFrame(rng.normal(size=(n, 5)), columns=["x", "v", "x2", "x3", "y"])
    frame["twice"] = 2.0 * frame["x"] + 1.0
    frame["z"] = frame["x"] - frame["y"] + 5.0
    frame["w"] = rng.lognormal(size=n)
    frame["key"] = rng.choice(["north", "south", "east"], size=n)
    frame["number"] = rng.integers(-2, 3, size=n).astype(np.int16)
    for column, values in [("x", [np.nan, np.inf]), ("y", [np.nan]), ("z", [np.nan, -np.inf]), ("w", [0.0, np.nan])]:
        frame.loc[rng.choice(n, size=12, replace=False), column] = rng.choice(values, size=12)
    frame.loc[5:7, "key"] = None
    frame.loc[frame["number"] == 2, "y"] = np.nan
    return frame


def test_interpreted_loops_give_the_same_fits(tmp_path):
    rich_frame().to_pickle(tmp_path / "frame")
    kinds = [
        run(EVERYTHING, tmp_path / "frame", tmp_path / name, NUMBA_DISABLE_JIT=disabled)[0].split()
        for name, disabled in [("compiled", "0"), ("interpreted", "1")]
    ]
    assert kinds == [["True"], ["False"]]
    compiled, interpreted = pd.read_pickle(tmp_path / "compiled"), pd.read_pickle(tmp_path / "interpreted")
    for left, right in zip(compiled, interpreted):
        # a * b + c is rounded once by the processor and twice by Python; condition numbers below 100
        pd.testing.assert_frame_equal(left, right, rtol=1e-12, atol=1e-12)
    assert compiled[0].isna().any().any()
    assert compiled[0]["y_status"].nunique() > 1


def test_a_second_process_compiles_nothing(tmp_path):
    script = COUNTED + SMALL_FIT.replace("PREDICTORS", "['x']") + "print(Listener.compiled)"
    first, result = run(script, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="0")[0].splitlines()[::-1]
    assert "update" in first
    assert run(script, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="0")[0].splitlines() == [result, "[]"]


def test_where_nothing_can_be_kept_every_process_compiles(tmp_path):
    nowhere = """
import numba.core.caching as caching
for kind in (caching.CacheImpl, caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
    kind._locator_classes = []
"""
    script = f"""{nowhere}{COUNTED}
import pandas as pd
from gbr_dag import GroupByDriver
frame = pd.DataFrame({{"g": [1, 1, 2], "y": [1.0, 2.0, 4.0]}})
inputs = {{"frame": frame, "by": "g", "targets": "y", "diagnostics": ()}}
table = GroupByDriver(engine="numba", progress=True).execute(["fit_table"], inputs)["fit_table"]
print(table["y_intercept"].tolist(), "update_unweighted" in Listener.compiled)
"""
    out, told = run(script, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="0")
    assert out.splitlines() == ["[1.5, 4.0] True"]
    assert "compiling kernels, some seconds once" in told
    assert "kept on disk" not in told
    assert list(tmp_path.rglob("*.nb*")) == []


@pytest.fixture
def install_without_writing():
    """A copy of the package that may be read by everybody and written by nobody, and the user to read it as."""
    user = NOBODY if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PACKAGE:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        try:
            run("import pandas, numba", cwd=folder, user=user, HOME="/nonexistent")
        except (AssertionError, OSError) as error:
            pytest.skip(f"no other user can run this Python: {str(error)[-200:]}")
        yield folder, user
        for path in folders:
            path.chmod(stat.S_IRWXU)


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other permissions there")
def test_an_install_that_cannot_be_written_works(install_without_writing):
    folder, user = install_without_writing
    script = SMALL_FIT.replace("PREDICTORS", "[]") + "print(gbr_dag.__file__)"
    away = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"))
    out, _ = run(f"import gbr_dag{script}", cwd=folder, user=user, HOME="/nonexistent", NUMBA_DISABLE_JIT="0", **away)
    assert Path(out.splitlines()[-1]).is_relative_to(folder)
    assert list(folder.rglob("*.nb*")) == []


WINDOWS = """
import sys
import numpy as np, pandas as pd
from gbr_dag import fit_windows
rng = np.random.default_rng(2)
frame = pd.DataFrame({"i": rng.integers(0, 6, 150), "j": rng.integers(0, 5, 150), "w": rng.lognormal(size=150)})
for name in ("a", "b", "c", "d", "e", "y"):
    frame[name] = rng.normal(size=150)
given = {"weights": "w", "statistics": (), "diagnostics": ("errors", "rmse", "pvalues")}
tables = [
    fit_windows(frame, ["i", "j"], {"i": 1, "j": 2}, "y", predictors, boundary=boundary, kernel=kernel, **given)
    for predictors, boundary, kernel in [
        (["a"], "truncate", "uniform"),
        (["a", "b", "c", "d", "e"], "mirror", "gaussian"),
        (["a"], "mirror", "linear"),
    ]
]
pd.to_pickle([table.assign(quality_flag="") for table in tables], sys.argv[1])
"""


def test_interpreted_loops_give_the_same_windows(tmp_path):
    for disabled in ("0", "1"):
        run(WINDOWS, tmp_path / disabled, NUMBA_DISABLE_JIT=disabled)
    for left, right in zip(pd.read_pickle(tmp_path / "0"), pd.read_pickle(tmp_path / "1")):
        # as above, and windows of a dozen rows and six coefficients
        np.testing.assert_allclose(left.iloc[:, :-1].to_numpy(float), right.iloc[:, :-1].to_numpy(float), rtol=1e-9)

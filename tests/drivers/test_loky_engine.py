"""The engine "loky" through the doors: the table of the reference engine to the last bit, and what is refused."""

from __future__ import annotations

import locale
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.group_fits.batches import Batches

pytest.importorskip("joblib")

TIMEOUT_S = 120


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")


@pytest.fixture(scope="module")
def frame():
    """Groups of 1 to 40 rows, some targets missing, some weights zero."""
    rng = np.random.default_rng(1)
    n = 2000
    frame = pd.DataFrame(
        {"g": rng.integers(0, 120, size=n) ** 2 // 120, "x": rng.normal(5, 1, n), "z": rng.normal(size=n)}
    )
    frame["w"] = rng.uniform(0.1, 3.0, size=n)
    frame["y"], frame["u"] = rng.normal(size=(2, n)) + frame["x"].to_numpy()
    frame.loc[rng.random(n) < 0.1, "y"] = np.nan
    frame.loc[rng.random(n) < 0.1, "u"] = np.inf
    frame.loc[rng.random(n) < 0.05, "w"] = 0.0
    return frame


def model(**changes):
    arguments = {"by": "g", "targets": ["y", "u"], "predictors": ["x", "z"], "weights": "w", "medians": "z"}
    return {**arguments, "diagnostics": ["errors", "rms", "mad", "r_squared", "condition", "covariance"], **changes}


@pytest.mark.parametrize("n_jobs", [1, 2, None, -1])
@pytest.mark.parametrize("changes", [{}, {"fitter": "wls"}, {"weights": None, "predictors": "x"}], ids=str)
def test_the_table_is_that_of_the_reference(frame, n_jobs, changes):
    table = gbr_dag.fit_groups(frame, **model(**changes), engine="loky", n_jobs=n_jobs)
    expected = gbr_dag.fit_groups(frame, **model(**changes), engine="reference")
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert gbr_dag.fit_metadata(table)["inputs"]["n_jobs"] == n_jobs


@pytest.mark.parametrize(
    "changes",
    [{"missing": "any"}, {"intercept": False}, {"predictors": ()}, {"min_entries": 20}, {"absolute_weights": True}],
    ids=str,
)
def test_other_models_are_those_of_the_reference(frame, changes):
    table = gbr_dag.fit_groups(frame, **model(**changes), engine="loky", n_jobs=2)
    expected = gbr_dag.fit_groups(frame, **model(**changes), engine="reference")
    pd.testing.assert_frame_equal(table, expected, check_exact=True)


def test_a_frame_without_groups(frame):
    table = gbr_dag.fit_groups(frame.iloc[:0], **model(), engine="loky", n_jobs=2)
    assert len(table) == 0


@pytest.mark.parametrize("batches", [Batches(size=7), Batches(strategy="no_batching", backend="threading"), None])
def test_batches_are_an_input_of_the_graph(frame, batches):
    driver = gbr_dag.GroupByDriver(engine="loky")
    inputs = {"frame": frame, **model(), "n_jobs": 2, "batches": batches}
    table = driver.execute(["fit_table"], inputs)["fit_table"]
    pd.testing.assert_frame_equal(table, gbr_dag.fit_groups(frame, **model(), engine="reference"), check_exact=True)


def test_batches_of_another_kind_are_refused(frame):
    driver = gbr_dag.GroupByDriver(engine="loky")
    with pytest.raises(gbr_dag.InputError, match="batches"):
        driver.execute(["fit_table"], {"frame": frame, **model(), "batches": 100})


@pytest.mark.parametrize("engine", ["numpy", "reference"])
def test_batches_are_for_this_engine(frame, engine):
    driver = gbr_dag.GroupByDriver(engine=engine)
    with pytest.raises(gbr_dag.InputError, match=r"^batches is for engine 'loky'; leave it out for engine "):
        driver.execute(["fit_table"], {"frame": frame, **model(), "batches": Batches()})


@pytest.mark.parametrize("n_jobs", [0, -5, -2, True, 1.5, "2", np.float64(2)], ids=repr)
def test_numbers_of_processes_that_are_none_are_refused(n_jobs):
    """Before the frame is looked at."""
    message = rf"^n_jobs must be an integer of at least 1, or -1 or None for all cores, got {n_jobs!r}$".replace(
        "(", r"\("
    )
    with pytest.raises(gbr_dag.InputError, match=message.replace(")", r"\)")):
        gbr_dag.fit_groups(None, **model(), engine="loky", n_jobs=n_jobs)


@pytest.mark.parametrize("engine", ["numba", "numpy", "reference", "statsmodels"])
def test_processes_are_for_this_engine(frame, engine):
    with pytest.raises(gbr_dag.InputError, match=r"^n_jobs is for engine 'loky'; .*leave n_jobs out$"):
        gbr_dag.fit_groups(frame, **model(), engine=engine, n_jobs=2)


def test_the_graph_shows_the_node(frame):
    driver = gbr_dag.GroupByDriver(engine="loky")
    plan = driver.plan(["fit_table"], {"frame": frame, **model(), "n_jobs": 2})
    assert "group_fits" in plan.nodes
    assert plan.missing == ()


GERMAN = ("de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8")

COMMAS = """
import csv, io, locale, sys
import numpy as np, pandas as pd, gbr_dag
locale.setlocale(locale.LC_ALL, sys.argv[1])
frame = pd.DataFrame({"g": np.arange(600) // 6, "x": np.arange(600) % 7 / 4, "y": np.arange(600) % 11 / 8})
table = gbr_dag.fit_groups(frame, "g", "y", "x", engine="loky", n_jobs=2)
assert locale.localeconv()["decimal_point"] == ","
assert table.equals(gbr_dag.fit_groups(frame, "g", "y", "x", engine="reference"))
read = csv.DictReader(io.StringIO(table.to_csv(index=False)))
assert [float(row["y_slope_x"]) for row in read] == table["y_slope_x"].tolist()
try:
    gbr_dag.fit_groups(frame, "g", "y", "x", engine="loky", n_jobs=1.5)
except gbr_dag.InputError as error:
    sys.stdout.write(str(error)[-7:])
"""


def test_decimal_commas_of_the_locale_change_nothing():
    before = locale.setlocale(locale.LC_ALL)
    for name in GERMAN:
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        break
    else:
        pytest.skip("no locale with decimal commas is installed here")
    locale.setlocale(locale.LC_ALL, before)
    environment = {**os.environ, "LC_ALL": name, "PYTHONPATH": str(Path(gbr_dag.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", COMMAS, name],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=environment,
    )
    assert (done.stdout, done.returncode) == ("got 1.5", 0), done.stderr

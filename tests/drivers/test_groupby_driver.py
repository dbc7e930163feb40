"""What of the group-by graph runs, for what, and how it can be changed."""

from __future__ import annotations

import types
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import gbr_dag

BINNING = [
    "selected_rows",
    "keyed_rows",
    "usable_rows",
    "bin_coordinates",
    "cell_ids",
    "bin_table",
    "entries",
]
ROWS = ["bin_map", "design", "response", "raw_weights", "row_reasons", "row_weights", "target_blocks", "bin_rows"]
FIT = ["bin_factors", "window_factors", "reduced_factors", "coefficients"]
COMPILED = ["bin_map", "design", "response", "raw_weights", "factor_pass", *FIT]
TABLE = [
    "fit_status",
    "residual_freedom",
    "rms",
    "error_scale",
    "coefficient_errors",
    "target_columns",
    "left_out_rows",
    "fit_record",
    "fit_table",
]


@pytest.fixture
def inputs() -> dict[str, object]:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"g": rng.integers(0, 4, size=50), "x": rng.normal(size=50), "y": rng.normal(size=50)})
    frame["w"] = rng.uniform(0.1, 9.0, size=50)
    return {"frame": frame, "by": "g", "targets": "y", "predictors": "x", "weights": "w"}


def nodes_that_ran(driver: gbr_dag.Driver, kept: Sequence[str] = ()) -> list[str]:
    report = driver.report()
    assert report["node"][report["state"] != "ran"].tolist() == list(kept)
    return report["node"][report["state"] == "ran"].tolist()


def test_entries_run_no_fit(inputs):
    driver = gbr_dag.GroupByDriver()
    driver.execute(["entries"], inputs)
    assert nodes_that_ran(driver) == BINNING


def test_coefficients_run_no_diagnostic(inputs):
    driver = gbr_dag.GroupByDriver()
    driver.execute(["coefficients"], inputs)
    assert sorted(nodes_that_ran(driver)) == sorted([*BINNING, *COMPILED])
    driver = gbr_dag.GroupByDriver(engine="numpy")
    driver.execute(["coefficients"], inputs)
    assert sorted(nodes_that_ran(driver)) == sorted([*BINNING, *ROWS, *FIT])


def test_coefficients_of_the_reference_make_no_factors(inputs):
    driver = gbr_dag.GroupByDriver(engine="reference")
    driver.execute(["coefficients"], inputs)
    assert sorted(nodes_that_ran(driver)) == sorted(
        [*BINNING, *ROWS, "sorted_rows", "group_fitter", "group_fits", "coefficients"]
    )


def test_the_table_runs_only_the_diagnostics_asked_for(inputs):
    driver = gbr_dag.GroupByDriver()
    driver.execute(["fit_table"], inputs)
    assert sorted(nodes_that_ran(driver)) == sorted([*BINNING, *COMPILED, *TABLE])
    driver.execute(["fit_table"], {**inputs, "diagnostics": ["mad", "condition"], "medians": "x"})
    rows = ["row_reasons", "target_blocks", "bin_rows", "coefficient_values", "fitted_targets"]
    asked = ["row_prediction", "residual", "fitted_blocks", "mad", "condition", "bin_medians"]
    assert sorted(nodes_that_ran(driver)) == sorted([*BINNING, *COMPILED, *TABLE, *rows, *asked])
    driver.execute(["fit_table"], {**inputs, "medians": "x", "weighted_medians": True})
    assert "row_weights" in nodes_that_ran(driver)


@pytest.mark.parametrize("outputs", [["entries"], ["fit_table"], ["mad", "fit_table"], ["p_values", "bin_map"]])
def test_the_plan_is_what_runs(inputs, outputs):
    driver = gbr_dag.GroupByDriver()
    plan = driver.plan(outputs, inputs)
    driver.execute(outputs, inputs)
    assert list(plan.nodes) == nodes_that_ran(driver)
    assert plan.kept == ()


def test_a_diagnostic_asked_for_by_name_runs_beside_a_table_without_it(inputs):
    out = gbr_dag.GroupByDriver().execute(["fit_table", "mad"], inputs)
    assert "y_mad" not in out["fit_table"]
    table = gbr_dag.fit_groups(**inputs, diagnostics="mad")
    np.testing.assert_array_equal(out["mad"][:, 0], table["y_mad"])


def test_the_plan_names_what_is_missing_and_how_large_it_gets(inputs):
    plan = gbr_dag.GroupByDriver().plan(["rms"])
    assert set(plan.missing) == {"frame", "by", "targets"}
    plan = gbr_dag.GroupByDriver().plan(["rms"], inputs)
    assert plan.missing == ()
    assert plan.bytes["bin_map"] == 4 * 50
    chain = "rms <- coefficients <- bin_map <- bin_table"
    assert plan.why("bin_table") == f"bin_table runs because {chain}"


def test_estimates_hold(inputs):
    """Where a node tells its bytes beforehand, it keeps to them."""
    driver = gbr_dag.GroupByDriver()
    everything = driver.list_outputs()["name"].drop_duplicates().tolist()
    everything = [name for name in everything if name != "chi2"]
    given = {**inputs, "by": ["g"], "targets": ["y"], "predictors": ["x"]}
    plan = driver.plan(everything, given)
    driver.execute(everything, given)
    measured = driver.report().set_index("node")["bytes"].dropna()
    estimated = {name: plan.bytes[name] for name in plan.nodes if name in plan.bytes}
    assert len(estimated) > 10
    for name, size in estimated.items():
        assert measured[name] == pytest.approx(size, rel=0.2), name  # offsets beside rows


def test_overrides_stand_in_for_nodes(inputs):
    driver = gbr_dag.GroupByDriver()
    doubled = driver.execute(["row_weights"], inputs)["row_weights"] * np.where(inputs["frame"]["x"] > 0, 2.0, 1.0)
    ours = driver.execute(["coefficient_values"], inputs, overrides={"raw_weights": doubled})["coefficient_values"]
    assert "raw_weights" not in nodes_that_ran(driver, kept=["raw_weights"])
    frame = inputs["frame"].assign(w=doubled)
    expected = driver.execute(["coefficient_values"], {**inputs, "frame": frame})["coefficient_values"]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_users_nodes_extend_and_replace(inputs):
    module = types.ModuleType("own_nodes")
    source = (
        "import numpy as np\n"
        "def shifted_slope(coefficient_values: np.ndarray, shift: float) -> np.ndarray:\n"
        "    return coefficient_values[:, 0, 1] + shift\n"
        "def chi2(rms: np.ndarray) -> np.ndarray:\n"
        "    return rms * 0\n"
    )
    exec(compile(source, "own_nodes.py", "exec"), module.__dict__)
    with pytest.raises(gbr_dag.DuplicateNameError, match=r"'chi2'.*own_nodes\.py:4"):
        gbr_dag.GroupByDriver(modules=[module])
    driver = gbr_dag.GroupByDriver(modules=[module], replace=["chi2"])
    out = driver.execute(["shifted_slope", "coefficient_values", "chi2"], {**inputs, "shift": 1.0})
    np.testing.assert_array_equal(out["shifted_slope"], out["coefficient_values"][:, 0, 1] + 1.0)
    assert (out["chi2"] == 0).all()
    with pytest.raises(gbr_dag.MissingInputError, match="'shift'"):
        driver.execute(["shifted_slope"], inputs)


def test_arguments_are_checked_at_the_driver_too(inputs):
    with pytest.raises(gbr_dag.InputError, match="targets must be numeric"):
        gbr_dag.GroupByDriver().execute(["entries"], {**inputs, "frame": inputs["frame"].assign(y="text")})
    with pytest.raises(gbr_dag.UnknownNameError, match="output 'entrys' is unknown; did you mean 'entries'"):
        gbr_dag.GroupByDriver().execute(["entrys"], inputs)
    with pytest.raises(gbr_dag.MissingInputError, match=r"'frame'.*'targets'|'targets'.*'frame'"):
        gbr_dag.GroupByDriver().execute(["fit_table"], {"by": "g"})


def test_every_node_can_be_asked_for_by_both_engines(inputs):
    for engine in ("numba", "numpy", "reference"):
        driver = gbr_dag.GroupByDriver(engine=engine)
        names = driver.list_outputs()["name"].tolist()
        out = driver.execute(names, {**inputs, "medians": "x"})
        assert list(out) == names
    assert driver.list_outputs()["description"].str.len().min() > 10


@pytest.mark.parametrize("request_", [(None, {}), (5, {}), ("entries", {}), ([["entries"]], {}), (["entries"], [1])])
def test_requests_of_the_wrong_kind_are_refused(request_):
    with pytest.raises(gbr_dag.InputError):
        gbr_dag.GroupByDriver().execute(*request_)
    with pytest.raises(gbr_dag.InputError):
        gbr_dag.GroupByDriver().plan(*request_)


def test_an_engine_that_is_no_name_is_refused(inputs):
    with pytest.raises(gbr_dag.InputError, match="engine must be a name"):
        gbr_dag.fit_groups(**inputs, engine=["numpy"])

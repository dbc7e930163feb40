"""Columns of very different sizes, weights of every make, warnings and tables that belong to the caller."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import gbr_dag


def frame_of(n: int = 40, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": np.arange(n) % 2, "a": rng.normal(size=n), "b": rng.normal(size=n)})
    frame["b"] = frame["a"] + 0.1 * frame["b"]
    frame["y"] = 1.0 + frame["a"] - 2.0 * frame["b"] + rng.normal(size=n)
    return frame.assign(w=10.0 ** rng.uniform(-1, 1, size=n))


@pytest.mark.parametrize("first", [1e90, 1e-90])
def test_predictors_of_opposite_sizes_have_the_errors_of_the_scaled_ones(engine, first):
    frame = frame_of()
    model = {
        "by": "g",
        "targets": "y",
        "weights": "w",
        "engine": engine,
        "diagnostics": ("errors", "covariance", "rms"),
    }
    plain = gbr_dag.fit_groups(frame, predictors=["a", "b"], **model)
    scaled = frame.assign(a=frame["a"] * first, b=frame["b"] / first)
    table = gbr_dag.fit_groups(scaled, predictors=["a", "b"], **model)
    assert (table["y_status"] == 0).all()
    for name in ("y_slope_a", "y_slope_a_err", "y_slope_b", "y_slope_b_err", "y_rms", "y_cov_a_b"):
        factor = first if "slope_a" in name else 1.0 / first if "slope_b" in name else 1.0
        # the condition number of the scaled columns is about 20
        np.testing.assert_allclose(table[name] * factor, plain[name], rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("value", [4.0, 1.0, 0.0, -1.0, np.nan])
def test_weights_that_repeat_one_value_without_memory_count(value, engine):
    frame = frame_of()
    row = np.broadcast_to(np.array([value, 2.0]), (len(frame), 2))
    given = {"by": "g", "targets": "y", "predictors": "a", "engine": engine, "diagnostics": ("errors", "rms")}
    repeated = frame.drop(columns="w").join(pd.DataFrame(row, columns=["w", "other"], copy=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gbr_dag.DataWarning)
        found = gbr_dag.fit_groups(repeated, weights="w", **given)
        series = gbr_dag.fit_groups(frame, weights=pd.Series(np.broadcast_to(value, len(frame)), copy=False), **given)
        expected = gbr_dag.fit_groups(frame.assign(w=np.full(len(frame), value)), weights="w", **given)
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(series, expected)


def test_negative_weights_are_told_once_whatever_is_asked_for(engine):
    frame = frame_of()
    frame.loc[3, "w"] = -1.0
    with pytest.warns(gbr_dag.DataWarning) as told:
        gbr_dag.fit_groups(
            frame, "g", "y", weights="w", diagnostics="mad", medians="a", weighted_medians=True, engine=engine
        )
    assert len(told) == 1


def test_weighted_medians_of_a_group_without_weight_are_missing(engine):
    frame = pd.DataFrame({"k": [0, 0, 1, 1], "y": [1.0, 2, 3, 4], "w": [1.0, 1, 0, 0]})
    table = gbr_dag.fit_groups(
        frame, "k", "y", weights="w", medians="y", weighted_medians=True, suffix="_s", engine=engine
    )
    np.testing.assert_array_equal(table["y_s"], [1.5, np.nan])


@pytest.mark.parametrize("change", [{"x": 1e120}, {"x": 1e-120}, {"y": 1e120}, {"w": 1e-200}])
def test_sizes_are_judged_alike_by_all_engines(change, engine):
    """By the rows of each group that could enter a fit, and by no others."""
    frame = pd.DataFrame({"k": [0, 0, 0, 1, 1, 1, 2], "x": [1.0, 2, 4, 1, 2, 3, 1], "y": [1.0, 2, 4, 3, 4, 7, 1]})
    frame["w"] = 1.0
    (name, factor), *_ = change.items()
    given = {"by": "k", "targets": "y", "predictors": "x", "weights": "w", "engine": engine}
    for group in (1, 2):  # the last has fewer rows than a fit needs
        odd = frame.copy()
        odd.loc[odd["k"] == group, name] *= factor
        with pytest.raises(gbr_dag.InputError, match=f"column '{name}' has values up to"):
            gbr_dag.fit_groups(odd, **given)
    odd = frame.astype({"k": "float64"})
    odd.loc[3, name] *= factor
    for left_out in ({"k": np.nan}, {"w": 0.0}, {"x": np.nan}):
        if name not in left_out:
            without = odd.copy()
            without.loc[3, list(left_out)] = list(left_out.values())
            assert len(gbr_dag.fit_groups(without, **given)) == 3


def test_a_table_shares_nothing_with_what_else_is_asked_for_or_given(engine):
    driver = gbr_dag.GroupByDriver(engine=engine)
    inputs = {"frame": frame_of(), "by": "g", "targets": "y", "predictors": "a"}
    out = driver.execute(["fit_table", "entries", "coefficients", "rms"], inputs)
    kept = out["fit_table"].copy()
    out["entries"][:] = -1
    out["coefficients"].values[...] = -1.0
    out["rms"][...] = -1.0
    pd.testing.assert_frame_equal(out["fit_table"], kept)
    given = np.array([[3.0], [4.0]])
    table = driver.execute(["fit_table"], inputs, overrides={"rms": given})["fit_table"]
    table.loc[0, "y_rms"] = -5.0
    assert given.tolist() == [[3.0], [4.0]]


def test_the_plan_tells_the_way_that_is_taken():
    frame = pd.DataFrame({"k": [*range(999), 10**12], "y": 1.0})
    mask = np.arange(1000) < 999
    plan = gbr_dag.GroupByDriver().plan(["entries"], {"frame": frame, "by": "k", "targets": "y", "selection": mask})
    assert "a grid of 999 cells" in plan.notes["cell_ids"]
    plan = gbr_dag.GroupByDriver().plan(["entries"], {"frame": frame, "by": "k", "targets": "y"})
    assert plan.notes["cell_ids"].startswith("k: integers as they are; ranks of the cells that occur")
    assert "ranks of the cells that occur" in str(plan)

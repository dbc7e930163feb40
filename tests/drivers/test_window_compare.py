"""Two engines of windows side by side: what counts as a difference, and where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gbr_dag.drivers.sliding_window import SlidingWindowDriver
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.windows import obvious_fits
from tests.oracles.window_designs import WindowDesign, matrix

REFERENCE, NUMPY = {"engine": "reference"}, {"engine": "numpy"}
DESIGNS = [design for design in matrix(5) if design.n_dimensions == 2]


def compared(design: WindowDesign, **changes: Any) -> Any:
    return SlidingWindowDriver(engine="numpy").compare({**design.inputs, **changes}, REFERENCE, NUMPY)


@pytest.fixture
def gaussian() -> WindowDesign:
    return next(d for d in DESIGNS if d.kernel == "gaussian" and d.inputs["predictors"] and d.inputs["intercept"])


@pytest.mark.parametrize("design", DESIGNS[::3], ids=lambda design: f"{design.boundary}-{design.kernel}")
def test_engines_agree_in_every_node(design):
    comparison = compared(design)
    assert comparison.equal, str(comparison)
    assert comparison.largest < 1e-9
    shared = {"coefficients", "fit_status", "coefficient_errors", "neighbour_counts", "rmse", "fit_table"}
    assert shared <= set(comparison.nodes_compared)
    assert comparison.not_comparable["window_factors"] == "only with engine='numpy', fitter='ols'"
    assert comparison.not_comparable["window_rows"] == "only with engine='reference', fitter='ols'"
    # None where all kernel weights are 1, and then both say so
    spread = comparison.not_comparable.get("kernel_spread", "compared")
    assert spread == ("compared" if "kernel_spread" in comparison.nodes_compared else "every configuration has its own")


def test_a_wrong_slope_is_found_in_the_coefficients(gaussian, monkeypatch):
    right = LeastSquares.__call__

    def wrong(self: LeastSquares, rows: Any) -> Any:
        fit = right(self, rows)
        fit.values[1] *= 1.0 + 1e-6
        return fit

    monkeypatch.setattr(LeastSquares, "__call__", wrong)
    comparison = compared(gaussian)
    assert comparison.node == "coefficients"
    assert comparison.field == "values, target y, slope_x0"
    assert comparison.left == pytest.approx(comparison.right * (1.0 + 1e-6), rel=1e-9)
    assert set(comparison.group) == {*gaussian.inputs["within"], "a", "b"}


def test_wrong_errors_are_found_behind_the_kernel(gaussian, monkeypatch):
    right = obvious_fits.obvious_spread

    def wrong(*given: Any) -> obvious_fits.ObviousSpread:
        spread = right(*given)
        return obvious_fits.ObviousSpread(spread.unit_covariance * (1.0 + 1e-6), spread.freedom, spread.student)

    monkeypatch.setattr(obvious_fits, "obvious_spread", wrong)
    comparison = compared(gaussian, absolute_weights=False, diagnostics=["errors"])
    assert comparison.node == "coefficient_errors"
    assert comparison.difference == pytest.approx(0.5e-6, rel=0.1)


def test_names_with_spaces_and_slices_of_text_are_compared(gaussian):
    frame = gaussian.inputs["frame"].rename(columns={"x0": "drift time"})
    frame["run"] = np.where(frame["y"] > 3.0, "late", "early")
    names = ["drift time", *gaussian.inputs["predictors"][1:]]
    comparison = compared(gaussian, frame=frame, predictors=names, within="run")
    assert comparison.equal, str(comparison)
    assert {"fit_table", "target_columns"} <= set(comparison.nodes_compared)

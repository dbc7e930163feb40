"""Random designs of sliding windows, and how far two engines' tables of one lie apart.

Differences are relative to, with s_x and s_y the roots of the weighted scatter in the window:

* slopes: max(|beta_j|, s_y / s_j); intercepts: max(|beta_0|, |ymean|, s_y / sqrt(sum v), sum_j |xmean_j| max(|beta_j|,
  s_y / s_j)); confidence bounds: the same or the larger bound;
* covariances: the product of the two errors; r squared and p-values: 1;
* where there is no spare row, and the residuals are rounding, rmse: s_y / sqrt(sum v) and chi2: s_y^2;
* all else: its own size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gbr_dag.drivers.sliding_window import SlidingWindowDriver
from gbr_dag.nodes.diagnostics import promised_accuracy

BOUNDARIES = ("truncate", "symmetric", "mirror", "periodic", "mixed")
KERNELS = ("uniform", "gaussian", "epanechnikov", "linear", "distance", "callable", "mixed")
DIMENSIONS = (1, 2, 3, 4)
EXTENTS = {1: (120,), 2: (14, 11), 3: (7, 6, 4), 4: (5, 4, 4, 3)}
SIZES = {1: (3,), 2: (2, 1), 3: (1, 1, 1), 4: (1, 1, 0, 1)}
DIAGNOSTICS = ("errors", "covariance", "confidence", "pvalues", "r_squared", "rmse", "rms", "condition")
PROMISED = 1e-9

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WindowDesign:
    """One frame and window with the choices that made it; ``inputs`` are those of ``fit_windows``."""

    number: int
    boundary: str
    kernel: str
    n_dimensions: int
    choices: dict[str, Any]
    inputs: dict[str, Any]

    @property
    def n_windows(self) -> int:
        """Occupied bins."""
        keys = [*self.inputs["within"], *self.inputs["by"]]
        return len(self.inputs["frame"][keys].drop_duplicates())


def lopsided(offsets: NDArray[np.int64], widths: Array) -> Array:
    """A kernel of one's own: no product, not even in the offset, 0 for some neighbours."""
    u = offsets / widths
    weights: Array = np.maximum(0.0, 1.2 - 0.6 * np.sum(np.abs(u), axis=1) + 0.1 * u[:, 0])
    return weights


def matrix(seed: int) -> Iterator[WindowDesign]:
    """One design of every boundary, kernel and number of dimensions; the rest is drawn."""
    for number, (boundary, kernel, n_dimensions) in enumerate(product(BOUNDARIES, KERNELS, DIMENSIONS)):
        if n_dimensions > 1 or "mixed" not in (boundary, kernel):
            yield window_design(seed, number, boundary, kernel, n_dimensions)


def window_design(seed: int, number: int, boundary: str, kernel: str, n_dimensions: int) -> WindowDesign:
    """A design whose other choices, and whose rows, follow from the seed and the number."""
    rng = np.random.default_rng([seed, number])
    choices: dict[str, Any] = {
        "sparse": bool(rng.random() < 0.5),
        "weights": bool(rng.random() < 0.6),
        "n_predictors": int(rng.integers(0, 4)),
        "missing": bool(rng.random() < 0.5),
        "within": bool(rng.random() < 0.3),
        "two_targets": bool(rng.random() < 0.3),
        "intercept": bool(rng.random() < 0.75),
        "clusters": bool(rng.random() < 0.3),
        "whole": bool(rng.random() < 0.3),
    }
    names = ["a", "b", "c", "d"][:n_dimensions]
    by_dimension: dict[str, Any] = {"boundary": boundary, "kernel": lopsided if kernel == "callable" else kernel}
    if boundary == "mixed":
        by_dimension["boundary"] = dict(zip(names, rng.permutation(BOUNDARIES[:-1]).tolist()))
    if kernel == "mixed":
        by_dimension["kernel"] = dict(zip(names, rng.choice(KERNELS[:4], size=n_dimensions).tolist()))
    frame, predictors = _frame(rng, names, choices)
    targets = ["y", "t"] if choices["two_targets"] else ["y"]
    sizes = [*SIZES[n_dimensions]]
    if choices["whole"] and n_dimensions > 1:
        sizes[-1] = int(np.ptp(frame[names[-1]]))
    n_coefficients = max(len(predictors) + choices["intercept"], 1)
    absolute = bool(choices["weights"] and rng.random() < 0.3)
    inputs = {
        **by_dimension,
        "frame": frame,
        "by": names,
        "window": dict(zip(names, sizes)),
        "within": ["sector"] if choices["within"] else [],
        "targets": targets,
        "predictors": predictors,
        "weights": "w" if choices["weights"] else None,
        "absolute_weights": absolute,
        # a model without any coefficient is refused
        "intercept": choices["intercept"] or not predictors,
        "min_entries": int(rng.choice([n_coefficients, n_coefficients + 1, 10])),
        "missing": str(rng.choice(["per_target", "any"])),
        "statistics": (),
        "diagnostics": [*DIAGNOSTICS, *["chi2"] * absolute],
    }
    if "periodic" in np.ravel([*by_dimension["boundary"].values()] if boundary == "mixed" else boundary):
        wrapped = [name for name in names if boundary == "periodic" or by_dimension["boundary"][name] == "periodic"]
        spans = {name: int(np.ptp(frame[name])) + 1 for name in wrapped}
        inputs["period"] = {
            name: max(span, 2 * inputs["window"][name] + 1) + int(rng.integers(0, 3)) for name, span in spans.items()
        }
    for argument in ("boundary", "kernel", "period"):
        if isinstance(inputs.get(argument), dict):  # refused for a dimension without a window
            inputs[argument] = {name: value for name, value in inputs[argument].items() if inputs["window"][name]}
    return WindowDesign(number, boundary, kernel, n_dimensions, choices, inputs)


def _frame(rng: np.random.Generator, names: list[str], choices: dict[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """Rows in disorder: bins ``names`` (and ``sector``), predictors, targets ``y`` and ``t``, weights ``w``."""
    extents = np.array(EXTENTS[len(names)])
    cells = np.array(list(np.ndindex(*extents)))
    if choices["sparse"]:
        # corners stay, so that every boundary fits the range
        spread = np.where(extents > 3, 3 if len(names) == 1 else 2, 1)
        cells = cells * spread + rng.integers(0, spread, size=cells.shape)
        kept = rng.random(len(cells)) < 0.75
        kept[[0, -1]] = True
        cells = cells[kept]
    if choices["clusters"]:
        # windows hold a cluster whole: neighbouring bins have the same neighbours
        cells[:, 0] += 40 * (cells[:, 0] // (SIZES[len(names)][0] + 1))
    n_rows = 1 + rng.poisson(2.0, size=len(cells))
    place = np.repeat(np.arange(len(cells)), n_rows)
    n = len(place)
    frame = pd.DataFrame(cells[place] + rng.integers(-30, 30, size=len(names)), columns=names)
    if choices["within"]:
        frame["sector"] = rng.choice(["north", "south"], size=n)
    predictors = [f"x{i}" for i in range(choices["n_predictors"])]
    for i, name in enumerate(predictors):
        scale = 10.0 ** rng.uniform(-2, 2)
        frame[name] = scale * (rng.normal(size=n) + rng.choice([0.0, 5.0]))
        if i == 1 and rng.random() < 0.5:
            frame[name] = scale * (frame["a"] % 11)  # constant in every bin
    noise = rng.normal(size=n)
    frame["w"] = 10.0 ** rng.uniform(-1, 1, size=n) if choices["weights"] else 1.0
    frame["y"] = 3.0 + sum((frame[name] for name in predictors), 0.1 * frame["a"]) + noise / np.sqrt(frame["w"])
    frame["t"] = rng.normal(size=n) * 100.0 + 20.0
    if choices["missing"]:
        frame.loc[rng.random(n) < 0.1, "y"] = np.nan
        frame.loc[rng.random(n) < 0.25, "t"] = np.inf
        frame.loc[rng.random(n) < 0.03, "w"] = np.nan
        for name in predictors:
            frame.loc[rng.random(n) < 0.03, name] = np.nan
    return frame.iloc[rng.permutation(n)], predictors


@dataclass(frozen=True)
class Reference:
    """What the reference engine makes of a design.

    Attributes
    ----------
    table : pandas.DataFrame (n_bins,)
    scales : dict of str to float array (n_bins,)
        What differences of a column are relative to at least.
    promised : dict of str to bool array (n_bins,)
        By target: where ``PROMISED`` is promised, or nothing was fitted.
    """

    table: pd.DataFrame
    scales: dict[str, Array]
    promised: dict[str, NDArray[np.bool_]]


def reference_of(design: WindowDesign) -> Reference:
    """The reference engine's table with the natural scales of its columns."""
    outputs = ["fit_table", "coefficients", "gathered_rows"]
    found = SlidingWindowDriver(engine="reference").execute(outputs, design.inputs)
    table, coefficients, rows = found["fit_table"], found["coefficients"], found["gathered_rows"].rows
    accuracy = promised_accuracy(coefficients)
    scales: dict[str, Array] = {}
    promised = {}
    for i, target in enumerate(design.inputs["targets"]):
        promised[target] = (accuracy[:, i] <= PROMISED) | ~coefficients.fitted[:, i]
        scales.update(_scales(design, rows, i, target, table))
    return Reference(table, scales, promised)


def _scales(design: WindowDesign, rows: Any, i: int, target: str, table: pd.DataFrame) -> dict[str, Array]:
    intercept, predictors = design.inputs["intercept"], design.inputs["predictors"]
    names = [f"{target}_slope_{name}" for name in predictors]
    slopes = np.abs(table[names].to_numpy(dtype=np.float64))
    scales = {
        name: np.zeros(len(table)) for name in [f"{target}_{kind}" for kind in ("intercept", "rmse", "chi2")] + names
    }
    for b in range(rows.n_bins):
        here = rows.of(b, i)
        if len(here.y) == 0:
            continue
        mean = np.average(here.x, axis=0, weights=here.w) if intercept else np.zeros(len(predictors))
        centre = np.average(here.y, weights=here.w) if intercept else 0.0
        s_x = np.sqrt(here.w @ (here.x - mean) ** 2)
        s_y = np.sqrt(here.w @ (here.y - centre) ** 2)
        least = np.divide(s_y, s_x, out=np.zeros(len(predictors)), where=s_x > 0.0)
        size = s_y / np.sqrt(here.w.sum())
        for name, value in zip(names, least):
            scales[name][b] = value
        inherited = np.sum(np.abs(mean) * np.fmax(least, slopes[b]))
        scales[f"{target}_intercept"][b] = max(abs(centre), size, inherited)
        if len(here.y) <= np.isfinite(slopes[b]).sum() + intercept:
            scales[f"{target}_rmse"][b], scales[f"{target}_chi2"][b] = size, s_y**2
    return scales


def differences(design: WindowDesign, reference: Reference, table: pd.DataFrame) -> dict[str, float]:
    """Worst relative difference by kind of column where an accuracy is promised; infinite where one is missing.

    Raises
    ------
    AssertionError
        If the columns differ, or values that are no floats.
    """
    left = reference.table
    assert list(left) == list(table)
    worst: dict[str, float] = {}
    for name in left:
        a, b = left[name].to_numpy(), table[name].to_numpy()
        assert a.dtype == b.dtype, name
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(b, a, err_msg=f"design {design.number}, {name}")
            continue
        target, _, kind = name.partition("_")
        apart = np.abs(a - b)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = apart / _scale(name, target, kind, a, reference)
        apart = np.where(a == b, 0.0, np.where(np.isnan(a) & np.isnan(b), 0.0, apart))
        apart[np.isnan(apart)] = np.inf
        kept = reference.promised.get(target, np.ones(len(a), dtype=bool))
        family = _family(kind)
        worst[family] = max(worst.get(family, 0.0), float(apart.max(initial=0.0, where=kept)))
    return worst


def _scale(name: str, target: str, kind: str, values: Array, reference: Reference) -> Array:
    if kind == "r_squared" or kind.endswith("_pvalue"):
        return np.ones(len(values))
    if kind.startswith("cov_"):
        _, i, j = kind.split("_")
        variances = [reference.table[f"{target}_cov_{end}_{end}"].to_numpy() for end in (i, j)]
        return np.sqrt(variances[0] * variances[1])
    size = np.abs(values)
    for end in ("_low", "_high"):
        if name.endswith(end):
            name = name[: -len(end)]
            bounds = [np.abs(reference.table[f"{name}{other}"].to_numpy()) for other in ("_low", "_high")]
            size = np.maximum(*bounds)
    return np.fmax(size, reference.scales.get(name, 0.0))


def _family(kind: str) -> str:
    for end in ("_err", "_low", "_high", "_pvalue"):
        if kind.endswith(end):
            return {"_err": "error", "_pvalue": "p-value"}.get(end, "confidence")
    if kind.startswith(("cov_", "slope_")):
        return {"c": "covariance", "s": "slope"}[kind[0]]
    return kind

"""Tables of the doors against the reference engine: no door is timed before its table was found to be right.

The base of every difference is ``fit_groups(..., engine="reference")``, one QR a group, with the door's own fitter and
cut; on the first groups only, where all would take longer than what is timed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

import gbr_dag
from benchmarks.doors import NO_CUT, PREDICTORS, Door, Workload, cell_of
from benchmarks.scenarios import KEYS

FloatArray = npt.NDArray[np.float64]

MAD_TO_SIGMA = 1.4826
OLS_TOLERANCE = 1e-10
"""Of the larger of a coefficient and its error: these designs have condition numbers far below 1e5."""

MOST_GROUPS = {"ols": 2_000, "huber": 200}
"""Groups that the reference engine fits: some tenths of a second."""


@dataclass(frozen=True)
class Expected:
    """What the reference engine says: coefficients and their errors (groups, targets, 1 + p), intercept first.

    ``table`` has the keys of these groups, in their order.
    """

    table: pd.DataFrame
    values: FloatArray
    errors: FloatArray


@dataclass(frozen=True)
class Deltas:
    """Largest absolute differences, and the largest one relative to coefficient or error and relative to error."""

    slope: float
    intercept: float
    relative: float
    in_errors: float


def reference(frame: pd.DataFrame, workload: Workload, fitter: str = "ols", cut: float = NO_CUT) -> Expected:
    """Fits of the first groups; a cut is one of Huber fits only."""
    most = MOST_GROUPS[fitter]
    rows = frame if workload.groups <= most else frame[cell_of(frame) < most]
    options = gbr_dag.HuberOptions(sigma_cut=cut / MAD_TO_SIGMA) if fitter == "huber" else None
    model = (list(KEYS), workload.target_names, list(PREDICTORS))
    table = gbr_dag.fit_groups(
        rows, *model, weights="w", min_entries=3, fitter=fitter, fitter_options=options, engine="reference"
    )
    return Expected(table, coefficients(table, workload), coefficients(table, workload, ending="_err"))


def coefficients(table: pd.DataFrame, workload: Workload, suffix: str = "", ending: str = "") -> FloatArray:
    """Intercepts and slopes of every target (groups, targets, 1 + p)."""
    parts = ["intercept", *(f"slope_{name}" for name in PREDICTORS)]
    names = [f"{target}_{part}{ending}{suffix}" for target in workload.target_names for part in parts]
    return np.asarray(table[names], dtype=float).reshape(len(table), workload.targets, len(parts))


def compared(door: Door, table: pd.DataFrame, expected: Expected, workload: Workload) -> Deltas:
    """How far a door's table is from the reference.

    Raises
    ------
    AssertionError
        If groups are missing or more, or a coefficient is missing on one side only.
    """
    who = f"{door.label} on {workload.key}"
    if len(table) != workload.groups:
        message = f"{who}: {len(table)} groups instead of {workload.groups}"
        raise AssertionError(message)
    ordered = expected.table[list(KEYS)].merge(table, on=list(KEYS), how="left", validate="one_to_one")
    got = coefficients(ordered, workload, door.suffix)
    if not np.array_equal(np.isnan(got), np.isnan(expected.values)):
        message = f"{who}: {np.isnan(got).sum()} missing coefficients instead of {np.isnan(expected.values).sum()}"
        raise AssertionError(message)
    distance = np.abs(got - expected.values)
    with np.errstate(divide="ignore", invalid="ignore"):  # exact lines may have no error at all
        in_errors = float(np.nanmax(distance / expected.errors))
    return Deltas(
        slope=float(np.nanmax(distance[..., 1:])),
        intercept=float(np.nanmax(distance[..., 0])),
        relative=float(np.nanmax(distance / np.fmax(np.abs(expected.values), expected.errors))),
        in_errors=in_errors,
    )


def refuse(who: str, found: float, tolerance: float, unit: str) -> None:
    """Stop where a table is too far off, or not a number.

    Raises
    ------
    AssertionError
        Naming door and workload.
    """
    if not found <= tolerance:
        message = f"{who}: coefficients are off by {found:.2g} {unit}; {tolerance:g} is allowed"
        raise AssertionError(message)

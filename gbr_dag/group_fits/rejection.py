"""Rejection of rows that lie too many robust scales off, with the scale that they are measured by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Union

import numpy as np

from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.options import CutOptions, HuberOptions
from gbr_dag.tables import FitStatus, FloatArray

FLOOR = 16.0
"""Roundings of the data that a scale is never below. A solver's rounding is no scatter: measured by it, rows with a
large leverage would be thrown out of groups without noise."""

NORMAL_MEDIAN = 0.6744897501960817
"""Median of abs(z) of a standard normal z."""


@dataclass(frozen=True)
class ScaledFit:
    """A fit with what a cut goes by: residuals times the roots of the weights (n,), and their robust scale."""

    fit: GroupFit
    residuals: FloatArray
    scale: float


def fit_with_cut(
    fit: Callable[[GroupRows], ScaledFit], rows: GroupRows, options: Union[HuberOptions, CutOptions]
) -> GroupFit:
    """The fit of the rows that stay when those beyond the cut are rejected, again and again until none is beyond it.

    Every refit starts afresh, and rejected rows do not come back. Rows that are too few without those beyond the cut
    stay together. NOT_CONVERGED tells that the refits were used up, or that the last fit had not settled.
    """
    made = fit(rows)
    if options.sigma_cut is None:
        return made.fit
    kept = np.ones(len(rows.y), dtype=bool)
    used_up, n_refits = 0, 0
    while True:
        stay = np.abs(made.residuals) <= options.sigma_cut * made.scale
        if stay.all() or np.count_nonzero(stay) < max(rows.min_entries, rows.n_coefficients + 1):
            break
        if n_refits == options.max_refits:
            used_up = FitStatus.NOT_CONVERGED.value
            break
        kept[kept] = stay
        made = fit(rows.of(kept))
        n_refits += 1
    n_rejected = int(np.count_nonzero(~kept))
    flags = made.fit.flags | used_up
    return replace(made.fit, flags=flags, n_refits=n_refits, n_rejected=n_rejected, rejected=~kept)


def robust_scale(residuals: FloatArray, floor: float) -> float:
    """Scatter of residuals that a few large ones do not move, at least the floor."""
    return max(float(np.median(np.abs(residuals))) / NORMAL_MEDIAN, floor)


def scale_floor(rows: GroupRows, slopes: FloatArray, v: FloatArray) -> float:
    """What of the scatter about a fit of these slopes (p,) is the rounding of the data.

    ``FLOOR`` times the root of the mean weighted square of the roundings of the target and of each predictor times its
    slope; an aliased predictor, whose slope is NaN, has no part. Targets count with the weights ``v`` (n,) of a robust
    fit: the rounding of a gross outlier is not that of the others.
    """
    columns = np.column_stack([rows.x, np.sqrt(v) * rows.y]) * np.sqrt(rows.w)[:, None]
    moved_by = np.append(np.where(np.isnan(slopes), 0.0, slopes), 1.0)
    roundings = rows.precision * np.abs(moved_by) * np.linalg.norm(columns, axis=0)
    return FLOOR * math.hypot(*roundings) / math.sqrt(len(rows.y))

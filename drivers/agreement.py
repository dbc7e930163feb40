"""How closely two engines must agree: the natural scale of every quantity and the tolerance of every fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.drivers.leaves import Leaf
from gbr_dag.nodes.diagnostics import promised_accuracy
from gbr_dag.tables import Coefficients, Columns, Factors, FloatArray, IntArray
from gbr_dag.triangles import triangle_of

_OF_THE_DESIGN = frozenset(
    {"values", "unit_covariance", "conditioning", "condition", "syy", "r_squared", "mad"}
    | {"row_prediction", "residual"}
)
"""Quantities that a small SSE/Syy does not limit on the scale that they are judged by."""

_ONE = {"r_squared", "pvalues"}
_SQUARED = {"sse", "syy", "chi2", "covariance", "unit_covariance"}
"""Twice the relative difference of their roots, for which the accuracy is promised."""


@dataclass(frozen=True)
class Agreement:
    """What the fits of both sides say of how closely they can agree.

    Attributes
    ----------
    natural : dict of str to array (n_bins, t, ...)
        Natural scale by quantity; what is not there is judged by its own size.
    of_design, of_scatter : float64 arrays (n_bins, t)
        Tolerances, NaN where no accuracy is promised: by q alone, and by min(q, SSE/Syy).
    row_bin : int64 array (n_rows,)
        Bin of every row.
    tolerance : float
        The caller's.
    """

    natural: Mapping[str, FloatArray]
    of_design: FloatArray
    of_scatter: FloatArray
    row_bin: IntArray
    tolerance: float

    def scale(self, leaf: Leaf, left: FloatArray, right: FloatArray) -> FloatArray:
        """What a difference is divided by, in the shape of the leaf."""
        with np.errstate(invalid="ignore"):
            size = np.fmax(np.abs(left), np.abs(right))
        if leaf.quantity in _ONE:
            size = np.fmax(size, 1.0)
        if leaf.quantity in self.natural:
            natural = self._placed(self.natural[leaf.quantity], leaf, 0.0)
            natural = natural.reshape(natural.shape + (1,) * (size.ndim - natural.ndim))
            if leaf.quantity == "row_prediction_error":
                with np.errstate(divide="ignore", invalid="ignore"):
                    natural = natural**2 / size  # what cancels is the sum of the variances' terms
            size = np.fmax(size, natural)
        return size * 2.0 if leaf.quantity in _SQUARED else size

    def tolerances(self, leaf: Leaf) -> npt.NDArray[np.float64]:
        """Largest relative difference that is let pass, in the shape of the leaf; NaN where nothing is promised."""
        per_fit = self.of_design if leaf.quantity in _OF_THE_DESIGN else self.of_scatter
        if leaf.quantity:
            limit = self._placed(per_fit, leaf, self.tolerance)
        else:
            # of the group as a whole no more can be asked than of its worst fit
            limit = self._placed(per_fit.max(axis=1, initial=self.tolerance), leaf, self.tolerance)
        return limit.reshape(limit.shape + (1,) * (leaf.values.ndim - limit.ndim))

    def _placed(self, per_fit: FloatArray, leaf: Leaf, none: float) -> FloatArray:
        """Numbers of the fits laid over a leaf: the table's column, or the fit of every row (``none`` without)."""
        for number in leaf.place[: per_fit.ndim - 1]:
            per_fit = per_fit[:, number]
        if leaf.axis != "row":
            return per_fit
        padded = np.concatenate([per_fit, np.full((1, *per_fit.shape[1:]), none)])
        return padded[self.row_bin]


def agreement_of(
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    factors: tuple[Factors, ...],
    row_bin: IntArray,
    tolerance: float,
) -> Agreement:
    """Scales and tolerances of the fits of two runs; ``factors`` are those of the rows that both took.

    Where one side promises more, its promise holds: an engine that is wrong cannot hide behind a flag of its own.
    Both may be off, so they may differ by twice what is promised. A fit that neither side made is judged by
    ``tolerance``.
    """
    fits: list[Coefficients] = [side["coefficients"] for side in sides]
    by_design = [_design_only(fit) for fit in fits]
    neither = ~np.logical_or.reduce([fit.of_targets(fit.fitted) for fit in fits])
    limits = []
    for records in (by_design, fits):
        promise = np.fmin(*(promised_accuracy(record) for record in records))
        limits.append(np.where(neither, tolerance, np.maximum(tolerance, 2.0 * promise)))
    return Agreement(_natural(sides[0], factors), limits[0], limits[1], row_bin, tolerance)


def _design_only(fit: Coefficients) -> Coefficients:
    """The same with residuals as large as the target's scatter, so that q alone decides."""
    never = np.zeros(fit.constant.shape, dtype=bool)
    return replace(fit, sse=np.ones(fit.sse.shape), syy=np.ones(fit.syy.shape), constant=never)


def _natural(side: Mapping[str, Any], factors: tuple[Factors, ...]) -> dict[str, FloatArray]:
    fit: Coefficients = side["coefficients"]
    squares = np.zeros(fit.sse.shape)
    size, weight = np.zeros(fit.sse.shape), np.zeros(fit.sse.shape)
    values = np.zeros(fit.values.shape)
    for block in factors:
        targets = list(block.targets)
        squares[:, targets], size[:, targets], values[:, targets] = _block_scales(block, fit)
        weight[:, targets] = block.sum_weights[:, None]
    freedom = fit.of_targets(fit.count - fit.rank)
    fitted_size = size + (np.nan_to_num(values[:, :, 0]) if factors[0].intercept else 0.0)
    natural = {"values": values, "low": values, "high": values, "mad": fitted_size}
    natural["row_prediction"] = natural["residual"] = fitted_size
    # what is left of an exact fit is rounding of the whole
    natural["sse"] = natural["chi2"] = np.where(fit.constant, squares, np.where(freedom > 0, 0.0, fit.syy))
    natural["rmse"] = np.sqrt(np.divide(natural["sse"], weight, out=np.zeros(size.shape), where=weight > 0.0))
    natural["syy"] = np.where(fit.constant, squares, 0.0)
    natural["unit_covariance"] = _crossed(fit.of_targets(fit.unit_covariance))
    if side.get("covariance") is not None:
        natural["covariance"] = _crossed(side["covariance"])
        if "row_prediction_error" in side:
            natural["row_prediction_error"] = _reach(
                side["covariance"], side["design"], side["bin_map"].row_bin, factors
            )
    if side.get("confidence_bounds") is not None:
        natural["low"] = natural["high"] = np.fmax(values, np.abs(side["confidence_bounds"]).max(axis=0))
    if side.get("rms") is not None:
        heaviest = fitted_size * np.sqrt(weight)  # no row of the group weighs more
        natural["pull"] = np.divide(heaviest, side["rms"], out=np.zeros(size.shape), where=side["rms"] > 0.0)
    return natural


def _block_scales(block: Factors, fit: Coefficients) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum of w y^2 and root of its mean (n_bins, t), natural scale of the coefficients (n_bins, t, m), of one block.

    Slopes: s_y / s_j; intercept: the target's mean, its error, and what it inherits from the slopes. A constant
    target has no scatter but the rounding of its size, which stands in for it.
    """
    p, targets = block.n_predictors, list(block.targets)
    scatter = np.sum(triangle_of(block) ** 2, axis=1)
    total = np.where(block.count > 0, block.sum_weights, np.nan)[:, None]
    squares = scatter[:, p:] + block.sum_weights[:, None] * block.mean_hi[:, p:] ** 2
    s_y = np.sqrt(np.where(fit.constant[:, targets], squares, scatter[:, p:]))
    s_x = np.sqrt(scatter[:, None, :p])
    slopes = np.divide(s_y[:, :, None], s_x, out=np.zeros((*s_y.shape, p)), where=s_x > 0.0)
    size = np.sqrt(squares / total)
    if not block.intercept:
        return squares, size, slopes
    largest = np.fmax(slopes, np.abs(fit.values[:, targets, 1:]))
    inherited = np.sum(np.abs(block.mean_hi[:, None, :p]) * largest, axis=2)
    own = np.fmax(np.fmax(np.abs(block.mean_hi[:, p:]), s_y / np.sqrt(total)), inherited)
    return squares, size, np.concatenate([own[:, :, None], slopes], axis=2)


def _reach(covariance: FloatArray, design: Columns, row_bin: IntArray, factors: tuple[Factors, ...]) -> FloatArray:
    """Sum of every coefficient's error times the largest size of its column in the group, (n_bins, t)."""
    deviation = np.nan_to_num(np.sqrt(np.einsum("gtmm->gtm", covariance)))
    sizes = [np.ones(len(covariance))] * int(factors[0].intercept)
    for column in design:
        size = np.zeros(len(covariance))
        inside = (row_bin >= 0) & np.isfinite(column)
        np.maximum.at(size, row_bin[inside], np.abs(column[inside]).astype(np.float64))
        sizes.append(size)
    reach: FloatArray = np.einsum("gtm,mg->gt", deviation, np.array(sizes))
    return reach


def _crossed(covariance: FloatArray) -> FloatArray:
    """Roots of the products of variances (..., m, m): what every covariance is at most."""
    deviation = np.sqrt(np.einsum("gtmm->gtm", covariance))
    crossed: FloatArray = deviation[..., :, None] * deviation[..., None, :]
    return crossed


def relative_difference(
    left: npt.NDArray[Any], right: npt.NDArray[Any], scale: Optional[FloatArray] = None
) -> FloatArray:
    """Difference over the scale (the larger of the two without one), 0 where equal or both missing.

    Of integers, booleans and their mixtures the difference itself, at least 1; infinite where one alone is missing
    and for values that cannot be subtracted.
    """
    if left.dtype.kind not in "biuf" or right.dtype.kind not in "biuf":
        return np.where(_same_objects(left, right), 0.0, np.inf)
    equal = left == right
    if "f" not in {left.dtype.kind, right.dtype.kind}:
        apart = np.abs(left.astype(np.float64) - right.astype(np.float64))
        return np.where(equal, 0.0, np.maximum(apart, 1.0))  # neighbours above 2^53 have one float
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = left.astype(np.float64), right.astype(np.float64)
        apart = np.abs(a - b) / (np.fmax(np.abs(a), np.abs(b)) if scale is None else scale)
    apart = np.where(np.isnan(apart), np.inf, apart)
    return np.where(equal | (np.isnan(a) & np.isnan(b)), 0.0, apart)


def _same_objects(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    import pandas as pd

    if left.ndim == 0:
        return np.asarray(bool(left[()] == right[()]) or (left[()] is None and right[()] is None))
    same: npt.NDArray[np.bool_] = np.asarray(left == right, dtype=bool) | (pd.isna(left) & pd.isna(right))
    return same

"""Coefficients from the factors of every bin, by one batched back-substitution."""

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.tables import BoolArray, Coefficients, Factors, FloatArray
from gbr_dag.triangles import back_substituted, inverse_of, triangle_of

_CONSTANT = 32.0
"""Roundoff units of a target's own size below which its scatter is rounding."""


@config.when_in(fitter=["ols", "wls"], engine=["numpy"])
def coefficients__numpy(reduced_factors: tuple[Factors, ...], min_entries: int) -> Coefficients:
    """Coefficients of every bin and target, with the unit covariance and the sums of squares behind their errors.

    Solves R beta = z on the kept columns; the intercept is the target's mean less the slopes times the predictors'
    means, these being hi + lo. Cost O(bins * k^3).
    """
    blocks = [_solved(factors, min_entries) for factors in reduced_factors]
    return Coefficients.joined(blocks, [factors.targets for factors in reduced_factors])


@config.when_in(engine=["numpy", "numba"])
def condition__factors(reduced_factors: tuple[Factors, ...], coefficients: Coefficients) -> FloatArray:
    """Condition number (2-norm) of the centred, weighted design with columns scaled to length 1, (n_bins, t).

    Aliased predictors are left out; 1 without predictors, NaN where nothing was fitted. Rows that a robust fit gives
    less weight to, or rejects, count as they came.
    """
    result = np.full(coefficients.sse.shape, np.nan)
    for factors in reduced_factors:
        # fits from rows have a block for every target, whichever share their factors
        block = coefficients.block_of[factors.targets[0]]
        p = factors.n_predictors
        root = triangle_of(factors)[:, :p, :p]
        length = np.linalg.norm(root, axis=1)
        root /= np.where(length == 0.0, 1.0, length)[:, None, :]
        spectrum = np.linalg.svd(root, compute_uv=False)
        n_kept = coefficients.rank[:, block] - factors.intercept
        smallest = np.take_along_axis(spectrum, np.maximum(n_kept - 1, 0)[:, None], axis=1)[:, 0] if p else n_kept
        largest = spectrum.max(axis=1, initial=0.0)
        number = np.divide(largest, smallest, out=np.ones(len(n_kept)), where=n_kept > 0)
        number[~coefficients.fitted[:, block]] = np.nan
        result[:, factors.targets] = number[:, None]
    return result


def _solved(factors: Factors, min_entries: int) -> Coefficients:
    """The fits of one block."""
    p = factors.n_predictors
    triangle = triangle_of(factors)
    kept = factors.kept if factors.kept is not None else np.ones((len(triangle), p), dtype=bool)
    root = triangle[:, :p, :p]
    slopes = back_substituted(root, triangle[:, :p, p:])
    inverse = inverse_of(root)
    scatter = np.sum(triangle**2, axis=1)
    syy = scatter[:, p:]
    squared_size = syy + factors.sum_weights[:, None] * factors.mean_hi[:, p:] ** 2
    rounding = (_CONSTANT * factors.precision[p:]) ** 2 * squared_size
    inflation = np.sum(scatter[:, :p] * np.sum(inverse**2, axis=2), axis=1)
    n_kept = kept.sum(axis=1)
    values, unit_covariance = _parameters(factors, slopes, inverse, kept)
    result = Coefficients(
        values=values,
        sse=np.sum(triangle[:, p:, p:] ** 2, axis=1),
        syy=syy,
        constant=syy <= rounding,
        unit_covariance=unit_covariance[:, None],
        count=factors.count[:, None],
        rank=(n_kept + factors.intercept)[:, None],
        conditioning=np.divide(1.0, n_kept * inflation, out=np.ones(len(n_kept)), where=n_kept > 0)[:, None],
        block_of=(0,) * len(factors.targets),
    )
    return result.without_bins(factors.count < min_entries)


def _parameters(
    factors: Factors, slopes: FloatArray, inverse: FloatArray, kept: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """All coefficients (n_bins, t, m) and (X'WX)^-1 (n_bins, m, m), the intercept first; NaN where aliased."""
    p, c = factors.n_predictors, int(factors.intercept)
    n_bins, m = len(kept), factors.n_predictors + c
    values = np.empty((n_bins, slopes.shape[2], m))
    unit_covariance = np.empty((n_bins, m, m))
    values[:, :, c:] = np.swapaxes(slopes, 1, 2)
    unit_covariance[:, c:, c:] = inverse @ np.swapaxes(inverse, 1, 2)
    if c:
        hi, lo = factors.mean_hi, factors.mean_lo
        values[:, :, 0] = (hi[:, p:] - np.einsum("gp,gpt->gt", hi[:, :p], slopes)) + (
            lo[:, p:] - np.einsum("gp,gpt->gt", lo[:, :p], slopes)
        )
        # the variance at the origin is 1 / sum(w) + |R'^-1 mean|^2, a sum of squares: nothing cancels
        leverage = np.einsum("gij,gi->gj", inverse, hi[:, :p])
        weights = np.where(factors.count > 0, factors.sum_weights, np.nan)
        unit_covariance[:, 0, 0] = 1.0 / weights + np.sum(leverage**2, axis=1)
        unit_covariance[:, 0, c:] = -np.einsum("gij,gj->gi", inverse, leverage)
        unit_covariance[:, c:, 0] = unit_covariance[:, 0, c:]
    aliased = np.concatenate([np.zeros((n_bins, c), dtype=bool), ~kept], axis=1)
    values[np.broadcast_to(aliased[:, None, :], values.shape)] = np.nan
    unit_covariance[aliased[:, :, None] | aliased[:, None, :]] = np.nan
    return values, unit_covariance

"""The rank rule: predictors that are linear combinations of earlier ones, up to the rounding of their own data."""

from dataclasses import replace

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.tables import Factors, FloatArray
from gbr_dag.triangles import triangle_of, with_triangle, without_column

TOLERANCE = 32.0
"""Roundoff units of the data below which a pivot is noise. R's 1e-7 would drop x = 1e6 +- 1e-3 and NIST's Filip."""


@config.when(engine="numpy")
def reduced_factors__numpy(window_factors: tuple[Factors, ...]) -> tuple[Factors, ...]:
    """Factors without aliased predictors, whose leftover rows are put back into the rows below.

    Predictor j is aliased if sqrt(D_j) <= 32 eps sqrt(S_j + sum_i U_ij^2 S_i), S the weighted sum of squares about
    zero and i over the intercept and the kept earlier predictors, each with the eps of the dtype it came in; or
    if there are no more rows than kept columns before it. The pivots of aliased predictors are 0.
    """
    return tuple(_reduced(factors) for factors in window_factors)


def _reduced(factors: Factors) -> Factors:
    p = factors.n_predictors
    kept = np.ones((len(factors.records), p), dtype=bool)
    triangle = triangle_of(factors)
    rounding, from_intercept = _rounding(factors, triangle)
    for j in range(p):
        pivots = np.einsum("gii->gi", triangle[:, :j, :j])
        earlier = triangle[:, :j, j] / np.where(pivots == 0.0, 1.0, pivots)
        tolerance = TOLERANCE * np.sqrt(
            rounding[:, j] + from_intercept[:, j] + np.sum(earlier * rounding[:, :j] * earlier, axis=1)
        )
        rank = kept[:, :j].sum(axis=1) + factors.intercept
        aliased = (np.abs(triangle[:, j, j]) <= tolerance) | (rank >= factors.count)
        kept[:, j] = ~aliased
        if aliased.any():
            triangle[aliased] = without_column(triangle[aliased], j)
    return replace(factors, kept=kept) if kept.all() else with_triangle(factors, triangle, kept)


def _rounding(factors: Factors, triangle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Squared rounding of every column's data, eps^2 sum(w x^2), and the intercept's share of it, (n_bins, k) each."""
    mean_square = factors.sum_weights[:, None] * factors.mean_hi**2
    own = factors.precision**2 * (np.sum(triangle**2, axis=1) + mean_square)
    return own, np.finfo(np.float64).eps ** 2 * mean_square

"""The rank rule at its bound, on factors made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gbr_dag.nodes.rank import reduced_factors__numpy as reduced_factors
from gbr_dag.tables import Factors

EPS = np.finfo(np.float64).eps


def two_predictors(pivot: float, *, count: int = 10, intercept: bool = True, precision: float = EPS) -> Factors:
    """Means 3 and 4, sum of weights 5, first pivot 2, U_01 = 0.5; the second pivot is given; a target of pivot 1."""
    unit_rows = np.eye(3)[None].copy()
    unit_rows[0, 0, 1] = 0.5
    unit_rows[0, 1, 2] = 7.0
    return Factors(
        targets=(0,),
        count=np.array([count]),
        sum_weights=np.array([5.0]),
        mean_hi=np.array([[3.0, 4.0, 0.0]]) * intercept,
        mean_lo=np.zeros((1, 3)),
        pivots=np.array([[2.0, pivot, 1.0]]),
        unit_rows=unit_rows,
        precision=np.array([EPS, precision, EPS]),
        intercept=intercept,
    )


def bound(*, intercept: bool, precision: float = EPS) -> float:
    """32 sqrt(eps_1^2 S_1 + eps^2 U^2 S_0 + eps^2 mean_1^2 sum(w)), S about zero, written out."""
    of_mean = 5.0 if intercept else 0.0
    first, second = 2.0 + of_mean * 9.0, 2.0 * 0.25 + of_mean * 16.0
    return 32.0 * np.sqrt(precision**2 * second + EPS**2 * 0.25 * first + EPS**2 * of_mean * 16.0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("precision", [EPS, np.finfo(np.float32).eps])
def test_a_pivot_is_noise_up_to_the_bound(intercept, precision):
    limit = bound(intercept=intercept, precision=precision)
    for factor, kept in ((1.001, True), (0.999, False)):
        pivot = (factor * limit) ** 2
        (reduced,) = reduced_factors((two_predictors(pivot, intercept=intercept, precision=precision),))
        assert reduced.kept.tolist() == [[True, kept]]
        # what the aliased column leaves is found again in the target's pivot
        expected = 1.0 if kept else 1.0 + pivot * 49.0
        np.testing.assert_allclose(reduced.pivots[0, 2], expected, rtol=1e-12)
        assert bool(reduced.pivots[0, 1] == 0.0) is not kept


@pytest.mark.parametrize(("count", "kept"), [(1, [False, False]), (2, [True, False]), (3, [True, True])])
def test_no_more_columns_than_rows_are_kept(count, kept):
    (reduced,) = reduced_factors((two_predictors(1.0, count=count),))
    assert reduced.kept.tolist() == [kept]


def test_the_leftover_row_decides_about_the_next_column():
    """All that the third predictor has beyond the first lies in the row of the second, which is noise."""
    unit_rows = np.eye(4)[None].copy()
    unit_rows[0, 0, 1], unit_rows[0, 1, 2] = 0.5, 5.0e20
    factors = Factors(
        targets=(0,),
        count=np.array([10]),
        sum_weights=np.array([5.0]),
        mean_hi=np.zeros((1, 4)),
        mean_lo=np.zeros((1, 4)),
        pivots=np.array([[2.0, 1e-40, 0.0, 1.0]]),
        unit_rows=unit_rows,
        precision=np.full(4, EPS),
        intercept=True,
    )
    (reduced,) = reduced_factors((factors,))
    assert reduced.kept.tolist() == [[True, False, True]]
    np.testing.assert_allclose(reduced.pivots, [[2.0, 0.0, 25.0, 1.0]], rtol=1e-12)

"""The rank rule at its bound, on factors made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gbr_dag.nodes.compiled import reduced_factors__numba
from gbr_dag.nodes.rank import reduced_factors__numpy
from gbr_dag.tables import Factors, record_width
from gbr_dag.triangles import triangle_of, with_triangle

EPS = np.finfo(np.float64).eps


@pytest.fixture(params=["numpy", "numba"])
def reduced_factors(request: pytest.FixtureRequest) -> Callable[[tuple[Factors, ...]], tuple[Factors, ...]]:
    """The node of both engines that work on factors."""
    return reduced_factors__numpy if request.param == "numpy" else lambda factors: reduced_factors__numba(factors, 1)


def made_factors(
    pivots: list[float],
    unit_rows: np.ndarray,
    means: list[float],
    *,
    count: int,
    intercept: bool,
    precision: list[float],
) -> Factors:
    """One bin and one target; sum of weights 5."""
    k = len(pivots)
    records = np.zeros((1, record_width(k - 1, k)))
    records[0, :2] = count, 5.0
    records[0, 2 : 2 + k] = means
    empty = Factors((0,), records, np.array(precision), intercept)
    return with_triangle(empty, np.sqrt(pivots)[None, :, None] * unit_rows)


def two_predictors(pivot: float, *, count: int = 10, intercept: bool = True, precision: float = EPS) -> Factors:
    """Means 3 and 4, sum of weights 5, first pivot 2, U_01 = 0.5; the second pivot is given; a target of pivot 1."""
    unit_rows = np.eye(3)[None].copy()
    unit_rows[0, 0, 1] = 0.5
    unit_rows[0, 1, 2] = 7.0
    means = [3.0 * intercept, 4.0 * intercept, 0.0]
    return made_factors(
        [2.0, pivot, 1.0], unit_rows, means, count=count, intercept=intercept, precision=[EPS, precision, EPS]
    )


def pivots_of(factors: Factors) -> np.ndarray:
    return np.diagonal(triangle_of(factors)[0]) ** 2


def bound(*, intercept: bool, precision: float = EPS) -> float:
    """32 sqrt(eps_1^2 S_1 + eps^2 U^2 S_0 + eps^2 mean_1^2 sum(w)), S about zero, written out."""
    of_mean = 5.0 if intercept else 0.0
    first, second = 2.0 + of_mean * 9.0, 2.0 * 0.25 + of_mean * 16.0
    return 32.0 * np.sqrt(precision**2 * second + EPS**2 * 0.25 * first + EPS**2 * of_mean * 16.0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("precision", [EPS, np.finfo(np.float32).eps])
def test_a_pivot_is_noise_up_to_the_bound(reduced_factors, intercept, precision):
    limit = bound(intercept=intercept, precision=precision)
    for factor, kept in ((1.001, True), (0.999, False)):
        pivot = (factor * limit) ** 2
        (reduced,) = reduced_factors((two_predictors(pivot, intercept=intercept, precision=precision),))
        assert reduced.kept.tolist() == [[True, kept]]
        # what the aliased column leaves is found again in the target's pivot
        expected = 1.0 if kept else 1.0 + pivot * 49.0
        np.testing.assert_allclose(pivots_of(reduced)[2], expected, rtol=1e-12)
        assert bool(pivots_of(reduced)[1] == 0.0) is not kept


@pytest.mark.parametrize(("count", "kept"), [(1, [False, False]), (2, [True, False]), (3, [True, True])])
def test_no_more_columns_than_rows_are_kept(reduced_factors, count, kept):
    (reduced,) = reduced_factors((two_predictors(1.0, count=count),))
    assert reduced.kept.tolist() == [kept]


def test_the_leftover_row_decides_about_the_next_column(reduced_factors):
    """All that the third predictor has beyond the first lies in the row of the second, which is noise."""
    unit_rows = np.eye(4)[None].copy()
    unit_rows[0, 0, 1], unit_rows[0, 1, 2] = 0.5, 5.0e20
    factors = made_factors([2.0, 1e-40, 0.0, 1.0], unit_rows, [0.0] * 4, count=10, intercept=True, precision=[EPS] * 4)
    (reduced,) = reduced_factors((factors,))
    assert reduced.kept.tolist() == [[True, False, True]]
    np.testing.assert_allclose(pivots_of(reduced), [2.0, 0.0, 25.0, 1.0], rtol=1e-12)

"""Stacks of small triangular factors, against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from gbr_dag.triangles import back_substituted, inverse_of, unit_factor, without_column


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(7, 12, 4))


def gram(triangle: np.ndarray) -> np.ndarray:
    return np.swapaxes(triangle, 1, 2) @ triangle


def test_the_unit_factor_keeps_the_gram_matrix(rows):
    triangle = np.linalg.qr(rows, mode="r")
    pivots, unit_rows = unit_factor(triangle)
    np.testing.assert_allclose(gram(np.sqrt(pivots)[:, :, None] * unit_rows), gram(rows), rtol=1e-12, atol=1e-12)
    assert (np.einsum("njj->nj", unit_rows) == 1.0).all()


@pytest.mark.parametrize("j", range(4))
def test_a_zero_pivot_loses_nothing(rows, j):
    """A column of zeros leaves a zero pivot whose row still holds part of the later columns."""
    rows[:, :, j] = 0.0
    triangle = np.linalg.qr(rows, mode="r")
    pivots, unit_rows = unit_factor(triangle)
    np.testing.assert_allclose(gram(np.sqrt(pivots)[:, :, None] * unit_rows), gram(rows), rtol=1e-12, atol=1e-12)
    assert (pivots[:, j] == 0).all()


@pytest.mark.parametrize("j", range(4))
def test_a_zero_pivot_keeps_what_its_column_holds_above(rows, j):
    """A column that is an exact combination of earlier ones has no pivot, but it has coefficients."""
    triangle = np.linalg.qr(rows, mode="r")
    triangle[:, j, j] = 0.0
    pivots, unit_rows = unit_factor(triangle)
    np.testing.assert_allclose(gram(np.sqrt(pivots)[:, :, None] * unit_rows), gram(triangle), rtol=1e-12, atol=1e-12)
    assert (unit_rows[:, :j, j] != 0.0).all()
    assert (pivots[:, j] == 0).all()


@pytest.mark.parametrize("j", range(4))
def test_without_a_column_the_rest_is_whole(rows, j):
    reduced = without_column(np.linalg.qr(rows, mode="r"), j)
    rows[:, :, j] = 0.0
    np.testing.assert_allclose(gram(reduced), gram(rows), rtol=1e-12, atol=1e-12)
    assert (np.tril(reduced, -1) == 0).all()
    assert (reduced[:, j] == 0).all()


def test_solutions_and_inverses_skip_zero_pivots(rows):
    triangle = without_column(np.linalg.qr(rows, mode="r"), 1)
    keep = [0, 2, 3]
    small = triangle[:, keep][:, :, keep]
    right = np.random.default_rng(3).normal(size=(7, 4, 2))
    solution = back_substituted(triangle, right)
    np.testing.assert_allclose(solution[:, keep], np.linalg.solve(small, right[:, keep]), rtol=1e-10)
    assert (solution[:, 1] == 0).all()
    inverse = inverse_of(triangle)
    np.testing.assert_allclose(inverse[:, keep][:, :, keep], np.linalg.inv(small), rtol=1e-10, atol=1e-12)
    assert (inverse[:, 1] == 0).all()
    assert (inverse[:, :, 1] == 0).all()

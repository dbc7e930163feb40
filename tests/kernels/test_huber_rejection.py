"""What Huber fits of bins reject, and what they keep: the floor of the scale, the cut and its refits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.huber import ARRAYS, DOUBLE, SINGLE, exact, fitted, groups, masked, noise_free


@pytest.mark.parametrize("sigma_cut", [None, 2.0])
def test_groups_without_noise_lose_no_rows(sigma_cut):
    fits = fitted(*noise_free(), sigma_cut=sigma_cut)
    np.testing.assert_allclose(fits.values[:, 0], np.tile([2.0, 1.1], (60, 1)), rtol=1e-13)
    assert np.all(fits.n_rejected == 0)
    assert np.all(fits.count == 5)
    assert fits.at_floor.all()
    assert not fits.not_converged.any()
    if sigma_cut is not None:
        assert not fits.rejected.any()


def test_floor_counts_the_rounding_of_single_precision():
    # the targets are exact in single precision only: their rounding is no outlier
    rng = np.random.default_rng(2)
    x = rng.normal(size=300)
    y = (2.0 + 1.1 * x).astype(np.float32)
    row_bin = np.repeat(np.arange(60), 5)
    w = np.ones(300)
    fits = fitted([x], [y], w, row_bin, sigma_cut=2.0, precision=np.array([DOUBLE, SINGLE]))
    assert fits.at_floor.all()
    assert np.all(fits.n_rejected == 0)
    squares = SINGLE**2 * np.sum(y.reshape(60, 5).astype(float) ** 2, axis=1)
    np.testing.assert_allclose(fits.scale[:, 0], 16.0 * np.sqrt(squares / 5.0), rtol=1e-12)
    fits = fitted([x.astype(np.float32)], [y], w, row_bin, sigma_cut=2.0, precision=np.array([SINGLE, SINGLE]))
    squares += (1.1 * SINGLE) ** 2 * np.sum(x.reshape(60, 5) ** 2, axis=1)
    np.testing.assert_allclose(fits.scale[:, 0], 16.0 * np.sqrt(squares / 5.0), rtol=1e-6)
    assert np.any(fitted([x], [y], w, row_bin, sigma_cut=2.0).n_rejected > 0)


def test_rejection_goes_on_until_no_row_is_beyond_the_cut():
    x, y, w = masked()
    fits = fitted([x], [y], w, np.zeros(30), sigma_cut=4.0)
    kept, rounds = np.ones(30, dtype=bool), -1
    beyond = kept
    while beyond.any():
        _, covariance, scale, r = exact([x[kept]], y[kept], w[kept])
        beyond = np.abs(r) > 4.0 * scale
        kept[np.flatnonzero(kept)[beyond]] = False
        rounds += 1
    assert rounds >= 2
    assert fits.n_refits[0, 0] == rounds
    np.testing.assert_array_equal(fits.rejected[:, 0], ~kept)
    assert fits.n_rejected[0, 0] == np.sum(~kept)
    assert fits.count[0, 0] == kept.sum()
    assert not fits.not_converged[0, 0]
    # everything is that of the rows that are left
    alone = fitted([x[kept]], [y[kept]], w[kept], np.zeros(kept.sum()))
    for name in set(ARRAYS) - {"n_refits", "n_rejected"}:
        np.testing.assert_array_equal(getattr(fits, name), getattr(alone, name), name)
    np.testing.assert_allclose(fits.unit_covariance[0, 0], covariance.astype(float), rtol=1e-9)
    np.testing.assert_allclose(fits.scale[0, 0], float(scale), rtol=1e-9)


@pytest.mark.parametrize("max_refits", [0, 1])
def test_too_few_refits_are_flagged(max_refits):
    x, y, w = masked()
    fits = fitted([x], [y], w, np.zeros(30), sigma_cut=4.0, max_refits=max_refits)
    assert fits.n_refits[0, 0] == max_refits
    assert fits.not_converged[0, 0]
    assert (fits.n_rejected[0, 0] > 0) == (max_refits > 0)


@pytest.mark.parametrize(("min_entries", "made"), [(1, True), (9, True), (10, False)])
def test_no_rejection_leaves_too_few_rows(min_entries, made):
    rng = np.random.default_rng(0)
    y = np.append(rng.normal(size=9), 1e3)
    fits = fitted([], [y], np.ones(10), np.zeros(10), sigma_cut=5.0, min_entries=min_entries)
    assert fits.count[0, 0] == 10 - made
    assert fits.rejected[9, 0] == made
    assert not fits.not_converged[0, 0]
    # and not fewer than one more than there are coefficients
    x, y = np.arange(4.0), np.array([0.0, 1.0, 2.0 + 1e-9, 3e6])
    few = fitted([x, x**2], [y], np.ones(4), np.zeros(4), sigma_cut=1e-6)
    assert few.n_rejected[0, 0] == 0
    assert not few.not_converged[0, 0]


def test_targets_lose_rows_of_their_own():
    x, y, w, row_bin = groups(2, 3, np.random.default_rng(12), n_bins=5)
    together = fitted(x, y, w, row_bin, sigma_cut=3.0)
    assert together.rejected.any(axis=0).all()
    for j in range(3):
        alone = fitted(x, [y[j]], w, row_bin, sigma_cut=3.0)
        for name in [*ARRAYS, "rejected"]:
            np.testing.assert_array_equal(getattr(together, name)[:, j], getattr(alone, name)[:, 0], name)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [0, 1, 2])
def test_targets_without_scatter(p, intercept):
    rng = np.random.default_rng(p)
    x, w = [rng.normal(size=20) for _ in range(p)], rng.uniform(0.5, 2.0, 20)
    zero, level = np.zeros(20), np.full(20, 0.1)
    fits = fitted(x, [zero, level], w, np.zeros(20), sigma_cut=1.0, intercept=intercept)
    np.testing.assert_array_equal(fits.values[0, 0], 0.0)
    assert fits.scale[0, 0] == 0.0
    assert fits.at_floor[0, 0]
    np.testing.assert_array_equal(fits.unit_covariance[0, 0], 0.0)
    assert fits.constant[0].tolist() == [True, intercept]
    if intercept:
        np.testing.assert_allclose(fits.values[0, 1, 0], 0.1, rtol=1e-15)
        np.testing.assert_allclose(fits.values[0, 1, 1:], 0.0, atol=1e-16)
        assert fits.at_floor[0, 1]
        assert not fits.rejected.any()
    assert not fits.not_converged.any()


def test_identical_rows():
    x, y, w = np.full(9, 0.3), np.full(9, 0.7), np.full(9, 0.1)
    fits = fitted([x], [y], w, np.zeros(9), sigma_cut=1.0)
    assert fits.rank[0, 0] == 1
    np.testing.assert_allclose(fits.values[0, 0], [0.7, np.nan], rtol=1e-15)
    assert fits.n_rejected[0, 0] == 0
    assert fits.conditioning[0, 0] == 1.0

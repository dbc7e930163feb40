"""Huber fits of bins, against statsmodels group by group and the same mathematics in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from gbr_dag.kernels.counting_sort import counting_sort
from gbr_dag.kernels.huber import huber_fits
from tests.oracles.huber import ARRAYS, DOUBLE, LONG, SINGLE, errors, exact, fitted, groups, same_bits


@pytest.mark.parametrize("t", [1, 2])
@pytest.mark.parametrize("p", [0, 1, 2, 3])
@pytest.mark.parametrize("intercept", [True, False])
def test_statsmodels_agrees(p, t, intercept):
    if p == 0 and not intercept:
        pytest.skip("nothing to fit")
    x, y, w, row_bin = groups(p, t, np.random.default_rng(10 * p + t))
    fits = fitted(x, y, w, row_bin, intercept=intercept)
    assert not fits.not_converged.any()
    assert not fits.at_floor.any()
    assert fits.rejected is None
    assert np.all(fits.rank == p + intercept)
    for b in range(12):
        rows = row_bin == b
        root = np.sqrt(w[rows])
        design = root[:, None] * np.stack([np.ones(rows.sum())] * intercept + [column[rows] for column in x], axis=1)
        hat = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
        for j in range(t):
            target = root * y[j][rows]
            rlm = sm.RLM(target, design, M=sm.robust.norms.HuberT()).fit(conv="coefs", tol=1e-12, maxiter=1000)
            # 1e-8: both iterations end where steps are 1e-12 of the scale
            np.testing.assert_allclose((fits.values[b, j] - rlm.params) / rlm.bse, 0.0, atol=1e-8)
            np.testing.assert_allclose(fits.scale[b, j], rlm.scale, rtol=1e-8)
            covariance = fits.scale[b, j] ** 2 * fits.unit_covariance[b, j]
            np.testing.assert_allclose(covariance, rlm.bcov_scaled, rtol=1e-8)
            np.testing.assert_allclose(fits.sse[b, j], rlm.resid @ rlm.resid, rtol=1e-8)
            centre = np.average(y[j][rows], weights=w[rows]) if intercept else 0.0
            np.testing.assert_allclose(fits.syy[b, j], w[rows] @ (y[j][rows] - centre) ** 2, rtol=1e-12)
            np.testing.assert_allclose(fits.leverage[b, j], hat.max(), rtol=1e-12)
            assert fits.count[b, j] == rows.sum()
            assert not fits.constant[b, j]


@pytest.mark.parametrize("tuning", [0.7, 3.0])
def test_other_tunings(tuning):
    x, y, w, row_bin = groups(2, 1, np.random.default_rng(3), n_bins=4)
    fits = fitted(x, y, w, row_bin, tuning=tuning)
    for b in range(4):
        rows = row_bin == b
        beta, covariance, scale, _ = exact([c[rows] for c in x], y[0][rows], w[rows], tuning=tuning)
        np.testing.assert_allclose(fits.values[b, 0], beta.astype(float), rtol=1e-9)
        np.testing.assert_allclose(fits.unit_covariance[b, 0], covariance.astype(float), rtol=1e-9)
        np.testing.assert_allclose(fits.scale[b, 0], float(scale), rtol=1e-9)


@pytest.mark.parametrize(("offset", "closeness"), [(1e8, 1e-3), (1e3, 1e-6)])
def test_accuracy_of_ill_conditioned_groups(offset, closeness):
    # the error is that of QR, condition times roundoff; by normal equations it would be 1e3 to 1e6 times that
    rng = np.random.default_rng(5)
    n, n_bins = 40 * 5, 5
    row_bin = np.repeat(np.arange(n_bins), 40)
    first = offset + rng.normal(size=n)
    x = [first, first + closeness * rng.normal(size=n)]
    w = 10.0 ** rng.uniform(-1.0, 1.0, n)
    y = [offset + 2.0 * rng.normal(size=n) * (1.0 + 9.0 * (rng.random(n) < 0.1))]
    fits = fitted(x, y, w, row_bin, tol=1e-14)
    assert np.all(fits.rank == 3)
    assert not fits.not_converged.any()
    for b in range(n_bins):
        rows = row_bin == b
        *shifted, target = [column[rows].astype(LONG) - LONG(offset) for column in (*x, *y)]  # exact
        beta, covariance, scale, _ = exact(shifted, target, w[rows])
        bse = np.sqrt(np.diag(covariance)).astype(float) * float(scale)
        bound = 4.0 * DOUBLE / closeness
        assert np.all(np.abs(fits.values[b, 0, 1:] - beta[1:].astype(float)) <= bound * bse[1:])
        np.testing.assert_allclose(errors(fits, b)[1:], bse[1:], rtol=bound)
        intercept = float(beta[0] + LONG(offset) * (1 - beta[1] - beta[2]))
        size = offset * float(np.abs(beta[1:]).max())
        assert abs(fits.values[b, 0, 0] - intercept) <= bound * offset * bse[1:].max() + 8.0 * DOUBLE * size
        length = np.sqrt(np.sum(w[rows] * (first[rows] - np.average(first[rows], weights=w[rows])) ** 2))
        assert 0.1 < fits.conditioning[b, 0] / closeness**2 * np.sum(w[rows]) / length**2 / 0.25 < 10.0


@pytest.mark.parametrize("intercept", [True, False])
def test_infinite_tuning_is_least_squares(intercept):
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(8))
    fits = fitted(x, y, w, row_bin, intercept=intercept, tuning=np.inf)
    m = 2 + intercept
    for b in range(12):
        rows = row_bin == b
        root = np.sqrt(w[rows])
        design = np.stack([np.ones(rows.sum())] * intercept + [c[rows] for c in x], axis=1) * root[:, None]
        centred = np.stack([root * (c[rows] - intercept * np.average(c[rows], weights=w[rows])) for c in x], axis=1)
        inflations = np.diag(np.linalg.inv(centred.T @ centred)) * np.sum(centred**2, axis=0)
        for j in range(2):
            beta, sse, *_ = np.linalg.lstsq(design, root * y[j][rows], rcond=None)
            np.testing.assert_allclose(fits.values[b, j], beta, rtol=1e-11)
            np.testing.assert_allclose(fits.sse[b, j], sse[0], rtol=1e-12)
            covariance = sse[0] / (rows.sum() - m) * np.linalg.inv(design.T @ design)
            np.testing.assert_allclose(fits.scale[b, j] ** 2 * fits.unit_covariance[b, j], covariance, rtol=1e-10)
            np.testing.assert_allclose(fits.conditioning[b, j], 1.0 / (2.0 * inflations.sum()), rtol=1e-10)
            mad = np.median(np.abs(root * y[j][rows] - design @ beta)) / 0.6744897501960817
            np.testing.assert_allclose(fits.scale[b, j], mad, rtol=1e-10)
    assert not fits.not_converged.any()


def test_dependent_predictors_are_left_out():
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(21), n_bins=4)
    dependent = [x[0], np.full(len(w), 7.0), 1e9 + 2.0 * x[0], x[1], x[0] - 3.0 * x[1]]
    # beside an offset of 1e9 the second half of x[0] is rounding: 1e9 + 2 x[0] is another predictor than x[0]
    fits = fitted(dependent, y, w, row_bin, precision=np.array([DOUBLE] * 7))
    alone = fitted(x, y, w, row_bin)
    assert np.all(fits.rank == 3)
    np.testing.assert_allclose(fits.values[:, :, [0, 1, 4]], alone.values, rtol=1e-11)
    kept = np.ix_(range(4), range(2), [0, 1, 4], [0, 1, 4])
    np.testing.assert_allclose(fits.unit_covariance[kept], alone.unit_covariance, rtol=1e-11)
    assert np.isnan(fits.values[:, :, [2, 3, 5]]).all()
    assert np.isnan(fits.unit_covariance[:, :, [2, 3, 5]]).all()
    assert np.isnan(fits.unit_covariance[:, :, :, [2, 3, 5]]).all()
    for name in ("conditioning", "scale", "sse", "leverage"):
        np.testing.assert_allclose(getattr(fits, name), getattr(alone, name), rtol=1e-11)


def test_dependence_up_to_single_precision():
    rng = np.random.default_rng(1)
    first = rng.normal(size=50).astype(np.float32)
    second = (np.float32(0.1) * first).astype(np.float32)
    y, w = rng.normal(size=50), np.ones(50)
    single = fitted([first, second], [y], w, np.zeros(50), precision=np.array([SINGLE, SINGLE, DOUBLE]))
    assert single.rank[0, 0] == 2
    # all columns in double precision but the earlier one: its rounding counts in the later one's
    mixed = fitted([first, second], [y], w, np.zeros(50), precision=np.array([SINGLE, DOUBLE, DOUBLE]))
    assert mixed.rank[0, 0] == 2
    assert fitted([first, second], [y], w, np.zeros(50)).rank[0, 0] == 3


def test_level_predictor_is_the_intercept_up_to_the_rounding_of_its_mean():
    rng = np.random.default_rng(2)
    level, w = 1e6 / 3.0 * (1.0 + DOUBLE * rng.integers(0, 3, 23)), rng.uniform(0.5, 2.0, 23)
    fits = fitted([level], [rng.normal(size=23)], w, np.zeros(23), precision=np.array([0.0, DOUBLE]))
    assert fits.rank[0, 0] == 1


def test_no_more_columns_than_rows():
    # of predictors that would have no rounding what is left beyond the rows is still nothing
    rng = np.random.default_rng(3)
    x, y = [rng.normal(size=2) for _ in range(5)], [rng.normal(size=2)]
    for intercept in (True, False):
        fits = fitted(x, y, np.ones(2), np.zeros(2), intercept=intercept, precision=np.append(np.zeros(5), DOUBLE))
        assert fits.rank[0, 0] == 2


def test_rows_that_are_not_used_do_not_enter():
    x, y, w, row_bin = groups(1, 1, np.random.default_rng(13), n_bins=6)
    used = np.random.default_rng(0).random(len(w)) < 0.7
    row_bin[:5] = -1
    for column in (x[0], y[0], w):
        column[~used] = np.nan
    fits = fitted(x, y, w, row_bin, used=used, sigma_cut=3.0)
    alone = fitted([x[0][used]], [y[0][used]], w[used], row_bin[used], sigma_cut=3.0)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(fits, name), getattr(alone, name), name)
    np.testing.assert_array_equal(fits.rejected[used], alone.rejected)
    assert not fits.rejected[~used].any()


def test_saturated_and_insufficient_bins():
    rng = np.random.default_rng(7)
    sizes = [0, 1, 2, 3, 4, 5]
    row_bin = np.repeat(np.arange(6), sizes)
    x, y = [rng.normal(size=15) for _ in range(2)], [rng.normal(size=15)]
    w = rng.uniform(0.5, 2.0, 15)
    fits = fitted(x, y, w, row_bin, n_bins=6, sigma_cut=1.0, min_entries=2)
    assert fits.count[:2, 0].tolist() == [0, 1]
    assert fits.rank[:, 0].tolist() == [0, 0, 2, 3, 3, 3]
    for name in ("values", "unit_covariance", "scale", "sse", "syy", "conditioning", "leverage"):
        assert np.isnan(getattr(fits, name)[:2]).all(), name
    for name in ("constant", "at_floor", "not_converged", "n_refits", "n_rejected"):
        assert not getattr(fits, name)[:4].any(), name
    assert np.isnan(fits.values[2, 0]).tolist() == [False, False, True]
    assert np.isnan(fits.scale[2:4]).all()
    assert np.isfinite(fits.scale[4:]).all()
    rows = row_bin == 3
    design = np.stack([np.ones(3), x[0][rows], x[1][rows]], axis=1)
    np.testing.assert_allclose(design @ fits.values[3, 0], y[0][rows], rtol=1e-12)
    inverse = np.linalg.inv(design.T @ (w[rows][:, None] * design))
    np.testing.assert_allclose(fits.unit_covariance[3, 0], inverse, rtol=1e-10)
    np.testing.assert_allclose(fits.leverage[2:4], 1.0, rtol=1e-14)
    assert fits.sse[3, 0] < 1e-25


def test_threads_do_not_show():
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(18), n_bins=250)
    options = {"sigma_cut": 3.0, "n_bins": 260}  # with empty bins
    one = fitted(x, y, w, row_bin, threads=1, **options)
    same_bits(one, fitted(x, y, w, row_bin, threads=3, **options))
    assert one.n_rejected.sum() > 100


def test_ranges_of_bins_do_not_show(monkeypatch):
    x, y, w, row_bin = groups(1, 1, np.random.default_rng(19), n_bins=30)
    whole = fitted(x, y, w, row_bin, sigma_cut=3.0)
    monkeypatch.setattr("gbr_dag.kernels.huber._ROWS_PER_CALL", 70)
    same_bits(whole, fitted(x, y, w, row_bin, sigma_cut=3.0))


def test_columns_of_any_number_type_that_may_not_be_written():
    rng = np.random.default_rng(20)
    n = 120
    row_bin = np.repeat(np.arange(4), 30).astype(np.int32)
    x = [rng.integers(-9, 9, n), rng.normal(size=n).astype(np.float32), rng.random(n) < 0.5]
    y = [rng.integers(0, 50, n).astype(np.int8), rng.normal(size=(n, 2))[:, 0]]
    w, used = rng.uniform(0.5, 2.0, n), rng.random(n) < 0.9
    rows, offsets = counting_sort(row_bin, 4)
    precision = np.full(5, DOUBLE)
    given = [*x, *y, w, used, rows, offsets, precision]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    options = {"intercept": True, "tuning": 1.345, "sigma_cut": 3.0, "max_refits": 5, "max_iter": 100, "tol": 1e-8}
    options |= {"min_entries": 4, "threads": 1, "precision": precision}
    fits = huber_fits(x, y, w, used, rows, offsets, **options)
    doubles = [[column.astype(np.float64) for column in columns] for columns in (x, y)]
    same_bits(fits, huber_fits(*doubles, w, used, rows.astype(np.int64), offsets, **options))
    for array, copy in zip(given, before):
        np.testing.assert_array_equal(array, copy)
    for name in ARRAYS:
        assert getattr(fits, name).shape[:2] == (4, 2)
    assert fits.rejected.shape == (n, 2)


def test_no_bins_and_no_rows():
    fits = fitted([np.empty(0)], [np.empty(0)], np.empty(0), np.empty(0), sigma_cut=2.0)
    assert fits.values.shape == (0, 1, 2)
    fits = fitted([np.ones(3)], [np.ones(3)], np.ones(3), np.full(3, -1), n_bins=2, sigma_cut=2.0)
    assert np.isnan(fits.values).all()
    assert not fits.rejected.any()

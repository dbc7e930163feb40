"""The loop that rejects rows and fits the rest anew, with a fit simple enough to follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gbr_dag.group_fits.huber import Huber
from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.group_fits.rejection import FLOOR, ScaledFit, fit_with_cut, robust_scale, scale_floor
from gbr_dag.options import CutOptions, HuberOptions
from gbr_dag.tables import FitStatus

EPS = np.finfo(np.float64).eps
NOT_CONVERGED = FitStatus.NOT_CONVERGED.value
ONION = np.array([0.1, -0.2, 0.3, -0.1, 0.2, 2.0, 9.0, 50.0, 260.0])
"""Each of the last is beyond three means of the absolute values of all up to it, but not with a larger one beside."""


def rows_of(y, *, min_entries=1) -> GroupRows:
    y = np.asarray(y, dtype=np.float64)
    return GroupRows(np.empty((len(y), 0)), y, np.ones(len(y)), np.full(1, EPS), True, min_entries)


def about_zero(rows: GroupRows, flags=0) -> ScaledFit:
    """No fit at all: residuals are the target, the scale is their mean size, which large ones hide behind."""
    n = len(rows.y)
    fit = GroupFit(np.zeros(1), np.eye(1), 1.0, float(rows.y @ rows.y), 1.0, False, n, 1, flags=flags)
    return ScaledFit(fit, rows.y, float(np.mean(np.abs(rows.y))))


def test_without_a_cut_there_is_one_fit():
    fit = fit_with_cut(about_zero, rows_of(ONION), CutOptions())
    assert (fit.count, fit.n_refits, fit.n_rejected, fit.rejected) == (9, 0, 0, None)


def test_outliers_behind_outliers_take_several_refits():
    fit = fit_with_cut(about_zero, rows_of(ONION), CutOptions(sigma_cut=3.0))
    np.testing.assert_array_equal(fit.rejected, [False] * 5 + [True] * 4)
    assert (fit.n_refits, fit.n_rejected, fit.count, fit.flags) == (4, 4, 5, 0)


@pytest.mark.parametrize("max_refits", [0, 1, 3, 4])
def test_refits_are_limited(max_refits):
    fit = fit_with_cut(about_zero, rows_of(ONION), CutOptions(sigma_cut=3.0, max_refits=max_refits))
    assert (fit.n_refits, fit.n_rejected, fit.count) == (max_refits, max_refits, 9 - max_refits)
    assert fit.flags == (0 if max_refits == 4 else NOT_CONVERGED)


@pytest.mark.parametrize(("min_entries", "n_rejected"), [(5, 4), (6, 3), (8, 1), (9, 0)])
def test_too_few_rows_stay_together(min_entries, n_rejected):
    fit = fit_with_cut(about_zero, rows_of(ONION, min_entries=min_entries), CutOptions(sigma_cut=3.0))
    assert (fit.n_rejected, fit.n_refits, fit.flags) == (n_rejected, n_rejected, 0)
    # a refit that would not be made is none that was lacking
    limited = CutOptions(sigma_cut=3.0, max_refits=n_rejected)
    assert fit_with_cut(about_zero, rows_of(ONION, min_entries=min_entries), limited).flags == 0


def test_a_residual_degree_of_freedom_stays():
    # min_entries would let a single row stay
    fit = fit_with_cut(about_zero, rows_of([0.1, 8.0, -8.0]), CutOptions(sigma_cut=1.2))
    assert (fit.n_rejected, fit.count) == (0, 3)
    fit = fit_with_cut(about_zero, rows_of([0.1, 0.1, 8.0, -8.0]), CutOptions(sigma_cut=1.2))
    assert (fit.n_rejected, fit.count) == (2, 2)


def test_rejected_rows_do_not_come_back():
    def moody(rows: GroupRows) -> ScaledFit:
        # far from zero at first, so that all small rows go; the rest is fitted well
        made = about_zero(rows)
        return ScaledFit(made.fit, rows.y - 9.0, 1.0) if len(rows.y) > 4 else ScaledFit(made.fit, rows.y, 100.0)

    fit = fit_with_cut(moody, rows_of([9.0, 0.0, 0.1, 9.1, 9.2, 0.2]), CutOptions(sigma_cut=3.0))
    np.testing.assert_array_equal(fit.rejected, [False, True, True, False, False, True])


def test_the_last_fit_says_whether_it_settled():
    def slow_at_first(rows: GroupRows) -> ScaledFit:
        return about_zero(rows, NOT_CONVERGED if len(rows.y) == len(ONION) else 0)

    def slow_at_last(rows: GroupRows) -> ScaledFit:
        return about_zero(rows, 0 if len(rows.y) == len(ONION) else NOT_CONVERGED)

    fit = fit_with_cut(slow_at_first, rows_of(ONION), CutOptions(sigma_cut=3.0))
    assert (fit.flags, fit.n_rejected) == (0, 4)
    fit = fit_with_cut(slow_at_last, rows_of(ONION), CutOptions(sigma_cut=3.0))
    assert (fit.flags, fit.n_rejected) == (NOT_CONVERGED, 4)


def test_row_at_the_cut_stays():
    def exact(rows: GroupRows) -> ScaledFit:
        return ScaledFit(about_zero(rows).fit, rows.y, 1.0)

    fit = fit_with_cut(exact, rows_of([0.0, 0.0, 3.0, np.nextafter(3.0, 4.0)]), CutOptions(sigma_cut=3.0))
    np.testing.assert_array_equal(fit.rejected, [False, False, False, True])


def test_unknown_scale_rejects_nothing():
    def scaleless(rows: GroupRows) -> ScaledFit:
        return ScaledFit(about_zero(rows).fit, rows.y, np.nan)

    assert fit_with_cut(scaleless, rows_of(ONION), CutOptions(sigma_cut=3.0)).n_rejected == 0


def test_huber_unmasks_outliers_step_by_step():
    # a third of the rows lie far off, on scales that hide the smaller ones until the larger ones are gone
    rng = np.random.default_rng(1)
    x = np.linspace(-1.0, 1.0, 60)
    y = 1.0 + 2.0 * x + 0.1 * rng.normal(size=60)
    wrong = rng.permutation(60)[:24]
    y[wrong] += np.repeat([1.0, 3.0, 40.0], 8) * rng.uniform(0.9, 1.1, size=24)
    rows = GroupRows(x[:, None], y, np.ones(60), np.full(2, EPS), True, 2)
    fit = Huber(HuberOptions(sigma_cut=4.0))(rows)
    assert fit.n_refits >= 2
    np.testing.assert_array_equal(np.flatnonzero(fit.rejected), np.sort(wrong))
    np.testing.assert_allclose(fit.values, [1.0, 2.0], atol=0.1)
    once = Huber(HuberOptions(sigma_cut=4.0, max_refits=1))(rows)
    assert once.n_rejected < 24
    assert once.flags == NOT_CONVERGED


def test_scale_is_the_normal_one():
    z = np.random.default_rng(3).normal(size=200_001)
    assert abs(robust_scale(5.0 * z, 0.0) - 5.0) < 0.03
    assert robust_scale(z, 7.0) == 7.0


def test_floor_counts_the_roundings_of_target_and_predictors():
    x = np.column_stack([np.full(9, 1e6), np.full(9, 3.0)])
    rows = GroupRows(x, np.full(9, 5.0), np.full(9, 4.0), np.array([1e-3, 1e-2, 1e-1]), True, 1)
    # root of the mean of w times (1e6 1e-3 beta)^2 + (3 1e-2 beta)^2 + (5 1e-1)^2; NaN has no part
    expected = FLOOR * 2.0 * np.sqrt((1e3 * 0.5) ** 2 + 0.0 + 0.5**2)
    np.testing.assert_allclose(scale_floor(rows, np.array([0.5, np.nan]), np.ones(9)), expected, rtol=1e-14)
    # with Huber's weights of a quarter each the target counts half
    expected = FLOOR * 2.0 * np.sqrt((3e-2 * 8.0) ** 2 + 0.25**2)
    np.testing.assert_allclose(scale_floor(rows, np.array([0.0, -8.0]), np.full(9, 0.25)), expected, rtol=1e-14)

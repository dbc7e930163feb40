"""Fitters of the user's own: functions, results of statsmodels, estimators; and what they can do wrong."""

from __future__ import annotations

import copy
import pickle
import re
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import HuberRegressor, LinearRegression, QuantileRegressor, Ridge, TheilSenRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gbr_dag
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.own import OwnFitter, is_estimator, takes_weights
from gbr_dag.group_fits.records import SortedRows, fits_of_bins
from gbr_dag.nodes.fitters import group_fitter__own
from gbr_dag.options import CutOptions
from gbr_dag.tables import FitStatus

EPS = np.finfo(np.float64).eps
FAILED = FitStatus.FAILED.value


def sorted_groups(n_bins=5, n=12, *, p=2, weighted=True, intercept=True, targets=1, min_entries=2) -> SortedRows:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_bins * n, p))
    return SortedRows(
        x=x,
        y=(1.0 + x.sum(axis=1))[:, None] + rng.normal(size=(n_bins * n, targets)),
        w=rng.uniform(0.3, 3.0, size=n_bins * n) if weighted else np.ones(n_bins * n),
        used=np.ones((n_bins * n, targets), dtype=bool),
        offsets=np.arange(0, n_bins * n + 1, n),
        precision=np.full(p + targets, EPS),
        intercept=intercept,
        min_entries=min_entries,
    )


def fitted(fitter, rows, **options):
    return fits_of_bins(OwnFitter(fitter, CutOptions(**options)), rows, 0, rows.n_bins)


def least_squares(x, y, w):
    root = np.sqrt(w)
    return np.linalg.lstsq(root[:, None] * x, root * y, rcond=None)[0]


def errors(fits):
    return np.sqrt(np.einsum("btmm->btm", fits.unit_covariance)) * fits.scale[:, :, None]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [1, 3])
def test_function_equals_least_squares(p, intercept):
    rows = sorted_groups(p=p, intercept=intercept, targets=2)
    fits, expected = fitted(least_squares, rows), fits_of_bins(LeastSquares(), rows, 0, rows.n_bins)
    for name in ("values", "sse", "syy", "scale", "count", "rank", "constant", "flags"):
        np.testing.assert_allclose(getattr(fits, name), getattr(expected, name), rtol=1e-10, err_msg=name)
    assert np.isnan(fits.unit_covariance).all()
    assert not fits.rejected.any()
    for b in range(rows.n_bins):
        group = rows.of(b, 0)
        ones = np.ones((len(group.y), int(intercept)))
        design = np.sqrt(group.w)[:, None] * np.hstack([ones, group.x])
        hat = design @ np.linalg.pinv(design)
        np.testing.assert_allclose(fits.leverage[b, 0], np.diag(hat).max(), rtol=1e-10)


def test_means_by_a_function():
    rows = sorted_groups(p=0)
    fits = fitted(lambda x, y, w: [np.average(y, weights=w)] if x.shape == (12, 1) else None, rows)
    expected = fits_of_bins(LeastSquares(), rows, 0, rows.n_bins)
    np.testing.assert_allclose(fits.values, expected.values, rtol=1e-13)


def wls(x, y, w):
    import statsmodels.api as sm

    return sm.WLS(y, x, weights=w).fit()


def median_regression(x, y, _w):
    import statsmodels.api as sm

    return sm.QuantReg(y, x).fit(q=0.5)


def rlm(x, y, w):
    import statsmodels.api as sm

    return sm.RLM(np.sqrt(w) * y, np.sqrt(w)[:, None] * x).fit()


@pytest.mark.parametrize("fitter", [wls, median_regression, rlm])
def test_results_of_statsmodels_bring_their_errors(fitter):
    rows = sorted_groups(n=30)
    fits = fitted(fitter, rows)
    for b in range(rows.n_bins):
        group = rows.of(b, 0)
        results = fitter(np.column_stack([np.ones(30), group.x]), group.y, group.w)
        np.testing.assert_array_equal(fits.values[b, 0], results.params)
        np.testing.assert_allclose(errors(fits)[b, 0], results.bse, rtol=1e-12)
        residuals = np.sqrt(group.w) * (group.y - group.x @ results.params[1:] - results.params[0])
        np.testing.assert_allclose(fits.scale[b, 0], np.sqrt(residuals @ residuals / 27.0), rtol=1e-12)
        covariance = fits.unit_covariance[b, 0] * fits.scale[b, 0] ** 2
        np.testing.assert_allclose(covariance, results.cov_params(), rtol=1e-11)


class Results:
    def __init__(self, params, covariance=None):
        self.params = params
        if covariance is not None:
            self.cov_params = lambda: covariance


def test_results_without_scatter():
    rows = sorted_groups(p=1)
    flat = SortedRows(**{**vars(rows), "y": np.zeros_like(rows.y)})
    fits = fitted(lambda _x, _y, _w: Results([0.0, 0.0], np.zeros((2, 2))), flat)
    assert not errors(fits).any()
    fits = fitted(lambda _x, _y, _w: Results([0.0, 0.0], np.eye(2)), flat)
    assert np.isnan(np.einsum("btmm->btm", fits.unit_covariance)).all()
    assert np.isnan(fitted(lambda _x, _y, _w: Results([0.0, 0.0]), flat).unit_covariance).all()


def test_saturated_fits_have_no_scale():
    rows = sorted_groups(n=3)
    fits = fitted(wls_of_exact, rows)
    assert np.isnan(fits.scale).all()
    assert np.isnan(fits.unit_covariance).all()
    assert (fits.rank == 3).all()
    assert not fits.failures


def wls_of_exact(x, y, _w):
    return Results(np.linalg.solve(x, y), np.eye(3))


ESTIMATORS = {
    "LinearRegression": LinearRegression(),
    "Ridge": Ridge(alpha=0.7),
    "HuberRegressor": HuberRegressor(max_iter=1000),
    "QuantileRegressor": QuantileRegressor(alpha=0.01),
}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name, intercept):
    rows = sorted_groups(n=20, intercept=intercept)
    estimator = ESTIMATORS[name]
    before = copy.deepcopy(vars(estimator))
    fits = fitted(estimator, rows)
    assert vars(estimator) == before  # not fitted itself
    assert not fits.failures
    for b in range(rows.n_bins):
        group = rows.of(b, 0)
        direct = copy.deepcopy(estimator).set_params(fit_intercept=intercept)
        direct.fit(group.x, group.y, sample_weight=group.w)
        expected = [*([direct.intercept_] if intercept else []), *direct.coef_]
        np.testing.assert_array_equal(fits.values[b, 0], expected)
    if name == "LinearRegression":
        expected = fits_of_bins(LeastSquares(), rows, 0, rows.n_bins)
        np.testing.assert_allclose(fits.values, expected.values, rtol=1e-10)


def test_estimator_without_weights():
    rows = sorted_groups(n=15, p=1, weighted=False)
    fits = fitted(TheilSenRegressor(random_state=1), rows)
    direct = TheilSenRegressor(random_state=1).fit(rows.of(4, 0).x, rows.of(4, 0).y)
    np.testing.assert_array_equal(fits.values[4, 0], [direct.intercept_, *direct.coef_])


class Slope:
    """Estimator without get_params, whose coefficients have the shapes of several targets."""

    def __init__(self, constant=1.0):
        self.constant = constant
        self.fits = 0

    def fit(self, x, y):
        self.fits += 1
        if self.fits > 1:
            message = "fitted before"
            raise RuntimeError(message)
        self.coef_ = np.array([np.linalg.lstsq(x, y - self.constant, rcond=None)[0]])
        self.intercept_ = np.array([self.constant])


@pytest.mark.parametrize("without", [[], ["sklearn.base"]], ids=["sklearn", "no sklearn"])
def test_estimator_of_another_make(without, monkeypatch):
    for module in without:
        monkeypatch.setitem(sys.modules, module, None)
    estimator = Slope()
    rows = sorted_groups(weighted=False)
    fits = fitted(estimator, rows)
    assert not fits.failures
    assert estimator.fits == 0
    group = rows.of(1, 0)
    expected = np.linalg.lstsq(group.x, group.y - 1.0, rcond=None)[0]
    np.testing.assert_allclose(fits.values[1, 0], [1.0, *expected], rtol=1e-12)
    if without:
        assert not fitted(Ridge(), rows).failures


def test_constant_in_a_model_without_one():
    rows = sorted_groups(weighted=False, intercept=False)
    assert not fitted(Slope(0.0), rows).failures
    fits = fitted(Slope(), rows)
    assert fits.failures[0].text == (
        "ValueError: Slope fitted intercept_ 1.0 in a model without intercept, and has no fit_intercept"
    )
    assert (fits.flags == FAILED).all()


class Estimator:
    def __init__(self, **fitted):
        self.fitted = fitted

    def fit(self, _x, _y):
        vars(self).update(self.fitted)


WRONG = {
    "too short": (lambda _x, _y, _w: [1.0, 2.0], "the coefficients returned must have shape (3,), got (2,)"),
    "a column": (lambda x, _y, _w: np.ones((x.shape[1], 1)), "must have shape (3,), got (3, 1)"),
    "a number": (lambda _x, _y, _w: 1.0, "must have shape (3,), got ()"),
    "NaN": (lambda _x, _y, _w: [1.0, np.nan, 2.0], "must be finite, got [1.0, nan, 2.0]"),
    "infinite": (lambda _x, _y, _w: [1.0, np.inf, 2.0], "must be finite, got [1.0, inf, 2.0]"),
    "text": (lambda _x, _y, _w: ["1", "2", "3"], "must be real numbers of shape (3,), got dtype <U1"),
    "complex": (lambda _x, _y, _w: [1.0, 2.0, 3j], "must be real numbers of shape (3,), got dtype complex128"),
    "nothing": (lambda _x, _y, _w: None, "the fitter returned None, coefficients (3,) are wanted"),
    "all of lstsq": (lambda x, y, _w: np.linalg.lstsq(x, y, rcond=None), "must be numbers of shape (3,)"),
    "params": (lambda _x, _y, _w: Results([1.0]), "params of the results must have shape (3,), got (1,)"),
    "covariance": (
        lambda _x, _y, _w: Results(np.ones(3), np.ones(3)),
        "cov_params() of the results must have shape (3, 3), got (3,)",
    ),
    "arguments": (lambda _x, _y: None, "takes 2 positional arguments but 3 were given"),
    "no coef_": (Estimator(), "Estimator has no coef_ after its fit"),
    "short coef_": (Estimator(coef_=[1.0], intercept_=0.0), "coef_ of Estimator must have shape (2,) or (1, 2), got"),
    "no intercept_": (Estimator(coef_=[1.0, 2.0]), "Estimator has no intercept_ after its fit"),
    "two intercepts": (
        Estimator(coef_=[1.0, 2.0], intercept_=[0.0, 1.0]),
        "intercept_ of Estimator must have shape () or (1,), got (2,)",
    ),
    "pipeline": (make_pipeline(StandardScaler(), Ridge()), "Pipeline has no coef_ after its fit"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_fit_fails_with_a_clear_text(case):
    fitter, text = WRONG[case]
    fits = fitted(fitter, sorted_groups(weighted=False))
    assert (fits.flags == FAILED).all()
    assert np.isnan(fits.values).all()
    assert len(fits.failures) == 5
    assert re.search(f"Error: .*{re.escape(text)}", fits.failures[0].text)


def test_failure_costs_its_own_group_only():
    rows = sorted_groups(targets=2)
    special = rows.of(2, 1).y[0]

    def sometimes(x, y, w):
        if y[0] == special:
            message = "no luck"
            raise ArithmeticError(message)
        return least_squares(x, y, w)

    fits, expected = fitted(sometimes, rows), fitted(least_squares, rows)
    assert [(failure.bin, failure.target, failure.text) for failure in fits.failures] == [
        (2, 1, "ArithmeticError: no luck")
    ]
    failed = np.zeros((5, 2), dtype=bool)
    failed[2, 1] = True
    np.testing.assert_array_equal(fits.flags == FAILED, failed)
    np.testing.assert_array_equal(fits.values[~failed], expected.values[~failed])


def scribble(x, y, w):
    values = least_squares(x, y, w)
    x[:], y[:], w[:] = np.nan, 7.0, -1.0
    return values


class Scribbler:
    def fit(self, x, y, sample_weight):
        design = np.column_stack([np.ones(len(x)), x])
        self.intercept_, *self.coef_ = scribble(design, y, sample_weight)
        x[:] = 0.0


@pytest.mark.parametrize("fitter", [scribble, Scribbler()], ids=["function", "estimator"])
@pytest.mark.parametrize("options", [{}, {"sigma_cut": 1.5}], ids=["all", "cut"])
def test_writing_into_the_arrays_changes_nothing(fitter, options):
    rows = sorted_groups(targets=2)
    fits, expected = fitted(fitter, rows, **options), fitted(least_squares, rows, **options)
    for name in ("values", "sse", "n_rejected", "n_refits", "rejected", "leverage"):
        np.testing.assert_array_equal(getattr(fits, name), getattr(expected, name), err_msg=name)
    assert bool(options) == bool(fits.n_rejected.any())


def test_one_array_for_all_results():
    buffer = np.empty(3)

    def reusing(x, y, w):
        buffer[:] = least_squares(x, y, w)
        return buffer

    np.testing.assert_array_equal(
        fitted(reusing, sorted_groups()).values, fitted(least_squares, sorted_groups()).values
    )


def test_cut_of_a_function():
    rows = sorted_groups(n=40)
    rows.y[[3, 47, 48]] += 40.0
    fits = fitted(least_squares, rows, sigma_cut=8.0)
    np.testing.assert_array_equal(np.flatnonzero(fits.rejected[:, 0]), [3, 47, 48])
    assert fits.n_rejected[:, 0].tolist() == [1, 2, 0, 0, 0]
    assert (fits.n_refits[:2] > 0).all()
    assert not fits.n_refits[2:].any()
    rest = SortedRows(**{**vars(rows), "used": ~fits.rejected})
    np.testing.assert_array_equal(fits.values, fitted(least_squares, rest).values)
    np.testing.assert_array_equal(fits.count[:, 0], [39, 38, 40, 40, 40])


def test_cut_takes_no_rounding_for_scatter(monkeypatch):
    rows = sorted_groups(n=5, n_bins=60, p=1)
    exact = SortedRows(**{**vars(rows), "y": 2.0 + 1.1 * rows.x})
    assert not fitted(least_squares, exact, sigma_cut=2.7).n_rejected.any()
    monkeypatch.setattr("gbr_dag.group_fits.rejection.FLOOR", 0.0)
    assert fitted(least_squares, exact, sigma_cut=2.7).n_rejected.any()


def test_warnings_of_user_code_pass():
    def talkative(x, y, w):
        warnings.warn("as you like", RuntimeWarning, stacklevel=1)
        return least_squares(x, y, w)

    with pytest.warns(RuntimeWarning, match="as you like"):
        fits = fitted(talkative, sorted_groups())
    assert not fits.failures


def test_interrupts_pass():
    def stopped(_x, _y, _w):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(stopped, sorted_groups())


@pytest.mark.parametrize("fitter", [least_squares, Ridge(), Slope()])
def test_fitter_can_be_sent_to_other_processes(fitter):
    rows = sorted_groups(weighted=False)
    own = pickle.loads(pickle.dumps(OwnFitter(fitter, CutOptions(sigma_cut=3.0))))
    np.testing.assert_array_equal(own(rows.of(0, 0)).values, OwnFitter(fitter, own.options)(rows.of(0, 0)).values)


class Unreadable:
    """A fit whose signature cannot be read, as compiled code may have."""

    fit = staticmethod(dict.fromkeys)


def test_who_takes_weights():
    for fitter in (least_squares, partial(least_squares), Ridge(), LinearRegression(), Scribbler()):
        assert takes_weights(fitter)
    for fitter in (TheilSenRegressor(), Slope(), make_pipeline(Ridge()), Unreadable()):
        assert not takes_weights(fitter)
    assert is_estimator(Ridge())
    assert not is_estimator(least_squares)


@pytest.mark.parametrize("fitter", [TheilSenRegressor(), make_pipeline(StandardScaler(), Ridge()), Slope()])
def test_weights_that_would_have_no_effect_are_refused(fitter):
    name = type(fitter).__name__
    with pytest.raises(gbr_dag.InputError, match=rf"^weights must be left out for estimator {name}, whose fit has no"):
        group_fitter__own(fitter, CutOptions(), "w")
    assert group_fitter__own(fitter, CutOptions(), None) == OwnFitter(fitter, CutOptions())


def test_node_of_the_graph():
    options = CutOptions(sigma_cut=3.0)
    driver = gbr_dag.GroupByDriver(fitter=least_squares, engine="statsmodels")
    inputs = {"fitter_options": options, "weights": None}
    assert driver.execute(["group_fitter"], inputs)["group_fitter"] == OwnFitter(least_squares, options)

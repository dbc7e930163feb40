"""One group by statsmodels: against its own calls, and against oracles that share no code with it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, special
from statsmodels.genmod import families
from statsmodels.robust import norms

from gbr_dag import FitStatus, GlmOptions, InputError, RlmOptions
from gbr_dag.group_fits.glm_family import mean_of, mean_slope_of
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import GroupRows
from gbr_dag.group_fits.statsmodels_fits import Glm, Rlm, StatsmodelsLeastSquares
from gbr_dag.options import FAMILIES, LINKS, LINKS_OF, NORMS

PAIRS = [(family, link) for family in FAMILIES for link in (None, *LINKS_OF[family])]


def rows_of(x, y, w=None, *, intercept=True) -> GroupRows:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    w = np.ones(len(y)) if w is None else np.asarray(w, dtype=float)
    precision = np.full(x.shape[1] + 1, np.finfo(float).eps)
    return GroupRows(x, y, w, precision, intercept, 1)


def design_of(rows: GroupRows) -> np.ndarray:
    return np.column_stack([np.ones(len(rows.y)), rows.x]) if rows.intercept else rows.x


def target_of(family: str, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Targets of a mean between 0.2 and 0.8 such as every family may have."""
    return {
        "gaussian": lambda: rng.normal(mean, 0.05),
        "poisson": lambda: rng.poisson(mean).astype(float),
        "binomial": lambda: (rng.uniform(size=len(mean)) < mean).astype(float),
        "gamma": lambda: rng.gamma(5.0, mean / 5.0),
        "inverse_gaussian": lambda: rng.wald(mean, 10.0),
        "negative_binomial": lambda: rng.gamma(20.0, mean / 20.0),
        "tweedie": lambda: rng.gamma(20.0, mean / 20.0),
    }[family]()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares_equal_the_reference(rng, intercept):
    x = rng.normal(3.0, 1.0, size=(25, 2))
    rows = rows_of(x, x @ [1.0, -2.0] + rng.normal(size=25), 10.0 ** rng.uniform(-2, 2, 25), intercept=intercept)
    ours, expected = StatsmodelsLeastSquares()(rows), LeastSquares()(rows)
    for name in ("values", "unit_covariance", "scale", "sse", "syy", "conditioning"):
        # 1e-9: statsmodels solves the raw columns, of condition number about 1e2
        np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), rtol=1e-9, err_msg=name)
    assert (ours.count, ours.rank, ours.constant, ours.flags) == (25, 2 + intercept, False, 0)


def test_aliased_columns_are_left_out_of_every_fitter(rng):
    x = rng.normal(size=30)
    w = rng.uniform(0.5, 2.0, 30)
    both = rows_of(np.column_stack([x, 2.0 * x, np.ones(30)]), np.exp(0.3 * x + 0.1 * rng.normal(size=30)), w)
    alone = rows_of(x[:, None], both.y, w)
    for fitter in (StatsmodelsLeastSquares(), Glm(GlmOptions(family="gamma", link="log")), Rlm(RlmOptions())):
        fit, expected = fitter(both), fitter(alone)
        assert fit.rank == 2
        np.testing.assert_array_equal(fit.values[:2], expected.values)
        np.testing.assert_array_equal(fit.unit_covariance[:2, :2], expected.unit_covariance)
        assert np.isnan(fit.values[2:]).all()
        assert np.isnan(fit.unit_covariance[2:]).all()
        assert np.isnan(fit.unit_covariance[:, 2:]).all()


@pytest.mark.parametrize("fitter", [StatsmodelsLeastSquares(), Glm(GlmOptions()), Rlm(RlmOptions())])
def test_without_any_column_nothing_is_fitted(fitter):
    rows = rows_of(np.zeros((4, 1)), [1.0, 2.0, 3.0, 5.0], intercept=False)
    fit = fitter(rows)
    assert fit.rank == 0
    assert np.isnan(fit.values).all()
    if isinstance(fitter, StatsmodelsLeastSquares):
        expected = LeastSquares()(rows)
        np.testing.assert_allclose([fit.sse, fit.scale], [expected.sse, expected.scale], rtol=1e-14)


@pytest.mark.parametrize(
    "fitter",
    [StatsmodelsLeastSquares(), Rlm(RlmOptions()), Glm(GlmOptions()), Glm(GlmOptions("gamma", "log"))],
    ids=["ols", "rlm", "gaussian", "gamma log"],
)
def test_a_saturated_group_goes_through_its_rows(fitter):
    fit = fitter(rows_of([[0.0], [2.0]], [1.0, 3.0], [1.0, 5.0]))
    logarithmic = isinstance(fitter, Glm) and fitter.options.link == "log"
    expected = [0.0, np.log(3.0) / 2.0] if logarithmic else [1.0, 1.0]
    np.testing.assert_allclose(fit.values, expected, rtol=1e-9, atol=1e-9)
    assert np.isnan(fit.scale)
    assert fit.flags == 0


# --- glm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_every_family_and_link_equals_statsmodels(rng, family, link):
    x = rng.uniform(0.0, 1.0, size=60)
    w = rng.uniform(0.5, 2.0, size=60)
    rows = rows_of(x[:, None], target_of(family, 0.25 + 0.4 * x, rng), w)
    fit = Glm(GlmOptions(family=family, link=link))(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = getattr(families, FAMILIES[family])
        peer = kind() if link is None else kind(link=getattr(families.links, LINKS[link])())
        result = sm.GLM(rows.y, design_of(rows), family=peer, var_weights=w).fit(tol=1e-12)
    # 1e-4 of an error: steps of links that are not the family's own gain a factor only, and end where the deviance
    # moves by 1e-12 of itself, which is 1e-6 of an error over what the factor leaves
    assert np.abs((fit.values - result.params) / result.bse).max() < 1e-4
    np.testing.assert_allclose(fit.unit_covariance * fit.scale**2, result.cov_params(), rtol=1e-4)
    np.testing.assert_allclose(fit.scale**2, result.scale, rtol=1e-4)
    np.testing.assert_allclose(fit.sse, np.sum(w * (rows.y - result.fittedvalues) ** 2), rtol=1e-4)
    assert fit.flags == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_links_listed_are_those_of_statsmodels(family):
    able = []
    for link, name in LINKS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                getattr(families, FAMILIES[family])(link=getattr(families.links, name)())
            except ValueError:
                with pytest.raises(InputError, match=f"link '{link}' does not go with family '{family}'"):
                    GlmOptions(family=family, link=link)
            else:
                able.append(link)
    assert sorted(LINKS_OF[family]) == sorted(able)


def likelihood_of(family: str, rows: GroupRows):
    """Minus the weighted log-likelihood up to constants, written from the densities, with its gradient."""
    x, y, w = design_of(rows), rows.y, rows.w

    def value(beta):
        eta = x @ beta
        if family == "poisson":  # log link
            mu = np.exp(eta)
            return np.sum(w * (mu - y * eta)), x.T @ (w * (mu - y))
        if family == "binomial":  # logit link
            return np.sum(w * (np.logaddexp(0.0, eta) - y * eta)), x.T @ (w * (special.expit(eta) - y))
        return np.sum(w * (eta + y * np.exp(-eta))), x.T @ (w * (1.0 - y * np.exp(-eta)))  # gamma, log link

    return value


@pytest.mark.parametrize(("family", "link"), [("poisson", None), ("binomial", None), ("gamma", "log")])
@pytest.mark.parametrize("unit", [1.0, 1e-8, 1e8])
def test_coefficients_are_the_likeliest(rng, family, link, unit):
    x = rng.normal(size=(40, 2))
    mean = np.exp(0.5 + 0.4 * x[:, 0] - 0.2 * x[:, 1])
    y = {
        "poisson": lambda: rng.poisson(mean),
        "binomial": lambda: rng.uniform(size=40) < mean / (1 + mean),
        "gamma": lambda: rng.gamma(3.0, mean / 3.0),
    }[family]()
    w = rng.uniform(0.2, 4.0, size=40)
    rows = rows_of(x, y, w)
    best = optimize.minimize(likelihood_of(family, rows), np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-10})
    fit = Glm(GlmOptions(family=family, link=link))(rows_of(x, y, unit * w))
    # 1e-6: the optimiser's gradient is down to about 1e-9 of 40 rows
    np.testing.assert_allclose(fit.values, best.x, rtol=1e-6, atol=1e-7)
    assert fit.flags == 0
    # the information at the maximum, by the families' variances
    mu = {"binomial": special.expit}.get(family, np.exp)(design_of(rows) @ best.x)
    information = {"poisson": mu, "binomial": mu * (1 - mu), "gamma": np.ones(40)}[family]
    inverse = np.linalg.inv((design_of(rows).T * (unit * w * information)) @ design_of(rows))
    np.testing.assert_allclose(fit.unit_covariance, inverse, rtol=1e-5)
    pearson = np.sum(unit * w * (y - mu) ** 2 / mu**2) / 37
    np.testing.assert_allclose(fit.scale, np.sqrt(pearson) if family == "gamma" else 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "y", "text"),
    [
        ("poisson", [1.0, -3.0, 2.0, 5.0], "no target below 0, got -3.0"),
        ("gamma", [1.0, 0.0, 2.0, 5.0], "no target of 0 or below, got 0.0"),
        ("inverse_gaussian", [1.0, 2.0, -2.0, 5.0], "no target of 0 or below"),
        ("binomial", [1.0, 0.0, 2.0, 0.0], "no target above 1, got 2.0"),
        ("negative_binomial", [0.0, 0.0, 0.0, 0.0], "every target is 0"),
    ],
)
def test_targets_that_a_family_cannot_have_are_refused(family, y, text):
    with pytest.raises(ValueError, match=text):
        Glm(GlmOptions(family=family))(rows_of(np.arange(4.0)[:, None], y))


@pytest.mark.parametrize("unit", [1.0, 1e-8])
@pytest.mark.parametrize("link", [None, "probit", "cloglog"])
@pytest.mark.parametrize("y", [[0, 0, 0, 1, 1, 1], [0] * 6, [1] * 6])
def test_perfect_separation_is_refused(unit, link, y):
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    x = np.arange(6.0)[:, None]
    with pytest.raises((PerfectSeparationError, ValueError)):
        Glm(GlmOptions("binomial", link))(rows_of(x, y, np.full(6, unit)))
    fit = Glm(GlmOptions("binomial", link))(rows_of(x, [0, 1, 0, 1, 0, 1], np.full(6, unit)))
    assert np.isfinite(fit.values).all()


def test_too_few_steps_are_flagged(rng):
    x = rng.normal(size=(30, 1))
    rows = rows_of(x, rng.gamma(2.0, np.exp(x[:, 0])))
    assert Glm(GlmOptions("gamma", "log", max_iter=2))(rows).flags == FitStatus.NOT_CONVERGED
    assert Glm(GlmOptions("gamma", "log"))(rows).flags == 0
    assert Rlm(RlmOptions(max_iter=2))(rows).flags == FitStatus.NOT_CONVERGED
    assert Rlm(RlmOptions())(rows).flags == 0


@pytest.mark.parametrize("link", [None, "log", "inverse_power"])
@pytest.mark.parametrize("offset", [1.0, 1e6, 1e9])
def test_a_gaussian_settles_whatever_its_size(rng, link, offset):
    x = rng.uniform(0.0, 1.0, size=20)
    y = offset + x + 0.1 * rng.normal(size=20)
    options = GlmOptions("gaussian", link)
    fit = Glm(options)(rows_of(x[:, None], y))
    assert fit.flags == 0
    ends = mean_of(options, fit.values[0] + fit.values[1] * np.array([0.0, 1.0]))
    np.testing.assert_allclose(ends[1] - ends[0], 1.0, rtol=0.3)


@pytest.mark.parametrize("link", [None, "log"])
def test_a_constant_target_is_its_own_mean(link):
    fit = Glm(GlmOptions("gaussian", link))(rows_of(np.arange(5.0)[:, None], np.full(5, 2.5)))
    np.testing.assert_allclose(fit.values, [np.log(2.5) if link else 2.5, 0.0], atol=1e-12)
    assert fit.constant
    assert fit.flags == 0


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_means_and_their_slopes(family, link):
    options = GlmOptions(family=family, link=link)
    eta = np.array([[0.2, 0.3], [0.7, np.nan]])
    slope = (mean_of(options, eta + 1e-6) - mean_of(options, eta - 1e-6)) / 2e-6
    # 1e-7: central differences of step 1e-6
    finite = np.isfinite(eta)
    np.testing.assert_allclose(mean_slope_of(options, eta)[finite], slope[finite], rtol=1e-7)
    if link in {"log", "logit"}:
        expected = {"log": np.exp, "logit": special.expit}[link](eta)
        np.testing.assert_allclose(mean_of(options, eta), expected, rtol=1e-14)
    assert np.isnan(mean_of(options, eta)[1, 1])


# --- rlm ---------------------------------------------------------------------------------------------------------


def with_outliers(rng: np.random.Generator, *, unit: float = 1.0) -> GroupRows:
    x = rng.normal(size=(50, 2))
    y = 1.0 + x @ [2.0, -1.0] + rng.normal(size=50)
    y[::7] += 20.0
    return rows_of(x, unit * y, rng.uniform(0.3, 3.0, size=50))


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_equals_statsmodels(rng, norm):
    rows = with_outliers(rng)
    fit = Rlm(RlmOptions(norm=norm, max_iter=200))(rows)
    root = np.sqrt(rows.w)
    model = sm.RLM(root * rows.y, root[:, None] * design_of(rows), M=getattr(norms, NORMS[norm])())
    result = model.fit(conv="coefs", tol=1e-11, maxiter=500)
    # 1e-6: steps that end at 1e-8 of a coefficient's size
    np.testing.assert_allclose(fit.values, result.params, rtol=1e-6)
    np.testing.assert_allclose(fit.unit_covariance * fit.scale**2, result.bcov_scaled, rtol=1e-6)
    np.testing.assert_allclose(fit.scale, result.scale, rtol=1e-6)
    np.testing.assert_allclose(fit.sse, np.sum(result.resid**2), rtol=1e-6)
    assert fit.flags == 0


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_huber_solves_its_equations_in_every_unit(rng, unit):
    rows = with_outliers(rng, unit=unit)
    fit = Rlm(RlmOptions())(rows)
    root = np.sqrt(rows.w)
    r = root * (rows.y - design_of(rows) @ fit.values)
    np.testing.assert_allclose(fit.scale, np.median(np.abs(r)) / special.ndtri(0.75), rtol=1e-6)
    psi = np.clip(r / fit.scale, -1.345, 1.345)
    assert np.abs(psi).max() == 1.345
    # 1e-6: the steps end when no coefficient moves by 1e-8 of its unit, and 50 rows add up
    np.testing.assert_allclose((root[:, None] * design_of(rows)).T @ psi, 0.0, atol=1e-6)


def test_a_scale_of_zero_has_no_errors():
    x = np.arange(10.0)[:, None]
    exact = Rlm(RlmOptions())(rows_of(x, np.zeros(10)))
    assert exact.flags == FitStatus.NEARLY_EXACT
    assert exact.scale == 0.0
    assert np.isnan(exact.unit_covariance).all()
    # seven of ten rows of the same value are the median's, and their residual of 0 the scale: the others still pull
    mostly = np.array([0.0] * 7 + [3.0, -3.0, 0.0])
    stopped = Rlm(RlmOptions())(rows_of(np.empty((10, 0)), mostly))
    assert stopped.flags == FitStatus.NEARLY_EXACT | FitStatus.NOT_CONVERGED

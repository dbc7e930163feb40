"""Fits by a function or an estimator of the user's own."""

from __future__ import annotations

import copy
import inspect
import math
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from gbr_dag.group_fits.huber import largest_leverage, rooted_design
from gbr_dag.group_fits.least_squares import kept_predictors, rooted_rows
from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.group_fits.rejection import ScaledFit, fit_with_cut, robust_scale, scale_floor
from gbr_dag.options import CutOptions
from gbr_dag.tables import FloatArray


@dataclass(frozen=True)
class OwnFitter:
    """Fits by user code, which sees copies of one group's rows, and rejects rows beyond a cut if there is one.

    Attributes
    ----------
    fitter : callable or estimator
        A function ``(X, y, w) -> coefficients (m,)`` of the design (n, m), its column of ones first if there is an
        intercept; or one that returns results of statsmodels, with ``params`` and ``cov_params()``. An estimator has
        ``fit(X, y)`` or ``fit(X, y, sample_weight=w)`` of the predictors (n, p), then ``coef_`` and ``intercept_``; a
        fresh one fits each group, and its ``fit_intercept`` is that of the model.
    options : CutOptions
        The cut is at so many 1.4826 median abs(sqrt(w) r).

    Notes
    -----
    The scale is sqrt(sum w r^2 / (n - m)). What errors there are come from ``cov_params()``: how other coefficients
    scatter is not known, and their errors are NaN.
    """

    fitter: Any
    options: CutOptions

    def __call__(self, rows: GroupRows) -> GroupFit:
        """What the user code makes of the rows; a ValueError if that is no set of coefficients."""
        return fit_with_cut(self._fit, rows, self.options)

    def _fit(self, rows: GroupRows) -> ScaledFit:
        constant = np.ones((len(rows.y), int(rows.intercept)))
        design = np.hstack([constant, rows.x])
        covariance = None
        if is_estimator(self.fitter):
            values = _of_estimator(self.fitter, rows)
        else:
            values, covariance = _of_function(self.fitter, design, rows)
        n, m = design.shape
        residuals = np.sqrt(rows.w) * (rows.y - design @ values)
        sse = float(np.sum(residuals**2))
        rms = math.sqrt(sse / (n - m)) if n > m else math.nan
        rooted = rooted_rows(rows)
        syy = float(np.sum(rooted.y**2))
        q, _ = np.linalg.qr(rooted_design(rows, rooted, kept_predictors(rows, rooted)))
        fit = GroupFit(
            values=values,
            unit_covariance=_unit_covariance(covariance, rms, m),
            scale=rms,
            sse=sse,
            syy=syy,
            constant=math.sqrt(syy) <= 32 * float(rows.precision[-1]) * math.sqrt(rooted.size[-1]),
            count=n,
            rank=m,
            leverage=largest_leverage(q),
        )
        scale = robust_scale(residuals, scale_floor(rows, values[int(rows.intercept) :], np.ones(len(rows.y))))
        return ScaledFit(fit, residuals, scale)


def is_estimator(fitter: Any) -> bool:
    """Whether it is fitted by a method, and not called."""
    return callable(getattr(fitter, "fit", None))


def takes_weights(fitter: Any) -> bool:
    """Whether weights reach it: a function is given them, an estimator if its ``fit`` names ``sample_weight``.

    Arguments that ``fit`` passes on (``**params``) do not count: a pipeline has them, and raises for this name.
    """
    if not is_estimator(fitter):
        return True
    try:
        return "sample_weight" in inspect.signature(fitter.fit).parameters
    except (TypeError, ValueError):  # of compiled code, which may have no signature to be read
        return False


def _of_function(fitter: Any, design: FloatArray, rows: GroupRows) -> tuple[FloatArray, Optional[FloatArray]]:
    """Coefficients (m,), and their covariance (m, m) where results come with one."""
    m = design.shape[1]
    result = fitter(design.copy(), rows.y.copy(), rows.w.copy())
    if result is None:
        message = f"the fitter returned None, coefficients ({m},) are wanted"
        raise ValueError(message)
    if not hasattr(result, "params"):
        return _finite("the coefficients returned", result, (m,)), None
    values = _finite("params of the results", result.params, (m,))
    if not callable(getattr(result, "cov_params", None)):
        return values, None
    return values, _numbers("cov_params() of the results", result.cov_params(), (m, m))


def _of_estimator(estimator: Any, rows: GroupRows) -> FloatArray:
    """Coefficients (m,) of a fresh estimator fitted to the rows."""
    p = rows.x.shape[1]
    fresh, name = _fresh(estimator), type(estimator).__name__
    if hasattr(fresh, "fit_intercept"):
        fresh.fit_intercept = rows.intercept
    weights = {"sample_weight": rows.w.copy()} if takes_weights(fresh) else {}
    fresh.fit(rows.x.copy(), rows.y.copy(), **weights)
    if not hasattr(fresh, "coef_"):
        message = f"{name} has no coef_ after its fit, which coefficients are taken from"
        raise ValueError(message)
    slopes = _finite(f"coef_ of {name}", fresh.coef_, (p,), (1, p)).reshape(p)
    if rows.intercept and not hasattr(fresh, "intercept_"):
        message = f"{name} has no intercept_ after its fit, which a model with an intercept takes"
        raise ValueError(message)
    intercept = float(_finite(f"intercept_ of {name}", getattr(fresh, "intercept_", 0.0), (), (1,)).reshape(()))
    if rows.intercept:
        return np.append(intercept, slopes)
    if intercept != 0.0:
        message = f"{name} fitted intercept_ {intercept!r} in a model without intercept, and has no fit_intercept"
        raise ValueError(message)
    return slopes


def _fresh(estimator: Any) -> Any:
    """An unfitted copy: groups must not learn of each other."""
    if hasattr(estimator, "get_params"):
        try:
            from sklearn.base import clone
        except ImportError:
            pass
        else:
            return clone(estimator)
    return copy.deepcopy(estimator)


def _finite(what: str, value: Any, *shapes: tuple[int, ...]) -> FloatArray:
    array = _numbers(what, value, *shapes)
    if not np.isfinite(array).all():
        message = f"{what} must be finite, got {array.tolist()}"
        raise ValueError(message)
    return array


def _numbers(what: str, value: Any, *shapes: tuple[int, ...]) -> FloatArray:
    """A copy as doubles: user code may use one array for all of its results."""
    wanted = " or ".join(map(str, shapes))
    try:
        array = np.asarray(value)
    except ValueError as error:  # of sequences of unequal lengths
        message = f"{what} must be numbers of shape {wanted}: {error}"
        raise ValueError(message) from error
    if array.dtype.kind not in "iuf":
        message = f"{what} must be real numbers of shape {wanted}, got dtype {array.dtype} of shape {array.shape}"
        raise ValueError(message)
    if array.shape not in shapes:
        message = f"{what} must have shape {wanted}, got {array.shape}"
        raise ValueError(message)
    return array.astype(np.float64)  # which copies


def _unit_covariance(covariance: Optional[FloatArray], rms: float, m: int) -> FloatArray:
    """The covariance over the squared rms, (m, m); NaN where either is not known."""
    if covariance is None:
        return np.full((m, m), np.nan)
    if rms == 0.0:
        return np.where(covariance == 0.0, 0.0, np.nan)
    return covariance / rms / rms

"""Errors of windowed fits, whose rows carry kernel weights that are no inverse variances.

With kernel weights k and row weights w, var(y) = sigma^2 / w, v = k w: B = (sum v x x')^-1, M = sum k^2 w x x',
sigma^2 = sum v r^2 / (sum k - tr BM), Cov = sigma^2 B M B. All traces are sums of squares in coordinates in which B is
the identity: nothing cancels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.kernels.memory import empty
from gbr_dag.tables import BoolArray, Coefficients, Factors, FloatArray, record_width
from gbr_dag.triangles import inverse_of, triangle_of
from gbr_dag.windows import obvious_fits
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.obvious_fits import GatheredRows

_Spread = tuple[FloatArray, FloatArray, Optional[FloatArray]]
"""B M B, sum k - tr BM and nu of one block."""


@dataclass(frozen=True)
class KernelSpread:
    """What kernel weights make of the errors.

    Attributes
    ----------
    unit_covariance : float64 array (n_bins, n_blocks, m, m)
        B M B; NaN in rows and columns of aliased predictors.
    freedom : float64 array (n_bins, n_blocks)
        sum k - tr BM.
    student : float64 array (n_bins, n_blocks) or None
        nu = (sum k - tr BM)^2 / (sum k^2 - 2 tr B M3 + tr BMBM), M3 = sum k^3 w x x'; None if nobody asked.
    """

    unit_covariance: FloatArray
    freedom: FloatArray
    student: Optional[FloatArray]


@config.when_in(fitter=["ols", "wls"], engine=["numpy"])
def kernel_spread__numpy(
    squared_kernel_factors: Optional[tuple[Factors, ...]],  # these first: those of the bins are let go then
    cubed_kernel_factors: Optional[tuple[Factors, ...]],
    window_layout: WindowLayout,
    reduced_factors: tuple[Factors, ...],
    coefficients: Coefficients,
) -> Optional[KernelSpread]:
    """What kernel weights make of the errors; None where all kernel weights are 1.

    References
    ----------
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110, for nu.
    """
    if window_layout.is_plain or squared_kernel_factors is None:
        return None
    return _joined(coefficients, reduced_factors, squared_kernel_factors, cubed_kernel_factors, _spread)


@config.when_in(fitter=["ols", "wls"], engine=["numba"])
def kernel_spread__numba(
    squared_kernel_factors: Optional[tuple[Factors, ...]],  # these first, as above
    cubed_kernel_factors: Optional[tuple[Factors, ...]],
    window_layout: WindowLayout,
    reduced_factors: tuple[Factors, ...],
    coefficients: Coefficients,
    threads: Optional[int],
) -> Optional[KernelSpread]:
    """What kernel weights make of the errors; None where all kernel weights are 1. The sums are those of numpy."""
    from gbr_dag.kernels.factor_spread import spread_of_factors

    if window_layout.is_plain or squared_kernel_factors is None:
        return None

    def spread(factors: Factors, squared: Factors, cubed: Optional[Factors], aliased: BoolArray) -> _Spread:
        p, third = factors.n_predictors, None if cubed is None else cubed.records
        given = (factors.records, squared.records, third, aliased, factors.intercept, p, len(factors.precision))
        covariance, sums = spread_of_factors(*given, threads)
        return _with_freedom(covariance, factors, squared, None if cubed is None else sums[2], sums[0], sums[1])

    return _joined(coefficients, reduced_factors, squared_kernel_factors, cubed_kernel_factors, spread)


@config.when_in(fitter=["ols", "wls"], engine=["reference"])
def kernel_spread__reference(coefficients: Coefficients, gathered_rows: GatheredRows) -> Optional[KernelSpread]:
    """What kernel weights make of the errors, from the rows of every window; None where all kernel weights are 1."""
    if obvious_fits.without_kernel(gathered_rows):
        return None
    fitted = coefficients.of_targets(coefficients.fitted)
    spread = obvious_fits.obvious_spread(gathered_rows, fitted)
    return KernelSpread(spread.unit_covariance, spread.freedom, spread.student)


def residual_freedom(kernel_spread: Optional[KernelSpread], coefficients: Coefficients) -> FloatArray:
    """Degrees of freedom of the residuals, (n_bins, t): rows less rank, under a kernel sum k - tr BM.

    0 or less where there are no more rows than coefficients; NaN where nothing was fitted.
    """
    freedom = (coefficients.count - coefficients.rank).astype(np.float64)
    if kernel_spread is not None:
        freedom = np.where(freedom > 0, kernel_spread.freedom, freedom)
    freedom[~coefficients.fitted] = np.nan
    return coefficients.of_targets(freedom)


def distribution_freedom(
    coefficients: Coefficients,
    residual_freedom: FloatArray,
    kernel_spread: Optional[KernelSpread],
    absolute_weights: bool,
) -> FloatArray:
    """Degrees of freedom of Student's t that bounds and p-values are made with, (n_bins, t).

    Those of the residuals, under a kernel nu = (sum k - tr BM)^2 / (sum k^2 - 2 tr B M3 + tr BMBM); NaN without any;
    infinitely many (the normal distribution) if the weights are known to be 1/sigma^2.
    """
    if absolute_weights:
        return np.where(np.isnan(residual_freedom), np.nan, np.inf)
    freedom = residual_freedom
    if kernel_spread is not None and kernel_spread.student is not None:
        freedom = coefficients.of_targets(kernel_spread.student)
    return np.where(residual_freedom > 0, freedom, np.nan)


def coefficient_errors(
    coefficients: Coefficients, kernel_spread: Optional[KernelSpread], error_scale: FloatArray
) -> FloatArray:
    """Standard errors, the roots of the diagonal of sigma^2 B M B, (n_bins, t, m); NaN where aliased or saturated."""
    n_bins, t, m = coefficients.values.shape
    variances = np.einsum("gbmm->gbm", _unit_covariance(coefficients, kernel_spread))
    roots = np.sqrt(variances, out=np.moveaxis(empty((variances.shape[1], m, n_bins)), -1, 0))
    unit_errors = coefficients.of_targets(roots)
    errors: FloatArray = np.moveaxis(empty((t, m, n_bins)), -1, 0)  # the columns of the table, one after the other
    np.multiply(unit_errors, error_scale[:, :, None], out=errors)
    return errors


def covariance(
    coefficients: Coefficients, kernel_spread: Optional[KernelSpread], error_scale: FloatArray
) -> FloatArray:
    """Covariance of the coefficients, sigma^2 B M B, (n_bins, t, m, m)."""
    unit = coefficients.of_targets(_unit_covariance(coefficients, kernel_spread))
    return unit * error_scale[:, :, None, None] ** 2


def _unit_covariance(coefficients: Coefficients, kernel_spread: Optional[KernelSpread]) -> FloatArray:
    return coefficients.unit_covariance if kernel_spread is None else kernel_spread.unit_covariance


def _joined(
    coefficients: Coefficients,
    reduced_factors: tuple[Factors, ...],
    squared_kernel_factors: tuple[Factors, ...],
    cubed_kernel_factors: Optional[tuple[Factors, ...]],
    spread: Callable[[Factors, Factors, Optional[Factors], BoolArray], _Spread],
) -> KernelSpread:
    """The spread of all blocks from that of each."""
    parts = []
    for block, (factors, squared) in enumerate(zip(reduced_factors, squared_kernel_factors)):
        cubed = None if cubed_kernel_factors is None else cubed_kernel_factors[block]
        aliased = np.isnan(np.einsum("gmm->gm", coefficients.unit_covariance[:, block]))
        parts.append(spread(factors, squared, cubed, aliased))
    if len(parts) == 1:
        covariance, freedom, student = parts[0]
        return KernelSpread(covariance[:, None], freedom[:, None], None if student is None else student[:, None])
    covariances, freedoms, students = zip(*parts)
    student = None if cubed_kernel_factors is None else np.stack(students, axis=1)
    return KernelSpread(np.stack(covariances, axis=1), np.stack(freedoms, axis=1), student)


def _spread(factors: Factors, squared: Factors, cubed: Optional[Factors], aliased: BoolArray) -> _Spread:
    """B M B, sum k - tr BM and nu of one block."""
    p = factors.n_predictors
    inverse = inverse_of(triangle_of(factors)[:, :p, :p])
    root = _in_unit_coordinates(squared, factors, inverse)
    product = np.einsum("gij,gik->gjk", root, root)
    trace = np.einsum("gjj->g", product)
    half = root @ _to_coefficients(factors, inverse)
    covariance = np.einsum("gij,gik->gjk", half, half)
    covariance[aliased[:, :, None] | aliased[:, None, :]] = np.nan
    third = None if cubed is None else np.sum(_in_unit_coordinates(cubed, factors, inverse) ** 2, axis=(1, 2))
    return _with_freedom(covariance, factors, squared, third, trace, np.sum(product**2, axis=(1, 2)))


def _with_freedom(
    covariance: FloatArray,
    factors: Factors,
    squared: Factors,
    third: Optional[FloatArray],
    trace: FloatArray,
    fourth: FloatArray,
) -> _Spread:
    """B M B as given, with sum k - tr BM, and nu if tr B M3 is given."""
    freedom = _kernel_sum(factors) - trace
    if third is None:
        return covariance, freedom, None
    spread = _kernel_sum(squared) - 2.0 * third + fourth
    with np.errstate(divide="ignore", invalid="ignore"):
        return covariance, freedom, freedom**2 / spread


def _kernel_sum(factors: Factors) -> FloatArray:
    """Sum of the kernel's powers over the rows, (n_bins,)."""
    return factors.records[:, record_width(factors.n_predictors, len(factors.precision))]


def _in_unit_coordinates(other: Factors, factors: Factors, inverse: FloatArray) -> FloatArray:
    """Triangular factor of ``other`` in the coordinates in which that of ``factors`` is the identity."""
    p, c = factors.n_predictors, int(factors.intercept)
    root = np.zeros((len(inverse), p + c, p + c))
    root[:, c:, c:] = triangle_of(other)[:, :p, :p] @ inverse
    if c:
        shift = (other.mean_hi[:, :p] - factors.mean_hi[:, :p]) + (other.mean_lo[:, :p] - factors.mean_lo[:, :p])
        weight = np.sqrt(other.sum_weights)
        root[:, 0, 0] = weight / np.sqrt(_positive(factors.sum_weights))
        root[:, 0, 1:] = weight[:, None] * np.einsum("gi,gij->gj", shift, inverse)
    return root


def _to_coefficients(factors: Factors, inverse: FloatArray) -> FloatArray:
    """What takes the coefficients in these coordinates to intercept and slopes, transposed, (n_bins, m, m)."""
    p, c = factors.n_predictors, int(factors.intercept)
    change = np.zeros((len(inverse), p + c, p + c))
    change[:, c:, c:] = np.swapaxes(inverse, 1, 2)
    if c:
        change[:, 0, 0] = 1.0 / np.sqrt(_positive(factors.sum_weights))
        change[:, 1:, 0] = -np.einsum("gi,gij->gj", factors.mean_hi[:, :p], inverse)
    return change


def _positive(weight: FloatArray) -> FloatArray:
    """Sums of weights with 1 for windows without rows, in which nothing is fitted."""
    return np.where(weight > 0.0, weight, 1.0)

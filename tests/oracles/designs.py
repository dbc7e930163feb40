"""Random regression designs that are hard on purpose: the doubles of one group each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MAX_ROWS = 50
MAX_PREDICTORS = 5
_SHARES = {
    "regular": 0.78,
    "far": 0.03,
    "saturated": 0.05,
    "insufficient": 0.03,
    "collinear": 0.05,
    "nearly": 0.03,
    "constant": 0.03,
}
_NO_INTERCEPT_SHARE = 0.15
_ZERO_SHARE = 0.25


@dataclass(frozen=True)
class Design:
    """The rows of one group.

    Attributes
    ----------
    number : int
        With the seed it gives back this design alone: ``random_design(number, seed)``.
    kind : str
        ``regular``, ``far`` (offsets up to 1e12), ``saturated``, ``insufficient``, ``collinear``, ``nearly`` (collinear
        but for some roundings) or ``constant``.
    predictors : float array (n, p)
    target, weights : float arrays (n,)
    intercept : bool
    """

    number: int
    kind: str
    predictors: FloatArray
    target: FloatArray
    weights: FloatArray
    intercept: bool


def random_designs(n_designs: int, seed: int) -> list[Design]:
    """Draw designs of 3 to 50 rows and 0 to 5 predictors.

    Condition numbers of the centred design are log-uniform in 1..1e8 (singular values prescribed, in random
    rotations, with and without the weights), weights spread over 6 decades, offsets of predictors and target are 0
    or log-uniform up to 1e6 standard deviations (1e12 in a few, where a mean of one double is too coarse), columns
    have scales over 16 decades, the noise is 1e-8 to 3 of the signal, and a quarter of the coefficients are exactly
    0. One in twelve has as many rows as coefficients or fewer, one in nine a column that is constant, collinear or
    collinear but for some roundings.

    Parameters
    ----------
    n_designs : int
        How many.
    seed : int
        The same seed gives the same designs; a longer list begins with the shorter one.

    Returns
    -------
    list of Design
    """
    return [random_design(number, seed) for number in range(n_designs)]


def random_design(number: int, seed: int) -> Design:
    """Draw one design of the list that ``random_designs`` makes from the same seed."""
    rng = np.random.default_rng([seed, number])
    kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    n_predictors = int(rng.integers(kind not in ("regular", "far", "saturated"), MAX_PREDICTORS + 1))
    intercept = n_predictors == 0 or bool(rng.random() > _NO_INTERCEPT_SHARE)
    n_rows = _row_count(rng, kind, n_predictors + intercept)
    weights = 10.0 ** rng.uniform(-3, 3, n_rows) * 10.0 ** rng.uniform(-3, 3)
    columns = _columns(rng, weights, n_predictors, intercept)
    farthest = 12.0 if kind == "far" else 6.0
    target = _placed(rng, _target(rng, columns, weights), weights, farthest)[:, 0]
    predictors = _placed(rng, columns, weights, farthest)
    if kind in ("collinear", "nearly"):
        predictors = _collinear(rng, predictors, roundings=kind == "nearly")
    elif kind == "constant":
        predictors[:, rng.integers(n_predictors)] = _scale(rng)
    return Design(number, kind, predictors, target, weights, intercept)


def _row_count(rng: np.random.Generator, kind: str, n_coefficients: int) -> int:
    if kind == "saturated":
        return n_coefficients
    if kind == "insufficient":
        return int(rng.integers(1, max(n_coefficients, 2)))
    return int(rng.integers(max(3, n_coefficients + 1), MAX_ROWS + 1))


def _scale(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-8, 8))


def _offset(rng: np.random.Generator, farthest: float) -> float:
    near = 6.0 if farthest > 6.0 else -2.0
    return 0.0 if rng.random() < _ZERO_SHARE else float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(near, farthest))


def _columns(rng: np.random.Generator, weights: FloatArray, n_predictors: int, intercept: bool) -> FloatArray:
    """Centred columns, U diag(s) V' with orthogonal U and V; a half of the designs has it on weighted rows.

    Too few rows for orthogonal columns leave plain normal ones.
    """
    n_rows = len(weights)
    if n_rows < n_predictors + intercept:
        return rng.normal(size=(n_rows, n_predictors))
    roots = np.sqrt(weights) if rng.random() < 0.5 else np.ones(n_rows)
    basis = rng.normal(size=(n_rows, n_predictors))
    if intercept:
        basis = np.column_stack([roots, basis])
    left = np.linalg.qr(basis)[0][:, int(intercept) :]
    right = np.linalg.qr(rng.normal(size=(n_predictors, n_predictors)))[0]
    kappa = 10.0 ** rng.uniform(0, 8)
    between = kappa ** -rng.random(n_predictors)
    between[:1], between[1:2] = 1.0, 1.0 / kappa
    columns: FloatArray = (left * between) @ right.T / roots[:, None]
    return columns


def _deviations(columns: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted standard deviation of every column; 1 where there is none."""
    centred = columns - np.average(columns, axis=0, weights=weights)
    deviations = np.sqrt(np.average(centred**2, axis=0, weights=weights))
    return np.where(deviations > 0, deviations, 1.0)


def _target(rng: np.random.Generator, columns: FloatArray, weights: FloatArray) -> FloatArray:
    """A linear combination of the columns with noise of standard deviation ~ 1/sqrt(w), as one column."""
    n_rows, n_predictors = columns.shape
    coefficients = np.where(rng.random(n_predictors) < _ZERO_SHARE, 0.0, rng.normal(size=n_predictors))
    signal = columns / _deviations(columns, weights) @ coefficients
    noise = rng.normal(size=n_rows) / np.sqrt(weights)
    size = np.linalg.norm(signal * np.sqrt(weights)) or 1.0
    relative = 10.0 ** rng.uniform(-8, np.log10(3.0))
    target: FloatArray = signal + noise * relative * size / np.linalg.norm(noise * np.sqrt(weights))
    return target[:, None]


def _placed(rng: np.random.Generator, columns: FloatArray, weights: FloatArray, farthest: float) -> FloatArray:
    """Give every column an offset in units of its standard deviation, and a scale."""
    count = columns.shape[1]
    offsets = np.array([_offset(rng, farthest) for _ in range(count)])
    scales = np.array([_scale(rng) for _ in range(count)])
    placed: FloatArray = (columns / _deviations(columns, weights) + offsets) * scales
    return placed


def _collinear(rng: np.random.Generator, predictors: FloatArray, *, roundings: bool) -> FloatArray:
    """Replace the last column by a copy, a multiple or a sum of others (a constant, if it is alone), and shuffle.

    With ``roundings`` noise of 0.1 to 1e5 units of rounding hides it, around the 32 at which the rank rule decides.
    """
    n_rows, n_predictors = predictors.shape
    replaced = predictors.copy()
    others = replaced[:, :-1]
    manner = rng.integers(3) if n_predictors > 1 else 3
    if manner == 0:
        replaced[:, -1] = others[:, rng.integers(n_predictors - 1)]
    elif manner == 1:
        replaced[:, -1] = others[:, rng.integers(n_predictors - 1)] * rng.normal()
    elif manner == 2:
        replaced[:, -1] = others.sum(axis=1)
    else:
        replaced[:, -1] = _scale(rng)
    if roundings:
        noise = np.finfo(np.float64).eps * 10.0 ** rng.uniform(-1, 5) * rng.normal(size=n_rows)
        replaced[:, -1] += noise * np.abs(replaced[:, -1]).max()
    return replaced[:, rng.permutation(n_predictors)]

"""Names of the columns of a fit table, and which array each is taken from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DIAGNOSTICS = ("errors", "covariance", "confidence", "pvalues", "rms", "mad", "r_squared", "condition", "chi2")
"""What ``diagnostics`` of groups may name, in the order of the columns."""

WINDOW_DIAGNOSTICS = (
    *("errors", "covariance", "confidence", "pvalues"),
    *("r_squared", "rmse", "rms", "condition", "chi2"),
)
"""What ``diagnostics`` of windows may name, in the order of the columns."""

_OF_COEFFICIENTS = ("errors", "covariance", "confidence", "pvalues")


def quantile_level(statistic: str) -> float:
    """Level of a quantile by its name.

    >>> quantile_level("q99.9")  # rounded once; 99.9 / 100 is 0.9990000000000001
    0.999
    """
    return float(f"{statistic[1:]}e-2")


@dataclass(frozen=True)
class FitColumn:
    """One column of one target: its name, the array it comes from and the place in that array beyond (bin, target)."""

    name: str
    source: str
    place: tuple[int, ...] = ()


def coefficient_names(predictors: Sequence[str], intercept: bool) -> list[str]:
    """``["intercept", "slope_x", ...]``."""
    return ["intercept"] * intercept + [f"slope_{name}" for name in predictors]


def fit_columns(
    target: str,
    predictors: Sequence[str],
    diagnostics: Sequence[str],
    *,
    intercept: bool,
    suffix: str,
    rejecting: bool,
    count: str = "n_used",
) -> list[FitColumn]:
    """Columns of one target in the order of the table; ``rejecting`` fitters tell of rows that they threw out.

    ``diagnostics`` come in the order of the columns; ``count`` is what the number of rows used is called.
    """
    found = [*_columns(target, predictors, diagnostics, intercept, count)]
    if rejecting:
        found += [FitColumn(f"{target}_{name}", name) for name in ("n_refits", "n_rejected")]
    return [FitColumn(f"{column.name}{suffix}", column.source, column.place) for column in found]


def _columns(
    target: str, predictors: Sequence[str], asked: Sequence[str], intercept: bool, count: str
) -> Iterator[FitColumn]:
    for i, name in enumerate(coefficient_names(predictors, intercept)):
        yield FitColumn(f"{target}_{name}", "values", (i,))
        if "errors" in asked:
            yield FitColumn(f"{target}_{name}_err", "errors", (i,))
        if "confidence" in asked:
            yield FitColumn(f"{target}_{name}_low", "low", (i,))
            yield FitColumn(f"{target}_{name}_high", "high", (i,))
        if "pvalues" in asked:
            yield FitColumn(f"{target}_{name}_pvalue", "pvalues", (i,))
    for name in asked:
        if name not in _OF_COEFFICIENTS:
            yield FitColumn(f"{target}_{name}", name)
    if "chi2" in asked:
        yield FitColumn(f"{target}_ndf", "ndf")
    if "covariance" in asked:
        for i, j, name in covariance_columns(target, predictors, intercept):
            yield FitColumn(name, "covariance", (i, j))
    yield FitColumn(f"{target}_{count}", "n_used")
    yield FitColumn(f"{target}_status", "status")


def covariance_columns(target: str, predictors: Sequence[str], intercept: bool) -> Iterator[tuple[int, int, str]]:
    """Row, column and name (without suffix) of the upper triangle of the covariance, the diagonal included."""
    names = ["intercept"] * intercept + list(predictors)
    for i, left in enumerate(names):
        for j in range(i, len(names)):
            yield i, j, f"{target}_cov_{left}_{names[j]}"


def column_word(name: str) -> str:
    """A predictor's name as it stands in columns of window tables: what is not alphanumeric becomes ``_``."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)

"""The compiled engine: one exact pass over the unsorted rows, one batched back-substitution.

Rows enter their bin's record by square-root-free Givens rotations (W. M. Gentleman, Algorithm AS 75, Appl. Statist. 23,
1974; A. J. Miller, AS 274, 1992) about running means kept as hi + lo. The rounding error grows with the condition
number of the design and not with its square, as with Householder QR of centred rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from gbr_dag.columns import every_row, is_broadcast, is_every_row, roundoff
from gbr_dag.graph.backend import config
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.nodes.rank import TOLERANCE
from gbr_dag.row_reasons import ROW_REASONS, warn_of_negative_weights
from gbr_dag.tables import BinMap, BoolArray, Coefficients, Columns, Factors, FloatArray, IntArray


@dataclass(frozen=True)
class FactorPass:
    """What one pass over the rows gives: the factors, and rows left out.

    Attributes
    ----------
    factors : tuple of Factors, one a block of targets
    left_out : int64 array (len(ROW_REASONS),)
        Rows in bins that are left out of every fit, by reason.
    without_target : int64 array (t,)
        Rows left out for that target only; with ``missing="any"`` for lacking some target.
    """

    factors: tuple[Factors, ...]
    left_out: IntArray
    without_target: IntArray


@config.when(engine="numba")
def factor_pass(
    design: Columns,
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_map: BinMap,
    entries: IntArray,
    intercept: bool,
    missing: str,
    threads: Optional[int],
) -> FactorPass:
    """Factors of every bin and the rows left out, from the rows in the frame's order; cost O(rows * columns^2).

    Targets share the record of their predictors as long as they are present in the same rows.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.
    """
    from gbr_dag.kernels.factoring import Factored, factored, most_targets

    weights = None if is_broadcast(raw_weights) and (raw_weights[:1] == 1.0).all() else raw_weights
    p, row_bin = len(design), bin_map.row_bin

    def passed(blocks: Sequence[tuple[int, ...]]) -> list[Factored]:
        columns = [[*design, *(response[target] for target in block)] for block in blocks]
        return [factored(row_bin, entries, block, weights, p, intercept, threads) for block in columns]

    every = tuple(range(len(response)))
    blocks = [every] if missing == "any" else _chunks([every], most_targets(p))
    found = passed(blocks)
    if missing != "any" and any(part.lacking_some for part in found):
        blocks = _chunks(_same_rows(response), most_targets(p))
        found = passed(blocks)
    left_out, without_target = found[0].left_out, np.zeros(len(response), dtype=np.int64)
    for block, part in zip(blocks, found):
        without_target[list(block)] = part.lacking_any if missing == "any" else part.without_target
    warn_of_negative_weights(int(left_out[ROW_REASONS.index("weight negative")]), len(raw_weights))
    return FactorPass(_factors(blocks, found, design, response, intercept), left_out, without_target)


@config.when(engine="numba")
def bin_factors__numba(factor_pass: FactorPass) -> tuple[Factors, ...]:
    """Factors of every bin, one record a block of targets."""
    return factor_pass.factors


@config.when_in(fitter=["ols", "wls"], engine=["numba"])
def left_out_rows__numba(
    factor_pass: FactorPass, selected_rows: BoolArray, keyed_rows: BoolArray, targets: Sequence[str]
) -> dict[str, int]:
    """Rows left out, by reason; every reason is there, and one entry a target for rows that lack only that target."""
    counts = factor_pass.left_out.copy()
    counts[ROW_REASONS.index("not selected")] = _count_false(selected_rows)
    if not is_every_row(keyed_rows):
        counts[ROW_REASONS.index("key missing")] = np.count_nonzero(selected_rows & ~keyed_rows)
    left_out = {reason: int(count) for reason, count in zip(ROW_REASONS[1:], counts[1:])}
    for target, count in zip(targets, factor_pass.without_target):
        left_out[f"target missing or infinite: {target}"] = int(count)
    return left_out


@config.when(engine="numba")
def reduced_factors__numba(window_factors: tuple[Factors, ...], threads: Optional[int]) -> tuple[Factors, ...]:
    """Factors without aliased predictors, whose leftover rows are put back into the rows below.

    The rule is that of the numpy engine; the records are copied only if a bin has an aliased predictor.
    """
    return tuple(_reduced(factors, threads) for factors in window_factors)


@config.when_in(fitter=["ols", "wls"], engine=["numba"])
def coefficients__numba(
    reduced_factors: tuple[Factors, ...],
    min_entries: int,
    design: Columns,
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_map: BinMap,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
    threads: Optional[int],
) -> Coefficients:
    """Coefficients of every bin and target, with the unit covariance and the sums of squares behind their errors.

    Solves U beta = z on the kept columns; the intercept is the target's mean less the slopes times the predictors'
    means, these being hi + lo. Cost O(bins * k^3).

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.
    """
    from gbr_dag.kernels.solving import solved

    blocks = []
    odd = any(column.dtype.kind == "f" and column.dtype.itemsize > 8 for column in (*design, *response, raw_weights))
    for factors in reduced_factors:
        fits = solved(factors.records, min_entries, factors.intercept, factors.precision, factors.n_predictors, threads)
        odd = odd or bool(fits.odd_sizes.any())
        blocks.append(_block_coefficients(factors, fits))
    if odd:
        check_magnitudes(zip(predictors, design), zip(targets, response), weights, raw_weights, bin_map.row_bin)
    return Coefficients.joined(blocks, [factors.targets for factors in reduced_factors])


def _factors(
    blocks: Sequence[tuple[int, ...]], found: Sequence[Any], design: Columns, response: Columns, intercept: bool
) -> tuple[Factors, ...]:
    of_predictors = [roundoff(column) for column in design]
    of_blocks = [[*of_predictors, *(roundoff(response[target]) for target in block)] for block in blocks]
    return tuple(
        Factors(block, part.records, np.array(precision), intercept)
        for block, part, precision in zip(blocks, found, of_blocks)
    )


def _chunks(groups: Sequence[tuple[int, ...]], most: int) -> list[tuple[int, ...]]:
    return [group[i : i + most] for group in groups for i in range(0, len(group), most)]


def _same_rows(response: Columns) -> list[tuple[int, ...]]:
    """Positions of the targets by the rows in which they are present."""
    groups: list[tuple[BoolArray, list[int]]] = []
    for target, column in enumerate(response):
        present = np.isfinite(column) if column.dtype.kind == "f" else every_row(len(column))
        for rows, members in groups:
            if np.array_equal(rows, present):
                members.append(target)
                break
        else:
            groups.append((present, [target]))
    return [tuple(members) for _, members in groups]


def _reduced(factors: Factors, threads: Optional[int]) -> Factors:
    from gbr_dag.kernels.solving import reduced

    p = factors.n_predictors
    records, kept = reduced(factors.records, factors.intercept, factors.precision, TOLERANCE, p, threads)
    if kept is None:
        kept = np.broadcast_to(np.True_, (len(records), p))
    return replace(factors, records=records, kept=kept)


def _block_coefficients(factors: Factors, fits: Any) -> Coefficients:
    """Views into the solver's output, bins last in memory: every column of the table is contiguous."""
    p, t, n = factors.n_predictors, len(factors.targets), len(factors.records)
    m, first = p + 1, 0 if factors.intercept else 1
    sums = fits.out[t * m : t * (m + 2)].reshape(2, t, n)
    values = fits.out[: t * m].reshape(t, m, n)[:, first:]
    unit_covariance = fits.out[t * (m + 2) : -1].reshape(1, m, m, n)[:, first:, first:]
    return Coefficients(
        values=np.moveaxis(values, -1, 0),
        sse=sums[0].T,
        syy=sums[1].T,
        constant=fits.constant.T,
        unit_covariance=np.moveaxis(unit_covariance, -1, 0),
        count=fits.count[:, None],
        rank=fits.rank[:, None],
        conditioning=fits.out[-1][:, None],
        block_of=(0,) * t,
    )


def _count_false(mask: BoolArray) -> int:
    return 0 if is_every_row(mask) else int(np.count_nonzero(~mask))

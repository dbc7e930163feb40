"""The compiled Huber fit: iteratively reweighted least squares over the rows sorted by bin."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.records import GroupFits
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.options import HuberOptions
from gbr_dag.tables import BinMap, BinRows, Columns, FitStatus, FloatArray, TargetBlock


@config.when_in(fitter=["huber"], engine=["numba"])
def group_fits__numba(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    bin_rows: BinRows,
    intercept: bool,
    min_entries: int,
    fitter_options: HuberOptions,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
    threads: Optional[int],
) -> GroupFits:
    """Huber fits of every group and target; cost O(rows * predictors^2) a step.

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.

    References
    ----------
    P. J. Huber, Robust Statistics (1981), section 7.6 for the errors (H1).
    """
    from gbr_dag.kernels.huber import huber_fits

    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    options = fitter_options
    blocks = []
    for block in target_blocks:
        columns = [response[target] for target in block.targets]
        fits = huber_fits(
            design,
            columns,
            row_weights,
            block.rows,
            bin_rows.rows,
            bin_rows.offsets,
            intercept=intercept,
            precision=np.array([roundoff(column) for column in (*design, *columns)]),
            tuning=options.tuning,
            sigma_cut=options.sigma_cut,
            max_refits=options.max_refits,
            max_iter=options.max_iter,
            tol=options.tol,
            min_entries=min_entries,
            threads=threads,
        )
        blocks.append(fits)
    order = np.argsort([target for block in target_blocks for target in block.targets])

    def of(name: str) -> npt.NDArray[Any]:
        parts = [getattr(fits, name) for fits in blocks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)[:, order]

    flags: npt.NDArray[np.int16] = np.where(of("not_converged"), np.int16(FitStatus.NOT_CONVERGED), np.int16(0))
    flags |= np.where(of("at_floor"), np.int16(FitStatus.NEARLY_EXACT), np.int16(0))
    shared = ("values", "unit_covariance", "scale", "sse", "syy", "constant", "count", "rank", "conditioning")
    counts = ("n_refits", "n_rejected", "leverage")
    arrays: dict[str, Any] = {name: of(name) for name in (*shared, *counts)}
    return GroupFits(**arrays, flags=flags, rejected=None if options.sigma_cut is None else of("rejected"))

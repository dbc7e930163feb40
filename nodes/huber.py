"""The compiled Huber fit: iteratively reweighted least squares over the rows sorted by bin."""

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.compiled_huber import group_fits_of_blocks
from gbr_dag.group_fits.records import GroupFits
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.options import HuberOptions
from gbr_dag.tables import BinMap, BinRows, Columns, FloatArray, TargetBlock


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
    return group_fits_of_blocks(blocks, target_blocks)

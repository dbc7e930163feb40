"""Fits of one group at a time in several processes."""

from collections.abc import Sequence
from typing import Optional

from gbr_dag.graph.backend import config
from gbr_dag.group_fits.batches import Batches
from gbr_dag.group_fits.frame_order import in_frame_order
from gbr_dag.group_fits.processes import fits_in_processes
from gbr_dag.group_fits.records import GroupFits, GroupFitter, SortedRows
from gbr_dag.tables import BinMap, BinRows, BinTable


@config.when_in(engine=["loky"])
def group_fits__loky(
    group_fitter: GroupFitter,
    sorted_rows: SortedRows,
    bin_map: BinMap,
    bin_rows: BinRows,
    bin_table: BinTable,
    targets: Sequence[str],
    n_jobs: Optional[int],
    batches: Optional[Batches],
) -> GroupFits:
    """Fits of every group and target, batches of groups side by side in several processes.

    Raises
    ------
    InputError
        If the fitter cannot be sent to another process.
    MissingExtraError
        If joblib is needed and not there.
    WorkerError
        If a process dies.
    """
    fits = fits_in_processes(group_fitter, sorted_rows, n_jobs, batches)
    return in_frame_order(fits, bin_map, bin_rows, bin_table, targets)

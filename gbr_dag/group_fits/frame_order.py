"""Group fits as the rest of the graph takes them: rejected rows by position, one warning for all failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gbr_dag.caller_warnings import warn_caller
from gbr_dag.errors import DataWarning
from gbr_dag.group_fits.records import Failure, GroupFits
from gbr_dag.tables import BinMap, BinRows, BinTable

FAILED_FITS = "the fitter failed in "
"""What the warning of failed fits begins with, for who puts the fits of several runs together and tells of all."""


def in_frame_order(
    fits: GroupFits, bin_map: BinMap, bin_rows: BinRows, bin_table: BinTable, targets: Sequence[str]
) -> GroupFits:
    """The same with rejected rows by their position in the frame; one warning if the fitter failed somewhere."""
    warn_of_failures(fits.failures, fits.count.size, bin_table, targets)
    if fits.rejected is None or not fits.rejected.any():
        return replace(fits, rejected=None)
    rejected = np.zeros((len(bin_map.row_bin), len(targets)), dtype=bool)
    rejected[bin_rows.rows] = fits.rejected
    return replace(fits, rejected=rejected)


def warn_of_failures(failures: Sequence[Failure], n_fits: int, bin_table: BinTable, targets: Sequence[str]) -> None:
    """Warn once, with the first failure, if there is any."""
    if not failures:
        return
    first = failures[0]
    key = ", ".join(f"{name}={value}" for name, value in bin_table.keys.iloc[first.bin].items())
    message = (
        f"{FAILED_FITS}{len(failures)} of {n_fits} fits, which have the status FAILED; the first, of"
        f" {targets[first.target]!r} in {key}: {first.text}"
    )
    warn_caller(message, DataWarning)

"""Compiled Huber fits of blocks of targets as fits of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gbr_dag.group_fits.records import GroupFits
from gbr_dag.tables import FitStatus, TargetBlock

if TYPE_CHECKING:
    from gbr_dag.kernels.huber import HuberFits

_SAME = (
    *("values", "unit_covariance", "scale", "sse", "syy", "constant", "count", "rank", "conditioning"),
    *("n_refits", "n_rejected", "leverage"),
)


def of_targets(fits: Sequence[HuberFits], blocks: Sequence[TargetBlock], name: str) -> npt.NDArray[Any]:
    """One array of the fits of all blocks, (n_bins, t, ...) in the order of the targets."""
    parts = [getattr(part, name) for part in fits]
    order = np.argsort([target for block in blocks for target in block.targets])
    joined: npt.NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)[:, order]
    return joined


def group_fits_of_blocks(fits: Sequence[HuberFits], blocks: Sequence[TargetBlock]) -> GroupFits:
    """The fits of all blocks, targets in their order."""
    flags: npt.NDArray[np.int16] = np.where(
        of_targets(fits, blocks, "not_converged"), np.int16(FitStatus.NOT_CONVERGED), np.int16(0)
    )
    flags |= np.where(of_targets(fits, blocks, "at_floor"), np.int16(FitStatus.NEARLY_EXACT), np.int16(0))
    arrays: dict[str, Any] = {name: of_targets(fits, blocks, name) for name in _SAME}
    rejected = None if fits[0].rejected is None else of_targets(fits, blocks, "rejected")
    return GroupFits(**arrays, flags=flags, rejected=rejected)

"""The groups of a model's rows, by the nodes that also find those of group-by fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gbr_dag.features.grouping import Grouping, Groups


def grouping_of(frame: pd.DataFrame, by: Sequence[str]) -> Grouping:
    """The rows of a frame, whose groups are found when first needed.

    Parameters
    ----------
    frame : pandas.DataFrame (n_rows,)
        With the key columns.
    by : sequence of str
        Key columns; a row that lacks one is in no group.
    """
    return Grouping(frame.index, lambda: _groups(frame, by))


def _groups(frame: pd.DataFrame, by: Sequence[str]) -> Groups:
    from gbr_dag.nodes import bin_map, binning, selection

    keyed = selection.keyed_rows(frame, by)
    coordinates = binning.bin_coordinates__numba(frame, by, keyed, None)
    cells = binning.cell_ids__numba(coordinates, None)
    table = bin_map.bin_table__numba(frame, by, coordinates, cells)
    ids = bin_map.bin_map__numba(cells, table, None).row_bin
    return Groups(np.asarray(ids), table.keys)

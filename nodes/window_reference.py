"""The reference engine of windows: the rows of every window gathered and fitted one window after the other."""

from collections.abc import Sequence

from gbr_dag.graph.backend import config
from gbr_dag.tables import BinRows, BinTable
from gbr_dag.windows import gathered
from gbr_dag.windows.gathered import WindowRows
from gbr_dag.windows.specification import WindowDimension


@config.when(engine="reference")
def window_rows__reference(bin_table: BinTable, bin_rows: BinRows, window: Sequence[WindowDimension]) -> WindowRows:
    """Rows of every window with their kernel weights, looked up offset by offset."""
    return gathered.window_rows(bin_table.keys, window, bin_rows.rows, bin_rows.offsets)

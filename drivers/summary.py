"""What a run has done, for the terminal."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

from gbr_dag.drivers.metadata import fit_metadata
from gbr_dag.tables import explain_status


def summary(table: pd.DataFrame) -> Table:
    """Groups or bins, fits by status, rows left out by reason, seconds and rows per second of a fit table."""
    record = fit_metadata(table)
    seconds, n_rows = record["seconds"], record["n_rows"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right")
    grid.add_column()
    grid.add_row(f"{len(table):,}", "bins" if "window" in record["inputs"] else "groups")
    for target in record["inputs"]["targets"]:
        counts = table[f"{target}_status{record['inputs']['suffix']}"].value_counts().sort_index()
        for status, count in counts.items():
            grid.add_row(f"{count:,}", f"{target}: {explain_status(int(status))}")
    for reason, count in record["left_out_rows"].items():
        if count:
            grid.add_row(f"{count:,}", f"rows left out: {reason}")
    grid.add_row(f"{n_rows:,}", f"rows in {seconds:.3g} s, {n_rows / seconds:,.0f} rows/s")
    return grid

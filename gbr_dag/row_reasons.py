"""Why a row is in no fit."""

from __future__ import annotations

from gbr_dag.caller_warnings import warn_caller
from gbr_dag.errors import DataWarning

ROW_REASONS = (
    "used",
    "not selected",
    "key missing",
    "weight missing or infinite",
    "weight zero",
    "weight negative",
    "predictor missing or infinite",
)
"""Reasons by their code, 0 for a used row; the first that applies."""


def warn_of_negative_weights(n_negative: int, n_rows: int) -> None:
    """Warn once if rows are left out for a negative weight."""
    if n_negative:
        message = f"{n_negative} of {n_rows} rows have a negative weight and are left out of every fit"
        warn_caller(message, DataWarning)

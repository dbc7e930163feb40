"""Functions that take and return frames, as features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.columns import GroupedColumn
from gbr_dag.features.feature import Feature
from gbr_dag.features.grouping import Grouping


def called_on_frame(feature: Feature, arguments: Mapping[str, GroupedColumn], grouping: Grouping) -> tuple[Any, ...]:
    """Values of each output of a feature whose function takes and returns a frame, (n_rows,) or (n_groups,).

    Raises
    ------
    InputError
        If what it returns is no frame with the outputs, one row per row or group.
    """
    given = pd.DataFrame({name: column.per_row().as_series() for name, column in arguments.items()}, copy=True)
    given.index = grouping.index
    result = feature.function(given)
    if not isinstance(result, pd.DataFrame):
        message = f"{feature.label} must return a pandas.DataFrame, got {type(result).__name__}"
        raise InputError(message)
    lacking = [name for name in feature.outputs if name not in result]
    if lacking:
        message = f"{feature.label} returned a frame without {', '.join(map(repr, lacking))}, which outputs names"
        raise InputError(message)
    if feature.level == "row":
        if len(result) != grouping.n_rows or not result.index.equals(grouping.index):
            message = (
                f"{feature.label} is row level: the frame returned must have the index of the frame given,"
                f" {grouping.n_rows:,} rows, got {len(result):,}"
            )
            raise InputError(message)
        return tuple(_values(result[name]) for name in feature.outputs)
    raise NotImplementedError


def _values(column: pd.Series) -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array

"""The numeric columns of the regression, as views into the frame where that is possible."""

from collections.abc import Sequence

import pandas as pd

from gbr_dag.columns import numeric_values
from gbr_dag.graph.sizes import bytes_estimate
from gbr_dag.tables import Columns


@bytes_estimate(lambda frame, predictors: sum(frame[name].memory_usage(index=False) for name in predictors))
def design(frame: pd.DataFrame, predictors: Sequence[str]) -> Columns:
    """Predictor columns (n_rows,) in their own dtypes, without a column of ones; not copied when the frame allows."""
    return tuple(numeric_values(frame[name]) for name in predictors)


@bytes_estimate(lambda frame, targets: sum(frame[name].memory_usage(index=False) for name in targets))
def response(frame: pd.DataFrame, targets: Sequence[str]) -> Columns:
    """Target columns (n_rows,) in their own dtypes; not copied when the frame allows."""
    return tuple(numeric_values(frame[name]) for name in targets)

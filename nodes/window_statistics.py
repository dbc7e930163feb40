"""Statistics of the targets' values over every window."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from gbr_dag.graph.backend import config
from gbr_dag.tables import Columns, FloatArray
from gbr_dag.windows.gathered import WindowRows
from gbr_dag.windows.obvious_statistics import obvious_statistics


@config.when(engine="reference")
def target_statistics__reference(
    response: Columns, raw_weights: npt.NDArray[Any], window_rows: WindowRows, statistics: Sequence[str]
) -> dict[str, FloatArray]:
    """Statistics of each target over the rows of every window, by name, (n_bins, t) each."""
    return obvious_statistics(response, raw_weights, window_rows, statistics)

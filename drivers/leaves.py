"""Values of nodes as named arrays, each with what its first axis and its numbers stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from gbr_dag.columns import is_numeric, numeric_values
from gbr_dag.group_fits.records import GroupFits
from gbr_dag.nodes.window_errors import KernelSpread
from gbr_dag.nodes.window_huber import WindowFits
from gbr_dag.tables import Coefficients, Factors, TargetBlock

QUANTITIES = {
    "coefficient_values": "values",
    "coefficient_errors": "errors",
    "confidence_bounds.low": "low",
    "confidence_bounds.high": "high",
    "p_values": "pvalues",
    "residual_freedom": "ndf",
    "fit_status": "status",
    "coefficients.values": "values",
    **{
        f"coefficients.{name}": name
        for name in ("sse", "syy", "constant", "unit_covariance", "count", "rank", "conditioning", "scale", "flags")
    },
    **{f"rejections.{name}": name for name in ("n_refits", "n_rejected")},
    **{name: name for name in ("rms", "rmse", "error_scale", "mad", "r_squared", "condition", "chi2", "covariance")},
    **{name: name for name in ("row_prediction", "row_prediction_error", "residual", "pull")},
}
"""What the arrays of the nodes hold that have targets on their second axis, in the words of the table's columns."""

_ORDINAL = {"bin_coordinates.codes", "cell_ids.ids", "bin_table.cells"}
"""Numbers that only order rows and bins: an engine may number cells as it likes."""

_PRIVATE = {"bin_coordinates.spans", "cell_ids.span", "coefficients.block_of"}
"""How an engine arranges its work: upper bounds of cell numbers; blocks, over which the other fields are spread."""

_OWN = (Factors, GroupFits, KernelSpread, WindowFits)
"""What is an engine's own affair, as how a factor splits means into hi and lo, or which targets share a spread: the
coefficients, and their errors, show whether it is right."""

ONE_SIDED = {"scale", "flags", "n_refits", "n_rejected"}
"""What some fitters tell and others do not."""

_OF_THE_CONFIG = (
    "group_fitter",
    *(f"fit_record['{name}']" for name in ("engine", "fitter", "seconds", "versions")),
    *(f"fit_record['inputs']['{name}']" for name in ("fitter_options", "n_jobs", "own_fitter", "threads")),
)
"""How paths begin that say which configuration ran, with what, and how long."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One array of a node's value.

    ``axis`` says what the first axis runs over: ``"group"``, ``"row"`` or ``""``; ``quantity`` what the numbers are
    (``""`` if unknown, ``"order"`` if only their order counts), the next axes then being the target and the
    coefficients; ``place`` holds these when the array is a column of a table. ``comparable`` is false for what engines
    may do as they like.
    """

    values: npt.NDArray[Any]
    axis: str = ""
    quantity: str = ""
    place: tuple[int, ...] = ()
    comparable: bool = True


@dataclasses.dataclass(frozen=True)
class Layout:
    """Lengths by which axes are told, and the table's columns by name: quantity and (target, *coefficients)."""

    n_rows: int
    n_bins: int
    n_targets: int
    columns: Mapping[str, tuple[str, tuple[int, ...]]]

    def leaf(self, path: str, values: npt.NDArray[Any], column: str) -> Leaf:
        """Say what an array of a node is."""
        family = path.partition("[")[0]
        if path.startswith(_OF_THE_CONFIG) or family in _PRIVATE:
            return Leaf(values, comparable=False)
        length = values.shape[0] if values.ndim else -1
        axis = "group" if length == self.n_bins else "row" if length == self.n_rows else ""
        if length == self.n_rows and family in _ROWS:
            axis = "row"
        if column in self.columns and path.startswith(("fit_table.", "target_columns[")):
            quantity, place = self.columns[column]
            return Leaf(values, axis, quantity, place)
        if family in _ORDINAL:
            return Leaf(values, axis, "order")
        known = axis and values.ndim > 1 and values.shape[1] == self.n_targets
        return Leaf(values, axis, QUANTITIES.get(family, "") if known else "")


_ROWS = {
    *("selected_rows", "keyed_rows", "usable_rows", "raw_weights", "row_reasons", "row_weights"),
    *("design", "response", "target_blocks", "bin_coordinates.codes", "cell_ids.ids", "bin_map.row_bin"),
    *("row_prediction", "row_prediction_error", "residual", "pull", "working_weights", "linear_prediction"),
}
"""Arrays over rows also where there are as many groups as rows."""


def leaves(node: str, value: Any, layout: Layout) -> dict[str, Leaf]:
    """Arrays of a node's value by field; the field of a value that is an array itself is ``""``."""
    found = {}
    for path, column, part in _parts(node, "", value):
        if isinstance(part, np.ndarray):
            leaf = layout.leaf(path, part, column)
        elif isinstance(part, (bool, int, float, np.generic)):
            leaf = layout.leaf(path, np.asarray(part), "")
        else:
            box = np.empty((), dtype=object)
            box[()] = part
            # objects without an equality of their own differ between any two runs
            has_equality = part is None or any("__eq__" in vars(kind) for kind in type(part).__mro__[:-1])
            comparable = has_equality and not path.startswith(_OF_THE_CONFIG) and not isinstance(part, _OWN)
            leaf = Leaf(box, comparable=comparable)
        found[path[len(node) :].lstrip(".")] = leaf
    return found


def _parts(path: str, column: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Take records, frames, mappings and sequences apart: path, last name in it, array or single value."""
    if path == "confidence_bounds" and isinstance(value, np.ndarray) and len(value) == 2:
        yield from ((f"{path}.{name}", "", bound) for name, bound in zip(("low", "high"), value))
    elif isinstance(value, pd.DataFrame):
        for name in value.columns:
            yield f"{path}.{name}", str(name), _column_values(value[name])
    elif isinstance(value, (pd.Series, pd.Index)):
        yield path, column, _column_values(value.to_series() if isinstance(value, pd.Index) else value)
    elif isinstance(value, ExtensionArray):
        yield path, column, _column_values(pd.Series(value))
    elif isinstance(value, Coefficients):
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            spread = field.name in {"unit_covariance", "count", "rank", "conditioning"}
            yield from _parts(f"{path}.{field.name}", "", value.of_targets(part) if spread else part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, (type, *_OWN)):
        for field in dataclasses.fields(value):
            yield from _parts(f"{path}.{field.name}", "", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _parts(f"{path}[{name!r}]", str(name), part)
    elif isinstance(value, (tuple, list)) and value and all(isinstance(part, TargetBlock) for part in value):
        rows = {target: block.rows for block in value for target in block.targets}
        yield from ((f"{path}[{target}]", "", rows[target]) for target in sorted(rows))
    elif isinstance(value, (tuple, list)):
        for i, part in enumerate(value):
            yield from _parts(f"{path}[{i}]", "", part)
    else:
        yield path, column, value


def _column_values(column: pd.Series) -> npt.NDArray[Any]:
    if is_numeric(column.dtype):
        return numeric_values(column)
    values: npt.NDArray[Any] = column.to_numpy()
    return values

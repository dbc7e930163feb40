"""The values of a column, spread over rows and handed to pandas or NumPy."""

from __future__ import annotations

from typing import Any, Literal, Optional

import numpy as np
import pandas as pd

from gbr_dag.features.gaps import with_gaps
from gbr_dag.features.grouping import Grouping, Rows
from gbr_dag.features.refusals import refuse, refuse_rows

Kind = Literal["series", "array", "group"]
"""What one group's run of a function would hold: a Series of its rows, an array of NumPy's, or one value."""


class ColumnValues:
    """Values of rows or groups, and which those are; the parameters are those of :class:`GroupedColumn`."""

    __slots__ = ("_broadcast", "_kept", "_kind", "_rows", "_series", "_values", "grouping")

    def __init__(self, values: Any, kind: Kind, rows: Rows, grouping: Grouping) -> None:
        self._values = values
        self._kind: Kind = kind
        self._rows = rows
        self.grouping = grouping
        self._series: Optional[pd.Series] = None
        self._broadcast: Optional[Any] = None
        self._kept: Optional[tuple[Any, Rows]] = None

    @property
    def kind(self) -> Kind:
        """What it is in the run of one group."""
        return self._kind

    @property
    def is_group_level(self) -> bool:
        """Whether it has one value per group."""
        return self._kind == "group"

    @property
    def raw(self) -> Any:
        """The values, (n_rows,) or (n_groups,)."""
        return self._values

    @property
    def rows(self) -> Rows:
        """The rows that it has values for; of one per group those of the whole frame."""
        return self._rows

    @property
    def nbytes(self) -> int:
        """Memory of the values."""
        return int(getattr(self._values, "nbytes", 0))

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        return self._values.dtype

    def __repr__(self) -> str:
        """Give level, length and type."""
        level = "group" if self.is_group_level else "row"
        return f"<GroupedColumn, {level} level, {len(self._values):,} values of {self.dtype}>"

    def as_series(self) -> pd.Series:
        """The values as a Series over a range."""
        if self._series is None:
            self._series = pd.Series(self._values, copy=False)
        return self._series

    def made(self, values: Any, kind: Kind, rows: Optional[Rows] = None) -> Any:
        """Another column of these groups, of the same rows unless others are given."""
        if kind == "group":
            rows = self.grouping.every_row
        return self._plain_class()(values, kind, self._rows if rows is None else rows, self.grouping)

    def _plain_class(self) -> type[ColumnValues]:
        return type(self)

    def spread(self, rows: Rows) -> Any:
        """Value of the group of every row; missing where the row is in none."""
        if rows.positions is not None:
            return _spread(self._values, rows)
        if self._broadcast is None:
            self._broadcast = _spread(self._values, rows)
        return self._broadcast

    def kept_by(self, mask: ColumnValues) -> Any:
        """The rows that a mask of booleans lets through; a missing one does not."""
        if not pd.api.types.is_bool_dtype(mask.dtype):
            refuse(f"[column of {mask.dtype}]", "; only a mask of booleans selects")
        if not mask.rows.same(self._rows):
            refuse_rows()
        if mask._kept is None:  # once, however many columns the mask is for
            positions = np.flatnonzero(plain_truth(mask.raw))
            mask._kept = positions, mask.rows.kept(positions)
        positions, rows = mask._kept
        return self.made(self._values[positions], self._kind, rows)


def plain_truth(values: Any) -> Any:
    """Booleans as those of NumPy, missing ones false."""
    if isinstance(values, np.ndarray):
        return values if values.dtype == bool else values.astype(bool)
    return values.to_numpy(dtype=bool, na_value=False)


def _spread(values: Any, rows: Rows) -> Any:
    if rows.all_grouped:
        return values[rows.ids]
    return with_gaps(values, rows.ids)

"""The values of a column, spread over rows and handed to pandas or NumPy."""

from __future__ import annotations

from typing import Any, Literal, Optional

import numpy as np
import pandas as pd

from gbr_dag.features.gaps import missing_where, plain_form, with_gaps
from gbr_dag.features.grouping import Grouping, Rows
from gbr_dag.features.refusals import refuse, refuse_rows

Kind = Literal["series", "array", "group"]
"""What one group's run of a function would hold: a Series of its rows, an array of NumPy's, or one value."""


class ColumnValues:
    """Values of rows or groups, and which those are; the parameters are those of :class:`GroupedColumn`."""

    # fmt: off
    __slots__ = (
        "_broadcast", "_kept", "_kind", "_plain", "_rows", "_series", "_stand_in", "_values", "grouping", "needs_group",
    )
    # fmt: on

    def __init__(self, values: Any, kind: Kind, rows: Rows, grouping: Grouping, *, needs_group: bool = False) -> None:
        self._values = values
        self._kind: Kind = kind
        self._rows = rows
        self.grouping = grouping
        self.needs_group = needs_group and kind != "group"
        self._series: Optional[pd.Series] = None
        self._broadcast: Optional[Any] = None
        self._plain: Optional[ColumnValues] = None
        self._stand_in: Optional[ColumnValues] = None
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
        """The values, (n_rows,) or (n_groups,); see :meth:`released`."""
        return self._values

    def released(self) -> Any:
        """The values as they leave the groups: missing for rows without a group if they depend on a group's value.

        Only here do types change for them; see :attr:`gbr_dag.features.grouping.Rows.stand_in`.
        """
        if not self.needs_group or self._rows.all_grouped:
            return self._values
        return missing_where(self._rows.ids < 0, self._values)

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

    def made(self, values: Any, kind: Kind, rows: Optional[Rows] = None, *, needs_group: Optional[bool] = None) -> Any:
        """Another column of these groups, of the same rows unless others are given."""
        if kind == "group":
            rows = self.grouping.every_row
        needs_group = self.needs_group if needs_group is None else needs_group
        rows = self._rows if rows is None else rows
        return self._plain_class()(values, kind, rows, self.grouping, needs_group=needs_group)

    def _plain_class(self) -> type[ColumnValues]:
        return type(self)

    def plain(self) -> ColumnValues:
        """The column of values of groups as one group's run has each: numbers of NumPy's, and of categories the value.

        Numbers of pandas' own types are missing as NaN.
        """
        if self._plain is None:
            values = plain_form(self._values)
            self._plain = self if values is self._values else self.made(values, self._kind)
        return self._plain

    def stood_in(self) -> ColumnValues:
        """The column as it meets values of groups: rows without a group have the values of one that has."""
        if self.needs_group or self._rows.stand_in is None:
            return self
        if self._stand_in is None:
            self._stand_in = self.made(self._values.take(self._rows.stand_in), self._kind, needs_group=True)
        return self._stand_in

    def spread(self, rows: Rows) -> Any:
        """Value of the group of every row; of any group where the row is in none."""
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
            mask._kept = mask.rows.let_through(plain_truth(mask.raw))
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
    if rows.stand_in is not None:
        return values[rows.ids[rows.stand_in]]
    if (
        isinstance(values, np.ndarray) and values.dtype.kind in "biuUS"
    ):  # no row has a group: keep the type all the same
        return np.zeros(len(rows), dtype=values.dtype)
    return with_gaps(values, rows.ids)

"""The groups of a model's rows, found when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.kernels.counting_sort import counting_sort
from gbr_dag.kernels.grouped import first_rows, group_sizes, last_rows
from gbr_dag.kernels.read_only import read_only

IntArray = npt.NDArray[np.int64]
IdArray = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Groups:
    """The group of every row.

    Attributes
    ----------
    ids : integer array (n_rows,)
        Group of every row, -1 where a key is missing.
    keys : pandas.DataFrame (n_groups,)
        Key values of the groups, sorted.
    """

    ids: IdArray
    keys: pd.DataFrame

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.keys)


class Grouping:
    """The rows of a frame, and their groups once something asks for them.

    Parameters
    ----------
    index : pandas.Index (n_rows,)
        Of the frame; rows are positions.
    make : callable
        Finds the groups; called once at most.
    """

    def __init__(self, index: pd.Index, make: Callable[[], Groups]) -> None:
        self.index = index
        self.n_rows = len(index)
        self._make = make
        self.every_row = Rows(self, None)
        self.of_groups: dict[tuple[str, ...], Grouping] = {}
        """The groups as rows of other models, by what these take as keys."""

    @cached_property
    def groups(self) -> Groups:
        """The groups."""
        return self._make()


class Rows:
    """The rows that a column has values for: all of a frame, or those that a mask has left.

    Parameters
    ----------
    grouping : Grouping
        Of the frame.
    positions : int64 array (n,), optional
        Positions in the frame, ascending; None for all.
    """

    def __init__(self, grouping: Grouping, positions: Optional[IntArray]) -> None:
        self._grouping = grouping
        self.positions = positions

    def __len__(self) -> int:
        """Number of rows."""
        return self._grouping.n_rows if self.positions is None else len(self.positions)

    def same(self, other: Rows) -> bool:
        """Whether these are the rows of ``other``."""
        if self is other or self.positions is other.positions:
            return self._grouping is other._grouping
        left = np.arange(len(self)) if self.positions is None else self.positions
        right = np.arange(len(other)) if other.positions is None else other.positions
        return self._grouping is other._grouping and np.array_equal(left, right)

    def kept(self, positions: IntArray) -> Rows:
        """Those of the rows at some positions within them, ascending."""
        return Rows(self._grouping, positions if self.positions is None else self.positions[positions])

    def let_through(self, mask: npt.NDArray[np.bool_]) -> tuple[IntArray, Rows]:
        """Positions within the rows of those that a mask lets through, none without a group among it, and the rows."""
        positions = np.flatnonzero(mask)
        if not self.all_grouped:
            positions = positions[self.ids[positions] >= 0]
        rows = self.kept(positions)
        rows.all_grouped = True  # known without a look
        return positions, rows

    @cached_property
    def ids(self) -> IdArray:
        """Group of every row (n,), -1 where a key is missing."""
        ids = self._grouping.groups.ids
        return read_only(ids if self.positions is None else ids[self.positions])

    @property
    def n_groups(self) -> int:
        """Number of groups, those that have none of the rows among it."""
        return self._grouping.groups.n_groups

    @cached_property
    def all_grouped(self) -> bool:
        """Whether every row is in a group."""
        return len(self.ids) == 0 or int(self.ids.min()) >= 0

    @cached_property
    def stand_in(self) -> Optional[IntArray]:
        """Positions (n,): of every row its own, or that of a row with a group where it has none; None where all have.

        What depends on a group's value is computed with the values of that other row, so that a row without a group
        changes neither types nor values of others. None, too, where no row has a group.
        """
        if self.all_grouped:
            return None
        grouped = np.flatnonzero(self.ids >= 0)
        return np.where(self.ids < 0, grouped[0], np.arange(len(self))) if len(grouped) else None

    @cached_property
    def sizes(self) -> IntArray:
        """Rows of every group, int64 (n_groups,)."""
        return group_sizes(self.ids, self.n_groups)

    @cached_property
    def none_empty(self) -> bool:
        """Whether every group has some of the rows."""
        return bool((self.sizes > 0).all())

    @cached_property
    def first(self) -> IntArray:
        """First row of every group, -1 where it has none, int64 (n_groups,)."""
        return first_rows(self.ids, self.n_groups)

    @cached_property
    def last(self) -> IntArray:
        """Last row of every group, -1 where it has none, int64 (n_groups,)."""
        return last_rows(self.ids, self.n_groups)

    @cached_property
    def by_group(self) -> tuple[IdArray, IntArray]:
        """Rows (n,) sorted by group, in their order within one, and where each group begins (n_groups + 1,)."""
        return counting_sort(self.ids, self.n_groups)

    @cached_property
    def by_pandas(self) -> pd.Categorical:
        """The groups as pandas takes them."""
        return pd.Categorical.from_codes(self.ids, categories=pd.RangeIndex(self.n_groups))

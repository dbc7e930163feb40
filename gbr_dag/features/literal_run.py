"""The functions of a model called literally, group by group, from the columns of a frame on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Protocol

import numpy as np
import pandas as pd

from gbr_dag.features.feature import Feature
from gbr_dag.features.literal import Attempts, GroupSeries, one_value, parts, values_of_rows


class FrameGroups:
    """The groups of a frame, found by pandas, so that a model's own way of finding them is checked, too.

    Parameters
    ----------
    frame : pandas.DataFrame (n_rows,)
        With the key columns.
    by : sequence of str
        Key columns; a row that lacks one is in no group.

    Attributes
    ----------
    rows : list of int64 array
        Positions of the rows of every group, in their order.
    keys : list of tuple
        Key values of every group.
    """

    def __init__(self, frame: pd.DataFrame, by: Sequence[str]) -> None:
        self.frame, self.by = frame, tuple(by)
        numbers = frame.groupby(list(by), sort=False, observed=True, dropna=True).ngroup()
        self._ids = numbers.fillna(-1).to_numpy(dtype=np.int64)
        order = np.argsort(self._ids, kind="stable")
        edges = np.searchsorted(self._ids[order], np.arange(self._ids.max(initial=-1) + 2))
        self.rows = [order[start:stop] for start, stop in zip(edges[:-1], edges[1:])]
        firsts = np.array([rows[0] for rows in self.rows], dtype=np.int64)
        self.keys = list(zip(*(frame[name].iloc[firsts].tolist() for name in by)))

    def index(self, group: int) -> pd.Index:
        """Index of a group's rows."""
        return self.frame.index[self.rows[group]]

    def sampled(self, sample: int, seed: int, columns: Sequence[str]) -> list[int]:
        """Numbers of groups: the largest, the smallest and one with a missing value, the others by chance."""
        if not self.rows:
            return []
        sizes = [len(rows) for rows in self.rows]
        wanted = [int(np.argmax(sizes)), int(np.argmin(sizes))]
        for name in columns:
            lacking = np.flatnonzero(self.frame[name].isna().to_numpy() & (self._ids >= 0))
            if len(lacking):
                wanted.append(int(self._ids[lacking[0]]))
                break
        by_chance = np.random.default_rng(seed).permutation(len(self.rows)).tolist()
        return sorted(list(dict.fromkeys([*wanted, *by_chance]))[:sample])


class Taken(Protocol):
    """Values of a run for all groups at once."""

    def values(self, level: str, name: str, group: int) -> Optional[pd.Series]:
        """Those of a group; None if it has none."""


class LiteralRun:
    """Values of features, group by group.

    Parameters
    ----------
    groups : FrameGroups
        Of the frame.
    taken : Taken
        Another run, for the values of functions of frames.

    Attributes
    ----------
    values : dict of str to dict of int to object
        Of every output and every group that was called: a Series of its rows, or one value.
    failures : list of tuple
        Name of the feature, key values and error of calls that raised; their values are missing.
    """

    def __init__(self, groups: FrameGroups, taken: Taken) -> None:
        self.groups = groups
        self.values: dict[str, dict[int, Any]] = {}
        self.failures: list[tuple[Any, ...]] = []
        self._taken = taken
        self._feature_of: dict[str, Feature] = {}

    def call(self, feature: Feature, group: int) -> None:
        """Call the function of a feature for a group; what it takes has been called before."""
        for name in feature.outputs:
            self._feature_of[name] = feature
        index = self.groups.index(group)
        missing = np.nan if feature.level == "group" else GroupSeries(np.nan, index=index)
        results: Sequence[Any] = [missing] * len(feature.outputs)
        attempts = Attempts(through=())
        with attempts:
            results = self.results(feature, group, self.given(feature, group), attempts)
        if attempts.first is not None:
            error = f"{type(attempts.first).__name__}: {attempts.first}"
            self.failures.append((feature.name, *self.groups.keys[group], error))
        for name, value in zip(feature.outputs, results):
            self.values.setdefault(name, {})[group] = value

    def given(self, feature: Feature, group: int) -> dict[str, Any]:
        """What a call gets: copies, so that a function that changes them changes nothing else."""
        given: dict[str, Any] = {}
        for argument in feature.arguments:
            if argument.source in self.values:
                value = self.values[argument.source][group]
                level = self._feature_of[argument.source].level
                if level == "row":
                    value = value.copy()
                elif feature.level == "row":
                    value = self._constant(argument.source, value, group)
                given[argument.name] = value
            elif argument.source in self.groups.frame:
                given[argument.name] = GroupSeries(self.groups.frame[argument.source].iloc[self.groups.rows[group]])
        return given

    def results(
        self, feature: Feature, group: int, given: Mapping[str, Any], attempts: Optional[Attempts] = None
    ) -> Sequence[Any]:
        """Outputs of a call with some values; calls for single rows are tried on their own."""
        index = self.groups.index(group)
        if feature.way == "frame":  # one call for the whole frame in either run
            return [self._taken_value(feature, name, group) for name in feature.outputs]
        if feature.way == "per_row":
            return _called_per_row(feature, given, index, attempts or Attempts(through=()))
        called = parts(feature, feature.function(**given))
        if feature.level == "group":
            return [one_value(feature, one) for one in called]
        return [values_of_rows(feature, one, index) for one in called]

    def feature_of(self, output: str) -> Optional[Feature]:
        """The feature that yields an output; None for a column."""
        return self._feature_of.get(output)

    def _constant(self, name: str, value: Any, group: int) -> GroupSeries:
        """A group's value for all of its rows, of its own type; a missing one of that of the other groups' values."""
        index = self.groups.index(group)
        dtype = value.dtype if isinstance(value, (np.number, np.bool_)) else None
        if pd.api.types.is_scalar(value) and pd.isna(value):
            dtype = _type_of_missing(value, self.values[name].values())
        return GroupSeries([value] * len(index), index=index, dtype=dtype)

    def _taken_value(self, feature: Feature, name: str, group: int) -> Any:
        values = self._taken.values(feature.level, name, group)
        if feature.level == "row":
            return GroupSeries(values)
        return np.nan if values is None else values.iloc[0]


def _type_of_missing(value: Any, others: Iterable[Any]) -> Any:
    """Type of a missing value among others; NaN stays a number where those are numbers, or are missing, too."""
    present = [one for one in others if pd.api.types.is_scalar(one) and not pd.isna(one)][:1]
    if value is pd.NA:
        return pd.array(present or [0]).dtype
    dtype = pd.Series(present, dtype=None if present else np.float64).dtype
    return None if dtype.kind in "iubfc" else dtype


def _called_per_row(
    feature: Feature, given: Mapping[str, Any], index: pd.Index, attempts: Attempts
) -> list[GroupSeries]:
    lists = {name: values.tolist() for name, values in given.items()}
    found: list[list[Any]] = [[np.nan] * len(index) for _ in feature.outputs]
    for row in range(len(index)):
        with attempts:
            called = parts(feature, feature.function(**{name: values[row] for name, values in lists.items()}))
            for values, one in zip(found, called):
                values[row] = one_value(feature, one)
    return [GroupSeries(values, index=index) for values in found]

"""Functions run literally: once a group on Series of its rows, or once a row on plain values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.caller_warnings import warn_caller
from gbr_dag.errors import DataWarning, GbrDagError, InputError, PerformanceWarning
from gbr_dag.features.columns import GroupedColumn
from gbr_dag.features.feature import Feature
from gbr_dag.features.grouping import Grouping

_CALLS_TIMED = 100
"""Calls after which the warning tells how long the rest will take."""


class _Size(int):
    """A number of rows that may be called, as the size of a group-by is."""

    def __call__(self) -> int:
        return int(self)


class GroupSeries(pd.Series):  # type: ignore[misc]
    """The Series of one group's rows, with what group-bys of pandas have and a Series has not."""

    @property
    def _constructor(self) -> type[GroupSeries]:
        return GroupSeries

    @property
    def size(self) -> int:
        """Number of rows; may be called, too."""
        return _Size(len(self.index))

    def first(self) -> Any:
        """First value that is not missing."""
        present = self.dropna()
        return present.iloc[0] if len(present) else np.nan

    def last(self) -> Any:
        """Last value that is not missing."""
        present = self.dropna()
        return present.iloc[-1] if len(present) else np.nan


class Attempts:
    """Counts what calls of a user's function raise, so that one group takes no other along."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Optional[BaseException] = None

    def __enter__(self) -> None:
        """Begin a call."""

    def __exit__(self, _: Any, error: Optional[BaseException], __: Any) -> bool:
        """Count what the call raised."""
        if not isinstance(error, Exception) or isinstance(error, GbrDagError):
            return False
        self.count += 1
        self.first = self.first or error
        return True


def group_arguments(
    arguments: Mapping[str, GroupedColumn], grouping: Grouping, groups: Sequence[int]
) -> Iterator[tuple[npt.NDArray[Any], dict[str, Any]]]:
    """Rows of each group, and what its run of a function gets: Series of its rows, single values of the group."""
    rows, offsets = grouping.every_row.by_group
    for group in groups:
        positions = rows[offsets[group] : offsets[group + 1]]
        index = grouping.index[positions]
        given = {}
        for name, column in arguments.items():
            if column.is_group_level:
                given[name] = column.raw[group]
            else:
                given[name] = GroupSeries(column.raw[positions], index=index)
        yield positions, given


def called_per_group(
    feature: Feature, function: Callable[..., Any], arguments: Mapping[str, GroupedColumn], grouping: Grouping
) -> tuple[Any, ...]:
    """Values of each output of a feature, by a call a group: (n_groups,) or (n_rows,).

    Warns
    -----
    PerformanceWarning
        What it costs.
    DataWarning
        Once, if calls raise: their values are missing.
    """
    n_groups = grouping.groups.n_groups
    attempts, clock = Attempts(), _Clock(feature, n_groups, "group")
    n = n_groups if feature.level == "group" else grouping.n_rows
    found: list[list[Any]] = [[np.nan] * n for _ in feature.outputs]
    for group, (positions, given) in enumerate(group_arguments(arguments, grouping, range(n_groups))):
        with attempts:
            for values, part in zip(found, parts(feature, function(**given))):
                if feature.level == "group":
                    values[group] = _one_value(feature, part)
                    continue
                for position, value in zip(positions, _values_of_rows(feature, part, len(positions))):
                    values[position] = value
        clock.tick()
    _tell_failures(feature, attempts, n_groups, "groups")
    return tuple(map(_array_of, found))


def called_per_row(
    feature: Feature, function: Callable[..., Any], arguments: Mapping[str, GroupedColumn], grouping: Grouping
) -> tuple[Any, ...]:
    """Values of each output of a feature (n_rows,), by a call a row on plain values; warns as for groups."""
    attempts, clock = Attempts(), _Clock(feature, grouping.n_rows, "row")
    lists = {name: column.per_row().as_series().tolist() for name, column in arguments.items()}
    found: list[list[Any]] = [[np.nan] * grouping.n_rows for _ in feature.outputs]
    for row in range(grouping.n_rows):
        with attempts:
            for values, part in zip(
                found, parts(feature, function(**{name: all_[row] for name, all_ in lists.items()}))
            ):
                values[row] = _one_value(feature, part)
        clock.tick()
    _tell_failures(feature, attempts, grouping.n_rows, "rows")
    return tuple(map(_array_of, found))


def parts(feature: Feature, result: Any) -> tuple[Any, ...]:
    """What a function returned, one part an output.

    Raises
    ------
    InputError
        If there are not as many parts as outputs, or the keys of a dict are others.
    """
    if isinstance(result, dict):
        if set(result) != set(feature.outputs):
            message = (
                f"{feature.label} returned a dict of {', '.join(map(repr, result))}, its outputs are"
                f" {', '.join(map(repr, feature.outputs))}; name them with outputs=[...]"
            )
            raise InputError(message)
        return tuple(result[name] for name in feature.outputs)
    if not isinstance(result, tuple) and len(feature.outputs) == 1:
        return (result,)
    if not isinstance(result, tuple) or len(result) != len(feature.outputs):
        got = f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"
        message = (
            f"{feature.label} returned {got} for {len(feature.outputs)} output(s), {', '.join(feature.outputs)}; name"
            " what it returns with outputs=[...]"
        )
        raise InputError(message)
    return result


class _Clock:
    """Warns of what a loop costs, once its first calls have told."""

    def __init__(self, feature: Feature, calls: int, each: str) -> None:
        self._feature, self._calls, self._each = feature, calls, each
        self._done, self._start = 0, time.perf_counter()

    def tick(self) -> None:
        self._done += 1
        if self._done != min(_CALLS_TIMED, self._calls):
            return
        seconds = (time.perf_counter() - self._start) / self._done
        message = (
            f"{self._feature.label} runs once per {self._each}: {self._calls:,} calls of {1e6 * seconds:,.0f} us each,"
            f" about {self._calls * seconds:.2g} s; without its mark @{self._feature.way} it would run once"
        )
        warn_caller(message, PerformanceWarning)


def _one_value(feature: Feature, value: Any) -> Any:
    if np.ndim(value) > 0:
        message = (
            f"{feature.label} is called once per {feature.way[4:]} for one value, but gave {len(value)}; reduce them,"
            " or mark it @row too"
        )
        raise InputError(message)
    return value


def _values_of_rows(feature: Feature, values: Any, n: int) -> Sequence[Any]:
    if np.ndim(values) == 0:
        return [values] * n
    if len(values) != n:
        message = f"{feature.label} is row level, but its call for a group of {n} rows gave {len(values)} values"
        raise InputError(message)
    return list(values)


def _tell_failures(feature: Feature, attempts: Attempts, calls: int, each: str) -> None:
    if attempts.count:
        error = attempts.first
        message = (
            f"{feature.label} failed in {attempts.count:,} of {calls:,} {each}, whose values are missing; the first:"
            f" {type(error).__name__}: {error}"
        )
        warn_caller(message, DataWarning)


def _array_of(values: Sequence[Any]) -> Any:
    """Values of calls as one array, of the type that pandas finds for them."""
    series = pd.Series(list(values))
    return series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array

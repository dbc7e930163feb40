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
from gbr_dag.features.columns import GroupedColumn, of_rows
from gbr_dag.features.feature import Feature
from gbr_dag.features.gaps import taken, with_gaps
from gbr_dag.features.grouping import Grouping

_CALLS_TIMED = 100
"""Calls after which the warning tells how long the rest will take."""


class _Size(np.int64):
    """A number of rows that may be called, as the size of a group-by is; divided by zero as numbers of NumPy are."""

    __slots__ = ()

    def __call__(self) -> np.int64:
        return np.int64(self)


class GroupSeries(pd.Series):  # type: ignore[misc]
    """The Series of one group's rows, with what group-bys of pandas have and a Series has not."""

    @property
    def _constructor(self) -> type[GroupSeries]:
        return GroupSeries

    @property
    def size(self) -> int:
        """Number of rows; may be called, too."""
        return _Size(len(self.index))  # type: ignore[return-value]

    @property
    def dt(self) -> Any:
        """What dates have, as Series of the same class."""
        return _SameClass(pd.Series(self, copy=False).dt)

    @property
    def cat(self) -> Any:
        """What categories have, as Series of the same class."""
        return _SameClass(pd.Series(self, copy=False).cat)

    def first(self) -> Any:
        """First value that is not missing."""
        present = self.dropna()
        return present.iloc[0] if len(present) else np.nan

    def last(self) -> Any:
        """Last value that is not missing."""
        present = self.dropna()
        return present.iloc[-1] if len(present) else np.nan


class _SameClass:
    """An accessor of pandas, some of which give plain Series for those of a class derived from it."""

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._accessor, name)
        if not callable(value):
            return _group_series(value)
        return lambda *operands, **arguments: _group_series(value(*operands, **arguments))


def _group_series(value: Any) -> Any:
    return GroupSeries(value, copy=False) if isinstance(value, pd.Series) else value


class Attempts:
    """Counts what calls of a user's function raise, so that one group takes no other along.

    Parameters
    ----------
    through : tuple of types
        Errors that are let through.
    """

    def __init__(self, through: tuple[type[Exception], ...] = (GbrDagError,)) -> None:
        self._through = through
        self.count = 0
        self.first: Optional[BaseException] = None
        self.last: Optional[BaseException] = None

    def __enter__(self) -> None:
        """Begin a call."""
        self.last = None

    def __exit__(self, _: Any, error: Optional[BaseException], __: Any) -> bool:
        """Count what the call raised; whatever is no mere error, as KeyboardInterrupt, goes through."""
        if not isinstance(error, Exception) or isinstance(error, self._through):
            return False
        self.count += 1
        self.first, self.last = self.first or error, error
        return True


def called_per_group(
    feature: Feature, function: Callable[..., Any], arguments: Mapping[str, GroupedColumn], grouping: Grouping
) -> tuple[Any, ...]:
    """Values of each output of a feature, by a call a group: (n_groups,) or (n_rows,).

    A row that is in no group has no value of its own; see :meth:`ColumnValues.released`.

    Warns
    -----
    PerformanceWarning
        What it costs.
    DataWarning
        Once, if calls raise: their values are missing.
    """
    n_groups = grouping.groups.n_groups
    attempts, clock = Attempts(), _Clock(feature, n_groups, "group")
    found: list[list[Any]] = [[] for _ in feature.outputs]
    places: list[Any] = []
    failed: list[int] = []
    for group, (positions, index, given) in enumerate(_group_arguments(arguments, grouping)):
        with attempts:
            results = parts(feature, function(**given))
            if feature.level == "group":
                made: list[Any] = [one_value(feature, part) for part in results]
            else:
                made = [values_of_rows(feature, part, index) for part in results]
            for values, one in zip(found, made):
                values.append(one)
            places.append(group if feature.level == "group" else positions)
        if attempts.last is not None:
            failed.append(group)
        clock.tick()
    _tell_failures(feature, attempts, n_groups, "groups", _key_words(grouping, failed))
    if feature.level == "group":
        return tuple(_placed(_array_of(values), np.array(places, dtype=np.int64), n_groups) for values in found)
    positions = np.concatenate(places) if places else np.empty(0, dtype=np.int64)
    return tuple(_of_grouped_rows(_joined(values), positions, grouping) for values in found)


def _group_arguments(
    arguments: Mapping[str, GroupedColumn], grouping: Grouping
) -> Iterator[tuple[npt.NDArray[Any], pd.Index, dict[str, Any]]]:
    """Positions and index of each group's rows, and what a call for it gets: Series and single values.

    The rows are sorted once, and a group's are a slice: a function that changes what it gets changes that copy.
    """
    rows, offsets = grouping.every_row.by_group
    index = grouping.index.take(rows)
    values = {name: one.raw if one.is_group_level else one.raw.take(rows) for name, one in arguments.items()}
    for group in range(len(offsets) - 1):
        place = slice(offsets[group], offsets[group + 1])
        given: dict[str, Any] = {}
        for name, column in arguments.items():
            if column.is_group_level:
                given[name] = values[name][group]
            else:
                given[name] = GroupSeries(values[name][place], index=index[place], copy=False)
        yield rows[place], index[place], given


def called_per_row(
    feature: Feature, function: Callable[..., Any], arguments: Mapping[str, GroupedColumn], grouping: Grouping
) -> tuple[Any, ...]:
    """Values of each output of a feature (n_rows,), by a call a row on plain values; warns as for groups."""
    columns = {name: column.per_row() for name, column in arguments.items()}
    needs_group = any(column.needs_group for column in columns.values())
    called: Sequence[int] = range(grouping.n_rows)
    if needs_group and not grouping.every_row.all_grouped:
        called = np.flatnonzero(grouping.groups.ids >= 0).tolist()
    attempts, clock = Attempts(), _Clock(feature, len(called), "row")
    lists = {name: column.as_series().tolist() for name, column in columns.items()}
    found: list[list[Any]] = [[] for _ in feature.outputs]
    places: list[int] = []
    failed: list[int] = []
    for row in called:
        with attempts:
            results = parts(feature, function(**{name: values[row] for name, values in lists.items()}))
            made = [one_value(feature, part) for part in results]
            for values, one in zip(found, made):
                values.append(one)
            places.append(row)
        if attempts.last is not None:
            failed.append(row)
        clock.tick()
    words = f"row {grouping.index[failed[0]]!r}" if failed else ""
    _tell_failures(feature, attempts, len(called), "rows", words)
    positions = np.array(places, dtype=np.int64)
    if needs_group:
        return tuple(_of_grouped_rows(_array_of(values), positions, grouping) for values in found)
    return tuple(_placed(_array_of(values), positions, grouping.n_rows) for values in found)


def parts(feature: Feature, result: Any) -> tuple[Any, ...]:
    """What a function returned, one part an output.

    Raises
    ------
    InputError
        If there are not as many parts as outputs, or the keys of a dict are others.
    """
    if isinstance(result, pd.Series) and len(feature.outputs) > 1 and set(result.index) == set(feature.outputs):
        result = dict(result.items())  # as functions for groupby.apply give several values
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
            f" about {self._calls * seconds:.2g} s; written for columns, without its mark @{self._feature.way}, it"
            " would run once"
        )
        warn_caller(message, PerformanceWarning)


def one_value(feature: Feature, value: Any) -> Any:
    """What a call gave, if that is one value.

    Raises
    ------
    InputError
        If it is not.
    """
    if np.ndim(value) > 0:
        each = "row" if feature.way == "per_row" else "group"
        message = (
            f"{feature.label} is called once per {each} for one value, but gave {len(value)}; reduce them, or mark it"
            " @row too"
        )
        raise InputError(message)
    return value[()] if isinstance(value, np.ndarray) else value  # np.where of single values gives an array


def values_of_rows(feature: Feature, values: Any, index: pd.Index) -> Any:
    """What a call for one group gave, as one value a row of it.

    Raises
    ------
    InputError
        If there are not as many values as rows, or a Series is of other rows.
    """
    if np.ndim(values) == 0:
        return GroupSeries([one_value(feature, values)] * len(index), index=index)
    if np.ndim(values) > 1 or len(values) != len(index):
        got = f"an array of shape {np.shape(values)}" if np.ndim(values) > 1 else f"{len(values)} values"
        message = f"{feature.label} is row level, but its call for a group of {len(index)} rows gave {got}"
        raise InputError(message)
    if not isinstance(values, pd.Series):
        return GroupSeries(values, index=index)
    if not values.index.equals(index):
        if not index.is_unique or set(values.index) != set(index):
            message = (
                f"{feature.label} gave a Series whose index is not that of the group's rows; return an array, as by"
                " .to_numpy(), with one value a row in their order"
            )
            raise InputError(message)
        values = values.reindex(index)  # sorted within the function, say: labels count, as in pandas
    return _group_series(values)


def _key_words(grouping: Grouping, groups: Sequence[int]) -> str:
    """The first of some groups in words."""
    if not groups:
        return ""
    keys = grouping.groups.keys
    return ", ".join(f"{name} {keys[name].iloc[groups[0]]!r}" for name in keys)


def _tell_failures(feature: Feature, attempts: Attempts, calls: int, each: str, first: str) -> None:
    if attempts.count:
        error = attempts.first
        message = (
            f"{feature.label} failed in {attempts.count:,} of {calls:,} {each}, whose values are missing; the first,"
            f" {first}: {type(error).__name__}: {error}"
        )
        warn_caller(message, DataWarning)


def _array_of(values: Sequence[Any]) -> Any:
    """Single values of calls as one array: of their own type, or of the one that pandas finds for them."""
    kinds = set(map(type, values))
    kind = kinds.pop() if len(kinds) == 1 else None
    if not values:
        return np.empty(0)
    if kind is not None and issubclass(kind, (np.bool_, np.number)) and not issubclass(kind, np.timedelta64):
        return np.array(values, dtype=kind)
    if any(value is pd.NA for value in values):
        return pd.array(list(values))
    return _raw(pd.Series(list(values)))


def _joined(values: Sequence[Any]) -> Any:
    """Values of the rows of many calls, one after another."""
    if not values:
        return np.empty(0)
    if len({one.dtype for one in values}) == 1 and isinstance(values[0].dtype, np.dtype):
        return _raw(pd.Series(np.concatenate([np.asarray(one) for one in values]), copy=False))
    return _raw(pd.concat([pd.Series(one, copy=False) for one in values], ignore_index=True))


def _placed(values: Any, places: npt.NDArray[Any], n: int) -> Any:
    """Values of some places as those of all ``n``, missing in between."""
    if len(values) == 0:
        return np.full(n, np.nan)
    order = np.full(n, -1, dtype=np.int64)
    order[places] = np.arange(len(places))
    return with_gaps(values, order) if (order < 0).any() else values.take(order)


def _of_grouped_rows(values: Any, places: npt.NDArray[Any], grouping: Grouping) -> GroupedColumn:
    """Values of some rows with a group as a column, which rows without one have none of."""
    stand_in = grouping.every_row.stand_in
    if stand_in is not None and len(values):
        order = np.full(grouping.n_rows, -1, dtype=np.int64)
        order[places] = np.arange(len(places))
        return of_rows(taken(values, order[stand_in]), grouping, needs_group=True)
    return of_rows(_placed(values, places, grouping.n_rows), grouping, needs_group=True)


def _raw(series: pd.Series) -> Any:
    """Values of a Series as columns hold them."""
    return series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array

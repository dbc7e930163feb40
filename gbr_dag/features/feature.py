"""One feature: a function with its level, what it takes and what it yields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from gbr_dag.errors import InputError
from gbr_dag.features.levels import Level, Names, Way, mark_of, place_of, settled, written_function
from gbr_dag.graph.checks import suggestion


@dataclass(frozen=True)
class Argument:
    """An argument of a function: its name, the feature or column that it takes, and whether it has a default."""

    name: str
    source: str
    optional: bool


@dataclass(frozen=True)
class Feature:
    """A function with its level, what it takes and what it yields.

    Attributes
    ----------
    name : str
        As registered.
    function : callable
        As written.
    level : {"row", "group"}
        One value per row, or one per group.
    way : {"grouped", "per_group", "per_row", "frame"}
        How it runs: once on columns of all groups, once a group, once a row, or once on a frame.
    arguments : tuple of Argument
        What it takes; for ``"frame"`` the columns of the frame.
    outputs : tuple of str
        Names of what it yields.
    tags : tuple of str
        Words to find it by.
    """

    name: str
    function: Callable[..., Any] = field(compare=False)
    level: Level
    way: Way
    arguments: tuple[Argument, ...]
    outputs: tuple[str, ...]
    tags: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features and columns that it takes."""
        return tuple(argument.source for argument in self.arguments)

    @property
    def doc(self) -> str:
        """Its docstring."""
        return inspect.getdoc(self.function) or ""

    @property
    def module(self) -> str:
        """Module that it was written in."""
        return str(getattr(self.function, "__module__", ""))

    @property
    def place(self) -> str:
        """Where it stands, as ``file:line``."""
        return place_of(self.function)

    @property
    def source(self) -> str:
        """Its text, empty where that is not at hand."""
        try:
            return inspect.getsource(written_function(self.function))
        except (OSError, TypeError):
            return ""

    @property
    def label(self) -> str:
        """Its name with its place, for messages."""
        return f"feature {self.name!r} ({self.place})"


def made_feature(
    name: str,
    function: Callable[..., Any],
    level: Optional[Level] = None,
    *,
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    legacy: bool = False,
) -> Feature:
    """Make a feature of a function.

    Parameters
    ----------
    name : str
        Its name, and that of its output unless there are others.
    function : callable
        Written for one group.
    level : {"row", "group"}, optional
        As registered; None for what the marks say.
    inputs, outputs, tags
        As for :func:`gbr_dag.features.attribute`; they go before what decorators say.
    legacy : bool
        The function takes and returns a frame.

    Raises
    ------
    InputError
        If an argument breaks its rule, or marks contradict each other.
    """
    _check_name("name", name)
    if not callable(function):
        message = f"function of feature {name!r} must be a function, got {function!r}"
        raise InputError(message)
    _check_gives_values(name, function)
    for argument, value in (("outputs", outputs), ("tags", tags), ("inputs", inputs or ())):
        if isinstance(value, str) or not isinstance(value, Iterable):
            kind = "the string " if isinstance(value, str) else ""
            message = f"{argument} of feature {name!r} must be a list of names, got {kind}{value!r}"
            raise InputError(message)
    mark = mark_of(function)
    settled_level, way = settled(function, level)
    names = tuple(outputs) or mark.outputs or (name,)
    for output in names:
        _check_name(f"outputs of feature {name!r}: a name", output)
    if len(set(names)) < len(names):
        message = f"outputs of feature {name!r} must be distinct, got {', '.join(names)}"
        raise InputError(message)
    taken = mark.inputs if inputs is None else inputs
    if legacy or way == "frame":
        _check_called_once(name, function, way)
        arguments, way = _frame_arguments(name, taken, tuple(outputs) or mark.outputs), "frame"
    else:
        arguments = _arguments(name, function, taken)
    return Feature(name, function, settled_level, way, arguments, names, (*mark.tags, *tags))


def _check_gives_values(name: str, function: Callable[..., Any]) -> None:
    """Refuse what gives no values when it is called: classes, coroutines, generators."""
    written = written_function(function)
    kind = ""
    if inspect.isclass(written):
        kind = "a class"
    elif inspect.iscoroutinefunction(written) or inspect.isasyncgenfunction(written):
        kind = "an async function"
    elif inspect.isgeneratorfunction(written):
        kind = "a generator (it has a yield)"
    if kind:
        message = f"feature {name!r} ({place_of(function)}) is {kind}; a feature is a function that returns its values"
        raise InputError(message)


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name.strip():
        message = f"{what} must be a text that is not empty, got {name!r}"
        raise InputError(message)


def _check_called_once(name: str, function: Callable[..., Any], way: Way) -> None:
    if way not in {"grouped", "frame"}:
        message = (
            f"feature {name!r} ({place_of(function)}) is marked @{way} and has legacy_mode, which contradict each"
            " other: a function that takes and returns a frame is called once; drop one of the two"
        )
        raise InputError(message)


def _frame_arguments(name: str, inputs: Optional[Names], outputs: Sequence[str]) -> tuple[Argument, ...]:
    if inputs is None or not outputs or isinstance(inputs, dict):
        message = (
            f"feature {name!r} takes and returns a frame: it needs inputs=[...] and outputs=[...], lists of columns"
        )
        raise InputError(message)
    for column in inputs:
        _check_name(f"inputs of feature {name!r}: a name", column)
    return tuple(Argument(column, column, optional=False) for column in dict.fromkeys(inputs))


def _arguments(name: str, function: Callable[..., Any], inputs: Optional[Names]) -> tuple[Argument, ...]:
    where = f"feature {name!r} ({place_of(function)})"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        message = f"{where} has no signature that can be read; wrap it in a function of your own"
        raise InputError(message) from error
    for parameter in parameters:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            message = f"{where} takes {parameter}; a feature takes each thing it needs by its name"
            raise InputError(message)
    for source in inputs.values() if isinstance(inputs, dict) else inputs or ():
        _check_name(f"inputs of feature {name!r}: a name", source)
    sources = _sources(where, [parameter.name for parameter in parameters], inputs)
    optional = {parameter.name: parameter.default is not parameter.empty for parameter in parameters}
    return tuple(Argument(argument, source, optional[argument]) for argument, source in sources.items())


def _sources(where: str, arguments: list[str], inputs: Optional[Names]) -> dict[str, str]:
    """What each argument takes."""
    if inputs is None:
        return {argument: argument for argument in arguments}
    if isinstance(inputs, dict):
        for argument in inputs:
            if argument not in arguments:
                text = f"{where} has no argument {argument!r}, which inputs names{suggestion(argument, arguments)}"
                raise InputError(text)
        return {argument: inputs.get(argument, argument) for argument in arguments}
    if len(inputs) > len(arguments):
        message = f"{where} takes {len(arguments)} arguments ({', '.join(arguments)}), inputs names {len(inputs)}"
        raise InputError(message)
    return {argument: inputs[i] if i < len(inputs) else argument for i, argument in enumerate(arguments)}

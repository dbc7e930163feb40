"""The level of a function, row or group, and the way in which it runs: as it is marked, never guessed."""

from __future__ import annotations

import functools
import inspect
import io
import re
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Optional, TypeVar, Union, overload

from gbr_dag.errors import InputError

Level = Literal["row", "group"]
Way = Literal["grouped", "per_group", "per_row", "frame"]
"""How a function runs: once on columns of all groups, once a group, once a row, or once on a frame."""

Names = Union[Sequence[str], dict[str, str]]
Function = TypeVar("Function", bound=Callable[..., Any])

_ATTRIBUTE = "__feature_mark__"
_COMMENT = re.compile(r"#\s*agg(?![\w-])")


@dataclass(frozen=True)
class Mark:
    """What decorators say of a function; None, "" and () where they say nothing.

    ``words`` are their names, for messages.
    """

    level: Optional[Level] = None
    way: Optional[Way] = None
    name: str = ""
    inputs: Optional[Names] = None
    outputs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@overload
def attribute(function: Function) -> Function: ...
@overload
def attribute(
    *,
    name: str = "",
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    legacy_mode: bool = False,
) -> Callable[[Function], Function]: ...
def attribute(
    function: Optional[Function] = None,
    *,
    name: str = "",
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    legacy_mode: bool = False,
) -> Any:
    """Mark a function as group level: one value per group.

    Parameters
    ----------
    function : callable
        Stays as it is.
    name : str, optional
        Name of the feature where it is loaded from a module; default the function's.
    inputs : sequence of str or dict, optional
        Names of what the arguments take, in their order or by argument; default the arguments' own names.
    outputs : sequence of str, optional
        Names of what it yields: one a value of the tuple, or one a key of the dict, that it returns. Default its name.
    tags : sequence of str, optional
        Words to find it by in a registry.
    legacy_mode : bool, default False
        It takes and returns a frame; ``inputs`` and ``outputs`` are needed then.

    Examples
    --------
    >>> from gbr_dag.features import attribute
    >>> @attribute
    ... def mean_delay(delay):
    ...     return delay.mean()
    >>> @attribute(outputs=["earliest", "latest"])
    ... def bounds(departure):
    ...     return departure.min(), departure.max()
    """
    mark = Mark(level="group", way="frame" if legacy_mode else None, name=name)
    return _marking("attribute", function, mark, inputs, outputs, tags)


@overload
def row(function: Function) -> Function: ...
@overload
def row(
    *,
    name: str = "",
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    legacy_mode: bool = False,
) -> Callable[[Function], Function]: ...
def row(
    function: Optional[Function] = None,
    *,
    name: str = "",
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    legacy_mode: bool = False,
) -> Any:
    """Mark a function as row level: one value per row, as functions without a mark are.

    Parameters are those of :func:`attribute`.

    Examples
    --------
    >>> from gbr_dag.features import row
    >>> @row(inputs=["Year Built"])
    ... def age(year):
    ...     return 2025 - year
    """
    mark = Mark(level="row", way="frame" if legacy_mode else None, name=name)
    return _marking("row", function, mark, inputs, outputs, tags)


def per_group(function: Function) -> Function:
    """Run a function literally, group by group, on Series of the group's rows and single values: slow.

    The way out for what has no form for all groups at once. It yields one value per group, or one per row where it is
    marked with :func:`row` or registered as a filter.

    Examples
    --------
    >>> from gbr_dag.features import per_group
    >>> @per_group
    ... def longest_run(late):
    ...     return (late != late.shift()).cumsum()[late].value_counts().max()
    """
    marked: Function = _marking("per_group", function, Mark(way="per_group"), None, (), ())
    return marked


def per_row(function: Function) -> Function:
    """Run a function literally, value by value: for scalar code with ``if``; slow.

    Examples
    --------
    >>> from gbr_dag.features import per_row
    >>> @per_row
    ... def season(month):
    ...     return "winter" if month in (12, 1, 2) else "other"
    """
    marked: Function = _marking("per_row", function, Mark(way="per_row"), None, (), ())
    return marked


def mark_of(function: Callable[..., Any]) -> Mark:
    """What decorators and the comment ``#agg`` on the def line say.

    Of a ``functools.partial`` and of an object that can be called it is what the function behind it is marked with.

    Raises
    ------
    InputError
        If they contradict each other.
    """
    mark: Mark = getattr(function, _ATTRIBUTE, getattr(_behind(function), _ATTRIBUTE, Mark()))
    if has_comment(function):
        mark = _combined(function, mark, Mark(level="group", words=("#agg",)))
    return mark


def decorators_of(function: Callable[..., Any]) -> Mark:
    """What decorators alone say; their words from the innermost."""
    mark: Mark = getattr(function, _ATTRIBUTE, Mark())
    return mark


def settled(function: Callable[..., Any], registered: Optional[Level]) -> tuple[Level, Way]:
    """Level and way of a function, of the marks and of how it is registered.

    Raises
    ------
    InputError
        If they contradict each other.
    """
    mark = mark_of(function)
    if registered is not None:
        words = {"row": "register_filter", "group": "register_attribute"}
        mark = _combined(function, mark, Mark(level=registered, words=(words[registered],)))
    default: Level = "group" if mark.way == "per_group" else "row"
    return mark.level or default, mark.way or "grouped"


def has_comment(function: Callable[..., Any]) -> bool:
    """Whether the comment ``#agg`` stands on the def line; False where the source is not at hand.

    A def line may be written on several lines: those from ``def`` to the colon.
    """
    written = written_function(function)
    try:
        source = inspect.getsource(written)
    except (OSError, TypeError):
        return False
    return has_agg(source, getattr(written, "__name__", ""))


def has_agg(source: str, name: str) -> bool:
    """Whether the comment ``#agg`` stands on the def line of a function in a text that holds it."""
    return any(_COMMENT.match(comment) for comment in _header_comments(source, name))


def written_function(function: Callable[..., Any]) -> Any:
    """The function that was written with def, behind decorators, ``functools.partial`` and objects that are called."""
    return inspect.unwrap(_behind(function))


def _behind(function: Any) -> Any:
    inner = inspect.unwrap(function)
    if isinstance(inner, functools.partial):
        return _behind(inner.func)
    if inspect.isroutine(inner) or inspect.isclass(inner):
        return function
    called = vars(type(inner)).get("__call__")
    return called if inspect.isfunction(called) else function


def _header_comments(source: str, name: str) -> list[str]:
    """Comments on the lines from ``def name`` to the colon that ends the header."""
    comments: list[str] = []
    depth, last_line, previous = 0, 0, ""
    in_header = False
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if last_line and token.start[0] > last_line:
                break
            if not in_header and (previous, token.string) == ("def", name):
                in_header = True
            elif in_header and token.type == tokenize.COMMENT:
                comments.append(token.string)
            elif in_header and token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                if token.string == ":" and depth == 0 and not last_line:
                    last_line = token.start[0]
            if token.type == tokenize.NAME:
                previous = token.string
    except (tokenize.TokenError, SyntaxError):  # of a lambda in the middle of a call
        pass
    return comments


def _marking(
    word: str,
    function: Optional[Function],
    mark: Mark,
    inputs: Optional[Names],
    outputs: Sequence[str],
    tags: Sequence[str],
) -> Any:
    if isinstance(outputs, str) or isinstance(tags, str) or isinstance(inputs, str):
        message = f"@{word}: inputs, outputs and tags must be lists of names, got a string; write [...]"
        raise InputError(message)
    if not isinstance(mark.name, str):
        message = f"@{word}: name must be a text, got {mark.name!r}"
        raise InputError(message)
    names = inputs if inputs is None or isinstance(inputs, dict) else tuple(inputs)
    full = replace(mark, inputs=names, outputs=tuple(outputs), tags=tuple(tags), words=(f"@{word}",))

    def marked(target: Function) -> Function:
        if not callable(target):
            message = f"@{word} marks a function, got {target!r}; write @{word} or @{word}(outputs=[...])"
            raise InputError(message)
        combined = _combined(target, getattr(target, _ATTRIBUTE, Mark()), full)
        try:
            setattr(target, _ATTRIBUTE, combined)
        except (AttributeError, TypeError) as error:
            message = f"@{word} cannot mark {target!r}; write a function of your own that calls it"
            raise InputError(message) from error
        return target

    return marked if function is None else marked(function)


def _combined(function: Callable[..., Any], one: Mark, other: Mark) -> Mark:
    ways = {mark.way for mark in (one, other) if mark.way}
    levels = {mark.level for mark in (one, other) if mark.level}
    if "per_row" in ways:
        levels.add("row")
    words = (*one.words, *other.words)
    where = f"function {name_of(function)!r} ({place_of(function)}) is marked {' and '.join(words)}"
    if len(ways) > 1 or len(levels) > 1:
        message = (
            f"{where}, which contradict each other; keep one: @attribute, #agg and register_attribute are for one"
            " value per group, @row, @per_row and register_filter for one per row"
        )
        raise InputError(message)
    for what in ("name", "inputs", "outputs"):
        said = [value for value in (getattr(one, what), getattr(other, what)) if value]
        if len(said) > 1 and said[0] != said[1]:
            message = f"{where}, which say {what}={said[0]!r} and {what}={said[1]!r}; keep one"
            raise InputError(message)
    return Mark(
        level=one.level or other.level,
        way=one.way or other.way,
        name=one.name or other.name,
        inputs=one.inputs if other.inputs is None else other.inputs,
        outputs=other.outputs or one.outputs,
        tags=(*one.tags, *other.tags),
        words=words,
    )


def name_of(function: Callable[..., Any]) -> str:
    """Name of a function, or of what is behind it."""
    return str(getattr(function, "__name__", None) or getattr(written_function(function), "__name__", repr(function)))


def place_of(function: Callable[..., Any]) -> str:
    """Where a function stands, as ``file:line``."""
    code = getattr(written_function(function), "__code__", None)
    return "unknown place" if code is None else f"{code.co_filename}:{code.co_firstlineno}"

"""The level of a function, row or group, and the way in which it runs: as it is marked, never guessed."""

from __future__ import annotations

import inspect
import io
import re
import textwrap
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
_COMMENT = re.compile(r"#\s*agg\b")


@dataclass(frozen=True)
class Mark:
    """What decorators say of a function; None and () where they say nothing.

    ``words`` are their names, for messages.
    """

    level: Optional[Level] = None
    way: Optional[Way] = None
    inputs: Optional[Names] = None
    outputs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@overload
def attribute(function: Function) -> Function: ...
@overload
def attribute(
    *, inputs: Optional[Names] = None, outputs: Sequence[str] = (), tags: Sequence[str] = ()
) -> Callable[[Function], Function]: ...
def attribute(
    function: Optional[Function] = None,
    *,
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Any:
    """Mark a function as group level: one value per group.

    Parameters
    ----------
    function : callable
        Stays as it is.
    inputs : sequence of str or dict, optional
        Names of what the arguments take, in their order or by argument; default the arguments' own names.
    outputs : sequence of str, optional
        Names of what it yields: one a value of the tuple, or one a key of the dict, that it returns. Default its name.
    tags : sequence of str, optional
        Words to find it by in a registry.

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
    return _marking("attribute", function, Mark(level="group"), inputs, outputs, tags)


@overload
def row(function: Function) -> Function: ...
@overload
def row(
    *, inputs: Optional[Names] = None, outputs: Sequence[str] = (), tags: Sequence[str] = ()
) -> Callable[[Function], Function]: ...
def row(
    function: Optional[Function] = None,
    *,
    inputs: Optional[Names] = None,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
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
    return _marking("row", function, Mark(level="row"), inputs, outputs, tags)


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

    Raises
    ------
    InputError
        If they contradict each other.
    """
    mark: Mark = getattr(function, _ATTRIBUTE, Mark())
    if has_comment(function):
        mark = _combined(function, mark, Mark(level="group", words=("#agg",)))
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
    """Whether the comment ``#agg`` stands on the def line; False where the source is not at hand."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        return False
    return any(_COMMENT.match(comment) for comment in _header_comments(source))


def _header_comments(source: str) -> list[str]:
    """Comments from ``def`` to the end of its line, which may be written on several."""
    comments: list[str] = []
    depth, in_header = 0, False
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME and token.string == "def" and depth == 0:
                in_header = True
            elif in_header and token.type == tokenize.COMMENT:
                comments.append(token.string)
            elif in_header and token.type == tokenize.NEWLINE:
                break
            elif token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
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
    names = inputs if inputs is None or isinstance(inputs, dict) else tuple(inputs)
    full = replace(mark, inputs=names, outputs=tuple(outputs), tags=tuple(tags), words=(f"@{word}",))

    def marked(target: Function) -> Function:
        if not callable(target):
            message = f"@{word} marks a function, got {target!r}; write @{word} or @{word}(outputs=[...])"
            raise InputError(message)
        setattr(target, _ATTRIBUTE, _combined(target, getattr(target, _ATTRIBUTE, Mark()), full))
        return target

    return marked if function is None else marked(function)


def _combined(function: Callable[..., Any], one: Mark, other: Mark) -> Mark:
    ways = {mark.way for mark in (one, other) if mark.way}
    levels = {mark.level for mark in (one, other) if mark.level}
    if "per_row" in ways:
        levels.add("row")
    words = (*one.words, *other.words)
    if len(ways) > 1 or len(levels) > 1:
        message = (
            f"function {function.__name__!r} ({place_of(function)}) is marked {' and '.join(words)}, which contradict"
            " each other; keep one: @attribute, #agg and register_attribute are for one value per group, @row,"
            " @per_row and register_filter for one per row"
        )
        raise InputError(message)
    return Mark(
        level=one.level or other.level,
        way=one.way or other.way,
        inputs=one.inputs if other.inputs is None else other.inputs,
        outputs=other.outputs or one.outputs,
        tags=(*one.tags, *other.tags),
        words=words,
    )


def place_of(function: Callable[..., Any]) -> str:
    """Where a function stands, as ``file:line``."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "unknown place" if code is None else f"{code.co_filename}:{code.co_firstlineno}"

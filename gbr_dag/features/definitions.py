"""The text of one definition, as it would stand at the top of a module."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any, Optional

from gbr_dag.features.mark_text import mark_decorators
from gbr_dag.features.source_text import Block, Definition, SourceText, first_line


def reason_against_function(function: Any, text: Optional[SourceText], node: Optional[ast.FunctionDef]) -> str:
    """Why a function cannot be written into a file; empty where it can be."""
    written = inspect.unwrap(function)
    if not isinstance(written, FunctionType):
        return _reason_against_object(written)
    if written.__name__ == "<lambda>":
        return "is a lambda, which has no name in a file: write it with def"
    if written.__code__.co_freevars:
        names = ", ".join(written.__code__.co_freevars)
        return (
            f"is a closure over {names}, whose values are in no text: give them as arguments, or as constants of the"
            " module (around a decorator's inner function, functools.wraps shows what it wraps)"
        )
    if text is None:
        return "has no source at hand (made by exec, or typed at a prompt): write it in a module"
    if node is None:
        return "is not in its file any more, which was edited since it was imported: import it anew"
    around = text.enclosing(node)
    if any(isinstance(outer, ast.ClassDef) for outer in around):
        return "is defined in a class: write it as a function of its module"
    marks = {id(decorator) for decorator, _ in mark_decorators(node, written.__globals__)}
    others = [decorator for decorator in node.decorator_list if id(decorator) not in marks]
    is_bound = written.__globals__.get(node.name) is function
    by_text = bool(others) and function is not written if around else is_bound
    if (others or function is not written) and not by_text:
        return "is not what its def and its decorators give, but was wrapped or unwrapped by a call: use a decorator"
    return ""


def _reason_against_object(function: Any) -> str:
    if isinstance(function, functools.partial):
        return "is a functools.partial: write a function that calls it"
    if inspect.ismethod(function):
        return "is a method bound to an object: write a function of the module"
    if inspect.isbuiltin(function) or type(function).__module__.partition(".")[0] == "numpy":
        return "is built in, without source in Python: write a function that calls it"
    return f"is an object that can be called ({type(function).__qualname__}), no function: write a function"


def text_of_definition(
    text: SourceText, block: Block, node: Definition, marks: Sequence[ast.expr], new_marks: Optional[Sequence[str]]
) -> str:
    """Lines of a def or class with the comments above, without indentation.

    ``new_marks`` are decorators that stand in place of ``marks``, None to leave these as they are.
    """
    lines = text.lines[block.first - 1 : block.last]
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    start = first_line(node) - block.first
    if new_marks is not None:
        prefix = lines[start][: node.col_offset]
        gone = {
            line - block.first for mark in marks for line in range(mark.lineno, (mark.end_lineno or mark.lineno) + 1)
        }
        added = [f"{prefix}{line}\n" for mark in new_marks for line in mark.split("\n")]
        kept = [line for i, line in enumerate(lines[start:], start) if i not in gone]
        shift = len(added) - len(gone)
        lines = [*lines[:start], *added, *kept]
    else:
        shift = 0
    if node.col_offset == 0:
        return "".join(lines)
    as_text = {line + shift - block.first for line in _lines_of_strings(text, node)}
    indent = lines[start][: node.col_offset]
    return "".join(line if i in as_text else _without(indent, line) for i, line in enumerate(lines))


def _without(indent: str, line: str) -> str:
    return line[len(indent) :] if line.startswith(indent) else line.lstrip(" \t")


def _lines_of_strings(text: SourceText, node: Definition) -> set[int]:
    """Lines that begin inside a string, but for docstrings, whose indentation says nothing."""
    docstrings = {
        (inner.body[0].lineno, inner.body[0].end_lineno)
        for inner in ast.walk(node)
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and ast.get_docstring(inner) is not None
    }
    strings = set(_spans("".join(text.lines))) - docstrings
    return {line for first, last in strings for line in range(first + 1, last + 1)}


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last line of each string; formatted ones are several tokens since Python 3.12."""
    starts = []
    for token in _tokens(text):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            yield token.start[0], token.end[0]
        elif kind == "FSTRING_START":
            starts.append(token.start[0])
        elif kind == "FSTRING_END":
            yield starts.pop(), token.end[0]


def _tokens(text: str) -> Iterable[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)

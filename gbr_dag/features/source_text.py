"""The text of a module: what it binds at its top level, by which lines."""

from __future__ import annotations

import ast
import linecache
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Literal, Optional, Union

_ENCODING = re.compile(r"#.*?coding[:=]")  # what is written is UTF-8

Definition = Union[ast.FunctionDef, ast.ClassDef]
Kind = Literal["import", "definition", "value", "other"]


@dataclass(frozen=True)
class Binding:
    """One place where a module binds a name.

    Attributes
    ----------
    kind : {"import", "definition", "value", "other"}
        ``"other"``: a loop, a block ``with``, an augmented assignment, a function that says ``global``.
    statement : ast.stmt
        Where it stands.
    alias : ast.alias or None
        What an import says.
    at_top : bool
        It stands in no block ``if``, ``try`` or the like.
    types_only : bool
        It stands in a block ``if TYPE_CHECKING:``.
    """

    kind: Kind
    statement: ast.stmt
    alias: Optional[ast.alias] = None
    at_top: bool = True
    types_only: bool = False


@dataclass(frozen=True)
class Block:
    """Statements that share lines, with the comments above them; lines count from 1, the last one belongs to it."""

    statements: tuple[ast.stmt, ...]
    first: int
    last: int


class SourceText:
    """Text of a module, or of what else was compiled as one, as a cell of a notebook is."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = [line if line.endswith("\n") else f"{line}\n" for line in lines]
        text = "".join(self.lines)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and the like: said when the module was imported
            self.tree = ast.parse(text, filename)
            self._codes = {
                (code.co_name, code.co_firstlineno): code
                for code in _codes_inside(compile(text, filename, "exec", dont_inherit=True))
            }
        self.bindings: dict[str, list[Binding]] = {}
        for name, binding in _bindings(self.tree.body):
            self.bindings.setdefault(name, []).append(binding)
        self._enclosing = dict(_enclosing(self.tree, ()))

    @property
    def has_future_annotations(self) -> bool:
        """Whether it says ``from __future__ import annotations``."""
        return any(
            isinstance(binding.statement, ast.ImportFrom) and binding.statement.module == "__future__"
            for binding in self.bindings.get("annotations", ())
        )

    @property
    def docstring(self) -> str:
        """Text of its docstring with the quotes, empty if it has none."""
        if ast.get_docstring(self.tree) is None:
            return ""
        first = self.tree.body[0]
        return ast.get_source_segment("".join(self.lines), first) or ""

    @property
    def star_modules(self) -> list[tuple[int, str]]:
        """Level and name of the modules that it imports everything of."""
        bindings = self.bindings.get("*", ())
        statements = [each.statement for each in bindings if isinstance(each.statement, ast.ImportFrom)]
        return [(statement.level, statement.module or "") for statement in statements]

    def definition(self, code: CodeType) -> Optional[ast.FunctionDef]:
        """The def that a function was made by, None if the text does not have it any more.

        It may have moved to other lines, as it does where the file was written anew.
        """
        found = {}
        for node in self._enclosing:
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                here = self._codes.get((node.name, first_line(node)))
                if here is not None and _same_code(here, code):
                    found[first_line(node)] = node
        if code.co_firstlineno in found:
            return found[code.co_firstlineno]
        return next(iter(found.values())) if len(found) == 1 else None

    def enclosing(self, node: ast.AST) -> tuple[ast.AST, ...]:
        """Functions and classes that a def stands in, from the outermost."""
        return self._enclosing[node]

    def block(self, statement: ast.stmt) -> Block:
        """The statement with those on the same lines, the text that documents it and the comments above."""
        body = self.tree.body
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            return Block((statement,), self._with_comments(first_line(statement)), self._end(statement))
        start = stop = body.index(statement)
        while start > 0 and _last_line(body[start - 1]) >= first_line(body[start]):
            start -= 1
        while stop + 1 < len(body) and self._continues(body[stop], body[stop + 1]):
            stop += 1
        first = self._with_comments(first_line(body[start]))
        return Block(tuple(body[start : stop + 1]), first, _last_line(body[stop]))

    def text(self, first: int, last: int) -> str:
        """Lines, both ends belonging to them."""
        return "".join(self.lines[first - 1 : last])

    @staticmethod
    def _continues(statement: ast.stmt, following: ast.stmt) -> bool:
        if first_line(following) <= _last_line(statement):
            return True
        documents = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        is_text = documents and isinstance(following.value.value, str)  # type: ignore[attr-defined]
        assigned = isinstance(statement, (ast.Assign, ast.AnnAssign))
        return assigned and is_text and first_line(following) == _last_line(statement) + 1

    def _end(self, definition: Definition) -> int:
        """Last line of a def or class, comments at the end of its body among it."""
        last = _last_line(definition)
        for number, line in enumerate(self.lines[last:], last + 1):
            inner = line.lstrip()
            if inner and (not inner.startswith("#") or len(line) - len(inner) <= definition.col_offset):
                break
            last = number if inner else last
        return last

    def _with_comments(self, line: int) -> int:
        while line > 1:
            above = self.lines[line - 2].strip()
            if not above.startswith("#") or above.startswith("#!") or _ENCODING.match(above):
                break
            line -= 1
        return line


def source_text(filename: str, namespace: dict[str, Any], known: dict[str, SourceText]) -> Optional[SourceText]:
    """Text that a file, or a cell, was compiled of; None where it is not at hand.

    ``known`` keeps those that were read.
    """
    if filename not in known:
        linecache.checkcache(filename)
        lines = linecache.getlines(filename, namespace)
        if not lines:
            return None
        try:
            known[filename] = SourceText(filename, lines)
        except SyntaxError:  # edited since, and just now broken
            return None
    return known[filename]


def first_line(statement: ast.stmt) -> int:
    """First line of a statement, decorators among it."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line(statement: ast.stmt) -> int:
    return statement.end_lineno or statement.lineno


def _bindings(
    body: Iterable[ast.stmt], *, at_top: bool = True, types_only: bool = False
) -> Iterator[tuple[str, Binding]]:
    """Names that statements bind in the module, blocks among them but not the bodies of functions and classes."""

    def bound(kind: Kind, statement: ast.stmt, alias: Optional[ast.alias] = None) -> Binding:
        return Binding(kind, statement, alias, at_top, types_only)

    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                plain = alias.name if isinstance(statement, ast.ImportFrom) else alias.name.split(".")[0]
                yield alias.asname or plain, bound("import", statement, alias)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name, bound("definition", statement)
            for node in ast.walk(statement):
                if isinstance(node, ast.Global):
                    yield from ((name, bound("other", statement)) for name in node.names)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if statement.value is not None:
                yield from ((name, bound("value", statement)) for name in _stored(targets))
        else:
            yield from ((name, bound("other", statement)) for name in _stored(_own_parts(statement)))
            for inner, for_types in _inner_bodies(statement):
                yield from _bindings(inner, at_top=False, types_only=types_only or for_types)


def _stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for target in nodes:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id


def _own_parts(statement: ast.stmt) -> list[ast.AST]:
    """What a statement holds besides the statements inside it."""
    return [node for node in ast.iter_child_nodes(statement) if not isinstance(node, (ast.stmt, ast.ExceptHandler))]


def _inner_bodies(statement: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool]]:
    """Blocks of statements inside one, each with whether it is for types only."""
    test = getattr(statement, "test", None)
    for_types = test is not None and ast.unparse(test).endswith("TYPE_CHECKING")
    yield getattr(statement, "body", []), for_types
    for part in ("orelse", "finalbody"):
        yield getattr(statement, part, []), False
    for handler in getattr(statement, "handlers", []):
        yield handler.body, False


def _enclosing(node: ast.AST, outer: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child, outer
            yield from _enclosing(child, (*outer, child))
        else:
            yield from _enclosing(child, outer)


def _codes_inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_inside(constant)


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same; the flags may differ, as a notebook compiles with its own."""
    if (one.co_code, one.co_names, one.co_varnames) != (other.co_code, other.co_names, other.co_varnames):
        return False
    pairs = list(zip(one.co_consts, other.co_consts))
    return len(one.co_consts) == len(other.co_consts) and all(
        _same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else repr(a) == repr(b)
        for a, b in pairs
        if not (isinstance(a, frozenset) and a == b)  # in no fixed order
    )

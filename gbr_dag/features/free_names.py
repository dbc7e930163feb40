"""Names that a definition or a statement takes from around it."""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


@dataclass(frozen=True)
class FreeNames:
    """Names of a module that a piece of it uses.

    Attributes
    ----------
    at_once : frozenset of str
        Used when it is defined: in decorators, defaults, bases, bodies of classes, values.
    later : frozenset of str
        Used in the bodies of functions.
    hinted : frozenset of str
        Used in annotations, those written as strings among them.
    changed : frozenset of str
        Assigned by a function that says ``global``.
    chains : frozenset of str
        Dotted names as written, ``"np.linalg.norm"``.
    """

    at_once: frozenset[str]
    later: frozenset[str]
    hinted: frozenset[str]
    changed: frozenset[str]
    chains: frozenset[str]


def free_names(statements: Iterable[ast.stmt]) -> FreeNames:
    """Find the names that statements of a module take from around them."""
    written = list(statements)
    hints = [hint for statement in written for node in ast.walk(statement) for hint in _annotations(node)]
    expressions = [part for hint in hints for part in _with_strings(hint)]
    bare = ast.Module([_Bare().visit(copy.deepcopy(statement)) for statement in written], [])
    found: dict[str, set[str]] = {"at_once": set(), "later": set(), "changed": set()}
    _sort_names(symtable.symtable(ast.unparse(bare), "<features>", "exec"), found, in_function=False)
    named = (node for expression in expressions for node in ast.walk(expression))
    return FreeNames(
        at_once=frozenset(found["at_once"]),
        later=frozenset(found["later"]),
        hinted=frozenset(node.id for node in named if isinstance(node, ast.Name)),
        changed=frozenset(found["changed"]),
        chains=frozenset(chain for part in [*written, *expressions] for chain in _chains(part)),
    )


def bound_inside(node: ast.AST) -> set[str]:
    """Names that are local to a function, or to a class."""
    arguments = getattr(node, "args", None)
    names = {argument.arg for argument in ast.walk(arguments) if isinstance(argument, ast.arg)} if arguments else set()
    for statement in getattr(node, "body", []):
        for inner in ast.walk(statement):
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(inner.name)
            elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                names.add(inner.id)
            elif isinstance(inner, ast.alias):
                names.add(inner.asname or inner.name.split(".")[0])
    return names


class _Bare(ast.NodeTransformer):
    """Take the annotations off, whose names are found apart: whether they are ever used depends on the module."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return self.generic_visit(node)


def _sort_names(table: symtable.SymbolTable, found: dict[str, set[str]], *, in_function: bool) -> None:
    is_module = table.get_type() == "module"
    in_function = in_function or (table.get_type() == "function" and table.get_name() not in _COMPREHENSIONS)
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            found["later" if in_function else "at_once"].add(symbol.get_name())
        if not is_module and symbol.is_declared_global() and symbol.is_assigned():
            found["changed"].add(symbol.get_name())
    for child in table.get_children():
        _sort_names(child, found, in_function=in_function)


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    for part in ("annotation", "returns"):
        hint = getattr(node, part, None)
        if isinstance(hint, ast.expr):
            yield hint


def _with_strings(hint: ast.AST) -> Iterator[ast.AST]:
    """An annotation with what its strings say, those of ``Literal[...]`` left out."""
    yield hint
    pending = [hint]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "Literal":
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inner = ast.parse(node.value.strip(), mode="eval").body
            except SyntaxError:  # a note of typing.Annotated
                continue
            yield from _with_strings(inner)
        pending += ast.iter_child_nodes(node)


def _chains(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield ".".join([inner.id, *reversed(names)])

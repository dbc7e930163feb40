"""What has to travel with features into a file: the names that their functions use, with what these use in turn."""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, Optional

from gbr_dag.errors import InputError
from gbr_dag.features.constant_values import is_literal
from gbr_dag.features.constants import reason_against
from gbr_dag.features.definitions import reason_against_function, text_of_definition
from gbr_dag.features.feature import Feature
from gbr_dag.features.free_names import bound_inside, free_names
from gbr_dag.features.import_lines import Import, import_of_value, imports_of, only_used, submodules_of
from gbr_dag.features.levels import has_agg, place_of
from gbr_dag.features.mark_text import mark_decorators, new_marks
from gbr_dag.features.source_text import Binding, SourceText, first_line, source_text

# a module has its own of these, so a copy of the text would say something else
_OF_THE_FILE = {"__file__", "__path__", "__spec__", "__loader__", "__package__", "__cached__"}


@dataclass(frozen=True)
class Item:
    """A piece of a module's text.

    Attributes
    ----------
    kind : {"constant", "helper", "feature"}
        What it is.
    names : tuple of str
        What it binds.
    text : str
        Its lines, with the comments above them.
    place : tuple of (str, int, int)
        File, first line and last line.
    needs : frozenset of str
        Names that must be bound before it.
    """

    kind: Literal["constant", "helper", "feature"]
    names: tuple[str, ...]
    text: str
    place: tuple[str, int, int]
    needs: frozenset[str]


@dataclass
class Collection:
    """What a module of features holds.

    Attributes
    ----------
    items : dict of key to Item
        In the order in which they were found.
    imports : dict of Import to bool
        Each with whether it is needed at run time, and not for types only.
    texts : dict of str to SourceText
        Of each file that items came from.
    namespaces : dict of str to str
        Name of the module of each file.
    """

    items: dict[tuple[str, int], Item] = field(default_factory=dict)
    imports: dict[Import, bool] = field(default_factory=dict)
    texts: dict[str, SourceText] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _User:
    """Who uses names: its words for messages, its globals, its text and what is local around it."""

    label: str
    namespace: dict[str, Any]
    text: SourceText
    around: frozenset[str] = frozenset()


def collected(features: Iterable[Feature]) -> Collection:
    """Collect the functions of features with all that they use.

    Raises
    ------
    InputError
        If something cannot be written as text: everything of that kind at once, each with its place and the reason.
    """
    collector = _Collector(list(features))
    collector.collect()
    if collector.problems:
        message = f"features cannot be saved: {'; '.join(dict.fromkeys(collector.problems))}"
        raise InputError(message)
    return collector.found


class _Collector:
    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._feature_of: dict[tuple[str, int], Feature] = {}
        self._owners: dict[str, tuple[Any, str]] = {}
        self._seen: set[tuple[int, str]] = set()
        self.found = Collection()
        self.problems: list[str] = []

    def collect(self) -> None:
        for feature in self._features:
            self._take_function(feature.function, feature.label, feature)

    def _take_function(self, function: Any, label: str, feature: Optional[Feature]) -> None:
        written = inspect.unwrap(function)
        if not isinstance(written, FunctionType):
            self.problems.append(f"{label} {reason_against_function(function, None, None)}")
            return
        code = written.__code__
        text = source_text(code.co_filename, written.__globals__, self.found.texts)
        node = text.definition(code) if text else None
        reason = reason_against_function(function, text, node)
        if reason or text is None or node is None:
            self.problems.append(f"{label} {reason}")
            return
        key = (code.co_filename, first_line(node))
        if key in self.found.items or key in self._feature_of:
            if feature is not None:
                other = self._feature_of[key]
                self.problems.append(
                    f"{label} has the same function as feature {other.name!r}, and a file holds it once: write a second"
                    " function that calls it"
                )
            return
        if feature is not None:
            self._feature_of[key] = feature
        elif any(inspect.unwrap(each.function) is written for each in self._features):
            return  # a feature that another one calls: it has its turn
        self.found.namespaces[code.co_filename] = str(written.__globals__.get("__name__"))
        around = [bound_inside(outer) for outer in text.enclosing(node)]
        user = _User(label, written.__globals__, text, frozenset().union(*around))
        self._define(key, user, node, feature)

    def _define(self, key: tuple[str, int], user: _User, node: ast.FunctionDef, feature: Optional[Feature]) -> None:
        marks = mark_decorators(node, user.namespace)
        block = user.text.block(node)
        if feature is None:
            lines, kept = None, node
        else:
            header = user.text.text(first_line(node), block.last)
            lines = new_marks(feature, node, [word for _, word in marks], has_agg(header, node.name))
            kept = copy.copy(node)
            if lines is not None:
                out = {id(decorator) for decorator, _ in marks}
                kept.decorator_list = [each for each in node.decorator_list if id(each) not in out]
                for word in {line[1:].split("(")[0] for line in lines}:
                    self._add_import(Import("gbr_dag.features", word), user.label)
        content = text_of_definition(user.text, block, node, [decorator for decorator, _ in marks], lines)
        self._own(node.name, key, user.label)
        self._add(
            key, "feature" if feature else "helper", (node.name,), content, (block.first, block.last), [kept], user
        )

    def _add(
        self,
        key: tuple[str, int],
        kind: Literal["constant", "helper", "feature"],
        names: tuple[str, ...],
        content: str,
        lines: tuple[int, int],
        statements: Sequence[ast.stmt],
        user: _User,
    ) -> None:
        free = free_names(statements)
        needed = free.at_once if user.text.has_future_annotations else free.at_once | free.hinted
        self.found.items[key] = Item(kind, names, content, (user.text.filename, *lines), needed - set(names))
        for name in sorted(free.changed):
            self.problems.append(
                f"{user.label} changes the global {name!r}: no feature may, its value depends on calls"
            )
        for name in sorted(free.at_once & user.around):
            self.problems.append(
                f"{user.label} has a default or decorator with {name!r}, which is local to the function around it: move"
                " the def to the top of a module"
            )
        for name in sorted((free.at_once | free.later) - free.changed - user.around):
            self._take(name, user, free.chains, hint=False)
        for name in sorted(free.hinted - free.at_once - free.later):
            self._take(name, user, free.chains, hint=True)

    def _take(self, name: str, user: _User, chains: Iterable[str], *, hint: bool) -> None:
        """Let what a name stands for travel."""
        bindings = user.text.bindings.get(name, [])
        if name in _OF_THE_FILE:
            self.problems.append(f"{user.label} uses {name}, which is another one in another file: give it as a value")
            return
        imports = imports_of(bindings, name, user.namespace)
        if imports and (name in user.namespace or all(each.types_only for each in bindings)):
            for each in [*only_used(imports, chains), *submodules_of(imports, user.text.bindings, chains)]:
                self._add_import(each, user.label, at_run_time=name in user.namespace)
            return
        if (id(user.namespace), name) in self._seen:
            return
        self._seen.add((id(user.namespace), name))
        if name in user.namespace:
            self._take_value(name, user, [each for each in bindings if each.kind != "import"])
        elif hasattr(builtins, name):
            self._own(name, ("builtins", name), user.label)
        elif not hint:
            self.problems.append(f"{user.label} uses {name!r}, which is defined nowhere: define or import it first")

    def _take_value(self, name: str, user: _User, bindings: Sequence[Binding]) -> None:
        value, kinds = user.namespace[name], {binding.kind for binding in bindings}
        inner = inspect.unwrap(value) if callable(value) else value
        is_own = isinstance(inner, FunctionType) and inner.__globals__ is user.namespace
        if is_own and (not bindings or "definition" in kinds):
            self._take_function(value, f"function {name!r} ({place_of(value)}), used by {user.label},", None)
        elif kinds == {"definition"}:
            self._take_statement(name, user, bindings)
        elif bindings:
            self._take_constant(name, user, bindings)
        elif name not in {"__name__", "__doc__"}:
            self._take_unbound(name, value, user)

    def _take_unbound(self, name: str, value: Any, user: _User) -> None:
        """A global that no line of the text binds: by ``import *``, or in another cell of a notebook."""
        found = import_of_value(name, value, user.text, user.namespace)
        if found is not None:
            self._add_import(found, user.label)
        elif is_literal(value) and not Path(user.text.filename).is_file():
            key = (f"{user.text.filename}: {name}", 0)
            self._own(name, key, user.label)
            self.found.items[key] = Item("constant", (name,), f"{name} = {value!r}\n", (key[0], 0, 0), frozenset())
        else:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            self.problems.append(
                f"{user.label} uses {name!r}, a {kind} that its text does not define and that cannot be imported:"
                " define it beside the function"
            )

    def _take_statement(self, name: str, user: _User, bindings: Sequence[Binding]) -> None:
        """A class, or what a decorator made of a def."""
        statement = bindings[0].statement
        place = f"{user.text.filename}:{first_line(statement)}"
        label = f"{name!r} ({place}), used by {user.label},"
        if len(bindings) > 1 or not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            self.problems.append(f"{label} is defined {len(bindings)} times: give each a name of its own")
            return
        self._copy(user, label, statement, "helper", (name,))

    def _take_constant(self, name: str, user: _User, bindings: Sequence[Binding]) -> None:
        lines = ", ".join(str(binding.statement.lineno) for binding in bindings)
        label = f"constant {name!r} ({user.text.filename}:{lines}), used by {user.label},"
        only = bindings[0]
        if len(bindings) > 1 or only.kind != "value" or not only.at_top:
            self.problems.append(
                f"{label} is assigned in several places, in a block or by a function, so that no line tells what it"
                " is: assign it once, at the top of the module"
            )
            return
        block = user.text.block(only.statement)
        reasons = [reason_against(statement, user.namespace) for statement in block.statements]
        if any(reasons):
            self.problems.append(f"{label} {next(filter(None, reasons))}")
            return
        names = [
            bound
            for bound, all_of in user.text.bindings.items()
            if any(each.statement in block.statements for each in all_of)
        ]
        self._copy(user, label, only.statement, "constant", tuple(names))

    def _copy(
        self, user: _User, label: str, statement: ast.stmt, kind: Literal["constant", "helper"], names: tuple[str, ...]
    ) -> None:
        block = user.text.block(statement)
        key = (user.text.filename, block.first)
        if key in self.found.items:
            return
        for name in names:
            self._own(name, key, label)
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            content = text_of_definition(user.text, block, statement, [], None)
        else:
            content = user.text.text(block.first, block.last)
        inner = _User(label.rstrip(","), user.namespace, user.text)
        self._add(key, kind, names, content, (block.first, block.last), block.statements, inner)

    def _add_import(self, each: Import, label: str, *, at_run_time: bool = True) -> None:
        if each.module == "__main__":
            self.problems.append(
                f"{label} uses {each.bound!r} of __main__, which cannot be imported: move it to a module"
            )
            return
        self._own(each.bound, ("import", *each.meaning), label)
        self.found.imports[each] = self.found.imports.get(each, False) or at_run_time

    def _own(self, name: str, key: Any, label: str) -> None:
        """Note what a name means in the file, which is one thing."""
        owner, first = self._owners.setdefault(name, (key, label))
        if owner != key:
            self.problems.append(
                f"the name {name!r} means two things, for {first.rstrip(',')} and for {label.rstrip(',')}: rename one"
            )

"""Imports of a module that is written, sorted as isort sorts them."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

from gbr_dag.features.source_text import Binding, SourceText

_LONGEST_LINE = 88


@dataclass(frozen=True)
class Import:
    """``import module as alias``, or with a name ``from module import name as alias``."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def bound(self) -> str:
        """Name that it binds."""
        return self.alias or self.name or self.module.split(".")[0]

    @property
    def meaning(self) -> tuple[str, str]:
        """What the bound name stands for: ``import a.b`` and ``import a.c`` both bind ``a`` to the same."""
        return (self.module if self.name or self.alias else self.bound), self.name


def imports_of(bindings: Iterable[Binding], name: str, namespace: Mapping[str, Any]) -> list[Import]:
    """Imports by which a module's text binds a name to what it holds now."""
    found = [_import_of(binding, namespace) for binding in bindings if binding.kind == "import"]
    if len(found) < 2 or name not in namespace:
        return found
    return [each for each in found if _bound_value(each) is namespace[name]]


def import_of_value(
    name: str, value: Any, text: Optional[SourceText], namespace: Mapping[str, Any]
) -> Optional[Import]:
    """An import that gives a value which no line of the text binds by name; None where there is none."""
    if isinstance(value, ModuleType):
        return Import(value.__name__, alias="" if value.__name__ == name else name)
    for level, package in text.star_modules if text else ():
        full = _absolute(level, package, namespace)
        if getattr(sys.modules.get(full), name, None) is value:
            return Import(full, name)
    module, written = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(written, str):
        return None
    here = module in {"__main__", namespace.get("__name__")}
    is_found = not here and getattr(sys.modules.get(module), written, None) is value
    return Import(module, written, "" if written == name else name) if is_found else None


def only_used(imports: Iterable[Import], chains: Iterable[str]) -> list[Import]:
    """Of imports that bind one name those that the dotted names need: ``import a.b`` for ``a.b.c``."""
    found, used = list(imports), list(chains)
    if len(found) < 2:
        return found
    deep = [each for each in found if any(f"{chain}.".startswith(f"{each.module}.") for chain in used)]
    longest = [each for each in deep if "." in each.module]
    return longest or deep or found


def submodules_of(
    imports: Iterable[Import], bindings: Mapping[str, list[Binding]], chains: Iterable[str]
) -> list[Import]:
    """Imports of modules that are reached by another name: ``import a.b`` where ``a`` is used as ``c.b``."""
    aliased = {each.alias: each.module for each in imports if each.alias and not each.name}
    used = [
        f"{aliased[first]}.{rest}."
        for first, _, rest in (chain.partition(".") for chain in chains)
        if rest and first in aliased
    ]
    dotted = {
        binding.alias.name
        for module in aliased.values()
        for binding in bindings.get(module.split(".")[0], ())
        if binding.alias is not None and isinstance(binding.statement, ast.Import) and not binding.alias.asname
    }
    return [Import(name) for name in sorted(dotted) if any(chain.startswith(f"{name}.") for chain in used)]


def import_lines(imports: Iterable[Import]) -> list[list[str]]:
    """Lines of imports in sections, each sorted: the standard library, what is installed, the modules around."""
    sections: list[list[str]] = []
    rank = {each: _rank(each.module.split(".")[0]) for each in imports}
    for section in range(3):
        inside = [each for each in rank if rank[each] == section]
        plain = sorted((each for each in inside if not each.name), key=lambda each: (each.module.lower(), each.alias))
        lines = [f"import {each.module}{f' as {each.alias}' if each.alias else ''}" for each in plain]
        lines += _from_lines([each for each in inside if each.name])
        if lines:
            sections.append(lines)
    return sections


def _from_lines(imports: list[Import]) -> list[str]:
    lines = []
    groups: dict[tuple[str, str], list[Import]] = {}
    for each in sorted(imports, key=_member_key):
        # isort keeps what is renamed on a line of its own
        own_line = f"{each.name} as {each.alias}" if each.alias else ""
        groups.setdefault((each.module, own_line), []).append(each)
    for (module, renamed), members in sorted(groups.items(), key=lambda item: _line_key(item[0][0], item[1])):
        names = [renamed] if renamed else [each.name for each in members]
        line = f"from {module} import {', '.join(names)}"
        if len(line) > _LONGEST_LINE and len(names) > 1:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"
        lines.append(line)
    return lines


def _line_key(module: str, members: list[Import]) -> tuple[Any, ...]:
    return module.lower(), _member_key(members[0])


def _member_key(each: Import) -> tuple[int, str, str]:
    """Constants, then classes, then the rest, as isort orders what a line imports."""
    kind = 0 if each.name.isupper() and len(each.name) > 1 else 1 if each.name[:1].isupper() else 2
    return kind, each.name.lower(), each.alias


def _import_of(binding: Binding, namespace: Mapping[str, Any]) -> Import:
    alias = binding.alias
    name, renamed = (alias.name, alias.asname or "") if alias is not None else ("", "")
    statement = binding.statement
    level = getattr(statement, "level", None)
    if level is None:
        return Import(name, alias=renamed if renamed != name else "")
    module = _absolute(level, getattr(statement, "module", None) or "", namespace)
    return Import(module, name, renamed if renamed != name else "")


def _absolute(level: int, module: str, namespace: Mapping[str, Any]) -> str:
    if not level:
        return module
    package = namespace.get("__package__") or str(namespace.get("__name__", "")).rpartition(".")[0]
    return importlib.util.resolve_name("." * level + module, package)


def _bound_value(each: Import) -> Any:
    if each.name:
        inner = getattr(sys.modules.get(each.module), each.name, None)
        return inner if inner is not None else sys.modules.get(f"{each.module}.{each.name}")
    return sys.modules.get(each.module if each.alias else each.bound)


def _rank(root: str) -> int:
    """0 for the standard library, 1 for what is installed, 2 for modules of the same project."""
    if root in sys.builtin_module_names or root in getattr(sys, "stdlib_module_names", ()):
        return 0
    known = sys.modules.get(root)
    try:
        spec = getattr(known, "__spec__", None) or importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return 1
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
    parts = {part for place in places if place for part in Path(place).parts}
    if root == __name__.split(".")[0] or parts & {"site-packages", "dist-packages"} or not places:
        return 1
    library = [Path(sysconfig.get_path(part)) for part in ("stdlib", "platstdlib")]
    # the list of names came with Python 3.10
    inside = any(folder in Path(place).parents for place in places if place for folder in library)
    return 0 if inside or places[0] in {"built-in", "frozen"} else 2

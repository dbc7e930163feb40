"""Features written as a Python module."""

from __future__ import annotations

import importlib.util
import keyword
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Optional, Union

from gbr_dag.errors import InputError
from gbr_dag.features.collecting import Collection, Item, collected
from gbr_dag.features.feature import Feature
from gbr_dag.features.import_lines import Import, import_lines
from gbr_dag.graph.whole_files import write_whole

_LONGEST_LINE = 88
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def module_text(features: Iterable[Feature], title: str) -> str:
    """Text of a module that defines features, in their order.

    Parameters
    ----------
    features : iterable of Feature
        At least one.
    title : str
        Its docstring, unless the features come from one module that has a docstring of its own.

    Raises
    ------
    InputError
        If a function, or something that it uses, cannot be written as text: everything of that kind at once.
    """
    features = list(features)
    if not features:
        message = "there are no features to save; register some first"
        raise InputError(message)
    found = collected(features)
    parts = [f"{_docstring(found, title)}\n"]
    if any(text.has_future_annotations for text in found.texts.values()):
        parts.append("from __future__ import annotations\n")
    parts += _imports(found)
    parts.append(_exported([name for item in found.items.values() if item.kind == "feature" for name in item.names]))
    return "\n".join(parts) + "".join(_spaced(_ordered(found)))


def written_module(target: Path, text: str, *, overwrite: bool) -> Path:
    """Write a module, as a whole or not at all.

    Raises
    ------
    InputError
        If the file is there and is not to be overwritten, its suffix is not ``.py``, or its folder is missing.
    """
    if target.suffix != ".py":
        message = f"path must end in .py, got {str(target)!r}"
        raise InputError(message)
    if not target.parent.is_dir():
        message = f"path: the folder {str(target.parent)!r} is not there; make it first"
        raise InputError(message)
    if target.is_dir() or (target.exists() and not overwrite):
        message = f"path: {str(target)!r} is there already; give another one, or overwrite=True"
        raise InputError(message)
    write_whole(target, text.encode())
    # bytecode of the old text is told apart by whole seconds and bytes only
    Path(importlib.util.cache_from_source(str(target))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    return target


def file_of_path(path: Union[str, Path]) -> Path:
    """File of a path.

    Raises
    ------
    InputError
        If it is no path.
    """
    if not isinstance(path, (str, Path)):
        message = f"path must be a text or a pathlib.Path that ends in .py, got {path!r}"
        raise InputError(message)
    return Path(path)


def file_of_target(target: Union[str, Path]) -> Path:
    """File of a path, or of a dotted name: ``"my_package.features"`` is ``features.py`` in the folder of the package.

    The package is one that can be imported, or a folder of the current one.

    Raises
    ------
    InputError
        If it is neither, the package is not found, or a name without one is that of another module.
    """
    if isinstance(target, Path):
        return target
    if not isinstance(target, str) or not target:
        message = f"target must be a path ending in .py or a dotted name, got {target!r}"
        raise InputError(message)
    if target.endswith(".py") or "/" in target or "\\" in target:
        return Path(target)
    parts = target.split(".")
    if not _DOTTED.fullmatch(target) or any(map(keyword.iskeyword, parts)):
        message = f"target must be a path ending in .py or a dotted name like 'my_package.features', got {target!r}"
        raise InputError(message)
    package = ".".join(parts[:-1])
    file = _folder(package, target) / f"{parts[-1]}.py"
    if not package:
        _check_hides_nothing(target, file)
    return file


def _check_hides_nothing(target: str, file: Path) -> None:
    """Refuse a name that imports another module, as ``json`` does: the file would be imported in its place."""
    try:
        spec = importlib.util.find_spec(target)
    except ValueError:  # of modules that were not imported from anywhere, as __main__
        origin: Optional[str] = target
    else:
        origin = None if spec is None else spec.origin  # None of mere folders, too
    if origin is not None and Path(origin).resolve() != file.resolve():
        message = (
            f"target {target!r} is the name of another module ({origin}), which the file {str(file)!r} would hide; give"
            f" another name, or the path {str(file)!r}"
        )
        raise InputError(message)


def _folder(package: str, target: str) -> Path:
    if not package:
        return Path()
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    folder = Path(*package.split("."))
    if not folder.is_dir():
        what = "is a module, no package" if spec is not None else "can neither be imported nor is a folder here"
        message = f"target {target!r}: {package!r} {what}; make the folder first, or give a path ending in .py"
        raise InputError(message)
    return folder


def _docstring(found: Collection, title: str) -> str:
    files = {item.place[0] for item in found.items.values() if item.kind == "feature"}
    only = next(iter(files))
    if len(files) == 1 and found.namespaces.get(only) != "__main__" and found.texts[only].docstring:
        return found.texts[only].docstring
    plain = " ".join(title.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{plain}"""'


def _imports(found: Collection) -> Iterator[str]:
    at_run_time = [each for each, needed in found.imports.items() if needed]
    bound = {each.bound for each in at_run_time}
    for_types = [each for each, needed in found.imports.items() if not needed and each.bound not in bound]
    if for_types:
        at_run_time.append(Import("typing", "TYPE_CHECKING"))
    for section in import_lines(at_run_time):
        yield "".join(f"{line}\n" for line in section)
    if for_types:
        lines = "\n\n".join("\n".join(section) for section in import_lines(for_types))
        yield f"if TYPE_CHECKING:\n{textwrap.indent(lines, ' ' * 4)}\n"


def _exported(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    line = f"__all__ = [{', '.join(quoted)}]\n"
    return (
        line if len(line) <= _LONGEST_LINE else "__all__ = [\n" + "".join(f"    {name},\n" for name in quoted) + "]\n"
    )


def _ordered(found: Collection) -> list[Item]:
    """Constants, helpers, features; what is needed when something is defined stands before it."""
    files = list(dict.fromkeys(item.place[0] for item in found.items.values()))
    rank = {"constant": 0, "helper": 1, "feature": 2}

    def key(item: Item) -> tuple[int, int, int]:
        if item.kind == "feature":
            return rank[item.kind], 0, 0  # as registered: sorting keeps that order
        return rank[item.kind], files.index(item.place[0]), item.place[1]

    items = sorted(found.items.values(), key=key)
    owner = {name: item for item in items for name in item.names}
    done: dict[int, Item] = {}
    pending: set[int] = set()

    def emit(item: Item) -> None:
        if id(item) in done or id(item) in pending:
            return
        pending.add(id(item))
        for needed in sorted({id(owner[name]): owner[name] for name in item.needs if name in owner}.values(), key=key):
            emit(needed)
        done[id(item)] = item

    for item in items:
        emit(item)
    return list(done.values())


def _spaced(items: Sequence[Item]) -> Iterator[str]:
    """Texts with the blank lines between them: two around definitions, none where the source had none."""
    before = None
    for item in items:
        is_definition = item.kind != "constant"
        if is_definition or (before is not None and before.kind != "constant"):
            yield "\n\n"
        elif before is None or before.place[0] != item.place[0] or before.place[2] + 1 != item.place[1]:
            yield "\n"
        yield item.text
        before = item

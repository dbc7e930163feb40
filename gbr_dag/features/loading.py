"""Features read from Python modules, which runs their code."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import linecache
import pkgutil
import sys
import zlib
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Union

from gbr_dag.errors import InputError
from gbr_dag.features.feature import Feature, made_feature
from gbr_dag.features.levels import mark_of
from gbr_dag.graph.checks import suggestion


def loaded_module(source: Union[ModuleType, str, Path]) -> ModuleType:
    """A module, imported by its dotted name or run from the path of a file that ends in ``.py``.

    Raises
    ------
    InputError
        If there is no such module or file. Errors of its own code come through as they are.
    """
    if isinstance(source, ModuleType):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and (source.endswith(".py") or "/" in source)):
        return module_of_file(source)
    if not isinstance(source, str) or not source:
        message = f"module must be a module, a dotted name or a path ending in .py, got {source!r}"
        raise InputError(message)
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{source}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        near = suggestion(source, _modules_near(source))
        message = f"module {source!r} cannot be imported: there is no {error.name!r}{near}; a path must end in .py"
        raise InputError(message) from error


def module_of_file(path: Union[str, Path]) -> ModuleType:
    """Run a file as a module of its own.

    Raises
    ------
    InputError
        If the file is missing or does not end in ``.py``.
    """
    if not isinstance(path, (str, Path)) or Path(path).suffix != ".py":
        message = f"path must be the path of a file that ends in .py, got {path!r}"
        raise InputError(message)
    file = Path(path).resolve()
    if not file.is_file():
        beside = [each.name for each in file.parent.glob("*.py")] if file.parent.is_dir() else []
        near = suggestion(file.name, beside) or f"; the folder {str(file.parent)!r} has {len(beside)} files .py"
        message = f"path: there is no file {str(path)!r}{near}"
        raise InputError(message)
    # of its own, so that no module that can be imported is hidden, and the same in each run
    name = f"{file.stem}_{zlib.crc32(str(file).encode()):08x}"
    loader = _UncachedLoader(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        message = f"path: {str(path)!r} cannot be loaded as a module"
        raise InputError(message)
    module = importlib.util.module_from_spec(spec)
    linecache.checkcache(str(file))
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickles look it up there
    try:
        loader.exec_module(module)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


def features_of_module(module: ModuleType) -> list[Feature]:
    """Features that a module defines, in the order of its lines, levels as they are marked.

    They are the functions that its ``__all__`` lists, or without one all whose names do not start with ``_``. What it
    imports is none of its own.

    Raises
    ------
    InputError
        If ``__all__`` lists what is not there, a function cannot be a feature, or there is none.
    """
    listed = getattr(module, "__all__", None)
    names = vars(module)
    if listed is not None:
        for name in listed:
            if name not in names:
                message = f"module {module.__name__!r}: __all__ lists {name!r}, which is not defined"
                raise InputError(message + suggestion(name, names))
    wanted = {name for name in names if not name.startswith("_")} if listed is None else set(listed)
    features = [
        made_feature(mark_of(function).name or name, function)
        for name, function in _own_functions(module)
        if name in wanted
    ]
    if not features:
        way_out = "its __all__ lists none" if listed is not None else "names that start with _ are helpers"
        message = f"module {module.__name__!r} ({getattr(module, '__file__', None)}) defines no function; {way_out}"
        raise InputError(message)
    return features


class _UncachedLoader(SourceFileLoader):
    """Compiles the file as it is now: caches are told apart by seconds, and would be written beside the file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.get_filename(fullname)), self.path)


def _own_functions(module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Functions that a module defines by the names that it gives them, each once, in the order of its lines."""
    names = vars(module)
    by_line, by_call = [], []
    for name, value in names.items():
        if not callable(value) or inspect.isclass(value):
            continue
        written = inspect.unwrap(value)
        if not isinstance(written, FunctionType) or written.__globals__ is not names:
            continue
        if written.__name__ == name:
            by_line.append((written.__code__.co_firstlineno, name, value))
        elif names.get(written.__name__) is not value:  # else a second name
            by_call.append((name, value))
    # a def that is repeated keeps its first position among the names, and has the line of the last
    return [*((name, value) for _, name, value in sorted(by_line, key=lambda each: each[0])), *by_call]


def _modules_near(dotted: str) -> list[str]:
    package = dotted.rpartition(".")[0]
    if not package:
        return [each.name for each in pkgutil.iter_modules()]
    parent = sys.modules.get(package)
    return [f"{package}.{each.name}" for each in pkgutil.iter_modules(getattr(parent, "__path__", None) or [])]

"""Features read from Python modules, which runs their code."""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import pkgutil
import sys
import zlib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Union

from gbr_dag.errors import InputError
from gbr_dag.features.edits import own_functions, was_edited
from gbr_dag.features.feature import Feature, made_feature
from gbr_dag.features.levels import mark_of
from gbr_dag.graph.checks import suggestion


def loaded_module(source: Union[ModuleType, str, Path]) -> ModuleType:
    """A module, imported by its dotted name or run from the path of a file that ends in ``.py``.

    Raises
    ------
    InputError
        If there is no such module or file, or it ends the program. Errors of its own code come through as they are.

    Notes
    -----
    A name whose module was imported from another text than its file has now is imported anew, as a module of its own:
    functions of the old one go on with what they were written for.
    """
    if isinstance(source, ModuleType):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and (source.endswith(".py") or "/" in source)):
        return module_of_file(source)
    if not isinstance(source, str) or not source:
        message = f"module must be a module, a dotted name or a path ending in .py, got {source!r}"
        raise InputError(message)
    before = sys.modules.get(source)
    if before is not None and source != "__main__" and was_edited(before):
        if hasattr(before, "__path__"):
            message = (
                f"module {source!r} is a package whose file was edited since it was imported: import it anew first"
            )
            raise InputError(message)
        del sys.modules[source]
    try:
        return _imported(source)
    except BaseException:
        if before is not None:
            sys.modules[source] = before
        raise


def _imported(source: str) -> ModuleType:
    try:
        return importlib.import_module(source)
    except SystemExit as error:
        raise _ending(source, error) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{source}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        near = suggestion(source, _modules_near(source))
        message = f"module {source!r} cannot be imported: there is no {error.name!r}{near}; a path must end in .py"
        raise InputError(message) from error


def _ending(source: str, error: SystemExit) -> InputError:
    return InputError(
        f"{source} ends the program when it is loaded (SystemExit: {error.code}); put that under"
        ' if __name__ == "__main__":'
    )


def module_of_file(path: Union[str, Path]) -> ModuleType:
    """Run a file as a module of its own.

    Raises
    ------
    InputError
        If the file is missing, does not end in ``.py``, or ends the program.
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
    except BaseException as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, SystemExit):
            raise _ending(str(path), error) from error
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
        for name, function in own_functions(module)
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


def _modules_near(dotted: str) -> list[str]:
    package = dotted.rpartition(".")[0]
    if not package:
        return [each.name for each in pkgutil.iter_modules()]
    parent = sys.modules.get(package)
    return [f"{package}.{each.name}" for each in pkgutil.iter_modules(getattr(parent, "__path__", None) or [])]

"""Models of features saved to Python modules, and read from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import ModuleType
from typing import TypeVar, Union

from gbr_dag.features.feature import Feature
from gbr_dag.features.loading import features_of_module, loaded_module, module_of_file
from gbr_dag.features.module_text import file_of_path, file_of_target, module_text, written_module
from gbr_dag.features.registry import FeatureRegistry

FilesDriver = TypeVar("FilesDriver", bound="FeatureFiles")


class FeatureFiles(ABC):
    """What a driver of features does with files."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The model's name."""

    @property
    @abstractmethod
    def by(self) -> tuple[str, ...]:
        """Key columns."""

    @property
    @abstractmethod
    def registry(self) -> FeatureRegistry:
        """The features."""

    @abstractmethod
    def _add(self, *features: Feature, replace: bool = False) -> None:
        """Add features, all of them or none."""

    def save_features_to_module(self, target: Union[str, Path], overwrite: bool = False) -> Path:
        """Write the features as a plain Python module; what is written is told by :meth:`save_to_python_file`.

        Parameters
        ----------
        target : str or Path
            A path that ends in ``.py``, or a dotted name: ``"my_package.features"`` is the file ``features.py`` of
            ``my_package``, which can be imported (its ``__init__`` is run to find it, if it is in another package) or
            is a folder here. The file is new; the package must be there. A name without a package is a file here, and
            must not be that of another module, as ``"json"`` is.
        overwrite : bool, default False
            Replace a file that is there.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            As :meth:`save_to_python_file`, or if the package is not found, or the name is that of another module.
        """
        return written_module(file_of_target(target), self._module_text(), overwrite=overwrite)

    def save_to_python_file(self, path: Union[str, Path], overwrite: bool = False) -> Path:
        """Write the features as a plain Python module, as one would write it by hand.

        Functions stand in the order in which they were registered, byte for byte as in their sources, listed in
        ``__all__``; before them the imports, constants and helpers that they use. Where their own marks do not say how
        they were registered, a decorator is written that does: ``@attribute``, ``@row(name="age", inputs=["built"])``,
        ``@row(..., legacy_mode=True)`` for functions of frames. Read back by :meth:`load_from_python_file` the module
        gives the same features, which saved again give the same bytes.

        Parameters
        ----------
        path : str or Path
            Ends in ``.py``. Written to a temporary name first, so that no half of it is ever seen.
        overwrite : bool, default False
            Replace a file that is there.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            If the file is there, or something has no text that gives it back: lambdas, closures, methods, functions
            edited since they were imported, constants that were changed or are neither literals nor arithmetic, one
            name of two meanings. All are named at once, with place and reason.
        """
        return written_module(file_of_path(path), self._module_text(), overwrite=overwrite)

    def load_features_from_module(
        self: FilesDriver, module: Union[ModuleType, str, Path], replace: bool = False
    ) -> FilesDriver:
        """Add the functions that a module defines. **Importing a module runs its code**: load what you trust.

        Added are the functions that its ``__all__`` lists, or without one all whose names do not start with ``_``, in
        the order of its lines; what it imports from elsewhere is left out. Levels are as marked by decorators or
        ``#agg``, row level without a mark. If one is refused none is added.

        Parameters
        ----------
        module : module, str or Path
            A module, which is taken as it is; a dotted name that can be imported; or a path as of
            :meth:`load_from_python_file`. A name whose file was edited or overwritten since it was imported is imported
            anew; functions registered before stay what they were. Told by the text of its functions, numbers and
            texts: an edit of anything else at the top level alone, say of a list, is not seen.
        replace : bool, default False
            Its features take the places of those that have their names.

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError
            If there is no such module, it defines no function, one of them cannot be a feature, or its code ends the
            program (``sys.exit``). Other errors of its code come through as they are.
        DuplicateNameError
            If a feature of that name is there already, unless it is to be replaced, or one that yields the same.
        """
        self._add(*features_of_module(loaded_module(module)), replace=replace)
        return self

    def load_from_python_file(self: FilesDriver, path: Union[str, Path], replace: bool = False) -> FilesDriver:
        """Add the functions of a Python file. **This runs the file's code**: give the path of one that you trust.

        What is added is told by :meth:`load_features_from_module`.

        Parameters
        ----------
        path : str or Path
            Ends in ``.py``; nothing is searched for. The file runs as a module of its own, also if it can be imported.
        replace : bool, default False
            As for :meth:`load_features_from_module`.

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError, DuplicateNameError
            As :meth:`load_features_from_module`. Errors of the file's own code come through as they are.
        """
        self._add(*features_of_module(module_of_file(path)), replace=replace)
        return self

    def _module_text(self) -> str:
        return module_text(self.registry, f"Features of the model {self.name}, by {', '.join(self.by)}.")

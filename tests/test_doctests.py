"""The examples in the docstrings, run under the names that users import the modules by.

pytest's own collection would import ``nodes/fit.py`` as ``nodes.fit``, a second copy of ``gbr_dag.nodes.fit``.
"""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import gbr_dag.drivers
import gbr_dag.nodes

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> dict[str, doctest.DocTest]:
    """Docstrings with examples by the name of what they belong to."""
    folders = {
        "gbr_dag": [str(Path(gbr_dag.__file__).parent)],
        "gbr_dag.nodes": gbr_dag.nodes.__path__,
        "gbr_dag.drivers": gbr_dag.drivers.__path__,
    }
    names = {
        module.name for name, folder in folders.items() for module in pkgutil.walk_packages(folder, f"{name}.")
    } | set(folders)
    found = [test for name in sorted(names) for test in doctest.DocTestFinder().find(import_module(name))]
    return {test.name: test for test in found if test.examples}


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(EXAMPLES[name], out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)


def test_examples_are_found():
    assert {"gbr_dag.fit_groups", "gbr_dag.load_flights"} <= {f"gbr_dag.{name.rsplit('.', 1)[-1]}" for name in EXAMPLES}

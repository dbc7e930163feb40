"""The examples in the docstrings, run under the names that users import the modules by.

pytest's own collection would import ``nodes/fit.py`` as ``nodes.fit``, a second copy of ``gbr_dag.nodes.fit``.
"""

from __future__ import annotations

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import gbr_dag.drivers
import gbr_dag.nodes

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _modules() -> Iterator[str]:
    core = str(Path(gbr_dag.__file__).parent)
    yield from (module.name for module in pkgutil.walk_packages([core], "gbr_dag."))
    for package in (gbr_dag.nodes, gbr_dag.drivers):
        yield from (module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


@pytest.mark.parametrize("name", sorted(set(_modules())))
def test_examples_of_module(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tests = [test for test in doctest.DocTestFinder().find(import_module(name)) if test.examples]
    if not tests:
        pytest.skip("no examples")
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)

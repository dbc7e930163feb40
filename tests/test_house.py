"""The rules of the house, read off the sources: nothing of the package is imported here, except in processes apart."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOLDER_OF = {"gbr_dag": "gbr_dag", "gbr_dag.nodes": "nodes", "gbr_dag.drivers": "drivers"}
LONGEST_MODULE = 400
HEAVY = (
    "hamilton",
    "joblib",
    "matplotlib",
    "narwhals",
    "networkx",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "statsmodels",
    "typer",
)
MAY_IMPORT = {
    "gbr_dag.errors": set(),
    "gbr_dag.tables": {"gbr_dag.errors"},
    "gbr_dag.kernels": {"gbr_dag.errors", "gbr_dag.kernels"},
    "gbr_dag.graph": {"gbr_dag.errors", "gbr_dag.graph"},
    "gbr_dag.features": {
        "gbr_dag.caller_warnings",
        "gbr_dag.errors",
        "gbr_dag.features",
        "gbr_dag.graph",
        "gbr_dag.kernels",
    },
}
"""What parts of the core may import of gbr_dag. Parts that are not named may import all of the core."""


def package_files() -> list[Path]:
    return sorted(path for folder in FOLDER_OF.values() for path in (ROOT / folder).rglob("*.py"))


def all_files(*suffixes: str) -> list[Path]:
    """Files of the checkout, without environments, builds and caches."""
    folders = [*FOLDER_OF.values(), "tests", "benchmarks", "examples", "docs", ".ci"]
    inside = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    return sorted([*inside, *(path for path in ROOT.iterdir() if path.suffix in suffixes)])


def module_name(path: Path) -> str:
    """Name that users import a file of the package by."""
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    prefix = next(name for name, place in FOLDER_OF.items() if place == folder)
    return ".".join([prefix, *parts]).replace(".__init__", "")


MODULES = {module_name(path): path for path in package_files()}


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def nodes_for_types_only(path: Path) -> set[ast.AST]:
    """What stands in blocks ``if TYPE_CHECKING:``."""
    blocks = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.If)]
    only_types = [block for block in blocks if ast.unparse(block.test).endswith("TYPE_CHECKING")]
    return {node for block in only_types for statement in block.body for node in ast.walk(statement)}


def imported_names(path: Path, *, with_types: bool = True) -> Iterator[tuple[str, int]]:
    """Absolute names that a file imports, with the line; ``from a import b`` gives ``a.b``."""
    left_out = set() if with_types else nodes_for_types_only(path)
    for node in ast.walk(tree_of(path)):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{'.' * node.level}{node.module or ''}.{alias.name}", node.lineno


def imported_modules(name: str, *, with_types: bool) -> Iterator[str]:
    """Modules of the package that a module imports, with the packages whose ``__init__`` that runs."""
    if name == "gbr_dag":  # its public names are imported when first used
        return
    for imported, _ in imported_names(MODULES[name], with_types=with_types):
        parts = imported.split(".")
        for stop in range(1, len(parts) + 1):
            module = ".".join(parts[:stop])
            if module in MODULES and module != name and not name.startswith(f"{module}."):
                yield module


def import_graph(*, with_types: bool) -> nx.DiGraph:
    return nx.DiGraph([(name, other) for name in MODULES for other in imported_modules(name, with_types=with_types)])


def part_of(module: str) -> str:
    """The part of the core that a module belongs to: ``gbr_dag.graph.driver`` is of ``gbr_dag.graph``."""
    return ".".join(module.split(".")[:2])


def test_no_import_cycle():
    # imports inside functions count, those for types alone do not: nothing runs them
    graph = import_graph(with_types=False)
    cycles = [" -> ".join([*cycle, cycle[0]]) for cycle in nx.simple_cycles(graph)]
    assert cycles == []


def test_no_arrow_points_back():
    level = {"gbr_dag.nodes": 1, "gbr_dag.drivers": 2}
    wrong = [
        f"{name} imports {other}"
        for name, other in import_graph(with_types=True).edges
        if level.get(part_of(name), 0) < level.get(part_of(other), 0)
    ]
    assert wrong == []


def test_parts_of_the_core_keep_apart():
    wrong = [
        f"{name} imports {other}"
        for name, other in import_graph(with_types=True).edges
        if part_of(name) in MAY_IMPORT and other != "gbr_dag" and part_of(other) not in MAY_IMPORT[part_of(name)]
    ]
    assert wrong == []


def test_every_listed_part_is_known():
    # a part whose name was mistyped above would never be looked at
    listed = set(MAY_IMPORT).union(*MAY_IMPORT.values())
    assert listed <= {part_of(name) for name in MODULES}


@pytest.mark.parametrize("path", all_files(".py"), ids=label)
def test_no_second_name_for_a_module(path):
    # an example may well have a module `nodes` of its own
    beside = {file.stem for file in path.parent.glob("*.py")} if "examples" in path.parts else set()
    taken = {"nodes", "drivers"} - beside
    wrong = [
        f"line {line}: {name}"
        for name, line in imported_names(path)
        if name.startswith((".", "gbr_dag.gbr_dag")) or name.split(".")[0] in taken
    ]
    assert wrong == []


@pytest.mark.parametrize("path", all_files(".md", ".py"), ids=label)
def test_no_second_name_in_examples(path):
    pattern = re.compile(r"^\s*>>> (?:import|from) (?:nodes|drivers)\b|gbr_dag[.]gbr_dag[.\s]", flags=re.MULTILINE)
    assert pattern.findall(path.read_text(encoding="utf-8")) == []


def test_packages_are_those_of_the_folders():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = sorted(name for name, path in MODULES.items() if path.name == "__init__.py")
    assert settings["packages"] == found
    assert settings["package-dir"] == FOLDER_OF


def test_no_module_outside_a_package():
    outside = {label(path.parent) for path in package_files() if not (path.parent / "__init__.py").is_file()}
    assert outside == set()


@pytest.mark.parametrize("path", package_files(), ids=label)
def test_modules_are_short_and_say_what_they_hold(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE or path.parent.name == "straight"  # written by a script, which is short
    assert path.stem not in {"utils", "util", "helpers", "common", "core", "misc"}
    assert ast.get_docstring(tree_of(path))


def prohibited(path: Path) -> Iterator[str]:
    """What no module of the package may hold."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: assert"
        elif isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {ast.unparse(kind) for kind in caught if kind is not None}
            swallows = not isinstance(node.body[-1], ast.Raise)
            if node.type is None or "Exception" in names or ("BaseException" in names and swallows):
                yield f"line {node.lineno}: except {'' if node.type is None else ast.unparse(node.type)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "print" and module_name(path) != "gbr_dag.drivers.cli":
                yield f"line {node.lineno}: print"
            elif node.func.id in {"eval", "exec"}:
                yield f"line {node.lineno}: {node.func.id}"


@pytest.mark.parametrize("path", package_files(), ids=label)
def test_nothing_prohibited(path):
    assert list(prohibited(path)) == []


@pytest.mark.parametrize("path", all_files(".md", ".py", ".toml"), ids=label)
def test_no_leftovers(path):
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"])
    assert re.findall(rf"\b(?:{marks})\b", path.read_text(encoding="utf-8")) == []


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement, run from the root of the checkout."""
    script = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(process.stdout.split())


def test_import_is_light():
    loaded = modules_after("import gbr_dag; dir(gbr_dag); gbr_dag.GbrDagError, gbr_dag.__version__")
    assert loaded & set(HEAVY) == set()


def test_heavy_names_are_those_of_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = project["dependencies"] + extras["draw"] + extras["loky"]
    names = {re.split(r"[<>=~!; \[]", line)[0].removeprefix("sf-") for line in required}
    assert {name.replace("scikit-learn", "sklearn") for name in names} == set(HEAVY)


def test_folders_beside_are_no_top_level_packages():
    loaded = modules_after("import gbr_dag.nodes, gbr_dag.drivers")
    assert "gbr_dag" in loaded
    assert loaded & {"nodes", "drivers"} == set()

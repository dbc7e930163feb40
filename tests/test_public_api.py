from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gbr_dag

ROOT = Path(__file__).resolve().parent.parent
NAMES = [name for name in gbr_dag.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(gbr_dag, name))]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(gbr_dag, name))]
ERRORS = [name for name in CLASSES if issubclass(getattr(gbr_dag, name), (Exception, Warning))]
SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-+$", flags=re.MULTILINE)


def sections(thing: object) -> dict[str, str]:
    """Sections of a numpydoc docstring by title; the text before the first stands under ``""``."""
    parts = SECTION.split(inspect.cleandoc(thing.__doc__ or ""))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2]))}


def documented(section: str) -> list[str]:
    """Names of the entries ``a, b : type`` of a section."""
    heads = [line.split(" : ")[0] for line in section.splitlines() if line and not line[0].isspace()]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def arguments(function: object) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]


def public_methods() -> Iterator[tuple[str, str]]:
    for name in CLASSES:
        for method, value in vars(getattr(gbr_dag, name)).items():
            if not method.startswith("_") and inspect.isfunction(inspect.unwrap(value) if callable(value) else value):
                yield name, method


def test_names_are_sorted_and_complete():
    assert sorted(gbr_dag.__all__) == gbr_dag.__all__
    assert set(gbr_dag._MODULE_OF) == set(NAMES)
    assert set(gbr_dag.__all__) <= set(dir(gbr_dag))


def test_all_errors_are_public():
    import gbr_dag.errors

    defined = {name for name, value in vars(gbr_dag.errors).items() if inspect.isclass(value)}
    assert defined == set(ERRORS)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_importable_from_where_it_is_defined(name):
    value = getattr(gbr_dag, name)
    assert value.__name__ == name
    assert value.__module__.startswith(gbr_dag._MODULE_OF[name])


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'gbr_dag' has no attribute 'fit_group'"):
        gbr_dag.fit_group  # noqa: B018


def test_version_is_one_of_releases():
    assert re.fullmatch(r"\d+\.\d+\.\d+", gbr_dag.__version__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name):
    function = getattr(gbr_dag, name)
    found = sections(function)
    assert found[""].splitlines()[0].endswith(".")
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found)
    assert documented(found["Parameters"]) == arguments(function)
    assert ">>>" in found["Examples"]


@pytest.mark.parametrize("name", sorted(set(CLASSES) - set(ERRORS)))
def test_class_is_documented(name):
    cls = getattr(gbr_dag, name)
    found = sections(cls)
    assert found[""].splitlines()[0].endswith(".")
    assert ">>>" in found.get("Examples", "")
    if "__init__" in vars(cls):
        fields = found.get("Parameters", found.get("Attributes", ""))
        assert documented(fields)[: len(arguments(cls))] == arguments(cls)


@pytest.mark.parametrize("name", ERRORS)
def test_error_says_what_it_is_for(name):
    assert "." in getattr(gbr_dag, name).__doc__


@pytest.mark.parametrize(("name", "method"), list(public_methods()))
def test_method_is_documented(name, method):
    function = getattr(getattr(gbr_dag, name), method)
    found = sections(function)
    assert found[""].splitlines()[0].endswith(".")
    inherited = any(method in vars(base) for base in getattr(gbr_dag, name).__mro__[1:])
    if arguments(function) and not inherited:
        assert documented(found.get("Parameters", "")) == arguments(function)
    if inspect.signature(function).return_annotation not in {"None", None, inspect.Signature.empty} and not inherited:
        assert found[""].count("\n") == 1 or "Returns" in found


@pytest.mark.parametrize("name", NAMES)
def test_name_stands_in_the_documentation(name):
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.is_file())
    assert re.search(rf"\b{name}\b", text)

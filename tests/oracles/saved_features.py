"""Models of features saved, and read back."""

from __future__ import annotations

import ast
import re

from gbr_dag import ModelDriver


def new_driver() -> ModelDriver:
    return ModelDriver({"model_name": "ages", "group_by": "zone"})


def registered(*functions, level: str = "row", **words) -> ModelDriver:
    driver = new_driver()
    add = driver.register_filter if level == "row" else driver.register_attribute
    for function in functions:
        add(getattr(function, "__name__", "object"), function, **words)
    return driver


def saved_text(driver: ModelDriver, path: str = "saved.py") -> str:
    """Text that a driver saves, after a round trip that must change nothing."""
    file = driver.save_to_python_file(path, overwrite=True)
    text = file.read_text(encoding="utf-8")
    again = new_driver().load_from_python_file(file)
    assert list(again.registry) == list(driver.registry)
    assert again.save_to_python_file("again.py", overwrite=True).read_bytes() == file.read_bytes()
    check_is_clean(text)
    return text


def check_is_clean(text: str) -> None:
    """Every import is used, no name is bound twice, no line ends in a blank."""
    tree = ast.parse(text)
    words = re.sub(r"^\s*(from .* )?import .*$", "", text, flags=re.MULTILINE)
    aliases = [
        alias for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    ]
    unused = [alias.name for alias in aliases if not re.search(rf"\b{alias.asname or alias.name}\b", words)]
    assert set(unused) <= {"annotations", "scipy.special"}  # used as sp.special
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert len(set(defined)) == len(defined)
    assert "\n\n\n\n" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")

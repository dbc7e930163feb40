"""Writes ``docs/api.md``, every public name with its docstring: ``python docs/generate_api.py [--check]``.

With ``--check`` nothing is written; the exit code is 1 if the page is not what would be written. Signatures are read
from the source text, so that the page is the same under every version of Python.
"""

from __future__ import annotations

import argparse
import ast
import enum
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import gbr_dag  # noqa: E402

PAGE = ROOT / "docs" / "api.md"

GROUPS = {
    "Fitting": ("gbr_dag.drivers.fitting", "gbr_dag.drivers.window_fitting", "gbr_dag.drivers.predictions"),
    "Options of the fitters": ("gbr_dag.options",),
    "Results": ("gbr_dag.drivers.metadata", "gbr_dag.tables", "gbr_dag.drivers.explanation"),
    "Drivers": ("gbr_dag.drivers.groupby", "gbr_dag.drivers.sliding_window", "gbr_dag.drivers.comparison"),
    "Feature models": (
        "gbr_dag.drivers.features",
        "gbr_dag.features.registry",
        "gbr_dag.features.columns",
        "gbr_dag.features.verification",
        "gbr_dag.drivers.pipeline",
        "gbr_dag.drivers.merged_pipeline",
        "gbr_dag.drivers.fit_links",
    ),
    "Doors of existing scripts": (
        "gbr_dag.drivers.script_regressor",
        "gbr_dag.drivers.dfextensions",
        "gbr_dag.drivers.script_windows",
    ),
    "Graph": ("gbr_dag.graph",),
    "Data": ("gbr_dag.datasets",),
    "Errors and warnings": ("gbr_dag.errors",),
}
"""Titles with the modules whose public names stand under them."""

HEAD = """# API

Every public name of `gbr_dag`, from the docstrings. Written by `python docs/generate_api.py`: change the docstrings,
not this page. How the parts go together: [docs/README.md](README.md). All examples on this page start from:

```python
>>> import gbr_dag
>>> from gbr_dag import *

```
"""

NOTES = {
    "Feature models": "A `Feature` is a function with its name, level, arguments and outputs: `driver.registry[name]`"
    " gives one, `register_filter`, `register_attribute` and files of features make them.\n"
}
"""What stands under a title before its names."""

INTERNAL_BASES = {"ColumnValues"}
"""Classes whose members are for the package itself."""

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-+$", flags=re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`([^`]+)`")


def members() -> dict[str, list[tuple[str, Any]]]:
    """Public names with their values by title, in the order of their modules and lines.

    Raises
    ------
    KeyError
        If a public name comes from a module that stands under no title.
    """
    title_of = {module: title for title, modules in GROUPS.items() for module in modules}
    found: dict[str, list[tuple[str, Any]]] = {title: [] for title in GROUPS}
    for name in gbr_dag.__all__:
        if name != "__version__":
            found[title_of[gbr_dag._MODULE_OF[name]]].append((name, getattr(gbr_dag, name)))
    for title, modules in GROUPS.items():
        found[title].sort(key=lambda item: (modules.index(gbr_dag._MODULE_OF[item[0]]), *_place(item[1])))
    return {title: names for title, names in found.items() if names}


def page() -> str:
    """The whole page."""
    groups = members()
    parts = [HEAD, *_contents(groups)]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        parts += [NOTES[title]] if title in NOTES else []
        for name, value in names:
            parts += _class(name, value) if inspect.isclass(value) else _function(name, value)
    return "\n".join(parts)


def _contents(groups: dict[str, list[tuple[str, Any]]]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for title, names in groups.items():
        yield f"| {title} | {', '.join(_link(name) for name, _ in names)} |"
    yield ""


def _function(name: str, function: Any, level: str = "###") -> Iterator[str]:
    yield f"{level} `{name}`\n"
    yield _code(_signature(name, _arguments(function)))
    yield from _docstring(function, name.rpartition(".")[0])


def _class(name: str, cls: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    arguments = _constructor(cls)
    is_made_by_users = arguments == [] or "Parameters" in _SECTION.findall(inspect.cleandoc(cls.__doc__ or ""))
    if arguments is not None and is_made_by_users:
        yield _code(_signature(name, arguments))
    elif issubclass(cls, (Exception, Warning)):
        yield f"Derives from {', '.join(_link(base.__name__) for base in cls.__bases__)}.\n"
    yield from _docstring(cls, name)
    if issubclass(cls, enum.IntFlag):
        yield "| value | name | what it says |\n|---:|---|---|"
        for member in cls.__members__.values():
            yield f"| {member.value} | `{member.name}` | {gbr_dag.explain_status(member)} |"
        yield ""
    for method, value in _members(cls).items():
        if method.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"#### `{name}.{method}`\n"
            yield from _docstring(value, name)
        elif inspect.isfunction(getattr(value, "__func__", value)):
            yield from _method(name, method, getattr(value, "__func__", value))


def _method(name: str, method: str, function: Any) -> Iterator[str]:
    """A public function that stands in a class too is told of, not told again."""
    called: str = function.__name__
    if getattr(gbr_dag, called, None) is function:
        yield f"#### `{name}.{method}`\n"
        yield f"The function {_link(called)}.\n"
    else:
        yield from _function(f"{name}.{method}", function, "####")


def _parts(cls: Any) -> list[Any]:
    """The class and those bases of it that have no heading of their own."""
    public = {getattr(gbr_dag, name) for name in gbr_dag.__all__}
    return [
        base for base in cls.__mro__ if base is cls or (base.__module__.startswith("gbr_dag") and base not in public)
    ]


def _members(cls: Any) -> dict[str, Any]:
    """What stands in the class and in these bases, the class's own first."""
    found: dict[str, Any] = {}
    for part in (base for base in _parts(cls) if base.__name__ not in INTERNAL_BASES):
        found.update({name: value for name, value in vars(part).items() if name not in found})
    return found


def _constructor(cls: Any) -> Optional[list[str]]:
    """Arguments as they are written; None for what users do not make themselves."""
    for part in _parts(cls):
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        if any(isinstance(node, ast.FunctionDef) and node.name == "__init__" for node in ast.walk(body)):
            return _arguments(vars(part)["__init__"])
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    if "__dataclass_fields__" not in vars(cls):
        return None
    fields = [node for node in ast.iter_child_nodes(body) if isinstance(node, ast.AnnAssign)]
    if not all(isinstance(field.value, ast.Constant) for field in fields):
        return None
    source = textwrap.dedent(inspect.getsource(cls))
    return [f"{ast.get_source_segment(source, node.target)}={_text(source, node.value)}" for node in fields]


def _arguments(function: Any) -> list[str]:
    """Names with their defaults as they are written, named ones by value; types stand in the docstring."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    definition = ast.parse(source).body[0]
    if not isinstance(definition, ast.FunctionDef):
        message = f"no definition of {function!r}"
        raise TypeError(message)
    given = definition.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    names = inspect.unwrap(function).__globals__
    written = [_argument(source, argument, default, names) for argument, default in zip(positional, defaults)]
    if given.vararg or given.kwonlyargs:
        written.append(f"*{given.vararg.arg if given.vararg else ''}")
    written += [_argument(source, *pair, names) for pair in zip(given.kwonlyargs, given.kw_defaults)]
    if given.kwarg:
        written.append(f"**{given.kwarg.arg}")
    return [argument for argument in written if argument not in {"self", "cls"}]


def _argument(source: str, argument: ast.arg, default: Optional[ast.expr], names: dict[str, Any]) -> str:
    if default is None:
        return argument.arg
    if isinstance(default, ast.Name) and default.id in names:
        return f"{argument.arg}={names[default.id]!r}"
    return f"{argument.arg}={_text(source, default)}"


def _text(source: str, node: Optional[ast.AST]) -> str:
    return " ".join((ast.get_source_segment(source, node) or "").split()) if node else ""


def _signature(name: str, arguments: list[str]) -> str:
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= 100:
        return line
    wrapped = textwrap.fill(", ".join(arguments) + ",", 96, break_long_words=False, break_on_hyphens=False)
    return f"{name}(\n{textwrap.indent(wrapped, '    ')}\n)"


def _docstring(thing: Any, owner: str) -> Iterator[str]:
    """A numpydoc docstring as Markdown."""
    first, *rest = _SECTION.split(inspect.cleandoc(thing.__doc__ or ""))
    yield _prose(first, owner)
    for title, body in zip(rest[::2], rest[1::2]):
        yield f"**{title}**\n"
        if title == "Examples":
            yield from _examples(body, owner)
        elif title in {"Notes", "References"}:
            yield _prose(body, owner)
        else:
            yield from _entries(title, body, owner)


def _entries(title: str, body: str, owner: str) -> Iterator[str]:
    """Parameters, results, errors: what is not indented heads what follows."""
    for entry in re.split(r"\n(?=\S)", body.strip("\n")):
        head, _, text = entry.partition("\n")
        if title in {"Raises", "Warns", "See Also"}:
            name, _, also = head.partition(" : ")
            head, text = _link(name), f"{also}\n{text}"
        else:
            names, colon, kind = head.partition(" : ")
            head = f"`{names}`" + (f" : {_kind(kind)}" if colon else "")
            if title in {"Returns", "Yields"} and not colon:
                head = _kind(names)
        what = _prose(textwrap.dedent(text), owner).rstrip("\n")
        yield f"- {head}" + ("\n\n" + textwrap.indent(what, "  ") if "\n\n" in what else _hanging(what))
    yield ""


def _kind(text: str) -> str:
    """A type, public classes as links."""
    return re.sub(
        r"(?<![\w.])[A-Z]\w+", lambda match: _link(match[0]) if match[0] in gbr_dag.__all__ else match[0], text
    )


def _hanging(text: str) -> str:
    return f"<br>\n{textwrap.indent(text, '  ')}" if text else ""


def _examples(body: str, owner: str) -> Iterator[str]:
    for chunk in re.split(r"\n\n+", body.strip("\n")):
        yield f"```python\n{chunk}\n\n```\n" if chunk.startswith(">>>") else f"{_inline(chunk, owner)}\n"


def _prose(text: str, owner: str) -> str:
    """Paragraphs and tables."""
    blocks = [block for block in re.split(r"\n\n+", text.strip("\n")) if block.strip()]
    return (
        "".join(
            f"{_table(dedented) if dedented.startswith('==') else _inline(dedented, owner)}\n\n"
            for dedented in map(textwrap.dedent, blocks)
        )
        .replace("\n\n\n", "\n\n")
        .removesuffix("\n")
    )


def _table(text: str) -> str:
    """A table of reStructuredText whose columns are ruled by equal signs."""
    lines = text.splitlines()
    edges = [match.start() for match in re.finditer(r"=+", lines[0])]
    rows = [line for line in lines if not line.startswith("==")]
    cells = [[line[a:b].strip() for a, b in zip(edges, [*edges[1:], None])] for line in rows]
    head, *body = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([head, "|" + "---|" * len(edges), *body])


def _inline(text: str, owner: str) -> str:
    """Roles become links, double backquotes single ones."""
    return _ROLE.sub(lambda match: _link(match[1], owner), text).replace("``", "`")


def _link(name: str, owner: str = "") -> str:
    """The name as a link to its heading, or as it stands if it has none."""
    short = name.strip().lstrip("~")
    short = short[len("gbr_dag.") :] if short.startswith("gbr_dag.") else short
    first, _, method = short.partition(".")
    if first in gbr_dag.__all__ and not method:
        return f"[`{short}`](#{short.lower()})"
    if first in gbr_dag.__all__ and hasattr(getattr(gbr_dag, first), method):
        return f"[`{short}`](#{_anchor(getattr(gbr_dag, first), method)})"
    if owner and not method and hasattr(getattr(gbr_dag, owner, None), first):
        return f"[`{short}`](#{_anchor(getattr(gbr_dag, owner), first)})"
    return f"`{name}`"


def _anchor(cls: Any, method: str) -> str:
    """Where the method's heading is: at the class that defines it, or that shows it for a base without heading."""
    defining = cls if method in _members(cls) else next((base for base in cls.__mro__ if method in vars(base)), cls)
    return f"{defining.__name__}{method}".lower()


def _place(value: Any) -> tuple[str, int]:
    return inspect.getsourcefile(value) or "", inspect.findsource(value)[1]


def _code(text: str) -> str:
    # no Python to a formatter: a bare asterisk is none in a call, and the lines are wrapped already
    return f"```text\n{text}\n```\n"


def main(arguments: Optional[list[str]] = None) -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description="Write docs/api.md from the docstrings.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is stale")
    wanted = page()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.exit("docs/api.md is not what the docstrings say; write it anew: python docs/generate_api.py")


if __name__ == "__main__":
    main()

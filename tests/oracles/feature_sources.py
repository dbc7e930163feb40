"""Random models of features as Python text, and random frames for them.

Every number that is summed is a multiple of a small power of two, so that sums do not depend on their order: ``grid``
brings quotients and the results of one function that the next one takes back to multiples of 1/8.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tests.oracles.feature_loop import PlainFeature

HEAD = '''import numpy as np


def grid(value):
    """Multiples of 1/8 within bounds; the offset keeps halves and whole numbers off the edges."""
    return np.clip(np.floor(8.0 * value + 0.3141592653589793) / 8.0, -64.0, 64.0)
'''

NUMBERS = ("x", "y", "i", "wide")
"""Columns: floats with NaN, floats without, integers, and floats of single precision in double."""

_COLUMNS = ("x", "y", "i", "b", "f", "s", "wide")
_COLUMN = {"wide": "f"}
_SERIES_REDUCTIONS = ("sum", "mean", "min", "max", "count", "median", "std", "var", "nunique", "size", "quantile")
_NUMPY_REDUCTIONS = ("sum", "mean", "std", "var", "median")
_LARGEST_MODEL = 6
_FEWEST_OPERATIONS = 5
_counter = itertools.count()


@dataclass(frozen=True)
class Source:
    """A function of a model: its text without the model's head, and what came of it."""

    name: str
    level: str
    takes: tuple[str, ...]
    text: str

    @property
    def operations(self) -> int:
        """Operators, calls and selections in the text, without the calls of ``grid``."""
        kinds = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Subscript)
        nodes = [node for node in ast.walk(ast.parse(self.text)) if isinstance(node, kinds)]
        return sum(not _is_grid(node) for node in nodes)

    @property
    def has_mask(self) -> bool:
        """Whether rows are selected with a mask."""
        return any(isinstance(node, ast.Subscript) for node in ast.walk(ast.parse(self.text)))


def _is_grid(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "grid"


@dataclass
class _Scope:
    """What an expression may take: names of rows ("series", "array", "mask") and of groups ("number", "truth")."""

    rng: random.Random
    level: str
    rows: dict[str, str]
    groups: dict[str, str]


def model(seed: int) -> list[Source]:
    """Functions of a random model, each taking the one before: rows, groups, rows and so on."""
    rng = random.Random(seed)
    rows: dict[str, str] = {}
    groups: dict[str, str] = {}
    sources = []
    first = rng.randrange(2)
    steps = rng.choice([2, 2, 3, 3, 4, _LARGEST_MODEL])
    for step in range(steps):
        level = ("row", "group")[(first + step) % 2]
        while True:
            source, kind = _function(rng, f"{level}_{step}", level, rows, groups, last=step == steps - 1)
            before = sources[-1].name if sources else ""
            if source.operations >= _FEWEST_OPERATIONS and (not before or before in source.takes):
                break
        (rows if level == "row" else groups)[source.name] = kind
        sources.append(source)
    return sources


def _function(
    rng: random.Random, name: str, level: str, rows: dict[str, str], groups: dict[str, str], *, last: bool
) -> tuple[Source, str]:
    """A function, and what its result is; nothing is computed from the last one's, which may be any number."""
    scope = _Scope(rng, level, rows, groups)
    if level == "row":
        if rng.random() < 0.25:
            text, kind = _mask(scope, 2), "mask"
        else:
            text, kind = _numbers(scope, 3)
            text, kind = text if last else f"grid({text})", "series"
    elif rng.random() < 0.2:
        text, kind = _truth(scope), "truth"
    else:
        text, kind = _group(scope, 1), "number"
        text = text[len("grid") :] if last and _is_grid(ast.parse(text, mode="eval").body) else f"grid({text})"
    used = {node.id: None for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    taken = tuple(_COLUMN.get(name, name) for name in used if name in {*_COLUMNS, *rows, *groups})
    taken = tuple(dict.fromkeys(taken))
    mark = "  #agg" if level == "group" else ""
    lines = [f"def {name}({', '.join(taken)}):{mark}"]
    if "wide" in used:
        lines.append("    wide = f.astype('float64')")
    lines.append(f"    return {text}")
    return Source(name, level, taken, "\n".join(lines)), kind


def _constant(rng: random.Random) -> str:
    return rng.choice(["0.5", "2.0", "-1.5", "3", "0.25", "1"])


def _numbers(scope: _Scope, depth: int) -> tuple[str, str]:
    """Numbers of the rows, and whether they are a Series or an array."""
    rng = scope.rng
    if depth == 0 or rng.random() < 0.1:
        own = [name for name, kind in scope.rows.items() if kind != "mask"]
        name = rng.choice(own * 3 + list(NUMBERS))
        return name, scope.rows.get(name, "series")
    left, kind = _numbers(scope, depth - 1)
    choice = rng.choice(["binary", "binary", "binary", "where", "where", "unary", "scalar", "quotient", "method"])
    if choice == "binary":
        right, other = _numbers(scope, depth - 1)
        both = "series" if "series" in (kind, other) else "array"
        if rng.random() < 0.3:
            return f"np.{rng.choice(['maximum', 'minimum'])}({left}, {right})", both
        return f"({left} {rng.choice('+-*')} {right})", both
    if choice == "where":
        right = rng.choice([_constant(rng), _numbers(scope, depth - 1)[0]])
        return f"np.where({_mask(scope, depth - 1)}, {left}, {right})", "array"
    if choice == "unary":
        return rng.choice(["np.abs({})", "(-{})", "np.floor({})", "np.sign({})", "grid(np.sqrt(np.abs({})))"]).format(
            left
        ), kind
    if choice == "scalar":
        return f"({left} {rng.choice('+-*')} {_single(scope, depth - 1)})", kind
    if choice == "quotient":
        right, other = _numbers(scope, depth - 1)
        return f"grid({left} / {right})", "series" if "series" in (kind, other) else "array"
    if kind == "array":
        return f"np.round({left})", kind
    return rng.choice(
        [
            "{}.fillna(0.5)",
            "{}.clip(-2.0, 8.0)",
            "{}.abs()",
            "{}.where({mask})",
            "{}.mask({mask}, 1.0)",
            "{}.round()",
        ]
    ).format(left, mask=_mask(scope, 0)), kind


def _mask(scope: _Scope, depth: int) -> str:
    """Truth of the rows."""
    rng = scope.rng
    own = [name for name, kind in scope.rows.items() if kind == "mask"]
    if scope.level == "row":  # where they come as a column
        own += [name for name, kind in scope.groups.items() if kind == "truth"]
    choice = rng.random()
    if choice < 0.2:
        return rng.choice([*own, *own, "b"])
    if choice < 0.3:
        return rng.choice(["(s == 'u')", "s.isin(['u', 'v'])", "(s != 'w')"])
    if choice < 0.4:
        return f"np.isfinite({_numbers(scope, 0)[0]})"
    if depth > 0 and choice < 0.6:
        return f"({_mask(scope, depth - 1)} {rng.choice('&|')} {_mask(scope, depth - 1)})"
    if depth > 0 and choice < 0.7:
        return f"(~{_mask(scope, depth - 1)})"
    left, _ = _numbers(scope, min(depth, 1))
    right = rng.choice([_constant(rng), _numbers(scope, 0)[0], _single(scope, depth - 1)])
    return f"({left} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {right})"


def _single(scope: _Scope, depth: int) -> str:
    """One number: a constant, one of the group, or a reduction."""
    known = [name for name, kind in scope.groups.items() if kind == "number"]
    if known and scope.rng.random() < 0.7:
        return scope.rng.choice(known)
    if depth <= 0:
        return _constant(scope.rng)
    return _reduction(scope, depth - 1)


def _reduction(scope: _Scope, depth: int) -> str:
    """A number of the group made of its rows."""
    rng = scope.rng
    if rng.random() < 0.1:
        text, kind, methods = "f", "series", ("sum", "min", "max", "count")
    elif rng.random() < 0.08:
        text, kind, methods = "s", "series", ("count", "nunique", "size")
    else:
        text, kind = _numbers(scope, depth)
        methods = _SERIES_REDUCTIONS if kind == "series" else ("sum", "mean", "std", "var")
    if rng.random() < 0.6:
        text = f"{text}[{_mask(scope, min(depth, 1))}]"
        if rng.random() < 0.3 and "std" in methods:
            other = _constant(rng) if scope.level == "row" else _single(scope, 0)  # rows of a group: only some are left
            text = f"({text} {rng.choice('+-*')} {other})"
    if "std" in methods and rng.random() < 0.3:
        method = rng.choice(_NUMPY_REDUCTIONS)
        reduced = f"np.{method}({text})"
    else:
        method = rng.choice(methods)
        arguments = {"quantile": "0.25", "std": rng.choice(["", "ddof=0"])}.get(method, "")
        reduced = f"{text}.{method}" if method == "size" else f"{text}.{method}({arguments})"
    return f"grid({reduced})"


def _group(scope: _Scope, depth: int) -> str:
    """A number of the group."""
    rng = scope.rng
    if depth == 0:
        return _reduction(scope, 2)
    left, right = _group(scope, depth - 1), rng.choice([_single(scope, 2), _group(scope, 0)])
    choice = rng.random()
    if choice < 0.4:
        return f"({left} {rng.choice('+-*')} {right})"
    if choice < 0.55:
        return f"grid({left} / (1.0 + np.abs({right})))"
    if choice < 0.7:
        return f"np.where({_truth(scope)}, {left}, {right})"
    if choice < 0.8:
        return f"np.{rng.choice(['maximum', 'minimum'])}({left}, {right})"
    return left


def _truth(scope: _Scope) -> str:
    """Whether something holds in the group."""
    rng = scope.rng
    known = [name for name, kind in scope.groups.items() if kind == "truth"]
    choice = rng.random()
    if known and choice < 0.3:
        return rng.choice(known)
    if choice < 0.6:
        return f"({_reduction(scope, 1)} {rng.choice(['<', '>', '>='])} {_single(scope, 1)})"
    return rng.choice(["{}.any()", "{}.all()", "np.any({})", "np.all({})"]).format(_mask(scope, 1))


def compiled(sources: list[Source]) -> list[PlainFeature]:
    """The functions of a model, with lines that tracebacks and messages can show."""
    text = HEAD + "".join(f"\n\n{source.text}\n" for source in sources)
    file = f"<random features {next(_counter)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Callable[..., Any]] = {}
    exec(compile(text, file, "exec"), space)
    return [PlainFeature(one.name, one.level, one.takes, space[one.name]) for one in sources]


def frame(seed: int, n: int) -> tuple[pd.DataFrame, list[str]]:
    """A frame of ``n`` rows, unsorted, with keys of several types that may be missing; and its keys."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-40, 40, n) / 8.0
    x[rng.random(n) < 0.15] = np.nan
    columns = {
        "x": x,
        "y": rng.integers(-16, 64, n) / 8.0,
        "i": rng.integers(-5, 9, n),
        "b": rng.random(n) < 0.5,
        "f": (rng.integers(-40, 40, n) / 8.0).astype(np.float32),
        "s": rng.choice(["u", "v", "w"], n),
    }
    columns["f"][rng.random(n) < 0.1] = np.nan
    names = ["first key", "second key"][: rng.integers(1, 3)]
    for name in names:
        columns[name] = _key(rng, n, 5 // len(names))
    made = pd.DataFrame(columns)
    made.index = _index(rng, n)
    return made, names


def _key(rng: np.random.Generator, n: int, most: int) -> Any:
    codes = rng.integers(0, rng.integers(1, most, endpoint=True), n)
    missing = (rng.random(n) < 0.1) & (rng.random() < 0.7)
    kind = rng.integers(0, 5)
    if kind == 0:
        return 7 - 3 * codes
    if kind == 1:
        return np.where(missing, np.nan, codes - 1.5)
    if kind == 2:
        return pd.Series(np.array(["north", "east", "", "ä", "west"])[codes], dtype=object).mask(missing).to_numpy()
    if kind == 3:
        return pd.Categorical.from_codes(np.where(missing, -1, codes), ["d", "c", "b", "a", "e", "unused"])
    return pd.array(np.where(missing, None, codes), dtype="Int64")


def _index(rng: np.random.Generator, n: int) -> pd.Index:
    kind = rng.integers(0, 4)
    if kind == 0:
        return pd.RangeIndex(n)
    if kind == 1:
        return pd.Index(rng.integers(0, 1 + n // 2, n))
    if kind == 2:
        return pd.Index([f"row {place}" for place in rng.permutation(n)])
    return pd.MultiIndex.from_arrays([rng.integers(0, 3, n), rng.permutation(n)])

"""Drawings of graphs: SVG and PNG by matplotlib, DOT and mermaid as text."""

from __future__ import annotations

import importlib.util
import io
import warnings
from pathlib import Path
from typing import Optional, Union

from gbr_dag.errors import InputError, MissingExtraError
from gbr_dag.graph.markup import Box, Sketch
from gbr_dag.graph.plan import Plan
from gbr_dag.graph.structure import Graph
from gbr_dag.graph.whole_files import write_whole

_SUFFIXES = (".dot", ".mmd", ".png", ".svg")


def sketch(graph: Graph, plan: Plan, *, asked: bool) -> Sketch:
    """Say what a drawing of a plan shows.

    ``asked`` tells whether the outputs of the plan were asked for, and are to be marked.
    """
    shown = [name for name in graph.nodes if name in {*plan.nodes, *plan.kept}]
    boxes = []
    for name in shown:
        node = graph.nodes[name]
        kept = name in plan.kept
        taken = () if kept else tuple(need.name for need in node.needs if need.name in plan.inputs)
        boxes.append(Box(name, node.stage, node.variant, taken, asked and name in plan.outputs, kept))
    arrows = [(need.name, name) for name in plan.nodes for need in graph.nodes[name].needs if need.name in set(shown)]
    inputs = [name for name in plan.inputs if any(name in box.inputs for box in boxes)]
    return Sketch(boxes, arrows, inputs, graph.stage_order)


def drawn(picture: Sketch, path: Optional[Union[str, Path]]) -> str:
    """Write a drawing in the kind that the suffix names; without a path give the mermaid text."""
    if path is None:
        return picture.mermaid()
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        message = f"path must end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}, got {str(path)!r}"
        raise InputError(message)
    if not target.parent.is_dir():
        message = f"path: the folder {str(target.parent)!r} is not there; make it first"
        raise InputError(message)
    if suffix == ".mmd":
        content = picture.mermaid().encode()
    elif suffix == ".dot":
        content = picture.dot().encode()
    else:
        content = _picture_bytes(picture, suffix[1:])
    write_whole(target, content)
    return str(target)


def svg_text(picture: Sketch) -> str:
    """Give the picture as an ``<svg>`` element, to be put into HTML."""
    text = _picture_bytes(picture, "svg").decode()
    return text[text.index("<svg") :]


def require_matplotlib() -> None:
    """Import matplotlib, or refuse to go on without it.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message says how to get it.
    """
    if importlib.util.find_spec("matplotlib") is None:
        message = 'pictures need matplotlib; get it with: pip install "gbr-dag[draw]" (.dot and .mmd work without)'
        raise MissingExtraError(message)
    with warnings.catch_warnings():
        # the last matplotlib for Python 3.9 uses names that pyparsing has deprecated since
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("matplotlib.figure")


def _picture_bytes(picture: Sketch, kind: str) -> bytes:
    require_matplotlib()
    from gbr_dag.graph.picture import write_picture

    stream = io.BytesIO()
    write_picture(picture, stream, kind)
    return stream.getvalue()

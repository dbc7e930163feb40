"""What a drawing shows, and its text forms: mermaid and DOT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PALETTE = (
    ("#dbe9fb", "#3b73b9"),
    ("#dff3e3", "#3d8b57"),
    ("#fdecd2", "#c07a1c"),
    ("#ecdff7", "#7d4fb0"),
    ("#fbdfe3", "#b9475a"),
    ("#d8f1f2", "#2b8a90"),
    ("#f7f0c8", "#978316"),
    ("#f9ddf0", "#b04a8d"),
    ("#e2e4f9", "#5258b5"),
    ("#e6efcf", "#6c8a26"),
    ("#f6e0d3", "#a85f35"),
    ("#dde6ea", "#4f6f7f"),
)
"""Fill and line of each stage, used in turn; stages that the graph orders have the same ones in every picture."""

_KEYWORD = re.compile(
    "(accdescr|acctitle|call|class|click|default|direction|end|flowchart|graph|href|interpolate|link|style|subgraph)|n[0-9]+$",
    re.IGNORECASE,
)

GIVEN_FILL, GIVEN_LINE = "#f4f5f7", "#8b94a3"


@dataclass(frozen=True)
class Box:
    """A computed node: ``inputs`` are the given values that it takes, ``kept`` says that it does not run."""

    name: str
    stage: str
    variant: str
    inputs: tuple[str, ...]
    asked: bool
    kept: bool


@dataclass(frozen=True)
class Sketch:
    """A graph or the part of it that a request needs; arrows run from what is needed to what needs it."""

    boxes: Sequence[Box]
    arrows: Sequence[tuple[str, str]]
    inputs: Sequence[str]
    stage_order: Sequence[str] = ()

    def stages(self) -> dict[str, tuple[str, str]]:
        """Stages in order, with fill and line."""
        shown = dict.fromkeys(box.stage for box in self.boxes)
        order = dict.fromkeys([*self.stage_order, *shown])
        return {stage: PALETTE[i % len(PALETTE)] for i, stage in enumerate(order) if stage in shown}

    def mermaid(self) -> str:
        """Write the mermaid flowchart."""
        ids = self._mermaid_ids()
        lines = ["flowchart TD"]
        lines += [f'    {ids[name]}(["{_mermaid_text(name)}"]):::given' for name in self.inputs]
        stages = list(self.stages())
        for box in self.boxes:
            label = _mermaid_text(box.name) + (f"<br/><i>{_mermaid_text(box.variant)}</i>" if box.variant else "")
            kind = "kept" if box.kept else f"stage{stages.index(box.stage)}"
            lines.append(f'    {ids[box.name]}["{label}"]:::{kind}')
        for box in self.boxes:
            lines += [f"    {ids[name]} -.-> {ids[box.name]}" for name in box.inputs]
        lines += [f"    {ids[start]} --> {ids[end]}" for start, end in self.arrows]
        for i, (fill, line) in enumerate(self.stages().values()):
            lines.append(f"    classDef stage{i} fill:{fill},stroke:{line},color:#1f2430")
        lines.append(f"    classDef given fill:{GIVEN_FILL},stroke:{GIVEN_LINE},color:#4a5261,stroke-dasharray:4 3")
        if any(box.kept for box in self.boxes):
            lines.append(f"    classDef kept fill:#ffffff,stroke:{GIVEN_LINE},color:#4a5261,stroke-dasharray:2 2")
        lines += [f"    style {ids[box.name]} stroke-width:3px" for box in self.boxes if box.asked]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """Write the DOT file for Graphviz."""
        lines = [
            "digraph {",
            "    rankdir=TB; nodesep=0.3; ranksep=0.45;",
            '    node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11, height=0.35];',
            '    edge [color="#8b94a3", arrowsize=0.7];',
        ]
        for name in self.inputs:
            look = f'style="rounded,filled,dashed", fillcolor="{GIVEN_FILL}", color="{GIVEN_LINE}", fontcolor="#4a5261"'
            lines.append(f"    {_dot_text(name)} [label={_dot_text(name)}, {look}];")
        stages = self.stages()
        for box in self.boxes:
            fill, line = stages[box.stage]
            label = _dot_text(box.name, box.variant) if box.variant else _dot_text(box.name)
            look = f'fillcolor="{fill}", color="{line}"'
            if box.kept:
                look = f'style="rounded,filled,dotted", fillcolor="#ffffff", color="{GIVEN_LINE}"'
            if box.asked:
                look += ", penwidth=2.5"
            lines.append(f"    {_dot_text(box.name)} [label={label}, tooltip={_dot_text(box.stage)}, {look}];")
        for box in self.boxes:
            lines += [f"    {_dot_text(name)} -> {_dot_text(box.name)} [style=dashed];" for name in box.inputs]
        lines += [f"    {_dot_text(start)} -> {_dot_text(end)};" for start, end in self.arrows]
        return "\n".join([*lines, "}"]) + "\n"

    def _mermaid_ids(self) -> dict[str, str]:
        """Names that mermaid takes as they are, and numbers for those it would read as code."""
        names = [*self.inputs, *(box.name for box in self.boxes)]
        return {name: name if _is_plain(name) else f"n{i}" for i, name in enumerate(names)}


def _is_plain(name: str) -> bool:
    # mermaid finds its keywords at the beginning of longer names too; n and a number are for the others
    return name.isascii() and name.isidentifier() and not _KEYWORD.match(name)


def _mermaid_text(text: str) -> str:
    """Escape what mermaid and the HTML in its labels would read as code."""
    for mark in ("#", "&", '"', "<", ">", "`"):
        text = text.replace(mark, f"\x00{ord(mark)};")
    return text.replace("\x00", "#")


def _dot_text(*lines: str) -> str:
    """Quote lines of a label."""
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + "\\n".join(escaped) + '"'

"""The picture of a graph, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from gbr_dag.graph.layout import Layout, Point, layered_layout
from gbr_dag.graph.markup import GIVEN_FILL, GIVEN_LINE, Box, Sketch

_FAMILY = "DejaVu Sans"  # matplotlib brings it, so a picture looks the same everywhere
_NAME = FontProperties(family=_FAMILY, size=10.5, weight="bold")
_SMALL = FontProperties(family=_FAMILY, size=8.5)
_GIVEN = FontProperties(family=_FAMILY, size=8.5, style="italic")
_INK, _PALE_INK = "#1f2430", "#5a6372"
_PAD_X, _PAD_Y, _LINE = 11.0, 7.0, 12.0
_NAME_LINE = 14.0
_NARROWEST, _WIDEST_INPUTS = 64.0, 150.0
_MARGIN, _LEGEND_GAP = 16.0, 24.0
_LEGEND_LINE, _CHIP, _ENTRY_GAP = 20.0, 10.0, 14.0
_NARROWEST_LEGEND = 480.0
"""Wide enough for the legend of a small graph to take one line."""
_HEAD_LENGTH, _HEAD_WIDTH = 6.5, 5.5
_DPI = 144


@dataclass(frozen=True)
class _Card:
    """A box with its lines of text and its size."""

    box: Box
    inputs: tuple[str, ...]
    width: float
    height: float

    @property
    def head_height(self) -> float:
        return 2 * _PAD_Y + _NAME_LINE + (_LINE if self.box.variant else 0.0)


def write_picture(sketch: Sketch, stream: Any, kind: str) -> None:
    """Draw a sketch and write it as ``svg`` or ``png``; the same sketch gives the same bytes."""
    # text as paths: the boxes are made for this font, and viewers may lack it
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "gbr-dag"}):
        figure = _figure(sketch)
        metadata: dict[str, Any] = {"Date": None, "Creator": "gbr-dag"} if kind == "svg" else {"Software": "gbr-dag"}
        figure.savefig(stream, format=kind, dpi=_DPI, metadata=metadata)


def _figure(sketch: Sketch) -> Figure:
    cards = {box.name: _card(box) for box in sketch.boxes}
    layout = layered_layout({name: (card.width, card.height) for name, card in cards.items()}, sketch.arrows)
    legend = _legend_rows(sketch, max(layout.width, _NARROWEST_LEGEND))
    legend_width = max((sum(width for _, width in row) - _ENTRY_GAP for row in legend), default=0.0)
    width = max(layout.width, legend_width) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN
    if legend:  # from the middle of its first line to the lower edge of its last
        height += _LEGEND_GAP + _LEGEND_LINE * (len(legend) - 1) + _CHIP / 2
    figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    shift = ((width - layout.width) / 2, _MARGIN)
    colours = sketch.stages()
    line_of = {box.name: GIVEN_LINE if box.kept else colours[box.stage][1] for box in sketch.boxes}
    _draw_arrows(axes, layout, line_of, shift)
    for name, (x, y) in layout.centres.items():
        _draw_card(axes, cards[name], (x + shift[0], y + shift[1]), colours[cards[name].box.stage])
    _draw_legend(axes, sketch, legend, (_MARGIN, layout.height + _MARGIN + _LEGEND_GAP))
    return figure


def _text_width(text: str, font: FontProperties) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _card(box: Box) -> _Card:
    width = max(_NARROWEST, _text_width(box.name, _NAME) + 2 * _PAD_X, _text_width(box.variant, _SMALL) + 2 * _PAD_X)
    inputs = _wrapped(box.inputs, max(width - 2 * _PAD_X, _WIDEST_INPUTS if len(box.inputs) > 2 else 0.0))
    width = max([width, *(_text_width(line, _GIVEN) + 2 * _PAD_X for line in inputs)])
    height = 2 * _PAD_Y + _NAME_LINE + (_LINE if box.variant else 0.0)
    if inputs:
        height += _LINE * len(inputs) + _PAD_Y
    return _Card(box, tuple(inputs), width, height)


def _wrapped(names: Sequence[str], width: float) -> list[str]:
    lines: list[str] = []
    for name in names:
        if lines and _text_width(f"{lines[-1]}, {name}", _GIVEN) <= width:
            lines[-1] += f", {name}"
        else:
            if lines:
                lines[-1] += ","
            lines.append(name)
    return lines


def _draw_arrows(axes: Any, layout: Layout, line_of: Mapping[str, str], shift: Point) -> None:
    for owner, points in layout.strokes:
        moved = [(x + shift[0], y + shift[1]) for x, y in points]
        axes.add_patch(PathPatch(_curve(moved), fill=False, edgecolor=line_of[owner], linewidth=1.1, zorder=1))
    for owner, (x, y) in layout.heads:
        tip = (x + shift[0], y + shift[1])
        back, half = tip[1] - _HEAD_LENGTH, _HEAD_WIDTH / 2
        corners = [tip, (tip[0] - half, back), (tip[0] + half, back)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=line_of[owner], edgecolor="none", zorder=2))


def _curve(points: Sequence[Point]) -> Path:
    """Straight where x stays, an S-curve with vertical ends where it changes."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 == x1:
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
        else:
            middle = (y0 + y1) / 2
            vertices += [(x0, middle), (x1, middle), (x1, y1)]
            codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _draw_card(axes: Any, card: _Card, centre: Point, colours: tuple[str, str]) -> None:
    box = card.box
    fill, line = ("#ffffff", GIVEN_LINE) if box.kept else colours
    left, top = centre[0] - card.width / 2, centre[1] - card.height / 2
    weight = 2.6 if box.asked else 1.1
    if card.inputs:
        hidden = card.head_height / 2
        given = _rounded(left, top + hidden, card.width, card.height - hidden, GIVEN_FILL, GIVEN_LINE)
        given.set(linestyle=(0, (3.5, 2.5)), linewidth=1.0, zorder=3)
        axes.add_patch(given)
        for i, text in enumerate(card.inputs):
            y = top + card.head_height + _PAD_Y / 2 + _LINE * (i + 0.5)
            _write(axes, (centre[0], y), text, _GIVEN, _PALE_INK)
    body = _rounded(left, top, card.width, card.head_height, fill, line)
    body.set(linewidth=weight, zorder=4, gid=f"node-{box.name}")
    if box.kept:
        body.set(linestyle=(0, (1.5, 1.5)))
    axes.add_patch(body)
    y = top + _PAD_Y + _NAME_LINE / 2
    _write(axes, (centre[0], y), box.name, _NAME, _PALE_INK if box.kept else _INK)
    if box.variant:
        _write(axes, (centre[0], y + _NAME_LINE / 2 + _LINE / 2), box.variant, _SMALL, line)


def _rounded(left: float, top: float, width: float, height: float, fill: str, line: str) -> FancyBboxPatch:
    style = "round,pad=0,rounding_size=6"
    return FancyBboxPatch((left, top), width, height, boxstyle=style, facecolor=fill, edgecolor=line)


def _write(axes: Any, place: Point, text: str, font: FontProperties, colour: str, align: str = "center") -> None:
    axes.text(
        *place, text, fontproperties=font, color=colour, ha=align, va="center_baseline", zorder=5, parse_math=False
    )


def _legend_rows(sketch: Sketch, width: float) -> list[list[tuple[str, float]]]:
    """Entries of the legend with their widths, in rows that fit."""
    entries = [*sketch.stages()]
    entries += [":given"] if any(box.inputs for box in sketch.boxes) else []
    entries += [":asked"] if any(box.asked for box in sketch.boxes) else []
    entries += [":kept"] if any(box.kept for box in sketch.boxes) else []
    rows: list[list[tuple[str, float]]] = []
    used = width
    for entry in entries:
        size = 24.0 + _text_width(_LEGEND_TEXT.get(entry, entry), _SMALL) + _ENTRY_GAP
        if used + size - _ENTRY_GAP > width:
            rows.append([])
            used = 0.0
        rows[-1].append((entry, size))
        used += size
    return rows


_LEGEND_TEXT = {":given": "given input", ":asked": "asked for", ":kept": "kept (override)"}


def _draw_legend(axes: Any, sketch: Sketch, rows: Sequence[Sequence[tuple[str, float]]], corner: Point) -> None:
    colours = sketch.stages()
    for i, row in enumerate(rows):
        x, y = corner[0], corner[1] + _LEGEND_LINE * i
        for entry, width in row:
            fill, line = colours.get(entry, ("#ffffff", _INK) if entry == ":asked" else (GIVEN_FILL, GIVEN_LINE))
            chip = FancyBboxPatch(
                (x, y - _CHIP / 2), 16, _CHIP, boxstyle="round,pad=0,rounding_size=3", facecolor=fill, edgecolor=line
            )
            chip.set(linewidth=2.2 if entry == ":asked" else 1.0)
            if entry in {":given", ":kept"}:
                chip.set(linestyle=(0, (3, 2)) if entry == ":given" else (0, (1.5, 1.5)))
            axes.add_patch(chip)
            _write(axes, (x + 22, y), _LEGEND_TEXT.get(entry, entry), _SMALL, _PALE_INK, align="left")
            x += width

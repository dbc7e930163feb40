"""Where the boxes and arrows of a drawn graph go: layers from top to bottom, few crossings, straight long arrows.

The steps are those of Sugiyama, Tagawa and Toda (IEEE Trans. SMC 11, 1981) and Gansner et al. (IEEE Trans. Softw.
Eng. 19, 1993): layers with short arrows, an order within each layer by barycentres, positions by least squares.
Arrows that leave one box and span several layers run together until the layer before their end. The result depends on
the input alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gbr_dag.graph.layers import Spot, compact_layers, few_crossings, with_lanes

Size = tuple[float, float]
Point = tuple[float, float]

_SWEEPS = 24
_BOX_GAP, _LANE_GAP, _LANE_WIDTH = 26.0, 15.0, 6.0
_LAYER_GAP, _STEEPNESS, _LARGEST_GAP = 28.0, 0.07, 64.0
_PORT_GAP, _PORT_SHARE = 13.0, 0.7
_STRAIGHT, _BENT, _FREE = 8.0, 2.0, 1.0
"""How much a horizontal step costs: between two passes of an arrow, at its end, between neighbours."""


@dataclass(frozen=True)
class Layout:
    """Positions in points, y downwards.

    ``centres`` of the boxes; ``strokes``, each with the box where it starts and its points: straight lines within
    layers, curves between them; ``heads``, the points where arrows end.
    """

    width: float
    height: float
    centres: Mapping[str, Point]
    strokes: Sequence[tuple[str, Sequence[Point]]]
    heads: Sequence[tuple[str, Point]]


def layered_layout(sizes: Mapping[str, Size], arrows: Iterable[tuple[str, str]]) -> Layout:
    """Lay out boxes (name to width and height) and the arrows between them."""
    arrows = sorted(set(arrows), key=lambda arrow: (list(sizes).index(arrow[0]), list(sizes).index(arrow[1])))
    layer_of = compact_layers(list(sizes), arrows)
    layers, links = with_lanes(layer_of, arrows)
    layers = few_crossings(layers, links)
    widths: dict[Spot, float] = {
        spot: sizes[spot][0] if isinstance(spot, str) else _LANE_WIDTH for layer in layers for spot in layer
    }
    across = _positions(layers, links, widths)
    return _assembled(sizes, layers, links, across)


def _positions(
    layers: Sequence[Sequence[Spot]], links: Sequence[tuple[Spot, Spot]], widths: Mapping[Spot, float]
) -> dict[Spot, float]:
    """Horizontal positions: close to the neighbours above and below, boxes and lanes apart."""
    across: dict[Spot, float] = {}
    for layer in layers:
        offsets = _offsets(layer, widths)
        for spot, offset in zip(layer, offsets):
            across[spot] = offset - offsets[-1] / 2
    pulls: dict[Spot, list[tuple[Spot, float, bool]]] = {spot: [] for spot in across}
    for start, end in links:
        lanes = (not isinstance(start, str)) + (not isinstance(end, str))
        weight = (_FREE, _BENT, _STRAIGHT)[lanes]
        pulls[end].append((start, weight, True))
        pulls[start].append((end, weight, False))
    for sweep in range(_SWEEPS):
        last = sweep >= _SWEEPS - 4
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            wanted, weights = [], []
            for spot in layer:
                near = [(across[other], weight) for other, weight, up in pulls[spot] if last or up == downwards]
                total = sum(weight for _, weight in near)
                wanted.append(sum(x * weight for x, weight in near) / total if near else across[spot])
                weights.append(total or 0.1)
            across.update(zip(layer, _kept_apart(wanted, weights, _offsets(layer, widths))))
    for _ in range(3):
        _straighten(layers, widths, across)
    return across


def _straighten(layers: Sequence[Sequence[Spot]], widths: Mapping[Spot, float], across: dict[Spot, float]) -> None:
    """Put the lanes of each box upon one line as far as their neighbours leave room, longest first."""
    lanes: dict[str, list[tuple[Sequence[Spot], int]]] = {}
    for layer in layers:
        for i, spot in enumerate(layer):
            if not isinstance(spot, str):
                lanes.setdefault(spot[0], []).append((layer, i))
    for owner in sorted(lanes, key=lambda owner: -len(lanes[owner])):
        run: list[Spot] = []
        low, high = -math.inf, math.inf
        for layer, i in lanes[owner]:
            left, right = _room(layer, i, widths, across)
            if run and max(low, left) > min(high, right):
                _align(run, low, high, across)
                run, low, high = [], -math.inf, math.inf
            run.append(layer[i])
            low, high = max(low, left), min(high, right)
        _align(run, low, high, across)


def _room(
    layer: Sequence[Spot], i: int, widths: Mapping[Spot, float], across: Mapping[Spot, float]
) -> tuple[float, float]:
    """How far a spot may go to the left and to the right."""
    left = across[layer[i - 1]] + _distance(layer[i - 1], layer[i], widths) if i else -math.inf
    right = across[layer[i + 1]] - _distance(layer[i], layer[i + 1], widths) if i + 1 < len(layer) else math.inf
    return left, right


def _align(run: Sequence[Spot], low: float, high: float, across: dict[Spot, float]) -> None:
    mean = sum(across[lane] for lane in run) / len(run)
    for lane in run:
        across[lane] = min(max(mean, low), high)


def _offsets(layer: Sequence[Spot], widths: Mapping[Spot, float]) -> list[float]:
    """Closest positions of the spots of a layer, the first at 0."""
    offsets = [0.0]
    for left, right in zip(layer, layer[1:]):
        offsets.append(offsets[-1] + _distance(left, right, widths))
    return offsets


def _distance(left: Spot, right: Spot, widths: Mapping[Spot, float]) -> float:
    """Smallest distance between the centres of neighbours."""
    gap = _BOX_GAP if isinstance(left, str) and isinstance(right, str) else _LANE_GAP
    return (widths[left] + widths[right]) / 2 + gap


def _kept_apart(wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Least squares under minimal distances: isotonic regression by pooling adjacent violators."""
    pools: list[tuple[float, float, int]] = []
    for x, weight, offset in zip(wanted, weights, offsets):
        mean, total, count = x - offset, weight, 1
        while pools and pools[-1][0] > mean:
            before, before_total, before_count = pools.pop()
            mean = (mean * total + before * before_total) / (total + before_total)
            total, count = total + before_total, count + before_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]


def _assembled(
    sizes: Mapping[str, Size],
    layers: Sequence[Sequence[Spot]],
    links: Sequence[tuple[Spot, Spot]],
    across: Mapping[Spot, float],
) -> Layout:
    heights = [max((sizes[spot][1] for spot in layer if isinstance(spot, str)), default=0.0) for layer in layers]
    level_of = {spot: level for level, layer in enumerate(layers) for spot in layer}
    steps = [0.0] * len(layers)
    for start, end in links:
        steps[level_of[end]] = max(steps[level_of[end]], abs(across[start] - across[end]))
    tops, y = [], 0.0
    for level, height in enumerate(heights):
        y += min(_LAYER_GAP + _STEEPNESS * steps[level], _LARGEST_GAP) if level else 0.0
        tops.append(y)
        y += height
    edges = [(across[name] - size[0] / 2, across[name] + size[0] / 2) for name, size in sizes.items()]
    edges += [(x, x) for x in across.values()]
    left, right = min((edge[0] for edge in edges), default=0.0), max((edge[1] for edge in edges), default=0.0)
    across = {spot: x - left for spot, x in across.items()}
    centres = {name: (across[name], tops[level_of[name]] + heights[level_of[name]] / 2) for name in sizes}
    ports = _ports(sizes, links, across)
    strokes: list[tuple[str, Sequence[Point]]] = []
    heads = []
    for start, end in links:
        owner = start if isinstance(start, str) else start[0]
        bottom = tops[level_of[start]] + heights[level_of[start]]
        points = [(across[start], bottom)]
        if isinstance(start, str):
            points.insert(0, (across[start], centres[start][1] + sizes[start][1] / 2))
        points.append((ports[start, end], tops[level_of[end]]))
        if isinstance(end, str):
            points.append((ports[start, end], centres[end][1] - sizes[end][1] / 2))
            heads.append((owner, points[-1]))
        else:
            points.append((across[end], tops[level_of[end]] + heights[level_of[end]]))
        strokes.append((owner, points))
    return Layout(right - left, y, centres, strokes, heads)


def _ports(
    sizes: Mapping[str, Size], links: Sequence[tuple[Spot, Spot]], across: Mapping[Spot, float]
) -> dict[tuple[Spot, Spot], float]:
    """Where each link ends: side by side on the upper edge of a box, in the order in which they come."""
    ports: dict[tuple[Spot, Spot], float] = {}
    incoming: dict[Spot, list[Spot]] = {}
    for start, end in links:
        incoming.setdefault(end, []).append(start)
    for end, starts in incoming.items():
        if not isinstance(end, str):
            ports.update({(start, end): across[end] for start in starts})
            continue
        starts.sort(key=across.__getitem__)
        gap = min(_PORT_GAP, sizes[end][0] * _PORT_SHARE / max(len(starts) - 1, 1))
        for i, start in enumerate(starts):
            ports[start, end] = across[end] + gap * (i - (len(starts) - 1) / 2)
    return ports

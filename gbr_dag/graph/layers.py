"""Layers of a drawn graph and the order within them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Union

Spot = Union[str, tuple[str, int]]
"""A box by its name, or the lane in which the arrows of a box pass a layer."""

_SWEEPS = 24


def compact_layers(names: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Give every box a layer below those it needs, moved so that the arrows become short."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(arrows)
    generations = [sorted(generation, key=list(names).index) for generation in nx.topological_generations(graph)]
    layer_of = {name: level for level, generation in enumerate(generations) for name in generation}
    order = [name for generation in generations for name in generation]
    moved = True
    while moved:
        moved = False
        for name in reversed(order):
            above, below = list(graph.predecessors(name)), list(graph.successors(name))
            # arrows that leave one box together cost their longest one, not each
            slack = min((layer_of[other] for other in below), default=0) - 1
            if below and slack > layer_of[name] and _gain(graph, layer_of, name, above) > 0:
                layer_of[name] = slack
                moved = True
    return layer_of


def _gain(graph: object, layer_of: Mapping[str, int], name: str, above: Sequence[str]) -> int:
    """How many arrows become shorter, less those that become longer, when a box moves one layer down."""
    longer = 0
    for other in above:
        reach = max(layer_of[end] for end in graph.successors(other))  # type: ignore[attr-defined]
        longer += reach <= layer_of[name]
    return 1 - longer


def with_lanes(
    layer_of: Mapping[str, int], arrows: Iterable[tuple[str, str]]
) -> tuple[list[list[Spot]], list[tuple[Spot, Spot]]]:
    """Layers with places for passing arrows, and links between neighbouring layers only."""
    layers: list[list[Spot]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name, level in layer_of.items():
        layers[level].append(name)
    links: dict[tuple[Spot, Spot], None] = {}
    lanes: set[Spot] = set()
    for start, end in arrows:
        last: Spot = start
        for level in range(layer_of[start] + 1, layer_of[end]):
            lane = (start, level)
            if lane not in lanes:
                lanes.add(lane)
                layers[level].append(lane)
            links[last, lane] = None
            last = lane
        links[last, end] = None
    return layers, list(links)


def few_crossings(layers: list[list[Spot]], links: Sequence[tuple[Spot, Spot]]) -> list[list[Spot]]:
    """Order each layer so that few links cross."""
    above: dict[Spot, list[Spot]] = {spot: [] for layer in layers for spot in layer}
    below: dict[Spot, list[Spot]] = {spot: [] for layer in layers for spot in layer}
    for start, end in links:
        below[start].append(end)
        above[end].append(start)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        sequence = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
        for level in sequence:
            fixed = layers[level - 1 if downwards else level + 1]
            layers[level] = _by_barycentre(layers[level], fixed, neighbours)
        _swap_neighbours(layers, above, below)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _by_barycentre(
    layer: Sequence[Spot], fixed: Sequence[Spot], neighbours: Mapping[Spot, Sequence[Spot]]
) -> list[Spot]:
    place = {spot: i for i, spot in enumerate(fixed)}
    scale = len(fixed) / max(len(layer), 1)
    centre = {}
    for i, spot in enumerate(layer):
        places = [place[other] for other in neighbours[spot]]
        centre[spot] = sum(places) / len(places) if places else i * scale
    return sorted(layer, key=centre.__getitem__)


def _swap_neighbours(
    layers: list[list[Spot]], above: Mapping[Spot, Sequence[Spot]], below: Mapping[Spot, Sequence[Spot]]
) -> None:
    """Exchange neighbours within a layer while that removes crossings."""
    for level, layer in enumerate(layers):
        sides = []
        for step, neighbours in ((-1, above), (1, below)):
            if 0 <= level + step < len(layers):
                place = {spot: i for i, spot in enumerate(layers[level + step])}
                sides.append({spot: sorted(place[other] for other in neighbours[spot]) for spot in layer})
        improved = True
        while improved:
            improved = False
            for i in range(len(layer) - 1):
                left, right = layer[i], layer[i + 1]
                change = sum(
                    _pair_crossings(side[right], side[left]) - _pair_crossings(side[left], side[right])
                    for side in sides
                )
                if change < 0:
                    layer[i], layer[i + 1] = right, left
                    improved = True


def _pair_crossings(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(a > b for a in left for b in right)


def _crossings(layers: Sequence[Sequence[Spot]], below: Mapping[Spot, Sequence[Spot]]) -> int:
    total = 0
    for layer, following in zip(layers, layers[1:]):
        place = {spot: i for i, spot in enumerate(following)}
        passed: list[int] = []
        for spot in layer:
            ends = sorted(place[other] for other in below[spot])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total

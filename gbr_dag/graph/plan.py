"""What a request would run, in which order and why."""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from gbr_dag.errors import UnknownNameError
from gbr_dag.graph.checks import listed, unknown
from gbr_dag.graph.notes import note_of
from gbr_dag.graph.request import Request, resolved_request
from gbr_dag.graph.sizes import estimated_bytes, measured_bytes, readable_bytes
from gbr_dag.graph.structure import Graph

_HEADER = ("#", "node", "stage", "variant", "bytes", "needed by", "how")
_FACTS = ("outputs", "inputs", "missing", "kept")
_RIGHT = (True, False, False, False, True, False, False)


@dataclass(frozen=True)
class Plan:
    """What a driver would run for some outputs. ``str(plan)`` is a table.

    Attributes
    ----------
    outputs : tuple of str
        As asked for.
    nodes : tuple of str
        Nodes that run, in the order in which they run.
    inputs : tuple of str
        Inputs that they take.
    missing : tuple of str
        Those of them that are required and not given.
    kept : tuple of str
        Overrides in use: their values are taken, and what only they need does not run.
    bytes : dict of str to int
        Memory of given values, and of nodes that say beforehand how large their value will be.
    graph : Graph
        The graph that was asked.
    notes : dict of str to str
        How nodes will go about their work, for those that say so beforehand.

    Examples
    --------
    >>> from types import ModuleType
    >>> from gbr_dag.graph import Driver
    >>> ball = ModuleType("ball")
    >>> exec("def area(radius: float) -> float: return 12.57 * radius**2", ball.__dict__)
    >>> exec("def mass(area: float, density: float) -> float: return area * density", ball.__dict__)
    >>> plan = Driver([ball]).plan(["mass"], inputs={"radius": 2})
    >>> plan.nodes, plan.missing
    (('area', 'mass'), ('density',))
    >>> plan.why("area")
    'area runs because mass <- area'
    """

    outputs: tuple[str, ...]
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    missing: tuple[str, ...]
    kept: tuple[str, ...]
    bytes: Mapping[str, int] = field(hash=False)
    graph: Graph = field(repr=False, compare=False)
    notes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def why(self, name: str) -> str:
        """Say why a node runs, or why it does not.

        Parameters
        ----------
        name : str
            A node or an input of the graph.

        Returns
        -------
        str
            The shortest chain from each output that needs it:
            ``bin_map runs because fit_table <- coefficients <- bin_factors <- bin_map``.

        Raises
        ------
        UnknownNameError
            If the graph has nothing of that name.
        """
        known = {*self.graph.nodes, *self.graph.inputs}
        if name not in known:
            raise UnknownNameError(unknown("node", name, known, "`driver.list_outputs()` shows all"))
        chains = [chain for chain in (self._chain(output, name) for output in self.outputs) if chain]
        if name in self.kept:
            beginning = f"{name} does not run: its value is given in overrides"
            return beginning if chains == [[name]] else f"{beginning}; {_because(chains)}"
        if name in self.nodes:
            return f"{name} runs because {_because(chains)}"
        if name in self.inputs:
            return f"{name} is {'missing' if name in self.missing else 'taken'} because {_because(chains)}"
        return f"{name} {'does not run' if name in self.graph.nodes else 'is not taken'}: {self._absence(name)}"

    def _absence(self, name: str) -> str:
        blocking = [kept for kept in self.kept if _shortest_chain(self.graph, kept, name, self.graph.nodes)]
        if blocking:
            verb = "is" if len(blocking) == 1 else "are"
            return f"only {listed(blocking)} would need it, which {verb} given in overrides"
        if any(self._chain(output, name) for output in self.outputs):
            reason = "can do without it" if name in self.graph.nodes else "can do without it, and it is not given"
            return f"{listed(self.outputs)} {reason}"
        return f"{listed(self.outputs)} {'does' if len(self.outputs) == 1 else 'do'} not need it"

    def _chain(self, output: str, name: str) -> list[str]:
        return _shortest_chain(self.graph, output, name, self.nodes)

    def __str__(self) -> str:
        """Give what is asked for and given, and a table of the nodes in order."""
        lines = []
        for label, names in self._facts():
            lines.append(f"{label + ':':<9}{', '.join(self._with_bytes(name, label) for name in names)}")
        rows = [_HEADER, *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
        shown = [i for i in range(len(_HEADER)) if any(row[i] for row in rows[1:])]
        lines.append("")
        for row in rows:
            cells = [row[i].rjust(widths[i]) if _RIGHT[i] else row[i].ljust(widths[i]) for i in shown]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def _facts(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is asked for and taken; where nothing at all was given nothing is called missing."""
        facts = [(label, getattr(self, label)) for label in _FACTS]
        return [(label, names) for label, names in facts if names and (label != "missing" or names != self.inputs)]

    def _with_bytes(self, name: str, label: str) -> str:
        if label == "outputs" or name not in self.bytes:
            return name
        return f"{name} ({readable_bytes(self.bytes[name])})"

    def _rows(self) -> list[tuple[str, ...]]:
        running = set(self.nodes)
        rows: list[tuple[str, ...]] = []
        for number, name in enumerate(self.nodes, start=1):
            node = self.graph.nodes[name]
            users = [user for user in self.graph.users(name) if user in running]
            asked = ["(asked for)"] if name in self.outputs else []
            size = readable_bytes(self.bytes[name]) if name in self.bytes else ""
            needed = listed([*asked, *users])
            rows.append((str(number), name, node.stage, node.variant, size, needed, self.notes.get(name, "")))
        return rows

    def _repr_html_(self) -> str:
        cells = ["".join(f"<th>{html.escape(cell)}</th>" for cell in _HEADER)]
        cells += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self._rows()]
        facts = [f"<b>{label}</b> {html.escape(', '.join(names))}" for label, names in self._facts()]
        table = "".join(f"<tr>{row}</tr>" for row in cells)
        return f"<div>{'<br>'.join(facts)}<table>{table}</table></div>"


def made_plan(
    graph: Graph,
    outputs: Iterable[str],
    inputs: Optional[Mapping[str, Any]],
    overrides: Optional[Mapping[str, Any]],
) -> Plan:
    """Resolve a request and size it."""
    request = resolved_request(graph, outputs, inputs, overrides)
    sizes = request_bytes(graph, request, inputs or {}, overrides or {})
    notes = {name: note_of(graph.nodes[name].function, inputs or {}) for name in request.order}
    told = {name: note for name, note in notes.items() if note}
    return Plan(request.outputs, request.order, request.inputs, request.missing, request.kept, sizes, graph, told)


def request_bytes(
    graph: Graph, request: Request, inputs: Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, int]:
    """Bytes of what is given, and of the nodes that can say so beforehand."""
    found: dict[str, Optional[int]] = {}
    for name in request.inputs:
        found[name] = measured_bytes(inputs.get(name))
    for name in request.kept:
        found[name] = measured_bytes(overrides[name])
    for name in request.order:
        node = graph.nodes[name]
        if node.has_estimate:
            found[name] = estimated_bytes(node.function, inputs)
    return {name: size for name, size in found.items() if size is not None}


def _because(chains: list[list[str]]) -> str:
    return "; ".join(" <- ".join(chain) if len(chain) > 1 else f"{chain[0]} is asked for" for chain in chains)


def _shortest_chain(graph: Graph, output: str, name: str, through: Container[str]) -> list[str]:
    """Names from an output down to what it needs, by way of some nodes; empty when it does not need it."""
    came_from: dict[str, Optional[str]] = {output: None}
    queue = deque([output])
    while queue:
        current = queue.popleft()
        if current == name:
            break
        if current not in through:
            continue
        for need in graph.nodes[current].needs:
            if need.name not in came_from:
                came_from[need.name] = current
                queue.append(need.name)
    if name not in came_from:
        return []
    chain: list[str] = []
    step: Optional[str] = name
    while step is not None:
        chain.append(step)
        step = came_from[step]
    return chain[::-1]


def demand(graph: Graph, name: str) -> str:
    """Say which nodes make a node run."""
    if name not in graph.nodes and name not in graph.inputs:
        known = {*graph.nodes, *graph.inputs}
        raise UnknownNameError(unknown("node", name, known, "`driver.list_outputs()` shows all"))
    users = graph.users(name)
    if not users:
        return f"{name} runs only when it is asked for"
    others = [other for other in graph.nodes if other not in users and other != name]
    further = [other for other in others if _shortest_chain(graph, other, name, graph.nodes)]
    text = f"{name} {'runs' if name in graph.nodes else 'is taken'} for {', '.join(users)}"
    return (
        text if not further else f"{text}, and through {'it' if len(users) == 1 else 'them'} for {', '.join(further)}"
    )

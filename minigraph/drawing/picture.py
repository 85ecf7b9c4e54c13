"""A picture as data: what is drawn, before anything is said about how.

nngraph's helper nodes are folded into what a reader looks for: a split and its parts become
cells of the node whose table they take apart, the gModule's own input and output become two
tables with a cell for each entry. Every node of the graph is still there by its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NamedTuple, Optional

from minigraph.drawing.layers import natural_key
from minigraph.graph import Edge, Graph, Node


class Line(NamedTuple):
    """A line of text in a node; ``role`` (name, type, number, shape, mark, …) decides its looks."""

    text: str
    role: str


class Values(NamedTuple):
    """What is known of a node's values: its output, and the gradient that arrived there."""

    output: Any = None
    gradOutput: Any = None


class Numbers(NamedTuple):
    """Norms to write on a backward picture.

    ``contributions`` maps ``(consumer id, 0-based slot)`` to the norm of the gradient that the
    consumer passed to that input; ``totals`` maps node ids to the norm of the sum.
    """

    contributions: Mapping[tuple[int, int], float]
    totals: Mapping[int, float]


@dataclass
class Cell:
    """One entry of a table, drawn as a cell of the node that makes or takes the table."""

    port: str
    lines: list[Line]
    tooltip: str
    id: int = 0


@dataclass
class PictureNode:
    """A box: lines of text, cells above (entries taken) or below (entries given)."""

    id: int
    name: str
    family: str
    lines: list[Line]
    tooltip: str
    marks: list[str] = field(default_factory=list)
    above: list[Cell] = field(default_factory=list)
    below: list[Cell] = field(default_factory=list)
    layer: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The node's name in the DOT source."""
        return f"n{self.id}"


@dataclass
class PictureEdge:
    """A line from the node that computes a value to the one that consumes it.

    ``slot`` is the 1-based place at a consumer with several inputs, 0 where it goes without
    saying; ``number`` the norm of the gradient; the ports name cells. ``source`` and
    ``target`` are the ids of the boxes, ``ends`` those of the graph's own two nodes.
    """

    source: int
    target: int
    ends: tuple[int, int]
    slot: int = 0
    source_port: str = ""
    target_port: str = ""
    number: Optional[float] = None
    tooltip: str = ""


@dataclass
class Picture:
    """All that is drawn. ``backward`` turns the arrows round, from consumer to producer."""

    title: str
    nodes: list[PictureNode]
    edges: list[PictureEdge]
    backward: bool = False
    caption: str = ""

    def layers(self) -> dict[str, list[PictureNode]]:
        """Return the nodes of each layer, layers sorted by name and number."""
        found: dict[str, list[PictureNode]] = {}
        for node in self.nodes:
            if node.layer:
                found.setdefault(node.layer, []).append(node)
        return dict(sorted(found.items(), key=lambda item: natural_key(item[0])))


def is_backward(graph: Graph) -> bool:
    """Tell whether the edges of ``graph`` lead from consumers to producers (``net.bg``)."""
    for edge in graph.edges:
        if edge.source.data in edge.target.data.mapindex:
            return False
        if edge.target.data in edge.source.data.mapindex:
            return True
    return any(node.data.role == "out" for node in graph.roots())


def forward_edges(graph: Graph) -> list[Edge]:
    """Return the edges from producer to consumer, whichever way ``graph`` has them, by consumer."""
    edges = graph.edges
    if is_backward(graph):
        edges = [Edge(edge.target, edge.source, edge.slot) for edge in edges]
    return sorted(edges, key=lambda edge: (edge.target.id, edge.slot))


def values_of_modules(node: Node) -> Values:
    """Return what the modules themselves remember of the last forward pass at ``node``.

    For a graph whose network is not at hand: entries of a split are taken from the table
    that the module above it left.
    """
    entries: list[int] = []
    data = node.data
    while data.module is None and data.mapindex:
        if data.selectindex is not None:
            entries.append(data.selectindex)
        data = data.mapindex[0]
    output = getattr(data.module, "output", None)
    for entry in reversed(entries):
        if not isinstance(output, (list, tuple)) or len(output) < entry:
            return Values()
        output = output[entry - 1]
    return Values(output)


#: Looks up what is known of a node's values.
ValuesOf = Callable[[Node], Values]

"""From a graph to a picture: which nodes become boxes, which become cells, what each says."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Mapping, Optional

from minigraph.drawing import words
from minigraph.drawing.layers import layers_by_name, spread
from minigraph.drawing.picture import (
    Cell,
    Line,
    Numbers,
    Picture,
    PictureEdge,
    PictureNode,
    Values,
    ValuesOf,
    forward_edges,
    values_of_modules,
)
from minigraph.drawing.style import family_of
from minigraph.errors import DrawingError
from minigraph.graph import Edge, Graph, Node

_STATE_IN = re.compile(r"(?:.*[._/:\-\s])?prev(?:[_\-.\d].*)?")
_STATE_OUT = re.compile(r"(?:.*[._/:\-\s])?next(?:[_\-.\d].*)?")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Where a link of a picture may lead; one of another kind (``javascript:``) could be a program.
_LINK = re.compile(r"(https?:|mailto:|[^:]*$|[./#?])", re.IGNORECASE)


def build_picture(
    graph: Graph,
    title: str = "",
    backward: bool = False,
    values: ValuesOf = values_of_modules,
    numbers: Optional[Numbers] = None,
    failed: Optional[Node] = None,
    caption: str = "",
) -> Picture:
    """Return the picture of ``graph`` (a network's ``fg`` or ``bg``).

    ``values`` gives each node's output and gradient, ``numbers`` the norms to write on a
    backward picture, ``failed`` the node to paint red, ``caption`` a text below the graph.
    Raises ``DrawingError`` for a ``graphAttributes`` key that Graphviz could not read.
    """
    return _Builder(graph, backward, values, numbers, failed).picture(title, caption)


class _Builder:
    """Works out one picture; the attributes are the questions asked about the graph."""

    def __init__(
        self, graph: Graph, backward: bool, values: ValuesOf, numbers: Optional[Numbers],
        failed: Optional[Node],
    ) -> None:
        self.nodes = sorted(graph.nodes, key=lambda node: node.id)
        self.edges = forward_edges(graph)
        self.backward = backward
        self.values = values
        self.numbers = numbers
        self.failed = failed
        self.feeding: dict[Node, list[Edge]] = defaultdict(list)
        self.using: dict[Node, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            self.feeding[edge.target].append(edge)
            self.using[edge.source].append(edge)
        self.marks = self._find_marks()
        #: The node whose box shows this node; itself unless it was folded into another.
        self.box: dict[Node, Node] = {node: node for node in self.nodes}
        #: The cell at which an edge leaves a box, by the (select) node that the cell stands for.
        self.ports: dict[Node, str] = {}
        self.parts: dict[Node, list[Node]] = defaultdict(list)
        self._fold()

    # -- what is folded into what ------------------------------------------------------------

    def _fold(self) -> None:
        for whole in self.nodes:
            if whole.data.role != "split":
                continue
            for edge in self.using[whole]:
                part = edge.target
                if part.data.role == "select" and not self._stands_out(part):
                    self.parts[whole].append(part)
            self.parts[whole].sort(key=lambda part: part.data.selectindex or 0)
            owner = self._owner(whole)
            if owner is not whole:
                self.box[whole] = owner
                self.parts[owner] = self.parts.pop(whole)
            for part in self.parts[owner]:
                self.box[part] = owner
                self.ports[part] = f"p{part.id}"

    def _owner(self, whole: Node) -> Node:
        """Return the node whose box gets the cells of the split ``whole``."""
        sources = self.feeding[whole]
        if len(sources) != 1 or self._stands_out(whole) or whole.name:
            return whole
        source = sources[0].source
        taken = source.data.role in ("split", "select", "out") or self.parts.get(source)
        custom = {"shape", "label"} & set(source.annotations.get("graphAttributes", ()))
        return whole if taken or custom else source

    def _stands_out(self, node: Node) -> bool:
        """Tell whether a helper node needs a box of its own."""
        return node == self.failed or bool(node.annotations.get("graphAttributes"))

    def _find_marks(self) -> dict[Node, list[str]]:
        """Return which nodes are inputs, outputs or state of the network."""
        marks: dict[Node, list[str]] = defaultdict(list)
        for node in self.nodes:
            if self._is_network_input(node):
                marks[node].append("state in" if _STATE_IN.fullmatch(node.name) else "input")
        for end in self.nodes:
            queue = [edge.source for edge in self.feeding[end]] if end.data.role == "out" else []
            for source in dict.fromkeys(queue):
                marks[source].append("state out" if _STATE_OUT.fullmatch(source.name) else "output")
                if self._is_table(source):
                    inside = [edge.source for edge in self.feeding[source]]
                    for entry in inside:
                        if _STATE_OUT.fullmatch(entry.name) and entry not in queue:
                            marks[entry].append("state out")
        return marks

    def _is_network_input(self, node: Node) -> bool:
        sources = [edge.source.data for edge in self.feeding[node]]
        if not sources or node.data.role in ("split", "select"):
            return False
        data = sources[0]
        while data.role in ("split", "select") and data.mapindex:
            data = data.mapindex[0]
        return data.role == "in" and node.data.role != "out"

    def _is_table(self, node: Node) -> bool:
        """Tell whether a node only gathers its inputs into a table."""
        several = len(self.feeding[node]) > 1
        return several and (node.data.role == "out" or type(node.module).__name__ == "Identity")

    # -- what is said --------------------------------------------------------------------------

    def picture(self, title: str, caption: str) -> Picture:
        boxes = [self._node(node) for node in self.nodes if self.box[node] is node]
        layers = self._layers()
        for box in boxes:
            box.layer = layers.get(box.id, "")
        edges = [self._edge(edge) for edge in self.edges if self._is_drawn(edge)]
        return Picture(words.clean(title), boxes, edges, self.backward, words.clean(caption))

    def _is_drawn(self, edge: Edge) -> bool:
        return self.box[edge.source] is not self.box[edge.target]

    def _node(self, node: Node) -> PictureNode:
        values = self.values(node)
        marks = list(self.marks.get(node, ()))
        lines = self._title(node)
        if marks:
            lines.insert(0, Line(", ".join(marks), "mark"))
        shape = self._shape(values)
        if shape:
            lines.append(Line(words.shorten(shape, words.SHAPE_LENGTH), "shape"))
        total = self._total(node)
        if total:
            lines.append(Line(total, "number"))
        bad = words.bad_numbers(values.output)
        bad_gradient = words.bad_numbers(values.gradOutput) if self.backward else ""
        for found, where in ((bad, ""), (bad_gradient, "gradient: ")):
            if found:
                lines.append(Line(where + found, "warning"))
        if bad or bad_gradient:
            marks.append("nan")
        if node == self.failed:
            lines.append(Line("failed here", "warning"))
            marks.append("failed")
        above = [self._entry(node, slot) for slot in self._slots(node)] if self._is_table(node) else []
        return PictureNode(
            node.id, words.clean(node.name), family_of(node.module), lines,
            self._tooltip(node, values), marks, above,
            [self._part(part) for part in self.parts.get(node, ())],
            attributes=_attributes(node),
        )

    def _title(self, node: Node) -> list[Line]:
        role, data = node.data.role, node.data
        if data.module is not None:
            kind = words.shorten(words.type_text(data.module), words.TYPE_LENGTH)
            if not node.name:
                return [Line(f"{kind}  #{node.id}", "unnamed")]
            return [_name_line(node), Line(kind, "type")]
        if role in ("in", "out"):
            entries = len(self.using[node] if role == "in" else self.feeding[node])
            entries = len(self.parts[node]) if role == "in" and self.parts.get(node) else entries
            word = "input" if role == "in" else "output"
            many = entries > 1 and (role == "out" or bool(self.parts.get(node)))
            return [Line(f"{word} table" if many else word, "table")]
        if node.name:
            kind = f"entry {data.selectindex}" if data.selectindex else "table"
            return [_name_line(node), Line(kind, "type")]
        if role == "select":
            return [Line(f"entry {data.selectindex}  #{node.id}", "unnamed")]
        return [Line(f"{role or 'node'}  #{node.id}", "unnamed")]

    def _shape(self, values: Values) -> str:
        if self.backward and values.gradOutput is not None:
            return f"grad {words.shape_text(values.gradOutput)}"
        return "" if values.output is None else words.shape_text(values.output)

    def _total(self, node: Node) -> str:
        if self.numbers is None or node.id not in self.numbers.totals:
            return ""
        several = len([e for e in self.using[node] if self._norm(e) is not None]) > 1
        return f"{'Σ ' if several else ''}‖g‖ = {words.number_text(self.numbers.totals[node.id])}"

    def _norm(self, edge: Edge) -> Optional[float]:
        """Return the norm of what the consumer passed back along ``edge``."""
        if self.numbers is None:
            return None
        slot = edge.slot
        if edge.target.data.selectindex is not None:
            slot = edge.target.data.selectindex - 1
        return self.numbers.contributions.get((edge.target.id, slot))

    def _slots(self, node: Node) -> list[int]:
        return [edge.slot + 1 for edge in self.feeding[node]]

    def _entry(self, node: Node, slot: int) -> Cell:
        text = f"entry {slot} of {_who(node)}"
        return Cell(f"e{slot}", [Line(str(slot), "slot")], text)

    def _part(self, part: Node) -> Cell:
        values = self.values(part)
        lines = [Line(str(part.data.selectindex), "slot")]
        if part.name:
            lines.append(_name_line(part))
        if self.marks.get(part):
            lines.insert(0, Line(", ".join(self.marks[part]), "mark"))
        total = self._total(part)
        if total:
            lines.append(Line(total, "number"))
        bad = words.bad_numbers(values.output)
        if bad:
            lines.append(Line(bad, "warning"))
        return Cell(self.ports[part], lines, self._tooltip(part, values), part.id)

    def _tooltip(self, node: Node, values: Values) -> str:
        data = node.data
        what = f"{_who(node)}"
        lines = [what]
        if data.module is not None:
            lines.append(words.clean(repr(data.module)))
        elif data.selectindex is not None:
            lines.append(f"entry {data.selectindex} of a table taken apart with split")
        description = node.annotations.get("description")
        if description:
            lines.append(words.clean(description))
        for word, value in (("output", values.output), ("gradOutput", values.gradOutput)):
            if value is not None:
                lines.append(f"{word}: {words.shape_text(value)}")
                bad = words.bad_numbers(value)
                lines += [f"{word} holds {bad}"] if bad else []
        folded = [other for other in self.nodes
                  if self.box[other] is node and other is not node and other.data.role == "split"]
        lines += [f"taken apart by {_who(other)}, made at {words.clean(other.location)}"
                  for other in folded if data.module is not None]
        lines.append(f"made at {words.clean(data.location)}" if data.module or not data.role
                     else words.clean(data.location))
        return "\n".join(lines)

    def _edge(self, edge: Edge) -> PictureEdge:
        several = len(self.feeding[edge.target]) > 1
        slot = edge.slot + 1 if several else edge.target.data.selectindex or 0
        table = self._is_table(edge.target)
        number = self._norm(edge)
        way = [_who(edge.source), _who(edge.target)]
        tooltip = " → ".join(reversed(way) if self.backward else way)
        if slot:
            tooltip += f"\nentry {slot} of the input of {_who(edge.target)}"
        if number is not None:
            tooltip += f"\n‖gradient‖ = {number!r}"
        return PictureEdge(
            self.box[edge.source].id, self.box[edge.target].id, (edge.source.id, edge.target.id),
            slot, self.ports.get(edge.source, ""), f"e{slot}" if table else "", number, tooltip,
        )

    def _layers(self) -> dict[int, str]:
        outside = {"input", "state in"}
        inner = [n for n in self.nodes
                 if n.module is not None and self.box[n] is n and not outside & set(self.marks.get(n, ()))]
        named = {n.id: n.name for n in inner if n.name}
        layers = layers_by_name(named)
        if not layers:
            return {}
        consumers: dict[int, set[int]] = defaultdict(set)
        producers: dict[int, set[int]] = defaultdict(set)
        for edge in self.edges:
            source, target = self.box[edge.source].id, self.box[edge.target].id
            consumers[source].add(target)
            producers[target].add(source)
        free = {n.id for n in inner if not n.name}
        free |= {n.id for n in self.nodes if self.box[n] is n and n.data.role in ("split", "select")}
        return spread(layers, free, consumers, producers)


def _who(node: Node) -> str:
    """Name a node the way messages do."""
    name = f" '{words.one_line(node.name)}'" if node.name else ""
    return f"node {node.id}{name}" if node.name or node.module else f"node {node.id} {node.title()}"


def _name_line(node: Node) -> Line:
    name = words.shorten(words.one_line(node.name), words.NAME_LENGTH)
    return Line(name or f"#{node.id}", "name")


def _attributes(node: Node) -> dict[str, str]:
    """Return the node's ``graphAttributes`` as text, checked."""
    given: Mapping[Any, Any] = node.annotations.get("graphAttributes") or {}
    for key in given:
        if not isinstance(key, str) or not _ATTRIBUTE.fullmatch(key):
            raise DrawingError(
                f"graphAttributes of {node.describe()} has the key {key!r}: "
                "keys are Graphviz attributes such as 'color', 'style' or 'fillcolor'"
            )
    attributes = {key: words.clean(value) for key, value in given.items()}
    for key, value in attributes.items():
        if key.lower().endswith(("url", "href")) and not _LINK.match(value):
            raise DrawingError(
                f"graphAttributes of {node.describe()} has the link {value!r:.80}: "
                "a link begins with https:, http: or mailto:, or is the path of a file"
            )
    return attributes

"""nngraph's nodes, edges and graphs, from the records of a file to ours.

A ``gModule`` is not taken as it stands: from its ``outnode`` the inputs of every node are followed
(``data.mapindex``), the helper nodes that nngraph put around them are left out, and a network is
built of the rest as it was built in Lua. Its orders are then compared with the file's.

Source: https://github.com/torch/nngraph (node.lua, gmodule.lua), https://github.com/torch/graph
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Callable, Optional

from minigraph.errors import T7Error
from minigraph.files.t7.limits import Limits
from minigraph.files.t7.reader import ObjectRecord, TableRecord
from minigraph.files.t7.repeats import is_repeat
from minigraph.graph import Edge, Graph, Node, NodeData
from minigraph.nn import Module, ModuleFromCriterion, gModule

NODE_CLASSES = ("nngraph.Node", "graph.Node")
GRAPH_CLASS, EDGE_CLASS = "graph.Graph", "graph.Edge"

_LABEL = re.compile(r"\[(.*?)\]:(-?\d+)")


def location_of(label: Any) -> str:
    """Return nngraph's ``_debugLabel``, ``[file]:line_``, as ``file:line``."""
    match = _LABEL.search(label) if isinstance(label, str) else None
    return f"{match[1]}:{match[2]}" if match else "a .t7 file"


class GraphBuilder:
    """Makes nodes of records; ``value_of`` gives the Python value of what the nodes refer to.

    All views of one node share one ``data``, so that a node that is found elsewhere in the file
    equals the network's.
    """

    def __init__(self, value_of: Callable[[Any], Any], limits: Limits) -> None:
        self._value_of = value_of
        self._limits = limits
        self._lists: dict[int, tuple[int, list[Any]]] = {}
        self._data: dict[int, NodeData] = {}
        self._filled: set[int] = set()
        self._slots: dict[int, dict[int, int]] = {}
        self._helpers: set[int] = set()
        self._wired: set[int] = set()
        self._networked: set[int] = set()

    def as_list(self, table: Any, owner: Any, where: ObjectRecord) -> list[Any]:
        """Return the entries 1, 2, … of a table; what else it holds (nngraph's way back) is left out.

        Every node has its own: ``T7Error`` if ``owner`` is not the first that asks for this one.
        """
        if not isinstance(table, TableRecord):
            raise T7Error(f"{where.class_name}: a list was expected", where.offset)
        if id(table) not in self._lists:
            entries = {key: value for key, value in table.pairs() if type(key) is int}
            listed: list[Any] = []
            while len(listed) + 1 in entries:
                listed.append(entries[len(listed) + 1])
            self._lists[id(table)] = (id(owner), listed)
        first, listed = self._lists[id(table)]
        if first != id(owner):
            raise T7Error(f"{where.class_name}: two objects share one list", where.offset)
        return listed

    def data_of(self, node: Any, where: ObjectRecord) -> TableRecord:
        """Return the record of a node's ``data``."""
        data = node.fields().get("data") if is_node(node) else None
        if not isinstance(data, TableRecord):
            raise T7Error(f"{where.class_name}: a node was expected", where.offset)
        return data

    def shell(self, record: TableRecord) -> NodeData:
        """Return our data of this record, made empty at first."""
        known = self._data.get(id(record))
        if known is None:
            known = self._data[id(record)] = NodeData(location="a .t7 file")
        return known

    def node_data(self, record: TableRecord) -> NodeData:
        """Return our data of this record with what the file says but its wiring."""
        data = self.shell(record)
        if id(record) in self._filled:
            return data
        self._filled.add(id(record))
        fields = {key: value for key, value in record.pairs() if isinstance(key, str)}
        notes = self._value_of(fields.get("annotations"))
        notes = notes if isinstance(notes, dict) else {}
        data.nSplitOutputs = _number(fields.get("nSplitOutputs"), record)
        data.selectindex = _number(fields.get("selectindex"), record)
        data.location = location_of(notes.pop("_debugLabel", None))
        data.role = "split" if data.nSplitOutputs else "select" if data.selectindex else ""
        data.annotations = notes
        data.module = self._value_of(fields.get("module"))
        criterion = self._value_of(fields.get("criterion"))
        if data.module is None and criterion is not None:
            data.module = ModuleFromCriterion(criterion)
        if data.module is None and not data.role:
            mapindex = fields.get("mapindex")
            data.role = "out" if isinstance(mapindex, TableRecord) and mapindex.items else "in"
        return data

    def inputs_of(self, record: TableRecord, where: ObjectRecord) -> list[TableRecord]:
        """Return the data of a node's inputs, in order."""
        mapindex = next((value for key, value in record.pairs() if key == "mapindex"), None)
        inputs = [] if mapindex is None else self.as_list(mapindex, record, where)
        for entry in inputs:
            if not isinstance(entry, TableRecord):
                raise T7Error(f"{where.class_name}: mapindex holds no node's data", where.offset)
        return inputs

    def wire(self, record: TableRecord, where: ObjectRecord) -> None:
        """Tell the data of a node that stands by itself what its inputs are."""
        if id(record) in self._wired or id(record) in self._helpers | self._networked:
            return
        self._wired.add(id(record))
        data = self.node_data(record)
        for entry in self.inputs_of(record, where):
            source = self.node_data(entry)
            data.mapindex.append(source)
            source.reverseMap.append(data)

    # -- networks ----------------------------------------------------------------------------

    def network(self, net: gModule, record: ObjectRecord) -> None:
        """Build ``net``, a gModule without anything, from the nodes of ``record``."""
        fields = record.fields()
        out = self.data_of(fields.get("outnode"), record)
        inner = self.data_of(fields.get("innode"), record)
        order = self._from_outputs(out, inner, record)
        feeds = self._input_positions(inner, fields.get("nInputs"), order, record)
        # nngraph once had no split; the order of the inputs then stands at the inner node itself.
        places = {id(data): i for i, data in enumerate(self.inputs_of(inner, record))}
        self._helpers.add(id(out))
        nodes: dict[int, Node] = {}
        inputs: dict[int, Node] = {}
        for data in order:  # inputs come before their consumers
            if id(data) in self._helpers:
                continue
            sources = self.inputs_of(data, record)
            if is_repeat(self.node_data(data), sources) and id(sources[0]) in nodes:
                nodes[id(data)] = nodes[id(sources[0])]
                self._helpers.add(id(data))
                continue
            node = nodes[id(data)] = Node(self.node_data(data))
            if sources and id(sources[0]) in feeds:
                inputs[places.get(id(data), feeds[id(sources[0])])] = node
                continue
            for source in sources:
                if id(source) not in nodes:
                    raise T7Error("nn.gModule: a node is fed by a helper node", record.offset)
                node.add(nodes[id(source)])
        outputs = [nodes.get(id(data)) for data in self.inputs_of(out, record)]
        if None in outputs or sorted(inputs) != list(range(len(inputs))):
            raise T7Error("nn.gModule: its inputs or outputs are not its nodes", record.offset)
        for node in nodes.values():
            if not isinstance(node.module, (Module, type(None))):
                raise T7Error(f"nn.gModule: {node.module!r} is no module", record.offset)
        known: set[int] = set()
        for node in nodes.values():
            if id(node.module) in known:  # the network will hold a copy of it
                self._limits.charge_copy(node.module, record.offset)
            known.update({id(node.module)} if node.module is not None else ())
        gModule.__init__(net, [inputs[i] for i in range(len(inputs))], outputs)  # type: ignore[arg-type]
        self._compare_orders(net, fields, record)

    def _from_outputs(
        self, out: TableRecord, inner: TableRecord, where: ObjectRecord
    ) -> list[TableRecord]:
        """Return the data of all nodes from ``inner`` to ``out``, inputs before consumers."""
        order: list[TableRecord] = []
        entered, left = {id(out)}, set()
        stack = [(out, iter(self.inputs_of(out, where)))]
        while stack:
            data, sources = stack[-1]
            for source in sources:
                if id(source) in entered:
                    if id(source) not in left:
                        raise T7Error("nn.gModule: its graph has a cycle", where.offset)
                    continue
                entered.add(id(source))
                inputs = [] if source is inner else self.inputs_of(source, where)
                stack.append((source, iter(inputs)))
                break
            else:
                stack.pop()
                left.add(id(data))
                order.append(data)
        if entered & self._networked:
            raise T7Error("nn.gModule: two networks share a node", where.offset)
        self._networked |= entered
        return order

    def _input_positions(
        self, inner: TableRecord, count: Any, order: list[TableRecord], where: ObjectRecord
    ) -> dict[int, int]:
        """Return which helper data feeds which of the inputs, 0-based; note the helpers.

        One input is fed by the inner node itself, several by the parts of its split.
        """
        self._helpers.add(id(inner))
        feeds = {id(inner): 0}
        if count in (None, 1):
            return feeds
        fed = [data for data in order if self._only_source(data, where) is inner]
        for split in fed:
            if not self.node_data(split).nSplitOutputs:
                continue
            self._helpers.add(id(split))
            for data in order:
                if self._only_source(data, where) is split:
                    self._helpers.add(id(data))
                    feeds[id(data)] = (self.node_data(data).selectindex or 0) - 1
            break
        return feeds

    def _only_source(self, data: TableRecord, where: ObjectRecord) -> Optional[TableRecord]:
        sources = self.inputs_of(data, where)
        return sources[0] if len(sources) == 1 else None

    def _compare_orders(self, net: gModule, fields: dict[str, Any], record: ObjectRecord) -> None:
        for name in ("forwardnodes", "backwardnodes"):
            stored = [self.data_of(node, record) for node in self.as_list(fields.get(name), record, record)]
            theirs = [
                self._data.get(id(data)) for data in stored if id(data) not in self._helpers
            ]
            declared = {node.data for node in net._network.declared()}
            ours = [node.data for node in getattr(net, name) if node.data in declared]
            if theirs != ours:
                warnings.warn(
                    f"the order of {name} in the file is not the one that nngraph gives this graph: "
                    "sums of several gradients may differ from Torch7's in the last digit",
                    stacklevel=2,
                )

    # -- nodes, edges and graphs by themselves -----------------------------------------------

    def fill_node(self, node: Node, record: ObjectRecord) -> None:
        """Give a node its children and number."""
        self.wire(self.data_of(record, record), record)
        fields = record.fields()
        children = [self._value_of(child) for child in self.as_list(fields.get("children"), record, record)]
        if not all(isinstance(child, Node) for child in children):
            raise T7Error(f"{record.class_name}: children that are no nodes", record.offset)
        node.children = children
        node.id = _number(fields.get("id"), record) or 0

    def edge(self, record: ObjectRecord) -> Edge:
        """Return the edge of a record."""
        fields = record.fields()
        ends = [fields.get(name) for name in ("from", "to")]
        first, second = (self.data_of(end, record) for end in ends)
        slot = self._slot(first, second, record)
        if slot is None:
            slot = self._slot(second, first, record) or 0
        return Edge(self._value_of(ends[0]), self._value_of(ends[1]), slot)

    def _slot(self, source: TableRecord, target: TableRecord, where: ObjectRecord) -> Optional[int]:
        """Return the 0-based place of ``source`` among the inputs of ``target``."""
        slots = self._slots.get(id(target))
        if slots is None:
            inputs = self.inputs_of(target, where)
            slots = self._slots[id(target)] = {id(entry): i for i, entry in enumerate(inputs)}
        return slots.get(id(source))

    def fill_graph(self, graph: Graph, record: ObjectRecord) -> None:
        """Give a graph its nodes and edges."""
        fields = record.fields()
        graph.nodes = [self._value_of(node) for node in self.as_list(fields.get("nodes"), record, record)]
        graph.edges = [self._value_of(edge) for edge in self.as_list(fields.get("edges"), record, record)]
        if not all(isinstance(node, Node) for node in graph.nodes) or not all(
            isinstance(edge, Edge) for edge in graph.edges
        ):
            raise T7Error("graph.Graph: it must hold nodes and edges", record.offset)
        graph._view = {node.data: node for node in graph.nodes}


def is_node(record: Any) -> bool:
    """Tell whether a record is a node of a graph."""
    return isinstance(record, ObjectRecord) and record.class_name in NODE_CLASSES


def _number(value: Any, where: Any) -> Optional[int]:
    if value is None or type(value) is int:
        return value
    raise T7Error(f"a whole number was expected in a node, got {value!r:.80}", where.offset)

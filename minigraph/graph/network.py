"""Network: nodes closed between inputs and outputs, both graphs of them, and their orders.

nngraph puts a helper node before the inputs (followed by a split, if there are several) and
one after the outputs. The backward graph is found breadth first from the latter and reversed
into the forward graph; each is sorted depth first.

Source: https://github.com/torch/nngraph/blob/master/gmodule.lua
"""

from __future__ import annotations

from typing import Any, Sequence

from minigraph.errors import GraphError
from minigraph.graph.graph import Graph, flatten, rebuild
from minigraph.graph.node import Node, NodeData, check_nodes


class Network:
    """The graphs between ``inputs`` and ``outputs``, two lists of nodes.

    ``bg`` and ``fg`` are the backward and the forward graph, ``backwardnodes`` and
    ``forwardnodes`` their nodes in order of execution. The given nodes are left as they are,
    except that they learn their ``id``. Raises ``GraphError`` for anything that would make a
    part of the graph meaningless: not a node, an unused input or split output, a node that
    reaches no output, an input that has inputs, a node without inputs that is not declared as
    one, a cycle.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs = _as_list(inputs, "inputs")
        self.outputs = _as_list(outputs, "outputs")
        self._innode = Node(NodeData(location="the inputs", role="in"))
        outnode = Node(NodeData(location="the outputs", role="out"))
        feeds = dict(zip(self.inputs, self._feed()))
        reached: list[Node] = []

        def inputs_of(node: Node) -> Sequence[Node]:
            reached.append(node)
            if node == outnode:
                return self.outputs
            return [feeds[node]] if node in feeds else node.children

        self.bg = Graph.from_root(outnode, inputs_of)
        self.fg = self.bg.reverse()
        self.backwardnodes = self.bg.topsort()
        self.forwardnodes = self.fg.topsort()
        self._check()
        for node in (*self.bg.nodes, *reached):
            node.id = self.fg.view(node.data).id
            node.data.used = True

    def _feed(self) -> list[Node]:
        """Return what feeds the inputs: the helper node itself, or the parts of its split."""
        for node in self.inputs:
            if node.children:
                raise GraphError(f"an input must not have inputs itself: {node.describe()}")
        if len(set(self.inputs)) < len(self.inputs):
            raise GraphError("the same node is given as an input twice")
        if len(self.inputs) == 1:
            return [self._innode]
        parts = self._innode.split(len(self.inputs))
        for helper in (parts[0].children[0], *parts):
            helper.data.location = self._innode.location
        return parts

    def _check(self) -> None:
        present = {node.data for node in self.fg.nodes}
        for position, node in enumerate(self.inputs):
            if node.data not in present:
                raise GraphError(
                    f"inputs[{position + 1}] is unused, no output depends on it: {node.describe()}"
                )
        for node in self.fg.roots():
            if node != self._innode:
                raise GraphError(
                    f"{node.describe()} has no inputs and is not among the inputs of the gModule: "
                    "list it there, or call its module on a node"
                )
        for node in self.fg.nodes:
            unused = (node.data.nSplitOutputs or 0) - len(set(node.children))
            if node.data.nSplitOutputs and unused:
                raise GraphError(
                    f"{unused} of split({node.data.nSplitOutputs}) outputs are unused, "
                    f"of the node declared at {node.location}"
                )
            for consumer in node.data.reverseMap:
                if consumer not in present and not consumer.used:
                    raise GraphError(
                        f"{Node(consumer).describe()} does not connect to an output of the "
                        "gModule: use it, or remove it"
                    )

    def declared(self) -> list[Node]:
        """Return the nodes without the helpers put around them, in forward order."""
        helpers = {self._innode.data, self.forwardnodes[-1].data}
        for consumer in self._innode.data.reverseMap:
            helpers |= {consumer, *consumer.reverseMap}
        return [node for node in self.forwardnodes if node.data not in helpers]

    def records(self) -> dict[str, Any]:
        """Return the wiring as plain data: long graphs nest too deeply to be copied as objects."""
        nodes = self.declared()
        position = {node.data: i for i, node in enumerate(nodes)}
        return {
            "nodes": flatten(nodes),
            "inputs": [position[node.data] for node in self.inputs],
            "outputs": [position[node.data] for node in self.outputs],
        }

    @classmethod
    def from_records(cls, records: dict[str, Any]) -> "Network":
        """Return a new network wired as ``records`` say."""
        nodes = rebuild(records["nodes"])
        return cls([nodes[i] for i in records["inputs"]], [nodes[i] for i in records["outputs"]])


def _as_list(nodes: Any, what: str) -> list[Node]:
    if isinstance(nodes, Node):
        raise GraphError(f"{what} must be a list of nodes: write [{nodes.title()}]")
    if not isinstance(nodes, (list, tuple)):
        raise GraphError(f"{what} must be a list of nodes, got {type(nodes).__name__}")
    if not nodes:
        raise GraphError(f"a gModule needs at least one node in {what}")
    return list(check_nodes(nodes, what))

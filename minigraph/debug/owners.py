"""Whose memory it is: which node of which network last wrote to a buffer."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from minigraph import nn
from minigraph.graph import Node
from minigraph.memory import root


@dataclass(frozen=True)
class Writer:
    """A node that wrote to some memory, at the ``tick``-th event that was watched.

    ``inplace`` tells whether it wrote over its input. The network is held weakly, and the
    node by its number: a node holds its module, whose buffers would never be freed.
    """

    net: "weakref.ref[nn.gModule]"
    node_id: int
    tick: int
    inplace: bool

    @property
    def node(self) -> Optional[Node]:
        """The node, while its network exists."""
        net = self.net()
        return None if net is None else net.fg.nodes[self.node_id - 1]

    def describe(self, net: nn.gModule) -> str:
        """Name the node and its network, as seen from ``net``."""
        node = self.node
        what = f"node {self.node_id}" if node is None else node.describe()
        return f"{what}, of {_network(self.net(), net)}"


def _network(other: Optional[nn.gModule], net: nn.gModule) -> str:
    if other is net:
        return "this same network"
    if other is None:
        return "a network that is gone"
    name = getattr(other, "name", "")
    if name:
        return f"the network '{name}'"
    if [node.title() for node in other.forwardnodes] == [node.title() for node in net.forwardnodes]:
        return "another network built like this one (a clone for another time step?)"
    return "another network"


class Owners:
    """Remembers the last writer of every piece of memory for as long as the memory lives."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, dict[tuple[int, int], Writer]]] = {}

    def wrote(self, array: np.ndarray, writer: Writer) -> None:
        """Note that ``writer`` has written to ``array``."""
        owner = root(array)
        key = id(owner)
        if key not in self._known or self._known[key][0]() is not owner:
            self._known[key] = (weakref.ref(owner, lambda _: self._known.pop(key, None)), {})
        self._known[key][1][np.lib.array_utils.byte_bounds(array)] = writer

    def last(self, array: np.ndarray) -> Optional[Writer]:
        """Return who last wrote to memory that ``array`` overlaps, if anybody did."""
        owner = root(array)
        reference, writers = self._known.get(id(owner), (lambda: None, {}))
        if reference() is not owner:
            return None
        low, high = np.lib.array_utils.byte_bounds(array)
        found = [writer for (start, end), writer in writers.items() if start < high and low < end]
        return max(found, key=lambda writer: writer.tick, default=None)

"""Nodes: what is computed (``NodeData``) and how it is wired (``Node``).

As in nngraph a node's ``children`` are its *inputs* while a graph is being built, so that
following children from an output leads back to the inputs. The forward graph of a network
has nodes of its own whose children are the consumers; both views of one computation share
one ``NodeData`` and compare equal.

Source: https://github.com/torch/nngraph/blob/master/node.lua
"""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

from minigraph.errors import ArgumentError, GraphError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def source_line() -> str:
    """Return ``file:line`` of the innermost caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"


def shown(path: str) -> str:
    """Return a path as messages show it: relative to the folder that one is in, if inside."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


class NodeData:
    """What a node is, shared by its views in the forward and the backward graph.

    ``module`` is what computes it (``None`` for nngraph's helper nodes, which pass their
    input on), ``nSplitOutputs`` the number of parts of a split, ``selectindex`` the 1-based
    entry that one part takes, ``mapindex`` the data of the inputs in order, ``reverseMap``
    the data of the consumers, ``annotations`` the user's notes, ``location`` where the node
    was made and ``used`` whether a closed network contains it.
    """

    __slots__ = (
        "module", "nSplitOutputs", "selectindex", "mapindex", "reverseMap",
        "annotations", "location", "used", "role",
    )

    def __init__(
        self,
        module: Any = None,
        nSplitOutputs: Optional[int] = None,
        selectindex: Optional[int] = None,
        location: str = "",
        role: str = "",
    ) -> None:
        self.module = module
        self.nSplitOutputs = nSplitOutputs
        self.selectindex = selectindex
        self.mapindex: list[NodeData] = []
        self.reverseMap: list[NodeData] = []
        self.annotations: dict[str, Any] = {}
        self.location = location or source_line()
        self.used = False
        self.role = role


class Node:
    """A point of a graph: one module called on some inputs.

    ``id`` is the number within the closed network (0 before), the same in both graphs.
    """

    __slots__ = ("data", "children", "id")

    def __init__(self, data: NodeData) -> None:
        self.data = data
        self.children: list[Node] = []
        self.id = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.data is self.data

    def __hash__(self) -> int:
        return id(self.data)

    @property
    def module(self) -> Any:
        """The module that computes this node, or ``None`` for a helper node."""
        return self.data.module

    @property
    def annotations(self) -> dict[str, Any]:
        """The notes made with ``annotate``."""
        return self.data.annotations

    @property
    def location(self) -> str:
        """``file:line`` where the node was made (and split, for parts of a split)."""
        return self.data.location

    @property
    def name(self) -> str:
        """The annotated name, or ``''``."""
        return str(self.data.annotations.get("name", ""))

    def add(self, child: "Node") -> None:
        """Make ``child`` the next input of this node."""
        if not isinstance(child, Node):
            raise GraphError(expecting_node_message(child, "children", len(self.children)))
        self.children.append(child)
        self.data.mapindex.append(child.data)
        child.data.reverseMap.append(self.data)

    def split(self, noutput: int) -> list["Node"]:
        """Return ``noutput`` nodes, each one entry of this node's output table, in order.

        Raises ``ArgumentError`` unless ``noutput`` is a positive integer. That the table has
        exactly so many entries is checked when the network runs.
        """
        if isinstance(noutput, bool) or not isinstance(noutput, int) or noutput < 1:
            raise ArgumentError(f"split needs the number of entries (1 or more), got {noutput!r}")
        location = f"{self.location} (split at {source_line()})"
        whole = Node(NodeData(nSplitOutputs=noutput, location=location, role="split"))
        whole.add(self)
        parts = []
        for index in range(1, noutput + 1):
            part = Node(NodeData(selectindex=index, location=location, role="select"))
            part.add(whole)
            parts.append(part)
        return parts

    def annotate(self, annotations: Optional[Mapping[str, Any]] = None, **more: Any) -> "Node":
        """Add notes (``name``, ``description``, ``graphAttributes``, …) and return the node.

        ``graphAttributes`` is a dict of Graphviz attributes for the picture. Takes keyword
        arguments, or a dict as nngraph does.
        """
        notes = {**(annotations or {}), **more}
        attributes = notes.get("graphAttributes")
        if attributes is not None and not isinstance(attributes, Mapping):
            raise ArgumentError(f"graphAttributes must be a dict, got {attributes!r}")
        self.data.annotations.update(notes)
        return self

    def label(self) -> str:
        """Return the title and, after a colon, the annotated description if there is one."""
        description = self.data.annotations.get("description")
        return f"{self.title()}: {description}" if description else self.title()

    def title(self) -> str:
        """Return the shortest telling name: the annotated one, else the module or helper."""
        data = self.data
        if self.name:
            return self.name
        if data.module is not None:
            return data.module.headline()
        if data.role == "split":
            return "<split>"
        if data.role == "select":
            whole = data.mapindex[0].mapindex
            of = whole[0].annotations.get("name", "") if whole else ""
            return f"{of}[{data.selectindex}]" if of else f"<select {data.selectindex}>"
        return f"<{data.role}>"

    def describe(self) -> str:
        """Return a line for messages: name, number, module and source line."""
        number = f"node {self.id}" if self.id else "node"
        name = f" '{self.name}'" if self.name else ""
        what = self.module.headline() if self.module else self.title()
        return f"{number}{name}: {what}, made at {self.location}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def __sub__(self, module: Callable[["Node"], "Node"]) -> "Node":
        """``node - module`` is ``module(node)``."""
        if isinstance(module, Node) or not callable(module):
            return NotImplemented
        return module(self)

    def __iter__(self) -> Any:
        raise TypeError(
            f"{self.describe()} cannot be unpacked: how many entries its table has is not known "
            "before it runs; write a, b = node.split(2)"
        )


def expecting_node_message(value: Any, what: str, position: int) -> str:
    """Say what is wrong with something that stands where a node is meant."""
    where = f"{what}[{position + 1}] (the entry {position} of the Python list)"
    if value is None:
        return (
            f"expected a node at {where}, got None: "
            "a misspelt variable, a wrong index, or a function that does not return its node?"
        )
    if hasattr(value, "updateOutput"):
        return (
            f"expected a node at {where}, got the module {value!r}: "
            "did you forget a second set of parentheses?"
        )
    if isinstance(value, (list, tuple)):
        return f"expected a node at {where}, got a list: write mg.nest([...]) for a nested table"
    return (
        f"expected a node at {where}, got {type(value).__name__}: a graph is made of nodes; "
        "to run a module on numbers call forward(...)"
    )


def check_nodes(values: Sequence[Any], what: str) -> Sequence[Node]:
    """Return ``values`` if all are nodes; raise ``GraphError`` for the first that is not."""
    for position, value in enumerate(values):
        if not isinstance(value, Node):
            raise GraphError(expecting_node_message(value, what, position))
    return values


def annotate_from(variables: Mapping[str, Any]) -> None:
    """Name the nodes found among ``variables`` (and in lists there) that have no name yet."""
    for name, value in variables.items():
        _annotate_value(name, value)


def _annotate_value(name: str, value: Any) -> None:
    if isinstance(value, Node):
        value.data.annotations.setdefault("name", name)
    elif isinstance(value, (list, tuple)):
        entries: Iterable[Any] = value
        for position, entry in enumerate(entries):
            _annotate_value(f"{name}[{position}]", entry)


def annotateNodes() -> None:
    """Name every unnamed node after the caller's local variable that holds it.

    Nodes in a list variable are named ``name[0]``, ``name[1]``, …. Names given with
    ``annotate`` are kept.
    Source: https://github.com/torch/nngraph/blob/master/graphinspecting.lua
    """
    annotate_from(sys._getframe(1).f_locals)

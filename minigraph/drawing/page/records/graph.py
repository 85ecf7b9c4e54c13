"""The graph that a page shows: nodes, edges, the four tables, the legend."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict

from minigraph.drawing.page.records.values import Value

Role = Literal["module", "in", "out", "split", "select"]


class Argument(TypedDict):
    """An argument that a module was made with, as text."""

    name: str
    value: str


class Parameter(TypedDict):
    """A parameter of a node's module, and its gradient if it has one."""

    name: str
    value: Value
    gradient: Optional[Value]


class Described(TypedDict):
    """What a node is, wherever it lies in the picture."""

    id: int
    name: str
    label: str  # the name, else its module, or what a helper node is in words
    role: Role
    type: str  # Linear
    module: str  # nn.Linear(3 -> 12)
    text: str  # all of a container with what it contains, else empty
    arguments: list[Argument]
    location: str  # where it was made
    description: str
    notes: dict[str, str]  # the user's other annotations
    entry: Optional[int]  # the entry of a table that a part of a split takes
    parameters: list[Parameter]


class NodeData(Described):
    """A node of the forward graph; helper nodes have records, too."""

    family: str  # as in the pictures, like layer and marks
    layer: str
    marks: list[str]
    box: int  # the node whose box in the picture shows this one
    forwardOrder: Optional[int]
    backwardOrder: Optional[int]
    output: Optional[Value]
    gradOutput: Optional[Value]


class EdgeData(TypedDict):
    """An edge, from producer to consumer."""

    source: int
    target: int
    slot: int  # its place at the consumer
    element: Optional[str]  # id of its line in the picture, null where it is folded


class Row(TypedDict):
    """A slot of one of the network's four tables."""

    path: str  # output[2][1]
    python: str  # output[1][0]
    depth: int
    node: int
    label: str
    module: str
    shape: Optional[list[int]]
    entries: Optional[int]
    dtype: Optional[str]
    mirrors: str  # the path of the same place in the table of gradients, or of values
    chain: list[int]  # the nodes from the edge of the network to the slot's own


class Tables(TypedDict, total=False):
    """The tables of a network; a graph alone has none."""

    input: list[Row]
    output: list[Row]
    gradOutput: list[Row]
    gradInput: list[Row]


class Family(TypedDict):
    """An entry of the legend."""

    key: str
    title: str


class Ran(TypedDict):
    """Which passes left values."""

    forward: bool
    backward: bool


class _Graph(TypedDict):
    name: str
    inputs: Optional[int]
    outputs: Optional[int]
    parameters: int  # how many numbers the parameters hold, shared ones once
    ran: Ran
    nodes: list[NodeData]  # by id
    edges: list[EdgeData]
    tables: Tables
    families: list[Family]


class GraphData(_Graph, total=False):
    """The graph that the page shows."""

    moment: str  # which pass the values are of, if not the last
    absent: str  # why there are none

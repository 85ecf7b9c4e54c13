"""Recorded passes, for the player: events in the order of the pass, and where two traces part."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict, Union

from minigraph.drawing.page.records.values import Number, Statistics

View = Literal["forward", "backward"]
Trouble = Literal["nan", "inf", "vanishing", "exploding", "zero"]
State = Literal["", "nothing", "nan", "inf", "vanishing", "exploding", "zero"]


class _Summary(Statistics):
    shape: str
    count: int
    zero: int  # how many entries are exactly 0
    rms: Number


class Summary(_Summary, total=False):
    """What is told of a tensor, or of all tensors of a table together; numbers have six digits."""

    bins: list[int]  # a histogram from min to max, in bins of equal width
    values: list[Number]  # the entries, if they are few


class Event(TypedDict):
    """A node of a pass, and what the pass left there."""

    node: int
    summary: Optional[Summary]
    state: State


_Indices = TypedDict("_Indices", {"from": list[int], "to": list[int]})


class BackwardEvent(Event, _Indices):
    """A node of the backward pass; ``from`` and ``to`` are places in the list of contributions."""


class Contribution(TypedDict):
    """A gradient that went from the consumer of a value to its source."""

    consumer: int
    source: int
    slot: int
    summary: Optional[Summary]


class Pass(TypedDict):
    """A forward and a backward pass, each in its own order."""

    forward: list[Event]
    backward: list[BackwardEvent]
    contributions: list[Contribution]


class RecordedParameter(TypedDict):
    """The gradient of a parameter; ``steps`` has its norm at each time step of an ``Unroll``."""

    name: str
    node: Optional[int]
    summary: Optional[Summary]
    steps: list[Number]


_Pass = TypedDict("_Pass", {"pass": View})


class Mark(_Pass):
    """The first node of a trouble in a pass."""

    kind: Trouble
    node: int
    step: Optional[int]  # the time step, null for a network's one pass
    event: int  # its place in the pass
    text: str


class _Recorded(TypedDict):
    title: str  # "first", "second", or empty
    parameters: list[RecordedParameter]
    marks: list[Mark]
    reference: Number  # the RMS that gradients are compared with
    rules: dict[Trouble, str]  # what each trouble means


class Recorded(_Recorded, total=False):
    """What traces of networks and of ``Unroll``s have in common."""

    difference: Difference  # of the second of two traces


class NetworkTrace(Recorded, Pass):
    """A trace of a network."""

    kind: Literal["network"]


class HeatRow(TypedDict):
    """A node over time, an entry for each column."""

    node: int
    values: list[Optional[Number]]
    states: list[State]


class Heat(TypedDict):
    """The heat maps."""

    gradient: list[HeatRow]
    output: list[HeatRow]


class Arrival(TypedDict):
    """The norms of what arrived at an output that is fed back."""

    output: str
    input: str
    given: Optional[Number]  # from the caller
    later: Optional[Number]  # from the next time step
    total: Optional[Number]


class UnrolledTrace(Recorded):
    """A trace of an ``Unroll``."""

    kind: Literal["unroll"]
    T: int
    columns: list[int]  # the time steps of the heat maps: all, if they are not too many
    heat: Heat
    arrivals: list[list[Arrival]]  # for each column
    details: dict[str, Pass]  # by time step: all, if they are few enough


TraceData = Union[NetworkTrace, UnrolledTrace]


# -- two traces compared -----------------------------------------------------------------------------


class DifferenceRow(TypedDict):
    """A quantity in which two traces differ."""

    kind: str  # forward (an output), sum, contribution, parameter, gradInput, output
    where: str
    node: Optional[int]  # null where it belongs to no node
    source: Optional[int]
    slot: Optional[int]
    step: Optional[int]
    abs: Number
    rel: Number
    entry: str
    first: Optional[Number]
    second: Optional[Number]
    note: str


class Distances(TypedDict):
    """The largest differences at a node: of its output, of its gradient, of what it passed on."""

    forward: Number
    sum: Number
    passed: Number


class Place(TypedDict):
    """A node, and the time step of an ``Unroll``."""

    node: int
    step: Optional[int]


class Parting(TypedDict):
    """Where two traces part, in the order of each pass; null for nowhere."""

    forward: Optional[Place]
    backward: Optional[Place]


class Difference(TypedDict):
    """Two traces compared."""

    same: bool
    compared: int  # how many quantities
    count: int  # in how many they differ
    rows: list[DifferenceRow]  # the worst first, not more than anybody reads
    nodes: dict[str, Distances]
    first: Parting
    match: dict[str, int]  # which node of the second trace is which of the first
    alike: bool  # all nodes and edges match: one picture shows both

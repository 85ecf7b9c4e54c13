"""What a trace consists of: plain records of one forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Sequence, Union

import numpy as np

from minigraph import nn
from minigraph.debug.measure import shape_text
from minigraph.debug.names import NodeInfo
from minigraph.debug.report import Report, group, line, number, text_table
from minigraph.debug.trace_diff import TraceDiff, diff
from minigraph.errors import ArgumentError
from minigraph.graph import Node
from minigraph.rnn.unroll import Unroll

if TYPE_CHECKING:
    from rich.console import RenderableType

NOTHING = "no gradient (None = zero)"


@dataclass(frozen=True)
class ForwardTrace:
    """What the forward pass left at one node, the ``order``-th in turn (from 1).

    ``shape`` (a list for a table) and ``norm`` (over all entries) are those of the output;
    ``value`` is a copy of it.
    """

    order: int
    node: NodeInfo
    shape: Any
    norm: Optional[float]
    value: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class Contribution:
    """A gradient that ``consumer`` passed on to ``source``.

    ``slot`` is the 0-based place of ``source`` among the consumer's inputs; where the
    consumer is one part of a split, it is the entry of the table that the part took.
    ``shape`` (a list for a table) and ``norm`` (over all entries) are ``None`` where nothing
    arrived. ``value`` is a copy of the gradient.
    """

    consumer: NodeInfo
    source: NodeInfo
    slot: int
    shape: Any
    norm: Optional[float]
    value: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class NodeTrace:
    """What the backward pass did at one node, the ``order``-th in turn (from 1).

    ``contributions`` came in, in this order; ``value`` is their sum (with ``shape`` and
    ``norm``), the gradOutput of the node's module; ``passed_on`` went out to its inputs.
    """

    order: int
    node: NodeInfo
    contributions: list[Contribution]
    shape: Any
    norm: Optional[float]
    passed_on: list[Contribution]
    value: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class ParameterTrace:
    """The gradient that this pass alone gave a parameter.

    ``steps`` has the norm of each time step's share where the steps of an ``Unroll`` were
    recorded, and is empty otherwise.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    value: np.ndarray = field(repr=False, compare=False)
    steps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trace(Report):
    """What ``mg.debug.trace`` returns for a ``gModule``.

    ``nodes`` in the order of the backward pass; ``parameters`` with this pass's gradients;
    ``inner`` the traces of networks that are modules of this one, by the name of their node
    (their parameters are listed here, as ``node/inner node.weight``); ``forward`` the nodes'
    outputs, in the order of the forward pass. ``output`` and ``gradInput`` are copies;
    ``net`` is the network itself, for ``mg.draw(trace, path)``.
    """

    nodes: list[NodeTrace]
    parameters: list[ParameterTrace]
    inner: dict[str, Union["Trace", "UnrollTrace"]]
    forward: list[ForwardTrace]
    output: Any = field(repr=False, compare=False)
    gradInput: Any = field(repr=False, compare=False)
    net: nn.gModule = field(repr=False, compare=False)

    def __getitem__(self, node: Any) -> NodeTrace:
        """Return what happened at a node, given itself, its number or its annotated name."""
        wanted = node.id if isinstance(node, Node) else node
        found = [each for each in self.nodes if wanted in (each.node.id, each.node.name)]
        if len(found) != 1 or wanted == "":
            known = ", ".join(each.node.key for each in self.nodes)
            raise ArgumentError(f"{len(found)} nodes are called {wanted!r}; there are {known}")
        return found[0]

    def diff(self, other: Union["Trace", "UnrollTrace"], tolerance: float = 1e-9) -> TraceDiff:
        """Return how ``other`` differs from this trace, worst first.

        Nodes are matched by annotated name, else by number and label; a missing gradient
        (``None``) equals zeros. Differences up to ``tolerance`` times the larger of 1 and
        the largest entry count as none.
        """
        return diff(self, other, tolerance)

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [
            text_table(
                f"backward, {len(self.nodes)} nodes in this order",
                (">order", ">id", "node", "module", "", "from / to", "slot", "shape", ">norm"),
                [row for each in self.nodes for row in _node_rows(each)],
            )
        ]
        parts.extend(_parameter_table(self.parameters))
        for name, inner in self.inner.items():
            parts.extend([line(f"inside {name}", style="bold"), inner])
        return group(*parts)


@dataclass(frozen=True)
class Arrival:
    """A gradient at an output of one time step that is fed back to an input of the next.

    ``given`` is the norm of what the caller passed for this output at this step, ``later`` of
    what came back from the next step, ``total`` of their sum; ``None`` where nothing came.
    """

    output: str
    input: str
    given: Optional[float]
    later: Optional[float]
    total: Optional[float]


@dataclass(frozen=True)
class UnrollTrace(Report):
    """What ``mg.debug.trace`` returns for an ``Unroll``: a trace of every time step.

    ``steps[t]`` is the ``Trace`` of the 0-based time step ``t`` (in the order of time; the
    backward pass went the other way); ``arrivals[t]`` tells for each output that is fed back
    what came from the caller and what from the next step (it is empty for an ``Unroll`` inside a
    container of another network, where nobody sees what is passed). ``parameters`` are those of the
    step; a gradient is the sum over all steps and ``steps`` in it has each step's share.
    ``output``, ``gradOutput`` and ``gradInput`` are copies, ``net`` the ``Unroll``.
    """

    steps: list[Trace]
    parameters: list[ParameterTrace]
    arrivals: list[list[Arrival]]
    output: Any = field(repr=False, compare=False)
    gradOutput: Any = field(repr=False, compare=False)
    gradInput: Any = field(repr=False, compare=False)
    net: Unroll = field(repr=False, compare=False)

    def __getitem__(self, t: int) -> Trace:
        """Return the trace of the 0-based time step ``t``."""
        return self.steps[t]

    def __len__(self) -> int:
        """Return the number of time steps."""
        return len(self.steps)

    @property
    def nodes(self) -> list[NodeTrace]:
        """Nothing: the nodes belong to the traces of the time steps."""
        return []

    @property
    def forward(self) -> list[ForwardTrace]:
        """Nothing: the nodes belong to the traces of the time steps."""
        return []

    @property
    def inner(self) -> dict[str, Union[Trace, "UnrollTrace"]]:
        """The traces of the time steps, by name."""
        return {f"time step {t}": each for t, each in enumerate(self.steps, 1)}

    def norms(self) -> dict[str, list[Optional[float]]]:
        """Return the norm of the gradient at every node, in the order of time.

        Keys are the nodes' annotated names, else number and label, in the order of the
        backward pass; ``None`` stands where no gradient arrived.
        """
        keys = [each.node.key for each in self.steps[0].nodes]
        table: dict[str, list[Optional[float]]] = {}
        for place, visited in enumerate(self.steps[0].nodes):
            key = visited.node.key
            unique = key if keys.count(key) == 1 else f"{key} (node {visited.node.id})"
            table[unique] = [step.nodes[place].norm for step in self.steps]
        return table

    def diff(self, other: Union[Trace, "UnrollTrace"], tolerance: float = 1e-9) -> TraceDiff:
        """Return how ``other`` differs, worst first: as ``Trace.diff``, time step by time step."""
        return diff(self, other, tolerance)

    def __rich__(self) -> RenderableType:
        T = len(self.steps)
        shown = sorted({round(k * (T - 1) / (_COLUMNS - 1)) for k in range(_COLUMNS)})
        norms = self.norms()
        parts: list[RenderableType] = [
            text_table(
                f"norms of the gradients at the nodes, {T} time steps (backward goes from right to left)",
                ("node", "module", *(f">t = {t + 1}" for t in shown)),
                [
                    [key, each.node.module, *("none" if row[t] is None else number(row[t]) for t in shown)]
                    for each, (key, row) in zip(self.steps[0].nodes, norms.items())
                ],
            )
        ]
        if any(self.arrivals):
            parts.append(text_table(
                "what arrived at the outputs that are fed back",
                ("output", "to the next step's", "from", *(f">t = {t + 1}" for t in shown)),
                [row for k in range(len(self.arrivals[0])) for row in self._arrival_rows(k, shown)],
            ))
        parts.extend(_parameter_table(self.parameters))
        return group(*parts)

    def _arrival_rows(self, k: int, shown: Sequence[int]) -> list[list[str]]:
        first = self.arrivals[0][k]
        rows = []
        for source, attribute in (("the caller", "given"), ("the next step", "later"), ("both", "total")):
            norms = [getattr(self.arrivals[t][k], attribute) for t in shown]
            head = [first.output, first.input] if attribute == "given" else ["", ""]
            rows.append([*head, source, *("none" if norm is None else number(norm) for norm in norms)])
        return rows


#: How many time steps fit side by side in text.
_COLUMNS = 12


def _parameter_table(parameters: list[ParameterTrace]) -> list[RenderableType]:
    if not parameters:
        return []
    return [text_table(
        "gradients of the parameters from this pass", ("parameter", "shape", ">norm"),
        [[p.name, shape_text(p.shape), number(p.norm)] for p in parameters],
    )]


def _node_rows(trace: NodeTrace) -> list[list[str]]:
    rows = []
    for each in trace.contributions:
        rows.append(["receives", each.consumer.key, f"[{each.slot + 1}]", *_amount(each.shape, each.norm)])
    rows.append(["sum", "", "", *_amount(trace.shape, trace.norm)])
    for each in trace.passed_on:
        rows.append(["passes on", each.source.key, f"[{each.slot + 1}]", *_amount(each.shape, each.norm)])
    if not trace.contributions:
        del rows[0]  # the gradOutput that the caller passed is no sum
        rows.insert(0, ["gradOutput", "the caller", "", *_amount(trace.shape, trace.norm)])
    head = [str(trace.order), str(trace.node.id), trace.node.label, trace.node.module]
    return [[*(head if i == 0 else [""] * 4), *row] for i, row in enumerate(rows)]


def _amount(shape: Any, norm: Optional[float]) -> list[str]:
    return [NOTHING, ""] if norm is None else [shape_text(shape), number(norm)]

"""Trace: one real backward pass, contribution by contribution."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from minigraph import nn
from minigraph.debug.measure import norm_of, shape_of, shape_text
from minigraph.debug.names import NamedParameter, NodeInfo, named_parameters
from minigraph.debug.report import Report, group, number, text_table
from minigraph.debug.trace_diff import TraceDiff, diff
from minigraph.errors import ArgumentError
from minigraph.graph import Node
from minigraph.nn.observer import Observer
from minigraph.tables import copy_table, map_table

NOTHING = "no gradient (None = zero)"


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
    """The gradient that this pass alone gave a parameter."""

    name: str
    shape: tuple[int, ...]
    norm: float
    value: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Trace(Report):
    """What ``mg.debug.trace`` returns.

    ``nodes`` in the order of the backward pass; ``parameters`` with this pass's gradients;
    ``inner`` the traces of networks that are modules of this one, by the name of their node
    (their parameters are listed here, as ``node/inner node.weight``). ``output`` and
    ``gradInput`` are copies; ``net`` is the network itself, for ``mg.draw(trace, path)``.
    """

    nodes: list[NodeTrace]
    parameters: list[ParameterTrace]
    inner: dict[str, "Trace"]
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

    def diff(self, other: "Trace", tolerance: float = 1e-9) -> TraceDiff:
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
        if self.parameters:
            parts.append(text_table(
                "gradients of the parameters from this pass", ("parameter", "shape", ">norm"),
                [[p.name, shape_text(p.shape), number(p.norm)] for p in self.parameters],
            ))
        for name, inner in self.inner.items():
            parts.extend([Text(f"inside {name}", style="bold"), inner])
        return group(*parts)


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


def trace(net: nn.gModule, input: Any, gradOutput: Any = None) -> Trace:
    """Run ``net`` forward and backward for real and return what the backward pass did.

    ``gradOutput`` is nested like the output with ``None`` for zero; without one, every
    output entry gets a gradient of 1 (the gradient of the sum of all outputs). It is a pass
    like any other: ``net.output`` and ``net.gradInput`` are left by it, random masks are
    drawn, running statistics move. Only the parameters' gradients are afterwards what they
    were before; those of this pass are in the trace.
    """
    if not isinstance(net, nn.gModule):
        raise ArgumentError(f"debug.trace needs a gModule, got {type(net).__name__}")
    parameters = named_parameters(net)
    gradients = [gradient for parameter in parameters for gradient in parameter.gradients]
    saved = [gradient.copy() for gradient in gradients]
    recorder = _Recorder()
    nn.gModule.observers.append(recorder)
    try:
        output = net.forward(input)
        if gradOutput is None:
            gradOutput = map_table(_ones_like, output)
        for gradient in gradients:
            gradient.fill(0)
        gradInput = net.backward(input, gradOutput)
        return recorder.trace(net, output, gradInput, parameters)
    finally:
        nn.gModule.observers.remove(recorder)
        for gradient, before in zip(gradients, saved):
            np.copyto(gradient, before)


def _ones_like(leaf: Any) -> Any:
    return np.ones_like(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else None


class _Recorder(Observer):
    """The observer that writes down each network's last backward pass."""

    def __init__(self) -> None:
        self._passes: dict[int, tuple[nn.gModule, list[tuple[Node, Any]], list[Contribution]]] = {}

    def starting(self, net: nn.gModule, method: str, input: Any) -> None:
        if method == "updateGradInput":
            self._passes[id(net)] = (net, [], [])

    def differentiated(self, net: nn.gModule, node: Node, gradOutput: Any, gradInput: Any) -> None:
        self._passes[id(net)][1].append((node, copy_table(gradOutput)))

    def contributed(self, net: nn.gModule, node: Node, slot: int, source: Node, gradient: Any) -> None:
        self._passes[id(net)][2].append(Contribution(
            NodeInfo.of(node), NodeInfo.of(source), slot, shape_of(gradient), norm_of(gradient),
            copy_table(gradient),
        ))

    def trace(
        self, net: nn.gModule, output: Any, gradInput: Any, parameters: list[NamedParameter]
    ) -> Trace:
        """Return the trace of ``net``, with those of the networks inside it."""
        _, visited, contributions = self._passes[id(net)]
        incoming: dict[int, list[Contribution]] = defaultdict(list)
        outgoing: dict[int, list[Contribution]] = defaultdict(list)
        for each in contributions:
            incoming[each.source.id].append(each)
            outgoing[each.consumer.id].append(each)
        nodes = []
        for order, (node, total) in enumerate(visited, 1):
            received, passed = incoming[node.id], outgoing[node.id]
            nothing = bool(received) and all(each.norm is None for each in received)
            nodes.append(NodeTrace(
                order, NodeInfo.of(node), received, None if nothing else shape_of(total),
                None if nothing else norm_of(total), passed, total,
            ))
        return Trace(
            nodes,
            [
                ParameterTrace(parameter.name, gradient.shape, norm_of(gradient) or 0.0, gradient)
                for parameter in parameters
                for gradient in [parameter.gradient()]
            ],
            self._inner(net), copy_table(output), copy_table(gradInput), net,
        )

    def _inner(self, net: nn.gModule) -> dict[str, Trace]:
        """Return the traces of the networks that are, or are inside, modules of the nodes."""
        found: dict[str, Trace] = {}
        for node in net.forwardnodes:
            for inner in _networks(node.module):
                if id(inner) in self._passes:
                    key = NodeInfo.of(node).key
                    name = key if key not in found else f"{key} (network {len(found) + 1})"
                    found[name] = self.trace(inner, inner.output, inner.gradInput, [])
        return found


def _networks(module: Any) -> list[nn.gModule]:
    """Return the outermost networks at or below a module."""
    if isinstance(module, nn.gModule):
        return [module]
    below = module.modules if isinstance(module, nn.Container) else []
    return [net for each in below for net in _networks(each)]

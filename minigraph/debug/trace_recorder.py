"""The observers that write a trace down while the engine runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import numpy as np

from minigraph import nn
from minigraph.debug.measure import norm_of, shape_of
from minigraph.debug.names import NamedParameter, NodeInfo
from minigraph.debug.trace_data import (
    Arrival,
    Contribution,
    ForwardTrace,
    NodeTrace,
    ParameterTrace,
    Trace,
    UnrollTrace,
)
from minigraph.graph import Node
from minigraph.nn.observer import Observer
from minigraph.rnn.sequences import at
from minigraph.rnn.unroll import Unroll
from minigraph.tables import copy_table

Network = Union[nn.gModule, Unroll]


@dataclass
class _Passes:
    """The last passes of one network, as they were seen."""

    net: nn.gModule
    evaluated: list[ForwardTrace] = field(default_factory=list)
    visited: list[tuple[Node, Any]] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)


class Recorder(Observer):
    """Writes down each network's last forward and backward pass."""

    def __init__(self) -> None:
        self._passes: dict[int, _Passes] = {}

    def starting(self, net: nn.gModule, method: str, input: Any) -> None:
        if method == "updateOutput":
            self._passes[id(net)] = _Passes(net)
        elif method == "updateGradInput":
            passes = self._passes.setdefault(id(net), _Passes(net))
            passes.visited, passes.contributions = [], []

    def evaluated(self, net: nn.gModule, node: Node, input: Any, output: Any) -> None:
        evaluated = self._passes[id(net)].evaluated
        evaluated.append(ForwardTrace(
            len(evaluated) + 1, NodeInfo.of(node), shape_of(output), norm_of(output), copy_table(output)
        ))

    def differentiated(self, net: nn.gModule, node: Node, gradOutput: Any, gradInput: Any) -> None:
        self._passes[id(net)].visited.append((node, copy_table(gradOutput)))

    def contributed(self, net: nn.gModule, node: Node, slot: int, source: Node, gradient: Any) -> None:
        self._passes[id(net)].contributions.append(Contribution(
            NodeInfo.of(node), NodeInfo.of(source), slot, shape_of(gradient), norm_of(gradient),
            copy_table(gradient),
        ))

    def trace(
        self, net: nn.gModule, output: Any, gradInput: Any, parameters: list[ParameterTrace]
    ) -> Trace:
        """Return the trace of ``net``, with those of the networks inside it."""
        passes = self._passes[id(net)]
        incoming: dict[int, list[Contribution]] = defaultdict(list)
        outgoing: dict[int, list[Contribution]] = defaultdict(list)
        for each in passes.contributions:
            incoming[each.source.id].append(each)
            outgoing[each.consumer.id].append(each)
        nodes = []
        for order, (node, total) in enumerate(passes.visited, 1):
            received, passed = incoming[node.id], outgoing[node.id]
            nothing = bool(received) and all(each.norm is None for each in received)
            nodes.append(NodeTrace(
                order, NodeInfo.of(node), received, None if nothing else shape_of(total),
                None if nothing else norm_of(total), passed, total,
            ))
        return Trace(
            nodes, parameters, self._inner(net), passes.evaluated, copy_table(output),
            copy_table(gradInput), net,
        )

    def unrolled(
        self, net: Unroll, gradOutput: Any, parameters: list[ParameterTrace], seen: bool = True
    ) -> UnrollTrace:
        """Return the trace of every time step of ``net``; ``seen``: ``gradOutput`` is known."""
        steps = [self.trace(clone, clone.output, clone.gradInput, []) for clone in net.clones]
        return UnrollTrace(
            steps, parameters, _arrivals(net, steps, gradOutput) if seen else [],
            copy_table(net.output), copy_table(gradOutput), copy_table(net.gradInput), net,
        )

    def _inner(self, net: nn.gModule) -> dict[str, Union[Trace, UnrollTrace]]:
        """Return the traces of the networks that are, or are inside, modules of the nodes."""
        found: dict[str, Union[Trace, UnrollTrace]] = {}
        for node in net.forwardnodes:
            for inner in _networks(node.module):
                traced = self._trace_inner(net, node, inner)
                if traced is not None:
                    key = NodeInfo.of(node).key
                    name = key if key not in found else f"{key} (network {len(found) + 1})"
                    found[name] = traced
        return found

    def _trace_inner(
        self, net: nn.gModule, node: Node, inner: Network
    ) -> Optional[Union[Trace, UnrollTrace]]:
        if isinstance(inner, nn.gModule):
            known = id(inner) in self._passes
            return self.trace(inner, inner.output, inner.gradInput, []) if known else None
        if not inner.clones or any(id(clone) not in self._passes for clone in inner.clones):
            return None
        seen = inner is node.module  # else a container between them computed its gradOutput
        return self.unrolled(inner, net.nodeState(node).gradOutput if seen else None, [], seen)


class TimeShares(Observer):
    """Takes each time step's share of the parameters' gradients, whose arrays start at zero.

    The gradients are moved to sums of this object's own after each step, so that a small share
    is not lost in the last digits of a large sum.
    """

    def __init__(self, net: Unroll, parameters: list[NamedParameter]) -> None:
        self._times = {id(clone): t for t, clone in enumerate(net.clones)}
        self._parameters = parameters
        self._sums = [parameter.gradient() for parameter in parameters]
        self._norms = [[0.0] * len(self._times) for _ in parameters]
        self._current: Optional[int] = None

    def starting(self, net: nn.gModule, method: str, input: Any) -> None:
        if method == "accGradParameters" and id(net) in self._times:
            self._take()
            self._current = self._times[id(net)]

    def _take(self) -> None:
        if self._current is None:
            return
        for parameter, total, norms in zip(self._parameters, self._sums, self._norms):
            share = parameter.gradient()
            norms[self._current] = norm_of(share) or 0.0
            total += share
            for gradient in parameter.gradients:
                gradient.fill(0)
        self._current = None

    def parameters(self) -> list[ParameterTrace]:
        """Return the parameters' gradients once the pass is over."""
        self._take()
        return [
            ParameterTrace(parameter.name, total.shape, norm_of(total) or 0.0, total, tuple(norms))
            for parameter, total, norms in zip(self._parameters, self._sums, self._norms)
        ]


def parameter_traces(parameters: list[NamedParameter]) -> list[ParameterTrace]:
    """Return what the arrays of gradients hold."""
    found: list[tuple[str, np.ndarray]] = [(each.name, each.gradient()) for each in parameters]
    return [ParameterTrace(name, value.shape, norm_of(value) or 0.0, value) for name, value in found]


def _networks(module: Any) -> list[Network]:
    """Return the outermost networks at or below a module."""
    if isinstance(module, (nn.gModule, Unroll)):
        return [module]
    below = module.modules if isinstance(module, nn.Container) else []
    return [net for each in below for net in _networks(each)]


def _arrivals(net: Unroll, steps: list[Trace], gradOutput: Any) -> list[list[Arrival]]:
    """Return what arrived at the outputs that are fed back, for each time step."""
    outputs = [node.name for node in net.step._network.outputs]
    inputs = [node.name for node in net.step._network.inputs]
    found: list[list[Arrival]] = []
    for t, step in enumerate(steps):
        row = []
        for source, target in net.feedback.items():
            k, j = outputs.index(source), inputs.index(target)
            later = steps[t + 1].gradInput if t + 1 < len(steps) else None
            row.append(Arrival(
                source, target,
                norm_of(at(_entry(gradOutput, k, len(outputs)), t)),
                norm_of(_entry(later, j, len(inputs))),
                norm_of(_entry(step.nodes[0].value, k, len(outputs))),
            ))
        found.append(row)
    return found


def _entry(table: Any, position: int, count: int) -> Any:
    """Return one entry of a step's table, which is no table if there is one entry."""
    return table if count == 1 or table is None else table[position]

"""What is drawn: a network, a graph or a trace, and where its values are looked up."""

from __future__ import annotations

from typing import Any

from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.build import build_picture
from minigraph.drawing.picture import Numbers, Picture, Values, ValuesOf, is_backward, values_of_modules
from minigraph.errors import DrawingError
from minigraph.graph import Graph, Node
from minigraph.nn.gmodule import gModule


def picture_of(what: Any, title: str = "", backward: bool = False) -> Picture:
    """Return the picture, as data, of a network, a graph or a trace (the last step of an Unroll's)."""
    if isinstance(what, UnrollTrace):
        what = what.steps[-1]
    if isinstance(what, Graph):
        return build_picture(what, title, backward or is_backward(what))
    if isinstance(what, gModule):
        return build_picture(what.fg, title or name_of(what), backward, values_of_network(what))
    if isinstance(what, Trace):
        return build_picture(
            what.net.fg, title or name_of(what.net), True, values_of_trace(what), _numbers_of_trace(what)
        )
    raise DrawingError(
        f"cannot draw {type(what).__name__}: expected a gModule, its graph (net.fg) or a trace"
    )


def values_of_network(net: gModule) -> ValuesOf:
    """Return what looks up a node's output and gradient of the last passes of ``net``."""

    def values(node: Node) -> Values:
        state = net.nodeState(node)
        return Values(state.output, state.gradOutput)

    return values


def values_of_trace(trace: Trace) -> ValuesOf:
    """Return what looks up what the trace recorded."""
    outputs = {each.node.id: each.value for each in trace.forward}
    gradients = {each.node.id: each.value for each in trace.nodes}
    return lambda node: Values(outputs.get(node.id), gradients.get(node.id))


def _numbers_of_trace(trace: Trace) -> Numbers:
    """Return the norms that a trace recorded; a gradient that is ``None`` counts as zero."""
    return Numbers(
        {
            (each.consumer.id, each.slot): each.norm or 0.0
            for visited in trace.nodes
            for each in visited.passed_on
        },
        {visited.node.id: visited.norm or 0.0 for visited in trace.nodes},
    )


def values_of(what: Any) -> ValuesOf:
    """Return what looks up a node's output and gradient in a network, a graph or a trace."""
    if isinstance(what, UnrollTrace):
        return values_of_trace(what.steps[-1])
    if isinstance(what, Trace):
        return values_of_trace(what)
    return values_of_network(what) if isinstance(what, gModule) else values_of_modules


def name_of(net: gModule) -> str:
    """Return the name that the user gave a network, or ``''``."""
    return str(getattr(net, "name", None) or "")

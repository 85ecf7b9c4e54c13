"""Where a pass goes wrong: NaN, Inf, gradients that vanish, explode or are exactly zero.

The measure of a gradient is its root mean square (RMS), a size per entry that does not grow with
the tensor. It is compared with the *reference*: the largest RMS among the gradients that the
caller passed in. Where that is one number, a loss, the first gradients of more than one number
that it turned into count instead, and gradients of one number are not judged: a loss averaged
over many entries rightly starts small.

A gradient *vanishes* below ``VANISHING`` times the reference and *explodes* above ``EXPLODING``
times. It is *zero* where every entry is exactly 0, though it came from a node whose own was not,
and parameters depend on it: a dead unit, a mask, a wrong slice. (A node with another input of
exactly zeros, such as a gate that multiplies an initial state, rightly passes on zeros.) Of each
kind the first node in the order of the pass is marked; with several time steps the last in time,
where the pass begins.

All of this works on the records that ``traces`` makes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Iterator, Optional

import numpy as np

from minigraph.debug.names import named_parameters
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.page.records.traces import (
    BackwardEvent,
    Event,
    Mark,
    Pass,
    State,
    Summary,
    Trouble,
    View,
)
from minigraph.drawing.words import clean
from minigraph.graph import Node, NodeData

#: A time step's number (``None`` for the one pass of a network), its events, and its trace.
Step = tuple[Optional[int], Pass, Trace]

VANISHING = 1e-3
EXPLODING = 1e3

RULES: dict[Trouble, str] = {
    "nan": "the first node, in the order of the pass, with a NaN in its value",
    "inf": "the first node, in the order of the pass, with an Inf in its value",
    "vanishing": f"root mean square below {VANISHING:g} times that of the gradient passed to backward",
    "exploding": f"root mean square above {EXPLODING:g} times that of the gradient passed to backward",
    "zero": "every entry is exactly 0, although the gradient of a node it came from is not, "
            "and parameters depend on it",
}
_NAMES = {"nan": "NaN", "inf": "Inf"}


def first_gradients(step: Pass) -> Iterator[tuple[int, float]]:
    """Yield ``(slot, RMS)`` of the gradients that count for the reference.

    ``slot`` is the 1-based output of the network by which they came in.
    """
    outgoing = {event["node"]: event["to"] for event in step["backward"]}
    for begun in step["backward"][0]["to"]:
        queue, seen = [begun], {begun}
        while queue:
            each = step["contributions"][queue.pop()]
            if each["summary"] is None:
                continue
            if each["summary"]["count"] > 1:
                yield step["contributions"][begun]["slot"], float(each["summary"]["rms"])
                continue
            more = [index for index in outgoing.get(each["source"], ()) if index not in seen]
            seen.update(more)
            queue += more


def reference_of(step: Pass) -> float:
    """Return the reference for one network's pass; 0 where nothing was passed in."""
    sizes = [size for _, size in first_gradients(step)]
    given = [step["contributions"][index]["summary"] for index in step["backward"][0]["to"]]
    return max([*(sizes or [float(each["rms"]) for each in given if each]), 0.0])


def judge(step: Pass, trace: Trace, reference: float, singles: bool) -> None:
    """Write into every event of a pass its ``state``: ``''`` where nothing is wrong.

    ``singles``: gradients of one number are compared with the reference, too.
    """
    for event in step["forward"]:
        event["state"] = _broken(event["summary"])
    trainable = _trainable(trace)
    states: dict[int, State] = {}
    sums = {event["node"]: event["summary"] for event in step["backward"]}
    outputs = {event["node"]: event["summary"] for event in step["forward"]}
    excused = {
        event["node"] for event in step["backward"] if len(event["to"]) > 1 and any(
            _is_zero(outputs.get(step["contributions"][index]["source"])) for index in event["to"]
        )
    }
    for visited in step["backward"]:
        total = visited["summary"]
        state: State = "nothing" if total is None else _broken(total)
        if total is not None and not state:
            if total["count"] and total["zero"] == total["count"]:
                came_from = [step["contributions"][index]["consumer"] for index in visited["from"]]
                lost = any(
                    states[node] == "zero" or node not in excused and not _is_zero(sums[node])
                    for node in came_from
                )
                state = "zero" if lost and visited["node"] in trainable else ""
            elif reference and visited["from"] and total["count"] > (0 if singles else 1):
                ratio = float(total["rms"]) / reference
                state = "vanishing" if ratio < VANISHING else "exploding" if ratio > EXPLODING else ""
        visited["state"] = states[visited["node"]] = state


def marks_of(steps: list[Step], reference: float) -> list[Mark]:
    """Return the first node of each trouble, forward and backward; ``steps`` are in the order of time."""
    found: list[Mark] = []
    known: set[tuple[View, str]] = set()
    for direction, t, place, event, kind, text in _troubles(steps, reference):
        group = direction, "number" if kind in ("nan", "inf") else kind
        if group not in known:
            known.add(group)
            found.append({
                "kind": kind, "pass": direction, "node": event["node"], "step": t, "event": place,
                "text": text(),
            })
    return found


def _troubles(
    steps: list[Step], reference: float
) -> Iterator[tuple[View, Optional[int], int, Event, Trouble, Callable[[], str]]]:
    """Yield all troubles in the order of each pass: where and what, and what says more of it."""
    for t, step, trace in steps:
        for place, event in enumerate(step["forward"]):
            if (kind := event["state"]) and kind != "nothing":
                yield "forward", t, place, event, kind, partial(_forward_text, event, kind, trace)
    for t, step, trace in reversed(steps):
        for place, visited in enumerate(step["backward"]):
            state = visited["state"]
            made = "" if state in ("nan", "inf") else _makes(step, visited)
            for kind in (state, made):
                if kind and kind != "nothing":
                    say = partial(_backward_text, step, visited, kind, trace, reference, bool(made))
                    yield "backward", t, place, visited, kind, say


def _makes(step: Pass, event: BackwardEvent) -> State:
    """Return ``nan`` or ``inf`` where a node makes one from a gradient that has none."""
    for index in event["to"]:
        if kind := _broken(step["contributions"][index]["summary"]):
            return kind
    return ""


def _forward_text(event: Event, kind: Trouble, trace: Trace) -> str:
    node = _node_of(trace, event)
    return f"{_NAMES[kind]} in its output: {_forward_cause(node)}{_inside(trace, node, 'forward')}"


def _backward_text(
    step: Pass, event: BackwardEvent, kind: Trouble, trace: Trace, reference: float, makes: bool
) -> str:
    total = event["summary"]
    if kind in ("vanishing", "exploding") and total is not None:
        ratio = float(total["rms"]) / reference
        return f"its gradient is {ratio:.3g} times the size of the one passed in (RMS {reference:.3g})"
    if kind == "zero":
        return "its gradient is exactly zero, though that of a node it comes from is not"
    node = _node_of(trace, event)
    inside = _inside(trace, node, "backward")
    if any(each["state"] in ("nan", "inf") for each in step["forward"]):
        inside += "; the forward pass already had NaN or Inf"
    if makes:
        return f"it makes {_NAMES[kind]} from a finite gradient{_broken_parameters(node)}{inside}"
    if not event["from"]:
        return f"{_NAMES[kind]} in the gradient that was passed to backward"
    if any(_broken(step["contributions"][index]["summary"]) for index in event["from"]):
        return f"{_NAMES[kind]} arrives from the next time step or network{inside}"
    return f"finite contributions overflow to {_NAMES[kind]} when they are summed"


def _node_of(trace: Trace, event: Event) -> Node:
    return next(each for each in trace.net.forwardnodes if each.id == event["node"])


def _forward_cause(node: Node) -> str:
    if not node.data.mapindex:
        return "it is in the input of the network"
    return "everything it was given is finite" + (_broken_parameters(node) or ", so it arises here")


def _broken_parameters(node: Node) -> str:
    names = [] if node.module is None else [
        parameter.name for parameter in named_parameters(node.module)
        if not np.isfinite(parameter.value).all()
    ]
    return f", but its parameter {', '.join(map(clean, names))} is not" if names else ""


def _inside(trace: Trace, node: Node, direction: str) -> str:
    """Say which node of a network inside ``node`` is the first that is not finite."""
    key = node.name or f"node {node.id} {node.title()}"
    inner: Any = trace.inner.get(key)
    if inner is None:
        return ""
    steps = inner.steps if isinstance(inner, UnrollTrace) else [inner]
    for t, step in enumerate(steps) if direction == "forward" else reversed(list(enumerate(steps))):
        for each in step.forward if direction == "forward" else step.nodes:
            if each.norm is not None and not np.isfinite(each.norm):
                when = f" at time step {t + 1}" if isinstance(inner, UnrollTrace) else ""
                return f"; inside it, first at {clean(each.node.key)}{when}"
    return ""


def _trainable(trace: Trace) -> set[int]:
    """Return the ids of the nodes that have parameters or get something from nodes that have."""
    found: dict[NodeData, bool] = {}
    for node in trace.net.forwardnodes:
        own = node.module is not None and bool(node.module.parameters()[0])
        found[node.data] = own or any(found[source] for source in node.data.mapindex)
    return {node.id for node in trace.net.forwardnodes if found[node.data]}


def _broken(found: Optional[Summary]) -> State:
    return "" if found is None else "nan" if found["nan"] else "inf" if found["inf"] else ""


def _is_zero(found: Optional[Summary]) -> bool:
    return found is None or found["zero"] == found["count"]

"""Where a pass goes wrong: NaN, Inf, gradients that vanish, explode or are exactly zero.

The measure of a gradient is its root mean square (RMS), a size per entry that does not grow with
the tensor. It is compared with the *reference*: the largest RMS among the gradients that the
caller passed in. Where that is one number, a loss, the first gradients of more than one number
that it turned into count instead, and gradients of one number are not judged: a loss averaged
over many entries starts small by right.

A gradient *vanishes* below ``VANISHING`` times the reference and *explodes* above ``EXPLODING``
times. It is *zero* where every entry is exactly 0, though it came from a node whose own was not,
and parameters depend on it: a dead unit, a mask, a wrong slice. (A node that another input of
exactly zeros goes to, such as a gate times an initial state, passes on zeros by right.) Of each
kind the first node in the order of the pass is marked; with several time steps the last in time,
where the pass begins.

All of this works on the records that ``traces.py`` makes.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional

import numpy as np

from minigraph.debug.names import named_parameters
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.page.recorded.summaries import Data
from minigraph.drawing.words import clean
from minigraph.graph import Node, NodeData

VANISHING = 1e-3
EXPLODING = 1e3

RULES = {
    "nan": "the first node, in the order of the pass, with a NaN in its value",
    "inf": "the first node, in the order of the pass, with an Inf in its value",
    "vanishing": f"root mean square below {VANISHING:g} times that of the gradient passed to backward",
    "exploding": f"root mean square above {EXPLODING:g} times that of the gradient passed to backward",
    "zero": "every entry exactly 0, though it came from a node whose gradient was not, "
            "and parameters depend on it",
}


def first_gradients(step: Data) -> Iterator[tuple[int, float]]:
    """Yield ``(slot, RMS)`` of the gradients that count for the reference.

    ``slot`` is the 1-based output of the network by which they came in.
    """
    outgoing = {event["node"]: event["to"] for event in step["backward"]}
    for begun in step["backward"][0]["to"]:
        queue, seen = [begun], {begun}
        while queue:
            each = step["contributions"][queue.pop()]
            if each["facts"] is None:
                continue
            if each["facts"]["count"] > 1:
                yield step["contributions"][begun]["slot"], _rms(each["facts"])
                continue
            more = [index for index in outgoing.get(each["source"], ()) if index not in seen]
            seen.update(more)
            queue += more


def reference_of(step: Data) -> float:
    """Return the reference for one network's pass; 0 where nothing was passed in."""
    found = [size for _, size in first_gradients(step)]
    given = [step["contributions"][index]["facts"] for index in step["backward"][0]["to"]]
    return max([*(found or (_rms(facts) for facts in given if facts)), 0.0])


def judge(step: Data, trace: Trace, reference: float, singles: bool) -> None:
    """Write into every event of a pass its ``state``: ``''`` where nothing is wrong.

    ``singles``: gradients of one number are compared with the reference, too.
    """
    for event in step["forward"]:
        event["state"] = _broken(event["facts"])
    trainable = _trainable(trace)
    states: dict[int, str] = {}
    sums = {event["node"]: event["facts"] for event in step["backward"]}
    outputs = {event["node"]: event["facts"] for event in step["forward"]}
    excused = {
        event["node"] for event in step["backward"] if len(event["to"]) > 1 and any(
            _is_zero(outputs.get(step["contributions"][index]["source"])) for index in event["to"]
        )
    }
    for event in step["backward"]:
        facts = event["facts"]
        state = "nothing" if facts is None else _broken(facts)
        if facts is not None and not state:
            if facts["count"] and facts["zero"] == facts["count"]:
                came_from = [step["contributions"][index]["consumer"] for index in event["from"]]
                lost = any(
                    states[node] == "zero" or node not in excused and not _is_zero(sums[node])
                    for node in came_from
                )
                state = "zero" if lost and event["node"] in trainable else ""
            elif reference and event["from"] and facts["count"] > (0 if singles else 1):
                ratio = _rms(facts) / reference
                state = "vanishing" if ratio < VANISHING else "exploding" if ratio > EXPLODING else ""
        event["state"] = states[event["node"]] = state


def marks_of(steps: list[tuple[Optional[int], Data, Trace]], reference: float) -> list[Data]:
    """Return the first node of each trouble, forward and backward.

    ``steps`` are the time steps, each with its 0-based number (``None`` for the one pass of a
    network), in the order of time.
    """
    found: list[Data] = []
    for direction, ordered in (("forward", steps), ("backward", steps[::-1])):
        known: set[str] = set()
        for t, step, trace in ordered:
            for place, event in enumerate(step[direction]):
                state, passed = event["state"], ""
                if direction == "backward" and state not in ("nan", "inf"):
                    passed = _makes(step, event)
                for kind in (state, passed):
                    group = "number" if kind in ("nan", "inf") else kind
                    if not kind or kind == "nothing" or group in known:
                        continue
                    known.add(group)
                    found.append({
                        "kind": kind, "pass": direction, "node": event["node"], "step": t, "event": place,
                        "text": _text(kind, direction, step, event, trace, reference, bool(passed)),
                    })
    return found


def _makes(step: Data, event: Data) -> str:
    """Return ``nan`` or ``inf`` where a node makes one from a gradient that has none."""
    return next(filter(None, (_broken(step["contributions"][index]["facts"]) for index in event["to"])), "")


def _text(
    kind: str, direction: str, step: Data, event: Data, trace: Trace, reference: float, makes: bool
) -> str:
    node = next(each for each in trace.net.forwardnodes if each.id == event["node"])
    if kind in ("vanishing", "exploding"):
        ratio = _rms(event["facts"]) / reference
        return f"its gradient is {ratio:.3g} times the size of the one passed in (RMS {reference:.3g})"
    if kind == "zero":
        return "its gradient is exactly zero, though that of a node it comes from is not"
    what = {"nan": "NaN", "inf": "Inf"}[kind]
    inside = _inside(trace, node, direction)
    if direction == "forward":
        return f"{what} in its output: {_forward_cause(node)}{inside}"
    if any(each["state"] in ("nan", "inf") for each in step["forward"]):
        inside += "; the forward pass already had NaN or Inf"
    if makes:
        return f"it makes {what} from a finite gradient{_broken_parameters(node)}{inside}"
    if not event["from"]:
        return f"{what} in the gradient that was passed to backward"
    arrived = [step["contributions"][index]["facts"] for index in event["from"]]
    if any(_broken(facts) for facts in arrived):
        return f"{what} arrives from the next time step or network{inside}"
    return f"finite contributions overflow to {what} when they are summed"


def _forward_cause(node: Node) -> str:
    if not node.data.mapindex:
        return "the input of the network has it"
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


def _broken(facts: Optional[Data]) -> str:
    return "" if facts is None else "nan" if facts["nan"] else "inf" if facts["inf"] else ""


def _is_zero(facts: Optional[Data]) -> bool:
    return facts is None or facts["zero"] == facts["count"]


def _rms(facts: Data) -> float:
    return float(facts["rms"])

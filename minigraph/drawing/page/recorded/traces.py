"""Recorded passes as plain data for the player.

``traces_data`` returns a list with one object for each trace. A trace of a network::

    kind: "network"
    title                      what to call it: "first", "second"
    forward: [event]           in the order of the forward pass
        {node, facts, state}   facts of the node's output
    backward: [event]          in the order of the backward pass
        {node, from: [index], facts, to: [index], state}
                               contributions that came in and went out, facts of their sum
    contributions: [{consumer, source, slot, facts}]
                               ids of nodes; the gradient went from consumer to source
    parameters: [{name, node, facts, steps: [norm]}]
    marks: [{kind, pass, node, step, event, text}]
                               the first node of each trouble (see troubles.py); event is the
                               0-based place in forward or backward
    reference                  the RMS that the sizes of gradients are compared with
    rules: {kind: text}        how troubles are told

``facts`` are those of ``summaries.facts``, null where nothing arrived; ``state`` is ``""``,
``"nothing"`` or a kind of trouble. Numbers have six digits; what is not finite is text.

A trace of an ``Unroll`` has ``kind: "unroll"``, ``T``, ``parameters``, ``marks`` (with the 0-based
``step``), ``reference``, ``rules`` and::

    columns: [t]               the time steps of the heat map (all of them, if not too many)
    heat: {"gradient": [row], "output": [row]}
        row: {node, values: [norm], states: [state]}, one entry for each column
    arrivals: [[{output, input, given, later, total}]]
                               for each column and each output that is fed back, three norms
    details: {t: {forward, backward, contributions}}
                               the events of some time steps, of all if they are few enough

The second of two traces also has ``difference``::

    same, compared, count      whether they agree, in how many quantities, how many differ
    rows: [{kind, where, node, source, slot, step, abs, rel, entry, first, second, note}]
                               the worst first; node is null where it is nobody's
    nodes: {id: {forward, sum, passed}}
                               the largest difference at each node: of its output, of its
                               gradient, of what it passed on
    first: {"forward": {node, step}, "backward": {node, step}}
                               where the two part, in the order of the pass, null for nowhere
    match: {id: id}            which node of the second is which of the first
    alike                      whether all nodes and edges match: then one picture serves both
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

from minigraph.debug.names import NodeInfo
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.page.recorded.comparison import difference
from minigraph.drawing.page.recorded.summaries import Data, facts, rms, short, tensors
from minigraph.drawing.page.recorded.troubles import RULES, first_gradients, judge, marks_of, reference_of
from minigraph.drawing.page.values import value_data
from minigraph.drawing.words import clean
from minigraph.errors import DrawingError
from minigraph.nn.gmodule import gModule
from minigraph.rnn.sequences import at
from minigraph.tables import is_table

AnyTrace = Union[Trace, UnrollTrace]

#: Nodes with histograms in one page, nodes with events at all, and cells of the heat map: beyond
#: them a page would weigh tens of megabytes.
HISTOGRAMS = 4_000
EVENTS = 24_000
CELLS = 60_000


def traces_data(traces: Sequence[AnyTrace]) -> list[Data]:
    """Return what the page's player shows of one trace or of two to compare."""
    if not 1 <= len(traces) <= 2:
        raise DrawingError(f"cannot draw {len(traces)} traces: a page shows one, or compares two")
    kinds = {type(trace) for trace in traces}
    if len(kinds) > 1:
        raise DrawingError(
            "cannot compare a trace of a network with one of an Unroll: trace both as the same"
        )
    found = [_trace_data(trace, len(traces)) for trace in traces]
    for title, data in zip(("first", "second") if len(traces) == 2 else ("",), found):
        data["title"] = title
    if len(traces) == 2:
        found[1]["difference"] = difference(traces[0], traces[1])
    return found


def network_of(trace: AnyTrace) -> gModule:
    """Return the network whose graph shows a trace: the step of an ``Unroll``."""
    return trace.net.step if isinstance(trace, UnrollTrace) else trace.net


def moment_of(trace: AnyTrace, count: int) -> str:
    """Say in words which pass the values of the page's nodes are of, the first of ``count`` traces."""
    which = "the first trace" if count > 1 else "the recorded pass"
    return f"{which}, time step {len(trace)}" if isinstance(trace, UnrollTrace) else which


def put_gradients(records: list[Data], trace: AnyTrace) -> None:
    """Give the parameters of the page's nodes the gradients that were recorded, not the present ones."""
    keys = {node.id: NodeInfo.of(node).key for node in network_of(trace).forwardnodes}
    found = {each.name.partition(" (shared by ")[0]: each.value for each in trace.parameters}
    for record in records:
        key = keys[record["id"]]
        for parameter in record["parameters"]:
            names = [f"{prefix}{mark}{parameter['name']}"
                     for prefix in (key, f"{key} (node {record['id']})") for mark in "./"]
            value = next((found[name] for name in names if name in found), None)
            parameter["gradient"] = None if value is None else value_data(value)


def _trace_data(trace: AnyTrace, sharing: int) -> Data:
    if isinstance(trace, UnrollTrace):
        return _unroll_data(trace, sharing)
    nodes = sharing * (len(trace.forward) + len(trace.nodes))
    step = _step_data(trace, detailed=nodes <= HISTOGRAMS)
    reference = reference_of(step)
    judge(step, trace, reference, singles=not list(first_gradients(step)))
    return {
        "kind": "network",
        **step,
        "parameters": _parameters(trace, trace.net),
        "marks": marks_of([(None, step, trace)], reference),
        "reference": short(reference),
        "rules": RULES,
    }


def _step_data(trace: Trace, detailed: bool) -> Data:
    """Return the events of one pass, not yet judged."""
    contributions: list[Data] = []
    incoming: dict[int, list[int]] = {}
    outgoing: dict[int, list[int]] = {}
    for each in (each for visited in trace.nodes for each in visited.passed_on):
        index = len(contributions)
        incoming.setdefault(each.source.id, []).append(index)
        outgoing.setdefault(each.consumer.id, []).append(index)
        contributions.append({
            "consumer": each.consumer.id, "source": each.source.id, "slot": each.slot + 1,
            "facts": facts(each.value, detailed=False),
        })
    return {
        "forward": [
            {"node": each.node.id, "facts": facts(each.value, detailed)} for each in trace.forward
        ],
        "backward": [
            {
                "node": each.node.id, "from": incoming.get(each.node.id, []),
                "facts": None if each.norm is None else facts(each.value, detailed),
                "to": outgoing.get(each.node.id, []),
            }
            for each in trace.nodes
        ],
        "contributions": contributions,
    }


def _unroll_data(trace: UnrollTrace, sharing: int) -> Data:
    T = len(trace.steps)
    each_step = sharing * (len(trace.steps[0].forward) + len(trace.steps[0].nodes))
    columns = _spread(T, max(2, CELLS // each_step))
    kept = _spread(T, max(2, EVENTS // each_step))
    detailed = each_step * len(kept) <= HISTOGRAMS
    needed = sorted({*columns, *kept})
    steps = {t: _step_data(trace.steps[t], detailed) for t in needed}
    reference = _unroll_reference(trace, steps)
    singles = not any(list(first_gradients(step)) for step in steps.values())
    for t in needed:
        judge(steps[t], trace.steps[t], reference, singles)
    return {
        "kind": "unroll",
        "T": T,
        "columns": columns,
        "heat": {
            "gradient": _heat([steps[t]["backward"] for t in columns]),
            "output": _heat([steps[t]["forward"] for t in columns]),
        },
        "arrivals": [
            [
                {"output": clean(each.output), "input": clean(each.input), "given": short(each.given),
                 "later": short(each.later), "total": short(each.total)}
                for each in (trace.arrivals[t] if trace.arrivals else ())
            ]
            for t in columns
        ],
        "details": {str(t): steps[t] for t in kept},
        "parameters": _parameters(trace, trace.net.step),
        "marks": marks_of([(t, steps[t], trace.steps[t]) for t in needed], reference),
        "reference": short(reference),
        "rules": RULES,
    }


def _heat(columns: list[list[Data]]) -> list[Data]:
    """Return the rows of the heat map: one for each node, in the order of the pass."""
    rows = []
    for events in zip(*columns):
        rows.append({
            "node": events[0]["node"],
            "values": [None if event["facts"] is None else _norm(event["facts"]) for event in events],
            "states": [event["state"] for event in events],
        })
    return rows


def _norm(found: Data) -> Any:
    return "nan" if found["nan"] else "inf" if found["inf"] else found["norm"]


def _unroll_reference(trace: UnrollTrace, steps: dict[int, Data]) -> float:
    """Return the largest RMS that the caller passed in at any time step.

    What an output got back from the next time step is not the caller's, so it does not count.
    """
    outputs = [node.name for node in trace.net.step._network.outputs]
    fed = {outputs.index(source) + 1 for source in trace.net.feedback}
    entries = trace.gradOutput if len(outputs) > 1 and is_table(trace.gradOutput) else [trace.gradOutput]
    found = [0.0]
    for t, step in steps.items():
        found += [size for slot, size in first_gradients(step) if slot not in fed]
        for slot in fed:
            given = at(entries[slot - 1], t) if slot <= len(entries) else None
            found += [rms(array) for array in tensors(given)]
    return max(found)


def _parameters(trace: AnyTrace, net: gModule) -> list[Data]:
    owners = {
        key: node.id
        for node in net.forwardnodes if node.module is not None
        for key in (NodeInfo.of(node).key, f"{NodeInfo.of(node).key} (node {node.id})")
    }
    return [
        {
            "name": clean(each.name), "node": _owner(each.name, owners), "facts": facts(each.value),
            "steps": [short(norm) for norm in each.steps],
        }
        for each in trace.parameters
    ]


def _owner(name: str, owners: dict[str, int]) -> Optional[int]:
    """Return the id of the node that a parameter belongs to, by the longest beginning of its name."""
    ends = [place for place, mark in enumerate(name) if mark in "./"]
    return next((owners[name[:end]] for end in reversed(ends) if name[:end] in owners), None)


def _spread(T: int, count: int) -> list[int]:
    """Return up to ``count`` time steps, evenly spread, the first and the last among them."""
    return sorted({round(k * (T - 1) / (min(T, count) - 1)) for k in range(min(T, count))}) if T > 1 else [0]

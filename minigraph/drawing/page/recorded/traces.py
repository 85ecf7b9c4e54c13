"""Recorded passes as plain data for the player: the records of ``records.traces``."""

from __future__ import annotations

from typing import Optional, Sequence, Union

from minigraph.debug.names import NodeInfo
from minigraph.debug.structure import output_nodes
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.page.recorded.comparison import difference
from minigraph.drawing.page.recorded.summaries import rms, short, summary, tensors
from minigraph.drawing.page.recorded.troubles import RULES, first_gradients, judge, marks_of, reference_of
from minigraph.drawing.page.records.graph import NodeData
from minigraph.drawing.page.records.traces import (
    Contribution,
    Event,
    HeatRow,
    NetworkTrace,
    Pass,
    RecordedParameter,
    Summary,
    TraceData,
    UnrolledTrace,
)
from minigraph.drawing.page.records.values import Number, value_data
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


def traces_data(traces: Sequence[AnyTrace]) -> list[TraceData]:
    """Return what the page's player shows of one trace or of two to compare."""
    if not 1 <= len(traces) <= 2:
        raise DrawingError(f"cannot draw {len(traces)} traces: a page shows one, or compares two")
    kinds = {type(trace) for trace in traces}
    if len(kinds) > 1:
        raise DrawingError(
            "cannot compare a trace of a network with one of an Unroll: trace both as the same"
        )
    titles = ("first", "second") if len(traces) == 2 else ("",)
    found = [_trace_data(trace, title, len(traces)) for trace, title in zip(traces, titles)]
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


def put_gradients(records: list[NodeData], trace: AnyTrace) -> None:
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


def _trace_data(trace: AnyTrace, title: str, sharing: int) -> TraceData:
    if isinstance(trace, UnrollTrace):
        return _unroll_data(trace, title, sharing)
    nodes = sharing * (len(trace.forward) + len(trace.nodes))
    step = _step_data(trace, detailed=nodes <= HISTOGRAMS)
    reference = reference_of(step)
    judge(step, trace, reference, singles=not list(first_gradients(step)))
    found: NetworkTrace = {
        "kind": "network",
        "title": title,
        "forward": step["forward"],
        "backward": step["backward"],
        "contributions": step["contributions"],
        "parameters": _parameters(trace, trace.net),
        "marks": marks_of([(None, step, trace)], reference),
        "reference": short(reference),
        "rules": RULES,
    }
    return found


def _step_data(trace: Trace, detailed: bool) -> Pass:
    """Return the events of one pass, not yet judged."""
    contributions: list[Contribution] = []
    incoming: dict[int, list[int]] = {}
    outgoing: dict[int, list[int]] = {}
    for each in (each for visited in trace.nodes for each in visited.passed_on):
        index = len(contributions)
        incoming.setdefault(each.source.id, []).append(index)
        outgoing.setdefault(each.consumer.id, []).append(index)
        contributions.append({
            "consumer": each.consumer.id, "source": each.source.id, "slot": each.slot + 1,
            "summary": summary(each.value, detailed=False),
        })
    return {
        "forward": [
            {"node": each.node.id, "summary": summary(each.value, detailed), "state": ""}
            for each in trace.forward
        ],
        "backward": [
            {
                "node": each.node.id, "from": incoming.get(each.node.id, []),
                "summary": None if each.norm is None else summary(each.value, detailed),
                "to": outgoing.get(each.node.id, []), "state": "",
            }
            for each in trace.nodes
        ],
        "contributions": contributions,
    }


def _unroll_data(trace: UnrollTrace, title: str, sharing: int) -> UnrolledTrace:
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
        "title": title,
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


def _heat(columns: Sequence[Sequence[Event]]) -> list[HeatRow]:
    """Return the rows of the heat map: one for each node, in the order of the pass."""
    rows: list[HeatRow] = []
    for events in zip(*columns):
        rows.append({
            "node": events[0]["node"],
            "values": [_norm(event["summary"]) for event in events],
            "states": [event["state"] for event in events],
        })
    return rows


def _norm(found: Optional[Summary]) -> Optional[Number]:
    return None if found is None else "nan" if found["nan"] else "inf" if found["inf"] else found["norm"]


def _unroll_reference(trace: UnrollTrace, steps: dict[int, Pass]) -> float:
    """Return the largest RMS that the caller passed in at any time step.

    What an output got back from the next time step is not the caller's, so it does not count.
    """
    outputs = [node.name for node in output_nodes(trace.net.step)]
    fed = {outputs.index(source) + 1 for source in trace.net.feedback}
    entries = trace.gradOutput if len(outputs) > 1 and is_table(trace.gradOutput) else [trace.gradOutput]
    found = [0.0]
    for t, step in steps.items():
        found += [size for slot, size in first_gradients(step) if slot not in fed]
        for slot in fed:
            given = at(entries[slot - 1], t) if slot <= len(entries) else None
            found += [rms(array) for array in tensors(given)]
    return max(found)


def _parameters(trace: AnyTrace, net: gModule) -> list[RecordedParameter]:
    owners = {
        key: node.id
        for node in net.forwardnodes if node.module is not None
        for key in (NodeInfo.of(node).key, f"{NodeInfo.of(node).key} (node {node.id})")
    }
    return [
        {
            "name": clean(each.name), "node": _owner(each.name, owners),
            "summary": summary(each.value), "steps": [short(norm) for norm in each.steps],
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

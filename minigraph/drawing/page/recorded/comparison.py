"""Two traces compared, for the player: which node is which, and where the two part."""

from __future__ import annotations

import re
from typing import Any, Iterator, Optional, Union

from minigraph.debug.names import NodeInfo
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.debug.trace_diff import DiffRow
from minigraph.drawing.page.recorded.summaries import short
from minigraph.drawing.page.records.traces import Difference, DifferenceRow, Place
from minigraph.drawing.words import clean

#: More differences than anybody reads; the rest is counted.
ROWS = 400

_STEP = re.compile(r"time step (\d+)/")
Owner = tuple[Optional[int], Optional[int], Optional[int]]


def difference(first: Union[Trace, UnrollTrace], second: Union[Trace, UnrollTrace]) -> Difference:
    """Return where two traces differ, and where they part."""
    report = first.diff(second)
    ones, twos = _passes(first), _passes(second)
    match = _match(ones[0], twos[0])
    places = dict(_places(ones[0]))
    for quantity, (node, source, slot) in _places(twos[0]):
        places.setdefault(quantity, (_back(match, node), _back(match, source), slot))
    rows: list[DifferenceRow] = []
    nodes: dict[int, dict[str, float]] = {}
    parted: set[tuple[str, Optional[int], Optional[int]]] = set()
    differing = [row for row in report.rows if not _is_end(row, ones[0], twos[0])]
    for row in differing:
        step, key = _split(row)
        node, source, slot = places.get((row.kind, key), (None, None, None))
        if len(rows) < ROWS:
            rows.append({
                "kind": row.kind, "where": clean(key), "node": node, "source": source, "slot": slot,
                "step": step, "abs": short(row.max_abs), "rel": short(row.max_rel),
                "entry": clean(row.path) + (str(list(row.index)) if row.index else ""),
                "first": short(row.first), "second": short(row.second), "note": clean(row.note),
            })
        if node is not None and row.kind in ("forward", "sum", "contribution"):
            known = nodes.setdefault(node, {"forward": 0.0, "sum": 0.0, "passed": 0.0})
            kind = "passed" if row.kind == "contribution" else row.kind
            known[kind] = max(known[kind], row.max_abs)
            parted.add((kind, node, step))
    return {
        "same": not differing, "compared": report.compared, "count": len(differing), "rows": rows,
        "nodes": {
            str(node): {
                "forward": short(known["forward"]), "sum": short(known["sum"]),
                "passed": short(known["passed"]),
            }
            for node, known in nodes.items()
        },
        "first": {
            "forward": _first([each.forward for each in ones], ("forward",), parted, len(ones) > 1),
            "backward": _first([each.nodes for each in ones], ("sum", "passed"), parted, len(ones) > 1),
        },
        "match": {str(one): two for one, two in match.items()},
        "alike": _alike(ones[0], twos[0], match),
    }


def _is_end(row: DiffRow, first: Trace, second: Trace) -> bool:
    """Tell whether a row only says that the network's own input and output have other numbers."""
    ends = [each.node.key for trace in (first, second) for each in trace.nodes if _is_helper(each.node)]
    return row.note.startswith("only in") and any(
        _split(row)[1] == end or end in re.split(r" <- |\[", _split(row)[1]) for end in ends
    )


def _is_helper(node: NodeInfo) -> bool:
    return not node.name and node.label in ("<in>", "<out>")


def _passes(trace: Union[Trace, UnrollTrace]) -> list[Trace]:
    return trace.steps if isinstance(trace, UnrollTrace) else [trace]


def _split(row: DiffRow) -> tuple[Optional[int], str]:
    """Part ``time step 3/h`` into the 0-based step and the rest."""
    found = _STEP.match(row.where)
    return (None, row.where) if found is None else (int(found[1]) - 1, row.where[found.end():])


def _places(trace: Trace) -> Iterator[tuple[tuple[str, str], Owner]]:
    """Yield what ``diff`` calls each quantity, and whose it is: node, source and slot."""
    for each in trace.forward:
        yield ("forward", each.node.key), (each.node.id, None, None)
    for visited in trace.nodes:
        yield ("sum", visited.node.key), (visited.node.id, None, None)
        for arrived in visited.contributions:
            name = f"{arrived.source.key} <- {arrived.consumer.key}[{arrived.slot + 1}]"
            yield ("contribution", name), (arrived.consumer.id, arrived.source.id, arrived.slot + 1)


def _match(first: Trace, second: Trace) -> dict[int, int]:
    """Return the node of the second that is called like each node of the first."""
    def name(node: NodeInfo) -> str:
        return node.label if _is_helper(node) else node.key

    theirs: dict[str, list[int]] = {}
    for visited in second.nodes:
        theirs.setdefault(name(visited.node), []).append(visited.node.id)
    found = {}
    for visited in first.nodes:
        same = theirs.get(name(visited.node))
        if same:
            found[visited.node.id] = same.pop(0)
    return found


def _back(match: dict[int, int], node: Optional[int]) -> Optional[int]:
    return next((one for one, two in match.items() if two == node), None)


def _alike(first: Trace, second: Trace, match: dict[int, int]) -> bool:
    """Tell whether both graphs are the same, so that one picture shows either."""
    def edges(trace: Trace, names: dict[int, int]) -> set[tuple[Any, ...]]:
        return {
            (names.get(each.consumer.id), names.get(each.source.id), each.slot)
            for visited in trace.nodes for each in visited.passed_on
        }

    same = {two: two for two in match.values()}
    return len(match) == len(first.nodes) == len(second.nodes) and edges(first, match) == edges(second, same)


def _first(
    steps: list[Any], kinds: tuple[str, ...], parted: set[tuple[str, Optional[int], Optional[int]]],
    timed: bool,
) -> Optional[Place]:
    """Return the first node of a pass, and its time step, at which one of the quantities differs."""
    order = list(enumerate(steps))
    for t, events in order if kinds == ("forward",) else order[::-1]:
        for event in events:
            if any((kind, event.node.id, t if timed else None) in parted for kind in kinds):
                return {"node": event.node.id, "step": t if timed else None}
    return None

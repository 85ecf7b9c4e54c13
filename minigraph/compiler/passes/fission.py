"""Loop fission: take the time loop apart, so that only what must wait for a recurrence is in it.

In the graph of a step's operations, with an edge from each value that is fed back to the operations
that read it at the next time step, the strongly connected components are the recurrences. Each
becomes a loop of its own. Every other operation runs once, over all time steps; operations are
defined on trailing axes, so nothing has to be rewritten for that (see ``ir.py``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import networkx as nx

from minigraph.compiler.program.ir import Op, Program, Value
from minigraph.compiler.program.primitives import kind_of


@dataclass(eq=False)
class Segment:
    """Operations that run together: once over all time steps, or (``loop``) step by step."""

    ops: list[Op]
    loop: bool

    def outputs(self) -> list[Value]:
        """Return what the operations compute, in order."""
        return [value for op in self.ops for value in op.outputs]


def recurrent(program: Program) -> list[set[Op]]:
    """Return the operations that wait for themselves one time step ago, a set per recurrence."""
    graph = _graph(program)
    return [
        component for component in nx.strongly_connected_components(graph)
        if len(component) > 1 or any(graph.has_edge(op, op) for op in component)
    ]


def split(
    program: Program, read_elsewhere: frozenset[Value] = frozenset(), sink: bool = True
) -> list[Segment]:
    """Return the segments of ``program`` in an order that respects every dependency.

    Neighbouring segments of the same kind without a loop are one. An elementwise operation that only
    the elementwise work of one loop reads is, if ``sink``, in that loop after all: to a compiled loop
    computing it costs less than keeping it for all time steps. Where each operation of a loop is a call,
    fewer of them count. ``read_elsewhere`` are values that another program reads.
    """
    component_of: dict[Op, int] = {}
    loops = recurrent(program)
    for number, component in enumerate(loops):
        for op in component:
            component_of[op] = number
    if sink:
        _sink(program, component_of, read_elsewhere)
    position = {op: k for k, op in enumerate(program.ops)}
    # Each operation outside all loops is a group of its own, known by the negative of its position.
    group = {op: component_of.get(op, -1 - position[op]) for op in program.ops}
    members: dict[int, list[Op]] = {}
    for op in program.ops:
        members.setdefault(group[op], []).append(op)
    waits: dict[int, set[int]] = {key: set() for key in members}
    for before, after in _graph(program).edges:
        if group[before] != group[after]:
            waits[group[after]].add(group[before])
    return _merged(_ordered(members, waits, position), program)


def _sink(program: Program, component_of: dict[Op, int], read_elsewhere: frozenset[Value]) -> None:
    """Enter in ``component_of`` the operations that are better done inside a loop."""
    kept = read_elsewhere | set(program.results) | set(program.feedback)
    consumers = program.consumers()
    for op in reversed(program.ops):
        if op in component_of or not _elementwise(op) or op.output in kept:
            continue
        readers = consumers.get(op.output, [])
        homes = {component_of.get(reader) for reader in readers}
        if len(homes) == 1 and None not in homes and all(map(_elementwise, readers)):
            component_of[op] = homes.pop()  # type: ignore[assignment]


def _elementwise(op: Op) -> bool:
    return kind_of(op).elementwise


def _graph(program: Program) -> "nx.DiGraph[Op]":
    """Return the dependencies between operations, feedback included."""
    graph: nx.DiGraph[Op] = nx.DiGraph()
    graph.add_nodes_from(program.ops)
    producers, consumers = program.producers(), program.consumers()
    for op in program.ops:
        for value in op.inputs:
            if value in producers:
                graph.add_edge(producers[value], op)
    for source, targets in program.feedback.items():
        for target in targets:
            graph.add_edges_from((producers[source], op) for op in consumers.get(target, []))
    # Modules that are called as they are keep their order within a step, whatever they do to the
    # random stream or to their statistics: they form one recurrence.
    calls = [op for op in program.ops if kind_of(op).call]
    for before, after in zip(calls, calls[1:] + calls[:1]):
        graph.add_edge(before, after)
    return graph


def _ordered(
    members: dict[int, list[Op]], waits: dict[int, set[int]], position: dict[Op, int]
) -> list[tuple[bool, list[Op]]]:
    """Sort groups topologically; of those that are ready, what needs no loop goes first."""
    left = {key: len(needed) for key, needed in waits.items()}
    followers: dict[int, list[int]] = {key: [] for key in members}
    for key, needed in waits.items():
        for other in needed:
            followers[other].append(key)

    def rank(key: int) -> tuple[bool, int]:
        return key >= 0, position[members[key][0]]

    ready = [(rank(key), key) for key, count in left.items() if count == 0]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, key = heapq.heappop(ready)
        ordered.append((key, members[key]))
        for other in followers[key]:
            left[other] -= 1
            if left[other] == 0:
                heapq.heappush(ready, (rank(other), other))
    return [(key >= 0, ops) for key, ops in ordered]


def _merged(groups: list[tuple[bool, list[Op]]], program: Program) -> list[Segment]:
    """Join neighbours without a loop, unless one reads what another made one time step ago.

    The order within a segment is that of the values alone, not of what is fed back.
    """
    source_of = {target: source for source, targets in program.feedback.items() for target in targets}
    segments: list[Segment] = []
    made: set[Value] = set()
    for loop, ops in groups:
        before = {source_of[value] for op in ops for value in op.inputs if value in source_of}
        if loop or not segments or segments[-1].loop or before & made:
            segments.append(Segment(list(ops), loop))
            made = set()
        else:
            segments[-1].ops.extend(ops)
        made.update(value for op in ops for value in op.outputs)
    return segments

"""Slices: the same elementwise operation on neighbouring parts of one array is done once on all.

The gates of a cell are slices of one product. Where three of them go through a sigmoid, one operation
on all three columns' parts does for them; what each gives is a slice of the result, so that what follows
(the slopes, on the way back) is joined in turn.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

import networkx as nx
import numpy as np

from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.fission import recurrent
from minigraph.compiler.program.ir import Constant, Joined, Op, Parameter, Program, Value
from minigraph.compiler.program.primitives import kind_of


class Window(NamedTuple):
    """The entries ``start`` to ``stop`` of the last axis of ``root``."""

    root: Value
    start: int
    stop: int


def windows(program: Program) -> dict[Value, Window]:
    """Return the values of ``program`` that are a part of another one's last axis, and which.

    Slices of an axis that a reshape has split off the last one count too.
    """
    producers = program.producers()
    found: dict[Value, Window] = {}
    for op in program.ops:
        if op.primitive in ("slice", "reshape"):
            window = _window(op.output, producers)
            if window is not None:
                found[op.output] = window
    return found


def _window(value: Value, producers: Mapping[Value, Op]) -> Optional[Window]:
    chain: list[Op] = []
    root = value
    while root in producers and producers[root].primitive in ("slice", "reshape"):
        chain.append(producers[root])
        root = chain[-1].inputs[0]
    if not value.shape or not value.size or value.ndim != root.ndim or value.shape[:-1] != root.shape[:-1]:
        return None
    # Where the entries lie, found by doing the same to their numbers.
    numbers = np.arange(root.size).reshape(root.shape)
    taken = numbers
    for op in reversed(chain):
        taken = kind_of(op).evaluate([taken], None, op.attributes)
    start = int(taken.flat[0])
    stop = start + value.shape[-1]
    if not np.array_equal(taken, numbers[..., start:stop]):
        return None
    return Window(root, start, stop)


def join_slices(
    program: Program,
    read_elsewhere: frozenset[Value] = frozenset(),
    given: Optional[Mapping[Value, Window]] = None,
) -> Program:
    """Return ``program`` with its operations on neighbouring slices joined.

    ``given`` tells of values that another program computes which part of what they are. Values in
    ``read_elsewhere`` are still computed, as slices.
    """
    fixed = set(program.results) | set(program.feedback)
    while True:
        known = {**(given or {}), **windows(program)}
        runs = list(_candidates(program, known, fixed))
        if not runs:
            return remove_dead(program, read_elsewhere)
        program = _joined(program, runs, known)


def _candidates(program: Program, known: Mapping[Value, Window], fixed: set[Value]) -> Iterator[list[Op]]:
    """Yield operations that can be one, in the order of their slices.

    None can wait for another of them, for both start from the same arrays: these would wait for
    themselves.
    """
    loop_of = {op: number for number, loop in enumerate(recurrent(program)) for op in loop}
    placed = _read_by_concat(program)
    alike: dict[Any, dict[int, Op]] = {}
    for op in program.ops:
        if not kind_of(op).elementwise or op.output in fixed or op.output in placed:
            continue
        operands = [_operand(value, op, known) for value in op.inputs]
        if None in operands or not any(value in known for value in op.inputs):
            continue
        starts = [known[value].start for value in op.inputs if value in known]
        # Distances between the operands' slices must agree as well as their arrays.
        offsets = tuple(start - starts[0] for start in starts)
        key = (op.primitive, loop_of.get(op), op.output.dtype, tuple(operands), offsets)
        alike.setdefault(key, {}).setdefault(starts[0], op)
    for members in alike.values():
        yield from _runs(members)


def _operand(value: Value, op: Op, known: Mapping[Value, Window]) -> Any:
    """Return what operands of operations that can be joined have in common, ``None`` if nothing."""
    if isinstance(value, Constant) and value.size == 1:
        return float(value.array.reshape(()))
    if isinstance(value, Parameter) and value.shape == op.output.shape[-1:]:
        return "parameter"
    if value in known and value.shape == op.output.shape:
        return known[value].root
    return None


def _read_by_concat(program: Program) -> set[Value]:
    """Return values that are parts of a concatenation: they are computed in their place in it."""
    found: set[Value] = set()
    for op in reversed(program.ops):
        if op.primitive == "concat" or (op.primitive == "reshape" and op.output in found):
            found.update(op.inputs)
    return found


def _runs(members: Mapping[int, Op]) -> Iterator[list[Op]]:
    """Yield stretches of at least two operations whose slices lie side by side."""
    run: list[Op] = []
    end: Optional[int] = None
    for start, op in sorted(members.items(), key=lambda item: item[0]):
        if start != end:
            if len(run) > 1:
                yield run
            run = []
        run.append(op)
        end = start + op.output.shape[-1]
    if len(run) > 1:
        yield run


def _joined(program: Program, runs: Sequence[list[Op]], known: Mapping[Value, Window]) -> Program:
    """Return ``program`` with one operation for those of each run, and slices of what it gives."""
    place = {op: (number, 0) for number, op in enumerate(program.ops)}
    replaced = {op for run in runs for op in run}
    ops = [op for op in program.ops if op not in replaced]
    for run in runs:
        made = _joint(run, known)
        place.update({op: (place[run[0]][0], number) for number, op in enumerate(made, 1)})
        ops += made
    return program.with_ops(_sorted(ops, place))


def _joint(run: Sequence[Op], known: Mapping[Value, Window]) -> list[Op]:
    first = run[0].output
    width = sum(op.output.shape[-1] for op in run)
    made: list[Op] = []
    operands: list[Value] = []
    for number, value in enumerate(run[0].inputs):
        if isinstance(value, Parameter):
            operands.append(_below([op.inputs[number] for op in run]))
            continue
        if value not in known:
            operands.append(value)
            continue
        root, start, _ = known[value]
        if width == root.shape[-1]:
            operands.append(root)
            continue
        made.append(_slice(root, start, start + width, None, run[0].node))
        operands.append(made[-1].output)
    names = ", ".join(dict.fromkeys(op.output.name for op in run if op.output.name))
    whole = Value((*first.shape[:-1], width), first.dtype, names)
    made.append(run[0].replace(inputs=tuple(operands), outputs=(whole,)))
    start = 0
    for op in run:
        made.append(_slice(whole, start, start + op.output.shape[-1], op.output, op.node))
        start += op.output.shape[-1]
    return made


def _slice(root: Value, start: int, stop: int, output: Optional[Value], node: Any) -> Op:
    output = output or Value((*root.shape[:-1], stop - start), root.dtype, root.name)
    return Op("slice", (root,), (output,), {"axis": -1, "start": start, "stop": stop}, node)


def _sorted(ops: Sequence[Op], place: Mapping[Op, tuple[int, int]]) -> list[Op]:
    """Return the operations in the order of their places, but each after what it needs."""
    producers = {value: op for op in ops for value in op.outputs}
    graph: nx.DiGraph[Op] = nx.DiGraph()
    graph.add_nodes_from(ops)
    graph.add_edges_from((producers[value], op) for op in ops for value in op.inputs if value in producers)
    return list(nx.lexicographical_topological_sort(graph, key=lambda op: place[op]))


def _below(values: Sequence[Value]) -> Joined:
    """Return parameters, one below the other, as one value."""
    parts = tuple(value for value in values if isinstance(value, Parameter))
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return Joined(shape, parts[0].dtype, ", ".join(part.name for part in parts), parts)

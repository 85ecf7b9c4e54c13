"""Products: those of one input with several weights are one, with the weights below each other.

The gates of a GRU that come from layers of their own each multiply the same input. One product with all
of their weights gives all of them, side by side; each is a slice. Done before differentiation, this joins
the way back too: the gradients lie side by side, one product takes them to the input, and one gives the
gradients of all of the weights, which are then added where they belong.

It is done where ``MINIGRAPH_JOIN=1`` asks for it. A CPU's products of these sizes take as long joined as
apart, and what lies in the joined array has to be copied there: a GRU with a layer for each gate takes 5
to 15 % longer with OpenBLAS and with MKL on a core of an AMD EPYC, for 4 to 50 rows and 32 to 650 units.
"""

from __future__ import annotations

import os
from typing import Iterator, Sequence

from minigraph.compiler.passes.fission import recurrent
from minigraph.compiler.program.ir import Joined, Op, Parameter, Program, Value


def joining_wanted() -> bool:
    """Tell whether products of one input are joined: if ``MINIGRAPH_JOIN=1`` is set."""
    return os.environ.get("MINIGRAPH_JOIN", "0") == "1"


def join_products(program: Program) -> Program:
    """Return ``program`` with one product for those of one input that are done at the same time.

    What is returned or fed back keeps its product: it needs memory of its own. A product of a loop is not
    joined with one that need not wait for that loop's end.
    """
    ops = list(program.ops)
    for run in _groups(program):
        made = _joined(run)
        first = min(ops.index(op) for op in run)
        ops[first:first] = made
        ops = [op for op in ops if op not in run]
    return program.with_ops(ops)


def _groups(program: Program) -> Iterator[list[Op]]:
    loop_of = {op: number for number, loop in enumerate(recurrent(program)) for op in loop}
    kept = set(program.results) | set(program.feedback)
    alike: dict[tuple, list[Op]] = {}
    for op in program.ops:
        if op.primitive != "product" or len(op.inputs) != 2 or op.attributes["transposed"]:
            continue
        x, weight = op.inputs
        if isinstance(weight, Parameter) and op.output not in kept:
            alike.setdefault((x, loop_of.get(op), weight.dtype), []).append(op)
    return _aligned([run for run in alike.values() if len(run) > 1], program)


def _aligned(groups: list[list[Op]], program: Program) -> Iterator[list[Op]]:
    """Yield the groups, each with the products first that are added to those of another group.

    ``i2h(x) + h2h(h)`` of several gates is then one sum, of slices that lie side by side in both.
    """
    position = {op: number for number, op in enumerate(program.ops)}
    consumers = program.consumers()
    total = {op: _sum_of(op, consumers) for group in groups for op in group}
    for group in groups:
        others = {total[op] for other in groups if other is not group for op in other}
        yield sorted(group, key=lambda op: (total[op] not in others, position[total[op]]))


def _sum_of(op: Op, consumers: dict[Value, list[Op]]) -> Op:
    """Return the last of the additions, each read by the next one only, that ``op`` ends in."""
    while True:
        readers = consumers.get(op.output, [])
        if len(readers) != 1 or readers[0].primitive != "add" or readers[0].output.shape != op.output.shape:
            return op
        (op,) = readers


def _joined(run: list[Op]) -> list[Op]:
    """Return one product for those of ``run``, and their results as its slices."""
    x = run[0].inputs[0]
    joined = joined_parameters([op.inputs[1] for op in run])
    name = ", ".join(op.output.name for op in run if op.output.name)
    whole = Value((*x.shape[:-1], joined.shape[0]), run[0].output.dtype, name)
    made = [run[0].replace(inputs=(x, joined), outputs=(whole,))]
    start = 0
    for op in run:
        stop = start + op.output.shape[-1]
        attributes = {"axis": -1, "start": start, "stop": stop}
        made.append(Op("slice", (whole,), op.outputs, attributes, op.node))
        start = stop
    return made


def joined_parameters(values: Sequence[Value]) -> Joined:
    """Return parameters, one below the other, as one value."""
    parts = tuple(value for value in values if isinstance(value, Parameter))
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return Joined(shape, parts[0].dtype, ", ".join(part.name for part in parts), parts)

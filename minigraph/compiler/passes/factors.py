"""Factors: what a loop multiplies by at each time step is multiplied together before it.

The gradient of a gate is the product of the gradient that arrives, of what the gate is multiplied by
and of its slope. Only the first waits for the recurrence; the others are multiplied outside the loop,
for all time steps at once. That takes memory for all of them, and saves operations of the loop: worth it
where each is a call.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np

from minigraph.compiler.ir import Op, Program, Value
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.fission import recurrent


class _Facts(NamedTuple):
    producers: dict[Value, Op]
    consumers: dict[Value, list[Op]]
    kept: set[Value]
    waits: Callable[[Value], bool]


def gather_factors(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` with its chains of multiplications rearranged.

    ``read_elsewhere`` are values that another program reads: they keep their operations.
    """
    looped = {op for component in recurrent(program) for op in component}
    producers = program.producers()
    fed = {target for targets in program.feedback.values() for target in targets}
    facts = _Facts(
        producers, program.consumers(),
        set(program.results) | read_elsewhere | set(program.feedback),
        lambda value: value in fed or producers.get(value) in looped,
    )
    ops: list[Op] = []
    for op in program.ops:
        if op.primitive == "mul" and op in looped and not _is_factor(op.output, facts):
            ops.extend(_rewritten(op, facts))
        else:
            ops.append(op)
    return remove_dead(program.with_ops(ops), read_elsewhere)


def _is_factor(value: Value, facts: _Facts) -> bool:
    """Whether ``value`` is a product that only another product of the same shape reads, and waits."""
    readers = facts.consumers.get(value, [])
    return (
        value not in facts.kept and len(readers) == 1 and readers[0].primitive == "mul"
        and readers[0].output.shape == value.shape and readers[0].inputs.count(value) == 1
        and facts.waits(value)
    )


def _factors(op: Op, facts: _Facts) -> list[Value]:
    """Return what ``op`` multiplies, through products that wait and that nobody else reads."""
    found: list[Value] = []
    for value in op.inputs:
        made = facts.producers.get(value)
        inner = made is not None and made.primitive == "mul" and _is_factor(value, facts)
        found.extend(_factors(made, facts) if inner and made else [value])
    return found


def _rewritten(op: Op, facts: _Facts) -> list[Op]:
    """Return operations for a product: what does not wait is multiplied first."""
    factors, shape = _factors(op, facts), op.output.shape
    late = [value for value in factors if facts.waits(value)]
    early = [value for value in factors if not facts.waits(value)]
    whole = next((value for value in early if value.varies and value.shape == shape), None)
    if not late or whole is None or len(early) < 2:
        return _chain(factors, op) if len(factors) > 2 else [op]
    early.remove(whole)
    return _chain([whole, *early, *late], op)


def _chain(factors: list[Value], op: Op) -> list[Op]:
    made: list[Op] = []
    so_far = factors[0]
    for number, value in enumerate(factors[1:], 1):
        last = number == len(factors) - 1
        shape = op.output.shape if last else _broadcast(so_far, value)
        result = op.output if last else Value(shape, op.output.dtype, f"{op.output.name} so far")
        made.append(Op("mul", (so_far, value), (result,), {}, op.node))
        so_far = result
    return made


def _broadcast(first: Value, second: Value) -> tuple[int, ...]:
    return tuple(np.broadcast_shapes(first.shape, second.shape))

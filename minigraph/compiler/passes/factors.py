"""Factors: what a loop multiplies by at each time step is multiplied together before it.

The gradient of a gate is the product of the gradient that arrives, of what the gate is multiplied by
and of its slope. Only the first waits for the recurrence; the others are multiplied outside the loop,
for all time steps at once. That takes memory for all of them, and saves operations of the loop: worth it
where each is a call.
"""

from __future__ import annotations

import numpy as np

from minigraph.compiler.passes.chains import Facts
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.program.ir import Op, Program, Value


def gather_factors(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` with its chains of multiplications rearranged.

    ``read_elsewhere`` are values that another program reads: they keep their operations.
    """
    facts = Facts.of(program, read_elsewhere)

    def inner(value: Value) -> bool:
        """Whether ``value`` waits and is but a factor of another product."""
        return facts.is_link(value, "mul") and facts.waits(value)

    ops: list[Op] = []
    for op in program.ops:
        if op.primitive == "mul" and op in facts.looped and not inner(op.output):
            ops.extend(_rewritten(op, facts.links(op, inner), facts))
        else:
            ops.append(op)
    return remove_dead(program.with_ops(ops), read_elsewhere)


def _rewritten(op: Op, factors: list[Value], facts: Facts) -> list[Op]:
    """Return operations for a product: what does not wait is multiplied first."""
    shape = op.output.shape
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

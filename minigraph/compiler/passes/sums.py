"""Sums: what a loop adds at each time step is added up before it; products start from the rest.

``i2h(x) + h2h(h)`` with biases is a sum of four terms of which one waits for the recurrence. The
others are added first, outside the loop; then the product starts from their sum
(``x W^T + base``) instead of being added to it. Where several products are added, such as the
gradients that the gates of a GRU send to their input, each starts from the one before.
"""

from __future__ import annotations

from minigraph.compiler.passes.chains import Facts
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.program.ir import Op, Program, Value


def gather_sums(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` with its chains of additions rearranged.

    ``read_elsewhere`` are values that another program reads: they keep their operations.
    """
    facts = Facts.of(program, read_elsewhere)
    ops: list[Op] = []
    for op in program.ops:
        if op.primitive == "add" and not facts.is_link(op.output, "add"):
            terms = facts.links(op, lambda value: facts.is_link(value, "add"))
            if op in facts.looped or any(_is_product(value, op, facts) for value in terms):
                ops.extend(_rewritten(op, terms, facts))
                continue
        ops.append(op)
    return remove_dead(program.with_ops(ops), read_elsewhere)


def _is_product(value: Value, op: Op, facts: Facts) -> bool:
    """Whether ``value`` is a product that only this sum reads, so that it can start from other terms."""
    made = facts.producers.get(value)
    return (
        made is not None and made.primitive == "product" and len(made.inputs) == 2
        and value not in facts.kept and len(facts.consumers[value]) == 1 and value.shape == op.output.shape
        and facts.consumers[value][0].inputs.count(value) == 1
    )


def _rewritten(op: Op, terms: list[Value], facts: Facts) -> list[Op]:
    """Return operations for the sum of ``terms``: what waits comes last, products on top of the rest."""
    shape = op.output.shape
    # Of the terms that go first, one must have the shape of the whole.
    order = sorted(
        terms,
        key=lambda value: (
            facts.waits(value), _is_product(value, op, facts), not value.varies or value.shape != shape
        ),
    )
    first = next((value for value in order if value.varies and value.shape == shape), order[0])
    order.remove(first)
    made: list[Op] = []
    so_far = first
    for value in order:
        result = (Value(shape, op.output.dtype, f"{op.output.name} so far"),)
        if _is_product(value, op, facts) and so_far.varies and so_far.shape == shape:
            source = facts.producers[value]
            made.append(Op("product", (*source.inputs, so_far), result, source.attributes, source.node))
        else:
            made.append(Op("add", (so_far, value), result, {}, op.node))
        so_far = made[-1].output
    made[-1] = made[-1].replace(outputs=op.outputs)
    return made

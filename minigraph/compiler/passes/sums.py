"""Sums: what a loop adds at each time step is added up before it where possible.

``i2h(x) + h2h(h)`` with biases is a sum of four terms of which one waits for the recurrence. The
others are added first, outside the loop; then the product starts from their sum
(``x W^T + base``) instead of being added to it.
"""

from __future__ import annotations

from minigraph.compiler.ir import Op, Program, Value
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.fission import recurrent


def gather_sums(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` with its chains of additions inside recurrences rearranged.

    ``read_elsewhere`` are values that another program reads: they keep their operations.
    """
    looped = {op for component in recurrent(program) for op in component}
    producers, consumers = program.producers(), program.consumers()
    kept = set(program.results) | read_elsewhere | set(program.feedback)
    fed = {target for targets in program.feedback.values() for target in targets}

    def inner(value: Value, shape: tuple[int, ...]) -> bool:
        """Whether ``value`` is itself a sum that nobody else reads."""
        op = producers.get(value)
        return (
            op is not None and op.primitive == "add" and op in looped and value not in kept
            and len(consumers[value]) == 1 and value.shape == shape
        )

    def terms(op: Op) -> list[Value]:
        found: list[Value] = []
        for value in op.inputs:
            # An addition outside the loop may be taken apart too: its terms are all added outside.
            found.extend(terms(producers[value]) if inner(value, op.output.shape) else [value])
        return found

    ops: list[Op] = []
    for op in program.ops:
        if op.primitive == "add" and op in looped and not _absorbed(op, consumers, kept, looped):
            ops.extend(_rewritten(op, terms(op), producers, consumers, looped, kept, fed))
        else:
            ops.append(op)
    return remove_dead(program.with_ops(ops), read_elsewhere)


def _absorbed(
    op: Op, consumers: dict[Value, list[Op]], kept: set[Value], looped: set[Op]
) -> bool:
    """Whether the sum is a term of another sum of the same recurrence, which will take its terms."""
    readers = consumers.get(op.output, [])
    return (
        op.output not in kept and len(readers) == 1 and readers[0].primitive == "add"
        and readers[0] in looped and readers[0].output.shape == op.output.shape
    )


def _rewritten(
    op: Op,
    terms: list[Value],
    producers: dict[Value, Op],
    consumers: dict[Value, list[Op]],
    looped: set[Op],
    kept: set[Value],
    fed: set[Value],
) -> list[Op]:
    """Return operations for the sum of ``terms``: waiting ones last, products on top of the rest."""
    shape, dtype = op.output.shape, op.output.dtype

    def is_product(value: Value) -> bool:
        made = producers.get(value)
        return (
            made is not None and made.primitive == "product" and made in looped and value not in kept
            and len(consumers[value]) == 1 and len(made.inputs) == 2 and value.shape == shape
        )

    products = [value for value in terms if is_product(value)]
    rest = [value for value in terms if value not in products]
    # What is outside comes first, and of that what has the shape of the whole.
    rest.sort(key=lambda value: (value in fed or producers.get(value) in looped, value.shape != shape))
    if not rest or not rest[0].varies or rest[0].shape != shape:
        whole = products or [value for value in rest if value.varies and value.shape == shape] or rest
        first = whole[0]
        (products if products else rest).remove(first)
        rest.insert(0, first)
    made: list[Op] = []
    so_far = rest[0]
    for term in rest[1:]:
        result = (Value(shape, dtype, f"{op.output.name} so far"),)
        made.append(Op("add", (so_far, term), result, {}, op.node))
        so_far = made[-1].output
    for value in products:
        source = producers[value]
        result = (Value(shape, dtype, f"{op.output.name} so far"),)
        made.append(Op("product", (*source.inputs, so_far), result, source.attributes, source.node))
        so_far = made[-1].output
    made[-1] = made[-1].replace(outputs=op.outputs)
    return made

"""Biases: a product starts from them, instead of having them added to it.

The rows of the destination are set to the bias (to the sum of all of them, added up once) and the product
adds to that: one pass over the destination instead of one for each bias.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from minigraph.compiler.program.ir import Op, Program, Value


class _Sum(NamedTuple):
    """The addition that gives the result, and what was added to the product on the way to it."""

    last: Op
    biases: list[Value]
    replaced: list[Op]


def start_from_biases(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` with products that start from what does not vary and is added to them.

    ``read_elsewhere`` are values that another program reads: they keep their operations.
    """
    kept = set(program.results) | read_elsewhere | set(program.feedback)
    consumers = program.consumers()
    found: dict[Op, _Sum] = {}
    for op in program.ops:
        total = _sum(op, consumers, kept) if op.primitive == "product" and len(op.inputs) == 2 else None
        if total is not None:
            found[op] = total
    replaced = {each for total in found.values() for each in total.replaced}
    ops: list[Op] = []
    for op in program.ops:
        if op in found:
            ops.extend(_started(op, found[op]))
        elif op not in replaced:
            ops.append(op)
    return program.with_ops(ops)


def _sum(product: Op, consumers: dict[Value, list[Op]], kept: set[Value]) -> Optional[_Sum]:
    """Return the additions of what does not vary that follow ``product``, ``None`` if there are none."""
    value, biases, replaced = product.output, [], []
    while value not in kept and len(consumers.get(value, [])) == 1:
        (reader,) = consumers[value]
        others = [other for other in reader.inputs if other is not value]
        if reader.primitive != "add" or len(others) != 1 or others[0].varies:
            break
        if reader.output.shape != product.output.shape or others[0].dtype != value.dtype:
            break
        biases.append(others[0])
        replaced.append(reader)
        value = reader.output
    return _Sum(replaced[-1], biases, replaced) if replaced else None


def _started(product: Op, total: _Sum) -> list[Op]:
    """Return operations that add up the biases and start the product from that."""
    made: list[Op] = []
    so_far = total.biases[0]
    for bias, addition in zip(total.biases[1:], total.replaced[1:]):
        # Of as many axes as what varies, so that the time steps can come before them.
        rank = product.output.ndim
        shape = tuple(
            max(_size(value, axis) for value in (so_far, bias)) for axis in range(-rank, 0)
        )
        added = Value(shape, bias.dtype, f"{bias.name} added")
        made.append(Op("add", (so_far, bias), (added,), {}, addition.node))
        so_far = added
    made.append(product.replace(inputs=(*product.inputs, so_far), outputs=total.last.outputs))
    return made


def _size(value: Value, axis: int) -> int:
    return value.shape[axis] if -axis <= value.ndim else 1

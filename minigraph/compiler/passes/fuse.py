"""Fusion: elementwise operations that can run together become one pass over memory.

Within a segment every operation has a level: how many barriers (products, reductions, changes of
shape) lie between it and the start of the segment. Elementwise operations of one level and one
shape can be one region, for whatever leaves a region comes back on a later level only.
"""

from __future__ import annotations

from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.program.ir import Op, Value
from minigraph.compiler.program.primitives import kind_of

#: (primitive, operands): an operand is the number of an input or, after those, of an earlier entry.
Body = tuple[tuple[str, tuple[int, ...]], ...]


def fuse(segment: Segment, read_elsewhere: frozenset[Value]) -> Segment:
    """Return ``segment`` with its elementwise operations in regions, operations named ``fused``.

    ``read_elsewhere`` are the values that somebody outside of the segment reads.
    """
    level = _levels(segment.ops)
    groups: dict[tuple, list[Op]] = {}
    order: dict[Op, tuple[int, int]] = {}
    for position, op in enumerate(segment.ops):
        if _fusible(op):
            key = (level[op], op.output.shape)
            members = groups.setdefault(key, [])
            members.append(op)
        order[op] = (level[op], position)
    consumers: dict[Value, list[Op]] = {}
    for op in segment.ops:
        for value in op.inputs:
            consumers.setdefault(value, []).append(op)
    region_of = {op: key for key, members in groups.items() for op in members}
    done: set[tuple] = set()
    ops: list[Op] = []
    for op in sorted(segment.ops, key=lambda op: order[op]):
        region = region_of.get(op)
        if region is None:
            ops.append(op)
        elif region not in done:
            done.add(region)
            ops.append(_region(groups[region], consumers, read_elsewhere))
    return Segment(ops, segment.loop)


def _fusible(op: Op) -> bool:
    return kind_of(op).elementwise


def _levels(ops: list[Op]) -> dict[Op, int]:
    """Return the level of every operation: one more than its operands', except within a region.

    Modules that are called as they are stay in their order: they may draw random numbers.
    """
    producers = {value: op for op in ops for value in op.outputs}
    level: dict[Op, int] = {}
    next_call = 0
    for op in ops:
        found = next_call if kind_of(op).call else 0
        for value in op.inputs:
            before = producers.get(value)
            if before is not None:
                together = (
                    _fusible(op) and _fusible(before) and before.output.shape == op.output.shape
                )
                found = max(found, level[before] + (not together))
        level[op] = found
        if kind_of(op).call:
            next_call = found + 1
    return level


def _region(members: list[Op], consumers: dict[Value, list[Op]], read_elsewhere: frozenset[Value]) -> Op:
    """Return one operation that computes what ``members`` do and gives what others read of it."""
    inside = {op.output for op in members}
    inputs = tuple(dict.fromkeys(value for op in members for value in op.inputs if value not in inside))
    number = {value: k for k, value in enumerate(inputs)}
    body = []
    for op in members:
        body.append((op.primitive, tuple(number[value] for value in op.inputs)))
        number[op.output] = len(inputs) + len(body) - 1
    together = set(members)
    outputs = tuple(
        op.output for op in members
        if op.output in read_elsewhere
        or any(reader not in together for reader in consumers.get(op.output, []))
    )
    attributes = {
        "body": tuple(body),
        "results": tuple(number[value] for value in outputs),
        "values": tuple(op.output for op in members),
    }
    return Op("fused", inputs, outputs, attributes, members[-1].node)

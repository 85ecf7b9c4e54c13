"""Differentiation: the backward program of a list of operations.

The rules for single operations are in ``vjps.py``; this file walks the operations from last to
first and adds up what arrives at each value.
"""

from __future__ import annotations

from typing import Iterable, Mapping, Optional, Sequence, Union

from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Joined, Op, Parameter, Value
from minigraph.compiler.program.primitives import kind_of
from minigraph.compiler.program.vjps import VJPS, Part, call_back

Contribution = Union[Value, Part]


def differentiate(
    b: Builder,
    ops: Sequence[Op],
    seeds: Mapping[Value, Iterable[Value]],
    wanted: Sequence[Value],
) -> list[Optional[Value]]:
    """Write with ``b`` the gradients of ``wanted``, and accumulations for all parameters met.

    ``seeds`` are the gradients that arrive from outside at some of the values. Returns ``None``
    for a value that nothing arrives at.
    """
    reached = _influenced(ops, wanted)
    arrived: dict[Value, list[Contribution]] = {value: list(given) for value, given in seeds.items()}
    for op in reversed(ops):
        if not any(value in arrived for value in op.outputs) or not _matters(op, reached):
            continue
        b.node = op.node
        gradients = [total(b, value, arrived.pop(value, [])) for value in op.outputs]
        if kind_of(op).call:
            given: Sequence[Optional[Contribution]] = call_back(b, op, gradients)
        else:
            (gradient,) = gradients
            assert gradient is not None
            start = len(b.ops)
            given = VJPS[op.primitive](b, op, gradient)
            _name_slope(b.ops[start:], given, op)
        for operand, contribution in zip(op.inputs, given):
            if contribution is None:
                continue
            _name(contribution, operand, op)
            if isinstance(operand, Parameter):
                assert isinstance(contribution, Value)
                b.effect("accumulate", contribution, parameter=operand)
            elif operand in reached:
                arrived.setdefault(operand, []).append(_narrowed(b, contribution, operand))
    return [total(b, value, arrived.get(value, [])) for value in wanted]


def _name_slope(ops: Sequence[Op], given: Sequence[Optional[Contribution]], op: Op) -> None:
    """Name what a rule multiplies the gradient by: the last that it computes besides its contributions."""
    others = [made.output for made in ops if len(made.outputs) == 1 and made.output not in given]
    if others:
        others[-1].name = others[-1].name or f"slope of {op.output.name}"


def _name(contribution: Contribution, operand: Value, op: Op) -> None:
    """Call a contribution after its operand and the operation that it comes from."""
    value = contribution.value if isinstance(contribution, Part) else contribution
    reader = op.outputs[0].name.partition(" (")[0]
    value.name = value.name or f"d {operand.name} from {reader}"


def _influenced(ops: Sequence[Op], wanted: Sequence[Value]) -> set[Value]:
    """Return the values that depend on ``wanted`` or on a parameter, by way of floating point."""
    reached = set(wanted)
    for op in ops:
        if _matters(op, reached) and not kind_of(op).index:
            reached.update(op.outputs)
    return reached


def _matters(op: Op, reached: set[Value]) -> bool:
    return kind_of(op).call or any(
        value in reached or isinstance(value, (Joined, Parameter)) for value in op.inputs
    )


def _narrowed(b: Builder, contribution: Contribution, operand: Value) -> Contribution:
    """Add up a gradient over the axes along which the operand was broadcast."""
    if isinstance(contribution, Part) or contribution.shape == operand.shape:
        return contribution
    axes = [k for k, size in enumerate(operand.shape) if size == 1 != contribution.shape[k]]
    return b.sum(contribution, axes, keepdims=True)


def total(b: Builder, value: Value, contributions: Sequence[Contribution]) -> Optional[Value]:
    """Add up what arrived at ``value``, last consumer first, as the walk meets them.

    Parts that lie side by side are joined, not padded with zeros and added.
    """
    whole = [each for each in contributions if not isinstance(each, Part)]
    parts = [each for each in contributions if isinstance(each, Part)]
    for axis in dict.fromkeys(part.axis for part in parts):
        whole.extend(_joined(b, value, axis, [part for part in parts if part.axis == axis]))
    if not whole:
        return None
    found = b.total(whole)
    if not found.name or found.name.startswith(f"d {value.name} from "):
        found.name = f"d {value.name}"  # the only contribution, or the sum of all
    return found


def _joined(b: Builder, value: Value, axis: int, parts: Sequence[Part]) -> list[Value]:
    """Return values of the whole shape that together hold ``parts``; zeros fill the gaps."""
    ranges: dict[tuple[int, int], list[Value]] = {}
    for part in parts:
        ranges.setdefault((part.start, part.stop), []).append(part.value)
    rows: list[list[tuple[int, int, Value]]] = []
    for (start, stop), values in sorted(ranges.items(), key=lambda item: item[0]):
        entry = (start, stop, b.total(values))
        for row in rows:
            if row[-1][1] <= start:
                row.append(entry)
                break
        else:
            rows.append([entry])
    return [_padded(b, value, axis, row) for row in rows]


def _padded(b: Builder, value: Value, axis: int, row: Sequence[tuple[int, int, Value]]) -> Value:
    pieces: list[Value] = []
    end = 0

    def fill(until: int) -> None:
        if until > end:
            shape = list(value.shape)
            shape[axis] = until - end
            pieces.append(b.zeros(tuple(shape)))

    for start, stop, piece in row:
        fill(start)
        pieces.append(piece)
        end = stop
    fill(value.shape[axis])
    return pieces[0] if len(pieces) == 1 else b.concat(pieces, axis)

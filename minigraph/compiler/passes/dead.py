"""Dead operations: what nobody reads is not computed.

Differentiation writes gradients for every operand of an operation; those of an input that nobody
asked for, such as the one-hot vectors below a first layer, end here.
"""

from __future__ import annotations

from minigraph.compiler.program.ir import Op, Program, Value
from minigraph.compiler.program.primitives import kind_of


def remove_dead(program: Program, read_elsewhere: frozenset[Value] = frozenset()) -> Program:
    """Return ``program`` without the operations that neither a result nor an effect needs.

    ``read_elsewhere`` are values that another program reads.
    """
    needed = set(program.results) | read_elsewhere | set(program.feedback)
    kept: list[Op] = []
    for op in reversed(program.ops):
        if kind_of(op).effect or any(value in needed for value in op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    return program.with_ops(kept[::-1])

"""Stages: runs of operations that one native function does, and what keeps them apart.

The rows of a stage can be shared among threads, each doing all of its operations on some rows: nothing
in it reads another row's results. A *sum* stage adds to the gradients of parameters; it reads all rows
and shares the gradients' rows instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence, Union

import numpy as np

from minigraph.compiler.memory.storage import Frame, is_view
from minigraph.compiler.native.support import gradient_of, is_native
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.program.ir import Op
from minigraph.compiler.program.primitives import kind_of
from minigraph.memory import address


@dataclass(eq=False)
class Stage:
    """Operations of one native function; ``kind`` is ``rows``, ``sums``, ``loop`` or ``step``.

    A ``step`` is some of the work of one time step, of a loop that is not native as a whole.
    """

    kind: str
    ops: list[Op] = field(default_factory=list)


@dataclass(eq=False)
class MixedLoop:
    """A loop over time of which NumPy does some operations, one by one, and native code the rest."""

    parts: list[Union[Stage, Op]] = field(default_factory=list)


#: What a schedule becomes: stages for native code, loops of both kinds, and the rest for NumPy.
Piece = Union[Stage, MixedLoop, Segment]


def pieces(segments: Sequence[Segment], frame: Frame, dtype: np.dtype) -> list[Piece]:
    """Return the schedule as stages, and segments of what has no kernels.

    No stage is of two segments: one may read what the other made for another time step.
    """
    found: list[Piece] = []
    for segment in segments:
        ops = [op for op in segment.ops if not _nothing(op, frame)]
        if segment.loop and frame.T is not None:
            if all(is_native(frame, op, dtype) for op in ops):
                found.append(Stage("loop", ops))
            else:
                found.append(_mixed(ops, frame, dtype))
            continue
        sums = [op for op in ops if kind_of(op).accumulation]
        mine: list[Piece] = []
        for op in [op for op in ops if op not in sums] + sums:
            _append(mine, op, "sums" if op in sums else "rows", is_native(frame, op, dtype))
        found.extend(mine)
    return found


def _mixed(ops: Sequence[Op], frame: Frame, dtype: np.dtype) -> MixedLoop:
    loop = MixedLoop()
    for op in ops:
        if not is_native(frame, op, dtype):
            loop.parts.append(op)
        elif loop.parts and isinstance(loop.parts[-1], Stage):
            loop.parts[-1].ops.append(op)
        else:
            loop.parts.append(Stage("step", [op]))
    return loop


def _append(found: list[Piece], op: Op, kind: str, native: bool) -> None:
    last = found[-1] if found else None
    if native and isinstance(last, Stage) and last.kind == kind and not _in_the_way(last.ops, op):
        last.ops.append(op)
    elif native:
        found.append(Stage(kind, [op]))
    elif isinstance(last, Segment) and not last.loop:
        last.ops.append(op)
    else:
        found.append(Segment([op], False))


def _in_the_way(ops: Sequence[Op], op: Op) -> bool:
    """Whether ``op`` adds to what one of ``ops`` adds to, but shares it otherwise among the threads.

    An embedding whose weight is that of a later product too: one gradient is shared by columns, the other
    by rows.
    """
    if not kind_of(op).accumulation:
        return False
    mine = gradient_of(op)
    for other in ops:
        theirs = gradient_of(other)
        alike = other.primitive == op.primitive and theirs.shape == mine.shape
        if not (alike and address(theirs) == address(mine)) and np.may_share_memory(theirs, mine):
            return True
    return False


def _nothing(op: Op, frame: Frame) -> bool:
    """Whether there is nothing to do: a view, or parts that are computed where they belong."""
    if is_view(op):
        return op not in frame.unviewed
    return op.primitive == "concat" and not frame.copied[op]

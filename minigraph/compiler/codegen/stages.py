"""Stages: runs of operations that one native function does, and what keeps them apart.

The rows of a stage can be shared among threads, each doing all of its operations on some rows: nothing
in it reads another row's results. A *sum* stage adds to the gradients of parameters; it reads all rows
and shares the gradients' rows instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence, Union

import numpy as np

from minigraph.compiler.codegen.support import ACCUMULATIONS, is_native
from minigraph.compiler.ir import Op
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.storage import Frame, is_view


@dataclass(eq=False)
class Stage:
    """Operations of one native function; ``kind`` is ``rows``, ``sums`` or ``loop``."""

    kind: str
    ops: list[Op] = field(default_factory=list)


#: What a schedule becomes: stages for native code, and the rest for NumPy.
Piece = Union[Stage, Segment]


def pieces(segments: Sequence[Segment], frame: Frame, dtype: np.dtype) -> list[Piece]:
    """Return the schedule as stages, and segments of what has no kernels."""
    found: list[Piece] = []
    for segment in segments:
        ops = [op for op in segment.ops if not _nothing(op, frame)]
        if segment.loop and frame.T is not None:
            if all(is_native(frame, op, dtype) for op in ops):
                found.append(Stage("loop", ops))
            else:
                found.append(segment)
            continue
        sums = [op for op in ops if op.primitive in ACCUMULATIONS]
        for op in [op for op in ops if op not in sums] + sums:
            _append(found, op, "sums" if op in sums else "rows", is_native(frame, op, dtype))
    return found


def _append(found: list[Piece], op: Op, kind: str, native: bool) -> None:
    last = found[-1] if found else None
    if native and isinstance(last, Stage) and last.kind == kind:
        last.ops.append(op)
    elif native:
        found.append(Stage(kind, [op]))
    elif isinstance(last, Segment) and not last.loop:
        last.ops.append(op)
    else:
        found.append(Segment([op], False))


def _nothing(op: Op, frame: Frame) -> bool:
    """Whether there is nothing to do: a view, or parts that are computed where they belong."""
    if is_view(op):
        return op not in frame.unviewed
    return op.primitive == "concat" and not frame.copied[op]

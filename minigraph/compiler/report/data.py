"""The report of a plan, as data: what runs when, on which memory, made of which of the user's nodes.

``program.py`` writes programs down and ``run.py`` what was made of them; ``text.py`` shows all as text,
``drawing/plan.py`` draws it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Optional

from minigraph.compiler.program.ir import Shape

#: What memory is for, in the order of the report. A buffer counts for the first that applies.
GROUPS = (
    "inputs", "outputs", "saved for backward", "gradients given", "gradients returned", "scratch",
    "packed weights",
)


@dataclass(frozen=True)
class PlanBuffer:
    """A piece of memory: the values that live in it, and what it is for (one of ``GROUPS``).

    ``shape`` is that of the largest array in it, with the time steps first. Buffers of one ``block``
    lie at ``offset`` bytes in that; they may overlap where they are needed at different times.
    """

    number: int
    values: list[str]
    shape: Shape
    bytes: int
    group: str
    block: int
    offset: int


@dataclass(frozen=True)
class PlanOperation:
    """One operation: what it computes, for which of the user's nodes, on which buffers.

    ``kind`` is ``one pass`` for fused elementwise work, ``window`` where there is nothing to do (the
    result is a part of another buffer, or its parts are computed where they belong), ``module`` for a
    module that is called as it is, ``gradient`` for what adds to a parameter's gradient, else the
    primitive's name. ``native`` tells whether native code does it, ``None`` for a window.
    """

    number: int
    kind: str
    nodes: list[str]
    formulas: list[str]
    shape: Shape
    reads: list[int]
    writes: list[int]
    native: Optional[bool]


@dataclass(frozen=True)
class PlanSegment:
    """Operations that run together: ``when`` says so in words, ``loop`` whether step by step."""

    when: str
    loop: bool
    operations: list[PlanOperation]


@dataclass(frozen=True)
class PlanEdge:
    """A value on its way between two operations (numbers); with ``later``, to the next time step."""

    source: int
    target: int
    value: str
    later: bool


@dataclass(frozen=True)
class PlanProgram:
    """A program: ``name`` is ``forward`` or begins with ``backward``."""

    name: str
    segments: list[PlanSegment]
    edges: list[PlanEdge]

    @property
    def operations(self) -> list[PlanOperation]:
        """All operations in order."""
        return [operation for segment in self.segments for operation in segment.operations]

    @property
    def looped(self) -> list[str]:
        """The nodes with work inside a loop over time."""
        return self._nodes(True)

    @property
    def hoisted(self) -> list[str]:
        """The nodes whose work was taken out of the loops; empty where there is no loop."""
        inside = set(self.looped)
        recurrent = any(segment.loop for segment in self.segments)
        return [node for node in self._nodes(False) if node not in inside] if recurrent else []

    @property
    def fused(self) -> list[list[str]]:
        """For every pass over memory, the nodes that it does the work of."""
        return [operation.nodes for operation in self.operations if operation.kind == "one pass"]

    @property
    def called(self) -> list[str]:
        """The nodes whose modules run as they are."""
        return [node for each in self.operations if each.kind == "module" for node in each.nodes]

    def _nodes(self, loop: bool) -> list[str]:
        found = [
            node for segment in self.segments if segment.loop == loop
            for each in segment.operations if each.kind != "window" for node in each.nodes
        ]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class PlanFacts:
    """What is known of a compiled network; ``PlanReport`` also shows it.

    ``steps`` is the number of time steps, ``None`` without time. ``programs`` are the forward
    program and every backward program that has run. ``threads`` is 0 where NumPy does everything.
    """

    network: str
    steps: Optional[int]
    dtype: str
    threads: int
    programs: list[PlanProgram]
    buffers: list[PlanBuffer]

    @property
    def forward(self) -> PlanProgram:
        """The forward program."""
        return self.programs[0]

    @property
    def backward(self) -> Optional[PlanProgram]:
        """The first backward program that has run; ``None`` before ``backward``."""
        return self.programs[1] if len(self.programs) > 1 else None

    @property
    def bytes(self) -> dict[str, int]:
        """The bytes of each group of buffers, in the order of ``GROUPS``."""
        sizes = dict.fromkeys(GROUPS, 0)
        for block in {buffer.block: None for buffer in self.buffers}:
            inside = [buffer for buffer in self.buffers if buffer.block == block]
            first = min(buffer.offset for buffer in inside)
            last = max(buffer.offset + buffer.bytes for buffer in inside)
            sizes[min((buffer.group for buffer in inside), key=GROUPS.index)] += last - first
        return sizes

    @property
    def total_bytes(self) -> int:
        """The bytes of all buffers together; parameters and their gradients belong to the network."""
        return sum(self.bytes.values())

    def shares(self, buffer: PlanBuffer) -> bool:
        """Tell whether other buffers lie in the same block of memory."""
        return any(other.block == buffer.block and other is not buffer for other in self.buffers)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, numbers and text, fit for ``json.dumps``."""
        return {**dataclasses.asdict(self), "bytes": self.bytes, "total_bytes": self.total_bytes}

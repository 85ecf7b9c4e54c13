"""A program written down as data, as it stands between any two passes or when all is done."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence

from minigraph.compiler.memory.storage import is_view
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.program.ir import Op, Program, Value
from minigraph.compiler.report.data import PlanEdge, PlanOperation, PlanProgram, PlanSegment
from minigraph.compiler.report.formulas import Names, formulas


def program_report(
    program: Program,
    segments: Sequence[Segment],
    name: str = "forward",
    nodes: Optional[Mapping[Any, str]] = None,
    buffers: Optional[Mapping[Value, int]] = None,
    native: Optional[Mapping[Op, bool]] = None,
    time: bool = True,
) -> PlanProgram:
    """Return the report of a program as it stands between any two passes.

    ``nodes`` are the names of the user's nodes, ``buffers`` the number of each value's memory, where
    it has any yet, and ``native`` tells which operations are native code. Without
    ``time`` the segments run one after the other, each once.
    """
    writer = _Writer(program, nodes or {}, buffers or {}, native or {})
    found = [
        PlanSegment(when, segment.loop and time, [writer.operation(op) for op in segment.ops])
        for segment, when in zip(segments, _when(segments, program) if time else ["once"] * len(segments))
    ]
    return PlanProgram(name, found, writer.edges(segments))


_KINDS = {
    "fused": "one pass", "call": "module", "call_back": "module", "accumulate": "gradient",
    "accumulate_product": "gradient", "accumulate_rows": "gradient",
}


class _Writer:
    """Writes operations down; a program's operations are numbered as they are asked for."""

    def __init__(
        self, program: Program, nodes: Mapping[Any, str], buffers: Mapping[Value, int],
        native: Mapping[Op, bool],
    ) -> None:
        self._program, self._called, self._buffers, self._native = program, nodes, buffers, native
        self._known = set(nodes.values())
        self._producers = program.producers()
        self._names = Names()
        self._number: dict[Op, int] = {}

    def operation(self, op: Op) -> PlanOperation:
        number = self._number[op] = len(self._number) + 1
        idle = is_view(op) or (bool(self._native) and op not in self._native)
        shape = (op.outputs or op.inputs)[0].shape if op.outputs or op.inputs else ()
        if "parameter" in op.attributes:
            shape = op.attributes["parameter"].shape
        kind = "window" if idle else _KINDS.get(op.primitive, op.primitive)
        return PlanOperation(
            number, kind, self._nodes(op), formulas(op, self._names), shape,
            self._places(op.inputs), self._places(op.outputs), self._native.get(op),
        )

    def _nodes(self, op: Op) -> list[str]:
        """Return the nodes that ``op`` does work for, and those whose results it gives."""
        members = [self._producers.get(value, op) for value in op.attributes.get("values", ())] or [op]
        found = []
        for member in members:
            if member.node is not None:
                found.append(self._called.get(member.node, member.node.title()))
            names = [name for value in member.outputs for name in value.name.split(", ")]
            found.extend(name for name in names if name in self._known)
        return list(dict.fromkeys(found))

    def _places(self, values: Iterable[Value]) -> list[int]:
        return list(dict.fromkeys(self._buffers[value] for value in values if value in self._buffers))

    def edges(self, segments: Sequence[Segment]) -> list[PlanEdge]:
        """Return which operation's results each one reads, at the same time step or the one before."""
        ops = [op for segment in segments for op in segment.ops]
        maker = {value: self._number[op] for op in ops for value in op.outputs}
        source_of = {
            target: source for source, targets in self._program.feedback.items() for target in targets
        }
        edges: dict[PlanEdge, None] = {}
        for op in ops:
            for value in op.inputs:
                source = source_of.get(value, value)
                if source in maker:
                    name = self._names.of(value)
                    edges[PlanEdge(maker[source], self._number[op], name, source is not value)] = None
        return list(edges)


def _when(segments: Sequence[Segment], program: Program) -> list[str]:
    back = ", from the last to the first step" if program.backwards else ""
    loops = [position for position, segment in enumerate(segments) if segment.loop]
    found = []
    for position, segment in enumerate(segments):
        if segment.loop:
            number = f" {loops.index(position) + 1}" if len(loops) > 1 else ""
            found.append(f"loop{number} over time{back}")
        elif not loops:
            found.append("all time steps at once")
        elif position < loops[0]:
            found.append("before the loop, all time steps at once")
        else:
            between = position < loops[-1]
            found.append(f"{'between the loops' if between else 'after the loop'}, all time steps at once")
    return found

"""The pipeline: which passes a program goes through, in the order in which they run.

A pass takes a program and returns one that computes the same. ``FORWARD`` and ``BACKWARD`` are for every
program; ``FOR_CALLS`` follow where an executor makes a call of every operation, so that fewer and wider ones
are faster. Then the program is scheduled: taken apart into segments, fused, and given its memory.
"""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple

from minigraph.compiler.memory.storage import Storage
from minigraph.compiler.passes.biases import start_from_biases
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.factors import gather_factors
from minigraph.compiler.passes.fission import Segment, split
from minigraph.compiler.passes.fuse import fuse
from minigraph.compiler.passes.join_slices import Window, join_slices
from minigraph.compiler.passes.sums import gather_sums
from minigraph.compiler.program.ir import Program, Value


class Around(NamedTuple):
    """What a pass must know of other programs.

    ``read`` are the values that another program reads: they keep their operations. ``given`` are parts of
    values that another program computes, and which.
    """

    read: frozenset[Value] = frozenset()
    given: Mapping[Value, Window] = {}


Pass = Callable[[Program, Around], Program]


def _pass(function: Callable[[Program, frozenset[Value]], Program]) -> Pass:
    return lambda program, around: function(program, around.read)


FORWARD: tuple[Pass, ...] = (_pass(remove_dead), _pass(gather_sums))
BACKWARD: tuple[Pass, ...] = (_pass(remove_dead), _pass(gather_sums))
FOR_CALLS: tuple[Pass, ...] = (
    _pass(gather_factors),
    lambda program, around: join_slices(program, around.read, around.given),
    _pass(gather_sums),  # of what was joined
    _pass(start_from_biases),
)


class Plan(NamedTuple):
    """One program, scheduled, with the decisions about its memory."""

    program: Program
    segments: list[Segment]
    storage: Storage


def plan(program: Program, passes: tuple[Pass, ...], around: Around, for_calls: bool) -> Plan:
    """Return ``program`` as it will run: after ``passes`` and, if it is run call by call, ``FOR_CALLS``."""
    for each in (*passes, *(FOR_CALLS if for_calls else ())):
        program = each(program, around)
    segments = split(program, around.read, sink=not for_calls)
    outside = around.read | set(program.results) | set(program.feedback)
    reading: dict[Value, list[Segment]] = {}
    for segment in segments:
        for value in {value for op in segment.ops for value in op.inputs}:
            reading.setdefault(value, []).append(segment)
    fused = []
    for segment in segments:
        elsewhere = {value for value in segment.outputs() if reading.get(value, [segment]) != [segment]}
        fused.append(fuse(segment, frozenset(outside | elsewhere)))
    return Plan(program, fused, Storage(program, fused, around.read))

"""Chains: sums of sums and products of products, seen as the list of what they are made of."""

from __future__ import annotations

from typing import Callable, NamedTuple

from minigraph.compiler.passes.fission import recurrent
from minigraph.compiler.program.ir import Op, Program, Value


class Facts(NamedTuple):
    """What is known of a program: who computes and reads each value, and what waits for a recurrence.

    ``looped`` are the operations of recurrences. ``kept`` are values that somebody outside reads.
    """

    producers: dict[Value, Op]
    consumers: dict[Value, list[Op]]
    kept: set[Value]
    looped: set[Op]
    waits: Callable[[Value], bool]

    @classmethod
    def of(cls, program: Program, read_elsewhere: frozenset[Value]) -> "Facts":
        """Return the facts of ``program``, of which another one reads ``read_elsewhere``."""
        looped = {op for component in recurrent(program) for op in component}
        producers = program.producers()
        fed = {target for targets in program.feedback.values() for target in targets}
        return cls(
            producers, program.consumers(),
            set(program.results) | read_elsewhere | set(program.feedback), looped,
            lambda value: value in fed or producers.get(value) in looped,
        )

    def is_link(self, value: Value, primitive: str) -> bool:
        """Whether only one operation, ``primitive`` with a result of the same shape, reads ``value``."""
        readers = self.consumers.get(value, [])
        return (
            value not in self.kept and len(readers) == 1 and readers[0].primitive == primitive
            and readers[0].output.shape == value.shape and readers[0].inputs.count(value) == 1
        )

    def links(self, op: Op, inner: Callable[[Value], bool]) -> list[Value]:
        """Return what ``op`` is made of, through operations like it whose result is ``inner``."""
        found: list[Value] = []
        ahead = list(op.inputs[::-1])
        while ahead:
            value = ahead.pop()
            made = self.producers.get(value)
            if made is not None and made.primitive == op.primitive and inner(value):
                ahead.extend(made.inputs[::-1])
            else:
                found.append(value)
        return found

"""The walk along a row: whole vectors, then one masked one."""

from __future__ import annotations

from typing import Callable, Optional, Sequence

from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import Vectors


class Chunk:
    """A vector's worth of columns of the current row, from ``start``; ``mask`` is None where all exist."""

    def __init__(self, function: Function, vectors: Vectors, start: Value, mask: Optional[Value]) -> None:
        self._function, self._vectors = function, vectors
        self.start, self.mask = start, mask

    def load(self, row: Value, otherwise: float = 0.0) -> Value:
        """The chunk of the array whose row begins at ``row``; columns that do not exist are ``otherwise``."""
        place = self._function.at(row, self.start, self._vectors.scalar)
        if self.mask is None:
            return self._function.load(self._vectors.type, place)
        return self._function.masked_load(self._vectors.type, place, self.mask, otherwise)

    def store(self, value: Value, row: Value) -> None:
        """Write the chunk to the array whose row begins at ``row``."""
        place = self._function.at(row, self.start, self._vectors.scalar)
        if self.mask is None:
            self._function.store(value, place)
        else:
            self._function.masked_store(value, place, self.mask)

    def existing(self, value: Value, otherwise: float = 0.0) -> Value:
        """``value``, with ``otherwise`` in the columns that do not exist."""
        return value if self.mask is None else self._function.select(self.mask, value, otherwise)


def walk(
    function: Function,
    vectors: Vectors,
    columns: Value,
    body: Callable[..., Optional[Sequence[Value]]],
    carried: Sequence[Value] = (),
) -> list[Value]:
    """Run ``body(chunk, *carried)`` over all chunks of a row; it returns the carried values of the next.

    Returns the last carried values.
    """
    whole = columns - columns % vectors.lanes
    with function.loop(0, whole, vectors.lanes, carried) as loop:
        loop.carry(body(Chunk(function, vectors, loop.index, None), *loop.carried) or ())
    with function.loop(whole, columns, vectors.lanes, loop.results) as rest:
        mask = function.lanes_below(columns - rest.index, vectors.lanes)
        rest.carry(body(Chunk(function, vectors, rest.index, mask), *rest.carried) or ())
    return rest.results

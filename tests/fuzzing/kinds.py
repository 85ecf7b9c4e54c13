"""What networks take: tensors, indices and tables of them, drawn at random and made to measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from fuzzing.layers import Chance
from minigraph.rnn import Unroll
from minigraph.tables import is_table

#: How deep tables are nested.
DEEPEST = 4

@dataclass
class Tensor:
    """An input: its sizes after the batch, whether there is one, and of indices how many there are."""

    shape: tuple[int, ...]
    batched: bool = True
    count: int = 0

    def make(self, c: Chance, batch: int, steps: tuple[int, ...] = ()) -> np.ndarray:
        """Return an input, with the time steps in front."""
        shape = (*steps, *((batch,) if self.batched else ()), *self.shape)
        if self.count:
            found = c.rng.integers(1, self.count + 1, shape)
            return found if c.maybe(0.5) else found.astype(np.float64)
        return c.rng.uniform(-1.5, 1.5, shape)


Kind = Union[Tensor, list[Any]]


def make(kind: Kind, c: Chance, batch: int, steps: tuple[int, ...] = ()) -> Any:
    """Return an input of this kind."""
    return [make(each, c, batch, steps) for each in kind] if is_table(kind) else kind.make(c, batch, steps)


@dataclass
class Grown:
    """A network and what it takes: the kinds of its inputs, and which of them are states."""

    net: Any
    kinds: list[Kind]
    batch: int
    states: set[int] = field(default_factory=set)

    def inputs(self, c: Chance, batch: int, T: int) -> Any:
        """Return inputs of the network for ``T`` time steps (of no account without time)."""
        recurrent = isinstance(self.net, Unroll)
        found = [
            make(kind, c, batch, (T,) if recurrent and k not in self.states else ())
            for k, kind in enumerate(self.kinds)
        ]
        return found if len(found) > 1 else found[0]


def random_kind(c: Chance, deep: int = 0) -> Kind:
    """A kind of input: a tensor, now and then indices, or a table."""
    if deep < DEEPEST and c.maybe(0.2 if not deep else 0.35):
        return [random_kind(c, deep + 1) for _ in range(1 + c.below(2))]
    if not deep and c.maybe(0.25):
        return Tensor(c.one([(), (), (c.width(),)]), True, 1 + c.below(5))
    rank = int(c.rng.choice([0, 1, 2, 3], p=[0.08, 0.72, 0.15, 0.05]))
    if rank == 1 and c.maybe(0.1):
        return Tensor((c.width(),), False)
    return Tensor(tuple(c.width() for _ in range(rank)))


def random_state(c: Chance, deep: int = 0) -> Kind:
    if deep < DEEPEST and c.maybe(0.3):
        return [random_state(c, deep + 1) for _ in range(1 + c.below(2))]
    return Tensor((c.width(),), c.maybe(0.95))

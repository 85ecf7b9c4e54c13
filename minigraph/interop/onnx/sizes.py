"""Sizes that are free: what differs between two captures of a network, said in terms of batch and time.

A *pair* is one size as it is for the two examples. Where both are equal the size is fixed; else it is looked
for as a multiple of the batch, of the time or of both.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Mapping, NamedTuple, Sequence

Pair = tuple[int, int]


class Unwritable(Exception):
    """What an operation raises that cannot be written as ONNX, with the reason."""


class Size(NamedTuple):
    """``factor`` times the product of what ``names`` are at run time."""

    factor: int
    names: tuple[str, ...]

    @property
    def fixed(self) -> bool:
        """Whether it is the same for every input."""
        return not self.names


class Sizes:
    """Knows what the sizes that differ are called: ``{(5, 9): 'time', (2, 3): 'batch'}``."""

    def __init__(self, names: Mapping[Pair, str]) -> None:
        self.names = dict(names)
        self._products = [
            (math.prod(a for a, _ in pairs), math.prod(b for _, b in pairs), tuple(names[p] for p in pairs))
            for count in range(1, len(names) + 1) for pairs in combinations(names, count)
        ]

    def size(self, pair: Pair) -> Size:
        """Return what ``pair`` is for any input; raise ``Unwritable`` where that cannot be told."""
        a, b = pair
        if a == b:
            return Size(int(a), ())
        for first, second, names in self._products:
            if a * second == b * first and a % first == 0:
                return Size(int(a) // first, names)
        raise Unwritable("a size in it depends on the batch in a way that ONNX has no words for")

    def free(self, pairs: Sequence[Pair]) -> bool:
        """Tell whether any of the sizes is."""
        return any(a != b for a, b in pairs)

"""What stands for a tensor while an ONNX graph is written: its name, and the tensor for two examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from minigraph.interop.walker import Unconvertible
from minigraph.tables import is_table


@dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph: its name, and what it is for the two examples."""

    name: str
    example: np.ndarray
    other: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for the example."""
        return self.example.shape

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Return each dimension's size for the two examples."""
        return list(zip(self.example.shape, self.other.shape))

    @property
    def varying(self) -> list[bool]:
        """Tell for each dimension whether it depends on the batch or the number of time steps."""
        return [a != b for a, b in self.pairs]

    def shaped(self, source: Optional["Value"] = None) -> list[int]:
        """Return the shape for an ONNX Reshape of ``source``: 0 copies a dimension, -1 is the rest."""
        found = []
        for axis, pair in enumerate(self.pairs):
            same = source is not None and axis < source.example.ndim and pair == source.pairs[axis]
            found.append(pair[0] if pair[0] == pair[1] else 0 if same else -1)
        if found.count(-1) > 1:
            raise Unconvertible("more than one dimension of its shape depends on the batch")
        return found


def joined(name: str, example: Any, other: Any) -> Any:
    """Return values of one name for two tables nested alike."""
    if is_table(example):
        return [joined(name, a, b) for a, b in zip(example, other)]
    return Value(name, np.asarray(example), np.asarray(other))


def named(names: Any, example: Any, other: Any) -> Any:
    """Return values for the names that a converter gave, nested alike."""
    if is_table(example):
        return [named(n, a, b) for n, a, b in zip(names, example, other)]
    if isinstance(names, Value):
        names = names.name
    return Value(names, np.asarray(example), np.asarray(other))

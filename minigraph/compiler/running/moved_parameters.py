"""Parameters that moved between forward and backward, as ``getParameters()`` moves them.

A program is bound to the arrays that there were when it was made. The next forward makes another; until
then what moved is copied where the program reads it, and what it adds there is carried over.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import numpy as np

from minigraph.errors import StateError
from minigraph.nn.module import Module

#: Parameters and their gradients, in matching order.
Parameters = tuple[list[np.ndarray], list[np.ndarray]]


@contextmanager
def following(net: Module, bound: Parameters) -> Iterator[None]:
    """Let a program that is bound to ``bound`` work for the parameters that ``net`` has now.

    Raises ``StateError`` if they are not of the same shapes and types any more.
    """
    (values, gradients), (old_values, old_gradients) = net.parameters(), bound
    if [(a.shape, a.dtype) for a in values] != [(a.shape, a.dtype) for a in old_values]:
        raise StateError(
            f"the parameters of {net.typename()} changed in number, shape or type since forward: "
            "call forward(input) again before backward"
        )
    for old, new in _moved(old_values, values):
        np.copyto(old, new)
    for old, _ in _moved(old_gradients, gradients):
        old.fill(0)
    yield
    # All are read before any is written: some may be others, transposed.
    moved = _moved(old_gradients, gradients)
    for (_, new), total in zip(moved, [new + old for old, new in moved]):
        np.copyto(new, total)


def _moved(before: list[np.ndarray], now: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(old, new) for old, new in zip(before, now) if old is not new]

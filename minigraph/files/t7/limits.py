"""What a file may make of few bytes: shared objects are the lever of a small file on a large memory.

A table that is referred to a thousand times costs nothing as long as it is shared, and a thousand
times its size once something walks into it or copies it from every side.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph.errors import T7Error
from minigraph.memory import Relocation
from minigraph.nn import Container
from minigraph.nn.state import State

_DEEPEST_TABLE = 40

#: Modules that a walk through a network of a file meets, at most: one that is held twice is met twice.
MOST_MET = 1_000_000


class Limits:
    """Counts the work that one file causes, and makes what is derived from an array only once."""

    def __init__(self, entries: int) -> None:
        #: Steps that may still be taken; what is in the file once is walked a few times.
        self._left = 20 * entries + 20_000
        self.zeros = Relocation(np.zeros_like)
        self._derived: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}
        self._met: dict[int, int] = {}

    def spend(self, steps: int, offset: int) -> None:
        """Take note of ``steps`` of work; T7Error when they are more than the file can need."""
        self._left -= steps
        if self._left < 0:
            raise T7Error("the file refers to the same tables too often", offset)

    def derived(
        self, name: str, array: np.ndarray, make: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Return ``make(array)``, the same for the same array and name."""
        key = (name, id(array))
        if key not in self._derived:
            self._derived[key] = (array, make(array))
        return self._derived[key][1]

    def is_tree(self, value: Any, offset: int) -> bool:
        """Tell whether tables below ``value`` end within a sensible depth: no cycle, no chain."""
        layer, depth = [value], 0
        while layer:
            self.spend(len(layer), offset)
            layer = [
                entry for table in layer if isinstance(table, (list, tuple, dict))
                for entry in (table.values() if isinstance(table, dict) else table)
            ]
            depth += 1
            if depth > _DEEPEST_TABLE:
                return False
        return True

    def check_walk(self, module: State, offset: int) -> None:
        """Raise T7Error where a walk through a container, those in it known already, would never end."""
        inside = module.modules if isinstance(module, Container) else []
        met = self._met[id(module)] = 1 + sum(self._met.get(id(inner), 1) for inner in inside)
        if met > MOST_MET:
            raise T7Error(f"modules that hold each other in more than {MOST_MET} ways", offset)

    def charge_copy(self, module: State, offset: int) -> None:
        """Take note that ``module`` and all that it holds will be copied."""
        seen: set[int] = set()
        stack: list[Any] = [module]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            self.spend(1, offset)
            if isinstance(value, State):
                stack += vars(value).values()
            elif isinstance(value, (list, tuple)):
                stack += value
            elif isinstance(value, dict):
                stack += value.values()

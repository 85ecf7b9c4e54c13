"""Before: what a forward changes besides its output, to be put back where it has to be done once more.

That is the random stream, and what modules that are called as they are keep from pass to pass: running
means, counters.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.compiler.program.primitives import kind_of
from minigraph.compiler.specialise import Specialisation
from minigraph.nn.state import State
from minigraph.random import generator


class Before:
    """Remembers what was before a forward; nothing where there is nothing to change."""

    def __init__(self, specialisation: Specialisation) -> None:
        ops = specialisation.forward.program.ops
        self._draws = any(kind_of(op).call or kind_of(op).draws for op in ops)
        self._state: Any = None
        parameters = {id(array) for arrays in specialisation.net.parameters() for array in arrays}
        called = dict.fromkeys(
            owner for op in ops if kind_of(op).call for owner in op.attributes["module"]._owners()
        )
        self._places = [
            (owner, name) for owner in called for name, value in vars(owner).items()
            if _is_kept(owner, name, value) and id(value) not in parameters
        ]
        self._values: list[tuple[Any, Optional[np.ndarray]]] = []

    def remember(self) -> None:
        """Note how things are now."""
        if self._draws:
            self._state = generator.getRNGState()
        if self._places:
            held = [vars(owner)[name] for owner, name in self._places]
            copies = [value.copy() if isinstance(value, np.ndarray) else None for value in held]
            self._values = list(zip(held, copies))

    def put_back(self) -> None:
        """Make things what they were."""
        if self._state is not None:
            generator.setRNGState(self._state)
        for (owner, name), (value, copy) in zip(self._places, self._values):
            setattr(owner, name, value)
            if copy is not None:
                np.copyto(value, copy)


def _is_kept(owner: State, name: str, value: Any) -> bool:
    passing = ("output", "gradInput", *getattr(owner, "_buffers", ()))
    return name[0] != "_" and name not in passing and isinstance(value, (np.ndarray, int, float))

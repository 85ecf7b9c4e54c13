"""Names for what is converted: from annotations, made valid and unique."""

from __future__ import annotations

import keyword
import re
from typing import Any, Callable

#: What means something else in the code of a traced module.
_TAKEN = {"self", "torch"}


def identifier(text: str) -> str:
    """Return ``text`` as a Python identifier: ``'l1.next_h'`` becomes ``'l1_next_h'``."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "value"
    reserved = keyword.iskeyword(name) or name in _TAKEN
    return f"_{name}" if name[0].isdigit() or reserved else name


def dotted(text: str) -> str:
    """Return ``text`` with dots kept and everything else as in ``identifier``."""
    parts = [identifier(part) for part in text.split(".") if part.strip()]
    return ".".join(parts) or "value"


def type_name(module: Any) -> str:
    """Return the name of what has none: the type's, in lower case."""
    return type(module).__name__.lower()


class Unique:
    """Hands out names, each once: a second ``x`` becomes ``x_1``."""

    def __init__(self, taken: Callable[[str], bool] = lambda name: False) -> None:
        self._given: set[str] = set()
        self._taken = taken

    def __call__(self, wanted: str) -> str:
        """Return ``wanted``, or ``wanted_1``, ``wanted_2``, … if it is in use."""
        name, number = wanted, 0
        while name in self._given or self._taken(name):
            number += 1
            name = f"{wanted}_{number}"
        self._given.add(name)
        return name

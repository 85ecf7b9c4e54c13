"""Options: the numbers of a config under Torch's names, each with its default and range."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Callable, Mapping, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError


@dataclass(frozen=True)
class Number:
    """One entry of a config: its default (None: the method works it out) and what it accepts."""

    default: Optional[float]
    accepts: Callable[[float], bool]
    words: str


def nonnegative(default: float) -> Number:
    """Return the entry for a finite number >= 0."""
    return Number(default, lambda value: 0 <= value < inf, "a finite number >= 0")


def positive(default: Optional[float]) -> Number:
    """Return the entry for a number > 0."""
    return Number(default, lambda value: value > 0, "a number > 0")


def finite(default: Optional[float]) -> Number:
    """Return the entry for any finite number."""
    return Number(default, lambda value: -inf < value < inf, "a finite number")


def fraction(default: float) -> Number:
    """Return the entry for a number in [0, 1)."""
    return Number(default, lambda value: 0 <= value < 1, "a number in [0, 1)")


def whole(default: int) -> Number:
    """Return the entry for an integer >= 1 (a float with an integer value will do, as in Lua)."""
    return Number(default, lambda value: value >= 1 and value % 1 == 0, "an integer >= 1")


class Options:
    """What one method reads from its config.

    ``also`` names the entries that are not numbers. Entries that no method knows are left
    alone, as in Torch, unless they look like a known one in another spelling
    (``learning_rate``): that would silently train with the default.
    """

    def __init__(self, method: str, also: Sequence[str] = (), **numbers: Number) -> None:
        self._method = method
        self._numbers = numbers
        self._names = {*numbers, *also}
        self._spellings = {_plain(name): name for name in self._names}

    def read(self, config: Mapping[str, Any], skip: Sequence[str] = ()) -> list[Any]:
        """Return the numbers as floats, in the order of declaration; None for those in ``skip``.

        Raises ``ArgumentError`` for one out of range and for a misspelt name.
        """
        for key in config:
            if key not in self._names and isinstance(key, str) and _plain(key) in self._spellings:
                raise ArgumentError(
                    f"optim.{self._method}: config[{key!r}] is not an option: "
                    f"Torch's name is {self._spellings[_plain(key)]!r}"
                )
        return [
            None if name in skip else self._number(name, entry, config.get(name))
            for name, entry in self._numbers.items()
        ]

    def _number(self, name: str, entry: Number, value: Any) -> Optional[float]:
        if value is None:
            return entry.default
        if (
            isinstance(value, (bool, np.bool_))
            or not isinstance(value, (int, float, np.number))
            or isinstance(value, np.complexfloating)
            or not entry.accepts(float(value))
        ):
            raise ArgumentError(
                f"optim.{self._method}: config[{name!r}] must be {entry.words}, got {value!r}"
            )
        return float(value)


def _plain(name: str) -> str:
    """Return a name without case and underscores."""
    return name.replace("_", "").lower()

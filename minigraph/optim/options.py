"""Options: the numbers of a config under Torch's names, each with its default and range."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass
from math import inf
from typing import Any, Callable, ClassVar, Mapping, Optional, Sequence

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
    """What one method reads from its config, and keeps in its state.

    ``also`` names the entries that are not numbers, ``state`` (names with spaces between) those
    of the state, Torch7's own among them: without a state table they stand in the config.
    """

    #: Every name that some method knows, and the methods that read it as an option.
    _known: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, method: str, also: Sequence[str] = (), state: str = "", **numbers: Number) -> None:
        self.method = method
        self._numbers = numbers
        self._options = (*numbers, *also)
        self._state = state.split()
        for name in self._options:
            self._known.setdefault(name, []).append(method)
        for name in self._state:
            self._known.setdefault(name, [])

    def check_names(self, table: Mapping[Any, Any], what: str) -> None:
        """Raise ``ArgumentError`` for an entry of ``table`` that no method knows.

        Torch7 ignores it, and trains with the default of the one that was meant. An option of
        another method passes with a warning: Torch programs give the same table to whichever
        method was chosen.
        """
        for key in table:
            if key in self._options or key in self._state:
                continue
            if key not in self._known:
                nearest = self._nearest(str(key))
                raise ArgumentError(
                    f"optim.{self.method}: {what}[{key!r}] is not an option"
                    + (f", did you mean {nearest!r}?" if nearest else ":")
                    + f" There are {', '.join(self._options)}"
                )
            if others := self._known[key]:
                warnings.warn(
                    f"optim.{self.method} does not use {what}[{key!r}], an option of {', '.join(others)}",
                    stacklevel=4,
                )

    def _nearest(self, key: str) -> str:
        """Return the option that was probably meant by ``key``, or nothing."""
        spellings = {_plain(name): name for name in (*self._state, *self._options)}
        initials = {_initials(name): name for name in reversed(self._options)}
        found = difflib.get_close_matches(_plain(key), spellings, 1)
        return initials.get(_plain(key)) or (spellings[found[0]] if found else "")

    def read(self, config: Mapping[str, Any], skip: Sequence[str] = ()) -> list[Any]:
        """Return the numbers as floats, in the order of declaration; None for those in ``skip``.

        Raises ``ArgumentError`` for one out of range.
        """
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
                f"optim.{self.method}: config[{name!r}] must be {entry.words}, got {value!r}"
            )
        return float(value)


def _plain(name: str) -> str:
    """Return a name without case and underscores."""
    return name.replace("_", "").lower()


def _initials(name: str) -> str:
    """Return the first letters of the words of a name: ``lr`` of ``learningRate``."""
    return name[:1] + "".join(letter.lower() for letter in name if letter.isupper())

"""Nesting: what is nested too deeply, or contains itself, is told as that.

Tables and modules are walked by functions that call themselves: some hundred levels are no trouble,
beyond them Python raises RecursionError at any place. What takes tables or modules from outside hands that
to ``retell``, which looks whether what was given is the reason. Where several do, one around the other, the
outermost speaks: it sees the whole.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from typing import Any, Callable, Iterator, Mapping, NoReturn, Optional, Sequence, TypeVar

from minigraph.errors import NestingError, NodeError

Function = TypeVar("Function", bound=Callable[..., Any])

#: What comes of too many levels; a node wraps it.
CAUSES = (RecursionError, NodeError)
#: From how many levels on they are the reason of a RecursionError.
_DEEP = 50
_TABLES = (list, tuple, dict)
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def retold(function: Function) -> Function:
    """Decorate a function whose arguments may be nested too deeply."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CAUSES as error:
            retell(error, inspect.signature(function).bind(*args, **kwargs).arguments)

    return guarded  # type: ignore[return-value]


def retell(error: Exception, values: Mapping[str, Any]) -> NoReturn:
    """Raise ``error``, one of ``CAUSES``, or, if one of ``values`` is the reason for it, ``NestingError``."""
    cause = error if isinstance(error, RecursionError) else error.__cause__
    if isinstance(cause, RecursionError):
        given = vars(cause).setdefault("given", [])
        given.append(values)
        if _outermost():
            told = _explanation(given[::-1])
            if told is not None:
                raise told from None
            if _in_here(cause):
                names = ", ".join(values)
                raise NestingError(f"something made of {names} is nested too deeply to be walked") from None
    raise error


def _outermost() -> bool:
    """Whether no function that calls ``retell`` waits for the one that does now."""
    frame = sys._getframe(2).f_back
    while frame is not None and "retell" not in frame.f_code.co_names:
        frame = frame.f_back
    return frame is None


def _in_here(error: RecursionError) -> bool:
    """Whether it is this package's own functions that went too deep, not a user's."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return all(file.startswith(_PACKAGE) for file in files[-_DEEP:])


def _explanation(given: Sequence[Mapping[str, Any]]) -> Optional[NestingError]:
    """Return what is wrong with anything given; of one call, with the module itself last."""
    for values in given:
        for name in sorted(values, key="self".__eq__):
            told = _trouble(values[name].headline() if name == "self" else name, values[name])
            if told is not None:
                return told
    return None


def _trouble(name: str, value: Any) -> Optional[NestingError]:
    steps, levels, again = _way_down(value)
    if again is None and len(levels) < _DEEP:
        return None
    modules = [place for place, level in enumerate(levels) if _is_module(level)]
    if modules and modules[-1] >= (len(levels) / 2 if again is None else again):
        what, start, count = "module", 0, len(modules)
    else:
        what, start = "table", modules[-1] if modules else 0
        count = len(levels) - start - bool(modules)
        name = levels[start].headline() if modules else name
    if again is not None:
        path, first = (name + "".join(steps[start:end]) for end in (None, again))
        return NestingError(f"{path} is {first} again: a {what} cannot contain itself", path)
    path = name + "".join(steps[start : start + 1]) if what == "table" and modules else name
    hint = {"table": "nest it less deeply", "module": "put modules that follow each other into one container"}
    message = f"{path} is nested {count:,} {what}s deep, too deep to be walked: {hint[what]}"
    return NestingError(message, path, got=count)


def _way_down(value: Any) -> tuple[list[str], list[Any], Optional[int]]:
    """Return the steps of a longest way down, what is met on it, and the place that it returns to, if any."""
    way: list[tuple[str, Any, Iterator[tuple[str, Any]]]] = [("", value, _below(value))]
    #: Where on the way something is; ``None`` for what has been left.
    place: dict[int, Optional[int]] = {id(value): 0}
    #: How many levels are below something, and which step to what leads down to them.
    height: dict[int, tuple[int, str, Any]] = {id(value): (0, "", None)}
    while way:
        taken, level, entries = way[-1]
        for step, below in entries:
            again = place.get(id(below))
            if again is not None:
                steps = [before for before, _, _ in way[1:]]
                return [*steps, step], [each for _, each, _ in way], again
            if id(below) not in place:
                place[id(below)], height[id(below)] = len(way), (0, "", None)
                way.append((step, below, _below(below)))
                break
            height[id(level)] = max(height[id(level)], (height[id(below)][0] + 1, step, below), key=_first)
        else:
            way.pop()
            place[id(level)] = None
            if way:
                above = id(way[-1][1])
                height[above] = max(height[above], (height[id(level)][0] + 1, taken, level), key=_first)
    steps, levels = [], [value]
    while height[id(levels[-1])][0]:
        _, step, below = height[id(levels[-1])]
        steps.append(step)
        levels.append(below)
    return steps, levels, None


def _first(entry: tuple[int, str, Any]) -> int:
    return entry[0]


def _below(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a table or a module holds that holds more, with the step to it in Torch's notation."""
    if isinstance(value, (list, tuple)):
        held: Any = ((f"[{position}]", entry) for position, entry in enumerate(value, 1))
    elif isinstance(value, dict):
        held = ((f"[{key!r}]", entry) for key, entry in value.items())
    elif _is_module(value):
        held = ((f".{name}", entry) for name, entry in vars(value).items())
    else:
        held = ()
    return ((step, entry) for step, entry in held if isinstance(entry, _TABLES) or _is_module(entry))


def _is_module(value: Any) -> bool:
    return hasattr(value, "updateOutput") and hasattr(value, "__dict__")

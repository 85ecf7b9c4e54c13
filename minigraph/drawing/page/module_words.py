"""What a module was made with, and what it contains, in words."""

from __future__ import annotations

import inspect
from typing import Any

from minigraph.drawing.page.records.graph import Argument
from minigraph.drawing.words import clean, one_line, shorten
from minigraph.nn.state import made_with

_LENGTH = 120
_CONTENTS = 4000


def arguments_of(module: Any) -> list[Argument]:
    """Return the arguments that ``module`` was made with."""
    given, named = made_with(module)
    try:
        bound = inspect.signature(type(module).__init__).bind(module, *given, **named)
    except (TypeError, ValueError):
        # A class that takes other arguments now than the file it was loaded from knew.
        pairs = [(str(number), value) for number, value in enumerate(given, 1)] + list(named.items())
        return [_argument(name, value) for name, value in pairs]
    signature = bound.signature.parameters
    found: list[Argument] = []
    for name, value in list(bound.arguments.items())[1:]:
        if signature[name].kind is inspect.Parameter.VAR_POSITIONAL:
            found.extend(_argument(f"{name}[{i}]", entry) for i, entry in enumerate(value))
        elif signature[name].kind is inspect.Parameter.VAR_KEYWORD:
            found.extend(_argument(key, entry) for key, entry in value.items())
        else:
            found.append(_argument(name, value))
    return found


def contents_of(module: Any) -> str:
    """Return the text of a module that holds others, ``''`` for a single layer."""
    text = clean(repr(module))
    return text[:_CONTENTS] if "\n" in text else ""


def _argument(name: str, value: Any) -> Argument:
    return {"name": clean(name), "value": shorten(one_line(repr(value)), _LENGTH)}

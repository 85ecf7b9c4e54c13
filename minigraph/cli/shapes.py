"""--input: random tensors from a short text of shapes.

``2x3`` is a tensor of shape (2, 3), ``5`` one of shape (5,), ``[2x3,[2x4,2x4]]`` a table;
``2x3@10`` holds random whole numbers from 1 to 10 (classes, indexes of a LookupTable).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from minigraph import random
from minigraph.cli.failures import Failure

_TENSOR = re.compile(r"(\d+(?:x\d+)*)(?:@(\d+))?")
_TOKEN = re.compile(r"\s*(\d[\dx]*(?:@\d+)?|[\[\],]|\S)")


def random_input(text: str) -> Any:
    """Return the tensor or table that ``text`` describes, drawn from the random stream.

    Raises ``Failure`` that says what was expected where.
    """
    tokens = _TOKEN.findall(text)
    value, rest = _value(tokens, text)
    if rest:
        raise Failure(f"--input {text}: unexpected {rest[0]!r}; a table of several is [2x3,4x5]")
    return value


def _value(tokens: list[str], text: str) -> tuple[Any, list[str]]:
    """Read one tensor or table; return it and the tokens after it."""
    if not tokens:
        raise Failure(f"--input {text}: it ends where a shape such as 2x3 is expected")
    if tokens[0] != "[":
        return _tensor(tokens[0], text), tokens[1:]
    table = []
    while True:
        entry, tokens = _value(tokens[1:], text)
        table.append(entry)
        if tokens[:1] == ["]"]:
            return table, tokens[1:]
        if tokens[:1] != [","]:
            got = repr(tokens[0]) if tokens else "the end"
            raise Failure(f"--input {text}: expected , or ] and got {got}")


def _tensor(token: str, text: str) -> np.ndarray:
    match = _TENSOR.fullmatch(token)
    sizes = [int(size) for size in match[1].split("x")] if match else []
    if match is None or 0 in sizes or match[2] == "0":
        raise Failure(f"--input {text}: {token!r} is not a shape; write 2x3, 5, or 2x3@10 for 1..10")
    if match[2]:
        return np.floor(random.rand(*sizes) * int(match[2])) + 1
    return random.randn(*sizes)

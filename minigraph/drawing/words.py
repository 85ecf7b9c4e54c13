"""The words of a picture: shapes, types and names made short, clean and safe."""

from __future__ import annotations

import re
from typing import Any, Optional

import numpy as np

from minigraph.tables import is_table, leaves

NAME_LENGTH = 30
TYPE_LENGTH = 38
SHAPE_LENGTH = 44

# What XML 1.0 cannot hold, lone surrogates included.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: Any) -> str:
    """Return ``str(text)`` with the characters that XML cannot hold replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", str(text)).replace("\r\n", "\n").replace("\r", "\n")


def one_line(text: Any) -> str:
    """Return the text on one line, every run of white space a single space."""
    return " ".join(clean(text).split())


def shorten(text: str, length: int) -> str:
    """Return the text, its middle replaced by ``…`` if it is longer than ``length``."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def type_text(module: Any) -> str:
    """Return a module's type with arguments on one line: ``Linear(3 → 12)``."""
    first, _, rest = repr(module).partition("\n")
    text = one_line(first.rstrip(" {")).removeprefix("nn.").replace("->", "→")
    count = len(getattr(module, "modules", ()))
    return f"{text} of {count}" if rest and count else text


def shape_text(value: Any) -> str:
    """Return the shape of a tensor or table: ``(2, 3)``, ``{(2, 3), 4 × (2, 5)}``."""
    if is_table(value):
        return "{" + ", ".join(_runs([shape_text(entry) for entry in value])) + "}"
    if isinstance(value, np.ndarray):
        return str(tuple(int(n) for n in value.shape))
    return "none" if value is None else "number"


def _runs(texts: list[str]) -> list[str]:
    """Write equal neighbours once, with their count."""
    runs: list[tuple[str, int]] = []
    for text in texts:
        if runs and runs[-1][0] == text:
            runs[-1] = (text, runs[-1][1] + 1)
        else:
            runs.append((text, 1))
    return [text if count == 1 else f"{count} × {text}" for text, count in runs]


def bad_numbers(value: Any) -> str:
    """Say how many entries of a tensor or table are NaN or infinite; ``''`` if none is."""
    nan = infinite = total = 0
    for _, leaf in leaves(value):
        array = np.asarray(leaf)
        if array.dtype.kind != "f":
            continue
        total += array.size
        nan += int(np.isnan(array).sum())
        infinite += int(np.isinf(array).sum())
    found = [f"{count} {word}" for count, word in ((nan, "NaN"), (infinite, "Inf")) if count]
    return f"{', '.join(found)} of {total}" if found else ""


def number_text(number: Optional[float]) -> str:
    """Write a norm with three digits."""
    return "" if number is None else f"{float(number):.3g}"

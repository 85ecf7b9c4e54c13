"""Tensors and tables as data for the page: shapes and statistics instead of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigraph.debug.report import plain
from minigraph.tables import is_table

#: More entries of a table than anybody reads on a page.
_ENTRIES = 200


def value_data(value: Any) -> Any:
    """Return the page's record of a tensor, a number or a table; ``None`` for nothing."""
    if value is None:
        return None
    if is_table(value):
        return {"entries": [value_data(entry) for entry in value[:_ENTRIES]], "length": len(value)}
    array = np.asarray(value)
    record: dict[str, Any] = {
        "shape": [int(size) for size in array.shape], "dtype": str(array.dtype), "count": int(array.size),
    }
    if array.dtype.kind in "fiub" and array.size:
        record.update(statistics(array))
    return record


def statistics(array: np.ndarray) -> dict[str, Any]:
    """Return min, max, mean, std and norm of the finite entries, and how many are not finite.

    They are ``None`` where no entry is finite.
    """
    numbers = np.asarray(array, np.float64).ravel()
    nan = int(np.isnan(numbers).sum())
    infinite = int(np.isinf(numbers).sum())
    if nan or infinite:
        numbers = numbers[np.isfinite(numbers)]
    facts: dict[str, Any] = {"nan": nan, "inf": infinite}
    if not numbers.size:
        return {**facts, **dict.fromkeys(("min", "max", "mean", "std", "norm"))}
    with np.errstate(over="ignore", invalid="ignore"):
        facts.update({
            "min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean()),
            "std": float(numbers.std()), "norm": math.sqrt(float(numbers @ numbers)),
        })
    return dict(plain(facts))

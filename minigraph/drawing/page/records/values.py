"""Tensors and tables as data for the page: shapes and statistics instead of numbers."""

from __future__ import annotations

import math
from typing import Any, Literal, Optional, TypedDict, Union, overload

import numpy as np

from minigraph.debug.report import plain
from minigraph.tables import is_table

Number = Union[float, Literal["nan", "inf", "-inf"]]  # JSON has no number for the last three


class Statistics(TypedDict):
    """Statistics of the finite entries, null where there are none."""

    nan: int  # how many entries are NaN
    inf: int
    min: Optional[float]
    max: Optional[float]
    mean: Optional[Number]
    std: Optional[Number]
    norm: Optional[Number]


class Tensor(TypedDict):
    """A tensor that has no statistics: it is empty, or not of numbers."""

    shape: list[int]
    dtype: str
    count: int


class MeasuredTensor(Tensor, Statistics):
    """A tensor of numbers."""


class Table(TypedDict):
    """A table: its first entries, and how many it has."""

    entries: list[Optional[Value]]
    length: int


Value = Union[Tensor, MeasuredTensor, Table]

#: More entries of a table than anybody reads on a page.
_ENTRIES = 200


@overload
def value_data(value: np.ndarray) -> Value: ...
@overload
def value_data(value: Any) -> Optional[Value]: ...
def value_data(value: Any) -> Optional[Value]:
    """Return the page's record of a tensor, a number or a table; ``None`` for nothing."""
    if value is None:
        return None
    if is_table(value):
        return {"entries": [value_data(entry) for entry in value[:_ENTRIES]], "length": len(value)}
    array = np.asarray(value)
    tensor: Tensor = {
        "shape": [int(size) for size in array.shape], "dtype": str(array.dtype), "count": int(array.size),
    }
    return {**tensor, **statistics(array)} if array.dtype.kind in "fiub" and array.size else tensor


def statistics(array: np.ndarray) -> Statistics:
    """Return min, max, mean, std and norm of the finite entries, and how many are not finite.

    They are ``None`` where no entry is finite.
    """
    numbers = np.asarray(array, np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    found: Statistics = {
        "nan": int(np.isnan(numbers).sum()), "inf": int(np.isinf(numbers).sum()),
        "min": None, "max": None, "mean": None, "std": None, "norm": None,
    }
    if finite.size:
        with np.errstate(over="ignore", invalid="ignore"):
            found["min"], found["max"] = float(finite.min()), float(finite.max())
            found["mean"], found["std"] = plain(float(finite.mean())), plain(float(finite.std()))
            found["norm"] = plain(math.sqrt(float(finite @ finite)))
    return found

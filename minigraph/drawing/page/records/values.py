"""Tensors and tables: shapes and statistics instead of numbers."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict, Union

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

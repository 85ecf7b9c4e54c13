"""Tables over time: every tensor has the time steps as its first dimension.

A sequence is a tensor ``(T, ...)`` or a table of such, nested at will.
"""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.memory import root
from minigraph.tables import as_numeric, describe, describe_table, is_table, leaves


def as_sequence(value: Any, where: str) -> Any:
    """Return ``value`` with arrays for leaves; raise ``InputError`` unless it is a sequence."""
    if is_table(value):
        if not value:
            raise InputError(f"{where} is an empty table: expected a sequence", where, "sequence", "{}")
        if not any(isinstance(entry, (np.ndarray, list, tuple)) for entry in value):
            raise InputError(
                f"{where}: expected a sequence of shape (T, ...), got {describe_table(value)}",
                where, "(T, ...)", describe(value),
            )
        return [as_sequence(entry, f"{where}[{k}]") for k, entry in enumerate(value, 1)]
    if value is None:
        raise InputError(f"{where} is None: expected a sequence of shape (T, ...)", where, "(T, ...)", None)
    array = as_numeric(value, where)
    if array.ndim == 0:
        raise InputError(
            f"{where} must have the time steps as its first dimension, (T, ...); got {describe(value)}",
            where, "(T, ...)", (),
        )
    return array


def lengths(sequence: Any, where: str) -> Iterator[tuple[str, int]]:
    """Yield the name and the number of time steps of every tensor in a sequence."""
    if is_table(sequence):
        for k, entry in enumerate(sequence, 1):
            yield from lengths(entry, f"{where}[{k}]")
    else:
        yield where, len(sequence)


def at(sequence: Any, t: int) -> Any:
    """Return the entries at the 0-based time step ``t`` as views; ``None`` stays ``None``."""
    if is_table(sequence):
        return [at(entry, t) for entry in sequence]
    return None if sequence is None else sequence[t, ...]


def owners(*tables: Any) -> set[int]:
    """Return the ids of the arrays that own the memory of every tensor in ``tables``."""
    return {id(root(leaf)) for _, leaf in leaves(tables) if isinstance(leaf, np.ndarray)}


def make_room(buffer: Any, example: Any, T: int, taken: set[int]) -> Any:
    """Return arrays ``(T, *shape)`` for ``T`` values like ``example``, contents undefined.

    The arrays of ``buffer`` are used again where they fit, but not those in ``taken``, which
    somebody still reads.
    """
    if is_table(example):
        old = buffer if is_table(buffer) and len(buffer) == len(example) else [None] * len(example)
        return [make_room(previous, entry, T, taken) for previous, entry in zip(old, example)]
    value = np.asarray(example)
    shape = (T, *value.shape)
    if (
        isinstance(buffer, np.ndarray) and buffer.shape == shape and buffer.dtype == value.dtype
        and id(root(buffer)) not in taken
    ):
        return buffer
    return np.empty(shape, value.dtype)


def put(room: Any, value: Any, t: int, where: str) -> None:
    """Copy ``value`` to the time step ``t``; raise ``InputError`` if it has another shape there."""
    if is_table(room):
        if not is_table(value) or len(value) != len(room):
            raise InputError(
                f"{where} is {describe(value)}, a table of {len(room)} entries at the first time step: "
                "it is stacked over time and must be nested alike at all",
                where, len(room), describe(value),
            )
        for k, (slot, entry) in enumerate(zip(room, value), 1):
            put(slot, entry, t, f"{where}[{k}]")
        return
    if is_table(value) or np.shape(value) != room.shape[1:]:
        raise InputError(
            f"{where} is {describe(value)}, {format_shape(room.shape[1:])} at the first time step: "
            "it is stacked over time and must have one shape at all",
            where, room.shape[1:], describe(value),
        )
    room[t] = value


def check_alike(state: Any, value: Any, where: str, source: str) -> None:
    """Raise ``InputError`` unless the initial ``state`` is nested and shaped like what follows it."""
    if is_table(value):
        if is_table(state) and len(state) == len(value):
            for k, (mine, theirs) in enumerate(zip(state, value), 1):
                check_alike(mine, theirs, f"{where}[{k}]", f"{source}[{k}]")
            return
    elif not is_table(state) and np.shape(state) == np.shape(value):
        return
    raise InputError(
        f"the initial state {where} is {describe(state)}, but {source}, which takes its place at the "
        f"second time step, is {describe(value)}",
        where, describe(value), describe(state),
    )

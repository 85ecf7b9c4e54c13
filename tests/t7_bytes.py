"""Pieces of .t7 files, byte by byte: what no program here writes."""

from __future__ import annotations

import math
import struct

import numpy as np

INT = struct.Struct("<i")


def ints(*numbers: int) -> bytes:
    return b"".join(INT.pack(number) for number in numbers)


def number(value: float) -> bytes:
    return ints(1) + struct.pack("<d", value)


def string(text: str) -> bytes:
    data = text.encode()
    return ints(2, len(data)) + data


def boolean(value: bool) -> bytes:
    return ints(5, int(value))


def named(name: str) -> bytes:
    """A version header and a class name."""
    return ints(3) + b"V 1" + ints(len(name)) + name.encode()


def table(index: int, entries: dict[bytes, bytes]) -> bytes:
    return ints(3, index, len(entries)) + b"".join(key + value for key, value in entries.items())


def tensor(name: str, index: int, shape: tuple[int, ...], data: bytes, long: str = "<i8") -> bytes:
    """A contiguous tensor; its storage has the next index."""
    def longs(*numbers: int) -> bytes:
        return np.array(numbers, long).tobytes()

    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    head = ints(4, index) + named(name) + ints(len(shape)) + longs(*shape, *strides, 1)
    if not shape:
        return head + ints(0)
    storage = ints(4, index + 1) + named(name.replace("Tensor", "Storage"))
    return head + storage + longs(math.prod(shape)) + data

"""The two encodings of a .t7 file, written: the counterpart of ``streams``."""

from __future__ import annotations

import struct
from typing import BinaryIO, Sequence, Union

import numpy as np

_CHUNK = 1 << 16


class BinarySink:
    """The binary encoding: little-endian, longs of 8 bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write_int(self, number: int) -> None:
        """Write a C int."""
        self._file.write(struct.pack("<i", number))

    def write_double(self, number: float) -> None:
        """Write a Lua number."""
        self._file.write(struct.pack("<d", number))

    def write_string(self, data: bytes) -> None:
        """Write the length of a string and its characters."""
        self.write_int(len(data))
        self._file.write(data)

    def write_longs(self, numbers: Sequence[int]) -> None:
        """Write C longs."""
        self._file.write(struct.pack(f"<{len(numbers)}q", *numbers))

    def write_array(self, array: np.ndarray) -> None:
        """Write the elements of a contiguous array."""
        if array.size:  # the memory of an empty array cannot be looked at as bytes
            self._file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data.cast("B"))


class AsciiSink:
    """The text encoding, with as many digits as bring every number back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write_int(self, number: int) -> None:
        """Write a C int."""
        self._file.write(b"%d\n" % number)

    def write_double(self, number: float) -> None:
        """Write a Lua number."""
        self._file.write(b"%.17g\n" % number)

    def write_string(self, data: bytes) -> None:
        """Write the length of a string and its characters."""
        self.write_int(len(data))
        self._characters(data)

    def _characters(self, data: bytes) -> None:
        self._file.write(data)
        if data:
            self._file.write(b"\n")

    def write_longs(self, numbers: Sequence[int]) -> None:
        """Write C longs."""
        if numbers:
            self._file.write(b" ".join(b"%d" % number for number in numbers) + b"\n")

    def write_array(self, array: np.ndarray) -> None:
        """Write the elements of a contiguous array."""
        if array.dtype.itemsize == 1:
            self._characters(array.tobytes())
            return
        form = {"f8": b"%.17g", "f4": b"%.9g", "f2": b"%.9g"}.get(array.dtype.str[1:], b"%d")
        flat = array.reshape(-1)
        for first in range(0, flat.size, _CHUNK):
            part = b" ".join(form % number for number in flat[first : first + _CHUNK].tolist())
            self._file.write(part + (b" " if first + _CHUNK < flat.size else b"\n"))


Sink = Union[BinarySink, AsciiSink]

"""The two encodings of a .t7 file: how an int, a long, a double, a string and an array are written.

Every claimed size is held against what is left of the file before anything is allocated.
Source: https://github.com/torch/torch7/blob/master/lib/TH/THDiskFile.c
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO, NoReturn, Union

import numpy as np

from minigraph.errors import T7Error
from minigraph.files.headroom import check_room

_INT, _DOUBLE = struct.Struct("<i"), struct.Struct("<d")
_TOKEN = re.compile(rb"[ \t\r\n]*([^ \t\r\n]{1,64})(?![^ \t\r\n])")
_REST = re.compile(rb"[ \t\r\n]*\Z")
_NEWLINE = 10
# Tokens turned into numbers at a time: each costs some 100 bytes while it is a Python object.
_CHUNK = 1 << 16


class BinaryStream:
    """The binary encoding: little-endian, nothing between the values."""

    #: The fewest bytes that a value can take.
    smallest = 4

    def __init__(self, file: BinaryIO, long_size: int = 8) -> None:
        self._file = file
        self.position = file.tell()
        self._size = file.seek(0, os.SEEK_END)
        file.seek(self.position)
        self._long = np.dtype(f"<i{long_size}")

    def left(self) -> int:
        """Return the number of bytes not yet read."""
        return self._size - self.position

    def ended(self) -> bool:
        """Tell whether nothing is left to read."""
        return not self.left()

    def fail(self, message: str, position: int = -1) -> NoReturn:
        """Raise T7Error at the current byte, or at ``position``."""
        raise T7Error(message, self.position if position < 0 else position)

    def _take(self, count: int, what: str) -> bytes:
        if not 0 <= count <= self.left():
            self.fail(f"{what} of {count} bytes, but {self.left()} bytes are left in the file")
        data = self._file.read(count)
        if len(data) != count:
            self.fail(f"{what}: the file ends early")
        self.position += count
        return data

    def read_int(self) -> int:
        """Read a C int."""
        number: int = _INT.unpack(self._take(4, "an int"))[0]
        return number

    def read_double(self) -> float:
        """Read a Lua number."""
        number: float = _DOUBLE.unpack(self._take(8, "a number"))[0]
        return number

    def read_bytes(self, count: int) -> bytes:
        """Read the characters of a string."""
        return self._take(count, "a string")

    def read_long(self) -> int:
        """Read a C long."""
        return int(np.frombuffer(self._take(self._long.itemsize, "a long"), self._long)[0])

    def read_longs(self, count: int) -> list[int]:
        """Read the sizes or strides of a tensor."""
        data = self._take(count * self._long.itemsize, "sizes")
        longs: list[int] = np.frombuffer(data, self._long).tolist()
        return longs

    def read_array(self, dtype: np.dtype, count: int) -> np.ndarray:
        """Read the elements of a storage into new memory."""
        stored = self._long if dtype == np.int64 else dtype.newbyteorder("<")
        if not 0 <= count <= self.left() // stored.itemsize:
            self.fail(f"a storage of {count} elements, but {self.left()} bytes are left in the file")
        check_room(count * stored.itemsize, lambda words: T7Error(f"a storage needs {words}", self.position))
        array = np.empty(count, stored)
        if count and self._file.readinto(array.data.cast("B")) != array.nbytes:  # type: ignore[attr-defined]
            self.fail("a storage: the file ends early")
        self.position += array.nbytes
        return array.astype(dtype, copy=False)


class AsciiStream:
    """The text encoding: numbers between white space; a newline after each call that wrote some."""

    smallest = 2

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        check_room(size, lambda words: T7Error(f"the file needs {words}", 0))
        file.seek(0)
        self._data = file.read()
        self.position = 0

    def left(self) -> int:
        """Return the number of bytes not yet read."""
        return len(self._data) - self.position

    def ended(self) -> bool:
        """Tell whether nothing but white space is left to read."""
        return _REST.match(self._data, self.position) is not None

    def fail(self, message: str, position: int = -1) -> NoReturn:
        """Raise T7Error at the current byte, or at ``position``."""
        raise T7Error(message, self.position if position < 0 else position)

    def _token(self, what: str) -> bytes:
        match = _TOKEN.match(self._data, self.position)
        if match is None:
            self.fail(f"{what} was expected, but the file ends")
        self.position = match.end()
        return match[1]

    def _whole(self, what: str) -> int:
        start = self.position
        token = self._token(what)
        try:
            return int(token)
        except ValueError:
            self.fail(f"{what} was expected, got {token!r}", start)

    def _number(self, what: str) -> float:
        start = self.position
        token = self._token(what)
        try:
            return float(token)
        except ValueError:
            self.fail(f"{what} was expected, got {token!r}", start)

    def _end_call(self) -> None:
        """Skip the newline that ends what one call wrote."""
        if self.left() and self._data[self.position] == _NEWLINE:
            self.position += 1

    def read_int(self) -> int:
        """Read a C int."""
        number = self._whole("an int")
        self._end_call()
        return number

    def read_double(self) -> float:
        """Read a Lua number."""
        number = self._number("a number")
        self._end_call()
        return number

    def read_bytes(self, count: int) -> bytes:
        """Read the characters of a string."""
        if not 0 <= count <= self.left():
            self.fail(f"a string of {count} bytes, but {self.left()} bytes are left in the file")
        data = self._data[self.position : self.position + count]
        self.position += count
        if count:
            self._end_call()
        return data

    def read_long(self) -> int:
        """Read a C long."""
        number = self._whole("a long")
        self._end_call()
        return number

    def read_longs(self, count: int) -> list[int]:
        """Read the sizes or strides of a tensor."""
        if not 0 <= count <= self.left():
            self.fail(f"{count} sizes, but {self.left()} bytes are left in the file")
        numbers = [self._whole("a size") for _ in range(count)]
        if count:
            self._end_call()
        return numbers

    def read_array(self, dtype: np.dtype, count: int) -> np.ndarray:
        """Read the elements of a storage into new memory."""
        if dtype.itemsize == 1:
            return np.frombuffer(self.read_bytes(count), dtype).copy()
        if not 0 <= 2 * count <= self.left() + 1:
            self.fail(f"a storage of {count} elements, but {self.left()} bytes are left in the file")
        start = self.position
        array = np.empty(count, dtype)
        read = self._number if dtype.kind == "f" else self._whole
        for first in range(0, count, _CHUNK):
            part = array[first : first + _CHUNK]
            numbers = [read("an element") for _ in range(len(part))]
            try:
                with np.errstate(over="ignore"):
                    part[:] = numbers
            except OverflowError:
                self.fail(f"an element does not fit {dtype}", start)
        if count:
            self._end_call()
        return array


Stream = Union[BinaryStream, AsciiStream]


def looks_like_text(start: bytes) -> bool:
    """Tell whether a file with these first bytes is in the text encoding.

    A binary file starts with the code of a value (0 to 8) as an int, a text file with its digit.
    """
    return start[:1].isdigit() or start[:1].isspace()

"""From bytes to records: what stands in a .t7 file, nothing understood yet.

The reader keeps its own stack, so that nesting costs memory in proportion to the file and no
recursion. Records hold other records where the file refers back to an object.

Source: https://github.com/torch/torch7/blob/master/File.lua
"""

from __future__ import annotations

import re
from typing import Any, Optional

import numpy as np

from minigraph.errors import T7Error
from minigraph.files.t7.streams import Stream
from minigraph.files.t7.types import (
    BOOLEAN,
    FUNCTION,
    LEGACY_FUNCTION,
    NIL,
    NUMBER,
    OLD_FUNCTION,
    STORAGES,
    STRING,
    TABLE,
    TENSORS,
    TORCH,
)
from minigraph.files.views import view

_MOST_DIMENSIONS = 64
_VERSION = re.compile(rb"V (-?[0-9]{1,9}(?:\.[0-9]*)?)$")


class Record:
    """An object of the file: ``items`` are its parts, ``offset`` the byte where it starts."""

    __slots__ = ("items", "offset")

    def __init__(self, offset: int) -> None:
        self.items: list[Any] = []
        self.offset = offset


class TableRecord(Record):
    """A table: ``items`` are key, value, key, value, …"""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the entries as ``(key, value)``."""
        return list(zip(self.items[0::2], self.items[1::2]))


class HashRecord(TableRecord):
    """A ``tds.Hash``: a table that is a dict whatever its keys are."""

    __slots__ = ()


class VecRecord(Record):
    """A ``tds.Vec``: ``items`` are its entries."""

    __slots__ = ()


class ObjectRecord(Record):
    """An object of a class that stores itself as one value, as a rule a table of its fields."""

    __slots__ = ("class_name", "version")

    def __init__(self, offset: int, class_name: str, version: int) -> None:
        super().__init__(offset)
        self.class_name, self.version = class_name, version

    @property
    def payload(self) -> Any:
        """What the object stores: the last of what stands in the file (``nn.GPU`` puts a header first)."""
        return self.items[-1]

    def fields(self) -> dict[str, Any]:
        """Return the fields as they stand in the file; T7Error unless it is a table of names."""
        payload = self.payload
        if not isinstance(payload, TableRecord):
            raise T7Error(f"{self.class_name} holds no table of fields", self.offset)
        return {key: value for key, value in payload.pairs() if isinstance(key, str)}


class StorageRecord(Record):
    """A storage: its elements, read once however many tensors lie on it."""

    __slots__ = ("array",)

    def __init__(self, offset: int, array: np.ndarray) -> None:
        super().__init__(offset)
        self.array = array


class TensorRecord(Record):
    """A tensor: ``array`` is a view on its storage."""

    __slots__ = ("array", "_dtype", "_shape", "_strides", "_start")

    def __init__(self, offset: int, dtype: np.dtype, stream: Stream) -> None:
        super().__init__(offset)
        rank = stream.read_int()
        if not 0 <= rank <= _MOST_DIMENSIONS:
            stream.fail(f"a tensor of {rank} dimensions", offset)
        self._dtype = dtype
        self._shape, self._strides = stream.read_longs(rank), stream.read_longs(rank)
        self._start = stream.read_long() - 1
        self.array = np.empty(0, dtype)

    def finish(self) -> None:
        """Make the array; raise T7Error where it does not lie within its storage."""
        storage = self.items[0]
        if storage is None or not self._shape:
            return
        if not isinstance(storage, StorageRecord) or storage.array.dtype != self._dtype:
            raise T7Error("a tensor whose storage is not one of its type", self.offset)
        try:
            self.array = view(storage.array, self._shape, self._strides, self._start)
        except ValueError as error:
            raise T7Error(str(error), self.offset) from None


class FunctionRecord(Record):
    """A Lua function: its bytecode was skipped, its upvalues are ``items``."""

    __slots__ = ()


#: The classes of package tds: the number of entries as a long, then each: of a Hash a key and a value.
_COLLECTIONS: dict[str, tuple[type[Record], int]] = {"tds.Hash": (HashRecord, 2), "tds.Vec": (VecRecord, 1)}


class Reader:
    """Reads values and all below them from ``stream``; ``records`` lists the objects in order.

    ``open_objects`` are those of a class that are being read: innermost last.
    """

    def __init__(self, stream: Stream, referenced: bool, skip_functions: bool) -> None:
        self._stream = stream
        self._referenced = referenced
        self._skip_functions = skip_functions
        self._known: dict[int, Record] = {}
        self.records: list[Record] = []
        self.open_objects: list[ObjectRecord] = []

    def read(self) -> Any:
        """Return the value: None, bool, int, float, str, bytes or a record."""
        root, missing = self._begin()
        stack: list[tuple[Record, int]] = [(root, missing)] if missing else []
        while stack:
            record, missing = stack.pop()
            if not missing:
                if isinstance(record, TensorRecord):
                    record.finish()
                elif isinstance(record, ObjectRecord):
                    self.open_objects.pop()
                continue
            stack.append((record, missing - 1))
            value, parts = self._begin()
            record.items.append(value)
            if parts is not None:
                stack.append((value, parts))
        return root

    def _begin(self) -> tuple[Any, Optional[int]]:
        """Read what stands before the parts of a value; return it and how many parts follow.

        The number is ``None`` for a value that is complete.
        """
        stream = self._stream
        start = stream.position
        kind = stream.read_int()
        if kind == NIL:
            return None, None
        if kind == NUMBER:
            return _number(stream.read_double()), None
        if kind == STRING:
            return decode(stream.read_bytes(stream.read_int())), None
        if kind == BOOLEAN:
            return stream.read_int() == 1, None
        if kind == OLD_FUNCTION:
            return self._function(start), 1
        if kind not in (TABLE, TORCH, FUNCTION, LEGACY_FUNCTION):
            stream.fail(
                f"no kind of value has the code {kind}: this is no .t7 file, or it is damaged", start,
            )
        index = stream.read_int()
        if self._referenced and index in self._known:
            return self._known[index], None
        record: Record
        parts: Optional[int]
        if kind == TABLE:
            record, parts = self._table(start)
        elif kind == TORCH:
            record, parts = self._object(start)
        else:
            record, parts = self._function(start), 1
        self.records.append(record)
        if self._referenced:
            self._known[index] = record
        return record, parts

    def _table(self, start: int) -> tuple[Record, int]:
        size = self._stream.read_int()
        if not 0 <= size <= self._stream.left() // (2 * self._stream.smallest):
            self._stream.fail(
                f"a table of {size} entries, but {self._stream.left()} bytes are left in the file",
                start,
            )
        return TableRecord(start), 2 * size

    def _collection(self, kind: type[Record], start: int, width: int) -> tuple[Record, int]:
        """Read the size of a tds.Hash or tds.Vec; ``width`` values make one of its entries."""
        size = self._stream.read_long()
        if not 0 <= size <= self._stream.left() // (width * self._stream.smallest):
            self._stream.fail(
                f"a collection of {size} entries, but {self._stream.left()} bytes are left in the file",
                start,
            )
        return kind(start), width * size

    def _object(self, start: int) -> tuple[Record, Optional[int]]:
        stream = self._stream
        name = stream.read_bytes(stream.read_int())
        version = _VERSION.match(name)
        if version is not None:
            name = stream.read_bytes(stream.read_int())
        class_name = name.decode("utf-8", "backslashreplace")
        if not name or len(name) > 200:
            stream.fail("the name of a class was expected", start)
        if class_name in STORAGES:
            return StorageRecord(start, stream.read_array(STORAGES[class_name], stream.read_long())), None
        if class_name in TENSORS:
            return TensorRecord(start, TENSORS[class_name], stream), 1
        if class_name in _COLLECTIONS:
            return self._collection(_COLLECTIONS[class_name][0], start, _COLLECTIONS[class_name][1])
        record = ObjectRecord(start, class_name, 0 if version is None else int(float(version[1])))
        self.open_objects.append(record)
        return record, 2 if class_name == "nn.GPU" else 1

    def _function(self, start: int) -> Record:
        if not self._skip_functions:
            self._stream.fail(
                "the file holds a Lua function, which is a program and is not read; "
                "pass skip_functions=True to put None in its place", start,
            )
        self._stream.read_bytes(self._stream.read_int())
        return FunctionRecord(start)


def _number(value: float) -> Any:
    """Return a Lua number as an int where it is whole and exact, else as a float."""
    if value.is_integer() and abs(value) <= 2.0**53 and (value or str(value)[0] != "-"):
        return int(value)
    return value


def decode(data: bytes) -> Any:
    """Return a Lua string as str, or as bytes where it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data

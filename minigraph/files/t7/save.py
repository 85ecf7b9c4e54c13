"""save_t7: write values as Torch7's ``torch.save`` does.

The writer keeps its own stack, as the reader does: nngraph's nodes refer to each other in chains
as long as the graph.

Source: https://github.com/torch/torch7/blob/master/File.lua
"""

from __future__ import annotations

import math
from typing import Any, Iterator, Optional

import numpy as np

from minigraph import nn
from minigraph.errors import ArgumentError, T7Error
from minigraph.files.atomic import AnyPath, replacing
from minigraph.files.t7.activations import Activation
from minigraph.files.t7.fields import class_and_fields
from minigraph.files.t7.nodes import NodeWriter
from minigraph.files.t7.sinks import AsciiSink, BinarySink, Sink
from minigraph.files.t7.types import BOOLEAN, NAMES, NIL, NUMBER, STRING, TABLE, TENSORS, TORCH
from minigraph.files.t7.values import Key, Storage, UnknownObject
from minigraph.graph import Edge, Graph, Node
from minigraph.memory import address, root
from minigraph.nesting import retold
from minigraph.nn.state import State
from minigraph.tables import is_table, refuse_mask

Parts = Iterator[tuple[Any, Optional[str]]]

_MOST_INT = 2**31 - 1


@retold
def save_t7(
    path: AnyPath, obj: Any, mode: str = "binary", referenced: bool = True
) -> None:
    """Write ``obj`` to ``path`` so that Torch7's ``torch.load`` reads it.

    Lists and tuples become tables with keys 1 … n, dicts tables, arrays tensors of their element
    type, modules and gModules what they are in Torch. Sharing and cycles are kept: what is one
    object here is one in the file, arrays that share memory are tensors on one storage.
    ``mode='ascii'`` writes text. ``referenced=False`` writes everything again wherever it occurs
    (see ``torch.save``). The file appears whole or not at all.

    Raises ``T7Error`` that says where in ``obj`` there is something that Torch7 has no form for,
    before ``path`` is touched.
    """
    if mode not in ("binary", "ascii"):
        raise ArgumentError(f"mode is 'binary' or 'ascii', got {mode!r}")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        sink: Sink = BinarySink(file) if mode == "binary" else AsciiSink(file)
        Writer(sink, referenced).write(obj)


class Writer:
    """Writes one value and all below it to ``sink``."""

    def __init__(self, sink: Sink, referenced: bool = True) -> None:
        self._sink = sink
        self._referenced = referenced
        self._indices: dict[Any, int] = {}
        self._count = 0
        # An id is an identity only while the object lives.
        self._alive: list[Any] = []
        self._nodes = NodeWriter()

    def write(self, value: Any) -> None:
        """Write ``value``."""
        names: list[Optional[str]] = []  # the name of the part that each entry of the stack is at
        stack: list[Parts] = []
        try:
            stack.append(self._begin(value))
            while stack:
                part = next(stack[-1], None)
                if part is None:
                    stack.pop()
                    continue
                inner, name = part
                names[len(stack) - 1 :] = [name]
                stack.append(self._begin(inner))
        except T7Error as error:
            where = ".".join(name for name in names[: len(stack)] if name)
            if where:
                error.context.append(f"at {where}")
            raise

    def _begin(self, value: Any) -> Parts:
        """Write what stands before the parts of a value and return the parts with their names."""
        sink = self._sink
        if value is None:
            sink.write_int(NIL)
        elif isinstance(value, (bool, np.bool_)):
            sink.write_int(BOOLEAN)
            sink.write_int(int(value))
        elif isinstance(value, (int, float, np.integer, np.floating)):
            if isinstance(value, (int, np.integer)) and abs(int(value)) > 2**53:
                raise T7Error(f"{value} is no number of Lua: beyond 2**53 it would be rounded")
            sink.write_int(NUMBER)
            sink.write_double(float(value))
        elif isinstance(value, (str, bytes)):
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            _check_int(len(data), "a string")
            sink.write_int(STRING)
            sink.write_string(data)
        elif isinstance(value, np.ndarray):
            return self._array(value)
        elif isinstance(value, Activation):
            return self._activation(value)
        elif is_table(value) and not isinstance(value, Edge):
            return self._table(value, [
                (i, entry) for i, entry in enumerate(value, 1) if entry is not None
            ])
        elif isinstance(value, dict):
            return self._table(value, [
                (_key(key), entry) for key, entry in value.items() if entry is not None
            ])
        else:
            return self._object(value._described() if isinstance(value, State) else value)
        return iter(())

    def _start(self, kind: int, identity: Any, alive: Any) -> bool:
        """Write kind and index; tell whether the object itself has to follow."""
        self._sink.write_int(kind)
        known = self._indices.get(identity) if self._referenced else None
        if known is not None:
            self._sink.write_int(known)
            return False
        self._count += 1
        _check_int(self._count, "a file of objects")
        self._sink.write_int(self._count)
        self._indices[identity] = self._count
        self._alive.append(alive)
        return True

    def _activation(self, slot: Activation) -> Parts:
        """Write what one attribute of a module holds, on storages of its own and of the module's type."""
        module, path, value = slot
        identity = (id(module), *path)
        if isinstance(value, np.ndarray):
            kept = isinstance(module, nn.Copy) or module._type not in TENSORS
            dtype = _plain(value).dtype if kept else TENSORS[module._type]
            return self._array(np.array(value, dtype, order="C", subok=False), identity)
        if not is_table(value):
            return self._begin(value)
        return self._table(value, [
            (i, Activation(module, (*path, i), entry))
            for i, entry in enumerate(value, 1) if entry is not None
        ], identity)

    def _table(self, value: Any, pairs: list[tuple[Any, Any]], identity: Any = None) -> Parts:
        if not self._start(TABLE, identity or id(value), value):
            return iter(())
        _check_int(len(pairs), "a table")
        self._sink.write_int(len(pairs))
        return self._parts(pairs)

    def _parts(self, pairs: list[tuple[Any, Any]]) -> Parts:
        for key, entry in pairs:
            yield key, None
            yield entry, str(key) if isinstance(key, (str, int, float)) else "<key>"

    def _object(self, value: Any) -> Parts:
        if isinstance(value, (Node, Graph, Edge)):
            class_name, fields = self._nodes.fields(value)
            version = 1
        elif isinstance(value, UnknownObject):
            class_name, fields, version = value.class_name, value.fields, value.version
        elif isinstance(value, State):
            class_name, fields, version = class_and_fields(value, self._nodes)
        else:
            raise T7Error(f"Torch7 has no form for {type(value).__name__} {value!r:.80}")
        if not self._start(TORCH, self._nodes.identity(value), value):
            return iter(())
        self._class(class_name, version)
        if class_name == "nn.GPU":  # its reader wants to know the device first
            return iter([([value._type, value.device], None), (fields, None)])
        return iter([(fields, None)])

    def _class(self, name: str, version: int = 1) -> None:
        if version > 0:
            self._sink.write_string(b"V %d" % version)
        self._sink.write_string(name.encode("utf-8", "surrogatepass"))

    def _array(self, array: np.ndarray, identity: Any = None) -> Parts:
        if isinstance(array, Storage):
            return self._storage(_plain(array))
        if not self._start(TORCH, identity or id(array), array):
            return iter(())
        plain = _plain(array)
        self._alive.append(plain)
        self._class(f"torch.{NAMES[plain.dtype]}Tensor")
        if plain.size == 0:
            self._sink.write_int(0)
            self._sink.write_longs([1])
            return iter([(None, None)])
        owner = root(plain)
        shape = plain.shape or (1,)
        strides = plain.strides or (plain.itemsize,)
        self._sink.write_int(len(shape))
        self._sink.write_longs(shape)
        self._sink.write_longs([stride // plain.itemsize for stride in strides])
        self._sink.write_longs([(address(plain) - address(owner)) // plain.itemsize + 1])
        return iter([(owner.view(Storage), None)])

    def _storage(self, array: np.ndarray) -> Parts:
        owner = root(array)
        identity = ("storage", address(owner), owner.nbytes, owner.dtype) if owner.size else id(array)
        if self._start(TORCH, identity, owner):
            self._class(f"torch.{NAMES[owner.dtype]}Storage")
            self._sink.write_longs([owner.size])
            self._sink.write_array(owner)
        return iter(())


def _check_int(count: int, what: str) -> None:
    if count > _MOST_INT:
        raise T7Error(f"{what} of {count} is more than Torch7 can count")


def _key(key: Any) -> Any:
    """Return what stands in a file for a key of a dict."""
    if isinstance(key, Key):
        return key.value
    if key is None or isinstance(key, float) and math.isnan(key):
        raise T7Error(f"{key!r} cannot be a key of a Lua table")
    if not isinstance(key, (str, bytes, int, float, np.integer, np.floating)):
        raise T7Error(f"a key of type {type(key).__name__} has no form in Lua: {key!r:.80}")
    return key


def _plain(array: np.ndarray) -> np.ndarray:
    """Return the array itself if it lies on its owner as a tensor lies on a storage, else a copy."""
    refuse_mask(array, "an array to be saved")
    dtype = np.dtype(np.uint8) if array.dtype == np.bool_ else array.dtype.newbyteorder("=")
    if dtype not in NAMES:
        raise T7Error(f"Torch7 has no tensors of {array.dtype}")
    owner = root(array)
    fits = (
        array.dtype == dtype and owner.dtype == dtype and owner.flags.c_contiguous
        and all(stride >= 0 and stride % dtype.itemsize == 0 for stride in array.strides)
    )
    return array if fits else np.array(array, dtype, order="C", copy=True, subok=False)

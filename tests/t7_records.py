"""Compare two .t7 files record by record: what Torch7 would see, not what we make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigraph.files.t7.reader import (
    ObjectRecord,
    Reader,
    Record,
    StorageRecord,
    TableRecord,
    TensorRecord,
)
from minigraph.files.t7.streams import AsciiStream, BinaryStream, looks_like_text

#: What a pass leaves at nngraph's nodes; the next pass makes it anew.
PASSING = {"input", "gradOutput", "gradOutputBuffer"}


def read_records(path: Path, referenced: bool = True) -> Any:
    """Return the root record of a file."""
    with open(path, "rb") as file:
        text = looks_like_text(file.read(1))
        file.seek(0)
        stream = AsciiStream(file) if text else BinaryStream(file)
        return Reader(stream, referenced, True).read()


def differences(first: Any, second: Any, sharing: bool = True) -> list[str]:
    """Return where two record graphs differ: kinds, classes, fields, numbers and sharing."""
    found: list[str] = []
    forward: dict[int, int] = {}
    backward: dict[int, int] = {}
    stack = [(first, second, "root")]
    while stack:
        a, b, where = stack.pop()
        if type(a) is not type(b):
            found.append(f"{where}: {_name(a)} and {_name(b)}")
            continue
        if not isinstance(a, Record):
            if a != b and not (a != a and b != b):
                found.append(f"{where}: {a!r} and {b!r}")
            continue
        if id(a) in forward or (sharing and id(b) in backward):
            if sharing and (forward.get(id(a)) != id(b) or backward.get(id(b)) != id(a)):
                found.append(f"{where}: shared with different objects")
            continue
        forward[id(a)], backward[id(b)] = id(b), id(a)
        stack += _parts(a, b, where, found)
    return found


def _parts(a: Any, b: Any, where: str, found: list[str]) -> list[tuple[Any, Any, str]]:
    if isinstance(a, StorageRecord):
        if a.array.dtype != b.array.dtype or not np.array_equal(a.array, b.array, equal_nan=True):
            found.append(f"{where}: storages differ")
        return []
    if isinstance(a, TensorRecord):
        same = a.array.shape == b.array.shape and a.array.strides == b.array.strides
        if not same and a.array.size:
            found.append(f"{where}: {a.array.shape} and {b.array.shape}")
        return list(zip(a.items, b.items, [where + " storage"]))
    if isinstance(a, ObjectRecord):
        if (a.class_name, a.version) != (b.class_name, b.version):
            found.append(f"{where}: {a.class_name} {a.version} and {b.class_name} {b.version}")
        return [(a.items[0], b.items[0], f"{where}<{a.class_name}>")]
    if isinstance(a, TableRecord):
        return _entries(a, b, where, found)
    return list(zip(a.items, b.items, [where] * len(a.items)))


def _entries(a: TableRecord, b: TableRecord, where: str, found: list[str]) -> list[tuple[Any, Any, str]]:
    mine = {key: value for key, value in a.pairs() if not isinstance(key, Record)}
    theirs = {key: value for key, value in b.pairs() if not isinstance(key, Record)}
    if "mapindex" in mine:
        mine = {key: value for key, value in mine.items() if key not in PASSING}
        theirs = {key: value for key, value in theirs.items() if key not in PASSING}
    if mine.keys() != theirs.keys():
        found.append(f"{where}: fields {set(mine) ^ set(theirs)} are in one only")
    entries = [(mine[key], theirs[key], f"{where}.{key}") for key in mine if key in theirs]
    # Keys that are objects: their values are numbers or true.
    mine_by = {_ident(k): (k, v) for k, v in a.pairs() if isinstance(k, Record)}
    theirs_by = {_ident(k): (k, v) for k, v in b.pairs() if isinstance(k, Record)}
    if mine_by.keys() != theirs_by.keys():
        found.append(f"{where}: keys that are objects differ")
    for name in mine_by.keys() & theirs_by.keys():
        entries += list(zip(mine_by[name], theirs_by[name], [f"{where}<key>"] * 2))
    return entries


def _ident(key: Any) -> Any:
    """Return what tells an object used as a key from others: a node by its number."""
    if isinstance(key, TableRecord):
        return key.items[1::2][key.items[0::2].index("forwardNodeId")]
    if key.class_name == "graph.Edge":
        ends = key.fields()
        return tuple(_ident(ends[name]) for name in ("from", "to"))
    return _ident(key.fields()["data"]), key.fields()["id"]


def _name(value: Any) -> str:
    if isinstance(value, Record):
        return getattr(value, "class_name", type(value).__name__)
    return f"{value!r:.40}"


#: Fields that a pass sets: their place in memory is of interest, their numbers are not.
ACTIVATIONS = {"output", "gradInput", "_type", "train"}


def lacking(theirs: Any, ours: Any, values: bool = True) -> set[str]:
    """Return what the objects of Torch7's own file have and ours lack, or have otherwise.

    Without ``values`` only classes, versions, fields and their kinds are compared.
    """
    found: set[str] = set()
    seen: set[int] = set()
    stack = [(theirs, ours, "root")]
    while stack:
        a, b, where = stack.pop()
        if not isinstance(a, Record) or id(a) in seen:
            continue
        seen.add(id(a))
        if isinstance(a, TableRecord) and isinstance(b, TableRecord):
            entries = dict(b.pairs())
            stack += [(v, entries[k], f"{where}.{k}") for k, v in a.pairs() if k in entries]
        if not isinstance(a, ObjectRecord):
            continue
        if not isinstance(b, ObjectRecord) or (a.class_name, a.version) != (b.class_name, b.version):
            found.add(f"{where}: {a.class_name} {a.version}, ours {_name(b)} {getattr(b, 'version', '')}")
            continue
        mine = b.fields()
        for field, value in a.fields().items():
            name, other = f"{a.class_name}.{field}", mine.get(field)
            if field in ACTIVATIONS or value is None:
                continue
            if other is None:
                found.add(f"{name} is missing")
            elif _kind(value) != _kind(other):
                found.add(f"{name} is a {_kind(value)}, ours a {_kind(other)}")
            elif values and not isinstance(value, Record) and not _same(value, other):
                found.add(f"{name} is {value!r}, ours {other!r}")
            else:
                stack.append((value, other, f"{where}.{field}"))
    return found


def _same(value: Any, other: Any) -> bool:
    return value == other or isinstance(value, float) and bool(np.isclose(value, other, 1e-12, 0))


def _kind(value: Any) -> str:
    if isinstance(value, (TensorRecord, StorageRecord)):
        return type(value).__name__
    return _name(value) if isinstance(value, Record) else type(value).__name__.replace("float", "int")


def apart(theirs: Any, ours: Any) -> list[str]:
    """Return the pairs of tensors that share a storage in our file and have their own in Torch7's."""
    first, second = _storages(theirs), _storages(ours)
    both = sorted(path for path in first if path in second)
    groups: dict[int, list[str]] = {}
    for path in both:
        groups.setdefault(second[path], []).append(path)
    return [
        f"{one} and {other}" for paths in groups.values() for one, other in zip(paths, paths[1:])
        if first[one] != first[other]
    ]


def _storages(root: Any) -> dict[str, int]:
    """Return for each tensor, by its path, the storage that it lies on; an object has its shortest path."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    layer = [("", root)]
    while layer:
        below: list[tuple[str, Any]] = []
        for path, record in layer:
            if isinstance(record, TensorRecord) and record.items[0] is not None:
                found[path] = id(record.items[0])
            if not isinstance(record, (TableRecord, ObjectRecord)) or id(record) in seen:
                continue
            seen.add(id(record))
            pairs = record.pairs() if isinstance(record, TableRecord) else [("", record.payload)]
            below += [(f"{path}.{key}", value) for key, value in pairs if not isinstance(key, Record)]
        layer = sorted(below, key=lambda entry: entry[0])
    return found

"""load_t7: open a file, find out how it is encoded, read it."""

from __future__ import annotations

from typing import Any, BinaryIO, Optional

from minigraph.errors import ArgumentError, T7Error
from minigraph.files.atomic import AnyPath
from minigraph.files.opening import open_regular
from minigraph.files.t7.builder import Builder, is_known
from minigraph.files.t7.foreign import HEAD, foreign_kind
from minigraph.files.t7.reader import ObjectRecord, Reader
from minigraph.files.t7.streams import AsciiStream, BinaryStream, Stream, looks_like_text


def load_t7(
    path: AnyPath,
    mode: Optional[str] = None,
    referenced: bool = True,
    skip_functions: bool = False,
    long_size: Optional[int] = None,
    several: bool = False,
) -> Any:
    """Return what Torch7's ``torch.save`` wrote to ``path``.

    A Lua table with the keys 1 … n is a list, any other a dict; whole numbers are int, others
    float; strings are str, or bytes where they are not UTF-8; a tensor is an array (one that was
    on a GPU too) and tensors on one storage share their memory; an object of a class of ``nn`` or
    nngraph is ours, of another an ``UnknownObject``; a ``tds.Hash`` is a dict, a ``tds.Vec`` a
    list. ``mode`` is ``'binary'`` or ``'ascii'`` and is found out by itself. ``referenced=False``
    reads what was saved without references, as ``torch.load(path, mode, false)`` does. Lua functions
    are programs and are refused; ``skip_functions=True`` puts ``None`` in their place. ``long_size``
    is the bytes of a C long where the file was written, 8 or 4; by default 8 is tried first.
    ``several=True`` returns a list of all objects that ``file:writeObject`` put into the file one
    after the other.

    Nothing in the file is ever executed. Raises ``T7Error``, with the byte where it happened, for
    a file that is damaged, is something else, goes on after its object, or holds what cannot be: no
    claim of the file is believed before there are bytes left to fill it.
    Source: https://github.com/torch/torch7/blob/master/doc/serialization.md
    """
    if mode not in (None, "binary", "ascii"):
        raise ArgumentError(f"mode is 'binary' or 'ascii', got {mode!r}")
    if long_size not in (None, 4, 8):
        raise ArgumentError(f"long_size is 4 or 8, got {long_size!r}")
    with open_regular(path) as file:
        return read_t7(file, mode, referenced, skip_functions, long_size, several)


def read_t7(
    file: BinaryIO,
    mode: Optional[str] = None,
    referenced: bool = True,
    skip_functions: bool = False,
    long_size: Optional[int] = None,
    several: bool = False,
) -> Any:
    """Read from an open file; see ``load_t7``."""
    start = file.read(HEAD)
    found = foreign_kind(start)
    if found is not None:
        raise T7Error(f"this is no .t7 file but {found}", 0)
    file.seek(0)
    if looks_like_text(start) if mode is None else mode == "ascii":
        return _read(AsciiStream(file), referenced, skip_functions, several)
    try:
        return _read(BinaryStream(file, long_size or 8), referenced, skip_functions, several)
    except T7Error as error:
        if long_size is not None:
            raise
        try:
            file.seek(0)
            return _read(BinaryStream(file, 4), referenced, skip_functions, several)
        except T7Error:
            raise error from None


def _read(stream: Stream, referenced: bool, skip_functions: bool, several: bool) -> Any:
    """Read the values of a file, which must end with the last."""
    reader = Reader(stream, referenced, skip_functions)
    roots: list[Any] = []
    try:
        while several and not stream.ended() or not roots:
            roots.append(reader.read())
    except T7Error as error:
        error.context += [f"in {_told(record)}" for record in reader.open_objects[-1:]]
        raise
    if not stream.ended():
        unknown = sorted({
            record.class_name for record in reader.records
            if isinstance(record, ObjectRecord) and not is_known(record.class_name)
        })
        stream.fail(
            f"{stream.left()} bytes follow the object: pass several=True if the file holds several, one "
            "after the other" + (f"; else {', '.join(unknown)}, not known here, stores itself in a form of "
                                 "its own" if unknown else "")
        )
    built = Builder(reader.records).build(roots)
    return built if several else built[0]


def _told(record: ObjectRecord) -> str:
    """Return the name of an object's class, and a guess where it is not known here."""
    told = f"{record.class_name} (at byte {record.offset})"
    return told if is_known(record.class_name) else (
        f"{told}, a class that is not known here and may store itself in a form of its own"
    )

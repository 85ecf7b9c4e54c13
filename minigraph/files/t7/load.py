"""load_t7: open a file, find out how it is encoded, read it."""

from __future__ import annotations

from typing import Any, BinaryIO, Optional

from minigraph.errors import ArgumentError, T7Error
from minigraph.files.atomic import AnyPath
from minigraph.files.opening import open_regular
from minigraph.files.t7.builder import Builder
from minigraph.files.t7.reader import Reader
from minigraph.files.t7.streams import AsciiStream, BinaryStream, Stream, looks_like_text


def load_t7(
    path: AnyPath,
    mode: Optional[str] = None,
    referenced: bool = True,
    skip_functions: bool = False,
    long_size: Optional[int] = None,
) -> Any:
    """Return what Torch7's ``torch.save`` wrote to ``path``.

    A Lua table with the keys 1 … n is a list, any other a dict; whole numbers are int, others
    float; strings are str, or bytes where they are not UTF-8; a tensor is an array (one that was
    on a GPU too) and tensors on one storage share their memory; an object of a class of ``nn`` or
    nngraph is ours, of another an ``UnknownObject``. ``mode`` is ``'binary'`` or ``'ascii'`` and
    is found out by itself. ``referenced=False`` reads what was saved without references, as
    ``torch.load(path, mode, false)`` does. Lua functions are programs and are refused;
    ``skip_functions=True`` puts ``None`` in their place. ``long_size`` is the bytes of a C long
    where the file was written, 8 or 4; by default 8 is tried first.

    Nothing in the file is ever executed. Raises ``T7Error``, with the byte where it happened, for
    a file that is damaged or holds what cannot be: no claim of the file is believed before there
    are bytes left to fill it.
    Source: https://github.com/torch/torch7/blob/master/doc/serialization.md
    """
    if mode not in (None, "binary", "ascii"):
        raise ArgumentError(f"mode is 'binary' or 'ascii', got {mode!r}")
    if long_size not in (None, 4, 8):
        raise ArgumentError(f"long_size is 4 or 8, got {long_size!r}")
    with open_regular(path) as file:
        return read_t7(file, mode, referenced, skip_functions, long_size)


def read_t7(
    file: BinaryIO,
    mode: Optional[str] = None,
    referenced: bool = True,
    skip_functions: bool = False,
    long_size: Optional[int] = None,
) -> Any:
    """Read from an open file; see ``load_t7``."""
    text = looks_like_text(file.read(1)) if mode is None else mode == "ascii"
    file.seek(0)
    if text:
        return _read(AsciiStream(file), referenced, skip_functions)
    try:
        return _read(BinaryStream(file, long_size or 8), referenced, skip_functions)
    except T7Error as error:
        if long_size is not None:
            raise
        try:
            file.seek(0)
            return _read(BinaryStream(file, 4), referenced, skip_functions, whole=True)
        except T7Error:
            raise error from None


def _read(stream: Stream, referenced: bool, skip_functions: bool, whole: bool = False) -> Any:
    """Read a value; with ``whole`` nothing may follow, or damage could pass for another encoding."""
    reader = Reader(stream, referenced, skip_functions)
    root = reader.read()
    if whole and stream.left():
        stream.fail(f"{stream.left()} bytes follow the value")
    return Builder(reader.records).build(root)

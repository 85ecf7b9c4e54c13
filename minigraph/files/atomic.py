"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import Iterator, Union


@contextmanager
def replacing(path: Union[str, "os.PathLike[str]"]) -> Iterator[str]:
    """Give the name of a new file that takes the place of ``path`` when the block ends without error.

    The bytes are on the disk before the name is theirs, so that a crash leaves the old file or the
    new one, and never a part. Raises ``OSError`` naming ``path`` where nothing can be written there.
    """
    target = os.path.realpath(os.fspath(path))
    folder = os.path.dirname(target)
    try:
        handle, temporary = tempfile.mkstemp(".part", os.path.basename(target) + ".", folder)
    except OSError as error:  # about the file that was asked for, not about the temporary one
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
    os.close(handle)
    try:
        yield temporary
        _sync(temporary)
        os.chmod(temporary, _mode_of(target))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":
        _sync(folder)


def _mode_of(target: str) -> int:
    """Return the permissions of the file that is replaced, or those that a new file gets."""
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

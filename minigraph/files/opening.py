"""Open a file to read it: a regular file, never a pipe or a device that would be waited for."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import BinaryIO

from minigraph.files.atomic import AnyPath, naming

# Where a system lacks one of these there is nothing that it would guard against.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: AnyPath, follow: bool = True) -> BinaryIO:
    """Return a file open for reading, at once; ``follow`` links that the user named.

    Raises ``OSError`` naming ``path`` where it is missing, no regular file, or a link not to be followed.
    """
    return os.fdopen(_regular(path, follow, os.O_RDONLY), "rb")


def open_growing(path: AnyPath, follow: bool = True) -> io.FileIO:
    """Return a file, made where there is none, to read it and append to it; no buffer, errors as above."""
    return io.FileIO(_regular(path, follow, os.O_RDWR | os.O_CREAT | os.O_APPEND), "r+")


def _regular(path: AnyPath, follow: bool, flags: int) -> int:
    with naming(path):
        try:
            descriptor = os.open(path, flags | _AT_ONCE | (0 if follow else _NO_LINK), 0o666)
        except OSError as error:
            if not follow and error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "is a link, and links found here are not followed") from error
            if error.errno == errno.ENXIO:  # a socket, or a pipe that nobody reads
                raise OSError(errno.EINVAL, "is not a regular file") from error
            raise
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise OSError(errno.EINVAL, "is not a regular file")

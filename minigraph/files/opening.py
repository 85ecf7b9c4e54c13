"""Open a file to read it: a regular file, never a pipe or a device that would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from minigraph.files.atomic import AnyPath, naming

# Where a system lacks one of these there is nothing that it would guard against.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: AnyPath, follow: bool = True, flags: int = os.O_RDONLY) -> BinaryIO:
    """Return an open file without waiting; links are followed where the user named them, not where they are found.

    ``flags`` are those of ``os.open``; a file that can be written has no buffer. Raises ``OSError`` naming ``path``
    where it is missing, no regular file, or a link that is not followed.
    """
    with naming(path):
        try:
            descriptor = os.open(path, flags | _AT_ONCE | (0 if follow else _NO_LINK), 0o666)
        except OSError as error:
            if not follow and error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "is a link, and links found here are not followed") from error
            if error.errno == errno.ENXIO:  # a socket, or a pipe that nobody reads
                raise OSError(errno.EINVAL, "is not a regular file") from error
            raise
        try:
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(kind):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(kind):
                raise OSError(errno.EINVAL, "is not a regular file")
        except BaseException:
            os.close(descriptor)
            raise
        if flags & (os.O_RDWR | os.O_WRONLY):
            return os.fdopen(descriptor, "r+b", buffering=0)
        return os.fdopen(descriptor, "rb")

"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from typing import Iterator, Optional, Union

AnyPath = Union[str, "os.PathLike[str]"]


@contextmanager
def replacing(path: AnyPath) -> Iterator[str]:
    """Give the name of a new file that takes the place of ``path`` when the block ends without error.

    The bytes are on the disk before the name is theirs, so that a crash leaves the old file or the
    new one, and never a part. A link is replaced, what it leads to stays as it is. Raises ``OSError``
    naming ``path`` where nothing can be written there, the disk is full, or it is a folder or a device.
    """
    target = os.path.abspath(os.fspath(path))
    folder = os.path.dirname(target)
    with naming(path):
        mode = _mode_of(target)
        handle, temporary = tempfile.mkstemp(".part", os.path.basename(target)[:200] + ".", folder)
        os.close(handle)
    try:
        with naming(path, temporary):
            yield temporary
            _sync(temporary)
            os.chmod(temporary, _mode_of_new_files() if mode is None else mode)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        with naming(path):
            _sync(folder)


def write_text(path: AnyPath, text: str) -> None:
    """Write ``text`` as UTF-8 as ``replacing`` does; characters that no encoding has become escapes."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def naming(path: AnyPath, instead_of: Optional[str] = None) -> Iterator[None]:
    """Let errors of the operating system, which may know no name or a passing one, name ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None or instead_of is not None and error.filename not in (None, instead_of):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _mode_of(target: str) -> Optional[int]:
    """Return the permissions of the file that is replaced, ``None`` where there is none."""
    try:
        found = os.lstat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found):
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "a device or pipe, which a file cannot take the place of")
    return stat.S_IMODE(found) & 0o777


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

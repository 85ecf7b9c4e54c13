"""Object code on disk: one file a module, found by a key, bounded in size, safe to lose.

A file holds the SHA-256 of its key and the object code, then the code; a file that is cut short, altered or
under another's name is thus noticed and counts as absent. No reader ever sees half a file.
What is loaded is run, so that a folder or file counts only where nobody but this user and root can have
written it. Where a system has no user ids (Windows), the folder in the user's own is relied on.
The folder is ``native`` in ``$MINIGRAPH_CACHE`` or, without it, in the platform's user cache folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Optional

from minigraph.files.opening import open_regular

LARGEST_SIZE = 256 * 1024 * 1024
_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Optional[Path]:
    """The folder of the cache, which need not exist yet; None for a user without a home."""
    chosen = os.environ.get("MINIGRAPH_CACHE")
    if chosen:
        return Path(chosen) / "native"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "minigraph" / "native"


def load(key: str) -> Optional[bytes]:
    """The object code stored under ``key``; None where there is none that is whole and this user's own."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"{key}.o"
    try:
        if not _trusted(folder):
            return None
        with open_regular(path, follow=False) as file:
            if not _own(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    code = content[_DIGEST:]
    if _digest(key, code) != content[:_DIGEST]:
        return None
    with suppress(OSError):
        os.utime(path)  # the oldest files are dropped first: this one was just useful
    return code


def save(key: str, code: bytes, largest_size: int = LARGEST_SIZE) -> bool:
    """Store object code under ``key``, then drop the least recently used files beyond ``largest_size`` bytes.

    Returns whether it was stored: a folder that cannot be written is no error, the code is compiled again.
    """
    folder = cache_folder()
    if folder is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _trusted(folder):
            return False
        _write(folder / f"{key}.o", _digest(key, code) + code)
    except OSError:
        return False
    _trim(folder, largest_size)
    return True


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + code).digest()


def _trusted(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and _own(status)


def _own(status: os.stat_result) -> bool:
    """Whether nobody but this user and root can have written there."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _write(path: Path, content: bytes) -> None:
    """Put a file in place by its name, for this user alone whatever the umask says."""
    handle, unfinished = tempfile.mkstemp(".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def _trim(folder: Path, largest_size: int) -> None:
    """Drop the files used longest ago until the rest is at most ``largest_size`` bytes."""
    entries = []
    for path in [*folder.glob("*.o"), *folder.glob("*.part")]:
        with suppress(OSError):  # another process may have dropped it meanwhile
            status = path.lstat()
            entries.append((status.st_mtime, status.st_size, path))
    total = 0
    for _, size, path in sorted(entries, reverse=True):
        total += size
        if total > largest_size:
            with suppress(OSError):
                path.unlink()

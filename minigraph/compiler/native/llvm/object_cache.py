"""Object code on disk: one file a module, found by a key, bounded in size, safe to lose.

A file holds the SHA-256 of the object code, then the code; a file that is cut short or altered is thus
noticed and counts as absent. No reader ever sees half a file.
The folder is ``native`` in ``$MINIGRAPH_CACHE`` or, without it, in the platform's user cache folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Optional

from minigraph.files.atomic import replacing

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
    """The object code stored under ``key``; None where there is none that is whole."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"{key}.o"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[_DIGEST:]
    if hashlib.sha256(code).digest() != content[:_DIGEST]:
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
        with replacing(folder / f"{key}.o") as unfinished:
            Path(unfinished).write_bytes(hashlib.sha256(code).digest() + code)
    except OSError:
        return False
    _trim(folder, largest_size)
    return True


def _trim(folder: Path, largest_size: int) -> None:
    """Drop the files used longest ago until the rest is at most ``largest_size`` bytes."""
    entries = []
    for path in [*folder.glob("*.o"), *folder.glob("*.part")]:
        with suppress(OSError):  # another process may have dropped it meanwhile
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = 0
    for _, size, path in sorted(entries, reverse=True):
        total += size
        if total > largest_size:
            with suppress(OSError):
                path.unlink()

"""Headroom: how much memory there is.

Asked before a number from a file or from a flag decides how much is taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Iterator, Optional

_CGROUPS = Path("/sys/fs/cgroup")
# By version of control groups: the limit, what is in use, and which line of memory.stat can be given back.
_VERSIONS = {
    2: ("memory.max", "memory.current", "file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
}
# What no machine has; asked for where the machine does not tell how much it has.
_ABSURD = 1 << 46


def available() -> int:
    """Return how many bytes this process could still take, as far as the system tells.

    The least counts of what the machine has left, the limit of a container or job, and ``ulimit -v``.
    """
    return max(0, min([_ABSURD, *_of_machine(), *_of_groups(), *_of_process()]))


def check_room(needed: int, refuse: Callable[[str], Exception]) -> None:
    """Raise ``refuse(words)`` if ``needed`` bytes are more than there are; the words tell both numbers."""
    if needed < 1 << 20:
        return  # not worth the question
    there = available()
    if needed > there:
        raise refuse(f"{size_text(needed)} of memory, and {size_text(there)} are free")


def size_text(size: int) -> str:
    """Write a number of bytes: ``47.7 GiB``."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB")):
        if size >> power:
            whole, part = divmod(size * 10 >> power, 10)
            return f"over {10**6} TiB" if whole > 10**6 else f"{whole}.{part} {unit}"
    return f"{size} bytes"


def _of_machine() -> Iterator[int]:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
            return
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return  # Windows does not tell so


def _of_groups() -> Iterator[int]:
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version, base = (1, _CGROUPS / "memory") if controllers else (2, _CGROUPS)
        # Inside a container its own group is at the top, or the path is told as it is outside.
        for folder in (base / path.strip("/"), base):
            free = _of_group(folder, *_VERSIONS[version])
            if free is not None:
                yield free
                break


def _of_group(folder: Path, limit: str, used: str, kept: str) -> Optional[int]:
    try:
        most = int((folder / limit).read_text())  # "max" is no number: no limit
        free = most - int((folder / used).read_text())
    except (OSError, ValueError):
        return None
    stored = [line.split()[1] for line in _lines(folder / "memory.stat") if line.split()[:1] == [kept]]
    return free + sum(map(int, stored))


def _of_process() -> Iterator[int]:
    try:
        import resource
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        pages = next(iter(_lines(Path("/proc/self/statm"))), "0").split()[0]
        yield limit - int(pages) * resource.getpagesize()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []

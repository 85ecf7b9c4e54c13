"""Log: one JSON object a line, in step with the checkpoints."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any, Optional

from minigraph.errors import ArgumentError
from minigraph.files.atomic import naming
from minigraph.files.opening import open_growing

_START = b'{"iteration": '
_LONGEST = 1 << 20  # bytes of a line: ours have a few hundred


class TrainingLog:
    """A file of lines such as ``{"iteration": 1, "loss": 4.17...}``, appended to.

    Opened with the iteration of the checkpoint that training goes on from: lines of later
    iterations, which will be run again, are cut off, and so is a last line that a killed run left
    unfinished. A run that starts at its beginning (``resumed_at=None``) needs an empty log.
    """

    def __init__(self, path: Path, resumed_at: Optional[int]) -> None:
        """Open ``path``; raise ``ArgumentError`` where it is no file, or one of something else's lines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer, nothing is left over from a failed write for close() to fail on again.
        try:
            self._file = open_growing(path)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EISDIR):
                raise
            raise ArgumentError(
                f"{path} is not a regular file, and a log is read and cut back where a run goes on: "
                "give a file as --log"
            ) from error
        self._path = path
        try:
            with naming(path):
                self._file.truncate(_end_of(path, self._file, resumed_at))
        except BaseException:
            self._file.close()
            raise

    def write(self, **values: Any) -> None:
        """Append a line; it survives the end of this process from now on.

        Raises ``OSError`` with the file's name where it cannot be written, on a full disk for example.
        """
        line = memoryview(json.dumps(values, allow_nan=False).encode() + b"\n")
        with naming(self._path):
            while line:
                line = line[self._file.write(line) :]

    def sync(self) -> None:
        """Put what was written on the disk: before the checkpoint that follows on it."""
        with naming(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _end_of(path: Path, file: io.FileIO, resumed_at: Optional[int]) -> int:
    """Return where the lines up to that iteration end, in bytes."""
    end = number = 0
    lines = io.BufferedReader(file)
    try:
        while line := lines.readline(_LONGEST):
            if resumed_at is None:
                raise ArgumentError(
                    f"{path} already holds a log, and this run starts at its beginning: give another --log, "
                    "or the --checkpoint-dir of the run that wrote it to go on with that one"
                )
            number += 1
            begun = line.startswith(_START) or _START.startswith(line)
            if begun and not line.endswith(b"\n") and len(line) < _LONGEST:
                break  # torn by the end of its process
            iteration = _iteration_of(line)
            if iteration is None:
                raise ArgumentError(
                    f"line {number} of {path} is not one of a training log: give another --log"
                )
            if iteration > resumed_at:
                break
            end += len(line)
    finally:
        lines.detach()
    return end


def _iteration_of(line: bytes) -> Optional[int]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    iteration = values.get("iteration") if isinstance(values, dict) else None
    return iteration if isinstance(iteration, int) else None

"""Log: one JSON object a line, in step with the checkpoints."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

from minigraph.errors import ArgumentError


class TrainingLog:
    """A file of lines such as ``{"iteration": 1, "loss": 4.17...}``, appended to.

    Opened with the iteration of the checkpoint that training goes on from: lines of later
    iterations, which will be run again, are cut off, and so is a last line that a killed run left
    unfinished. A run that starts at its beginning (``resumed_at=None``) needs an empty log.
    """

    def __init__(self, path: Path, resumed_at: Optional[int]) -> None:
        """Open ``path``; raise ``ArgumentError`` where it is no file, or one of something else's lines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # A device or a pipe may be read without end, and cannot be cut.
        if path.exists() and not path.is_file():
            raise ArgumentError(
                f"{path} is not a regular file, and a log is read and cut back where a run goes on: "
                "give a file as --log"
            )
        end = _end_of(path, resumed_at) if path.exists() else 0
        self._path = path
        # Without a buffer, nothing is left over from a failed write for close() to fail on again.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (kept open until close)
        self._file.truncate(end)

    def write(self, **values: Any) -> None:
        """Append a line; it survives the end of this process from now on.

        Raises ``OSError`` with the file's name where it cannot be written, on a full disk for example.
        """
        line = memoryview(json.dumps(values, allow_nan=False).encode() + b"\n")
        with self._named():
            while line:
                line = line[self._file.write(line) :]

    def sync(self) -> None:
        """Put what was written on the disk: before the checkpoint that follows on it."""
        with self._named():
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Tell the file's name with an error of the operating system, which knows a number only."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def _end_of(path: Path, resumed_at: Optional[int]) -> int:
    """Return where the lines up to that iteration end, in bytes."""
    end = 0
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and resumed_at is None:
        raise ArgumentError(
            f"{path} already holds a log, and this run starts at its beginning: give another --log, "
            "or the --checkpoint-dir of the run that wrote it to go on with that one"
        )
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break  # torn by the end of its process
        iteration = _iteration_of(line)
        if iteration is None:
            raise ArgumentError(f"line {number} of {path} is not one of a training log: give another --log")
        if resumed_at is not None and iteration > resumed_at:
            break
        end += len(line)
    return end


def _iteration_of(line: bytes) -> Optional[int]:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    iteration = values.get("iteration") if isinstance(values, dict) else None
    return iteration if isinstance(iteration, int) else None

"""Folder: the checkpoints of one run: which there are, which is the newest, which are kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import numpy as np

from minigraph.errors import StateError
from minigraph.files.opening import open_growing
from minigraph.text.checkpoint import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    read_structure,
    write_checkpoint,
)

LATEST = "latest.safetensors"
_VALIDATED = re.compile(r"lm_.*_epoch(\d+\.\d\d)_(\d+\.\d+(?:e\+\d+)?)\.safetensors")


class Folder:
    """A ``--checkpoint-dir``.

    Each validation leaves a checkpoint named as char-rnn names it
    (``lm_lstm_epoch0.50_1.9876.safetensors``); ``latest.safetensors`` is replaced then and again and
    again between them. All hold the whole state of the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Any = None

    def claim(self) -> None:
        """Make the folder and keep other runs out of it; forget what a killed run left half written.

        Raises ``StateError`` if another process trains into it. The claim ends with the process.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:  # Windows has no such locks
            return
        self._lock = open_growing(self.path / ".lock", follow=False)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise StateError(
                f"another run is writing to {self.path}: give another --checkpoint-dir"
            ) from error
        for leftover in (*self.path.glob("*.safetensors.*.part"), *self.path.glob("*.svg.*.part")):
            _remove(leftover)

    def release(self) -> None:
        """Let other runs use the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def newest(self, warn: Callable[[str], None] = lambda message: None) -> Optional[Checkpoint]:
        """Return the readable checkpoint of the highest iteration, None where there is none.

        ``warn`` is told of every file that should be a checkpoint and cannot be read. Raises
        ``CheckpointError`` where that is so of all that a run left: starting anew would replace them.
        """
        ranked: list[tuple[int, float, Path]] = []
        damaged: dict[str, str] = {}
        for path in sorted(self.path.glob("*.safetensors")):
            try:
                iteration = _found(path, read_structure).get("iteration", -1)
                if type(iteration) is not int:
                    raise CheckpointError(f"{path} cannot be read: its iteration is {iteration!r:.40}")
                ranked.append((iteration, path.lstat().st_mtime, path))
            except CheckpointError as error:
                damaged[path.name] = str(error)
        for _, _, path in sorted(ranked, reverse=True):
            try:
                found = _found(path, read_checkpoint)
                break
            except CheckpointError as error:
                damaged[path.name] = str(error)
        else:
            found = None
        lost = sorted(name for name in damaged if name == LATEST or _VALIDATED.fullmatch(name))
        if found is None and lost:
            raise CheckpointError(
                f"no checkpoint in {self.path} can be read: {', '.join(lost)}. Put back what was written, or "
                f"remove them to start anew. {damaged[lost[0]]}"
            )
        for message in damaged.values():
            warn(f"{message} (passed over)")
        return found

    def save_latest(self, arrays: Mapping[str, np.ndarray], structure: Mapping[str, Any]) -> Path:
        """Replace ``latest.safetensors``; return its path."""
        return self._save(LATEST, arrays, structure)

    def save_validated(
        self, arrays: Mapping[str, np.ndarray], structure: Mapping[str, Any], model: str, epoch: float,
        loss: float, keep: int,
    ) -> Path:
        """Write the checkpoint of a validation, the same as ``latest.safetensors``, and return its path.

        Of those of validations the oldest beyond ``keep`` are removed (0: none). The one with the lowest
        validation loss stays in any case.
        """
        path = self._save(f"lm_{model}_epoch{epoch:.2f}_{loss_text(loss)}.safetensors", arrays, structure)
        self.save_latest(arrays, structure)
        if keep:
            self._prune(keep, path)
        return path

    def _prune(self, keep: int, newest: Path) -> None:
        named = [(_VALIDATED.fullmatch(path.name), path) for path in self.path.glob("lm_*.safetensors")]
        found = sorted((float(match[1]), float(match[2]), path) for match, path in named if match)
        best = min(found, key=lambda entry: entry[1])
        for _, _, path in found[:-keep]:
            if path not in (best[2], newest):
                _remove(path)

    def _save(self, name: str, arrays: Mapping[str, np.ndarray], structure: Mapping[str, Any]) -> Path:
        path = self.path / name
        write_checkpoint(path, arrays, structure)
        return path


def _found(path: Path, read: Callable[..., Any]) -> Any:
    """Read what lies in the folder, whoever put it there: links are not followed, pipes not waited for."""
    try:
        return read(path, follow=False)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def _remove(path: Path) -> None:
    """Remove a file or link; a folder of such a name is not of a run, and stays."""
    if path.is_symlink() or path.is_file():
        path.unlink()


def loss_text(loss: float) -> str:
    """Return a loss with four decimals, or, where it is absurdly large, short."""
    return f"{loss:.4f}" if loss < 1e6 else f"{loss:.3e}"

"""Checkpoint: arrays in safetensors, the rest as JSON in its header, written all or nothing."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

import numpy as np

from minigraph.errors import FormatError, MinigraphError
from minigraph.files.atomic import AnyPath, replacing
from minigraph.files.native.container import Arrays, safetensors_of, write_safetensors

_FORMAT = "minigraph training checkpoint"
_VERSION = 1


class CheckpointError(MinigraphError, ValueError):
    """A file is no checkpoint, or no longer the one that was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: arrays by name, and a structure of plain JSON values."""

    path: Path
    arrays: dict[str, np.ndarray]
    structure: dict[str, Any]


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], structure: Mapping[str, Any]) -> None:
    """Write a checkpoint so that ``path`` is at every moment the old file or the whole new one.

    The header carries a SHA-256 of the contents; the same state gives the same bytes. Raises ``OSError``
    where it cannot be written.
    """
    text = json.dumps(structure, sort_keys=True, allow_nan=False)
    ready = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {
        "format": _FORMAT, "version": str(_VERSION), "structure": text, "checksum": _checksum(ready, text),
    }
    with replacing(path) as temporary:
        write_safetensors(temporary, ready, header)


def parameters_of(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters among a checkpoint's arrays, by name."""
    prefix = "parameters/"
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def read_checkpoint(path: AnyPath, follow: bool = True) -> Checkpoint:
    """Return the contents of a checkpoint; links are followed where the user named them.

    Raises ``CheckpointError`` if the file is truncated, edited or something else, and
    ``OSError`` if it cannot be opened.
    """
    path = Path(path)
    with _opened(path, follow) as (header, text, read):
        arrays = read()
    if _checksum(arrays, text) != header.get("checksum"):
        raise CheckpointError(
            f"{path} was changed after it was written: its contents do not agree with its checksum"
        )
    return Checkpoint(path, arrays, _structure(path, text))


def read_structure(path: AnyPath, follow: bool = True) -> dict[str, Any]:
    """Return the structure alone, unchecked, without reading the arrays; errors as above."""
    path = Path(path)
    with _opened(path, follow) as (_, text, _):
        return _structure(path, text)


@contextmanager
def _opened(path: Path, follow: bool) -> Iterator[tuple[dict[str, str], str, Callable[[], Arrays]]]:
    """Give the header of a checkpoint, its structure as text, and what reads the arrays."""
    try:
        with safetensors_of(path, follow) as (header, read):
            yield header, _structure_text(path, header), read
    except FormatError as error:
        raise CheckpointError(error.message) from error


def _structure(path: Path, text: str) -> dict[str, Any]:
    try:
        structure = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: its structure is no JSON: {error}") from error
    if not isinstance(structure, dict):
        raise CheckpointError(f"{path} cannot be read: its structure is no JSON object")
    return structure


def _structure_text(path: Path, header: Mapping[str, str]) -> str:
    if header.get("format") != _FORMAT or "structure" not in header:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint of minigraph train: "
            f"its header lacks format={_FORMAT!r}"
        )
    if header.get("version") != str(_VERSION):
        raise CheckpointError(
            f"{path} has version {header.get('version')} of the checkpoint format; this minigraph reads "
            f"version {_VERSION}"
        )
    return header["structure"]


def _checksum(arrays: Mapping[str, np.ndarray], structure: str) -> str:
    digest = hashlib.sha256(structure.encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

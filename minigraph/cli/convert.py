"""minigraph convert: a network from one file format to another, by the files' endings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import minigraph as mg
from minigraph import nn, rnn, text
from minigraph.cli.failures import Failure
from minigraph.tables import is_table

READERS: dict[str, Callable[[Path], Any]] = {
    ".t7": lambda path: mg.load_t7(path),
    ".safetensors": lambda path: _safetensors(path),
    ".pt": lambda path: mg.interop.load_torch(path),
}


def _safetensors(path: Path) -> Any:
    """Read what ``mg.save`` wrote, or the network of a checkpoint of ``minigraph train``: one time step."""
    try:
        text.read_structure(path)
    except text.CheckpointError:
        return mg.load(path)
    return text.trained_model(text.read_checkpoint(path)).step


def _onnx(path: Path, net: Any, input: Any, dtype: str) -> list[Path]:
    if input is None:
        raise Failure(
            "an ONNX file needs an example of the input: give --input SHAPES, such as --input 2x10"
        )
    return [mg.interop.to_onnx(net, path, input, dtype=dtype)]


def _t7(path: Path, net: Any, input: Any, dtype: str) -> list[Path]:
    mg.save_t7(path, net)
    return [path]


def _native(path: Path, net: Any, input: Any, dtype: str) -> list[Path]:
    mg.save(path, net)
    return [path]


WRITERS: dict[str, Callable[[Path, Any, Any, str], list[Path]]] = {
    ".t7": _t7,
    ".safetensors": _native,
    ".pt": lambda path, net, input, dtype: list(mg.interop.save_torch(net, path)),
    ".onnx": _onnx,
    ".graphml": lambda path, net, input, dtype: [mg.interop.to_graphml(_run(net, input), path)],
}


def convert_file(
    source: Path, target: Path, part: Optional[str], input: Any, dtype: str = "float32"
) -> list[Path]:
    """Read a network from ``source``, write it as ``target`` and return the files written.

    ``part`` says where in the file the network is (``protos.rnn``); without it there must be one.
    ``dtype`` is what an ONNX file computes in.
    """
    read = _by_ending(READERS, source, "read")
    write = _by_ending(WRITERS, target, "write")
    return write(target, _pick(read(source), part, source), input, dtype)


def _by_ending(table: dict[str, Any], path: Path, verb: str) -> Any:
    if path.suffix.lower() not in table:
        raise Failure(f"{path}: cannot {verb} files that end in {path.suffix!r}, only {', '.join(table)}")
    return table[path.suffix.lower()]


def _pick(value: Any, part: Optional[str], source: Path) -> Any:
    """Return the network in what a file held."""
    if part is None and isinstance(value, nn.Module):
        return value
    found = dict(_networks(value, "", []))
    if part is not None:
        found.update(_steps(found))
        if part not in found:
            raise Failure(f"{source} has no network {part!r}{_offer(found)}")
        return found[part]
    if len(found) != 1:
        raise Failure(f"{source} is no network{_offer(found)}")
    return next(iter(found.values()))


def _offer(found: dict[str, Any]) -> str:
    return f"; give --part, one of {', '.join(found)}" if found else " and holds none"


def _networks(value: Any, path: str, around: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the places and networks in tables: keys and 1-based positions, joined by dots.

    ``around`` are the tables around ``value``; one that holds itself is not entered again.
    """
    if any(value is table for table in around):
        return
    around = [*around, value]
    if isinstance(value, nn.Module):
        yield path, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _networks(entry, f"{path}.{key}" if path else str(key), around)
    elif is_table(value):
        for position, entry in enumerate(value, 1):
            yield from _networks(entry, f"{path}.{position}" if path else str(position), around)


def _steps(found: dict[str, Any]) -> dict[str, Any]:
    """Return the steps of networks that are run over time, which stand alone in Torch7."""
    return {
        f"{path}.step" if path else "step": net.step
        for path, net in found.items() if isinstance(net, rnn.Unroll)
    }


def _run(net: Any, input: Any) -> Any:
    if input is not None:
        net.forward(input)
    return net

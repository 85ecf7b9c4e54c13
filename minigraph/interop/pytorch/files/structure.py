"""PyTorch files that come back: the network's structure beside the state dict, as comments.

``save_torch`` appends to the source of the module, in comment lines, what ``mg.save`` keeps of a
network besides its parameters. Reading takes the structure from there and the numbers from the
state dict; nothing of the source is executed, and the state dict is read as tensors only.

Which number of the state dict is which of the network's (PyTorch's layers hold some parameters
turned or cut differently) is found by converting a copy whose parameters are numbered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch

from minigraph.errors import ArgumentError, FormatError, MinigraphError
from minigraph.files.headroom import check_room
from minigraph.files.native.container import DTYPES
from minigraph.files.native.reader import put_together
from minigraph.files.native.writer import taken_apart
from minigraph.files.opening import open_regular
from minigraph.interop.pytorch.exporter.export import to_torch
from minigraph.memory import root
from minigraph.nn import Module

VERSION = 1
_MARK = "# minigraph structure"
_LINE = "#~ "
_WIDTH = 100
#: Numbers that parameters are given to find them again: none else in a module is as large.
_FIRST = 2**40
_STATISTICS = ("running_mean", "running_var")

Arrays = dict[str, np.ndarray]


def source_path(path: Path) -> Path:
    """Return where the source that belongs to a state dict is."""
    source = path.with_suffix(".py")
    return path.with_name(f"{path.name}.source.py") if source == path else source


def check_replaceable(source: Path, head: str) -> None:
    """Raise ``ArgumentError`` if ``source`` is a file that does not begin as ``head`` does."""
    if not source.exists():
        return
    with open_regular(source) as file:
        first = file.read(40)
    if first != head[:40].encode("utf-8"):
        raise ArgumentError(
            f"{source} was not written by save_torch and would be replaced by the source of the network: "
            "choose another name"
        )


# -- writing -----------------------------------------------------------------------------------------


def structure_lines(net: Any, state: dict[str, Any], path: Path) -> str:
    """Return comment lines that tell the structure of ``net``, or why they cannot.

    ``state`` is the state dict that will be at ``path``: that it comes back is tried out.
    """
    try:
        structure = _structure(net)
        _restored(structure, state, path, source_path(path))
        stored = json.dumps(structure, allow_nan=False, separators=(",", ":"))
    except MinigraphError as error:
        reason = " ".join(str(error).split())
        return f"\n{_MARK} 0: minigraph cannot read this network back: {reason}\n"
    lines = [
        f"\n{_MARK} {VERSION} {_checksum(stored)}: "
        "minigraph reads the network back from these lines and the weights."
    ]
    lines += [_LINE + stored[at : at + _WIDTH] for at in range(0, len(stored), _WIDTH)]
    return "\n".join(lines) + "\n"


def _checksum(stored: str) -> str:
    return hashlib.sha256(stored.encode("utf-8")).hexdigest()[:32]


def _structure(net: Any) -> dict[str, Any]:
    net = net.clone()
    net.zeroGradParameters()
    graph, arrays = taken_apart(net)
    with _sound():
        held = _places(net)
    return {
        "graph": graph,
        "arrays": {name: _record(array, held.get(name)) for name, array in arrays.items()},
    }


def _record(array: np.ndarray, held: Any) -> dict[str, Any]:
    """Return what is stored of an array: its numbers only where the state dict lacks some that count."""
    record: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    left = array.reshape(-1) if held is None else array.reshape(-1)[~held]
    if left.any():
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        record["data"] = base64.b64encode(little.tobytes()).decode("ascii")
    return record


# -- which number is which ---------------------------------------------------------------------------


def _places(net: Any, take: Any = None) -> dict[str, np.ndarray]:
    """Return for each array which of its entries a state dict of ``net`` holds.

    ``take(name, entries, key, chosen)`` is called for each of its tensors: the entries ``entries`` of
    the array ``name`` are the entries ``chosen`` of the tensor ``key``, both counted flat.
    """
    twin = net.clone().double()
    _, arrays = taken_apart(twin)
    trained = {id(root(array)) for array in _trained(twin)}
    names: list[str] = []
    starts = [_FIRST]
    for name, array in arrays.items():
        if id(root(array)) in trained and array.dtype == np.float64:
            first, end = starts[-1], starts[-1] + array.size
            array[...] = np.arange(first, end, dtype=np.float64).reshape(array.shape)
            names.append(name)
            starts.append(end)
    held = {name: np.zeros(arrays[name].size, bool) for name in names}
    for key, tensor in to_torch(twin).state_dict().items():
        numbers = tensor.detach().numpy().reshape(-1)
        if numbers.dtype != np.float64:
            continue
        found = np.flatnonzero((numbers >= _FIRST) & (numbers < starts[-1]) & (numbers % 1 == 0))
        owners = np.searchsorted(starts, numbers[found], side="right") - 1
        for owner in np.unique(owners):
            chosen = found[owners == owner]
            entries = (numbers[chosen] - starts[owner]).astype(np.int64)
            held[names[owner]][entries] = True
            if take is not None:
                take(names[owner], entries, key, chosen)
    return held


@contextmanager
def _sound(where: Any = "a network") -> Iterator[None]:
    """Turn what attributes of the wrong kind make a network raise into ``FormatError``."""
    try:
        with np.errstate(all="ignore"):  # numbered parameters are no weights
            yield
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"{where}: the structure makes no network: {_first_line(error)}") from error


def _trained(net: Any) -> list[np.ndarray]:
    """Return the arrays that training changes: parameters, and running statistics."""
    statistics = [
        vars(module)[name] for module in net.listModules() for name in _STATISTICS
        if isinstance(vars(module).get(name), np.ndarray)
    ]
    return [*net.parameters()[0], *statistics]


# -- reading -----------------------------------------------------------------------------------------


def load_torch(path: Any) -> Any:
    """See ``minigraph.interop.load_torch``."""
    path = Path(path)
    state = _state(path)
    source = source_path(path)
    return _restored(_read_structure(path, source), state, path, source)


def _restored(structure: dict[str, Any], state: dict[str, Any], path: Path, source: Path) -> Any:
    """Return the network of a structure with the numbers of a state dict."""
    arrays = _arrays(structure.get("arrays"), state, source)
    net = put_together(str(structure.get("graph")), arrays, source)
    if not isinstance(net, Module):
        raise FormatError(f"{source}: its structure is damaged: it holds no module")
    with _sound(source):
        # An array is named after its first use, which depends on the order of a module's attributes.
        _, own = taken_apart(net)

    def take(name: str, entries: np.ndarray, key: str, chosen: np.ndarray) -> None:
        if key in state and state[key].numel() > chosen.max():
            own[name].reshape(-1)[entries] = state[key].reshape(-1)[chosen].double().numpy()

    with _sound(source):
        _places(net, take)
        _check(net, state, path, source)
    return net


def _state(path: Path) -> dict[str, Any]:
    """Return the state dict of a file, of which only tensors are read."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_room(size, lambda words: FormatError(f"{path} needs {words}"))
        try:
            # Torch would also read older files, whose claims of size it believes, and packed ones.
            if any(entry.compress_type for entry in zipfile.ZipFile(file).infolist()):
                raise ValueError("its entries are compressed")
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damage makes PyTorch raise whatever its reader ran into
            raise FormatError(
                f"{path} is no state dict: it is damaged or holds objects, which are not unpickled because "
                f"that would run code; write torch.save(module.state_dict(), path). {_first_line(error)}"
            ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in state.items()
    ):
        raise FormatError(f"{path} is no state dict: one maps names to tensors")
    for key, tensor in state.items():
        plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        whole = plain and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes() <= size
        if not whole:
            raise FormatError(f"{path}: {key} is no plain tensor, each entry in memory of its own")
    return {key: tensor.detach() for key, tensor in state.items()}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no words').splitlines()[0]}"


def _read_structure(path: Path, source: Path) -> dict[str, Any]:
    """Return the structure that the source beside a state dict tells."""
    if not source.is_file():
        raise FormatError(
            f"{path} is a state dict, which holds weights and no structure: {source.name}, which "
            "mg.interop.save_torch wrote beside it, is missing"
        )
    with open_regular(source) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    marks = [number for number, line in enumerate(lines) if line.startswith(_MARK)]
    if not marks:
        raise FormatError(
            f"{source} does not tell the structure of the network: mg.interop.save_torch did not write "
            "it, or an older one; in Python, mg.interop.from_torch converts the module that it makes"
        )
    head, _, words = lines[marks[-1]].removeprefix(_MARK).strip().partition(":")
    version, _, checksum = head.partition(" ")
    if version == "0":
        raise FormatError(f"{source}:{words}")
    if version != str(VERSION):
        raise FormatError(
            f"{source} has version {version[:20]} of the structure, this minigraph reads version {VERSION}"
        )
    stored = "".join(
        line.removeprefix(_LINE) for line in lines[marks[-1] + 1 :] if line.startswith(_LINE)
    )
    try:
        structure = json.loads(stored)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{source}: its structure is damaged: {error}") from error
    if not isinstance(structure, dict) or checksum != _checksum(stored):
        raise FormatError(f"{source}: its structure is damaged, it does not agree with its checksum")
    return structure


def _arrays(records: Any, state: dict[str, Any], source: Path) -> Arrays:
    """Return the arrays of a structure; what the state dict holds is zero at first."""
    arrays: Arrays = {}
    # Parameters with gradients, buffers: a structure that claims far more than there is is none.
    room = 4 * sum(tensor.numel() for tensor in state.values()) + 2**20
    try:
        for name, record in records.items():
            shape = tuple(record["shape"])
            if record["dtype"] not in DTYPES or any(type(n) is not int or n < 0 for n in shape):
                raise ValueError(f"{name} is an array of {record['dtype']!r:.40} and shape {shape!r:.80}")
            dtype = np.dtype(record["dtype"])
            if "data" in record:
                data = base64.b64decode(record["data"], validate=True)
                arrays[name] = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
                continue
            room -= math.prod(shape)
            if room < 0:
                raise ValueError(f"{name} is larger than the state dict explains")
            arrays[name] = np.zeros(shape, dtype)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(f"{source}: its structure is damaged: {error}") from error
    return arrays


def _check(net: Any, state: dict[str, Any], path: Path, source: Path) -> None:
    """Raise ``FormatError`` unless the network gives the state dict again, number by number."""
    wanted = to_torch(net).state_dict()
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"holds {', '.join(unknown)}"
        raise FormatError(f"{path} is not of the network in {source.name}: it {what}")
    for key, tensor in wanted.items():
        found = state[key]
        if tensor.shape != found.shape or tensor.dtype != found.dtype:
            raise FormatError(
                f"{path}: {key} is {tuple(found.shape)} {found.dtype}, the network in {source.name} has "
                f"{tuple(tensor.shape)} {tensor.dtype}"
            )
        if key.endswith("num_batches_tracked"):
            continue
        if not torch.equal(torch.nan_to_num(tensor), torch.nan_to_num(found)):
            raise FormatError(
                f"{path}: {key} was changed since it was written, and is computed from what the network "
                f"in {source.name} holds: it cannot be taken back"
            )

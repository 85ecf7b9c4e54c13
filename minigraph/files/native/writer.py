"""save: a network to one file, whole or not at all."""

from __future__ import annotations

import json
import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import FormatError
from minigraph.files.atomic import AnyPath, replacing
from minigraph.files.native.container import DTYPES, write_safetensors
from minigraph.files.native.layout import DEEPEST, FORMAT, VERSION, checksum, unsaved
from minigraph.files.registry import name_of
from minigraph.memory import address, root
from minigraph.nesting import retold
from minigraph.nn import gModule
from minigraph.nn.state import State
from minigraph.rnn import Unroll
from minigraph.tables import refuse_mask


@retold
def save(path: AnyPath, net: Any) -> None:
    """Write a module or criterion (or a list or dict of them) to ``path``, for ``load``.

    Everything that a later pass depends on is kept: modules with their parameters, gradients and
    statistics, what shares memory, wiring, annotations, the tensor type and whether the network
    is training. Outputs and other results of passes are not. The file is safetensors; see
    ``docs/native-format.md``. It appears whole or not at all.

    Raises ``FormatError``, naming the node, for a class that files may not name (see
    ``mg.files.register``) and for an attribute that a file cannot hold; nothing is written then.
    """
    graph, arrays = taken_apart(net)
    header = {
        "format": FORMAT, "version": str(VERSION), "graph": graph, "checksum": checksum(graph, arrays),
    }
    with replacing(path) as temporary:
        write_safetensors(temporary, arrays, header)


def taken_apart(net: Any) -> tuple[str, dict[str, np.ndarray]]:
    """Return the structure of what ``save`` takes, as JSON, and the arrays that it lies on, by name.

    The arrays are the network's own, not copies, wherever a file can hold them as they are.
    ``put_together`` is the inverse. Raises ``FormatError`` as ``save`` does.
    """
    writer = _Writer()
    root_value = writer.value(net, "net")
    graph = json.dumps(
        {"modules": writer.modules, "tensors": writer.tensors, "root": root_value},
        allow_nan=False, separators=(",", ":"), sort_keys=True,
    )
    return graph, writer.arrays


class _Writer:
    """Turns values into what JSON holds, and gathers the arrays beside it."""

    def __init__(self) -> None:
        self.modules: list[dict[str, Any]] = []
        self.tensors: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._module_numbers: dict[int, int] = {}
        self._tensor_numbers: dict[int, int] = {}
        self._owners: dict[int, str] = {}
        self._open: list[int] = []
        self._alive: list[Any] = []

    def value(self, value: Any, where: str) -> Any:
        """Return what stands for ``value``; ``where`` tells the reader of an error where it is."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            return self.value(value.item(), where)
        if isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.ndarray):
            return {"tensor": self._tensor(value, where)}
        if isinstance(value, State):
            return {"module": self._module(value._described(), where)}
        if type(value) in (list, tuple):
            kind = "list" if type(value) is list else "tuple"
            return {kind: [self.value(entry, f"{where}[{i}]") for i, entry in enumerate(value)]}
        if type(value) is dict:
            return {"dict": [
                [self.value(key, f"a key of {where}"), self.value(entry, f"{where}[{key!r}]")]
                for key, entry in value.items()
            ]}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        raise FormatError(
            f"{where} is {type(value).__name__} {value!r:.80}, which a file cannot hold: it holds "
            "numbers, strings, arrays, modules, and lists, tuples and dicts of these"
        )

    # -- tensors -----------------------------------------------------------------------------

    def _tensor(self, array: np.ndarray, where: str) -> int:
        known = self._tensor_numbers.get(id(array))
        if known is not None:
            return known
        refuse_mask(array, where)
        if array.dtype.name not in DTYPES:
            raise FormatError(f"{where} is an array of {array.dtype}, which a file cannot hold")
        owner = root(array)
        if not self._lies_on(array, owner):
            owner = array = np.array(array, array.dtype.newbyteorder("="), order="C", subok=False)
        record: dict[str, Any] = {"data": self._owner(owner, where)}
        if array.shape != owner.shape or array.strides != owner.strides or address(array) != address(owner):
            record["offset"] = (address(array) - address(owner)) // array.itemsize
            record["shape"] = list(array.shape)
            record["strides"] = [stride // array.itemsize for stride in array.strides]
        self.tensors.append(record)
        self._alive.append(array)
        self._tensor_numbers[id(array)] = len(self.tensors) - 1
        return len(self.tensors) - 1

    def _lies_on(self, array: np.ndarray, owner: np.ndarray) -> bool:
        return (
            owner.dtype == array.dtype and array.dtype.isnative and owner.flags.c_contiguous
            and all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
        )

    def _owner(self, owner: np.ndarray, where: str) -> str:
        """Return the name of the array that owns the memory, under which it stands in the file."""
        name = self._owners.get(id(owner))
        if name is None:
            # A name that has no UTF-8 is told in escapes here; the node's own stands in the structure.
            name = where.removeprefix("net.").encode("utf-8", "backslashreplace").decode("utf-8")
            while name in self.arrays or name == "__metadata__":
                name += "'"
            self._owners[id(owner)] = name
            self.arrays[name] = np.asarray(owner)
            self._alive.append(owner)
        return name

    # -- modules -----------------------------------------------------------------------------

    def _module(self, module: State, where: str) -> int:
        known = self._module_numbers.get(id(module))
        if known is not None:
            return known
        name = name_of(type(module))
        if name is None:
            raise FormatError(
                f"{where} is {module.headline()} of the class {type(module).__qualname__}, which files "
                "may not name: put @mg.files.register above the class"
            )
        if id(module) in self._open:
            raise FormatError(f"{where} is {module.headline()}, which holds itself")
        if len(self._open) == DEEPEST:
            raise FormatError(f"{where}: modules nested more than {DEEPEST} deep")
        self._open.append(id(module))
        record: dict[str, Any] = {"class": name, "type": module._type}
        arguments = _plain(module._arguments)
        if arguments is not None:
            record["arguments"] = arguments
        if isinstance(module, gModule):
            record["network"] = self._network(module, where)
        if isinstance(module, Unroll):
            record["step"] = self._module(module.step, f"{where}.step")
            record["feedback"] = dict(module.feedback)
        left_out = unsaved(module)
        record["attributes"] = {
            attribute: self.value(value, f"{where}.{attribute}")
            for attribute, value in vars(module).items() if attribute not in left_out
        }
        self._open.pop()
        self.modules.append(record)
        self._alive.append(module)
        self._module_numbers[id(module)] = len(self.modules) - 1
        return len(self.modules) - 1

    def _network(self, net: gModule, where: str) -> dict[str, Any]:
        records = net._network.records()
        nodes = []
        for node, record in zip(net._network.declared(), records["nodes"]):
            label = node.name or f"node{node.id}"
            place = f"{where}.{label}"
            entry: dict[str, Any] = {"inputs": record["inputs"], "location": record["location"]}
            if record["module"] is not None:
                try:
                    entry["module"] = self._module(record["module"], place)
                except FormatError as error:
                    error.context.append(f"at {node.describe()}")
                    raise
            for name in ("nSplitOutputs", "selectindex", "role"):
                if record[name]:
                    entry[name] = record[name]
            if record["annotations"]:
                entry["annotations"] = self.value(record["annotations"], f"the annotations of {place}")
            nodes.append(entry)
        return {"nodes": nodes, "inputs": records["inputs"], "outputs": records["outputs"]}


def _plain(arguments: Any) -> Optional[list[Any]]:
    """Return constructor arguments where all are plain values, else ``None``: attributes say the rest."""
    positional, named = arguments
    try:
        writer = _Writer()
        encoded = [
            [writer.value(value, "argument") for value in positional],
            {name: writer.value(value, "argument") for name, value in named.items()},
        ]
    except FormatError:
        return None
    return None if writer.modules or writer.arrays else encoded

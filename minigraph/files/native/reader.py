"""load: a network from a file that ``save`` wrote."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from minigraph.errors import FormatError, MinigraphError
from minigraph.files.atomic import AnyPath
from minigraph.files.native.container import DTYPES, safetensors_of
from minigraph.files.native.layout import DEEPEST, FORMAT, VERSION, checksum
from minigraph.files.registry import class_named, is_method
from minigraph.files.t7.limits import MOST_MET
from minigraph.files.views import view
from minigraph.graph import Node, NodeData
from minigraph.nn import Container, Module, gModule
from minigraph.nn.state import State
from minigraph.rnn import Unroll
from minigraph.tensors import TENSOR_TYPES

# What a structure that is not one makes the steps below raise.
_SPOILT = (
    TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError, MinigraphError,
)


def load(path: AnyPath) -> Any:
    """Return what ``save`` wrote to ``path``: the same network, order, numbers and sharing.

    Nothing in the file is executed, and only classes of ``nn``, ``rnn`` and those given to
    ``mg.files.register`` are built. Raises ``FormatError`` for a file that is damaged, foreign or
    of a newer version, or that names a class that is not registered.
    """
    with safetensors_of(path) as (header, read):
        graph = _graph(path, header)
        arrays = read()
    if checksum(graph, arrays) != header.get("checksum"):
        raise FormatError(f"{path} is damaged: its contents do not agree with its checksum")
    return put_together(graph, arrays, path)


def put_together(graph: str, arrays: dict[str, np.ndarray], path: Any) -> Any:
    """Return what ``taken_apart`` took apart, on these arrays; ``path`` is where it came from.

    Raises ``FormatError`` for a structure that is none.
    """
    try:
        structure = json.loads(graph)
        reader = _Reader(arrays)
        reader.tensors = [reader.tensor(record) for record in structure["tensors"]]
        for record in structure["modules"]:
            reader.module(record)
        return reader.value(structure["root"])
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}") from error
    except _SPOILT as error:
        raise FormatError(
            f"{path} cannot be understood: {type(error).__name__}: {error}"
        ) from error


def _graph(path: Any, header: dict[str, str]) -> str:
    if header.get("format") != FORMAT or "graph" not in header:
        raise FormatError(
            f"{path} is a safetensors file, but mg.save did not write it: its header lacks "
            f"format={FORMAT!r} (checkpoints of minigraph train are another thing)"
        )
    version = header.get("version", "")
    if version != str(VERSION):
        raise FormatError(
            f"{path} has version {version} of the format, this minigraph reads version {VERSION}: "
            "a newer minigraph wrote it"
        )
    return header["graph"]


class _Reader:
    """Makes values of what JSON holds; modules come before those that refer to them."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self.tensors: list[np.ndarray] = []
        self._modules: list[State] = []
        self._depths: list[int] = []
        self._deepest = 0
        self._sizes: list[int] = []
        self._size = 0

    def value(self, encoded: Any) -> Any:
        """Return the value that ``encoded`` stands for."""
        if not isinstance(encoded, dict):
            if isinstance(encoded, list):
                raise FormatError("a list stands where a value is meant")
            return encoded
        (kind, inner), = encoded.items()
        if kind == "tensor":
            return self.tensors[_index(inner)]
        if kind == "module":
            return self._module(inner)
        if kind in ("list", "tuple"):
            entries = [self.value(entry) for entry in inner]
            return entries if kind == "list" else tuple(entries)
        if kind == "dict":
            return {self.value(key): self.value(entry) for key, entry in inner}
        if kind == "float":
            return float(inner)
        if kind == "bytes":
            return bytes.fromhex(inner)
        if kind == "dtype" and inner in DTYPES:
            return np.dtype(inner)
        raise FormatError(f"no kind of value is called {kind!r:.40}")

    def tensor(self, record: dict[str, Any]) -> np.ndarray:
        """Return the array of a record: a whole array of the file, or a view on one."""
        owner = self._arrays[record["data"]]
        if "shape" not in record:
            return owner
        return view(owner.reshape(-1), record["shape"], record["strides"], record["offset"])

    def module(self, record: dict[str, Any]) -> None:
        """Make the next module."""
        cls = class_named(record["class"])
        if cls is None:
            raise FormatError(
                f"the file names the class {record['class']!r:.80}, which is not registered: import the "
                "module that defines it, with @mg.files.register above the class"
            )
        self._deepest = self._size = 0
        positional, named = record.get("arguments", ([], {}))
        module = State.__new__(
            cls, *[self.value(value) for value in positional],
            **{str(name): self.value(value) for name, value in named.items()},
        )
        if record["type"] not in TENSOR_TYPES:
            raise FormatError(f"{record['class']} of the type {record['type']!r:.40}")
        module._setType(record["type"])
        module._holders = 1  # as far as can be told
        if isinstance(module, gModule):
            gModule.__init__(module, *self._nodes(record["network"]))
        elif isinstance(module, Unroll):
            feedback = {str(key): str(value) for key, value in record["feedback"].items()}
            step: Any = self._module(record["step"])
            Unroll.__init__(module, step, feedback)
        for name in getattr(module, "_buffers", ()):
            setattr(module, name, None)
        for name, value in record["attributes"].items():
            if not name.isidentifier() or is_method(cls, name):
                raise FormatError(f"{record['class']} has an attribute {name!r:.40} that it cannot have")
            vars(module)[name] = self.value(value)
        if isinstance(module, Container) and not all(isinstance(m, Module) for m in module.modules):
            raise FormatError(f"{record['class']} holds something else than modules")
        self._modules.append(module)
        self._depths.append(self._deepest + 1)
        self._sizes.append(self._size + 1)
        if self._deepest >= DEEPEST:
            raise FormatError(f"modules nested more than {DEEPEST} deep")
        if self._size >= MOST_MET:
            raise FormatError(f"modules that hold each other in more than {MOST_MET} ways")

    def _module(self, number: Any) -> State:
        index = _index(number)
        self._deepest = max(self._deepest, self._depths[index])
        self._size += self._sizes[index]
        return self._modules[index]

    def _nodes(self, network: dict[str, Any]) -> tuple[list[Node], list[Node]]:
        """Return the inputs and outputs of a network, wired."""
        nodes: list[Node] = []
        for record in network["nodes"]:
            module: Any = None if "module" not in record else self._module(record["module"])
            data = NodeData(
                module, record.get("nSplitOutputs"), record.get("selectindex"),
                str(record["location"]) or "a file", str(record.get("role", "")),
            )
            if "annotations" in record:
                data.annotations = dict(self.value(record["annotations"]))
            node = Node(data)
            for position in record["inputs"]:
                node.add(nodes[_index(position)])
            nodes.append(node)
        ends = [[nodes[_index(i)] for i in network[name]] for name in ("inputs", "outputs")]
        return ends[0], ends[1]


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise FormatError(f"a number of an entry was expected, got {value!r:.40}")
    return value

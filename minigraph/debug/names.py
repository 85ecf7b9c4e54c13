"""Names of nodes and of parameters, the same in every report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Iterator, Optional

import numpy as np

from minigraph import nn
from minigraph.graph import Node
from minigraph.memory import address


@dataclass(frozen=True)
class NodeInfo:
    """Which node: its number in the network, label, annotated name, module and source line."""

    id: int
    label: str
    name: str
    module: str
    location: str

    @classmethod
    def of(cls, node: Node) -> "NodeInfo":
        """Return the facts about ``node``."""
        return cls(node.id, node.title(), node.name, module_text(node), node.location)

    @property
    def key(self) -> str:
        """The annotated name, or number and label where there is none."""
        return self.name or f"node {self.id} {self.label}"


@dataclass
class NamedParameter:
    """A parameter, the arrays that collect its gradient, and what it is called.

    ``names`` has one name for each module that uses the array. Several gradients occur where
    modules share a parameter without sharing its gradient: the gradient is then their sum.
    """

    names: list[str]
    value: np.ndarray
    gradients: list[np.ndarray] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first name, and how many more modules share the array."""
        more = len(self.names) - 1
        return self.names[0] + (f" (shared by {more + 1} modules)" if more else "")

    def gradient(self) -> np.ndarray:
        """Return a copy of the accumulated gradient."""
        total = self.gradients[0].copy()
        for other in self.gradients[1:]:
            total += other
        return total


def module_text(node: Node) -> str:
    """Say what a node computes: its module, or which part of a split it takes."""
    data = node.data
    if data.module is not None:
        return data.module.headline()
    if data.role == "select":
        return f"entry {data.selectindex} of split({data.mapindex[0].nSplitOutputs})"
    if data.role == "split":
        return f"split({data.nSplitOutputs})"
    return ""


def named_parameters(module: nn.Module) -> list[NamedParameter]:
    """Return every parameter of ``module`` once, however many modules use its array.

    Names are ``weight`` for a single layer, ``2.weight`` inside a container (its 1-based
    place), ``i2h.weight`` at a node of a graph and ``lstm/i2h.weight`` in a graph inside it.
    """
    found: dict[Any, NamedParameter] = {}
    for prefix, layer in _layers(module, ""):
        for position, (value, gradient) in enumerate(zip(*layer.parameters())):
            name = prefix + _attribute(layer, value, position)
            _note(found, name, value, gradient)
    for position, (value, gradient) in enumerate(zip(*module.parameters())):
        if _identity(value) not in found:
            _note(found, f"parameter {position + 1}", value, gradient)
    return list(found.values())


def _note(found: dict[Any, NamedParameter], name: str, value: np.ndarray, gradient: np.ndarray) -> None:
    entry = found.setdefault(_identity(value), NamedParameter([], value))
    entry.names.append(name)
    if all(_identity(gradient) != _identity(known) for known in entry.gradients):
        entry.gradients.append(gradient)


def _identity(array: np.ndarray) -> tuple[Any, ...]:
    # Two array objects over the same memory are one parameter; empty arrays have no memory.
    return (address(array) if array.size else id(array), array.shape, array.strides, array.dtype)


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield ``(prefix of names, layer)`` of every layer below (and including) ``module``.

    A container with parameters of its own, such as WeightNorm, counts as a layer.
    """
    plain = isinstance(module, nn.Container) and type(module).parameters is nn.Container.parameters
    if isinstance(module, nn.gModule) or plain:
        for key, below, _ in held(module):
            yield from _layers(below, prefix + key + separator(below))
    else:
        yield prefix, module


def held(module: Any) -> Iterator[tuple[str, Any, Optional[Node]]]:
    """Yield ``(key, module or criterion, its node)`` of all that ``module`` is made of, as it runs.

    The key is the node's name (or number and label), the 1-based place in a container, or the
    attribute that holds it.
    """
    if isinstance(module, nn.gModule):
        keys = [NodeInfo.of(node).key for node in module.forwardnodes]
        uses = Counter(keys)
        for node, key in zip(module.forwardnodes, keys):
            if node.module is not None:
                yield key if uses[key] == 1 else f"{key} (node {node.id})", node.module, node
    elif isinstance(module, nn.Container):
        for number, below in enumerate(module.modules, 1):
            yield str(number), below, None
    else:
        for name, value in vars(module).items():
            several = isinstance(value, (list, tuple)) and name != "_arguments"
            for number, below in enumerate(value if several else [value], 1):
                if isinstance(below, (nn.Module, nn.Criterion)):
                    yield f"{name}[{number}]" if several else name, below, None


def separator(module: Any) -> str:
    """Return what stands between a module's own name and those inside it."""
    return "/" if isinstance(module, nn.gModule) else "."


def _attribute(module: nn.Module, value: np.ndarray, position: int) -> str:
    for name, attribute in vars(module).items():
        if attribute is value:
            return name
    return f"parameter {position + 1}"

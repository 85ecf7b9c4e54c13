"""A network as a ``torch.fx.GraphModule``: real ``torch.nn`` layers, and calls for the rest."""

from __future__ import annotations

import operator
from typing import Any, Callable, Mapping, NoReturn, Optional

import numpy as np
import torch
import torch.fx

from minigraph import nn
from minigraph.errors import ArgumentError
from minigraph.interop.names import Unique, identifier
from minigraph.interop.pytorch.exporter.compositions import COMPOSITIONS
from minigraph.interop.pytorch.exporter.criterions import NODES
from minigraph.interop.pytorch.exporter.layers import LAYERS
from minigraph.interop.pytorch.exporter.structure import CALLS
from minigraph.interop.pytorch.runtime import functions
from minigraph.interop.walker import Unconvertible, Walker
from minigraph.memory import address

KINDS: dict[np.dtype, Any] = {
    np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64,
}


class Tensors:
    """The arrays of a network as parameters and buffers of PyTorch, each array once.

    What shares memory in the network is one parameter.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}
        self._kept: list[np.ndarray] = []

    def __call__(self, array: np.ndarray, trained: bool, frozen: bool = False) -> Any:
        """Return the parameter (if ``trained``) or the buffer that holds a copy of ``array``.

        A ``frozen`` parameter wants no gradient, unless it is used elsewhere where it does.
        """
        key = (address(array), array.shape, array.strides, trained)
        if array.size and key in self._made:
            made = self._made[key]
            if trained and not frozen:
                made.requires_grad_(True)
            return made
        self._kept.append(array)  # its address stays its own
        tensor = torch.from_numpy(np.array(array, order="C"))
        made = torch.nn.Parameter(tensor, not frozen) if trained else tensor
        self._made[key] = made
        return made


class TorchExport(Walker):
    """Builds the graph of one network; networks inside loops get a graph of their own."""

    target = "PyTorch"
    converters = {**LAYERS, **COMPOSITIONS, **CALLS, **NODES}

    def __init__(self, around: Optional["TorchExport"] = None) -> None:
        super().__init__()
        self.graph = torch.fx.Graph()
        self.root = torch.nn.Module()
        self.tensors: Tensors = Tensors() if around is None else around.tensors
        #: The modules of the whole network, by id.
        self.members: dict[int, Any] = {} if around is None else around.members
        #: What poolings of this graph that an unpooling undoes found: their indices, and their input.
        self.places: dict[int, tuple[Any, Any]] = {}
        self._frozen: bool = around is not None and around._frozen
        self._targets = Unique(lambda name: hasattr(torch.nn.Module, name) or name == "training")
        self._inner: list[tuple[Any, Any]] = []

    # -- what converters use -----------------------------------------------------------------------

    def call(self, function: Callable[..., Any], value: Any, *arguments: Any, name: str) -> Any:
        """Add a call of ``function`` on ``value`` and plain arguments; return its value."""
        node = self.graph.create_node(
            "call_function", function, (value, *(_plain(argument) for argument in arguments)),
            name=identifier(name),
        )
        return self._noted(node)

    def layer(
        self,
        kind: Any,
        *arguments: Any,
        value: Any,
        name: str,
        target: str = "",
        several: bool = False,
        parameters: Optional[Mapping[str, Optional[np.ndarray]]] = None,
        buffers: Optional[Mapping[str, Optional[np.ndarray]]] = None,
        **more: Any,
    ) -> Any:
        """Add the layer ``kind(*arguments, **more)`` with copies of these arrays, and a call of it.

        ``several`` says that ``value`` holds several arguments. The layer is called ``target``
        (``name`` by default) and remembers in ``construction`` how it was made.
        """
        arguments = tuple(_plain(argument) for argument in arguments)
        more = {key: _plain(argument) for key, argument in more.items()}
        with torch.device("meta"):
            made = kind(*arguments, **more)
        made.construction = (kind, arguments, more)
        for table, trained in ((parameters or {}, True), (buffers or {}, False)):
            for field, array in table.items():
                if array is not None:
                    setattr(made, field, self.tensors(array, trained, self._frozen))
        if "num_batches_tracked" in made._buffers:
            made.num_batches_tracked = torch.tensor(0)
        made.training = self._training  # not that of the networks inside, which have their own
        unique = self._targets(identifier(target or name))
        self.root.add_module(unique, made)
        node = self.graph.create_node(
            "call_module", unique, tuple(value) if several else (value,), name=identifier(name)
        )
        return self._noted(node)

    def inner(self, module: Any) -> Any:
        """Return a GraphModule of a module that is run in a loop; parameters stay shared."""
        for known, made in self._inner:
            if known is module:
                return made
        export = TorchExport(self)
        export._where = list(self._where)
        made = export.build(module)
        self.reasons.extend(export.reasons)
        self._inner.append((module, made))
        return made

    def _know(self, net: Any) -> None:
        """Count the modules of ``net`` among those of the whole network."""
        self.members.update((id(module), module) for module in net.listModules())

    def undone(self, pooling: Any) -> bool:
        """Tell whether an unpooling of the network undoes this pooling."""
        return any(getattr(module, "pooling", None) is pooling for module in self.members.values())

    def uses(self, weight: np.ndarray) -> int:
        """Return how many modules of the network have their ``weight`` at this address."""
        held = (getattr(module, "weight", None) for module in self.members.values())
        return sum(isinstance(array, np.ndarray) and address(array) == address(weight) for array in held)

    def frozen(self, module: Any, value: Any, name: str) -> Any:
        """Convert a module whose parameters are not trained."""
        self._know(module)
        outer, self._frozen = self._frozen, True
        try:
            return self.convert(module, value, name)
        finally:
            self._frozen = outer

    def fail(self, reason: str) -> NoReturn:
        """Give this module up, saying why."""
        raise Unconvertible(reason)

    # -- the walk ------------------------------------------------------------------------------------

    _training = True

    def convert(self, module: Any, value: Any, name: str) -> Any:
        outer, self._training = self._training, bool(module.train)
        try:
            return super().convert(module, value, name)
        finally:
            self._training = outer

    def entry(self, value: Any, position: int, name: str) -> Any:
        if isinstance(value, (list, tuple)):
            return value[position]
        node = self.graph.create_node(
            "call_function", operator.getitem, (value, position), name=identifier(name)
        )
        return self._noted(node)

    def unknown(self, module: Any, value: Any) -> Any:
        return self.graph.create_node("call_function", operator.pos, (0,), name="unknown")

    def _noted(self, node: Any) -> Any:
        """Keep with a node of the graph what the network says about it."""
        if self.node is not None:
            notes = {key: str(text) for key, text in self.node.annotations.items()}
            node.meta["minigraph"] = {"location": self.node.location, **notes}
        return node

    def build(self, net: Any) -> Any:
        """Return the GraphModule of ``net``; check ``reasons`` before it is used."""
        self._know(net)
        output = self.convert(net, self._inputs(net), "")
        self.graph.output(output)
        made = torch.fx.GraphModule(self.root, self.graph, _class_name(net))
        made.training = bool(net.train)
        made.construction = None
        made.graph.lint()
        return made

    def _inputs(self, net: Any) -> Any:
        """Add the arguments; several inputs may also be given as one table."""
        nodes = net._network.inputs if isinstance(net, nn.gModule) else ()
        if len(nodes) < 2:
            return self.graph.placeholder(identifier(nodes[0].name) if nodes and nodes[0].name else "input")
        names = [node.name or f"input_{k}" for k, node in enumerate(nodes, 1)]
        first = self.graph.placeholder(identifier(names[0]))
        unique = Unique()
        unique(str(first.target))
        others = [
            self.graph.placeholder(unique(identifier(name)), default_value=None) for name in names[1:]
        ]
        whole = self.graph.create_node(
            "call_function", functions.together, (first, *others), name="inputs"
        )
        return [
            self.graph.create_node("call_function", operator.getitem, (whole, k), name=identifier(name))
            for k, name in enumerate(names)
        ]


def _class_name(net: Any) -> str:
    return identifier(type(net).__name__)


def _plain(argument: Any) -> Any:
    """Return an argument as plain Python numbers."""
    if isinstance(argument, (list, tuple)):
        return type(argument)(_plain(entry) for entry in argument)
    return argument.item() if isinstance(argument, np.generic) else argument


def to_torch(net: Any) -> Any:
    """Convert ``net``; see ``minigraph.interop.to_torch``."""
    if not isinstance(net, nn.Module):
        raise ArgumentError(f"to_torch converts a module, got {type(net).__name__}")
    export = TorchExport()
    made = export.build(net._described())
    export.check()
    return made

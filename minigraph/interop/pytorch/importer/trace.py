"""A PyTorch module as a network: known layers one by one, anything else traced by ``torch.fx``."""

from __future__ import annotations

import operator
from typing import Any, Optional

import torch
import torch.fx

from minigraph import nn
from minigraph.errors import ArgumentError, ConversionError, MinigraphError
from minigraph.graph import Node
from minigraph.interop.pytorch.importer.calls import FUNCTIONS, METHODS, Size, take
from minigraph.interop.pytorch.importer.layers import IMPORTERS
from minigraph.interop.pytorch.importer.sequences import RECURRENT, SEQUENCES, alone, call, may_be_deep
from minigraph.interop.walker import Unconvertible
from minigraph.nn.nest import nest
from minigraph.tensors import getdefaulttensortype, setdefaulttensortype


class _Tracer(torch.fx.Tracer):
    """Stops at the layers that are known."""

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        return type(m) in IMPORTERS or super().is_leaf_module(m, module_qualified_name)


class TorchImport:
    """Turns modules into networks and notes what it cannot turn, with the reason."""

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []
        self._known: dict[int, Any] = {}
        self._before_sequences: set[Any] = set()
        self._deep = False  # what comes to the layer at hand may have more than two dimensions

    def module(self, layer: Any, where: str = "") -> Any:
        """Return the network of a module; one used twice is the same network."""
        if id(layer) not in self._known:
            self._known[id(layer)] = self._module(layer, where)
            for made in self._known[id(layer)].listModules():
                if type(layer) in IMPORTERS:
                    made.train = layer.training
        return self._known[id(layer)]

    def _module(self, layer: Any, where: str) -> Any:
        before = len(self.reasons)
        try:
            if type(layer) in IMPORTERS:
                return IMPORTERS[type(layer)](layer)
            if isinstance(layer, torch.nn.Sequential):
                net = nn.Sequential()
                for name, child in layer.named_children():
                    deep = self._deep
                    made = self.module(child, f"{where}.{name}" if where else name)
                    rows = bool(net.modules) and isinstance(net.modules[-1], nn.Linear)
                    made = _fitted(child, made, deep, rows)
                    made = alone(child, made) if type(child) in RECURRENT else made
                    net.add(made)
                    self._deep = type(child) in _DEEPENING or self._deep and type(child) not in _FLATTENING
                return net
            if type(layer).__module__.startswith("torch.nn.modules."):
                raise Unconvertible(f"there is no counterpart of torch.nn.{type(layer).__name__} here")
            return self._traced(layer, where)
        except (Unconvertible, MinigraphError) as reason:
            if len(self.reasons) > before:  # a consequence of what was noted inside
                return nn.Identity()
            self._note(f"{where or 'the module'}: {_first(layer)}", str(reason))
        return nn.Identity()

    def _note(self, what: str, why: str) -> None:
        self.reasons.append((what, why))

    # -- graphs --------------------------------------------------------------------------------------

    def _traced(self, module: Any, where: str) -> Any:
        if isinstance(module, torch.fx.GraphModule):
            graph = module.graph
        else:
            try:
                graph = _Tracer().trace(module)
            except Exception as error:
                raise Unconvertible(
                    f"{type(module).__name__} is no layer known here and torch.fx cannot trace it: {error}"
                ) from error
        values: dict[Any, Any] = {}
        self._before_sequences |= set(graph.nodes) if _deep(graph) else _before_sequences(graph, module)
        inputs: list[Node] = []
        outputs: list[Node] = []
        for node in graph.nodes:
            if node.op == "placeholder":
                values[node] = nn.Identity()().annotate(name=node.name)
                inputs.append(values[node])
            elif node.op == "output":
                outputs = _outputs(_given(node.args[0], values))
                _forget_unused(outputs, inputs)
            else:
                values[node] = self._node(module, node, values, where)
        return nn.gModule(inputs, outputs)

    def _node(self, module: Any, node: Any, values: dict[Any, Any], where: str) -> Any:
        try:
            arguments, more = _given(node.args, values), _given(node.kwargs, values)
            if node.op == "call_module":
                layer = module.get_submodule(node.target)
                deep = bool(arguments) and may_be_deep(arguments[0])
                if _row_by_row(layer):
                    deep = deep or node in self._before_sequences
                self._deep = deep and not _row_by_row(layer)  # else the whole of it is taken row by row
                net = self.module(layer, f"{where}.{node.target}" if where else node.target)
                rows = bool(arguments) and isinstance(getattr(arguments[0], "module", None), nn.Linear)
                net = _fitted(layer, net, deep, rows)
                made = _called(layer, net, arguments, more, node.name)
            elif node.op == "call_function" and node.target in FUNCTIONS:
                made = FUNCTIONS[node.target](*arguments, **more)
            elif node.op == "call_function" and node.target is operator.getitem:
                # In what to_torch made, an index always takes an entry of a table.
                made = take(arguments[0], arguments[1], hasattr(module, "construction"))
            elif node.op == "call_function" and node.target is getattr and arguments[1] == "shape":
                made = Size(arguments[0])
            elif node.op == "call_method" and node.target in METHODS:
                made = METHODS[node.target](*arguments, **more)
            else:
                raise Unconvertible(f"{node.op} of {_name(node.target)} is not known here")
        except (Unconvertible, MinigraphError, TypeError) as reason:
            self._note(f"{where + '.' if where else ''}{node.name}", str(reason))
            return nn.Identity()()
        if isinstance(made, Node) and not made.name and made.module is not None:
            made.annotate(name=node.name)
        return made


def _called(layer: Any, net: Any, arguments: list[Any], more: Any, name: str) -> Any:
    """Return the node of a module called in a traced graph."""
    if type(layer) in RECURRENT:
        return call(layer, net, name, *arguments, **more)
    if more:
        raise Unconvertible(f"it is called with arguments by name: {', '.join(more)}")
    return net(list(arguments) if len(arguments) > 1 else arguments[0])


#: Layers that take the entries of a row, or each for itself.
_OF_ROWS = (
    torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Dropout, torch.nn.Identity, torch.nn.ReLU, torch.nn.Tanh,
    torch.nn.Sigmoid, torch.nn.ELU, torch.nn.LeakyReLU, torch.nn.Softplus, torch.nn.Hardtanh, torch.nn.ReLU6,
)


_SOFTMAX = {
    torch.nn.Softmax: nn.SoftMax, torch.nn.LogSoftmax: nn.LogSoftMax, torch.nn.Softmin: nn.SoftMin,
}
#: Layers whose outputs have more than two dimensions.
_DEEPENING = (torch.nn.Embedding, torch.nn.Conv1d, *SEQUENCES)
_FLATTENING = (torch.nn.Flatten,)


def _fitted(layer: Any, net: Any, deep: bool, rows: bool) -> Any:
    """Return the network of a layer for what comes to it.

    ``deep`` says that this may have more than two dimensions, ``rows`` that it has not.
    """
    if rows and type(layer) in _SOFTMAX and layer.dim in (1, -1):  # Torch's own does
        return next(module for module in net.listModules() if isinstance(module, tuple(_SOFTMAX.values())))
    if deep and _row_by_row(layer):
        return nn.Bottle(net, 2)  # PyTorch's takes any number of dimensions in front
    if deep and type(layer) is torch.nn.BatchNorm1d:  # of (B, C, L), each channel over all the rest
        return nn.Sequential().add(nn.Transpose([-1, -2])).add(nn.Bottle(net, 2)).add(nn.Transpose([-1, -2]))
    return net


def _deep(graph: Any) -> bool:
    """Tell whether a traced graph multiplies matrices itself, as attention does with one for each sample."""
    names = {_name(node.target) for node in graph.nodes if node.op in ("call_function", "call_method")}
    return bool(names & {"matmul", "bmm"})


def _row_by_row(layer: Any) -> bool:
    """Tell whether a layer is a Linear, or a Sequential that treats the rows of its input alike."""
    if type(layer) is torch.nn.Sequential:
        return all(isinstance(child, _OF_ROWS) or _row_by_row(child) for child in layer)
    return type(layer) is torch.nn.Linear


def _before_sequences(graph: Any, module: Any) -> set[Any]:
    """Return the nodes of a traced graph whose values go, in the end, into a recurrent layer."""
    ahead = [
        node for node in graph.nodes
        if node.op == "call_module" and type(module.get_submodule(node.target)) in SEQUENCES
    ]
    found: set[Any] = set()
    while ahead:
        for source in ahead.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                ahead.append(source)
    return found


def _forget_unused(outputs: list[Node], inputs: list[Node]) -> None:
    """Take off the nodes that no output depends on, which a gModule would refuse."""
    live: set[Node] = set()
    ahead = [*outputs, *inputs]
    while ahead:
        node = ahead.pop()
        if node not in live:
            live.add(node)
            ahead.extend(node.children)
    kept = {node.data for node in live}
    for node in live:
        node.data.reverseMap[:] = [consumer for consumer in node.data.reverseMap if consumer in kept]


def _name(target: Any) -> str:
    return getattr(target, "__name__", str(target))


def _first(layer: Any) -> str:
    return str(layer).split("\n")[0].rstrip("( ")


def _given(argument: Any, values: dict[Any, Any]) -> Any:
    """Return arguments with values for nodes of the traced graph."""
    if isinstance(argument, torch.fx.Node):
        return values[argument]
    if isinstance(argument, (list, tuple)):
        return [_given(entry, values) for entry in argument]
    if isinstance(argument, dict):
        return {key: _given(entry, values) for key, entry in argument.items()}
    return argument


def _outputs(value: Any) -> list[Node]:
    """Return the nodes of the outputs; nested ones as nodes of nested tables."""
    if isinstance(value, dict) or not isinstance(value, (list, Node)):
        raise Unconvertible(f"it returns a {type(value).__name__}: tensors and tables of them are known here")
    if isinstance(value, list) and len(value) == 1:
        return [nn.JustTable()(nest(value[0]))]
    return [nest(entry) for entry in value] if isinstance(value, list) else [value]


def _type(module: Any) -> Optional[str]:
    """Return Torch's name of the type that a module computes in, or None if it has no parameters."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            names = {torch.float32: "torch.FloatTensor", torch.float64: "torch.DoubleTensor"}
            if tensor.dtype not in names:
                raise ArgumentError(f"from_torch: modules compute in float32 or float64, got {tensor.dtype}")
            return names[tensor.dtype]
    return None


def from_torch(module: Any) -> Any:
    """Convert ``module``; see ``minigraph.interop.from_torch``."""
    if not isinstance(module, torch.nn.Module):
        raise ArgumentError(f"from_torch converts a torch.nn.Module, got {type(module).__name__}")
    before = getdefaulttensortype()
    setdefaulttensortype(_type(module) or before)
    try:
        maker = TorchImport()
        net = maker.module(module)
    finally:
        setdefaulttensortype(before)
    if maker.reasons:
        raise ConversionError("from PyTorch", maker.reasons)
    net.train = module.training
    return net

"""A network as an ONNX file, written node by node from an example of its input.

The network is run, layer by layer, on the example and on the same input with another batch size:
what differs in shape is the batch, everything else is fixed. Torch's rules that depend on the
shape of the input (the batch of ``nn.Reshape``, the classes of ``nn.SoftMax``) are resolved by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence, Union

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from minigraph import nn, rnn
from minigraph.errors import ArgumentError, ConversionError, MinigraphError
from minigraph.files.atomic import replacing
from minigraph.interop.names import Unique, dotted
from minigraph.interop.onnx_containers import CONTAINERS
from minigraph.interop.onnx_layers import LAYERS
from minigraph.interop.onnx_pairs import PAIRS
from minigraph.interop.onnx_structure import SHAPES
from minigraph.interop.onnx_windows import WINDOWS
from minigraph.interop.walker import Unconvertible, Walker
from minigraph.memory import address
from minigraph.tables import copy_table, is_table, leaves, map_table

OPSET = 17

#: Layers that are run on the examples; containers are taken apart.
RUN = {**LAYERS, **PAIRS, **SHAPES, **WINDOWS}


@dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph: its name, and what it is for the two examples."""

    name: str
    example: np.ndarray
    other: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for the example."""
        return self.example.shape

    @property
    def varying(self) -> list[bool]:
        """Tell for each dimension whether it depends on the batch."""
        return [a != b for a, b in zip(self.example.shape, self.other.shape)]

    def shaped(self, source: Optional["Value"] = None) -> list[int]:
        """Return the shape for an ONNX Reshape of ``source``: 0 copies a dimension, -1 is the rest."""
        found = []
        for axis, (size, other) in enumerate(zip(self.example.shape, self.other.shape)):
            same = source is not None and axis < source.example.ndim and (size, other) == (
                source.example.shape[axis], source.other.shape[axis]
            )
            found.append(size if size == other else 0 if same else -1)
        if found.count(-1) > 1:
            raise Unconvertible("more than one dimension of its shape depends on the batch")
        return found


class OnnxExport(Walker):
    """Builds the ONNX graph of a network in evaluation, in single precision."""

    target = "ONNX"
    converters = {**CONTAINERS, **RUN}

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.names = Unique()
        self.labels = Unique()
        #: Appended to the names of values: the time step within an Unroll.
        self.moment = ""
        self._made: dict[tuple[Any, ...], str] = {}
        self._kept: list[np.ndarray] = []

    # -- what converters use ------------------------------------------------------------------------

    def op(self, kind: str, inputs: Sequence[str], name: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add an ONNX node; return the name of its output (a list of them for several)."""
        names = [self.names(dotted(name) + self.moment) for _ in range(outputs)]
        node = helper.make_node(kind, list(inputs), names, name=self.labels(names[0]), **attributes)
        if self.node is not None and self.node.annotations.get("description"):
            node.doc_string = str(self.node.annotations["description"])
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def weight(self, array: np.ndarray, name: str, shape: Optional[Sequence[int]] = None) -> str:
        """Return the name of an initializer that holds a parameter; a shared one is held once."""
        key = (address(array), array.shape, array.strides, shape and tuple(shape))
        if key not in self._made:
            self._kept.append(array)
            self._made[key] = self.constant(array if shape is None else array.reshape(shape), name)
        return self._made[key]

    def constant(self, value: Any, name: str) -> str:
        """Return the name of an initializer: floats in single precision, whole numbers as int64."""
        array = np.asarray(value)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        unique = self.names(dotted(name))
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), unique))
        return unique

    # -- the walk -----------------------------------------------------------------------------------

    def convert(self, module: Any, value: Any, name: str) -> Any:
        if type(module) in RUN:
            self.output = copy_table(module.forward(map_table(lambda v: v.other, value)))
            other = self.output
            self.output = copy_table(module.forward(map_table(lambda v: v.example, value)))
            self.result = _joined("", self.output, other)
            if type(module) not in _TAKE_INDICES and _floats(self.output):
                value = map_table(lambda v: self._float(v, name), value)
            names = super().convert(module, value, name)
            return _named(names, self.output, other)
        return super().convert(module, value, name)

    def _float(self, value: Value, name: str) -> Value:
        """Return a value of whole numbers in single precision, which is what a layer computes in."""
        if value.example.dtype.kind == "f":
            return value
        cast = self.op("Cast", [value.name], f"{name}.float", to=TensorProto.FLOAT)
        return Value(cast, value.example.astype(np.float32), value.other.astype(np.float32))

    def entry(self, value: Any, position: int, name: str) -> Any:
        if not is_table(value):
            raise Unconvertible("its input is a tensor, not a table")
        return value[position]

    def unknown(self, module: Any, value: Any) -> Any:
        # What follows cannot be run without the numbers that this module would give.
        try:
            outputs = [
                copy_table(module.forward(map_table(pick, value)))
                for pick in (lambda v: v.example, lambda v: v.other)
            ]
        except Exception as error:
            raise _Stop from error
        return _joined("unknown", *outputs)


class _Stop(Exception):
    """Nothing can be said of what follows a module that cannot be run."""


_TAKE_INDICES = (nn.LookupTable, nn.OneHot, nn.Index, nn.ModuleFromCriterion, nn.CriterionTable)


def _floats(table: Any) -> bool:
    return all(np.asarray(leaf).dtype.kind == "f" for _, leaf in leaves(table))


def _joined(name: str, example: Any, other: Any) -> Any:
    if is_table(example):
        return [_joined(name, a, b) for a, b in zip(example, other)]
    return Value(name, np.asarray(example), np.asarray(other))


def _named(names: Any, example: Any, other: Any) -> Any:
    """Return values for the names that a converter gave, nested alike."""
    if is_table(example):
        return [_named(n, a, b) for n, a, b in zip(names, example, other)]
    if isinstance(names, Value):
        names = names.name
    return Value(names, np.asarray(example), np.asarray(other))


# -- inputs and outputs ------------------------------------------------------------------------------


def _input_names(net: Any, example: Any) -> list[tuple[str, Any]]:
    """Return name and entry of each tensor of the input: ``x``, or ``state_1`` of a table."""
    nodes = _boundary(net, "inputs")
    entries = example if len(nodes) > 1 else [example]
    found = []
    for k, entry in enumerate(entries):
        own = nodes[k].name if nodes else ""
        root = own or ("input" if len(entries) == 1 else f"input_{k + 1}")
        for path, leaf in leaves(entry):
            found.append((dotted("_".join([root, *(str(p + 1) for p in path)])), leaf))
    return found


def _boundary(net: Any, which: str) -> list[Any]:
    """Return the nodes of the inputs or outputs of a network, which have names; else none."""
    inner = net.step if isinstance(net, rnn.Unroll) else net
    return list(getattr(inner._network, which)) if isinstance(inner, nn.gModule) else []


def _batch_axes(net: Any, example: Any) -> list[Any]:
    """Return where the batch may be, for each leaf: in front, or after the time of a sequence."""
    front = map_table(lambda leaf: 0, example)
    if not any(isinstance(module, rnn.Unroll) for module in net.listModules()):
        return [front]
    if not isinstance(net, rnn.Unroll):
        return [map_table(lambda leaf: int(leaf.ndim > 2), example), front]
    entries = example if net.step.nInputs > 1 else [example]
    axes = [
        map_table(lambda leaf, axis=int(k in net._sequences): axis, entry)  # type: ignore[misc]
        for k, entry in enumerate(entries)
    ]
    return [axes if net.step.nInputs > 1 else axes[0]]


def _with_batch(example: Any, axes: Any, extra: int) -> Any:
    """Return the example with ``extra`` samples more: the first one repeated."""
    sizes = {
        leaf.shape[axis]
        for (_, leaf), (_, axis) in zip(leaves(example), leaves(axes)) if leaf.ndim > axis
    }
    batch = next(
        (leaf.shape[axis] for (_, leaf), (_, axis) in zip(leaves(example), leaves(axes)) if leaf.ndim > axis),
        None,
    )
    if batch is None or not sizes:
        return None

    def grown(leaf: Any, axis: Any) -> Any:
        if is_table(leaf):
            return [grown(entry, at) for entry, at in zip(leaf, axis)]
        if leaf.ndim <= axis or leaf.shape[axis] != batch:
            return leaf
        return np.concatenate([leaf, *[leaf.take([0], axis)] * extra], axis)

    return grown(example, axes)


def _other_examples(net: Any, example: Any) -> Iterator[Any]:
    """Yield inputs of another batch size that the network takes and treats alike, last the example."""
    ranks = _ranks(net.forward(example))
    for axes in _batch_axes(net, example):
        for extra in (1, 2, 3):
            other = _with_batch(example, axes, extra)
            if other is None:
                break
            try:
                alike = _ranks(net.forward(other)) == ranks
            except MinigraphError:
                continue
            if alike:
                yield other
                break
    yield example


def _ranks(table: Any) -> Any:
    return [_ranks(entry) for entry in table] if is_table(table) else np.ndim(table)


_TYPES = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "u": TensorProto.INT64, "b": TensorProto.INT64}


def _as_input(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)


def _info(value: Value, batch: tuple[int, int], name: str) -> Any:
    """Describe an input or output: fixed sizes as numbers, the others by name."""
    dims: list[Union[int, str]] = []
    for axis, pair in enumerate(zip(value.example.shape, value.other.shape)):
        named = "batch" if pair == batch else f"{name}_size_{axis + 1}"
        dims.append(pair[0] if pair[0] == pair[1] else named)
    return helper.make_tensor_value_info(name, _TYPES[value.example.dtype.kind], dims)


def _batch_sizes(example: Any, other: Any) -> tuple[int, int]:
    for (_, a), (_, b) in zip(leaves(example), leaves(other)):
        for pair in zip(a.shape, b.shape):
            if pair[0] != pair[1]:
                return pair
    return (-1, -1)


def to_onnx(net: Any, path: Any, example_input: Any) -> Path:
    """Write ``net``; see ``minigraph.interop.to_onnx``."""
    if not isinstance(net, nn.Module):
        raise ArgumentError(f"to_onnx converts a module, got {type(net).__name__}")
    net = net.clone().evaluate().float()
    example = map_table(_as_input, example_input)
    net.clearState()
    reasons: list[tuple[str, str]] = []
    # What takes the batch apart can still be written for a batch of the example's size.
    for other in _other_examples(net, example):
        model, found = _model(net, example, other)
        reasons = reasons or found
        if model is not None:
            onnx.checker.check_model(model, full_check=True)
            if _agrees(net, model, example, other):
                break
            reasons = reasons or [(repr(net), "onnxruntime does not give its numbers")]
    else:
        raise ConversionError(OnnxExport.target, reasons)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(model.SerializeToString())
    return Path(path)


def _agrees(net: Any, model: Any, *examples: Any) -> bool:
    """Tell whether onnxruntime, if it is installed, gives the network's numbers for the examples."""
    try:
        import onnxruntime
    except ImportError:
        return True
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [entry.name for entry in session.get_inputs()]
    for example in examples:
        try:
            found = session.run(None, dict(zip(names, (leaf for _, leaf in leaves(example)))))
        except Exception:  # onnxruntime raises classes of its own
            return False
        wanted = [np.asarray(leaf) for _, leaf in leaves(net.forward(example))]
        if not all(a.shape == b.shape and np.allclose(a, b, 1e-3, 1e-4, equal_nan=True)
                   for a, b in zip(wanted, found)):
            return False
    return True


def _model(net: Any, example: Any, other: Any) -> tuple[Any, list[tuple[str, str]]]:
    """Return the ONNX model, or None and why not."""
    batch = _batch_sizes(example, other)
    export = OnnxExport()
    inputs = []
    others = [leaf for _, leaf in leaves(other)]
    for (name, leaf), twin in zip(_input_names(net, example), others):
        inputs.append(Value(export.names(name), leaf, twin))
    arriving = iter(inputs)
    try:
        result = export.convert(net, map_table(lambda leaf: next(arriving), example), "")
    except _Stop:
        result = None
    if export.reasons:
        return None, export.reasons
    outputs = _name_outputs(export, net, result, {value.name for value in inputs})
    graph = helper.make_graph(
        export.nodes, dotted(type(net).__name__),
        [_info(value, batch, value.name) for value in inputs],
        [_info(value, batch, value.name) for value in outputs],
        export.weights,
    )
    model = helper.make_model(
        graph, producer_name="minigraph", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
    )
    return model, []


def _name_outputs(export: OnnxExport, net: Any, result: Any, inputs: set[str]) -> list[Value]:
    """Return the outputs one by one; those that no node names get an Identity that has a name."""
    nodes = _boundary(net, "outputs")
    entries = result if len(nodes) > 1 else [result]
    used = set(inputs)
    annotated = {
        dotted(node.name)
        for module in net.listModules() if isinstance(module, nn.gModule)
        for node in module.forwardnodes if node.name
    }
    found = []
    for k, entry in enumerate(entries):
        own = nodes[k].name if nodes else ""
        root = own or ("output" if len(entries) == 1 else f"output_{k + 1}")
        for path, value in leaves(entry):
            wanted = dotted("_".join([root, *(str(p + 1) for p in path)]))
            named = value.name == wanted or value.name in annotated and (path or not own)
            if value.name in used or not named:
                value = replace(value, name=export.op("Identity", [value.name], wanted))
            used.add(value.name)
            found.append(value)
    return found

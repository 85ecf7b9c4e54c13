"""OnnxExport: the walk through a network that writes its ONNX graph node by node.

The network is run, layer by layer, on the example and on the same input with another batch size
(and number of time steps): what differs in shape is free, everything else is fixed. Torch's rules
that depend on the shape of the input (the batch of ``nn.Reshape``, the classes of ``nn.SoftMax``)
are resolved by it.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from minigraph import nn
from minigraph.interop.names import Unique, dotted
from minigraph.interop.onnx_containers import CONTAINERS
from minigraph.interop.onnx_layers import LAYERS
from minigraph.interop.onnx_pairs import PAIRS
from minigraph.interop.onnx_regions import REGIONS
from minigraph.interop.onnx_sparse import SPARSE
from minigraph.interop.onnx_structure import SHAPES
from minigraph.interop.onnx_values import Value, joined, named
from minigraph.interop.onnx_windows import WINDOWS
from minigraph.interop.walker import Unconvertible, Walker
from minigraph.memory import address
from minigraph.nn.convolution.unpooling import MaxUnpooling
from minigraph.tables import copy_table, is_table, leaves, map_table

#: Layers that are run on the examples; containers are taken apart.
RUN = {**LAYERS, **PAIRS, **REGIONS, **SHAPES, **SPARSE, **WINDOWS}

#: ONNX's names of the types that a file may compute in.
KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}

#: Operators that onnxruntime runs in single precision only.
_SINGLE = {"AveragePool", "Conv", "ConvTranspose", "LRN"}

_TAKE_INDICES = (
    nn.LookupTable, nn.OneHot, nn.Index, nn.IndexLinear, nn.MaskedSelect, nn.ModuleFromCriterion,
    nn.CriterionTable,
)


class OnnxExport(Walker):
    """Builds the ONNX graph of a network in evaluation.

    ``sizes`` names the sizes that differ between the two examples, ``unrolled`` asks for time
    steps one by one.
    """

    target = "ONNX"
    converters = {**CONTAINERS, **RUN}

    def __init__(self, net: Any, sizes: dict[tuple[int, int], str], unrolled: bool) -> None:
        super().__init__()
        self.dtype = np.dtype(net.dtype)
        self.kind = KINDS[self.dtype]
        #: Whether the file computes in double precision, which some operators do not.
        self.double = self.dtype == np.float64
        self.sizes = sizes
        self.unrolled = unrolled
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.names = Unique()
        self.labels = Unique()
        #: Appended to the names of values: the time step within an Unroll.
        self.moment = ""
        #: Pooling layers that others undo, and what they picked once they are written.
        self.pooled = {
            id(m.pooling): "" for m in net.listModules() if isinstance(m, MaxUnpooling)
        }
        self._picked: dict[tuple[int, str], Any] = {}
        self._made: dict[tuple[Any, ...], str] = {}
        self._kept: list[np.ndarray] = []

    # -- what converters use ------------------------------------------------------------------------

    def op(self, kind: str, inputs: Sequence[str], name: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add an ONNX node; return the name of its output (a list of them for several)."""
        made = self.loop(kind, inputs, [name] * outputs, "", **attributes)
        return made[0] if outputs == 1 else made

    def loop(
        self, kind: str, inputs: Sequence[str], wanted: Sequence[str], label: str, **attributes: Any
    ) -> list[str]:
        """Add an ONNX node whose outputs have names of their own; return these, made unique."""
        if self.double and kind in _SINGLE:
            raise Unconvertible(f"onnxruntime runs {kind} in float32 only: leave dtype at 'float32'")
        names = [self.names(dotted(name) + self.moment) for name in wanted]
        label = self.labels(dotted(label) + self.moment if label else names[0])
        node = helper.make_node(kind, list(inputs), names, name=label, **attributes)
        if self.node is not None and self.node.annotations.get("description"):
            node.doc_string = str(self.node.annotations["description"])
        self.nodes.append(node)
        return names

    def weight(self, array: np.ndarray, name: str, shape: Optional[Sequence[int]] = None) -> str:
        """Return the name of an initializer that holds a parameter; a shared one is held once."""
        key = (address(array), array.shape, array.strides, shape and tuple(shape))
        if key not in self._made:
            self._kept.append(array)
            self._made[key] = self.constant(array if shape is None else array.reshape(shape), name)
        return self._made[key]

    def constant(self, value: Any, name: str) -> str:
        """Return the name of an initializer: floats in the file's type, whole numbers as int64."""
        array = np.asarray(value)
        array = array.astype(self.dtype if array.dtype.kind == "f" else np.int64)
        unique = self.names(dotted(name))
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), unique))
        return unique

    def info(self, value: Value) -> Any:
        """Describe an input or output: fixed sizes as numbers, the others by name."""
        dims: list[Union[int, str]] = []
        for axis, pair in enumerate(value.pairs, 1):
            free = self.sizes.get(pair, f"{value.name}_size_{axis}")
            dims.append(pair[0] if pair[0] == pair[1] else free)
        kind = self.kind if value.example.dtype.kind == "f" else TensorProto.INT64
        return helper.make_tensor_value_info(value.name, kind, dims)

    # -- the walk -----------------------------------------------------------------------------------

    def convert(self, module: Any, value: Any, name: str) -> Any:
        if type(module) in RUN:
            other = self._run(module, value, "other")
            self.output = self._run(module, value, "example")
            self.result = joined("", self.output, other)
            output = self.output  # a converter may convert modules inside
            if type(module) not in _TAKE_INDICES and _floats(self.output):
                value = map_table(lambda v: self._float(v, name), value)
            names = super().convert(module, value, name)
            return named(names, output, other)
        return super().convert(module, value, name)

    def _run(self, module: Any, value: Any, which: str) -> Any:
        """Return what a module makes of an example; unpooling sees what its pooling made of it."""
        if isinstance(module, MaxUnpooling) and (id(module.pooling), which) in self._picked:
            vars(module.pooling).update(self._picked[id(module.pooling), which])
        output = copy_table(module.forward(map_table(lambda v: getattr(v, which), value)))
        if id(module) in self.pooled:
            kept = ("indices", "itime", "iheight", "iwidth")
            self._picked[id(module), which] = {
                key: copy_table(vars(module)[key]) for key in kept if key in vars(module)
            }
        return output

    def _float(self, value: Value, name: str) -> Value:
        """Return a value of whole numbers in the type that a layer computes in."""
        if value.example.dtype.kind == "f":
            return value
        cast = self.op("Cast", [value.name], f"{name}.float", to=self.kind)
        return Value(cast, value.example.astype(self.dtype), value.other.astype(self.dtype))

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
            raise Stop from error
        return joined("unknown", *outputs)


class Stop(Exception):
    """Nothing can be said of what follows a module that cannot be run."""


def _floats(table: Any) -> bool:
    return all(np.asarray(leaf).dtype.kind == "f" for _, leaf in leaves(table))

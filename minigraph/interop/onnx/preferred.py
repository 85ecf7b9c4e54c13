"""Layers that ONNX has an operator for: Netron's readers look for ``Gemm`` and ``Elu``, not for their parts.

``PREFERRED[class](b, module, input)`` writes the operator with the capture ``b``, or returns ``None`` to
leave the layer to its rule. Most operators of this kind take their numbers as attributes, which are of
single precision: in double precision the rules do.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from minigraph import nn
from minigraph.compiler.program.ir import Value
from minigraph.interop.onnx.windows import WINDOWS
from minigraph.nn.simple.shape import axis_of

Preferred = Callable[[Any, Any, Any], Optional[Value]]

#: Why a layer cannot be written, where there is more to say than that ONNX has none like it.
REASONS: dict[type, str] = dict.fromkeys(
    (nn.SpatialFractionalMaxPooling, nn.VolumetricFractionalMaxPooling),
    "its regions are drawn at random, in evaluation too",
) | dict.fromkeys(
    (nn.SpatialMaxUnpooling, nn.VolumetricMaxUnpooling),
    "its pooling layer does not run before it in this network",
) | {nn.Copy: "it converts to whole numbers: the file computes in one type of numbers"}


def _single(b: Any) -> bool:
    return bool(b.dtype.itemsize == 4)


def _operator(kind: str, any_precision: bool = False, **attributes: Callable[[Any], Any]) -> Preferred:
    """Return what writes an operator of the input alone, with attributes that are read of the layer."""

    def write(b: Any, module: Any, x: Value) -> Optional[Value]:
        if not any_precision and not _single(b):
            return None
        settings = {name: read(module) for name, read in attributes.items()}
        return b.operator(kind, x.shape, x, **settings)

    return write


def _linear(b: Any, module: nn.Linear, x: Value) -> Optional[Value]:
    if x.ndim != 2:
        return None
    bias = None if module.bias is None else b.parameter(module, "bias")
    weight = b.parameter(module, "weight")
    return b.operator("Gemm", (x.shape[0], weight.shape[0]), x, weight, bias, transB=1)


def _soft_plus(b: Any, module: nn.SoftPlus, x: Value) -> Optional[Value]:
    return b.operator("Softplus", x.shape, x) if module.beta == 1 and _single(b) else None


def _clip(b: Any, module: nn.HardTanh, x: Value) -> Value:
    return b.operator("Clip", x.shape, x, b.constant(module.min_val), b.constant(module.max_val))


def _limited_lookup(b: Any, module: nn.LookupTable, x: Value) -> Optional[Value]:
    """Look up rows of limited norm: they are scaled when they are looked up, here all of them beforehand."""
    if module.maxNorm is None:
        return None
    scaled = module.clone().forward(np.arange(1, len(module.weight) + 1))
    return b.emit("take", b.named(scaled, "weight"), b.emit("to_index", x, count=len(scaled)))


def _index(b: Any, module: nn.Index, x: list[Value]) -> Value:
    axis = axis_of(module.dimension, x[0].ndim, module)
    index = b.emit("to_index", x[1], count=x[0].shape[axis])
    return b.operator("Gather", b.observed(module).shape, x[0], index, axis=axis)


def _masked_select(b: Any, module: nn.MaskedSelect, x: list[Value]) -> Value:
    flat, mask = (b.reshape(entry, (entry.size,)) for entry in x)
    chosen = b.operator("Cast", mask.shape, mask, dtype=bool, to=9)  # BOOL
    return b.operator("Compress", b.observed(module).shape, flat, chosen, axis=0)


def _largest_in_time(b: Any, module: nn.TemporalDynamicKMaxPooling, x: Value) -> Value:
    shape, axis = b.observed(module).shape, x.ndim - 2
    count = b.whole(shape[axis])
    places = b.operator("TopK", shape, x, count, dtype=np.int64, result=(1, 2), axis=axis)
    ordered = b.operator(
        "TopK", shape, places, count, dtype=np.int64, result=(0, 2), axis=axis, largest=0
    )
    return b.operator("GatherElements", shape, x, ordered, axis=axis)


PREFERRED: dict[type, Preferred] = {
    **WINDOWS,
    nn.Linear: _linear,
    nn.LookupTable: _limited_lookup,
    nn.Index: _index,
    nn.MaskedSelect: _masked_select,
    nn.TemporalDynamicKMaxPooling: _largest_in_time,
    nn.ReLU: _operator("Relu", any_precision=True),
    nn.HardTanh: _clip,
    nn.Clamp: _clip,
    nn.ReLU6: _clip,
    nn.Abs: _operator("Abs", any_precision=True),
    nn.ELU: _operator("Elu", alpha=lambda m: float(m.alpha)),
    nn.LeakyReLU: _operator("LeakyRelu", alpha=lambda m: float(m.negval)),
    nn.RReLU: _operator("LeakyRelu", alpha=lambda m: (m.lower + m.upper) / 2),
    nn.SoftSign: _operator("Softsign"),
    nn.SoftPlus: _soft_plus,
    nn.HardShrink: _operator("Shrink", lambd=lambda m: float(m.lambda_), bias=lambda m: 0.0),
    nn.SoftShrink: _operator("Shrink", lambd=lambda m: float(m.lambda_), bias=lambda m: float(m.lambda_)),
}

"""The table of converters to ONNX: windows that ONNX has no operator for, made of smaller ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.onnx_windows import batched
from minigraph.interop.walker import Converter, Unconvertible
from minigraph.nn.convolution.gathered import adaptive_ranges


def _adaptive_max(export: Any, m: Any, value: Any, name: str) -> str:
    """Take the largest of rows, then of columns: a region is a product of two ranges."""
    f = Formula(export, name)
    x, rank = value.name, value.example.ndim
    for axis, count in ((rank - 2, m.H), (rank - 1, m.W)):
        starts, ends = adaptive_ranges(value.shape[axis], count)
        strips = [
            f("ReduceMax", f("Slice", x, [int(a)], [int(b)], [axis]), axes=[axis], keepdims=1)
            for a, b in zip(starts, ends)
        ]
        x = f("Concat", *strips, called=name if axis == rank - 1 else "", axis=axis)
    return x


def _feature_pooling(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    axis = int(m.batch_mode)
    powers = f("Pow", value.name, float(m.power))
    total = ""
    for window in m._slices(value.shape[axis]):
        s = window[axis]
        part = f("Slice", powers, [s.start], [s.stop], [axis], [s.step])
        total = f("Add", total, part) if total else part
    return f("Pow", total, 1.0 / m.power, called=name)


def _dynamic_k(export: Any, m: Any, value: Any, name: str) -> str:
    f = Formula(export, name)
    axis = value.example.ndim - 2
    if value.varying[axis]:
        raise Unconvertible("how many frames it picks would depend on the size of the input")
    k = export.result.shape[axis]
    _, places = export.op(
        "TopK", [value.name, export.constant([k], f"{name}.k")], f"{name}.largest", outputs=2, axis=axis
    )
    ordered, _ = export.op(
        "TopK", [places, export.constant([k], f"{name}.k")], f"{name}.in_time", outputs=2, axis=axis,
        largest=0,
    )
    return f("GatherElements", value.name, ordered, called=name, axis=axis)


def _local_convolution(export: Any, m: Any, value: Any, name: str) -> str:
    """Multiply what each entry of the kernel meets by its weights at every place, and add up."""
    weight = np.ascontiguousarray(np.transpose(m.weight, (4, 5, 2, 3, 0, 1)))
    kernel, stride, pad, _ = m._window

    def make(x: str, label: str) -> str:
        f = Formula(export, label)
        if any(pad):
            x = f("Pad", x, [0, 0, *pad, 0, 0, *pad])
        total = ""
        for row in range(kernel[0]):
            for column in range(kernel[1]):
                starts = [row, column]
                ends = [s + (n - 1) * d + 1 for s, n, d in zip(starts, (m.oH, m.oW), stride)]
                met = f("Slice", x, starts, ends, [2, 3], list(stride))
                own = f.export.constant(weight[row, column], f"{name}.weight")
                part = f.total(f("Mul", f("Unsqueeze", met, [1]), own), False, [2])
                total = f("Add", total, part) if total else part
        if m.bias is None:
            return f("Identity", total, called=label)
        return f("Add", total, f.export.weight(m.bias, f"{name}.bias"), called=label)

    return batched(export, value, 4, name, make)


def _mapped(export: Any, m: Any, value: Any, name: str) -> str:
    """Write a convolution between chosen planes with zeros between the others."""
    kernel, stride, _, _ = m._window
    first, second = m._planePair()
    full = isinstance(m, nn.SpatialFullConvolutionMap)
    dense = m._matrix().reshape(first, second, *kernel)
    parameters = [export.constant(dense, f"{name}.weight")]
    if m.bias is not None:
        parameters.append(export.weight(m.bias, f"{name}.bias"))
    return batched(export, value, 4, name, lambda x, n: export.op(
        "ConvTranspose" if full else "Conv", [x, *parameters], n, kernel_shape=list(kernel),
        strides=list(stride),
    ))


# -- local contrast ----------------------------------------------------------------------------------


def _neighbourhood(f: Formula, m: Any, x: str, root: bool = False) -> str:
    """Return the weighted mean around each place of a batch, of all planes, corrected at the border."""
    kernel = m.kernel if m.kernel.ndim == 2 else np.outer(m.kernel, m.kernel)
    height, width = kernel.shape
    weight = np.broadcast_to(kernel, (1, m.nInputPlane, height, width))
    pads = [height // 2, width // 2] * 2
    mean = f("Conv", x, np.ascontiguousarray(weight), kernel_shape=[height, width], pads=pads)
    if root:
        mean = f("Sqrt", mean)
    return f("Div", mean, m.coef[:1])  # the planes' corrections are equal


def _subtractive(export: Any, m: Any, value: Any, name: str) -> str:
    def make(x: str, label: str) -> str:
        f = Formula(export, label)
        return f("Sub", x, _neighbourhood(f, m, x), called=label)

    return batched(export, value, 4, name, make)


def _divisive(export: Any, m: Any, value: Any, name: str) -> str:
    def make(x: str, label: str) -> str:
        f = Formula(export, label)
        deviation = _neighbourhood(f, m, f("Mul", x, x), root=True)
        above = f("Greater", deviation, float(m.threshold))
        return f("Div", x, f("Where", above, deviation, float(m.thresval)), called=label)

    return batched(export, value, 4, name, make)


# -- unpooling ---------------------------------------------------------------------------------------


def _unpooling(export: Any, m: Any, value: Any, name: str) -> str:
    """Put values back where the pooling of the same network found them."""
    places = export.pooled.get(id(m.pooling))
    if not places:
        raise Unconvertible("its pooling layer does not run before it in this network")
    size = export.result.shape[-len(m.pooling._axes) :]
    flat = _flattened(export, value, len(size), f"{name}.values")
    f = Formula(export, name)
    ground = f("Expand", 0.0, f("Concat", f("Shape", flat, end=2), [int(np.prod(size))], axis=0))
    filled = f("ScatterElements", ground, places, flat, axis=2)
    shape = f("Concat", f("Shape", value.name, end=value.example.ndim - len(size)), list(size), axis=0)
    return f("Reshape", filled, shape, called=name)


def _flattened(export: Any, value: Any, rank: int, name: str) -> str:
    """Return ``(…, C, *places)`` as ``(B, C, n)``."""
    f = Formula(export, name)
    x = value.name if value.example.ndim == rank + 2 else f("Unsqueeze", value.name, [0])
    return f("Reshape", x, [0, 0, -1])


def _fractional(export: Any, m: Any, value: Any, name: str) -> str:
    raise Unconvertible("its regions are drawn at random, in evaluation too")


REGIONS: dict[type, Converter] = {
    nn.SpatialAdaptiveMaxPooling: _adaptive_max,
    nn.FeatureLPPooling: _feature_pooling,
    nn.TemporalDynamicKMaxPooling: _dynamic_k,
    nn.SpatialConvolutionLocal: _local_convolution,
    nn.SpatialConvolutionMap: _mapped,
    nn.SpatialFullConvolutionMap: _mapped,
    nn.SpatialSubtractiveNormalization: _subtractive,
    nn.SpatialDivisiveNormalization: _divisive,
    nn.SpatialFractionalMaxPooling: _fractional,
    nn.VolumetricFractionalMaxPooling: _fractional,
    nn.SpatialMaxUnpooling: _unpooling,
    nn.VolumetricMaxUnpooling: _unpooling,
}

"""The table of converters to ONNX: windows over images and sequences, and borders."""

from __future__ import annotations

from math import prod
from typing import Any, Sequence

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.walker import Converter, Unconvertible
from minigraph.nn.convolution.geometry import Sliding


def batched(export: Any, value: Any, rank: int, name: str, make: Any) -> str:
    """Apply an operator that needs a batch: ``make(x, name)``; one is put in front if there is none."""
    if value.example.ndim == rank:
        return make(value.name, name)
    front = export.constant([0], f"{name}.front")
    made = make(export.op("Unsqueeze", [value.name, front], f"{name}.batch"), f"{name}.of_batch")
    return export.op("Squeeze", [made, front], name)


def _parameters(export: Any, m: Any, weight: np.ndarray, bias: Any, name: str) -> list[str]:
    own = np.shares_memory(weight, m.weight) and weight.flags.c_contiguous
    label = f"{name}.weight"
    first = export.weight(m.weight, label, weight.shape) if own else export.constant(weight, label)
    return [first] if bias is None else [first, export.constant(bias, f"{name}.bias")]


def _convolution(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, dilation = m._window
    shape = (m.nOutputPlane, m.nInputPlane, *kernel)
    groups = 1
    weight, bias = m.weight, m.bias
    if isinstance(m, nn.SpatialDepthWiseConvolution):
        groups = m.nInputPlane
        weight = weight.swapaxes(0, 1).reshape(-1, 1, *kernel)
        bias = None if bias is None else bias.T.reshape(-1)
    else:
        weight = weight.reshape(shape)
    parameters = _parameters(export, m, weight, bias, name)
    return batched(export, value, len(kernel) + 2, name, lambda x, n: export.op(
        "Conv", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *pad], dilations=list(dilation), group=groups,
    ))


def _full_convolution(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, _ = m._window
    adjust = m._numbers("adj")
    if isinstance(value, list):
        value, like = value
        sizes = like.shape[-len(kernel):]
        if any(like.varying[-len(kernel):]):
            raise Unconvertible("the output's size depends on the batch")
        adjust = tuple((n + 2 * p - k) % d for n, p, k, d in zip(sizes, pad, kernel, stride))
    parameters = _parameters(export, m, m.weight, m.bias, name)
    return batched(export, value, len(kernel) + 2, name, lambda x, n: export.op(
        "ConvTranspose", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *pad], output_padding=list(adjust),
    ))


def _frames(export: Any, m: Any, value: Any, name: str, make: Any) -> str:
    """Apply an operator along time to ``(…, T, F)``, which ONNX takes as ``(B, F, T)``."""
    rank = value.example.ndim
    order = [*range(rank - 2), rank - 1, rank - 2]
    swapped = export.op("Transpose", [value.name], f"{name}.frames", perm=order)
    inner = type(value)(swapped, value.example, value.other)
    made = batched(export, inner, 3, f"{name}.window", make)
    return export.op("Transpose", [made], name, perm=order)


def _temporal_convolution(export: Any, m: Any, value: Any, name: str) -> str:
    groups = 1
    if isinstance(m, nn.TemporalConvolution):
        weight = m.weight.reshape(m.outputFrameSize, m.kW, m.inputFrameSize).transpose(0, 2, 1)
    elif isinstance(m, nn.TemporalSubSampling):
        groups = m.inputFrameSize
        weight = np.repeat(m.weight.reshape(-1, 1, 1), m.kW, 2)
    else:
        groups, weight = m.inputFrameSize, m.weight
    parameters = _parameters(export, m, weight, m.bias, name)

    def make(x: str, label: str) -> str:
        return export.op(
            "Conv", [x, *parameters], label, kernel_shape=[m.kW], strides=[m.dW], group=groups
        )

    if getattr(m, "featFirst", False):
        return batched(export, value, 3, name, make)
    return _frames(export, m, value, name, make)


def _sub_sampling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, _, _ = m._window
    weight = np.broadcast_to(m.weight.reshape(-1, 1, 1, 1), (m.nInputPlane, 1, *kernel)).copy()
    parameters = _parameters(export, m, weight, m.bias, name)
    return batched(export, value, 4, name, lambda x, n: export.op(
        "Conv", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        group=m.nInputPlane,
    ))


def _ends(m: Any, size: Sequence[int], places: Sequence[int]) -> list[int]:
    """Return the padding behind each axis: what the last window needs where sizes are rounded up."""
    return [
        max(p, r - n - p) for p, r, n in zip(m._window.pad, m._window.reach(tuple(places)), size)
    ]


def _max_pooling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, dilation = m._window
    if isinstance(m, nn.TemporalMaxPooling):
        return _frames(export, m, value, name, lambda x, n: export.op(
            "MaxPool", [x], n, kernel_shape=[m.kW], strides=[m.dW]
        ))
    places = export.result.shape[-len(kernel):]
    ends = _ends(m, value.shape[-len(kernel):], places)

    def make(x: str, label: str) -> str:
        wanted = id(m) in export.pooled
        made = export.op(
            "MaxPool", [x], label, outputs=1 + wanted, kernel_shape=list(kernel), strides=list(stride),
            pads=[*pad, *ends], dilations=list(dilation),
        )
        if not wanted:
            return str(made)
        # For the layer that undoes this one: ONNX counts through the whole tensor, not in a plane.
        f = Formula(export, f"{name}.places")
        size = prod(value.shape[-len(kernel):])
        export.pooled[id(m)] = f("Mod", f("Reshape", made[1], [0, 0, -1]), size)
        return str(made[0])

    return batched(export, value, len(kernel) + 2, name, make)


def _average_pooling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, _ = m._window
    size, places = value.shape[-len(kernel):], export.result.shape[-len(kernel):]
    ends = _ends(m, size, places)
    share = m._share(size, places) * prod(kernel)

    def make(x: str, label: str) -> str:
        plain = bool(np.all(share == 1))
        mean = export.op(
            "AveragePool", [x], label if plain else f"{label}.mean", kernel_shape=list(kernel),
            strides=list(stride), pads=[*pad, *ends], count_include_pad=1,
        )
        return mean if plain else export.op("Mul", [mean, export.constant(share, f"{label}.share")], label)

    return batched(export, value, len(kernel) + 2, name, make)


def _separable(export: Any, m: Any, value: Any, name: str) -> str:
    """Multiply the last axes by the layer's matrices, one after the other."""
    f, x, shape = Formula(export, name), value.name, list(value.shape)
    axes = 2 if isinstance(m, Sliding) else len(shape) - 2
    maps = m._maps(value.shape[-axes:])
    for axis, matrix in zip(range(-1, -axes - 1, -1), reversed(maps)):
        shape[axis] = len(matrix)
        if axis == -1:
            x = f("MatMul", x, matrix.T)
        elif axis == -2:
            x = f("MatMul", matrix, x)
        else:  # the axes behind are one for the product
            x = f("MatMul", matrix, f("Reshape", x, [0, 0, value.shape[axis], -1]))
            x = f("Reshape", x, [0, 0, *shape[axis:]])
    return export.op("Identity", [x], name)


def _nearest(export: Any, m: Any, value: Any, name: str) -> str:
    scale, rank = m.scale_factor, value.example.ndim
    axes = 2 if isinstance(m, Sliding) else rank - 2
    if export.double:  # onnxruntime resizes in single precision only
        f, x = Formula(export, name), value.name
        for axis in range(rank - axes, rank):
            x = f("Gather", x, np.repeat(np.arange(value.shape[axis]), scale), axis=axis)
        return export.op("Identity", [x], name)
    scales = export.constant([1.0, 1.0, *[float(scale)] * axes], f"{name}.scales")
    return batched(export, value, axes + 2, name, lambda x, n: export.op(
        "Resize", [x, "", scales], n, mode="nearest", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ))


def _pixel_shuffle(export: Any, m: Any, value: Any, name: str) -> str:
    r = m.scaleFactor
    planes, height, width = value.shape[-3:]
    if m.upscale:
        cells, order = (planes // (r * r), r, r, height, width), (0, 1, 4, 2, 5, 3)
    else:
        cells, order = (planes, height // r, r, width // r, r), (0, 1, 3, 5, 2, 4)
    split = export.constant([-1, *cells], f"{name}.cells")
    apart = export.op("Reshape", [value.name, split], f"{name}.apart")
    moved = export.op("Transpose", [apart], f"{name}.moved", perm=order)
    shape = export.constant(
        [*([-1] if value.example.ndim == 4 else []), *export.result.shape[-3:]], f"{name}.shape"
    )
    return export.op("Reshape", [moved, shape], name)


def _border(mode: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        pairs = m._pairs()
        if mode != "constant" and min(min(pair) for pair in pairs) < 0:
            raise Unconvertible("it cuts entries off and adds others")
        other = [0] * (value.example.ndim - len(pairs))
        pads = [*other, *(a for a, _ in pairs), *other, *(b for _, b in pairs)]
        return export.op("Pad", [value.name, export.constant(pads, f"{name}.pads")], name, mode=mode)

    return convert


def _response(export: Any, m: Any, value: Any, name: str) -> str:
    return batched(export, value, 4, name, lambda x, n: export.op(
        "LRN", [x], n, size=m.size, alpha=float(m.alpha), beta=float(m.beta), bias=float(m.k)
    ))


WINDOWS: dict[type, Converter] = {
    nn.SpatialConvolution: _convolution,
    nn.SpatialConvolutionMM: _convolution,
    nn.SpatialDilatedConvolution: _convolution,
    nn.SpatialDepthWiseConvolution: _convolution,
    nn.VolumetricConvolution: _convolution,
    nn.VolumetricDilatedConvolution: _convolution,
    nn.SpatialFullConvolution: _full_convolution,
    nn.VolumetricFullConvolution: _full_convolution,
    nn.TemporalConvolution: _temporal_convolution,
    nn.TemporalRowConvolution: _temporal_convolution,
    nn.TemporalSubSampling: _temporal_convolution,
    nn.SpatialSubSampling: _sub_sampling,
    nn.TemporalMaxPooling: _max_pooling,
    nn.SpatialMaxPooling: _max_pooling,
    nn.SpatialDilatedMaxPooling: _max_pooling,
    nn.VolumetricMaxPooling: _max_pooling,
    nn.VolumetricDilatedMaxPooling: _max_pooling,
    nn.SpatialAveragePooling: _average_pooling,
    nn.VolumetricAveragePooling: _average_pooling,
    nn.SpatialAdaptiveAveragePooling: _separable,
    nn.SpatialUpSamplingBilinear: _separable,
    nn.SpatialUpSamplingNearest: _nearest,
    nn.UpSampling: lambda export, m, value, name: (_nearest if m.mode == "nearest" else _separable)(
        export, m, value, name
    ),
    nn.PixelShuffle: _pixel_shuffle,
    nn.SpatialZeroPadding: _border("constant"),
    nn.SpatialReplicationPadding: _border("edge"),
    nn.VolumetricReplicationPadding: _border("edge"),
    nn.SpatialReflectionPadding: _border("reflect"),
    nn.SpatialCrossMapLRN: _response,
}

"""Layers whose windows slide over images, volumes and sequences: ONNX's own operators, in evaluation.

Each entry of ``WINDOWS`` is like those of ``preferred.py``. Weights are written in the shape that the
operator has for them.
"""

from __future__ import annotations

from math import prod
from typing import Any, Callable, Optional

import numpy as np

from minigraph import nn
from minigraph.compiler.program.ir import Value

Shape = tuple[int, ...]


def _batched(b: Any, x: Value, rank: int, shape: Shape, make: Callable[[Value, Shape], Value]) -> Value:
    """Apply an operator that needs a batch; one is put in front of ``x`` if there is none."""
    if x.ndim == rank:
        return make(x, shape)
    return b.reshape(make(b.reshape(x, (1, *x.shape)), (1, *shape)), shape)


def _weighted(b: Any, kind: str, x: Value, shape: Shape, weight: Any, bias: Any, **settings: Any) -> Value:
    """Write a convolution; the kernel's sizes are those of ``weight``."""
    parameters = [b.named(weight, "weight"), None if bias is None else b.named(bias, "bias")]
    settings["kernel_shape"] = list(weight.shape[2:])
    return _batched(b, x, weight.ndim, shape, lambda v, s: b.operator(kind, s, v, *parameters, **settings))


def _convolution(b: Any, m: Any, x: Value) -> Value:
    kernel, stride, pad, dilation = m._window
    groups, weight, bias = 1, m.weight, m.bias
    if isinstance(m, nn.SpatialDepthWiseConvolution):
        groups = m.nInputPlane
        weight = weight.swapaxes(0, 1).reshape(-1, 1, *kernel)
        bias = None if bias is None else bias.T.reshape(-1)
    elif isinstance(m, nn.SpatialConvolutionMap):
        weight = m._matrix()
    weight = weight.reshape(len(weight), -1, *kernel)
    return _weighted(
        b, "Conv", x, b.observed(m).shape, weight, bias, strides=list(stride), pads=[*pad, *pad],
        dilations=list(dilation), group=groups,
    )


def _full_convolution(b: Any, m: Any, x: Any) -> Value:
    kernel, stride, pad, _ = m._window
    weight, adjust = m.weight, m._numbers("adj")
    if isinstance(m, nn.SpatialFullConvolutionMap):
        weight = m._matrix().reshape(*m._planePair(), *kernel)
    if isinstance(x, list):
        x, like = x
        sizes = like.shape[-len(kernel) :]
        adjust = tuple((n + 2 * p - k) % d for n, p, k, d in zip(sizes, pad, kernel, stride))
    return _weighted(
        b, "ConvTranspose", x, b.observed(m).shape, weight, m.bias, strides=list(stride),
        pads=[*pad, *pad], output_padding=list(adjust),
    )


def _sub_sampling(b: Any, m: Any, x: Value) -> Value:
    kernel, stride, _, _ = m._window
    weight = np.broadcast_to(m.weight.reshape(-1, 1, 1, 1), (m.nInputPlane, 1, *kernel))
    return _weighted(
        b, "Conv", x, b.observed(m).shape, weight, m.bias, strides=list(stride), group=m.nInputPlane
    )


def _temporal(b: Any, m: Any, x: Value) -> Value:
    """Convolve along time: ONNX takes ``(B, F, T)``."""
    groups = 1
    if isinstance(m, nn.TemporalConvolution):
        weight = m.weight.reshape(m.outputFrameSize, m.kW, m.inputFrameSize).transpose(0, 2, 1)
    elif isinstance(m, nn.TemporalSubSampling):
        groups, weight = m.inputFrameSize, np.repeat(m.weight.reshape(-1, 1, 1), m.kW, 2)
    else:
        groups, weight = m.inputFrameSize, m.weight
    shape, first = b.observed(m).shape, getattr(m, "featFirst", False)
    return _along_time(b, x, shape, first, lambda v, s: _weighted(
        b, "Conv", v, s, weight, m.bias, strides=[m.dW], group=groups
    ))


def _along_time(b: Any, x: Value, shape: Shape, first: bool, make: Callable[[Value, Shape], Value]) -> Value:
    if first:  # features come before time as it is
        return make(x, shape)
    order = [*range(x.ndim - 2), x.ndim - 1, x.ndim - 2]
    made = make(b.transpose(x, order), (*shape[:-2], shape[-1], shape[-2]))
    return b.transpose(made, order)


def _ends(m: Any, size: Shape, places: Shape) -> list[int]:
    """Return the padding behind each axis: what the last window needs where sizes are rounded up."""
    return [max(p, r - n - p) for p, r, n in zip(m._window.pad, m._window.reach(places), size)]


def _max_pooling(b: Any, m: Any, x: Value) -> Value:
    kernel, stride, pad, dilation = m._window
    shape = b.observed(m).shape
    ends = _ends(m, x.shape[-len(kernel) :], shape[-len(kernel) :])
    return _batched(b, x, len(kernel) + 2, shape, lambda v, s: b.max_pool(
        m, v, s, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *ends], dilations=list(dilation),
    ))


def _temporal_max(b: Any, m: Any, x: Value) -> Value:
    return _along_time(b, x, b.observed(m).shape, False, lambda v, s: _batched(
        b, v, 3, s, lambda u, t: b.operator("MaxPool", t, u, kernel_shape=[m.kW], strides=[m.dW])
    ))


def _average_pooling(b: Any, m: Any, x: Value) -> Value:
    kernel, stride, pad, _ = m._window
    shape = b.observed(m).shape
    size, places = x.shape[-len(kernel) :], shape[-len(kernel) :]
    share = m._share(size, places) * prod(kernel)
    mean = _batched(b, x, len(kernel) + 2, shape, lambda v, s: b.operator(
        "AveragePool", s, v, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *_ends(m, size, places)], count_include_pad=1,
    ))
    return mean if bool(np.all(share == 1)) else b.mul(mean, share)


def _unpooling(b: Any, m: Any, x: Value) -> Optional[Value]:
    """Put values back where the pooling of the same network found them."""
    return b.unpool(m, x) if id(m.pooling) in b.pooled else None


def _border(mode: str) -> Callable[[Any, Any, Value], Optional[Value]]:
    def write(b: Any, m: Any, x: Value) -> Optional[Value]:
        pairs = m._pairs()
        if mode != "constant" and min(min(pair) for pair in pairs) < 0:
            return None
        front = [0] * (x.ndim - len(pairs))
        pads = [*front, *(a for a, _ in pairs), *front, *(a for _, a in pairs)]
        return b.operator("Pad", b.observed(m).shape, x, b.whole(*pads), mode=mode)

    return write


def _response(b: Any, m: Any, x: Value) -> Value:
    settings = {"size": m.size, "alpha": float(m.alpha), "beta": float(m.beta), "bias": float(m.k)}
    return _batched(b, x, 4, x.shape, lambda v, s: b.operator("LRN", s, v, **settings))


# -- made of several operators -------------------------------------------------------------------------


def _local(b: Any, m: nn.SpatialConvolutionLocal, x: Value) -> Value:
    """Multiply what each entry of the kernel meets by its weights at every place, and add up."""
    (rows, columns), stride, pad, _ = m._window
    places = (m.oH, m.oW)
    weight = np.transpose(m.weight, (4, 5, 2, 3, 0, 1))

    def make(v: Value, shape: Shape) -> Value:
        padded = (*v.shape[:2], *(n + 2 * p for n, p in zip(v.shape[2:], pad)))
        v = b.operator("Pad", padded, v, b.whole(0, 0, *pad, 0, 0, *pad)) if any(pad) else v
        parts = []
        for tap in np.ndindex(rows, columns):
            ends = [k + (n - 1) * d + 1 for k, n, d in zip(tap, places, stride)]
            numbers = (b.whole(*each) for each in (tap, ends, (2, 3), stride))
            met = b.operator("Slice", (*v.shape[:2], *places), v, *numbers)
            met = b.reshape(met, (v.shape[0], 1, *met.shape[1:]))
            parts.append(b.sum(b.mul(met, b.constant(weight[tap])), [2]))
        total = b.total(parts)
        return total if m.bias is None else b.add(total, b.parameter(m, "bias"))

    return _batched(b, x, 4, b.observed(m).shape, make)


def _neighbourhood(b: Any, m: Any, x: Value, root: bool = False) -> Value:
    """The weighted mean around each place of a batch, of all planes, corrected at the border."""
    kernel = m.kernel if m.kernel.ndim == 2 else np.outer(m.kernel, m.kernel)
    weight = np.broadcast_to(kernel, (1, m.nInputPlane, *kernel.shape))
    pads = [n // 2 for n in kernel.shape] * 2

    def mean(v: Value) -> Value:
        settings = {"kernel_shape": list(kernel.shape), "pads": pads}
        return b.operator("Conv", (v.shape[0], 1, *v.shape[2:]), v, b.named(weight, "weight"), **settings)

    of_ones = mean(b.operator("Expand", (1, *x.shape[1:]), b.constant(1.0), b.whole(1, *x.shape[1:])))
    found = mean(x)
    return b.div(b.emit("sqrt", found) if root else found, of_ones)


def _subtractive(b: Any, m: Any, x: Value) -> Value:
    return _batched(b, x, 4, x.shape, lambda v, s: b.sub(v, _neighbourhood(b, m, v)))


def _divisive(b: Any, m: Any, x: Value) -> Value:
    def make(v: Value, shape: Shape) -> Value:
        deviation = _neighbourhood(b, m, b.mul(v, v), root=True)
        large = b.emit("greater", deviation, m.threshold)
        return b.div(v, b.where(large, deviation, m.thresval))

    return _batched(b, x, 4, x.shape, make)


def _contrastive(b: Any, m: Any, x: Value) -> Value:
    return b.lower(m.normalizer, x)


def _batch_norm(b: Any, m: Any, x: Value) -> Value:
    count = len(m.running_mean)
    statistics = [
        b.named(np.ones(count) if m.weight is None else m.weight, "weight"),
        b.named(np.zeros(count) if m.bias is None else m.bias, "bias"),
        b.named(m.running_mean, "mean"),
        # The operator's epsilon is of single precision: what that loses is in the variance.
        b.named(m.running_var + (m.eps - float(np.float32(m.eps))), "var"),
    ]
    x = b.reshape(x, (1, *x.shape)) if x.ndim < m.nDim else x
    return b.operator("BatchNormalization", x.shape, x, *statistics, epsilon=float(m.eps))


WINDOWS: dict[type, Callable[[Any, Any, Any], Optional[Value]]] = {
    **dict.fromkeys((
        nn.SpatialConvolution, nn.SpatialConvolutionMM, nn.SpatialDilatedConvolution,
        nn.SpatialDepthWiseConvolution, nn.VolumetricConvolution, nn.VolumetricDilatedConvolution,
        nn.SpatialConvolutionMap,
    ), _convolution),
    **dict.fromkeys((
        nn.SpatialFullConvolution, nn.VolumetricFullConvolution, nn.SpatialFullConvolutionMap,
    ), _full_convolution),
    **dict.fromkeys((nn.TemporalConvolution, nn.TemporalRowConvolution, nn.TemporalSubSampling), _temporal),
    nn.SpatialSubSampling: _sub_sampling,
    **dict.fromkeys((
        nn.SpatialMaxPooling, nn.SpatialDilatedMaxPooling, nn.VolumetricMaxPooling,
        nn.VolumetricDilatedMaxPooling,
    ), _max_pooling),
    nn.TemporalMaxPooling: _temporal_max,
    **dict.fromkeys((nn.SpatialAveragePooling, nn.VolumetricAveragePooling), _average_pooling),
    **dict.fromkeys((nn.SpatialMaxUnpooling, nn.VolumetricMaxUnpooling), _unpooling),
    nn.SpatialZeroPadding: _border("constant"),
    **dict.fromkeys((nn.SpatialReplicationPadding, nn.VolumetricReplicationPadding), _border("edge")),
    nn.SpatialReflectionPadding: _border("reflect"),
    nn.SpatialCrossMapLRN: _response,
    nn.SpatialConvolutionLocal: _local,
    nn.SpatialSubtractiveNormalization: _subtractive,
    nn.SpatialDivisiveNormalization: _divisive,
    nn.SpatialContrastiveNormalization: _contrastive,
    **dict.fromkeys((
        nn.BatchNormalization, nn.SpatialBatchNormalization, nn.VolumetricBatchNormalization,
    ), _batch_norm),
}

"""The table of converters to PyTorch: layers that are a ``torch.nn`` layer there.

A converter is called as ``converter(export, module, value, name)`` and returns the value of the
module's output; ``export.layer`` adds a layer with its parameters, ``export.call`` a function.
"""

from __future__ import annotations

from math import prod
from typing import Any, Optional

import numpy as np
import torch

from minigraph import nn
from minigraph.interop.pytorch.runtime import functions, modules
from minigraph.interop.walker import Converter


def _plain(kind: type, *fields: str, **fixed: Any) -> Converter:
    """Return a converter to a layer without parameters; ``fields`` are what it is built with."""

    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        return export.layer(kind, *(getattr(m, field) for field in fields), value=value, name=name, **fixed)

    return convert


def _shaped(array: Optional[np.ndarray], *shape: int) -> Optional[np.ndarray]:
    return None if array is None else array.reshape(shape)


def _linear(export: Any, m: Any, value: Any, name: str) -> Any:
    outputs, inputs = m.weight.shape
    return export.layer(
        torch.nn.Linear, inputs, outputs, bias=m.bias is not None, value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _lookup(export: Any, m: Any, value: Any, name: str) -> Any:
    rows = export.call(functions.zero_based, value, name=f"{name}_rows")
    return export.layer(
        torch.nn.Embedding, *m.weight.shape, padding_idx=m.paddingValue - 1 if m.paddingValue else None,
        max_norm=m.maxNorm, norm_type=float(m.normType or 2), scale_grad_by_freq=m.shouldScaleGradByFreq,
        value=rows, name=name, parameters={"weight": m.weight},
    )


def _window(m: Any, *names: str) -> dict[str, Any]:
    window = m._window._asdict()
    words = {"kernel": "kernel_size", "pad": "padding"}
    return {words.get(name, name): tuple(window[name]) for name in names}


def _convolution(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        shape = (m.nOutputPlane, m.nInputPlane, *m._window.kernel)
        return export.layer(
            kind, m.nInputPlane, m.nOutputPlane, **_window(m, "kernel", "stride", "pad", "dilation"),
            bias=m.bias is not None, value=value, name=name,
            parameters={"weight": _shaped(m.weight, *shape), "bias": m.bias},
        )

    return convert


def _full_convolution(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        return export.layer(
            kind, m.nInputPlane, m.nOutputPlane, **_window(m, "kernel", "stride", "pad"),
            output_padding=tuple(m._numbers("adj")), bias=m.bias is not None, value=value, name=name,
            parameters={"weight": m.weight, "bias": m.bias},
        )

    return convert


def _depthwise(export: Any, m: Any, value: Any, name: str) -> Any:
    planes = m.nInputPlane * m.nOutputPlane
    return export.layer(
        torch.nn.Conv2d, m.nInputPlane, planes, **_window(m, "kernel", "stride", "pad"),
        groups=m.nInputPlane, bias=m.bias is not None, value=value, name=name,
        parameters={
            "weight": m.weight.swapaxes(0, 1).reshape(planes, 1, m.kH, m.kW),
            "bias": None if m.bias is None else m.bias.T.reshape(-1),
        },
    )


def _temporal_convolution(export: Any, m: Any, value: Any, name: str) -> Any:
    weight = m.weight.reshape(m.outputFrameSize, m.kW, m.inputFrameSize).transpose(0, 2, 1)
    return _over_frames(
        export, torch.nn.Conv1d, m.inputFrameSize, m.outputFrameSize, m.kW, stride=m.dW,
        bias=m.bias is not None, value=value, name=name, parameters={"weight": weight, "bias": m.bias},
    )


def _row_convolution(export: Any, m: Any, value: Any, name: str) -> Any:
    make = export.layer if m.featFirst else lambda *a, **k: _over_frames(export, *a, **k)
    return make(
        torch.nn.Conv1d, m.inputFrameSize, m.inputFrameSize, m.kW, stride=m.dW,
        groups=m.inputFrameSize, bias=m.bias is not None, value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _over_frames(export: Any, *arguments: Any, value: Any, name: str, **more: Any) -> Any:
    value = export.call(functions.frames_last, value, name=f"{name}_frames")
    value = export.layer(*arguments, value=value, name=f"{name}_window", target=name, **more)
    return export.call(functions.frames_last, value, name=name)


def _max_pooling(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        given = {**_window(m, "kernel", "stride", "pad", "dilation"), "ceil_mode": m.ceil_mode}
        if not export.undone(m):
            return export.layer(kind, **given, value=value, name=name)
        both = export.layer(
            kind, **given, return_indices=True, value=value, name=f"{name}_places", target=name
        )
        export.places[id(m)] = (export.entry(both, 1, f"{name}_indices"), value)
        return export.entry(both, 0, name)

    return convert


def _average_pooling(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        mean = export.layer(
            kind, **_window(m, "kernel", "stride", "pad"), ceil_mode=m.ceil_mode,
            count_include_pad=m.count_include_pad, value=value, name=name if m.divide else f"{name}_mean",
            target=name,
        )
        # A sum is the mean times the whole kernel, also at a border where fewer entries are counted.
        return mean if m.divide else export.call(torch.mul, mean, prod(m._window.kernel), name=name)

    return convert


def _batch_norm(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        return export.layer(
            kind, len(m.running_mean), eps=m.eps, momentum=m.momentum, affine=m.weight is not None,
            value=value, name=name, parameters={"weight": m.weight, "bias": m.bias},
            buffers={"running_mean": m.running_mean, "running_var": m.running_var},
        )

    return convert


def _dropout(export: Any, m: Any, value: Any, name: str) -> Any:
    kind: type = torch.nn.Dropout if m.v2 else modules.DropoutV1
    if m.stochastic_inference:
        kind = modules.StochasticDropout if m.v2 else modules.StochasticDropoutV1
    return export.layer(kind, float(m.p), value=value, name=name)


def _map_dropout(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.MapDropout, float(m.p), m._spatial, m.stochastic_inference, value=value, name=name
    )


def _pad(kind: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        pairs = m._pairs()
        flat = tuple(n for pair in reversed(pairs) for n in pair)
        cut = tuple(min(n, 0) for n in flat) if kind == "ReflectionPad" else ()
        if any(cut):  # PyTorch reflects, but cuts nothing off
            flat = tuple(max(n, 0) for n in flat)
        padded = export.layer(
            getattr(torch.nn, f"{kind}{len(pairs)}d"), flat, value=value, target=name,
            name=f"{name}_reflected" if any(cut) else name,
        )
        return export.call(torch.nn.functional.pad, padded, cut, name=name) if any(cut) else padded

    return convert


def _nearest(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Upsample, scale_factor=float(m.scale_factor), mode="nearest", value=value, name=name
    )


def _sub_sampling(export: Any, m: Any, value: Any, name: str) -> Any:
    temporal = isinstance(m, nn.TemporalSubSampling)
    planes = m.inputFrameSize if temporal else m.nInputPlane
    kernel, stride = ((m.kW,), (m.dW,)) if temporal else (m._window.kernel, m._window.stride)
    make = (lambda *a, **k: _over_frames(export, *a, **k)) if temporal else export.layer
    return make(
        modules.SubSampling, planes, kernel, stride, m.bias is not None, value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _local(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.ConvolutionLocal, m.weight.shape, *_window(m, "stride", "pad").values(),
        m.bias is not None, value=value, name=name, parameters={"weight": m.weight, "bias": m.bias},
    )


def _elementwise(operation: str, field: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        parameter = getattr(m, field)
        scalar = isinstance(m, (nn.Add, nn.Mul)) and parameter.size == 1
        return export.layer(
            modules.Elementwise, operation, parameter.shape, scalar, value=value, name=name,
            parameters={"weight": parameter},
        )

    return convert


def _euclidean(export: Any, m: Any, value: Any, name: str) -> Any:
    weights = getattr(m, "diagCov", None)
    return export.layer(
        modules.Euclidean, *m.weight.shape, weights is not None, value=value, name=name,
        parameters={"weight": m.weight, "diagCov": weights},
    )


def _cosine(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Cosine, *m.weight.shape[::-1], value=value, name=name, parameters={"weight": m.weight}
    )


def _kmeans(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Kmeans, m.k, m.dim, 1.0 if m.scale is None else m.scale, value=value, name=name,
        parameters={"weight": m.weight},
    )


def _bilinear(export: Any, m: Any, value: Any, name: str) -> Any:
    outputs, first, second = m.weight.shape
    return export.layer(
        modules.Bilinear, first, second, outputs, bias=m.bias is not None, value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _prelu(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.PReLU, len(m.weight), value=value, name=name, parameters={"weight": m.weight}
    )


def _constant(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Constant, m.value.shape, m.nInputDim, value=value, name=name, buffers={"value": m.value}
    )


def _glu(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(torch.nn.GLU, -1 if m.dim is None else m.dim - 1, value=value, name=name)


def _weight_norm(export: Any, m: Any, value: Any, name: str) -> Any:
    outputs, inputs = m.v.shape
    return export.layer(
        modules.LinearWeightNorm, inputs, outputs, m.bias is not None, m.eps, value=value, name=name,
        parameters={"v": m.v, "g": m.g, "bias": m.bias},
    )


def _pixel_shuffle(export: Any, m: Any, value: Any, name: str) -> Any:
    kind = torch.nn.PixelShuffle if m.upscale else torch.nn.PixelUnshuffle
    return export.layer(kind, m.scaleFactor, value=value, name=name)


def _adaptive(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        return export.layer(kind, (m.H, m.W), value=value, name=name)

    return convert


LAYERS: dict[type, Converter] = {
    nn.Linear: _linear,
    nn.LinearWeightNorm: _weight_norm,
    nn.LookupTable: _lookup,
    nn.Bilinear: _bilinear,
    nn.Euclidean: _euclidean,
    nn.WeightedEuclidean: _euclidean,
    nn.Cosine: _cosine,
    nn.Kmeans: _kmeans,
    nn.Add: _elementwise("add", "bias"),
    nn.CAdd: _elementwise("add", "bias"),
    nn.Mul: _elementwise("mul", "weight"),
    nn.CMul: _elementwise("mul", "weight"),
    nn.Constant: _constant,
    nn.SpatialConvolution: _convolution(torch.nn.Conv2d),
    nn.SpatialConvolutionMM: _convolution(torch.nn.Conv2d),
    nn.SpatialDilatedConvolution: _convolution(torch.nn.Conv2d),
    nn.SpatialDepthWiseConvolution: _depthwise,
    nn.VolumetricConvolution: _convolution(torch.nn.Conv3d),
    nn.VolumetricDilatedConvolution: _convolution(torch.nn.Conv3d),
    nn.SpatialFullConvolution: _full_convolution(modules.ConvTranspose2d),
    nn.VolumetricFullConvolution: _full_convolution(modules.ConvTranspose3d),
    nn.TemporalConvolution: _temporal_convolution,
    nn.TemporalRowConvolution: _row_convolution,
    nn.TemporalMaxPooling: lambda export, m, value, name: _over_frames(
        export, torch.nn.MaxPool1d, m.kW, m.dW, value=value, name=name
    ),
    nn.SpatialMaxPooling: _max_pooling(torch.nn.MaxPool2d),
    nn.SpatialDilatedMaxPooling: _max_pooling(torch.nn.MaxPool2d),
    nn.VolumetricMaxPooling: _max_pooling(torch.nn.MaxPool3d),
    nn.VolumetricDilatedMaxPooling: _max_pooling(torch.nn.MaxPool3d),
    nn.SpatialAveragePooling: _average_pooling(torch.nn.AvgPool2d),
    nn.VolumetricAveragePooling: _average_pooling(torch.nn.AvgPool3d),
    nn.SpatialAdaptiveAveragePooling: _adaptive(torch.nn.AdaptiveAvgPool2d),
    nn.SpatialAdaptiveMaxPooling: _adaptive(torch.nn.AdaptiveMaxPool2d),
    nn.SpatialSubSampling: _sub_sampling,
    nn.TemporalSubSampling: _sub_sampling,
    nn.SpatialConvolutionLocal: _local,
    nn.SpatialUpSamplingNearest: _nearest,
    nn.PixelShuffle: _pixel_shuffle,
    nn.SpatialZeroPadding: _pad("ZeroPad"),
    nn.SpatialReplicationPadding: _pad("ReplicationPad"),
    nn.SpatialReflectionPadding: _pad("ReflectionPad"),
    nn.VolumetricReplicationPadding: _pad("ReplicationPad"),
    nn.BatchNormalization: _batch_norm(torch.nn.BatchNorm1d),
    nn.SpatialBatchNormalization: _batch_norm(torch.nn.BatchNorm2d),
    nn.VolumetricBatchNormalization: _batch_norm(torch.nn.BatchNorm3d),
    nn.Dropout: _dropout,
    nn.SpatialDropout: _map_dropout,
    nn.VolumetricDropout: _map_dropout,
    nn.WhiteNoise: _plain(modules.WhiteNoise, "mean", "std"),
    nn.PairwiseDistance: _plain(modules.PairwiseDistance, "norm"),
    nn.Sigmoid: _plain(torch.nn.Sigmoid),
    nn.LogSigmoid: _plain(torch.nn.LogSigmoid),
    nn.Tanh: _plain(torch.nn.Tanh),
    nn.TanhShrink: _plain(torch.nn.Tanhshrink),
    nn.SoftSign: _plain(torch.nn.Softsign),
    nn.SoftPlus: _plain(torch.nn.Softplus, "beta", "threshold"),
    nn.ReLU: _plain(torch.nn.ReLU),
    nn.ReLU6: _plain(modules.ReLU6),
    nn.Threshold: _plain(torch.nn.Threshold, "threshold", "val"),
    nn.HardTanh: _plain(modules.Hardtanh, "min_val", "max_val"),
    nn.Clamp: _plain(modules.Hardtanh, "min_val", "max_val"),
    nn.HardShrink: _plain(torch.nn.Hardshrink, "lambda_"),
    nn.SoftShrink: _plain(torch.nn.Softshrink, "lambda_"),
    nn.ELU: _plain(torch.nn.ELU, "alpha"),
    nn.LeakyReLU: _plain(torch.nn.LeakyReLU, "negval"),
    nn.RReLU: _plain(torch.nn.RReLU, "lower", "upper"),
    nn.PReLU: _prelu,
    nn.GatedLinearUnit: _glu,
    nn.SoftMax: _plain(modules.Softmax, dim=-1),
    nn.SpatialSoftMax: _plain(modules.Softmax, dim=-1),
    nn.SoftMin: _plain(modules.Softmin, dim=-1),
    nn.LogSoftMax: _plain(modules.LogSoftmax, dim=-1),
    nn.SpatialLogSoftMax: _plain(modules.LogSoftmax, dim=-1),
}

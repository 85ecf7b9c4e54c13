"""The table of converters from PyTorch: ``torch.nn`` layers to layers of this package.

A converter takes the layer and returns a module with copies of its parameters.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import torch

from minigraph import nn
from minigraph.interop.pytorch.importer.recurrent import array, assign
from minigraph.interop.pytorch.importer.sequences import CELLS, SEQUENCES, cell, sequence
from minigraph.interop.pytorch.runtime import modules
from minigraph.interop.walker import Unconvertible

Importer = Callable[[Any], Any]


def _plain(kind: type, *fields: str) -> Importer:
    return lambda layer: kind(*(getattr(layer, field) for field in fields))


def _copied(module: Any, layer: Any, **fields: str) -> Any:
    """Copy parameters; what the layer has not (a bias) the module loses."""
    for mine, theirs in (fields or {"weight": "weight", "bias": "bias"}).items():
        tensor = getattr(layer, theirs, None)
        if tensor is None:
            module.noBias()
        else:
            getattr(module, mine)[...] = array(tensor).reshape(getattr(module, mine).shape)
    return module


def _linear(layer: Any) -> nn.Linear:
    made = nn.Linear(layer.in_features, layer.out_features)
    assign(made, array(layer.weight), None if layer.bias is None else array(layer.bias))
    return made


def _embedding(layer: Any) -> nn.Sequential:
    padding = 0 if layer.padding_idx is None else layer.padding_idx + 1
    sizes = (layer.num_embeddings, layer.embedding_dim)
    table = nn.LookupTable(*sizes, padding, layer.max_norm, layer.norm_type)
    table.shouldScaleGradByFreq = layer.scale_grad_by_freq
    table.weight[...] = array(layer.weight)
    return nn.Sequential().add(nn.AddConstant(1)).add(table)  # PyTorch's indices count from 0


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * count


def _torch_order(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Turn (T,) H, W into Torch's order of arguments: (T,) W, H."""
    return (*numbers[:-2], numbers[-1], numbers[-2])


def _convolution(plain: type, dilated: type) -> Importer:
    def convert(layer: Any) -> Any:
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise Unconvertible(f"padding={layer.padding!r}, padding_mode={layer.padding_mode!r}")
        sizes = [_torch_order(n) for n in (layer.kernel_size, layer.stride, layer.padding)]
        planes = (layer.in_channels, layer.out_channels)
        if layer.groups == 1:
            dilation = _torch_order(layer.dilation)
            more = dilation if set(dilation) != {1} else ()
            made = (dilated if more else plain)(*planes, *sizes[0], *sizes[1], *sizes[2], *more)
            return _copied(made, layer)
        if layer.groups != planes[0] or plain is not nn.SpatialConvolution or set(layer.dilation) != {1}:
            raise Unconvertible(f"{layer.groups} groups")
        each = planes[1] // planes[0]
        made = nn.SpatialDepthWiseConvolution(planes[0], each, *sizes[0], *sizes[1], *sizes[2])
        made.weight[...] = array(layer.weight).reshape(planes[0], each, *layer.kernel_size).swapaxes(0, 1)
        if layer.bias is None:
            return made.noBias()
        assert made.bias is not None
        made.bias[...] = array(layer.bias).reshape(planes[0], each).T
        return made

    return convert


def _convolution1d(layer: Any) -> nn.Sequential:
    if layer.groups != 1 or set(layer.dilation) != {1} or layer.padding_mode != "zeros":
        raise Unconvertible("a 1-d convolution with groups, dilation or another padding_mode than zeros")
    if isinstance(layer.padding, str):
        raise Unconvertible(f"padding={layer.padding!r}")
    made = nn.TemporalConvolution(
        layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0]
    )
    made.weight[...] = array(layer.weight).transpose(0, 2, 1).reshape(made.weight.shape)
    if layer.bias is None:
        made.noBias()
    else:
        assert made.bias is not None
        made.bias[...] = array(layer.bias)
    net = nn.Sequential().add(nn.Transpose([-1, -2]))
    for pad in {-layer.padding[0], layer.padding[0]} - {0}:
        net.add(nn.Padding(-2, pad))
    return net.add(made).add(nn.Transpose([-1, -2]))


def _full_convolution(kind: type) -> Importer:
    def convert(layer: Any) -> Any:
        if layer.groups != 1 or set(layer.dilation) != {1}:
            raise Unconvertible("a transposed convolution with groups or dilation")
        sizes = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding)
        numbers = [n for size in sizes for n in _torch_order(size)]
        return _copied(kind(layer.in_channels, layer.out_channels, *numbers), layer)

    return convert


def _pooling(plain: type, dilated: Optional[type], rank: int) -> Importer:
    def convert(layer: Any) -> Any:
        if getattr(layer, "return_indices", False) or getattr(layer, "divisor_override", None):
            raise Unconvertible("return_indices or divisor_override")
        names = ("kernel_size", "stride", "padding")
        numbers = [n for name in names for n in _torch_order(_tuple(getattr(layer, name), rank))]
        dilation = _torch_order(_tuple(getattr(layer, "dilation", 1), rank))
        if dilated is not None and set(dilation) != {1}:
            made = dilated(*numbers, *dilation)
        else:
            made = plain(*numbers)
        if not getattr(layer, "count_include_pad", True):
            made.setCountExcludePad()
        return made.ceil() if layer.ceil_mode else made

    return convert


def _adaptive(kind: type) -> Importer:
    def convert(layer: Any) -> Any:
        height, width = _tuple(layer.output_size, 2)
        if height is None or width is None:
            raise Unconvertible("an output size that is that of the input")
        return kind(width, height)

    return convert


def _batch_norm(kind: type) -> Importer:
    def convert(layer: Any) -> Any:
        if layer.running_mean is None or layer.momentum is None:
            raise Unconvertible("without running statistics, or with momentum=None")
        made = kind(layer.num_features, layer.eps, layer.momentum, layer.affine)
        made.running_mean[...] = array(layer.running_mean)
        made.running_var[...] = array(layer.running_var)
        if layer.affine:
            made.weight[...] = array(layer.weight)
            made.bias[...] = array(layer.bias)
        return made

    return convert


def _layer_norm(layer: Any) -> Any:
    """Convert LayerNorm of the last dimension; nn.LayerNormalization gives other numbers for a batch."""
    if len(layer.normalized_shape) != 1:
        raise Unconvertible("a LayerNorm over more than the last dimension")
    size = layer.normalized_shape[0]
    x = nn.Identity()()
    mean = nn.Replicate(size, 2)(nn.Mean(2)(x))
    normal = nn.Normalize(2, layer.eps * size)(nn.CSubTable()([x, mean]))
    out = nn.MulConstant(math.sqrt(size))(normal)
    if layer.weight is not None:
        gain = nn.CMul(1, size)
        gain.weight[...] = array(layer.weight)
        out = gain(out)
    if layer.bias is not None:
        shift = nn.CAdd(1, size)
        shift.bias[...] = array(layer.bias)
        out = shift(out)
    return nn.Bottle(nn.gModule([x], [out]), 2)


def _map_dropout(kind: type) -> Importer:
    def convert(layer: Any) -> Any:  # PyTorch scales in training, Torch in evaluation
        return nn.Sequential().add(kind(layer.p)).add(nn.MulConstant(1 / (1 - layer.p)))

    return convert


def _softmax(kind: type) -> Importer:
    return lambda layer: softmax_over(kind, layer.dim)


def softmax_over(kind: type, axis: Optional[int], rows: bool = False) -> nn.Module:
    """Return a softmax over PyTorch's ``axis``; ``rows`` says that there are no more than two dimensions.

    Torch's is over the classes: the only dimension, the second of two or four, the first of three, as
    PyTorch's is without an axis.
    """
    if axis is None or rows and axis in (1, -1):
        return kind()
    last = nn.Bottle(kind(), 2)
    if axis == -1:
        return last
    swapped = [axis + 1 if axis >= 0 else axis, -1]
    return nn.Sequential().add(nn.Transpose(swapped)).add(last).add(nn.Transpose(swapped))


def _prelu(layer: Any) -> nn.PReLU:
    made = nn.PReLU(layer.num_parameters if layer.num_parameters > 1 else 0)
    made.weight[...] = array(layer.weight)
    return made


def _bilinear(layer: Any) -> nn.Bilinear:
    made = nn.Bilinear(layer.in1_features, layer.in2_features, layer.out_features, layer.bias is not None)
    made.weight[...] = array(layer.weight)
    if made.bias is not None:
        made.bias[...] = array(layer.bias)
    return made


def _flatten(layer: Any) -> nn.Collapse:
    if layer.start_dim != 1 or layer.end_dim != -1:
        raise Unconvertible("Flatten of other dimensions than all but the first")
    return nn.Collapse(1)


def _padding(kind: type) -> Importer:
    return lambda layer: kind(*_tuple(layer.padding, 4))


def _upsample(layer: Any) -> Any:
    scale, linear = layer.scale_factor, layer.mode in ("bilinear", "trilinear") and layer.align_corners
    if layer.mode != "nearest" and not linear:
        raise Unconvertible(f"Upsample {layer.mode!r} other than nearest, or linear with align_corners")
    if scale is None and linear:
        axes = 2 if layer.mode == "bilinear" else 3
        names = ("odepth", "oheight", "owidth")[-axes:]
        return nn.UpSampling(dict(zip(names, _tuple(layer.size, axes))), "linear")
    if scale is None or len(set(_tuple(scale, 2))) > 1 or _tuple(scale, 2)[0] % 1:
        raise Unconvertible("Upsample by other than one whole scale_factor")
    return nn.UpSampling(_tuple(scale, 2)[0], "linear" if linear else "nearest")


def _elementwise(layer: Any) -> Any:
    adds = layer.operation == "add"
    made: Any = (nn.CAdd if adds else nn.CMul)(*layer.weight.shape)
    if layer.scalar:
        made = nn.Add(1, True) if adds else nn.Mul()
    (made.bias if adds else made.weight)[...] = array(layer.weight)
    return made


IMPORTERS: dict[type, Importer] = {
    torch.nn.Linear: _linear,
    torch.nn.Bilinear: _bilinear,
    modules.Bilinear: _bilinear,
    modules.Elementwise: _elementwise,
    torch.nn.Embedding: _embedding,
    torch.nn.Conv1d: _convolution1d,
    torch.nn.Conv2d: _convolution(nn.SpatialConvolution, nn.SpatialDilatedConvolution),
    torch.nn.Conv3d: _convolution(nn.VolumetricConvolution, nn.VolumetricDilatedConvolution),
    torch.nn.ConvTranspose2d: _full_convolution(nn.SpatialFullConvolution),
    torch.nn.ConvTranspose3d: _full_convolution(nn.VolumetricFullConvolution),
    modules.ConvTranspose2d: _full_convolution(nn.SpatialFullConvolution),
    modules.ConvTranspose3d: _full_convolution(nn.VolumetricFullConvolution),
    torch.nn.MaxPool2d: _pooling(nn.SpatialMaxPooling, nn.SpatialDilatedMaxPooling, 2),
    torch.nn.MaxPool3d: _pooling(nn.VolumetricMaxPooling, nn.VolumetricDilatedMaxPooling, 3),
    torch.nn.AvgPool2d: _pooling(nn.SpatialAveragePooling, None, 2),
    torch.nn.AvgPool3d: _pooling(nn.VolumetricAveragePooling, None, 3),
    torch.nn.AdaptiveAvgPool2d: _adaptive(nn.SpatialAdaptiveAveragePooling),
    torch.nn.AdaptiveMaxPool2d: _adaptive(nn.SpatialAdaptiveMaxPooling),
    torch.nn.BatchNorm1d: _batch_norm(nn.BatchNormalization),
    torch.nn.BatchNorm2d: _batch_norm(nn.SpatialBatchNormalization),
    torch.nn.BatchNorm3d: _batch_norm(nn.VolumetricBatchNormalization),
    torch.nn.LayerNorm: _layer_norm,
    torch.nn.Dropout: _plain(nn.Dropout, "p"),
    torch.nn.Dropout2d: _map_dropout(nn.SpatialDropout),
    torch.nn.Dropout3d: _map_dropout(nn.VolumetricDropout),
    torch.nn.Identity: lambda layer: nn.Identity(),
    torch.nn.Flatten: _flatten,
    torch.nn.Upsample: _upsample,
    modules.Upsample: lambda layer: nn.SpatialUpSamplingNearest(_tuple(layer.scale_factor, 1)[0]),
    torch.nn.PixelShuffle: _plain(nn.PixelShuffle, "upscale_factor"),
    torch.nn.ZeroPad2d: _padding(nn.SpatialZeroPadding),
    torch.nn.ReflectionPad2d: _padding(nn.SpatialReflectionPadding),
    torch.nn.ReplicationPad2d: _padding(nn.SpatialReplicationPadding),
    torch.nn.Sigmoid: _plain(nn.Sigmoid),
    torch.nn.LogSigmoid: _plain(nn.LogSigmoid),
    torch.nn.Tanh: _plain(nn.Tanh),
    torch.nn.Tanhshrink: _plain(nn.TanhShrink),
    torch.nn.Softsign: _plain(nn.SoftSign),
    torch.nn.Softplus: _plain(nn.SoftPlus, "beta"),
    torch.nn.ReLU: _plain(nn.ReLU),
    torch.nn.ReLU6: _plain(nn.ReLU6),
    modules.ReLU6: _plain(nn.ReLU6),
    torch.nn.Threshold: _plain(nn.Threshold, "threshold", "value"),
    torch.nn.Hardtanh: _plain(nn.HardTanh, "min_val", "max_val"),
    modules.Hardtanh: _plain(nn.HardTanh, "min_val", "max_val"),
    torch.nn.Hardshrink: _plain(nn.HardShrink, "lambd"),
    torch.nn.Softshrink: _plain(nn.SoftShrink, "lambd"),
    torch.nn.ELU: _plain(nn.ELU, "alpha"),
    torch.nn.LeakyReLU: _plain(nn.LeakyReLU, "negative_slope"),
    torch.nn.RReLU: _plain(nn.RReLU, "lower", "upper"),
    torch.nn.PReLU: _prelu,
    modules.PReLU: _prelu,
    torch.nn.GLU: lambda layer: nn.GatedLinearUnit(None if layer.dim == -1 else layer.dim + 1),
    torch.nn.Softmax: _softmax(nn.SoftMax),
    modules.Softmax: lambda layer: nn.SoftMax(),
    torch.nn.Softmin: _softmax(nn.SoftMin),
    modules.Softmin: lambda layer: nn.SoftMin(),
    torch.nn.LogSoftmax: _softmax(nn.LogSoftMax),
    modules.LogSoftmax: lambda layer: nn.LogSoftMax(),
    **dict.fromkeys(CELLS, cell),
    **dict.fromkeys(SEQUENCES, sequence),
}

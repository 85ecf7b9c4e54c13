"""Torch7's layers of planes that PyTorch has not: connection tables, local contrast, weight norms.

This file needs only PyTorch: it is written in front of the source of a converted network.
"""

from __future__ import annotations

import torch

from minigraph.interop.pytorch.runtime.functions import sqrt


class ConvolutionMap(torch.nn.Module):
    """nn.SpatialConvolutionMap and nn.SpatialFullConvolutionMap: kernels for chosen pairs of planes.

    ``weight`` is (K, kH, kW), ``pairs`` (2, K) the place of each kernel among those of all pairs.
    """

    def __init__(self, count, planes, kernel, stride, full, bias):
        super().__init__()
        self.planes, self.stride, self.full = planes, stride, full
        self.weight = torch.nn.Parameter(torch.zeros(count, *kernel))
        self.bias = torch.nn.Parameter(torch.zeros(planes[1 if full else 0])) if bias else None
        self.register_buffer("pairs", torch.zeros(2, count, dtype=torch.int64))

    def forward(self, input):
        dense = self.weight.new_zeros(*self.planes, *self.weight.shape[1:])
        dense = dense.index_put(tuple(self.pairs), self.weight, accumulate=True)
        convolve = torch.nn.functional.conv_transpose2d if self.full else torch.nn.functional.conv2d
        return convolve(input, dense, self.bias, self.stride)


class LocalMean(torch.nn.Module):
    """Base: ``kernel`` (1, planes, kH, kW), the weights of a mean over neighbours in all planes."""

    def __init__(self, shape):
        super().__init__()
        self.register_buffer("kernel", torch.zeros(shape))

    def mean(self, x, kernel):
        padding = tuple(size // 2 for size in kernel.shape[-2:])
        return torch.nn.functional.conv2d(x, kernel, padding=padding)

    def correction(self, x):
        """Return what the mean is of ones: less than 1 where the kernel meets the border."""
        return self.mean(torch.ones_like(x[:1] if x.ndim == 4 else x), self.kernel)


class SubtractiveNormalization(LocalMean):
    """nn.SpatialSubtractiveNormalization: less the mean of the neighbourhood."""

    def forward(self, input):
        return input - self.mean(input, self.kernel) / self.correction(input)


class DivisiveNormalization(LocalMean):
    """nn.SpatialDivisiveNormalization: over the standard deviation of the neighbourhood.

    Where that is not larger than ``threshold`` it is ``thresval``. ``squares`` are its weights.
    """

    def __init__(self, shape, threshold, thresval):
        super().__init__(shape)
        self.threshold, self.thresval = threshold, thresval
        self.register_buffer("squares", torch.zeros(shape))

    def forward(self, input):
        deviation = sqrt(self.mean(input * input, self.squares)) / self.correction(input)
        return input / torch.nn.functional.threshold(deviation, self.threshold, self.thresval)


class WeightNorm(torch.nn.Module):
    """nn.WeightNorm: a layer whose weight is ``g * v / ||v||``, row by row.

    ``target`` names the weight in ``module``, a buffer from then on. Torch's weight has the sizes
    ``shape`` and its rows along ``axis``; PyTorch's has the sizes ``found`` and, if ``permuted``,
    its entries in another ``order``.
    """

    def __init__(self, module, target, shape, axis, found, permuted):
        super().__init__()
        self.module, self.target = module, target
        self.shape, self.axis, self.found = shape, axis, found
        owner, _, field = target.rpartition(".")
        layer = module.get_submodule(owner)
        weight = layer._parameters.pop(field, None)
        if weight is not None:
            layer.register_buffer(field, weight.detach())
            layer.computed = (field,)
        entries = torch.Size(shape).numel()
        self.v = torch.nn.Parameter(torch.zeros(shape[axis], entries // shape[axis]))
        self.g = torch.nn.Parameter(torch.zeros(shape[axis], 1))
        self.register_buffer("order", torch.zeros(entries, dtype=torch.int64) if permuted else None)

    def forward(self, input):
        # The 1e-4 is Torch's guard against rows of zeros.
        lengths = ((self.v * self.v).sum(1, keepdim=True) + 1e-4).sqrt()
        rows = self.v * (self.g / lengths)
        others = [size for axis, size in enumerate(self.shape) if axis != self.axis]
        weight = rows.reshape(-1, *others).movedim(0, self.axis).reshape(-1)
        if self.order is not None:
            weight = weight[self.order]
        given = {self.target: weight.reshape(self.found)}
        return torch.func.functional_call(self.module, given, (input,))

"""Torch7's poolings that PyTorch has not, or has with other rules: unpooling, fractional, p-norms, k-max.

Where PyTorch has the layer, the class here is derived from it. This file needs only PyTorch: it is
written in front of the source of a converted network.
"""

from __future__ import annotations

import math

import torch


class MaxUnpool2d(torch.nn.MaxUnpool2d):
    """nn.SpatialMaxUnpooling: the pooling's indices, and its input, which is as large as the output."""

    def forward(self, input, indices, like):
        return super().forward(input, indices, like.shape[-2:])


class MaxUnpool3d(torch.nn.MaxUnpool3d):
    """nn.VolumetricMaxUnpooling: the pooling's indices, and its input, which is as large as the output."""

    def forward(self, input, indices, like):
        return super().forward(input, indices, like.shape[-3:])


class KeptMaxUnpool(torch.nn.Module):
    """Unpooling of a pooling that is not part of the network: its last indices are kept."""

    def __init__(self, kernel, size, shape):
        super().__init__()
        self.kernel, self.size = kernel, size
        self.register_buffer("indices", torch.zeros(shape, dtype=torch.int64))

    def forward(self, input):
        unpool = torch.nn.functional.max_unpool2d if len(self.size) == 2 else torch.nn.functional.max_unpool3d
        return unpool(input, self.indices, self.kernel, self.kernel, output_size=self.size)


class FractionalMaxPool(torch.nn.Module):
    """nn.SpatialFractionalMaxPooling and nn.VolumetricFractionalMaxPooling: regions at random steps.

    ``targets`` are the output's sizes, or ratios of the input's. One random sample for each axis of
    each plane says where the regions lie; if ``fixed`` they are kept, ``samples`` at first.
    """

    def __init__(self, kernel, targets, fixed, shape):
        super().__init__()
        self.kernel, self.targets, self.fixed = kernel, targets, fixed
        self.register_buffer("samples", None if shape is None else torch.zeros(shape))

    def forward(self, input):
        axes = len(self.kernel)
        sizes = input.shape[-axes:]
        wanted = [
            math.floor(size * target) if target < 1 else int(target)
            for size, target in zip(sizes, self.targets)
        ]
        batch = input if input.ndim == axes + 2 else input.unsqueeze(0)
        shape = (*batch.shape[:2], axes)
        samples = self.samples
        if not self.fixed or samples is None or samples.shape != shape:
            samples = torch.rand(shape, dtype=input.dtype, device=input.device)
            if self.fixed:
                self._buffers["samples"] = samples
        if axes == 3:  # PyTorch's first sample is that of the first axis, Torch's that of the last
            samples = samples.flip(-1)
        pool = (
            torch.nn.functional.fractional_max_pool2d if axes == 2
            else torch.nn.functional.fractional_max_pool3d
        )
        output = pool(batch, self.kernel, wanted, _random_samples=samples)
        return output if batch is input else output.squeeze(0)


def feature_lp_pooling(x, width, stride, power, batch):
    """nn.FeatureLPPooling: the p-norm of neighbouring features; where it is 0 no gradient goes back."""
    windows = x.unfold(1 if batch else 0, width, stride)
    total = (windows**power).sum(-1)
    alive = total != 0
    norm = torch.where(alive, total, torch.ones_like(total)) ** (1 / power)
    return torch.where(alive, norm, torch.zeros_like(norm))


def dynamic_k_max(x, minK, factor):
    """nn.TemporalDynamicKMaxPooling: the k largest values of each feature, in their order in time."""
    k = max(minK, math.ceil(factor * x.shape[-2]))
    order = x.sort(stable=True, dim=-2, descending=True).indices
    return x.gather(-2, order.narrow(-2, 0, k).sort(dim=-2).values)

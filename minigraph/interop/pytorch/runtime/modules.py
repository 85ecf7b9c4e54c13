"""Torch7's layers with parameters or a state that PyTorch has not, or has with other rules.

Where PyTorch has the layer, the class here is derived from it. This file needs only PyTorch: it is
written in front of the source of a converted network.
"""

from __future__ import annotations

import torch

from minigraph.interop.pytorch.runtime.functions import (
    axis_of,
    class_axis,
    limited,
    nearest_centre,
    rows,
    with_slope,
)


class Softmax(torch.nn.Softmax):
    """nn.SoftMax: over the classes of (C,), (B, C), (C, H, W) or (B, C, H, W)."""

    def forward(self, input):
        return input.softmax(class_axis(input))


class Softmin(torch.nn.Softmin):
    """nn.SoftMin: nn.SoftMax of -x."""

    def forward(self, input):
        return (-input).softmax(class_axis(input))


class LogSoftmax(torch.nn.LogSoftmax):
    """nn.LogSoftMax: over the classes of (C,), (B, C), (C, H, W) or (B, C, H, W)."""

    def forward(self, input):
        return input.log_softmax(class_axis(input))


class Hardtanh(torch.nn.Hardtanh):
    """nn.HardTanh and nn.Clamp: the gradient passes at the bounds themselves."""

    def forward(self, input):
        return limited(input, self.min_val, self.max_val)


class ReLU6(torch.nn.ReLU6):
    """nn.ReLU6: the gradient passes at 0 and 6 themselves."""

    def forward(self, input):
        return limited(input, 0, 6)


class PReLU(torch.nn.PReLU):
    """nn.PReLU: the planes are the first dimension of a vector, the second of anything else."""

    def forward(self, input):
        if input.ndim == 1 and self.num_parameters > 1:
            return super().forward(input.unsqueeze(0)).squeeze(0)
        return super().forward(input)


class DropoutV1(torch.nn.Dropout):
    """nn.Dropout of the first version: not scaled in training, scaled by 1 - p in evaluation."""

    def forward(self, input):
        if not self.training:
            return input * (1 - self.p)
        return super().forward(input) * (1 - self.p)


class StochasticDropout(torch.nn.Dropout):
    """nn.Dropout with stochasticInference: drops in evaluation too."""

    def forward(self, input):
        return torch.nn.functional.dropout(input, self.p, True)


class StochasticDropoutV1(torch.nn.Dropout):
    """nn.Dropout of the first version with stochasticInference: always drops, never scales."""

    def forward(self, input):
        return torch.nn.functional.dropout(input, self.p, True) * (1 - self.p)


class MapDropout(torch.nn.Module):
    """nn.SpatialDropout and nn.VolumetricDropout: whole maps, scaled by 1 - p in evaluation."""

    def __init__(self, p, spatial, stochastic):
        super().__init__()
        self.p, self.spatial, self.stochastic = p, spatial, stochastic

    def forward(self, input):
        if not (self.training or self.stochastic):
            return input * (1 - self.p)
        maps = (*input.shape[: input.ndim - self.spatial], *(1,) * self.spatial)
        return input * torch.empty(maps, dtype=input.dtype, device=input.device).bernoulli_(1 - self.p)


class WhiteNoise(torch.nn.Module):
    """nn.WhiteNoise: normal noise in training, its mean in evaluation."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, input):
        if self.training:
            return input + torch.randn_like(input) * self.std + self.mean
        return input + self.mean


class Constant(torch.nn.Module):
    """nn.Constant: a value whatever the input, repeated for each sample of a batch."""

    def __init__(self, shape, nInputDim):
        super().__init__()
        self.nInputDim = nInputDim
        self.register_buffer("value", torch.zeros(shape))

    def forward(self, input):
        if self.nInputDim is not None and input.ndim > self.nInputDim:
            return self.value.expand(len(input), *self.value.shape)
        return self.value


class Elementwise(torch.nn.Module):
    """nn.CAdd, nn.Add, nn.CMul and nn.Mul: a parameter, fitted to the input as Torch does."""

    def __init__(self, operation, shape, scalar=False):
        super().__init__()
        self.operation, self.scalar = operation, scalar
        self.weight = torch.nn.Parameter(torch.zeros(shape))

    def forward(self, input):
        weight = self.weight
        if weight.numel() == input.numel():
            weight = weight.reshape(input.shape)
        elif self.scalar or weight.numel() == 1:
            weight = weight.reshape(())
        elif weight.ndim != input.ndim:
            weight = weight.reshape(1, *input.shape[1:])
        weight = weight.expand(input.shape)
        return input + weight if self.operation == "add" else input * weight


class Euclidean(torch.nn.Module):
    """nn.Euclidean and nn.WeightedEuclidean: distances to templates, the columns of ``weight``."""

    def __init__(self, inputSize, outputSize, weighted):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(inputSize, outputSize))
        self.diagCov = torch.nn.Parameter(torch.ones(inputSize, outputSize)) if weighted else None

    def forward(self, input):
        difference = rows(input).unsqueeze(2) - self.weight
        if self.diagCov is not None:
            difference = difference * self.diagCov
        # The 1e-7 is Torch's guard against a distance of zero, in the gradient only.
        distances = torch.linalg.vector_norm(difference.detach(), dim=1)
        slope = difference.detach() / (distances + 1e-7).unsqueeze(1)
        return with_slope(distances, difference, slope, 1).reshape(*input.shape[:-1], -1)


class Cosine(torch.nn.Module):
    """nn.Cosine: the cosine of the angle between the input and each template, a row of ``weight``."""

    def __init__(self, inputSize, outputSize):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(outputSize, inputSize))

    def forward(self, input):
        lengths = torch.linalg.vector_norm(input, dim=-1, keepdim=True) + 1e-12
        norms = torch.linalg.vector_norm(self.weight, dim=1) + 1e-12
        return torch.nn.functional.linear(input, self.weight) / norms / lengths


class Kmeans(torch.nn.Module):
    """nn.Kmeans: the number, from 1, of the centre nearest to each sample."""

    def __init__(self, k, dim, scale):
        super().__init__()
        self.scale = scale
        self.weight = torch.nn.Parameter(torch.zeros(k, dim))

    def forward(self, input):
        return nearest_centre(input, self.weight, self.scale)


class LinearWeightNorm(torch.nn.Module):
    """nn.LinearWeightNorm: a linear layer whose weight is ``g * v / ||v||``, row by row."""

    def __init__(self, inputSize, outputSize, bias, eps=1e-16):
        super().__init__()
        self.eps = eps
        self.v = torch.nn.Parameter(torch.zeros(outputSize, inputSize))
        self.g = torch.nn.Parameter(torch.zeros(outputSize, 1))
        self.bias = torch.nn.Parameter(torch.zeros(outputSize)) if bias else None

    def forward(self, input):
        norms = torch.linalg.vector_norm(self.v, dim=1, keepdim=True).clamp_min(self.eps)
        return torch.nn.functional.linear(input, self.v * (self.g / norms), self.bias)


class SubSampling(torch.nn.Module):
    """nn.SpatialSubSampling and nn.TemporalSubSampling: sums of windows, scaled plane by plane."""

    def __init__(self, planes, kernel, stride, bias):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = torch.nn.Parameter(torch.zeros(planes))
        self.bias = torch.nn.Parameter(torch.zeros(planes)) if bias else None

    def forward(self, input):
        convolve = torch.nn.functional.conv1d if len(self.kernel) == 1 else torch.nn.functional.conv2d
        weight = self.weight.reshape(-1, 1, *[1] * len(self.kernel)).expand(-1, 1, *self.kernel)
        return convolve(input, weight, self.bias, self.stride, groups=len(self.weight))


class ConvolutionLocal(torch.nn.Module):
    """nn.SpatialConvolutionLocal: weights (oH, oW, outputs, inputs, kH, kW), its own at each place."""

    def __init__(self, shape, stride, padding, bias):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = torch.nn.Parameter(torch.zeros(shape))
        self.bias = torch.nn.Parameter(torch.zeros(shape[2], *shape[:2])) if bias else None

    def forward(self, input):
        height, width, outputs = self.weight.shape[:3]
        images = input if input.ndim == 4 else input.unsqueeze(0)
        columns = torch.nn.functional.unfold(
            images, tuple(self.weight.shape[-2:]), 1, self.padding, self.stride
        )
        weight = self.weight.reshape(height * width, outputs, -1)
        result = torch.einsum("pok,bkp->bop", weight, columns)
        result = result.reshape(*input.shape[:-3], outputs, height, width)
        return result if self.bias is None else result + self.bias


class Upsample(torch.nn.Upsample):
    """nn.SpatialUpSamplingNearest: of an image or a batch of them."""

    def forward(self, input):
        if input.ndim == 3:
            return super().forward(input.unsqueeze(0)).squeeze(0)
        return super().forward(input)


class Bilinear(torch.nn.Bilinear):
    """nn.Bilinear: of a pair."""

    def forward(self, pair):
        return super().forward(*pair)


class PairwiseDistance(torch.nn.Module):
    """nn.PairwiseDistance: of two vectors, or row by row."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, pair):
        difference = rows(pair[0]) - rows(pair[1])
        if self.norm == 1:
            return torch.linalg.vector_norm(difference, self.norm, dim=1)
        distances = torch.linalg.vector_norm(difference.detach(), self.norm, dim=1)
        if self.norm == float("inf"):  # of several largest, each has the whole slope
            largest = difference.detach().abs() == distances.unsqueeze(1)
            return with_slope(distances, difference, difference.detach().sign() * largest, 1)
        powers = difference.detach().sign() * difference.detach().abs() ** (self.norm - 1)
        # The 1e-6 is Torch's guard against a distance of zero, in the gradient only.
        slope = powers * (distances + 1e-6).unsqueeze(1) ** (1 - self.norm)
        return with_slope(distances, difference, slope, 1)


class ConvTranspose2d(torch.nn.ConvTranspose2d):
    """nn.SpatialFullConvolution: of a tensor, or of it and one as large as the output shall be."""

    def forward(self, input):
        if isinstance(input, (list, tuple)):
            return super().forward(input[0], output_size=input[1].shape[-2:])
        return super().forward(input)


class ConvTranspose3d(torch.nn.ConvTranspose3d):
    """nn.VolumetricFullConvolution: of a tensor, or of it and one as large as the output shall be."""

    def forward(self, input):
        if isinstance(input, (list, tuple)):
            return super().forward(input[0], output_size=input[1].shape[-3:])
        return super().forward(input)


class MapTable(torch.nn.Module):
    """nn.MapTable: one module on every entry of a table."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, table):
        return [self.module(entry) for entry in table]


class Parallel(torch.nn.Module):
    """nn.Parallel: the i-th slice to the i-th module, the outputs joined."""

    def __init__(self, modules, inputDimension, outputDimension):
        super().__init__()
        self.branches = torch.nn.ModuleList(modules)
        self.inputDimension, self.outputDimension = inputDimension, outputDimension

    def forward(self, input):
        slices = input.unbind(axis_of(self.inputDimension, input.ndim))
        outputs = [branch(part) for branch, part in zip(self.branches, slices)]
        return torch.cat(outputs, axis_of(self.outputDimension, outputs[0].ndim))


class Bottle(torch.nn.Module):
    """nn.Bottle: a module on inputs with more dimensions than it knows, the leading ones fused."""

    def __init__(self, module, nInputDim):
        super().__init__()
        self.module, self.nInputDim = module, nInputDim

    def forward(self, input):
        if input.ndim <= self.nInputDim:
            return self.module(input)
        leading = input.ndim - self.nInputDim
        output = self.module(input.flatten(0, leading))
        return output.reshape(*input.shape[:leading], -1, *output.shape[1:])


class Unroll(torch.nn.Module):
    """A step run over time: sequences (T, …) and initial states in, outputs stacked to (T, …).

    ``feeds`` are pairs of an output and the input it becomes at the next time step.
    """

    def __init__(self, step, inputs, outputs, feeds):
        super().__init__()
        self.step = step
        self.inputs, self.outputs, self.feeds = inputs, outputs, dict(feeds)

    def forward(self, input):
        entries = [input] if self.inputs == 1 else list(input)
        states = set(self.feeds.values())
        given = [entry for k, entry in enumerate(entries) if k not in states]
        steps = []
        for t in range(_length(given[0])):
            now = [entry if k in states else _at(entry, t) for k, entry in enumerate(entries)]
            produced = self.step(now[0] if self.inputs == 1 else now)
            produced = [produced] if self.outputs == 1 else produced
            for source, target in self.feeds.items():
                entries[target] = produced[source]
            steps.append(produced)
        stacked = [_stack(values) for values in zip(*steps)]
        return stacked[0] if self.outputs == 1 else stacked


def _length(sequence):
    return _length(sequence[0]) if isinstance(sequence, (list, tuple)) else len(sequence)


def _at(sequence, t):
    return [_at(entry, t) for entry in sequence] if isinstance(sequence, (list, tuple)) else sequence[t]


def _stack(values):
    if isinstance(values[0], (list, tuple)):
        return [_stack(column) for column in zip(*values)]
    return torch.stack(list(values))

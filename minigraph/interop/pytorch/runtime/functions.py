"""Torch7's layers without parameters, as functions of PyTorch tensors.

Arguments are Torch's: dimensions and indexes count from 1. Tables are lists. This file needs only
PyTorch: it is written in front of the source of a converted network.
"""

from __future__ import annotations

import math

import torch


def axis_of(dimension, rank, inputDims=None):
    """Return the 0-based axis of a dimension counted in a sample of ``inputDims`` dimensions."""
    if dimension > 0 and inputDims is not None and rank == inputDims + 1:
        dimension += 1
    axis = dimension - 1 if dimension > 0 else rank + dimension
    if not 0 <= axis < rank:
        raise IndexError(f"dimension {dimension} of a tensor of {rank} dimension(s)")
    return axis


def class_axis(x):
    """Return the axis of the classes: of (C,), (B, C), (C, H, W) or (B, C, H, W)."""
    return 0 if x.ndim in (1, 3) else 1


def together(first, *others):
    """Return the inputs as one table; the first may be that table itself."""
    if all(other is None for other in others):
        return list(first)
    return [first, *others]


# -- shapes ------------------------------------------------------------------------------------------


def reshape(x, size, batchMode):
    """nn.Reshape: the first dimension is the batch unless ``size`` takes every element."""
    whole = batchMode is False or (
        batchMode is None and x.numel() == math.prod(size) and x.shape[:1] != (1,)
    )
    return x.reshape(size if whole else (*x.shape[:1], *size))


def view(x, size, numInputDims):
    """nn.View: what the sizes leave over becomes a batch dimension in front."""
    split = x.ndim - (x.ndim if numInputDims is None else numInputDims)
    leading = max(split, 0)
    count = math.prod(n for n in size if n > 0)
    batch = 1 if -1 in size else math.prod(x.shape[leading:]) // count
    batch *= math.prod(x.shape[:leading])
    return x.reshape(size if batch == 1 and split <= 0 else (batch, *size))


def narrow(x, dimension, offset, length):
    """nn.Narrow: ``length`` entries from ``offset`` on; negative ones as Torch takes them."""
    axis = axis_of(dimension, x.ndim)
    size = x.shape[axis]
    count = length if length > 0 else size - offset + length + 2
    if offset < 0:
        count = size - count
    return x.narrow(axis, max(offset - 1, 0), count)


def select(x, dimension, index):
    """nn.Select: the entry at ``index``, without the dimension."""
    return x.select(axis_of(dimension, x.ndim), index - 1 if index > 0 else index)


def replicate(x, nfeatures, dim, ndim):
    """nn.Replicate: repeat along a new dimension."""
    axis = dim - 1 + (ndim is not None and x.ndim > ndim)
    return x.unsqueeze(axis).expand(*x.shape[:axis], nfeatures, *x.shape[axis:])


def squeeze(x, dim, numInputDims):
    """nn.Squeeze: drop dimensions of size 1, not the batch."""
    shape = list(x.shape)
    if dim is not None:
        axis = axis_of(dim, x.ndim, numInputDims)
        shape[axis : axis + 1] = [n for n in shape[axis : axis + 1] if n != 1]
    else:
        batch = 1 if numInputDims is not None and x.ndim == numInputDims + 1 else 0
        shape[batch:] = [n for n in shape[batch:] if n != 1]
    return x.reshape(shape or [1])


def unsqueeze(x, pos, numInputDims):
    """nn.Unsqueeze: a new dimension of size 1, counted in a sample."""
    return x.unsqueeze(x.ndim - (x.ndim if numInputDims is None else numInputDims) + pos - 1)


def collapse(x, nInputDim):
    """nn.Collapse: flatten each sample."""
    return x.flatten(1 if x.ndim > nInputDim else 0)


def transpose(x, permutations):
    """nn.Transpose: swap pairs of dimensions, one after the other."""
    for first, second in permutations:
        x = x.transpose(axis_of(first, x.ndim), axis_of(second, x.ndim))
    return x.contiguous()


def convert(x, axes, kind, batch, result):
    """nn.Convert: a transposition, ``flatten`` of each sample or the ``first`` of its entries."""
    whole = x if x.ndim == len(axes) else x.unsqueeze(batch)
    moved = whole.permute(axes)
    if kind == "first":
        moved = moved[:, 0]
    elif kind == "flatten":
        moved = moved.reshape(len(moved), -1)
    return moved if whole is x else moved.squeeze(result).reshape(moved.shape[1:] or (1,))


def contiguous(x):
    """nn.Contiguous: the same values one after the other in memory."""
    return x.contiguous()


def to_type(x, kind):
    """nn.Copy: the same values in another type."""
    return x.to(kind)


def cast(x, kind):
    """nn.DontCast: the floating tensors of a table, nested at will, in another type."""
    if isinstance(x, (list, tuple)):
        return [cast(entry, kind) for entry in x]
    return x.to(kind) if x.is_floating_point() else x


def padding(x, dim, pad, nInputDim, value, index):
    """nn.Padding: insert entries of ``value`` along a dimension."""
    axis = axis_of(dim + (nInputDim is not None and x.ndim != nInputDim and dim > 0), x.ndim)
    size = x.shape[axis]
    position = size - index + 1 if pad > 0 else index - 1
    filled = x.new_full((*x.shape[:axis], abs(pad), *x.shape[axis + 1 :]), value)
    return torch.cat([x.narrow(axis, 0, position), filled, x.narrow(axis, position, size - position)], axis)


def frames_last(x):
    """Swap frames and features, (…, T, F) to (…, F, T) and back: PyTorch has time last."""
    return x.transpose(-1, -2)


def reduce(x, operation, dimension, nInputDims, squeeze=True):
    """nn.Sum, nn.Mean, nn.Max, nn.Min: of a vector one number is left, shape (1,)."""
    axis = axis_of(dimension, x.ndim, nInputDims)
    if operation in ("max", "min"):
        return _extreme(x, operation, axis)
    result = x.sum(axis, keepdim=True) if operation == "sum" else x.mean(axis, keepdim=True)
    return result.squeeze(axis) if squeeze and x.ndim > 1 else result


def _extreme(x, operation, axis):
    where = (x.argmax if operation == "max" else x.argmin)(axis, keepdim=True)
    result = x.gather(axis, where)
    return result.squeeze(axis) if x.ndim > 1 else result


# -- transfer functions -------------------------------------------------------------------------------


def absolute(x):
    """nn.Abs: the slope at 0 is 1."""
    return torch.where(x >= 0, x, -x)


def limited(x, low, high):
    """nn.HardTanh, nn.Clamp and nn.ReLU6: the gradient passes at the bounds themselves.

    What torch.clamp passes there depends on its version.
    """
    return torch.where((x >= low) & (x <= high), x, x.detach().clamp(low, high))


def sqrt(x):
    """nn.Sqrt: where the root is 0 no gradient goes back."""
    return torch.where(x == 0, torch.zeros_like(x), torch.where(x == 0, torch.ones_like(x), x).sqrt())


def crelu(x, nInputDims):
    """nn.CReLU: max(0, x) and max(0, -x) joined."""
    return torch.cat([torch.relu(x), torch.relu(-x)], x.ndim - nInputDims)


def normalize(x, p, eps):
    """nn.Normalize: divide each sample by its p-norm."""
    size = x.abs()
    if math.isinf(p):
        norm = _extreme(size, "max", x.ndim - 1) if x.ndim == 1 else _extreme(size, "max", 1).unsqueeze(1)
        return x / (norm + eps)
    powers = (size**p).sum(-1, keepdim=True) + eps
    norm = powers ** (1 / p)
    if p < 2:  # no division by zero, in the gradient only
        slope = norm * (size + eps) ** (p - 2) * x / powers
        norm = with_slope(norm.squeeze(-1).detach(), x, slope.detach(), -1).unsqueeze(-1)
    return x / norm


def with_slope(value, x, slope, axis):
    """Return ``value``, whose derivative along ``axis`` of ``x`` shall be ``slope``."""
    line = (x * slope).sum(axis)
    return value + (line - line.detach())


def local_response(x, size, alpha, beta, k):
    """nn.SpatialCrossMapLRN: divide by the strength of neighbouring planes."""
    squares = torch.nn.functional.pad(x * x, (0, 0, 0, 0, size // 2, size // 2))
    total = squares.unfold(-3, size, 1).sum(-1)
    return x / (k + alpha / size * total) ** beta


def one_hot(x, outputSize):
    """nn.OneHot: indices, counted from 1, as vectors."""
    kind = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    return torch.nn.functional.one_hot(x.long() - 1, outputSize).to(kind)


def zero_based(x):
    """Turn indices that count from 1 into PyTorch's, which count from 0."""
    return x.long() - 1


def like_input(y, x):
    """Return ``y`` in the shape of ``x``."""
    return y.reshape(x.shape)


def rows(x):
    """Return a vector as a batch of one, a batch as it is."""
    return x.unsqueeze(0) if x.ndim == 1 else x


class _Backward(torch.autograd.Function):
    """The identity with a gradient of its own."""

    @staticmethod
    def forward(context, x, factor, penalty):
        context.factor = factor
        context.slope = None if penalty is None else penalty * x.sign()
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        gradient = context.factor * gradient
        return gradient if context.slope is None else gradient + context.slope, None, None


def scale_gradient(x, factor):
    """nn.GradientReversal and nn.ZeroGrad: the identity, whose gradient is multiplied."""
    return _Backward.apply(x, factor, None)


def l1_penalty(x, l1weight, sizeAverage, provideOutput):
    """nn.L1Penalty: the identity, which adds the gradient of the input's L1 norm."""
    weight = l1weight / x.numel() if sizeAverage else l1weight
    return _Backward.apply(x, 1.0 if provideOutput else 0.0, weight)


class _Nearest(torch.autograd.Function):
    """Numbers of centres, which move towards the mean of their samples."""

    @staticmethod
    def forward(context, x, weight, scale):
        nearest = (x.unsqueeze(1) - weight).square().sum(2).argmin(1)
        context.save_for_backward(x, weight, nearest)
        context.scale = scale
        return (nearest + 1).to(x.dtype)

    @staticmethod
    def backward(context, gradient):
        x, weight, nearest = context.saved_tensors
        moves = torch.zeros_like(weight).index_add(0, nearest, weight[nearest] - x)
        counts = torch.bincount(nearest, minlength=len(weight)).to(weight.dtype) + 1e-7
        return torch.zeros_like(x), context.scale * moves / counts.unsqueeze(1), None


def nearest_centre(x, weight, scale):
    """nn.Kmeans: the number, from 1, of the row of ``weight`` nearest to each row of ``x``."""
    return _Nearest.apply(x, weight, scale)


def upsample_linear(x, scale, size, axes=None):
    """nn.SpatialUpSamplingBilinear, nn.UpSampling: along the last axes, positions as Torch7's."""
    for axis in range(-1, -(axes or x.ndim - 2) - 1, -1):
        n = x.shape[axis]
        matrix = _interpolation(n, n * scale if scale else size[axis], x)
        x = (x.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    return x


def _interpolation(size, count, like):
    """Return the matrix (count, size) that interpolates linearly, corners on corners."""
    if count == size:
        return torch.eye(size, dtype=like.dtype, device=like.device)
    one = torch.tensor(float(size - 1), dtype=torch.float32)
    step = one / torch.tensor(float(count - 1), dtype=torch.float32) if count > 1 else one * 0
    position = step * torch.arange(count, dtype=torch.float32)
    low = position.long()
    share = (position - low.float()).to(like.dtype).to(like.device)
    matrix = torch.zeros(count, size, dtype=like.dtype, device=like.device)
    places = torch.arange(count)
    matrix[places, low] = 1 - share
    return matrix.index_put((places, (low + 1).clamp(max=size - 1)), share, accumulate=True)

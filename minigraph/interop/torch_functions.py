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


def contiguous(x):
    """nn.Contiguous: the same values one after the other in memory."""
    return x.contiguous()


def to_type(x, kind):
    """nn.Copy: the same values in another type."""
    return x.to(kind)


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


# -- tables ------------------------------------------------------------------------------------------


def split_table(x, dimension, nInputDims):
    """nn.SplitTable: the slices along a dimension."""
    return list(x.unbind(axis_of(dimension, x.ndim, nInputDims)))


def join_table(table, dimension, nInputDims):
    """nn.JoinTable: join tensors along a dimension."""
    return torch.cat(list(table), axis_of(dimension, table[0].ndim, nInputDims))


def narrow_table(table, offset, length):
    """nn.NarrowTable: ``length`` entries from ``offset`` on."""
    return list(table[offset - 1 : offset - 1 + length])


def flatten_table(table):
    """nn.FlattenTable: nested tables as one, depth first."""
    flat: list = []
    for entry in table:
        flat.extend(flatten_table(entry) if isinstance(entry, (list, tuple)) else [entry])
    return flat


def add_table(table):
    """nn.CAddTable: the sum of tensors."""
    total = table[0]
    for entry in table[1:]:
        total = total + entry
    return total


def mul_table(table):
    """nn.CMulTable: the product of tensors."""
    total = table[0]
    for entry in table[1:]:
        total = total * entry
    return total


def sub_table(table):
    """nn.CSubTable: the first less the second."""
    return table[0] - table[1]


def div_table(table):
    """nn.CDivTable: the first by the second."""
    return table[0] / table[1]


def max_table(table):
    """nn.CMaxTable: the entrywise maximum; the first of equal entries gets the gradient."""
    total = table[0]
    for entry in table[1:]:
        total = torch.where(entry > total, entry, total)
    return total


def min_table(table):
    """nn.CMinTable: the entrywise minimum; the first of equal entries gets the gradient."""
    total = table[0]
    for entry in table[1:]:
        total = torch.where(entry < total, entry, total)
    return total


def zip_table(table):
    """nn.ZipTable: a table of tables inside out."""
    return [list(column) for column in zip(*table)]


def zip_one_to_many(table):
    """nn.ZipTableOneToMany: pair the first with each of the others."""
    return [[table[0], entry] for entry in table[1]]


def add_tensor_table(table):
    """nn.CAddTensorTable: add one tensor to each of a table."""
    return [table[0] + entry for entry in table[1]]


def mixture_table(table, dim):
    """nn.MixtureTable: the experts' sum, weighed by the gater."""
    gater, experts = table
    if not isinstance(experts, (list, tuple)):
        experts = experts.unbind(axis_of(dim or gater.ndim, experts.ndim))
    total = 0
    for weight, expert in zip(gater.unbind(-1), experts):
        total = total + weight.reshape(-1, *[1] * (expert.ndim - 1)) * expert if gater.ndim > 1 else (
            total + weight * expert
        )
    return total


def depth_concat(table, dimension):
    """nn.DepthConcat: join tensors of different size, the smaller ones centred among zeros."""
    axis = axis_of(dimension, table[0].ndim)
    largest = [max(sizes) for sizes in zip(*(entry.shape for entry in table))]
    centred = []
    for entry in table:
        around = []
        for k in reversed(range(entry.ndim)):
            room = 0 if k == axis else largest[k] - entry.shape[k]
            around += [room // 2, room - room // 2]
        centred.append(torch.nn.functional.pad(entry, around))
    return torch.cat(centred, axis)


# -- two inputs --------------------------------------------------------------------------------------


def mm(pair, transA, transB):
    """nn.MM: the product of two (batches of) matrices."""
    a, b = pair
    return torch.matmul(a.transpose(-1, -2) if transA else a, b.transpose(-1, -2) if transB else b)


def mv(pair, trans):
    """nn.MV: the product of a matrix and a vector, or of batches of them."""
    matrix, vector = pair
    return torch.matmul(matrix.transpose(-1, -2) if trans else matrix, vector.unsqueeze(-1)).squeeze(-1)


def index(pair, dimension):
    """nn.Index: the entries of the first named by the second, counted from 1."""
    x, rows = pair
    return x.index_select(axis_of(dimension, x.ndim), rows.long() - 1)


def masked_select(pair):
    """nn.MaskedSelect: the entries of the first where the second is not 0."""
    return pair[0].masked_select(pair[1] != 0)


def dot_product(pair):
    """nn.DotProduct: of two vectors, or row by row."""
    return rows(pair[0]).mul(rows(pair[1])).sum(1)


def cosine_distance(pair):
    """nn.CosineDistance: the cosine of two vectors, or row by row."""
    a, b = rows(pair[0]), rows(pair[1])
    return (a * b).sum(1) / (((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12)).sqrt()


# -- transfer functions -------------------------------------------------------------------------------


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


def upsample_bilinear(x, scale, size):
    """nn.SpatialUpSamplingBilinear: positions in single precision, as Torch7 computes them."""
    wanted = [n * scale for n in x.shape[-2:]] if scale else size
    rows, columns = (_interpolation(n, count, x) for n, count in zip(x.shape[-2:], wanted))
    return rows @ (x @ columns.T)


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

"""Torch7's layers of tables and of two inputs, as functions of lists of PyTorch tensors.

Arguments are Torch's. This file needs only PyTorch: it is written in front of the source of a
converted network.
"""

from __future__ import annotations

import torch

from minigraph.interop.pytorch.runtime.functions import axis_of, rows


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


def alike(table):
    """Return the tensors of a table in the shape of the first, by the order of their elements."""
    first = table[0]
    return [entry if entry.shape == first.shape else entry.reshape(first.shape) for entry in table]


def add_table(table):
    """nn.CAddTable: the sum of tensors."""
    total, *rest = alike(table)
    for entry in rest:
        total = total + entry
    return total


def mul_table(table):
    """nn.CMulTable: the product of tensors."""
    total, *rest = alike(table)
    for entry in rest:
        total = total * entry
    return total


def sub_table(table):
    """nn.CSubTable: the first less the second."""
    first, second = alike(table)
    return first - second


def div_table(table):
    """nn.CDivTable: the first by the second."""
    first, second = alike(table)
    return first / second


def max_table(table):
    """nn.CMaxTable: the entrywise maximum; the first of equal entries gets the gradient."""
    total, *rest = alike(table)
    for entry in rest:
        total = torch.where(entry > total, entry, total)
    return total


def min_table(table):
    """nn.CMinTable: the entrywise minimum; the first of equal entries gets the gradient."""
    total, *rest = alike(table)
    for entry in rest:
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
    one, *many = alike([table[0], *table[1]])
    return [one + entry for entry in many]


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

"""The tables of functions and methods that a traced PyTorch module may call.

A value is a node of the graph that is built, a list of nodes, or a plain number. PyTorch's
dimensions count from 0, Torch's from 1.
"""

from __future__ import annotations

import operator
from typing import Any, Callable

import torch

from minigraph import nn
from minigraph.graph import Node
from minigraph.interop.pytorch.importer.layers import softmax_over
from minigraph.interop.pytorch.runtime import functions, tables
from minigraph.interop.walker import Unconvertible
from minigraph.rnn.reverse import Reverse

Number = (int, float)


class Size:
    """Stands for ``x.shape`` or, with an axis, for one size of it."""

    def __init__(self, node: Any, axis: Any = None) -> None:
        self.node, self.axis = node, axis


def dimension(axis: int) -> int:
    """Return Torch's dimension of a PyTorch axis; negative ones are the same."""
    return axis + 1 if axis >= 0 else axis


# -- arithmetic ---------------------------------------------------------------------------------------


def _of_one_shape(layer: Any, a: Any, b: Any) -> Any:
    """Return the call of a table layer, which refuses what PyTorch would expand."""
    layer.sameShape = True
    return layer([a, b])


def _plus(a: Any, b: Any, *, alpha: float = 1) -> Any:
    if isinstance(a, Number):
        a, b = b, a * 1.0
    if isinstance(b, Number):
        return nn.AddConstant(alpha * b)(a)
    return _of_one_shape(nn.CAddTable(), a, b if alpha == 1 else nn.MulConstant(alpha)(b))


def _minus(a: Any, b: Any) -> Any:
    if isinstance(a, Number):
        return nn.AddConstant(a)(nn.MulConstant(-1)(b))
    return nn.AddConstant(-b)(a) if isinstance(b, Number) else _of_one_shape(nn.CSubTable(), a, b)


def _times(a: Any, b: Any) -> Any:
    if isinstance(a, Number):
        a, b = b, a
    return nn.MulConstant(b)(a) if isinstance(b, Number) else _of_one_shape(nn.CMulTable(), a, b)


def _divided(a: Any, b: Any) -> Any:
    if isinstance(a, Number):
        return nn.MulConstant(a)(nn.Power(-1)(b))
    return nn.MulConstant(1 / b)(a) if isinstance(b, Number) else _of_one_shape(nn.CDivTable(), a, b)


def _of(make: Callable[[], Any]) -> Callable[..., Any]:
    """Return the call of a layer without arguments."""
    return lambda x, **more: make()(x)


def _softmax(make: type) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, **more: Any) -> Any:
        return softmax_over(make, dim, isinstance(x.module, nn.Linear))(x)

    return call


def _power(x: Any, exponent: Any) -> Any:
    if not isinstance(exponent, Number):
        raise Unconvertible("a power that is a tensor")
    return nn.Square()(x) if exponent == 2 else nn.Power(exponent)(x)


# -- tables and parts -------------------------------------------------------------------------------


def _cat(tensors: Any, dim: int = 0) -> Any:
    return nn.JoinTable(dimension(dim))(list(tensors))


def _stack(tensors: Any, dim: int = 0) -> Any:
    return nn.JoinTable(dimension(dim))([nn.Unsqueeze(dimension(dim))(x) for x in tensors])


def last_size(node: Any) -> int:
    """Return the size of the last dimension, told by the layers that a value came through."""
    while isinstance(node, Node):
        module = node.module
        if isinstance(module, nn.Bottle) and isinstance(module.modules[0], nn.Linear):
            module = module.modules[0]
        if isinstance(module, nn.Linear):
            return len(module.weight)
        if isinstance(module, nn.gModule):
            node = module._network.outputs[0]
        elif isinstance(module, (nn.CAddTable, nn.CMulTable, nn.CSubTable, nn.CDivTable)) or len(
            node.children
        ) == 1 and isinstance(module, _KEEP_SIZES):
            sizes = [last_size(child) for child in node.children]
            return max(sizes)
        else:
            break
    raise Unconvertible(
        "the size of what is split is not known before it runs (it does not come from a Linear); "
        "give split a list of sizes"
    )


_KEEP_SIZES = (
    nn.AddConstant, nn.MulConstant, nn.Dropout, nn.Tanh, nn.Sigmoid, nn.ReLU, nn.CMul, nn.CAdd, nn.Identity,
    nn.BatchNormalization, nn.Bottle,
)


def _narrowed(x: Any, sizes: list[int], dim: int) -> list[Any]:
    parts, start = [], 1
    for size in sizes:
        parts.append(nn.Narrow(dimension(dim), start, size)(x))
        start += size
    return parts


def _chunk(x: Any, chunks: int, dim: int = 0) -> list[Any]:
    if dim not in (1, -1):
        raise Unconvertible(f"chunk along dim {dim}: the size there is not known")
    size = -(-last_size(x) // chunks)
    return _split(x, size, dim)


def _split(x: Any, split_size_or_sections: Any, dim: int = 0) -> list[Any]:
    sizes = split_size_or_sections
    if isinstance(sizes, int):
        if dim not in (1, -1):
            raise Unconvertible(f"split along dim {dim} by one size: how many parts is not known")
        whole = last_size(x)
        sizes = [min(sizes, whole - start) for start in range(0, whole, sizes)]
    return _narrowed(x, list(sizes), dim)


_TABLES = (nn.SplitTable, nn.NarrowTable, nn.FlattenTable, nn.ConcatTable, nn.ParallelTable)


def gives_table(node: Any) -> bool:
    """Tell whether a node's output is a table."""
    module = node.module if isinstance(node, Node) else None
    if isinstance(module, nn.Sequential) and module.modules:
        module = module.modules[-1]
    return isinstance(module, _TABLES) or isinstance(module, nn.gModule) and module.nOutputs > 1


def take(value: Any, index: Any, table: bool = False) -> Any:
    """Return ``value[index]``: of a list, of a shape, or of a tensor with integers and slices.

    ``table`` says that the value is a table, which its module does not tell.
    """
    if isinstance(index, int) and isinstance(value, Node) and (table or gives_table(value)):
        return nn.SelectTable(dimension(index))(value)
    if isinstance(value, list):
        return value[index]
    if isinstance(value, Size):
        return Size(value.node, index)
    axis = 0
    for entry in index if isinstance(index, list) else [index]:
        if isinstance(entry, int):
            value = nn.Select(axis + 1, entry + 1 if entry >= 0 else entry)(value)
            continue
        if not isinstance(entry, slice) or entry.step not in (None, 1):
            raise Unconvertible(f"an index {entry!r}: whole numbers and slices without a step are known here")
        start, stop = entry.start or 0, entry.stop
        if start < 0:
            raise Unconvertible("a slice from the end")
        if start or stop is not None:
            length = -1 if stop is None else stop - start if stop >= 0 else stop - 1
            value = nn.Narrow(axis + 1, start + 1, length)(value)
        axis += 1
    return value


# -- shapes -----------------------------------------------------------------------------------------


def _reshape(x: Any, *sizes: Any) -> Any:
    if len(sizes) == 1 and isinstance(sizes[0], list):
        sizes = tuple(sizes[0])
    first, rest = sizes[0], sizes[1:]
    if isinstance(first, Size):
        if first.axis != 0 or not all(isinstance(size, int) for size in rest):
            raise Unconvertible("a shape made of other sizes than the first one of the input")
        if rest == (-1,):
            return nn.Collapse(1)(x)
        if not rest or min(rest) < 1:
            raise Unconvertible(f"a shape {('batch', *rest)} whose -1 is not the only size after the batch")
        return nn.Reshape(*rest, True)(x)
    if not all(isinstance(size, int) for size in sizes):
        raise Unconvertible("a shape made of sizes of the input other than the first")
    if -1 in sizes:
        return nn.View(*sizes)(x)
    return nn.Reshape(*sizes, False)(x)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if end_dim != -1 or start_dim not in (0, 1):
        raise Unconvertible("flatten of other dimensions than all, or all but the first")
    return nn.Collapse(1)(x) if start_dim else nn.View(-1)(x)


def _size(x: Any, dim: Any = None) -> Size:
    return Size(x, dim)


def _transpose(x: Any, dim0: int, dim1: int) -> Any:
    return nn.Transpose([dimension(dim0), dimension(dim1)])(x)


def _unsqueeze(x: Any, dim: int) -> Any:
    if dim < 0:
        raise Unconvertible("unsqueeze counted from the end")
    return nn.Unsqueeze(dim + 1)(x)


def _squeeze(x: Any, dim: Any = None) -> Any:
    return nn.Squeeze(None if dim is None else dimension(dim))(x)


def _reduction(make: Callable[[int], Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        axis = dim[0] if isinstance(dim, list) and len(dim) == 1 else dim
        if not isinstance(axis, int) or keepdim:
            raise Unconvertible("a sum or mean over anything but one dimension, which disappears")
        return make(dimension(axis))(x)

    return call


def _dropout(x: Any, p: float = 0.5, training: Any = True, inplace: bool = False) -> Any:
    made = nn.Dropout(p)
    made.train = bool(training)
    return made(x)


def _matmul(a: Any, b: Any) -> Any:
    return nn.MM()([a, b])


def _flip(x: Any, dims: Any) -> Any:
    if tuple(dims) != (0,):
        raise Unconvertible(f"flip of {tuple(dims)}: of the first dimension it is known here")
    return Reverse()(x)


def _to_rows(x: Any) -> Any:
    return nn.AddConstant(-1)(x)


METHODS: dict[str, Callable[..., Any]] = {
    "add": _plus, "sub": _minus, "mul": _times, "div": _divided, "pow": _power,
    "neg": lambda x: nn.MulConstant(-1)(x),
    "tanh": _of(nn.Tanh), "sigmoid": _of(nn.Sigmoid), "relu": _of(nn.ReLU), "exp": _of(nn.Exp),
    "log": _of(nn.Log), "sqrt": _of(nn.Sqrt), "abs": _of(nn.Abs), "square": _of(nn.Square),
    "softmax": _softmax(nn.SoftMax), "log_softmax": _softmax(nn.LogSoftMax),
    "view": _reshape, "reshape": _reshape, "flatten": _flatten, "size": _size,
    "transpose": _transpose, "t": lambda x: nn.Transpose([1, 2])(x),
    "unsqueeze": _unsqueeze, "squeeze": _squeeze, "contiguous": lambda x: nn.Contiguous()(x),
    "chunk": _chunk, "split": _split, "narrow": lambda x, dim, start, length: nn.Narrow(
        dimension(dim), start + 1, length)(x),
    "select": lambda x, dim, index: nn.Select(dimension(dim), dimension(index))(x),
    "sum": _reduction(nn.Sum), "mean": _reduction(nn.Mean), "matmul": _matmul, "mm": _matmul, "bmm": _matmul,
}

_TORCH = torch.nn.functional

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    operator.add: _plus, operator.sub: _minus, operator.mul: _times, operator.truediv: _divided,
    operator.iadd: _plus, operator.isub: _minus, operator.imul: _times, operator.itruediv: _divided,
    operator.neg: METHODS["neg"], operator.pow: _power, operator.matmul: _matmul,
    torch.flip: _flip, torch.cat: _cat, torch.stack: _stack,
    **{
        getattr(torch, name): call for name, call in METHODS.items()
        if hasattr(torch, name) and callable(getattr(torch, name))
    },
    _TORCH.relu: _of(nn.ReLU), _TORCH.tanh: _of(nn.Tanh), _TORCH.sigmoid: _of(nn.Sigmoid),
    _TORCH.softmax: _softmax(nn.SoftMax), _TORCH.log_softmax: _softmax(nn.LogSoftMax),
    _TORCH.elu: lambda x, alpha=1.0, inplace=False: nn.ELU(alpha)(x),
    _TORCH.leaky_relu: lambda x, negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope)(x),
    _TORCH.softplus: lambda x, beta=1, threshold=20: nn.SoftPlus(beta)(x),
    _TORCH.softsign: _of(nn.SoftSign), _TORCH.logsigmoid: _of(nn.LogSigmoid),
    _TORCH.dropout: _dropout,
    # What ``to_torch`` writes.
    functions.together: lambda first, *others: [first, *others],
    functions.zero_based: _to_rows, functions.absolute: METHODS["abs"],
    functions.contiguous: lambda x: nn.Contiguous()(x),
    functions.reshape: lambda x, size, mode: nn.Reshape(*size, mode)(x),
    functions.narrow: lambda x, *arguments: nn.Narrow(*arguments)(x),
    functions.select: lambda x, *arguments: nn.Select(*arguments)(x),
    functions.replicate: lambda x, *arguments: nn.Replicate(*arguments)(x),
    functions.transpose: lambda x, pairs: nn.Transpose(*pairs)(x),
    tables.split_table: lambda x, *arguments: nn.SplitTable(*arguments)(x),
    tables.join_table: lambda x, *arguments: nn.JoinTable(*arguments)(x),
    tables.narrow_table: lambda x, *arguments: nn.NarrowTable(*arguments)(x),
    tables.flatten_table: lambda x: nn.FlattenTable()(x),
    tables.add_table: lambda x: nn.CAddTable()(x), tables.sub_table: lambda x: nn.CSubTable()(x),
    tables.mul_table: lambda x: nn.CMulTable()(x), tables.div_table: lambda x: nn.CDivTable()(x),
    tables.max_table: lambda x: nn.CMaxTable()(x), tables.min_table: lambda x: nn.CMinTable()(x),
}

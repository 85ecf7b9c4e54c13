"""What layers compute, said once more in PyTorch, whose autograd then knows every gradient.

``FORMULAS[class](reference, module, input)`` returns the output as PyTorch tensors, nested as the tables
are. It reads the module's settings and parameters and nothing that the module computed. Kinks are written
so that autograd takes the side that Torch7 takes.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from torch.nn import functional as F

from minigraph import nn
from minigraph.memory import address, root
from minigraph.nn.simple.dimensions import sample_axis_of
from minigraph.nn.simple.shape import axis_of
from minigraph.random import generator
from minigraph.tables import is_table, leaves, map_table

Formula = Callable[[Any, Any, Any], Any]
FORMULAS: dict[type, Formula] = {}


class NoFormula(Exception):
    """There is none for a layer, or not for how it is set."""


def _of(*classes: type) -> Callable[[Formula], Formula]:
    """Enter the decorated function as the formula of these layers."""

    def enter(formula: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(classes, formula))
        return formula

    return enter


class Reference:
    """One pass in PyTorch. Parameters are views on the memory that they lie in, as they are in NumPy."""

    def __init__(self) -> None:
        self.memory: dict[int, torch.Tensor] = {}

    @staticmethod
    def place(array: np.ndarray) -> Any:
        """Return where an array lies: its owner, and the place in that."""
        owner = root(array)
        strides = [stride // array.itemsize for stride in array.strides]
        return id(owner), array.shape, strides, (address(array) - address(owner)) // array.itemsize

    def of(self, array: np.ndarray) -> torch.Tensor:
        """Return a parameter, in float64."""
        owner, *place = self.place(array)
        if owner not in self.memory:
            assert root(array).flags.c_contiguous
            self.memory[owner] = torch.tensor(root(array), dtype=torch.float64, requires_grad=True)
        return self.memory[owner].as_strided(*place)

    def gradient(self, place: Any) -> np.ndarray:
        """Return the gradient of the parameter that lay there, after autograd's backward."""
        owner, *rest = place
        found = self.memory[owner].grad if owner in self.memory else None
        return np.zeros(place[1]) if found is None else found.as_strided(*rest).numpy().copy()

    def mask(self, shape: Any, p: float) -> torch.Tensor:
        """Draw a mask as a layer does, from the same stream."""
        return torch.tensor(generator.fillBernoulli(np.empty(tuple(shape)), p))

    def apply(self, module: Any, x: Any) -> Any:
        """Return what ``module`` makes of ``x``."""
        if type(module) not in FORMULAS:
            raise NoFormula(module.typename())
        return FORMULAS[type(module)](self, module, x)


def _need(condition: Any) -> None:
    if not condition:
        raise NoFormula


# -- graphs and containers ---------------------------------------------------------------------------


@_of(nn.gModule)
def _network(r: Reference, m: nn.gModule, x: Any) -> Any:
    sources = {node.data: [child.data for child in node.children] for node in m.backwardnodes}
    values: dict[Any, Any] = {}
    for node in m.forwardnodes:
        entries = [values[source] for source in sources[node.data]]
        value = x if not entries else entries[0] if len(entries) == 1 else entries
        if node.module is not None:
            value = r.apply(node.module, value)
        elif node.data.selectindex is not None:
            value = value[node.data.selectindex - 1]
        values[node.data] = value
    return value


@_of(nn.Sequential, nn.Maxout)
def _sequential(r: Reference, m: Any, x: Any) -> Any:
    for each in m.modules:
        x = r.apply(each, x)
    return x


_of(nn.ConcatTable)(lambda r, m, x: [r.apply(each, x) for each in m.modules])
_of(nn.ParallelTable)(lambda r, m, x: [r.apply(each, entry) for each, entry in zip(m.modules, x)])
_of(nn.MapTable)(
    lambda r, m, x: [r.apply(m.modules[k if k < len(m) else 0], entry) for k, entry in enumerate(x)]
)
_of(nn.Decorator)(lambda r, m, x: r.apply(m.modules[0], x))


@_of(nn.Concat)
def _concat(r: Reference, m: nn.Concat, x: Any) -> Any:
    parts = [r.apply(each, x) for each in m.modules]
    return torch.cat(parts, axis_of(m.dimension, parts[0].ndim, m))


@_of(nn.Parallel)
def _parallel(r: Reference, m: nn.Parallel, x: Any) -> Any:
    pieces = x.unbind(axis_of(m.inputDimension, x.ndim, m))
    parts = [r.apply(each, piece) for each, piece in zip(m.modules, pieces)]
    return torch.cat(parts, axis_of(m.outputDimension, parts[0].ndim, m))


@_of(nn.Bottle)
def _bottle(r: Reference, m: nn.Bottle, x: Any) -> Any:
    if x.ndim <= m.nInputDim:
        return r.apply(m.modules[0], x)
    before = x.shape[: x.ndim - m.nInputDim + 1]
    y = r.apply(m.modules[0], x.reshape(-1, *x.shape[len(before) :]))
    return y.reshape(*before, *y.shape[1:])


# -- entry by entry ----------------------------------------------------------------------------------


def _leak(x: Any, slope: Any) -> Any:
    return torch.where(x <= 0, x * slope, x)


for _layer, _function in {
    nn.Sigmoid: torch.sigmoid, nn.Tanh: torch.tanh, nn.Exp: torch.exp, nn.Log: torch.log,
    nn.Square: torch.square, nn.Abs: lambda x: torch.where(x < 0, -x, x),
    nn.ReLU: lambda x: torch.where(x <= 0, 0 * x, x), nn.TanhShrink: lambda x: x - torch.tanh(x),
    nn.SoftSign: lambda x: x / (1 + torch.abs(x)), nn.LogSigmoid: F.logsigmoid,
    nn.Identity: lambda x: x, nn.Contiguous: lambda x: x,
}.items():
    FORMULAS[_layer] = lambda r, m, x, _function=_function: _function(x)

_of(nn.HardTanh, nn.Clamp, nn.ReLU6)(
    lambda r, m, x: torch.where(
        x < m.min_val, 0 * x + m.min_val, torch.where(x > m.max_val, 0 * x + m.max_val, x)
    )
)
_of(nn.Threshold)(lambda r, m, x: torch.where(x > m.threshold, x, 0 * x + m.val))
_of(nn.LeakyReLU)(lambda r, m, x: _leak(x, m.negval))
_of(nn.ELU)(lambda r, m, x: torch.where(x <= 0, m.alpha * torch.expm1(x.clamp(max=0)), x))
_of(nn.HardShrink)(lambda r, m, x: torch.where(x.abs() <= m.lambda_, 0 * x, x))
_of(nn.SoftShrink)(
    lambda r, m, x: torch.where(x.abs() <= m.lambda_, 0 * x, x - m.lambda_ * x.detach().sign())
)
_of(nn.SoftPlus)(lambda r, m, x: F.softplus(x, m.beta, m.threshold))
_of(nn.Power)(lambda r, m, x: x ** m.pow)
_of(nn.Sqrt)(lambda r, m, x: torch.where(x == 0, 0 * x, torch.where(x == 0, 1 + 0 * x, x).sqrt()))
_of(nn.AddConstant)(lambda r, m, x: x + m.constant_scalar)
_of(nn.MulConstant)(lambda r, m, x: x * m.constant_scalar)
_of(nn.Mul)(lambda r, m, x: x * r.of(m.weight))
_of(nn.ZeroGrad)(lambda r, m, x: map_table(lambda leaf: leaf.detach(), x))
_of(nn.GradientReversal)(lambda r, m, x: x.detach() + m.lambda_ * (x.detach() - x))


@_of(nn.PReLU)
def _prelu(r: Reference, m: nn.PReLU, x: Any) -> Any:
    slope = r.of(m.weight)
    if m.nOutputPlane and x.ndim > 2:
        slope = slope.reshape(-1, *(1,) * (x.ndim - 2))
    return _leak(x, slope)


@_of(nn.RReLU)
def _rrelu(r: Reference, m: nn.RReLU, x: Any) -> Any:
    _need(not m.train)
    return _leak(x, (m.lower + m.upper) / 2)


@_of(nn.CReLU)
def _crelu(r: Reference, m: nn.CReLU, x: Any) -> Any:
    both = [torch.where(each <= 0, 0 * each, each) for each in (x, -x)]
    return torch.cat(both, x.ndim - m.nInputDims)


@_of(nn.GatedLinearUnit)
def _gated(r: Reference, m: nn.GatedLinearUnit, x: Any) -> Any:
    first, second = x.chunk(2, (m.dim or x.ndim) - 1)
    return first * torch.sigmoid(second)


@_of(nn.WhiteNoise)
def _noise(r: Reference, m: nn.WhiteNoise, x: Any) -> Any:
    _need(not m.train)
    return x + m.mean


@_of(nn.Dropout)
def _dropout(r: Reference, m: nn.Dropout, x: Any) -> Any:
    if m.p and (m.train or m.stochastic_inference):
        return x * r.mask(x.shape, 1 - m.p) / (1 - m.p if m.v2 else 1)
    return x if m.v2 else x * (1 - m.p)


@_of(nn.SpatialDropout, nn.VolumetricDropout)
def _map_dropout(r: Reference, m: Any, x: Any) -> Any:
    space = 2 if type(m) is nn.SpatialDropout else 3
    if m.train or m.stochastic_inference:
        return x * r.mask((*x.shape[:-space], *(1,) * space), 1 - m.p)
    return x * (1 - m.p)


# -- with weights ------------------------------------------------------------------------------------


def _bias(r: Reference, m: Any) -> Any:
    return 0 if m.bias is None else r.of(m.bias)


_of(nn.Linear)(lambda r, m, x: x @ r.of(m.weight).T + _bias(r, m))


def _fitted(parameter: Any, x: Any) -> Any:
    """Return a parameter in a shape that broadcasts to ``x`` as Torch lets them meet."""
    if parameter.numel() == x.numel():
        return parameter.reshape(x.shape)
    if parameter.numel() == 1:
        return parameter.reshape((1,) * x.ndim)
    if parameter.ndim == x.ndim:
        return parameter
    return parameter.reshape(1, *x.shape[1:])


_of(nn.Add, nn.CAdd)(lambda r, m, x: x + _fitted(r.of(m.bias), x))
_of(nn.CMul)(lambda r, m, x: x * _fitted(r.of(m.weight), x))


@_of(nn.LookupTable)
def _lookup(r: Reference, m: nn.LookupTable, x: Any) -> Any:
    _need(m.maxNorm is None)
    rows = r.of(m.weight)[x.long() - 1]
    return torch.where((x == m.paddingValue)[..., None], rows.detach(), rows) if m.paddingValue else rows


@_of(nn.OneHot)
def _one_hot(r: Reference, m: nn.OneHot, x: Any) -> Any:
    return F.one_hot(x.long() - 1, m.outputSize).double()


@_of(nn.Bilinear)
def _bilinear(r: Reference, m: nn.Bilinear, x: Any) -> Any:
    return torch.einsum("bi,kij,bj->bk", x[0], r.of(m.weight), x[1]) + _bias(r, m)


@_of(nn.Euclidean)
def _euclidean(r: Reference, m: nn.Euclidean, x: Any) -> Any:
    return (x[..., :, None] - r.of(m.weight)).square().sum(-2).sqrt()


@_of(nn.Cosine)
def _cosine(r: Reference, m: nn.Cosine, x: Any) -> Any:
    weight = r.of(m.weight)
    return x @ weight.T / (weight.norm(dim=1) + 1e-12) / (x.norm(dim=-1, keepdim=True) + 1e-12)


@_of(nn.LinearWeightNorm)
def _weight_norm(r: Reference, m: nn.LinearWeightNorm, x: Any) -> Any:
    v = r.of(m.v)
    return x @ (v * r.of(m.g) / v.norm(dim=1, keepdim=True)).T + _bias(r, m)


@_of(nn.TemporalConvolution)
def _temporal(r: Reference, m: nn.TemporalConvolution, x: Any) -> Any:
    weight = r.of(m.weight).reshape(m.outputFrameSize, m.kW, m.inputFrameSize)
    frames = x.unfold(-2, m.kW, m.dW)  # (..., T', C, kW)
    return torch.einsum("...tcw,owc->...to", frames, weight) + r.of(m.bias)


@_of(nn.BatchNormalization)
def _batch_normalization(r: Reference, m: nn.BatchNormalization, x: Any) -> Any:
    _need(m.train and len(x) > 1)
    y = (x - x.mean(0)) / (x.var(0, unbiased=False) + m.eps).sqrt()
    return y if m.weight is None else y * r.of(m.weight) + r.of(m.bias)


@_of(nn.Normalize)
def _normalize(r: Reference, m: nn.Normalize, x: Any) -> Any:
    _need(m.p == 2)
    return x / (x.square().sum(-1, keepdim=True) + m.eps).sqrt()


@_of(nn.LayerNormalization)
def _layer_normalization(r: Reference, m: nn.LayerNormalization, x: Any) -> Any:
    rows = x.reshape(-1, m.nOutput)
    for each in m.modules:
        rows = r.apply(each, rows)
    return rows.reshape(x.shape)


# -- shapes: those that a module makes of an input without values ---------------------------------------

_of(nn.Reshape, nn.View, nn.Squeeze, nn.Unsqueeze, nn.Collapse)(
    lambda r, m, x: x.reshape(m.twin().forward(np.empty(tuple(x.shape))).shape)
)


@_of(nn.Transpose)
def _transpose(r: Reference, m: nn.Transpose, x: Any) -> Any:
    for first, second in m.permutations:
        x = x.transpose(axis_of(first, x.ndim, m), axis_of(second, x.ndim, m))
    return x


@_of(nn.Convert)
def _convert(r: Reference, m: nn.Convert, x: Any) -> Any:
    _need(set(m.inputShape) == set(m.outputShape))
    return x.permute([m.inputShape.index(letter) for letter in m.outputShape])


@_of(nn.Narrow)
def _narrow(r: Reference, m: nn.Narrow, x: Any) -> Any:
    return x.narrow(axis_of(m.dimension, x.ndim, m), m.index - 1, m.length)


@_of(nn.Select)
def _select(r: Reference, m: nn.Select, x: Any) -> Any:
    return x.select(axis_of(m.dimension, x.ndim, m), m.index - (m.index > 0))


@_of(nn.Replicate)
def _replicate(r: Reference, m: nn.Replicate, x: Any) -> Any:
    axis = m.dim - 1 + (m.ndim is not None and x.ndim > m.ndim)
    return torch.stack([x] * m.nfeatures, axis)


@_of(nn.Padding)
def _padding(r: Reference, m: nn.Padding, x: Any) -> Any:
    _need(m.nInputDim is None and m.index == 1)
    axis = axis_of(m.dim, x.ndim, m)
    filler = x.new_full([*x.shape[:axis], abs(m.pad), *x.shape[axis + 1 :]], m.value)
    return torch.cat([filler, x] if m.pad < 0 else [x, filler], axis)


@_of(nn.Constant)
def _constant(r: Reference, m: nn.Constant, x: Any) -> Any:
    _need(not is_table(x))
    return torch.tensor(m.twin().forward(np.zeros(tuple(x.shape))), dtype=torch.float64)


@_of(nn.Copy)
def _copy(r: Reference, m: nn.Copy, x: Any) -> Any:
    return x


def _reduced(m: Any, x: Any) -> int:
    return sample_axis_of(m.dimension, m.nInputDims, x.ndim, m)


@_of(nn.Sum, nn.Mean)
def _sum(r: Reference, m: nn.Sum, x: Any) -> Any:
    axis = _reduced(m, x)
    total = x.sum(axis, keepdim=not m.squeeze) / (x.shape[axis] if m.sizeAverage else 1)
    return total if total.ndim else total.reshape(1)


@_of(nn.Max, nn.Min)
def _extreme(r: Reference, m: Any, x: Any) -> Any:
    axis = _reduced(m, x)
    judged = x.detach().numpy()
    best = (np.argmax if type(m) is nn.Max else np.argmin)(judged, axis)
    taken = x.gather(axis, torch.tensor(np.expand_dims(best, axis))).squeeze(axis)
    return taken if taken.ndim else taken.reshape(1)


def _classes(x: Any) -> int:
    return 0 if x.ndim in (1, 3) else 1


_of(nn.SoftMax, nn.SpatialSoftMax)(lambda r, m, x: x.softmax(_classes(x)))
_of(nn.SoftMin)(lambda r, m, x: (-x).softmax(_classes(x)))
_of(nn.LogSoftMax, nn.SpatialLogSoftMax)(lambda r, m, x: x.log_softmax(_classes(x)))


# -- tables ------------------------------------------------------------------------------------------


def _total(x: list[Any], function: Any) -> Any:
    made, *rest = x
    for entry in rest:
        made = function(made, entry)
    return made


_of(nn.CAddTable)(lambda r, m, x: _total(x, torch.add))
_of(nn.CMulTable)(lambda r, m, x: _total(x, torch.mul))
_of(nn.CSubTable)(lambda r, m, x: x[0] - x[1])
_of(nn.CDivTable)(lambda r, m, x: x[0] / x[1])
_of(nn.CMaxTable)(lambda r, m, x: _total(x, lambda a, b: torch.where(b > a, b, a)))
_of(nn.CMinTable)(lambda r, m, x: _total(x, lambda a, b: torch.where(b < a, b, a)))
_of(nn.SplitTable)(lambda r, m, x: list(x.unbind(_reduced(m, x))))
_of(nn.JoinTable)(lambda r, m, x: torch.cat(x, _reduced(m, x[0])))
_of(nn.SelectTable)(lambda r, m, x: x[m.index - (m.index > 0)])
_of(nn.NarrowTable)(lambda r, m, x: list(x[m.offset - 1 : m.offset - 1 + m.length]))
_of(nn.FlattenTable)(lambda r, m, x: [leaf for _, leaf in leaves(x)])
_of(nn.JustTable)(lambda r, m, x: [x])
_of(nn.JustElement)(lambda r, m, x: x[0])
_of(nn.ZipTable)(lambda r, m, x: [list(column) for column in zip(*x)])
_of(nn.ZipTableOneToMany)(lambda r, m, x: [[x[0], entry] for entry in x[1]])
_of(nn.CAddTensorTable)(lambda r, m, x: [x[0] + entry for entry in x[1]])


@_of(nn.MM)
def _mm(r: Reference, m: nn.MM, x: Any) -> Any:
    return (x[0].mT if m.transA else x[0]) @ (x[1].mT if m.transB else x[1])


@_of(nn.MV)
def _mv(r: Reference, m: nn.MV, x: Any) -> Any:
    return ((x[0].mT if m.trans else x[0]) @ x[1][..., None])[..., 0]


def _row(value: Any) -> Any:
    return value if value.ndim else value.reshape(1)


_of(nn.DotProduct)(lambda r, m, x: _row((x[0] * x[1]).sum(-1)))


@_of(nn.CosineDistance)
def _cosine_distance(r: Reference, m: nn.CosineDistance, x: Any) -> Any:
    squares = [each.square().sum(-1) + 1e-12 for each in x]
    return _row((x[0] * x[1]).sum(-1) / (squares[0] * squares[1]).sqrt())


@_of(nn.PairwiseDistance)
def _pairwise(r: Reference, m: nn.PairwiseDistance, x: Any) -> Any:
    _need(m.norm == 2)
    return _row((x[0] - x[1]).square().sum(-1).sqrt())


@_of(nn.MixtureTable)
def _mixture(r: Reference, m: nn.MixtureTable, x: Any) -> Any:
    gater, experts = x
    _need(is_table(experts))
    batch = gater.shape[:-1]
    return sum(
        gater[..., k].reshape(*batch, *(1,) * (expert.ndim - len(batch))) * expert
        for k, expert in enumerate(experts)
    )


@_of(nn.Index)
def _index(r: Reference, m: nn.Index, x: Any) -> Any:
    return x[0].index_select(axis_of(m.dimension, x[0].ndim, m), x[1].long() - 1)

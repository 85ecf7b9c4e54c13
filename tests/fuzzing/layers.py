"""Random layers: for a value that a network has, a module that takes such a value, set at random.

``module_for(rng, x)`` picks one by the shape of ``x`` (a tensor or a table); it may return ``None``. Sizes
are at most 5, where the odd cases of kernels are.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from minigraph import nn
from minigraph.nn.module import Module
from minigraph.tables import is_table, leaves

Maker = Callable[["Chance", Any], Optional[Module]]


class Chance:
    """Random numbers by what they are for."""

    def __init__(self, seed: Any) -> None:
        self.rng = np.random.default_rng(seed)

    def width(self) -> int:
        """A size: 1 to 5, the small ones more often."""
        return int(self.rng.choice([1, 1, 2, 2, 3, 3, 4, 5]))

    def one(self, things: Any) -> Any:
        """One of some things."""
        return things[self.rng.integers(len(things))]

    def some(self, things: Any, count: int) -> list[Any]:
        """Some of them, each at most once."""
        return [things[k] for k in self.rng.permutation(len(things))[:count]]

    def maybe(self, chance: float) -> bool:
        """Whether something of this probability happens."""
        return bool(self.rng.random() < chance)

    def number(self) -> float:
        """A number between 0.2 and 1.2."""
        return round(float(self.rng.uniform(0.2, 1.2)), 2)

    def below(self, count: int) -> int:
        """A number from 0 to ``count - 1``."""
        return int(self.rng.integers(count))


# -- entry by entry ----------------------------------------------------------------------------------

_POINTWISE: list[Callable[[Chance], Module]] = [
    lambda c: nn.Sigmoid(), lambda c: nn.Tanh(), lambda c: nn.Tanh(), lambda c: nn.Square(),
    lambda c: nn.Abs(), lambda c: nn.ReLU(), lambda c: nn.ReLU6(), lambda c: nn.TanhShrink(),
    lambda c: nn.HardTanh(-c.number(), c.number()), lambda c: nn.Clamp(-c.number(), c.number()),
    lambda c: nn.Threshold(c.number() - 0.5, c.number()), lambda c: nn.LeakyReLU(c.number()),
    lambda c: nn.ELU(c.number()), lambda c: nn.HardShrink(c.number()), lambda c: nn.SoftShrink(c.number()),
    lambda c: nn.SoftSign(), lambda c: nn.LogSigmoid(), lambda c: nn.SoftPlus(c.number()),
    lambda c: nn.Power(c.one([1, 2, 3])), lambda c: nn.AddConstant(c.number()),
    lambda c: nn.MulConstant(-c.number()), lambda c: nn.Mul(), lambda c: nn.Identity(), lambda c: nn.PReLU(),
    lambda c: nn.Contiguous(), lambda c: nn.RReLU(0.1, 0.3), lambda c: nn.WhiteNoise(c.number(), 0.1),
    lambda c: nn.Dropout(c.number() / 2, c.maybe(0.3)), lambda c: nn.Dropout(0.4, False, False, True),
    lambda c: nn.GradientReversal(c.number()), lambda c: nn.ZeroGrad(), lambda c: nn.ZeroGrad(),
    lambda c: nn.Decorator(nn.Tanh()), lambda c: nn.Add(1, True), lambda c: Doubled(),
    # those that need an input of a certain range
    lambda c: _chain(nn.Tanh(), nn.Exp()), lambda c: _chain(nn.Square(), nn.AddConstant(0.3), nn.Log()),
    lambda c: _chain(nn.Square(), nn.AddConstant(0.1), nn.Sqrt()),
    lambda c: _chain(nn.Sigmoid(), nn.Power(c.number() + 0.25)), lambda c: nn.Copy(),
]


class Doubled(Module):
    """A layer of somebody's own, which the compiler knows nothing about."""

    def updateOutput(self, input: Any) -> Any:
        self.output = input * 2
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput * 2
        return self.gradInput


def _chain(*modules: Module) -> Module:
    made = nn.Sequential()
    for each in modules:
        made.add(each)
    return made


def _pointwise(c: Chance, x: Any) -> Module:
    return c.one(_POINTWISE)(c)


# -- with weights, for rows of features ----------------------------------------------------------------


def _linear(c: Chance, x: Any) -> Optional[Module]:
    if x.ndim <= 2:
        return nn.Linear(x.shape[-1], c.width(), c.maybe(0.7))
    return nn.Bottle(nn.Linear(x.shape[-1], c.width()), 2)


def _vectors(c: Chance, x: Any) -> Optional[Module]:
    if x.ndim > 2:
        return None
    size, out = x.shape[-1], c.width()
    preprocess = c.one([None, nn.Tanh()])
    choices = [
        lambda: nn.Maxout(size, out, c.width(), preprocess),
        lambda: nn.Euclidean(size, out), lambda: nn.Cosine(size, out), lambda: nn.LinearWeightNorm(size, out),
        lambda: nn.LayerNormalization(size, 0.1, 0.01), lambda: nn.Normalize(2, 0.01),
        lambda: nn.Normalize(c.one([1, 3]), 0.01), lambda: nn.PartialLinear(size, out),
        lambda: nn.PReLU(size) if x.ndim == 2 else None,
        lambda: nn.BatchNormalization(size, None, None, c.maybe(0.5)) if x.ndim == 2 else None,
        lambda: nn.CReLU(1), lambda: nn.GatedLinearUnit() if size % 2 == 0 else None,
        lambda: _chain(nn.Linear(size, 2 * out), nn.GatedLinearUnit()),
        lambda: _chain(nn.Linear(size, out), nn.Tanh(), nn.Linear(out, size)),
    ]
    return c.one(choices)()


def _parameters(c: Chance, x: Any) -> Optional[Module]:
    sizes = list(x.shape if c.maybe(0.5) or x.ndim == 1 else x.shape[1:])
    if len(sizes) == x.ndim:
        sizes = [1 if c.maybe(0.5) else size for size in sizes]
    return c.one([nn.CAdd, nn.CMul, nn.Add if len(sizes) == 1 else nn.CAdd])(*sizes)


def _softmax(c: Chance, x: Any) -> Module:
    spatial = [nn.SpatialSoftMax, nn.SpatialLogSoftMax] if x.ndim > 2 else []
    return c.one([nn.SoftMax, nn.LogSoftMax, nn.SoftMin, *spatial])()


# -- shapes --------------------------------------------------------------------------------------------


def _dimension(c: Chance, x: Any) -> int:
    return c.one([*range(1, x.ndim + 1), *range(-x.ndim, 0)] or [1])


def _window(c: Chance, x: Any) -> Optional[Module]:
    dimension = _dimension(c, x)
    size = x.shape[dimension - (dimension > 0)]
    if c.maybe(0.4) and x.ndim > 1:
        return nn.Select(dimension, c.one([*range(1, size + 1), -1]))
    offset = 1 + c.below(size)
    return nn.Narrow(dimension, offset, 1 + c.below(size - offset + 1))


def _reshaped(c: Chance, x: Any) -> Optional[Module]:
    choices: list[Callable[[], Optional[Module]]] = [
        lambda: nn.Reshape(x.size), lambda: nn.Reshape(*x.shape[::-1]), lambda: nn.View(-1),
        lambda: nn.View(1, -1), lambda: nn.Squeeze(), lambda: nn.Unsqueeze(1 + c.below(x.ndim + 1)),
        lambda: nn.Collapse(max(1, x.ndim - 1)), lambda: nn.Reshape(1, x.shape[-1]),
        lambda: nn.Transpose([_dimension(c, x), _dimension(c, x)]),
        lambda: nn.Replicate(c.width(), 1 + c.below(x.ndim + 1)),
        lambda: nn.Padding(_dimension(c, x), c.one([-2, -1, 1, 2]), None, c.one([0, 0.5])),
        lambda: nn.Convert("bf", "fb") if x.ndim == 2 else None,
        lambda: nn.View(-1).setNumInputDims(x.ndim - 1) if x.ndim > 1 else None,
        lambda: nn.Unsqueeze(1, x.ndim - 1) if x.ndim > 1 else None,
        lambda: nn.Constant(np.full((1, c.width()), 0.7)),
    ]
    return c.one(choices)()


def _reduction(c: Chance, x: Any) -> Module:
    dimension = _dimension(c, x)
    return c.one([
        lambda: nn.Sum(dimension), lambda: nn.Sum(dimension, None, True, c.maybe(0.5)),
        lambda: nn.Mean(dimension), lambda: nn.Max(dimension), lambda: nn.Min(dimension),
    ])()


def _images(c: Chance, x: Any) -> Optional[Module]:
    if x.ndim < 3:
        return None
    if x.ndim == 3 and c.maybe(0.5):
        return nn.TemporalConvolution(x.shape[-1], c.width(), 1 + c.below(x.shape[1]))
    return c.one([
        lambda: nn.SpatialDropout(0.3), lambda: nn.PReLU(x.shape[1]),
        lambda: nn.SpatialConvolution(x.shape[-3], c.width(), 1, 1),
        lambda: nn.SpatialMaxPooling(1 + c.below(x.shape[-1]), 1 + c.below(x.shape[-2]), 1, 1),
        lambda: nn.VolumetricDropout(0.3) if x.ndim > 3 else nn.Transpose([1, 3]),
        lambda: nn.Bottle(nn.Linear(x.shape[-1], c.width()), 2),
        lambda: nn.Parallel(1, 1),
    ])()


# -- containers ----------------------------------------------------------------------------------------


def _container(c: Chance, x: Any) -> Optional[Module]:
    if x.ndim == 2 and c.maybe(0.3):
        made = c.one([nn.Concat, nn.Parallel])
        if made is nn.Concat:
            return _filled(nn.Concat(2), [_linear(c, x) for _ in range(1 + c.below(3))])
        parts = [nn.Linear(x.shape[0], c.width()) for _ in range(x.shape[1])]
        return _filled(nn.Parallel(2, 1), parts)
    branches = [module_for(c, x) for _ in range(1 + c.below(3))]
    return None if None in branches else _filled(nn.ConcatTable(), branches)


def _filled(container: Any, modules: list[Any]) -> Module:
    for each in modules:
        container.add(each)
    return container


def _table(c: Chance, x: Any) -> Module:
    return c.one([nn.SplitTable(_dimension(c, x)), nn.JustTable(), nn.SplitTable(1)])


# -- for tables ----------------------------------------------------------------------------------------


def _of_table(c: Chance, x: list[Any]) -> Optional[Module]:
    choices: list[Callable[[], Optional[Module]]] = [
        lambda: nn.SelectTable(c.one([*range(1, len(x) + 1), -1])), lambda: nn.FlattenTable(),
        lambda: nn.NarrowTable(1 + c.below(len(x))), lambda: nn.Identity(), lambda: nn.ZeroGrad(),
        lambda: nn.NarrowTable(1, len(x)), lambda: nn.JustTable(),
        lambda: nn.JustElement() if len(x) == 1 else None,
        lambda: _filled(nn.ParallelTable(), [module_for(c, entry) or nn.Identity() for entry in x]),
    ]
    if all(is_table(entry) and len(entry) == len(x[0]) for entry in x):
        choices.append(lambda: nn.ZipTable())
    if len(x) == 2 and not is_table(x[0]) and is_table(x[1]):
        choices.extend([lambda: nn.ZipTableOneToMany()] * 3)
        if all(not is_table(each) and np.shape(each) == np.shape(x[0]) for each in x[1]):
            choices.extend([lambda: nn.CAddTensorTable()] * 3)
        if np.ndim(x[0]) in (1, 2) and np.shape(x[0])[-1] == len(x[1]) and _alike(x[1]):
            choices.extend([lambda: nn.MixtureTable()] * 3)
    if _alike(x):
        choices.extend([lambda: nn.MapTable(module_for(c, x[0]) or nn.Tanh()), lambda: combining(c, x)] * 3)
    return c.one(choices)()


def _alike(x: list[Any]) -> bool:
    return not any(map(is_table, x)) and len({np.shape(entry) for entry in x}) == 1


def combining(c: Chance, x: list[Any]) -> Optional[Module]:
    """A module for a table of tensors of one shape."""
    if c.maybe(0.55):
        return c.one([nn.CAddTable, nn.CMulTable, nn.CMaxTable, nn.CMinTable])()
    if c.maybe(0.4):
        return nn.JoinTable(_dimension(c, x[0]))
    if len(x) != 2:
        return nn.CAddTable()
    rank, size = x[0].ndim, x[0].shape[-1]
    divisor = _chain(nn.Square(), nn.AddConstant(0.4))
    choices: list[Callable[[], Optional[Module]]] = [
        lambda: nn.CSubTable(),
        lambda: _chain(_filled(nn.ParallelTable(), [nn.Identity(), divisor]), nn.CDivTable()),
    ]
    if rank in (1, 2):
        choices += [
            lambda: nn.DotProduct(), lambda: nn.CosineDistance(),
            lambda: nn.PairwiseDistance(c.one([2, 2, 1])),
        ]
    if rank == 2:
        choices.append(lambda: nn.Bilinear(size, size, c.width(), c.maybe(0.5)))
    if rank in (2, 3):
        choices.append(lambda: nn.MM(*c.one([(False, True), (True, False)])))
        square = _chain(_filled(nn.ParallelTable(), [nn.Identity(), nn.Select(rank - 1, 1)]), nn.MV())
        choices.append(lambda: square)
    return c.one(choices)()


# -- criterions as nodes: prediction and target of one shape ---------------------------------------------


def criterion(c: Chance, x: Any) -> tuple[Any, Module]:
    """A criterion on values and targets in the shape of ``x``, and what brings the values into range."""
    mean = c.maybe(0.5)
    if is_table(x):
        made = nn.ParallelCriterion(True)
        for _ in x:
            made.add(c.one([nn.MSECriterion, nn.AbsCriterion])(mean), c.number())
        return made, nn.Identity()
    weights = np.linspace(0.5, 1.5, x.size).reshape(x.shape)
    signs = _chain(nn.Tanh(), nn.MulConstant(0.9))
    return c.one([
        (nn.MSECriterion(mean), nn.Identity()), (nn.AbsCriterion(mean), nn.Tanh()),
        (nn.SmoothL1Criterion(mean), nn.Identity()), (nn.WeightedMSECriterion(weights), nn.Identity()),
        (nn.MultiCriterion().add(nn.MSECriterion(mean), 0.3).add(nn.AbsCriterion(), 0.7), nn.Identity()),
        (nn.L1Cost(), nn.Identity()), (nn.DistKLDivCriterion(mean), nn.LogSigmoid()),
        (nn.BCECriterion(None, mean), nn.Sigmoid()), (nn.MultiLabelSoftMarginCriterion(None, mean), signs),
        (nn.MarginCriterion(c.number()), signs), (nn.SoftMarginCriterion(), signs),
    ])


def target(c: Chance, criterion: Any) -> Module:
    """What makes targets for a criterion of any values."""
    if isinstance(criterion, (nn.MarginCriterion, nn.SoftMarginCriterion)):
        return _chain(nn.Threshold(0, 0), step(), nn.MulConstant(2), nn.AddConstant(-1))
    return c.one([nn.Sigmoid(), nn.Sigmoid(), _chain(nn.Sigmoid(), nn.ZeroGrad())])


def step() -> Module:
    """1 where the input is positive, 0 elsewhere."""
    return _chain(nn.Threshold(0, 0), nn.MulConstant(1e12), nn.Clamp(0, 1))


_TENSORS: list[tuple[float, Maker]] = [
    (6, _pointwise), (5, _linear), (3, _vectors), (2, _parameters), (1, _softmax), (3, _window),
    (3, _reshaped), (2, _reduction), (2, _images), (2, _container), (2, _table),
]


def module_for(c: Chance, x: Any) -> Optional[Module]:
    """A module that takes ``x``, if the dice find one."""
    if is_table(x):
        return _of_table(c, x) if x else None
    if not x.ndim or not x.size:
        return None
    weights = np.array([weight for weight, _ in _TENSORS])
    _, maker = _TENSORS[c.rng.choice(len(_TENSORS), p=weights / weights.sum())]
    return maker(c, x)


def depth(table: Any) -> int:
    """How deep a table is nested; 0 for a tensor."""
    return max((len(path) for path, _ in leaves(table)), default=0)

"""Containers, https://github.com/torch/nn/blob/master/doc/containers.md, and graphs."""

from __future__ import annotations

from typing import Any

from minigraph import nn
from registry.case import Case, fixed, normal, spread, table


def filled(container: Any, *modules: Any) -> Any:
    for module in modules:
        container.add(module)
    return container


def diamond() -> Any:
    x = nn.Identity()()
    h = nn.Linear(4, 3)(x)
    return nn.gModule([x], [nn.CMulTable()([nn.Tanh()(h), nn.Sigmoid()(h)]), h])


def loss() -> Any:
    x, y = nn.Identity()(), nn.Identity()()
    return nn.gModule([x, y], [nn.ClassNLLCriterion()([nn.LogSoftMax()(nn.Linear(4, 3)(x)), y])])


CASES = {
    "Sequential": [
        Case(lambda: filled(nn.Sequential(), nn.Linear(4, 3), nn.Tanh()), normal(3, 4), batch=True),
        Case(
            lambda: filled(nn.Sequential(), filled(nn.Sequential(), nn.Linear(4, 3)), nn.Linear(3, 2)),
            normal(4),
        ),
    ],
    "Concat": [
        Case(
            lambda: filled(nn.Concat(2), nn.Linear(4, 3), nn.Linear(4, 2)), normal(3, 4), batch=True
        ),
    ],
    "DepthConcat": [
        Case(
            lambda: filled(nn.DepthConcat(2), nn.Narrow(3, 1, 2), nn.Identity(), nn.Narrow(3, 2, 1)),
            normal(2, 2, 4), batch=True,
        ),
    ],
    "Parallel": [
        Case(
            lambda: filled(nn.Parallel(2, 2), nn.Linear(4, 3), nn.Linear(4, 2)),
            normal(3, 2, 4), batch=True,
        ),
        Case(lambda: filled(nn.Parallel(1, 1), nn.Linear(4, 3), nn.Linear(4, 2)), normal(2, 4)),
    ],
    "ConcatTable": [
        Case(
            lambda: filled(nn.ConcatTable(), nn.Linear(4, 3), nn.Tanh()), normal(3, 4), batch=True
        ),
    ],
    "ParallelTable": [
        Case(
            lambda: filled(nn.ParallelTable(), nn.Linear(4, 3), nn.Tanh()),
            table(normal(3, 4), normal(3, 2)), batch=True,
        ),
    ],
    "MapTable": [
        Case(
            lambda: nn.MapTable(nn.Linear(4, 3)),
            table(normal(3, 4), normal(3, 4), normal(3, 4)), batch=True,
        ),
    ],
    "Bottle": [
        Case(lambda: nn.Bottle(nn.Linear(4, 3)), normal(2, 3, 4), batch=True),
        Case(lambda: nn.Bottle(nn.Linear(4, 3)), normal(3, 4), batch=True),
        Case(lambda: nn.Bottle(nn.View(2, 2).setNumInputDims(1), 2, 3), normal(2, 3, 4), batch=True),
    ],
    "WeightNorm": [
        Case(lambda: nn.WeightNorm(nn.Linear(4, 3)), normal(3, 4), batch=True),
        Case(lambda: nn.WeightNorm(nn.Linear(4, 3, False), 2), normal(4)),
        Case(lambda: nn.WeightNorm(nn.Bilinear(4, 3, 2), 3), table(normal(3, 4), normal(3, 3)), batch=True),
    ],
    "GPU": [Case(lambda: nn.GPU(nn.Linear(4, 3), 1), normal(3, 4), batch=True)],
    "Decorator": [Case(lambda: nn.Decorator(nn.Linear(4, 3)), normal(3, 4), batch=True)],
    "NaN": [Case(lambda: nn.NaN(nn.Linear(4, 3), 1), normal(3, 4), batch=True)],
    "Profile": [Case(lambda: nn.Profile(nn.Linear(4, 3), 2, "it"), normal(3, 4), batch=True)],
    "DontCast": [Case(lambda: nn.DontCast(nn.Linear(4, 3), True), normal(3, 4), batch=True)],
    "gModule": [
        Case(diamond, normal(3, 4), batch=True),
        Case(loss, table(normal(3, 4), fixed([1, 3, 2])), single=True),
    ],
    "ModuleFromCriterion": [
        Case(
            lambda: nn.ModuleFromCriterion(nn.ClassNLLCriterion()),
            table(normal(3, 4), fixed([1, 4, 2])), single=True,
        ),
        Case(lambda: nn.ModuleFromCriterion(nn.L1Cost()), spread(3, 4), label="no target", single=True),
    ],
}

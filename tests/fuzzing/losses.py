"""Criterions as nodes, said once more in PyTorch: the loss as a tensor of one entry, nothing to the target.

``LOSSES[class](criterion, input, target)`` returns the loss. Importing this enters the nodes in
``formulas.FORMULAS``.
"""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch.nn import functional as F

from fuzzing.formulas import FORMULAS, NoFormula, Reference
from minigraph import nn
from minigraph.tables import is_table, map_table

Loss = Callable[[Any, Any, Any], Any]
LOSSES: dict[type, Loss] = {}


def _of(*classes: type) -> Callable[[Loss], Loss]:
    """Enter the decorated function as the loss of these criterions."""

    def enter(loss: Loss) -> Loss:
        LOSSES.update(dict.fromkeys(classes, loss))
        return loss

    return enter


def _criterion(r: Reference, m: Any, x: Any) -> Any:
    return _loss(m.criterion, x[0], map_table(lambda leaf: leaf.detach(), x[1])).reshape(1)


FORMULAS[nn.ModuleFromCriterion] = FORMULAS[nn.CriterionTable] = _criterion


def _loss(c: Any, x: Any, t: Any) -> Any:
    if type(c) not in LOSSES:
        raise NoFormula(c.typename())
    if not is_table(x) and not is_table(t) and x.numel() == t.numel():
        t = t.reshape(x.shape)
    return LOSSES[type(c)](c, x, t)


def _mean(c: Any, terms: Any) -> Any:
    return terms.mean() if c.sizeAverage else terms.sum()


_of(nn.MSECriterion)(lambda c, x, t: _mean(c, (x - t).square()))
_of(nn.WeightedMSECriterion)(lambda c, x, t: _mean(c, (x - t * torch.tensor(c.weight)).square()))
_of(nn.AbsCriterion)(lambda c, x, t: _mean(c, torch.where(x - t < 0, t - x, x - t)))
_of(nn.SmoothL1Criterion)(
    lambda c, x, t: _mean(
        c, torch.where((x - t).abs() < 1, 0.5 * (x - t).square(), torch.where(x < t, t - x, x - t) - 0.5)
    )
)
_of(nn.DistKLDivCriterion)(
    lambda c, x, t: _mean(
        c, torch.where(t > 0, t * (torch.where(t > 0, t, 1 + 0 * t).log() - x), 0 * x)
    )
)


def _weighed(c: Any, terms: Any) -> Any:
    return terms if c.weights is None else terms * torch.tensor(c.weights)


@_of(nn.BCECriterion)
def _cross_entropies(c: Any, x: Any, t: Any) -> Any:
    return _mean(c, _weighed(c, -t * (x + c.eps).log() - (1 - t) * (1 - x + c.eps).log()))


@_of(nn.MultiLabelSoftMarginCriterion)
def _logits(c: Any, x: Any, t: Any) -> Any:
    return _mean(c, _weighed(c, F.binary_cross_entropy_with_logits(x, t, reduction="none")))


@_of(nn.MarginCriterion)
def _margins(c: Any, x: Any, t: Any) -> Any:
    return _mean(c, torch.where(x * t < c.margin, c.margin - x * t, 0 * x))


_of(nn.SoftMarginCriterion)(lambda c, x, t: _mean(c, F.softplus(-x * t)))
_of(nn.L1Cost)(lambda c, x, t: x.abs().sum())


def _nll(x: Any, t: Any, weights: Any, mean: bool) -> Any:
    x = x.reshape(-1, x.shape[-1])
    t = t.reshape(-1).long() - 1
    counts = torch.ones(len(t), dtype=torch.float64) if weights is None else torch.tensor(weights)[t]
    loss = -(x[torch.arange(len(t)), t] * counts).sum()
    return loss / counts.sum() if mean else loss


_of(nn.ClassNLLCriterion)(lambda c, x, t: _nll(x, t, c.weights, c.sizeAverage))
_of(nn.SpatialClassNLLCriterion)(
    lambda c, x, t: _nll(x.permute(0, 2, 3, 1), t, c.weights, c.sizeAverage)
)


@_of(nn.CrossEntropyCriterion)
def _cross_entropy(c: Any, x: Any, t: Any) -> Any:
    return _nll(x.log_softmax(-1), t, c.nll.weights, c.sizeAverage)


def _composed(c: Any, inputs: Any, targets: Any) -> Any:
    parts = zip(c.criterions, c.weights, inputs, targets)
    return sum(weight * _loss(part, x, t) for part, weight, x, t in parts)


_of(nn.MultiCriterion)(lambda c, x, t: _composed(c, [x] * len(c.criterions), [t] * len(c.criterions)))
_of(nn.ParallelCriterion)(lambda c, x, t: _composed(c, x, [t] * len(x) if c.repeatTarget else t))

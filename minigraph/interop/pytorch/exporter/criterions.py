"""The table of converters to PyTorch: criterions as nodes of a graph.

A converter is called as ``converter(export, criterion, pair, name)`` with the pair of prediction
and target, and returns the loss, a tensor without dimensions.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch

from minigraph import nn
from minigraph.interop.pytorch.runtime import loss_modules as modules
from minigraph.interop.pytorch.runtime import losses
from minigraph.interop.walker import Converter, Unconvertible


def _reduction(c: Any) -> str:
    return "mean" if c.sizeAverage else "sum"


def _loss(
    kind: type, target: Callable[..., Any] = losses.target_like, *fields: str, weight: Optional[str] = None
) -> Converter:
    """Return a converter to one of ``torch.nn``'s losses; ``target`` makes the target ready."""

    def convert(export: Any, c: Any, pair: Any, name: str) -> Any:
        x = export.call(losses.prediction, pair, name=f"{name}_input")
        t = export.call(target, pair, name=f"{name}_target")
        weights = {} if weight is None else {"weight": getattr(c, weight)}
        if weight is None and getattr(c, "weights", None) is not None:
            raise Unconvertible("its weights have no counterpart in PyTorch")
        given = {field: getattr(c, field) for field in fields}
        return export.layer(
            kind, **given, reduction=_reduction(c), value=(x, t), name=name, several=True, buffers=weights
        )

    return convert


def _classes(export: Any, c: Any, pair: Any, name: str) -> Any:
    x = export.call(losses.class_scores, pair, name=f"{name}_input")
    t = export.call(losses.class_targets, pair, c.ignoreIndex, name=f"{name}_target")
    return export.layer(
        torch.nn.NLLLoss, ignore_index=losses.ignored(c.ignoreIndex), reduction=_reduction(c),
        value=(x, t), name=name, several=True, buffers={"weight": c.weights},
    )


def _cross_entropy(export: Any, c: Any, pair: Any, name: str) -> Any:
    x = export.call(losses.scores, pair, name=f"{name}_input")
    t = export.call(losses.class_targets, pair, c.nll.ignoreIndex, name=f"{name}_target")
    return export.layer(
        torch.nn.CrossEntropyLoss, ignore_index=losses.ignored(c.nll.ignoreIndex),
        reduction=_reduction(c), value=(x, t), name=name, several=True, buffers={"weight": c.nll.weights},
    )


def _pair_loss(kind: type) -> Converter:
    """Return a converter to a loss of two inputs and a label for each pair."""

    def convert(export: Any, c: Any, pair: Any, name: str) -> Any:
        x = export.entry(pair, 0, f"{name}_inputs")
        first, second = (
            export.call(losses.as_rows, export.entry(x, k, f"{name}_{k + 1}"), kind is
                        modules.MarginRankingLoss, name=f"{name}_input_{k + 1}")
            for k in range(2)
        )
        t = export.call(losses.signs, pair, name=f"{name}_target")
        return export.layer(
            kind, margin=float(c.margin), reduction=_reduction(c), value=(first, second, t),
            name=name, several=True,
        )

    return convert


def _binary_cross_entropy(export: Any, c: Any, pair: Any, name: str) -> Any:
    weights = None if c.weights is None else tuple(map(float, c.weights))
    return export.call(losses.binary_cross_entropy, pair, weights, c.sizeAverage, name=name)


def _multi_margin(export: Any, c: Any, pair: Any, name: str) -> Any:
    x = export.call(losses.class_scores, pair, name=f"{name}_input")
    t = export.call(losses.class_targets, pair, None, name=f"{name}_target")
    return export.layer(
        torch.nn.MultiMarginLoss, p=c.p, margin=float(c.margin), reduction=_reduction(c),
        value=(x, t), name=name, several=True, buffers={"weight": c.weights},
    )


def _weighted_squares(export: Any, c: Any, pair: Any, name: str) -> Any:
    return export.layer(modules.WeightedMSELoss, c.weight.shape, c.sizeAverage, value=pair, name=name,
                        buffers={"weight": c.weight})


def _sum(export: Any, c: Any, pair: Any, name: str) -> Any:
    """Convert MultiCriterion and ParallelCriterion: weighted sums of others."""
    losses_ = []
    for k, part in enumerate(c.criterions):
        given = pair
        if isinstance(c, nn.ParallelCriterion):
            x, t = (export.entry(pair, side, f"{name}_{side + 1}") for side in range(2))
            entry = f"{name}_{k + 1}"
            whole = c.repeatTarget or not c.needsTarget()
            given = [export.entry(x, k, entry), t if whole else export.entry(t, k, entry)]
        losses_.append(_criterion(export, part, given, f"{name}_{k + 1}"))
    return export.call(losses.weighted_sum, losses_, tuple(map(float, c.weights)), name=name)


def _simplex(export: Any, c: Any, pair: Any, name: str) -> Any:
    return export.layer(
        modules.ClassSimplexLoss, c.simplex.shape, c.sizeAverage, value=pair, name=name,
        buffers={"simplex": c.simplex},
    )


def _of_modules(export: Any, c: Any, pair: Any, name: str) -> Any:
    """Convert ModuleCriterion: a criterion of what modules, not trained, make of the pair."""
    x, t = (export.entry(pair, side, f"{name}_{side + 1}") for side in range(2))
    if c.inputModule is not None:
        x = export.frozen(c.inputModule, x, f"{name}_input")
    if c.targetModule is not None and c.needsTarget():
        t = export.frozen(c.targetModule, t, f"{name}_target")
    return _criterion(export, c.criterion, [x, t], f"{name}_loss")


def _criterion(export: Any, c: Any, pair: Any, name: str) -> Any:
    converter = CRITERIONS.get(type(c))
    if converter is None:
        raise Unconvertible(f"PyTorch has no counterpart of {c.typename()}")
    return converter(export, c, pair, name)


def _node(export: Any, m: Any, pair: Any, name: str) -> Any:
    """Convert a criterion that is a node: its loss has the shape (1,)."""
    if not m.criterion.needsTarget():
        pair = export.call(losses.with_target, pair, m.criterion.takesTable, name=f"{name}_pair")
    value = _criterion(export, m.criterion, pair, f"{name}_value")
    return export.call(losses.loss, value, name=name)


CRITERIONS: dict[type, Converter] = {
    nn.ClassNLLCriterion: _classes,
    nn.SpatialClassNLLCriterion: _classes,
    nn.CrossEntropyCriterion: _cross_entropy,
    nn.MSECriterion: _loss(torch.nn.MSELoss),
    nn.WeightedMSECriterion: _weighted_squares,
    nn.MultiCriterion: _sum,
    nn.ParallelCriterion: _sum,
    nn.AbsCriterion: _loss(modules.L1Loss),
    nn.SmoothL1Criterion: _loss(torch.nn.SmoothL1Loss),
    nn.DistKLDivCriterion: lambda export, c, pair, name: export.call(
        losses.divergences, pair, c.sizeAverage, name=name
    ),
    nn.SoftMarginCriterion: _loss(torch.nn.SoftMarginLoss),
    nn.HingeEmbeddingCriterion: _loss(modules.HingeEmbeddingLoss, losses.target_like, "margin"),
    nn.MultiLabelMarginCriterion: _loss(torch.nn.MultiLabelMarginLoss, losses.label_sets),
    nn.MultiLabelSoftMarginCriterion: _loss(torch.nn.BCEWithLogitsLoss, weight="weights"),
    nn.MultiMarginCriterion: _multi_margin,
    nn.CosineEmbeddingCriterion: _pair_loss(modules.CosineEmbeddingLoss),
    nn.MarginRankingCriterion: _pair_loss(modules.MarginRankingLoss),
    nn.L1HingeEmbeddingCriterion: lambda export, c, pair, name: export.call(
        losses.l1_hinge, pair, float(c.margin), name=name
    ),
    nn.DistanceRatioCriterion: lambda export, c, pair, name: export.call(
        losses.distance_ratios, pair, c.sizeAverage, name=name
    ),
    nn.SpatialAutoCropMSECriterion: _loss(torch.nn.MSELoss, losses.cropped),
    nn.ClassSimplexCriterion: _simplex,
    nn.ModuleCriterion: _of_modules,
    nn.BCECriterion: _binary_cross_entropy,
    nn.MarginCriterion: lambda export, c, pair, name: export.call(
        losses.hinges, pair, float(c.margin), c.sizeAverage, name=name
    ),
    nn.L1Cost: lambda export, c, pair, name: export.call(losses.l1_cost, pair, name=name),
}

#: Criterions called on nodes, and the module that wraps them in a Sequential.
NODES: dict[type, Converter] = {nn.ModuleFromCriterion: _node, nn.CriterionTable: _node}

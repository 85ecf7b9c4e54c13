"""Simple layers, https://github.com/torch/nn/blob/master/doc/simple.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from registry.case import Case, fixed, normal, positive, spread, table


def pairs(*rows: Any) -> Any:
    """Sparse rows (index, value); the indices must not be perturbed, so they come as a target would."""
    return lambda rng: np.array(rows)


def drawn(module: Any) -> Any:
    """Draw the parameters of a module that starts with zeros."""
    return module.reset(1.0)


def within(module: Any) -> float:
    """Half the mean squared distance of a centre's samples to it, over all centres."""
    rows = module.output.astype(int) - 1
    squares = np.square(SAMPLES - module.weight[rows]).sum(1)
    return float(np.sum(squares / np.bincount(rows)[rows]) / 2)


SAMPLES = np.random.default_rng(4).standard_normal((7, 2))


def decayed(module: Any) -> Any:
    module.partition = None
    return module.setPartition(np.array([3, 1]))


CASES = {
    "Linear": [
        Case(lambda: nn.Linear(4, 3), normal(4)),
        Case(lambda: nn.Linear(4, 3), normal(3, 4), batch=True),
        Case(lambda: nn.Linear(4, 3, False), normal(3, 4), batch=True),
    ],
    "LinearWeightNorm": [
        Case(lambda: nn.LinearWeightNorm(4, 3), normal(4)),
        Case(lambda: nn.LinearWeightNorm(4, 3), normal(3, 4), batch=True),
        Case(lambda: nn.LinearWeightNorm(4, 3, False), normal(3, 4), batch=True),
    ],
    "PartialLinear": [
        Case(lambda: nn.PartialLinear(4, 3), normal(2, 4), batch=True),
        Case(lambda: decayed(nn.PartialLinear(4, 3)), normal(2, 4), batch=True),
        Case(lambda: nn.PartialLinear(4, 3, False), normal(2, 4), batch=True),
    ],
    "Bilinear": [
        Case(lambda: nn.Bilinear(4, 3, 2), table(normal(3, 4), normal(3, 3)), batch=True),
        Case(lambda: nn.Bilinear(2, 3, 2, False), table(normal(3, 2), normal(3, 3)), batch=True),
    ],
    "Euclidean": [
        Case(lambda: nn.Euclidean(4, 3), normal(4)),
        Case(lambda: nn.Euclidean(4, 3), normal(3, 4), batch=True),
    ],
    "WeightedEuclidean": [
        Case(lambda: nn.WeightedEuclidean(4, 3), normal(4)),
        Case(lambda: nn.WeightedEuclidean(4, 3), normal(3, 4), batch=True),
    ],
    "Cosine": [
        Case(lambda: nn.Cosine(4, 3), normal(4)),
        Case(lambda: nn.Cosine(4, 3), normal(3, 4), batch=True),
    ],
    "Kmeans": [
        Case(lambda: nn.Kmeans(2, 2), fixed(SAMPLES), single=True, slope=0.0, penalty=within),
    ],
    "Add": [
        Case(lambda: nn.Add(4), normal(3, 4), batch=True),
        Case(lambda: nn.Add(1, True), normal(3, 4), batch=True),
    ],
    "CAdd": [
        Case(lambda: nn.CAdd(1, 4), normal(3, 4), batch=True), Case(lambda: nn.CAdd(4), normal(4)),
        Case(lambda: nn.CAdd(1), normal(3, 5), label="one number", batch=True),
    ],
    "CMul": [
        Case(lambda: nn.CMul(1, 4), normal(3, 4), batch=True), Case(lambda: nn.CMul(4), normal(4)),
        Case(lambda: nn.CMul(1), normal(3, 5), label="one number", batch=True),
    ],
    "Mul": [Case(lambda: nn.Mul(), normal(3, 4), batch=True)],
    "AddConstant": [
        Case(lambda: nn.AddConstant(1.5), normal(3, 4), batch=True),
        Case(lambda: nn.AddConstant(1.5, True), normal(3, 4), batch=True),
    ],
    "MulConstant": [
        Case(lambda: nn.MulConstant(-1.5), normal(3, 4), batch=True),
        Case(lambda: nn.MulConstant(-1.5, True), normal(3, 4), batch=True),
    ],
    "Dropout": [
        Case(lambda: nn.Dropout(0.4), normal(3, 4), single=True),
        Case(lambda: nn.Dropout(0.4, True), normal(4)),
        Case(lambda: nn.Dropout(0.4, False, True), normal(3, 4)),
        Case(lambda: nn.Dropout(0.4, False, False, True), normal(3, 4), single=True),
    ],
    "SpatialDropout": [
        Case(lambda: nn.SpatialDropout(0.4), normal(2, 3, 2, 2), single=True),
        Case(lambda: nn.SpatialDropout(0.4, True), normal(3, 2, 2)),
    ],
    "VolumetricDropout": [
        Case(lambda: nn.VolumetricDropout(0.4), normal(2, 3, 2, 2, 2), single=True),
        Case(lambda: nn.VolumetricDropout(0.4, True), normal(3, 2, 2, 1)),
    ],
    "WhiteNoise": [Case(lambda: nn.WhiteNoise(0.5, 0.2), normal(3, 4), single=True)],
    "Identity": [Case(lambda: nn.Identity(), normal(3, 4), batch=True)],
    "Narrow": [Case(lambda: nn.Narrow(2, 2, 2), normal(3, 4), batch=True)],
    "Select": [Case(lambda: nn.Select(2, -1), normal(3, 4), batch=True)],
    "Replicate": [
        Case(lambda: nn.Replicate(2), normal(3, 4)),
        Case(lambda: nn.Replicate(2, 2, 2), normal(3, 4)),
        Case(lambda: nn.Replicate(2, 1, 1), normal(3, 4), batch=True),
    ],
    "Reshape": [
        Case(lambda: nn.Reshape(2, 6), normal(3, 4, 3), batch=True),
        Case(lambda: nn.Reshape(12, True), normal(3, 4, 3), batch=True),
    ],
    "View": [
        Case(lambda: nn.View(-1, 6), normal(3, 4, 3)),
        Case(lambda: nn.View(6).setNumInputDims(1), normal(3, 6), batch=True),
    ],
    "Contiguous": [Case(lambda: nn.Contiguous(), normal(3, 4), batch=True)],
    "Squeeze": [
        Case(lambda: nn.Squeeze(), normal(3, 1, 4)),
        Case(lambda: nn.Squeeze(2), normal(3, 1, 4), batch=True),
        Case(lambda: nn.Squeeze(None, 2), normal(3, 1, 4), batch=True),
    ],
    "Unsqueeze": [
        Case(lambda: nn.Unsqueeze(2), normal(3, 4), batch=True),
        Case(lambda: nn.Unsqueeze(1, 1), normal(3, 4), batch=True),
    ],
    "Collapse": [
        Case(lambda: nn.Collapse(2), normal(3, 4, 2), batch=True),
        Case(lambda: nn.Collapse(2), normal(4, 2)),
    ],
    "Transpose": [Case(lambda: nn.Transpose([1, 3], [2, 3]), normal(2, 3, 4))],
    "Padding": [
        Case(lambda: nn.Padding(1, 2, 1, 5), normal(3, 4), batch=True),
        Case(lambda: nn.Padding(2, -2, None, 1, 2), normal(3, 4), batch=True),
        Case(lambda: nn.Padding(1, 1, None, 0, 2), normal(3, 4)),
    ],
    "Max": [
        Case(lambda: nn.Max(1, 1), spread(3, 4), batch=True),
        Case(lambda: nn.Max(), spread(4)),
    ],
    "Min": [
        Case(lambda: nn.Min(-1), spread(3, 4), batch=True),
        Case(lambda: nn.Min(), spread(4)),
    ],
    "Sum": [
        Case(lambda: nn.Sum(1, 2), normal(3, 4, 2), batch=True),
        Case(lambda: nn.Sum(2, None, True, False), normal(3, 4, 2), batch=True),
        Case(lambda: nn.Sum(), normal(4)),
    ],
    "Mean": [
        Case(lambda: nn.Mean(1, 1), normal(3, 4), batch=True),
        Case(lambda: nn.Mean(), normal(4)),
    ],
    "LookupTable": [Case(lambda: nn.LookupTable(5, 3), fixed([[2, 5, 2], [1, 3, 3]]), batch=True)],
    "OneHot": [Case(lambda: nn.OneHot(4), fixed([2, 4, 1]), batch=True)],
    "Index": [Case(lambda: nn.Index(2), table(normal(3, 4), fixed([2, 4, 2])))],
    "MaskedSelect": [
        Case(lambda: nn.MaskedSelect(), table(normal(2, 3), fixed([[1, 0, 1], [0, 1, 1]]))),
    ],
    "MM": [
        Case(lambda: nn.MM(), table(normal(2, 3), normal(3, 4))),
        Case(lambda: nn.MM(True, False), table(normal(2, 3, 2), normal(2, 3, 4)), batch=True),
        Case(lambda: nn.MM(False, True), table(normal(2, 3, 2), normal(2, 4, 2)), batch=True),
        Case(lambda: nn.MM(True, True), table(normal(2, 3), normal(4, 2))),
    ],
    "MV": [
        Case(lambda: nn.MV(), table(normal(2, 3), normal(3))),
        Case(lambda: nn.MV(True), table(normal(2, 3, 2), normal(2, 3)), batch=True),
    ],
    "SparseLinear": [
        Case(
            lambda: nn.SparseLinear(5, 3),
            table(fixed([[1, 2], [4, -1]]), fixed([[2, 3]]), fixed([[5, 1], [0, 0]])),
            batch=False,
        ),
        Case(lambda: nn.SparseLinear(5, 3, True), fixed([[1, 2], [4, -1]])),
    ],
    "IndexLinear": [
        Case(lambda: drawn(nn.IndexLinear(5, 3)), table(fixed([2, 5]), fixed([1, -2]))),
        Case(
            lambda: drawn(nn.IndexLinear(5, 3)),
            table(table(fixed([2, 5]), fixed([2])), table(fixed([1, -2]), fixed([3]))),
        ),
        Case(
            lambda: drawn(nn.IndexLinear(5, 3, True, 1)),
            table(fixed([1, 4, 1]), fixed([1, -2, 3]), fixed([2, 1])),
        ),
    ],
    "Normalize": [
        Case(lambda: nn.Normalize(2), normal(3, 4), batch=True),
        Case(lambda: nn.Normalize(1), spread(4)),
        Case(lambda: nn.Normalize(1.5), spread(3, 4), batch=True),
        Case(lambda: nn.Normalize(3), spread(3, 4), batch=True),
        Case(lambda: nn.Normalize(4, 0.1), normal(3, 4), batch=True),
        Case(lambda: nn.Normalize(float("inf")), spread(3, 4), batch=True),
    ],
    "Constant": [
        Case(lambda: nn.Constant(1.5), normal(3)),
        Case(lambda: nn.Constant(np.array([1.0, 2.0]), 1), normal(3, 4), batch=True),
    ],
    "ZeroGrad": [Case(lambda: nn.ZeroGrad(), normal(3, 4), batch=True, slope=0.0)],
    "L1Penalty": [
        Case(lambda: nn.L1Penalty(0.3), spread(3, 4), single=True, penalty=lambda m: m.loss),
        Case(lambda: nn.L1Penalty(0.3, True), spread(3, 4), single=True, penalty=lambda m: m.loss),
    ],
    "Copy": [
        Case(lambda: nn.Copy(), normal(3, 4), batch=True),
        Case(lambda: nn.Copy(None, None, True), normal(3, 4), batch=True),
    ],
    "Convert": [
        Case(lambda: nn.Convert(), normal(3, 4), batch=True),
        Case(lambda: nn.Convert("bchw", "bhwc"), normal(2, 2, 3, 2), batch=True),
        Case(lambda: nn.Convert("bchw", "bf"), normal(2, 2, 3, 2), batch=True),
        Case(lambda: nn.Convert("chwb", "bf"), normal(2, 2, 3, 2)),
        Case(lambda: nn.Convert("chw", "hwc"), normal(2, 2, 3)),
        Case(lambda: nn.Convert("chw", "f"), normal(2, 2, 3)),
        Case(lambda: nn.Convert("bt", "b"), normal(3, 2), batch=True),
        Case(lambda: nn.Convert("b", "bf"), normal(3), batch=True),
    ],
    "PrintSize": [Case(lambda: nn.PrintSize("here"), positive(3, 4), batch=True)],
    "Maxout": [
        Case(lambda: nn.Maxout(4, 3, 2), normal(3, 4), batch=True),
        Case(lambda: nn.Maxout(4, 3, 2, nn.Tanh()), normal(4)),
    ],
}

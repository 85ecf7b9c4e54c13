"""to_torch where a layer's derivative jumps, for options that the registry leaves out, and at zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop_cases import compare_with_torch

import minigraph as mg
from minigraph import interop, nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

STREAM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return STREAM.standard_normal(shape)


def whole(*shape: int) -> np.ndarray:
    """Whole numbers: many are equal, and many sit on a bound."""
    return np.round(STREAM.normal(0, 1.5, shape))


def signs(*shape: int) -> np.ndarray:
    return STREAM.choice([-1.0, 1.0], shape)


JUMPS = {
    "ReLU": nn.ReLU(), "ReLU6": nn.ReLU6(), "HardTanh": nn.HardTanh(), "Clamp": nn.Clamp(-1, 1),
    "HardShrink": nn.HardShrink(1), "SoftShrink": nn.SoftShrink(1), "Threshold": nn.Threshold(1, 0.3),
    "LeakyReLU": nn.LeakyReLU(0.2), "ELU": nn.ELU(0.7), "PReLU": nn.PReLU(), "CReLU": nn.CReLU(1),
    "RReLU": nn.RReLU().evaluate(), "Abs": nn.Abs(), "SoftSign": nn.SoftSign(), "Sqrt": nn.Sqrt(),
    "Power": nn.Power(3), "Max": nn.Max(2), "Min": nn.Min(1), "L1Penalty": nn.L1Penalty(0.1, True),
    "Normalize": nn.Normalize(float("inf")),
}
LAYERS = {
    **{name: (module, abs(whole(5, 6)) if name == "Sqrt" else whole(5, 6)) for name, module in JUMPS.items()},
    "max of equal entries": (nn.SpatialMaxPooling(2, 2), whole(2, 3, 6, 6)),
    "max with padding": (nn.SpatialMaxPooling(3, 3, 2, 2, 1, 1).ceil(), whole(2, 3, 6, 6)),
    "max of a volume": (nn.VolumetricMaxPooling(2, 2, 2).ceil(), whole(2, 3, 5, 5, 5)),
    "adaptive max": (nn.SpatialAdaptiveMaxPooling(3, 2), whole(2, 3, 7, 6)),
    "max of frames": (nn.TemporalMaxPooling(3, 1), whole(7, 4)),
    "largest of a table": (nn.CMaxTable(), [whole(4, 4), whole(4, 4), whole(4, 4)]),
    "smallest of a table": (nn.CMinTable(), [whole(4, 4), whole(4, 4)]),
    "mean with padding": (nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1).ceil(), normal(2, 3, 6, 6)),
    "mean of entries": (nn.SpatialAveragePooling(3, 2, 2, 1, 1, 1).setCountExcludePad(), normal(3, 5, 6)),
    "mean of a volume": (nn.VolumetricAveragePooling(2, 3, 3, 2, 2, 2, 1, 1, 1).ceil(), normal(2, 5, 6, 7)),
    "replication that cuts": (nn.SpatialReplicationPadding(-1, 2, 1, -2), normal(2, 3, 5, 6)),
    "replication in a volume": (nn.VolumetricReplicationPadding(-1, 2, 1, -2, 1, -1), normal(3, 5, 6, 5)),
    "reflection that cuts": (nn.SpatialReflectionPadding(-2, 4, 3, -3), normal(3, 5, 6)),
    "a padded index": (nn.LookupTable(6, 3, 2), np.array([1, 2, 2, 6])),
    "rows of limited length": (nn.LookupTable(6, 3, 0, 0.5, 2), np.array([[1, 2], [2, 6]])),
    "large numbers": (nn.LogSigmoid(), 300 * normal(5, 5)),
    "larger numbers": (nn.SoftPlus(2), 20 * normal(5, 5)),
    "a vector of zeros": (nn.Normalize(2), np.zeros((2, 3))),
    "no distance": (nn.PairwiseDistance(2), [np.zeros((2, 3)), np.zeros((2, 3))]),
    "distance 1.5": (nn.PairwiseDistance(1.5), [np.zeros((2, 3)), whole(2, 3)]),
    "several largest": (nn.PairwiseDistance(float("inf")), [np.zeros((2, 3)), np.ones((2, 3))]),
    "norm 1": (nn.Normalize(1), whole(5, 4)),
    "at a template": (nn.Euclidean(3, 2), np.zeros((2, 3))),
    "k largest": (nn.TemporalDynamicKMaxPooling(2), whole(6, 4)),
    "p-norms of zeros": (nn.SpatialLPPooling(2, 2, 2, 2), whole(1, 2, 4, 4)),
    "no deviation": (nn.SpatialDivisiveNormalization(2, np.ones((3, 3))), np.zeros((2, 5, 5))),
    "maxout": (nn.Maxout(3, 2, 4), np.zeros((5, 3))),
    "bounds in another place": (nn.HardTanh(-0.5, 2.5), np.array([[-1.0, -0.5, 0, 2.5, 3]])),
    "bounds of ReLU6": (nn.ReLU6(), np.array([6.0, 0.0, -0.0, 7.0])),
    "cosine of zeros": (nn.CosineDistance(), [np.zeros((2, 3)), normal(2, 3)]),
    "cosines of zeros": (nn.Cosine(3, 2), np.zeros((2, 3))),
    "a size to reach": (
        nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 1, 1), [normal(2, 2, 4, 4), normal(2, 1, 8, 8)]
    ),
    "local weights": (nn.SpatialConvolutionLocal(2, 3, 6, 5, 3, 3, 2, 2, 1, 1), normal(2, 2, 5, 6)),
    "each plane": (nn.SpatialDepthWiseConvolution(2, 3, 3, 3, 2, 2, 1, 1), normal(2, 2, 6, 6)),
}
CRITERIONS = {
    "Abs": (nn.AbsCriterion(), whole(4, 5), whole(4, 5)),
    "SmoothL1": (nn.SmoothL1Criterion(), whole(4, 5), whole(4, 5)),
    "Margin": (nn.MarginCriterion(), whole(4, 5), signs(4, 5)),
    "HingeEmbedding": (nn.HingeEmbeddingCriterion(), whole(4, 5), signs(4, 5)),
    "HingeEmbedding of a margin": (nn.HingeEmbeddingCriterion(-2), whole(4, 5), signs(4, 5)),
    "SoftMargin": (nn.SoftMarginCriterion(), 40 * normal(4, 5), signs(4, 5)),
    "MultiMargin": (nn.MultiMarginCriterion(), whole(3, 4), np.array([1, 4, 2])),
    "squared MultiMargin": (nn.MultiMarginCriterion(2), whole(3, 4), np.array([1, 4, 2])),
    "MultiLabelMargin": (
        nn.MultiLabelMarginCriterion(), whole(3, 4), np.array([[1, 3, 0, 2], [2, 0, 0, 0], [4, 3, 2, 1]])
    ),
    "MarginRanking": (nn.MarginRankingCriterion(), [whole(9), whole(9)], signs(9)),
    "MarginRanking of a margin": (nn.MarginRankingCriterion(0), [whole(9), whole(9)], signs(9)),
    "CosineEmbedding": (nn.CosineEmbeddingCriterion(), [whole(9, 2), whole(9, 2)], signs(9)),
    "CosineEmbedding of zeros": (nn.CosineEmbeddingCriterion(), [np.zeros((4, 3)), whole(4, 3)], signs(4)),
    "L1HingeEmbedding at the margin": (nn.L1HingeEmbeddingCriterion(2), [np.eye(2)[0], np.eye(2)[1]], -1),
    "L1Cost": (nn.L1Cost(), whole(4, 5), np.zeros(1)),
    "BCE": (nn.BCECriterion(), STREAM.choice([0, 0.5, 1], (3, 8)), STREAM.choice([0.0, 1], (3, 8))),
    "MultiLabelSoftMargin": (nn.MultiLabelSoftMarginCriterion(), 50 * normal(3, 4), signs(3, 4) > 0),
    "DistKLDiv": (nn.DistKLDivCriterion(), normal(3, 4), STREAM.choice([0, 0.5, -1], (3, 4))),
    "DistanceRatio": (nn.DistanceRatioCriterion(), [50 * normal(4), 50 * normal(4)], np.zeros(1)),
    "CrossEntropy": (nn.CrossEntropyCriterion(), 100 * normal(4, 3), np.array([1, 2, 3, 1])),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    module, input = LAYERS[name]
    rng = np.random.default_rng(1)
    gradient = mg.tables.map_table(lambda leaf: rng.standard_normal(leaf.shape), module.forward(input))
    assert compare_with_torch(torch, module, input, gradient) < 1e-9


@pytest.mark.parametrize("name", CRITERIONS)
def test_criterions(name: str) -> None:
    criterion, input, target = CRITERIONS[name]
    module = nn.ModuleFromCriterion(criterion)
    assert compare_with_torch(torch, module, [input, target], np.array([1.3])) < 1e-9


def test_files_say_the_derivative_at_a_bound_themselves(tmp_path: Path) -> None:
    """What PyTorch's clamp, hardtanh and margin losses pass there depends on its version."""
    bounded = nn.ConcatTable().add(nn.HardTanh(-1, 2)).add(nn.ReLU6()).add(nn.Clamp(0, 2))
    x, y = nn.Identity()(), nn.Identity()()
    a, b, c = bounded(x).split(3)
    net = nn.gModule([x, y], [
        nn.HingeEmbeddingCriterion(2)([a, y]), nn.MarginRankingCriterion(1)([mg.nest(b, c), y]),
    ])
    input = [np.array([-1.0, 0, 1, 2, 6, 2, 0, 6]), np.array([-1.0, -1, 1, -1, -1, 1, 1, 1])]
    net.forward(input)
    expected = net.backward(input, [np.ones(1), np.ones(1)])[0]
    _, source = interop.save_torch(net, tmp_path / "net.pt")
    namespace: dict[str, Any] = {"__name__": "net", "__file__": str(source)}
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), namespace)
    given = torch.tensor(input[0], requires_grad=True)
    sum(namespace["load"]()([given, torch.tensor(input[1])])).backward()
    np.testing.assert_allclose(given.grad.numpy(), expected, rtol=0, atol=1e-12)

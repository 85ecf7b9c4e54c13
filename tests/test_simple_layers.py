"""Simple layers: what the registry's common tests do not say, and what each refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError

RNG = np.random.default_rng(8)


def uniform(bound: float, *shape: int) -> np.ndarray:
    return mg.random.rand(*shape) * (2 * bound) - bound


@pytest.mark.parametrize(
    ("build", "bound", "names"),
    [
        (lambda: nn.Bilinear(4, 3, 2), 1 / math.sqrt(4), ["weight", "bias"]),
        (lambda: nn.Euclidean(4, 3), 1 / math.sqrt(4), ["weight"]),
        (lambda: nn.WeightedEuclidean(4, 3), 1 / math.sqrt(4), ["weight"]),
        (lambda: nn.Cosine(4, 3), 1 / math.sqrt(3), ["weight"]),
        (lambda: nn.LinearWeightNorm(4, 3), 1 / math.sqrt(4), ["v", "bias"]),
        (lambda: nn.SparseLinear(4, 3), 1 / math.sqrt(4), ["weight"]),
        (lambda: nn.IndexLinear(4, 3).reset(), 1 / math.sqrt(3), ["weight"]),
    ],
)
def test_initial_values(build: Any, bound: float, names: list[str]) -> None:
    mg.manualSeed(3)
    module = build()
    mg.manualSeed(3)
    for name in names:
        expected = uniform(bound, *getattr(module, name).shape)
        np.testing.assert_allclose(getattr(module, name), expected, rtol=1e-15)


def test_other_initial_values() -> None:
    cosine = nn.Cosine(4, 3)
    mg.manualSeed(3)
    cosine.reset(0.5)
    mg.manualSeed(3)
    np.testing.assert_allclose(cosine.weight, uniform(0.5 * math.sqrt(3), 3, 4), rtol=1e-15)
    mg.manualSeed(3)
    sparse = nn.SparseLinear(4, 3)
    mg.manualSeed(3)
    uniform(1, 3, 4)
    np.testing.assert_allclose(sparse.bias, uniform(0.5, 3) * 1e-6, rtol=1e-12)
    mg.manualSeed(3)
    partial = nn.PartialLinear(4, 3)
    mg.manualSeed(3)
    np.testing.assert_array_equal(partial.weight, mg.random.randn(3, 4))
    assert partial.bias.shape == (1, 3) and not partial.bias.any()
    weighted = nn.WeightedEuclidean(4, 3)
    assert (weighted.diagCov == 1).all()
    norm = nn.LinearWeightNorm(4, 3)
    np.testing.assert_allclose(norm.g[:, 0], np.linalg.norm(norm.v, axis=1))
    assert not nn.IndexLinear(4, 3).weight.any()


def test_reductions_agree_with_numpy() -> None:
    x = RNG.standard_normal((2, 3, 4))
    for layer, function in ((nn.Max, np.max), (nn.Min, np.min), (nn.Sum, np.sum), (nn.Mean, np.mean)):
        for dimension in (1, 2, 3, -1, -2):
            axis = dimension - (dimension > 0)
            np.testing.assert_allclose(layer(dimension).forward(x), function(x, axis))
        np.testing.assert_allclose(layer(1, 2).forward(x), function(x, 1))
        assert layer().forward(x[0, 0]).shape == (1,)
    assert nn.Sum(2, None, False, False).forward(x).shape == (2, 1, 4)
    tie = np.array([1.0, 5.0, 5.0])
    net = nn.Max()
    net.forward(tie)
    np.testing.assert_array_equal(net.backward(tie, np.ones(1)), [0, 1, 0])


def test_padding_places() -> None:
    x = np.array([1.0, 2.0, 3.0])
    cases = {
        (1, -2): [9, 9, 1, 2, 3],
        (1, 2): [1, 2, 3, 9, 9],
    }
    for (dim, pad), expected in cases.items():
        np.testing.assert_array_equal(nn.Padding(dim, pad, None, 9).forward(x), expected)
    np.testing.assert_array_equal(nn.Padding(1, -1, None, 9, 2).forward(x), [1, 9, 2, 3])
    np.testing.assert_array_equal(nn.Padding(1, 1, None, 9, 2).forward(x), [1, 2, 9, 3])
    assert nn.Padding(1, 1, 1).forward(np.zeros((2, 3))).shape == (2, 4)
    assert nn.Padding(-1, 1).forward(np.zeros((2, 3))).shape == (2, 4)


def test_shapes_of_the_layers_of_dimensions() -> None:
    x = np.zeros((1, 3, 1, 4))
    assert nn.Squeeze().forward(x).shape == (3, 4)
    assert nn.Squeeze(3).forward(x).shape == (1, 3, 4)
    assert nn.Squeeze(2).forward(x).shape == x.shape
    assert nn.Squeeze(None, 3).forward(x).shape == (1, 3, 4)
    assert nn.Squeeze(2, 3).forward(x).shape == (1, 3, 4)
    assert nn.Squeeze().forward(np.zeros((1, 1))).shape == (1,)
    assert nn.Unsqueeze(1).forward(np.zeros(3)).shape == (1, 3)
    assert nn.Unsqueeze(2).forward(np.zeros(3)).shape == (3, 1)
    assert nn.Unsqueeze(1, 2).forward(np.zeros((5, 3, 4))).shape == (5, 1, 3, 4)
    assert nn.Collapse(2).forward(np.zeros((5, 3, 4))).shape == (5, 12)
    assert nn.Collapse(3).forward(np.zeros((5, 3, 4))).shape == (60,)
    y = nn.Transpose([1, 2], [-1, 1]).forward(np.zeros((2, 3, 4)))
    assert y.shape == (4, 2, 3) and y.flags.c_contiguous
    strided = np.zeros((4, 6))[:, ::2]
    assert nn.Contiguous().forward(strided).flags.c_contiguous


def test_sparse_linear_equals_linear_on_the_dense_input() -> None:
    net, dense = nn.SparseLinear(6, 3), nn.Linear(6, 3)
    dense.weight[...], dense.bias[...] = net.weight, net.bias
    x = np.zeros((2, 6))
    x[0, [0, 3]], x[1, [3, 5]] = [0.5, -1], [2, 1]
    samples = [np.array([[1, 0.5], [4, -1]]), np.array([[4, 2.0], [6, 1]])]
    padded = np.array([[*samples[0].tolist(), [0, 0]], [*samples[1].tolist(), [0, 0]]])
    g = RNG.standard_normal((2, 3))
    for module in (net, dense):
        module.zeroGradParameters()
    dense.forward(x)
    dense.backward(x, g)
    for form in (samples, padded):
        net.zeroGradParameters()
        np.testing.assert_allclose(net.forward(form), dense.output)
        net.backward(form, g)
        np.testing.assert_allclose(net.gradWeight, dense.gradWeight)
        np.testing.assert_allclose(net.gradBias, dense.gradBias)
    np.testing.assert_allclose(net.forward(samples[0]), dense.output[0])
    net.doGradInput = True
    net.forward(samples)
    back = net.backward(samples, g)
    np.testing.assert_allclose(back[1][:, 1], dense.gradInput[1])
    np.testing.assert_array_equal(back[1][:, 0], np.arange(1, 7))
    net.zeroGradParameters()
    net.weightDecay = 0.1
    net.accGradParameters(samples, np.zeros((2, 3)))
    np.testing.assert_allclose(net.gradWeight, 0.1 * net.weight)
    empty = net.forward([np.empty((0, 2)), samples[0]])
    np.testing.assert_allclose(empty[0], net.bias)


def test_index_linear_takes_three_forms() -> None:
    net = nn.IndexLinear(6, 3).reset()
    keys, values = [np.array([2, 5]), np.array([5])], [np.array([0.5, -1]), np.array([2.0])]
    expected = np.stack([
        0.5 * net.weight[1] - net.weight[4] + net.bias, 2 * net.weight[4] + net.bias,
    ])
    np.testing.assert_allclose(net.forward([keys, values]), expected)
    flat = [np.concatenate(keys), np.concatenate(values), np.array([2, 1])]
    np.testing.assert_allclose(net.forward(flat), expected)
    np.testing.assert_allclose(net.forward([keys[0], values[0]]), expected[0])
    shifted = nn.IndexLinear(6, 3, False, 1, net.weight, net.bias)
    assert shifted.weight is net.weight
    np.testing.assert_allclose(shifted.forward([keys[0] - 1, values[0]]), expected[0])


def test_index_linear_normalizes_by_the_largest_value_seen() -> None:
    net = nn.IndexLinear(4, 2, False, None, None, None, True)
    assert net.weight.shape == (4, 6)
    net.weight[:, 4:] = RNG.standard_normal((4, 2))
    keys, values = np.array([1, 2, 1, 1]), np.array([2.0, -4.0, 4.0, 1.0])
    w = net.weight[:, 4:]
    expected = w[0] * 1 - w[1] + w[0] * 1 + w[0] * 0.25
    np.testing.assert_allclose(net.forward([keys, values]), expected)
    np.testing.assert_array_equal(net.weight[:2, 0], [4, 4])
    net.evaluate()
    np.testing.assert_allclose(net.forward([np.array([1]), np.array([-8.0])]), -w[0])
    np.testing.assert_array_equal(net.weight[:2, 0], [4, 4])
    net.training()
    net.zeroGradParameters()
    net.forward([np.array([2]), np.array([2.0])])
    g = RNG.standard_normal(2)
    net.backward([np.array([2]), np.array([2.0])], g)
    np.testing.assert_allclose(net.gradWeight[1], [0, 0, 0, g @ w[1], *(0.5 * g)])


def test_index_linear_shrinks_the_rows_it_used() -> None:
    net = nn.Sequential().add(nn.IndexLinear(4, 2).reset())
    layer = net.get(1)
    layer.weightDecay = 0.1
    net.zeroGradParameters()
    sample = [np.array([2]), np.array([3.0])]
    net.forward(sample)
    g = np.array([1.0, -1.0])
    net.backward(sample, g)
    before = layer.weight.copy()
    net.updateParameters(0.5)
    np.testing.assert_allclose(layer.weight[1], before[1] * 0.9 - 0.5 * 3 * g)
    np.testing.assert_array_equal(layer.weight[[0, 2, 3]], before[[0, 2, 3]])
    net.zeroGradParameters()
    before = layer.weight.copy()
    net.updateParameters(0.5)
    np.testing.assert_array_equal(layer.weight, before)


def test_partial_linear_computes_and_updates_a_part() -> None:
    net = nn.Sequential().add(nn.PartialLinear(4, 5))
    layer, x = net.get(1), RNG.standard_normal((2, 4))
    layer.bias[...] = RNG.standard_normal(5)
    whole = layer.forward(x).copy()
    layer.setPartition([4, 2])
    np.testing.assert_allclose(net.forward(x), whole[:, [3, 1]])
    net.zeroGradParameters()
    net.backward(x, np.ones((2, 2)))
    before = layer.weight.copy(), layer.bias.copy()
    net.updateParameters(0.1)
    assert (layer.weight[[3, 1]] != before[0][[3, 1]]).all()
    np.testing.assert_array_equal(layer.weight[[0, 2, 4]], before[0][[0, 2, 4]])
    np.testing.assert_allclose(layer.bias[0, [3, 1]], before[1][0, [3, 1]] - 0.2)
    layer.resetPartition()
    assert net.forward(x).shape == (2, 5)


def test_linear_weight_norm_to_linear_and_back() -> None:
    linear = nn.Linear(4, 3)
    net = nn.LinearWeightNorm.fromLinear(linear)
    x = RNG.standard_normal((2, 4))
    np.testing.assert_allclose(net.forward(x), linear.forward(x))
    net.g *= 2
    np.testing.assert_allclose(net.evaluate().toLinear().forward(x), net.forward(x))
    assert repr(net) == "nn.LinearWeightNorm(4 -> 3)"


def test_linear_weight_norm_divides_by_no_norm_below_eps() -> None:
    net = nn.LinearWeightNorm(2, 2, True, 0.5)
    net.v[...] = [[3, 4], [0.03, 0.04]]
    net.g[...] = 1
    net.forward(np.ones((1, 2)))
    np.testing.assert_allclose(net.weight, [[0.6, 0.8], [0.06, 0.08]])
    net.v.fill(0)
    net.eps = 1e-16
    np.testing.assert_allclose(net.forward(np.ones((1, 2)))[0], net.bias)


def test_dropout_family() -> None:
    x = np.ones((2, 3, 4, 5))
    mg.manualSeed(1)
    y = nn.SpatialDropout(0.5).forward(x)
    assert set(np.unique(y)) <= {0.0, 1.0} and (y == y[:, :, :1, :1]).all()
    mg.manualSeed(1)
    np.testing.assert_array_equal(y[:, :, 0, 0], mg.random.rand(2, 3) <= 0.5)
    np.testing.assert_array_equal(nn.SpatialDropout(0.2).evaluate().forward(x), 0.8 * x)
    for layer in (nn.SpatialDropout(0.5, True), nn.Dropout(0.5, False, False, True)):
        assert (layer.evaluate().forward(x) == 0).any()
    volume = nn.VolumetricDropout(0.5)
    assert volume.forward(np.ones((2, 2, 2, 2, 2))).shape == (2, 2, 2, 2, 2)
    assert volume.setp(0.25) is volume and volume.p == 0.25


def test_white_noise_draws_torchs_normals() -> None:
    x = np.zeros((2, 3))
    net = nn.WhiteNoise(1, 0.5)
    mg.manualSeed(2)
    y = net.forward(x)
    mg.manualSeed(2)
    np.testing.assert_allclose(y, mg.random.randn(2, 3) * 0.5 + 1)
    np.testing.assert_array_equal(net.evaluate().forward(x), x + 1)


def test_copy_converts_and_casts() -> None:
    net = nn.Copy("torch.FloatTensor", "torch.DoubleTensor")
    x = np.ones(3, np.float32)
    y = net.forward(x)
    assert y.dtype == np.float64 and net.backward(x, np.ones(3)).dtype == np.float32
    assert net.float().forward(x).dtype == np.float32
    kept = nn.Copy("torch.FloatTensor", "torch.DoubleTensor", False, True)
    assert kept.float().forward(x).dtype == np.float64
    same = nn.Copy()
    assert same.forward(x) is x and nn.Copy(None, None, True).forward(x) is not x


def test_convert_layouts() -> None:
    x = RNG.standard_normal((2, 3, 4, 5))
    np.testing.assert_array_equal(nn.Convert("bchw", "chwb").forward(x), x.transpose(1, 2, 3, 0))
    np.testing.assert_array_equal(nn.Convert("bchw", "bf").forward(x), x.reshape(2, -1))
    np.testing.assert_array_equal(nn.Convert("chw", "f").forward(x[0]), x[0].ravel())
    swapped = x.swapaxes(0, 3)
    np.testing.assert_array_equal(nn.Convert("chwb", "bf").forward(x), swapped.reshape(5, -1))
    np.testing.assert_array_equal(nn.Convert("bf", "b").forward(x[0, 0, :, :1]), x[0, 0, :, 0])
    assert nn.Convert().float().forward(x).dtype == np.float32
    for wrong in (("bt", "bf"), ("bchw", "bt"), ("b*", "bf"), (None, "bf"), ("bcc", "bf")):
        with pytest.raises(ArgumentError):
            nn.Convert(*wrong)


def test_constant_and_zero_grad() -> None:
    net = nn.Constant(np.array([[1.0, 2.0]]), 1)
    assert net.forward(np.zeros((3, 7))).shape == (3, 1, 2)
    assert net.float().forward(np.zeros(7)).dtype == np.float32
    table = [np.ones(2), [np.ones(3)]]
    zero = nn.ZeroGrad()
    assert zero.forward(table) is table
    assert not zero.backward(table, table)[1][0].any()


def test_l1_penalty() -> None:
    x, g = np.array([1.0, -2.0, 0.0]), np.array([3.0, 3.0, 3.0])
    net = nn.L1Penalty(0.5)
    assert net.forward(x) is x and net.loss == 1.5
    np.testing.assert_array_equal(net.backward(x, g), [3.5, 2.5, 3])
    alone = nn.L1Penalty(0.5, True, False)
    alone.forward(x)
    np.testing.assert_allclose(alone.backward(x, g), [0.5 / 3, -0.5 / 3, 0])


def test_indices_add_up() -> None:
    x, rows = RNG.standard_normal((4, 3)), np.array([2, 4, 2])
    net = nn.Index(1)
    np.testing.assert_array_equal(net.forward([x, rows]), x[rows - 1])
    g = RNG.standard_normal((3, 3))
    gradient, zeros = net.backward([x, rows], g)
    np.testing.assert_allclose(gradient[1], g[0] + g[2])
    assert zeros.shape == (3,) and not zeros.any()


def test_kmeans_finds_the_groups() -> None:
    groups = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 20, axis=0)
    x = groups + 0.1 * np.random.default_rng(2).standard_normal(groups.shape)
    net = nn.Kmeans(3, 2)
    net.initKmeansPlus(x)
    for _ in range(3):
        net.zeroGradParameters()
        numbers = net.forward(x).reshape(3, 20)
        gradInput = net.backward(x, None)
        net.updateParameters(1)  # centres become means
    assert not gradInput.any() and (numbers == numbers[:, :1]).all() and set(numbers[:, 0]) == {1, 2, 3}
    centres = net.weight[numbers[:, 0].astype(int) - 1]
    np.testing.assert_allclose(centres, x.reshape(3, 20, 2).mean(1), atol=1e-6)
    assert net.loss == pytest.approx(np.square(x - np.repeat(centres, 20, 0)).sum(), rel=1e-6)
    net.initRandom(x)
    assert all((x == centre).all(1).any() for centre in net.weight)
    with pytest.raises(InputError, match="at least 3"):
        net.initRandom(x[:2])


ROWS = np.zeros((2, 4))


@pytest.mark.parametrize(
    ("net", "x", "expected", "got"),
    [
        (nn.Euclidean(3, 2), ROWS, "(B, 3)", (2, 4)),
        (nn.Cosine(3, 2), np.zeros(4), "(3,)", (4,)),
        (nn.WeightedEuclidean(4, 2), np.zeros((1, 2, 4)), (1, 2), (1, 2, 4)),
        (nn.PartialLinear(4, 2), np.zeros(4), (2,), (4,)),
        (nn.LinearWeightNorm(3, 2), ROWS, "(B, 3)", (2, 4)),
        (nn.Bilinear(4, 3, 2), [ROWS, ROWS], "(2, 3)", (2, 4)),
        (nn.Bilinear(4, 3, 2), [ROWS, np.zeros((3, 3))], "(2, 3)", (3, 3)),
        (nn.MM(), [ROWS, ROWS], (2, 4), (2, 4)),
        (nn.MM(), [np.zeros(4), ROWS], (2, 3), (4,)),
        (nn.MM(), [ROWS], 2, 1),
        (nn.MM(), [np.zeros((2, 3, 4)), np.zeros((3, 4, 2))], (2, 3, 4), (3, 4, 2)),
        (nn.MV(), [ROWS, np.zeros(3)], (2, 4), (3,)),
        (nn.MV(), [ROWS, ROWS], (1,), (2, 4)),
        (nn.Max(3), ROWS, 3, 2),
        (nn.Sum(1, 2), np.zeros((0, 4)), "at least 1", 0),
        (nn.Padding(1, -1, None, 0, 5), ROWS, "1..3", 5),
        (nn.Squeeze(3), ROWS, 3, 2),
        (nn.Unsqueeze(4), ROWS, "at least 3 dimensions", 2),
        (nn.Transpose([1, 3]), ROWS, 3, 2),
        (nn.Index(1), [ROWS, np.array([1, 3])], "1..2", 3),
        (nn.Index(1), [ROWS, np.array([0])], "1..2", 0),
        (nn.Index(1), [ROWS, np.array([[1]])], (1,), (1, 1)),
        (nn.MaskedSelect(), [ROWS, np.ones(4)], (2, 4), (4,)),
        (nn.MaskedSelect(), [ROWS, np.full((2, 4), 2)], "0 or 1", 2),
        (nn.SpatialDropout(), ROWS, (3, 4), (2, 4)),
        (nn.VolumetricDropout(), ROWS, (4, 5), (2, 4)),
        (nn.SparseLinear(3, 2), np.array([[4, 1.0]]), "1..3", 4),
        (nn.SparseLinear(3, 2), np.zeros((2, 3)), "(N, 2)", (2, 3)),
        (nn.SparseLinear(3, 2), [np.zeros(3)], (2,), (3,)),
        (nn.IndexLinear(3, 2), [np.array([4]), np.ones(1)], "1..3", 4),
        (nn.IndexLinear(3, 2), [np.array([1, 2]), np.ones(1)], (2,), (1,)),
        (nn.IndexLinear(3, 2), [np.array([1, 2]), np.ones(2), np.array([1])], 2, [1]),
        (nn.IndexLinear(3, 2), [np.array([1])], "2 or 3 entries", 1),
        (nn.Convert("bchw", "bf"), ROWS, (4, 3), (2, 4)),
        (nn.Convert("bf", "b"), ROWS, 1, 4),
        (nn.Maxout(3, 2, 2), ROWS, "(B, 3)", (2, 4)),
    ],
)
def test_wrong_inputs(net: Any, x: Any, expected: Any, got: Any) -> None:
    with pytest.raises(InputError) as caught:
        net.forward(x)
    assert caught.value.expected == expected and caught.value.got == got
    assert net.typename() in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Max(0),
        lambda: nn.Sum(1, None, False, 1),
        lambda: nn.Padding(0, 1),
        lambda: nn.Squeeze(0),
        lambda: nn.Unsqueeze(-1),
        lambda: nn.Transpose([1, 2, 3]),
        lambda: nn.Transpose(1, 2),
        lambda: nn.Index(0),
        lambda: nn.Euclidean(0, 2),
        lambda: nn.Bilinear(1.5, 2, 2),
        lambda: nn.PartialLinear(0, 2),
        lambda: nn.SparseLinear(0, 2),
        lambda: nn.IndexLinear(None, 2),
        lambda: nn.IndexLinear(3, 2, True, None, None, None, True),
        lambda: nn.IndexLinear(3, 2, False, None, np.zeros((3, 2)), np.zeros(3)),
        lambda: nn.SpatialDropout(1),
        lambda: nn.WhiteNoise(0, 0),
        lambda: nn.Constant("1"),
        lambda: nn.Copy("torch.CudaTensor"),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()


@pytest.mark.parametrize("indices", [[0], [4], [[1]], [], [1.5]])
def test_wrong_partitions(indices: Any) -> None:
    net = nn.PartialLinear(4, 3)
    with pytest.raises(InputError):
        net.setPartition(indices)
    assert net.forward(ROWS).shape == (2, 3)

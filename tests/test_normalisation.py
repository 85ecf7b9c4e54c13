"""Batch normalisation, Normalize, LayerNormalization: what the registry's common tests do not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError

RNG = np.random.default_rng(4)

LAYERS: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = [
    (nn.BatchNormalization, (6, 3), (0,)),
    (nn.SpatialBatchNormalization, (4, 3, 2, 5), (0, 2, 3)),
    (nn.VolumetricBatchNormalization, (2, 3, 2, 3, 2), (0, 2, 3, 4)),
]


def column(values: np.ndarray, rank: int) -> np.ndarray:
    return values.reshape(1, -1, *(1,) * (rank - 2))


@pytest.mark.parametrize(("layer", "shape", "axes"), LAYERS)
def test_batch_statistics_and_running_averages(layer: Any, shape: Any, axes: Any) -> None:
    net, x = layer(3, 1e-3, 0.2), RNG.standard_normal(shape) * 2 + 1
    y = net.forward(x)
    mean, variance = x.mean(axes), x.var(axes)
    rank = len(shape)
    normal = (x - column(mean, rank)) / np.sqrt(column(variance, rank) + 1e-3)
    np.testing.assert_allclose(y, normal * column(net.weight, rank) + column(net.bias, rank), atol=1e-12)
    np.testing.assert_allclose(net.save_mean, mean, atol=1e-12)
    np.testing.assert_allclose(net.save_std, 1 / np.sqrt(variance + 1e-3), atol=1e-12)
    n = x.size // 3
    np.testing.assert_allclose(net.running_mean, 0.2 * mean, atol=1e-12)
    np.testing.assert_allclose(net.running_var, 0.8 + 0.2 * variance * n / (n - 1), atol=1e-12)
    net.forward(x)
    np.testing.assert_allclose(net.running_mean, 0.36 * mean, atol=1e-12)


@pytest.mark.parametrize(("layer", "shape", "axes"), LAYERS)
def test_evaluation_uses_the_running_averages(layer: Any, shape: Any, axes: Any) -> None:
    net, x = layer(3), RNG.standard_normal(shape)
    net.forward(x)
    mean, var = net.running_mean.copy(), net.running_var.copy()
    y = net.evaluate().forward(x)
    rank = len(shape)
    expected = (x - column(mean, rank)) / np.sqrt(column(var, rank) + net.eps) * column(net.weight, rank)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_array_equal(net.running_mean, mean)
    single = net.forward(x[0])
    assert single.shape == (1, *shape[1:])  # Torch makes a batch of one sample
    np.testing.assert_allclose(single[0], expected[0], atol=1e-12)
    assert net.backward(x[0], np.ones_like(single)).shape == shape[1:]


def test_the_parts_of_backward_agree_with_the_whole() -> None:
    x, g = RNG.standard_normal((4, 3, 2, 2)), RNG.standard_normal((4, 3, 2, 2))
    mg.manualSeed(1)
    whole, parts = nn.SpatialBatchNormalization(3), nn.SpatialBatchNormalization(3)
    parts.weight[...] = whole.weight
    for net in (whole, parts):
        net.zeroGradParameters()
        net.forward(x)
    gradInput = whole.backward(x, g, 0.5).copy()
    np.testing.assert_allclose(parts.updateGradInput(x, g), gradInput, atol=1e-14)
    parts.accGradParameters(x, g, 0.5)
    np.testing.assert_allclose(parts.gradWeight, whole.gradWeight, atol=1e-13)
    np.testing.assert_allclose(parts.gradBias, whole.gradBias, atol=1e-13)


def test_initial_values_and_state() -> None:
    mg.manualSeed(5)
    net = nn.BatchNormalization(4)
    mg.manualSeed(5)
    np.testing.assert_array_equal(net.weight, mg.random.rand(4))
    assert not net.bias.any() and not net.running_mean.any() and (net.running_var == 1).all()
    net.forward(RNG.standard_normal((5, 4)))
    kept = net.running_mean.copy()
    net.clearState()
    assert net.save_mean is None
    np.testing.assert_array_equal(net.running_mean, kept)
    np.testing.assert_array_equal(net.clone().running_mean, kept)
    assert net.float().running_mean.dtype == np.float32
    net.reset()
    assert not net.running_mean.any()
    free = nn.BatchNormalization(4, None, None, False)
    assert free.parameters() == ([], []) and free.eps == 1e-5 and free.momentum == 0.1


def test_equal_values_without_eps_do_not_divide_by_zero() -> None:
    net = nn.BatchNormalization(2, 0.0, 0.1, False)
    x = np.array([[1.0, 2.0], [1.0, 4.0]])
    np.testing.assert_allclose(net.forward(x), [[0, -1], [0, 1]])
    assert np.isfinite(net.backward(x, np.ones_like(x))).all()


def test_a_large_mean_costs_no_precision() -> None:
    x = RNG.standard_normal((8, 3, 4, 4))
    g = RNG.standard_normal(x.shape)
    net = nn.SpatialBatchNormalization(3, 1e-5, 0.1, False)
    y, gradInput = net.forward(x).copy(), net.backward(x, g).copy()
    np.testing.assert_allclose(net.forward(x + 1e6), y, atol=1e-8)
    np.testing.assert_allclose(net.backward(x + 1e6, g), gradInput, atol=1e-8)


@pytest.mark.parametrize(
    ("net", "x", "expected", "got"),
    [
        (nn.BatchNormalization(3), np.zeros((2, 4)), 3, 4),
        (nn.BatchNormalization(3), np.zeros(3), 2, (3,)),
        (nn.SpatialBatchNormalization(3), np.zeros((2, 3)), 4, (2, 3)),
        (nn.BatchNormalization(3), np.zeros((1, 3)), "at least 2 values", 1),
        (nn.Normalize(2), np.zeros((1, 2, 3)), (1, 2), (1, 2, 3)),
        (nn.LayerNormalization(3), np.zeros((2, 4)), "(B, 3)", (2, 4)),
    ],
)
def test_wrong_inputs(net: Any, x: Any, expected: Any, got: Any) -> None:
    state = getattr(net, "running_mean", np.zeros(1)).copy()
    with pytest.raises(InputError, match="expects|needs") as caught:
        net.forward(x)
    assert caught.value.expected == expected and caught.value.got == got
    np.testing.assert_array_equal(getattr(net, "running_mean", np.zeros(1)), state)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.BatchNormalization(0),
        lambda: nn.BatchNormalization(3, 1e-5, 0.1, 1),
        lambda: nn.Normalize(0),
        lambda: nn.Normalize("2"),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, float("inf")])
def test_normalize_makes_unit_norms(p: float) -> None:
    x = RNG.standard_normal((5, 4))
    y = nn.Normalize(p).forward(x)
    np.testing.assert_allclose(np.linalg.norm(y, p, axis=1), 1, atol=1e-8)
    np.testing.assert_allclose(nn.Normalize(p).forward(x[0]), y[0])


def test_layer_normalization_of_one_sample_and_torchs_means_for_a_batch() -> None:
    x = RNG.standard_normal((3, 4))
    net = nn.LayerNormalization(4, 0.5)
    one = (x[0] - x[0].mean()) / x[0].std()
    np.testing.assert_allclose(net.forward(x[0]), one + 0.5, atol=1e-8)
    shifted = x - np.tile(x.mean(1), 4).reshape(3, 4)  # Torch's order of the means
    expected = shifted / np.sqrt((shifted**2).mean(1, keepdims=True)) + 0.5
    np.testing.assert_allclose(net.forward(x), expected, atol=1e-8)
    assert nn.LayerNormalization(4, 0, 1e-10, False).parameters() == ([], [])

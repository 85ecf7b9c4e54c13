"""Pooling, unpooling and sub-sampling layers against plain loops, argument by argument."""

from __future__ import annotations

import math
from typing import Any

import convolution_reference as slow
import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError, StateError
from minigraph.random import rand

Array = np.ndarray


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def scattered(g: Array, where: Array, shape: tuple[int, ...], rank: int) -> Array:
    """Add each entry of ``g`` to the place in its plane of ``rank`` dimensions, counted from 1."""
    out = np.zeros((math.prod(shape[:-rank]), math.prod(shape[-rank:])))
    rows = where.reshape(len(out), -1)
    for plane, row in enumerate(rows):
        for value, position in zip(g.reshape(rows.shape)[plane], row):
            out[plane, position - 1] += value
    return out.reshape(shape)


MAX = [
    (2, 2), (3, 2), (2, 3, 1, 2), (3, 3, 2, 2, 1, 1), (2, 3, 3, 4), (3, 2, 1, 1, 0, 1), (4, 3, 3, 2, 2, 1),
    (7, 6), (1, 1), (1, 1, 2, 2),
]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", MAX, ids=str)
def test_spatial_max_pooling(arguments: Any, batch: Any, ceil: bool) -> None:
    module = nn.SpatialMaxPooling(*arguments)
    assert (module.ceil() if ceil else module.ceil().floor()) is module
    x = random(*batch, 2, 6, 7)
    x[..., 2:4, 2:5] = x[..., :1, :1]  # equal values: the first is taken
    k, pad = (arguments[1], arguments[0]), (module.padH, module.padW)
    d = (arguments[3], arguments[2]) if len(arguments) > 2 else k
    pooled = [
        slow.max_pooling(s, k, d, pad, (1, 1), ceil) for s in (x if batch else x[None])
    ]
    for _ in range(2):
        out = module.forward(x)
        np.testing.assert_array_equal(out.reshape(-1, *out.shape[-3:]), [p[0] for p in pooled])
    where = np.array([p[1] for p in pooled]).reshape(out.shape)
    np.testing.assert_array_equal(module.indices, where)
    assert module.indices.dtype == np.int64
    g = random(*out.shape, seed=1)
    np.testing.assert_allclose(module.backward(x, g), scattered(g, where, x.shape, 2), atol=1e-14)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("arguments", [(2, 3, 1, 1, 0, 0, 2, 1), (3, 2, 2, 1, 1, 1, 1, 3), (2, 2)], ids=str)
def test_spatial_dilated_max_pooling(arguments: Any, ceil: bool) -> None:
    module = nn.SpatialDilatedMaxPooling(*arguments)
    kW, kH, dW, dH, padW, padH, lW, lH = (*arguments, *(2, 2, 0, 0, 1, 1)[len(arguments) - 2 :])
    if ceil:
        module.ceil()
    x = random(2, 7, 8)
    expected, where = slow.max_pooling(x, (kH, kW), (dH, dW), (padH, padW), (lH, lW), ceil)
    np.testing.assert_array_equal(module.forward(x), expected)
    g = random(*expected.shape, seed=1)
    np.testing.assert_allclose(module.backward(x, g), scattered(g, where, x.shape, 2), atol=1e-14)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "arguments", [(2, 2, 3), (2, 3, 2, 1, 2, 3), (2, 3, 2, 2, 2, 1, 1, 1, 0), (3, 2, 2, 1, 1, 2, 1)], ids=str
)
def test_volumetric_max_pooling(arguments: Any, batch: Any, ceil: bool) -> None:
    kT, kW, kH = arguments[:3]
    dT, dW, dH = arguments[3:6] or (kT, kW, kH)
    padT, padW, padH = (*arguments[6:], *(0, 0, 0)[len(arguments[6:]) :])
    x = random(*batch, 2, 5, 6, 7)
    for dilation in ((), (1, 2, 1)):
        layer = nn.VolumetricDilatedMaxPooling if dilation else nn.VolumetricMaxPooling
        module = layer(kT, kW, kH, dT, dW, dH, padT, padW, padH, *dilation)
        if ceil:
            module.ceil()
        lT, lW, lH = dilation or (1, 1, 1)
        pooled = [
            slow.max_pooling(s, (kT, kH, kW), (dT, dH, dW), (padT, padH, padW), (lT, lH, lW), ceil)
            for s in (x if batch else x[None])
        ]
        out = module.forward(x)
        np.testing.assert_array_equal(out.reshape(-1, *out.shape[-4:]), [p[0] for p in pooled])
        where = np.array([p[1] for p in pooled]).reshape(out.shape)
        np.testing.assert_array_equal(module.indices, where)
        g = random(*out.shape, seed=1)
        np.testing.assert_allclose(module.backward(x, g), scattered(g, where, x.shape, 3), atol=1e-14)


def test_more_than_256_taps() -> None:
    x = random(1, 20, 20)
    module = nn.SpatialMaxPooling(17, 18)
    expected, where = slow.max_pooling(x, (18, 17), (18, 17), (0, 0), (1, 1))
    np.testing.assert_array_equal(module.forward(x), expected)
    np.testing.assert_array_equal(module.indices, where)


def test_minus_infinity_can_be_the_maximum() -> None:
    module = nn.SpatialMaxPooling(2, 2, 1, 1, 1, 1)
    x = np.full((1, 2, 2), -np.inf)
    out = module.forward(x)
    assert np.isneginf(out).all()
    assert module.indices.min() >= 1 and module.indices.max() <= 4
    assert module.backward(x, np.ones_like(out)).sum() == 9


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kW,dW", [(2, None), (3, 1), (2, 3)])
def test_temporal_max_pooling(kW: int, dW: Any, batch: Any) -> None:
    module = nn.TemporalMaxPooling(kW, dW)
    x = random(*batch, 8, 3)
    starts = range(0, 8 - kW + 1, dW or kW)
    expected = slow.each(x, 2, lambda s: np.stack([s[t : t + kW].max(0) for t in starts]))
    for _ in range(2):
        np.testing.assert_array_equal(module.forward(x), expected)
    g = random(*expected.shape, seed=1)
    spread = np.zeros_like(x)
    for index in np.ndindex(*expected.shape):
        *sample, t, f = index
        frames = x[(*sample, slice(starts[t], starts[t] + kW), f)]
        spread[(*sample, starts[t] + int(frames.argmax()), f)] += g[index]
    np.testing.assert_allclose(module.backward(x, g), spread, atol=1e-14)


@pytest.mark.parametrize("minK,factor,k", [(2, 0, 2), (1, 0.5, 4), (3, 0.1, 3), (1, 1.0, 7)])
def test_dynamic_k_max_pooling(minK: int, factor: float, k: int) -> None:
    module = nn.TemporalDynamicKMaxPooling(minK, factor)
    x = random(2, 7, 3)
    out = module.forward(x)
    assert out.shape == (2, k, 3)
    g = random(2, k, 3, seed=1)
    gradInput = module.backward(x, g)
    for b, f in np.ndindex(2, 3):
        picked = sorted(np.argsort(x[b, :, f])[-k:])
        np.testing.assert_array_equal(out[b, :, f], x[b, picked, f])
        np.testing.assert_array_equal(gradInput[b, picked, f], g[b, :, f])
    assert np.count_nonzero(gradInput) == g.size
    np.testing.assert_array_equal(module.forward(x[0]), out[0])


def linear(module: Any, x: Array, expected: Array, tolerance: float = 1e-13) -> None:
    """Check the output of a linear layer, and gradInput through one random direction."""
    for _ in range(2):
        np.testing.assert_allclose(module.forward(x), expected, rtol=tolerance, atol=tolerance)
    g, direction = random(*expected.shape, seed=1), random(*x.shape, seed=2)
    gradInput = module.backward(x, g).copy()
    change = float(np.sum(module.forward(direction) * g))
    assert float(np.sum(gradInput * direction)) == pytest.approx(change, rel=1e-10, abs=1e-10)


AVERAGE = [
    (2, 2), (3, 2, 2, 1), (3, 2, 2, 2, 1, 1), (4, 3, 3, 2, 2, 1), (2, 2, 3, 3), (7, 6), (3, 3, 2, 2, 1),
]


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", AVERAGE, ids=str)
def test_spatial_average_pooling(arguments: Any, batch: Any, ceil: bool, include: bool) -> None:
    module = nn.SpatialAveragePooling(*arguments)
    kW, kH, dW, dH, padW, padH = (*arguments, *(1, 1, 0, 0)[len(arguments) - 2 :])
    if ceil:
        assert module.ceil() is module
    if not include:
        assert module.setCountExcludePad() is module
    x = random(*batch, 2, 6, 7)
    expected = slow.each(x, 3, lambda s: slow.average_pooling(
        s, (kH, kW), (dH, dW), (padH, padW), ceil, include
    ))
    linear(module, x, expected)
    module.setCountIncludePad().floor()
    assert module.count_include_pad and not module.ceil_mode


def test_average_pooling_without_division_sums() -> None:
    module = nn.SpatialAveragePooling(2, 2, 2, 2)
    module.divide = False
    linear(module, random(2, 4, 4), 4 * nn.SpatialAveragePooling(2, 2, 2, 2).forward(random(2, 4, 4)))


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("arguments", [(2, 3, 2), (2, 3, 2, 1, 2, 1), (3, 2, 2, 2, 1, 2, 1, 1, 0)], ids=str)
def test_volumetric_average_pooling(arguments: Any, include: bool, ceil: bool) -> None:
    module = nn.VolumetricAveragePooling(*arguments)
    if ceil:
        module.ceil()
    if not include:
        module.setCountExcludePad()
    kT, kW, kH = arguments[:3]
    dT, dW, dH = arguments[3:6] or (kT, kW, kH)
    padT, padW, padH = arguments[6:] or (0, 0, 0)
    x = random(2, 2, 4, 5, 6)
    linear(module, x, slow.each(x, 4, lambda s: slow.average_pooling(
        s, (kT, kH, kW), (dT, dH, dW), (padT, padH, padW), ceil, include
    )))


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("W,H", [(1, 1), (3, 2), (4, 4), (7, 6), (9, 8)])
def test_adaptive_pooling(W: int, H: int, batch: Any) -> None:
    x = random(*batch, 2, 6, 7)
    module = nn.SpatialAdaptiveAveragePooling(W, H)
    linear(module, x, slow.each(x, 3, lambda s: slow.adaptive(s, H, W, np.mean)))
    largest = nn.SpatialAdaptiveMaxPooling(W, H)
    expected = slow.each(x, 3, lambda s: slow.adaptive(s, H, W, np.max))
    np.testing.assert_array_equal(largest.forward(x), expected)
    flat = x.reshape(*x.shape[:-2], -1)
    picked = np.take_along_axis(flat, largest.indices.reshape(*x.shape[:-2], -1) - 1, -1)
    np.testing.assert_array_equal(picked.reshape(expected.shape), expected)
    g = random(*expected.shape, seed=1)
    np.testing.assert_allclose(
        largest.backward(x, g), scattered(g, largest.indices, x.shape, 2), atol=1e-14
    )


def test_adaptive_max_pooling_takes_the_first_of_equal_values() -> None:
    module = nn.SpatialAdaptiveMaxPooling(2, 1)
    module.forward(np.ones((1, 3, 4)))
    np.testing.assert_array_equal(module.indices, [[[1, 3]]])


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", [(2, 2, 4, 3), (2, 3, 0.5, 0.6), (3, 2, 1, 2)], ids=str)
def test_fractional_max_pooling(arguments: Any, batch: Any) -> None:
    x = random(*batch, 3, 8, 9)
    module = nn.SpatialFractionalMaxPooling(*arguments)
    counts = (math.floor(8 * arguments[3]), math.floor(9 * arguments[2])) if arguments[3] < 1 else (
        arguments[3], arguments[2]
    )
    mg.manualSeed(6)
    out = module.forward(x)
    mg.manualSeed(6)
    planes = math.prod(batch) * 3
    samples = rand(planes, 2)
    np.testing.assert_array_equal(module.randomSamples.reshape(-1, 2), samples)
    pools = (arguments[1], arguments[0])
    expected = slow.fractional(x.reshape(-1, 8, 9), samples, pools, counts)
    np.testing.assert_array_equal(out.reshape(expected.shape), expected)
    g = random(*out.shape, seed=1)
    np.testing.assert_allclose(
        module.backward(x, g), scattered(g, module.indices, x.shape, 2), atol=1e-14
    )


def test_fractional_regions_change_until_they_are_fixed() -> None:
    mg.manualSeed(1)
    x = random(2, 12, 12)
    module = nn.SpatialFractionalMaxPooling(2, 2, 5, 5)
    module.forward(x)
    first = module.randomSamples.copy()
    module.forward(x)
    assert not np.array_equal(module.randomSamples, first)
    assert module.fixPoolingRegions() is module
    kept = module.randomSamples.copy()
    module.forward(x)
    np.testing.assert_array_equal(module.randomSamples, kept)
    module.forward(random(3, 12, 12))  # other planes need other regions
    assert module.randomSamples.shape == (1, 3, 2)
    kept = module.randomSamples.copy()
    module.fixPoolingRegions(False).forward(random(3, 12, 12))
    assert not np.array_equal(module.randomSamples, kept)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", [(2, 3, 2, 3, 2, 4), (2, 2, 2, 0.4, 0.5, 0.6)], ids=str)
def test_volumetric_fractional_max_pooling(arguments: Any, batch: Any) -> None:
    x = random(*batch, 2, 7, 6, 8)  # height, width, time
    module = nn.VolumetricFractionalMaxPooling(*arguments)
    kT, kW, kH, outT, outW, outH = arguments
    if outT < 1:
        outT, outW, outH = math.floor(8 * outT), math.floor(6 * outW), math.floor(7 * outH)
    mg.manualSeed(6)
    out = module.forward(x)
    mg.manualSeed(6)
    samples = rand(math.prod(batch) * 2, 3)
    expected = slow.fractional(x.reshape(-1, 7, 6, 8), samples, (kH, kW, kT), (outH, outW, outT))
    np.testing.assert_array_equal(out.reshape(expected.shape), expected)
    g = random(*out.shape, seed=1)
    np.testing.assert_allclose(
        module.backward(x, g), scattered(g, module.indices, x.shape, 3), atol=1e-14
    )


@pytest.mark.parametrize("batch", [(), (2,)])
def test_unpooling_puts_values_back(batch: Any) -> None:
    for pool, layer, shape in (
        (nn.SpatialMaxPooling(2, 3), nn.SpatialMaxUnpooling, (2, 7, 5)),
        (nn.SpatialMaxPooling(2, 2, 2, 2, 1, 1).ceil(), nn.SpatialMaxUnpooling, (2, 7, 5)),
        (nn.VolumetricMaxPooling(2, 3, 1), nn.VolumetricMaxUnpooling, (2, 4, 5, 7)),
    ):
        module = layer(pool)
        x = random(*batch, *shape)
        pooled = pool.forward(x)
        values = random(*pooled.shape, seed=1)
        out = module.forward(values)
        np.testing.assert_array_equal(out, scattered(values, pool.indices, x.shape, len(shape) - 1))
        g = random(*x.shape, seed=2)
        direction = random(*pooled.shape, seed=3)
        change = float(np.sum(module.forward(direction) * g))
        assert float(np.sum(module.backward(values, g) * direction)) == pytest.approx(change)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("pnorm", [1, 2, 3, 2.5])
@pytest.mark.parametrize("steps", [(), (1,), (2, 1)])
def test_lp_pooling(pnorm: float, steps: Any, batch: Any) -> None:
    module = nn.SpatialLPPooling(2, pnorm, 3, 2, *steps)
    dW, dH = (*steps, *(3, 2)[len(steps) :])
    x = np.abs(random(*batch, 2, 6, 7)) + 0.1
    expected = slow.each(x, 3, lambda s: (
        6 * slow.average_pooling(s**pnorm, (2, 3), (dH, dW), (0, 0))
    ) ** (1 / pnorm))
    np.testing.assert_allclose(module.forward(x), expected, rtol=1e-12)
    assert module.parameters() == ([], [])


@pytest.mark.parametrize(
    "shape,batch",
    [
        ((7,), False), ((7, 3), False), ((7, 3, 2), False),
        ((2, 7), True), ((2, 7, 3), True), ((2, 7, 3, 2), True),
    ],
)
@pytest.mark.parametrize("width,stride,power", [(2, 1, 2), (3, 2, 3), (7, 4, 1.5)])
def test_feature_lp_pooling(shape: Any, batch: bool, width: int, stride: int, power: float) -> None:
    module = nn.FeatureLPPooling(width, stride, power, batch)
    x = np.abs(random(*shape)) + 0.1
    axis = int(batch)
    parts = [
        (np.take(x, range(s, s + width), axis) ** power).sum(axis, keepdims=True) ** (1 / power)
        for s in range(0, 7 - width + 1, stride)
    ]
    np.testing.assert_allclose(module.forward(x), np.concatenate(parts, axis), rtol=1e-12)


def test_feature_lp_pooling_passes_nothing_back_where_the_norm_is_zero() -> None:
    module = nn.FeatureLPPooling(2, 2, 2)
    x = np.array([0.0, 0.0, 3.0, 4.0])
    np.testing.assert_allclose(module.forward(x), [0, 5])
    np.testing.assert_allclose(module.backward(x, np.ones(2)), [0, 0, 0.6, 0.8])


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", [(3, 2), (3, 2, 2), (2, 3, 1, 2), (7, 6)], ids=str)
def test_sub_sampling(arguments: Any, batch: Any) -> None:
    module = nn.SpatialSubSampling(2, *arguments)
    kW, kH, dW, dH = (*arguments, *(1, 1)[len(arguments) - 2 :])
    x = random(*batch, 2, 6, 7)
    sums = slow.each(x, 3, lambda s: kW * kH * slow.average_pooling(s, (kH, kW), (dH, dW), (0, 0)))
    weight, bias = module.weight[:, None, None], module.bias[:, None, None]
    np.testing.assert_allclose(module.forward(x), weight * sums + bias, atol=1e-13)
    g = random(*sums.shape, seed=1)
    module.zeroGradParameters()
    gradInput = module.backward(x, g, 2.0).copy()
    other = tuple(axis for axis in range(sums.ndim) if axis != sums.ndim - 3)
    np.testing.assert_allclose(module.gradWeight, 2 * (sums * g).sum(other), rtol=1e-12)
    np.testing.assert_allclose(module.gradBias, 2 * g.sum(other), rtol=1e-12)
    direction = random(*x.shape, seed=2)
    change = float(np.sum((module.forward(direction) - bias) * g))
    assert float(np.sum(gradInput * direction)) == pytest.approx(change)


@pytest.mark.parametrize(
    "module,text",
    [
        (lambda: nn.SpatialMaxPooling(2, 3), "nn.SpatialMaxPooling(2x3, 2,3)"),
        (lambda: nn.SpatialMaxPooling(2, 3, 1, 2, 1, 0), "nn.SpatialMaxPooling(2x3, 1,2, 1,0)"),
        (lambda: nn.SpatialAveragePooling(2, 3), "nn.SpatialAveragePooling(2x3, 1,1)"),
        (
            lambda: nn.SpatialDilatedMaxPooling(2, 3, 1, 2, 1, 0, 3, 4),
            "nn.SpatialDilatedMaxPooling(2x3, 1,2, 1,0, 3,4)",
        ),
        (lambda: nn.VolumetricMaxPooling(2, 3, 4), "nn.VolumetricMaxPooling(2x3x4, 2,3,4)"),
        (
            lambda: nn.SpatialMaxUnpooling(nn.SpatialMaxPooling(2, 2)),
            "nn.SpatialMaxUnpooling associated to nn.SpatialMaxPooling(2x2, 2,2)",
        ),
        (
            lambda: nn.SpatialFractionalMaxPooling(2, 3, 4, 5),
            "nn.SpatialFractionalMaxPooling(4x5, 2,3)",
        ),
    ],
)
def test_repr(module: Any, text: str) -> None:
    assert repr(module()) == text


@pytest.mark.parametrize(
    "build,shape,expected,got",
    [
        (lambda: nn.SpatialMaxPooling(3, 3), (5, 5), (3, 4), (5, 5)),
        (lambda: nn.SpatialMaxPooling(4, 3), (2, 3, 3), "at least (3, 4) with padding", (3, 3)),
        (
            lambda: nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 1, 1, 3, 3), (1, 2, 2),
            "a value in every window", (2, 2),
        ),
        (lambda: nn.SpatialAveragePooling(4, 3), (2, 3, 3), "at least (3, 4) with padding", (3, 3)),
        (lambda: nn.VolumetricMaxPooling(2, 2, 2), (2, 3, 3), (4, 5), (2, 3, 3)),
        (lambda: nn.TemporalMaxPooling(3), (2, 4), "at least 3 frames", (2, 4)),
        (lambda: nn.TemporalDynamicKMaxPooling(3), (2, 4), "at least 3 frames", 2),
        (lambda: nn.SpatialSubSampling(3, 2, 2), (2, 4, 4), 3, 2),
        (lambda: nn.SpatialFractionalMaxPooling(2, 2, 3, 3), (2, 6, 4), "W >= 5", "(6, 4)"),
        (lambda: nn.SpatialFractionalMaxPooling(2, 2, 0.1, 0.5), (2, 6, 8), "W >= 3", "(6, 8)"),
        (lambda: nn.FeatureLPPooling(3, 1, 2), (2, 4), "at least 3 features", 2),
        (lambda: nn.SpatialAdaptiveMaxPooling(3, 3), (2, 3), (3, 4), (2, 3)),
    ],
)
def test_wrong_inputs(build: Any, shape: Any, expected: Any, got: Any) -> None:
    slow.check_refusal(build, shape, expected, got)


def test_unpooling_needs_its_pooling() -> None:
    pool = nn.SpatialMaxPooling(2, 2)
    module = nn.SpatialMaxUnpooling(pool)
    with pytest.raises(StateError, match="must run forward first"):
        module.forward(np.ones((1, 2, 2)))
    pool.forward(np.ones((1, 4, 4)))
    with pytest.raises(InputError, match=r"\(1, 2, 2\), got \(1, 2, 3\)"):
        module.forward(np.ones((1, 2, 3)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.SpatialMaxPooling(0, 2),
        lambda: nn.SpatialMaxPooling(2, 2, 0, 1),
        lambda: nn.SpatialMaxPooling(3, 3, 1, 1, 2, 0),
        lambda: nn.SpatialAveragePooling(3, 3, 1, 1, 2, 0),
        lambda: nn.TemporalMaxPooling(0),
        lambda: nn.TemporalDynamicKMaxPooling(0),
        lambda: nn.TemporalDynamicKMaxPooling(1, 2),
        lambda: nn.SpatialAdaptiveMaxPooling(0, 1),
        lambda: nn.SpatialAdaptiveAveragePooling(1, 0),
        lambda: nn.SpatialFractionalMaxPooling(1, 2, 3, 3),
        lambda: nn.SpatialFractionalMaxPooling(2, 2, 0.5, 3),
        lambda: nn.FeatureLPPooling(1, 1, 2),
        lambda: nn.FeatureLPPooling(2, 5, 2),
        lambda: nn.SpatialMaxUnpooling(nn.SpatialMaxPooling(3, 3, 2, 2)),
        lambda: nn.SpatialMaxUnpooling(nn.VolumetricMaxPooling(2, 2, 2)),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()

"""Padding, up-sampling and local normalisation against plain loops and formulas."""

from __future__ import annotations

from typing import Any

import convolution_reference as slow
import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError
from minigraph.random import uniform

Array = np.ndarray


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def linear(module: Any, x: Array, expected: Array, tolerance: float = 1e-13) -> None:
    """Check the output of a linear layer, and gradInput through one random direction."""
    for _ in range(2):
        np.testing.assert_allclose(module.forward(x), expected, rtol=tolerance, atol=tolerance)
    g, direction = random(*expected.shape, seed=1), random(*x.shape, seed=2)
    kept = g.copy()
    gradInput = module.backward(x, g).copy()
    np.testing.assert_array_equal(g, kept)
    change = float(np.sum(module.forward(direction) * g))
    assert float(np.sum(gradInput * direction)) == pytest.approx(change, rel=1e-10, abs=1e-10)


def pad_by(x: Array, mode: str, *pairs: tuple[int, int]) -> Array:
    """NumPy's padding of the last dimensions; negative numbers cut off afterwards."""
    front = x.ndim - len(pairs)
    wide = [(0, 0)] * front + [(max(a, 0), max(b, 0)) for a, b in pairs]
    out = np.pad(x, wide, mode=mode)  # type: ignore[call-overload]
    cut = [slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, out.shape[front:])]
    return out[(..., *cut)]


PADS = [(1,), (2, 1), (0, 1, 2), (1, 2, 3, 0), (-1, 2, 1, -2), (-2, -1, -1, -1), (0, 0, 0, 0)]


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", PADS, ids=str)
@pytest.mark.parametrize(
    "layer,mode",
    [
        (nn.SpatialZeroPadding, "constant"), (nn.SpatialReflectionPadding, "reflect"),
        (nn.SpatialReplicationPadding, "edge"),
    ],
)
def test_spatial_padding(layer: Any, mode: str, arguments: Any, batch: Any) -> None:
    left, right, top, bottom = (*arguments, *[arguments[0]] * (4 - len(arguments)))
    x = random(*batch, 2, 4, 5)
    linear(layer(*arguments), x, pad_by(x, mode, (top, bottom), (left, right)))


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("arguments", [(1,), (2, 0, 1), (1, 2, 0, 1, 2, 3), (-1, 1, 2, -2, 0, -1)], ids=str)
def test_volumetric_replication_padding(arguments: Any, batch: Any) -> None:
    left, right, top, bottom, front, back = (*arguments, *[arguments[0]] * (6 - len(arguments)))
    x = random(*batch, 2, 3, 4, 5)
    expected = pad_by(x, "edge", (front, back), (top, bottom), (left, right))
    linear(nn.VolumetricReplicationPadding(*arguments), x, expected)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_nearest(scale: int, batch: Any) -> None:
    x = random(*batch, 2, 3, 4)
    expected = np.kron(x, np.ones((scale, scale)))
    linear(nn.SpatialUpSamplingNearest(scale), x, expected)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "params", [1, 2, 3, 2.0, {"oheight": 7, "owidth": 3}, {"owidth": 1, "oheight": 1}], ids=str
)
def test_bilinear(params: Any, batch: Any) -> None:
    x = random(*batch, 2, 3, 4)
    size = params if isinstance(params, dict) else {"oheight": int(3 * params), "owidth": int(4 * params)}
    expected = slow.each(x, 3, lambda s: slow.bilinear(s, size["oheight"], size["owidth"]))
    linear(nn.SpatialUpSamplingBilinear(params), x, expected)


@pytest.mark.parametrize("size", [(3, 4), (2, 3, 4)], ids=["images", "volumes"])
@pytest.mark.parametrize("mode", [None, "nearest", "linear", "bilinear", "trilinear"])
def test_upsampling(mode: Any, size: Any) -> None:
    x = random(2, 3, *size)
    if mode in (None, "nearest"):
        linear(nn.UpSampling(3, mode), x, np.kron(x, np.ones((3,) * len(size))))
        return
    planes = x
    if len(size) == 3:  # along the depth first: an image of depth by everything else
        planes = slow.each(x.reshape(2, 3, 2, 12), 3, lambda s: slow.bilinear(s, 6, 12)).reshape(2, 18, 3, 4)
    expected = slow.each(planes, 3, lambda s: slow.bilinear(s, 9, 12))
    linear(nn.UpSampling(3, mode), x, expected.reshape(2, 3, *(3 * n for n in size)))


def test_upsampling_to_a_size() -> None:
    layer, x = nn.UpSampling({"oheight": 5, "owidth": 1}, "linear"), random(2, 3, 4, 2)
    linear(layer, x, slow.each(x, 3, lambda s: slow.bilinear(s, 5, 1)))
    with pytest.raises(InputError, match="odepth"):
        layer.forward(random(2, 3, 4, 2, 2))
    volume = nn.UpSampling({"odepth": 2, "oheight": 4, "owidth": 3}, "linear")
    assert volume.forward(random(1, 1, 4, 2, 2)).shape == (1, 1, 2, 4, 3)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixel_shuffle(r: int, batch: Any) -> None:
    x = random(*batch, 2 * r * r, 3, 4)

    def one(s: Array) -> Array:
        out = np.zeros((2, 3 * r, 4 * r))
        for c, i, j in np.ndindex(*out.shape):
            out[c, i, j] = s[c * r * r + i % r * r + j % r, i // r, j // r]
        return out

    expected = slow.each(x, 3, one)
    linear(nn.PixelShuffle(r), x, expected)
    linear(nn.PixelShuffle(r, True), x, expected)
    linear(nn.PixelShuffle(r, False), expected, x)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("planes", [1, 2, 5, 7])
@pytest.mark.parametrize(
    "arguments", [(3,), (1,), (5, 0.4), (3, 0.7, 0.5), (5, 1.3, 0.8, 2), (9, 1.0)], ids=str
)
def test_cross_map_normalisation(arguments: Any, planes: int, batch: Any) -> None:
    size, alpha, beta, k = (*arguments, *(0.0001, 0.75, 1)[len(arguments) - 1 :])
    x = random(*batch, planes, 3, 4)

    def one(s: Array) -> Array:
        out = np.zeros_like(s)
        for c in range(planes):
            around = s[max(0, c - size // 2) : c + size // 2 + 1]
            out[c] = s[c] / (k + alpha / size * (around**2).sum(0)) ** beta
        return out

    module = nn.SpatialCrossMapLRN(*arguments)
    np.testing.assert_allclose(module.forward(x), slow.each(x, 3, one), rtol=1e-12)


KERNELS = {
    "default": None, "square": np.ones((3, 3)), "wide": np.outer([1.0, 2, 1], [1.0, 3, 4, 3, 1]),
    "line": np.array([1.0, 2.0, 1.0]), "uneven": np.arange(1.0, 16).reshape(5, 3),
}


SMALL = "an output of at least 1 along each axis"


def as_plane(kernel: Any) -> Array:
    kernel = np.ones((9, 9)) if kernel is None else kernel
    return np.outer(kernel, kernel) if kernel.ndim == 1 else kernel


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("planes", [1, 3])
def test_local_normalisation(planes: int, kernel: str, batch: Any) -> None:
    x = random(*batch, planes, 6, 7) + 0.2
    arguments = (planes,) if kernel == "default" else (planes, KERNELS[kernel])
    plane = as_plane(KERNELS[kernel])

    def subtract(s: Array) -> Array:
        return s - slow.neighbourhood_mean(s, plane)

    def divide(s: Array, threshold: float = 1e-4, instead: float = 1e-4) -> Array:
        # Torch7 corrects the standard deviation by the border's share, not by its root.
        share = inside(plane, s.shape[1:])
        deviation = np.sqrt(slow.neighbourhood_mean(s * s, plane) * share) / share
        return s / np.where(deviation > threshold, deviation, instead)

    expected = slow.each(x, 3, subtract)
    module = nn.SpatialSubtractiveNormalization(*arguments)
    linear(module, x, expected, 1e-12)
    divisive = nn.SpatialDivisiveNormalization(*arguments)
    np.testing.assert_allclose(divisive.forward(x), slow.each(x, 3, divide), rtol=1e-10)
    contrastive = nn.SpatialContrastiveNormalization(*arguments)
    wanted = slow.each(expected, 3, divide)
    np.testing.assert_allclose(contrastive.forward(x), wanted, rtol=1e-9, atol=1e-12)
    for layer, before in ((type(divisive), x), (type(contrastive), expected)):
        limited = layer(planes, KERNELS[kernel], 0.9, 0.7)
        wanted = slow.each(before, 3, lambda s: divide(s, 0.9, 0.7))
        np.testing.assert_allclose(limited.forward(x), wanted, rtol=1e-9, atol=1e-12)
        assert layer(planes, KERNELS[kernel], 0.9).thresval == 0.9


def inside(kernel: Array, size: Any) -> Array:
    """Return the share of the kernel's weight that meets a plane of ones at each place."""
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    wide = np.pad(np.ones(size), ((up, up), (left, left)))
    out = np.zeros(size)
    for i, j in np.ndindex(*size):
        out[i, j] = (wide[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel).sum()
    return out / kernel.sum()


def test_local_normalisation_keeps_the_kernel_and_follows_the_input_size() -> None:
    kernel = np.ones((3, 3))
    module = nn.SpatialContrastiveNormalization(1, kernel)
    np.testing.assert_array_equal(kernel, np.ones((3, 3)))
    for size in ((5, 5), (6, 4), (5, 5)):
        x = random(1, *size)
        fresh = nn.SpatialContrastiveNormalization(1, kernel)
        np.testing.assert_array_equal(module.forward(x), fresh.forward(x))


def test_local_normalisation_draws_as_much_as_torch() -> None:
    # Torch builds convolutions for the means, whose first weights it draws and replaces.
    for build, draws in (
        (lambda: nn.SpatialSubtractiveNormalization(2, np.ones((3, 5))), 2 * 15 + 1),
        (lambda: nn.SpatialDivisiveNormalization(2, np.ones(3)), 2 * (2 * 3 + 2 + 2 * 3 + 1)),
    ):
        mg.manualSeed(3)
        for _ in range(draws):
            uniform()
        expected = uniform()
        mg.manualSeed(3)
        build()
        assert uniform() == expected


@pytest.mark.parametrize(
    "module,text",
    [
        (lambda: nn.SpatialReflectionPadding(1, 2), "nn.SpatialReflectionPadding(l=1,r=2,t=1,b=1)"),
        (
            lambda: nn.VolumetricReplicationPadding(1, 2, 3, 4, 5, 6),
            "nn.VolumetricReplicationPadding(left=1, right=2, top=3, bottom=4, front=5, back=6)",
        ),
        (lambda: nn.SpatialUpSamplingBilinear(3), "nn.SpatialUpSamplingBilinear(3)"),
        (
            lambda: nn.SpatialUpSamplingBilinear({"oheight": 3, "owidth": 4}),
            "nn.SpatialUpSamplingBilinear(3, 4)",
        ),
        (lambda: nn.UpSampling(2), "nn.UpSampling(2x, nearest)"),
        (
            lambda: nn.UpSampling({"odepth": 2, "oheight": 3, "owidth": 4}, "linear"),
            "nn.UpSampling(2x3x4, linear)",
        ),
    ],
)
def test_repr(module: Any, text: str) -> None:
    assert repr(module()) == text


@pytest.mark.parametrize(
    "build,shape,expected,got",
    [
        (lambda: nn.SpatialZeroPadding(1), (3, 3), (3, 4), (3, 3)),
        (lambda: nn.SpatialZeroPadding(-2), (1, 4, 5), SMALL, (4, 5)),
        (lambda: nn.SpatialZeroPadding(-5, 9, 0, 0), (1, 4, 5), SMALL, (4, 5)),
        (lambda: nn.SpatialReflectionPadding(3), (1, 4, 3), "more than 3", 3),
        (lambda: nn.SpatialReplicationPadding(1), (2, 3), (3, 4), (2, 3)),
        (lambda: nn.VolumetricReplicationPadding(1), (2, 3, 3), (4, 5), (2, 3, 3)),
        (lambda: nn.SpatialUpSamplingNearest(2), (2, 3), (3, 4), (2, 3)),
        (lambda: nn.SpatialUpSamplingBilinear(2), (2, 3), (3, 4), (2, 3)),
        (lambda: nn.UpSampling(2), (2, 3, 3), (4, 5), (2, 3, 3)),
        (lambda: nn.PixelShuffle(2), (6, 3, 3), "planes by 4 divisible", (6, 3, 3)),
        (lambda: nn.PixelShuffle(2, False), (1, 3, 4), "height and width by 2 divisible", (1, 3, 4)),
        (lambda: nn.SpatialCrossMapLRN(3), (3, 3), (3, 4), (3, 3)),
        (lambda: nn.SpatialSubtractiveNormalization(2), (3, 9, 9), 2, 3),
        (lambda: nn.SpatialDivisiveNormalization(2), (3, 9, 9), 2, 3),
    ],
)
def test_wrong_inputs(build: Any, shape: Any, expected: Any, got: Any) -> None:
    slow.check_refusal(build, shape, expected, got)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.SpatialUpSamplingNearest(0),
        lambda: nn.SpatialUpSamplingNearest(1.5),
        lambda: nn.SpatialUpSamplingBilinear(0),
        lambda: nn.SpatialUpSamplingBilinear({"oheight": 3}),
        lambda: nn.SpatialUpSamplingBilinear({"oheight": 3, "owidth": 0}),
        lambda: nn.UpSampling(1.5),
        lambda: nn.UpSampling(2, "cubic"),
        lambda: nn.UpSampling({"oheight": 3, "owidth": 4}, "nearest"),
        lambda: nn.UpSampling({"oheight": 3, "odepth": 4}, "linear"),
        lambda: nn.UpSampling({"oheight": 3, "owidth": "4"}, "linear"),
        lambda: nn.PixelShuffle(0),
        lambda: nn.SpatialCrossMapLRN(4),
        lambda: nn.SpatialSubtractiveNormalization(1, np.ones((2, 3))),
        lambda: nn.SpatialDivisiveNormalization(1, np.ones((3, 3, 3))),
        lambda: nn.SpatialContrastiveNormalization(1, np.zeros(3)),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()

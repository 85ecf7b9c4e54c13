"""The convolution chapter, https://github.com/torch/nn/blob/master/doc/convolution.md."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph import nn
from registry.case import Case, fixed, normal, positive, spread


def both(build: Callable[[], Any], draw: Any, *shape: int, **options: Any) -> list[Case]:
    """Cases for one sample and for a batch of two."""
    return [Case(build, draw(*shape), **options), Case(build, draw(2, *shape), batch=True, **options)]


def unpooling(build: Callable[[], Any], unpool: Callable[[Any], Any], size: tuple[int, ...]) -> Any:
    """An unpooling whose pooling has run, so that it knows where the largest values were."""
    pooling = build()
    pooling.forward(np.random.default_rng(2).standard_normal(size))
    return unpool(pooling)


MAP = fixed([[1, 1], [2, 1], [2, 2], [1, 3]])

CASES = {
    "TemporalConvolution": both(lambda: nn.TemporalConvolution(3, 2, 2, 2), normal, 6, 3),
    "TemporalRowConvolution": [
        *both(lambda: nn.TemporalRowConvolution(3, 2), normal, 5, 3),
        *both(lambda: nn.TemporalRowConvolution(3, 2, 1, True), normal, 3, 5),
    ],
    "TemporalSubSampling": both(lambda: nn.TemporalSubSampling(3, 2, 2), normal, 6, 3),
    "TemporalMaxPooling": both(lambda: nn.TemporalMaxPooling(2), spread, 6, 3),
    "TemporalDynamicKMaxPooling": both(lambda: nn.TemporalDynamicKMaxPooling(2, 0.5), spread, 6, 3),
    "SpatialConvolution": [
        *both(lambda: nn.SpatialConvolution(2, 3, 3, 2, 2, 1, 1, 1), normal, 2, 4, 5),
        Case(lambda: nn.SpatialConvolution(2, 3, 2, 2).noBias(), normal(2, 3, 3)),
    ],
    "SpatialConvolutionMM": both(lambda: nn.SpatialConvolutionMM(2, 3, 2, 2), normal, 2, 3, 4),
    "SpatialConvolutionLocal": both(
        lambda: nn.SpatialConvolutionLocal(2, 3, 4, 3, 2, 2), normal, 2, 3, 4
    ),
    "SpatialConvolutionMap": both(
        lambda: nn.SpatialConvolutionMap(MAP(None), 2, 2), normal, 2, 3, 3
    ),
    "SpatialFullConvolutionMap": both(
        lambda: nn.SpatialFullConvolutionMap(MAP(None), 2, 2, 2, 2), normal, 2, 2, 2
    ),
    "SpatialDilatedConvolution": both(
        lambda: nn.SpatialDilatedConvolution(2, 3, 2, 2, 1, 1, 1, 1, 2, 2), normal, 2, 3, 4
    ),
    "SpatialDepthWiseConvolution": both(
        lambda: nn.SpatialDepthWiseConvolution(2, 2, 2, 2), normal, 2, 3, 3
    ),
    "SpatialFullConvolution": both(
        lambda: nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 1, 1, 1, 1), normal, 2, 2, 3
    ),
    "SpatialSubSampling": both(lambda: nn.SpatialSubSampling(2, 2, 2, 2, 2), normal, 2, 4, 4),
    "SpatialMaxPooling": [
        *both(lambda: nn.SpatialMaxPooling(3, 3, 2, 2, 1, 1), spread, 2, 4, 5),
        Case(lambda: nn.SpatialMaxPooling(2, 2).ceil(), spread(2, 3, 5)),
    ],
    "SpatialDilatedMaxPooling": both(
        lambda: nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 1, 1, 2, 2), spread, 2, 4, 4
    ),
    "SpatialMaxUnpooling": [
        Case(
            lambda: unpooling(
                lambda: nn.SpatialMaxPooling(2, 2), nn.SpatialMaxUnpooling, (2, 4, 4)
            ),
            normal(2, 2, 2),
        ),
    ],
    "SpatialFractionalMaxPooling": [
        Case(lambda: nn.SpatialFractionalMaxPooling(2, 2, 3, 3), spread(2, 2, 6, 6), single=True),
        Case(lambda: nn.SpatialFractionalMaxPooling(2, 2, 0.5, 0.5), spread(2, 6, 6)),
    ],
    "SpatialAveragePooling": both(
        lambda: nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1), normal, 2, 4, 5
    ),
    "SpatialAdaptiveMaxPooling": both(lambda: nn.SpatialAdaptiveMaxPooling(3, 2), spread, 2, 5, 4),
    "SpatialAdaptiveAveragePooling": both(
        lambda: nn.SpatialAdaptiveAveragePooling(3, 2), normal, 2, 5, 4
    ),
    "SpatialLPPooling": both(lambda: nn.SpatialLPPooling(2, 2, 2, 2, 2, 2), positive, 2, 4, 4),
    "FeatureLPPooling": [
        Case(lambda: nn.FeatureLPPooling(2, 2, 2, False), positive(6)),
        Case(lambda: nn.FeatureLPPooling(3, 2, 2, True), positive(2, 7), batch=True),
    ],
    "SpatialUpSamplingNearest": both(lambda: nn.SpatialUpSamplingNearest(2), normal, 2, 2, 3),
    "SpatialUpSamplingBilinear": both(lambda: nn.SpatialUpSamplingBilinear(2), normal, 2, 2, 3),
    "UpSampling": [
        Case(lambda: nn.UpSampling(2), normal(2, 2, 2, 3), label="nearest", batch=True),
        Case(lambda: nn.UpSampling(2, "nearest"), normal(2, 2, 2, 1, 3), label="volume", batch=True),
        Case(lambda: nn.UpSampling(3, "linear"), normal(2, 2, 2, 3), label="linear", batch=True),
        Case(
            lambda: nn.UpSampling({"odepth": 3, "oheight": 2, "owidth": 5}, "linear"),
            normal(2, 2, 2, 3, 3), label="linear volume", batch=True,
        ),
    ],
    "SpatialZeroPadding": both(lambda: nn.SpatialZeroPadding(1, 2, -1, 1), normal, 2, 3, 3),
    "SpatialReflectionPadding": both(
        lambda: nn.SpatialReflectionPadding(1, 2, 1, 1), normal, 2, 3, 3
    ),
    "SpatialReplicationPadding": both(
        lambda: nn.SpatialReplicationPadding(1, 2, 1, 1), normal, 2, 3, 3
    ),
    "SpatialCrossMapLRN": both(lambda: nn.SpatialCrossMapLRN(3, 0.5, 0.75, 2), normal, 5, 2, 2),
    "SpatialSubtractiveNormalization": both(
        lambda: nn.SpatialSubtractiveNormalization(2, np.ones((3, 3))), normal, 2, 4, 4
    ),
    "SpatialDivisiveNormalization": both(
        lambda: nn.SpatialDivisiveNormalization(2, np.ones((3, 3))), spread, 2, 4, 4, tolerance=1e-5
    ),
    "SpatialContrastiveNormalization": both(
        lambda: nn.SpatialContrastiveNormalization(2, np.ones((3, 3))), spread, 2, 4, 4, tolerance=1e-5
    ),
    "PixelShuffle": [
        *both(lambda: nn.PixelShuffle(2), normal, 8, 2, 2),
        Case(lambda: nn.PixelShuffle(2, False), normal(2, 4, 4)),
    ],
    "VolumetricConvolution": both(
        lambda: nn.VolumetricConvolution(2, 2, 2, 2, 2, 1, 2, 1, 1, 0, 1), normal, 2, 2, 3, 3
    ),
    "VolumetricDilatedConvolution": both(
        lambda: nn.VolumetricDilatedConvolution(2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2, 2),
        normal, 2, 2, 2, 2,
    ),
    "VolumetricFullConvolution": both(
        lambda: nn.VolumetricFullConvolution(2, 2, 2, 2, 2, 2, 2, 2), normal, 2, 2, 1, 2
    ),
    "VolumetricMaxPooling": both(lambda: nn.VolumetricMaxPooling(2, 2, 2), spread, 2, 2, 4, 2),
    "VolumetricDilatedMaxPooling": both(
        lambda: nn.VolumetricDilatedMaxPooling(2, 2, 2, 1, 1, 1, 0, 0, 0, 2, 1, 1), spread, 2, 3, 3, 2
    ),
    "VolumetricMaxUnpooling": [
        Case(
            lambda: unpooling(
                lambda: nn.VolumetricMaxPooling(2, 2, 2), nn.VolumetricMaxUnpooling, (2, 2, 4, 2)
            ),
            normal(2, 1, 2, 1),
        ),
    ],
    "VolumetricFractionalMaxPooling": [
        Case(lambda: nn.VolumetricFractionalMaxPooling(2, 2, 2, 2, 2, 2), spread(1, 4, 4, 4)),
    ],
    "VolumetricAveragePooling": both(
        lambda: nn.VolumetricAveragePooling(2, 2, 2, 1, 2, 2), normal, 2, 2, 4, 2
    ),
    "VolumetricReplicationPadding": both(
        lambda: nn.VolumetricReplicationPadding(1, 1, 1, 0, 0, 1), normal, 2, 2, 2, 2
    ),
}

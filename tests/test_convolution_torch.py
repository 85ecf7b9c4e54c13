"""The convolution chapter beside PyTorch, where both define the same layer."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest

from minigraph import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
F = torch.nn.functional


def weights(module: Any) -> list[Any]:
    return [torch.tensor(parameter, requires_grad=True) for parameter in module.parameters()[0]]


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Any], tuple[int, ...]]] = {
    "convolution": (
        lambda: nn.SpatialConvolution(4, 6, 3, 2, 2, 1, 1, 0),
        lambda x, w, b: F.conv2d(x, w, b, (1, 2), (0, 1)), (2, 4, 9, 8),
    ),
    "dilated": (
        lambda: nn.SpatialDilatedConvolution(4, 6, 3, 2, 2, 1, 1, 2, 2, 3),
        lambda x, w, b: F.conv2d(x, w, b, (1, 2), (2, 1), (3, 2)), (2, 4, 9, 8),
    ),
    "full": (
        lambda: nn.SpatialFullConvolution(4, 6, 3, 2, 2, 3, 1, 0, 1, 2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, (3, 2), (0, 1), (2, 1)), (2, 4, 5, 6),
    ),
    "volumetric": (
        lambda: nn.VolumetricConvolution(2, 3, 2, 3, 2, 1, 2, 1, 1, 0, 1),
        lambda x, w, b: F.conv3d(x, w, b, (1, 1, 2), (1, 1, 0)), (2, 2, 4, 5, 6),
    ),
    "volumetric full": (
        lambda: nn.VolumetricFullConvolution(2, 3, 2, 3, 2, 2, 2, 1, 0, 1, 0, 1, 1, 0),
        lambda x, w, b: F.conv_transpose3d(x, w, b, (2, 1, 2), (0, 0, 1), (1, 0, 1)), (2, 2, 3, 4, 3),
    ),
    "max": (
        lambda: nn.SpatialMaxPooling(3, 2, 2, 1, 1, 1).ceil(),
        lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 1), ceil_mode=True), (2, 3, 8, 9),
    ),
    "max, disjoint": (
        lambda: nn.SpatialMaxPooling(2, 2), lambda x: F.max_pool2d(x, 2), (2, 3, 8, 9),
    ),
    "volumetric max": (
        lambda: nn.VolumetricDilatedMaxPooling(2, 3, 2, 1, 2, 2, 1, 1, 0, 2, 1, 2),
        lambda x: F.max_pool3d(x, (2, 2, 3), (1, 2, 2), (1, 0, 1), (2, 2, 1)), (2, 2, 5, 6, 7),
    ),
    "average": (
        lambda: nn.SpatialAveragePooling(3, 2, 2, 1, 1, 1).ceil().setCountExcludePad(),
        lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 1), True, False), (2, 3, 8, 9),
    ),
    "volumetric average": (
        lambda: nn.VolumetricAveragePooling(2, 3, 2, 1, 2, 2, 1, 1, 0),
        lambda x: F.avg_pool3d(x, (2, 2, 3), (1, 2, 2), (1, 0, 1)), (2, 2, 5, 6, 7),
    ),
    "adaptive max": (
        lambda: nn.SpatialAdaptiveMaxPooling(4, 3), lambda x: F.adaptive_max_pool2d(x, (3, 4)), (2, 3, 8, 9),
    ),
    "adaptive average": (
        lambda: nn.SpatialAdaptiveAveragePooling(4, 3),
        lambda x: F.adaptive_avg_pool2d(x, (3, 4)), (2, 3, 8, 9),
    ),
    "reflection": (
        lambda: nn.SpatialReflectionPadding(1, 2, 3, 0),
        lambda x: F.pad(x, (1, 2, 3, 0), "reflect"), (2, 3, 4, 5),
    ),
    "volumetric replication": (
        lambda: nn.VolumetricReplicationPadding(1, 2, 3, 0, 2, 1),
        lambda x: F.pad(x, (1, 2, 3, 0, 2, 1), "replicate"), (2, 3, 3, 4, 5),
    ),
    "pixel shuffle": (lambda: nn.PixelShuffle(3), lambda x: F.pixel_shuffle(x, 3), (2, 18, 3, 4)),
    "normalisation across maps": (
        lambda: nn.SpatialCrossMapLRN(5, 0.4, 0.6, 1.3),
        lambda x: F.local_response_norm(x, 5, 0.4, 0.6, 1.3), (2, 7, 3, 4),
    ),
    "bilinear": (  # Torch7 computes positions in single precision
        lambda: nn.SpatialUpSamplingBilinear({"oheight": 9, "owidth": 5}),
        lambda x: F.interpolate(x, (9, 5), mode="bilinear", align_corners=True), (2, 3, 5, 3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_pytorch(name: str) -> None:
    build, function, shape = CASES[name]
    module = build()
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    theirs, parameters = torch.tensor(x, requires_grad=True), weights(module)
    expected = function(theirs, *parameters)
    out = module.forward(x)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = rng.standard_normal(out.shape)
    module.zeroGradParameters()
    gradInput = module.backward(x, g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(gradInput, theirs.grad.numpy(), rtol=1e-10, atol=1e-10)
    for gradient, parameter in zip(module.parameters()[1], parameters):
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-10, atol=1e-10)

"""Convolution layers against plain loops, argument by argument; gradients as the adjoint."""

from __future__ import annotations

from typing import Any, Callable

import convolution_reference as slow
import numpy as np
import pytest
from golden_files import load, value

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError
from minigraph.random import randperm, uniform

Array = np.ndarray


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def check(
    module: Any, x: Any, reference: Callable[[Any], Array], tolerance: float = 1e-12
) -> None:
    """Compare the output, then gradInput and parameter gradients with differences of the reference.

    The layers are linear in the input and in the parameters, so one difference along a random
    direction is exact.
    """
    expected = reference(x)
    for _ in range(2):  # the second pass runs in the buffers of the first
        output = module.forward(x)
        assert output.shape == expected.shape
        np.testing.assert_allclose(output, expected, rtol=tolerance, atol=tolerance)
    g = random(*expected.shape, seed=1)
    module.zeroGradParameters()
    gradInput = module.backward(x, g, 0.5)
    if isinstance(gradInput, list):
        assert not gradInput[1].any()
        gradInput, moved = gradInput[0], [x[0] + random(*x[0].shape, seed=2), x[1]]
        direction = moved[0] - x[0]
    else:
        direction = random(*x.shape, seed=2)
        moved = x + direction
    change = float(np.sum((reference(moved) - expected) * g))
    assert float(np.sum(gradInput * direction)) == pytest.approx(change, rel=1e-9, abs=1e-9)
    for parameter, gradient in zip(*module.parameters()):
        kept = parameter.copy()
        parameter += (step := random(*parameter.shape, seed=3))
        change = float(np.sum((reference(x) - expected) * g))
        parameter[...] = kept
        assert float(np.sum(gradient * step)) == pytest.approx(0.5 * change, rel=1e-9, abs=1e-9)


SPATIAL = [
    (2, 3, 3, 2), (2, 3, 3, 2, 2), (2, 3, 2, 3, 1, 2), (2, 3, 3, 3, 1, 1, 1),
    (2, 1, 3, 2, 2, 3, 2, 0), (2, 3, 3, 2, 1, 1, 0, 1), (2, 4, 1, 1), (2, 4, 1, 1, 2, 2),
    (2, 3, 7, 6), (2, 3, 8, 7, 1, 1, 1, 1),
]


@pytest.mark.parametrize("shape", [(2, 6, 7), (3, 2, 6, 7)])
@pytest.mark.parametrize("arguments", SPATIAL, ids=str)
@pytest.mark.parametrize("layer", [nn.SpatialConvolution, nn.SpatialConvolutionMM])
def test_spatial_convolution(layer: Any, arguments: Any, shape: Any) -> None:
    mg.manualSeed(1)
    module = layer(*arguments)
    d = (module.dH, module.dW)
    pad = (module.padH, module.padW)
    if len(arguments) == 7:
        assert module.padH == module.padW == 1  # padH follows padW

    def reference(x: Array) -> Array:
        weight = module.weight.reshape(module.nOutputPlane, 2, module.kH, module.kW)
        return slow.each(
            x, 3, lambda s: slow.convolution(s, weight, module.bias, d, pad, (1, 1))
        )

    check(module, random(*shape), reference)


def test_many_samples_are_computed_in_blocks_of_several_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minigraph.nn.convolution.columns._BLOCK", 1 << 18)
    module = nn.SpatialConvolution(3, 8, 3, 3, 1, 1, 1, 1)
    x = random(7, 3, 40, 41)
    assert len({len(x[block]) for block in module._blocks(7, 27 * 40 * 41)}) == 2
    whole = module.forward(x).copy()
    g = random(*whole.shape, seed=1)
    gradInput = module.backward(x, g).copy()
    weights = module.gradWeight.copy()
    module.zeroGradParameters()
    for i in range(7):
        np.testing.assert_allclose(module.forward(x[i]), whole[i], atol=1e-12)
        np.testing.assert_allclose(module.backward(x[i], g[i]), gradInput[i], atol=1e-12)
    np.testing.assert_allclose(module.gradWeight, weights, rtol=1e-10)


def test_a_smaller_input_after_a_larger_one_sees_zeros_around_it() -> None:
    module = nn.SpatialConvolution(1, 1, 3, 3, 2, 2, 1, 1)
    module.forward(np.ones((1, 6, 6)))
    after = module.forward(np.ones((1, 5, 5))).copy()
    np.testing.assert_array_equal(after, module.clearState().forward(np.ones((1, 5, 5))))


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "arguments",
    [(2, 3, 3, 2), (2, 3, 3, 2, 2, 1, 1, 2, 2, 1), (2, 3, 2, 3, 1, 2, 0, None, 3, 2), (2, 3, 2, 2, 1, 1, 1)],
    ids=str,
)
def test_spatial_dilated_convolution(arguments: Any, batch: Any) -> None:
    module = nn.SpatialDilatedConvolution(*arguments)
    dilation = (module.dilationH, module.dilationW)
    given = arguments[8:] or (1, 1)
    assert dilation == (given[1], given[0])

    def reference(x: Array) -> Array:
        return slow.each(x, 3, lambda s: slow.convolution(
            s, module.weight, module.bias, (module.dH, module.dW), (module.padH, module.padW), dilation
        ))

    check(module, random(*batch, 2, 7, 8), reference)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "arguments",
    [
        (2, 3, 2, 3, 2), (2, 3, 2, 3, 2, 2, 1, 2), (2, 2, 2, 2, 3, 1, 1, 1, 1),
        (2, 1, 2, 2, 3, 1, 2, 1, 0, 1, 2),
    ],
    ids=str,
)
def test_volumetric_convolution(arguments: Any, batch: Any) -> None:
    module = nn.VolumetricConvolution(*arguments)
    kT, kW, kH = arguments[2:5]
    assert module.weight.shape == (arguments[1], 2, kT, kH, kW)
    dT, dW, dH = (*arguments[5:8], *(1, 1, 1)[len(arguments[5:8]) :])
    padT, padW, padH = (arguments[8:] + (arguments[8],) * 2)[:3] if arguments[8:] else (0, 0, 0)

    def reference(x: Array) -> Array:
        return slow.each(x, 4, lambda s: slow.convolution(
            s, module.weight, module.bias, (dT, dH, dW), (padT, padH, padW), (1, 1, 1)
        ))

    check(module, random(*batch, 2, 4, 5, 4), reference)


def test_volumetric_dilated_convolution() -> None:
    module = nn.VolumetricDilatedConvolution(2, 2, 2, 3, 2, 1, 2, 1, 1, 2, 0, 2, 1, 3)

    def reference(x: Array) -> Array:
        return slow.each(x, 4, lambda s: slow.convolution(
            s, module.weight, module.bias, (1, 1, 2), (1, 0, 2), (2, 3, 1)
        ))

    check(module, random(2, 2, 4, 5, 4), reference)
    check(module, random(2, 4, 5, 4), reference)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "arguments",
    [(2, 3, 3, 2), (2, 3, 3, 2, 2, 3), (2, 3, 4, 3, 3, 2, 1, 1, 2, 1), (2, 1, 2, 2, 3, 3, 0, 0, 0, 2)],
    ids=str,
)
def test_spatial_full_convolution(arguments: Any, batch: Any) -> None:
    module = nn.SpatialFullConvolution(*arguments)
    dW, dH, padW, padH, adjW, adjH = (*arguments[4:], *(1, 1, 0, 0, 0, 0)[len(arguments[4:]) :])

    def reference(x: Array) -> Array:
        return slow.each(x, 3, lambda s: slow.full_convolution(
            s, module.weight, module.bias, (dH, dW), (padH, padW), (adjH, adjW)
        ))

    check(module, random(*batch, 2, 3, 4), reference)


@pytest.mark.parametrize("height,width", [(7, 6), (8, 7), (9, 8)])
def test_full_convolution_takes_its_size_from_a_second_input(height: int, width: int) -> None:
    module = nn.SpatialFullConvolution(2, 3, 3, 3, 2, 3, 1, 1, 1, 2)
    adj = ((height + 2 - 3) % 3, (width + 2 - 3) % 2)

    def reference(input: Any) -> Array:
        return slow.full_convolution(input[0], module.weight, module.bias, (3, 2), (1, 1), adj)

    x = [random(2, 3, 4), random(5, height, width)]
    check(module, x, reference)
    alone = module.forward(x[0])
    assert module.backward(x[0], alone).shape == (2, 3, 4)  # gradInput is a tensor again


@pytest.mark.parametrize("batch", [(), (2,)])
def test_volumetric_full_convolution(batch: Any) -> None:
    module = nn.VolumetricFullConvolution(2, 3, 2, 3, 2, 2, 1, 3, 1, 0, 1, 1, 0, 2)
    assert module.weight.shape == (2, 3, 2, 2, 3)

    def reference(x: Any) -> Array:
        return slow.each(x, 4, lambda s: slow.full_convolution(
            s, module.weight, module.bias, (2, 3, 1), (1, 1, 0), (1, 2, 0)
        ))

    check(module, random(*batch, 2, 3, 2, 3), reference)


def test_volumetric_full_convolution_takes_its_size_from_a_second_input() -> None:
    module = nn.VolumetricFullConvolution(2, 2, 2, 2, 2, 2, 3, 2)
    module.forward([random(2, 2, 2, 2), random(5, 4, 6)])
    assert module.output.shape == (2, 5, 4, 6)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("table", ["full", "one", "random", "gaps"])
@pytest.mark.parametrize("steps", [(), (2,), (2, 1)])
def test_convolution_maps(table: str, batch: Any, steps: Any) -> None:
    mg.manualSeed(4)
    pairs = {
        "full": nn.tables.full(2, 3),
        "one": nn.tables.oneToOne(3),
        "random": nn.tables.random(4, 5, 2),
        "gaps": np.array([[3, 1], [1, 4], [3, 4], [3, 4]]),
    }[table]
    module = nn.SpatialConvolutionMap(pairs, 3, 2, *steps)
    full = nn.SpatialFullConvolutionMap(pairs, 3, 2, *steps)
    d = (module.dH, module.dW)
    assert d == (steps[1] if len(steps) > 1 else 1, steps[0] if steps else 1)
    nin, nout = pairs.max(0).astype(int)

    def dense(weight: Array, transposed: bool) -> Array:
        result = np.zeros((nin, nout, 2, 3) if transposed else (nout, nin, 2, 3))
        for (i, o), kernel in zip(pairs.astype(int) - 1, weight):
            result[(i, o) if transposed else (o, i)] += kernel
        return result

    check(module, random(*batch, nin, 4, 5), lambda x: slow.each(x, 3, lambda s: slow.convolution(
        s, dense(module.weight, False), module.bias, d, (0, 0), (1, 1)
    )))
    check(full, random(*batch, nin, 3, 4), lambda x: slow.each(x, 3, lambda s: slow.full_convolution(
        s, dense(full.weight, True), full.bias, d, (0, 0), (0, 0)
    )))


def test_connection_tables() -> None:
    np.testing.assert_array_equal(nn.tables.full(2, 2), [[1, 1], [2, 1], [1, 2], [2, 2]])
    np.testing.assert_array_equal(nn.tables.oneToOne(3), [[1, 1], [2, 2], [3, 3]])
    mg.manualSeed(5)
    drawn = nn.tables.random(5, 4, 2)
    np.testing.assert_array_equal(drawn[:, 1], [1, 1, 2, 2, 3, 3, 4, 4])
    mg.manualSeed(5)
    first, second = randperm(5), randperm(5)
    np.testing.assert_array_equal(drawn[:, 0], [*first[:4], *second[:4]])


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(
    "arguments", [(3, 2), (3, 2, 2), (2, 3, 1, 2, 1), (3, 3, 2, 1, 1, 0)], ids=str
)
def test_local_convolution(arguments: Any, batch: Any) -> None:
    module = nn.SpatialConvolutionLocal(2, 3, 6, 5, *arguments)

    def one(x: Array) -> Array:
        out = module.bias.copy()
        for i, j, o, c, a, b in np.ndindex(*module.weight.shape):
            y, z = i * module.dH - module.padH + a, j * module.dW - module.padW + b
            if 0 <= y < 5 and 0 <= z < 6:
                out[o, i, j] += module.weight[i, j, o, c, a, b] * x[c, y, z]
        return out

    check(module, random(*batch, 2, 5, 6), lambda x: slow.each(x, 3, one))


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(
    "arguments", [(3, 3, 2), (1, 2, 3, 2), (2, 3, 2, 2, 1, 1), (2, 3, 3, 1, 2, 1, 0)], ids=str
)
def test_depthwise_convolution(arguments: Any, batch: Any) -> None:
    module = nn.SpatialDepthWiseConvolution(2, *arguments)
    d, pad = (module.dH, module.dW), (module.padH, module.padW)

    def one(x: Array) -> Array:
        return np.concatenate([
            slow.convolution(
                x[c : c + 1], module.weight[:, c : c + 1], module.bias[:, c], d, pad, (1, 1)
            )
            for c in range(2)
        ])

    check(module, random(*batch, 2, 5, 6), lambda x: slow.each(x, 3, one))


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kW,dW", [(1, 1), (3, 1), (2, 3), (7, 1)])
def test_temporal_layers(kW: int, dW: int, batch: Any) -> None:
    x = random(*batch, 7, 3)
    starts = range(0, 7 - kW + 1, dW)
    module = nn.TemporalConvolution(3, 4, kW, dW)
    check(module, x, lambda x: slow.each(x, 2, lambda s: np.stack(
        [module.weight @ s[t : t + kW].reshape(-1) + module.bias for t in starts]
    )))
    rows = nn.TemporalRowConvolution(3, kW, dW)

    def by_row(s: Array) -> Array:
        return np.stack([(rows.weight[:, 0] * s[t : t + kW].T).sum(1) + rows.bias for t in starts])

    check(rows, x, lambda x: slow.each(x, 2, by_row))
    first = nn.TemporalRowConvolution(3, kW, dW, True)
    for mine, other in zip(first.parameters()[0], rows.parameters()[0]):
        mine[...] = other
    np.testing.assert_allclose(
        first.forward(x.swapaxes(-1, -2)), rows.forward(x).swapaxes(-1, -2), atol=1e-14
    )
    g = random(*rows.output.shape)
    np.testing.assert_allclose(
        first.backward(x.swapaxes(-1, -2), g.swapaxes(-1, -2)), rows.backward(x, g).swapaxes(-1, -2),
        atol=1e-14,
    )
    sums = nn.TemporalSubSampling(3, kW, dW)
    check(sums, x, lambda x: slow.each(x, 2, lambda s: np.stack(
        [sums.weight * s[t : t + kW].sum(0) + sums.bias for t in starts]
    )))


BIASED = {
    "SpatialConvolution": (lambda: nn.SpatialConvolution(2, 3, 3, 2), 12, (2, 5, 5)),
    "SpatialConvolutionMM": (lambda: nn.SpatialConvolutionMM(2, 3, 3, 2), 12, (2, 5, 5)),
    "SpatialDilatedConvolution": (lambda: nn.SpatialDilatedConvolution(2, 3, 3, 2), 12, (2, 5, 5)),
    "SpatialFullConvolution": (lambda: nn.SpatialFullConvolution(2, 3, 3, 2), 12, (2, 5, 5)),
    "SpatialDepthWiseConvolution": (lambda: nn.SpatialDepthWiseConvolution(2, 3, 3, 2), 12, (2, 5, 5)),
    "SpatialConvolutionLocal": (lambda: nn.SpatialConvolutionLocal(2, 3, 5, 5, 3, 2), 12, (2, 5, 5)),
    "VolumetricConvolution": (lambda: nn.VolumetricConvolution(2, 3, 1, 3, 2), 12, (2, 2, 5, 5)),
    "VolumetricFullConvolution": (lambda: nn.VolumetricFullConvolution(2, 3, 1, 3, 2), 12, (2, 2, 5, 5)),
    "TemporalConvolution": (lambda: nn.TemporalConvolution(4, 2, 3), 12, (5, 4)),
    "TemporalRowConvolution": (lambda: nn.TemporalRowConvolution(4, 3), 12, (5, 4)),
    "SpatialSubSampling": (lambda: nn.SpatialSubSampling(2, 3, 4), 12, (2, 5, 5)),
    "TemporalSubSampling": (lambda: nn.TemporalSubSampling(4, 5), 5, (5, 4)),
}


@pytest.mark.parametrize("name", BIASED)
def test_initial_values_are_torchs_draws(name: str) -> None:
    build, fan, _ = BIASED[name]
    mg.manualSeed(11)
    module = build()
    weight, bias = module.parameters()[0]
    for stdv in (None, 0.3):
        mg.manualSeed(11)
        if stdv:
            module.reset(stdv)
            mg.manualSeed(11)
        bound = stdv * 3**0.5 if stdv else fan**-0.5
        drawn = np.array([uniform(-bound, bound) for _ in range(weight.size + bias.size)])
        found = np.concatenate([weight.ravel(), bias.ravel()])
        np.testing.assert_allclose(found, drawn, rtol=1e-14, atol=1e-15)


def test_initial_values_of_maps_depend_on_the_connections() -> None:
    mg.manualSeed(2)
    module = nn.SpatialConvolutionMap([[1, 1], [2, 1], [2, 3]], 2, 2)
    mg.manualSeed(2)
    for kernel, inputs in zip(module.weight, (2, 2, 1)):
        bound = (4 * inputs) ** -0.5
        np.testing.assert_allclose(kernel.ravel(), [uniform(-bound, bound) for _ in range(4)])
    assert abs(module.bias[0]) < 8**-0.5
    assert module.bias[1] == 0  # no connection, nothing to scale by
    module.noBias().reset()
    kept = module.weight.copy()
    module.decayParameters(0.25)
    np.testing.assert_allclose(module.weight, 0.75 * kept)


def test_initial_values_are_the_golden_ones() -> None:
    for record in load("rng_optim")["rng"]:
        mg.manualSeed(record["seed"])
        drawn = nn.SpatialConvolution(2, 3, 3, 3)
        golden = value(record["conv_2_3_3_3"])
        parts = golden if isinstance(golden, list) else [golden]
        flat = np.concatenate([np.ravel(part) for part in parts])
        mine = np.concatenate([drawn.weight.ravel(), drawn.bias.ravel()])[: flat.size]
        np.testing.assert_allclose(mine, flat, rtol=1e-15)


@pytest.mark.parametrize("name", [n for n in BIASED if "Sub" not in n])
def test_no_bias(name: str) -> None:
    build, _, shape = BIASED[name]
    module = build()
    module.bias.fill(0)
    x = random(*shape)
    expected = module.forward(x).copy()
    assert module.noBias() is module
    assert len(module.parameters()[0]) == 1
    np.testing.assert_allclose(module.forward(x), expected, atol=1e-15)
    module.backward(x, expected)
    assert module.gradBias is None
    module.reset()
    if name not in ("TemporalConvolution", "SpatialConvolutionLocal") and "Volumetric" not in name:
        assert repr(module).endswith(" without bias")


@pytest.mark.parametrize(
    "module,text",
    [
        (lambda: nn.SpatialConvolution(2, 3, 4, 5), "nn.SpatialConvolution(2 -> 3, 4x5)"),
        (lambda: nn.SpatialConvolution(2, 3, 4, 5, 2, 1), "nn.SpatialConvolution(2 -> 3, 4x5, 2,1)"),
        (
            lambda: nn.SpatialConvolution(2, 3, 4, 5, 1, 1, 2, 0),
            "nn.SpatialConvolution(2 -> 3, 4x5, 1,1, 2,0)",
        ),
        (
            lambda: nn.SpatialDilatedConvolution(2, 3, 4, 5, 1, 1, 0, 0, 2, 3),
            "nn.SpatialDilatedConvolution(2 -> 3, 4x5, 2,3)",
        ),
        (
            lambda: nn.VolumetricConvolution(2, 3, 4, 5, 6, 1, 2, 3),
            "nn.VolumetricConvolution(2 -> 3, 4x5x6, 1,2,3)",
        ),
        (
            lambda: nn.SpatialFullConvolution(2, 3, 4, 5, 2, 3, 0, 0, 1, 2),
            "nn.SpatialFullConvolution(2 -> 3, 4x5, 2,3, 1,2)",
        ),
        (
            lambda: nn.SpatialConvolutionLocal(2, 3, 9, 8, 4, 5),
            "nn.SpatialConvolutionLocal(2 -> 3, 9x8, 4x5)",
        ),
        (lambda: nn.TemporalRowConvolution(5, 3, 2), "nn.TemporalRowConvolution(5, 3, 2)"),
    ],
)
def test_repr(module: Any, text: str) -> None:
    assert repr(module()) == text


@pytest.mark.parametrize(
    "build,shape,expected,got",
    [
        (lambda: nn.SpatialConvolution(3, 2, 3, 3), (4, 5, 5), 3, 4),
        (lambda: nn.SpatialConvolution(3, 2, 3, 3), (1, 4, 5, 5), 3, 4),
        (lambda: nn.SpatialConvolution(3, 2, 3, 3), (5, 5), (3, 4), (5, 5)),
        (
            lambda: nn.SpatialConvolution(3, 2, 3, 4, 1, 1, 1), (3, 1, 1),
            "at least (4, 3) with padding", (1, 1),
        ),
        (lambda: nn.SpatialConvolution(3, 2, 3, 3), (0, 3, 5, 5), "at least one entry", (0, 3, 5, 5)),
        (
            lambda: nn.SpatialDilatedConvolution(3, 2, 3, 3, 1, 1, 0, 0, 3, 3), (3, 6, 7),
            "at least (7, 7) with padding", (6, 7),
        ),
        (lambda: nn.SpatialFullConvolution(3, 2, 3, 3), (2, 5, 5), 3, 2),
        (
            lambda: nn.SpatialFullConvolution(3, 2, 1, 1, 1, 1, 2, 2), (3, 3, 3),
            "an output of at least 1 along each axis", (-1, -1),
        ),
        (lambda: nn.SpatialConvolutionLocal(3, 2, 5, 6, 3, 3), (3, 5, 6), (6, 5), (5, 6)),
        (lambda: nn.SpatialDepthWiseConvolution(3, 2, 3, 3), (6, 5, 6), 3, 6),
        (lambda: nn.SpatialConvolutionMap(nn.tables.full(3, 2), 3, 3), (2, 5, 6), 3, 2),
        (lambda: nn.VolumetricConvolution(3, 2, 3, 3, 3), (3, 5, 6), (4, 5), (3, 5, 6)),
        (
            lambda: nn.VolumetricConvolution(3, 2, 3, 3, 3), (3, 2, 6, 6),
            "at least (3, 3, 3) with padding", (2, 6, 6),
        ),
        (lambda: nn.TemporalConvolution(3, 2, 3), (5, 2), 3, 2),
        (lambda: nn.TemporalConvolution(3, 2, 3), (2, 3), "at least 3 frames", 2),
        (lambda: nn.TemporalRowConvolution(3, 3, 1, True), (2, 9), 3, 2),
        (lambda: nn.TemporalSubSampling(3, 3), (3,), (2, 3), (3,)),
    ],
)
def test_wrong_inputs(build: Any, shape: Any, expected: Any, got: Any) -> None:
    slow.check_refusal(build, shape, expected, got)


def test_wrong_size_tensor_is_named() -> None:
    with pytest.raises(InputError, match=r"input\[2\]"):
        nn.SpatialFullConvolution(2, 3, 3, 3).forward([random(2, 3, 3), random(4)])
    with pytest.raises(InputError, match=r"input\[1\] of 2 plane"):
        nn.SpatialFullConvolution(2, 3, 3, 3).forward([random(3, 3, 3), random(4, 4)])


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.SpatialConvolution(0, 2, 3, 3),
        lambda: nn.SpatialConvolution(2, 2, 0, 3),
        lambda: nn.SpatialConvolution(2, 2, 3, 3, 0),
        lambda: nn.SpatialConvolution(2, 2, 3, 3, 1, 1, -1),
        lambda: nn.SpatialDilatedConvolution(2, 2, 3, 3, 1, 1, 0, 0, 0),
        lambda: nn.SpatialFullConvolution(2, 2, 3, 3, 2, 2, 0, 0, 2),
        lambda: nn.VolumetricFullConvolution(2, 2, 3, 3, 3, 2, 2, 2, 0, 0, 0, 0, 0, -1),
        lambda: nn.SpatialConvolutionMap([[0, 1]], 3, 3),
        lambda: nn.SpatialConvolutionMap([1, 1], 3, 3),
        lambda: nn.TemporalConvolution(2, 2, 0),
        lambda: nn.tables.random(2, 2, 3),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()

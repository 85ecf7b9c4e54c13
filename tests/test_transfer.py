"""Transfer layers: their values, derivatives (also at the kinks), and how they treat buffers."""

from __future__ import annotations

import copy
import math
from typing import Any, Callable

import numpy as np
import pytest
from finite_differences import numeric_gradient, public_classes

import minigraph as mg
import minigraph.nn.transfer
from minigraph import nn
from minigraph.errors import ArgumentError, InputError

Case = tuple[str, tuple[Any, ...], Callable[[float], float]]


def clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


# What each layer computes, said once more with Python's scalars.
POINTWISE: list[Case] = [
    ("Abs", (), abs),
    ("Clamp", (), lambda x: clip(x, -1, 1)),
    ("Clamp", (-0.5, 0.25), lambda x: clip(x, -0.5, 0.25)),
    ("ELU", (), lambda x: x if x > 0 else math.expm1(x)),
    ("ELU", (0.5,), lambda x: x if x > 0 else 0.5 * math.expm1(x)),
    ("ELU", (-0.5,), lambda x: x if x > 0 else -0.5 * math.expm1(x)),
    ("ELU", (0.5, True), lambda x: x if x > 0 else 0.5 * math.expm1(x)),
    ("ELU", (0, True), lambda x: max(x, 0)),
    ("Exp", (), math.exp),
    ("GradientReversal", (), lambda x: x),
    ("HardShrink", (), lambda x: x if abs(x) > 0.5 else 0),
    ("HardShrink", (0.2,), lambda x: x if abs(x) > 0.2 else 0),
    ("HardTanh", (), lambda x: clip(x, -1, 1)),
    ("HardTanh", (-0.2, 0.7), lambda x: clip(x, -0.2, 0.7)),
    ("HardTanh", (0.3, 0.7, True), lambda x: clip(x, 0.3, 0.7)),
    ("LeakyReLU", (), lambda x: x if x > 0 else 0.01 * x),
    ("LeakyReLU", (2.5,), lambda x: x if x > 0 else 2.5 * x),
    ("LeakyReLU", (-0.5,), lambda x: x if x > 0 else -0.5 * x),
    ("LeakyReLU", (0.2, True), lambda x: x if x > 0 else 0.2 * x),
    ("LogSigmoid", (), lambda x: -math.log1p(math.exp(-x))),
    ("PReLU", (), lambda x: x if x > 0 else 0.25 * x),
    ("Power", (2,), lambda x: x * x),
    ("Power", (3,), lambda x: x**3),
    ("Power", (-2,), lambda x: x**-2),
    ("ReLU", (), lambda x: max(x, 0)),
    ("ReLU", (True,), lambda x: max(x, 0)),
    ("ReLU6", (), lambda x: clip(x, 0, 6)),
    ("ReLU6", (True,), lambda x: clip(x, 0, 6)),
    ("Sigmoid", (), lambda x: 1 / (1 + math.exp(-x))),
    ("SoftPlus", (), lambda x: math.log1p(math.exp(x))),
    ("SoftPlus", (15,), lambda x: x if 15 * x > 20 else math.log1p(math.exp(15 * x)) / 15),
    ("SoftShrink", (), lambda x: math.copysign(max(abs(x) - 0.5, 0), x)),
    ("SoftShrink", (0.1,), lambda x: math.copysign(max(abs(x) - 0.1, 0), x)),
    ("SoftSign", (), lambda x: x / (1 + abs(x))),
    ("Square", (), lambda x: x * x),
    ("Tanh", (), math.tanh),
    ("TanhShrink", (), lambda x: x - math.tanh(x)),
    ("Threshold", (), lambda x: x if x > 1e-6 else 0),
    ("Threshold", (0.3, -0.4), lambda x: x if x > 0.3 else -0.4),
    ("Threshold", (-0.3, 0.4), lambda x: x if x > -0.3 else 0.4),
    ("Threshold", (0.3, 0.1, True), lambda x: x if x > 0.3 else 0.1),
]
POSITIVE: list[Case] = [
    ("Log", (), math.log),
    ("Power", (2.5,), lambda x: x**2.5),
    ("Power", (0.5,), math.sqrt),
    ("Sqrt", (), math.sqrt),
    ("Sqrt", (1e-3,), math.sqrt),
]
# Layers that mix the entries of their input: name, arguments, shapes of the input.
MIXING: list[tuple[str, tuple[Any, ...], list[tuple[int, ...]]]] = [
    ("CReLU", (1,), [(3,), (2, 3)]),
    ("CReLU", (1, True), [(3,)]),
    ("CReLU", (3,), [(2, 3, 2), (2, 2, 3, 2)]),
    ("GatedLinearUnit", (), [(4,), (3, 4), (2, 3, 4)]),
    ("GatedLinearUnit", (1,), [(4,), (4, 3)]),
    ("GatedLinearUnit", (2,), [(3, 4), (2, 4, 3)]),
    ("LogSoftMax", (), [(4,), (3, 4), (3, 2, 2), (2, 3, 2, 2)]),
    ("PReLU", (3,), [(3,), (2, 3), (2, 3, 4), (2, 3, 2, 2)]),
    ("RReLU", (0.25, 0.25), [(7,), (2, 3)]),
    ("SoftMax", (), [(4,), (3, 4), (3, 2, 2), (2, 3, 2, 2)]),
    ("SoftMin", (), [(4,), (3, 4), (3, 2, 2), (2, 3, 2, 2)]),
    ("SpatialLogSoftMax", (), [(4,), (3, 4), (3, 2, 2), (2, 3, 2, 2)]),
    ("SpatialSoftMax", (), [(4,), (3, 4), (3, 2, 2), (2, 3, 2, 2)]),
]


def inputs_of(name: str, args: tuple[Any, ...]) -> list[np.ndarray]:
    """Inputs of several ranks that keep clear of kinks; some not contiguous."""
    stream = np.random.default_rng(7)
    shapes = next((s for n, a, s in MIXING if (n, a) == (name, args)), [(6,), (4, 5), (2, 3, 2, 2)])
    positive = (name, args) in [(n, a) for n, a, _ in POSITIVE]
    made = []
    for shape in shapes:
        x = stream.uniform(0.2, 3, shape) if positive else stream.normal(0, 1.5, shape)
        for kink in (-1, -0.5, -0.2, -0.1, 0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1, 4 / 3):
            x[np.abs(x - kink) < 2e-3] += 5e-3
        made.append(x)
    strided = np.zeros((*shapes[-1][:-1], shapes[-1][-1] * 2))[..., ::2]
    strided[...] = made[-1]
    return [*made, strided]


EVERY = [(name, args) for name, args, _ in [*POINTWISE, *POSITIVE]] + [
    (name, args) for name, args, _ in MIXING
]
each = pytest.mark.parametrize("name, args", EVERY, ids=lambda value: str(value))


def test_the_cases_name_every_layer() -> None:
    assert public_classes(minigraph.nn.transfer, nn.Module) == {name for name, _ in EVERY}


@pytest.mark.parametrize("name, args, function", [*POINTWISE, *POSITIVE], ids=lambda v: str(v)[:24])
def test_value(name: str, args: tuple[Any, ...], function: Callable[[float], float]) -> None:
    for x in inputs_of(name, args):
        expected = np.vectorize(function, otypes=[float])(x)
        np.testing.assert_allclose(getattr(nn, name)(*args).forward(x.copy()), expected, 1e-14, 1e-15)


@each
def test_derivative(name: str, args: tuple[Any, ...]) -> None:
    module = getattr(nn, name)(*args)
    reversal = -1 if name == "GradientReversal" else 1
    for x in inputs_of(name, args):
        g = np.random.default_rng(1).normal(size=module.forward(x).shape)
        kept = g.copy()
        gradient = module.backward(x, g).copy()
        assert np.array_equal(g, kept)
        expected = numeric_gradient(lambda: float((module.forward(x.copy()) * g).sum()), x)  # noqa: B023
        np.testing.assert_allclose(gradient, reversal * expected, 1e-6, 1e-7)


@each
def test_float32_and_reused_buffers(name: str, args: tuple[Any, ...]) -> None:
    double, single = getattr(nn, name)(*args), getattr(nn, name)(*args).float()
    for x in inputs_of(name, args):
        expected = double.forward(x.copy())
        g = np.random.default_rng(1).normal(size=expected.shape)
        given = x.astype(np.float32)
        output = single.forward(given)
        gradient = single.backward(given, g.astype(np.float32))
        assert output.dtype == gradient.dtype == np.float32
        np.testing.assert_allclose(output, expected, 1e-5, 1e-6)
        given = x.copy()
        double.forward(given)
        np.testing.assert_allclose(gradient, double.backward(given, g), 1e-4, 1e-5)
    output, gradient = double.output, double.gradInput
    given = x.copy()
    again = double.forward(given)
    assert again is output or name == "GradientReversal"
    assert double.backward(given, g) is gradient


@each
def test_clone_and_clear_state(name: str, args: tuple[Any, ...]) -> None:
    module = getattr(nn, name)(*args)
    x = inputs_of(name, args)[0]
    expected = module.forward(x.copy()).copy()
    twin = module.clone()
    module.clearState()
    assert module.output is None
    assert module.gradInput is None
    assert not any(isinstance(v, np.ndarray) for k, v in vars(module).items() if "eight" not in k)
    assert np.array_equal(twin.forward(x.copy()), expected)
    assert repr(twin).startswith(f"nn.{name}")
    assert np.array_equal(copy.deepcopy(twin).forward(x.copy()), expected)


# The derivative where two branches meet, as THNN writes the comparison.
KINKS = [
    ("Abs", (), 0.0, 1.0),
    ("ELU", (0.5,), 0.0, 0.5),
    ("HardShrink", (0.5,), 0.5, 0.0),
    ("HardShrink", (0.5,), -0.5, 0.0),
    ("HardTanh", (), 1.0, 1.0),
    ("HardTanh", (), -1.0, 1.0),
    ("LeakyReLU", (0.2,), 0.0, 0.2),
    ("PReLU", (), 0.0, 0.25),
    ("ReLU", (), 0.0, 0.0),
    ("ReLU6", (), 6.0, 1.0),
    ("ReLU6", (), 0.0, 1.0),
    ("SoftShrink", (0.5,), 0.5, 0.0),
    ("Sqrt", (), 0.0, 0.0),
    ("Threshold", (0.3, -1), 0.3, 0.0),
]


@pytest.mark.parametrize("name, args, at, slope", KINKS)
def test_derivative_at_a_kink(name: str, args: tuple[Any, ...], at: float, slope: float) -> None:
    module, x = getattr(nn, name)(*args), np.array([at])
    module.forward(x)
    assert module.backward(x, np.ones(1)).item() == slope


@pytest.mark.parametrize("name", ["Sigmoid", "LogSigmoid", "Tanh", "SoftPlus", "SoftSign", "ELU", "SoftMax"])
@pytest.mark.filterwarnings("error")
def test_large_inputs_neither_overflow_nor_warn(name: str) -> None:
    module, x = getattr(nn, name)(), np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    assert np.isfinite(module.forward(x)).all()
    assert np.isfinite(module.backward(x, np.ones(5))).all()


@pytest.mark.parametrize("planes", [0, 3])
def test_prelu_learns_its_slopes(planes: int) -> None:
    module = nn.PReLU(planes)
    for shape in [(3,), (2, 3), (2, 3, 2, 2)]:
        stream = np.random.default_rng(3)
        x, g = stream.normal(size=shape), stream.normal(size=shape)
        module.zeroGradParameters()
        module.forward(x)
        module.backward(x, g, 0.5)
        expected = numeric_gradient(
            lambda: float((module.forward(x) * g).sum()), module.weight  # noqa: B023
        )
        np.testing.assert_allclose(module.gradWeight, 0.5 * expected, 1e-6, 1e-8)
    assert np.array_equal(module.reset().weight, np.full(max(planes, 1), 0.25))


@pytest.mark.parametrize("inplace", [False, True])
def test_rrelu_draws_one_slope_for_each_negative_entry(inplace: bool) -> None:
    x = np.array([[0.5, -1.0, 0.0], [-2.0, 3.0, -4.0]])
    mg.manualSeed(11)
    slopes = [mg.random.uniform(0.1, 0.3) for _ in range(4)]
    expected = np.array([[1, slopes[0], slopes[1]], [slopes[2], 1, slopes[3]]])
    module, given = nn.RReLU(0.1, 0.3, inplace), x.copy()
    mg.manualSeed(11)
    np.testing.assert_array_equal(module.forward(given), x * expected)
    np.testing.assert_array_equal(module.backward(given, np.full((2, 3), 2.0)), 2 * expected)
    assert module.output is not given
    module.evaluate()
    given = x.copy()
    mean = np.where(x > 0, 1, 0.2)
    np.testing.assert_allclose(module.forward(given), x * mean, 1e-15)
    np.testing.assert_allclose(module.backward(given, np.ones((2, 3))), mean, 1e-15)


def test_gradient_reversal_scales_by_lambda() -> None:
    module, x = nn.GradientReversal(0.5), np.ones(3)
    assert module.forward(x) is x
    assert np.array_equal(module.backward(x, np.ones(3)), np.full(3, -0.5))
    assert np.array_equal(module.setLambda(2).backward(x, np.ones(3)), np.full(3, -2.0))


def test_a_subclass_of_another_name_computes_what_its_parent_does() -> None:
    class Rectifier(nn.ReLU):
        pass

    assert np.array_equal(Rectifier().forward(np.array([-1.0, 2.0])), [0, 2])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.HardTanh(1, 1), r"nn\.HardTanh: max_value must be larger .* 1 \.\. 1"),
        (lambda: nn.Clamp(2, -2), r"nn\.Clamp: max_value must be larger .* 2 \.\. -2"),
        (lambda: nn.RReLU(0.5, 0.2), r"0 <= lower <= upper is needed, got 0\.5 \.\. 0\.2"),
        (lambda: nn.SoftPlus(0), "beta must be positive, got 0"),
        (lambda: nn.HardShrink(-1), "lambda must not be negative, got -1"),
        (lambda: nn.Power("2"), "nn.Power needs a number, got '2'"),
        (lambda: nn.PReLU(-1), "number of planes is -1"),
        (lambda: nn.CReLU(0), "nInputDims must be at least 1, got 0"),
        (lambda: nn.GatedLinearUnit(0), "count from 1"),
        (lambda: nn.GatedLinearUnit(-1), "dim must be positive, got -1"),
    ],
)
def test_arguments_are_checked(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    "module, input, message",
    [
        (nn.PReLU(3), np.ones((2, 4)), r"3 planes in dimension 2 .* got shape \(2, 4\)"),
        (nn.PReLU(3), np.ones(4), r"3 planes in dimension 1 .* got shape \(4,\)"),
        (nn.CReLU(3), np.ones((2, 4)), r"3 or 4 dimension\(s\), got shape \(2, 4\)"),
        (nn.GatedLinearUnit(), np.ones((2, 3)), r"even size; got an input of shape \(2, 3\)"),
        (nn.GatedLinearUnit(2), np.ones(4), r"halves dimension 2, .* shape \(4,\)"),
        (nn.SoftMin(), np.ones((1,) * 5), r"1 or 2 or 3 or 4 dimension\(s\)"),
        (nn.HardTanh(), [np.ones(2)], "expects a tensor as input, got a table"),
    ],
)
def test_inputs_are_checked(module: nn.Module, input: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        module.forward(input)
    assert module.output is None


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.ReLU(True), lambda: nn.HardTanh(-0.1, 0.1, True), lambda: nn.Dropout(0.4, False, True),
        lambda: nn.MulConstant(3, True), lambda: nn.AddConstant(1, True),
    ],
)
def test_inplace_never_spoils_a_gradient(build: Any) -> None:
    """Torch7's in-place layers overwrite what Tanh before them and Linear behind them saved."""
    mg.manualSeed(1)
    start = nn.Identity()()
    middle = build()
    net = nn.gModule([start], [nn.Linear(3, 2)(middle(nn.Tanh()(start)))])
    x, g = np.linspace(-1, 1, 6).reshape(2, 3), np.ones((2, 2))
    kept = x.copy()
    mg.manualSeed(2)
    net.forward(x)
    gradInput, gradWeight = net.backward(x, g).copy(), net.parameters()[1][0].copy()
    assert np.array_equal(x, kept)

    def loss() -> float:
        mg.manualSeed(2)
        return float(net.forward(x).sum())

    np.testing.assert_allclose(gradInput, numeric_gradient(loss, x), 1e-6, 1e-8)
    np.testing.assert_allclose(gradWeight, numeric_gradient(loss, net.parameters()[0][0]), 1e-6, 1e-8)

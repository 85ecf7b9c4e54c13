"""Containers: adding, joining, one module many times, decorators, parameters stepped once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError, NumberError

RNG = np.random.default_rng(6)


def filled(container: Any, *modules: Any) -> Any:
    for module in modules:
        container.add(module)
    return container


def test_sequential_insert_remove_get() -> None:
    net = filled(nn.Sequential(), nn.Linear(4, 3), nn.Linear(3, 2))
    net.insert(nn.Tanh(), 2)
    assert [m.typename() for m in net.modules] == ["nn.Linear", "nn.Tanh", "nn.Linear"]
    assert net.get(2).typename() == "nn.Tanh" and net.get(-1) is net.modules[2]
    removed = net.remove(2)
    assert removed.typename() == "nn.Tanh" and net.size() == len(net) == 2
    net.insert(nn.Tanh())
    assert net.forward(np.zeros(4)).shape == (2,)
    for wrong in (0, 5):
        with pytest.raises(ArgumentError):
            net.insert(nn.Tanh(), wrong)
    seen: list[Any] = []
    net.applyToModules(seen.append)
    assert seen == net.modules


def test_depth_concat_centres_smaller_outputs() -> None:
    net = filled(nn.DepthConcat(1), nn.Identity(), nn.Narrow(2, 2, 2), nn.Narrow(2, 1, 1))
    x = RNG.standard_normal((1, 4))
    np.testing.assert_array_equal(
        net.forward(x), [x[0], [0, x[0, 1], x[0, 2], 0], [0, x[0, 0], 0, 0]]
    )
    g = RNG.standard_normal((3, 4))
    expected = g[0] + [0, g[1, 1], g[1, 2], 0] + [g[2, 1], 0, 0, 0]
    np.testing.assert_allclose(net.backward(x, g), expected[None])


def test_parallel_takes_slices() -> None:
    net = filled(nn.Parallel(2, 1), nn.Linear(4, 3), nn.Linear(4, 2))
    x = RNG.standard_normal((4, 2))
    parts = [net.get(i).clone().forward(x[:, i - 1]) for i in (1, 2)]
    np.testing.assert_allclose(net.forward(x), np.concatenate(parts))
    assert net.forward(x[:, :1]).shape == (3,)  # fewer slices than modules
    with pytest.raises(InputError, match="2 modules for the 3 slices") as caught:
        net.forward(np.zeros((4, 3)))
    assert (caught.value.expected, caught.value.got) == (2, 3)


@pytest.mark.parametrize(
    ("net", "x", "message"),
    [
        (filled(nn.Concat(2), nn.Linear(4, 3)), np.zeros(4), "no dimension 2"),
        (filled(nn.Concat(1), nn.Linear(4, 3), nn.Reshape(2, 2)), np.zeros(4), "number of dimensions"),
        (filled(nn.Concat(1), nn.Identity(), nn.Narrow(2, 1, 1)), np.zeros((2, 2)), "another dimension"),
        (nn.Concat(1), np.zeros(4), "holds no modules"),
        (filled(nn.Parallel(3, 1), nn.Linear(4, 3)), np.zeros((2, 4)), "dimension 3"),
        (nn.Bottle(nn.Linear(4, 3), 2, 3), np.zeros((2, 3, 4)), "nOutputDim says 3"),
        (filled(nn.ParallelTable(), nn.Identity()), [1, 2], "table of 1 entries"),
        (nn.MapTable(nn.Linear(4, 3)), np.zeros(4), "expects a table"),
    ],
)
def test_wrong_inputs(net: Any, x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        net.forward(x)


def test_an_error_names_the_modules_on_its_way() -> None:
    net = filled(nn.Sequential(), filled(nn.Concat(1), nn.Tanh(), nn.Linear(3, 2)))
    with pytest.raises(InputError) as caught:
        net.forward(np.zeros(4))
    assert "in module 2 of nn.Concat" in str(caught.value)
    assert "in module 1 of nn.Sequential" in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Concat(0),
        lambda: nn.Parallel(1, 0),
        lambda: nn.Bottle(nn.Tanh(), 0),
        lambda: nn.Sequential().add(3),
        lambda: nn.MapTable(nn.Tanh()).add(nn.Tanh()),
        lambda: nn.MapTable().module,
        lambda: nn.Profile(nn.Tanh(), 0),
        lambda: nn.DontCast(nn.Tanh(), True, True, "float"),
        lambda: nn.WeightNorm(nn.Tanh()),
        lambda: nn.WeightNorm(nn.Linear(3, 2), 3),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()


def test_map_table_that_shares_nothing_copies_its_module() -> None:
    net = nn.MapTable(nn.Linear(2, 2), False)
    net.forward([np.ones(2), np.ones(2)])
    first, second = net.modules
    assert (first.weight == second.weight).all() and not np.shares_memory(first.weight, second.weight)
    second.weight.fill(7)
    one, other = net.forward([np.ones(2), np.ones(2)])
    np.testing.assert_allclose(other, 14 + second.bias)
    assert len(net.parameters()[0]) == 4 and not np.allclose(one, other)


def test_map_table_shares_one_set_of_parameters() -> None:
    net = nn.MapTable(nn.Linear(4, 3))
    xs = [RNG.standard_normal(4) for _ in range(3)]
    ys = net.forward(xs)
    for x, y in zip(xs, ys):
        np.testing.assert_allclose(y, net.module.weight @ x + net.module.bias)
    net.zeroGradParameters()
    gs = [RNG.standard_normal(3) for _ in range(3)]
    net.backward(xs, gs)
    np.testing.assert_allclose(net.module.gradBias, sum(gs))
    assert len(net.parameters()[0]) == 2
    before = net.module.bias.copy()
    net.updateParameters(0.1)
    np.testing.assert_allclose(net.module.bias, before - 0.1 * sum(gs))
    net.float()
    assert net.forward(xs)[2].dtype == np.float32
    net.resize(1)
    assert net.size() == 1
    other = nn.MapTable(nn.Linear(4, 3)).float()
    net.share(other, "weight")
    assert net.module.weight is other.module.weight
    doubled = net.replace(lambda m: nn.Tanh() if isinstance(m, nn.Linear) else m)
    np.testing.assert_allclose(doubled.forward([np.ones(2, np.float32)])[0], np.tanh(1), atol=1e-6)


class Slow(nn.Linear):
    """A layer with an update rule of its own."""

    calls = 0

    def updateParameters(self, learningRate: float) -> None:
        self.calls += 1
        self.weight -= 0.5 * learningRate * self.gradWeight


def test_a_layers_own_update_rule_runs_inside_containers() -> None:
    slow, plain = Slow(2, 2), nn.Linear(2, 2)
    inner = filled(nn.Sequential(), slow, plain)
    net = filled(nn.Sequential(), nn.Decorator(inner), slow)
    for gradient in net.parameters()[1]:
        gradient.fill(1)
    before = slow.weight.copy(), slow.bias.copy(), plain.weight.copy()
    net.updateParameters(0.1)
    np.testing.assert_allclose(slow.weight, before[0] - 0.05)
    np.testing.assert_array_equal(slow.bias, before[1])
    np.testing.assert_allclose(plain.weight, before[2] - 0.1)
    assert slow.calls == 1


def test_a_shared_parameter_is_stepped_once() -> None:
    first = nn.Linear(2, 2)
    net = filled(nn.ConcatTable(), first, first.clone("weight", "bias", "gradWeight", "gradBias"))
    first.gradWeight.fill(1)
    before = first.weight.copy()
    net.updateParameters(0.5)
    np.testing.assert_allclose(first.weight, before - 0.5)


def test_a_parameter_is_stepped_by_each_of_its_gradients() -> None:
    first = nn.Linear(2, 2)
    net = filled(nn.ConcatTable(), first, first.clone("weight", "bias"))
    for number, gradient in enumerate(net.parameters()[1]):
        gradient.fill(1 + number)
    before = first.weight.copy(), first.bias.copy()
    net.updateParameters(0.5)
    np.testing.assert_allclose(first.weight, before[0] - 0.5 * (1 + 3))
    np.testing.assert_allclose(first.bias, before[1] - 0.5 * (2 + 4))


def test_a_transposed_parameter_is_stepped_once() -> None:
    first, second = nn.Linear(3, 2, False), nn.Linear(2, 3, False)
    second.weight, second.gradWeight = first.weight.T, first.gradWeight.T
    first.gradWeight[...] = np.arange(6).reshape(2, 3)
    before = first.weight.copy()
    filled(nn.Sequential(), first, second).updateParameters(0.5)
    np.testing.assert_allclose(first.weight, before - 0.5 * np.arange(6).reshape(2, 3))


def test_weight_norm_inside_a_container() -> None:
    inner = nn.WeightNorm(nn.Linear(4, 3))
    net = filled(nn.Sequential(), inner, nn.Tanh())
    x, g = RNG.standard_normal((2, 4)), RNG.standard_normal((2, 3))
    net.zeroGradParameters()
    net.forward(x)
    net.backward(x, g)
    v, step = inner.v.copy(), inner.gradV.copy()
    assert step.any()
    net.updateParameters(0.1)
    np.testing.assert_allclose(inner.v, v - 0.1 * step)
    net.forward(x)
    norm = np.sqrt((inner.v**2).sum(1, keepdims=True) + 1e-4)
    np.testing.assert_allclose(inner.get(1).weight, inner.v * (inner.g / norm))


def test_gradcheck_sees_the_parameters_of_weight_norm() -> None:
    net = filled(nn.Sequential(), nn.WeightNorm(nn.Linear(3, 2)))
    report = mg.debug.gradcheck(net, RNG.standard_normal((2, 3)))
    assert report.ok and "1.v" in str(report) and "1.g" in str(report)


def test_dont_cast_keeps_its_type() -> None:
    inside = nn.Linear(4, 3)
    net = filled(nn.Sequential(), nn.Linear(4, 4), nn.DontCast(inside, True), nn.Tanh()).float()
    assert inside.weight.dtype == np.float64 and net.get(1).weight.dtype == np.float32
    x = RNG.standard_normal((2, 4)).astype(np.float32)
    y = net.forward(x)
    assert inside.output.dtype == np.float64 and y.dtype == np.float32
    assert net.backward(x, np.ones_like(y)).dtype == np.float32
    bare = nn.DontCast(nn.Linear(4, 3)).float()
    assert bare.forward(np.zeros(4)).dtype == np.float64


def test_nan_is_found_and_named() -> None:
    inner = nn.Linear(2, 2)
    net = filled(nn.Sequential(), nn.NaN(inner, "here"))
    x = np.ones(2)
    net.forward(x)
    net.backward(x, np.ones(2))
    with pytest.raises(NumberError, match="NaN found in input of module"):
        net.forward(np.array([1.0, np.nan]))
    net.forward(x)
    with pytest.raises(NumberError, match="NaN found in gradOutput of module"):
        net.backward(x, np.array([1.0, np.nan]))
    inner.weight[0, 0] = np.nan
    with pytest.raises(NumberError, match="parameters of module"):
        net.forward(x)
    assert repr(net.get(1)).startswith("nn.NaN(here) @ nn.Linear")
    first, second = nn.NaN(nn.Tanh()), nn.NaN(nn.Tanh())
    assert second.id == first.id + 1


def test_profile_and_print_size_print(capsys: pytest.CaptureFixture[str]) -> None:
    net = filled(nn.Sequential(), nn.PrintSize("at"), nn.Profile(nn.Tanh(), 2, "tanh"))
    for _ in range(2):
        net.forward(np.zeros((2, 3)))
        net.backward(np.zeros((2, 3)), np.zeros((2, 3)))
    printed = capsys.readouterr().out
    assert printed.count("at:input (2, 3) float64") == 2
    assert printed.count("at:gradOutput (2, 3) float64") == 2
    assert printed.count("tanh took") == 2 and "2 forward passes" in printed and "2 backward" in printed
    assert net.get(2).numFwds == net.get(2).numBwds == 0


def test_bottle_folds_and_unfolds() -> None:
    net = nn.Bottle(nn.Linear(4, 3))
    x = RNG.standard_normal((2, 5, 4))
    y = net.forward(x)
    np.testing.assert_allclose(y, x @ net.get(1).weight.T + net.get(1).bias)
    assert net.backward(x, np.ones_like(y)).shape == x.shape
    assert net.forward(x[0]).shape == (5, 3)


def test_random_draws_follow_construction_order() -> None:
    mg.manualSeed(9)
    net = filled(nn.Sequential(), nn.Maxout(3, 2, 2), nn.WeightNorm(nn.Linear(2, 2)))
    mg.manualSeed(9)
    first = nn.Linear(3, 4)
    nn.Linear(2, 2)
    v = mg.random.randn(2, 2) * np.sqrt(2 / 2)
    np.testing.assert_array_equal(net.get(1).get(1).weight, first.weight)
    np.testing.assert_allclose(net.get(2).v, v, rtol=1e-15)
    assert not net.get(2).bias.any()

"""What random networks found, each as small as it gets: compiled and eager agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiling import NATIVE, NUMPY, agree, choose, one_pass, pair, same
from unrolling import randn

from minigraph import nn
from minigraph.rnn import Unroll
from minigraph.tables import copy_table

BOTH = pytest.mark.parametrize("executor", [NUMPY, NATIVE])


def graph(*layers: nn.Module) -> nn.gModule:
    """One input, and an output of each layer."""
    x = nn.Identity()()
    return nn.gModule([x], [layer(x) for layer in layers])


def chain(*layers: nn.Module) -> nn.Sequential:
    made = nn.Sequential()
    for layer in layers:
        made.add(layer)
    return made



def with_constants() -> nn.gModule:
    row, vector = np.array([[0.7, 0.2]]), np.array([0.7, 0.2])
    return graph(
        nn.Constant(np.full((1, 1), 0.7)), chain(nn.Constant(np.full((1, 1), 0.7)), nn.SoftMax()),
        chain(nn.Constant(row), nn.Linear(2, 3)), chain(nn.Constant(vector), nn.Linear(2, 3)),
        chain(nn.Constant(row), nn.Max(2)), chain(nn.Constant(row), nn.CMul(1, 2), nn.Tanh()), nn.Tanh(),
    )


@BOTH
def test_constants(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    for net, fast in (pair(with_constants), pair(lambda: Unroll(with_constants()))):
        X = randn(4, 2, 3) if isinstance(net, Unroll) else randn(2, 3)
        agree(net, fast, X, [randn(*output.shape) for output in net.forward(X)])
        assert fast.net.output is None, "the network ran itself"


@BOTH
@pytest.mark.parametrize("inside", ["float", "double"])
def test_layers_of_another_type_than_the_network(
    inside: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)

    def make() -> nn.gModule:
        x = nn.Identity()()
        other = getattr(nn.Linear(3, 3), inside)()
        return nn.gModule([x], [nn.Linear(3, 2)(nn.Tanh()(other(nn.PReLU()(x))))])

    net, fast = pair(make)
    agree(net, fast, randn(2, 3), randn(2, 2), 1e-6)


@BOTH
def test_a_step_of_another_type_than_usual(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lambda: Unroll(graph(nn.Linear(3, 2), nn.Identity()).float()))
    assert net.dtype == fast.dtype == np.float32
    X = randn(4, 2, 3).astype(np.float32)
    agree(net, fast, X, [randn(4, 2, 2).astype(np.float32), X], 1e-6)


@BOTH
@pytest.mark.parametrize("layer", [nn.CMul, nn.CAdd])
def test_one_parameter_of_more_dimensions_than_the_input(
    layer: Any, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lambda: graph(layer(1, 1), chain(layer(1, 1, 1), nn.Tanh())))
    agree(net, fast, randn(3), [randn(3), randn(3)])


@BOTH
def test_integers_that_pass_through(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    X, G = np.arange(6).reshape(2, 3), [randn(2, 3), randn(2, 2)]
    net, fast = pair(lambda: graph(nn.Identity(), nn.Linear(3, 2)))
    expected, actual = one_pass(net, X, G), one_pass(fast, X, G)
    same(actual[0], expected[0])
    np.testing.assert_allclose(actual[1], expected[1], 1e-12)
    np.testing.assert_allclose(expected[1], G[0] + G[1] @ net.findModules("nn.Linear")[0][0].weight, 1e-12)
    same(actual[2], expected[2])


def carried() -> Unroll:
    """A state, and the entries of the input where a mask is 1: of another number each time."""
    x, mask, before = (nn.Identity()().annotate(name=name) for name in ("x", "mask", "before"))
    state = nn.Tanh()(nn.CAddTable()([x, before])).annotate(name="now")
    return Unroll(nn.gModule([x, mask, before], [state, nn.MaskedSelect()([state, mask])]), {"now": "before"})


@BOTH
def test_states_handed_in_again_where_the_network_runs_itself(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(carried)
    X = randn(1, 2, 3)
    first, second = np.zeros((1, 2, 3)), np.zeros((1, 2, 3))
    first[0, 0], second[0, :, 1:] = 1, 1
    for mask in (first, second, first):
        for each in (net, fast):
            before = np.zeros((2, 3)) if each.output is None else each.output[0][-1]
            each.forward([X, mask, before])
        same(copy_table(fast.output), copy_table(net.output))


@BOTH
@pytest.mark.parametrize("layer", [
    lambda: nn.Bottle(nn.Linear(3, 2)), lambda: nn.TemporalConvolution(3, 2, 2),
    lambda: chain(nn.Select(2, 1), nn.Linear(3, 2)),
], ids=["Bottle", "TemporalConvolution", "Linear"])
def test_a_batch_of_nothing(layer: Any, executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lambda: graph(layer(), nn.Identity()))
    for count in (2, 0):
        X = randn(count, 4, 3)
        agree(net, fast, X, [randn(count, *net.forward(X)[0].shape[1:]), X])
    assert net.output[0].shape[1:] == fast.forward(randn(2, 4, 3))[0].shape[1:]


@BOTH
def test_no_words(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)

    def make() -> nn.gModule:
        words, gates = nn.Identity()(), nn.Identity()()
        rows = nn.LookupTable(5, 2)(words)
        return nn.gModule([words, gates], [nn.MixtureTable()([gates, nn.Identity()([rows, rows])])])

    net, fast = pair(make)
    for count in (3, 0):
        agree(net, fast, [np.ones(count), randn(count, 2)], randn(count, 2))


def tied() -> nn.gModule:
    """An autoencoder whose second weight is the first one, transposed."""
    x = nn.Identity()()
    there, back = nn.Linear(3, 2, False), nn.Linear(2, 3, False)
    back.weight, back.gradWeight = there.weight.T, there.gradWeight.T
    return nn.gModule([x], [back(nn.Tanh()(there(x)))])


@BOTH
def test_transposed_parameters(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(tied)
    X, G = randn(4, 3), randn(4, 3)
    for each in (net, fast):
        each.zeroGradParameters()
        each.forward(X)
        each.backward(X, G, 0.5)
        each.backward(X, G, -2)
        each.getParameters()  # moves them
        each.backward(X, G, 3)
    same(fast.parameters()[1], net.parameters()[1])

"""The halves of backward, compiled: what ``updateGradInput`` was given is what is accumulated."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from compiling import NATIVE, NUMPY, choose, failure, pair, same
from unrolling import randn

import minigraph as mg
from minigraph import nn
from minigraph.rnn import Unroll


def embedding() -> nn.gModule:
    """No gradient reaches the indexes."""
    x = nn.Identity()()
    return nn.gModule([x], [nn.Linear(3, 2)(nn.LookupTable(5, 3)(x))])


def stopped() -> nn.gModule:
    """None passes the branch of the first output, all reach the second one's."""
    x = nn.Identity()()
    hidden = nn.ZeroGrad()(nn.Linear(3, 3)(x))
    return nn.gModule([x], [nn.Tanh()(nn.Linear(3, 2)(hidden)), nn.Linear(3, 2)(x)])


def nested() -> nn.gModule:
    x, y = nn.Identity()(), nn.Identity()()
    inner = mg.nest(nn.Linear(3, 2)(nn.ZeroGrad()(x)), [nn.CMul(3)(y)])
    both = nn.CMulTable()([nn.Linear(3, 2)(x), nn.Linear(3, 2)(nn.ZeroGrad()(y))])
    return nn.gModule([x, y], [inner, both])


def over_time() -> Unroll:
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    table = nn.LookupTable(5, 3)(x)
    state = nn.Tanh()(nn.CAddTable()([table, nn.Linear(3, 3)(prev)])).annotate(name="state")
    read = nn.Linear(3, 2)(nn.ZeroGrad()(state))
    return Unroll(nn.gModule([x, prev], [read, state]), {"state": "prev"})


INDEXES = np.array([1, 5, 2, 5])
CASES: list[Any] = [
    (embedding, INDEXES, [randn(4, 2), randn(4, 2)]),
    (stopped, randn(4, 3), [[randn(4, 2), None], [randn(4, 2), randn(4, 2)], [None, randn(4, 2)]]),
    (nested, [randn(4, 3), randn(4, 3)], [
        [[randn(4, 2), [randn(4, 3)]], None], [None, randn(4, 2)], [[randn(4, 2), None], randn(4, 2)],
    ]),
    (over_time, [np.array([INDEXES, INDEXES[::-1]]), randn(4, 3)], [
        [randn(2, 4, 2), None], [randn(2, 4, 2), randn(2, 4, 3)],
    ]),
]


@pytest.mark.parametrize("executor", [NUMPY, NATIVE])
@pytest.mark.parametrize(("make", "input", "gradOutputs"), CASES)
def test_the_halves_after_each_other(
    make: Callable[[], Any], input: Any, gradOutputs: list[Any], executor: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In both orders: what an earlier call left behind must not be taken for this one's."""
    choose(executor, monkeypatch)
    net, fast = pair(make)
    for gradOutput in [*gradOutputs, *reversed(gradOutputs)]:
        for each in (net, fast):
            each.zeroGradParameters()
            each.forward(input)
            each.updateGradInput(input, gradOutput)
            each.accGradParameters(input, gradOutput, 0.5)
            each.accGradParameters(input, gradOutput)
        same([fast.gradInput, fast.parameters()[1]], [net.gradInput, net.parameters()[1]])
        for each in (net, fast):
            each.backward(input, gradOutput)
            each.accGradParameters(input, gradOutput)
        same([fast.gradInput, fast.parameters()[1]], [net.gradInput, net.parameters()[1]])


@pytest.mark.parametrize("compiled", [False, True], ids=["engine", "compiled"])
def test_nothing_is_accumulated_after_an_error(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net = pair(stopped)[compiled]
    x, g = randn(4, 3), [randn(4, 2), randn(4, 2)]
    net.forward(x)
    net.backward(x, g)
    net.zeroGradParameters()
    assert "expected shape (4, 2)" in failure(lambda: net.updateGradInput(x, [randn(3, 2), None]))
    assert "accGradParameters before updateGradInput" in failure(lambda: net.accGradParameters(x, g))
    assert not any(np.any(gradient) for gradient in net.parameters()[1])

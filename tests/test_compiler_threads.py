"""Compiled programs shared among threads: samples stay whole, whatever shapes a step goes through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from registry.case import same

import minigraph as mg
from minigraph import nn
from minigraph.compiler.native import pool, writer

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pool of three threads, and all work worth sharing."""
    pytest.importorskip("llvmlite")
    mine = pool.Pool(3)
    monkeypatch.setattr(pool, "_pool", mine)
    monkeypatch.setattr(writer, "WORTH_SHARING", 0)
    yield
    mine.close()


def agree(net: Any, input: Any, gradients: Any) -> None:
    eager, fast = net.clone(), mg.compile(net)
    for _ in range(2):
        same(fast.forward(input), eager.forward(input))
        same(fast.backward(input, gradients), eager.backward(input, gradients))
        same(net.parameters()[1], eager.parameters()[1])


@pytest.mark.parametrize("B", [12, 13, 14, 50])
def test_columns_inside_a_loop(B: int) -> None:
    """Lengths of rows are (B, 1): no rows of their own for the threads."""
    x, h = (nn.Identity()().annotate(name=name) for name in ("x", "h"))
    total = nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)])
    after = nn.Normalize(2)(nn.Tanh()(total)).annotate(name="after")
    net = mg.rnn.Unroll(nn.gModule([x, h], [after]), {"after": "h"})
    rng = np.random.default_rng(B)
    agree(net, [rng.standard_normal((5, B, 3)), rng.standard_normal((B, 4))], rng.standard_normal((5, B, 4)))


@pytest.mark.parametrize("B", [1, 3, 12, 31])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_layers(cell: str, B: int) -> None:
    net = mg.rnn.Unroll(*getattr(mg.rnn, cell)(6, 5, 2))
    rng = np.random.default_rng(B)
    states = len(net.feedback)
    input = [rng.standard_normal((7, B, 6)), *(rng.standard_normal((B, 5)) for _ in range(states))]
    agree(net, input, [rng.standard_normal((7, B, 5)) for _ in range(states)])


@pytest.mark.parametrize("B", [2, 12, 17])
def test_without_time(B: int) -> None:
    x = nn.Identity()()
    h = nn.ReLU()(nn.Linear(6, 9)(x))
    parts = nn.SplitTable(2)(nn.Reshape(3, 3)(h)).split(3)
    net = nn.gModule([x], [nn.LogSoftMax()(nn.CAddTable()(list(parts))), h])
    rng = np.random.default_rng(B)
    agree(net, rng.standard_normal((B, 6)), [rng.standard_normal((B, 3)), rng.standard_normal((B, 9))])

"""Graphs of any length: nothing that walks one calls itself at each node."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from compiling import agree, choose, native_only, pair
from unrolling import randn

import minigraph as mg
from minigraph import nn
from minigraph.rnn import Unroll

X = np.ones((2, 2))


@pytest.fixture
def little_room() -> Iterator[None]:
    """Let functions call each other 200 levels deep only, so that shorter chains tell as much."""
    before = sys.getrecursionlimit()
    depth = 0
    while True:
        try:
            sys._getframe(depth)
        except ValueError:
            break
        depth += 1
    sys.setrecursionlimit(depth + 200)
    yield
    sys.setrecursionlimit(before)


LINKS: dict[str, Callable[[Any, Any], Any]] = {
    "CAddTable": lambda h, x: nn.CAddTable()([h, x]),
    "CMulTable": lambda h, x: nn.CMulTable()([h, x]),
    "AddConstant": lambda h, x: nn.AddConstant(0.01)(h),
    "MulConstant": lambda h, x: nn.MulConstant(1.001)(h),
    "CSubTable": lambda h, x: nn.CSubTable()([x, h]),
    "views": lambda h, x: nn.Transpose([1, 2])(nn.Reshape(2, True)(nn.Reshape(2, 1, True)(h))),
    "products": lambda h, x: nn.CAddTable()([h, nn.Linear(2, 2)(x)]),
    "parts": lambda h, x: nn.Narrow(2, 1, 2)(nn.JoinTable(2)([h, x])),
}


def chain(link: Callable[[Any, Any], Any], length: int) -> nn.gModule:
    x = nn.Identity()()
    h = x
    for _ in range(length):
        h = link(h, x)
    return nn.gModule([x], [nn.Tanh()(h)])


def chain_over_time(link: Callable[[Any, Any], Any], length: int) -> Unroll:
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    h = nn.CMulTable()([x, prev])
    for _ in range(length):
        h = link(h, x)
    return Unroll(nn.gModule([x, prev], [nn.Tanh()(h).annotate(name="next")]), {"next": "prev"})


def around_one(*shape: int) -> np.ndarray:
    return 1 + 0.01 * randn(*shape)


@pytest.mark.parametrize("name", ["CAddTable", "CMulTable", "AddConstant", "MulConstant"])
def test_a_thousand_nodes_compiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net, fast = pair(lambda: chain(LINKS[name], 1000))
    agree(net, fast, around_one(2, 2), randn(2, 2), 1e-9, times=1)
    assert fast.plan(), "the network ran itself"


@pytest.mark.parametrize("name", LINKS)
def test_chains_compiled(name: str, little_room: None, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    compare(name, 70 if name == "views" else 210)


@native_only
def test_chains_in_native_code(little_room: None, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("native", monkeypatch)
    compare("CAddTable", 210)


def compare(name: str, length: int) -> None:
    for make, steps in ((chain, ()), (chain_over_time, (2,))):
        net, fast = pair(lambda make=make: make(LINKS[name], length))
        x = around_one(*steps, 2, 2)
        input = [x, around_one(2, 2)] if steps else x
        agree(net, fast, input, randn(*x.shape), 1e-9, times=1)
        assert fast.plan(), "the network ran itself"


TOOLS: dict[str, Callable[[nn.gModule, Path], Any]] = {
    "draw": lambda net, folder: mg.draw(net, folder / "a.dot"),
    "plan": lambda net, folder: mg.draw(planned(net), folder / "b.dot"),
    "tables": lambda net, folder: str(mg.debug.tables(net)),
    "trace": lambda net, folder: str(mg.debug.trace(net, X)),
    "gradcheck": lambda net, folder: mg.debug.gradcheck(net, X, max_entries=1),
    "save": lambda net, folder: (mg.save(folder / "c", net), mg.load(folder / "c"))[1],
    "save_t7": lambda net, folder: (mg.save_t7(folder / "d", net), mg.load_t7(folder / "d"))[1],
    "clone": lambda net, folder: net.clone(),
    "deepcopy": lambda net, folder: copy.deepcopy(net),
    "pickle": lambda net, folder: pickle.loads(pickle.dumps(net)),
    "getParameters": lambda net, folder: net.getParameters(),
    "float": lambda net, folder: net.float(),
    "to_networkx": lambda net, folder: mg.interop.to_networkx(net),
    "repr": lambda net, folder: repr(net),
}


def planned(net: nn.gModule) -> Any:
    fast = mg.compile(net)
    fast.forward(X)
    return fast.plan()


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_take_graphs_of_any_length(
    tool: str, little_room: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("numpy", monkeypatch)
    net = chain(LINKS["CAddTable"], 210)
    expected = net.forward(X).copy()
    made = TOOLS[tool](net, tmp_path)
    if isinstance(made, nn.gModule):
        np.testing.assert_allclose(made.forward(X), expected, rtol=1e-6)

"""Products of few rows, columns and terms, as compiled networks have them: every one as the engine's."""

from __future__ import annotations

from itertools import product
from typing import Any, Callable, Union

import numpy as np
import pytest
from compiling import agree, choose, native_only, pair

from minigraph import nn
from minigraph.rnn import Unroll

Net = Union[nn.gModule, Unroll]


def started(base: Any, x: Any, wide: int, columns: int, bias: bool = False) -> Any:
    """A product that starts from ``base`` instead of being added to it."""
    return nn.CAddTable()([base, nn.Linear(wide, columns, bias)(x)])


def from_input(wide: int) -> nn.gModule:
    x = nn.Identity()()
    return nn.gModule([x], [started(x, x, wide, wide, True)])


def from_product(wide: int) -> nn.gModule:
    x = nn.Identity()()
    hidden = nn.Linear(wide, 1)(x)
    return nn.gModule([x], [started(hidden, hidden, 1, 1)])


def from_column(wide: int) -> nn.gModule:
    """What it starts from is the last column of something wider."""
    x = nn.Identity()()
    return nn.gModule([x], [started(nn.Narrow(2, wide, 1)(x), x, wide, 1)])


def from_part(wide: int) -> nn.gModule:
    x = nn.Identity()()
    parts = nn.Reshape(2, wide, True)(nn.JoinTable(2)([x, x]))
    return nn.gModule([x], [started(nn.Select(2, 2)(parts), x, wide, wide)])


def over_time(wide: int) -> Unroll:
    """One product waits for the step before, one does not; both start from a column."""
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    column = nn.Narrow(2, 1, 1)(x)
    state = started(column, prev, 1, 1).annotate(name="state")
    return Unroll(nn.gModule([x, prev], [started(column, x, wide, 1), state]), {"state": "prev"})


NETS = [from_input, from_product, from_column, from_part, over_time]


def compare(make: Callable[[int], Net], batch: int, wide: int, name: str) -> None:
    dtype = {"float": np.float32, "double": np.float64}[name]
    rng = np.random.default_rng(0)
    net, fast = pair(lambda: getattr(make(wide), name)())
    input: Any = rng.standard_normal((batch, wide)).astype(dtype)
    if make is over_time:
        input = [rng.standard_normal((3, batch, wide)).astype(dtype), input[:, :1]]
    outputs = net.forward(input)
    gradOutput = [rng.standard_normal(y.shape).astype(dtype) for y in outputs] if type(outputs) is list else (
        rng.standard_normal(outputs.shape).astype(dtype)
    )
    agree(net, fast, input, gradOutput, 2e-5 if name == "float" else 1e-12)
    assert fast.plan(), "the network ran itself"


@pytest.mark.parametrize("name", ["double", "float"])
@pytest.mark.parametrize("make", NETS)
def test_small_products(make: Callable[[int], Net], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    for batch, wide in product((1, 2, 5), (1, 2, 5)):
        compare(make, batch, wide, name)


@native_only
@pytest.mark.parametrize(("executor", "batch", "wide", "name"), [
    ("native", 3, 1, "double"), ("threads", 5, 3, "float"),
])
@pytest.mark.parametrize("make", NETS)
def test_small_products_in_native_code(
    make: Callable[[int], Net], executor: str, batch: int, wide: int, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(executor, monkeypatch)
    compare(make, batch, wide, name)

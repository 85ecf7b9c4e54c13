"""Tables and modules that are nested too deeply, or in themselves, are told as that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from compiling import choose

import minigraph as mg
from minigraph import nn
from minigraph.errors import NestingError, NodeError
from minigraph.rnn import Unroll

X = np.ones((2, 2))


def deep(levels: int = 5000) -> Any:
    table: Any = X
    for _ in range(levels):
        table = [table]
    return table


def cyclic() -> Any:
    table: list[Any] = [X, [X]]
    table[1].append(table[1])
    return table


def identity() -> nn.gModule:
    x = nn.Identity()()
    return nn.gModule([x], [nn.Identity()(x)])


def ran(net: Any) -> Any:
    net.forward(np.ones((2, 2, 2)) if isinstance(net, Unroll) else X)
    return net


TAKING: dict[str, Callable[[Any], Any]] = {
    "forward": lambda table: identity().forward(table),
    "a layer": lambda table: nn.Linear(2, 2).forward(table),
    "a table layer": lambda table: nn.FlattenTable().forward(table),
    "a container": lambda table: nn.Sequential().add(nn.Identity()).add(nn.Tanh()).forward(table),
    "an Unroll": lambda table: Unroll(identity()).forward(table),
    "a criterion": lambda table: nn.MSECriterion().forward(table, X),
    "backward": lambda table: ran(identity()).backward(X, table),
    "backward of a layer": lambda table: ran(nn.Tanh()).backward(X, table),
    "backward of an Unroll": lambda table: ran(Unroll(identity())).backward(np.ones((2, 2, 2)), table),
    "compiled": lambda table: mg.compile(identity()).forward(table),
    "backward compiled": lambda table: ran(mg.compile(identity())).backward(X, table),
    "gradcheck": lambda table: mg.debug.gradcheck(identity(), table),
    "trace": lambda table: mg.debug.trace(identity(), table),
    "a gradient to trace": lambda table: mg.debug.trace(identity(), X, table),
}


@pytest.mark.parametrize("what", TAKING)
def test_tables_that_cannot_be_walked(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    name = "gradOutput" if "backward" in what or "gradient" in what else "input"
    with pytest.raises(NestingError, match=f"^{name} is nested 5,000 tables deep, too deep to be walked"):
        TAKING[what](deep())
    with pytest.raises(NestingError, match=rf"^{name}\[2\]\[2\] is {name}\[2\] again: a table cannot"):
        TAKING[what](cyclic())


def test_a_network_goes_on_after_a_deep_table() -> None:
    net = identity()
    for give in (deep, cyclic):
        with pytest.raises(NestingError):
            net.forward(give())
        np.testing.assert_array_equal(net.forward(X), X)
        with pytest.raises(NestingError):
            net.backward(X, give())
        np.testing.assert_array_equal(net.backward(X, 2 * X), 2 * X)


def test_a_file_of_torch_holds_tables_of_any_depth(tmp_path: Path) -> None:
    mg.save_t7(tmp_path / "deep.t7", deep())
    table = mg.load_t7(tmp_path / "deep.t7")
    for _ in range(5000):
        (table,) = table
    np.testing.assert_array_equal(table, X)


def test_tables_that_the_network_itself_nests() -> None:
    x = nn.Identity()()
    h = x
    for _ in range(1500):
        h = mg.nest([h])
    net = nn.gModule([x], [h])
    net.forward(X)
    with pytest.raises(NestingError, match="nn.JustTable.output is nested 1,500 tables deep"):
        net.backward(X, None)


def nested(levels: int = 3000) -> nn.Sequential:
    net = nn.Sequential().add(nn.Tanh())
    for _ in range(levels - 1):
        inner, net = net, nn.Sequential()
        net.modules.append(inner)
    return net


def holding_itself() -> nn.Sequential:
    net = nn.Sequential().add(nn.Linear(2, 2))
    net.modules.append(net)
    return net


OF_MODULES: dict[str, Callable[[Any], Any]] = {
    "forward": lambda net: net.forward(X),
    "compiled": lambda net: mg.compile(net).forward(X),
    "gradcheck": lambda net: mg.debug.gradcheck(net, X),
    "trace": lambda net: mg.debug.trace(nn.gModule([x := nn.Identity()()], [net(x)]), X),
    "unroll": lambda net: Unroll(nn.gModule([x := nn.Identity()()], [net(x)])).forward(X),
    "getParameters": lambda net: net.getParameters(),
    "training": lambda net: net.training(),
    "repr": repr,
}


@pytest.mark.parametrize("what", OF_MODULES)
def test_modules_that_cannot_be_walked(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    with pytest.raises(NestingError, match=r"is nested 3,00\d modules deep, too deep to be walked"):
        OF_MODULES[what](nested())
    with pytest.raises(NestingError, match=r"modules\[2\] is .* again: a module cannot contain itself"):
        OF_MODULES[what](holding_itself())


def test_a_container_of_them_cannot_run() -> None:
    with pytest.raises(NestingError, match="modules deep"):
        nn.Sequential().add(nested(3000)).forward(X)


def test_what_walks_a_few_hundred_levels_does() -> None:
    table = deep(100)
    np.testing.assert_array_equal(nn.FlattenTable().forward(table)[0], X)
    np.testing.assert_array_equal(nested(50).forward(X), np.tanh(X))


class Endless(nn.Module):
    """A mistake of its author's, not of nesting."""

    def updateOutput(self, input: Any) -> Any:
        return self.updateOutput(input)


def test_a_users_endless_recursion_is_told_as_that() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [Endless()(x).annotate(name="mine")])
    with pytest.raises(NodeError, match="RecursionError(.|\n)*node 1 'mine': Endless, made at") as caught:
        net.forward(X)
    assert isinstance(caught.value.__cause__, RecursionError)

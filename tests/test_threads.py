"""One network and several threads: every answer is right, or there is an error that says why."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import StateError
from minigraph.tables import copy_table

X, H = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros((2, 3))
REFUSED = r"run by another thread.*clone\('weight', 'bias'\)"


class Gate(nn.Module):
    """The identity, which waits inside of a pass while it is closed."""

    entered, opened = threading.Event(), threading.Event()

    def updateOutput(self, input: Any) -> Any:
        self.entered.set()
        assert self.opened.wait(120)
        self.output = input
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = self.updateOutput(gradOutput)
        return self.gradInput


@pytest.fixture(autouse=True)
def gate() -> Iterator[type[Gate]]:
    Gate.opened.set()
    yield Gate
    Gate.opened.set()


def graph() -> Any:
    x = nn.Identity()()
    return nn.gModule([x], [nn.Linear(3, 3)(Gate()(nn.Tanh()(nn.Linear(3, 3)(x))))])


def unrolled() -> Any:
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    y = nn.Tanh()(Gate()(nn.CAddTable()([nn.Linear(3, 3)(x), h]))).annotate(name="y")
    return mg.rnn.Unroll(nn.gModule([x, h], [y]), {"y": "h"})


NETS: dict[str, Callable[[], Any]] = {
    "graph": graph,
    "nested": lambda: nn.Sequential().add(graph()).add(nn.Tanh()),
    "sequential": lambda: nn.Sequential().add(nn.Linear(3, 3)).add(Gate()).add(nn.Tanh()),
    "layer": Gate,
    "compiled": lambda: mg.compile(graph()),
    "unrolled": unrolled,
    "compiled unrolled": lambda: mg.compile(unrolled()),
}
every_net = pytest.mark.parametrize("name", NETS)


def made(name: str) -> tuple[Any, Any]:
    """Return a network and an input for it."""
    mg.manualSeed(3)
    return NETS[name](), [np.stack([X, 2 * X]), H] if "unrolled" in name else X


def one_pass(net: Any, input: Any, factor: float = 1.0) -> Any:
    """Return copies of the output and the gradient of the input, times ``factor`` both."""
    input = [factor * entry for entry in input] if isinstance(input, list) else factor * input
    net.zeroGradParameters()
    output = copy_table(net.forward(input))
    return [output, copy_table(net.backward(input, output)), copy_table(net.parameters()[1])]


def same(actual: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return np.array_equal(actual, expected)


@every_net
def test_a_thread_that_comes_in_the_middle_of_a_pass_is_refused(name: str, gate: Any) -> None:
    net, input = made(name)
    expected = one_pass(net, input)
    gate.entered, gate.opened = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one_pass, net, input)
        assert gate.entered.wait(120)
        with pytest.raises(StateError, match=REFUSED):
            net.forward(input)
        with pytest.raises(StateError, match=REFUSED):
            net.backward(input, expected[0])
        gate.opened.set()
        assert same(first.result(), expected)
    assert same(one_pass(net, input), expected)


def test_a_criterion_too(gate: Any) -> None:
    class Slow(nn.MSECriterion):
        def updateOutput(self, input: Any, target: Any) -> float:
            Gate().updateOutput(input)
            return super().updateOutput(input, target)

    criterion = Slow()
    expected = criterion.forward(X, H)
    gate.entered, gate.opened = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(criterion.forward, X, H)
        assert gate.entered.wait(120)
        with pytest.raises(StateError, match=REFUSED):
            criterion.forward(X, H)
        gate.opened.set()
        assert first.result() == expected


@every_net
def test_one_thread_after_the_other_is_fine_and_overwrites_nothing(name: str) -> None:
    net, input = made(name)
    expected, twice = one_pass(net, input), one_pass(net, input, 2.0)
    mine = net.forward(input)
    with ThreadPoolExecutor(1) as pool:
        assert same(pool.submit(one_pass, net, input, 2.0).result(), twice)
        assert same(mine, expected[0])  # the other thread wrote elsewhere
        with pytest.raises(StateError, match="(?i)backward before forward.*another thread"):
            net.backward(input, expected[0])
        assert same(one_pass(net, input), expected)
        net.forward(input)
        halves = () if name in ("layer", "sequential") else (net.updateGradInput, net.accGradParameters)
        for method in halves:
            with pytest.raises(StateError, match="before"):
                pool.submit(method, input, expected[0]).result()
    assert same(one_pass(net, input), expected)


@every_net
def test_many_threads_at_once_get_right_answers_or_errors(name: str) -> None:
    net, input = made(name)
    factors = [1.0, 2.0, 3.0, 4.0]
    expected = {factor: one_pass(net, input, factor) for factor in factors}
    answers: list[bool] = []

    def work(factor: float) -> None:
        for _ in range(20):
            try:
                answers.append(same(one_pass(net, input, factor)[:2], expected[factor][:2]))
            except StateError:
                answers.append(True)

    run(work, factors)
    assert len(answers) == 80 and all(answers)
    assert same(one_pass(net, input), expected[1.0])


@every_net
def test_a_clone_for_each_thread(name: str) -> None:
    net, input = made(name)
    factors = [1.0, 2.0, 3.0, 4.0]
    expected = {factor: one_pass(net, input, factor) for factor in factors}
    clones = {factor: net.clone("weight", "bias") for factor in factors}
    answers: list[bool] = []
    run(lambda factor: answers.append(
        all(same(one_pass(clones[factor], input, factor), expected[factor]) for _ in range(10))
    ), factors)
    assert answers == [True] * 4
    for mine, theirs in zip(net.parameters()[0], clones[1.0].parameters()[0]):
        assert mine is theirs


def run(work: Callable[[float], Any], factors: list[float]) -> None:
    threads = [threading.Thread(target=work, args=[factor]) for factor in factors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_network_may_run_itself() -> None:
    class Again(nn.Module):
        """Runs the network that it is a layer of once more, with half of the input."""

        def updateOutput(self, input: Any) -> Any:
            if np.abs(input).max() > 0.1:
                self._net.forward(input / 2)  # type: ignore[attr-defined]
            self.output = 2 * input
            return self.output

    again = Again()
    net = nn.Sequential().add(again)
    again._net = net  # type: ignore[attr-defined]
    np.testing.assert_array_equal(net.forward(X), 2 * X)

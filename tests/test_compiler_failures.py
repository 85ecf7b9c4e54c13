"""A compiler that fails: the network runs itself, with the same numbers, and one warning tells why."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import numpy as np
import pytest
from compiling import choose, native_only, same
from unrolling import randn

import minigraph as mg
from minigraph import nn
from minigraph.compiler.capture.capture import _RULES
from minigraph.compiler.program.vjps import VJPS
from minigraph.errors import CompilerWarning, NodeError
from minigraph.random import generator
from minigraph.rnn import Unroll

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run in NumPy unless a test chooses."""
    choose("numpy", monkeypatch)


def network() -> nn.gModule:
    """With random masks, running means, two outputs, and parameters that the gradient of x does not need."""
    x = nn.Identity()()
    hidden = nn.Tanh()(nn.Linear(3, 4)(nn.Dropout(0.5)(x))).annotate(name="hidden")
    normal = nn.BatchNormalization(4)(hidden)
    return nn.gModule([x], [nn.Linear(4, 2)(normal), nn.CMul(3)(nn.ZeroGrad()(x))])


def recurrent() -> Unroll:
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    both = nn.CAddTable()([nn.Linear(3, 3)(nn.Dropout(0.5)(x)), nn.Linear(3, 3)(prev)])
    hidden = nn.Tanh()(both).annotate(name="hidden")
    return Unroll(nn.gModule([x, prev], [hidden, nn.CMul(3)(nn.ZeroGrad()(x))]), {"hidden": "prev"})


#: Networks with the input and the gradient of the output that they take.
NETS: list[tuple[Callable[[], Any], Any, Any]] = [
    (network, randn(4, 3), [randn(4, 2), randn(4, 3)]),
    (recurrent, [randn(2, 4, 3), randn(4, 3)], [randn(2, 4, 3), randn(2, 4, 3)]),
]


def broken(*arguments: Any, **settings: Any) -> Any:
    raise KeyError("out of order")


def rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_RULES, nn.Tanh, broken)


def derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VJPS, "tanh", broken)


def a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigraph.compiler.pipeline.fuse", broken)


def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigraph.compiler.memory.storage.Frame._place", broken)


def execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that fails when it runs, after others have."""
    monkeypatch.setattr("minigraph.compiler.numpy_executor.executor.UFUNCS", {"tanh": broken})


def backward_only(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = mg.compiler.running.executors.NumpyExecutor

    def bound(segments: Any, frame: Any, backwards: bool, callees: Any) -> Any:
        return broken() if backwards else executor(segments, frame, backwards, callees)

    monkeypatch.setattr(mg.compiler.running.executors, "NumpyExecutor", bound)


def backward_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accumulation fails when others have added to their gradients."""
    from minigraph.compiler.numpy_executor.executor import NumpyExecutor

    accumulation = NumpyExecutor._accumulation

    def bound(self: Any, op: Any, inputs: Any, target: Any) -> Any:
        calls = accumulation(self, op, inputs, target)
        return [*calls, broken] if op.primitive == "accumulate" and target.shape == (3,) else calls

    monkeypatch.setattr(NumpyExecutor, "_accumulation", bound)


BREAKS: list[Break] = [
    rule, derivative, a_pass, memory, execution, backward_only, backward_in_the_middle,
]


def three_ways(net: Any, input: Any, gradOutput: Any) -> list[Any]:
    """Return what is left after each way to go back, each after a forward, and the next random number."""
    found: list[Any] = []
    mg.manualSeed(3)
    for way in range(3):
        output = net.forward(input)
        found.append([each.copy() for each in output])
        if way == 0:
            net.backward(input, gradOutput)
        else:
            net.updateGradInput(input, gradOutput)
            net.accGradParameters(input, gradOutput, 1.0 if way == 1 else 0.3)
        gradInput = net.gradInput if isinstance(net.gradInput, list) else [net.gradInput]
        found.append([*(each.copy() for each in gradInput), *(each.copy() for each in net.parameters()[1])])
        means = [each.running_mean.copy() for each in net.findModules("nn.BatchNormalization")[0]]
        found.append([*means, generator.uniforms(1)])
    return found


@pytest.mark.parametrize("broke", BREAKS)
@pytest.mark.parametrize(("make", "input", "gradOutput"), NETS, ids=["gModule", "Unroll"])
def test_the_network_runs_itself(
    make: Callable[[], Any], input: Any, gradOutput: Any, broke: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gradient in (gradOutput, [None, gradOutput[1]]):
        mg.manualSeed(1)
        expected = three_ways(make(), input, gradient)
        with monkeypatch.context() as patched:
            broke(patched)
            mg.manualSeed(1)
            fast = mg.compile(make())
            with pytest.warns(CompilerWarning, match="the compiler failed.*KeyError: 'out of order'") as told:
                actual = three_ways(fast, input, gradient)
        assert len(told) == 1 and told[0].filename == __file__
        same(actual, expected)
        assert isinstance(told[0].message.__cause__, KeyError)


@pytest.mark.parametrize("make", [network, recurrent])
@pytest.mark.parametrize("broke", [rule, derivative])
def test_the_warning_names_the_node(
    make: Callable[[], Any], broke: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    broke(monkeypatch)
    named = r"at node \d+ 'hidden': nn.Tanh, made at .*_failures.py:\d+ .KeyError: 'out of order'"
    with pytest.warns(CompilerWarning, match=named):
        mg.compile(make()).forward(NETS[make is recurrent][1])


def test_it_is_told_once_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def failing(*arguments: Any) -> Any:
        tried.append(arguments)
        raise KeyError("out of order")

    monkeypatch.setitem(_RULES, nn.Tanh, failing)
    fast = mg.compile(network())
    with pytest.warns(CompilerWarning) as told:
        for batch in (4, 4, 5, 4, 5):
            fast.forward(randn(batch, 3))
            fast.backward(randn(batch, 3), [randn(batch, 2), None])
    assert len(told) == 1 and len(tried) == 2  # two shapes
    with pytest.raises(mg.errors.StateError, match="no plan: the last forward ran the network itself"):
        fast.plan()
    monkeypatch.undo()
    choose("numpy", monkeypatch)
    fast.clearState()
    fast.forward(randn(4, 3))
    assert fast.plan()


def test_errors_of_the_user_are_no_failures_of_the_compiler() -> None:
    class Mine(nn.Module):
        fails = True

        def updateOutput(self, input: Any) -> Any:
            if self.fails:
                raise KeyError("mine")
            return 2 * input

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            return 2 * gradOutput

    x = nn.Identity()()
    mine = Mine()
    fast = mg.compile(nn.gModule([x], [mine(nn.Tanh()(x))]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompilerWarning)
        with pytest.raises(NodeError, match="KeyError: 'mine'"):
            fast.forward(randn(2, 3))
        with pytest.raises(mg.errors.InputError):
            fast.forward("text")
        mine.fails = False
        input = randn(2, 3)
        np.testing.assert_allclose(fast.forward(input), 2 * np.tanh(input))
        assert fast.plan()
        alone = mg.compile(Mine())
        with pytest.raises(KeyError, match="mine"):
            alone.forward(input)


@native_only
def test_native_code_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("native", monkeypatch)
    monkeypatch.setattr("minigraph.compiler.native.native_program.compile_ir", broken)
    make, input, gradOutput = NETS[0]
    mg.manualSeed(1)
    expected = three_ways(make(), input, gradOutput)
    mg.manualSeed(1)
    with pytest.warns(CompilerWarning, match="the compiler failed") as told:
        same(three_ways(mg.compile(make()), input, gradOutput), expected)
    assert len(told) == 1


def test_running_means_move_once_where_the_network_runs_after_all() -> None:
    """Of an output whose shape differs each time, the compiled run is given up in the middle."""
    def make() -> nn.gModule:
        x, mask = nn.Identity()(), nn.Identity()()
        return nn.gModule([x, mask], [nn.MaskedSelect()([nn.BatchNormalization(3)(x), mask])])

    net, fast = make(), mg.compile(make())
    same(fast.parameters()[0][1:], net.parameters()[0][1:])
    for count in (5, 5, 7, 2):
        x, mask = randn(4, 3), (np.arange(12) < count).astype(np.uint8).reshape(4, 3)
        for each in (net, fast):
            assert each.forward([x, mask]).shape == (count,)
        means = [each.findModules("nn.BatchNormalization")[0][0].running_mean for each in (net, fast)]
        np.testing.assert_array_equal(*means)

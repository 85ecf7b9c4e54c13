"""Every module and criterion inside a compiled graph: the numbers of the network as it is, to 1e-12."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from module_registry import CASES
from registry.case import Case, same

import minigraph as mg
from minigraph import nn
from minigraph.compiler.capture.rules import RULES, inherited
from minigraph.compiler.capture.rules.criterions import LOSSES
from minigraph.compiler.specialise import Specialisation
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.tables import copy_table, is_table, leaves, map_table

TOLERANCE = 1e-12


def wrapped(case: Case) -> nn.gModule:
    """A graph of nothing but the module; a criterion gets a node for its target."""
    x, t = nn.Identity()(), nn.Identity()()
    module = case.fresh()
    if case.target is None:
        return nn.gModule([x], [module(x)])
    return nn.gModule([x, t], [module([x, t])])


def given(case: Case, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    input = case.input(rng)
    if case.target is None:
        return input
    target = case.target(rng)
    return [input, np.zeros(1) if target is None else target]  # a node has two inputs, wanted or not


def gradient(output: Any) -> Any:
    rng = np.random.default_rng(3)
    return map_table(lambda leaf: rng.standard_normal(np.shape(leaf)), output)


def ran(net: Any, input: Any, scale: float) -> tuple[Any, Any, list[np.ndarray], float]:
    """Forward and backward: outputs, gradients of the input, of the parameters, the next random number."""
    mg.manualSeed(7)
    output = copy_table(net.forward(input))
    gradInput = copy_table(net.backward(input, gradient(output), scale))
    drawn = float(generator.uniforms(1)[0])
    return output, gradInput, [each.copy() for each in net.parameters()[1]], drawn


def agree(net: Any, compiled: Any, input: Any, scale: float = 1.0) -> None:
    expected = ran(net, input, scale)
    actual = ran(compiled, input, scale)
    for what, a, e in zip(("output", "gradInput", "gradParameters"), actual, expected):
        same(a, e, TOLERANCE, what)
    assert actual[3] == expected[3], "the random stream went another way"


def agree_in_two(net: Any, compiled: Any, input: Any) -> None:
    """Compare the two halves of backward, called one after the other."""
    gradients = []
    for each in (net, compiled):
        mg.manualSeed(7)
        gradOutput = gradient(each.forward(input))
        gradients.append(copy_table(each.updateGradInput(input, gradOutput)))
        each.accGradParameters(input, gradOutput, 0.25)
    same(gradients[1], gradients[0], TOLERANCE, "gradInput")
    for a, e in zip(compiled.parameters()[1], net.parameters()[1]):
        same(a, e, TOLERANCE, "gradParameters")


@pytest.fixture
def in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run in NumPy, which takes no time to compile."""
    monkeypatch.setenv("MINIGRAPH_NATIVE", "0")


@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.label}")
def test_compiled_module_computes_what_the_module_does(case: Case) -> None:
    net, compiled = wrapped(case), mg.compile(wrapped(case))
    agree(net, compiled, given(case, 1))
    agree(net, compiled, given(case, 2))
    agree(net, compiled, given(case, 2), 0.5)
    agree_in_two(net, compiled, given(case, 1))
    net.evaluate(), compiled.evaluate()
    agree(net, compiled, given(case, 3))


# -- modules that are written with primitives ----------------------------------------------------------

#: Layers that keep or print something, or draw where entries are equal: their rules are of no use here.
FORWARD_ONLY = {
    "FeatureLPPooling", "IndexLinear", "Kmeans", "L1HingeEmbeddingCriterion", "L1Penalty", "LinearWeightNorm",
    "NaN", "PrintSize", "Profile", "SparseLinear", "WeightNorm",
}
#: Cases that a rule leaves to the module: what is drawn, chosen outputs, what holds such a layer.
LEFT = {
    "RReLU-0", "RReLU-1", "WhiteNoise-0", "PairwiseDistance-1", "PartialLinear-1", "MultiCriterion-1",
    "SpatialLPPooling-0", "SpatialLPPooling-1",
}


def lowered(case: Case) -> bool:
    module = case.fresh()
    rules = LOSSES if case.target else RULES
    left = case.name in FORWARD_ONLY or f"{case.name}-{case.label}" in LEFT
    return inherited(rules, type(module)) is not None and not left


LOWERED = [case for case in CASES if lowered(case)]


ONE_EACH = list({case.name: case for case in LOWERED}.values())


def called(net: Any, input: Any) -> list[Any]:
    """The modules that a compiled network calls as they are."""
    ops = Specialisation(net, input).forward.program.ops
    return [op.attributes["module"] for op in ops if op.primitive == "call"]


@pytest.mark.parametrize("case", LOWERED, ids=lambda case: f"{case.name}-{case.label}")
def test_module_with_a_rule_is_not_called(case: Case) -> None:
    assert not called(wrapped(case), given(case, 1))


class Block(nn.Sequential):
    """A container of its own modules, which runs as any other."""

    def __init__(self) -> None:
        super().__init__()
        self.add(nn.Linear(4, 3)).add(nn.Tanh())

    def width(self) -> int:
        return 3


class Halving(nn.Tanh):
    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = np.tanh(input) / 2
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = gradOutput * (1 - 4 * self.output**2) / 2
        return self.gradInput


class Last(nn.Select):
    """Selects the last entry, by a method that the base keeps to itself."""

    def _place(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        *before, _ = super()._place(shape)
        return (*before, shape[len(before)] - 1)


class Squares(nn.MSECriterion):
    """A criterion that only has another name."""


def alone(module: Any) -> nn.gModule:
    x = nn.Identity()()
    return nn.gModule([x], [module(x)])


@pytest.mark.usefixtures("in_numpy")
def test_a_subclass_is_written_like_the_base_that_it_runs_as() -> None:
    input = np.random.default_rng(0).standard_normal((3, 4))
    for module in (Block(), nn.Sequential().add(Block()).add(Halving()).add(Last(2, 1))):
        agree(alone(module), mg.compile(alone(module.clone())), input)
    assert not called(alone(Block()), input)
    for other in (Halving(), Last(2, 1)):
        (kept,) = called(alone(other), input)
        assert type(kept) is type(other)
    x, t = nn.Identity()(), nn.Identity()()
    net = nn.gModule([x, t], [Squares()([x, t])])
    assert not called(net, [input, input])
    agree(net, mg.compile(net.clone()), [input, 2 * input])


def stacked(entries: list[Any]) -> Any:
    if is_table(entries[0]):
        return [stacked(list(column)) for column in zip(*entries)]
    return np.stack([np.asarray(entry) for entry in entries])


def over_time(case: Case) -> None:
    sequence = stacked([given(case, seed) for seed in range(3)])
    agree(Unroll(wrapped(case)), mg.compile(Unroll(wrapped(case))), sequence)


@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("case", LOWERED, ids=lambda case: f"{case.name}-{case.label}")
def test_module_with_a_rule_runs_once_over_time(case: Case) -> None:
    over_time(case)


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.name)
def test_module_with_a_rule_runs_once_over_time_in_native_code(case: Case) -> None:
    over_time(case)


def recurrent(case: Case) -> Unroll:
    """The module's output is added to its input at the next time step."""
    x, s = nn.Identity()(), nn.Identity()().annotate(name="s")
    mixed = nn.CAddTable()([x, nn.MulConstant(0.1)(s)])
    return Unroll(nn.gModule([x, s], [case.fresh()(mixed).annotate(name="y")]), {"y": "s"})


def keeps_shape(case: Case) -> bool:
    """Whether the module of one tensor gives one tensor of the same shape."""
    if case.target is not None:
        return False
    input = case.data()[0]
    output = None if is_table(input) else case.forward(case.fresh(), input)
    return isinstance(output, np.ndarray) and output.shape == np.shape(input)


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("case", [c for c in ONE_EACH if keeps_shape(c)], ids=lambda case: case.name)
def test_module_with_a_rule_inside_a_recurrence(
    case: Case, native: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIGRAPH_NATIVE", native)
    sequence = stacked([np.abs(given(case, seed)) for seed in range(3)])
    state = np.zeros(sequence.shape[1:])
    agree(recurrent(case), mg.compile(recurrent(case)), [sequence, state])


def single(table: Any) -> Any:
    """The table with its floating-point tensors in single precision."""
    arrays = map_table(np.asarray, table)
    return map_table(lambda leaf: leaf.astype(np.float32) if leaf.dtype.kind == "f" else leaf, arrays)


@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.name)
def test_module_with_a_rule_in_single_precision(case: Case) -> None:
    input, results = single(given(case, 1)), []
    for net in (wrapped(case).float(), mg.compile(wrapped(case).float())):
        mg.manualSeed(7)
        output = copy_table(net.forward(input))
        results.append([output, copy_table(net.backward(input, single(gradient(output))))])
    same(results[1], results[0], 2e-5)
    types = [[leaf.dtype for _, leaf in leaves(result)] for result in results]
    assert types[1] == types[0]

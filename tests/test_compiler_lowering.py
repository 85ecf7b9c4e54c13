"""Lowered layers where it is delicate: at kinks, ties and limits, with targets and indexes of all kinds."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from registry.case import same

import minigraph as mg
from minigraph import nn
from minigraph.errors import MinigraphError
from minigraph.tables import copy_table, map_table

KINKS = np.array([
    -800, -25, -2, -1, -0.5, -0.3, -1e-9, -0.0, 0, 1e-9, 1e-6, 0.3, 0.5, 1, 2, 6, 8, 20, 20.5, 800,
])
POINTWISE: dict[str, Callable[[], Any]] = {
    "Abs": nn.Abs,
    "Clamp": lambda: nn.Clamp(-0.5, 0.5),
    "CReLU": lambda: nn.CReLU(1),
    "ELU": nn.ELU,
    "ELU falling": lambda: nn.ELU(-0.5),
    "HardShrink": nn.HardShrink,
    "HardTanh": nn.HardTanh,
    "LeakyReLU": nn.LeakyReLU,
    "LogSigmoid": nn.LogSigmoid,
    "PReLU": nn.PReLU,
    "Power 0": lambda: nn.Power(0),
    "Power 1": lambda: nn.Power(1),
    "Power 2": lambda: nn.Power(2),
    "Power 4": lambda: nn.Power(4),
    "Power 5": lambda: nn.Power(5),
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "Sigmoid": nn.Sigmoid,
    "SoftPlus": nn.SoftPlus,
    "SoftPlus steep": lambda: nn.SoftPlus(2.5),
    "SoftShrink": nn.SoftShrink,
    "SoftShrink by nothing": lambda: nn.SoftShrink(0),
    "SoftSign": nn.SoftSign,
    "Square": nn.Square,
    "Tanh": nn.Tanh,
    "TanhShrink": nn.TanhShrink,
    "Threshold": nn.Threshold,
    "Threshold 1": lambda: nn.Threshold(1, -3),
}


@pytest.fixture(params=["0", "1"], ids=["numpy", "native"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAPH_NATIVE", request.param)


def agree(build: Callable[[], nn.gModule], input: Any) -> None:
    """Compare one forward and backward of the network and of the compiled network."""
    net, compiled = build(), mg.compile(build())
    expected, actual = ran(net, input), ran(compiled, input)
    for what, a, e in zip(("output", "gradInput", "gradParameters"), actual, expected):
        same(a, e, 1e-12, what)
    assert compiled.net.output is None, "the network ran itself"


def ran(net: Any, input: Any) -> tuple[Any, Any, list[np.ndarray]]:
    mg.manualSeed(7)
    output = copy_table(net.forward(input))
    rng = np.random.default_rng(3)
    gradOutput = map_table(lambda leaf: rng.standard_normal(leaf.shape), output)
    return output, copy_table(net.backward(input, gradOutput)), net.parameters()[1]


def side_by_side(makers: Any, inputs: int = 1) -> nn.gModule:
    """A graph in which every layer has inputs of its own; all gradients can be told apart."""
    mg.manualSeed(1)
    nodes = [[nn.Identity()() for _ in range(inputs)] for _ in makers]
    outputs = [make()(entries if inputs > 1 else entries[0]) for make, entries in zip(makers, nodes)]
    return nn.gModule([node for entries in nodes for node in entries], outputs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pointwise_layers_at_their_kinks(executor: None) -> None:
    makers = list(POINTWISE.values())
    agree(lambda: side_by_side(makers), [KINKS] * len(makers))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_layers_that_need_positive_numbers(executor: None) -> None:
    makers = [nn.Log, nn.Sqrt, lambda: nn.Power(0.5), lambda: nn.Power(-1)]
    x = np.array([0.0, 1e-300, 1e-9, 0.5, 1, 7, 1e9])
    agree(lambda: side_by_side(makers[:2]), [x] * 2)
    agree(lambda: side_by_side(makers[2:]), [x[1:]] * 2)


def test_a_nan_stays_one(executor: None) -> None:
    makers = [nn.ReLU, nn.HardTanh, nn.LeakyReLU, nn.ELU, nn.Abs, nn.SoftShrink, nn.Sqrt, nn.SoftPlus]
    net = mg.compile(side_by_side(makers))
    assert all(np.isnan(y[0]) and not np.isnan(y[1]) for y in net.forward([np.array([np.nan, 1])] * 8))


def test_ties(executor: None) -> None:
    x = np.array([[1.0, 2, 2], [3, 3, 1], [0, -0.0, 0]])
    makers = [lambda: nn.Max(2), lambda: nn.Min(2), lambda: nn.Max(1), lambda: nn.Min(-1)]
    agree(lambda: side_by_side(makers), [x] * 4)
    agree(lambda: side_by_side([nn.CMaxTable, nn.CMinTable], 3), [x, x[::-1], x.T] * 2)


def test_distances_of_nothing(executor: None) -> None:
    x = np.array([[0.0, 0], [3, 4]])
    agree(lambda: side_by_side([nn.PairwiseDistance, nn.CosineDistance], 2), [x, x.copy(), x, x[::-1]])
    agree(lambda: side_by_side([lambda: nn.Normalize(2)]), x)


# -- criterions ----------------------------------------------------------------------------------------

SCORES = np.array([[0, 1, -1.0], [2, 0.5, 1.5], [3, -3, 0]])


@pytest.mark.parametrize("mean", [True, False])
def test_criterions_at_their_kinks(executor: None, mean: bool) -> None:
    kinds = [nn.MSECriterion, nn.AbsCriterion, nn.SmoothL1Criterion, nn.DistKLDivCriterion]
    makers = [lambda kind=kind: kind(mean) for kind in kinds]
    for target in (
        np.array([[0, 0, 0], [1, 1.5, 1.5], [2, -1, 1]]), np.arange(9).reshape(3, 3) - 1, np.arange(9.0)
    ):
        agree(lambda: side_by_side(makers, 2), [SCORES, target] * 4)


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2, 0.5])], ids=["plain", "weighted"])
def test_criterions_that_check_their_targets(executor: None, weights: Any) -> None:
    x, t = np.array([[0, 1, 0.5], [0.2, 0.5, 1]]), np.array([[0, 1, 1], [0, 0, 1]])
    kinds = [nn.BCECriterion, nn.MultiLabelSoftMarginCriterion]
    agree(lambda: side_by_side([lambda kind=kind: kind(weights) for kind in kinds], 2), [x, t] * 2)
    agree(lambda: side_by_side([lambda kind=kind: kind(weights, False) for kind in kinds], 2), [x, x] * 2)
    margins = [nn.SoftMarginCriterion, nn.MarginCriterion, lambda: nn.MarginCriterion(0.5)]
    agree(lambda: side_by_side(margins, 2), [x * 800, 2 * t - 1, x, 2 * t - 1, x, 2.0 * t - 1])


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("weights", [None, np.array([0.5, 0, 2])], ids=["plain", "weighted"])
def test_targets_of_all_kinds(mean: bool, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAPH_NATIVE", "0")
    kinds = [nn.ClassNLLCriterion, nn.CrossEntropyCriterion]
    makers = [lambda kind=kind: kind(weights, mean) for kind in kinds]
    for target in (
        np.array([1, 2, 3]), np.array([1.0, 3, 2]), np.array([[1], [2], [3]]), np.array([[1, 2, 3]]),
        np.array([-100, 2, -100]), np.array([-100, -100, -100]), np.array([2, 2, 2]),
    ):
        agree(lambda: side_by_side(makers, 2), [SCORES, target] * 2)
    for target in (np.array(2), np.array([3]), np.array(1.0)):
        agree(lambda: side_by_side(makers, 2), [SCORES[1], target] * 2)


@pytest.mark.parametrize("build, target", [
    (nn.ClassNLLCriterion, [0, 1, 2]), (nn.ClassNLLCriterion, [1, 4, 2]), (nn.ClassNLLCriterion, [1, 2]),
    (nn.CrossEntropyCriterion, [1.5, 2, 2]), (nn.BCECriterion, [0, 1, 1.5]), (nn.MarginCriterion, [1, 0, 1]),
], ids=str)
def test_a_wrong_target_is_told_as_the_network_does(build: Any, target: Any) -> None:
    rows = np.abs(SCORES) / 4
    x = rows if build in (nn.ClassNLLCriterion, nn.CrossEntropyCriterion) else rows[0]
    messages = []
    for net in (side_by_side([build], 2), mg.compile(side_by_side([build], 2))):
        net.forward([x, np.ones(3)])
        with pytest.raises(MinigraphError) as caught:
            net.forward([x, np.array(target)])
        messages.append(str(caught.value).split(", made at")[0])
    assert messages[0] == messages[1]


def test_nothing_goes_back_to_a_target(executor: None) -> None:
    def build() -> nn.gModule:
        mg.manualSeed(1)
        x = nn.Identity()()
        kinds = [nn.MSECriterion, nn.AbsCriterion]
        return nn.gModule([x], [kind()([nn.Linear(3, 3)(x), nn.Linear(3, 3)(x)]) for kind in kinds])

    agree(build, SCORES)


# -- indexes and gradients that are not derivatives -----------------------------------------------------


def test_lookup_tables(executor: None) -> None:
    tables = [(4, 3), (4, 3, 2), (4, 3, 0, 0.5)]  # plain, with padding, with limited norms
    makers = [lambda table=table: nn.LookupTable(*table) for table in tables]
    for index in (np.array([[2, 1], [4, 2]]), np.array([2, 2, 3]), np.array([1.0, 2])):
        agree(lambda: side_by_side(makers), [index] * 3)


@pytest.mark.parametrize("index", [0, 5, 1.5])
def test_a_wrong_index_is_told_as_the_network_does(index: float) -> None:
    net = mg.compile(side_by_side([lambda: nn.LookupTable(4, 3)]))
    net.forward(np.array([1.0]))
    with pytest.raises(MinigraphError, match=r"nn\.LookupTable"):
        net.forward(np.array([index]))
    agree(lambda: side_by_side([lambda: nn.LookupTable(4, 3)]), np.array([1.0]))


def test_gradients_that_are_not_derivatives(executor: None) -> None:
    makers = [nn.ZeroGrad, lambda: nn.GradientReversal(0.3), nn.Contiguous]

    def build() -> nn.gModule:
        mg.manualSeed(1)
        x = nn.Identity()()
        h = nn.Linear(3, 3)(x)
        return nn.gModule([x], [nn.CAddTable()([nn.Tanh()(make()(h)) for make in makers])])

    agree(build, SCORES)


def test_copies_of_a_map_table(executor: None) -> None:
    def build() -> nn.gModule:
        mg.manualSeed(1)
        x = nn.Identity()()
        h = nn.JoinTable(2)(nn.MapTable(nn.Linear(3, 2))(nn.SplitTable(1)(nn.Replicate(4)(x))))
        return nn.gModule([x], [nn.Reshape(2, 4, True)(h)])

    agree(build, SCORES)


def test_a_module_that_gives_another_shape() -> None:
    """What MaskedSelect gives depends on the numbers in the mask."""
    x, mask = nn.Identity()(), nn.Identity()()
    net = mg.compile(nn.gModule([x, mask], [nn.MaskedSelect()([nn.MulConstant(2)(x), mask])]))
    for chosen in np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 1]]):
        input = [np.array([1.0, 2, 3]), chosen]
        output = net.forward(input)
        same(output, 2 * input[0][chosen == 1])
        same(net.backward(input, np.ones(len(output)))[0], 2.0 * chosen)


def test_dropout_in_the_order_of_the_network(executor: None) -> None:
    def build() -> nn.gModule:
        mg.manualSeed(1)
        x = nn.Identity()()
        h = nn.Dropout(0.4)(nn.Linear(3, 4)(x))
        return nn.gModule([x], [nn.Dropout(0.2)(h), nn.Dropout(0.7, True)(x), nn.Dropout(0)(h)])

    agree(build, SCORES)
    agree(lambda: build().evaluate(), SCORES)


def test_dropout_beside_a_module_that_draws_too(executor: None) -> None:
    def build() -> nn.gModule:
        mg.manualSeed(1)
        x = nn.Identity()()
        return nn.gModule([x], [nn.Dropout(0.4)(nn.RReLU()(nn.Dropout(0.3)(x)))])

    agree(build, SCORES)

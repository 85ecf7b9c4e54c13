"""Every criterion: losses against their formulas, gradients, types, buffers, and as nodes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from criterion_cases import CASES, Case, T, X, mse
from finite_differences import numeric_gradient, public_classes

import minigraph as mg
import minigraph.nn.criterions
from minigraph import nn
from minigraph.errors import StateError
from minigraph.memory import address
from minigraph.tables import leaves, map_table


def label(case: Case) -> str:
    source = case.make.__name__ if inspect.isclass(case.make) else inspect.getsource(case.make)
    start = source.find("nn.")
    return source[start + 3 : start + 45].split(",\n")[0] if start >= 0 else source + case.label


each = pytest.mark.parametrize("case", CASES, ids=label)


def copied(value: Any, dtype: Any = None) -> Any:
    def copy_leaf(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        return leaf.astype(dtype) if dtype is not None and leaf.dtype.kind == "f" else leaf.copy()

    return map_table(copy_leaf, value)


def assert_alike(actual: Any, expected: Any, tolerance: float) -> None:
    actual_leaves, expected_leaves = list(leaves(actual)), list(leaves(expected))
    assert [path for path, _ in actual_leaves] == [path for path, _ in expected_leaves]
    for (_, a), (_, e) in zip(actual_leaves, expected_leaves):
        assert np.shape(a) == np.shape(e)
        np.testing.assert_allclose(a, e, tolerance, tolerance)


def test_the_cases_name_every_criterion() -> None:
    made = {type(case.make()).__name__ for case in CASES}
    assert public_classes(minigraph.nn.criterions, nn.Criterion) == made


@each
def test_loss(case: Case) -> None:
    loss = case.make().forward(case.input, case.target)
    assert type(loss) is float
    assert case.loss is not None
    assert loss == pytest.approx(float(case.loss(case.input, case.target)), rel=1e-10, abs=1e-12)


@each
def test_gradient(case: Case) -> None:
    criterion, x = case.make(), copied(case.input)
    criterion.forward(x, case.target)
    gradient = copied(criterion.backward(x, case.target))
    expected = map_table(
        lambda leaf: numeric_gradient(lambda: criterion.forward(x, case.target), leaf), x
    )
    assert_alike(gradient, expected, 2e-8)


@each
def test_float32_clone_and_reused_buffers(case: Case) -> None:
    double = case.make()
    loss = double.forward(case.input, case.target)
    gradient = copied(double.backward(case.input, case.target))
    single = double.clone().float()
    x32, t32 = copied(case.input, np.float32), copied(case.target, np.float32)
    assert single.forward(x32, t32) == pytest.approx(loss, rel=1e-5, abs=1e-6)
    assert_alike(single.backward(x32, t32), gradient, 1e-4)
    assert {leaf.dtype for _, leaf in leaves(single.gradInput)} == {np.dtype(np.float32)}
    kept = [address(leaf) for _, leaf in leaves(double.gradInput)]
    assert double.forward(case.input, case.target) == loss
    again = double.backward(case.input, case.target)
    assert [address(leaf) for _, leaf in leaves(again)] == kept
    assert_alike(again, gradient, 0)
    assert double.clearState() is double
    for part in double._owners():
        assert part.output is None
        assert part.gradInput is None
    with pytest.raises(StateError, match="backward before forward"):
        double.backward(case.input, case.target)
    assert repr(double) == f"nn.{type(double).__name__}"


@each
def test_as_a_node(case: Case) -> None:
    prediction, target = nn.Identity()(), nn.Identity()()
    net = nn.gModule([prediction, target], [case.make()([prediction, target])])
    target_value = 0.0 if case.target is None else case.target
    criterion = case.make()
    loss = criterion.forward(case.input, case.target)
    output = net.forward([case.input, target_value])
    assert output.shape == (1,)
    assert output[0] == loss
    expected = criterion.backward(case.input, case.target)
    for scale in (1.0, -0.5, 3.0):
        gradient, of_target = net.backward([case.input, target_value], np.array([scale]))
        assert_alike(gradient, map_table(lambda leaf: leaf * scale, expected), 1e-15)  # noqa: B023
        assert not any(np.any(leaf) for _, leaf in leaves(of_target))


class Spread(nn.Criterion):
    """A criterion of one's own, without a target."""

    def updateOutput(self, input: Any, target: Any = None) -> float:
        self.output = float(np.square(input).sum() / 2)
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        self.gradInput = input.copy()
        return self.gradInput


@pytest.mark.parametrize("compiled", [False, True], ids=["engine", "compiled"])
@pytest.mark.parametrize(
    ("make", "input"),
    [
        (nn.L1Cost, X), (Spread, X), (nn.DistanceRatioCriterion, [X, T]),
        (lambda: nn.MultiCriterion().add(nn.L1Cost()).add(Spread(), 2), X),
        (lambda: nn.ParallelCriterion().add(nn.L1Cost()).add(Spread(), 2), [X, T]),
        (lambda: nn.ModuleCriterion(nn.L1Cost(), nn.Square()), X),
    ],
    ids=["cost", "own", "ratio", "multi", "parallel", "module"],
)
def test_without_a_target_a_node_takes_what_it_measures(make: Any, input: Any, compiled: bool) -> None:
    prediction = nn.Identity()()
    net: Any = nn.gModule([prediction], [make()(prediction)])
    net = mg.compile(net) if compiled else net
    loss, criterion = net.forward(input), make()
    assert loss.shape == (1,) and loss[0] == pytest.approx(criterion.forward(input), rel=1e-14)
    expected = map_table(lambda leaf: 3 * leaf, criterion.backward(input))
    for _ in range(2):
        assert_alike(net.backward(input, np.array([3.0])), expected, 1e-14)


def test_criterion_table_is_a_module() -> None:
    module = nn.CriterionTable(nn.MSECriterion())
    assert module.forward([X, T]).item() == pytest.approx(mse(X, T), rel=1e-14)
    gradient, of_target = module.backward([X, T], np.ones(1))
    np.testing.assert_allclose(gradient, (X - T) / 6, 1e-14)
    assert not of_target.any()
    assert repr(module) == "nn.CriterionTable(nn.MSECriterion)"

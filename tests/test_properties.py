"""Random graphs: against PyTorch autograd, against finite differences, and against themselves."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any, Callable, NamedTuple

import numpy as np
import pytest
from golden_files import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minigraph as mg
from minigraph import nn

B, W = 2, 4
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")


class Operation(NamedTuple):
    """A layer on ``(B, W)`` tensors, and the same in PyTorch's terms."""

    inputs: int
    node: Callable[[list[Any]], Any]
    torch: Callable[[Any, list[Any], list[Any]], Any]


def _split_join(xs: list[Any]) -> Any:
    parts = nn.SplitTable(2)(nn.Reshape(2, W // 2, True)(xs[0])).split(2)
    return nn.JoinTable(2)([parts[1], parts[0]])


def _nested(xs: list[Any]) -> Any:
    flat = nn.FlattenTable()(mg.nest(xs[0], [xs[1], [xs[0]]]))
    return nn.CAddTable()(nn.NarrowTable(1, 2)(flat))


def _select(xs: list[Any]) -> Any:
    return nn.SelectTable(-1)(nn.Identity()(xs))


def _inner(xs: list[Any]) -> Any:
    a, b = nn.Identity()(), nn.Identity()()
    total = nn.CAddTable()([a, nn.Tanh()(b)])
    return nn.gModule([a, b], [total])(xs)


OPERATIONS: dict[str, Operation] = {
    "Linear": Operation(1, lambda xs: nn.Linear(W, W)(xs[0]), lambda t, x, p: x[0] @ p[0].T + p[1]),
    "CMul": Operation(1, lambda xs: nn.CMul(W)(xs[0]), lambda t, x, p: x[0] * p[0]),
    "CAdd": Operation(1, lambda xs: nn.CAdd(1, W)(xs[0]), lambda t, x, p: x[0] + p[0]),
    "Mul": Operation(1, lambda xs: nn.Mul()(xs[0]), lambda t, x, p: x[0] * p[0]),
    "Tanh": Operation(1, lambda xs: nn.Tanh()(xs[0]), lambda t, x, p: t.tanh(x[0])),
    "Sigmoid": Operation(1, lambda xs: nn.Sigmoid()(xs[0]), lambda t, x, p: t.sigmoid(x[0])),
    "SoftPlus": Operation(
        1, lambda xs: nn.SoftPlus()(xs[0]), lambda t, x, p: t.nn.functional.softplus(x[0])
    ),
    "LogSoftMax": Operation(
        1, lambda xs: nn.LogSoftMax()(xs[0]), lambda t, x, p: t.log_softmax(x[0], 1)
    ),
    "Narrow": Operation(
        1,
        lambda xs: nn.JoinTable(2)([nn.Narrow(2, 3, 2)(xs[0]), nn.Narrow(2, 1, 2)(xs[0])]),
        lambda t, x, p: t.cat([x[0][:, 2:], x[0][:, :2]], 1),
    ),
    "Select": Operation(
        1,
        lambda xs: nn.Replicate(B)(nn.Select(1, 2)(xs[0])),
        lambda t, x, p: x[0][1].expand(B, W),
    ),
    "split and join": Operation(
        1, _split_join, lambda t, x, p: t.cat([x[0][:, W // 2 :], x[0][:, : W // 2]], 1)
    ),
    "CAddTable": Operation(2, lambda xs: nn.CAddTable()(xs), lambda t, x, p: x[0] + x[1]),
    "CSubTable": Operation(2, lambda xs: nn.CSubTable()(xs), lambda t, x, p: x[0] - x[1]),
    "CMulTable": Operation(2, lambda xs: nn.CMulTable()(xs), lambda t, x, p: x[0] * x[1]),
    "nested": Operation(2, _nested, lambda t, x, p: x[0] + x[1]),
    "SelectTable": Operation(2, _select, lambda t, x, p: x[1]),
    "gModule": Operation(2, _inner, lambda t, x, p: x[0] + t.tanh(x[1])),
}


class Recipe(NamedTuple):
    """A random graph as plain data: per step an operation and the positions of its inputs."""

    inputs: int
    steps: list[tuple[str, list[int]]]
    outputs: list[int]
    silent: list[bool]
    seed: int


@st.composite
def recipes(draw: Any) -> Recipe:
    inputs = draw(st.integers(1, 3))
    steps = []
    for number in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(sorted(OPERATIONS)))
        available = st.integers(0, inputs + number - 1)
        steps.append((name, [draw(available) for _ in range(OPERATIONS[name].inputs)]))
    count = inputs + len(steps)
    chosen = draw(st.lists(st.integers(0, count - 1), max_size=3))
    used = {i for _, sources in steps for i in sources}
    outputs = chosen + [i for i in range(count) if i not in used and i not in chosen]
    silent = [draw(st.booleans()) for _ in outputs]
    return Recipe(inputs, steps, outputs, silent, draw(st.integers(0, 2**31)))


def build(recipe: Recipe) -> tuple[nn.gModule, list[list[np.ndarray]], list[Any], list[Any]]:
    """Return the net, each step's parameters, an input table and a gradOutput table."""
    mg.manualSeed(recipe.seed)
    nodes = [nn.Identity()() for _ in range(recipe.inputs)]
    parameters = []
    for name, sources in recipe.steps:
        node = OPERATIONS[name].node([nodes[i] for i in sources])
        parameters.append(node.module.parameters()[0])
        nodes.append(node)
    net = nn.gModule(nodes[: recipe.inputs], [nodes[i] for i in recipe.outputs])
    rng = np.random.default_rng(recipe.seed)
    input = [rng.standard_normal((B, W)) for _ in range(recipe.inputs)]
    gradOutput = [None if silent else rng.standard_normal((B, W)) for silent in recipe.silent]
    if recipe.inputs == 1:
        input = input[0]
    if len(recipe.outputs) == 1:
        gradOutput = gradOutput[0]
    return net, parameters, input, gradOutput


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def run(net: nn.gModule, input: Any, gradOutput: Any) -> list[Any]:
    """Return copies of the output, the gradient of the input and those of the parameters."""
    net.zeroGradParameters()
    output = [o.copy() for o in listed(net.forward(input))]
    gradInput = [g.copy() for g in listed(net.backward(input, gradOutput))]
    return [output, gradInput, [g.copy() for g in net.parameters()[1]]]


@pytest.mark.torch
@needs_torch
@settings(max_examples=150, deadline=None, derandomize=True)
@given(recipes())
def test_random_graphs_equal_autograd(recipe: Recipe) -> None:
    import torch

    net, parameters, input, gradOutput = build(recipe)
    output, gradInput, gradParams = run(net, input, gradOutput)

    xs = [torch.tensor(x, requires_grad=True) for x in listed(input)]
    leaves = [[torch.tensor(p, requires_grad=True) for p in step] for step in parameters]
    values: list[Any] = list(xs)
    for (name, sources), own in zip(recipe.steps, leaves):
        values.append(OPERATIONS[name].torch(torch, [values[i] for i in sources], own))
    loss = sum(
        (values[i] * torch.tensor(g)).sum()
        for i, g in zip(recipe.outputs, listed(gradOutput)) if g is not None
    )
    if isinstance(loss, torch.Tensor):
        loss.backward()

    def gradient(leaf: Any) -> np.ndarray:
        return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()

    assert_close(output, [values[i].detach().numpy() for i in recipe.outputs], 1e-12)
    assert_close(gradInput, [gradient(x) for x in xs], 1e-11)
    mine = {id(p): g for p, g in zip(net.parameters()[0], gradParams)}
    for step, own in zip(parameters, leaves):
        for parameter, leaf in zip(step, own):
            assert_close(mine[id(parameter)], gradient(leaf), 1e-11)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(recipes())
def test_random_graphs_equal_finite_differences(recipe: Recipe) -> None:
    net, _, input, gradOutput = build(recipe)
    _, gradInput, gradParams = run(net, input, gradOutput)
    weights = [(i, g) for i, g in enumerate(listed(gradOutput)) if g is not None]

    def loss() -> float:
        outputs = listed(net.forward(input))
        return sum(float(np.vdot(outputs[i], g)) for i, g in weights)

    rng = np.random.default_rng(recipe.seed)
    eps = 1e-6
    for array, gradient in zip([*listed(input), *net.parameters()[0]], [*gradInput, *gradParams]):
        direction = rng.standard_normal(array.shape)
        saved = array.copy()
        array[...] = saved + eps * direction
        above = loss()
        array[...] = saved - eps * direction
        below = loss()
        array[...] = saved
        assert np.vdot(gradient, direction) == pytest.approx((above - below) / (2 * eps), rel=2e-6, abs=2e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(recipes())
def test_copies_and_repetitions_agree_bit_for_bit(recipe: Recipe) -> None:
    net, _, input, gradOutput = build(recipe)
    expected = run(net, input, gradOutput)
    for other in (net, net.clone(), pickle.loads(pickle.dumps(net))):
        assert_close(run(other, input, gradOutput), expected, 0)
        assert [n.label() for n in other.backwardnodes] == [n.label() for n in net.backwardnodes]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(recipes())
def test_orders_are_topological(recipe: Recipe) -> None:
    net, *_ = build(recipe)
    forward = {node: place for place, node in enumerate(net.forwardnodes)}
    backward = {node: place for place, node in enumerate(net.backwardnodes)}
    assert len(forward) == len(backward) == len(net.fg.nodes)
    for edge in net.fg.edges:
        assert forward[edge.source] < forward[edge.target]
        assert backward[edge.target] < backward[edge.source]

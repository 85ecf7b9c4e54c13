"""Random graphs of layers with and without a lowering, compiled: with and without time, in any nesting."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry.case import same

import minigraph as mg
from minigraph import nn
from minigraph.rnn import Unroll
from minigraph.tables import copy_table

B, W, T = 3, 4, 3


def _split_join(x: Any) -> Any:
    parts = nn.SplitTable(2)(nn.Reshape(2, W // 2, True)(x)).split(2)
    return nn.JoinTable(2)([parts[1], parts[0]])


def _attention(a: Any, b: Any) -> Any:
    weights = nn.SoftMax()(nn.MM(False, True)([a, b]))
    return nn.MM()([weights, b])


def _mixture(a: Any, b: Any) -> Any:
    return nn.MixtureTable()([nn.SoftMax()(nn.Narrow(2, 2, 2)(a)), nn.Identity()([a, b])])


def _centred(x: Any) -> Any:
    return nn.CSubTable()([x, nn.Replicate(W, 2)(nn.Mean(2)(x))])


def _residual(x: Any) -> Any:
    inside = nn.Sequential().add(nn.Linear(W, W)).add(nn.LeakyReLU()).add(nn.Dropout(0.3))
    return nn.CAddTable()(nn.ConcatTable().add(nn.Identity()).add(inside)(x))


def _inner(a: Any, b: Any) -> Any:
    x, y = nn.Identity()(), nn.Identity()()
    return nn.gModule([x, y], [nn.CMulTable()([nn.Sigmoid()(x), nn.Tanh()(y)])])([a, b])


ONE: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: nn.Linear(W, W)(x),
    "no bias": lambda x: nn.Linear(W, W, False)(x),
    "gain": lambda x: nn.CMul(W)(x),
    "shift": lambda x: nn.CAdd(1, W)(x),
    "tanh": lambda x: nn.Tanh()(x),
    "sigmoid": lambda x: nn.Sigmoid()(x),
    "relu": lambda x: nn.ReLU()(x),
    "elu": lambda x: nn.ELU()(x),
    "prelu": lambda x: nn.PReLU(W)(x),
    "hard": lambda x: nn.HardTanh(-0.3, 0.4)(x),
    "soft": lambda x: nn.LogSigmoid()(x),
    "log softmax": lambda x: nn.LogSoftMax()(x),
    "normalise": lambda x: nn.Normalize(2)(nn.AddConstant(0.5)(x)),
    "layer norm": lambda x: nn.LayerNormalization(W, 0.1, 1e-3)(x),
    "dropout": lambda x: nn.Dropout(0.4)(x),
    "split and join": _split_join,
    "centred": _centred,
    "residual": _residual,
    "transposed": lambda x: nn.Transpose([1, 2])(nn.MulConstant(0.7)(nn.Transpose([1, 2])(x))),
    "padded": lambda x: nn.Narrow(2, 2, W)(nn.Padding(2, 2, None, 0.5)(x)),
    "no gradient": lambda x: nn.ZeroGrad()(x),
    "cosine (called)": lambda x: nn.Cosine(W, W)(x),
    "slopes (called)": lambda x: nn.RReLU()(x),
    "p-norm (called)": lambda x: nn.Normalize(3, 0.1)(x),
}
TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: nn.CAddTable()([a, b]),
    "subtract": lambda a, b: nn.CSubTable()([a, b]),
    "multiply": lambda a, b: nn.CMulTable()([a, b]),
    "largest": lambda a, b: nn.CMaxTable()([a, b]),
    "attention": _attention,
    "mixture": _mixture,
    "gModule": _inner,
    "second": lambda a, b: nn.SelectTable(-1)(nn.Identity()([a, b])),
    "nested": lambda a, b: nn.CAddTable()(nn.NarrowTable(1, 2)(nn.FlattenTable()(mg.nest(a, [b, [a]])))),
    "bilinear (called)": lambda a, b: nn.Bilinear(W, W, W)([a, b]),
}


class Recipe(NamedTuple):
    """A random graph as plain data: per step an operation and the positions of its inputs."""

    inputs: int
    steps: list[tuple[str, list[int]]]
    outputs: list[int]
    silent: list[bool]


@st.composite
def recipes(draw: Any) -> Recipe:
    inputs = draw(st.integers(1, 3))
    steps = []
    for number in range(draw(st.integers(1, 9))):
        name = draw(st.sampled_from([*ONE, *TWO]))
        available = st.integers(0, inputs + number - 1)
        steps.append((name, [draw(available) for _ in range(1 if name in ONE else 2)]))
    count = inputs + len(steps)
    used = {i for _, sources in steps for i in sources}
    chosen = draw(st.lists(st.integers(0, count - 1), max_size=2))
    outputs = chosen + [i for i in range(count) if i not in used and i not in chosen]
    return Recipe(inputs, steps, outputs, [draw(st.booleans()) for _ in outputs])


def built(recipe: Recipe) -> nn.gModule:
    mg.manualSeed(5)
    nodes = [nn.Identity()().annotate(name=f"in{k}") for k in range(recipe.inputs)]
    for name, sources in recipe.steps:
        nodes.append((ONE.get(name) or TWO[name])(*(nodes[k] for k in sources)))
    outputs = [nn.Identity()(nodes[k]).annotate(name=f"out{n}") for n, k in enumerate(recipe.outputs)]
    return nn.gModule(nodes[: recipe.inputs], outputs)


def ran(net: Any, input: Any, silent: list[bool]) -> tuple[Any, Any, Any]:
    mg.manualSeed(7)
    output = copy_table(net.forward(input))
    rng = np.random.default_rng(3)
    leaves = [rng.standard_normal(y.shape) for y in (output if isinstance(output, list) else [output])]
    gradOutput = [None if quiet else leaf for quiet, leaf in zip(silent, leaves)]
    gradInput = net.backward(input, gradOutput if isinstance(output, list) else gradOutput[0])
    return output, copy_table(gradInput), [gradient.copy() for gradient in net.parameters()[1]]


def agree(net: Any, compiled: Any, input: Any, silent: list[bool]) -> None:
    for _ in range(2):
        expected, actual = ran(net, input, silent), ran(compiled, input, silent)
        for what, a, e in zip(("output", "gradInput", "gradParameters"), actual, expected):
            same(a, e, 1e-9, what)  # random compositions may be ill-conditioned
    assert compiled.net.output is None, "the network ran itself"


def tensors(count: int, *shape: int) -> Any:
    rng = np.random.default_rng(11)
    drawn = [rng.standard_normal(shape) for _ in range(count)]
    return drawn if count > 1 else drawn[0]


@pytest.fixture(params=[("0", 40), ("1", 12)], ids=["numpy", "native"])
def examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many graphs to try; native code takes time to compile."""
    executor, count = request.param
    monkeypatch.setenv("MINIGRAPH_NATIVE", executor)
    return count


def test_random_graphs(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(given(recipes(), st.booleans())(check_graph))()


def test_random_steps_over_time(examples: int) -> None:
    settings(max_examples=examples, deadline=None)(given(recipes(), st.data())(check_step))()


def check_graph(recipe: Recipe, evaluating: bool) -> None:
    net, compiled = built(recipe), mg.compile(built(recipe))
    if evaluating:
        net.evaluate(), compiled.evaluate()
    agree(net, compiled, tensors(recipe.inputs, B, W), recipe.silent)


def check_step(recipe: Recipe, data: st.DataObject) -> None:
    """Some of the inputs are states, which any of the outputs are fed back to."""
    fed = min(recipe.inputs - 1, len(recipe.outputs))
    sources = data.draw(st.permutations(range(len(recipe.outputs))))[:fed]
    feedback = {f"out{source}": f"in{k + 1}" for k, source in enumerate(sources)}
    net, compiled = Unroll(built(recipe), feedback), mg.compile(Unroll(built(recipe), feedback))
    sequences = tensors(3, T, B, W)
    states = tensors(3, B, W)
    input = [states[k] if f"in{k}" in feedback.values() else sequences[k] for k in range(recipe.inputs)]
    agree(net, compiled, input if len(input) > 1 else input[0], recipe.silent)

"""Compiled graphs: the golden numbers, random graphs, gradients that are missing, threads."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import pytest
from compiling import NATIVE, NUMPY, THREADS, agree, choose, native_only, one_pass, pair, same
from golden_files import assert_graph, value
from hypothesis import given, settings
from hypothesis import strategies as st
from test_golden_graphs import GRAPHS, build_graph
from test_properties import OPERATIONS, Recipe, build, recipes

import minigraph as mg
from minigraph import nn

BY_NAME = {case["name"]: case for case in GRAPHS}


def compare_golden(name: str) -> None:
    net, nodes = build_graph(BY_NAME[name])
    fast = mg.compile(net)
    for _ in range(2):  # the second pass runs in the buffers of the first
        assert_graph(fast, nodes, BY_NAME[name])


@pytest.mark.parametrize("name", BY_NAME)
def test_golden_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    compare_golden(name)


#: All but most of the random graphs and the larger ones of each kind, which take long to compile.
LONG = ("random", "zaremba_lstm_3", "zaremba_lstm_1", "apaszke_lstm_3_4", "apaszke_lstm_4_4", "readme_mlp")
NATIVELY = [name for name in BY_NAME if not name.startswith(LONG) or name == "random_2024_7"]


@native_only
@pytest.mark.parametrize("name", NATIVELY)
def test_golden_numbers_in_native_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("threads", monkeypatch)
    compare_golden(name)


def with_a_gap(gradient: Any) -> Iterator[Any]:
    """Yield ``gradient`` with ``None`` in one place, at every place and depth."""
    yield None
    if isinstance(gradient, list):
        for k, entry in enumerate(gradient):
            for changed in with_a_gap(entry):
                yield [*gradient[:k], changed, *gradient[k + 1:]]


@pytest.mark.parametrize("name", [name for name in BY_NAME if not name.startswith("random_2024_3")])
def test_missing_gradients_at_every_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net, fast = build_graph(BY_NAME[name])[0], mg.compile(build_graph(BY_NAME[name])[0])
    for gradOutput in with_a_gap(value(BY_NAME[name]["gradOutput"])):
        agree(net, fast, value(BY_NAME[name]["input"]), gradOutput, times=1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(recipes())
def test_random_graphs(recipe: Recipe) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        choose("numpy", monkeypatch)
        net, _, input, gradOutput = build(recipe)
        agree(net, mg.compile(build(recipe)[0]), input, gradOutput)


@native_only
@settings(max_examples=4, deadline=None, derandomize=True)
@given(recipes())
def test_random_graphs_in_native_code(recipe: Recipe) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        choose("threads", monkeypatch)
        net, _, input, gradOutput = build(recipe)
        agree(net, mg.compile(build(recipe)[0]), input, gradOutput)


# -- random steps with random feedback -------------------------------------------------------------


@st.composite
def recurrences(draw: Any) -> tuple[Recipe, dict[int, int]]:
    """A recipe and which of its outputs becomes which of its inputs."""
    recipe = draw(recipes().filter(lambda made: made.inputs > 1))
    pairs = st.tuples(st.integers(0, len(recipe.outputs) - 1), st.integers(1, recipe.inputs - 1))
    unique = (lambda fed: fed[0], lambda fed: fed[1])
    return recipe, dict(draw(st.lists(pairs, min_size=1, max_size=2, unique_by=unique)))


def unrolled(recipe: Recipe, fed: dict[int, int]) -> mg.rnn.Unroll:
    nodes = [nn.Identity()().annotate(name=f"input{k}") for k in range(recipe.inputs)]
    for name, sources in recipe.steps:
        nodes.append(OPERATIONS[name].node([nodes[source] for source in sources]))
    outputs = [
        nn.Identity()(nodes[source]).annotate(name=f"output{k}") for k, source in enumerate(recipe.outputs)
    ]
    step = nn.gModule(nodes[: recipe.inputs], outputs)
    return mg.rnn.Unroll(step, {f"output{k}": f"input{to}" for k, to in fed.items()})


def compare_over_time(recipe: Recipe, fed: dict[int, int]) -> None:
    net, fast = pair(lambda: unrolled(recipe, fed), recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    for T in (3, 1):
        input = [
            rng.standard_normal((2, 4) if k in fed.values() else (T, 2, 4)) for k in range(recipe.inputs)
        ]
        gradOutput: Any = [None if silent else rng.standard_normal((T, 2, 4)) for silent in recipe.silent]
        agree(net, fast, input, gradOutput if len(gradOutput) > 1 else gradOutput[0], times=1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(recurrences())
def test_random_recurrences(case: tuple[Recipe, dict[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        choose("numpy", monkeypatch)
        compare_over_time(*case)


@native_only
@settings(max_examples=4, deadline=None, derandomize=True)
@given(recurrences())
def test_random_recurrences_in_native_code(case: tuple[Recipe, dict[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        choose("threads", monkeypatch)
        compare_over_time(*case)


# -- what is shared ----------------------------------------------------------------------------------


def shared_layer() -> nn.gModule:
    """One layer at two nodes: its gradients are those of both."""
    x, layer = nn.Identity()(), nn.Linear(3, 3)
    return nn.gModule([x], [layer(nn.Tanh()(layer(x)))])


def tied(size: int = 3, words: int = 9, width: int = 1) -> mg.rnn.Unroll:
    """An embedding whose weight is that of the decoder too."""
    x, table, decoder = nn.Identity()(), nn.LookupTable(words, size), nn.Linear(size, words)
    decoder.weight, decoder.gradWeight = table.weight, table.gradWeight
    hidden = nn.Tanh()(nn.Linear(size, size)(table(x)))
    return mg.rnn.Unroll(nn.gModule([x], [nn.LogSoftMax()(decoder(hidden))]))


@pytest.mark.parametrize("executor", [NUMPY, NATIVE])
def test_a_layer_at_two_nodes(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(shared_layer)
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    agree(net, fast, x, g)
    for each in (net, fast):
        each.backward(x, g, 0.5)  # what is scaled must be scaled once
    same(fast.parameters()[1], net.parameters()[1])


@pytest.mark.parametrize("executor", [NUMPY, THREADS])
def test_tied_weights(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(tied)
    rng = np.random.default_rng(0)
    agree(net, fast, rng.integers(1, 10, (4, 2)), rng.standard_normal((4, 2, 9)))


@native_only
def test_threads_do_not_add_to_tied_weights_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One gradient is shared among the threads by columns, the other by rows: not in one stage."""
    from minigraph.compiler.native import stages

    choose("threads", monkeypatch)
    found: list[list[str]] = []
    whole = stages.pieces

    def noted(*arguments: Any) -> Any:
        made = whole(*arguments)
        found.extend([op.primitive for op in piece.ops] for piece in made if isinstance(piece, stages.Stage))
        return made

    monkeypatch.setattr("minigraph.compiler.native.native_program.pieces", noted)
    rng = np.random.default_rng(0)
    one_pass(pair(tied)[1], rng.integers(1, 10, (4, 2)), rng.standard_normal((4, 2, 9)))
    rows = next(each for each in found if "accumulate_rows" in each)
    assert "accumulate_product" not in rows, found

"""Unroll against unrolling by hand and finite differences: states, sequences, gradients, lengths."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close
from unrolling import (
    RNG,
    assert_same,
    by_hand,
    char_model,
    gradients_of,
    lstm_case,
    randn,
    zaremba_step,
)

import minigraph as mg
from minigraph import nn
from minigraph.tables import copy_table, fill_none, leaves, map_table

CELLS = ["lstm", "gru", "rnn"]


# -- by hand -------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 6])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_unrolling_by_hand_bit_for_bit_with_masks_in_time_order(cell: str, T: int) -> None:
    mg.manualSeed(1)
    step, feedback = getattr(mg.rnn, cell)(4, 3, layers=2, dropout=0.4)
    input = [randn(T, 2, 4), *(randn(2, 3) for _ in feedback)]
    gradOutput = [randn(T, 2, 3) for _ in feedback]
    feeds = {k: k + 1 for k in range(len(feedback))}
    mg.manualSeed(7)
    ys, gradInput = by_hand(step, feeds, input, gradOutput)
    expected = gradients_of(step)
    step.zeroGradParameters()
    mg.manualSeed(7)
    net = mg.rnn.Unroll(step, feedback)
    assert_same(net.forward(input), ys)
    assert_same(net.backward(input, gradOutput), gradInput)
    assert_same(gradients_of(net), expected)


def test_nested_states_and_none_gradients_equal_unrolling_by_hand() -> None:
    mg.manualSeed(1)
    step = zaremba_step(3, dropout=0.3)
    T, B = 4, 2
    input = [randn(T, B, 3), [[randn(B, 3), randn(B, 3)] for _ in range(2)]]
    gradOutput = [randn(T, B, 3), [None, [randn(T, B, 3), None]]]
    mg.manualSeed(7)
    ys, gradInput = by_hand(step, {1: 1}, input, gradOutput)
    expected = gradients_of(step)
    step.zeroGradParameters()
    mg.manualSeed(7)
    net = mg.rnn.Unroll(step, {"next_s": "prev_s"})
    assert_same(net.forward(input), ys)
    assert_same(net.backward(input, gradOutput), gradInput)
    assert_same(gradients_of(net), expected)
    assert gradInput[1][0][1].shape == (B, 3)


@pytest.mark.parametrize("prune", [[], [0], [0, 1], [3], [0, 1, 2, 3]], ids=str)
def test_none_for_an_output_is_a_zero_gradient(prune: list[int]) -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    ys = net.forward(input)
    pruned = [None if k in prune else g for k, g in enumerate(gradOutput)]
    zeroed = fill_none(pruned, ys)
    expected = copy_table(net.backward(input, zeroed))
    parameters = gradients_of(net)
    net.zeroGradParameters()
    assert_same(net.backward(input, pruned), expected)
    assert_same(gradients_of(net), parameters)


def test_none_for_everything_gives_zeros() -> None:
    step, feedback, input, _ = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    net.forward(input)
    assert_same(net.backward(input, None), map_table(np.zeros_like, input))


# -- finite differences --------------------------------------------------------------------


def check_numerically(net: Any, input: Any, gradOutput: Any, checked: Any) -> None:
    """Compare the gradients of sum(output * gradOutput) with central differences."""

    def loss() -> float:
        outputs = dict(leaves(net.forward(input)))
        return sum(float((outputs[path] * g).sum()) for path, g in leaves(gradOutput) if g is not None)

    net.zeroGradParameters()
    net.forward(input)
    gradInput = copy_table(net.backward(input, gradOutput))
    params, gradParams = net.parameters()
    pairs = [(a, g) for (_, a), (_, g) in zip(leaves(checked(input)), leaves(checked(gradInput)))]
    assert pairs
    for array, gradient in [*pairs, *zip(params, [g.copy() for g in gradParams])]:
        assert array.shape == gradient.shape
        for index in np.ndindex(array.shape):
            saved, eps = array[index], 1e-5
            array[index] = saved + eps
            above = loss()
            array[index] = saved - eps
            numeric = (above - loss()) / (2 * eps)
            array[index] = saved
            assert abs(numeric - gradient[index]) < 1e-7 * max(1, abs(numeric))


@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_finite_differences(cell: str, batch: tuple[int, ...]) -> None:
    mg.manualSeed(1)
    step, feedback = getattr(mg.rnn, cell)(2, 2, layers=2)
    input = [randn(3, *batch, 2), *(randn(*batch, 2) for _ in feedback)]
    gradOutput = [randn(3, *batch, 2) for _ in feedback]
    check_numerically(mg.rnn.Unroll(step, feedback), input, gradOutput, lambda table: table)


def test_nested_sequences_and_states_equal_finite_differences() -> None:
    mg.manualSeed(1)
    pair, s = nn.Identity()().annotate(name="pair"), nn.Identity()().annotate(name="s")
    a, b = pair.split(2)
    (u, w), v = (part.split(2) if k == 0 else part for k, part in enumerate(s.split(2)))
    mixed = nn.Tanh()(nn.CAddTable()([nn.Linear(2, 2)(a), nn.CMulTable()([b, u]), w]))
    next_v = nn.CAddTable()([v, nn.Linear(2, 2, False)(mixed)])
    next_s = mg.nest([mixed, b], next_v).annotate(name="next_s")
    net = mg.rnn.Unroll(nn.gModule([s, pair], [mg.nest(mixed, [a]), next_s]), {"next_s": "s"})
    T, B = 3, 2
    input = [[[randn(B, 2), randn(B, 2)], randn(B, 2)], [randn(T, B, 2), randn(T, B, 2)]]
    gradOutput = [[randn(T, B, 2), None], [[None, randn(T, B, 2)], randn(T, B, 2)]]
    check_numerically(net, input, gradOutput, lambda table: table)


def test_a_criterion_and_integer_sequences_inside_the_step() -> None:
    mg.manualSeed(1)
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    made = mg.rnn.lstm_layers(nn.LookupTable(5, 3)(x), 3, 2)
    scores = nn.LogSoftMax()(nn.Linear(2, 5)(made.next[-1]))
    loss = nn.ClassNLLCriterion()([scores, y]).annotate(name="err")
    net = mg.rnn.Unroll(nn.gModule([x, y, *made.prev], [*made.next, loss]), made.feedback)
    T, B = 4, 3
    xs, targets = RNG.integers(1, 6, (T, B)), RNG.integers(1, 6, (T, B))
    input = [xs, targets, randn(B, 2), randn(B, 2)]
    ys = net.forward(input)
    assert ys[-1].shape == (T, 1)
    check_numerically(net, input, [None, None, np.full((T, 1), 1 / T)], lambda table: table[2:])
    gradInput = net.backward(input, [None, None, np.ones((T, 1))])
    assert gradInput[0].shape == gradInput[1].shape == (T, B)
    assert not gradInput[0].any() and not gradInput[1].any()


def test_unbatched_indices_with_a_criterion() -> None:
    mg.manualSeed(1)
    step, feedback = char_model(5, 3, 1)
    net = mg.rnn.Unroll(step, feedback)
    xs, state = np.array([1, 5, 2]), [randn(3), randn(3)]
    ys = copy_table(net.forward([xs, *state]))
    gradInput = copy_table(net.backward([xs, *state], [None, None, np.ones((3, 5))]))
    batched = net.forward([xs[:, None], *(s[None] for s in state)])
    assert_close(ys, [y[:, 0] for y in batched], 1e-14)
    assert gradInput[0].shape == (3,) and gradInput[1].shape == (3,)


def test_char_rnns_whole_model_on_integer_sequences() -> None:
    T, B, V, H = 6, 4, 7, 5
    mg.manualSeed(123)
    step, feedback = char_model(V, H, layers=2, dropout=0.25)
    names = {node.name for node in step.forwardnodes}
    assert {"x", "prev_c2", "i2h_1", "h2h_2", "next_h2", "decoder"} <= names
    net = mg.rnn.Unroll(step, feedback)
    params, gradParams = net.getParameters()
    assert params.size == 4 * H * (V + H + 2) + 4 * H * (2 * H + 2) + V * (H + 1)
    xs, targets = RNG.integers(1, V + 1, (T, B)), RNG.integers(1, V + 1, (T, B))
    input = [xs, *(np.zeros((B, H)) for _ in feedback)]
    criterions = mg.rnn.clone_many(nn.ClassNLLCriterion(), T)
    mg.manualSeed(7)
    predictions = net.forward(input)[-1]
    losses = [criterions[t].forward(predictions[t], targets[t]) for t in range(T)]
    gradOutput = [None] * 4 + [
        np.stack([criterions[t].backward(predictions[t], targets[t]) for t in range(T)])
    ]
    gradInput = copy_table(net.backward(input, gradOutput))
    ours = gradParams.copy()
    net.zeroGradParameters()
    mg.manualSeed(7)
    ys, expected = by_hand(step, {k: k + 1 for k in range(4)}, input, gradOutput)
    assert_same(predictions, ys[-1])
    assert_same(gradInput, expected)
    np.testing.assert_array_equal(ours, gradParams)
    assert abs(np.mean(losses) - np.log(V)) < 0.3  # untrained: close to guessing


# -- lengths, states carried over, shapes of steps -------------------------------------------


def test_any_number_of_time_steps_per_call() -> None:
    step, feedback, _, _ = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    for T in (3, 7, 1, 7, 2):
        input = [randn(T, 3, 4), *(randn(3, 2) for _ in feedback)]
        gradOutput = [randn(T, 3, 2) for _ in feedback]
        net.zeroGradParameters()
        ys, gradInput = net.forward(input), net.backward(input, gradOutput)
        ours = gradients_of(net)
        net.zeroGradParameters()
        expected = by_hand(step, {k: k + 1 for k in range(4)}, input, gradOutput)
        assert_same([ys, gradInput], list(expected))
        assert_same(ours, gradients_of(net))
        assert len(net.clones) == T


def test_the_final_state_can_be_passed_on_without_a_copy() -> None:
    step, feedback, first, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    xs = randn(5, 3, 4)
    copied = [xs, *(y[-1].copy() for y in net.forward(first))]
    expected = [copy_table(net.forward(copied)), copy_table(net.backward(copied, gradOutput))]
    parameters = gradients_of(net)
    net.zeroGradParameters()
    passed = [xs, *(y[-1] for y in net.forward(first))]
    assert_same([net.forward(passed), net.backward(passed, gradOutput)], expected)
    assert_same(gradients_of(net), parameters)
    assert_same(passed, copied)


def test_the_gradient_of_the_initial_state_can_be_passed_back_without_a_copy() -> None:
    step, feedback, input, gradOutput = lstm_case(T=1)
    net = mg.rnn.Unroll(step, feedback)

    def pass_back(copy: bool) -> list:
        net.zeroGradParameters()
        net.forward(input)
        states = net.backward(input, gradOutput)[1:]
        arrived = [g[None] for g in (copy_table(states) if copy else states)]
        net.forward(input)
        return [copy_table(net.backward(input, arrived)), gradients_of(net)]

    assert_same(pass_back(copy=False), pass_back(copy=True))


def test_buffers_are_reused_when_nobody_reads_them() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    ys, gradInput = net.forward(input), net.backward(input, gradOutput)
    again = net.forward(input), net.backward(input, gradOutput)
    assert all(np.shares_memory(a, b) for a, b in zip(ys, again[0]))
    assert all(np.shares_memory(a, b) for a, b in zip(gradInput, again[1]))


def test_a_step_without_feedback_is_mapped_over_time() -> None:
    mg.manualSeed(1)
    layer = nn.Linear(3, 2)
    x = nn.Identity()()
    net = mg.rnn.Unroll(nn.gModule([x], [nn.Tanh()(layer(x))]))
    xs = randn(4, 5, 3)
    ys = net.forward(xs)
    assert_close(ys, np.tanh(xs @ layer.weight.T + layer.bias), 1e-14)
    check_numerically(net, xs, randn(4, 5, 2), lambda table: table)


def test_an_output_that_is_not_fed_back_and_a_state_that_is_the_only_output() -> None:
    a, h = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="h")
    net = mg.rnn.Unroll(nn.gModule([h, a], [nn.CAddTable()([a, h]).annotate(name="sum")]), {"sum": "h"})
    xs, start = randn(6, 2), randn(2)
    assert_close(net.forward([start, xs]), start + np.cumsum(xs, 0), 1e-14)
    gys = randn(6, 2)
    gradInput = net.backward([start, xs], gys)
    assert_close(gradInput, [gys.sum(0), np.cumsum(gys[::-1], 0)[::-1]], 1e-14)


def test_an_unroll_is_a_module_among_modules() -> None:
    step, feedback, input, _ = lstm_case(layers=1)
    inner = mg.rnn.Unroll(step, feedback)
    net = nn.Sequential().add(inner).add(nn.SelectTable(2))
    ins = [nn.Identity()() for _ in input]
    graph = nn.gModule(ins, [nn.SelectTable(2)(inner.clone()(ins))])
    g = randn(5, 3, 2)
    assert_same(net.forward(input), graph.forward(input))
    assert_same(net.backward(input, g), graph.backward(input, g))
    assert_same(gradients_of(net), gradients_of(graph))


def test_memory_grows_with_the_activations_only() -> None:
    step, feedback = mg.rnn.rnn(256, 256)  # parameters and gradients: 2 MB
    net = mg.rnn.Unroll(step, feedback)
    input = [np.zeros((40, 1, 256)), np.zeros((1, 256))]
    tracemalloc.start()
    net.backward(input, net.forward(input))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 4e6, f"{grown / 1e6:.1f} MB"


def test_an_initial_state_of_integers_that_is_an_output_too() -> None:
    x, before = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="before")
    now = nn.CAddTable()([x, before]).annotate(name="now")
    net = mg.rnn.Unroll(nn.gModule([x, before], [nn.Identity()(before), now]), {"now": "before"})
    X = np.array([[0.5], [0.25], [0.125]])
    earlier, now = net.forward([X, np.zeros(1, int)])
    np.testing.assert_array_equal(earlier, [[0], [0.5], [0.75]])
    np.testing.assert_array_equal(now, [[0.5], [0.75], [0.875]])

"""Unroll against unrolling by hand and finite differences: states, sequences, gradients, sharing."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close

import minigraph as mg
from minigraph import nn
from minigraph.tables import add_tables, copy_table, fill_none, leaves, map_table

RNG = np.random.default_rng(0)
CELLS = ["lstm", "gru", "rnn"]


def randn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def at(sequence: Any, t: int) -> Any:
    return map_table(lambda leaf: None if leaf is None else leaf[t, ...], sequence)


def assert_same(actual: Any, expected: Any) -> None:
    """Compare tables bit for bit."""
    actual, expected = dict(leaves(actual)), dict(leaves(expected))
    assert list(actual) == list(expected)
    for path in actual:
        np.testing.assert_array_equal(actual[path], expected[path], err_msg=str(path))


def by_hand(step: Any, feeds: dict[int, int], input: list, gradOutput: list) -> tuple[list, list]:
    """Unroll with clone_many and a loop; return outputs and gradInput. Positions count from 0."""
    sequences = [entry for k, entry in enumerate(input) if k not in feeds.values()]
    T = len(next(leaves(sequences))[1])
    clones = mg.rnn.clone_many(step, T)
    states, given, steps = {k: input[k] for k in feeds.values()}, [], []
    for t in range(T):
        given.append([states[k] if k in states else at(entry, t) for k, entry in enumerate(input)])
        steps.append(clones[t].forward(given[t]))
        states = {k: steps[t][source] for source, k in feeds.items()}
    gradients: list = [None] * T
    for t in reversed(range(T)):
        arrived = [at(entry, t) for entry in gradOutput]
        if t + 1 < T:
            for source, k in feeds.items():
                arrived[source] = add_tables(arrived[source], gradients[t + 1][k])
        gradients[t] = clones[t].backward(given[t], arrived)
    ys = [stack([out[k] for out in steps]) for k in range(len(steps[0]))]
    gradInput = [
        gradients[0][k] if k in feeds.values() else stack([gradient[k] for gradient in gradients])
        for k in range(len(input))
    ]
    return ys, gradInput


def stack(entries: list) -> Any:
    if isinstance(entries[0], list):
        return [stack(list(column)) for column in zip(*entries)]
    return np.stack(entries)


def zaremba_step(size: int, layers: int = 2, dropout: float = 0.0) -> nn.gModule:
    """A step whose state is one table: [x, prev_s] in, [h, next_s] out, prev_s = {{c, h}, ...}."""
    x = nn.Identity()().annotate(name="x")
    prev_s = nn.Identity()().annotate(name="prev_s")
    below, next_s = x, []
    for prev in prev_s.split(layers):
        c, h = prev.split(2)
        dropped = nn.Dropout(dropout)(below)
        gates = nn.CAddTable()([nn.Linear(size, 4 * size)(dropped), nn.Linear(size, 4 * size)(h)])
        i, f, o, g = nn.SplitTable(2)(nn.Reshape(4, size)(gates)).split(4)
        kept = nn.CMulTable()([nn.Sigmoid()(f), c])
        c = nn.CAddTable()([kept, nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])])
        below = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(c)])
        next_s.append(nn.Identity()([c, below]))
    whole = nn.Identity()(next_s).annotate(name="next_s")
    return nn.gModule([x, prev_s], [nn.Identity()(below).annotate(name="res"), whole])


def char_model(vocabulary: int, hidden: int, layers: int, dropout: float = 0.0) -> tuple[nn.gModule, dict]:
    """char-rnn's LSTM step: indices in, states and log-probabilities out."""
    x = nn.Identity()().annotate(name="x")
    made = mg.rnn.lstm_layers(nn.OneHot(vocabulary)(x), vocabulary, hidden, layers, dropout)
    top = nn.Dropout(dropout)(made.next[-1]) if dropout > 0 else made.next[-1]
    logits = nn.Linear(hidden, vocabulary)(top).annotate(name="decoder")
    return nn.gModule([x, *made.prev], [*made.next, nn.LogSoftMax()(logits)]), made.feedback


def gradients_of(net: Any) -> list[np.ndarray]:
    return [g.copy() for g in net.parameters()[1]]


def lstm_case(T: int = 5, layers: int = 2, dropout: float = 0.0, seed: int = 1) -> tuple:
    """Return an LSTM's step, feedback, an input and a gradient of its output (B=3, D=4, H=2)."""
    mg.manualSeed(seed)
    step, feedback = mg.rnn.lstm(4, 2, layers, dropout)
    input = [randn(T, 3, 4), *(randn(3, 2) for _ in feedback)]
    return step, feedback, input, [randn(T, 3, 2) for _ in feedback]


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


# -- sharing -------------------------------------------------------------------------------


def passes(net: Any, input: Any, gradOutput: Any) -> list:
    """Return copies of the output, gradInput and parameter gradients of one pass."""
    net.zeroGradParameters()
    ys = copy_table(net.forward(input))
    return [ys, copy_table(net.backward(input, gradOutput)), gradients_of(net)]


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("of", ["unroll", "step"])
def test_the_clones_follow_getParameters(of: str, used: bool) -> None:
    step, feedback, input, gradOutput = lstm_case()
    expected = passes(mg.rnn.Unroll(step, feedback), input, gradOutput)
    net = mg.rnn.Unroll(step, feedback)
    if used:
        net.forward(input)
    flat, gradFlat = (net if of == "unroll" else step).getParameters()
    if used:  # what was saved before still serves
        net.zeroGradParameters()
        assert_same(net.backward(input, gradOutput), expected[1])
        np.testing.assert_array_equal(gradFlat, np.concatenate([g.ravel() for g in expected[2]]))
    assert_same(passes(net, input, gradOutput), expected)
    assert np.shares_memory(net.parameters()[0][0], flat)
    np.testing.assert_array_equal(gradFlat, np.concatenate([g.ravel() for g in expected[2]]))
    flat -= 0.1 * gradFlat
    assert not np.array_equal(net.forward(input)[0], expected[0][0])
    assert_same(passes(net, input, gradOutput), passes(mg.rnn.Unroll(step, feedback), input, gradOutput))


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_float_and_double_and_a_step_converted_by_itself(used: bool) -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    expected = passes(net, input, gradOutput)
    if not used:
        net.clearState()
    net.float()
    if used:
        assert net.backward(input, gradOutput)[0].dtype == np.float32
    actual = passes(net, input, gradOutput)
    assert {leaf.dtype for _, leaf in leaves(actual)} == {np.dtype(np.float32)}
    assert_close(actual, expected, 1e-5)
    step.double()
    actual = passes(net, input, gradOutput)
    assert {leaf.dtype for _, leaf in leaves(actual)} == {np.dtype(np.float64)}
    assert_close(actual, expected, 1e-5)


@pytest.mark.parametrize("flat", [False, True], ids=["apart", "flat"])
@pytest.mark.parametrize("copy", [lambda net: net.clone(), lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_whole_and_apart(copy: Any, flat: bool) -> None:
    step, feedback, input, gradOutput = lstm_case(dropout=0.3)
    net = mg.rnn.Unroll(step, feedback)
    if flat:
        net.getParameters()
    net.forward(input)
    other = copy(net)
    first = copy_table(net.backward(input, gradOutput))
    assert not any(g.any() for g in other.parameters()[1])
    assert_same(other.backward(input, gradOutput), first)  # the masks were copied too
    assert_same(gradients_of(other), gradients_of(net))
    other.updateParameters(0.1)
    again = mg.rnn.Unroll(other.step, feedback)
    other.evaluate()
    assert_same(passes(other, input, gradOutput), passes(again, input, gradOutput))
    net.evaluate()
    assert not np.array_equal(net.forward(input)[0], other.forward(input)[0])


def test_share_makes_two_unrolls_one() -> None:
    step, feedback, input, gradOutput = lstm_case(seed=1)
    other_step, *_ = lstm_case(seed=2)
    net, other = mg.rnn.Unroll(step, feedback), mg.rnn.Unroll(other_step, feedback)
    net.forward(input)
    net.share(other, "weight", "bias", "gradWeight", "gradBias")
    net.backward(input, gradOutput)
    assert all(g.any() for g in other.parameters()[1])
    assert_same(passes(net, input, gradOutput), passes(other, input, gradOutput))
    shared = net.clone("weight", "bias", "gradWeight", "gradBias")
    other.updateParameters(0.1)
    assert_same(passes(shared, input, gradOutput), passes(other, input, gradOutput))


def test_training_and_evaluate_reach_every_time_step() -> None:
    step, feedback, input, _ = lstm_case(dropout=0.5)
    net = mg.rnn.Unroll(step, feedback)
    mg.manualSeed(1)
    dropped = copy_table(net.forward(input))
    clones = net.clones
    plain = copy_table(net.evaluate().forward(input))
    assert not np.array_equal(dropped[-1], plain[-1])
    assert_same(net.forward(input), plain)
    mg.manualSeed(1)
    assert_same(net.training().forward(input), dropped)
    assert all(a is b for a, b in zip(net.clones, clones))
    step.evaluate()
    assert_same(net.forward(input), plain)


def test_what_is_set_at_the_step_holds_for_every_time_step() -> None:
    step, feedback, input, gradOutput = lstm_case(dropout=0.5)
    net = mg.rnn.Unroll(step, feedback)
    net.forward(input)
    (dropout,), _ = net.findModules("nn.Dropout")
    dropout.setp(0)
    linear = net.findModules("nn.Linear")[0][0]
    linear.weight = randn(*linear.weight.shape)
    assert_same(
        passes(net, input, gradOutput), passes(mg.rnn.Unroll(step, feedback), input, gradOutput)
    )
    before = copy_table(net.forward(input))
    net.replace(lambda module: nn.SoftSign() if module.typename() == "nn.Tanh" else module)
    after = net.forward(input)
    assert not np.array_equal(after[0], before[0])
    assert_same(after, mg.rnn.Unroll(step, feedback).forward(input))


def test_statistics_are_one_for_all_time_steps() -> None:
    x = nn.Identity()()
    norm = nn.BatchNormalization(3)
    net = mg.rnn.Unroll(nn.gModule([x], [norm(x)]))
    xs = randn(4, 5, 3)
    alone = nn.BatchNormalization(3)
    alone.weight[...] = norm.weight
    expected = np.stack([alone.forward(x).copy() for x in xs])
    assert_same(net.forward(xs), expected)
    np.testing.assert_array_equal(norm.running_mean, alone.running_mean)
    np.testing.assert_array_equal(norm.running_var, alone.running_var)
    expected = np.stack([alone.evaluate().forward(x).copy() for x in xs])
    assert_same(net.evaluate().forward(xs), expected)


def test_clearState_lets_the_activations_go() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    expected = passes(net, input, gradOutput)
    net.clearState()
    assert net.output is None and net.clones == []
    with pytest.raises(mg.errors.StateError, match="backward before forward"):
        net.backward(input, gradOutput)
    assert_same(passes(net, input, gradOutput), expected)


# -- clone_many ----------------------------------------------------------------------------


def test_clones_share_parameters_under_any_name_and_nothing_else() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.PReLU(3)(nn.CMul(3)(nn.BatchNormalization(3)(nn.Linear(3, 3)(x))))])
    xs = randn(4, 3)
    before = net.forward(xs)
    clones = mg.rnn.clone_many(net, 3)
    assert len(clones) == 3 and net not in clones
    for clone in clones:
        assert clone.output is None
        for mine, theirs in zip(sum(clone.parameters(), []), sum(net.parameters(), [])):
            assert mine is theirs
        assert clone.get(3).running_mean is net.get(3).running_mean
    outputs = [clone.forward(randn(4, 3)) for clone in clones]
    for k, a in enumerate([before, *outputs]):
        assert not any(np.shares_memory(a, b) for b in outputs[k:])
    for clone in clones:
        clone.backward(clone.nodeState(clone.forwardnodes[0]).input, np.ones((4, 3)))
    assert all(g.any() for g in net.parameters()[1])

"""What the clones of a step share, and that they go on sharing it: Unroll and clone_many."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close
from unrolling import assert_same, gradients_of, lstm_case, passes, randn

import minigraph as mg
from minigraph import nn
from minigraph.tables import copy_table, leaves


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

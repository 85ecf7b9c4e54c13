"""debug.trace of an Unroll: every time step, what is carried between them, each step's share."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden_files import assert_close
from unrolling import RNG, gradients_of, lstm_case, randn

import minigraph as mg
from minigraph import nn
from minigraph.tables import copy_table


def test_each_time_step_is_recorded_as_it_ran() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    trace = mg.debug.trace(net, input, gradOutput)
    T = len(input[0])
    assert len(trace) == T and [len(each.nodes) for each in trace.steps] == [len(step.forwardnodes)] * T
    for recorded, clone in zip(trace.steps, net.clones):
        assert [each.node.id for each in recorded.forward] == [node.id for node in clone.forwardnodes]
        for each, node in zip(recorded.forward, clone.forwardnodes):
            assert_close(each.value, copy_table(clone.nodeState(node).output), 0.0, each.node.key)
        for visited, node in zip(recorded.nodes, clone.backwardnodes):
            assert_close(visited.value, copy_table(clone.nodeState(node).gradOutput), 0.0)
    assert_close(trace.output, net.output, 0.0)
    assert_close(trace.gradInput, net.gradInput, 0.0)
    norms = trace.norms()
    assert norms["next_h1"] == [each["next_h1"].norm for each in trace.steps]


def test_arrivals_part_what_the_caller_gave_from_what_came_back_in_time() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    trace = mg.debug.trace(net, input, gradOutput)
    outputs = list(feedback)
    for t, row in enumerate(trace.arrivals):
        assert [each.output for each in row] == outputs
        for k, each in enumerate(row):
            assert each.given == pytest.approx(np.linalg.norm(gradOutput[k][t]))
            if t + 1 == len(trace):
                assert each.later is None and each.total == pytest.approx(each.given)
            else:
                later = trace[t + 1].gradInput[k + 1]
                assert each.later == pytest.approx(np.linalg.norm(later))
                assert each.total == pytest.approx(np.linalg.norm(later + gradOutput[k][t]))


def test_shares_of_the_time_steps_add_up_to_the_gradient_of_the_pass() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    net.zeroGradParameters()
    net.forward(input)
    net.backward(input, gradOutput)
    alone = copy_table(gradients_of(net))
    for gradient in net.parameters()[1]:
        gradient += 3.0
    before = copy_table(gradients_of(net))
    trace = mg.debug.trace(net, input, gradOutput)
    assert_close(gradients_of(net), before, 0.0)
    assert_close([each.value for each in trace.parameters], alone, 1e-12)
    # The last time step's share is the gradient of a sequence whose gradient is that step alone.
    only_last = [None if g is None else np.concatenate([0 * g[:-1], g[-1:]]) for g in gradOutput]
    last = mg.debug.trace(net, input, only_last)
    for share, each in zip(trace.parameters, last.parameters):
        assert len(share.steps) == len(trace)
        assert share.steps[-1] == pytest.approx(each.steps[-1])
    assert not nn.gModule.observers


def test_a_share_far_below_the_sum_is_not_lost() -> None:
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    shrink = nn.MulConstant(1e-9)(nn.CAddTable()([nn.Linear(2, 2)(x).annotate(name="lin"), h]))
    net = mg.rnn.Unroll(nn.gModule([x, h], [nn.Identity()(shrink).annotate(name="y")]), {"y": "h"})
    gradOutput = np.zeros((4, 1, 2))
    gradOutput[-1] = 1.0
    trace = mg.debug.trace(net, [RNG.standard_normal((4, 1, 2)), np.zeros((1, 2))], gradOutput)
    bias = next(each for each in trace.parameters if each.name == "lin.bias")
    np.testing.assert_allclose(bias.steps, np.sqrt(2) * 1e-9 ** np.arange(4.0, 0.0, -1.0), rtol=1e-9)


def test_text_json_and_difference() -> None:
    step, feedback, input, gradOutput = lstm_case()
    net = mg.rnn.Unroll(step, feedback)
    trace = mg.debug.trace(net, input, gradOutput)
    text = str(trace)
    assert "t = 1" in text and f"t = {len(trace)}" in text and "the next step" in text
    data = json.loads(json.dumps(trace.to_dict()))
    assert len(data["steps"]) == len(trace) and len(data["parameters"][0]["steps"]) == len(trace)
    assert trace.diff(mg.debug.trace(net, input, gradOutput)).same
    changed = [input[0].copy(), *input[1:]]
    changed[0][2] += randn(*changed[0][2].shape)
    other = mg.debug.trace(net, changed, gradOutput)
    forward = [row.where for row in trace.diff(other).kind("forward")]
    assert forward and not [where for where in forward if where.startswith(("time step 1/", "time step 2/"))]


def test_an_unroll_inside_a_network_has_its_steps_too() -> None:
    step, feedback, input, gradOutput = lstm_case()
    entries = [nn.Identity()() for _ in input]
    outer = nn.gModule(entries, [mg.rnn.Unroll(step, feedback)(entries).annotate(name="lstm")])
    trace = mg.debug.trace(outer, input, gradOutput)
    inner = trace.inner["lstm"]
    assert isinstance(inner, mg.debug.UnrollTrace) and len(inner) == len(input[0])
    assert inner.arrivals[-1][0].given == pytest.approx(np.linalg.norm(gradOutput[0][-1]))

"""What Unroll and clone_many refuse, and what they say; after an error the next call is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, GraphError, InputError, MinigraphError, NodeError, StateError
from minigraph.tables import copy_table

RNG = np.random.default_rng(0)
T, B, D, H = 4, 3, 5, 2


def randn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def lstm() -> tuple[Any, list]:
    """Return an Unroll of an LSTM and an input for it."""
    mg.manualSeed(1)
    return mg.rnn.Unroll(*mg.rnn.lstm(D, H)), [randn(T, B, D), randn(B, H), randn(B, H)]


class Fails(nn.Module):
    """The identity, until the input holds ``at`` (forward) or the gradient does (backward)."""

    at = -99.0

    def updateOutput(self, input: np.ndarray) -> np.ndarray:
        if (input == self.at).any():
            raise ZeroDivisionError("the forbidden number")
        return input

    def updateGradInput(self, input: np.ndarray, gradOutput: np.ndarray) -> np.ndarray:
        if (gradOutput == self.at).any():
            raise ZeroDivisionError("the forbidden gradient")
        return gradOutput


def failing() -> tuple[Any, list]:
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    weak = Fails()(nn.Linear(2, 2)(x)).annotate(name="weak")
    passed = Fails()(x).annotate(name="passed")
    following = nn.Tanh()(nn.CAddTable()([weak, passed, h])).annotate(name="next_h")
    mg.manualSeed(1)
    step = nn.gModule([x, h], [following, nn.Identity()(passed)])
    return mg.rnn.Unroll(step, {"next_h": "h"}), [randn(T, B, 2), randn(B, 2)]


# -- construction ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "feedback, parts",
    [
        ({"next_c": "prev_c1"}, ["no output node named 'next_c'", "'next_c1'", "'next_h1'"]),
        ({"next_c1": "prev_c"}, ["no input node named 'prev_c'", "'prev_c1'", "'x'"]),
        ({"prev_c1": "next_c1"}, ["no output node named 'prev_c1'", "output names to input names"]),
        ({"next_c1": "prev_c1", "next_h1": "prev_c1"}, ["'prev_c1' from several", "'next_h1'"]),
        ({"": "prev_c1"}, ["no output node named ''"]),
    ],
)
def test_feedback_that_does_not_fit_the_step(feedback: dict, parts: list[str]) -> None:
    step, _ = mg.rnn.lstm(D, H)
    with pytest.raises(GraphError) as caught:
        mg.rnn.Unroll(step, feedback)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_names_that_are_missing_or_not_unique() -> None:
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    out = nn.CAddTable()([x, h])
    with pytest.raises(GraphError, match=r"no output node named 'out'.*CAddTable.*\(no name\).*annotate"):
        mg.rnn.Unroll(nn.gModule([x, h], [out]), {"out": "h"})
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    outs = [nn.CAddTable()([x, h]).annotate(name="out"), nn.CMulTable()([x, h]).annotate(name="out")]
    with pytest.raises(GraphError, match="2 output nodes named 'out'"):
        mg.rnn.Unroll(nn.gModule([x, h], outs), {"out": "h"})
    x, h = nn.Identity()().annotate(name="h"), nn.Identity()().annotate(name="h")
    with pytest.raises(GraphError, match="2 input nodes named 'h'"):
        mg.rnn.Unroll(nn.gModule([x, h], [nn.CAddTable()([x, h]).annotate(name="out")]), {"out": "h"})


def test_a_step_needs_a_sequence() -> None:
    h = nn.Identity()().annotate(name="h")
    with pytest.raises(GraphError, match="how many time steps"):
        mg.rnn.Unroll(nn.gModule([h], [nn.Tanh()(h).annotate(name="n")]), {"n": "h"})


def test_a_step_is_a_graph_and_feedback_a_dict() -> None:
    with pytest.raises(ArgumentError, match="a gModule, got Linear"):
        mg.rnn.Unroll(nn.Linear(2, 2))  # type: ignore[arg-type]
    step, _ = mg.rnn.lstm(D, H)
    with pytest.raises(ArgumentError, match="feedback must be a dict"):
        mg.rnn.Unroll(step, [("next_c1", "prev_c1")])  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
def test_clone_many_needs_a_number(count: Any) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        mg.rnn.clone_many(nn.Linear(2, 2), count)


def test_clone_many_needs_a_module() -> None:
    with pytest.raises(ArgumentError, match="module or a criterion, got list"):
        mg.rnn.clone_many([nn.Linear(2, 2)], 2)  # type: ignore[type-var]


# -- inputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, path, expected, got, part",
    [
        (lambda i: i[:2], "input", 3, 2, "input[3] prev_h1 (initial state)"),
        (lambda i: i[0], "input", 3, None, "expected a table of 3 inputs"),
        (lambda i: [i[0], None, i[2]], "input[2]", "an initial state", None, "initial value"),
        (lambda i: [None, i[1], i[2]], "input[1]", "(T, ...)", None, "expected a sequence"),
        (lambda i: [[], i[1], i[2]], "input[1]", "sequence", "{}", "empty table"),
        (lambda i: [3.0, i[1], i[2]], "input[1]", "(T, ...)", (), "time steps as its first"),
        (lambda i: [i[0][:0], i[1], i[2]], "input[1]", "at least 1", 0, "no time steps"),
        (lambda i: [np.array(["a"]), i[1], i[2]], "input[1]", "real numbers", "<U1", "real numbers"),
    ],
)
def test_inputs_of_the_wrong_make(change: Any, path: str, expected: Any, got: Any, part: str) -> None:
    net, input = lstm()
    with pytest.raises(InputError) as caught:
        net.forward(change(input))
    error = caught.value
    assert (error.path, error.expected) == (path, expected)
    assert got is None or error.got == got
    assert part in str(error)
    assert "input[1] x (sequence), input[2] prev_c1 (initial state)" in str(error)


def test_sequences_of_different_lengths() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    net = mg.rnn.Unroll(nn.gModule([a, b], [nn.CAddTable()([nn.JoinTable(1, 1)(a), b])]))
    with pytest.raises(InputError, match=r"input\[1\]\[2\] has 3 time steps, input\[1\]\[1\] has 4"):
        net.forward([[randn(4, 2), randn(3, 2)], randn(4, 4)])
    with pytest.raises(InputError, match=r"input\[2\] has 5 time steps") as caught:
        net.forward([[randn(4, 2), randn(4, 2)], randn(5, 4)])
    assert (caught.value.path, caught.value.expected, caught.value.got) == ("input[2]", 4, 5)


def pass_through() -> Any:
    """A step that takes any state and makes it a table of (B, 2) and (B, 2)."""
    x, s = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="s")
    first = nn.SelectTable(1)(s)
    return mg.rnn.Unroll(nn.gModule([x, s], [nn.Identity()([x, first]).annotate(name="n")]), {"n": "s"})


@pytest.mark.parametrize(
    "state", [[np.zeros((B, 2))], [np.zeros(2), np.zeros((B, 2))], [[np.zeros((B, 2))], np.zeros((B, 2))]]
)
def test_an_initial_state_nested_or_shaped_unlike_what_follows(state: Any) -> None:
    with pytest.raises(InputError, match="takes its place at the second time step") as caught:
        pass_through().forward([randn(T, B, 2), state])
    assert caught.value.path.startswith("input[2]")
    assert "at time step 1 of 4 (index 0 in Python)" in str(caught.value)


def test_outputs_that_change_their_shape_cannot_be_stacked() -> None:
    class Grows(nn.Module):
        def updateOutput(self, input: np.ndarray) -> np.ndarray:
            return np.zeros(int(input.flat[0]))

    x = nn.Identity()()
    net = mg.rnn.Unroll(nn.gModule([x], [Grows()(x)]))
    with pytest.raises(InputError, match=r"output is \(3,\) float64, \(2,\) at the first") as caught:
        net.forward(np.array([[2], [2], [3]]))
    assert "at time step 3 of 3 (index 2 in Python)" in str(caught.value)


@pytest.mark.parametrize(
    "gradOutput, path",
    [
        ([randn(T, B, H)], "gradOutput"),
        ([randn(T, B, H), randn(B, H)], "gradOutput[2]"),
        ([randn(T - 1, B, H), None], "gradOutput[1]"),
        ([None, [randn(T, B, H)]], "gradOutput[2]"),
    ],
)
def test_gradients_that_do_not_fit(gradOutput: Any, path: str) -> None:
    net, input = lstm()
    net.forward(input)
    with pytest.raises(InputError) as caught:
        net.backward(input, gradOutput)
    assert caught.value.path == path
    assert not any(g.any() for g in net.parameters()[1])


# -- failures on the way ---------------------------------------------------------------------


def test_a_step_that_fails_names_the_time_step_and_the_node() -> None:
    net, input = failing()
    input[0][2, 1, 0] = Fails.at
    with pytest.raises(NodeError, match="the forbidden number") as caught:
        net.forward(input)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    node, moment = caught.value.context
    assert "'passed'" in node and "test_rnn_errors.py" in node
    assert moment == "at time step 3 of 4 (index 2 in Python)"


def test_a_backward_that_fails_names_the_time_step_and_the_node() -> None:
    net, input = failing()
    net.forward(input)
    gradient = np.zeros((T, B, 2))
    gradient[1, 0, 0] = Fails.at
    with pytest.raises(NodeError, match="the forbidden gradient") as caught:
        net.backward(input, [None, gradient])
    node, moment = caught.value.context
    assert "updateGradInput of node" in node and "'passed'" in node
    assert moment == "at time step 2 of 4 (index 1 in Python)"


def test_after_an_error_the_next_good_call_is_right() -> None:
    net, good = failing()
    gradOutput = [randn(T, B, 2), randn(T, B, 2)]
    net.zeroGradParameters()
    expected = [copy_table(net.forward(good)), copy_table(net.backward(good, gradOutput))]
    parameters = [g.copy() for g in net.parameters()[1]]
    bad = copy_table(good)
    bad[0][2] = Fails.at
    for wrong in (bad, good[:1], [good[0][:0], good[1]]):
        with pytest.raises(MinigraphError):
            net.forward(wrong)
        with pytest.raises(StateError, match="backward before forward"):
            net.backward(good, gradOutput)
    net.zeroGradParameters()
    assert_close([copy_table(net.forward(good)), net.backward(good, gradOutput)], expected, 0)
    assert_close(list(net.parameters()[1]), parameters, 0)
    with pytest.raises(MinigraphError):
        net.backward(good, [None, np.full((T, B, 2), Fails.at)])
    with pytest.raises(StateError, match="accGradParameters before updateGradInput"):
        net.accGradParameters(good, gradOutput)
    net.zeroGradParameters()
    assert_close(net.backward(good, gradOutput), expected[1], 0)
    assert_close(list(net.parameters()[1]), parameters, 0)


def test_backward_before_forward() -> None:
    net, input = lstm()
    with pytest.raises(StateError, match="backward before forward"):
        net.backward(input, [None, None])


def test_parameters_replaced_by_others_between_forward_and_backward() -> None:
    net, input = lstm()
    net.forward(input)
    linear = net.findModules("nn.Linear")[0][0]
    linear.noBias()
    with pytest.raises(StateError, match="changed in number, shape or type since forward"):
        net.backward(input, [None, randn(T, B, H)])
    net.forward(input)
    assert net.backward(input, [None, randn(T, B, H)])[0].shape == (T, B, D)


def test_the_debug_mode_watches_the_time_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the picture of the failure is written there
    net, input = lstm()
    mg.setDebug(True)
    try:
        net.forward(input)
        net.backward(input, [None, randn(T, B, H)])
        net.forward(input)
        input[0][1] += 1
        with pytest.raises(StateError, match="at time step 2 of 4"):
            net.backward(input, [None, randn(T, B, H)])
    finally:
        mg.setDebug(False)

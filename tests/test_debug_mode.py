"""setDebug: overwritten activations, wrong inputs, NaN, pictures; and nothing when it is off."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from golden_files import assert_close, load, value
from rendering import needs_svg
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.errors import InputError, NodeError, NumberError, StateError
from minigraph.tables import copy_table

CASES = {case["name"]: case for case in load("graphs")}


@pytest.fixture(autouse=True)
def debug_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    mg.setDebug(True)
    yield
    mg.setDebug(False)
    assert not nn.gModule.observers


def zaremba(layers: int = 1) -> tuple[nn.gModule, Any, Any]:
    case = CASES[f"zaremba_lstm_{layers}layers"]
    return build_graph(case)[0], value(case["input"]), value(case["gradOutput"])


@pytest.mark.parametrize("name", sorted(CASES))
def test_good_passes_are_left_alone_and_give_the_same_numbers(name: str) -> None:
    mg.setDebug(True, checkNaN=True)
    case = CASES[name]
    net, _ = build_graph(case)
    for _ in range(2):
        assert_close(net.forward(value(case["input"])), value(case["output"]), 1e-12)
        for _ in range(2):  # a second backward after one forward is fine
            gradInput = net.backward(value(case["input"]), value(case["gradOutput"]))
            assert_close(gradInput, value(case["gradInput"]), 1e-12)


# -- overwritten activations ------------------------------------------------------------------


class Unrolled:
    """char-rnn's way: one clone of the step for each time step, sharing the parameters."""

    def __init__(self, step: nn.gModule, steps: int) -> None:
        self.clones = [step.clone("weight", "bias", "gradWeight", "gradBias") for _ in range(steps)]

    def batch(self, x: Any, state: Any, gradOutput: Any) -> Any:
        inputs = []
        for clone in self.clones:
            inputs.append([x, state])
            _, state = clone.forward(inputs[-1])
        for clone, entry in reversed(list(zip(self.clones, inputs))):
            clone.backward(entry, gradOutput)
        return state


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_char_rnn_bug_is_named(layers: int) -> None:
    step, (x, state), g = zaremba(layers)
    unrolled = Unrolled(step, 3)
    carried = unrolled.batch(x, state, g)
    with pytest.raises(StateError) as caught:
        unrolled.batch(x, carried, g)
    message = str(caught.value)
    assert message.startswith(
        "input[2][1] (input[1][0] in Python) of the network changed between forward and backward (saved by"
    )
    assert "'l1.fc': nn.CMulTable" in message
    assert "it is the output buffer of node" in message and "'l1.next_c': nn.CAddTable" in message
    assert "another network built like this one (a clone for another time step?)" in message
    assert "which ran again since" in message and "pass a copy" in message
    assert "test_golden_graphs.py:" in message
    assert caught.value.path == "input[2][1]" and caught.value.node.name == "l1.fc"
    assert caught.value.writer.name == "l1.next_c"
    # With a copy everything is well, also right after the error.
    carried = unrolled.batch(x, state, g)
    unrolled.batch(x, copy_table(carried), g)


def test_with_one_step_the_network_overwrites_its_own_input() -> None:
    net, (x, state), g = zaremba()
    net.name = "lstm"
    _, carried = net.forward([x, state])
    net.backward([x, state], g)
    net.forward([x, carried])
    with pytest.raises(StateError, match=r"'l1.next_c'.* of this same network, which ran again since"):
        net.backward([x, carried], g)


def test_the_other_network_is_named_if_it_has_a_name() -> None:
    x = nn.Identity()().annotate(name="x")
    encoder = nn.gModule([x], [nn.Tanh()(x).annotate(name="code")])
    encoder.name = "encoder"
    y = nn.Identity()().annotate(name="y")
    decoder = nn.gModule([y], [nn.Linear(2, 2)(y).annotate(name="lin")])
    code = encoder.forward(np.ones(2))
    decoder.forward(code)
    encoder.forward(np.zeros(2))
    with pytest.raises(StateError) as caught:
        decoder.backward(code, np.ones(2))
    assert str(caught.value).startswith("input of the network changed between forward and backward")
    assert "'code': nn.Tanh" in str(caught.value) and "the network 'encoder'" in str(caught.value)


def test_a_view_on_a_buffer_is_traced_to_its_owner() -> None:
    x = nn.Identity()()
    whole = nn.Linear(2, 4)(x).annotate(name="whole")
    first = nn.gModule([x], [nn.Narrow(2, 1, 2)(whole), nn.Select(2, 4)(nn.Reshape(4)(whole))])
    y = nn.Identity()()
    second = nn.gModule([y], [nn.Tanh()(y).annotate(name="reader")])
    part, _ = first.forward(np.ones((3, 2)))
    second.forward(part)
    first.forward(np.zeros((3, 2)))
    with pytest.raises(StateError, match="output buffer of node .*'whole': nn.Linear"):
        second.backward(part, np.ones((3, 2)))


def test_changes_by_the_callers_own_code() -> None:
    net, (x, state), g = zaremba()
    net.forward([x, state])
    state[1][0, 0] += 1
    with pytest.raises(StateError, match=r"input\[2\]\[2\] .*no node's buffer.*your own code"):
        net.backward([x, state], g)
    output = net.forward([x, state])
    output[1][0][0, 0] += 1
    with pytest.raises(StateError, match=r"output\[2\]\[1\] .*output buffer of node .*your own code"):
        net.backward([x, state], g)


def test_a_module_used_in_two_networks_overwrites_the_others_activation() -> None:
    layer = nn.Linear(2, 2)
    nets = []
    for name in ("a", "b"):
        x = nn.Identity()()
        nets.append(nn.gModule([x], [nn.Tanh()(layer(x).annotate(name=f"lin_{name}"))]))
    nets[0].forward(np.ones(2))
    nets[1].forward(np.zeros(2))
    with pytest.raises(StateError, match="input of node .*nn.Tanh.*output buffer of node .*'lin_b'"):
        nets[0].backward(np.ones(2), np.ones(2))


class OneForAll(nn.Module):
    """Writes its output into memory that all of its kind have in common."""

    room = np.zeros(2)

    def updateOutput(self, input: Any) -> np.ndarray:
        np.copyto(self.room, input)
        self.output = self.room
        return self.room


def test_a_buffer_shared_within_one_network_is_caught_in_forward() -> None:
    x = nn.Identity()()
    first = OneForAll()(x).annotate(name="first")
    second = OneForAll()(nn.Tanh()(x)).annotate(name="second")
    net = nn.gModule([x], [nn.CAddTable()([first, second]).annotate(name="sum")])
    with pytest.raises(StateError, match="changed before the node could read it: it is the output buffer of"):
        net.forward(np.ones(2))


def test_a_layer_in_two_modules_of_one_network_shares_no_buffer() -> None:
    layer = nn.Linear(2, 2)
    x = nn.Identity()()
    first, second = nn.Sequential().add(layer)(x), nn.Sequential().add(layer)(nn.Tanh()(x))
    net = nn.gModule([x], [nn.CAddTable()([first, second])])
    expected = layer.weight @ (1 + np.tanh(np.ones(2))) + 2 * layer.bias
    np.testing.assert_allclose(net.forward(np.ones(2)), expected, rtol=1e-14)


def test_inner_networks_are_watched() -> None:
    a = nn.Identity()()
    cell = nn.gModule([a], [nn.Tanh()(nn.Linear(2, 2)(a).annotate(name="lin")).annotate(name="act")])
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Sigmoid()(cell(x).annotate(name="cell"))])
    net.forward(np.ones(2))
    net.backward(np.ones(2), np.ones(2))
    net.forward(np.ones(2))
    cell.forward(np.zeros(2))  # the same object, run on its own
    with pytest.raises(StateError, match="input of node .*nn.Sigmoid.*output buffer of node .*'act'"):
        net.backward(np.ones(2), np.ones(2))


# -- modules that work in place ----------------------------------------------------------------


class Rectify(nn.Module):
    """A layer of the user's that works in place, and says so."""

    inplace = True

    def updateOutput(self, input: Any) -> Any:
        self.output = np.maximum(input, 0, out=input)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput * (input > 0)
        return self.gradInput


def in_place_graph(first: str) -> nn.gModule:
    """A Linear that an in-place ReLU and a Tanh read, the one named running first."""
    x = nn.Identity()()
    lin = nn.Linear(2, 3)(x).annotate(name="lin")
    relu = Rectify()(lin).annotate(name="relu")
    tanh = nn.Tanh()(lin).annotate(name="tanh")
    net = nn.gModule([x], [relu, tanh])
    if [node.name for node in net.forwardnodes if node.name in ("relu", "tanh")][0] != first:
        x = nn.Identity()()
        lin = nn.Linear(2, 3)(x).annotate(name="lin")
        tanh = nn.Tanh()(lin).annotate(name="tanh")
        net = nn.gModule([x], [tanh, Rectify()(lin).annotate(name="relu")])
    assert [node.name for node in net.forwardnodes if node.name in ("relu", "tanh")][0] == first
    return net


@pytest.mark.parametrize("first", ["relu", "tanh"])
def test_overwriting_in_place_what_another_node_needs(first: str) -> None:
    mg.manualSeed(1)
    net = in_place_graph(first)
    x = np.array([[1.0, -2.0], [-0.5, 3.0]])
    with pytest.raises(StateError) as caught:
        net.forward(x)
        net.backward(x, [np.ones((2, 3))] * 2)
    assert "input of node" in str(caught.value) and "'tanh': nn.Tanh" in str(caught.value)
    assert "'relu': Rectify" in str(caught.value) and "works in place" in str(caught.value)
    assert "another node needs it as well" in str(caught.value)
    assert ("before the node could read it" in str(caught.value)) == (first == "relu")


def test_working_in_place_is_no_error_where_nobody_else_needs_the_input() -> None:
    mg.manualSeed(1)
    x = nn.Identity()()
    chain = nn.Identity()(nn.View(2, 3)(nn.Linear(2, 3)(x)))
    chain = nn.MulConstant(2.0)(Rectify()(nn.AddConstant(0.1)(chain)))
    inside = nn.Sequential().add(Rectify()).add(nn.Tanh())
    net = nn.gModule([x], [inside(chain)])
    data = np.array([[1.0, -2.0], [-0.5, 3.0]])
    for _ in range(3):
        net.forward(data)
        net.backward(data, np.ones((2, 3)))
    first = nn.Identity()()
    net = nn.gModule([first], [nn.Tanh()(Rectify()(first))])
    net.forward(data)
    net.backward(data, np.ones((2, 2)))


def test_a_module_that_overwrites_its_input_without_saying_so() -> None:
    class Rude(nn.Module):
        def updateOutput(self, input: Any) -> Any:
            input *= 2
            self.output = input.copy()
            return self.output

    x = nn.Identity()()
    net = nn.gModule([x], [Rude()(nn.Tanh()(x)).annotate(name="rude")])
    with pytest.raises(StateError, match="input of node .*'rude': Rude.* must say so with .* inplace"):
        net.forward(np.ones(2))


# -- another input -----------------------------------------------------------------------------


def test_backward_with_another_input() -> None:
    net, (x, state), g = zaremba()
    net.forward([x, state])
    net.backward([x.copy(), tuple(copy_table(state))], g)  # the same contents are fine
    other = copy_table(state)
    other[1][1, 2] += 0.5
    with pytest.raises(StateError) as caught:
        net.backward([x, other], g)
    assert str(caught.value).startswith(
        "input[2][2] (input[1][1] in Python) given to backward is not the one given to forward"
    )
    assert "at index [1, 2]" in str(caught.value) and caught.value.path == "input[2][2]"
    with pytest.raises(StateError, match=r"input\[1\] .*\(1, 3\) float64 instead of \(2, 3\) float64"):
        net.backward([x[:1], state], g)
    with pytest.raises(StateError, match=r"input given to backward is not .*None instead of"):
        net.backward(None, g)
    net.backward([x, state], g)


# -- NaN and Inf ---------------------------------------------------------------------------------


def test_numbers_are_checked_only_if_asked_for() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Tanh()(x)])
    assert np.isnan(net.forward(np.array([np.nan]))).all()


def test_nan_in_a_parameter_input_output_and_gradient() -> None:
    mg.setDebug(True, checkNaN=True)
    mg.manualSeed(1)
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="b")
    lin = nn.Linear(2, 2)(a).annotate(name="lin")
    net = nn.gModule([a, b], [nn.CDivTable()([lin, b]).annotate(name="quotient")])
    good = [np.ones((1, 2)), np.ones((1, 2))]
    with pytest.raises(NumberError, match=r"NaN in input\[2\] \(input\[1\] in Python\) of.*\[0, 1\]"):
        net.forward([good[0], np.array([[1.0, np.nan]])])
    with np.errstate(divide="ignore"), pytest.raises(NumberError) as caught:
        net.forward([good[0], np.array([[1.0, 0.0]])])
    assert "Inf in output of node" in str(caught.value) and "'quotient': nn.CDivTable" in str(caught.value)
    assert "first at index [0, 1]" in str(caught.value) and "1 of 2 entries" in str(caught.value)
    assert "it arises here" in str(caught.value)
    net.forward(good)
    with pytest.raises(NumberError, match="Inf in gradOutput of the network"):
        net.backward(good, np.array([[1.0, np.inf]]))
    tiny = [good[0], np.full((1, 2), 1e-200)]
    net.forward(tiny)
    with np.errstate(all="ignore"), pytest.raises(NumberError) as caught:
        net.backward(tiny, np.ones((1, 2)))
    assert "Inf in gradInput[2] (gradInput[1] in Python) of node" in str(caught.value)
    lin.module.weight[0, 0] = np.nan
    with pytest.raises(NumberError, match="'lin'.*its parameter weight holds NaN"):
        net.forward(good)
    lin.module.weight[0, 0] = 1.0
    net.forward(good)
    assert np.isfinite(net.backward(good, np.ones((1, 2)))[0]).all()


# -- pictures --------------------------------------------------------------------------------------


@needs_svg
def test_an_error_saves_a_picture_with_the_failing_node_in_red(tmp_path: Path) -> None:
    mg.manualSeed(1)
    x = nn.Identity()().annotate(name="x")
    net = nn.gModule([x], [nn.Linear(10, 10)(nn.Tanh()(x)).annotate(name="bad_linear")])
    net.name = "my_bad_linear_net"
    with pytest.raises(InputError) as caught:
        net.forward(np.ones(11))
    assert "in updateOutput of node" in str(caught.value)
    assert "picture of the graph, this node in red: my_bad_linear_net.svg" in str(caught.value)
    svg = (tmp_path / "my_bad_linear_net.svg").read_text(encoding="utf-8")
    assert "bad_linear" in svg and "<svg" in svg
    assert net.forward(np.ones(10)).shape == (10,)


@needs_svg
def test_an_error_in_an_inner_network_is_drawn_once(tmp_path: Path) -> None:
    class Failing(nn.Module):
        def updateOutput(self, input: Any) -> Any:
            raise RuntimeError("out of luck")

    a = nn.Identity()()
    inner = nn.gModule([a], [Failing()(a).annotate(name="failing")])
    inner.name = "inner"
    x = nn.Identity()()
    outer = nn.gModule([x], [nn.Sequential().add(inner)(x).annotate(name="holder")])
    outer.name = "outer"
    with pytest.raises(NodeError, match="RuntimeError: out of luck") as caught:
        outer.forward(np.ones(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner.svg"]
    assert str(caught.value).count("picture of the graph") == 1
    assert "'holder'" in str(caught.value)


@needs_svg
def test_an_overwritten_activation_is_drawn_too(tmp_path: Path) -> None:
    net, (x, state), g = zaremba()
    net.name = "lstm"
    net.forward([x, state])
    state[0] += 1
    with pytest.raises(StateError, match=r"picture of the graph, this node in red: lstm\.svg"):
        net.backward([x, state], g)
    assert (tmp_path / "lstm.svg").exists()


def test_a_picture_that_cannot_be_written_does_not_hide_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigraph import setdebug
    from minigraph.errors import DrawingError

    def refuse(*_: Any, **__: Any) -> Path:
        raise DrawingError("the disk is full")

    monkeypatch.setattr(setdebug, "draw_failure", refuse)
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Linear(2, 2)(x)])
    with pytest.raises(InputError, match="none, the disk is full"):
        net.forward(np.ones(3))


# -- on and off ------------------------------------------------------------------------------------


def test_off_means_off() -> None:
    step, (x, state), g = zaremba()
    mg.setDebug(False)
    assert not nn.gModule.observers
    unrolled = Unrolled(step, 2)
    unrolled.batch(x, unrolled.batch(x, state, g), g)  # silently wrong, as in Torch
    mg.setDebug(False)


def test_on_twice_watches_once_and_other_observers_stay() -> None:
    watched = list(nn.gModule.observers)
    mg.setDebug(True)
    assert len(nn.gModule.observers) == len(watched)
    net, x, g = zaremba()
    assert mg.debug.trace(net, x, g).diff(mg.debug.trace(net, x, g)).same
    assert len(nn.gModule.observers) == len(watched)


def test_switching_on_between_forward_and_backward() -> None:
    mg.setDebug(False)
    net, x, g = zaremba()
    net.forward(x)
    mg.setDebug(True)
    expected = value(CASES["zaremba_lstm_1layers"]["gradInput"])
    assert_close(net.backward(x, g), expected, 1e-12)


def test_networks_are_not_kept_alive() -> None:
    net, x, g = zaremba()
    net.forward(x)
    net.backward(x, g)
    gone = weakref.ref(net.modules[1])
    del net
    gc.collect()
    assert gone() is None

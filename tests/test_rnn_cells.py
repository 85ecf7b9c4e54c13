"""The recurrent cells: formulas, names, order of drawing, dropout, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden_files import assert_close

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError

RNG = np.random.default_rng(0)
CELLS = ["lstm", "gru", "rnn"]


def randn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def named(net: nn.gModule, name: str) -> Any:
    """Return the module of the node of this name."""
    (module,) = [node.module for node in net.forwardnodes if node.name == name]
    return module


def apply(linear: Any, x: np.ndarray) -> np.ndarray:
    return x @ linear.weight.T + linear.bias


def formulas(cell: str, step: nn.gModule, x: np.ndarray, states: list, layers: int) -> list:
    """Compute a step's outputs from its weights by the textbook formulas."""
    out = []
    for layer in range(1, layers + 1):

        def both(what: str, x: np.ndarray, h: np.ndarray, layer: int = layer) -> np.ndarray:
            return apply(named(step, f"i2h{what}_{layer}"), x) + apply(named(step, f"h2h{what}_{layer}"), h)

        if cell == "lstm":
            c, h = states[2 * layer - 2 : 2 * layer]
            i, f, o, g = np.split(both("", x, h), 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            out += [c, sigmoid(o) * np.tanh(c)]
        elif cell == "gru":
            h = states[layer - 1]
            u, r = sigmoid(both("_update", x, h)), sigmoid(both("_reset", x, h))
            out.append(u * np.tanh(both("_candidate", x, r * h)) + (1 - u) * h)
        else:
            out.append(np.tanh(both("", x, states[layer - 1])))
        x = out[-1]
    return out


@pytest.mark.parametrize("batch", [(3,), (1,), (4,), ()], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_computes_its_formulas(cell: str, batch: tuple[int, ...]) -> None:
    mg.manualSeed(1)
    H = 4  # as many as there are gates: dimensions mixed up would not show by their size
    step, feedback = getattr(mg.rnn, cell)(5, H, layers=2)
    x, states = randn(*batch, 5), [randn(*batch, H) for _ in feedback]
    expected = formulas(cell, step, x, states, 2)
    actual = step.forward([x, *states])
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected):
        assert_close(ours, theirs, 1e-14)


@pytest.mark.parametrize(
    "cell, feedback",
    [
        ("lstm", {"next_c1": "prev_c1", "next_h1": "prev_h1", "next_c2": "prev_c2", "next_h2": "prev_h2"}),
        ("gru", {"next_h1": "prev_h1", "next_h2": "prev_h2"}),
        ("rnn", {"next_h1": "prev_h1", "next_h2": "prev_h2"}),
    ],
)
def test_names_of_inputs_and_outputs_come_in_char_rnns_order(cell: str, feedback: dict) -> None:
    step, actual = getattr(mg.rnn, cell)(3, 2, layers=2)
    assert list(actual.items()) == list(feedback.items())
    collecting = step.backwardnodes[0]
    assert [node.name for node in collecting.children] == list(feedback)
    parts = sorted(step.forwardnodes[0].children[0].children, key=lambda node: node.data.selectindex)
    assert [part.children[0].name for part in parts] == ["x", *feedback.values()]


def test_the_lstm_has_one_sum_for_all_gates() -> None:
    step, _ = mg.rnn.lstm(3, 2)
    assert named(step, "i2h_1").weight.shape == (8, 3)
    assert named(step, "h2h_1").weight.shape == (8, 2)
    assert [repr(m) for m in step.modules if "Reshape" in repr(m)] == ["nn.Reshape(4x2)"]
    assert len(step.findModules("nn.SplitTable")[0]) == 1


ORDER = {
    "lstm": ["i2h_{}", "h2h_{}"],
    "gru": ["i2h_update_{}", "h2h_update_{}", "i2h_reset_{}", "h2h_reset_{}",
            "h2h_candidate_{}", "i2h_candidate_{}"],
    "rnn": ["i2h_{}", "h2h_{}"],
}


@pytest.mark.parametrize("cell", CELLS)
def test_initial_values_are_drawn_in_char_rnns_order(cell: str) -> None:
    mg.manualSeed(123)
    step, _ = getattr(mg.rnn, cell)(3, 2, layers=2)
    mg.manualSeed(123)
    for layer in (1, 2):
        for name in ORDER[cell]:
            drawn = named(step, name.format(layer))
            again = nn.Linear(drawn.weight.shape[1], drawn.weight.shape[0])
            np.testing.assert_array_equal(drawn.weight, again.weight)
            np.testing.assert_array_equal(drawn.bias, again.bias)


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_sits_between_layers_only(cell: str) -> None:
    one, _ = getattr(mg.rnn, cell)(3, 2, layers=1, dropout=0.5)
    three, _ = getattr(mg.rnn, cell)(3, 2, layers=3, dropout=0.5)
    assert not one.findModules("nn.Dropout")[0]
    assert [named(three, f"dropout_{layer}").p for layer in (2, 3)] == [0.5, 0.5]
    assert len(three.findModules("nn.Dropout")[0]) == 2


def test_the_layers_can_stand_inside_a_larger_step() -> None:
    x = nn.Identity()().annotate(name="x")
    layers = mg.rnn.gru_layers(nn.LookupTable(7, 3)(x), 3, 2, layers=2)
    decoded = nn.Linear(2, 7)(layers.next[-1])
    step = nn.gModule([x, *layers.prev], [*layers.next, decoded])
    indices = np.array([[1, 2], [3, 7], [5, 5]])
    ys = mg.rnn.Unroll(step, layers.feedback).forward([indices, np.zeros((2, 2)), np.zeros((2, 2))])
    assert [y.shape for y in ys] == [(3, 2, 2), (3, 2, 2), (3, 2, 7)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "arguments, part",
    [
        ((3, 2, 0), "layers"), ((3, 2, 1.5), "layers"), ((3, 2, True), "layers"),
        ((0, 2), "at least 1"), ((3, 0), "at least 1"),
        ((3, 2, 1, 1.0), "dropout must be"), ((3, 2, 2, -0.1), "dropout must be"),
    ],
)
def test_arguments_that_make_no_cell_are_refused(cell: str, arguments: tuple, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        getattr(mg.rnn, cell)(*arguments)


# -- PyTorch -------------------------------------------------------------------------------


def _torch_rows(array: np.ndarray, cell: str) -> np.ndarray:
    """Put the gates i, f, o, g in PyTorch's order i, f, g, o."""
    if cell != "lstm":
        return array
    i, f, o, g = np.split(array, 4)
    return np.concatenate([i, f, g, o])


@pytest.mark.torch
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_two_layers_over_time_equal_pytorchs(cell: str) -> None:
    torch = pytest.importorskip("torch")
    T, B, D, H = 7, 3, 5, 4
    mg.manualSeed(1)
    step, feedback = getattr(mg.rnn, cell)(D, H, layers=2)
    net = mg.rnn.Unroll(step, feedback)
    reference = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[cell](D, H, num_layers=2).double()
    theirs = {"weight_ih": "i2h", "weight_hh": "h2h", "bias_ih": "i2h", "bias_hh": "h2h"}
    pairs = []
    for layer in (1, 2):
        for name, node in theirs.items():
            parameter = getattr(reference, f"{name}_l{layer - 1}")
            kind = name.split("_")[0]
            ours = named(step, f"{node}_{layer}")
            parameter.data.copy_(torch.from_numpy(_torch_rows(getattr(ours, kind), cell)))
            pairs.append((parameter, ours, "gradWeight" if kind == "weight" else "gradBias"))

    xs, gys = randn(T, B, D), randn(T, B, H)
    starts = [randn(B, H) for _ in feedback]
    ends = [randn(B, H) for _ in feedback]  # gradients of the final states
    ys = net.forward([xs, *starts])
    gradOutput = [np.zeros((T, B, H)) for _ in feedback]
    for gradient, end in zip(gradOutput, ends):
        gradient[-1] = end
    gradOutput[-1] += gys
    gradInput = net.backward([xs, *starts], gradOutput)

    tx = torch.tensor(xs, requires_grad=True)
    # Ours are c1, h1, c2, h2 or h1, h2; PyTorch stacks the layers of one kind.
    kinds = ["c", "h"] if cell == "lstm" else ["h"]
    stacks = {
        kind: torch.tensor(np.stack(starts[k :: len(kinds)]), requires_grad=True)
        for k, kind in enumerate(kinds)
    }
    initial = (stacks["h"], stacks["c"]) if cell == "lstm" else stacks["h"]
    out, final = reference(tx, initial)
    finals = dict(zip("hc", final)) if cell == "lstm" else {"h": final}
    loss = (out * torch.from_numpy(gys)).sum()
    for k, kind in enumerate(kinds):
        loss = loss + (finals[kind] * torch.from_numpy(np.stack(ends[k :: len(kinds)]))).sum()
    loss.backward()

    assert_close(ys[-1], out.detach().numpy(), 1e-12)
    assert_close(gradInput[0], tx.grad.numpy(), 1e-12)
    for k, kind in enumerate(kinds):
        for layer in (0, 1):
            at = len(kinds) * layer + k
            assert_close(ys[at][-1], finals[kind][layer].detach().numpy(), 1e-12)
            assert_close(gradInput[1 + at], stacks[kind].grad[layer].numpy(), 1e-12)
    for parameter, ours, gradient in pairs:
        assert_close(_torch_rows(getattr(ours, gradient), cell), parameter.grad.numpy(), 1e-12)

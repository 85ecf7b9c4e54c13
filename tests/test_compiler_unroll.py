"""Compiled Unroll against Unroll: states, lengths, dropout, gradients that are missing, switches."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import numpy as np
import pytest
from compiling import NATIVE, NUMPY, THREADS, agree, choose, failure, native_only, pair, same
from unrolling import char_model, randn, zaremba_step

import minigraph as mg
from minigraph import nn
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.tables import copy_table, map_table

BOTH = [NUMPY, NATIVE]


def cell(name: str, layers: int = 1, dropout: float = 0.0, D: int = 4, H: int = 3) -> Callable[[], Unroll]:
    return lambda: Unroll(*getattr(mg.rnn, name)(D, H, layers, dropout))


def data(states: int, T: int, *batch: int, D: int = 4, H: int = 3) -> tuple[list[Any], Any]:
    """Return an input and a gradient of the output of a cell with so many states."""
    gradOutput = [randn(T, *batch, H) for _ in range(states)]
    return [randn(T, *batch, D), *(randn(*batch, H) for _ in range(states))], (
        gradOutput if states > 1 else gradOutput[0]
    )


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_cells_of_any_length_and_batch(
    name: str, layers: int, dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("numpy", monkeypatch)
    compare_cell(cell(name, layers, dropout))


@native_only
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_cells_in_native_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("threads", monkeypatch)
    net, fast = pair(cell(name, 2 if name == "lstm" else 1, 0.4))
    for T in (4, 1, 5):
        agree(net, fast, *data(len(net.feedback), T, 3))


def compare_cell(make: Callable[[], Unroll]) -> None:
    net, fast = pair(make)
    states = len(net.feedback)
    for T, *batch in ((3, 2), (1, 2), (4, 1), (3, 2), (2,)):
        input, gradOutput = data(states, T, *batch)
        agree(net, fast, input, gradOutput, times=1)
    agree(net, fast, input, None, times=1)
    if states > 1:
        agree(net, fast, input, [*[None] * (states - 1), gradOutput[-1]])
        agree(net, fast, input, [gradOutput[0], *[None] * (states - 1)])


def test_another_length_reuses_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    from minigraph.compiler import compiled

    choose("numpy", monkeypatch)
    made: list[Any] = []
    original = compiled.Specialisation

    def noted(*arguments: Any, **options: Any) -> Any:
        made.append(original(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(compiled, "Specialisation", noted)
    _, fast = pair(cell("lstm"))
    for T in (4, 1, 7):
        input, gradOutput = data(2, T, 2)
        fast.forward(input)
        fast.backward(input, gradOutput)
    assert len(made) == 1
    fast.forward(data(2, 4, 3)[0])  # another batch is another program
    assert len(made) == 2


@native_only
def test_object_code_is_found_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from minigraph.compiler.native.llvm import jit

    choose("native", monkeypatch)
    monkeypatch.setenv("MINIGRAPH_CACHE", str(tmp_path))
    compiled: list[str] = []
    original = jit._object_code

    def noted(text: str, name: str, machine: Any) -> bytes:
        compiled.append(name)
        return original(text, name, machine)

    monkeypatch.setattr(jit, "_object_code", noted)
    counts = []
    for _ in range(2):
        net, fast = pair(cell("rnn"))
        agree(net, fast, *data(1, 3, 2), times=1)
        counts.append(len(compiled))
    assert counts == [2, 2]  # forward and backward, once


# -- dropout: the random stream ------------------------------------------------------------------------


class Noise(nn.Module):
    """Draws random numbers and has no lowering."""

    def updateOutput(self, x: np.ndarray) -> np.ndarray:
        return x + generator.uniforms(x.size).reshape(x.shape)

    def updateGradInput(self, x: np.ndarray, gradOutput: np.ndarray) -> np.ndarray:
        return gradOutput.copy()


def noisy() -> Unroll:
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    below = nn.Linear(4, 3)(Noise()(nn.Dropout(0.3)(x)))
    total = nn.CAddTable()([below, nn.Linear(3, 3)(nn.Dropout(0.5)(h))])
    return Unroll(nn.gModule([x, h], [nn.Tanh()(total).annotate(name="next_h")]), {"next_h": "h"})


def dropped_twice() -> Unroll:
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([nn.Linear(4, 3)(nn.Dropout(0.3)(x)), nn.Linear(3, 3)(nn.Dropout(0.5)(h))])
    return Unroll(nn.gModule([x, h], [nn.Tanh()(total).annotate(name="next_h")]), {"next_h": "h"})


@pytest.mark.parametrize("executor", BOTH)
@pytest.mark.parametrize("make", [noisy, dropped_twice])
def test_masks_are_drawn_in_the_order_of_the_network(
    make: Callable[[], Unroll], executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(make)
    for T in (3, 1):
        agree(net, fast, *data(1, T, 2))


def test_masks_are_those_of_the_network_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)

    def make() -> Unroll:
        x = nn.Identity()()
        return Unroll(nn.gModule([x], [nn.Dropout(0.3)(nn.Dropout(0.5)(x))]))

    net, fast = pair(make)
    x = np.ones((5, 3, 4))
    outputs = []
    for each in (net, fast):
        mg.manualSeed(11)
        outputs.append(each.forward(x).copy())
    np.testing.assert_array_equal(outputs[1] != 0, outputs[0] != 0)
    assert 0 < np.count_nonzero(outputs[0]) < outputs[0].size


# -- wirings ---------------------------------------------------------------------------------------------


def zaremba() -> Unroll:
    return Unroll(zaremba_step(3, 2, 0.3), {"next_s": "prev_s"})


@pytest.mark.parametrize("executor", BOTH)
def test_states_that_are_nested_tables(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(zaremba)
    for T in (3, 1):
        input = [randn(T, 2, 3), [[randn(2, 3), randn(2, 3)], [randn(2, 3), randn(2, 3)]]]
        agree(net, fast, input, [randn(T, 2, 3), [[randn(T, 2, 3), None], None]])
    agree(net, fast, input, [None, [None, [randn(1, 2, 3), randn(1, 2, 3)]]])


def _inputs(*names: str) -> list[Any]:
    return [nn.Identity()().annotate(name=name) for name in names]


def passed_on() -> Unroll:
    """One state stays as it is, the other is the input of one time step ago."""
    x, h, k = _inputs("x", "h", "k")
    y = nn.Tanh()(nn.CAddTable()([x, h, k]))
    kept, early = nn.Identity()(h).annotate(name="kept"), nn.Identity()(x).annotate(name="early")
    return Unroll(nn.gModule([x, h, k], [y, kept, early, k]), {"kept": "h", "early": "k"})


def swapped() -> Unroll:
    """Two states change places at every time step."""
    x, h, k = _inputs("x", "h", "k")
    first, second = nn.Identity()(h).annotate(name="first"), nn.Identity()(k).annotate(name="second")
    y = nn.CAddTable()([x, h, nn.MulConstant(2)(k), x])
    return Unroll(nn.gModule([x, h, k], [y, first, second, y]), {"first": "k", "second": "h"})


def twice_fed() -> Unroll:
    """The same value becomes two states and is returned as well."""
    x, h, k = _inputs("x", "h", "k")
    y = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 3)(x), nn.CMulTable()([h, k])])).annotate(name="y")
    z = nn.Identity()(y).annotate(name="z")
    return Unroll(nn.gModule([x, h, k], [y, z, nn.Identity()(y), nn.Identity()(h)]), {"y": "h", "z": "k"})


@pytest.mark.parametrize("executor", [NUMPY, THREADS])
@pytest.mark.parametrize("make", [passed_on, swapped, twice_fed])
def test_unusual_feedback(
    make: Callable[[], Unroll], executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(make)
    patterns = [(1, 1, 1, 1), (0, 1, 0, 1)]
    if executor == "numpy":
        patterns += [(0, 0, 1, 0), (1, 0, 0, 0), (0, 0, 0, 0)]
    for T in (3, 1):
        input = [randn(T, 2, 3), randn(2, 3), randn(2, 3)]
        for pattern in patterns:
            agree(net, fast, input, [randn(T, 2, 3) if given else None for given in pattern])


def shifting() -> Unroll:
    """No recurrence: the input and the input of one time step ago."""
    x, before = _inputs("x", "before")
    y = nn.CAddTable()([nn.Tanh()(x), nn.MulConstant(3)(before)])
    return Unroll(nn.gModule([x, before], [y, nn.MulConstant(2)(x).annotate(name="now")]), {"now": "before"})


@pytest.mark.parametrize("executor", [NUMPY, THREADS])
def test_the_step_before_without_a_loop(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads share the time steps: none may read what another has not made yet."""
    choose(executor, monkeypatch)
    net, fast = pair(shifting)
    for T in (7, 1, 4):
        agree(net, fast, [randn(T, 2, 3), randn(2, 3)], [randn(T, 2, 3), randn(T, 2, 3)])


def attention() -> Unroll:
    """A memory that every time step looks at, and hands on."""
    x, h, memory = _inputs("x", "h", "memory")
    query = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 3)(x), nn.Linear(3, 3)(h)]))
    scores = nn.SoftMax()(nn.Squeeze(3)(nn.MM()([memory, nn.View(-1, 3, 1)(query)])))
    context = nn.Sum(2)(nn.CMulTable()([nn.Replicate(3, 3)(scores), memory]))
    y = nn.Tanh()(nn.Linear(6, 3)(nn.JoinTable(2)([context, query]))).annotate(name="y")
    kept = nn.Identity()(memory).annotate(name="kept")
    return Unroll(nn.gModule([x, h, memory], [y, scores, kept]), {"y": "h", "kept": "memory"})


@pytest.mark.parametrize("executor", BOTH)
def test_attention_over_a_memory(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(attention)
    for T in (3, 1):
        input = [randn(T, 2, 3), randn(2, 3), randn(2, 5, 3)]
        agree(net, fast, input, [randn(T, 2, 3), randn(T, 2, 5), None])
    if executor == "numpy":
        agree(net, fast, input, [None, None, randn(1, 2, 5, 3)])


def lookup_and_loss() -> Unroll:
    """Words in, the loss of the next words out."""
    x, target, h = _inputs("x", "target", "h")
    total = nn.CAddTable()([nn.Linear(3, 3)(nn.LookupTable(7, 3)(x)), nn.Linear(3, 3)(h)])
    y = nn.Tanh()(total).annotate(name="y")
    loss = nn.ClassNLLCriterion()([nn.LogSoftMax()(nn.Linear(3, 7)(y)), target])
    return Unroll(nn.gModule([x, target, h], [y, loss]), {"y": "h"})


def words(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(1, 6, shape)


@pytest.mark.parametrize("executor", BOTH)
def test_a_loss_at_every_step(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lookup_and_loss)
    for T in (3, 1):
        input = [words(T, 2), words(T, 2), randn(2, 3)]
        agree(net, fast, input, [None, np.ones((T, 1))])
    agree(net, fast, input, [randn(1, 2, 3), np.ones((1, 1))])


def test_an_index_out_of_range_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net, fast = pair(lookup_and_loss)
    good = [words(4, 2), words(4, 2), randn(2, 3)]
    gradOutput = [None, np.ones((4, 1))]
    agree(net, fast, good, gradOutput)
    for place in (0, 1):  # a word, a target
        bad = copy_table(good)
        bad[place][2, 1] = 9
        told = failure(lambda bad=bad: fast.forward(bad))
        assert told == failure(lambda bad=bad: net.forward(bad))
        assert "valid range is 1..7" in told
        assert "at time step 3 of 4" in told
        assert "StateError: backward before forward" in failure(lambda: fast.backward(good, gradOutput))
    agree(net, fast, good, gradOutput)


@pytest.mark.parametrize("executor", BOTH)
def test_indices_are_integers_or_whole_numbers(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lambda: Unroll(*char_model(5, 3, 2, 0.4)))
    for dtype in (np.int64, np.float64):
        input = [words(3, 2).astype(dtype), *(randn(2, 3) for _ in range(4))]
        agree(net, fast, input, [None, None, None, None, randn(3, 2, 5)])


def test_states_of_other_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers where numbers follow, and numbers where integers follow: the words of one step ago."""
    choose("numpy", monkeypatch)
    net, fast = pair(cell("gru", 2))
    initial = [np.zeros((2, 3), int), np.ones((2, 3), np.float32)]
    agree(net, fast, [randn(3, 2, 4), *initial], [randn(3, 2, 3)] * 2)

    def make() -> Unroll:
        x, before = _inputs("x", "before")
        found = nn.LookupTable(7, 3)(before)
        now = nn.Identity()(x).annotate(name="now")
        return Unroll(nn.gModule([x, before], [found, now]), {"now": "before"})

    net, fast = pair(make)
    for first in (words(2), words(2).astype(float), words(2)):
        agree(net, fast, [words(4, 2), first], [randn(4, 2, 3), None])


@pytest.mark.parametrize("executor", BOTH)
def test_float32(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(lambda: cell("lstm")().float())
    input, gradOutput = data(2, 4, 2)
    agree(net, fast, *map_table(np.float32, [input, gradOutput]), tolerance=1e-6)
    if executor == "numpy":
        agree(net, fast, input, gradOutput, tolerance=1e-6)  # what is given is converted
        net.double(), fast.double()
        agree(net, fast, input, gradOutput)
        net.float(), fast.net.float()
        agree(net, fast, input, gradOutput, tolerance=1e-6)


# -- what is changed between two passes --------------------------------------------------------------------


def _dropouts(net: Any) -> list[Any]:
    return net.findModules("nn.Dropout")[0]


def _set_dropout(net: Any) -> None:
    for each in _dropouts(net):
        each.p = 0.8


def _assign_weight(net: Any) -> None:
    layer = net.findModules("nn.Linear")[0][1]
    layer.weight = layer.weight * 2


def _assign_columns(net: Any) -> None:
    """A weight in Fortran's order."""
    layer = net.findModules("nn.Linear")[0][0]
    layer.weight, layer.gradWeight = map(np.asfortranarray, (layer.weight, layer.gradWeight))


def _change_in_place(net: Any) -> None:
    for parameter in net.parameters()[0]:
        parameter *= 1.5


def _flatten(net: Any) -> None:
    flat, _ = net.getParameters()
    flat *= 0.5


def _replace_tanh(net: Any) -> None:
    net.replace(lambda module: nn.Sigmoid() if type(module) is nn.Tanh else module)


CHANGES = [
    lambda net: net.evaluate(), lambda net: net.training(), _set_dropout, _assign_weight, _assign_columns,
    _change_in_place, _flatten, lambda net: net.clearState(), lambda net: net.updateParameters(0.1),
    _replace_tanh,
]


@pytest.mark.parametrize("beneath", [False, True])
def test_changes_between_passes_are_seen(beneath: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``beneath``: the change is made to the network that was compiled."""
    choose("numpy", monkeypatch)
    net, fast = pair(cell("lstm", 2, 0.3))
    input, gradOutput = data(4, 3, 2)
    agree(net, fast, input, gradOutput)
    before = copy_table(fast.output)
    for change in CHANGES:
        for each in (net, fast.net if beneath else fast):
            change(each)
        agree(net, fast, input, gradOutput)
    assert not np.allclose(fast.output[0], before[0])


@native_only
def test_changes_are_seen_by_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("native", monkeypatch)
    net, fast = pair(cell("rnn", 2, 0.3))
    input, gradOutput = data(2, 3, 2)
    agree(net, fast, input, gradOutput)
    for change in (_change_in_place, _flatten, _assign_columns):
        for each in (net, fast):
            change(each)
        agree(net, fast, input, gradOutput)


@pytest.mark.parametrize("executor", BOTH)
def test_parameters_that_move_between_forward_and_backward(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(cell("rnn"))
    input, gradOutput = data(1, 3, 2)
    for each in (net, fast):
        each.forward(input)
        each.backward(input, gradOutput)
    for scale in (1.0, 0.5):  # bound before, bound after
        found = []
        for each in (net, fast):
            each.forward(input)
            flat, gradFlat = each.getParameters()
            flat *= 1.25
            found.append([copy_table(each.backward(input, gradOutput, scale)), gradFlat.copy()])
        same(found[1], found[0])


def test_other_types_between_forward_and_backward_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    _, fast = pair(cell("rnn"))
    input, gradOutput = data(1, 3, 2)
    fast.forward(input)
    fast.float()
    assert "StateError: the parameters of Unroll changed" in failure(lambda: fast.backward(input, gradOutput))


COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": lambda net: net.clone(), "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net, fast = pair(cell("lstm", 2, 0.3))
    input, gradOutput = data(4, 3, 2)
    agree(net, fast, input, gradOutput)
    copied = COPIES[how](fast)
    for parameter in copied.parameters()[0]:
        parameter *= 2
    agree(net, fast, input, gradOutput)  # nothing is shared
    for parameter in copied.parameters()[0]:
        parameter /= 2
    agree(net, copied, input, gradOutput)


def test_shared_clones_add_to_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("numpy", monkeypatch)
    net, fast = pair(cell("lstm"))
    input, gradOutput = data(2, 3, 2)
    other = fast.clone("weight", "bias", "gradWeight", "gradBias")
    fast.zeroGradParameters()
    for each in (fast, other, net):
        each.forward(input)
        each.backward(input, gradOutput)
    net.backward(input, gradOutput)
    same(fast.parameters()[1], net.parameters()[1])
    third = mg.compile(cell("lstm")()).share(net, "weight", "bias")
    same(third.forward(input), net.output)

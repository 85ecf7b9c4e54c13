"""Compiled networks keep the module protocol: calls, errors, aliases, debug mode, threads, forks."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable

import numpy as np
import pytest
from compiling import NATIVE, NUMPY, THREADS, agree, choose, failure, native_only, one_pass, pair, same
from rendering import needs_svg
from unrolling import randn

import minigraph as mg
from minigraph import nn
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.tables import copy_table

BOTH = [NUMPY, NATIVE]


@pytest.fixture(autouse=True)
def in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run in NumPy unless a test chooses."""
    choose("numpy", monkeypatch)


def perceptron() -> nn.gModule:
    x = nn.Identity()()
    hidden = nn.Linear(3, 4)(nn.Dropout(0.5)(x)).annotate(name="hidden")
    return nn.gModule([x], [nn.Tanh()(hidden)])


def product() -> nn.gModule:
    x, y = nn.Identity()(), nn.Identity()()
    h = nn.Linear(3, 3)(x)
    return nn.gModule([x, y], [nn.CMulTable()([h, y]), nn.Identity()(y), nn.Identity()(h)])


def lstm() -> Unroll:
    return Unroll(*mg.rnn.lstm(4, 3, 2, 0.3))


def lstm_data(T: int = 3) -> tuple[list[Any], list[Any]]:
    return [randn(T, 2, 4), *(randn(2, 3) for _ in range(4))], [randn(T, 2, 3) for _ in range(4)]


def perceptron_data() -> tuple[Any, Any]:
    return randn(2, 3), randn(2, 4)


NETS: list[tuple[Callable[[], Any], Callable[[], tuple[Any, Any]]]] = [
    (perceptron, perceptron_data), (lstm, lstm_data),
]


# -- parameters and the parts of backward ------------------------------------------------------------


def test_parameters_are_those_of_the_network() -> None:
    net = perceptron()
    fast = mg.compile(net)
    assert mg.compile(fast) is fast and fast.net is net
    assert all(a is b for a, b in zip(fast.parameters()[0], net.parameters()[0]))
    flat, gradFlat = fast.getParameters()
    assert all(np.shares_memory(each, flat) for each in net.parameters()[0])
    x, g = perceptron_data()
    fast.forward(x)
    fast.backward(x, g)
    assert np.any(gradFlat)
    before = flat.copy()
    fast.updateParameters(0.5)
    np.testing.assert_array_equal(flat, before - 0.5 * gradFlat)
    fast.zeroGradParameters()
    assert not np.any(gradFlat)


@pytest.mark.parametrize("executor", BOTH)
@pytest.mark.parametrize(("make", "data"), NETS, ids=["gModule", "Unroll"])
def test_halves_of_backward_and_scales(
    make: Callable[[], Any], data: Any, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(make)
    input, gradOutput = data()
    for each in (net, fast):
        mg.manualSeed(4)
        each.zeroGradParameters()
        each.forward(input)
        each.updateGradInput(input, gradOutput)
        assert not any(np.any(gradient) for gradient in each.parameters()[1])
        each.accGradParameters(input, gradOutput, 0.5)
        each.accGradParameters(input, gradOutput, -2)
        each.backward(input, gradOutput, 0.25)
    same(fast.gradInput, net.gradInput)
    same(fast.parameters()[1], net.parameters()[1])
    for each in (net, fast):
        mg.manualSeed(4)
        each.forward(input)
        each.backwardUpdate(input, gradOutput, 0.1)
    same(fast.parameters()[0], net.parameters()[0])


def test_one_plan_goes_on_after_another_was_used() -> None:
    net, fast = pair(product)
    input = [randn(2, 3), randn(2, 3)]
    for pattern in ((1, 1, 1), (0, 0, 1), (1, 0, 0), (1, 1, 1), (0, 1, 0), (0, 0, 1)):
        agree(net, fast, input, [randn(2, 3) if given else None for given in pattern])


def test_more_shapes_than_are_kept() -> None:
    net, fast = pair(perceptron)
    for B in (*range(1, 12), 1, 2):
        agree(net, fast, randn(B, 3), randn(B, 4), times=1)


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential().add(nn.Linear(3, 4)).add(nn.Tanh()), lambda: nn.Linear(3, 4), perceptron,
    lambda: nn.gModule([x := nn.Identity()()], [mg.compile(perceptron())(x)]),
])
def test_any_module_can_be_compiled_and_be_a_node(make: Callable[[], Any]) -> None:
    agree(*pair(make), *perceptron_data())


@pytest.mark.parametrize("executor", [NUMPY, THREADS])
def test_an_empty_batch(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    agree(*pair(perceptron), np.zeros((0, 3)), np.zeros((0, 4)))
    input, gradOutput = [randn(3, 0, 4), randn(0, 3)], randn(3, 0, 3)
    agree(*pair(lambda: Unroll(*mg.rnn.rnn(4, 3))), input, gradOutput)


@pytest.mark.parametrize("wrap", [lambda net: net, mg.compile], ids=["as it is", "compiled"])
def test_an_unroll_within_a_graph(wrap: Callable[[Any], Any]) -> None:
    def make() -> nn.gModule:
        x, h = nn.Identity()(), nn.Identity()()
        inner = wrap(Unroll(*mg.rnn.rnn(4, 3)))
        return nn.gModule([x, h], [nn.Linear(3, 2)(nn.Select(1, -1)(inner([x, h])))])

    agree(*pair(make), [randn(3, 2, 4), randn(2, 3)], randn(2, 2))


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(mg.errors.ArgumentError, match="takes a gModule or an Unroll, got function"):
        mg.compile(perceptron)  # type: ignore[arg-type]


# -- errors --------------------------------------------------------------------------------------------


def forward(input: Any) -> Callable[[Any], Any]:
    return lambda net: net.forward(input)


def backward(input: Any, gradOutput: Any) -> Callable[[Any], Any]:
    return lambda net: net.backward(input, gradOutput)


def wrong_calls_of_perceptron() -> list[Callable[[Any], Any]]:
    x, g = perceptron_data()
    return [
        backward(x, g), forward(randn(2, 5)), backward(x, g), forward([x]), forward("abc"), forward(None),
        forward(x.astype(complex)), forward(x), lambda net: net.accGradParameters(x, g),
        backward(x, randn(3, 4)), backward(x, [g]), backward(x, "g"), backward(x, g),
    ]


def wrong_calls_of_product() -> list[Callable[[Any], Any]]:
    x, g = [randn(2, 3), randn(2, 3)], [randn(2, 3)] * 3
    return [
        forward(x[0]), forward(x + x), forward([x[0], None]), forward([x[0], randn(2, 4)]), forward(x),
        backward(x, g[:2]), backward(x, [g[0], None, randn(1, 3)]), backward(x, [g[0], [None], None]),
        backward(x, g),
    ]


def wrong_calls_of_lstm() -> list[Callable[[Any], Any]]:
    x, g = lstm_data()
    return [
        backward(x, g), forward([randn(3, 2, 5), *x[1:]]), forward([randn(0, 2, 4), *x[1:]]),
        forward(x[:3]), forward([x[0], None, *x[2:]]), forward([x[0], randn(3, 3), *x[2:]]), forward(5),
        forward([3.0, *x[1:]]), forward([[x[0], x[0]], *x[1:]]), backward(x, g), forward(x),
        lambda net: net.accGradParameters(x, g), backward(x, g[:3]), backward(x, [*g[:3], randn(4, 2, 3)]),
        backward(x, g),
    ]


@pytest.mark.parametrize(("make", "calls", "input", "gradOutput"), [
    (perceptron, wrong_calls_of_perceptron, *perceptron_data()),
    (product, wrong_calls_of_product, [randn(2, 3), randn(2, 3)], [randn(2, 3), None, randn(2, 3)]),
    (lstm, wrong_calls_of_lstm, *lstm_data()),
], ids=["perceptron", "product", "lstm"])
def test_errors_are_those_of_the_network_and_leave_no_trace(
    make: Any, calls: Any, input: Any, gradOutput: Any
) -> None:
    net, fast = pair(make)
    raised = 0
    for call in calls():
        expected, actual = failure(lambda c=call: c(net)), failure(lambda c=call: c(fast))
        if expected.startswith("StateError: backward before forward"):
            assert actual.startswith("StateError: backward before forward")
        else:
            assert actual == expected
        raised += bool(expected)
    assert raised >= 6
    agree(net, fast, input, gradOutput)


class Picky(nn.Module):
    """Refuses some numbers, both ways, in its own words."""

    def updateOutput(self, x: np.ndarray) -> np.ndarray:
        if x.max() > 500:
            raise ValueError("too large")
        return x * 1.0

    def updateGradInput(self, x: np.ndarray, gradOutput: np.ndarray) -> np.ndarray:
        if gradOutput.max() > 50:
            raise ValueError("too steep")
        return gradOutput.copy()


def picky() -> Unroll:
    x, h = nn.Identity()(), nn.Identity()().annotate(name="h")
    checked = Picky()(nn.Linear(3, 3)(nn.Dropout(0.5)(x))).annotate(name="checked")
    return Unroll(nn.gModule([x, h], [nn.CAddTable()([checked, h]).annotate(name="sum")]), {"sum": "h"})


@pytest.mark.parametrize("executor", BOTH)
def test_errors_of_called_modules_tell_node_and_time(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(executor, monkeypatch)
    net, fast = pair(picky)
    input, gradOutput = [randn(3, 2, 3), randn(2, 3)], randn(3, 2, 3)
    agree(net, fast, input, gradOutput)
    large, steep = copy_table(input), gradOutput.copy()
    large[0][2], steep[1] = 1e5, 99
    for call in (forward(large), backward(large, gradOutput), forward(input), backward(input, steep)):
        mg.manualSeed(3)
        expected = failure(lambda c=call: c(net))
        mg.manualSeed(3)
        actual = failure(lambda c=call: c(fast))
        assert actual.replace("the compiled network", "Unroll") == expected
    assert "'checked'" in actual and "at time step 2 of 3" in actual
    agree(net, fast, input, gradOutput)


def test_a_run_that_is_repeated_draws_the_same_numbers() -> None:
    """A target out of range is found when the masks have been drawn."""

    def make() -> nn.gModule:
        x, t = nn.Identity()(), nn.Identity()()
        return nn.gModule([x, t], [nn.BCECriterion()([nn.Sigmoid()(nn.Dropout(0.5)(x)), t])])

    net, fast = pair(make)
    agree(net, fast, [randn(2, 3), np.full((2, 3), 0.5)], np.ones(1))
    drawn = []
    for each in (net, fast):
        mg.manualSeed(0)
        assert "holds 1.5" in failure(lambda each=each: each.forward([randn(2, 3), np.full((2, 3), 1.5)]))
        drawn.append(generator.uniforms(1)[0])
    assert drawn[0] == drawn[1]


def test_outputs_whose_shape_depends_on_the_numbers() -> None:
    def make() -> nn.gModule:
        x, mask = nn.Identity()(), nn.Identity()()
        chosen = nn.MaskedSelect()([nn.Dropout(0.5)(nn.Linear(3, 3)(x)), mask])
        return nn.gModule([x, mask], [nn.MulConstant(2.0)(chosen)])

    net, fast = pair(make)
    for count in (2, 5, 2):
        mask = (np.arange(6) < count).astype(np.uint8).reshape(2, 3)
        agree(net, fast, [randn(2, 3), mask], randn(count))


# -- what is handed in -----------------------------------------------------------------------------------


def exchange() -> nn.gModule:
    a, b = nn.Identity()(), nn.Identity()()
    return nn.gModule([a, b], [b, a])


@pytest.mark.parametrize("executor", BOTH)
def test_outputs_handed_through_come_back(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    fast = mg.compile(exchange())
    a, b = randn(2, 3), randn(2, 3)
    y, g = fast.forward([a, b]), None
    for turn in range(3):
        y = fast.forward(y)
        same(copy_table(y), [a, b] if turn % 2 == 0 else [b, a])
        g = fast.backward(y, [a, b] if g is None else g)
        same(copy_table(g), [b, a] if turn % 2 == 0 else [a, b])


@pytest.mark.parametrize("executor", BOTH)
def test_results_become_operands(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs as states, sequences and gradients; gradients as gradients and states."""
    choose(executor, monkeypatch)
    net, fast = pair(lambda: Unroll(*mg.rnn.rnn(3, 3)))
    ours = theirs = [randn(4, 2, 3), randn(2, 3)]
    for _ in range(3):
        expected, actual = net.forward(theirs), fast.forward(ours)
        same(actual, expected)
        gradient, mine = net.backward(theirs, expected), fast.backward(ours, actual)
        same(mine, gradient)
        gradient, mine = net.backward(theirs, gradient[0]), fast.backward(ours, mine[0])
        same(mine, gradient)
        theirs, ours = [expected, gradient[1]], [actual, mine[1]]
        theirs, ours = net.forward(theirs), fast.forward(ours)
        theirs, ours = [theirs, theirs[-1]], [ours, ours[-1]]


class Mapped(np.ndarray):
    """A subclass, as np.memmap is one."""


@pytest.mark.parametrize("input", [
    [x := randn(2, 3), x], (randn(2, 3), randn(2, 3)),
    [randn(4, 6)[::2, ::2], np.asfortranarray(randn(2, 3))],
    [randn(3, 2).T, randn(2, 3)[::-1]], [np.float32(randn(2, 3)), np.arange(6).reshape(2, 3)],
    [randn(2, 3).astype(">f8"), np.broadcast_to(randn(1, 3), (2, 3))],
    [np.arange(6).reshape(2, 3).view(Mapped), randn(2, 3).view(Mapped)],
], ids=["the same", "tuple", "strided", "transposed", "other dtypes", "other bytes", "subclass"])
def test_arrays_of_every_kind(input: Any) -> None:
    net, fast = pair(product)
    agree(net, fast, [randn(2, 3), randn(2, 3)], [randn(2, 3)] * 3)
    g = np.asfortranarray(randn(2, 3))
    for array in (*input, g):
        array.flags.writeable = False
    agree(net, fast, input, [g, None, g])
    agree(net, fast, [randn(2, 3).view(Mapped)] * 2, (g, g[::1], g))


def test_numbers_as_inputs() -> None:
    def make() -> nn.gModule:
        a, b = nn.Identity()(), nn.Identity()()
        return nn.gModule([a, b], [nn.MulConstant(2)(a), nn.CAddTable()([a, b])])

    net, fast = pair(make)
    for input in ([2.0, 3.0], [np.float64(2), np.array(3.0)], [5, 1.0], [np.ones(1), np.ones(1)]):
        gradOutput = [np.ones(np.shape(input[0])), None]
        for each in (net, fast):
            each.forward(input)
            each.backward(input, gradOutput)
        same(np.asarray(fast.output), np.asarray(net.output))
        same(np.asarray(fast.gradInput), np.asarray(net.gradInput))


def test_inputs_are_read_at_forward() -> None:
    net, fast = pair(product)
    input = [randn(2, 3), randn(2, 3)]
    kept = copy_table(input)
    gradOutput = [randn(2, 3), None, None]
    expected = one_pass(net, kept, gradOutput)
    fast.zeroGradParameters()
    fast.forward(input)
    input[0].fill(np.nan)
    same(fast.backward(input, gradOutput), expected[1])
    same(fast.parameters()[1], expected[2])


# -- somebody watches ---------------------------------------------------------------------------------------


@needs_svg
def test_debug_mode_speaks_of_the_nodes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # pictures are written there
    net, fast = pair(perceptron)
    x, g = perceptron_data()
    agree(net, fast, x, g)
    mg.setDebug(True)
    try:
        told = failure(lambda: fast.forward(randn(2, 9)))
        assert "'hidden'" in told and __file__ in told and ".svg" in told
        agree(net, fast, x, g)
        mg.manualSeed(0)
        fast.forward(x)
    finally:
        mg.setDebug(False)
    mg.manualSeed(0)
    net.forward(x)
    for each in (net, fast):  # backward goes the way that forward went
        each.zeroGradParameters()
        each.backward(x, g)
    same(fast.gradInput, net.gradInput)
    same(fast.parameters()[1], net.parameters()[1])
    agree(net, fast, x, g)


def test_traces_and_tables_are_those_of_the_network() -> None:
    net, fast = pair(lambda: Unroll(*mg.rnn.lstm(4, 3, 2)))
    input, gradOutput = lstm_data()
    agree(net, fast, input, gradOutput)
    expected, actual = mg.debug.trace(net, input, gradOutput), mg.debug.trace(fast, input, gradOutput)
    assert str(actual) == str(expected) and "i2h_2" in str(actual)
    agree(net, fast, input, gradOutput)
    assert str(mg.debug.tables(mg.compile(perceptron()))) == str(mg.debug.tables(perceptron()))


def test_gradcheck_of_a_compiled_network() -> None:
    assert mg.debug.gradcheck(mg.compile(perceptron()), randn(2, 3)).ok
    input, _ = lstm_data(2)
    assert mg.debug.gradcheck(mg.compile(lstm()), input, max_entries=3).ok


def test_repr_and_types() -> None:
    fast = mg.compile(perceptron())
    assert repr(fast) == f"compiled {fast.net!r}"
    assert fast.type() == "torch.DoubleTensor" and fast.float().type() == "torch.FloatTensor"
    assert fast.net.type() == "torch.FloatTensor"
    assert fast.findModules("nn.Tanh")[0] == fast.net.findModules("nn.Tanh")[0]


# -- threads and processes -------------------------------------------------------------------------------


def _counting_job() -> tuple[Any, Any]:
    """Return a job, as native code calls it, that notes each part, and its notes."""
    import ctypes

    notes: list[tuple[int, int, int]] = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    return kind(lambda table, T, part, parts: notes.append((T, part, parts))), notes


@native_only
def test_the_pool_does_every_part_once() -> None:
    import ctypes

    from minigraph.compiler.native.pool import Pool

    pool = Pool(3)
    try:
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        launch = pool._library.function("launch", pointer, pointer, pointer, count, count)
        job, notes = _counting_job()
        for T in range(2000):
            parts = 1 + T % 7
            launch(pool.address, ctypes.cast(job, pointer), 0, T, parts)
            assert sorted(notes) == [(T, part, parts) for part in range(parts)]
            notes.clear()
    finally:
        pool.close()
    assert not pool._workers


@native_only
def test_compiled_networks_in_several_python_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("threads", monkeypatch)
    cases = []
    for seed in range(3):
        net, fast = pair(lambda: Unroll(*mg.rnn.rnn(4, 3)), seed)
        input, gradOutput = [randn(6, 4, 4), randn(4, 3)], randn(6, 4, 3)
        cases.append((fast, input, gradOutput, one_pass(net, input, gradOutput)))
        one_pass(fast, input, gradOutput)
    wrong: list[BaseException] = []

    def work(fast: Any, input: Any, gradOutput: Any, expected: Any) -> None:
        try:
            for _ in range(60):
                fast.zeroGradParameters()
                same(copy_table(fast.forward(input)), expected[0])
                same(copy_table(fast.backward(input, gradOutput)), expected[1])
                same(fast.parameters()[1], expected[2])
        except BaseException as error:  # told by the test below
            wrong.append(error)

    threads = [threading.Thread(target=work, args=case) for case in cases]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong, wrong[0]


@native_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers stay behind: what was compiled and what is new runs all the same."""
    choose("threads", monkeypatch)
    net, fast = pair(lambda: Unroll(*mg.rnn.rnn(4, 3)))
    input, gradOutput = [randn(6, 4, 4), randn(4, 3)], randn(6, 4, 3)
    agree(net, fast, input, gradOutput)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            agree(net, fast, input, gradOutput)
            agree(net, mg.compile(net.clone()), input, gradOutput)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    agree(net, fast, input, gradOutput)


def test_files_hold_the_network_itself(tmp_path: Any) -> None:
    net, fast = pair(lambda: nn.gModule([x := nn.Identity()()], [nn.Tanh()(nn.Linear(3, 2)(x))]))
    input = np.ones((4, 3))
    expected = net.forward(input)
    same(fast.forward(input), expected)
    mg.save(tmp_path / "net.safetensors", {"net": fast})
    mg.save_t7(tmp_path / "net.t7", {"net": fast})
    for loaded in (mg.load(tmp_path / "net.safetensors"), mg.load_t7(tmp_path / "net.t7")):
        assert type(loaded["net"]) is nn.gModule
        same(loaded["net"].forward(input), expected)

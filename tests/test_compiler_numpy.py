"""The NumPy executor's way: programs arranged for fewer calls, the same numbers as ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiling import agree, pair

import minigraph as mg
from minigraph import nn
from minigraph.compiler.numpy_executor import blas
from minigraph.compiler.passes.biases import start_from_biases
from minigraph.compiler.passes.factors import gather_factors
from minigraph.compiler.passes.fission import split
from minigraph.compiler.passes.join_slices import Window, join_slices, windows
from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Given, Parameter, Program, Value
from minigraph.compiler.program.primitives import PRIMITIVES

FLOAT = np.dtype("d")


@pytest.fixture(autouse=True)
def in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAPH_NATIVE", "0")


def computed(program: Program, given: dict[Value, Any]) -> list[np.ndarray]:
    """Run a program without time, one operation after the other."""
    known = dict(given)
    for op in program.ops:
        operands = [known[v] if v in known else getattr(v, "array") for v in op.inputs]  # noqa: B009
        if op.primitive == "product" and len(operands) == 3:
            operands[2] = np.broadcast_to(operands[2], op.output.shape)
        known[op.output] = PRIMITIVES[op.primitive].evaluate(operands, None, op.attributes)
    return [known[value] for value in program.results]


def count(program: Program, primitive: str) -> int:
    return sum(op.primitive == primitive for op in program.ops)


def gates(sizes: tuple[int, ...] = (3, 3, 3, 3)) -> tuple[Builder, Given, list[Value]]:
    b = Builder(FLOAT)
    x = Given((2, sum(sizes)), FLOAT, "x")
    ends = np.cumsum(sizes)
    return b, x, [b.slice(x, -1, end - size, end) for size, end in zip(sizes, ends)]


def same_results(before: Program, after: Program, *given: Value) -> None:
    draw = np.random.default_rng(3)
    numbers = {value: draw.standard_normal(value.shape) for value in given}
    for one, other in zip(computed(before, numbers), computed(after, numbers)):
        np.testing.assert_allclose(other, one, rtol=1e-14)


# -- slices ----------------------------------------------------------------------------------------


def test_neighbouring_slices_are_one_operation() -> None:
    b, x, (i, f, o, g) = gates()
    i, f, o, g = *(b.emit("sigmoid", gate) for gate in (i, f, o)), b.emit("tanh", g)
    out = b.add(b.mul(b.add(i, f), o), g)
    program = Program(b.ops, [out])
    joined = join_slices(program)
    assert (count(program, "sigmoid"), count(joined, "sigmoid")) == (3, 1)
    (sigmoid,) = [op for op in joined.ops if op.primitive == "sigmoid"]
    assert sigmoid.output.shape == (2, 9)
    same_results(program, joined, x)
    assert count(program, "sigmoid") == 3, "a pass changed what it was given"


def test_what_follows_is_joined_too() -> None:
    """Slopes: ``(1 - y) y``, in which the operands are slices of a result and the 1 is a number."""
    b, x, parts = gates((4, 2, 3))
    slopes = []
    for part in parts:
        y = b.emit("sigmoid", part)
        slopes.append(b.mul(b.sub(1.0, y), y))
    out = [b.sum(slope, (1,)) for slope in slopes]
    program = Program(b.ops, out)
    joined = join_slices(program)
    assert [count(joined, kind) for kind in ("sigmoid", "sub", "mul", "sum")] == [1, 1, 1, 3]
    same_results(program, joined, x)


def test_slices_with_a_gap_and_other_operations_stay() -> None:
    b, x, (i, f, o, g) = gates()
    ends = [b.emit("sigmoid", i), b.emit("sigmoid", o), b.emit("tanh", f), b.mul(g, 2.0), b.mul(g, 3.0)]
    program = Program(b.ops, [b.total(ends)])
    joined = join_slices(program)
    assert [op.primitive for op in joined.ops] == [op.primitive for op in program.ops]
    same_results(program, joined, x)


def test_an_operation_that_waits_for_its_neighbour_stays() -> None:
    b, x, (first, second) = gates((3, 3))
    y = b.emit("tanh", first)
    whole = b.concat([first, b.add(second, y)], 1)  # so that the second half waits for the first
    z = b.emit("tanh", b.slice(whole, -1, 3, 6))
    u = b.emit("tanh", b.slice(whole, -1, 0, 3))
    program = Program(b.ops, [b.add(b.add(z, u), y)])
    joined = join_slices(program)
    assert count(joined, "tanh") == 2  # z with u, not with y
    same_results(program, joined, x)


def test_a_slice_of_a_reshaped_axis_is_a_window() -> None:
    b = Builder(FLOAT)
    x = Given((2, 12), FLOAT, "x")
    table = b.reshape(x, (2, 4, 3))
    gate, column = b.select(table, 1, 2), b.select(table, 2, 1)
    found = windows(Program(b.ops, [gate, column]))
    assert found[gate] == Window(x, 6, 9)
    assert column not in found


def test_slices_of_what_another_program_computes() -> None:
    b = Builder(FLOAT)
    whole = Given((2, 6), FLOAT, "whole")
    left, right = Given((2, 3), FLOAT, "left"), Given((2, 3), FLOAT, "right")
    out = b.sub(b.mul(left, left), b.mul(right, right))
    program = Program(b.ops, [out])
    joined = join_slices(program, given={left: Window(whole, 0, 3), right: Window(whole, 3, 6)})
    assert (count(program, "mul"), count(joined, "mul")) == (2, 1)
    assert list(joined.leaves()) == [whole]


# -- factors -----------------------------------------------------------------------------------------


def test_what_does_not_wait_is_multiplied_before_the_loop() -> None:
    b = Builder(FLOAT)
    x, y, before = (Given((2, 3), FLOAT, name) for name in ("x", "y", "before"))
    after = b.mul(b.mul(b.mul(before, x), 2.0), y)
    program = Program(b.ops, [after], {after: [before]})
    gathered = gather_factors(program)
    loop = [op for segment in split(gathered, sink=False) if segment.loop for op in segment.ops]
    assert [op.primitive for op in loop] == ["mul"] and before in loop[0].inputs
    same_results(program, gathered, x, y, before)


def test_a_factor_that_somebody_else_reads_stays() -> None:
    b = Builder(FLOAT)
    x, y, before = (Given((2, 3), FLOAT, name) for name in ("x", "y", "before"))
    shown = b.mul(before, x)
    after = b.mul(shown, y)
    program = Program(b.ops, [after, shown], {after: [before]})
    assert [op.inputs for op in gather_factors(program).ops] == [op.inputs for op in program.ops]


# -- biases ------------------------------------------------------------------------------------------


def biased() -> tuple[Program, list[Value]]:
    b = Builder(FLOAT)
    x = Given((2, 3), FLOAT, "x")
    weight, *biases = (Parameter(shape, FLOAT, "") for shape in ((4, 3), (4,), (4,), (1, 4)))
    out = b.total([b.product(x, weight), *biases])
    return Program(b.ops, [out]), [x, weight, *biases]


def test_a_product_starts_from_its_biases() -> None:
    program, given = biased()
    started = start_from_biases(program)
    assert [op.primitive for op in started.ops] == ["add", "add", "product"]
    assert started.results == program.results
    same_results(program, started, *given)


def test_a_product_that_somebody_else_reads_starts_from_nothing() -> None:
    program, given = biased()
    program.results.append(program.ops[0].output)
    started = start_from_biases(program)
    assert [op.primitive for op in started.ops] == ["product", "add", "add", "add"]


# -- parameters below each other ---------------------------------------------------------------------


def test_what_was_made_for_numpy_stays_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code knows no joined parameters; the choice is made once for a network and its shapes."""
    net, fast = pair(lambda: mg.rnn.Unroll(*mg.rnn.gru(5, 6)))
    draw = np.random.default_rng(5)
    input, gradOutput = [draw.standard_normal((3, 4, 5)), draw.standard_normal((4, 6))], np.ones((3, 4, 6))
    agree(net, fast, input, gradOutput)
    monkeypatch.setenv("MINIGRAPH_NATIVE", "1")
    longer = [draw.standard_normal((5, 4, 5)), draw.standard_normal((4, 6))]
    agree(net, fast, longer, np.ones((5, 4, 6)))


# -- all together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [
    pytest.param(name, marks=pytest.mark.skipif(
        name != "numpy" and blas._load(name) is None, reason=f"there is no {name}"))
    for name in ("mkl", "openblas", "numpy")
])
@pytest.mark.parametrize("cell", [mg.rnn.lstm, mg.rnn.gru])
def test_two_layers(cell: Any, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights that are packed."""
    monkeypatch.setenv("MINIGRAPH_BLAS", library)
    net, fast = pair(lambda: mg.rnn.Unroll(*cell(5, 6, layers=2)))
    draw = np.random.default_rng(5)
    T, B = 7, 4
    states = net.step.nInputs - 1
    input = [draw.standard_normal((T, B, 5)), *(draw.standard_normal((B, 6)) for _ in range(states))]
    output = net.forward(input)
    agree(net, fast, input, [draw.standard_normal(each.shape) for each in output])


def test_weights_that_change_are_packed_again() -> None:
    net, fast = pair(lambda: mg.rnn.Unroll(*mg.rnn.lstm(5, 6)))
    draw = np.random.default_rng(5)
    input = [draw.standard_normal((6, 4, 5)), draw.standard_normal((4, 6)), draw.standard_normal((4, 6))]
    gradOutput = [draw.standard_normal((6, 4, 6)) for _ in range(2)]
    for _ in range(3):
        agree(net, fast, input, gradOutput, times=1)
        for each in (net, fast):
            each.updateParameters(0.1)


def test_a_sigmoid_of_what_overflows_is_silent() -> None:
    net, fast = pair(lambda: nn.Sequential().add(nn.Sigmoid()))
    x = np.array([[-1e4, -800.0, 0.0, 800.0]])
    with np.errstate(over="raise"):
        np.testing.assert_array_equal(fast.forward(x), [[0, 0, 0.5, 1]])


def test_biases_that_have_one_gradient_get_all_of_it() -> None:
    def make() -> Any:
        x = nn.Identity()()
        return nn.gModule([x], [nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(3, 4)(x)])])

    net, fast = pair(make)
    draw = np.random.default_rng(5)
    agree(net, fast, draw.standard_normal((5, 3)), draw.standard_normal((5, 4)))

"""The compiler's passes on small programs: which operations are where, and that numbers stay."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from compiling import same

import minigraph as mg
from minigraph import nn
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.fission import Segment, recurrent, split
from minigraph.compiler.passes.fuse import fuse
from minigraph.compiler.passes.sums import gather_sums
from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Constant, Given, Op, Parameter, Program, Value
from minigraph.compiler.program.primitives import PRIMITIVES
from minigraph.compiler.specialise import BackwardPlan, Specialisation

NOTHING: frozenset[Value] = frozenset()


def given(name: str, *shape: int) -> Given:
    return Given(shape, np.dtype(float), name)


def primitives(ops: list[Op]) -> list[str]:
    return [op.primitive for op in ops]


# -- what programs compute, the slow way -----------------------------------------------------------------


def _array(value: Value, known: dict[Value, Any]) -> Any:
    if isinstance(value, Parameter):
        return getattr(value.module, value.attribute)
    return value.array if isinstance(value, Constant) else known[value]


def evaluate(ops: list[Op], known: dict[Value, Any]) -> None:
    """Compute one time step, operation by operation, into ``known``."""
    for op in ops:
        arrays = [_array(value, known) for value in op.inputs]
        if op.primitive == "fused":
            for primitive, used in op.attributes["body"]:
                arrays.append(PRIMITIVES[primitive].evaluate([arrays[each] for each in used], None, {}))
            for value, number in zip(op.outputs, op.attributes["results"]):
                known[value] = arrays[number]
        else:
            known[op.output] = PRIMITIVES[op.primitive].evaluate(arrays, None, op.attributes)


def run(program: Program, first: dict[Value, Any], sequences: dict[Value, Any]) -> list[list[Any]]:
    """Run a program step by step; return its results at each."""
    state, found = dict(first), []
    for t in range(len(next(iter(sequences.values())))):
        known = {**state, **{value: array[t] for value, array in sequences.items()}}
        evaluate(program.ops, known)
        state = {target: known[source] for source, targets in program.feedback.items() for target in targets}
        found.append([known[value] for value in program.results])
    return found


def run_split(
    program: Program, segments: list[Segment], first: dict[Value, Any], sequences: dict[Value, Any]
) -> list[list[Any]]:
    """Run segments one after another, each over all time steps; return the results at each step."""
    T = len(next(iter(sequences.values())))
    steps = [{value: array[t] for value, array in sequences.items()} for t in range(T)]
    steps[0].update(first)
    for segment in segments:
        for t, known in enumerate(steps):
            if t:
                for source, targets in program.feedback.items():
                    if source in steps[t - 1]:
                        known.update(dict.fromkeys(targets, steps[t - 1][source]))
            evaluate(segment.ops, known)
    return [[known[value] for value in program.results] for known in steps]


# -- dead -------------------------------------------------------------------------------------------------


def test_what_nobody_reads_is_dropped_and_effects_stay() -> None:
    b = Builder(np.dtype(float))
    x, linear = given("x", 2, 3), nn.Linear(3, 3)
    used, unused = b.emit("tanh", x), b.emit("exp", x)
    b.emit("neg", unused)
    only_elsewhere = b.emit("abs", x)
    b.effect("accumulate", only_elsewhere, parameter=b.parameter(linear, "bias"))
    left = remove_dead(Program(b.ops, [used]))
    assert primitives(left.ops) == ["tanh", "abs", "accumulate"]
    assert primitives(remove_dead(Program(b.ops, [used]), frozenset([unused])).ops) == [
        "tanh", "exp", "abs", "accumulate",
    ]


def test_what_is_fed_back_is_not_dead() -> None:
    b = Builder(np.dtype(float))
    x, h = given("x", 2), given("h", 2)
    fed, y = b.add(x, h), b.emit("neg", x)
    assert remove_dead(Program(b.ops, [y], {fed: [h]})).ops == b.ops


# -- sums ---------------------------------------------------------------------------------------------------


def recurrent_sum() -> tuple[Program, dict[str, Value], Builder]:
    """h' = tanh((x W' + h U') + bias), as a cell is written."""
    mg.manualSeed(1)
    b = Builder(np.dtype(float))
    inner, outer = nn.Linear(3, 3), nn.Linear(3, 3)
    x, h = given("x", 2, 3), given("h", 2, 3)
    below = b.product(x, b.parameter(inner))
    again = b.product(h, b.parameter(outer))
    total = b.add(b.add(again, below), b.parameter(outer, "bias"))
    y = b.emit("tanh", total)
    values = {"x": x, "h": h, "below": below, "again": again, "total": total, "y": y}
    return Program(b.ops, [y], {y: [h]}), values, b


def test_a_sum_is_gathered_outside_the_loop_and_the_product_starts_from_it() -> None:
    program, values, _ = recurrent_sum()
    gathered = gather_sums(program)
    first, added, product, last = gathered.ops
    assert primitives(gathered.ops) == ["product", "add", "product", "tanh"]
    assert first.output is values["below"]
    assert added.inputs[0] is values["below"] and isinstance(added.inputs[1], Parameter)
    assert product.inputs[0] is values["h"] and product.inputs[2] is added.output
    assert last.inputs == product.outputs == (values["total"],)
    loop = {op for component in recurrent(gathered) for op in component}
    assert loop == {product, last}


def test_gathering_keeps_the_numbers() -> None:
    program, values, _ = recurrent_sum()
    rng = np.random.default_rng(0)
    first = {values["h"]: rng.standard_normal((2, 3))}
    sequences = {values["x"]: rng.standard_normal((4, 2, 3))}
    same(run(gather_sums(program), first, sequences), run(program, first, sequences))


@pytest.mark.parametrize("kept", ["again", "total"])
def test_what_is_read_elsewhere_keeps_its_value(kept: str) -> None:
    program, values, _ = recurrent_sum()
    gathered = gather_sums(program, frozenset([values[kept]]))
    assert any(values[kept] in op.outputs for op in gathered.ops)
    rng = np.random.default_rng(0)
    first = {values["h"]: rng.standard_normal((2, 3))}
    sequences = {values["x"]: rng.standard_normal((4, 2, 3))}
    program.results.append(values[kept])
    same(run(gathered, first, sequences), run(program, first, sequences))


def test_sums_without_a_recurrence_stay() -> None:
    b = Builder(np.dtype(float))
    x, y, z = given("x", 2), given("y", 2), given("z", 2)
    total = b.add(b.add(x, y), z)
    assert gather_sums(Program(b.ops, [total])).ops == b.ops


# -- fission ------------------------------------------------------------------------------------------------


def test_only_what_waits_for_itself_is_in_the_loop() -> None:
    program, values, b = recurrent_sum()
    decoder = b.product(values["y"], b.parameter(nn.Linear(3, 3)))
    program = gather_sums(Program(b.ops, [decoder], program.feedback))
    before, loop, after = split(program)
    assert [segment.loop for segment in (before, loop, after)] == [False, True, False]
    assert primitives(before.ops) == ["product", "add"]
    assert primitives(loop.ops) == ["product", "tanh"]
    assert primitives(after.ops) == ["product"]
    rng = np.random.default_rng(0)
    first = {values["h"]: rng.standard_normal((2, 3))}
    sequences = {values["x"]: rng.standard_normal((4, 2, 3))}
    same(run_split(program, [before, loop, after], first, sequences), run(program, first, sequences))


def test_independent_recurrences_are_loops_of_their_own() -> None:
    b = Builder(np.dtype(float))
    x, h, k = given("x", 2), given("h", 2), given("k", 2)
    lower = b.emit("tanh", b.add(x, h))
    upper = b.emit("tanh", b.add(lower, k))
    program = Program(b.ops, [upper], {lower: [h], upper: [k]})
    assert len(recurrent(program)) == 2
    segments = split(program)
    assert [segment.loop for segment in segments] == [True, True]
    assert segments[0].outputs()[-1] is lower
    rng = np.random.default_rng(0)
    first = {h: rng.standard_normal(2), k: rng.standard_normal(2)}
    sequences = {x: rng.standard_normal((5, 2))}
    same(run_split(program, segments, first, sequences), run(program, first, sequences))


def test_a_value_of_the_step_before_needs_no_loop_but_a_segment() -> None:
    """``now`` becomes ``before``; nothing waits for itself."""
    b = Builder(np.dtype(float))
    x, before = given("x", 2), given("before", 2)
    y = b.add(before, x)
    now = b.emit("tanh", x)
    program = Program(b.ops, [y], {now: [before]})
    segments = split(program)
    assert recurrent(program) == []
    assert [(segment.loop, primitives(segment.ops)) for segment in segments] == [
        (False, ["tanh"]), (False, ["add"]),
    ]
    rng = np.random.default_rng(0)
    sequences = {x: rng.standard_normal((5, 2))}
    same(run_split(program, segments, {before: np.ones(2)}, sequences),
         run(program, {before: np.ones(2)}, sequences))


def test_cheap_work_that_one_loop_reads_is_done_in_it() -> None:
    b = Builder(np.dtype(float))
    x, h = given("x", 2), given("h", 2)
    scaled = b.mul(x, 2.0)
    y = b.emit("tanh", b.add(scaled, h))
    program = Program(b.ops, [y], {y: [h]})
    assert [(s.loop, primitives(s.ops)) for s in split(program)] == [(True, ["mul", "add", "tanh"])]
    kept = split(program, frozenset([scaled]))  # somebody else reads it: it is kept for all time steps
    assert [(s.loop, primitives(s.ops)) for s in kept] == [(False, ["mul"]), (True, ["add", "tanh"])]


def test_modules_that_are_called_stay_in_one_loop_in_their_order() -> None:
    x = given("x", 2)
    made = [Value((2,), np.dtype(float), str(k)) for k in range(2)]
    calls = [
        Op("call", (source,), (value,), {"module": None}) for source, value in zip((x, made[0]), made)
    ]
    (segment,) = split(Program(calls, [made[1]]))
    assert segment.loop and segment.ops == calls


# -- fuse ---------------------------------------------------------------------------------------------------


def test_elementwise_work_is_one_region_that_gives_what_others_read() -> None:
    b = Builder(np.dtype(float))
    x, y = given("x", 2, 3), given("y", 2, 3)
    total = b.add(x, y)
    gate = b.emit("sigmoid", total)
    out = b.mul(gate, x)
    (op,) = fuse(Segment(b.ops, False), frozenset([gate, out])).ops
    assert op.primitive == "fused"
    assert op.inputs == (x, y) and op.outputs == (gate, out)
    assert op.attributes["body"] == (("add", (0, 1)), ("sigmoid", (2,)), ("mul", (3, 0)))
    assert op.attributes["results"] == (3, 4)


def test_a_product_ends_a_region() -> None:
    b = Builder(np.dtype(float))
    x, layer = given("x", 2, 3), nn.Linear(3, 3)
    first = b.emit("tanh", x)
    second = b.product(first, b.parameter(layer))
    third = b.add(b.emit("exp", second), first)
    other = b.mul(x, 3.0)  # written last, done with the first region
    fused = fuse(Segment(b.ops, False), frozenset([third, other]))
    assert primitives(fused.ops) == ["fused", "product", "fused"]
    assert fused.ops[0].outputs == (first, other) and fused.ops[2].outputs == (third,)
    rng = np.random.default_rng(0)
    array = rng.standard_normal((2, 3))
    whole: dict[Value, Any] = {x: array}
    evaluate(b.ops, whole)
    known: dict[Value, Any] = {x: array}
    evaluate(fused.ops, known)
    same([known[third], known[other]], [whole[third], whole[other]])


def test_regions_are_of_one_shape() -> None:
    b = Builder(np.dtype(float))
    x, row = given("x", 2, 3), given("row", 1, 3)
    small = b.emit("exp", row)
    wide = b.mul(x, small)
    fused = fuse(Segment(b.ops, False), frozenset([wide]))
    assert [op.outputs for op in fused.ops] == [(small,), (wide,)]


# -- whole steps ------------------------------------------------------------------------------------------


def specialised(make: Callable[[], tuple[Any, dict[str, str]]], T: int = 3) -> Specialisation:
    step, feedback = make()
    rng = np.random.default_rng(0)
    states = [rng.standard_normal((2, 3)) for _ in feedback]
    return Specialisation(mg.rnn.Unroll(step, feedback), [rng.standard_normal((T, 2, 3)), *states])


def products(segments: list[Segment]) -> list[tuple[bool, int]]:
    """Return for each segment whether it is a loop and how many products it has."""
    count = [sum(op.primitive in ("product", "accumulate_product") for op in s.ops) for s in segments]
    return [(segment.loop, number) for segment, number in zip(segments, count)]


def test_the_products_of_an_lstm() -> None:
    """Of each layer one product a way is in the loop: what takes h, and what brings its gradient."""
    found = specialised(lambda: mg.rnn.lstm(3, 3, 2))
    assert products(found.forward.segments) == [(False, 1), (True, 1), (False, 1), (True, 1)]
    back: BackwardPlan = found.backward([True] * 4)
    loops = [number for loop, number in products(back.plan.segments) if loop]
    assert loops == [1, 1]
    # The rest is the gradients of four weights, and of the inputs of both layers.
    assert sum(number for loop, number in products(back.plan.segments) if not loop) == 6
    without = found.backward([True] * 4, accumulate=False)
    assert not [op for s in without.plan.segments for op in s.ops if op.primitive.startswith("accumulate")]


def test_the_products_of_a_gru() -> None:
    """Two in each loop: the candidate waits for the reset gate."""
    found = specialised(lambda: mg.rnn.gru(3, 3, 1))
    counts = dict(products(found.forward.segments))
    assert counts[True] >= 2
    loop = next(segment for segment in found.forward.segments if segment.loop)
    outside = [op for s in found.forward.segments if not s.loop for op in s.ops if op.primitive == "product"]
    inputs = {id(value) for value in found.input_values[:1]}
    assert outside and all(id(op.inputs[0]) in inputs for op in outside)
    assert not any(id(op.inputs[0]) in inputs for op in loop.ops if op.primitive == "product")


@pytest.mark.parametrize("given_for", [(True, False), (False, True)])
def test_gradients_that_nobody_gives_cost_nothing(given_for: tuple[bool, bool]) -> None:
    found = specialised(lambda: mg.rnn.lstm(3, 3, 1))
    full, part = found.backward([True, True]), found.backward(list(given_for))

    def size(plan: BackwardPlan) -> int:
        return sum(len(op.attributes.get("body", (0,))) for s in plan.plan.segments for op in s.ops)

    assert [seed is not None for seed in part.seeds] == list(given_for)
    assert size(part) < size(full)


def test_a_forward_program_that_is_written_draws_first() -> None:
    def make() -> tuple[Any, dict[str, str]]:
        return mg.rnn.lstm(3, 3, 2, 0.5)

    ops = [op.primitive for s in specialised(make).forward.segments for op in s.ops]
    assert ops.count("draw") == 1 and ops.count("call") == 0

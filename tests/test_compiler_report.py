"""What people see of the compiler: ``plan()``, its text and its pictures."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rendering import needs_svg

import minigraph as mg
from minigraph import nn
from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.report import PlanReport
from minigraph.errors import DrawingError, StateError
from minigraph.memory import root
from minigraph.nn.observer import Observer

T, B, D, H = 5, 2, 3, 4
CELL = ["forget_gate", "in_gate", "in_transform", "out_gate"]


def lstm(layers: int = 2, dropout: float = 0) -> tuple[Any, list[np.ndarray]]:
    """A compiled LSTM and an input for it."""
    fast = mg.compile(mg.rnn.Unroll(*mg.rnn.lstm(D, H, layers=layers, dropout=dropout)))
    return fast, [np.ones((T, B, D)), *(np.ones((B, H)) for _ in range(2 * layers))]


def after_both(fast: Any, input: Any) -> PlanReport:
    outputs = fast.forward(input)
    fast.backward(input, [np.ones_like(output) for output in outputs])
    return fast.plan()


def frame_of(fast: Any) -> Frame:
    """The memory of the only run."""
    (frame,) = [run._frame for _, _, runs in fast._known.values() for run in runs.values()]
    return frame


@pytest.fixture(params=["native", "numpy"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Native code where it can be made, or NumPy."""
    if request.param == "native":
        pytest.importorskip("llvmlite")
    monkeypatch.setenv("MINIGRAPH_NATIVE", str(int(request.param == "native")))
    return request.param


@pytest.fixture
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are not the same for NumPy, which counts its calls."""
    pytest.importorskip("llvmlite")
    monkeypatch.setenv("MINIGRAPH_NATIVE", "1")


@pytest.fixture
def by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAPH_NATIVE", "0")


# -- what is in a plan -------------------------------------------------------------------------------


@pytest.mark.fast
@pytest.mark.usefixtures("natively")
def test_forward_of_two_layers() -> None:
    fast, input = lstm()
    forward = after_both(fast, input).forward
    assert [(segment.loop, segment.when) for segment in forward.segments] == [
        (False, "before the loop, all time steps at once"), (True, "loop 1 over time"),
        (False, "between the loops, all time steps at once"), (True, "loop 2 over time"),
    ]
    assert forward.hoisted == ["i2h_1", "i2h_2"]
    assert {"h2h_1", "h2h_2", "next_h1", "next_c2"} <= set(forward.looped)
    assert forward.called == []
    (cell,) = [nodes for nodes in forward.fused if "next_h1" in nodes]
    assert {f"{gate}_1" for gate in CELL} | {"next_c1", "next_h1"} <= set(cell)
    assert sorted(node.partition("#")[0] for node in cell if "#" in node) == ["CMulTable"] * 2 + ["Tanh"]


@pytest.mark.fast
@pytest.mark.usefixtures("natively")
def test_backward_of_one_layer() -> None:
    fast, input = lstm(layers=1)
    backward = after_both(fast, input).backward
    assert backward is not None
    loop, after = backward.segments
    assert (loop.when, loop.loop) == ("loop over time, from the last to the first step", True)
    assert (after.when, after.loop) == ("after the loop, all time steps at once", False)
    assert [op.kind for op in loop.operations if op.kind != "window"] == ["one pass", "product"]
    gradients = {op.formulas[0].partition(" ")[0] for op in after.operations if op.kind == "gradient"}
    assert gradients == {"i2h_1.gradWeight", "i2h_1.gradBias", "h2h_1.gradWeight", "h2h_1.gradBias"}
    assert backward.hoisted == ["i2h_1"]


@pytest.mark.fast
@pytest.mark.usefixtures("natively")
def test_formulas_speak_of_the_users_nodes() -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    lines = [line for program in plan.programs for op in program.operations for line in op.formulas]
    for expected in (
        "i2h_1 (product) = x @ i2h_1.weight.T",
        "next_c1 = forget_gate_1 * prev_c1 + in_gate_1 * in_transform_1",
        "d prev_c1 = d next_c1 * forget_gate_1",
        "h2h_1.gradWeight += (d sums_1).T @ prev_h1",
        "i2h_1.gradBias += sum(d sums_1)",
        "d x = d sums_1 @ i2h_1.weight",
    ):
        assert expected in lines
    assert not [line for line in lines if re.search(r"\bv\d", line)]  # everything has a name


@pytest.mark.fast
@pytest.mark.usefixtures("natively")
def test_reads_and_writes() -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    holding = {name: buffer.number for buffer in plan.buffers for name in buffer.values}
    product = plan.forward.operations[0]
    assert product.reads == [holding["x"]] and product.writes == [holding["i2h_1 (product)"]]
    assert product.shape == (B, 4 * H)
    assert holding["prev_h1"] == holding["next_h1"]  # windows on one array, shifted by a step
    assert holding["sums_1 so far"] == holding["sums_1"]  # the product is added to its base
    (cell,) = [op for op in plan.forward.operations if "next_h1" in op.nodes]
    assert holding["next_h1"] in cell.writes and holding["sums_1"] in cell.reads


def test_which_part_is_native(executor: str) -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    native = {op.native for program in plan.programs for op in program.operations if op.kind != "window"}
    assert native == {executor == "native"}
    assert (plan.threads > 0) == (executor == "native")


@pytest.mark.fast
def test_a_loop_that_is_native_in_part() -> None:
    pytest.importorskip("llvmlite")
    x, prev_h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev_h")
    sums = nn.CAddTable()([nn.Linear(D, H)(x), nn.Linear(H, H)(prev_h)])
    kept = nn.SpatialMaxPooling(1, 1)(nn.Reshape(1, 2, 2)(sums)).annotate(name="pooled")
    next_h = nn.Tanh()(nn.Reshape(H)(kept)).annotate(name="next_h")
    fast = mg.compile(mg.rnn.Unroll(nn.gModule([x, prev_h], [next_h]), {"next_h": "prev_h"}))
    fast.forward([np.ones((T, B, D)), np.ones((B, H))])
    plan = fast.plan()
    (loop,) = [segment for segment in plan.forward.segments if segment.loop]
    native = {op.kind: op.native for op in loop.operations if op.kind != "window"}
    assert native["module"] is False and native["product"] is True
    assert "  loop over time" in str(plan).splitlines()  # not as a whole
    assert re.search(r"^    module \(NumPy\) .* pooled = nn.SpatialMaxPooling\(", str(plan), re.M)
    assert re.search(r"^    product \(native\) ", str(plan), re.M)


def test_bytes_are_those_of_the_arrays(executor: str) -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    number = 8  # bytes
    # A state and what becomes of it are windows on T + 1 steps of one array.
    assert plan.bytes["inputs"] == T * B * D * number + 2 * (T + 1) * B * H * number
    assert plan.bytes["saved for backward"] == 5 * T * B * H * number  # four gates, tanh(next_c1)
    assert plan.bytes["gradients given"] == 2 * T * B * H * number
    assert plan.bytes["gradients returned"] == T * B * D * number + 2 * B * H * number
    assert executor == "numpy" or plan.bytes["packed weights"] > 0
    assert plan.total_bytes == sum(plan.bytes.values())
    assert plan.total_bytes == frame_of(fast).bytes


@pytest.mark.usefixtures("by_numpy")
def test_bytes_where_backward_needs_more_than_forward() -> None:
    x = nn.Identity()()
    y = nn.Linear(3, 8)(nn.Tanh()(nn.Linear(4, 3)(x)))
    fast = mg.compile(nn.gModule([x], [nn.Sigmoid()(y)]))
    input = np.ones((2, 4))
    forward = fast.forward(input)
    before = fast.plan().total_bytes
    fast.backward(input, np.ones_like(forward))
    frame, plan = frame_of(fast), fast.plan()
    owners = {id(root(array)): root(array) for value, array in frame.arrays.items() if value.varies}
    padding = 64  # bytes by which an array may be moved to begin at a cache line
    owned = sum(array.nbytes - padding for array in owners.values() if array.nbytes > padding)
    scratch = sum(array.nbytes for array in frame._scratch.values())
    assert before < plan.total_bytes == frame.bytes == owned + scratch


@pytest.mark.usefixtures("by_numpy")
def test_a_module_without_a_lowering_is_called_as_it_is() -> None:
    x = nn.Identity()().annotate(name="x")
    pooled = nn.SpatialMaxPooling(2, 2)(nn.Tanh()(x)).annotate(name="pooled")
    fast = mg.compile(nn.gModule([x], [nn.Sigmoid()(pooled)]))
    input = np.ones((2, 1, 4, 4))
    fast.backward(input, np.ones_like(fast.forward(input)))
    plan = fast.plan()
    assert plan.steps is None
    assert {(segment.when, segment.loop) for segment in plan.forward.segments} == {("once", False)}
    assert plan.forward.called == ["pooled"]
    assert plan.forward.hoisted == []  # there is no loop to be taken out of
    assert plan.backward is not None and plan.backward.called == ["pooled"]
    assert "pooled = nn.SpatialMaxPooling(Tanh#" in str(plan)


@pytest.mark.usefixtures("by_numpy")
def test_networks_in_networks_have_their_names_in_front() -> None:
    inner_x = nn.Identity()()
    inner = nn.gModule([inner_x], [nn.Linear(2, 2)(inner_x).annotate(name="fc")])
    x = nn.Identity()()
    fast = mg.compile(nn.gModule([x], [inner(x).annotate(name="first")]))
    fast.forward(np.ones((3, 2)))
    assert "first/fc.weight" in str(fast.plan())


@pytest.mark.usefixtures("by_numpy")
def test_masks_are_drawn_before_the_loops() -> None:
    fast, input = lstm(layers=2, dropout=0.5)
    fast.forward(input)
    first = fast.plan().forward.operations[0]
    assert (first.kind, first.formulas) == ("draw", ["draw dropout_2.mask (p = 0.5)"])


# -- when there is one -------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_numpy")
def test_before_forward_there_is_no_plan() -> None:
    fast, input = lstm(layers=1)
    with pytest.raises(StateError, match="there is no plan: nothing was compiled so far; call forward"):
        fast.plan()
    fast.forward(input)
    plan = fast.plan()
    assert plan.backward is None
    assert "backward: not run yet" in str(plan)
    assert plan.bytes["gradients given"] == 0 < plan.bytes["saved for backward"]
    fast.clearState()
    with pytest.raises(StateError, match="there is no plan"):
        fast.plan()


@pytest.mark.usefixtures("by_numpy")
def test_where_the_network_itself_ran_there_is_no_plan() -> None:
    x = nn.Identity()()
    fast = mg.compile(nn.gModule([x], [nn.Tanh()(x)]))
    nn.gModule.observers.append(Observer())
    try:
        fast.forward(np.ones((2, 2)))
    finally:
        nn.gModule.observers.clear()
    with pytest.raises(StateError, match="the last forward ran the network itself"):
        fast.plan()


@pytest.mark.usefixtures("by_numpy")
def test_a_plan_for_every_number_of_steps() -> None:
    fast, input = lstm(layers=1)
    five = after_both(fast, input)
    longer = after_both(fast, [np.ones((2 * T, B, D)), *input[1:]])
    assert (five.steps, longer.steps) == (T, 2 * T)
    assert five.forward == longer.forward  # the program is the same, only its arrays are longer
    assert longer.bytes["saved for backward"] == 2 * five.bytes["saved for backward"]


@pytest.mark.usefixtures("by_numpy")
def test_every_backward_program_that_ran_is_there() -> None:
    fast, input = lstm(layers=1)
    next_c, next_h = (np.ones_like(output) for output in fast.forward(input))
    fast.updateGradInput(input, [None, next_h])
    inputs_only = "backward from next_h1, the gradients of the inputs only"
    assert [program.name for program in fast.plan().programs] == ["forward", inputs_only]
    assert "gradient" not in {op.kind for op in fast.plan().programs[1].operations}
    fast.backward(input, [next_c, next_h])
    assert [program.name for program in fast.plan().programs] == ["forward", "backward", inputs_only]


# -- text, data, pictures ----------------------------------------------------------------------------


def test_text(executor: str) -> None:
    fast, input = lstm()
    text = str(after_both(fast, input))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert text == repr(fast.plan())
    threads = f"native code, {fast.plan().threads} thread" if executor == "native" else "NumPy"
    assert lines[0].startswith(f"Plan of a compiled Unroll: 5 time steps, float64, {threads}")
    assert "  taken out of the loop: i2h_1, i2h_2" in lines
    assert f"memory: {fast.plan().total_bytes:,} bytes" in lines
    words = "native code" if executor == "native" else "NumPy"
    assert f"  loop 2 over time: {words}" in lines


@pytest.mark.usefixtures("by_numpy")
def test_data() -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    data = json.loads(json.dumps(plan.to_dict()))
    assert data["total_bytes"] == plan.total_bytes
    assert [program["name"] for program in data["programs"]] == ["forward", "backward"]
    assert data["programs"][0]["segments"][1]["loop"] is True


@needs_svg
@pytest.mark.fast
@pytest.mark.usefixtures("natively")
def test_pictures(tmp_path: Path) -> None:
    fast, input = lstm(layers=1)
    plan = after_both(fast, input)
    drawn = mg.draw(fast, tmp_path / "plan.svg", title="one layer")
    assert drawn.read_bytes() == mg.draw(plan, tmp_path / "same.svg", title="one layer").read_bytes()
    elements = list(ElementTree.parse(drawn).iter())
    groups = [element.get("class") for element in elements if element.tag.endswith("}g")]
    assert groups.count("cluster") == len(plan.forward.segments) == 2
    assert groups.count("node") == len([op for op in plan.forward.operations if op.kind != "window"]) == 4
    words = [element.text for element in elements if element.tag.endswith("}text")]
    assert {"one layer", "loop over time", "one pass", "= x @ i2h_1.weight.T"} <= set(words)
    tooltips = [element.text or "" for element in elements if element.tag.endswith("}title")]
    assert any("next_h1 = out_gate_1 * Tanh#" in text for text in tooltips)
    assert "prev_h1, fed back" in tooltips
    backward = mg.draw(fast, tmp_path / "backward.svg", backward=True).read_text(encoding="utf-8")
    assert "i2h_1.gradBias += sum(d sums_1)" in backward


@pytest.mark.usefixtures("by_numpy")
def test_pictures_that_cannot_be(tmp_path: Path) -> None:
    fast, input = lstm(layers=1)
    with pytest.raises(StateError, match="there is no plan"):
        mg.draw(fast, tmp_path / "plan.svg")
    fast.forward(input)
    with pytest.raises(StateError, match="no backward program to draw yet"):
        mg.draw(fast, tmp_path / "plan.svg", backward=True)
    with pytest.raises(DrawingError, match="a plan has no interactive page"):
        mg.draw(fast, tmp_path / "plan.html")
    source = mg.draw(fast, tmp_path / "plan.dot").read_text(encoding="utf-8")
    assert source.count("subgraph") == 2 and "style=dashed" in source

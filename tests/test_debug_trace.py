"""debug.trace: one backward pass recorded, and two compared."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close, load, value
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError
from minigraph.tables import copy_table, leaves

CASES = {case["name"]: case for case in load("graphs")}


def zaremba(layers: int) -> tuple[nn.gModule, Any, Any]:
    case = CASES[f"zaremba_lstm_{layers}layers"]
    return build_graph(case)[0], value(case["input"]), value(case["gradOutput"])


@pytest.mark.parametrize("name", sorted(CASES))
def test_sums_are_those_at_the_nodes_and_of_the_contributions(name: str) -> None:
    case = CASES[name]
    net, _ = build_graph(case)
    trace = mg.debug.trace(net, value(case["input"]), value(case["gradOutput"]))
    assert [each.node.id for each in trace.nodes] == [node.id for node in net.backwardnodes]
    assert [each.order for each in trace.nodes] == list(range(1, len(trace.nodes) + 1))
    for each, node in zip(trace.nodes, net.backwardnodes):
        assert_close(each.value, copy_table(net.nodeState(node).gradOutput), 0.0, each.node.key)
        if node.data.role != "split" and each.contributions:
            total = sum(flat(c.value) for c in each.contributions)
            np.testing.assert_allclose(flat(each.value), total, rtol=1e-12, atol=1e-12)
            assert each.norm == pytest.approx(np.linalg.norm(total))
        assert {c.source.id for c in each.passed_on} == {child.id for child in node.children}
    assert_close(trace.nodes[-1].value, value(case["gradInput"]), 1e-12)
    assert_close(trace.gradInput, net.gradInput, 0.0)


def flat(table: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for _, leaf in leaves(table)])


def test_contributions_name_consumer_and_slot() -> None:
    net, x, g = zaremba(1)
    trace = mg.debug.trace(net, x, g)
    node = trace["l1.next_h"]
    assert [(c.consumer.name, c.slot) for c in node.contributions] == [("next_s", 1), ("res", 0)]
    np.testing.assert_array_equal(node.contributions[0].value, g[1][1])
    np.testing.assert_array_equal(node.contributions[1].value, g[0])
    np.testing.assert_array_equal(node.value, g[1][1] + g[0])
    assert node.shape == (2, 3) and node.contributions[0].norm == pytest.approx(np.linalg.norm(g[1][1]))
    assert [(c.source.name, c.slot) for c in node.passed_on] == [("l1.out", 0), ("l1.tanh_c", 1)]


def test_parameter_gradients_are_this_pass_alone_and_put_back() -> None:
    net, x, g = zaremba(2)
    net.zeroGradParameters()
    net.forward(x)
    net.backward(x, g)
    alone = {id(gradient): gradient.copy() for gradient in net.parameters()[1]}
    for gradient in net.parameters()[1]:
        gradient += 7.0
    trace = mg.debug.trace(net, x, g)
    named = {parameter.name: parameter for parameter in trace.parameters}
    assert set(named) == {f"l{k}.{m}.{p}" for k in (1, 2) for m in ("i2h", "h2h") for p in ("weight", "bias")}
    for gradient in net.parameters()[1]:
        np.testing.assert_array_equal(gradient, alone[id(gradient)] + 7.0)
    module = next(node.module for node in net.forwardnodes if node.name == "l2.i2h")
    np.testing.assert_array_equal(named["l2.i2h.weight"].value, alone[id(module.gradWeight)])
    assert not nn.gModule.observers


def test_errors_leave_gradients_and_observers_as_they_were() -> None:
    net, x, g = zaremba(1)
    net.forward(x)
    net.backward(x, g)
    before = [gradient.copy() for gradient in net.parameters()[1]]
    with pytest.raises(InputError, match=r"gradOutput\[1\]"):
        mg.debug.trace(net, x, [np.ones((5, 5)), g[1]])
    assert_close(net.parameters()[1], before, 0.0)
    assert not nn.gModule.observers
    assert mg.debug.trace(net, x, g).diff(mg.debug.trace(net, x, g)).same


def test_nothing_arrived_is_said() -> None:
    a = nn.Identity()().annotate(name="a")
    left, right = nn.Tanh()(a).annotate(name="left"), nn.Sigmoid()(a).annotate(name="right")
    net = nn.gModule([a], [left, right])
    trace = mg.debug.trace(net, np.ones(2), [np.ones(2), None])
    assert trace["right"].norm is None and trace["right"].shape is None
    assert trace["right"].contributions[0].norm is None
    assert trace["left"].norm == pytest.approx(np.sqrt(2))
    (line,) = [line for line in str(trace).splitlines() if "right" in line and "nn.Sigmoid" in line]
    assert "no gradient (None = zero)" in line


def test_without_gradOutput_every_output_gets_ones() -> None:
    net, x, _ = zaremba(1)
    trace = mg.debug.trace(net, x)
    ones = [np.ones((2, 3)), [np.ones((2, 3)), np.ones((2, 3))]]
    assert trace.diff(mg.debug.trace(net, x, ones)).same


def test_text_and_json() -> None:
    net, x, g = zaremba(1)
    trace = mg.debug.trace(net, x, g)
    text = str(trace)
    lines = text.splitlines()
    assert lines[0] == "backward, 31 nodes in this order"
    start = next(i for i, line in enumerate(lines) if "l1.next_h" in line and "nn.CMulTable" in line)
    assert "receives" in lines[start] and "next_s" in lines[start]
    assert "res" in lines[start + 1] and "sum" in lines[start + 2] and "passes on" in lines[start + 3]
    assert f"{np.linalg.norm(g[0]):.6g}" in lines[start + 1]
    assert "l1.h2h.weight" in text
    data = json.loads(json.dumps(trace.to_dict()))
    node = next(node for node in data["nodes"] if node["node"]["name"] == "l1.next_h")
    assert node["contributions"][1]["consumer"]["name"] == "res"
    assert node["norm"] == pytest.approx(np.linalg.norm(g[0] + g[1][1]))
    assert data["parameters"][0]["shape"] == [12, 3]


def test_zero_gradient_to_the_states_equals_only_the_last_state() -> None:
    net, x, g = zaremba(2)
    only_res = mg.debug.trace(net, x, [g[0], None])
    only_last = mg.debug.trace(net, x, [None, [None, None, None, g[0]]])
    twice = mg.debug.trace(net, x, [g[0], [None, None, None, g[0]]])
    difference = only_res.diff(only_last)
    assert {row.where for row in difference.rows} <= {
        "res", "next_s", "node 2 <out>", "l2.next_h <- res[1]", "l2.next_h <- next_s[4]",
        "res <- node 2 <out>[1]", "next_s <- node 2 <out>[2]",
    }
    assert not difference.kind("parameter") and not difference.kind("gradInput")
    counted = only_res.diff(twice)
    assert {row.where for row in counted.kind("parameter")} == {p.name for p in only_res.parameters}
    np.testing.assert_allclose(twice.gradInput[0], 2 * only_res.gradInput[0], rtol=1e-12)


class WrongTanh(nn.Tanh):
    """Forgets the square."""

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput * (1 - np.abs(self.output))
        return self.gradInput


def two_branches(module: nn.Module) -> nn.gModule:
    mg.manualSeed(3)
    x = nn.Identity()().annotate(name="x")
    h = nn.Linear(3, 3)(x).annotate(name="h")
    other = nn.Linear(3, 3)(x).annotate(name="other")
    t = module(h).annotate(name="t")
    return nn.gModule([x], [nn.CAddTable()([t, other]).annotate(name="sum")])


def test_diff_names_the_first_wrong_contribution_and_what_follows() -> None:
    nn.transfer.pointwise.TABLE.setdefault("WrongTanh", nn.transfer.pointwise.TABLE["Tanh"])
    try:
        x = np.linspace(-1, 1, 6).reshape(2, 3)
        right = mg.debug.trace(two_branches(nn.Tanh()), x)
        wrong = mg.debug.trace(two_branches(WrongTanh()), x)
    finally:
        del nn.transfer.pointwise.TABLE["WrongTanh"]
    report = right.diff(wrong)
    assert not report.same
    assert {row.where for row in report.rows} == {
        "h <- t[1]", "h", "x <- h[1]", "x", "h.weight", "h.bias", "gradInput", "node 7 <in> <- x[1]",
        "node 7 <in>",
    }
    sizes = [row.max_abs for row in report.rows]
    assert sizes == sorted(sizes, reverse=True)
    row = next(row for row in report.rows if row.where == "h <- t[1]")
    a, b = right["h"].value, wrong["h"].value
    assert row.max_abs == pytest.approx(np.abs(a - b).max())
    assert np.abs(a - b)[row.index] == row.max_abs
    assert "h <- t[1]" in str(report) and json.dumps(report.to_dict())


def test_diff_of_networks_of_different_shape_says_so() -> None:
    mg.manualSeed(1)
    x = nn.Identity()().annotate(name="x")
    small = nn.gModule([x], [nn.Linear(2, 3)(x).annotate(name="l")])
    y = nn.Identity()().annotate(name="x")
    large = nn.gModule([y], [nn.Linear(2, 4)(nn.Tanh()(y).annotate(name="t")).annotate(name="l")])
    report = mg.debug.trace(small, np.ones(2)).diff(mg.debug.trace(large, np.ones(2)))
    by = {(row.kind, row.where): row for row in report.rows}
    assert by["parameter", "l.weight"].note == "shapes (3, 2) and (4, 2)"
    assert by["sum", "t"].note == "only in the second"
    assert report.rows[0].max_abs == np.inf


def test_inner_networks_have_traces_of_their_own() -> None:
    mg.manualSeed(2)
    a = nn.Identity()().annotate(name="a")
    cell = nn.gModule([a], [nn.Tanh()(nn.Linear(2, 2)(a).annotate(name="lin")).annotate(name="act")])
    x = nn.Identity()().annotate(name="x")
    net = nn.gModule([x], [nn.Sequential().add(cell).add(nn.Sigmoid())(x).annotate(name="cell")])
    trace = mg.debug.trace(net, np.ones(2))
    assert [each.node.name for each in trace.nodes if each.node.name] == ["cell", "x"]
    inner = trace.inner["cell"]
    assert [each.node.name for each in inner.nodes if each.node.name] == ["act", "lin", "a"]
    np.testing.assert_array_equal(inner["act"].value, net.modules[1].modules[1].gradInput)
    assert [p.name for p in trace.parameters] == ["cell.1/lin.weight", "cell.1/lin.bias"]
    assert "inside cell" in str(trace)


def test_shared_parameters_are_recorded_once() -> None:
    x = nn.Identity()().annotate(name="x")
    layer = nn.Linear(2, 2)
    first = layer(x).annotate(name="first")
    net = nn.gModule([x], [layer(first).annotate(name="second")])
    trace = mg.debug.trace(net, np.ones(2))
    assert [p.name for p in trace.parameters] == [
        "first.weight (shared by 2 modules)", "first.bias (shared by 2 modules)",
    ]


def test_what_is_not_a_network_or_a_node() -> None:
    with pytest.raises(ArgumentError, match="needs a gModule"):
        mg.debug.trace(nn.Linear(2, 2), np.ones(2))  # type: ignore[arg-type]
    net, x, g = zaremba(1)
    with pytest.raises(ArgumentError, match="0 nodes are called 'nobody'"):
        mg.debug.trace(net, x, g)["nobody"]

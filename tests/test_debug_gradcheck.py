"""debug.gradcheck: right gradients pass, a wrong one is named first, nothing is disturbed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError

CASES = {case["name"]: case for case in load("graphs")}


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_zaremba_lstm_passes_in_every_entry_and_parameter(layers: int) -> None:
    case = CASES[f"zaremba_lstm_{layers}layers"]
    net, _ = build_graph(case)
    report = mg.debug.gradcheck(net, value(case["input"]), value(case["gradOutput"]))
    assert report.ok and bool(report)
    states = {f"input[2][{i}]" for i in range(1, 2 * layers + 1)}
    linears = [f"l{k}.{m}" for k in range(1, layers + 1) for m in ("i2h", "h2h")]
    names = {f"{linear}.{parameter}" for linear in linears for parameter in ("weight", "bias")}
    assert {row.path for row in report.rows} == {"input[1]"} | states | names
    assert all(row.checked == row.entries > 0 for row in report.rows)
    assert max(row.max_abs_error or 0.0 for row in report.rows) < 1e-7
    assert report["input[2][2]"].node == "s.2" and report["input[2][2]"].python_path == "input[1][1]"


class WrongBias(nn.Linear):
    """Its gradient of one entry of the bias is half of what it should be."""

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        before = self.gradBias.copy()
        super().accGradParameters(input, gradOutput, scale)
        self.gradBias[1] = 0.5 * (before[1] + self.gradBias[1])


class WrongSecond(nn.CMulTable):
    """Its gradient of one entry of the second factor has the wrong sign."""

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        gradInput = super().updateGradInput(input, gradOutput)
        gradInput[1][1, 0] *= -1
        return gradInput


def test_a_wrong_parameter_gradient_is_the_first_row() -> None:
    mg.manualSeed(5)
    x = nn.Identity()().annotate(name="x")
    h = nn.Tanh()(nn.Linear(3, 3)(x).annotate(name="fine"))
    net = nn.gModule([x], [WrongBias(3, 2)(h).annotate(name="broken")])
    report = mg.debug.gradcheck(net, np.linspace(-1, 1, 6).reshape(2, 3))
    assert not report.ok and not report
    assert [row.path for row in report.rows if not row.ok] == ["broken.bias"]
    worst = report.rows[0]
    assert (worst.path, worst.kind, worst.worst) == ("broken.bias", "parameter", (1,))
    assert worst.analytic == pytest.approx(worst.numeric / 2)
    assert worst.max_abs_error == pytest.approx(abs(worst.numeric) / 2)
    assert worst.max_rel_error == pytest.approx(0.5)
    lines = str(report).splitlines()
    line = next(node.location for node in net.forwardnodes if node.name == "broken")
    assert lines[0] == f"gradcheck: wrong at `broken`: WrongBias, {line} (the gradient of bias)"
    assert lines[1] == "gradcheck: WRONG in 1 of 5 arrays: broken.bias"
    first = next(line for line in lines if line.startswith(("WRONG", "ok")))
    assert first.split()[:2] == ["WRONG", "broken.bias"] and "[1]" in first
    assert json.loads(json.dumps(report.to_dict()))["rows"][0]["path"] == "broken.bias"


def test_a_wrong_entry_of_the_input_table_is_the_first_row() -> None:
    a, s = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="s")
    c, h = s.split(2)
    h.annotate(name="prev_h")
    net = nn.gModule([a, s], [WrongSecond()([c, h]), nn.Tanh()(a)])
    data = [np.ones(3), [np.arange(1.0, 5).reshape(2, 2), np.ones((2, 2))]]
    report = mg.debug.gradcheck(net, data)
    assert [row.path for row in report.rows if not row.ok] == ["input[2][2]"]
    worst = report.rows[0]
    assert (worst.path, worst.python_path) == ("input[2][2]", "input[1][1]")
    assert (worst.node, worst.worst) == ("prev_h", (1, 0))
    assert worst.analytic == pytest.approx(-worst.numeric)


def test_wrong_nesting_of_the_gradient_is_wrong() -> None:
    class Short(nn.CAddTable):
        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            self.gradInput = [gradOutput, gradOutput[:1]]
            return self.gradInput

    report = mg.debug.gradcheck(Short(), [np.ones((2, 2)), np.ones((2, 2))])
    assert [row.path for row in report.rows if not row.ok] == ["input[2]"]
    assert report["input[2]"].note == "the gradient has shape (1, 2), not (2, 2)"


def test_nothing_of_the_module_or_the_random_stream_changes() -> None:
    mg.manualSeed(1)
    net = nn.Sequential().add(nn.Linear(4, 4)).add(nn.Dropout(0.4)).add(nn.Tanh())
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    net.forward(x)
    net.backward(x, np.ones((3, 4)))
    output, mask = net.output, net.get(2).noise.copy()
    kept = [array.copy() for arrays in net.parameters() for array in arrays]
    before = mg.random.getRNGState()
    report = mg.debug.gradcheck(net, x)
    after = mg.random.getRNGState()
    assert report.ok
    assert after["pos"] == before["pos"] and np.array_equal(after["key"], before["key"])
    assert net.output is output and np.array_equal(net.get(2).noise, mask)
    for now, then in zip([a for arrays in net.parameters() for a in arrays], kept):
        np.testing.assert_array_equal(now, then)


def test_the_state_of_the_random_stream_survives_an_error() -> None:
    net = nn.Sequential().add(nn.Dropout(0.5)).add(nn.Linear(3, 2))
    before = mg.random.getRNGState()["pos"]
    with pytest.raises(InputError):
        mg.debug.gradcheck(net, np.ones((2, 4)))
    assert mg.random.getRNGState()["pos"] == before


def test_running_statistics_stay() -> None:
    class Centred(nn.Module):
        """Subtracts the batch's mean and keeps a running one."""

        def __init__(self) -> None:
            super().__init__()
            self.running_mean = np.zeros(2)

        def updateOutput(self, input: Any) -> Any:
            self.running_mean += 0.1 * input.mean(0)
            self.output = input - input.mean(0)
            return self.output

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            self.gradInput = gradOutput - gradOutput.mean(0)
            return self.gradInput

    module = Centred()
    assert mg.debug.gradcheck(module, np.arange(6.0).reshape(3, 2)).ok
    np.testing.assert_array_equal(module.running_mean, 0)


def test_indices_are_not_differentiated() -> None:
    mg.manualSeed(4)
    net = nn.Sequential().add(nn.LookupTable(5, 3)).add(nn.Tanh())
    for x in (np.array([1, 3, 3]), np.array([1.0, 3.0, 3.0])):
        report = mg.debug.gradcheck(net, x)
        assert report.ok and report["input"].checked == 0
        assert report["input"].note.startswith("not differentiated: ")
        assert report["1.weight"].checked == 15


def test_whole_numbers_that_are_no_indices_are_differentiated() -> None:
    report = mg.debug.gradcheck(nn.Linear(2, 2), np.array([[1.0, 2.0]]))
    assert report.ok and report["input"].checked == 2


def test_a_layer_that_rescales_its_own_weight_in_forward() -> None:
    mg.manualSeed(4)
    table = nn.LookupTable(4, 3)
    table.weight *= 0.1
    table.setMaxNorm(5.0)
    assert mg.debug.gradcheck(table, np.array([1, 2])).ok


def test_layers_in_place_do_not_spoil_the_input() -> None:
    mg.manualSeed(6)
    net = nn.Sequential().add(nn.ReLU(True)).add(nn.Linear(2, 2)).add(nn.MulConstant(3.0, True))
    x = np.array([[0.5, -1.5], [2.5, 1.0]])
    report = mg.debug.gradcheck(net, x)
    assert report.ok and report["input"].checked == 4
    np.testing.assert_array_equal(x, [[0.5, -1.5], [2.5, 1.0]])


def test_shared_parameters_get_the_sum_of_their_gradients() -> None:
    x = nn.Identity()()
    layer = nn.Linear(2, 2)
    net = nn.gModule([x], [layer(nn.Tanh()(layer(x).annotate(name="once"))).annotate(name="again")])
    report = mg.debug.gradcheck(net, np.array([[0.3, -0.2]]))
    assert report.ok
    assert {row.path for row in report.rows if row.kind == "parameter"} == {
        "once.weight (shared by 2 modules)", "once.bias (shared by 2 modules)",
    }
    half = nn.Sequential().add(nn.Linear(2, 2)).add(nn.Tanh()).add(nn.Linear(2, 2))
    half.get(3).share(half.get(1), "weight", "bias")  # the gradients stay apart
    assert mg.debug.gradcheck(half, np.array([[0.3, -0.2]])).ok


def test_parameters_that_are_views_of_a_flat_array() -> None:
    mg.manualSeed(8)
    net = nn.Sequential().add(nn.Linear(3, 2)).add(nn.Sigmoid()).add(nn.Linear(2, 1))
    flat, gradFlat = net.getParameters()
    kept = flat.copy()
    report = mg.debug.gradcheck(net, np.ones((2, 3)))
    assert report.ok and sum(row.checked for row in report.rows if row.kind == "parameter") == flat.size
    np.testing.assert_array_equal(flat, kept)
    np.testing.assert_array_equal(gradFlat, 0)


def test_a_float32_module_is_checked_in_float64_and_stays_float32() -> None:
    mg.manualSeed(9)
    net = nn.Sequential().add(nn.Linear(3, 2)).add(nn.Tanh()).float()
    report = mg.debug.gradcheck(net, np.ones((2, 3), np.float32))
    assert report.ok and max(row.max_abs_error or 0.0 for row in report.rows) < 1e-8
    assert net.get(1).weight.dtype == np.float32 and net.type() == "torch.FloatTensor"


def test_samples_are_deterministic_and_of_the_size_asked_for() -> None:
    mg.manualSeed(9)
    net = nn.Linear(20, 30)
    x = np.linspace(-1, 1, 40).reshape(2, 20)
    first, second = (mg.debug.gradcheck(net, x, max_entries=7, seed=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    assert {row.path: row.checked for row in first.rows} == {"input": 7, "weight": 7, "bias": 7}
    assert first["weight"].entries == 600
    other = mg.debug.gradcheck(net, x, max_entries=7, seed=4)
    assert other.to_dict() != first.to_dict()


def test_gradOutput_with_none_checks_the_rest() -> None:
    a = nn.Identity()().annotate(name="a")
    b = nn.Identity()().annotate(name="b")
    net = nn.gModule([a, b], [nn.Tanh()(a), WrongSecond()([a, b])])
    data = [np.ones((2, 2)), np.ones((2, 2))]
    assert mg.debug.gradcheck(net, data, [np.ones((2, 2)), None]).ok
    assert not mg.debug.gradcheck(net, data, [None, np.ones((2, 2))]).ok


def test_a_criterion_in_a_graph_has_its_target_left_out() -> None:
    mg.manualSeed(2)
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    net = nn.gModule([x, y], [nn.MSECriterion()([nn.Linear(2, 2)(x), y])])
    report = mg.debug.gradcheck(net, [np.ones((3, 2)), np.full((3, 2), 0.5)])
    assert report.ok and report["input[2]"].note == "not differentiated: a criterion's target"
    assert report["input[1]"].checked == 6


def lstm_like(Wx: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(np.tanh(np.arange(6.0).reshape(2, 3) @ Wx + b) ** 2))


def hand_written(Wx: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    x = np.arange(6.0).reshape(2, 3)
    y = np.tanh(x @ Wx + b)
    slope = 2 * y * (1 - y * y)
    return {"Wx": x.T @ slope, "b": slope.sum(0)}


def test_a_function_with_right_and_wrong_gradients() -> None:
    variables = {"Wx": np.linspace(-0.4, 0.3, 6).reshape(3, 2), "b": np.array([0.1, -0.2])}
    gradients = hand_written(**variables)
    assert mg.debug.gradcheck_function(lstm_like, variables, gradients).ok
    gradients["b"] = gradients["b"] * 2
    report = mg.debug.gradcheck_function(lstm_like, variables, gradients)
    assert [(row.path, row.ok) for row in report.rows] == [("b", False), ("Wx", True)]
    assert report["b"].analytic == pytest.approx(2 * report["b"].numeric)
    assert mg.debug.gradcheck_function(lstm_like, variables, {**gradients, "b": None}).rows[0].analytic == 0.0
    np.testing.assert_array_equal(variables["b"], [0.1, -0.2])


def test_nan_in_a_gradient_is_wrong() -> None:
    variables = {"Wx": np.zeros((3, 2)), "b": np.full(2, 0.5)}
    gradients = {**hand_written(**variables), "b": np.array([np.nan, 0.0])}
    report = mg.debug.gradcheck_function(lstm_like, variables, gradients)
    assert not report.ok and report.rows[0].path == "b" and report.rows[0].worst == (0,)


def test_arguments_are_checked() -> None:
    variables = {"a": np.ones(2)}

    def loss(a: np.ndarray) -> float:
        return float(a.sum())

    with pytest.raises(ArgumentError, match=r"differ in \['a', 'b'\]"):
        mg.debug.gradcheck_function(loss, variables, {"b": np.ones(2)})
    with pytest.raises(InputError, match=r"gradient of a has shape \(3,\), the variable \(2,\)"):
        mg.debug.gradcheck_function(loss, variables, {"a": np.ones(3)})
    with pytest.raises(ArgumentError, match="eps and tolerance must be positive"):
        mg.debug.gradcheck(nn.Tanh(), np.ones(2), eps=0)
    with pytest.raises(ArgumentError, match="max_entries must be at least 1"):
        mg.debug.gradcheck(nn.Tanh(), np.ones(2), max_entries=0)
    with pytest.raises(ArgumentError, match="needs a module, got function"):
        mg.debug.gradcheck(loss, np.ones(2))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"input\[2\] is None"):
        mg.debug.gradcheck(nn.CAddTable(), [np.ones(2), None])
    with pytest.raises(ArgumentError, match="nothing called 'weight'"):
        mg.debug.gradcheck(nn.Tanh(), np.ones(2))["weight"]

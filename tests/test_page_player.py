"""The trace player: what a trace becomes as data, and the page in a browser."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rendering import needs_svg
from test_debug_trace import zaremba

import minigraph as mg
from minigraph import nn
from minigraph.debug import Trace, UnrollTrace
from minigraph.drawing.page.recorded.summaries import BINS, rms, summary
from minigraph.drawing.page.recorded.traces import traces_data
from minigraph.errors import DrawingError

Data = dict[str, Any]


def strict(data: Any) -> Any:
    """Return what a browser reads: no NaN and no Infinity in the JSON."""
    return json.loads(json.dumps(data, allow_nan=False))


def data_of(*traces: Any) -> list[Data]:
    return strict(traces_data(traces))


def state_of(data: Data, name: str, trace: Trace, direction: str = "backward") -> str:
    ids = {each.node.name: each.node.id for each in trace.nodes}
    return next(event["state"] for event in data[direction] if event["node"] == ids[name])


# -- tensors ---------------------------------------------------------------------------------


def test_summary_of_a_tensor_and_of_a_table() -> None:
    values = np.array([[0.0, 1.0, -3.0], [2.0, 0.0, 4.0]])
    found = summary(values)
    assert found is not None
    assert found["shape"] == "(2, 3)" and found["count"] == 6 and found["zero"] == 2
    assert found["norm"] == pytest.approx(np.linalg.norm(values), rel=1e-5)
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(values**2)), rel=1e-5)
    assert (found["min"], found["max"], found["mean"]) == (-3.0, 4.0, pytest.approx(2 / 3, rel=1e-5))
    assert found["values"] == [0.0, 1.0, -3.0, 2.0, 0.0, 4.0]
    np.testing.assert_array_equal(found["bins"], np.histogram(values, BINS)[0])
    table = summary([values, [None, np.ones(2)]])
    assert table is not None and table["count"] == 8 and table["shape"] == "{(2, 3), {None, (2,)}}"
    assert summary(None) is None and summary([None, [None]]) is None


@pytest.mark.parametrize(
    "values, expected",
    [
        ([np.nan, 1.0], {"nan": 1, "inf": 0, "min": 1.0}),
        ([np.inf, -np.inf, 2.0], {"nan": 0, "inf": 2, "max": 2.0}),
        ([np.nan], {"nan": 1, "min": None, "norm": None}),
        ([1e200, 1e200], {"norm": pytest.approx(np.sqrt(2) * 1e200, rel=1e-5)}),
        ([1e-200, 0.0], {"rms": pytest.approx(1e-200 / np.sqrt(2), rel=1e-5)}),
        ([-1.7e308, 1.7e308], {"bins": [1, *[0] * 14, 1]}),
        ([5.0, 5.0], {"bins": [2]}),
        ([], {"count": 0, "rms": 0.0}),
    ],
)
def test_summary_of_awkward_numbers_are_json(values: list[float], expected: Data) -> None:
    found = strict(summary(np.array(values)))
    assert {key: found[key] for key in expected} == expected


def test_rms_does_not_overflow() -> None:
    assert rms(np.array([1e300, 1e300])) == pytest.approx(1e300)
    assert rms(np.array([1e-300])) == pytest.approx(1e-300) and rms(np.zeros(3)) == 0.0


def test_large_tensors_are_statistics_only() -> None:
    found = summary(np.random.default_rng(0).standard_normal(100_000))
    assert found is not None and "values" not in found and sum(found["bins"]) == 100_000
    assert len(json.dumps(found)) < 500


# -- events ------------------------------------------------------------------------------------


def test_events_are_those_of_the_trace_in_order() -> None:
    net, x, g = zaremba(2)
    trace = mg.debug.trace(net, x, g)
    (data,) = data_of(trace)
    assert data["kind"] == "network" and data["marks"] == []
    assert [event["node"] for event in data["forward"]] == [node.id for node in net.forwardnodes]
    assert [event["node"] for event in data["backward"]] == [node.id for node in net.backwardnodes]
    for event, visited in zip(data["backward"], trace.nodes):
        assert event["summary"]["norm"] == pytest.approx(visited.norm, rel=1e-5)
        arrived = [data["contributions"][index] for index in event["from"]]
        assert [(each["consumer"], each["slot"]) for each in arrived] == [
            (each.consumer.id, each.slot + 1) for each in visited.contributions
        ]
        passed = [data["contributions"][index] for index in event["to"]]
        assert [each["source"] for each in passed] == [each.source.id for each in visited.passed_on]
        assert [each["summary"]["norm"] for each in passed] == [
            pytest.approx(each.norm, rel=1e-5) for each in visited.passed_on
        ]
    owners = {each["name"]: each["node"] for each in data["parameters"]}
    assert owners["l2.i2h.weight"] == next(node.id for node in net.forwardnodes if node.name == "l2.i2h")


def test_nothing_arrived_is_null() -> None:
    a = nn.Identity()().annotate(name="a")
    left, right = nn.Tanh()(a).annotate(name="left"), nn.Sigmoid()(a).annotate(name="right")
    trace = mg.debug.trace(nn.gModule([a], [left, right]), np.ones(2), [np.ones(2), None])
    (data,) = data_of(trace)
    event = next(each for each in data["backward"] if each["node"] == trace["right"].node.id)
    assert event["summary"] is None and event["state"] == "nothing"


def test_a_page_of_many_nodes_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigraph.drawing.page.recorded.traces.HISTOGRAMS", 100)
    net, x, g = zaremba(2)
    trace = mg.debug.trace(net, x, g)
    (data,) = data_of(trace)
    assert "bins" not in data["backward"][5]["summary"] and "bins" not in data["forward"][5]["summary"]
    assert data["backward"][5]["summary"]["norm"] == pytest.approx(trace.nodes[5].norm, rel=1e-5)


# -- troubles ------------------------------------------------------------------------------------


def chain(*modules: nn.Module) -> nn.gModule:
    """Return a network of modules one after the other, named m1, m2, ..."""
    x = nn.Identity()().annotate(name="x")
    node = x
    for number, module in enumerate(modules, 1):
        node = module(node).annotate(name=f"m{number}")
    return nn.gModule([x], [node])


def linear(weight: float, size: int = 2) -> nn.Linear:
    module = nn.Linear(size, size)
    module.weight[:] = weight * np.eye(size)
    module.bias[:] = 0
    return module


def marks_by(data: Data) -> dict[tuple[str, str], Data]:
    return {(mark["pass"], mark["kind"]): mark for mark in data["marks"]}


def test_nan_is_marked_where_it_first_appears_forward_and_backward() -> None:
    net = chain(linear(1.0), nn.Log(), linear(1.0))
    with np.errstate(all="ignore"):
        trace = mg.debug.trace(net, np.array([[0.0, 1.0]]))
    (data,) = data_of(trace)
    marks = marks_by(data)
    assert marks["forward", "inf"]["node"] == trace["m2"].node.id
    assert "everything it was given is finite" in marks["forward", "inf"]["text"]
    backward = marks["backward", "inf"]
    assert backward["node"] == trace["m2"].node.id
    assert "makes Inf from a finite gradient" in backward["text"]
    assert "the forward pass already had" in backward["text"]
    assert state_of(data, "m2", trace) == "" and state_of(data, "m1", trace) in ("nan", "inf")


def test_a_broken_parameter_is_named() -> None:
    net = chain(linear(1.0), nn.Tanh())
    net.modules[1].bias[0] = np.nan
    (data,) = data_of(mg.debug.trace(net, np.ones((1, 2))))
    assert "its parameter bias is not" in marks_by(data)["forward", "nan"]["text"]


def test_a_gradient_that_was_passed_in_broken_is_the_callers() -> None:
    trace = mg.debug.trace(chain(nn.Tanh()), np.ones((1, 2)), np.array([[np.nan, 1.0]]))
    (data,) = data_of(trace)
    mark = marks_by(data)["backward", "nan"]
    assert mark["event"] == 0 and "was passed to backward" in mark["text"]


def test_vanishing_is_marked_at_the_first_node_below_a_thousandth() -> None:
    net = chain(linear(0.05), linear(0.05), linear(0.05), linear(0.05))
    trace = mg.debug.trace(net, np.ones((3, 2)))
    (data,) = data_of(trace)
    # Gradients at m4 ... m1: 1, 0.05, 0.0025, 0.000125.
    assert [state_of(data, f"m{k}", trace) for k in (4, 3, 2, 1)] == ["", "", "", "vanishing"]
    mark = marks_by(data)["backward", "vanishing"]
    assert mark["node"] == trace["m1"].node.id and "0.000125" in mark["text"]
    assert data["reference"] == 1.0


def test_exploding_is_marked_at_the_first_node_above_a_thousand_times() -> None:
    net = chain(linear(20.0), linear(20.0), linear(20.0), linear(20.0))
    trace = mg.debug.trace(net, np.ones((3, 2)))
    (data,) = data_of(trace)
    assert [state_of(data, f"m{k}", trace) for k in (4, 3, 2, 1)] == ["", "", "", "exploding"]


def test_a_loss_averaged_over_many_entries_is_no_vanishing_gradient() -> None:
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    out = linear(1.0)(x).annotate(name="lin")
    net = nn.gModule([x, y], [nn.MSECriterion()([out, y]).annotate(name="loss")])
    rng = np.random.default_rng(0)
    trace = mg.debug.trace(net, [rng.standard_normal((5000, 2)), rng.standard_normal((5000, 2))])
    (data,) = data_of(trace)
    assert data["reference"] < 1e-3 and data["marks"] == []


def test_a_dead_unit_is_zero_and_a_zero_state_is_not() -> None:
    trace = mg.debug.trace(chain(linear(1.0), nn.AddConstant(-50), nn.ReLU()), np.ones((1, 2)))
    (data,) = data_of(trace)
    assert marks_by(data)["backward", "zero"]["node"] == trace["m2"].node.id
    assert state_of(data, "m1", trace) == "zero" and state_of(data, "m3", trace) == ""
    step, feedback = mg.rnn.lstm(2, 3)
    mg.manualSeed(1)
    trace = mg.debug.trace(step, [np.ones((1, 2)), np.zeros((1, 3)), np.zeros((1, 3))])
    (data,) = data_of(trace)
    assert data["marks"] == []  # the forget gate times a state of zeros gets no gradient, by right


def test_an_overflowing_sum_says_so() -> None:
    x = nn.Identity()().annotate(name="x")
    both = nn.CAddTable()([nn.MulConstant(1.0)(x), nn.MulConstant(1.0)(x)])
    with np.errstate(over="ignore"):
        trace = mg.debug.trace(nn.gModule([x], [both]), np.ones((1, 2)), np.full((1, 2), 1.5e308))
    (data,) = data_of(trace)
    assert "overflow to Inf when they are summed" in marks_by(data)["backward", "inf"]["text"]


def test_trouble_inside_a_network_inside_names_the_inner_node() -> None:
    inner = chain(linear(1.0), nn.Log())
    x = nn.Identity()().annotate(name="x")
    net = nn.gModule([x], [inner(x).annotate(name="cell")])
    with np.errstate(all="ignore"):
        (data,) = data_of(mg.debug.trace(net, np.array([[0.0, 1.0]])))
    assert marks_by(data)["forward", "inf"]["text"].endswith("inside it, first at m2")


# -- time steps ----------------------------------------------------------------------------------


def shrinking(T: int = 12, factor: float = 0.4) -> tuple[mg.rnn.Unroll, list[np.ndarray], np.ndarray]:
    """Return a recurrence whose gradient shrinks by ``factor`` a step, and its input and gradient."""
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([linear(1.0)(x).annotate(name="in"), linear(factor)(h).annotate(name="back")])
    step = nn.gModule([x, h], [nn.Identity()(total.annotate(name="sum")).annotate(name="y")])
    gradOutput = np.zeros((T, 1, 2))
    gradOutput[-1] = 1.0
    return mg.rnn.Unroll(step, {"y": "h"}), [np.ones((T, 1, 2)), np.zeros((1, 2))], gradOutput


def unrolled(T: int = 12, factor: float = 0.4) -> UnrollTrace:
    net, input, gradOutput = shrinking(T, factor)
    return mg.debug.trace(net, input, gradOutput)


def test_the_heat_map_has_the_norm_of_every_node_at_every_time() -> None:
    trace = unrolled()
    (data,) = data_of(trace)
    assert data["kind"] == "unroll" and data["T"] == 12 and data["columns"] == list(range(12))
    rows = {row["node"]: row for row in data["heat"]["gradient"]}
    row = rows[trace[0]["sum"].node.id]
    np.testing.assert_allclose(row["values"], [np.sqrt(2) * 0.4 ** (11 - t) for t in range(12)], rtol=1e-5)
    assert len(rows) == len(trace[0].nodes)
    assert [len(each["steps"]) for each in data["parameters"]] == [12] * 4
    assert data["arrivals"][11][0] == {
        "output": "y", "input": "h", "given": pytest.approx(np.sqrt(2), rel=1e-5), "later": None,
        "total": pytest.approx(np.sqrt(2), rel=1e-5),
    }
    assert data["arrivals"][4][0]["given"] == 0.0 and data["arrivals"][4][0]["later"] > 0


def test_vanishing_over_time_is_marked_at_the_latest_step() -> None:
    trace = unrolled(12, 0.4)
    (data,) = data_of(trace)
    mark = marks_by(data)["backward", "vanishing"]
    # 0.4 ** 8, which the linear node passes on to h seven steps before the last, is below a thousandth.
    assert mark["step"] == 11 - 7 and mark["node"] == trace[0]["h"].node.id
    assert "exploding" in {kind for _, kind in marks_by(data_of(unrolled(12, 3.0))[0])}


def test_long_sequences_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigraph.drawing.page.recorded.traces.EVENTS", 100)
    monkeypatch.setattr("minigraph.drawing.page.recorded.traces.CELLS", 200)
    trace = unrolled(40)
    (data,) = data_of(trace)
    kept = [int(t) for t in data["details"]]
    assert kept[0] == 0 and kept[-1] == 39 and len(kept) < 12
    assert data["columns"][0] == 0 and data["columns"][-1] == 39 and len(kept) < len(data["columns"]) < 40
    assert all(len(row["values"]) == len(data["columns"]) for row in data["heat"]["output"])


# -- two traces ----------------------------------------------------------------------------------


def test_two_traces_and_where_they_part() -> None:
    net, x, g = zaremba(2)
    first, second = mg.debug.trace(net, x, g), mg.debug.trace(net, x, [g[0], None])
    one, two = data_of(first, second)
    difference = two["difference"]
    report = first.diff(second)
    assert difference["alike"] and not difference["same"]
    assert difference["count"] == len(report.rows) and one["title"] == "first"
    assert difference["first"]["forward"] is None
    assert difference["first"]["backward"] == {"node": first.nodes[0].node.id, "step": None}
    here = first["l2.next_h"]
    row = next(row for row in difference["rows"] if row["kind"] == "sum" and row["node"] == here.node.id)
    largest = np.abs(here.value - second["l2.next_h"].value).max()
    assert row["abs"] == pytest.approx(largest, rel=1e-5)
    contribution = next(row for row in difference["rows"] if row["kind"] == "contribution")
    assert {contribution["node"], contribution["source"]} <= {each.node.id for each in first.nodes}


def test_two_traces_of_an_unroll_part_at_a_time_step() -> None:
    net, input, gradOutput = shrinking()
    first = mg.debug.trace(net, input, gradOutput)
    changed = input[0].copy()
    changed[5] += 1.0
    second = mg.debug.trace(net, [changed, input[1]], gradOutput)
    difference = data_of(first, second)[1]["difference"]
    assert difference["first"]["forward"]["step"] == 5 and difference["first"]["backward"] is None
    assert {row["step"] for row in difference["rows"] if row["kind"] == "forward"} == set(range(5, 12))


def test_networks_that_are_not_alike_are_matched_by_name() -> None:
    first = mg.debug.trace(chain(linear(1.0), nn.Tanh()), np.ones((1, 2)))
    second = mg.debug.trace(chain(linear(1.0), nn.Tanh(), nn.Sigmoid()), np.ones((1, 2)))
    difference = data_of(first, second)[1]["difference"]
    assert not difference["alike"]
    assert difference["match"][str(first["m2"].node.id)] == second["m2"].node.id
    ends = [{each.node.label: each.node.id for each in trace.nodes} for trace in (first, second)]
    assert difference["match"][str(ends[0]["<in>"])] == ends[1]["<in>"]
    lonely = [row["where"] for row in difference["rows"] if row["note"].startswith("only in")]
    assert "m3" in lonely and not [where for where in lonely if "<in>" in where]


def test_what_cannot_be_compared_is_refused() -> None:
    trace = mg.debug.trace(chain(nn.Tanh()), np.ones((1, 2)))
    with pytest.raises(DrawingError, match="cannot draw 3 traces"):
        traces_data([trace] * 3)
    with pytest.raises(DrawingError, match="cannot compare a trace of a network with one of an Unroll"):
        traces_data([trace, unrolled()])


# -- notebooks -----------------------------------------------------------------------------------


@needs_svg
def test_a_notebook_shows_a_trace_as_its_page_and_as_text() -> None:
    for trace in (mg.debug.trace(chain(linear(1.0)), np.ones((1, 2))), unrolled(3)):
        bundle = trace._repr_mimebundle_()  # type: ignore[attr-defined]
        assert bundle["text/plain"] == str(trace)
        frame = bundle["text/html"]
        assert frame.startswith("<iframe srcdoc=") and "<script" not in frame.partition(">")[0]
        page = html.unescape(frame.partition('srcdoc="')[2].partition('"')[0])
        assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")


@needs_svg
def test_draw_writes_the_page_of_one_trace_of_two_and_of_an_unroll(tmp_path: Path) -> None:
    net, x, g = zaremba(1)
    trace = mg.debug.trace(net, x, g)
    for number, what in enumerate((trace, [trace, trace], (trace,), unrolled(3))):
        text = mg.draw(what, tmp_path / f"{number}.html").read_text()
        data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
        assert len(data["traces"]) == (2 if number == 1 else 1)
        assert data["view"] == "backward"
    with pytest.raises(DrawingError, match="cannot draw list"):
        mg.draw([trace, "nothing"], tmp_path / "no.html")

"""debug.tables: every slot of the four tables, before and after a forward."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from rich.console import Console
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.debug import TableRow
from minigraph.errors import ArgumentError

CASES = {case["name"]: case for case in load("graphs")}


def names(rows: list[TableRow]) -> dict[str, str]:
    return {row.path: row.node for row in rows}


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_zaremba_lstm_before_any_forward(layers: int) -> None:
    net, _ = build_graph(CASES[f"zaremba_lstm_{layers}layers"])
    report = mg.debug.tables(net)
    states = [f"l{k}.next_{s}" for k in range(1, layers + 1) for s in "ch"]
    for table in ("output", "gradOutput"):
        expected = {f"{table}[1]": "res", f"{table}[2]": "next_s"}
        expected.update({f"{table}[2][{i}]": name for i, name in enumerate(states, 1)})
        assert names(report.table(table)) == expected
    for table in ("input", "gradInput"):
        expected = {f"{table}[1]": "x", f"{table}[2]": "prev_s"}
        expected.update({f"{table}[2][{i}]": f"s.{i}" for i in range(1, 2 * layers + 1)})
        assert names(report.table(table)) == expected
    row = report["gradOutput[2][2]"]
    assert row.python_path == "gradOutput[1][1]"
    assert (row.mirrors, row.mirrors_python) == ("output[2][2]", "output[1][1]")
    assert (row.module, row.shape, row.dtype, row.entries) == ("nn.CMulTable", None, None, None)
    assert report["output[2]"].entries == 2 * layers
    assert report["input[2][1]"].module == f"entry 1 of split({2 * layers})"
    assert "test_golden_graphs.py:" in row.location and "split at" in report["input[2][1]"].location


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_shapes_and_dtypes_appear_after_the_passes(layers: int) -> None:
    case = CASES[f"zaremba_lstm_{layers}layers"]
    net, _ = build_graph(case)
    before = [row.path for row in mg.debug.tables(net).rows]
    output = net.forward(value(case["input"]))
    report = mg.debug.tables(net)
    assert [row.path for row in report.rows] == before
    assert report["output[2][1]"].shape == output[1][0].shape
    assert report["output[2][1]"].dtype == "float64"
    assert report["gradInput[2][1]"].shape == output[1][0].shape
    assert report["gradInput[2][1]"].dtype is None, "not known before a backward"
    net.backward(value(case["input"]), value(case["gradOutput"]))
    assert mg.debug.tables(net)["gradInput[2][1]"].dtype == "float64"


@pytest.mark.parametrize("name", sorted(CASES))
def test_rows_are_the_nesting_of_the_real_tables(name: str) -> None:
    case = CASES[name]
    net, _ = build_graph(case)
    static = {row.path for row in mg.debug.tables(net).rows}
    tables = {"input": value(case["input"]), "gradOutput": value(case["gradOutput"])}
    tables["output"] = net.forward(tables["input"])
    tables["gradInput"] = net.backward(tables["input"], tables["gradOutput"])
    report = mg.debug.tables(net)
    assert static <= {row.path for row in report.rows}
    for row in report.rows:
        entry = tables[row.table]
        for position in row.position:
            entry = entry[position]
        if row.entries is None:
            assert entry.shape == row.shape and str(entry.dtype) == row.dtype
        else:
            assert isinstance(entry, list) and len(entry) == row.entries

    def count(table: Any) -> int:
        return 1 + sum(map(count, table)) if isinstance(table, list) else 1

    for table, count_of in (("input", net.nInputs), ("output", net.nOutputs)):
        assert len(report.table(table)) == count(tables[table]) - (count_of > 1)


def test_a_single_input_and_output_have_no_index() -> None:
    x = nn.Linear(3, 2)()
    net = nn.gModule([x], [nn.Tanh()(x)])
    report = mg.debug.tables(net)
    assert [row.path for row in report.rows] == ["input", "output", "gradOutput", "gradInput"]
    assert report["input"].python_path == "input" and report["input"].mirrors == "gradInput"


def test_tables_made_by_nest_concat_and_inner_graphs() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    cell = nn.gModule([a, b], [nn.CAddTable()([a, b]).annotate(name="h"), nn.Tanh()(a).annotate(name="c")])
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="y")
    lstm = cell([x, y]).annotate(name="lstm")
    both = nn.ConcatTable().add(nn.Tanh()).add(nn.Sigmoid())(x).annotate(name="both")
    picked = nn.SelectTable(-1)(mg.nest(x, [y], lstm)).annotate(name="picked")
    net = nn.gModule([x, y], [mg.nest([x]).annotate(name="one"), lstm, both, picked])
    report = mg.debug.tables(net)
    found = names(report.table("output"))
    assert found == {
        "output[1]": "one", "output[1][1]": "x",
        "output[2]": "lstm", "output[2][1]": "lstm/h", "output[2][2]": "lstm/c",
        "output[3]": "both", "output[3][1]": "both[1]", "output[3][2]": "both[2]",
        "output[4]": "picked", "output[4][1]": "lstm/h", "output[4][2]": "lstm/c",
    }
    net.forward([np.ones(2), np.ones(2)])
    assert names(mg.debug.tables(net).table("output")) == found


def test_unnamed_split_parts_and_a_split_inside_a_split() -> None:
    state = nn.Identity()().annotate(name="state")
    c, h = state.split(2)
    h1, h2 = nn.Identity()(h).split(2)
    net = nn.gModule([state], [nn.CAddTable()([c, h1.annotate(name="h1"), h2])])
    assert names(mg.debug.tables(net).table("input")) == {
        "input": "state", "input[1]": "state[1]", "input[2]": "state[2]",
        "input[2][1]": "h1", "input[2][2]": "<select 2>",
    }


def test_unknown_nesting_is_taken_from_the_values_and_named_by_select_nodes() -> None:
    table = nn.Identity()().annotate(name="table")
    second = nn.SelectTable(2)(table).annotate(name="second")
    parts = nn.SplitTable(1)(second).annotate(name="parts")
    net = nn.gModule([table], [parts])
    assert names(mg.debug.tables(net).table("input")) == {"input": "table"}
    net.forward([np.ones(3), np.ones((2, 4))])
    report = mg.debug.tables(net)
    assert names(report.table("input")) == {
        "input": "table", "input[1]": "table[1]", "input[2]": "second",
    }
    assert names(report.table("output")) == {
        "output": "parts", "output[1]": "parts[1]", "output[2]": "parts[2]",
    }
    assert report["output[2]"].shape == (4,)


def test_text_shows_both_notations_in_aligned_columns() -> None:
    case = CASES["zaremba_lstm_2layers"]
    net, _ = build_graph(case)
    net.forward(value(case["input"]))
    text = str(mg.debug.tables(net))
    assert "\x1b" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("output[2][3] ")]
    assert line.split()[:6] == [
        "output[2][3]", "output[1][2]", "gradOutput[2][3]", "gradOutput[1][2]", "l2.next_c", "nn.CAddTable",
    ]
    assert "(3, 4)" in line and "float64" in line and "test_golden_graphs.py" in line
    block = text.split("\n\n")[1].splitlines()
    column = block[1].index("node")
    assert {row[column - 2 : column] for row in block[3:]} == {"  "}
    assert "None anywhere in gradOutput means a zero gradient" in text
    terminal = StringIO()
    Console(force_terminal=True, width=300, file=terminal).print(mg.debug.tables(net))
    assert "gradOutput[2][3]" in terminal.getvalue() and "\x1b[1m" in terminal.getvalue()


def test_report_is_plain_data() -> None:
    case = CASES["zaremba_lstm_1layers"]
    net, _ = build_graph(case)
    net.forward(value(case["input"]))
    data = json.loads(json.dumps(mg.debug.tables(net).to_dict()))
    row = next(row for row in data["rows"] if row["path"] == "output[2][2]")
    assert row["node"] == "l1.next_h" and row["shape"] == [2, 3] and row["position"] == [1, 1]


def test_errors_say_what_is_there() -> None:
    x = nn.Identity()()
    report = mg.debug.tables(nn.gModule([x], [nn.Tanh()(x)]))
    with pytest.raises(ArgumentError, match=r"no slot 'output\[1\]'; there are input, output"):
        report["output[1]"]
    with pytest.raises(ArgumentError, match="the tables are input, output"):
        report.table("outputs")
    with pytest.raises(ArgumentError, match="needs a gModule, got Linear"):
        mg.debug.tables(nn.Linear(2, 2))  # type: ignore[arg-type]


def test_a_network_deeper_than_functions_nest() -> None:
    x = nn.Identity()().annotate(name="x")
    node = x
    for _ in range(1500):
        node = nn.Tanh()(node)
    rows = mg.debug.tables(nn.gModule([x], [node.annotate(name="y")])).rows
    assert {(row.table, row.node) for row in rows} >= {("input", "x"), ("output", "y")}

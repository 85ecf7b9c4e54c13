"""The examples run, print what they claim, and their graphs are the ones measured with Torch7."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import numpy as np
import pytest
from golden_files import assert_graph, load, value

import minigraph as mg
from minigraph.graph import Node

EXAMPLES = Path(__file__).parent.parent / "examples"
GOLDEN = {case["name"]: case for case in load("graphs")}


def printed(module: ModuleType) -> list[str]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        module.main()
    return text.getvalue().splitlines()


def test_every_example_has_a_test() -> None:
    files = Path(__file__).parent.glob("test_example*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    for path in EXAMPLES.glob("*.py"):
        assert f'example("{path.stem}")' in source, path.stem


# -- the graphs, against Torch7's own -----------------------------------------------------------


def torch7_label(node: Node, names: dict[str, str]) -> str:
    if node.name:
        return names.get(node.name, node.name)
    role = node.data.role
    return f"<select {node.data.selectindex}>" if role == "select" else f"<{role}>"


def agree_with_torch7(net: Any, case: dict[str, Any], names: dict[str, str]) -> None:
    """Compare orders, outputs and all gradients; ``names`` maps an example's names to Torch7's."""
    nodes = {torch7_label(node, names): node for node in net.forwardnodes}
    for record in case["nodes"]:
        if "params" in record:
            for mine, golden in zip(nodes[record["id"]].module.parameters()[0], value(record["params"])):
                mine[...] = golden
    assert_graph(net, nodes, case)
    assert [torch7_label(node, names) for node in net.forwardnodes] == case["forwardnodes"]
    assert [torch7_label(node, names) for node in net.backwardnodes] == case["backwardnodes"]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_zaremba_graph(example: Callable[[str], ModuleType], layers: int) -> None:
    case = GOLDEN[f"zaremba_lstm_{layers}layers"]
    names = {
        "in_gate": "in", "transform": "tr", "forget_gate": "forget", "out_gate": "out",
        "kept": "fc", "written": "it",
    }
    names = {f"l{n}.{mine}": f"l{n}.{theirs}" for n in range(1, 4) for mine, theirs in names.items()}
    for n in range(1, 4):
        names.update({f"l{n}.prev_c": f"s.{2 * n - 1}", f"l{n}.prev_h": f"s.{2 * n}"})
    size = case["input"]["table"][0]["shape"][1]
    agree_with_torch7(example("zaremba_lstm").zaremba_lstm(layers, size), case, names)


@pytest.mark.parametrize("sizes", [(3, 4), (4, 4), (4, 3)])
def test_narrow_graph(example: Callable[[str], ModuleType], sizes: tuple[int, int]) -> None:
    names = {
        "preactivations": "pre", "sigmoid_chunk": "chunk", "all_gates": "gates", "tanh_chunk": "in_chunk",
        "candidate": "tr", "in_gate": "in", "forget_gate": "forget", "out_gate": "out",
        "kept": "cf", "written": "ci", "tanh_c": "ct",
    }
    net = example("lstm_explained").lstm_cell(*sizes)
    agree_with_torch7(net, GOLDEN[f"apaszke_lstm_{sizes[0]}_{sizes[1]}"], names)


# -- what the examples print -----------------------------------------------------------------------


def test_zaremba_lstm(example: Callable[[str], ModuleType]) -> None:
    lines = printed(example("zaremba_lstm"))
    difference = float(lines[2].rpartition(" ")[2])
    assert lines[2].startswith("graph against plain NumPy") and difference < 1e-12
    assert "gradInput[2][3] (3, 4) belongs to prev_s[3], the cell of layer 2" in lines
    assert lines[-1] == "3 layer(s) of size 4: 480 parameters"


def test_lstm_explained(example: Callable[[str], ModuleType]) -> None:
    lines = printed(example("lstm_explained"))
    assert lines[:3] == [
        "cell 3->4: next_c (2, 4), next_h (2, 4)",
        "cell 4->4: next_c (2, 4), next_h (2, 4)",
        "cell 4->3: next_c (2, 3), next_h (2, 3)",
    ]
    match = re.fullmatch(r"finite differences on 19 tensors: largest error (\S+), of .*", lines[-1])
    assert match and float(match[1]) < 1e-8


def test_cs231n_lstm(example: Callable[[str], ModuleType]) -> None:
    lines = printed(example("cs231n_lstm"))
    differences = {line.split()[0]: float(line.split()[-1]) for line in lines if line.startswith("  ")}
    assert {"next_h", "dprev_c", "dx", "dh0", "dWx", "dWh", "db"} <= set(differences)
    assert max(differences.values()) < 1e-12


def test_cs231n_sequence_against_finite_differences(example: Callable[[str], ModuleType]) -> None:
    module = example("cs231n_lstm")
    rng = np.random.default_rng(0)
    names, sizes = ("x", "h0", "Wx", "Wh", "b"), ((2, 3, 2), (2, 3), (2, 12), (3, 12), (12,))
    arrays = {name: rng.normal(size=size) for name, size in zip(names, sizes)}
    dh = rng.normal(size=(2, 3, 3))
    gradients = module.lstm_backward(dh, module.lstm_forward(**arrays)[1])
    report = mg.debug.gradcheck_function(
        lambda **given: float((module.lstm_forward(**given)[0] * dh).sum()),
        arrays, dict(zip(names, gradients)),
    )
    assert report.ok and sum(row.checked for row in report.rows) == 90, str(report)


def test_bptt_gradient_check(example: Callable[[str], ModuleType]) -> None:
    lines = printed(example("bptt_gradient_check"))
    assert lines[0].split() == ["lstm_backward", "passes"]
    for line, name in zip(lines[1:4], ("inner_loop", "missing_sum", "both_mistakes")):
        assert line.split(maxsplit=1) == [name, "WRONG: Wh, Wx, b, input[1], input[2]"]
    words = [line.split() for line in lines[7:]]
    assert {row[1]: row[0] for row in words if row and row[0] in ("ok", "WRONG")} == {
        "Wx": "WRONG", "Wh": "WRONG", "b": "WRONG", "input[1]": "WRONG", "input[2]": "WRONG",
        "Wy": "ok", "by": "ok",
    }


def test_pytorch_cell_without_pytorch(
    example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails, installed or not
    lines = printed(example("pytorch_cell"))
    assert float(lines[4].rpartition(" ")[2]) < 1e-12
    assert lines[-1].startswith("PyTorch is not installed")


@pytest.mark.torch
def test_pytorch_cell(example: Callable[[str], ModuleType]) -> None:
    pytest.importorskip("torch")
    lines = [line for line in printed(example("pytorch_cell")) if "torch.nn.LSTMCell" in line]
    assert len(lines) == 3 and all(float(line.rpartition(" ")[2]) < 1e-12 for line in lines)


def test_state_gradients(example: Callable[[str], ModuleType]) -> None:
    module = example("state_gradients")
    lines = printed(module)
    assert sum("2 x the gradient" in line for line in lines) == 3
    assert sum("1 x the gradient" in line for line in lines) == 9
    for layers in (1, 2, 3):
        assert module.order_of_the_states(layers) == [(k, k) for k in range(1, 2 * layers + 1)]


def test_ddp_export_without_pytorch(
    example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "torch.distributed", None)
    (line,) = printed(example("ddp_export"))
    assert line.startswith("PyTorch is not installed")


@pytest.mark.torch
def test_ddp_export() -> None:
    pytest.importorskip("torch")
    script = str(EXAMPLES / "ddp_export.py")
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert "the processes agree: True" in lines
    assert float(lines[-1].rpartition(" ")[2]) < 1e-9

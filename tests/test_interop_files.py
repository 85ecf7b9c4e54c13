"""save_torch and ``minigraph convert``: files for others, that give the same numbers there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from interop_cases import as_torch, flat, is_criterion, largest, modules_of_the_registry, prepared
from test_interop_graphml import network

import minigraph as mg
from minigraph import interop, nn
from minigraph.cli import main
from minigraph.errors import ConversionError

needs_torch = pytest.mark.torch


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def loaded(source: Path) -> Any:
    """Run the source in a module of its own and load the weights."""
    namespace: dict[str, Any] = {"__name__": "written", "__file__": str(source)}
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), namespace)
    return namespace["load"]()


@needs_torch
def test_every_kind_of_layer_is_written_as_source(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    seen = set()
    for _, case in modules_of_the_registry():
        module, input = prepared(case)
        if case.name in seen or getattr(module, "stochastic_inference", False):
            continue
        seen.add(case.name)
        try:
            made = interop.to_torch(module)
        except ConversionError:
            continue
        path, source = interop.save_torch(module, tmp_path / f"{case.name}.pt")
        assert "minigraph." not in source.read_text(encoding="utf-8").replace("minigraph.interop", "")
        with torch.no_grad():
            given = as_torch(torch, input)
            wanted, found = flat(made(given)), flat(loaded(source)(given))
        assert largest(wanted, found) == 0, case.name
    assert len(seen) > 150 and any(is_criterion(case) for _, case in modules_of_the_registry())


@needs_torch
def test_sharing_modes_and_loops_survive(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mg.manualSeed(1)
    step, feedback = mg.rnn.lstm(3, 3, 2, dropout=0.5)
    net = nn.Sequential().add(mg.rnn.Unroll(step, feedback)).add(nn.SelectTable(-1))
    linear = nn.Linear(3, 3)
    net.add(nn.Bottle(nn.Sequential().add(linear).add(linear).add(nn.Dropout(0.3)))).float()
    net.modules[-1].evaluate()
    step.evaluate()
    _, source = interop.save_torch(net, tmp_path / "rnn.pt")
    back = loaded(source)
    rng = np.random.default_rng(0)
    input = [rng.normal(size=(4, 2, 3)), *(rng.normal(size=(2, 3)) for _ in range(4))]
    given = as_torch(torch, [entry.astype(np.float32) for entry in input])
    assert largest([net.forward(input)], [back(given).detach().numpy()]) < 1e-6
    assert back.training and not any(m.training for m in back.modules() if isinstance(m, torch.nn.Dropout))
    assert len(list(back.parameters())) == len(net.parameters()[0])


@needs_torch
def test_the_source_needs_no_minigraph(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    net = network()
    interop.save_torch(net, tmp_path / "model.pt")
    code = (
        "import sys; sys.modules['minigraph'] = None\n"
        "import model, torch\n"
        "print(model.load()(torch.ones(4, 3, dtype=torch.float64))[0].tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert largest([net.forward(np.ones((4, 3)))[0]], [np.array(eval(result.stdout))]) < 1e-12


# -- the command ------------------------------------------------------------------------------------


def convert(*arguments: Any) -> Any:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def test_between_torch7_and_native_files(tmp_path: Path) -> None:
    net = network()
    mg.save_t7(tmp_path / "a.t7", {"protos": {"rnn": net, "other": nn.Tanh()}, "opt": [1, 2]})
    result = convert(tmp_path / "a.t7", tmp_path / "b.safetensors", "--part", "protos.rnn")
    assert result.output.split() == [str(tmp_path / "b.safetensors")]
    result = convert(tmp_path / "b.safetensors", tmp_path / "c.t7")
    assert result.exit_code == 0, result.output
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert largest(net.forward(x), mg.load_t7(tmp_path / "c.t7").forward(x)) == 0
    assert convert(tmp_path / "c.t7", tmp_path / "d.graphml", "--input", "4x3").exit_code == 0
    assert "(4, 3)" in (tmp_path / "d.graphml").read_text(encoding="utf-8")


@needs_torch
def test_to_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = network()
    mg.save(tmp_path / "a.safetensors", net)
    result = convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    assert result.output.split() == [str(tmp_path / "b.pt"), str(tmp_path / "b.py")]
    x = np.random.default_rng(0).normal(size=(4, 3))
    found = loaded(tmp_path / "b.py")(torch.tensor(x))
    assert largest(net.forward(x), [tensor.detach().numpy() for tensor in found]) < 1e-12


@pytest.mark.onnx
def test_to_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    mg.save(tmp_path / "a.safetensors", network())
    assert "give --input" in convert(tmp_path / "a.safetensors", tmp_path / "b.onnx").output
    result = convert(tmp_path / "a.safetensors", tmp_path / "b.onnx", "--input", "4x3")
    assert result.exit_code == 0 and (tmp_path / "b.onnx").exists()


def test_failures_are_one_line(tmp_path: Path) -> None:
    mg.save_t7(tmp_path / "two.t7", {"a": nn.Tanh(), "b": [nn.Tanh()]})
    for arguments, words in (
        ((tmp_path / "two.t7", tmp_path / "x.t7"), "give --part, one of a, b.1"),
        ((tmp_path / "two.t7", tmp_path / "x.t7", "--part", "c"), "has no network 'c'"),
        ((tmp_path / "two.t7", tmp_path / "x.h5", "--part", "a"), "cannot write files that end in '.h5'"),
        ((tmp_path / "none.t7", tmp_path / "x.t7"), "No such file"),
    ):
        result = convert(*arguments)
        assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "x.t7").exists()

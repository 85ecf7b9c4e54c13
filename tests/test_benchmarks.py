"""The sides of ``benchmarks/compiled.py`` compute the same numbers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import from the benchmarks' folder, as their scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.split(".")[0] in ("peers", "lstm_step", "compiled"):
            del sys.modules[name]


CELLS = ("lstm", "gru", "highway")
PEERS = [
    *(("minigraph_nets", "Eager", cell) for cell in CELLS),
    *(("minigraph_nets", "Compiled", cell) for cell in CELLS),
    ("numpy_lstm", "Lstm", "lstm"),
    *(pytest.param("torch_eager", "Eager", cell, marks=pytest.mark.torch) for cell in CELLS),
    *(pytest.param("torch_layers", "Layers", cell, marks=pytest.mark.torch) for cell in ("lstm", "gru")),
]


@pytest.mark.parametrize("module, kind, cell", PEERS)
def test_peers_agree(module: str, kind: str, cell: str) -> None:
    if module.startswith("torch"):
        pytest.importorskip("torch")
    problems, nets = (importlib.import_module(f"peers.{name}") for name in ("problem", "minigraph_nets"))
    problem = problems.Problem(cell, 4, 3, 5, 2)
    right = nets.reference(problem)
    peer = getattr(importlib.import_module(f"peers.{module}"), kind)(problem)
    for _ in range(2):  # the second run finds the buffers of the first
        peer.run()
        assert right.distance(peer.answer()) < 1e-5
    wrong = peer.answer()
    wrong.gradients["xs"][1, 2, 3] += 1
    assert right.distance(wrong) > 1e-2


def test_blas_alone_runs_the_products_of_every_layer() -> None:
    problem = importlib.import_module("peers.problem").Problem("lstm", 4, 3, 5, 2)
    peer = importlib.import_module("peers.blas_alone").Products(problem)
    peer.run()
    # Two for each time step, four for all of them together, each of 2 * rows * H * 4H operations.
    assert len(peer.arrays) == 2 * (2 * 4 + 4)
    for a, b, out in peer.arrays:
        assert out == pytest.approx(a @ b, abs=1e-5)
    operations = sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in peer.arrays)
    assert operations == 2 * (2 + 4) * 4 * 2 * 3 * 5 * 20

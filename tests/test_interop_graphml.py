"""networkx and GraphML: names, modules and, after a forward, shapes; and extras that are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ArgumentError, MissingExtraError


def network() -> nn.gModule:
    x = nn.Identity()().annotate(name="x")
    a, b = nn.SplitTable(1, 1)(nn.Linear(3, 2)(x).annotate(name="i2h", description="gates <1>")).split(2)
    return nn.gModule([x], [nn.CAddTable()([a, b]).annotate(name="sum"), x])


def test_shapes_are_attributes_after_a_forward() -> None:
    net = network()
    before = interop.to_networkx(net)
    assert all("shape" not in notes for _, notes in before.nodes(data=True))
    net.forward(np.ones((4, 3)))
    graph = interop.to_networkx(net)
    notes = {n["name"] or n["label"]: n for _, n in graph.nodes(data=True)}
    assert notes["i2h"]["shape"] == "(4, 2)" and notes["i2h"]["module"] == "nn.Linear"
    assert notes["i2h"]["description"] == "gates <1>" and notes["sum"]["dtype"] == "float64"
    assert notes["<split>"]["shape"] == "{(4,), (4,)}"
    assert set(graph.edges) == set(before.edges) and nx.is_directed_acyclic_graph(graph)


def test_the_graph_of_a_compiled_network_is_that_of_the_network() -> None:
    net = network()
    graph = interop.to_networkx(mg.compile(net))
    assert nx.utils.graphs_equal(graph, interop.to_networkx(net))


def test_graphml_is_read_back(tmp_path: Path) -> None:
    net = network()
    net.forward(np.ones((4, 3)))
    net.forwardnodes[0].annotate(name="in\x00put")
    path = interop.to_graphml(net, tmp_path / "net.graphml")
    read = nx.read_graphml(path, node_type=int)
    assert dict(read.edges) == dict(interop.to_networkx(net).edges)
    assert {n["shape"] for _, n in read.nodes(data=True)} >= {"(4, 3)", "(4, 2)", "{(4,), (4,)}"}
    assert list(tmp_path.iterdir()) == [path]


def test_only_networks_have_nodes(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="gModule"):
        interop.to_graphml(nn.Linear(2, 2), tmp_path / "x.graphml")


def test_importing_minigraph_imports_neither_torch_nor_onnx() -> None:
    code = "import sys, minigraph; print({'torch', 'onnx', 'onnxruntime'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("extra", ["torch", "onnx"])
def test_a_missing_extra_is_named(extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(MissingExtraError, match=rf"minigraph\[{extra}\]"):
        if extra == "torch":
            interop.to_torch(network())
        else:
            interop.to_onnx(network(), tmp_path / "x.onnx", np.ones((2, 3)))
    with pytest.raises(ImportError):
        interop.from_torch(None) if extra == "torch" else interop.to_onnx(None, "x", None)

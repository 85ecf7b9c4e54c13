"""The 59 graphs of golden/graphs.json: numbers to 1e-12, and nngraph's own orders."""

from __future__ import annotations

from typing import Any

import pytest
from golden_files import assert_graph, build, load, value

from minigraph import nn
from minigraph.graph import Node

GRAPHS = load("graphs")


def build_graph(case: dict[str, Any]) -> tuple[nn.gModule, dict[str, Node]]:
    nodes: dict[str, Node] = {}
    for record in case["nodes"]:
        if "split" in record:
            parts = nodes[record["split"]].split(record["n"])
            for number, part in enumerate(parts, 1):
                nodes[f"{record['id']}.{number}"] = part.annotate(name=f"{record['id']}.{number}")
            continue
        module = build(record["module"])
        sources = [nodes[name] for name in record["from"] or []]
        node = module(sources) if len(sources) > 1 else module(*sources)
        nodes[record["id"]] = node.annotate(name=record["id"])
        for mine, golden in zip(module.parameters()[0], value(record.get("params", {"table": []}))):
            mine[...] = golden
    net = nn.gModule([nodes[n] for n in case["inputs"]], [nodes[n] for n in case["outputs"]])
    return net, nodes


def label(node: Node) -> str:
    if node.name:
        return node.name
    if node.data.role == "select":
        return f"<select {node.data.selectindex}>"
    return f"<{node.data.role}>"


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case["name"])
def test_numbers(case: dict[str, Any]) -> None:
    net, nodes = build_graph(case)
    for _ in range(2):  # the second pass runs in the buffers of the first
        assert_graph(net, nodes, case)


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case["name"])
def test_orders_and_edges(case: dict[str, Any]) -> None:
    net, _ = build_graph(case)
    assert [label(node) for node in net.forwardnodes] == case["forwardnodes"]
    assert [label(node) for node in net.backwardnodes] == case["backwardnodes"]
    assert [(n.id, label(n)) for n in net.fg.nodes] == [
        (n["id"], n["label"]) for n in case["fg_nodes"]
    ]
    assert [[e.source.id, e.target.id] for e in net.fg.edges] == case["fg_edges"]
    assert [module.typename() for module in net.modules] == case["modules"]

"""Read the golden files: numbers measured with the real Torch7."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minigraph import nn

HERE = Path(__file__).parent / "golden"


@lru_cache
def load(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text())


def value(record: Any) -> Any:
    """Turn a golden record into a tensor, a table or a number."""
    if not isinstance(record, dict) or "number" in record:
        return record["number"] if isinstance(record, dict) else record
    if "table" in record:
        return [value(entry) for entry in record["table"] or []]
    return np.array(record["data"].split(), float).reshape(record["shape"])


def build(spec: dict[str, Any]) -> Any:
    """Construct the module or criterion of a golden ``spec``."""
    children = [build(child) for child in spec.get("children", [])]
    arguments = list(spec["args"] or [])
    if spec["type"] in ("Bottle", "MapTable"):
        return getattr(nn, spec["type"])(children[0], *arguments)
    module = getattr(nn, spec["type"])(*arguments)
    for child in children:
        module.add(child)
    return module


def assert_close(actual: Any, expected: Any, tolerance: float, where: str = "") -> None:
    """Compare nested tables; the tolerance is absolute up to 1 and relative beyond."""
    if isinstance(expected, list):
        assert isinstance(actual, list), f"{where}: {type(actual)}"
        assert len(actual) == len(expected), f"{where}: {len(actual)} entries, not {len(expected)}"
        for i, (a, e) in enumerate(zip(actual, expected)):
            assert_close(a, e, tolerance, f"{where}[{i}]")
    else:
        assert np.shape(actual) == np.shape(expected), f"{where}: {np.shape(actual)}"
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=where)


def assert_graph(net: Any, nodes: dict[str, Any], case: dict[str, Any], tolerance: float = 1e-12) -> None:
    """Run a graph forward and backward; compare all numbers. ``nodes`` are found by golden id."""
    net.zeroGradParameters()
    assert_close(net.forward(value(case["input"])), value(case["output"]), tolerance, "output")
    gradInput = net.backward(value(case["input"]), value(case["gradOutput"]))
    assert_close(gradInput, value(case["gradInput"]), tolerance, "gradInput")
    for record in case["nodes"]:
        if "gradParams" in record:
            gradients = nodes[record["id"]].module.parameters()[1]
            assert_close(gradients, value(record["gradParams"]), tolerance, record["id"])

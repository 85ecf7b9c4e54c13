"""Read the golden files: numbers measured with the real Torch7."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minigraph import nn
from minigraph.tensors import TENSOR_TYPES

HERE = Path(__file__).parent / "golden"


@lru_cache
def load(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text())


def value(record: Any, kind: Any = None) -> Any:
    """Turn a golden record into a tensor (of a type, or a table of types), a table or a number."""
    if not isinstance(record, dict) or "number" in record:
        return record["number"] if isinstance(record, dict) else record
    if "table" in record:
        entries = record["table"] or []
        kinds = kind if isinstance(kind, list) else [None] * len(entries)
        return [value(entry, kind) for entry, kind in zip(entries, kinds)]
    tensor = np.array(record["data"].split(), float).reshape(record["shape"])
    return tensor.astype(TENSOR_TYPES[kind or "torch.DoubleTensor"])


def argument(record: Any) -> Any:
    """Turn an argument of a constructor or a setter into one for ours."""
    if isinstance(record, dict) and "tensor" in record:
        return value(record["tensor"], record["type"])
    return int(record) if isinstance(record, float) and record.is_integer() else record


def build(spec: dict[str, Any]) -> Any:
    """Construct the module or criterion of a golden ``spec``."""
    children = [build(child) for child in spec.get("children", [])]
    arguments = [argument(record) for record in spec["args"] or []]
    if spec["type"] in ("Bottle", "MapTable", "WeightNorm"):
        return getattr(nn, spec["type"])(children[0], *arguments)
    module = getattr(nn, spec["type"])(*arguments)
    for child, weight in zip(children, spec.get("cweights", [None] * len(children))):
        module.add(child) if weight is None else module.add(child, weight)
    for name, *given in spec.get("calls", []):
        getattr(module, name)(*map(argument, given))
    for name, given in spec.get("set", {}).items():
        setattr(module, name, argument(given))
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

"""The single modules and criterions of golden/modules.json, to 1e-9."""

from __future__ import annotations

from typing import Any

import pytest
from golden_files import assert_close, build, load, value

import minigraph as mg
from minigraph import nn


def _built(cases: list[dict[str, Any]]) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['name']}-{number}")
        for number, case in enumerate(cases)
        if hasattr(nn, case["spec"]["type"])
    ]


@pytest.mark.parametrize("case", _built(load("modules")["modules"]))
def test_module(case: dict[str, Any]) -> None:
    module = build(case["spec"])
    for mine, golden in zip(module.parameters()[0], value(case.get("params", {"table": []}))):
        mine[...] = golden.reshape(mine.shape)
    if case["evaluate"]:
        module.evaluate()
    input, gradOutput = value(case["input"]), value(case["gradOutput"])
    for _ in range(2):  # the second pass runs in the buffers of the first
        module.zeroGradParameters()
        if "seed" in case:
            mg.manualSeed(case["seed"])
        assert_close(module.forward(input), value(case["output"]), 1e-9, "output")
        gradInput = module.backward(input, gradOutput)
        if "gradInput" in case:
            assert_close(gradInput, value(case["gradInput"]), 1e-9, "gradInput")
        if "gradParams" in case:
            assert_close(module.parameters()[1], value(case["gradParams"]), 1e-9, "gradParams")


@pytest.mark.parametrize("case", _built(load("modules")["criterions"]))
def test_criterion(case: dict[str, Any]) -> None:
    criterion = build(case["spec"])
    input, target = value(case["input"]), value(case.get("target"))
    for _ in range(2):
        assert_close(criterion.forward(input, target), case["loss"], 1e-9, "loss")
        assert_close(criterion.backward(input, target), value(case["gradInput"]), 1e-9, "gradInput")

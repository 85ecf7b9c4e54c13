"""The single modules and criterions that Torch7 ran, in golden/modules.json and modules_more.json."""

from __future__ import annotations

from typing import Any

import pytest
from golden_files import assert_close, build, load, value

import minigraph as mg


def _cases(*lists: list[dict[str, Any]]) -> pytest.MarkDecorator:
    cases = [case for cases in lists for case in cases]
    names = [f"{case['name']}-{number}" for number, case in enumerate(cases)]
    return pytest.mark.parametrize("case", cases, ids=names)


FIRST, MORE = load("modules"), load("modules_more")


def _pass(module: Any, case: dict[str, Any], scale: float, types: Any = None) -> None:
    """Run forward and backward; compare what comes out and the gradients that add up."""
    input, gradOutput = value(case["input"], types), value(case["gradOutput"])
    assert_close(module.forward(input), value(case["output"]), 1e-9, "output")
    gradInput = module.backward(input, gradOutput, scale)
    if module.typename() == "nn.Index":  # measured is the gradient of the tensor
        gradInput, zeros = gradInput
        assert zeros.shape == input[1].shape and not zeros.any()
    if "gradInput" in case:
        assert_close(gradInput, value(case["gradInput"]), 1e-9, "gradInput")
    if "gradParams" in case:
        for mine, golden in zip(module.parameters()[1], value(case["gradParams"])):
            assert_close(mine, golden.reshape(mine.shape), 1e-9, "gradParams")


@_cases(FIRST["modules"], MORE["modules"], MORE["modules_ext"])
def test_module(case: dict[str, Any]) -> None:
    module = build(case["spec"])
    for mine, golden in zip(module.parameters()[0], value(case.get("params", {"table": []}))):
        mine[...] = golden.reshape(mine.shape)
    if case["evaluate"]:
        module.evaluate()
    scale = case.get("scale", 1.0)
    for _ in range(1 if "after" in case else 2):  # the second pass runs in the buffers of the first
        module.zeroGradParameters()
        if "seed" in case:
            mg.manualSeed(case["seed"])
        _pass(module, case, scale, case.get("types"))
    for name, expected in case.get("after", {}).items():
        assert_close(getattr(module, name), value(expected), 1e-9, name)
    if "second" in case:  # other numbers, gradients added to those before
        _pass(module, case["second"], scale)


@_cases(FIRST["criterions"], MORE["criterions"], MORE["criterions_ext"])
def test_criterion(case: dict[str, Any]) -> None:
    criterion = build(case["spec"])
    input, target = value(case["input"]), value(case.get("target"))
    for _ in range(2):
        assert_close(criterion.forward(input, target), case["loss"], 1e-9, "loss")
        assert_close(criterion.backward(input, target), value(case["gradInput"]), 1e-9, "gradInput")


DISPUTED = {case["name"]: case for case in MORE["disputed"]}


@pytest.mark.parametrize("name", ["Cosine(4,3)", "Bilinear(3,2,2)"])
def test_torch_leaves_the_scale_out(name: str) -> None:
    case = DISPUTED[name]
    module = build(case["spec"])
    for mine, golden in zip(module.parameters()[0], value(case["params"])):
        mine[...] = golden
    module.zeroGradParameters()
    module.forward(value(case["input"]))
    module.backward(value(case["input"]), value(case["gradOutput"]), case["scale"])
    measured = value(case["gradParams"])[0]
    assert_close(module.gradWeight, case["scale"] * measured, 1e-9, "gradWeight")


def test_torch_leaves_the_mask_out() -> None:
    case = DISPUTED["Dropout(0.4,false,false,true)"]
    module = build(case["spec"]).evaluate()
    mg.manualSeed(case["seed"])
    assert_close(module.forward(value(case["input"])), value(case["output"]), 1e-9, "output")
    gradient = module.backward(value(case["input"]), value(case["gradOutput"]))
    assert_close(gradient, value(case["gradInput"]) * module.noise, 1e-9, "gradInput")
    assert (gradient == 0).any()


@pytest.mark.parametrize("name", ["SoftMarginCriterion(false)", "DistKLDivCriterion(false)"])
def test_torch_averages_all_the_same(name: str) -> None:
    case = DISPUTED[name]
    criterion, input = build(case["spec"]), value(case["input"])
    loss = criterion.forward(input, value(case["target"]))
    assert loss == pytest.approx(input.size * case["loss"], rel=1e-9)

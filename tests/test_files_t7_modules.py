"""Every module and criterion through a .t7 file: numbers, parameters, what Torch7 would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from module_registry import CASES
from registry.case import Case, same
from t7_records import differences, read_records

import minigraph as mg
from minigraph.errors import T7Error

#: What Torch7 cannot do at all, or not write.
REFUSED = {
    "PixelShuffle": "only goes up", "Profile": "cannot store the clock",
    "SpatialClassNLLCriterion": "ignoreIndex",
}


def case_id(case: Case) -> str:
    return f"{case.name}-{case.label}"


def outcome(case: Case, module: Any) -> tuple[Any, ...]:
    input, target = case.data()
    output = case.forward(module, input, target)
    gradOutput = target if case.target else case.gradient(output)
    gradInput = case.backward(module, input, gradOutput)
    gradients = [] if case.target else module.parameters()[1]
    return output, gradInput, [gradient.copy() for gradient in gradients]


def settle(back: Any, module: Any) -> None:
    """Give an unpooling layer what its pooling layer found: results of a pass are in no file."""
    if hasattr(module, "pooling"):
        back.pooling.indices = module.pooling.indices.copy()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_module_comes_back(case: Case, tmp_path: Path) -> None:
    module = case.fresh()
    path = tmp_path / "module.t7"
    try:
        mg.save_t7(path, module)
    except T7Error as error:
        assert REFUSED[case.name] in str(error)
        assert not path.exists()
        return
    back = mg.load_t7(path)
    assert type(back) is type(module)
    assert repr(back) == repr(module)
    again = tmp_path / "again.t7"
    mg.save_t7(again, back)
    assert not differences(read_records(path), read_records(again))
    settle(back, module)
    if not case.target:
        same(back.parameters()[0], module.parameters()[0], 0)
    for mine, theirs in zip(outcome(case, back), outcome(case, case.fresh())):
        same(mine, theirs, 0)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_module_that_has_run_comes_back(case: Case, tmp_path: Path) -> None:
    module = case.fresh()
    expected = outcome(case, module)
    try:
        mg.save_t7(tmp_path / "module.t7", module)
    except T7Error as error:
        assert REFUSED[case.name] in str(error)
        return
    back = mg.load_t7(tmp_path / "module.t7")
    settle(back, module)
    if not case.target:
        back.zeroGradParameters()
        module.zeroGradParameters()
    after = outcome(case, module)
    for mine, theirs in zip(outcome(case, back), after):
        same(mine, theirs, 0)
    assert len(expected) == len(after)

"""docs/modules.md is what its script writes from the code as it stands."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "docs" / "make_modules_page.py"


def test_the_page_is_up_to_date_and_complete() -> None:
    module = runpy.run_path(str(SCRIPT))
    text = module["PAGE"].read_text()
    assert text == module["page"](), "run python docs/make_modules_page.py"
    for name in module["public_classes"]():
        assert f"| `nn.{name}` |" in text


def test_what_torch_measured_exists_here() -> None:
    module = runpy.run_path(str(SCRIPT))
    assert module["golden_types"]() <= set(module["public_classes"]())

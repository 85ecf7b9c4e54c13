"""What several test files use."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Callable

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import an example as a script finds it: with its own folder on the path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module

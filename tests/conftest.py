"""What several test files use."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Iterator

import browsing
import hypothesis
import pytest

# No test depends on how fast the machine is.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import an example as a script finds it: with its own folder on the path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of pages."""
    yield from browsing.start()


@pytest.fixture
def visit(browser: Any) -> Iterator[browsing.Visit]:
    """Open pages; at the end, the browser must have had nothing to complain about."""
    visit = browsing.Visit(browser)
    yield visit
    visit.close()
    assert not visit.complaints

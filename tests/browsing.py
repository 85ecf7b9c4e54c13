"""Chromium for the tests of pages: whether there is one, and how it is started."""

from __future__ import annotations

import shutil
from typing import Any, Iterator

import pytest

#: No graphics card, and no calls home.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]


def program() -> str:
    """Return the path of Chromium; skip the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("Chromium is not installed")


def start() -> Iterator[Any]:
    """Yield a running browser and close it at the end; skip where Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = program()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """Pages opened in contexts of their own; ``complaints`` is all that went wrong in them."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.complaints: list[str] = []
        self.contexts: list[Any] = []

    def open(self, path: Any, **options: Any) -> Any:
        """Return the page of an HTML file, ready to be used."""
        settings = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        context = self.browser.new_context(**settings)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(300_000)  # what is waited for may take its time
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", self._request)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        return page

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.complaints.append(f"asked for {request.url}")

    def close(self) -> None:
        """Close everything that was opened."""
        for context in self.contexts:
            context.close()

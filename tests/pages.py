"""README, its neighbours and docs as programs: their Python blocks in order, and what they draw."""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Iterator, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
IMAGES = ROOT / "docs" / "images"

_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```(?:text)?\n(.*?)^```)?", re.M | re.S)


class Block(NamedTuple):
    """A Python block: the line it starts at, its code, and what the page says that it prints.

    A block of plain text (no language) right after a Python block is what that one prints.
    """

    line: int
    code: str
    expected: str


def name_of(page: Path) -> str:
    """Return a page's path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the Python blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [Block(text.count("\n", 0, m.start()) + 2, m[1], m[2] or "") for m in _BLOCK.finditer(text)]


def run(page: Path) -> Iterator[tuple[Block, str]]:
    """Run a page's blocks in one namespace, in the current folder; yield each with what it printed."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile("\n" * (block.line - 1) + block.code, page.name, "exec"), namespace)
        yield block, output.getvalue()


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures lead, with the part after ``#`` (the anchor)."""
    return links_in(page.read_text(encoding="utf-8"))


def links_in(text: str) -> list[str]:
    """Return where the links and pictures of a Markdown text lead."""
    return re.findall(r"(?:\]\(|src=\"|href=\")([^)\s\"]+)", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: those of its headings, and its own."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ +(.*)$", text, re.M)
    own = re.findall(r"<a id=\"([\w-]+)\">", text)
    return {*own, *(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)}


def what_it_says(svg: Path) -> tuple[list[str], int]:
    """Return the words on a picture, sorted, and how many lines there are: its content without the layout."""
    elements = list(ElementTree.parse(svg).iter())
    words = sorted(element.text or "" for element in elements if element.tag.endswith(("}text", "}tspan")))
    return words, sum(element.get("class", "").split(" ")[0] == "edge" for element in elements)

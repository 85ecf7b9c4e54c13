"""README and docs: every Python block runs, prints what the page shows, and links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rendering import CAN_DRAW

from minigraph.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
EXAMPLES = ROOT / "examples"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """Return ``(line, code, expected output)`` of a page's Python blocks.

    A block of plain text (no language) right after a Python block is what that one prints.
    """
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r"^```python\n(.*?)^```\n(?:\n```(?:text)?\n(.*?)^```)?", re.M | re.S)
    return [(text.count("\n", 0, m.start()) + 2, m[1], m[2] or "") for m in pattern.finditer(text)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_pages_run_and_print_what_they_show(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not CAN_DRAW and any("mg.draw" in code for _, code, _ in blocks(page)):
        pytest.skip("nothing here can draw")
    for module in ("torch", "onnxruntime"):
        if any(f"import {module}\n" in code for _, code, _ in blocks(page)):
            pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))  # a page may say that it runs in that folder
    namespace: dict[str, Any] = {"__name__": "page"}
    for line, code, expected in blocks(page):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile("\n" * (line - 1) + code, page.name, "exec"), namespace)
        if expected:
            got = [row.rstrip() for row in output.getvalue().rstrip().splitlines()]
            assert got == expected.rstrip().splitlines(), f"{page.name}:{line}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_print_what_pages_show(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a console block, each line after a ``$ minigraph`` is one that the command prints, in order."""
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        command, *shown = block.rstrip().splitlines()
        prompt, program, *arguments = command.split()
        assert (prompt, program) == ("$", "minigraph"), command
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        printed = iter(result.stdout.splitlines())
        assert [line for line in shown if line not in printed] == []


def test_the_readme_gives_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in readme if line.startswith("python -m pip install ")]
    assert commands == [
        "python -m pip install . && minigraph demo",
        "python -m pip install '.[test]' && pytest",
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"(?:\]\(|src=\"|href=\")([^)#\s\"]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_picture_shows_the_graph_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """``docs/images/lstm.svg`` is made by the command in the README; here, that it is not stale."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    net, _ = importlib.import_module("zaremba_lstm").two_layers()
    drawn = ElementTree.parse(ROOT / "docs/images/lstm.svg").iter("{http://www.w3.org/2000/svg}text")
    texts = {element.text for element in drawn}
    names = {node.name for node in net.forwardnodes if node.name}
    assert len(names) > 40 and names <= texts

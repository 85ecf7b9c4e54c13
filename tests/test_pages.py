"""README and docs: every Python block runs and prints what the page shows, pictures show what is drawn
now, links lead somewhere."""

from __future__ import annotations

import importlib
import operator
import re
from pathlib import Path
from types import ModuleType

import networkx
import pages
import pytest
from click.testing import CliRunner
from rendering import CAN_DRAW, needs_svg

import minigraph as mg
from minigraph.cli import main

ROOT, PAGES = pages.ROOT, pages.PAGES
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("page", [page for page in PAGES if pages.blocks(page)], ids=pages.name_of)
def test_pages_run_and_print_what_they_show(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [block.code for block in pages.blocks(page)]
    if not CAN_DRAW and any(re.search(r"mg\.(draw|dot|setDebug)\(", code) for code in codes):
        pytest.skip("nothing here can draw")
    for module in ("torch", "onnxruntime", "llvmlite"):
        if any(f"import {module}\n" in code for code in codes):
            pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))  # a page may say that it runs in that folder
    for block, printed in pages.run(page):
        if block.expected:
            got = [row.rstrip() for row in printed.rstrip().splitlines()]
            assert got == block.expected.rstrip().splitlines(), f"{page.name}:{block.line}"
    shown = {Path(link).name for link in pages.links(page)}
    for drawn in tmp_path.glob("*.svg"):
        if drawn.name in shown:
            assert_current(pages.IMAGES / drawn.name, drawn)


def assert_current(kept: Path, drawn: Path) -> None:
    """A picture in docs/images says what the one just drawn says."""
    assert kept.exists() and pages.what_it_says(kept) == pages.what_it_says(drawn), (
        f"docs/images/{kept.name} is not what is drawn now: run python docs/make_images.py and look at it"
    )


def test_every_picture_is_shown() -> None:
    shown = {Path(link).name for page in PAGES for link in pages.links(page)}
    assert {path.name for path in pages.IMAGES.glob("*.svg")} <= shown


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
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


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in pages.anchors(file), f"{page.name}: {link}"


@needs_svg
def test_the_picture_of_two_layers_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``docs/images/lstm.svg`` is made by a command, not by a page."""
    monkeypatch.chdir(ROOT)
    drawn = tmp_path / "lstm.svg"
    result = CliRunner().invoke(main, ["draw", "examples/zaremba_lstm.py:two_layers", "-o", str(drawn)])
    assert result.exit_code == 0, result.output
    assert_current(pages.IMAGES / "lstm.svg", drawn)


def test_the_picture_of_the_slots_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    importlib.import_module("slots").draw(tmp_path / "slots.svg")
    assert_current(pages.IMAGES / "gradient-slots.svg", tmp_path / "slots.svg")


def test_the_reference_has_every_layer_and_every_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    found = importlib.import_module("reference_pages").pages()
    names = [name for _, page in found.values() for name in page]
    layers = {f"nn.{name}" for name, value in vars(mg.nn).items() if isinstance(value, type)}
    assert layers <= set(names)
    rooms = {name for name in mg.__all__ if isinstance(getattr(mg, name), ModuleType)}
    assert rooms <= {name.split(".")[0] for name in names}
    functions = {name for name in mg.__all__ if callable(getattr(mg, name))}
    assert functions <= {name.split(".")[-1] for name in names}
    assert len(names) == len(set(names))
    for name in names:
        assert operator.attrgetter(name)(mg).__doc__, name


def test_the_picture_of_the_rooms_shows_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arrows may lag behind the imports, which must not form a circle."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    house = importlib.import_module("rooms").imports()
    assert networkx.is_directed_acyclic_graph(house)
    words, _ = pages.what_it_says(pages.IMAGES / "rooms.svg")
    assert set(house) <= set(words)

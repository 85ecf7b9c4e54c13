"""The package as others meet it: imported, listed, started, on PyPI, in a clone."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pages
import pytest
from pages import ROOT

import minigraph as mg

ROOMS = [name for name in mg.__all__ if isinstance(getattr(mg, name), ModuleType)]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def repository() -> str:
    found = re.search(r'^Repository = "(.+)"', text("pyproject.toml"), re.M)
    assert found is not None
    return found[1]


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- imported ----------------------------------------------------------------------------------------


def test_importing_takes_no_library_but_numpy_along() -> None:
    """A network can be built and run without any of the others."""
    loaded = run("-c", """if True:
        import sys
        before = set(sys.modules)
        import numpy as np
        import minigraph as mg
        from minigraph import nn
        x = nn.Identity()()
        net = nn.gModule([x], [nn.Linear(2, 2)(x)])
        net.backward(np.ones((1, 2)), net.forward(np.ones((1, 2))))
        print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
    """).split()
    needed = re.search(r"^dependencies = \[(.*?)^\]", text("pyproject.toml"), re.M | re.S)
    assert needed is not None
    libraries = {name.replace("-", "_") for name in re.findall(r'"([\w-]+)', needed[1])}
    assert {"numpy", "networkx", "rich", "wasmtime", "safetensors", "click"} <= libraries
    assert libraries & set(loaded) == {"numpy"}
    assert not {"torch", "onnx", "llvmlite", "IPython"} & set(loaded)


def test_names_that_are_imported_later_are_there_at_once() -> None:
    printed = run("-c", """if True:
        import minigraph as mg
        print(mg.interop.to_torch.__name__, mg.draw.__name__, mg.compile.__name__, mg.text.Corpus.__name__)
        from minigraph import load_t7, setDebug
        print(load_t7 is mg.files.load_t7, mg.compiler.compile is mg.compile)
    """)
    assert printed.split() == ["to_torch", "draw", "compile", "Corpus", "True", "True"]
    with pytest.raises(AttributeError, match="module 'minigraph' has no attribute 'drow'"):
        _ = mg.drow  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", *ROOMS, "compiler", "drawing", "graph"])
def test_dir_shows_the_public_names(name: str) -> None:
    room: Any = getattr(mg, name) if name else mg
    assert dir(room) == sorted(set(room.__all__))
    for each in room.__all__:
        assert not each.startswith("_") and hasattr(room, each)
        value = getattr(room, each)
        assert not isinstance(value, ModuleType) or name == "", f"{each} is a module"


def test_the_command_line_starts_as_a_module() -> None:
    assert run("-m", "minigraph", "--version").split() == ["python", "-m", "minigraph", mg.__version__]


# -- on PyPI -----------------------------------------------------------------------------------------


@pytest.fixture
def description(monkeypatch: pytest.MonkeyPatch) -> str:
    """The text that PyPI shows, as setup.py hands it over."""
    given: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "setuptools", SimpleNamespace(setup=given.update))
    runpy.run_path(str(ROOT / "setup.py"))
    assert given["long_description_content_type"] == "text/markdown"
    return given["long_description"]


def test_links_of_the_description_lead_there_from_anywhere(description: str) -> None:
    base = f"{repository()}/"
    readme = text("README.md")
    links = [link for link in pages.links_in(description) if not link.startswith("#")]
    assert len(links) == len([link for link in pages.links_in(readme) if not link.startswith("#")])
    assert [link for link in links if not link.startswith("https://")] == []
    own = [link.removeprefix(base) for link in links if link.startswith(base)]
    assert len(own) > 30
    for link in own:
        kind, version, path = link.partition("#")[0].split("/", 2)
        assert (ROOT / path).exists() and version == f"v{mg.__version__}"
        assert kind == ("raw" if path.endswith((".svg", ".png")) else "blob")
    assert re.sub(re.escape(base) + r"(raw|blob)/v[^/]+/", "", description) == readme


# -- in a clone --------------------------------------------------------------------------------------


def test_the_version_stands_where_it_is_cited() -> None:
    assert f"\nversion: {mg.__version__}\n" in text("CITATION.cff")
    assert f"\n## [{mg.__version__}] - " in text("CHANGELOG.md")


@pytest.mark.parametrize(
    "path", ["CITATION.cff", "SECURITY.md", ".github/ISSUE_TEMPLATE/config.yml", "pyproject.toml"]
)
def test_the_repository_has_one_address(path: str) -> None:
    found = re.findall(r"https://github\.com/(?!torch/)[\w.-]+/[\w.-]+", text(path))
    assert set(found) == {repository()}

"""MkDocs hook: the interactive pages that the code of a page draws can be used right there.

Where a block says ``mg.draw(…, "name.html")``, the site runs the page's blocks, keeps the file, and
shows it below the block. The repository holds none of these files.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent

_DRAWN = re.compile(r'mg\.draw\(.*"([\w.-]+\.html)"')
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```(?:text)?\n.*?^```\n)?", re.M | re.S)


def on_files(files: Files, config: Any) -> Files:
    """Add the HTML files that the pages' code writes."""
    for page in files.documentation_pages():
        codes = [block["code"] for block in _BLOCK.finditer(page.content_string)]
        if any(_DRAWN.search(code) for code in codes):
            for name, html in _run(Path(config.docs_dir) / page.src_uri).items():
                files.append(File.generated(config, f"live/{name}", content=html))
    return files


def _run(page: Path) -> dict[str, str]:
    """Run a page's blocks where they can import the examples; return the HTML files they write."""
    start, paths = os.getcwd(), list(sys.path)
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for _ in importlib.import_module("pages").run(page):
                pass
            written = {path.name: path.read_text(encoding="utf-8") for path in Path(folder).glob("*.html")}
            os.chdir(start)
        return dict(sorted(written.items()))
    finally:
        os.chdir(start)
        sys.path[:] = paths


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show each drawn file below the block that draws it."""

    def shown(block: "re.Match[str]") -> str:
        frames = [
            f'\n<iframe class="live" src="live/{name}" title="{name}" loading="lazy"></iframe>\n\n'
            f"[{name} in a window of its own](live/{name})\n"
            for name in _DRAWN.findall(block["code"])
        ]
        return block[0] + "".join(frames)

    return _BLOCK.sub(shown, markdown)

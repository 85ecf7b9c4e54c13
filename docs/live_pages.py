"""MkDocs hook: the interactive pages that the code of a page draws can be used right there.

Where a block says ``mg.draw(…, "name.html")``, the site runs the page's blocks, keeps the file, and
shows it below the block. The repository holds none of these files.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import pages  # noqa: E402

_DRAWN = re.compile(r'mg\.draw\(.*"([\w.-]+\.html)"')
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```(?:text)?\n.*?^```\n)?", re.M | re.S)


def on_files(files: Files, config: Any) -> Files:
    """Add the HTML files that the pages' code writes."""
    for page in [file for file in files.documentation_pages() if _DRAWN.search(file.content_string)]:
        folder, start = tempfile.TemporaryDirectory(), os.getcwd()
        with folder:
            os.chdir(folder.name)
            try:
                for _ in pages.run(Path(config.docs_dir) / page.src_uri):
                    pass
                for drawn in sorted(Path(folder.name).glob("*.html")):
                    files.append(File.generated(
                        config, f"live/{drawn.name}", content=drawn.read_text(encoding="utf-8")
                    ))
            finally:
                os.chdir(start)
    return files


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

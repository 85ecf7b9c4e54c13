"""MkDocs hook: pictures of graphs are put into the page itself, so that their tooltips live there.

An ``<img>`` shows an SVG but none of its tooltips: module, arguments, shapes and the source line of
each node. Readers of the repository see the ``<img>``, readers of the site the graph.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_PICTURE = re.compile(r'<img alt="(?P<alt>[^"]*)" src="(?P<path>images/[\w.-]+\.svg)" ?/?>')
_PROLOGUE = re.compile(r"<\?xml.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE.*?>\s*", re.S)


def on_page_content(html: str, config: Any, **_: Any) -> str:
    """Replace each picture of docs/images by its SVG, with the text for those who cannot see it."""

    def inline(picture: "re.Match[str]") -> str:
        file = Path(config.docs_dir) / picture["path"]
        if not file.exists():
            return picture[0]  # the strict build reports it
        svg = _PROLOGUE.sub("", file.read_text(encoding="utf-8")).replace("<title>graph</title>", "", 1)
        attributes = f'class="picture" data-search-exclude aria-label="{picture["alt"]}"'
        return svg.replace("<svg ", f"<svg {attributes} ", 1)

    return _PICTURE.sub(inline, html)

"""From the page's data to one self-contained HTML file: nothing is loaded from anywhere."""

from __future__ import annotations

import html
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from minigraph.drawing.page.layout import variables

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="minigraph">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{colors}
{style}
</style>
</head>
<body>
<div id="stage" hidden>{svg}</div>
<noscript>This page needs JavaScript. For the picture alone: mg.draw(net, 'net.svg').</noscript>
<script type="application/json" id="data">{data}</script>
<script>
"use strict";
{script}
</script>
</body>
</html>
"""


def page_html(data: dict[str, Any], svg: str) -> str:
    """Return the page: ``data`` as ``page_data`` makes it, ``svg`` as ``page_svg`` does."""
    return _TEMPLATE.format(
        title=html.escape(data["title"] or data["graph"]["name"] or "graph"),
        colors=_colors(), style=_inlined(".css"), script=_inlined(".js"), svg=svg, data=_json(data),
    )


def _json(data: dict[str, Any]) -> str:
    """Return JSON that a ``<script>`` element can hold: nothing in it ends the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@lru_cache
def _inlined(ending: str) -> str:
    """Return the files with this ending in one text: ``page.js``, the other ``page.*``, the parts."""
    found = [file for file in files(__package__).iterdir() if file.name.endswith(ending)]
    found.sort(key=lambda file: (file.name != f"page{ending}", not file.name.startswith("page."), file.name))
    return "\n".join(file.read_text(encoding="utf-8").strip() for file in found)


def _colors() -> str:
    themes = {":root": variables(), ":root[data-theme=dark]": variables(dark=True)}
    return "\n".join(
        f"{selector}{{{''.join(f'--{name}:{color};' for name, color in colors.items())}}}"
        for selector, colors in themes.items()
    )

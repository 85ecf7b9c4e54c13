"""From the page's data to one self-contained HTML file: nothing is loaded from anywhere."""

from __future__ import annotations

import html
import json
from functools import lru_cache
from importlib.resources import files

from minigraph.drawing.page.records import PageData
from minigraph.drawing.page.svg import variables

#: The front end, in the order of its files, each a script, a style sheet or both. What a script does
#: at once needs the ones before it; its part, which runs when all are loaded, may use any other.
_FRONT = (
    # What every part needs: data and events, elements, the picture, marks, keys, moving about.
    ("frame", "page print dom regions graph keys offscreen selection pan_and_zoom"),
    # What the reader works with: a panel, a dialog or a control each.
    ("panels", "details direction help inner minimap search sidebar theme"),
    # What shows recorded passes, if the page has any: the state, then all that shows or moves it.
    ("player", "player profile heat_cells colors controls heat_map step surface picture comparison "
               "histograms splitter"),
    # The longest panel: the last on paper, too.
    ("panels", "tables"),
)

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


def page_html(data: PageData, svg: str) -> str:
    """Return the page: ``data`` as ``page_data`` makes it, ``svg`` as ``page_svg`` does."""
    return _TEMPLATE.format(
        title=html.escape(data["title"] or data["graph"]["name"] or "graph"),
        colors=_colors(), style=_inlined(".css"), script=_inlined(".js"), svg=svg, data=_json(data),
    )


def _json(data: PageData) -> str:
    """Return JSON that a ``<script>`` element can hold: nothing in it ends the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@lru_cache
def _inlined(ending: str) -> str:
    """Return the files of the front end with this ending in one text, in their order."""
    front = files("minigraph.drawing.page") / "front"
    paths = [front / room / f"{name}{ending}" for room, names in _FRONT for name in names.split()]
    return "\n".join(path.read_text(encoding="utf-8").strip() for path in paths if path.is_file())


def _colors() -> str:
    themes = {":root": variables(), ":root[data-theme=dark]": variables(dark=True)}
    return "\n".join(
        f"{selector}{{{''.join(f'--{name}:{color};' for name, color in colors.items())}}}"
        for selector, colors in themes.items()
    )

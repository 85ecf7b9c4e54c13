"""The interactive page: data (``data``), the picture (``layout``), HTML (``page``), the front end.

The front end is the folder's ``.css`` and ``.js`` files; ``data`` says how its parts fit together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from minigraph.debug.trace import Trace
from minigraph.drawing.page.data import page_data
from minigraph.drawing.page.layout import page_svg
from minigraph.drawing.page.page import page_html
from minigraph.drawing.picture import is_backward
from minigraph.drawing.subject import picture_of, values_of
from minigraph.graph import Graph

__all__ = ["page_of"]


def page_of(what: Any, title: str = "", backward: bool = False) -> str:
    """Return the page of a network, a graph or a trace as HTML text.

    ``backward`` is the view that it opens with. Raises ``DrawingError`` for anything else, or
    without Graphviz.
    """
    subject = what.net if isinstance(what, Trace) else what
    if isinstance(what, Trace) or (isinstance(what, Graph) and is_backward(what)):
        backward = True
    picture = picture_of(subject, title)
    picture.backward = False
    data = page_data(subject, picture, values_of(what))
    data["view"] = "backward" if backward else "forward"
    return page_html(data, page_svg(replace(picture, title="")))

"""Jupyter: the last value of a cell is shown: a network or a graph as its picture, a trace as its page.

IPython asks an object for ``_repr_svg_``, ``_repr_html_`` or ``_repr_mimebundle_``. The classes
themselves know nothing of drawing, so the methods are put on them here, when ``minigraph`` is
imported; the drawing room is imported when one of them is called. Where no Graphviz can be found the
notebook shows the usual text, and a warning says what to install.
"""

from __future__ import annotations

import warnings
from typing import Any, Optional

from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.errors import DrawingError
from minigraph.graph import Graph
from minigraph.nn.gmodule import gModule


def repr_svg(self: Any) -> Optional[str]:
    """Return the picture of this network or graph for a notebook, or ``None`` without Graphviz."""
    try:
        return _picture(self)
    except DrawingError as error:
        warnings.warn(str(error), stacklevel=2)
        return None


def repr_html(self: Any) -> Optional[str]:
    """Return the picture as a part of the notebook's page, ``None`` without Graphviz.

    Notebooks show ``_repr_svg_`` as an image, whose tooltips cannot be seen.
    """
    try:
        return f"<div>{_picture(self)}</div>"
    except DrawingError:
        return None  # repr_svg, which is asked too, warns


def _picture(shown: Any) -> str:
    """Return SVG that can be put into a page: no XML declaration, and never wider than the page."""
    from minigraph.drawing.files import svg_of

    return svg_of(shown).partition("\n")[2].replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def repr_mimebundle(self: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """Return a trace for a notebook: its text, and its page in a frame where there is Graphviz."""
    import html

    from minigraph.drawing.page import page_of

    bundle = {"text/plain": str(self)}
    try:
        page = page_of(self)
    except DrawingError as error:
        warnings.warn(str(error), stacklevel=2)
        return bundle
    # The page is inside the notebook's own: nothing of the one can reach the other, and a frame
    # without the same origin must not ask for storage, which the page gets along without.
    bundle["text/html"] = (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="trace" '
        'style="width:100%;height:720px;border:1px solid #8886;border-radius:8px"></iframe>'
    )
    return bundle


def install() -> None:
    """Give networks, graphs and traces the methods that notebooks look for."""
    Trace._repr_mimebundle_ = repr_mimebundle  # type: ignore[attr-defined]
    UnrollTrace._repr_mimebundle_ = repr_mimebundle  # type: ignore[attr-defined]
    methods = {"_repr_svg_": repr_svg, "_repr_html_": repr_html}
    for shown in (gModule, Graph):
        for name, method in methods.items():
            setattr(shown, name, method)

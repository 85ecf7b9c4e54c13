"""The interactive page: data (``data``), the picture (``svg``), both as one file (``html``).

``recorded`` is what the page is told of traces, ``front`` what runs in the browser, ``records``
the types of all that the one hands to the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.drawing.build import build_picture
from minigraph.drawing.page.data import page_data
from minigraph.drawing.page.html import page_html
from minigraph.drawing.page.inner import inner_pages
from minigraph.drawing.page.recorded.traces import moment_of, network_of, put_gradients, traces_data
from minigraph.drawing.page.svg import page_svg
from minigraph.drawing.picture import is_backward
from minigraph.drawing.subject import name_of, picture_of, values_of
from minigraph.graph import Graph

__all__ = ["page_of"]


def page_of(what: Any, title: str = "", backward: bool = False) -> str:
    """Return the page of a network, a graph, a trace or a list of two traces as HTML text.

    ``backward`` is the view that it opens with; a trace always opens so. Raises ``DrawingError``
    for anything else, or without Graphviz.
    """
    if traces := _traces_in(what):
        return _traces_page(traces, title)
    picture = picture_of(what, title)
    picture.backward = False
    data = page_data(what, picture, values_of(what))
    data["inner"] = inner_pages(what.nodes if isinstance(what, Graph) else what.forwardnodes)
    data["view"] = "backward" if backward or isinstance(what, Graph) and is_backward(what) else "forward"
    return page_html(data, page_svg(replace(picture, title="")))


def _traces_in(what: Any) -> list[Any]:
    traces = list(what) if isinstance(what, (list, tuple)) else [what]
    return traces if all(isinstance(each, (Trace, UnrollTrace)) for each in traces) else []


def _traces_page(traces: list[Any], title: str) -> str:
    """Return the page of one or two traces: the first one's network, and the player."""
    recorded = traces_data(traces)
    net, values = network_of(traces[0]), values_of(traces[0])
    picture = build_picture(net.fg, title or name_of(traces[0].net) or name_of(net), False, values)
    data = page_data(net, picture, values, recorded)
    data["inner"] = inner_pages(net.forwardnodes, isinstance(traces[0], UnrollTrace))
    data["view"] = "backward"
    data["graph"]["moment"] = moment_of(traces[0], len(traces))
    put_gradients(data["graph"]["nodes"], traces[0])
    return page_html(data, page_svg(replace(picture, title="")))

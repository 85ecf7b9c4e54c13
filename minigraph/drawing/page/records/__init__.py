"""What Python hands to the page, record by record: one contract for both sides.

The page's data is one JSON object, ``PageData``. mypy holds the modules that fill it against these
types, ``tsc`` the scripts that read it against ``front/data.d.ts``, which is written from them
(``python tests/page_types.py``). Nodes are named by their ids; slots, entries and orders count from
1, time steps and other places in a list from 0.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from minigraph.drawing.page.records.graph import GraphData
from minigraph.drawing.page.records.traces import TraceData, View


class InnerPage(TypedDict):
    """The page of a network inside a node."""

    svg: str
    data: PageData


class _Page(TypedDict):
    title: str
    graph: GraphData
    traces: list[TraceData]
    inner: dict[str, list[InnerPage]]  # by the node's id


class PageData(_Page, total=False):
    """The data of a page; the last two are what a page tells one inside it."""

    view: View  # which way the arrows point at first
    theme: Literal["light", "dark"]
    within: str  # the title of the page outside

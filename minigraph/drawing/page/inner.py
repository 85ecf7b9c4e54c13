"""The networks inside a network's nodes, as pages within the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable, Iterator

from minigraph.drawing.build import build_picture
from minigraph.drawing.page.data import page_data
from minigraph.drawing.page.records import InnerPage
from minigraph.drawing.page.svg import page_svg
from minigraph.drawing.picture import Values, ValuesOf
from minigraph.drawing.subject import name_of, values_of_network
from minigraph.drawing.words import clean
from minigraph.graph import Node
from minigraph.nn.gmodule import gModule
from minigraph.rnn.unroll import Unroll

_MOST = 1500
_OF_STEPS = "not kept for each time step: the page of an Unroll\u2019s trace shows them"


def inner_pages(nodes: Iterable[Node], of_steps: bool = False) -> dict[str, list[InnerPage]]:
    """Return, by the node's id, the pages of the networks that the nodes' modules are or contain.

    The data of each page has an ``inner`` of its own. ``of_steps`` says that the nodes are of an
    ``Unroll``'s step, whose modules hold the values of no particular time. The outer networks come
    first; where all together have more than some 1,500 nodes, the rest is left out.
    """
    found: dict[str, list[InnerPage]] = {}
    level, room = [(found, list(nodes), of_steps)], _MOST
    while level:
        below = []
        for pages, here, steps in level:
            for node, net, unrolled in _networks(here):
                room -= len(net.forwardnodes)
                if room < 0:
                    return found
                page = _page(node, net, steps or unrolled)
                pages.setdefault(str(node.id), []).append(page)
                below.append((page["data"]["inner"], net.forwardnodes, steps or unrolled))
        level = below
    return found


def _networks(nodes: Iterable[Node]) -> Iterator[tuple[Node, gModule, bool]]:
    for node in nodes:
        if node.module is not None:
            for net, unrolled in _inside(node.module):
                yield node, net, unrolled


def _inside(module: Any) -> Iterator[tuple[gModule, bool]]:
    """Yield the outermost networks of a module, and whether each is the step of an ``Unroll``."""
    if isinstance(module, Unroll):
        yield module.step, True
    elif isinstance(module, gModule):
        yield module, False
    else:
        for part in getattr(module, "modules", None) or ():
            yield from _inside(part)


def _page(node: Node, net: gModule, of_steps: bool) -> InnerPage:
    values: ValuesOf = (lambda _: Values()) if of_steps else values_of_network(net)
    picture = build_picture(net.fg, name_of(net) or clean(node.title()), False, values)
    data = page_data(net, picture, values)
    if of_steps:
        data["graph"]["absent"] = _OF_STEPS
    return {"svg": page_svg(replace(picture, title="")), "data": data}

"""The debug mode: what watches every network while it is on."""

from __future__ import annotations

from typing import Optional

from minigraph import nn
from minigraph.debug.numbers import NumberWatch
from minigraph.debug.saved_values import SavedValues
from minigraph.drawing import draw_failure
from minigraph.errors import DrawingError, MinigraphError
from minigraph.graph import Node
from minigraph.nn.observer import Observer

_PICTURE = "picture of the graph, this node in red: "


class _FailurePicture(Observer):
    """Draws the graph in which an error arose and tells the error where the picture is."""

    def failed(self, net: nn.gModule, method: str, node: Optional[Node], error: Exception) -> None:
        # An error found before any node ran (a changed buffer) says itself which node it is about.
        place = getattr(error, "node", None) if node is None else node
        if place is None or not isinstance(error, MinigraphError):
            return
        if any(line.startswith(_PICTURE) for line in error.context):
            return  # drawn by the network inside this one, where the error arose
        try:
            error.context.append(f"{_PICTURE}{draw_failure(net, place, error=error)}")
        except DrawingError as trouble:
            error.context.append(f"{_PICTURE}none, {trouble.message}")


_watchers: list[Observer] = []


def setDebug(enabled: bool, checkNaN: bool = False) -> None:
    """Switch the debug mode of all networks on or off.

    While it is on, an error inside a graph saves an SVG with the failing node in red
    (``<net.name>.svg`` in the current directory, numbered if that exists) and names the file;
    an input or saved activation that changed between ``forward`` and ``backward`` raises
    ``StateError`` with the slot, the node that needs it and whose buffer it is; so does a
    ``backward`` with another input than ``forward`` had. With ``checkNaN`` the first NaN or
    Inf in an output or a gradient raises ``NumberError`` at its node. Off, it costs nothing.
    Source: ``nngraph.setDebug`` of https://github.com/torch/nngraph
    """
    for watcher in _watchers:
        nn.gModule.observers.remove(watcher)
    _watchers.clear()
    if enabled:
        _watchers.extend([SavedValues(), *([NumberWatch()] if checkNaN else []), _FailurePicture()])
        nn.gModule.observers.extend(_watchers)

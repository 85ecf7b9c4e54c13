"""Pictures of graphs: data (``picture``), Graphviz source (``source``), SVG (``svg``, ``svg_labels``).

The interactive page is a room of its own, ``page``.
"""

from minigraph.drawing.files import dot, draw, draw_failure

__all__ = ["dot", "draw", "draw_failure"]


def __dir__() -> list[str]:
    return __all__

"""Pictures of graphs: data (``picture``), Graphviz source (``source``), SVG (``svg``, ``finish``)."""

from minigraph.drawing.files import dot, draw, draw_failure

__all__ = ["dot", "draw", "draw_failure"]

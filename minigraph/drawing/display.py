"""Jupyter: the last value of a cell, a network or a graph, is shown as its picture.

IPython asks an object for ``_repr_svg_``. The classes themselves know nothing of drawing, so
the method is put on them here, when ``minigraph`` is imported. Where no Graphviz can be found
the notebook shows the usual text, and a warning says what to install.
"""

from __future__ import annotations

import warnings
from typing import Any, Optional

from minigraph.drawing.files import svg_of
from minigraph.errors import DrawingError
from minigraph.graph import Graph
from minigraph.nn.gmodule import gModule


def repr_svg(self: Any) -> Optional[str]:
    """Return the picture of this network or graph for a notebook, or ``None`` without Graphviz."""
    try:
        svg = svg_of(self)
    except DrawingError as error:
        warnings.warn(str(error), stacklevel=2)
        return None
    # A notebook puts the text into its page: no XML declaration, and never wider than the page.
    return svg.partition("\n")[2].replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def install() -> None:
    """Give ``nn.gModule`` and ``Graph`` the method that notebooks look for."""
    gModule._repr_svg_ = repr_svg  # type: ignore[attr-defined]
    Graph._repr_svg_ = repr_svg  # type: ignore[attr-defined]

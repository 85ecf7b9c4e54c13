"""What a picture looks like: the families of layers, their colours, sizes and fonts."""

from __future__ import annotations

from typing import Any, NamedTuple


class Family(NamedTuple):
    """A kind of layer: its name in the legend, its fill and border, and those on a dark page."""

    title: str
    fill: str
    border: str
    dark_fill: str
    dark_border: str


FAMILIES = {
    "weights": Family("layer with weights", "#dbeafe", "#3b76c4", "#1b3352", "#6ea8ee"),
    "convolution": Family("convolution", "#e0e0ff", "#5c56c9", "#2a2a55", "#9d98f2"),
    "normalisation": Family("normalisation", "#d3f3ef", "#24897c", "#15403c", "#53bcae"),
    "dropout": Family("dropout", "#f6e1f4", "#a8559d", "#43233f", "#cf86c5"),
    "transfer": Family("transfer function", "#dcf3dc", "#46924a", "#1d3d22", "#74bf78"),
    "arithmetic": Family("arithmetic", "#ffe9cc", "#c77b1b", "#46310f", "#e0a048"),
    "shape": Family("shapes and tables", "#eef0f3", "#77818d", "#2a313a", "#8b96a3"),
    "criterion": Family("criterion", "#fadfd9", "#c25a43", "#4a261c", "#e2836d"),
    "container": Family("network in the network", "#f4ead9", "#94723f", "#3d321d", "#c09d63"),
    "custom": Family("other module", "#f8f5c8", "#95891d", "#3b3912", "#c4b845"),
    "helper": Family("table of the network", "#ffffff", "#77818d", "#181e26", "#8b96a3"),
}

# The longest matching beginning of the module path of a layer's class decides.
_ROOMS = {
    "minigraph.nn.simple": "weights",
    "minigraph.nn.simple.arithmetic": "arithmetic",
    "minigraph.nn.simple.constant": "shape",
    "minigraph.nn.simple.conversion": "shape",
    "minigraph.nn.simple.dimensions": "shape",
    "minigraph.nn.simple.distances": "arithmetic",
    "minigraph.nn.simple.indexing": "shape",
    "minigraph.nn.simple.matrix": "arithmetic",
    "minigraph.nn.simple.reduction": "arithmetic",
    "minigraph.nn.simple.shape": "shape",
    "minigraph.nn.simple.dropout": "dropout",
    "minigraph.nn.table.arithmetic": "arithmetic",
    "minigraph.nn.table": "shape",
    "minigraph.nn.identity": "shape",
    "minigraph.nn.nest": "shape",
    "minigraph.nn.transfer": "transfer",
    "minigraph.nn.convolution": "convolution",
    "minigraph.nn.normalisation": "normalisation",
    "minigraph.nn.criterions": "criterion",
    "minigraph.nn.container": "container",
    "minigraph.nn.containers": "container",
    "minigraph.nn.decorators": "container",
    "minigraph.nn.gmodule": "container",
}

# Bases say nothing about what a layer does; a class of the user's own is "other".
_BASES = {"Module", "Container", "State", "object"}


def family_of(module: Any) -> str:
    """Return the key in ``FAMILIES`` of a module, or of ``None`` for a helper node."""
    if module is None:
        return "helper"
    for kind in type(module).__mro__:
        if kind.__name__ in _BASES and kind.__module__.startswith("minigraph."):
            continue
        path = kind.__module__
        while path:
            if path in _ROOMS:
                return _ROOMS[path]
            path = path.rpartition(".")[0]
    return "custom"


#: Marks a node may carry besides its family: the legend's words and the colour of the border.
MARKS = {
    "input": Family("input or output", "#ffffff", "#1f2937", "#181e26", "#e6eaf0"),
    "state": Family("recurrent state", "#ffffff", "#7c3aed", "#181e26", "#b18cff"),
    "nan": Family("NaN or Inf in the output", "#fff1f1", "#d11a1a", "#4a1519", "#ff6b6b"),
    "failed": Family("failed here", "#ff6b6b", "#a30000", "#7a1d1d", "#ff8a8a"),
}

#: Which entry of ``MARKS`` speaks for a mark.
KINDS = {"output": "input", "state in": "state", "state out": "state"}

INK = "#1f2937"
FAINT = "#5b6672"
EDGE = "#66717d"
WARNING = "#b00020"
CLUSTER_FILL = "#f7f9fc"
CLUSTER_BORDER = "#c3ccd8"

# Graphviz knows the widths of Arial without a font file; the SVG names what browsers have.
LAYOUT_FONT = "Arial"
FONT_FAMILY = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
FONT_SIZE = 12
SMALL_SIZE = 10.5

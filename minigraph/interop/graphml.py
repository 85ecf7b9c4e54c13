"""A network for networkx, with what its last forward left, and as a GraphML file."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from minigraph.errors import ArgumentError, format_shape
from minigraph.files.atomic import replacing
from minigraph.nn import Module, gModule
from minigraph.tables import is_table, leaves

_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # surrogates included


def to_networkx(net: Any) -> nx.DiGraph:
    """See ``minigraph.interop.to_networkx``."""
    if isinstance(net, Module):
        net = net._described()  # of a compiled network, that which was compiled
    if not isinstance(net, gModule):
        raise ArgumentError(f"only a gModule has nodes and edges, got {type(net).__name__}")
    graph = net.fg.to_networkx()
    for node in net.fg.nodes:
        notes = graph.nodes[node.id]
        if "description" in node.annotations:
            notes["description"] = str(node.annotations["description"])
        output = net.nodeState(node).output
        if output is not None:
            notes["shape"] = _shape(output)
            notes["dtype"] = ", ".join(sorted({str(np.asarray(leaf).dtype) for _, leaf in leaves(output)}))
    return graph


def _shape(value: Any) -> str:
    if is_table(value):
        return "{" + ", ".join(_shape(entry) for entry in value) + "}"
    return format_shape(np.shape(value))


def to_graphml(net: Any, path: Any) -> Path:
    """See ``minigraph.interop.to_graphml``."""
    graph = to_networkx(net)
    for _, notes in graph.nodes(data=True):
        notes.update({key: _printable(text) for key, text in notes.items()})
    content = io.BytesIO()
    nx.write_graphml(graph, content)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(content.getbuffer())
    return Path(path)


def _printable(text: Any) -> Any:
    """Return text without the characters that XML cannot hold."""
    if not isinstance(text, str):
        return text
    return _NO_XML.sub(" ", text)

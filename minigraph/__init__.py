"""minigraph: Torch7's nn and nngraph in Python."""

from minigraph import debug, errors, nn, random
from minigraph.graph import Graph, Node, annotateNodes
from minigraph.nn.nest import nest
from minigraph.random import manualSeed
from minigraph.tensors import getdefaulttensortype, setdefaulttensortype

__version__ = "0.1.0"

__all__ = [
    "Graph", "Node", "annotateNodes", "debug", "errors", "getdefaulttensortype", "manualSeed", "nest", "nn",
    "random", "setdefaulttensortype",
]

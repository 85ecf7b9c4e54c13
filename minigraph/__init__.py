"""minigraph: Torch7's nn and nngraph in Python."""

from minigraph import debug, errors, files, interop, nn, optim, random, rnn, text
from minigraph.compiler import compile
from minigraph.drawing import dot, draw
from minigraph.drawing.display import install as _install_display
from minigraph.files import load, load_t7, save, save_t7
from minigraph.graph import Graph, Node, annotateNodes
from minigraph.nn.nest import nest
from minigraph.random import manualSeed
from minigraph.setdebug import setDebug
from minigraph.tensors import getdefaulttensortype, setdefaulttensortype

_install_display()

__version__ = "0.1.0"

__all__ = [
    "Graph", "Node", "annotateNodes", "compile", "debug", "dot", "draw", "errors", "files",
    "getdefaulttensortype", "interop", "load", "load_t7", "manualSeed", "nest", "nn", "optim",
    "random", "rnn", "save", "save_t7", "setDebug", "setdefaulttensortype", "text",
]

"""minigraph: Torch7's nn and nngraph in Python."""

from typing import TYPE_CHECKING

from minigraph import debug, errors, nn, optim, random, rnn, tables
from minigraph.graph import Graph, Node, annotateNodes
from minigraph.nn.nest import nest
from minigraph.notebook import install as _install_notebook
from minigraph.random import manualSeed
from minigraph.tensors import getdefaulttensortype, setdefaulttensortype

if TYPE_CHECKING:
    from minigraph import files, interop, text
    from minigraph.compiler import compile
    from minigraph.drawing import dot, draw
    from minigraph.files import load, load_t7, save, save_t7
    from minigraph.setdebug import setDebug

__version__ = "0.1.0"

__all__ = [
    "Graph", "Node", "annotateNodes", "compile", "debug", "dot", "draw", "errors", "files",
    "getdefaulttensortype", "interop", "load", "load_t7", "manualSeed", "nest", "nn", "optim",
    "random", "rnn", "save", "save_t7", "setDebug", "setdefaulttensortype", "tables", "text",
]

# Rooms that are imported when they, or one of their names here, are first asked for: with what they
# need in turn they take several times as long as NumPy, and many programs use none of them.
_LATER = {
    "compiler": ["compile"], "drawing": ["dot", "draw"], "files": ["load", "load_t7", "save", "save_t7"],
    "interop": [], "setdebug": ["setDebug"], "text": [],
}

if not TYPE_CHECKING:  # a checker would take it that every name exists

    def __getattr__(name):
        from importlib import import_module

        for room, names in _LATER.items():
            if name == room or name in names:
                module = import_module(f"{__name__}.{room}")
                return globals().setdefault(name, module if name == room else getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


_install_notebook()

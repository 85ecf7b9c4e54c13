"""The compiler: a network as a straight-line program with the time loop taken apart."""

from minigraph.compiler.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]

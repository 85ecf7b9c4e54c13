"""The compiler: a network as a straight-line program with the time loop taken apart.

``capture`` writes a network down as a ``program``; ``pipeline`` lists the ``passes`` that turn it into what
runs, ``memory`` gives every value its place, ``native`` and ``numpy_executor`` make it callable, ``running``
calls it, ``report`` shows what was made.
"""

from minigraph.compiler.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]


def __dir__() -> list[str]:
    return __all__

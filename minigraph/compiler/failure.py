"""Failures of the compiler's own: a warning that tells at which node; the network then runs itself."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Optional

from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Op
from minigraph.errors import CompilerWarning
from minigraph.graph import Node

_PACKAGE = __name__.partition(".")[0]


def message_of(failure: Exception) -> str:
    """Return what to tell the user of ``failure``."""
    node = _node_at(failure)
    where = "" if node is None else f" at {node.describe()}"
    reason = f"{type(failure).__name__}: {failure}".split("\n")[0]
    return f"the compiler failed{where} ({reason}): the network runs uncompiled, with the same numbers"


def warn(message: str, failure: Exception) -> None:
    """Warn at the line of the caller outside of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warning = CompilerWarning(message)
    warning.__cause__ = failure
    warnings.warn(warning, stacklevel=level)


def _node_at(failure: Exception) -> Optional[Node]:
    """Return the node that the compiler was at; ``None`` where it worked on the whole.

    It is read off the functions that were running, innermost first: what an operation is done with calls it
    ``op``, and what writes a program knows for which node.
    """
    for frame, _ in reversed(list(traceback.walk_tb(failure.__traceback__))):
        for name in ("op", "self", "b"):
            held = frame.f_locals.get(name)
            if isinstance(held, (Op, Builder)) and isinstance(held.node, Node):
                return held.node
    return None

"""Where a layer's gradient is not the derivative of what it computes, or not the one at a kink.

Torch's layers say themselves what goes back; where that differs from what follows from the
primitives, a rule says so with these.
"""

from __future__ import annotations

from typing import Any

from minigraph.compiler.program.builder import Operand
from minigraph.compiler.program.ir import Value


def detached(b: Any, value: Value) -> Value:
    """Return ``value``, with no gradient behind it."""
    return b.emit("replace_gradient", value)


def with_slope(b: Any, value: Value, x: Value, slope: Operand) -> Value:
    """Return ``value``, whose gradient ``g`` becomes ``g * slope`` for ``x`` and nothing else.

    ``g``, ``slope`` and ``x`` are broadcast with one another.
    """
    return b.emit("replace_gradient", value, x, slope)

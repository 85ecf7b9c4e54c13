"""Shapes and norms of tensors and of whole tables."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.tables import is_table, leaves


def norm_of(gradient: Any) -> Optional[float]:
    """Return the Euclidean norm over all entries of a tensor or table; ``None`` for nothing."""
    present = [np.asarray(leaf, np.float64) for _, leaf in leaves(gradient) if leaf is not None]
    if not present:
        return None
    return float(np.sqrt(sum(float(np.vdot(leaf, leaf)) for leaf in present)))


def shape_of(gradient: Any) -> Any:
    """Return a tensor's shape, a list of shapes for a table, ``None`` for nothing."""
    if is_table(gradient):
        return [shape_of(entry) for entry in gradient]
    return None if gradient is None else np.shape(gradient)


def shape_text(shape: Any) -> str:
    """Write a shape, or a table of shapes: ``(2, 3)``, ``{(2, 3), (4,)}``; nothing for ``None``."""
    if isinstance(shape, list):
        return "{" + ", ".join(shape_text(entry) or "None" for entry in shape) + "}"
    return "" if shape is None else str(tuple(shape))

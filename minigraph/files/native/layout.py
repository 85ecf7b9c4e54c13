"""What both directions of the native format agree on. ``docs/native-format.md`` tells it to readers."""

from __future__ import annotations

import hashlib
from typing import Mapping

import numpy as np

from minigraph.files.t7.values import KEPT
from minigraph.nn import gModule
from minigraph.nn.state import State
from minigraph.rnn import Unroll

FORMAT, VERSION = "minigraph", 1

#: Containers in containers, at most: running them takes some of Python's stack for each.
DEEPEST = 100

#: Attributes of every module that are told otherwise, belong to a pass, or are of use to Torch7 only.
_COMMON = {"_arguments", "_holders", "_type", "dtype", "output", "gradInput", KEPT}

#: Attributes that follow from the wiring (of a gModule) or the step (of an Unroll), by class.
_DERIVED: dict[type, set[str]] = {
    gModule: {
        "_network", "fg", "bg", "forwardnodes", "backwardnodes", "nInputs", "nOutputs", "modules",
        "_places", "_forward", "_backward", "_accumulating", "_inputs", "_values", "_totals", "_sums",
        "_zeros", "_ready",
    },
    Unroll: {
        "modules", "feedback", "_feeds", "_sequences", "_clones", "_settings", "_outputs",
        "_gradients", "_sums", "_given", "_length", "_differentiated",
    },
}


def unsaved(module: State) -> set[str]:
    """Return the names of attributes that a file does not hold."""
    names = {*_COMMON, *getattr(module, "_buffers", ())}
    for cls, derived in _DERIVED.items():
        if isinstance(module, cls):
            names |= derived
    return names


def checksum(graph: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the structure and all arrays, in the order of their names."""
    digest = hashlib.sha256(graph.encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()

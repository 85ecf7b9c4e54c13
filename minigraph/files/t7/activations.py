"""Whose memory an output or a gradient has in a file: its own.

Here a layer may hand on the arrays of another (``SelectTable`` its gradOutput, ``CAddTable`` one gradient
for all its inputs), since no layer writes into an array that it did not make. Torch7's layers do: each
resizes and fills the ``output`` and ``gradInput`` that the file gave it. If two of them lay on one storage,
the one would spoil the other. So every result of a pass is written as a tensor of its own, and of its
module's type where an array of another came in, unless it is what Torch7 wrote, just as it was loaded.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np

from minigraph.files.t7.values import KEPT
from minigraph.nn.state import State
from minigraph.tables import leaves

SLOTS = ("output", "gradInput")


class Activation(NamedTuple):
    """A value that one attribute of ``module`` holds, told from the same value held elsewhere."""

    module: State
    path: tuple[Any, ...]
    value: Any


_loaded: "weakref.WeakKeyDictionary[State, dict[str, list[Any]]]" = weakref.WeakKeyDictionary()


def note_loaded(module: State) -> None:
    """Remember the results of a pass that a file holds of ``module``, and keep its layers from writing there.

    What lies on one storage in Torch7, an ``inplace`` layer's output and its input, is computed apart here.
    """
    for name in SLOTS:
        for array in _arrays(getattr(module, name)):
            array.flags.writeable = False
    _loaded[module] = {name: [weakref.ref(leaf) for leaf in _arrays(getattr(module, name))] for name in SLOTS}


def as_written(module: State, name: str, first: Any) -> Any:
    """Return what is written for an ``output`` or ``gradInput``: ``first`` before any pass."""
    value, kept = getattr(module, name), vars(module).get(KEPT, {}).get("fields", {})
    if value is None and name in kept:
        return kept[name]
    value = first if value is None else value
    held = _loaded.get(module, {}).get(name, [])
    arrays = _arrays(value)
    if arrays and len(arrays) == len(held) and all(ref() is leaf for ref, leaf in zip(held, arrays)):
        return value
    return Activation(module, (name,), value)


def _arrays(value: Any) -> list[np.ndarray]:
    return [leaf for _, leaf in leaves(value) if isinstance(leaf, np.ndarray)]

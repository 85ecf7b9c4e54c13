"""Signatures: what a program is specialised to, as something that can be looked up.

That is how the input is nested and the shapes and dtypes of its tensors, of one time step where there
is time. The number of time steps does not belong to it.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.nn.module import Module
from minigraph.rnn import Unroll
from minigraph.tables import is_table


def signature(net: Module, input: Any) -> tuple[Optional[int], Any]:
    """Return the number of time steps (``None`` without time) and the signature of ``input``.

    Raises what ``Unroll`` raises for sequences that do not fit together.
    """
    if not isinstance(net, Unroll):
        return None, _of(input)
    lengths: list[int] = []
    count = net.step.nInputs
    entries = input if count > 1 else [input]
    if type(entries) is list and len(entries) == count:
        sequences = net._sequences
        key = tuple(
            _of_step(entry, lengths) if k in sequences else _of(entry) for k, entry in enumerate(entries)
        )
        if lengths and lengths[0] > 0 and lengths.count(lengths[0]) == len(lengths) and None not in key:
            return lengths[0], key
    # Something is unusual: Unroll says what is wrong, or makes arrays of what can be arrays.
    entries = net._entries(input)
    T = net._count(entries)
    return T, tuple(
        _of_step(entry, lengths) if k in net._sequences else _of(entry) for k, entry in enumerate(entries)
    )


def _of(entry: Any) -> Any:
    if type(entry) is np.ndarray:
        return entry.shape, entry.dtype.char
    if is_table(entry):
        return tuple(map(_of, entry))
    return None if entry is None else (np.shape(entry), np.asarray(entry).dtype.char, type(entry))


def _of_step(sequence: Any, lengths: list[int]) -> Any:
    """Return the signature of one time step of a sequence and add its length to ``lengths``."""
    if type(sequence) is np.ndarray and sequence.ndim:
        lengths.append(len(sequence))
        return sequence.shape[1:], sequence.dtype.char
    if is_table(sequence) and sequence:
        return tuple(_of_step(entry, lengths) for entry in sequence)
    lengths.append(-1)
    return None

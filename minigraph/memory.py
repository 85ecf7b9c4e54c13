"""Which arrays share memory, kept intact when they are copied, converted or flattened.

Torch tensors are views on storages; NumPy arrays are views on the array that owns the
memory. Everything here works on that owner (``root``), so that two views of one buffer are
still two views of one buffer afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, Sequence

import numpy as np

from minigraph.errors import ArgumentError


def root(array: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of ``array``."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def address(array: np.ndarray) -> int:
    """Return the address of the first element."""
    return array.__array_interface__["data"][0]


class Relocation:
    """Move arrays to new memory, each owner once, views staying views.

    ``convert`` makes the new owner from the old one (a copy, or an ``astype``); it must keep
    the shape. Arrays of a kind that ``wanted`` rejects are returned as they are.
    """

    def __init__(
        self,
        convert: Callable[[np.ndarray], np.ndarray],
        wanted: Callable[[np.ndarray], bool] = lambda array: True,
    ) -> None:
        self._convert = convert
        self._wanted = wanted
        self._owners: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._arrays: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, array: np.ndarray) -> np.ndarray:
        if not self._wanted(array):
            return array
        known = self._arrays.get(id(array))
        if known is None:
            known = self._arrays[id(array)] = (array, self._move(array))
        return known[1]

    def _move(self, array: np.ndarray) -> np.ndarray:
        owner = root(array)
        if owner is array:
            return self._owner(array)
        if owner.dtype != array.dtype or not owner.flags.c_contiguous:
            return self._convert(array)
        moved = self._owner(owner)
        offset = (address(array) - address(owner)) // owner.itemsize
        strides = tuple(s // array.itemsize * moved.itemsize for s in array.strides)
        return np.ndarray(
            array.shape, moved.dtype, moved, offset * moved.itemsize, strides
        )

    def _owner(self, owner: np.ndarray) -> np.ndarray:
        known = self._owners.get(id(owner))
        if known is None:
            known = self._owners[id(owner)] = (owner, self._convert(owner))
        return known[1]


def flatten(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Gather arrays into one new flat array and return it with views in their place.

    Arrays that share memory share it in the flat array too, counted once. Raises
    ``ArgumentError`` when the dtypes differ.
    Source: ``Module.flatten`` of https://github.com/torch/nn/blob/master/Module.lua
    """
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1:
        raise ArgumentError(f"parameters have several dtypes: {sorted(map(str, dtypes))}")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    bounds = [np.lib.array_utils.byte_bounds(array) for array in arrays]
    chunks = _merge([bound for bound, array in zip(bounds, arrays) if array.size])
    lows = [low for low, _ in chunks]
    starts: dict[int, int] = {}
    size = 0
    chunk_of = []
    for (low, _), array in zip(bounds, arrays):
        chunk = bisect_right(lows, low) - 1
        chunk_of.append(chunk)
        if array.size and chunk not in starts:
            starts[chunk] = size
            size += chunks[chunk][1] - chunks[chunk][0]
    flat = np.zeros(size // dtype.itemsize, dtype)
    views = []
    for array, chunk in zip(arrays, chunk_of):
        if not array.size:
            views.append(np.empty(array.shape, dtype))
            continue
        offset = starts[chunk] + address(array) - lows[chunk]
        view = np.ndarray(array.shape, dtype, flat, offset, array.strides)
        view[...] = array
        views.append(view)
    return flat, views


def _merge(bounds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge overlapping byte ranges; the result is sorted."""
    chunks: list[tuple[int, int]] = []
    for low, high in sorted(bounds):
        if chunks and low < chunks[-1][1]:
            chunks[-1] = (chunks[-1][0], max(chunks[-1][1], high))
        else:
            chunks.append((low, high))
    return chunks

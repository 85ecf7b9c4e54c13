"""Which arrays share memory, kept intact when they are copied, converted or flattened.

Torch tensors are views on storages; NumPy arrays are views on the array that owns the
memory. Everything here works on that owner (``root``), so that two views of one buffer are
still two views of one buffer afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, Iterable, Optional, Sequence

import numpy as np


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


class Region:
    """The memory that arrays lie in, as chunks that do not overlap."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.owners = {id(owner): owner for owner in map(root, arrays)}
        self._arrays = arrays
        self._known = {id(array): _bounds(array) for array in arrays if array.size}
        chunks = _merge(self._known.values())
        self.lows, self.highs = [low for low, _ in chunks], [high for _, high in chunks]

    def touches(self, array: np.ndarray) -> bool:
        """Tell whether ``array`` overlaps it."""
        if id(array) in self._known:
            return True
        if id(root(array)) not in self.owners or not array.size:
            return False
        low, high = _bounds(array)
        chunk = bisect_right(self.lows, low) - 1
        return chunk >= 0 and low < self.highs[chunk] or (
            chunk + 1 < len(self.lows) and high > self.lows[chunk + 1]
        )

    def chunk(self, array: np.ndarray) -> Optional[int]:
        """Return the number of the chunk that ``array`` lies in as a whole, if there is one."""
        bounds = self._known.get(id(array))
        if bounds is None:
            if id(root(array)) not in self.owners or not array.size:
                return None
            bounds = _bounds(array)
        low, high = bounds
        chunk = bisect_right(self.lows, low) - 1
        return chunk if chunk >= 0 and high <= self.highs[chunk] else None


def _bounds(array: np.ndarray) -> tuple[int, int]:
    if array.flags.c_contiguous:
        low = address(array)
        return low, low + array.nbytes
    low, high = np.lib.array_utils.byte_bounds(array)
    return low, high


def _merge(bounds: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge overlapping byte ranges; the result is sorted."""
    chunks: list[tuple[int, int]] = []
    for low, high in sorted(bounds):
        if chunks and low < chunks[-1][1]:
            chunks[-1] = (chunks[-1][0], max(chunks[-1][1], high))
        else:
            chunks.append((low, high))
    return chunks

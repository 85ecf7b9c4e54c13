"""Flat arrays: all parameters of a network as one, handed out to users, moved, copied."""

from __future__ import annotations

import copy
import weakref
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.memory.owners import Region, address, root


class Flat:
    """Arrays as the parts of one flat array, in the order in which they first appear.

    Arrays that share memory share it there too, counted once. Raises ``ArgumentError`` when the
    dtypes differ.
    Source: ``Module.flatten`` of https://github.com/torch/nn/blob/master/Module.lua
    """

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        dtypes = {array.dtype for array in arrays}
        if len(dtypes) > 1:
            raise ArgumentError(f"parameters have several dtypes: {sorted(map(str, dtypes))}")
        self._dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
        self.region = Region(arrays)
        self._arrays = [array for array in arrays if array.size]
        self._moved: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._starts: dict[Optional[int], int] = {}
        size = 0
        for array in self._arrays:
            chunk = self.region.chunk(array)
            if chunk is not None and chunk not in self._starts:
                self._starts[chunk] = size
                size += self.region.highs[chunk] - self.region.lows[chunk]
        self.size = size // self._dtype.itemsize

    def stands(self) -> bool:
        """Tell whether the arrays already lie one behind the other in one piece of memory."""
        (owner, *others), lows = self.region.owners.values(), self.region.lows
        first = next(iter(self._starts), None)
        return (
            not others and first is not None and owner.dtype == self._dtype
            and owner.flags.c_contiguous and owner.flags.writeable
            and all(lows[chunk or 0] - lows[first] == start for chunk, start in self._starts.items())
        )

    def give(self, giver: Any) -> np.ndarray:
        """Return the flat array, 1-d, for ``giver`` to hand out: a new one unless the arrays stand."""
        if self.stands():
            (self._owner,) = self.region.owners.values()
            low = self.region.lows[next(iter(self._starts)) or 0]
            offset = low - address(self._owner)
        else:
            self._owner, offset = np.zeros(self.size, self._dtype), 0
            for array in self._arrays:
                self.move(array)[...] = array
        for known in handed_out(self._owner):
            if address(known) == address(self._owner) + offset and known.size == self.size:
                return known
        flat = np.ndarray((self.size,), self._dtype, self._owner, offset)
        _hand_out(flat, giver)
        return flat

    def move(self, array: np.ndarray) -> np.ndarray:
        """Return the part of the flat array that ``array`` is; itself if it lies elsewhere."""
        known = self._moved.get(id(array))
        if known is None:
            chunk = self.region.chunk(array)
            if chunk is None or array.dtype != self._dtype:
                return array
            offset = self._starts[chunk] + address(array) - self.region.lows[chunk]
            part = np.ndarray(array.shape, array.dtype, self._owner, offset, array.strides)
            known = self._moved[id(array)] = array, part
        return known[1]


# -- flat arrays that users hold -------------------------------------------------------------------

#: By the id of the owner of their memory: flat arrays that were given out, and by whom.
_handed: dict[int, list[tuple["weakref.ref[np.ndarray]", "Callable[[], Any]"]]] = {}
_retired: "weakref.WeakValueDictionary[int, np.ndarray]" = weakref.WeakValueDictionary()


def _hand_out(flat: np.ndarray, giver: Any) -> None:
    by = (lambda: None) if giver is None else weakref.ref(giver)
    _handed.setdefault(id(root(flat)), []).append((weakref.ref(flat), by))


def _holding(owner: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the flat arrays over this memory that somebody holds, with the givers that live."""
    for reference, giver in _handed.get(id(owner), ()):
        flat = reference()
        if flat is not None and root(flat) is owner:
            yield flat, giver()


def handed_out(owner: np.ndarray) -> list[np.ndarray]:
    """Return the flat arrays over this memory that somebody holds; forget those nobody does."""
    held = [flat for flat, _ in _holding(owner)]
    known = [pair for pair in _handed.get(id(owner), ()) if any(pair[0]() is flat for flat in held)]
    if known:
        _handed[id(owner)] = known
    else:
        _handed.pop(id(owner), None)
    return held


def givers(region: Region) -> list[Any]:
    """Return who gave out the flat arrays that overlap a region and that somebody holds."""
    pairs = [
        pair for key in region.owners.keys() & _handed.keys() for pair in _holding(region.owners[key])
    ]
    return [giver for flat, giver in pairs if giver is not None and region.touches(flat)]


def retire(region: Region) -> None:
    """Make the flat arrays that overlap a region read-only: what lay there is moved away."""
    for key in region.owners.keys() & _handed.keys():
        for flat in handed_out(region.owners[key]):
            if region.touches(flat):
                flat.flags.writeable = False
                _retired[id(flat)] = flat


def is_retired(array: np.ndarray) -> bool:
    """Tell whether an array was given out by ``getParameters()`` and holds parameters no more."""
    return _retired.get(id(array)) is array


# -- copies ------------------------------------------------------------------------------------------


class Placed:
    """An array to be copied or pickled as the part of another that it is.

    The other is the flat array that a user holds, or else the array that owns the memory. There is
    one of these for an array as long as it is alive, so that an array is copied once.
    """

    _known: "weakref.WeakValueDictionary[int, Placed]" = weakref.WeakValueDictionary()

    def __init__(self, array: np.ndarray, whole: np.ndarray) -> None:
        self.array, self.whole = array, whole
        self._known[id(array)] = self

    @classmethod
    def of(cls, array: np.ndarray) -> Any:
        """Return what stands for ``array`` in a copy: itself where it is part of nothing."""
        owner = root(array)
        around = [flat for flat in handed_out(owner) if Region([flat]).chunk(array) is not None]
        whole = max(around, key=lambda flat: flat.size, default=owner)
        if whole is array or whole.dtype != array.dtype or not whole.flags.c_contiguous:
            return array
        known = cls._known.get(id(array))
        return known if known is not None and known.whole is whole else cls(array, whole)

    def _place(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        return address(self.array) - address(self.whole), self.array.shape, self.array.strides

    def __reduce__(self) -> Any:
        return _lay, (self.whole, *self._place())

    def __deepcopy__(self, memo: dict[int, Any]) -> np.ndarray:
        made = memo.get(id(self.array))
        if made is None:
            made = memo[id(self.array)] = _lay(copy.deepcopy(self.whole, memo), *self._place())
        return made


def _lay(whole: np.ndarray, offset: int, shape: Any, strides: Any) -> np.ndarray:
    """Return the part of ``whole`` that a copied array is."""
    if not handed_out(root(whole)):
        _hand_out(whole, None)
    return np.ndarray(shape, whole.dtype, whole, offset, strides)

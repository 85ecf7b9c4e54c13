"""Tensors as views on storages, checked before they are made: a file may claim anything."""

from __future__ import annotations

from typing import Sequence

import numpy as np

# Elements of a tensor whose strides repeat its storage (an expanded tensor), at most.
_MOST_EXPANDED = 1 << 24


def view(
    storage: np.ndarray, shape: Sequence[int], strides: Sequence[int], start: int
) -> np.ndarray:
    """Return the array of this shape and strides (in elements) from element ``start`` of ``storage``.

    ``storage`` is 1-d and contiguous. Raises ``ValueError`` where the array would not lie within
    it, or would be larger than what memory is there for.
    """
    if len(shape) != len(strides) or start < 0 or min((0, *shape, *strides)) < 0:
        raise ValueError(f"a tensor of sizes {list(shape)} and strides {list(strides)}")
    if 0 in shape:
        if max(shape) > _MOST_EXPANDED:
            raise ValueError(f"a tensor of sizes {list(shape)}")
        return np.empty(shape, storage.dtype)
    last = start + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if last >= storage.size:
        raise ValueError(
            f"a tensor of sizes {list(shape)} and strides {list(strides)} reaches element {last + 1} "
            f"of a storage of {storage.size}"
        )
    count = 1
    for n in shape:
        count *= n
    if count > max(storage.size, _MOST_EXPANDED):
        raise ValueError(f"a tensor of sizes {list(shape)} on a storage of {storage.size} elements")
    width = storage.dtype.itemsize
    return np.ndarray(
        shape, storage.dtype, storage, start * width, [stride * width for stride in strides]
    )

"""im2col and col2im, a few samples at a time, so that a product's columns stay in the cache.

Columns are a matrix ``(C*taps, n*places)`` for ``n`` samples: entry ``(c, tap; sample, place)``
is what the tap meets in plane ``c`` when the window is at that place. A convolution is then one
matrix product, and its gradients two more.

Source: Chellapilla, Puri, Simard, "High performance convolutional neural networks for document
processing", 2006.
"""

from __future__ import annotations

from itertools import accumulate
from math import prod
from typing import Any, Iterator, Optional

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigraph.nn.convolution.geometry import Sizes, Sliding
from minigraph.tensors import resize, scratch

#: Entries of a block of columns: what fits a processor's last cache. Fewer, larger products also
#: suffer less where a thread of BLAS has to wait for a processor.
_BLOCK = 1 << 21


class Columns(Sliding):
    """Base of layers that compute on columns."""

    _buffers: tuple[str, ...] = ("_around", "_folded")
    _around: Optional[np.ndarray] = None
    _folded: Optional[np.ndarray] = None

    def _blocks(self, samples: int, entries: int) -> Iterator[slice]:
        """Yield slices of the batch of about ``_BLOCK`` entries, ``entries`` a sample."""
        step = min(samples, max(1, _BLOCK // entries))
        for start in range(0, samples, step):
            yield slice(start, min(start + step, samples))

    def _matrices(self, *shapes: tuple[int, int]) -> list[np.ndarray]:
        """Return matrices to compute in until the next call (see ``tensors.scratch``)."""
        sizes = [-(-rows * columns // 16) * 16 for rows, columns in shapes]
        memory = scratch((sum(sizes),), self.dtype)
        ends = accumulate(sizes)
        return [
            memory[end - size : end][: prod(shape)].reshape(shape)
            for shape, size, end in zip(shapes, sizes, ends)
        ]

    def _unfold(
        self, x: np.ndarray, places: Sizes, out: Optional[np.ndarray] = None
    ) -> np.ndarray:
        """Return the columns of samples ``x`` ``(n, C, *size)``, written into ``out`` if need be."""
        window = self._window
        padded = self._padded(x, window.reach(places), "_around")
        dims = len(places)
        steps = padded.strides[2:]
        view = as_strided(
            padded,
            (x.shape[1], *window.kernel, len(x), *places),
            (
                padded.strides[1],
                *(s * d for s, d in zip(steps, window.dilation)),
                padded.strides[0],
                *(s * d for s, d in zip(steps, window.stride)),
            ),
            writeable=False,
        )
        rows = prod(view.shape[: dims + 1])
        if view.flags.c_contiguous:
            return view.reshape(rows, -1)
        if out is None:
            (out,) = self._matrices((rows, len(x) * prod(places)))
        np.copyto(out.reshape(view.shape), view)
        return out

    def _fold(self, columns: np.ndarray, places: Sizes, out: np.ndarray) -> None:
        """Write into ``out`` ``(n, C, *size)`` the sum of what the columns hold for each entry."""
        window = self._window
        size = out.shape[2:]
        parts = columns.reshape(out.shape[1], *window.kernel, len(out), *places)
        shape = tuple(
            max(p + n, r) for p, n, r in zip(window.pad, size, window.reach(places))
        )
        inplace = shape == size
        if not inplace:
            self._folded = resize(self._folded, (*out.shape[:2], *shape), self.dtype)
        whole = out if inplace else self._folded
        assert whole is not None
        whole.fill(0)
        planes = whole.swapaxes(0, 1)
        for position, target in window.taps(planes, places):
            tap: tuple[Any, ...] = (slice(None), *position)
            target += parts[tap]
        if not inplace:
            np.copyto(out, whole[self._inside(window.pad, size)])


def by_plane(x: np.ndarray) -> np.ndarray:
    """Return samples ``(n, C, *size)`` as a matrix ``(C, n*size)``, a view where n is 1."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)

"""Padding of images and volumes with zeros, by reflection and by replication."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.convolution.geometry import Sizes, Sliding, default

Pair = tuple[int, int]


class BorderPadding(Sliding):
    """Base: add entries before and after each axis; negative numbers cut entries off.

    A subclass says for each axis which input entry every output entry is (``-1``: zero).
    """

    def _pairs(self) -> list[Pair]:
        """Return ``(before, after)`` for each axis."""
        raise TypeError(f"{self.typename()} does not define _pairs()")

    def _sources(self, size: int, pair: Pair) -> np.ndarray:
        """Return, for each output entry along an axis, the input entry that it copies."""
        raise TypeError(f"{self.typename()} does not define _sources()")

    def _padded_size(self, size: Sizes) -> Sizes:
        wanted = tuple(sum(pair, n) for n, pair in zip(size, self._pairs()))
        if min(wanted) < 1 or any(-min(pair) >= n for n, pair in zip(size, self._pairs())):
            raise InputError(
                f"{self!r}: an input of {' x '.join(self._axes)} {format_shape(size)} is too small to "
                f"be cut to {format_shape(wanted)}",
                "input", "an output of at least 1 along each axis", size,
            )
        return wanted

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        size = x.shape[2:]
        wanted = self._padded_size(size)
        sources = [self._sources(n, pair) for n, pair in zip(size, self._pairs())]
        out = self._shaped("output", np.asarray(input), (x.shape[1], *wanted))
        values = x
        for axis, source in enumerate(sources, start=2):
            values = np.take(values, np.maximum(source, 0), axis)
            if source.min() < 0:
                values[(slice(None),) * axis + (source < 0,)] = 0
        np.copyto(out, values)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        size = x.shape[2:]
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        for axis, (n, pair) in enumerate(zip(size, self._pairs()), start=2):
            g = _collect(g, self._sources(n, pair), n, axis, pair)
        np.copyto(gradInput, g)
        return self.gradInput


def _collect(g: np.ndarray, sources: np.ndarray, size: int, axis: int, pair: Pair) -> np.ndarray:
    """Sum along an axis what each of ``size`` input entries was copied to."""
    total = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
    before = (slice(None),) * axis
    first, last = max(pair[0], 0), len(sources) - max(pair[1], 0)
    start = max(-pair[0], 0)
    total[(*before, slice(start, start + last - first))] = g[(*before, slice(first, last))]
    for entry in (*range(first), *range(last, len(sources))):
        if sources[entry] >= 0:
            total[(*before, sources[entry])] += g[(*before, entry)]
    return total


class SpatialBorder(BorderPadding):
    """What the 2-D layers share: arguments left, right, top, bottom, all ``padLeft`` by default."""

    def __init__(
        self, padLeft: int, padRight: Optional[int] = None,
        padTop: Optional[int] = None, padBottom: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.pad_l = padLeft
        self.pad_r = default(padRight, padLeft)
        self.pad_t = default(padTop, padLeft)
        self.pad_b = default(padBottom, padLeft)

    def _pairs(self) -> list[Pair]:
        return [(self.pad_t, self.pad_b), (self.pad_l, self.pad_r)]

    def __repr__(self) -> str:
        return (
            f"{self.typename()}(l={self.pad_l},r={self.pad_r},t={self.pad_t},b={self.pad_b})"
        )


class Replication(BorderPadding):
    """What the layers that repeat the border share."""

    def _sources(self, size: int, pair: Pair) -> np.ndarray:
        return np.clip(np.arange(-pair[0], size + pair[1]), 0, size - 1)


class SpatialZeroPadding(SpatialBorder):
    """Put zeros around each plane; negative numbers cut rows and columns off.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, H + top + bottom, W + left + right)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialZeroPadding
    """

    def _sources(self, size: int, pair: Pair) -> np.ndarray:
        entries = np.arange(-pair[0], size + pair[1])
        return np.where((entries >= 0) & (entries < size), entries, -1)


class SpatialReplicationPadding(Replication, SpatialBorder):
    """Repeat the entries at the border around each plane; negative numbers cut entries off.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, H + top + bottom, W + left + right)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialReplicationPadding
    """


class SpatialReflectionPadding(SpatialBorder):
    """Mirror each plane at its border entries, which are not repeated.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, each size larger than its padding; output ``(…, C, H +
    top + bottom, W + left + right)``. Negative numbers cut entries off.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialReflectionPadding
    """

    def _sources(self, size: int, pair: Pair) -> np.ndarray:
        if max(pair) >= size:
            raise InputError(
                f"{self!r}: padding {max(pair)} must be smaller than the input's size {size} there",
                "input", f"more than {max(pair)}", size,
            )
        entries = np.abs(np.arange(-pair[0], size + pair[1]))
        return np.where(entries < size, entries, 2 * (size - 1) - entries)


class VolumetricReplicationPadding(Replication):
    """Repeat the entries at the border around each volume; negative numbers cut entries off.

    Input ``(C, T, H, W)`` or ``(B, C, T, H, W)``. The arguments are left, right, top, bottom,
    front, back; those not given are ``padLeft``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricReplicationPadding
    """

    _axes = ("T", "H", "W")

    def __init__(
        self, padLeft: int, padRight: Optional[int] = None, padTop: Optional[int] = None,
        padBottom: Optional[int] = None, padFront: Optional[int] = None,
        padBack: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.pleft = padLeft
        self.pright = default(padRight, padLeft)
        self.ptop = default(padTop, padLeft)
        self.pbottom = default(padBottom, padLeft)
        self.pfront = default(padFront, padLeft)
        self.pback = default(padBack, padLeft)

    def _pairs(self) -> list[Pair]:
        return [
            (self.pfront, self.pback), (self.ptop, self.pbottom), (self.pleft, self.pright)
        ]

    def __repr__(self) -> str:
        return (
            f"{self.typename()}(left={self.pleft}, right={self.pright}, top={self.ptop}, "
            f"bottom={self.pbottom}, front={self.pfront}, back={self.pback})"
        )

"""Max pooling in regions of uneven size: adaptive and fractional.

Each region is a range along each axis. Its entries are gathered tap by tap, along one axis after
the other; a range shorter than the longest repeats its last entry, which changes no maximum.
"""

from __future__ import annotations

import math
from math import prod
from typing import Any, Optional, Sequence, TypeVar

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.geometry import Sizes
from minigraph.nn.convolution.pooling_max import Pooling
from minigraph.random import generator
from minigraph.tensors import resize

Self = TypeVar("Self", bound="FractionalMaxPooling")


def adaptive_ranges(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where ``count`` even regions of ``size`` entries start and end.

    Computed in single precision, as Torch7 does in every type.
    """
    numbers = np.arange(count + 1, dtype=np.float32) / np.float32(count) * np.float32(size)
    starts = np.floor(numbers[:-1]).astype(np.int64)
    ends = np.minimum(np.ceil(numbers[1:]).astype(np.int64), size)
    return starts, ends


class RegionPooling(Pooling):
    """Base: the maximum over regions given as ranges along each axis."""

    def _pool(
        self, input: Any, x: np.ndarray, starts: Sequence[np.ndarray], ends: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Pool ``x`` ``(B, C, *size)``; starts and ends are ``(places,)`` or ``(B*C, places)``.

        One axis after the other, the last first: of equal values the first in row-major order
        is taken all the same.
        """
        size = x.shape[2:]
        places = tuple(start.shape[-1] for start in starts)
        values = x.reshape(-1, *size)
        where = np.broadcast_to(np.arange(1, prod(size) + 1).reshape(size), values.shape)
        for axis in reversed(range(len(size))):
            values, where = _best(values, where, axis + 1, starts[axis], ends[axis])
        self.indices = where.reshape(*np.shape(input)[: -len(size)], *places)
        out = self._shaped("output", np.asarray(input), (x.shape[1], *places))
        np.copyto(out, values.reshape(out.shape))
        return self.output


def _best(
    values: np.ndarray, where: np.ndarray, axis: int, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each range along ``axis``, and its entry of ``where``."""

    def pick(array: np.ndarray, entries: np.ndarray) -> np.ndarray:
        if entries.ndim == 1:
            return np.take(array, entries, axis)
        shape = [1] * array.ndim
        shape[0], shape[axis] = entries.shape
        return np.take_along_axis(array, entries.reshape(shape), axis)

    best, found = pick(values, start), pick(where, start)
    for tap in range(1, int((end - start).max())):
        entries = np.minimum(start + tap, end - 1)
        candidates = pick(values, entries)
        better = candidates > best
        np.copyto(found, pick(where, entries), where=better)
        np.maximum(best, candidates, out=best)
    return best, found


class SpatialAdaptiveMaxPooling(RegionPooling):
    """Largest value in each of ``W`` by ``H`` regions that cover the input evenly.

    Input ``(C, h, w)`` or ``(B, C, h, w)``, output ``(…, C, H, W)``. Region ``i`` of a row of ``n``
    entries goes from ``floor(i * n / W)`` to ``ceil((i + 1) * n / W)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialAdaptiveMaxPooling
    """

    def __init__(self, W: int, H: int) -> None:
        super().__init__()
        if min(W, H) < 1:
            raise ArgumentError(f"nn.SpatialAdaptiveMaxPooling({W}, {H}): sizes must be at least 1")
        self.W, self.H = W, H

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        ranges = [adaptive_ranges(n, count) for n, count in zip(x.shape[2:], (self.H, self.W))]
        return self._pool(input, x, [r[0] for r in ranges], [r[1] for r in ranges])


class FractionalMaxPooling(RegionPooling):
    """Base: regions of one size at random steps, so that the output has any size asked for.

    Each forward draws new regions for each plane; after ``fixPoolingRegions()`` they stay.
    """

    _buffers: tuple[str, ...] = (*RegionPooling._buffers, "randomSamples")
    randomSamples: Optional[np.ndarray] = None
    newRandomPool = False

    def _configure(self, sizes: Sizes, targets: Sequence[float]) -> None:
        """Set the region's and the output's size, or the ratios, in the order of the arguments."""
        names = self._order()
        if min(sizes) < 2:
            raise ArgumentError(f"{self.typename()}: regions must be at least 2 long, got {sizes}")
        exact = all(target >= 1 for target in targets)
        if not exact and not all(0 < target < 1 for target in targets):
            raise ArgumentError(
                f"{self.typename()}: give the output's sizes (at least 1), or ratios between 0 "
                f"and 1, got {tuple(targets)}"
            )
        for name, size, target in zip(names, sizes, targets):
            setattr(self, f"poolSize{name}", size)
            setattr(self, f"out{name}", int(target) if exact else None)
            setattr(self, f"ratio{name}", None if exact else target)

    def fixPoolingRegions(self: Self, val: Any = True) -> Self:
        """Keep the regions of the last forward from now on (or, with False, draw new ones)."""
        self.newRandomPool = True if val is None else bool(val)
        return self

    def _targets(self, size: Sizes) -> Sizes:
        """Return the output's size for an input of this size."""
        found = []
        for axis, n in zip(self._axes, size):
            exact = getattr(self, f"out{axis}")
            count = exact if exact is not None else math.floor(n * getattr(self, f"ratio{axis}"))
            pool = getattr(self, f"poolSize{axis}")
            if count < 1 or count + pool - 1 >= n:
                raise InputError(
                    f"{self!r}: an input of {axis} = {n} has no room for {count} regions of {pool}: "
                    f"{axis} must be at least {max(count, 1) + pool}",
                    "input", f"{axis} >= {max(count, 1) + pool}", format_shape(size),
                )
            found.append(count)
        return tuple(found)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        targets = self._targets(x.shape[2:])
        shape = (*x.shape[:2], len(targets))
        known = self.randomSamples is not None and self.randomSamples.shape == shape
        if not (known and self.newRandomPool):
            self.randomSamples = resize(self.randomSamples, shape, self.dtype)
            generator.fillUniform(self.randomSamples)
        assert self.randomSamples is not None
        # The last axis takes the first sample of its plane.
        samples = self.randomSamples.reshape(-1, len(targets))[:, ::-1]
        starts, ends = [], []
        for axis, (n, count, name) in enumerate(zip(x.shape[2:], targets, self._axes)):
            pool = getattr(self, f"poolSize{name}")
            start = _random_starts(samples[:, axis : axis + 1], n, count, pool)
            starts.append(start)
            ends.append(start + pool)
        return self._pool(input, x, starts, ends)

    def __repr__(self) -> str:
        names = self._order()
        targets = [getattr(self, f"out{n}") or getattr(self, f"ratio{n}") for n in names]
        pools = [getattr(self, f"poolSize{n}") for n in names]
        return f"{self.typename()}({'x'.join(map(str, targets))}, {','.join(map(str, pools))})"


def _random_starts(samples: np.ndarray, size: int, count: int, pool: int) -> np.ndarray:
    """Return ``(planes, count)``: where the regions start, given a sample in 0..1 for each plane."""
    starts = np.empty((len(samples), count), np.int64)
    starts[:, -1] = size - pool
    if count > 1:
        alpha = samples.dtype.type(size - pool) / samples.dtype.type(count - 1)
        steps = np.arange(count - 1, dtype=samples.dtype)
        starts[:, :-1] = ((steps + samples) * alpha).astype(np.int64)
        starts[:, :-1] -= (samples * alpha).astype(np.int64)
    return starts


class SpatialFractionalMaxPooling(FractionalMaxPooling):
    """Largest value in ``kW`` by ``kH`` regions at random steps, ``outW`` by ``outH`` of them.

    Input ``(C, H, W)`` or ``(B, C, H, W)``. The last two arguments are the output's width and
    height, or both are ratios between 0 and 1 of the input's.
    Source: Graham, "Fractional Max-Pooling", 2014, in its pseudorandom mode;
    https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialFractionalMaxPooling
    """

    def __init__(self, kW: int, kH: int, outW: float, outH: float) -> None:
        super().__init__()
        self._configure((kW, kH), (outW, outH))


class VolumetricFractionalMaxPooling(FractionalMaxPooling):
    """Largest value in regions at random steps in a volume whose time comes *last*.

    Input ``(C, H, W, T)`` or ``(B, C, H, W, T)``, as in Torch7. The last three arguments are the
    output's time, width and height, or three ratios between 0 and 1 of the input's.
    Source: https://github.com/torch/nn/blob/master/VolumetricFractionalMaxPooling.lua
    """

    _axes = ("H", "W", "T")

    def __init__(
        self, kT: int, kW: int, kH: int, outT: float, outW: float, outH: float
    ) -> None:
        super().__init__()
        self._configure((kT, kW, kH), (outT, outW, outH))

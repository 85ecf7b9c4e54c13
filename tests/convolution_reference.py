"""Slow, independent definitions of the convolution chapter: plain loops over every entry."""

from __future__ import annotations

import math
from itertools import product
from typing import Any, Callable, Optional

import numpy as np
import pytest

from minigraph.errors import InputError

Sizes = tuple[int, ...]


def each(x: np.ndarray, rank: int, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply ``function`` to each sample of ``rank`` dimensions."""
    return function(x) if x.ndim == rank else np.stack([function(sample) for sample in x])


def places(size: Sizes, k: Sizes, d: Sizes, pad: Sizes, dil: Sizes) -> Sizes:
    return tuple(
        math.floor((n + 2 * p - (e * (c - 1) + 1)) / s) + 1
        for n, c, s, p, e in zip(size, k, d, pad, dil)
    )


def convolution(
    x: np.ndarray, weight: np.ndarray, bias: Optional[np.ndarray], d: Sizes, pad: Sizes, dil: Sizes
) -> np.ndarray:
    """Convolve one sample ``(C, *size)`` with ``(O, C, *kernel)``."""
    kernel = weight.shape[2:]
    out = np.zeros((len(weight), *places(x.shape[1:], kernel, d, pad, dil)))
    for o, *place in np.ndindex(*out.shape):
        total = 0.0 if bias is None else float(bias[o])
        for c, *tap in np.ndindex(*weight.shape[1:]):
            at = [i * s - p + t * e for i, s, p, t, e in zip(place, d, pad, tap, dil)]
            if all(0 <= i < n for i, n in zip(at, x.shape[1:])):
                total += weight[(o, c, *tap)] * x[(c, *at)]
        out[(o, *place)] = total
    return out


def full_convolution(
    x: np.ndarray, weight: np.ndarray, bias: Optional[np.ndarray], d: Sizes, pad: Sizes, adj: Sizes
) -> np.ndarray:
    """Add to the output, for each entry of one sample, its multiple of ``(I, O, *kernel)``."""
    size = tuple(
        (n - 1) * s - 2 * p + k + a
        for n, s, p, k, a in zip(x.shape[1:], d, pad, weight.shape[2:], adj)
    )
    out = np.zeros((weight.shape[1], *size))
    for c, *place in np.ndindex(*x.shape):
        for o, *tap in np.ndindex(*weight.shape[1:]):
            at = [i * s - p + t for i, s, p, t in zip(place, d, pad, tap)]
            if all(0 <= i < n for i, n in zip(at, size)):
                out[(o, *at)] += x[(c, *place)] * weight[(c, o, *tap)]
    return out if bias is None else out + bias.reshape(-1, *[1] * len(size))


def pooled_size(size: Sizes, k: Sizes, d: Sizes, pad: Sizes, dil: Sizes, ceil: bool) -> Sizes:
    found = []
    for n, c, s, p, e in zip(size, k, d, pad, dil):
        room = (n - (e * (c - 1) + 1) + 2 * p) / s
        count = (math.ceil(room) if ceil else math.floor(room)) + 1
        if (count - 1) * s >= n + p:
            count -= 1
        found.append(count)
    return tuple(found)


def max_pooling(
    x: np.ndarray, k: Sizes, d: Sizes, pad: Sizes, dil: Sizes, ceil: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Pool one sample; return the maxima and their positions in the plane, from 1."""
    size = x.shape[1:]
    out = np.zeros((len(x), *pooled_size(size, k, d, pad, dil, ceil)))
    where = np.zeros(out.shape, int)
    for c, *place in np.ndindex(*out.shape):
        best, found = -math.inf, -1
        for tap in product(*map(range, k)):
            at = [i * s - p + t * e for i, s, p, t, e in zip(place, d, pad, tap, dil)]
            if all(0 <= i < n for i, n in zip(at, size)) and x[(c, *at)] > best:
                best, found = x[(c, *at)], int(np.ravel_multi_index(at, size))
        out[(c, *place)], where[(c, *place)] = best, found + 1
    return out, where


def average_pooling(
    x: np.ndarray, k: Sizes, d: Sizes, pad: Sizes, ceil: bool = False, include: bool = True
) -> np.ndarray:
    size = x.shape[1:]
    out = np.zeros((len(x), *pooled_size(size, k, d, pad, (1,) * len(k), ceil)))
    for c, *place in np.ndindex(*out.shape):
        total, inside, counted = 0.0, 0, 0
        for tap in product(*map(range, k)):
            at = [i * s - p + t for i, s, p, t in zip(place, d, pad, tap)]
            counted += all(i < n + p for i, n, p in zip(at, size, pad))
            if all(0 <= i < n for i, n in zip(at, size)):
                total, inside = total + x[(c, *at)], inside + 1
        out[(c, *place)] = total / (counted if include else inside)
    return out


def adaptive(x: np.ndarray, H: int, W: int, function: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Apply ``function`` to each of H x W regions of one sample."""
    height, width = x.shape[1:]
    out = np.zeros((len(x), H, W))
    for c, i, j in np.ndindex(*out.shape):
        rows = slice(i * height // H, -(-(i + 1) * height // H))
        columns = slice(j * width // W, -(-(j + 1) * width // W))
        out[c, i, j] = function(x[c, rows, columns])
    return out


def fractional_starts(sample: float, size: int, count: int, pool: int) -> list[int]:
    """Where Graham's pseudorandom regions start."""
    if count == 1:
        return [size - pool]
    alpha = (size - pool) / (count - 1)
    starts = [int((i + sample) * alpha) - int(sample * alpha) for i in range(count - 1)]
    return [*starts, size - pool]


def fractional(
    x: np.ndarray, samples: np.ndarray, pools: Sizes, counts: Sizes
) -> np.ndarray:
    """Pool one sample; ``samples`` ``(C, axes)`` belong to the last axis first."""
    out = np.zeros((len(x), *counts))
    for c in range(len(x)):
        starts = [
            fractional_starts(samples[c, -1 - axis], n, count, pool)
            for axis, (n, count, pool) in enumerate(zip(x.shape[1:], counts, pools))
        ]
        for place in np.ndindex(*counts):
            region = tuple(
                slice(start[i], start[i] + pool) for start, i, pool in zip(starts, place, pools)
            )
            out[(c, *place)] = x[(c, *region)].max()
    return out


def bilinear(x: np.ndarray, H: int, W: int) -> np.ndarray:
    """Interpolate one sample so that corners stay corners; positions in single precision."""
    height, width = x.shape[1:]
    out = np.zeros((len(x), H, W))

    def position(index: int, size: int, count: int) -> tuple[int, int, float]:
        step = np.float32(size - 1) / np.float32(count - 1) if count > 1 else np.float32(0)
        place = step * np.float32(index)
        low = int(place)
        return low, min(low + 1, size - 1), float(place - np.float32(low))

    for c, i, j in np.ndindex(*out.shape):
        top, bottom, down = position(i, height, H)
        left, right, over = position(j, width, W)
        upper = (1 - over) * x[c, top, left] + over * x[c, top, right]
        lower = (1 - over) * x[c, bottom, left] + over * x[c, bottom, right]
        out[c, i, j] = (1 - down) * upper + down * lower
    return out


def neighbourhood_mean(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the weighted mean ``(H, W)`` around each place of one sample, over all planes."""
    height, width = x.shape[1:]
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    out = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        total = weight = 0.0
        for a, b in np.ndindex(*kernel.shape):
            y, z = i + a - up, j + b - left
            if 0 <= y < height and 0 <= z < width:
                total += kernel[a, b] * float(x[:, y, z].sum())
                weight += kernel[a, b] * len(x)
        out[i, j] = total / weight
    return out


def check_refusal(build: Callable[[], Any], shape: Sizes, expected: Any, got: Any) -> None:
    """Check that an input of this shape is refused with one clear error and nothing half-written."""
    module = build()
    with pytest.raises(InputError) as caught:
        module.forward(np.ones(shape))
    assert (caught.value.path, caught.value.expected, caught.value.got) == ("input", expected, got)
    assert module.typename() in str(caught.value)
    assert module.output is None

"""Layers that enlarge, shrink or frame the planes of images and volumes, plane by plane.

They work along one axis after the other.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigraph import nn
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.ir import Value
from minigraph.nn.convolution.gathered import adaptive_ranges
from minigraph.nn.convolution.padding import BorderPadding


def _last(b: Any, x: Value, axis: int) -> tuple[Value, list[int]]:
    """Return ``x`` with this axis as the last one, and the order that puts it back."""
    order = [k for k in range(x.ndim) if k != axis % x.ndim] + [axis % x.ndim]
    return b.transpose(x, order), [order.index(k) for k in range(x.ndim)]


# -- one matrix for each axis ------------------------------------------------------------------------


def _mapped(b: Any, x: Value, axis: int, matrix: np.ndarray) -> Value:
    """Multiply an axis by a matrix of numbers."""
    axis = axis % x.ndim
    front, size, rest = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if rest:
        made = b.matmul(b.constant(matrix), b.reshape(x, (*front, size, prod(rest))))
    else:
        made = b.matmul(b.reshape(x, (prod(front), size)), b.constant(matrix.T))
    return b.reshape(made, (*front, len(matrix), *rest))


def _separable(b: Any, module: Any, x: Value, axes: int) -> Value:
    for axis, matrix in zip(range(-axes, 0), module._maps(x.shape[-axes:])):
        x = _mapped(b, x, axis, matrix)
    return x


@lowers(nn.SpatialAdaptiveAveragePooling, nn.SpatialUpSamplingBilinear)
def _plane_maps(b: Any, module: Any, x: Value) -> Value:
    return _separable(b, module, x, 2)


# -- copies of entries -------------------------------------------------------------------------------


def _enlarged(b: Any, x: Value, axes: int, scale: int) -> Value:
    """Repeat each entry ``scale`` times along the last axes."""
    front, size = x.shape[: x.ndim - axes], x.shape[-axes:]
    apart = b.reshape(x, (*front, *(k for n in size for k in (n, 1))))
    wide = b.expand(apart, (*front, *(k for n in size for k in (n, scale))))
    return b.reshape(wide, (*front, *(n * scale for n in size)))


@lowers(nn.SpatialUpSamplingNearest)
def _nearest(b: Any, module: nn.SpatialUpSamplingNearest, x: Value) -> Value:
    return _enlarged(b, x, 2, module.scale_factor)


@lowers(nn.UpSampling)
def _up_sampling(b: Any, module: nn.UpSampling, x: Value) -> Value:
    if module.mode == "nearest":
        return _enlarged(b, x, x.ndim - 2, int(module.scale_factor or 1))
    return _separable(b, module, x, x.ndim - 2)


@lowers(nn.PixelShuffle)
def _pixel_shuffle(b: Any, module: nn.PixelShuffle, x: Value) -> Value:
    r = module.scaleFactor
    *front, planes, height, width = x.shape
    if module.upscale:
        cells, order = (planes // (r * r), r, r, height, width), (0, 3, 1, 4, 2)
    else:
        cells, order = (planes, height // r, r, width // r, r), (0, 2, 4, 1, 3)
    apart = b.reshape(x, (*front, *cells))
    moved = b.transpose(apart, (*range(len(front)), *(len(front) + k for k in order)))
    return b.reshape(moved, b.observed(module).shape)


@lowers(
    nn.SpatialZeroPadding, nn.SpatialReflectionPadding, nn.SpatialReplicationPadding,
    nn.VolumetricReplicationPadding,
)
def _border(b: Any, module: BorderPadding, x: Value) -> Value:
    pairs = module._pairs()
    for axis, pair in zip(range(-len(pairs), 0), pairs):
        x = _gathered(b, x, axis, module._sources(x.shape[axis], pair))
    return x


def _gathered(b: Any, x: Value, axis: int, sources: np.ndarray) -> Value:
    """Put entries of an axis in a row, ``sources`` says which (-1: zero): runs of them are sliced."""
    runs = np.split(sources, np.nonzero(np.diff(sources) != 1)[0] + 1)
    parts: list[Value] = []
    for first, last in ((int(run[0]), int(run[-1])) for run in runs):
        if first < 0:  # zeros, which are followed by a run's first entry if that is entry 0
            shape = list(x.shape)
            shape[axis] = 1
            parts.append(b.zeros(tuple(shape)))
        if last >= 0:
            parts.append(b.slice(x, axis, max(first, 0), last + 1))
    return parts[0] if len(parts) == 1 else b.concat(parts, axis)


# -- the largest, and norms, of neighbours -----------------------------------------------------------


@lowers(nn.SpatialAdaptiveMaxPooling)
def _adaptive_max(b: Any, module: nn.SpatialAdaptiveMaxPooling, x: Value) -> Value:
    # Columns first: of equal entries the first in a plane is the first of its row's.
    for axis, count in ((-1, module.W), (-2, module.H)):
        moved, back = _last(b, x, axis)
        strips = [
            _largest(b, b.slice(moved, -1, int(start), int(end)))
            for start, end in zip(*adaptive_ranges(moved.shape[-1], count))
        ]
        x = b.transpose(b.concat(strips, -1), back)
    return x


def _largest(b: Any, x: Value) -> Value:
    """The largest entry of the last axis, which is kept; the first of equal ones has the gradient."""
    found = b.emit("pick", x, b.emit("argmax", x))
    return b.reshape(found, (*found.shape, 1))


@lowers(nn.FeatureLPPooling)
def _feature_norms(b: Any, module: nn.FeatureLPPooling, x: Value) -> Value:
    need(b.forward_only)  # going backwards, the layer is faster than copies of its windows
    moved, back = _last(b, x, int(module.batch_mode))
    windows = _windows(b, moved, module.width, module.stride)
    powers = b.sum(b.emit("power", windows, module.power), [-1])
    return b.transpose(b.emit("power", powers, 1.0 / module.power), back)


def _windows(b: Any, x: Value, width: int, stride: int) -> Value:
    """The windows of ``width`` entries of the last axis below each other, in a new axis before it."""
    starts = range(0, x.shape[-1] - width + 1, stride)
    parts = [b.slice(x, -1, start, start + width) for start in starts]
    return b.concat([b.reshape(part, (*part.shape[:-1], 1, width)) for part in parts], -2)

"""Up-sampling: nearest, linear along each axis, and by moving planes into pixels."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.geometry import Sizes, Sliding
from minigraph.nn.convolution.separable import Separable, apply_maps
from minigraph.nn.module import Module
from minigraph.tensors import resize


def _check_scale(scale: Any, owner: str, what: str = "the scale") -> int:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or scale < 1 or scale % 1:
        raise ArgumentError(f"{owner}: {what} must be a whole number of at least 1, got {scale!r}")
    return int(scale)


class SpatialUpSamplingNearest(Sliding):
    """Repeat each entry ``scale`` times along rows and columns.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, H*scale, W*scale)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialUpSamplingNearest
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale_factor = _check_scale(scale, "nn.SpatialUpSamplingNearest")

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        size = (x.shape[1], *(n * self.scale_factor for n in x.shape[2:]))
        _repeat(x, self.scale_factor, self._shaped("output", np.asarray(input), size))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        _sum_cells(g, self.scale_factor, self._shaped("gradInput", np.asarray(input), x.shape[1:]))
        return self.gradInput

    def __repr__(self) -> str:
        return f"{self.typename()}({self.scale_factor})"


def _cells(large: np.ndarray, scale: int) -> np.ndarray:
    """View ``(B, C, n*scale, …)`` as ``(B, C, n, scale, …)``."""
    sizes = [size for n in large.shape[2:] for size in (n // scale, scale)]
    return large.reshape(*large.shape[:2], *sizes)


def _repeat(x: np.ndarray, scale: int, out: np.ndarray) -> None:
    """Write each entry of the planes ``x`` ``scale`` times along every axis."""
    apart: tuple[Any, ...] = (..., *(slice(None), None) * (x.ndim - 2))
    _cells(out, scale)[...] = x[apart]


def _sum_cells(g: np.ndarray, scale: int, out: np.ndarray) -> None:
    """Undo ``_repeat`` for a gradient."""
    np.sum(_cells(g, scale), axis=tuple(range(3, 2 * g.ndim - 2, 2)), out=out)


class SpatialUpSamplingBilinear(Separable):
    """Interpolate linearly between the entries of each plane; the corners stay corners.

    ``SpatialUpSamplingBilinear(scale)`` multiplies both sizes by a whole number;
    ``SpatialUpSamplingBilinear({'oheight': H, 'owidth': W})`` gives the output's size. Input
    ``(C, h, w)`` or ``(B, C, h, w)``. Positions are computed in single precision, as Torch7
    does in every type.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialUpSamplingBilinear
    """

    scale_factor: Optional[int] = None
    oheight: Optional[int] = None
    owidth: Optional[int] = None

    def __init__(self, params: Any) -> None:
        super().__init__()
        if isinstance(params, dict):
            if set(params) != {"oheight", "owidth"}:
                raise ArgumentError(
                    "nn.SpatialUpSamplingBilinear: expected {'oheight': H, 'owidth': W}, "
                    f"got {params!r}"
                )
            for name, size in params.items():
                setattr(self, name, _check_scale(size, "nn.SpatialUpSamplingBilinear", name))
        else:
            self.scale_factor = _check_scale(params, "nn.SpatialUpSamplingBilinear")

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        if self.scale_factor is not None:
            wanted = [n * self.scale_factor for n in size]
        else:
            wanted = [int(n) for n in (self.oheight, self.owidth) if n is not None]
        return [_interpolation(n, count, self.dtype) for n, count in zip(size, wanted)]

    def __repr__(self) -> str:
        size = self.scale_factor if self.scale_factor else f"{self.oheight}, {self.owidth}"
        return f"{self.typename()}({size})"


def _interpolation(size: int, count: int, dtype: np.dtype) -> np.ndarray:
    """Return the matrix ``(count, size)`` that interpolates ``count`` values from ``size``."""
    step = np.float32(size - 1) / np.float32(count - 1) if count > 1 else np.float32(0)
    position = step * np.arange(count, dtype=np.float32)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    share = (position - low.astype(np.float32)).astype(dtype)
    matrix = np.zeros((count, size), dtype)
    rows = np.arange(count)
    matrix[rows, low] = 1 - share
    np.add.at(matrix, (rows, high), share)
    return matrix


class UpSampling(Module):
    """Enlarge the planes of a batch, of images or of volumes: ``UpSampling(scale, 'nearest')``.

    ``params`` is a whole number by which each size is multiplied, or, for ``'linear'``, the
    output's size, ``{'oheight': H, 'owidth': W}`` (with ``'odepth'`` for volumes). ``mode`` is
    ``'nearest'`` (the default) or ``'linear'``, also called ``'bilinear'`` and ``'trilinear'``:
    corners stay corners, as in ``SpatialUpSamplingBilinear``. Input ``(B, C, h, w)`` or
    ``(B, C, d, h, w)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.UpSampling
    """

    scale_factor: Optional[int] = None
    odepth: Optional[int] = None
    oheight: Optional[int] = None
    owidth: Optional[int] = None

    def __init__(self, params: Any, mode: Optional[str] = None) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ArgumentError(
                f"nn.UpSampling: the mode must be 'nearest' or 'linear', got {mode!r}"
            )
        self.mode = _MODES[mode]
        if not isinstance(params, dict):
            self.scale_factor = _check_scale(params, "nn.UpSampling")
        elif self.mode == "nearest":
            raise ArgumentError("nn.UpSampling: 'nearest' needs a scale, sizes are for 'linear'")
        elif not {"oheight", "owidth"} <= set(params) <= {"odepth", "oheight", "owidth"}:
            raise ArgumentError(
                "nn.UpSampling: expected {'oheight': H, 'owidth': W}, for volumes also 'odepth', "
                f"got {params!r}"
            )
        else:
            for name, size in params.items():
                setattr(self, name, _check_scale(size, "nn.UpSampling", name))
        # Torch7 keeps the sizes of the last input and output, and reads them again backwards.
        self.inputSize, self.outputSize = [0] * 5, [0] * 5

    def _wanted(self, size: Sizes) -> list[int]:
        """Return the sizes of the planes that those of ``size`` become."""
        if self.scale_factor is not None:
            return [n * self.scale_factor for n in size]
        wanted = (self.odepth, self.oheight, self.owidth)[-len(size):]
        if None in wanted:
            raise InputError(
                f"{self!r} knows no output depth for volumes: give it 'odepth'",
                "input", "(B, C, h, w)", f"{len(size)} axes",
            )
        return [n for n in wanted if n is not None]

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        return [_interpolation(n, count, self.dtype) for n, count in zip(size, self._wanted(size))]

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 4, 5)
        if 0 in x.shape:
            raise InputError(
                f"{self!r} expects an input that is not empty, got shape {format_shape(x.shape)}",
                "input", "at least one entry", x.shape,
            )
        shape = (*x.shape[:2], *self._wanted(x.shape[2:]))
        self.inputSize[: x.ndim], self.outputSize[: x.ndim] = x.shape, shape
        self.output = resize(self.output, shape, self.dtype)
        if self.mode == "nearest":
            _repeat(x, len(self.output[0, 0]) // x.shape[2], self.output)
        else:
            apply_maps(self._maps(x.shape[2:]), x, self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x, g = self._tensor(input, 4, 5), self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        if self.mode == "nearest":
            _sum_cells(g, len(g[0, 0]) // x.shape[2], self.gradInput)
        else:
            apply_maps([matrix.T for matrix in self._maps(x.shape[2:])], g, self.gradInput)
        return self.gradInput

    def __repr__(self) -> str:
        sizes = [n for n in (self.odepth, self.oheight, self.owidth) if n is not None]
        size = f"{self.scale_factor}x" if self.scale_factor else "x".join(map(str, sizes))
        return f"{self.typename()}({size}, {self.mode})"


_MODES = {
    None: "nearest", "nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear",
}


class PixelShuffle(Sliding):
    """Turn ``r*r`` planes into one plane ``r`` times as high and wide, or the other way round.

    ``r`` is ``scaleFactor``. Input ``(C*r*r, H, W)`` or ``(B, C*r*r, H, W)``, output ``(…, C, H*r,
    W*r)``; with ``upscale=False`` the input has the output's shape and vice versa.
    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network", 2016;
    https://github.com/torch/nn/blob/master/PixelShuffle.lua
    """

    def __init__(self, scaleFactor: int, upscale: Optional[bool] = None) -> None:
        super().__init__()
        self.scaleFactor = _check_scale(scaleFactor, "nn.PixelShuffle")
        self.upscale = True if upscale is None else bool(upscale)

    def _apart(self, small: np.ndarray) -> np.ndarray:
        """View ``(B, C*r*r, H, W)`` as ``(B, C, H, r, W, r)``."""
        r = self.scaleFactor
        batch, planes, height, width = small.shape
        parts = small.reshape(batch, planes // (r * r), r, r, height, width)
        return parts.transpose(0, 1, 4, 2, 5, 3)

    def _cells(self, large: np.ndarray) -> np.ndarray:
        """View ``(B, C, H*r, W*r)`` as ``(B, C, H, r, W, r)``."""
        r = self.scaleFactor
        batch, planes, height, width = large.shape
        return large.reshape(batch, planes, height // r, r, width // r, r)

    def _copy_over(self, source: np.ndarray, target: np.ndarray, enlarge: bool) -> None:
        if enlarge:
            np.copyto(self._cells(target), self._apart(source))
        else:
            np.copyto(self._apart(target), self._cells(source))

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        r = self.scaleFactor
        planes, height, width = x.shape[1:]
        if self.upscale and planes % (r * r) or not self.upscale and (height % r or width % r):
            what = f"planes by {r * r}" if self.upscale else f"height and width by {r}"
            raise InputError(
                f"{self!r} needs an input whose {what} can be divided, "
                f"got shape {format_shape(np.shape(input))}",
                "input", f"{what} divisible", np.shape(input),
            )
        if self.upscale:
            size = (planes // (r * r), height * r, width * r)
        else:
            size = (planes * r * r, height // r, width // r)
        out = self._shaped("output", np.asarray(input), size)
        self._copy_over(x, out, self.upscale)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        g = self._planes(gradOutput, what="gradOutput")
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        self._copy_over(g, gradInput, not self.upscale)
        return self.gradInput

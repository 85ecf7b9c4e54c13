"""Up-sampling: nearest, bilinear, and by moving planes into pixels."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.geometry import Sizes, Sliding
from minigraph.nn.convolution.separable import Separable


def _check_scale(scale: Any, owner: str) -> int:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or scale < 1 or scale % 1:
        raise ArgumentError(f"{owner}: the scale must be a whole number of at least 1, got {scale!r}")
    return int(scale)


class SpatialUpSamplingNearest(Sliding):
    """Repeat each entry ``scale`` times along rows and columns.

    Input ``(C, H, W)`` or ``(B, C, H, W)``, output ``(…, C, H*scale, W*scale)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialUpSamplingNearest
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale_factor = _check_scale(scale, "nn.SpatialUpSamplingNearest")

    def _cells(self, shape: Sizes) -> Sizes:
        scale = self.scale_factor
        return (*shape[:2], shape[2], scale, shape[3], scale)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        scale = self.scale_factor
        size = (x.shape[1], x.shape[2] * scale, x.shape[3] * scale)
        out = self._shaped("output", np.asarray(input), size)
        out.reshape(self._cells(x.shape))[...] = x[:, :, :, None, :, None]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._planes(input)
        cells = self._planes(gradOutput, what="gradOutput").reshape(self._cells(x.shape))
        gradInput = self._shaped("gradInput", np.asarray(input), x.shape[1:])
        np.sum(cells, axis=(3, 5), out=gradInput)
        return self.gradInput

    def __repr__(self) -> str:
        return f"{self.typename()}({self.scale_factor})"


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
            if set(params) != {"oheight", "owidth"} or min(params.values()) < 1:
                raise ArgumentError(
                    "nn.SpatialUpSamplingBilinear: expected {'oheight': H, 'owidth': W} of at "
                    f"least 1, got {params!r}"
                )
            self.oheight, self.owidth = int(params["oheight"]), int(params["owidth"])
        else:
            self.scale_factor = _check_scale(params, "nn.SpatialUpSamplingBilinear")

    def _maps(self, size: Sizes) -> list[np.ndarray]:
        if self.scale_factor is not None:
            wanted = [n * self.scale_factor for n in size]
        else:
            wanted = [int(n) for n in (self.oheight, self.owidth) if n is not None]
        if tuple(wanted) == tuple(size):
            return [np.eye(n, dtype=self.dtype) for n in size]
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

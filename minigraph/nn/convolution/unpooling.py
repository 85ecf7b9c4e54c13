"""Max unpooling: put values back where a max pooling layer found them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigraph.errors import ArgumentError, InputError, StateError, format_shape
from minigraph.nn.convolution.geometry import Sizes
from minigraph.nn.convolution.pooling_max import (
    MaxPooling,
    SpatialMaxPooling,
    VolumetricMaxPooling,
    scatter,
)
from minigraph.nn.module import Module
from minigraph.tensors import resize


class MaxUnpooling(Module):
    """Base: the inverse of ``pooling``, zero wherever it found no maximum.

    The input is shaped like the pooling layer's last output, the output like its last input.
    """

    _pools: type[MaxPooling]

    def __init__(self, poolingModule: MaxPooling) -> None:
        super().__init__()
        if type(poolingModule) is not self._pools:
            raise ArgumentError(
                f"{self.typename()} undoes nn.{self._pools.__name__}, got {poolingModule!r}"
            )
        window = poolingModule._window
        if window.kernel != window.stride:
            raise ArgumentError(
                f"{self.typename()}: the pooling's kernel {window.kernel} must equal its stride "
                f"{window.stride}"
            )
        self.pooling = poolingModule

    def _places(self, x: np.ndarray) -> tuple[np.ndarray, Sizes]:
        """Return the pooling's indices, which must be shaped like ``x``, and its input's size."""
        indices = self.pooling.indices
        if indices is None:
            raise StateError(f"{self!r}: the pooling layer must run forward first")
        if indices.shape != x.shape:
            raise InputError(
                f"{self!r} expects input shaped like the pooling's output "
                f"{format_shape(indices.shape)}, got {format_shape(x.shape)}",
                "input", indices.shape, x.shape,
            )
        pooling = self.pooling
        sizes = (pooling.itime, pooling.iheight, pooling.iwidth)
        return indices, sizes[-len(pooling._axes) :]

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        indices, size = self._places(x)
        self.output = resize(self.output, (*x.shape[: -len(size)], *size), self.dtype)
        scatter(x, indices, self.output, prod(size), True)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        x = self._tensor(input)
        indices, size = self._places(x)
        g = self._tensor(gradOutput, what="gradOutput").reshape(-1, prod(size))
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        rows = indices.reshape(len(g), -1) - 1
        np.copyto(self.gradInput, np.take_along_axis(g, rows, 1).reshape(x.shape))
        return self.gradInput

    def __repr__(self) -> str:
        return f"{self.typename()} associated to {self.pooling!r}"


class SpatialMaxUnpooling(MaxUnpooling):
    """The inverse of a ``SpatialMaxPooling`` whose stride is its kernel.

    Input ``(C, oH, oW)`` or ``(B, C, oH, oW)``, output ``(…, C, H, W)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialMaxUnpooling
    """

    _pools = SpatialMaxPooling


class VolumetricMaxUnpooling(MaxUnpooling):
    """The inverse of a ``VolumetricMaxPooling`` whose stride is its kernel.

    Input ``(C, oT, oH, oW)`` or with a batch in front, output ``(…, C, T, H, W)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricMaxUnpooling
    """

    _pools = VolumetricMaxPooling

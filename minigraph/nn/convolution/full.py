"""Full (transposed) convolution: each input entry adds a weighted kernel to the output."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.convolution.columns import Columns, by_plane
from minigraph.nn.convolution.geometry import Sizes, default
from minigraph.nn.convolution.weights import Weighted
from minigraph.tables import is_table
from minigraph.tensors import resize


class FullConvolution(Weighted, Columns):
    """Base: the adjoint of a convolution from the output's planes to the input's.

    ``weight`` is ``(nInputPlane, nOutputPlane, *kernel)``. Input is a tensor, or a table of it
    and a tensor whose last sizes the output shall have.
    """

    nInputPlane: int
    nOutputPlane: int
    adjT = adjH = adjW = 0

    _buffers = (*Columns._buffers, "_zeros")
    _zeros: Any = None

    def _checkAdjustment(self) -> None:
        for adj, stride in zip(self._numbers("adj"), self._window.stride):
            if not 0 <= adj < stride:
                raise ArgumentError(f"{self!r}: adj {adj} must lie between 0 and the stride less 1")

    def _fanIn(self) -> int:
        return self.nInputPlane * prod(self._window.kernel)

    def _matrix(self) -> np.ndarray:
        return self.weight.reshape(self.nInputPlane, -1)

    def _read(self, input: Any) -> tuple[np.ndarray, np.ndarray, Sizes]:
        """Return the tensor as given and with its batch, and the output's size."""
        adjust = self._numbers("adj")
        window = self._window
        given = input
        if is_table(input):
            given, target = self._table(input, length=2)
            dims = len(self._axes)
            size = np.shape(target)[-dims:]
            if len(size) < dims:
                raise InputError(
                    f"{self!r} expects as input[2] a tensor of at least {dims} dimensions, whose "
                    f"last sizes the output shall have, got shape {format_shape(np.shape(target))}",
                    "input[2]", f"at least {dims} dimensions", np.shape(target),
                )
            adjust = tuple(
                (n + 2 * p - k) % d
                for n, p, k, d in zip(size, window.pad, window.kernel, window.stride)
            )
        x = self._planes(given, self.nInputPlane, "input[1]" if is_table(input) else "input")
        places = x.shape[2:]
        size = tuple(
            r - 2 * p + a for r, p, a in zip(window.reach(places), window.pad, adjust)
        )
        if min(size) < 1:
            raise InputError(
                f"{self!r}: an input of {' x '.join(self._axes)} {format_shape(places)} would give "
                f"an output of {format_shape(size)}",
                "input", "an output of at least 1 along each axis", size,
            )
        return np.asarray(given), x, size

    def updateOutput(self, input: Any) -> np.ndarray:
        given, x, size = self._read(input)
        places = x.shape[2:]
        weight = self._matrix().T
        out = self._shaped("output", given, (self.nOutputPlane, *size))
        for block in self._blocks(len(x), max(weight.shape) * prod(places)):
            matrix = by_plane(x[block])
            (columns,) = self._matrices((len(weight), matrix.shape[1]))
            np.dot(weight, matrix, out=columns)
            self._fold(columns, places, out[block])
            if self.bias is not None:
                out[block] += self.bias.reshape(-1, *[1] * len(places))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        given, x, _ = self._read(input)
        places = x.shape[2:]
        g = self._planes(gradOutput, self.nOutputPlane, "gradOutput")
        weight = self._matrix()
        if is_table(self.gradInput):
            self.gradInput = self.gradInput[0]
        gradInput = self._shaped("gradInput", given, x.shape[1:])
        for block in self._blocks(len(x), max(weight.shape) * prod(places)):
            target = gradInput[block]
            width = len(target) * prod(places)
            columns, product = self._matrices((weight.shape[1], width), (len(weight), width))
            np.dot(weight, self._unfold(g[block], places, columns), out=product)
            np.copyto(
                target, product.reshape(len(weight), len(target), *places).swapaxes(0, 1)
            )
        if is_table(input):
            self._zeros = resize(self._zeros, np.shape(input[1]), self.dtype)
            self._zeros.fill(0)
            self.gradInput = [self.gradInput, self._zeros]
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        _, x, _ = self._read(input)
        places = x.shape[2:]
        g = self._planes(gradOutput, self.nOutputPlane, "gradOutput")
        rows, taps = self._matrix().shape
        for block in self._blocks(len(x), max(rows, taps) * prod(places)):
            matrix = by_plane(x[block])
            product, columns = self._matrices((rows, taps), (taps, matrix.shape[1]))
            np.dot(matrix, self._unfold(g[block], places, columns).T, out=product)
            self._accumulate(product, scale)
        self._accumulateBias(g.sum((0, *range(2, g.ndim))), scale)

    def __repr__(self) -> str:
        text = f"{self.typename()}({self.nInputPlane} -> {self.nOutputPlane}, {self._windowText()}"
        if any(self._numbers("adj")):
            text += ", " + self._written("adj")
        return f"{text}){self._bare()}"


class SpatialFullConvolution(FullConvolution):
    """2-D full convolution ("deconvolution") of ``nInputPlane`` planes into ``nOutputPlane``.

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``, output ``(…, nOutputPlane, oH, oW)``
    with ``oW = (W - 1)*dW - 2*padW + kW + adjW``. Or a table ``[input, like]``: ``adjW`` and
    ``adjH`` are then chosen so that the output is as high and wide as ``like``, whose gradient
    is zero. ``weight`` is ``(nInputPlane, nOutputPlane, kH, kW)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialFullConvolution
    """

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kW: int, kH: int, dW: int = 1, dH: int = 1,
        padW: int = 0, padH: int = 0, adjW: int = 0, adjH: int = 0,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self._setWindow((kW, kH), (dW, dH), (padW, padH))
        self.adjW, self.adjH = default(adjW, 0), default(adjH, 0)
        self._checkAdjustment()
        self._allocate((nInputPlane, nOutputPlane, kH, kW), (nOutputPlane,))


class VolumetricFullConvolution(FullConvolution):
    """3-D full convolution of ``nInputPlane`` planes into ``nOutputPlane``.

    Input ``(nInputPlane, T, H, W)`` or with a batch in front, or a table ``[input, like]`` as in
    ``SpatialFullConvolution``. ``weight`` is ``(nInputPlane, nOutputPlane, kT, kH, kW)``.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.VolumetricFullConvolution
    """

    _axes = ("T", "H", "W")

    def __init__(
        self, nInputPlane: int, nOutputPlane: int, kT: int, kW: int, kH: int,
        dT: int = 1, dW: int = 1, dH: int = 1, padT: int = 0, padW: int = 0, padH: int = 0,
        adjT: int = 0, adjW: int = 0, adjH: int = 0,
    ) -> None:
        super().__init__()
        self.nInputPlane, self.nOutputPlane = nInputPlane, nOutputPlane
        self._setWindow((kT, kW, kH), (dT, dW, dH), (padT, padW, padH))
        self.adjT, self.adjW, self.adjH = default(adjT, 0), default(adjW, 0), default(adjH, 0)
        self._checkAdjustment()
        self._allocate((nInputPlane, nOutputPlane, kT, kH, kW), (nOutputPlane,))

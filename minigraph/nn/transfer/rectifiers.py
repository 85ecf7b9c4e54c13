"""Rectifiers with slopes that are learned or drawn, and CReLU: PReLU, RReLU, CReLU."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.nn.transfer.pointwise import Transfer
from minigraph.tensors import resize, scratch


class PReLU(Transfer):
    """x where positive, else x times a learned slope, 0.25 to begin with.

    One slope for all (``nOutputPlane=0``, the default; ``weight`` ``(1,)``), or one for each of
    ``nOutputPlane`` planes: the first dimension of a 1-d input, the second of any other.
    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.PReLU
    """

    def __init__(self, nOutputPlane: Optional[int] = 0) -> None:
        super().__init__()
        self.nOutputPlane = nOutputPlane or 0
        if self.nOutputPlane < 0:
            raise ArgumentError(f"nn.PReLU: the number of planes is {nOutputPlane}, it must be positive")
        self.weight = np.full(self.nOutputPlane or 1, 0.25, self.dtype)
        self.gradWeight = np.zeros_like(self.weight)

    def reset(self, stdv: Optional[float] = None) -> "PReLU":
        """Leave the slopes as they are, as Torch does; return the module."""
        return self

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Return the slopes in a shape that broadcasts to ``x``."""
        if not self.nOutputPlane:
            return self.weight
        axis = 1 if x.ndim > 1 else 0
        if x.ndim == 0 or x.shape[axis] != self.nOutputPlane:
            raise InputError(
                f"{self!r} expects {self.nOutputPlane} planes in dimension {axis + 1} of the input, "
                f"got shape {format_shape(x.shape)}",
                "input", self.nOutputPlane, x.shape,
            )
        return self.weight.reshape(-1, *(1,) * (x.ndim - axis - 1))

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        x = self._tensor(input)
        product = np.minimum(x, 0, out=scratch(x.shape, x.dtype))
        product *= self._tensor(gradOutput, what="gradOutput")
        if self.nOutputPlane:
            axis = 1 if x.ndim > 1 else 0
            self.gradWeight += scale * product.sum(tuple(d for d in range(x.ndim) if d != axis))
        else:
            self.gradWeight += scale * product.sum()

    def __repr__(self) -> str:
        return f"nn.PReLU({self.nOutputPlane})" if self.nOutputPlane else "nn.PReLU"


class RReLU(Transfer):
    """x where positive, else x times a slope drawn from uniform(l, u) in training.

    One draw for each entry that is not positive, in row-major order; in evaluation the slope
    is (l + u) / 2; by default l = 1/8 and u = 1/3. ``inplace`` as in Transfer.
    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.RReLU
    """

    _buffers = ("noise",)

    def __init__(
        self, l: Optional[float] = None, u: Optional[float] = None, inplace: bool = False  # noqa: E741
    ) -> None:
        super().__init__()
        self.lower = 1 / 8 if l is None else l
        self.upper = 1 / 3 if u is None else u
        if not 0 <= self.lower <= self.upper:
            raise ArgumentError(f"nn.RReLU: 0 <= lower <= upper is needed, got {self.lower} .. {self.upper}")
        self.noise: Optional[np.ndarray] = None
        self.inplace = bool(inplace)

    def newNoise(self, x: np.ndarray) -> np.ndarray:
        """Return ``noise`` in the shape and dtype of ``x``, contents undefined."""
        self.noise = resize(self.noise, x.shape, x.dtype)
        return self.noise

    def __repr__(self) -> str:
        return f"nn.RReLU (l:{self.lower:f}, u:{self.upper:f})"


class CReLU(Module):
    """max(0, x) and max(0, -x), joined along the first dimension of a sample.

    ``nInputDims`` is the number of dimensions of one sample; an input with one more is a batch.
    Input ``(C, …)`` or ``(B, C, …)``, output ``(2*C, …)`` or ``(B, 2*C, …)``. ``inplace``
    as in Transfer.
    Source: https://arxiv.org/abs/1603.05201
    """

    def __init__(self, nInputDims: int, inplace: bool = False) -> None:
        super().__init__()
        if nInputDims < 1:
            raise ArgumentError(f"nn.CReLU: nInputDims must be at least 1, got {nInputDims}")
        self.nInputDims = nInputDims
        self.inplace = bool(inplace)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, self.nInputDims, self.nInputDims + 1)
        axis = x.ndim - self.nInputDims
        shape = (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
        self.output = resize(self.output, shape, self.dtype)
        positive, negative = np.split(self.output, 2, axis)
        np.maximum(x, 0, out=positive)
        np.negative(x, out=negative)
        np.maximum(negative, 0, out=negative)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        axis = g.ndim - self.nInputDims
        (forPositive, forNegative), x = np.split(g, 2, axis), self._tensor(input)
        self.gradInput = resize(self.gradInput, x.shape, self.dtype)
        np.multiply(forPositive, x > 0, out=self.gradInput)
        self.gradInput -= forNegative * (x < 0)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.CReLU({self.nInputDims})"

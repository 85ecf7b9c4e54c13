"""Convolutions between chosen pairs of planes, and ``nn.tables``, which chooses them."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.convolution.columns import Columns
from minigraph.nn.convolution.dense import Convolution
from minigraph.nn.convolution.full import FullConvolution
from minigraph.nn.convolution.weights import Weighted
from minigraph.random import generator, randperm, uniform
from minigraph.tables import refuse_mask
from minigraph.tensors import TENSOR_TYPES, getdefaulttensortype


class tables:
    """Connection tables ``(K, 2)``: rows ``(input plane, output plane)``, counted from 1."""

    @staticmethod
    def full(nin: int, nout: int) -> np.ndarray:
        """Return the table that connects every input plane to every output plane."""
        return _table([(i, j) for j in range(1, nout + 1) for i in range(1, nin + 1)])

    @staticmethod
    def oneToOne(nfeat: int) -> np.ndarray:
        """Return the table that connects each plane to the one of its number."""
        return _table([(i, i) for i in range(1, nfeat + 1)])

    @staticmethod
    def random(nin: int, nout: int, nto: int) -> np.ndarray:
        """Return a table in which each output plane has ``nto`` input planes, drawn evenly.

        Input planes are taken from random permutations, ``nto`` at a time.
        """
        if not 1 <= nto <= nin:
            raise ArgumentError(f"nn.tables.random: nto must be in 1..{nin}, got {nto}")
        chunks = nin // nto
        order = randperm(nin)
        rows = []
        for j in range(nout):
            start = j % chunks * nto
            rows += [(i, j + 1) for i in order[start : start + nto]]
            if (j + 1) % chunks == 0:
                order = randperm(nin)
        return _table(rows)


def _table(rows: list[Any]) -> np.ndarray:
    return np.array(rows, TENSOR_TYPES[getdefaulttensortype()]).reshape(-1, 2)


class Mapped(Weighted, Columns):
    """What both layers share: ``weight`` ``(K, kH, kW)``, one kernel for each row of ``connTable``.

    They compute with the weights of all pairs of planes, those not connected being zero.
    """

    nInputPlane: int
    nOutputPlane: int
    kW: int
    kH: int

    def __init__(self, conMatrix: Any, kW: int, kH: int, dW: int = 1, dH: int = 1) -> None:
        super().__init__()
        refuse_mask(conMatrix, "conMatrix")
        self.connTable = np.array(conMatrix, self.dtype)
        if self.connTable.ndim != 2 or self.connTable.shape[1] != 2 or not self.connTable.size:
            raise ArgumentError(
                f"{self.typename()} needs a connection table (K, 2), got shape {self.connTable.shape}"
            )
        if self.connTable.min() < 1 or np.any(self.connTable % 1):
            raise ArgumentError(
                f"{self.typename()}: planes in the connection table are counted from 1"
            )
        self.nInputPlane, self.nOutputPlane = self.connTable.max(0).astype(int).tolist()
        self._setWindow((kW, kH), (dW, dH))
        self._allocate((len(self.connTable), kH, kW), (self.nOutputPlane,))

    def reset(self, stdv: Optional[float] = None) -> Any:
        """Draw each kernel from uniform(-a, a), a = 1/sqrt(inputs of its output plane)."""
        if stdv:
            return super().reset(stdv)
        _, targets = self._connections()
        fan = np.bincount(targets, minlength=self.nOutputPlane) * (self.kW * self.kH)
        for kernel, target in zip(self.weight, targets):
            bound = 1.0 / math.sqrt(fan[target])
            generator.fillUniform(kernel, -bound, bound)
        if self.bias is not None:
            bounds = [1.0 / math.sqrt(n) if n else 0.0 for n in fan]
            self.bias[...] = [uniform(-bound, bound) for bound in bounds]
        return self

    def _connections(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the input and the output plane of each row, counted from 0."""
        table = self.connTable.astype(np.intp) - 1
        return table[:, 0], table[:, 1]

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for each row the first and the second index of its kernel among all weights."""
        raise TypeError(f"{self.typename()} does not define _pairs()")

    def _planePair(self) -> tuple[int, int]:
        """Return how many first and second indexes there are."""
        raise TypeError(f"{self.typename()} does not define _planePair()")

    def _matrix(self) -> np.ndarray:
        first, _ = planes = self._planePair()
        dense = np.zeros((*planes, self.kH, self.kW), self.dtype)
        np.add.at(dense, self._pairs(), self.weight)
        return dense.reshape(first, -1)

    def _accumulate(self, product: np.ndarray, scale: Any) -> None:
        dense = product.reshape(*self._planePair(), self.kH, self.kW)
        super()._accumulate(dense[self._pairs()], scale)

    def __repr__(self) -> str:
        return self.typename()


class SpatialConvolutionMap(Mapped, Convolution):
    """2-D convolution between the pairs of planes in ``conMatrix`` (see ``nn.tables``).

    Input ``(nInputPlane, H, W)`` or ``(B, nInputPlane, H, W)``; the planes are the largest
    numbers in the table. ``weight`` is ``(K, kH, kW)``, ``bias`` ``(nOutputPlane,)``. An output
    plane without a connection is its bias, 0 at the start.
    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialConvolutionMap
    """

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        sources, targets = self._connections()
        return targets, sources

    def _planePair(self) -> tuple[int, int]:
        return self.nOutputPlane, self.nInputPlane

    def decayParameters(self, decay: float) -> None:
        """Shrink the parameters by the factor ``1 - decay``."""
        for parameter in self.parameters()[0]:
            parameter -= decay * parameter


class SpatialFullConvolutionMap(Mapped, FullConvolution):
    """2-D full convolution between the pairs of planes in ``conMatrix`` (see ``nn.tables``).

    Input ``(nInputPlane, H, W)`` (or with a batch in front, which Torch7 refuses), output
    ``(…, nOutputPlane, (H-1)*dH + kH, (W-1)*dW + kW)``. ``weight`` is ``(K, kH, kW)``.
    Source: https://github.com/torch/nn/blob/master/SpatialFullConvolutionMap.lua
    """

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return self._connections()

    def _planePair(self) -> tuple[int, int]:
        return self.nInputPlane, self.nOutputPlane

"""Kmeans: the nearest of learned centres, which move towards the samples that they are nearest to."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.linear import check_linear_input
from minigraph.random import generator, random
from minigraph.tensors import resize


class Kmeans(Module):
    """Online k-means: the number (from 1) of the centre that each sample is nearest to.

    Input ``(B, dim)``, output ``(B,)``; ``weight`` ``(k, dim)`` holds the centres, drawn from
    uniform(-1, 1), or from samples by ``initRandom`` or ``initKmeansPlus``. ``loss`` is the sum
    of squared distances of the last forward. The layer has a criterion of its own: whatever
    ``gradOutput`` is, ``gradInput`` is zero, and ``gradWeight`` points from the mean of a
    centre's samples to the centre (times ``scale``, if given, instead of that of ``backward``).
    Source: https://github.com/torch/nn/blob/master/Kmeans.lua
    """

    _buffers = ("_nearest", "_squares")
    _nearest: Optional[np.ndarray] = None
    _squares: Optional[np.ndarray] = None
    _backFactor = None
    scale: Optional[float] = None
    p: float = 0.95

    def __init__(self, k: int, dim: int, scale: Optional[float] = None) -> None:
        super().__init__()
        if min(k, dim) < 1:
            raise ArgumentError(f"nn.Kmeans({k}, {dim}): sizes must be at least 1")
        if scale is not None and not scale > 0:
            raise ArgumentError(f"nn.Kmeans: the scale must be positive, got {scale}")
        self.k, self.dim = k, dim
        if scale is not None:
            self.scale = scale
        self.weight = np.empty((k, dim), self.dtype)
        self.gradWeight = np.zeros_like(self.weight)
        self.clusterSampleCount = np.zeros(k, self.dtype)
        self.loss = 0.0
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "Kmeans":
        """Draw the centres from uniform(-stdv, stdv), 1 by default."""
        bound = 1.0 if stdv is None else stdv
        generator.fillUniform(self.weight, -bound, bound)
        return self

    def initRandom(self, input: Any) -> None:
        """Make samples of ``input`` ``(B, dim)``, drawn at random, the centres; B is at least ``k``."""
        x = self._samples(input)
        if len(x) < self.k:
            raise InputError(
                f"{self!r} needs at least {self.k} samples to start from, got {len(x)}",
                "input", self.k, len(x),
            )
        for centre in self.weight:
            centre[...] = x[random(1, len(x)) - 1]

    def initKmeansPlus(self, input: Any, p: Optional[float] = None) -> None:
        """Choose the centres one by one among the samples that are farthest from those before.

        Each is drawn from the share ``1 - p`` (0.05 by default) of ``input`` ``(B, dim)``.
        """
        x = self._samples(input)
        p = self.p if p is None else p
        if not 0 <= p <= 1:
            raise ArgumentError(f"nn.Kmeans: p must be between 0 and 1, got {p}")
        self.p = p
        count = max(1, math.ceil((1 - self.p) * len(x)))
        self.weight[0] = x[random(1, len(x)) - 1]
        distances = np.full(len(x), np.inf)
        for number in range(1, self.k):
            distances = np.minimum(distances, np.square(x - self.weight[number - 1]).sum(1))
            farthest = np.argsort(-distances, kind="stable")
            self.weight[number] = x[farthest[random(1, count) - 1]]

    def _samples(self, input: Any) -> np.ndarray:
        x = check_linear_input(self, input, self.dim, 2)
        if not len(x):
            raise InputError(
                f"{self!r} expects at least one sample, got shape {format_shape(x.shape)}",
                "input", (1, self.dim), x.shape,
            )
        return x

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._samples(input)
        distances = np.square(x[:, None] - self.weight).sum(2)
        self._nearest = distances.argmin(1)
        self._squares = distances.min(1)
        self.loss = float(self._squares.sum())
        self.output = resize(self.output, (len(x),), self.dtype)
        np.add(self._nearest, 1, out=self.output, casting="unsafe")
        return self.output

    @property
    def _penalty(self) -> float:
        """Half the mean square distance of each centre to its samples: what moves it."""
        nearest = self._nearest
        assert nearest is not None, "forward comes first"
        sums = np.bincount(nearest, self._squares, self.k)
        counts = np.bincount(nearest, minlength=self.k)
        return (self.scale or 1.0) * float((sums / (counts + 1e-7)).sum()) / 2

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        self.gradInput.fill(0)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        nearest = self._nearest
        assert nearest is not None, "forward comes first"
        self.clusterSampleCount[...] = np.bincount(nearest, minlength=self.k)
        moves = np.zeros_like(self.weight)
        np.add.at(moves, nearest, self.weight[nearest] - self._samples(input))
        # The 1e-7 is Torch's guard against centres without samples.
        moves /= (self.clusterSampleCount + 1e-7)[:, None]
        self.gradWeight += (scale if self.scale is None else self.scale) * moves

    def __repr__(self) -> str:
        return f"nn.Kmeans({self.k}, {self.dim})"

"""Maxout: the largest of several linear functions."""

from __future__ import annotations

from typing import Optional

from minigraph.nn.containers import Sequential
from minigraph.nn.module import Module
from minigraph.nn.simple.linear import Linear
from minigraph.nn.simple.reduction import Max
from minigraph.nn.simple.shape import View


class Maxout(Sequential):
    """For each of ``outputSize`` outputs, the largest of ``maxoutNumber`` linear functions.

    A Sequential of a Linear to ``outputSize * maxoutNumber``, a View, ``preprocess`` if given
    (it sees ``(B, maxoutNumber, outputSize)``), and a Max. Input ``(inputSize,)`` or ``(B, inputSize)``.
    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.Maxout
    """

    def __init__(
        self, inputSize: int, outputSize: int, maxoutNumber: int, preprocess: Optional[Module] = None
    ) -> None:
        super().__init__()
        self.add(Linear(inputSize, outputSize * maxoutNumber))
        self.add(View(maxoutNumber, outputSize).setNumInputDims(1))
        if preprocess is not None:
            self.add(preprocess)
        self.add(Max(1, 2))

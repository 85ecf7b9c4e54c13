"""LayerNormalization: each sample to mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigraph.nn.containers import Sequential
from minigraph.nn.identity import Identity
from minigraph.nn.normalisation.norm import Normalize
from minigraph.nn.simple.arithmetic import Add, CMul, MulConstant
from minigraph.nn.simple.linear import check_linear_input
from minigraph.nn.simple.reduction import Mean
from minigraph.nn.simple.shape import Replicate
from minigraph.nn.table.arithmetic import CSubTable
from minigraph.nn.table.containers import ConcatTable


class LayerNormalization(Sequential):
    """Shift and scale each sample to mean 0 and variance 1, then by a learned gain and bias.

    Input ``(nOutput,)`` or ``(B, nOutput)``. The gain starts at 1, the bias at ``bias`` (0);
    ``affine=False`` leaves both out. ``eps`` (1e-10) guards the norm. As in Torch7 it is a
    Sequential of simpler layers.

    Torch7's numbers for a batch are not quite the paper's: its layers line the means up in the
    wrong order, so that the k-th entry of the batch, counted through all samples, is shifted by
    the mean of sample ``k mod B``. One sample at a time is exact.
    Source: https://arxiv.org/abs/1607.06450
    """

    def __init__(self, nOutput: int, bias: float = 0.0, eps: float = 1e-10, affine: bool = True) -> None:
        super().__init__()
        self.nOutput = nOutput
        average = Sequential().add(Mean(1, 1)).add(Replicate(nOutput, 1, 1))
        self.add(ConcatTable().add(Identity()).add(average))
        self.add(CSubTable())
        self.add(Normalize(2, 1e-10 if eps is None else eps))
        self.add(MulConstant(math.sqrt(nOutput)))
        if affine is not False:
            shift, gain = Add(nOutput, False), CMul(nOutput)
            shift.bias.fill(bias or 0.0)
            gain.weight.fill(1.0)
            self.add(gain).add(shift)

    def _rows(self, input: Any) -> np.ndarray:
        return np.atleast_2d(check_linear_input(self, input, self.nOutput, 1, 2))

    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = super().updateOutput(self._rows(input)).reshape(np.shape(input))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        rows = self._rows(input)
        gradient = super().updateGradInput(rows, np.reshape(gradOutput, rows.shape))
        self.gradInput = gradient.reshape(np.shape(input))
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        rows = self._rows(input)
        super().accGradParameters(rows, np.reshape(gradOutput, rows.shape), scale)

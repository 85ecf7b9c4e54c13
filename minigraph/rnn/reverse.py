"""Reverse: a sequence from its end to its start, what a bidirectional layer needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.nn import Module
from minigraph.tensors import resize


class Reverse(Module):
    """The entries along the first dimension in the opposite order.

    Input ``(T, ...)``, output alike; gradients come back in the input's order. Torch7's nn has no
    such layer: native files hold it, ``.t7`` files do not.
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        self.output = resize(self.output, x.shape, self.dtype)
        np.copyto(self.output, x[::-1])
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, g.shape, self.dtype)
        np.copyto(self.gradInput, g[::-1])
        return self.gradInput

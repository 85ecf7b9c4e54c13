"""Criterion: the protocol of losses, and a criterion as a node of a graph.

Source: https://github.com/torch/nn/blob/master/doc/criterion.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import InputError, StateError, format_shape
from minigraph.graph import Node
from minigraph.nn.module import Module
from minigraph.nn.state import State
from minigraph.tables import is_table, map_table, zeros_like
from minigraph.tensors import resize


class Criterion(State):
    """A loss: a number computed from an input and a target.

    ``updateOutput(input, target)`` computes and returns the loss (a float), and
    ``updateGradInput(input, target)`` its gradient with respect to the input.
    """

    def updateOutput(self, input: Any, target: Any) -> float:
        """Compute, keep and return the loss."""
        raise TypeError(f"{self.typename()} does not define updateOutput(input, target)")

    def updateGradInput(self, input: Any, target: Any) -> Any:
        """Compute, keep and return the gradient of the loss with respect to ``input``."""
        raise TypeError(f"{self.typename()} does not define updateGradInput(input, target)")

    def forward(self, input: Any, target: Any) -> float:
        """Return the loss, a Python float."""
        return self.updateOutput(input, target)

    def backward(self, input: Any, target: Any) -> Any:
        """Return the gradient of the loss; raises StateError before a forward."""
        if self.output is None:
            raise StateError(
                f"backward before forward: {self.typename()} has no loss yet; "
                "call forward(input, target) first"
            )
        return self.updateGradInput(input, target)

    def __call__(self, *inputs: Any) -> Node:
        """Make a graph node of ``[prediction, target]``; its output is the loss, shape ``(1,)``."""
        return ModuleFromCriterion(self)(*inputs)

    def clearState(self) -> "Criterion":
        """Forget the loss and the gradient; return the criterion."""
        self.output = self.gradInput = None
        return self

    def _like(self, target: Any, input: np.ndarray) -> np.ndarray:
        """Return a target that must have the input's shape (or as many elements), in that shape."""
        array = self._tensor(target, what="target")
        if array.size != input.size:
            raise InputError(
                f"{self!r} expects a target of shape {format_shape(input.shape)} like the input, "
                f"got {format_shape(array.shape)}",
                "target", input.shape, array.shape,
            )
        return array.reshape(input.shape)


class ModuleFromCriterion(Module):
    """A criterion as a module: ``[prediction, target]`` in, the loss ``(1,)`` out.

    The gradient of the target is zero.
    Source: https://github.com/torch/nngraph/blob/master/ModuleFromCriterion.lua
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion

    def updateOutput(self, input: Any) -> np.ndarray:
        prediction, target = self._table(input, length=2)
        loss = self.criterion.updateOutput(prediction, target)
        self.output = resize(self.output, (1,), self.dtype)
        self.output[0] = loss
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        prediction, target = input
        scale = self._tensor(gradOutput, what="gradOutput").item()
        gradient = self.criterion.updateGradInput(prediction, target)
        old = self.gradInput[1] if isinstance(self.gradInput, list) else None
        if scale != 1.0:
            gradient = map_table(lambda leaf: leaf * scale, gradient)
        self.gradInput = [gradient, _zero_gradient(target, old, self.dtype)]
        return self.gradInput

    def clearState(self) -> "ModuleFromCriterion":
        super().clearState()
        self.criterion.clearState()
        return self

    def __repr__(self) -> str:
        return repr(self.criterion)


def _zero_gradient(target: Any, buffer: Any, dtype: np.dtype) -> Any:
    if is_table(target):
        return [_zero_gradient(entry, None, dtype) for entry in target]
    if not isinstance(target, np.ndarray):
        return 0.0
    return zeros_like(resize(buffer, target.shape, dtype), buffer)

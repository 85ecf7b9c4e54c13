"""Criterion: the protocol of losses, and a criterion as a node of a graph.

Source: https://github.com/torch/nn/blob/master/doc/criterion.md
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, StateError, format_shape
from minigraph.graph import Node
from minigraph.nesting import retold
from minigraph.nn.module import Module
from minigraph.nn.state import State
from minigraph.tables import is_table, zeros_like
from minigraph.tensors import resize


class Criterion(State):
    """A loss: a number computed from an input and a target.

    ``updateOutput(input, target)`` computes and returns the loss (a float), and
    ``updateGradInput(input, target)`` its gradient with respect to the input.
    """

    #: Attributes besides ``output`` and ``gradInput`` that hold intermediate results.
    _buffers: tuple[str, ...] = ()

    def updateOutput(self, input: Any, target: Any) -> float:
        """Compute, keep and return the loss."""
        raise TypeError(f"{self.typename()} does not define updateOutput(input, target)")

    def updateGradInput(self, input: Any, target: Any) -> Any:
        """Compute, keep and return the gradient of the loss with respect to ``input``."""
        raise TypeError(f"{self.typename()} does not define updateGradInput(input, target)")

    @retold
    def forward(self, input: Any, target: Any = None) -> float:
        """Return the loss, a Python float; a few criterions have no target."""
        return self.updateOutput(input, target)

    @retold
    def backward(self, input: Any, target: Any = None) -> Any:
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
        """Forget the loss, the gradient and buffers, here and in what this is made of."""
        for name in ("output", "gradInput", *self._buffers):
            setattr(self, name, None)
        for part in self._owners():
            if part is not self and isinstance(part, (Criterion, Module)):
                part.clearState()
        return self

    def _like(self, target: Any, input: np.ndarray) -> np.ndarray:
        """Return a target that must have the input's shape (or as many elements), in that shape."""
        array = self._tensor(target, what="target")
        if array.shape == input.shape:
            return array
        if array.size != input.size:
            raise InputError(
                f"{self!r} expects a target of shape {format_shape(input.shape)} like the input, "
                f"got {format_shape(array.shape)}",
                "target", input.shape, array.shape,
            )
        return array.reshape(input.shape)

    def _signs(self, target: Any, count: int) -> np.ndarray:
        """Return ``count`` labels, each 1 or -1, as ``(count,)``."""
        labels = self._tensor(target, what="target").ravel()
        if labels.size != count:
            raise InputError(
                f"{self!r} expects {count} target(s), got {labels.size}", "target", count, labels.size
            )
        wrong = np.abs(labels) != 1
        if wrong.any():
            bad = labels[wrong][0]
            raise InputError(
                f"{self!r}: target holds {bad:g}, the valid values are 1 and -1", "target", "1 or -1", bad
            )
        return labels

    def _vector(self, weights: Any, what: str = "weights") -> Optional[np.ndarray]:
        """Return optional weights, given as a 1-d tensor or a list of numbers."""
        if weights is None:
            return None
        return self._tensor(np.asarray(weights) if is_table(weights) else weights, 1, what=what)


def scaled(table: Any, scale: float, buffer: Any = None) -> Any:
    """Return ``scale`` times a tensor or table of tensors, in ``buffer``'s arrays where they fit."""
    if is_table(table):
        old = buffer if is_table(buffer) and len(buffer) == len(table) else [None] * len(table)
        return [scaled(entry, scale, previous) for entry, previous in zip(table, old)]
    if not isinstance(table, np.ndarray):
        return table * scale
    out = resize(buffer if isinstance(buffer, np.ndarray) else None, table.shape, table.dtype)
    return np.multiply(table, scale, out=out)


class ModuleFromCriterion(Module):
    """A criterion as a module: ``[prediction, target]`` in, the loss ``(1,)`` out.

    The gradient of the target is zero.
    Source: https://github.com/torch/nngraph/blob/master/ModuleFromCriterion.lua
    """

    _buffers = ("_scaled",)
    _scaled: Any = None

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
            gradient = self._scaled = scaled(gradient, scale, self._scaled)
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

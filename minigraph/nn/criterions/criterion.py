"""Criterion: the protocol of losses, and a criterion as a node of a graph.

Source: https://github.com/torch/nn/blob/master/doc/criterion.md
"""

from __future__ import annotations

import inspect
from typing import Any, Optional, TypeVar

import numpy as np

from minigraph.errors import InputError, StateError, format_shape
from minigraph.graph import Node
from minigraph.nesting import retold
from minigraph.nn.module import Module
from minigraph.nn.state import State, held
from minigraph.nn.threads import exclusive
from minigraph.tables import is_table, zeros_like
from minigraph.tensors import resize

Self = TypeVar("Self", bound="Criterion")


class Criterion(State):
    """A loss: a number computed from an input and a target.

    ``updateOutput(input, target)`` computes and returns the loss (a float), and
    ``updateGradInput(input, target)`` its gradient with respect to the input.
    """

    #: Attributes besides ``output`` and ``gradInput`` that hold intermediate results.
    _buffers: tuple[str, ...] = ()
    #: Whether the input is a table.
    takesTable: bool = False

    def needsTarget(self) -> bool:
        """Tell whether there is a target: not where ``updateOutput`` has a default for it."""
        target = list(inspect.signature(self.updateOutput).parameters.values())[1]
        return target.default is inspect.Parameter.empty

    def updateOutput(self, input: Any, target: Any) -> float:
        """Compute, keep and return the loss."""
        raise TypeError(f"{self.typename()} does not define updateOutput(input, target)")

    def updateGradInput(self, input: Any, target: Any) -> Any:
        """Compute, keep and return the gradient of the loss with respect to ``input``."""
        raise TypeError(f"{self.typename()} does not define updateGradInput(input, target)")

    @retold
    @exclusive
    def forward(self, input: Any, target: Any = None) -> float:
        """Return the loss, a Python float; a few criterions have no target."""
        return self.updateOutput(input, target)

    @retold
    @exclusive
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

    def clearState(self: Self) -> Self:
        """Forget the loss, the gradient and buffers, here and in what this is made of."""
        super().clearState()
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

    The gradient of the target is zero. A criterion without a target takes the prediction alone.
    Source: https://github.com/torch/nngraph/blob/master/ModuleFromCriterion.lua
    """

    _buffers = ("_scaled",)
    _scaled: Any = None

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = held([], criterion)

    def parts(self, input: Any) -> tuple[Any, Any, bool]:
        """Return ``(prediction, target, whether there is one)`` of an input."""
        pair = is_table(input) and len(input) == 2
        pair = pair and (not self.criterion.takesTable or is_table(input[0]))
        if not pair and not self.criterion.needsTarget():
            return input, None, False
        prediction, target = self._table(input, length=2)
        return prediction, target, True

    def updateOutput(self, input: Any) -> np.ndarray:
        prediction, target, _ = self.parts(input)
        loss = self.criterion.updateOutput(prediction, target)
        self.output = resize(self.output, (1,), self.dtype)
        self.output[0] = loss
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        prediction, target, paired = self.parts(input)
        scale = self._tensor(gradOutput, what="gradOutput").item()
        gradient = self.criterion.updateGradInput(prediction, target)
        held = self.gradInput
        old = held[1] if paired and isinstance(held, list) and len(held) == 2 else None
        if scale != 1.0:
            gradient = self._scaled = scaled(gradient, scale, self._scaled)
        self.gradInput = [gradient, _zero_gradient(target, old, self.dtype)] if paired else gradient
        return self.gradInput

    def _distinct(self, known: set[int]) -> "ModuleFromCriterion":
        made = super()._distinct(known)
        if made is self:
            self.criterion = self.criterion._distinct(known)
        return made

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

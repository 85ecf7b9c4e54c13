"""Criterions made of others: MultiCriterion, ParallelCriterion, ModuleCriterion, CriterionTable."""

from __future__ import annotations

import warnings
from typing import Any, Optional, TypeVar

from minigraph.errors import ArgumentError, InputError, MinigraphError
from minigraph.nn.criterions.criterion import Criterion, ModuleFromCriterion, scaled
from minigraph.nn.decorators import DontCast
from minigraph.nn.module import Module
from minigraph.nn.state import held
from minigraph.tables import add_tables, describe, is_table, zeros_like

Self = TypeVar("Self", bound="_Sum")


class _Sum(Criterion):
    """Base of weighted sums: ``criterions``, and ``weights`` of as many numbers."""

    def __init__(self) -> None:
        self.criterions: list[Criterion] = []
        self.weights: list[float] = []

    def add(self: Self, criterion: Criterion, weight: Optional[float] = 1) -> Self:
        """Append a criterion with its weight (1 by default); return this criterion.

        One added a second time is added as its ``twin``, so that its buffers stay its own.
        """
        if not isinstance(criterion, Criterion):
            raise ArgumentError(f"{self.typename()} holds criterions, got {type(criterion).__name__}")
        self.criterions.append(held(self.criterions, criterion))
        self.weights.append(1 if weight is None else weight)
        return self

    def needsTarget(self) -> bool:
        return any(part.needsTarget() for part in self.criterions)

    def _distinct(self: Self, known: set[int]) -> Self:
        made = super()._distinct(known)
        if made is self:
            self.criterions[:] = [criterion._distinct(known) for criterion in self.criterions]
        return made

    def _run(self, position: int, method: str, input: Any, target: Any) -> Any:
        """Call a method of a part; an error on the way out names the part."""
        part = self.criterions[position]
        try:
            return getattr(part, method)(input, target)
        except MinigraphError as error:
            error.context.append(f"in criterion {position + 1} of {self.typename()}: {part!r}")
            raise

    def _total(self, inputs: Any, targets: Any) -> float:
        """Compute, keep and return the weighted sum for an input and a target of each part."""
        losses = [
            self._run(position, "updateOutput", inputs[position], targets[position])
            for position in range(len(self.criterions))
        ]
        self.output = float(sum(weight * loss for weight, loss in zip(self.weights, losses)))
        return self.output


class MultiCriterion(_Sum):
    """A weighted sum of criterions of the same input and target.

    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.MultiCriterion
    """

    _buffers = ("_scaled",)
    _scaled: Any = None

    def updateOutput(self, input: Any, target: Any = None) -> float:
        count = len(self.criterions)
        return self._total([input] * count, [target] * count)

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        total: Any = None
        for position, weight in enumerate(self.weights):
            gradient = self._run(position, "updateGradInput", input, target)
            if total is None:
                total = scaled(gradient, weight, self.gradInput)
            else:
                self._scaled = scaled(gradient, weight, self._scaled)
                total = add_tables(total, self._scaled, total)
        self.gradInput = zeros_like(input) if total is None else total
        return self.gradInput


class ParallelCriterion(_Sum):
    """A weighted sum of criterions, the i-th of the i-th entry of the input and of the target.

    With ``repeatTarget`` every criterion gets the whole target.
    Source: https://github.com/torch/nn/blob/master/doc/criterion.md#nn.ParallelCriterion
    """

    takesTable = True

    def __init__(self, repeatTarget: bool = False) -> None:
        super().__init__()
        self.repeatTarget = bool(repeatTarget)

    def _entries(self, value: Any, what: str) -> Any:
        if not is_table(value) or len(value) < len(self.criterions):
            raise InputError(
                f"{self!r} expects a table of {len(self.criterions)} entries as {what}, one for each "
                f"criterion, got {describe(value)}",
                what, len(self.criterions), len(value) if is_table(value) else describe(value),
            )
        return value

    def _targets(self, target: Any) -> Any:
        if self.repeatTarget or target is None and not self.needsTarget():
            return [target] * len(self.criterions)
        return self._entries(target, "target")

    def updateOutput(self, input: Any, target: Any = None) -> float:
        return self._total(self._entries(input, "input"), self._targets(target))

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        inputs, targets = self._entries(input, "input"), self._targets(target)
        gradients = list(zeros_like(inputs, self.gradInput))
        for position, weight in enumerate(self.weights):
            gradient = self._run(position, "updateGradInput", inputs[position], targets[position])
            gradients[position] = scaled(gradient, weight, gradients[position])
        self.gradInput = gradients
        return gradients


class ModuleCriterion(Criterion):
    """A criterion of what modules make of the input and the target.

    ``inputModule`` and ``targetModule`` (either may be ``None``) are applied first; the
    gradient goes back through ``inputModule``, whose parameters a criterion cannot update.
    With ``castTarget=False``, ``type()`` leaves ``targetModule`` as it is.
    Source: https://github.com/torch/nn/blob/master/ModuleCriterion.lua
    """

    _buffers = ("_seen",)
    _seen: Any = None

    def __init__(
        self,
        criterion: Criterion,
        inputModule: Optional[Module] = None,
        targetModule: Optional[Module] = None,
        castTarget: Optional[bool] = True,
    ) -> None:
        if not isinstance(criterion, Criterion):
            raise ArgumentError(f"nn.ModuleCriterion needs a criterion, got {type(criterion).__name__}")
        self.criterion = held([], criterion)
        self.inputModule = inputModule
        self.castTarget = castTarget is None or bool(castTarget)
        keep = targetModule is not None and not self.castTarget
        self.targetModule = DontCast(targetModule) if keep and targetModule else targetModule
        if inputModule is not None and inputModule.parameters()[0]:
            warnings.warn(
                f"nn.ModuleCriterion does not update the parameters of {inputModule!r}", stacklevel=2
            )

    def needsTarget(self) -> bool:
        return self.criterion.needsTarget()

    def updateOutput(self, input: Any, target: Any = None) -> float:
        prediction = self.inputModule.forward(input) if self.inputModule else input
        applied = self.targetModule is not None and target is not None
        wanted = self.targetModule.forward(target) if applied and self.targetModule else target
        self._seen = [prediction, wanted]
        self.output = self.criterion.updateOutput(prediction, wanted)
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        gradient = self.criterion.updateGradInput(*self._seen)
        self.gradInput = self.inputModule.backward(input, gradient) if self.inputModule else gradient
        return self.gradInput


class CriterionTable(ModuleFromCriterion):
    """A criterion as a module of the table ``[prediction, target]``; the loss is ``(1,)``.

    The gradient is that of the prediction times ``gradOutput``, and zero for the target (Torch
    takes 1 for ``gradOutput`` and leaves the target's entry out).
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CriterionTable
    """

    def __repr__(self) -> str:
        return f"nn.CriterionTable({self.criterion!r})"

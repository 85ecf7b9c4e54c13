"""Identity, and the two helpers that put a value into a table of one and take it out."""

from __future__ import annotations

from typing import Any

from minigraph.nn.module import Module


class Identity(Module):
    """Pass the input, tensor or table, on unchanged (not copied).

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Identity
    """

    def __init__(self, *ignored: Any) -> None:
        super().__init__()

    def updateOutput(self, input: Any) -> Any:
        self.output = input
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput
        return gradOutput


class JustTable(Module):
    """Put the input into a table of one entry.

    Source: https://github.com/torch/nngraph/blob/master/JustTable.lua
    """

    def updateOutput(self, input: Any) -> list[Any]:
        self.output = [input]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput[0]
        return self.gradInput


class JustElement(Module):
    """Take the only entry out of a table of one.

    Source: https://github.com/torch/nngraph/blob/master/JustElement.lua
    """

    def updateOutput(self, input: Any) -> Any:
        self.output = self._table(input, length=1)[0]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        self.gradInput = [gradOutput]
        return self.gradInput

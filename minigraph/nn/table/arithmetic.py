"""Table layers that combine tensors element by element: C…Table."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.module import Module
from minigraph.tables import format_path
from minigraph.tensors import resize


class _Combination(Module):
    """Base: a table of tensors in, all with as many elements; the output has the first one's shape.

    Entries of other shapes are taken in the order of their elements, as Torch does, never
    expanded; the gradient of each has its own shape.
    """

    #: The number of entries the table must have (``None`` for any).
    _count: Optional[int] = None
    #: Whether other shapes are refused: where PyTorch would expand them, elements mean other things.
    sameShape: bool = False

    def _alike(self, input: Any) -> list[np.ndarray]:
        """Return the entries, all in the shape of the first."""
        entries = self._tensors(input)
        if not entries:
            raise InputError(f"{self!r} expects at least one tensor, got an empty table")
        shape = entries[0].shape
        for position, entry in enumerate(entries):
            if entry.shape != shape:
                where = format_path((position,), "input")
                if self.sameShape:
                    raise InputError(
                        f"{self!r} expects tensors of one shape (sameShape): {where} has shape "
                        f"{format_shape(entry.shape)}, input[1] {format_shape(shape)}",
                        where, shape, entry.shape,
                    )
                entries[position] = in_shape_of(self, entry, entries[0], where)
        return entries

    def _entries(self, input: Any) -> list[np.ndarray]:
        self._table(input, length=self._count)
        entries = self._alike(input)
        self.output = resize(self.output, entries[0].shape, self.dtype)
        return entries

    def _gradients(self, input: Any, gradOutput: Any) -> tuple[list[np.ndarray], np.ndarray]:
        """Return ``(buffers, gradOutput)``: ``gradInput``'s entries, seen in gradOutput's shape."""
        g = self._tensor(gradOutput, what="gradOutput")
        old = self.gradInput
        if not isinstance(old, list) or len(old) != len(input):
            old = [None] * len(input)
        self.gradInput = [
            resize(buffer, np.shape(entry), self.dtype) for buffer, entry in zip(old, input)
        ]
        buffers = [
            buffer if buffer.shape == g.shape else buffer.reshape(g.shape) for buffer in self.gradInput
        ]
        return buffers, g


def in_shape_of(owner: Module, entry: np.ndarray, first: np.ndarray, where: str) -> np.ndarray:
    """Return ``entry`` in the shape of ``first``; raise InputError unless it has as many elements."""
    if entry.size != first.size:
        raise InputError(
            f"{owner!r} expects tensors with as many elements: {where} has shape "
            f"{format_shape(entry.shape)}, input[1] {format_shape(first.shape)}",
            where, first.shape, entry.shape,
        )
    return entry.reshape(first.shape)


class CAddTable(_Combination):
    """The sum of the tensors of a table; ``inplace`` is kept, the output has its own buffer.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CAddTable
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._entries(input)
        if len(entries) == 1:
            np.copyto(self.output, entries[0])
        else:
            np.add(entries[0], entries[1], out=self.output)
        for entry in entries[2:]:
            self.output += entry
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        buffers, g = self._gradients(input, gradOutput)
        for buffer in buffers:
            np.copyto(buffer, g)
        return self.gradInput


class CSubTable(_Combination):
    """The first tensor of a table of two minus the second.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CSubTable
    """

    _count = 2

    def updateOutput(self, input: Any) -> np.ndarray:
        first, second = self._entries(input)
        return np.subtract(first, second, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        buffers, g = self._gradients(input, gradOutput)
        np.copyto(buffers[0], g)
        np.negative(g, out=buffers[1])
        return self.gradInput


class CMulTable(_Combination):
    """The product of the tensors of a table.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CMulTable
    """

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._entries(input)
        if len(entries) == 1:
            np.copyto(self.output, entries[0])
        else:
            np.multiply(entries[0], entries[1], out=self.output)
        for entry in entries[2:]:
            self.output *= entry
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        entries = self._alike(input)
        buffers, g = self._gradients(input, gradOutput)
        if len(entries) == 2:  # by far the most frequent
            np.multiply(g, entries[1], out=buffers[0])
            np.multiply(g, entries[0], out=buffers[1])
            return self.gradInput
        for i, buffer in enumerate(buffers):
            factor = g
            for j, entry in enumerate(entries):
                if i != j:
                    factor = np.multiply(factor, entry, out=buffer)
            if factor is g:
                np.copyto(buffer, g)
        return self.gradInput


class CDivTable(_Combination):
    """The first tensor of a table of two divided by the second.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CDivTable
    """

    _count = 2

    def updateOutput(self, input: Any) -> np.ndarray:
        first, second = self._entries(input)
        return np.divide(first, second, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        first, second = self._alike(input)
        buffers, g = self._gradients(input, gradOutput)
        np.divide(g, second, out=buffers[0])
        np.divide(buffers[0], second, out=buffers[1])
        np.negative(buffers[1], out=buffers[1])
        buffers[1] *= first
        return self.gradInput


class _Extreme(_Combination):
    """Base of CMaxTable and CMinTable; the first of equal entries wins and gets the gradient."""

    _buffers = ("_winner",)
    _winner: Optional[np.ndarray] = None
    _better: np.ufunc

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._entries(input)
        np.copyto(self.output, entries[0])
        self._winner = resize(self._winner, self.output.shape, np.dtype(np.intp))
        self._winner.fill(0)
        for position, entry in enumerate(entries[1:], 1):
            wins = self._better(entry, self.output)
            np.copyto(self.output, entry, where=wins)
            self._winner[wins] = position
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        buffers, g = self._gradients(input, gradOutput)
        for position, buffer in enumerate(buffers):
            np.multiply(g, self._winner == position, out=buffer)
        return self.gradInput


class CMaxTable(_Extreme):
    """The entrywise maximum of the tensors of a table.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CMaxTable
    """

    _better = np.greater


class CMinTable(_Extreme):
    """The entrywise minimum of the tensors of a table.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.CMinTable
    """

    _better = np.less

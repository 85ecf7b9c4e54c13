"""Table layers that regroup entries: ZipTable, ZipTableOneToMany, CAddTensorTable.

Source: https://github.com/torch/nn/blob/master/doc/table.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import InputError
from minigraph.nn.module import Module
from minigraph.nn.table.arithmetic import in_shape_of
from minigraph.tables import add_tables, copy_into, describe, format_path, zeros_like
from minigraph.tensors import resize


class ZipTable(Module):
    """Turn a table of tables inside out: ``[[a1, a2], [b1, b2]]`` to ``[[a1, b1], [a2, b2]]``."""

    def updateOutput(self, input: Any) -> list[Any]:
        rows = [
            self._table(entry, format_path((position,), "input"))
            for position, entry in enumerate(self._table(input))
        ]
        if any(len(row) != len(rows[0]) for row in rows):
            raise InputError(
                f"{self!r} expects tables of one length, got {describe(input)}",
                "input", len(rows[0]), [len(row) for row in rows],
            )
        self.output = [list(column) for column in zip(*rows)]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        columns = [list(column) for column in zip(*gradOutput)]
        self.gradInput = columns if columns else [[] for _ in input]
        return self.gradInput


class _OneWithMany(Module):
    """Base of layers of ``[one, [entry, …]]``; the one gets the sum of the gradients of its uses."""

    _buffers = ("_sum",)
    _sum: Any = None

    def _parts(self, input: Any) -> tuple[Any, Any]:
        one, many = self._table(input, length=2)
        return one, self._table(many, "input[2]")

    def _total(self, one: Any, gradients: list[Any]) -> Any:
        if not gradients:
            return zeros_like(one)
        self._sum = copy_into(self._sum, gradients[0])
        for gradient in gradients[1:]:
            self._sum = add_tables(self._sum, gradient, self._sum)
        return self._sum


class ZipTableOneToMany(_OneWithMany):
    """Pair one value with each entry of a table: ``[v, [a, b]]`` to ``[[v, a], [v, b]]``."""

    def updateOutput(self, input: Any) -> list[Any]:
        one, many = self._parts(input)
        self.output = [[one, entry] for entry in many]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        total = self._total(input[0], [pair[0] for pair in gradOutput])
        self.gradInput = [total, [pair[1] for pair in gradOutput]]
        return self.gradInput


class CAddTensorTable(_OneWithMany):
    """Add one tensor to each of a table: ``[t, [a, b]]`` to ``[t + a, t + b]``, in the shape of ``t``."""

    def updateOutput(self, input: Any) -> list[np.ndarray]:
        one, many = self._parts(input)
        tensor = self._tensor(one, what="input[1]")
        entries = self._tensors(many, "input[2]")
        for position, entry in enumerate(entries):
            entries[position] = in_shape_of(self, entry, tensor, format_path((1, position), "input"))
        old = self.output if isinstance(self.output, list) else []
        old = old[: len(entries)] + [None] * (len(entries) - len(old))
        self.output = [
            np.add(tensor, entry, out=resize(buffer, tensor.shape, self.dtype))
            for entry, buffer in zip(entries, old)
        ]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        many = [np.reshape(g, np.shape(entry)) for g, entry in zip(gradOutput, input[1])]
        self.gradInput = [self._total(input[0], list(gradOutput)), many]
        return self.gradInput

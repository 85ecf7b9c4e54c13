"""MixtureTable: a mixture of experts."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.shape import axis_of
from minigraph.tables import format_path, is_table
from minigraph.tensors import resize


class MixtureTable(Module):
    """Mix experts by the weights of a gater: ``[gater, experts]`` to ``sum_i gater_i * expert_i``.

    ``gater`` is ``(n,)``, or ``(B, n)`` for a batch. ``experts`` is a table of ``n`` tensors of
    one shape, with the batch in front, or one tensor that holds them along dimension ``dim``
    (by default 1, or 2 for a batch), which disappears.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.MixtureTable
    """

    def __init__(self, dim: Optional[int] = None) -> None:
        super().__init__()
        self.dim = None if dim is None else check_dimension(dim, "dim")

    def _parts(self, input: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the gater and the experts one by one (views where they come as one tensor)."""
        gater, experts = self._table(input, length=2)
        gater = self._tensor(gater, 1, 2, what="input[1]")
        if is_table(experts):
            tensors = self._tensors(experts, "input[2]")
            where = [format_path((1, position), "input") for position in range(len(tensors))]
        else:
            whole = self._tensor(experts, what="input[2]")
            axis = axis_of(self.dim or gater.ndim, whole.ndim, self)
            tensors = list(np.moveaxis(whole, axis, 0))
            where = ["input[2]"] * len(tensors)
        if len(tensors) != gater.shape[-1]:
            raise InputError(
                f"{self!r}: the gater {format_shape(gater.shape)} weighs {gater.shape[-1]} "
                f"experts, got {len(tensors)}",
                "input[2]", gater.shape[-1], len(tensors),
            )
        for place, tensor in zip(where, tensors):
            batched = gater.ndim == 1 or tensor.shape[:1] == gater.shape[:1]
            if tensor.shape != tensors[0].shape or not batched:
                raise InputError(
                    f"{self!r}: expert {place} of shape {format_shape(tensor.shape)} does not fit "
                    f"the gater {format_shape(gater.shape)} and the first expert "
                    f"{format_shape(tensors[0].shape)}",
                    place, tensors[0].shape, tensor.shape,
                )
        return gater, tensors

    def _gate(self, gater: np.ndarray, i: int, rank: int) -> Any:
        """Return the weight of expert ``i``: a number, or a column for a batch."""
        return gater[i] if gater.ndim == 1 else gater[:, i].reshape(-1, *(1,) * (rank - 1))

    def updateOutput(self, input: Any) -> np.ndarray:
        gater, experts = self._parts(input)
        self.output = resize(self.output, experts[0].shape, self.dtype)
        self.output.fill(0)
        for i, expert in enumerate(experts):
            self.output += self._gate(gater, i, expert.ndim) * expert
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        gater, experts = self._parts(input)
        g = self._tensor(gradOutput, what="gradOutput")
        old = self.gradInput if isinstance(self.gradInput, list) else [None, None]
        gaterGradient = resize(old[0], gater.shape, self.dtype)
        table = is_table(input[1])
        if table:
            buffers = old[1] if isinstance(old[1], list) and len(old[1]) == len(experts) else None
            whole: Any = [
                resize(buffers[i] if buffers else None, g.shape, self.dtype)
                for i in range(len(experts))
            ]
            parts = whole
        else:
            whole = resize(None if isinstance(old[1], list) else old[1], np.shape(input[1]), self.dtype)
            parts = np.moveaxis(whole, axis_of(self.dim or gater.ndim, whole.ndim, self), 0)
        for i, expert in enumerate(experts):
            product = g * expert
            if gater.ndim == 1:
                gaterGradient[i] = product.sum()
            else:
                gaterGradient[:, i] = product.sum(tuple(range(1, product.ndim)))
            parts[i][...] = self._gate(gater, i, expert.ndim) * g
        self.gradInput = [gaterGradient, whole]
        return self.gradInput

    def __repr__(self) -> str:
        return "nn.MixtureTable" + ("" if self.dim is None else f"({self.dim})")

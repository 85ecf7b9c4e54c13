"""Table layers that take tables apart and put them together: Split, Join, Select, Narrow, Flatten."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.shape import sample_axis_of
from minigraph.tables import format_path, is_table, leaves, zeros_like
from minigraph.tensors import resize


class SplitTable(Module):
    """Split a tensor along ``dimension`` into the table of its slices, which lose that dimension.

    ``dimension`` is 1-based, or negative; with ``nInputDims``, the dimensions of one sample,
    an input with one more has a batch in front. The slices are views on the input.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.SplitTable
    """

    def __init__(self, dimension: int, nInputDims: Optional[int] = None) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")
        self.nInputDims = nInputDims

    def updateOutput(self, input: Any) -> list[np.ndarray]:
        x = self._tensor(input, cast=False)
        self.output = self._slices(x)
        return self.output

    def _slices(self, x: np.ndarray) -> list[np.ndarray]:
        axis = sample_axis_of(self.dimension, self.nInputDims, x.ndim, self)
        before: tuple[Any, ...] = (slice(None),) * axis
        return [x[(*before, k, ...)] for k in range(x.shape[axis])]

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        for part, gradient in zip(self._slices(self.gradInput), gradOutput):
            part[...] = gradient
        return self.gradInput

    def __repr__(self) -> str:
        more = "" if self.nInputDims is None else f", {self.nInputDims}"
        return f"nn.SplitTable({self.dimension}{more})"


class JoinTable(Module):
    """Join the tensors of a table along ``dimension``; they agree in all others.

    ``dimension`` and ``nInputDims`` as in SplitTable.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.JoinTable
    """

    def __init__(self, dimension: int, nInputDims: Optional[int] = None) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")
        self.nInputDims = nInputDims

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._tensors(input)
        if not entries:
            raise InputError(f"{self!r} expects at least one tensor, got an empty table")
        first = entries[0].shape
        axis = sample_axis_of(self.dimension, self.nInputDims, len(first), self)
        for position, entry in enumerate(entries):
            shape = entry.shape
            if (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) or (
                len(shape) != len(first)
            ):
                where = format_path((position,), "input")
                raise InputError(
                    f"{self!r}: {where} has shape {format_shape(shape)}, which differs from "
                    f"input[1] {format_shape(first)} in another dimension than the joined one",
                    where, first, shape,
                )
        size = sum(entry.shape[axis] for entry in entries)
        self.output = resize(
            self.output, (*first[:axis], size, *first[axis + 1 :]), self.dtype
        )
        np.concatenate(entries, axis=axis, out=self.output)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        g = self._tensor(gradOutput, what="gradOutput")
        axis = sample_axis_of(self.dimension, self.nInputDims, g.ndim, self)
        old = self.gradInput if isinstance(self.gradInput, list) else []
        gradInput = []
        start = 0
        for i, entry in enumerate(input):
            buffer = resize(old[i] if i < len(old) else None, np.shape(entry), self.dtype)
            end = start + buffer.shape[axis]
            np.copyto(buffer, g[(slice(None),) * axis + (slice(start, end),)])
            gradInput.append(buffer)
            start = end
        self.gradInput = gradInput
        return gradInput

    def __repr__(self) -> str:
        more = "" if self.nInputDims is None else f", {self.nInputDims}"
        return f"nn.JoinTable({self.dimension}{more})"


class _Picking(Module):
    """Base of layers that pass some entries of a table on; the others get zeros as gradient."""

    _buffers = ("_zeros",)
    _zeros: Optional[list[Any]] = None

    def _place(self, input: Any, start: int, gradients: Sequence[Any]) -> list[Any]:
        """Return ``gradients`` from the 0-based ``start`` on, with zeros for the other entries.

        The zeros are kept apart from ``gradInput``, which also holds the gradients given.
        """
        end = start + len(gradients)
        old = (self._zeros or []) + [None] * len(input)
        self._zeros = [
            None if start <= i < end else zeros_like(entry, old[i]) for i, entry in enumerate(input)
        ]
        self.gradInput = [*self._zeros[:start], *gradients, *self._zeros[end:]]
        return self.gradInput


class SelectTable(_Picking):
    """Take the entry at the 1-based (or negative) ``index`` of a table.

    The gradient of the other entries is zero.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.SelectTable
    """

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = check_dimension(index, "index")

    def _position(self, input: Any) -> int:
        count = len(self._table(input))
        if abs(self.index) > count:
            raise InputError(
                f"{self!r}: index {self.index} is out of range 1..{count}",
                "input", self.index, count,
            )
        return self.index - 1 if self.index > 0 else count + self.index

    def updateOutput(self, input: Any) -> Any:
        self.output = input[self._position(input)]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        return self._place(input, self._position(input), [gradOutput])

    def __repr__(self) -> str:
        return f"nn.SelectTable({self.index})"


class NarrowTable(_Picking):
    """Take ``length`` entries of a table from the 1-based ``offset`` on; the rest gets no gradient.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.NarrowTable
    """

    def __init__(self, offset: int, length: int = 1) -> None:
        super().__init__()
        if check_dimension(offset, "offset") < 0 or length < 1:
            raise ArgumentError(f"nn.NarrowTable({offset}, {length}): both must be positive")
        self.offset, self.length = offset, length

    def updateOutput(self, input: Any) -> list[Any]:
        end = self.offset - 1 + self.length
        if end > len(self._table(input)):
            raise InputError(
                f"{self!r} needs a table of at least {end} entries, got {len(input)}",
                "input", end, len(input),
            )
        self.output = list(input[self.offset - 1 : end])
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        return self._place(input, self.offset - 1, gradOutput)

    def __repr__(self) -> str:
        return f"nn.NarrowTable({self.offset}, {self.length})"


class FlattenTable(Module):
    """Turn nested tables into one flat table, depth first.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.FlattenTable
    """

    def updateOutput(self, input: Any) -> list[Any]:
        self.output = [leaf for _, leaf in leaves(self._table(input))]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        gradients = iter(gradOutput)

        def nested(table: Any) -> Any:
            return [nested(entry) for entry in table] if is_table(table) else next(gradients)

        self.gradInput = nested(input)
        return self.gradInput

"""IndexLinear: a Linear for very sparse input given as keys and values."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.nn.simple.lookup import check_indices
from minigraph.nn.simple.sparse import Entries
from minigraph.random import generator
from minigraph.tables import as_numeric, describe, is_table, zeros_like

#: What each row of ``weight`` starts with when values are normalised: the largest absolute
#: value seen, its inverse, the scale of updates (1 once seen) and a learned bias.
_LARGEST, _INVERSE, _SEEN, _OFFSET, _EXTRA = 0, 1, 2, 3, 4


class IndexLinear(Module):
    """``y = W x + b`` for a sparse ``x`` given by keys (from 1) and values.

    Input, for one sample, ``[keys, values]``, both ``(n,)``; for a batch a table of each,
    ``[[keys, …], [values, …]]``, or all of them in a row with their counts,
    ``[keys, values, sizes]``. Output ``(outputSize,)`` or ``(B, outputSize)``.

    ``weight`` is ``(inputSize, outputSize)``, zero until ``reset()`` or a given ``weight`` (and
    ``bias``), which are then used, not copied. Keys start at ``keysOffset`` turned around:
    ``keysOffset=1`` makes them start at 0. With ``normalize`` each value is divided by the
    largest absolute value its key has had in training and has a learned offset added; ``weight``
    then has four more columns in front, for these. With ``doGradInput`` the gradient of the
    input is dense in the same form; without, zero. A ``weightDecay`` set on the module shrinks
    the rows used since ``zeroGradParameters`` at each ``updateParameters``.
    Source: https://github.com/torch/nn/blob/master/IndexLinear.lua
    """

    _buffers = ("_rows", "_normalized")
    weightDecay: float = 0.0
    _rows: Optional[list[np.ndarray]] = None
    _normalized: Optional[np.ndarray] = None

    def __init__(
        self,
        inputSize: Optional[int],
        outputSize: Optional[int],
        doGradInput: bool = False,
        keysOffset: Optional[int] = None,
        weight: Optional[np.ndarray] = None,
        bias: Optional[np.ndarray] = None,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = _EXTRA if normalize else 0
        if weight is None:
            if not inputSize or not outputSize or min(inputSize, outputSize) < 1:
                raise ArgumentError(
                    f"nn.IndexLinear({inputSize}, {outputSize}): sizes must be at least 1"
                )
            weight = np.zeros((inputSize, outputSize + self.normalize), self.dtype)
        self.weight = weight
        self.inputSize, self.outputSize = weight.shape[0], weight.shape[1] - self.normalize
        self.bias = np.zeros(self.outputSize, self.dtype) if bias is None else bias
        if self.outputSize < 1 or self.bias.shape != (self.outputSize,):
            raise ArgumentError(
                f"nn.IndexLinear: weight {format_shape(weight.shape)} and bias "
                f"{format_shape(self.bias.shape)} do not fit"
            )
        self.gradWeight = np.zeros_like(self.weight)
        self.gradBias = np.zeros_like(self.bias)
        self.doGradInput = bool(doGradInput)
        if self.doGradInput and self.normalize:
            raise ArgumentError("nn.IndexLinear: doGradInput and normalize do not go together")
        self.offset = -1 if keysOffset is None else keysOffset - 1

    def reset(self, stdv: Optional[float] = None) -> "IndexLinear":
        """Draw from uniform(-a, a), a = stdv*sqrt(3) or 1/sqrt(outputSize); the bias times 1e-6."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[1])
        generator.fillUniform(self.weight, -bound, bound)
        generator.fillUniform(self.bias, -bound, bound)
        self.bias *= 0.000001
        self.weight[:, : self.normalize] = 0
        return self

    # -- input -----------------------------------------------------------------------------

    def _single(self, input: Any) -> bool:
        return len(input) == 2 and not is_table(input[0])

    def _entries(self, input: Any) -> Entries:
        if len(self._table(input)) not in (2, 3):
            raise InputError(
                f"{self!r} expects [keys, values] or [keys, values, sizes], got {describe(input)}",
                "input", "2 or 3 entries", len(input),
            )
        if len(input) == 3:
            sizes = np.atleast_1d(as_numeric(input[2], "input[3]")).astype(np.int64)
            keys, values = self._part(input[0], input[1], "")
            if sizes.ndim != 1 or sizes.sum() != len(keys) or (sizes < 0).any():
                raise InputError(
                    f"{self!r}: the sizes input[3] must add up to the {len(keys)} keys, "
                    f"got {sizes.tolist()}",
                    "input[3]", len(keys), sizes.tolist(),
                )
        else:
            lists = [[part] for part in input] if self._single(input) else input
            self._table(lists[1], "input[2]", len(self._table(lists[0], "input[1]")))
            where = [""] if self._single(input) else [f"[{i}]" for i in range(1, len(lists[0]) + 1)]
            parts = [self._part(k, v, w) for k, v, w in zip(lists[0], lists[1], where)]
            sizes = np.array([len(k) for k, _ in parts], np.int64)
            keys = np.concatenate([k for k, _ in parts] or [np.empty(0)])
            values = np.concatenate([v for _, v in parts] or [np.empty(0, self.dtype)])
        rows = check_indices(keys + (self.offset + 1), self.inputSize, repr(self), "the keys")
        return Entries(np.repeat(np.arange(len(sizes)), sizes), rows, values, len(sizes))

    def _part(self, keys: Any, values: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
        keys = self._tensor(keys, 1, what="input[1]" + where, cast=False)
        values = self._tensor(values, 1, what="input[2]" + where)
        if keys.shape != values.shape:
            raise InputError(
                f"{self!r}: {len(keys)} keys input[1]{where} for {len(values)} values",
                "input[2]" + where, keys.shape, values.shape,
            )
        return keys, values

    def _normalize(self, entries: Entries) -> np.ndarray:
        """Return the normalised values; in training the largest ones are kept in ``weight``.

        Occurrences of one key count in order, so the n-th of every key are done together.
        """
        rows, values = entries.keys, entries.values
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        turns = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
        result = np.empty_like(values)
        for turn in range(int(turns.max()) + 1 if len(turns) else 0):
            now = order[turns == turn]
            weight, value = self.weight[rows[now], :_EXTRA], values[now]
            size = np.abs(value)
            if self.train:
                larger = size > weight[:, _LARGEST]
                weight[larger, _LARGEST] = size[larger]
                weight[larger, _INVERSE] = 1 / size[larger]
                weight[:, _SEEN] = 1
                self.weight[rows[now], :_EXTRA] = weight
            inside = value * weight[:, _INVERSE]
            clipped = np.where(size > weight[:, _LARGEST], np.sign(value), inside)
            result[now] = clipped + weight[:, _OFFSET]
        return result

    # -- running ---------------------------------------------------------------------------

    def updateOutput(self, input: Any) -> np.ndarray:
        entries = self._entries(input)
        self._normalized = self._normalize(entries) if self.normalize else entries.values
        weight = self.weight[:, self.normalize :]
        self.output = entries.through(weight, self._normalized, self.bias, self.output)
        if self._single(input):
            self.output = self.output[0]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        if not self.doGradInput:
            self.gradInput = zeros_like(list(input), self.gradInput)
            return self.gradInput
        g = self._tensor(gradOutput, what="gradOutput")
        values = np.dot(np.atleast_2d(g), self.weight.T)
        keys = np.tile(np.arange(1, self.inputSize + 1), (len(values), 1))
        if self._single(input):
            self.gradInput = [keys[0], values[0]]
        elif len(input) == 3:
            self.gradInput = [keys, values]
        else:
            self.gradInput = [list(keys), list(values)]
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        entries = self._entries(input)
        g = np.atleast_2d(self._tensor(gradOutput, what="gradOutput"))
        gradients = scale * g[entries.samples]
        first = self.normalize
        if first:
            along = (gradients * self.weight[entries.keys, first:]).sum(1)
            np.add.at(self.gradWeight[:, _OFFSET], entries.keys, along)
        assert self._normalized is not None
        products = gradients * self._normalized[:, None]
        np.add.at(self.gradWeight[:, first:], entries.keys, products)
        self.gradBias += scale * g.sum(0)
        self._rows = [*(self._rows or []), entries.keys]

    def updateParameters(self, learningRate: float) -> None:
        """Shrink the rows used by ``weightDecay``, then step by ``-learningRate``."""
        if self.weightDecay and self._rows:
            rows, counts = np.unique(np.concatenate(self._rows), return_counts=True)
            shrink = (1 - self.weightDecay) ** counts.astype(self.dtype)
            self.weight[rows, self.normalize :] *= shrink[:, None]
        super().updateParameters(learningRate)

    def zeroGradParameters(self) -> None:
        super().zeroGradParameters()
        self._rows = None

    def __repr__(self) -> str:
        return f"nn.IndexLinear({self.inputSize} -> {self.outputSize})"

"""Products of two inputs: MM (matrix by matrix), MV (matrix by vector)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.nn.module import Module
from minigraph.tensors import resize


def _transposed(matrices: np.ndarray, wanted: bool) -> np.ndarray:
    return matrices.swapaxes(-1, -2) if wanted else matrices


class _Product(Module):
    """Base: two tensors in, their product out."""

    def _fail(self, first: np.ndarray, second: np.ndarray, why: str) -> InputError:
        return InputError(
            f"{self!r} cannot multiply {format_shape(first.shape)} by "
            f"{format_shape(second.shape)}: {why}",
            "input", first.shape, second.shape,
        )

    def _gradients(self, input: Any) -> list[np.ndarray]:
        old = self.gradInput if isinstance(self.gradInput, list) else [None, None]
        self.gradInput = [
            resize(buffer, np.shape(entry), self.dtype) for buffer, entry in zip(old, input)
        ]
        return self.gradInput


class MM(_Product):
    """The product of two matrices, or of two batches of matrices, ``[A, B]``.

    ``A`` is ``(M, K)`` or ``(B, M, K)``, ``B`` ``(K, N)`` or ``(B, K, N)``; ``transA`` and
    ``transB`` say that they come transposed.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.MM
    """

    def __init__(self, transA: bool = False, transB: bool = False) -> None:
        super().__init__()
        self.transA, self.transB = bool(transA), bool(transB)

    def _factors(self, input: Any) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._tensors(self._table(input, length=2))
        self._tensor(first, 2, 3, what="input[1]")
        self._tensor(second, first.ndim, what="input[2]")
        a, b = _transposed(first, self.transA), _transposed(second, self.transB)
        if a.shape[-1] != b.shape[-2]:
            raise self._fail(first, second, f"{a.shape[-1]} columns meet {b.shape[-2]} rows")
        if a.shape[:-2] != b.shape[:-2]:
            raise self._fail(first, second, "the batches differ in size")
        return a, b

    def updateOutput(self, input: Any) -> np.ndarray:
        a, b = self._factors(input)
        self.output = resize(self.output, (*a.shape[:-1], b.shape[-1]), self.dtype)
        return np.matmul(a, b, out=self.output)

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        a, b = self._factors(input)
        g = self._tensor(gradOutput, what="gradOutput")
        gradients = self._gradients(input)
        np.matmul(g, b.swapaxes(-1, -2), out=_transposed(gradients[0], self.transA))
        np.matmul(a.swapaxes(-1, -2), g, out=_transposed(gradients[1], self.transB))
        return gradients

    def __repr__(self) -> str:
        return f"nn.MM({self.transA}, {self.transB})" if self.transA or self.transB else "nn.MM"


class MV(_Product):
    """The product of a matrix and a vector, or of a batch of each, ``[M, v]``.

    ``M`` is ``(R, C)`` with ``v`` ``(C,)``, or ``(B, R, C)`` with ``(B, C)``; ``trans`` says
    that ``M`` comes transposed. Output ``(R,)`` or ``(B, R)``.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.MV
    """

    def __init__(self, trans: bool = False) -> None:
        super().__init__()
        self.trans = bool(trans)

    def _factors(self, input: Any) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._tensors(self._table(input, length=2))
        self._tensor(first, 2, 3, what="input[1]")
        self._tensor(second, first.ndim - 1, what="input[2]")
        matrix = _transposed(first, self.trans)
        if matrix.shape[-1] != second.shape[-1]:
            raise self._fail(
                first, second, f"{matrix.shape[-1]} columns meet {second.shape[-1]} entries"
            )
        if matrix.shape[:-2] != second.shape[:-1]:
            raise self._fail(first, second, "the batches differ in size")
        return matrix, second

    def updateOutput(self, input: Any) -> np.ndarray:
        matrix, vector = self._factors(input)
        self.output = resize(self.output, matrix.shape[:-1], self.dtype)
        np.matmul(matrix, vector[..., None], out=self.output[..., None])
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[np.ndarray]:
        matrix, vector = self._factors(input)
        g = self._tensor(gradOutput, what="gradOutput")
        gradients = self._gradients(input)
        np.multiply(g[..., None], vector[..., None, :], out=_transposed(gradients[0], self.trans))
        np.matmul(matrix.swapaxes(-1, -2), g[..., None], out=gradients[1][..., None])
        return gradients

    def __repr__(self) -> str:
        return f"nn.MV({self.trans})" if self.trans else "nn.MV"

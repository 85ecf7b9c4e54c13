"""Batch normalisation of vectors, images and volumes.

Source: https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.tensors import resize


class BatchNormalization(Module):
    """Shift and scale each feature to mean 0 and variance 1 over the batch.

    Input ``(B, nOutput)``. With ``affine`` (the default) a learned ``weight`` and ``bias``
    ``(nOutput,)`` follow, drawn from uniform(0, 1) and zero. Training keeps running averages
    ``running_mean`` and ``running_var`` (unbiased) with ``momentum`` (0.1), which evaluation
    normalises by; ``save_mean`` and ``save_std`` (the inverse standard deviation) are those of
    the last batch. ``eps`` (1e-5) is added to the variance. In evaluation a single sample
    without a batch is accepted and comes out as a batch of one, as in Torch7.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.BatchNormalization
    """

    _torchVersion = 2

    #: The number of dimensions of a batch.
    nDim = 2
    _buffers = ("save_mean", "save_std", "_used")
    save_mean: Optional[np.ndarray] = None
    save_std: Optional[np.ndarray] = None
    _used: Any = None

    def __init__(
        self,
        nOutput: int,
        eps: Optional[float] = 1e-5,
        momentum: Optional[float] = 0.1,
        affine: Optional[bool] = True,
    ) -> None:
        super().__init__()
        if isinstance(nOutput, bool) or not isinstance(nOutput, (int, np.integer)) or nOutput < 1:
            raise ArgumentError(
                f"{self.typename()} needs the number of features, at least 1, got {nOutput!r} "
                "(for no weight and bias: affine=False)"
            )
        if affine is not None and not isinstance(affine, bool):
            raise ArgumentError(f"{self.typename()}: affine must be True or False, got {affine!r}")
        self.affine = affine is not False
        self.eps = 1e-5 if eps is None else eps
        self.momentum = 0.1 if momentum is None else momentum
        self.running_mean = np.zeros(nOutput, self.dtype)
        self.running_var = np.ones(nOutput, self.dtype)
        self.weight = np.empty(nOutput, self.dtype) if self.affine else None
        self.bias = np.empty(nOutput, self.dtype) if self.affine else None
        self.gradWeight = np.zeros(nOutput, self.dtype) if self.affine else None
        self.gradBias = np.zeros(nOutput, self.dtype) if self.affine else None
        self.reset()

    def reset(self, stdv: Optional[float] = None) -> "BatchNormalization":
        """Draw ``weight`` from uniform(0, 1), zero ``bias``, forget the running averages."""
        if self.weight is not None and self.bias is not None:
            generator.fillUniform(self.weight)
            self.bias.fill(0)
        self.running_mean.fill(0)
        self.running_var.fill(1)
        return self

    # -- input as (B, C, S), S the product of the spatial sizes ------------------------------

    def _planes(self, value: Any, what: str = "input") -> np.ndarray:
        x = self._tensor(value, what=what)
        features = len(self.running_mean)
        batched = x.ndim == self.nDim
        if not batched and (self.train or x.ndim != self.nDim - 1):
            raise InputError(
                f"{self!r} expects a batch of {self.nDim} dimensions as {what}, "
                f"got shape {format_shape(x.shape)}",
                what, self.nDim, x.shape,
            )
        found = x.shape[1 if batched else 0]
        if found != features:
            raise InputError(
                f"{self!r} expects {features} features as {what}, got {found} "
                f"(shape {format_shape(x.shape)})",
                what, features, found,
            )
        batch = x.shape[0] if batched else 1
        size = x.size // (batch * features) if batch else 0
        if self.train and what == "input" and batch * size < 2:
            raise InputError(
                f"{self!r} needs more than one value per feature in training, "
                f"got shape {format_shape(x.shape)} (evaluate() takes a single one)",
                what, "at least 2 values", batch * size,
            )
        return x.reshape(batch, features, size)

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._planes(input)
        shape = np.shape(input)
        self.output = resize(
            self.output, shape if len(shape) == self.nDim else (1, *shape), self.dtype
        )
        out = self.output.reshape(x.shape)
        if self.train:
            mean, inverse = self._statistics(x, out)
        else:
            mean = self.running_mean
            inverse = 1.0 / np.sqrt(self.running_var + self.eps)
            np.subtract(x, _spread(mean, x), out=out)
        self._used = (mean, inverse, self.train)
        out *= _spread(inverse if self.weight is None else inverse * self.weight, x)
        if self.bias is not None:
            out += _spread(self.bias, x)
        return self.output

    def _statistics(self, x: np.ndarray, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch's means and inverse deviations; leave ``x - mean`` in ``centred``."""
        count = x.shape[0] * x.shape[2]
        mean = _sums(x) / count
        np.subtract(x, _spread(mean, x), out=centred)
        squares = _dots(centred, centred)
        with np.errstate(divide="ignore"):
            inverse = 1.0 / np.sqrt(squares / count + self.eps)
        if self.eps == 0:
            inverse[squares == 0] = 0
        self.save_mean, self.save_std = mean, inverse
        self.running_mean *= 1 - self.momentum
        self.running_mean += self.momentum * mean
        self.running_var *= 1 - self.momentum
        self.running_var += self.momentum * (squares / (count - 1))
        return mean, inverse

    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> np.ndarray:
        gradOutput = self._fitGradOutput(gradOutput)
        self._accumulate(*self._back(input, gradOutput), scale)
        return self.gradInput

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        self._back(input, gradOutput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        if self.gradWeight is not None:
            x, g = self._planes(input), self._planes(gradOutput, "gradOutput")
            centred = x - _spread(self._used[0], x)
            self._accumulate(_sums(g), _dots(centred, g) * self._used[1], scale)

    def _back(self, input: Any, gradOutput: Any) -> tuple[np.ndarray, np.ndarray]:
        """Compute gradInput; return each feature's sums of g and of g times the normalised input."""
        x, g = self._planes(input), self._planes(gradOutput, "gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        gradient = self.gradInput.reshape(x.shape)
        mean, inverse, trained = self._used
        np.subtract(x, _spread(mean, x), out=gradient)
        total, along = _sums(g), _dots(gradient, g) * inverse
        scale = inverse if self.weight is None else inverse * self.weight
        if trained:
            count = x.shape[0] * x.shape[2]
            gradient *= _spread(-along * inverse / count, x)
            gradient += g
            gradient -= _spread(total / count, x)
            gradient *= _spread(scale, x)
        else:
            np.multiply(g, _spread(scale, x), out=gradient)
        return total, along

    def _accumulate(self, total: np.ndarray, along: np.ndarray, scale: float) -> None:
        if self.gradWeight is not None and self.gradBias is not None:
            self.gradWeight += scale * along
            self.gradBias += scale * total

    def __repr__(self) -> str:
        return f"{self.typename()} ({self.nDim}D) ({len(self.running_mean)})"


def _spread(vector: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return one number for each feature in a shape that broadcasts with ``x``, ``(B, C, S)``.

    For more than a few samples the numbers are written out over the ``S`` places, because
    NumPy combines two full arrays about twice as fast as it repeats a single number.
    """
    column = vector[:, None]
    return column if x.shape[0] < 4 else np.broadcast_to(column, x.shape[1:]).copy()


def _sums(x: np.ndarray) -> np.ndarray:
    """Return the sum for each feature of ``(B, C, S)``."""
    if x.shape[2] == 1:
        return x[:, :, 0].sum(0)
    return np.dot(x, np.ones(x.shape[2], x.dtype)).sum(0)


def _dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sum of ``x * y`` for each feature of ``(B, C, S)``."""
    if x.shape[2] == 1:
        return np.einsum("bc,bc->c", x[:, :, 0], y[:, :, 0])
    return np.vecdot(x, y).sum(0)


class SpatialBatchNormalization(BatchNormalization):
    """BatchNormalization of images ``(B, nOutput, H, W)``, each feature over batch and pixels.

    Source: https://github.com/torch/nn/blob/master/doc/convolution.md#nn.SpatialBatchNormalization
    """

    _torchVersion = 2

    nDim = 4


class VolumetricBatchNormalization(BatchNormalization):
    """BatchNormalization of volumes ``(B, nOutput, T, H, W)``, each feature over batch and voxels.

    Source: https://github.com/torch/nn/blob/master/doc/convolution.md
    """

    nDim = 5

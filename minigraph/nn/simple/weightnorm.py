"""Weight normalisation: LinearWeightNorm, and WeightNorm around any module with a weight.

A weight is written ``w = g * v / ||v||``, a length and a direction for each output, and these
two are learned. Source: https://arxiv.org/abs/1602.07868
"""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, check_dimension
from minigraph.nn.decorators import Decorator
from minigraph.nn.module import Arrays, Module
from minigraph.nn.simple.linear import Linear
from minigraph.random import generator


def _norms(directions: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of each row, shape ``(rows, 1)``."""
    return np.sqrt(np.einsum("oi,oi->o", directions, directions))[:, None]


def _add_gradients(
    gradient: np.ndarray, v: np.ndarray, g: np.ndarray, norms: np.ndarray,
    gradV: np.ndarray, gradG: np.ndarray,
) -> None:
    """Turn the gradient of ``g * v / norms`` into those of ``v`` and ``g`` and add them up."""
    lengths = (gradient * v / norms).sum(1, keepdims=True)
    gradG += lengths.reshape(gradG.shape)
    gradV += gradient * (g / norms) - v * (g / norms**2 * lengths)


class LinearWeightNorm(Linear):
    """A Linear whose weight is ``g * v / ||v||``, row by row.

    ``v`` is ``(outputSize, inputSize)``, ``g`` ``(outputSize, 1)``; ``parameters()`` are ``v``,
    ``g`` and ``bias``. ``v`` and ``bias`` are drawn from uniform(-1/sqrt(inputSize),
    1/sqrt(inputSize)) and ``g`` starts as the norms of ``v``. ``weight`` is computed at each
    forward, from norms of at least ``eps`` (1e-16). Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.LinearWeightNorm
    """

    bias: Any
    gradBias: Any
    eps: float = 1e-16

    def __init__(
        self, inputSize: int, outputSize: int, bias: bool = True, eps: Optional[float] = 1e-16
    ) -> None:
        self.eps = 1e-16 if eps is None else eps
        self.v = np.empty((outputSize, inputSize), self.dtype)
        self.gradV = np.zeros_like(self.v)
        self.g = np.empty((outputSize, 1), self.dtype)
        self.gradG = np.zeros_like(self.g)
        super().__init__(inputSize, outputSize, bias)
        self.inputSize, self.outputSize = inputSize, outputSize

    @staticmethod
    def fromLinear(linear: Linear) -> "LinearWeightNorm":
        """Return a LinearWeightNorm that computes what ``linear`` does."""
        outputSize, inputSize = linear.weight.shape
        made = LinearWeightNorm(inputSize, outputSize, linear.bias is not None)
        made.type(str(linear.type()))
        made.v[...] = linear.weight
        made.g[...] = made._lengths()
        if linear.bias is not None:
            made.bias[...] = linear.bias
        return made

    def toLinear(self) -> Linear:
        """Return a Linear that computes what this does."""
        self.updateWeightMatrix()
        made = Linear(self.inputSize, self.outputSize, self.bias is not None)
        made.type(str(self.type()))
        made.weight[...] = self.weight
        if made.bias is not None:
            made.bias[...] = self.bias
        return made

    def parameters(self) -> tuple[Arrays, Arrays]:
        params, gradParams = [self.v, self.g], [self.gradV, self.gradG]
        if self.bias is not None:
            params.append(self.bias)
            gradParams.append(self.gradBias)
        return params, gradParams

    def reset(self, stdv: Optional[float] = None) -> "LinearWeightNorm":
        """Draw ``v`` and ``bias`` as Linear does; ``g`` becomes the norms of ``v``."""
        bound = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.v.shape[1])
        generator.fillUniform(self.v, -bound, bound)
        self.g[...] = self._lengths()
        if self.bias is not None:
            generator.fillUniform(self.bias, -bound, bound)
        self.updateWeightMatrix()
        return self

    def _lengths(self) -> np.ndarray:
        return np.maximum(_norms(self.v), self.eps)

    def updateWeightMatrix(self) -> None:
        """Compute ``weight`` from ``v`` and ``g``."""
        np.multiply(self.v, self.g / self._lengths(), out=self.weight)

    def updateOutput(self, input: Any) -> np.ndarray:
        self.updateWeightMatrix()
        return super().updateOutput(input)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        self.gradWeight.fill(0)
        super().accGradParameters(input, gradOutput, scale)
        _add_gradients(self.gradWeight, self.v, self.g, self._lengths(), self.gradV, self.gradG)

    def __repr__(self) -> str:
        return super().__repr__().replace("nn.Linear", "nn.LinearWeightNorm", 1)


class WeightNorm(Decorator):
    """A container that learns the weight of its module as ``g * v / ||v||``.

    ``outputDim`` (1-based, 1 by default) is the dimension of ``module.weight`` that counts
    outputs: ``v`` is ``(outputs, the rest)``, drawn from normal(0, sqrt(2 / the rest)), ``g``
    is ``(outputs, 1)`` and starts as the norms of ``v``; the bias starts at zero.
    ``parameters()`` are ``v``, ``g`` and the bias. ``module.weight`` is computed at each forward.
    Source: https://github.com/torch/nn/blob/master/WeightNorm.lua
    """

    def __init__(self, module: Module, outputDim: int = 1) -> None:
        super().__init__(module)
        weight = getattr(module, "weight", None)
        if weight is None:
            raise ArgumentError(f"nn.WeightNorm needs a module with a weight, got {module!r}")
        self.outputDim = check_dimension(1 if outputDim is None else outputDim, "outputDim")
        if not 1 <= self.outputDim <= weight.ndim:
            raise ArgumentError(
                f"nn.WeightNorm: outputDim {outputDim} is out of range 1..{weight.ndim} "
                f"for {module!r}"
            )
        rows = self._rows(weight)
        self.v = np.empty(rows.shape, self.dtype)
        self.gradV = np.zeros_like(self.v)
        self.g = np.empty((len(rows), 1), self.dtype)
        self.gradG = np.zeros_like(self.g)
        self.resetInit()

    @property
    def bias(self) -> Any:
        """The module's bias, if it has one."""
        return getattr(self.modules[0], "bias", None)

    def _rows(self, array: np.ndarray) -> np.ndarray:
        """Return ``array`` as a matrix with a row for each output (a copy unless outputDim is 1)."""
        return np.moveaxis(array, self.outputDim - 1, 0).reshape(array.shape[self.outputDim - 1], -1)

    def resetInit(self) -> None:
        """Draw ``v`` anew; ``g`` becomes its norms and the bias zero."""
        generator.fillNormal(self.v, 0.0, math.sqrt(2.0 / self.v.shape[1]))
        self.g[...] = _norms(self.v)
        if self.bias is not None:
            self.bias.fill(0)

    def reset(self, stdv: Optional[float] = None) -> "WeightNorm":
        """Draw the parameters anew, as ``resetInit`` does; ``stdv`` is not used."""
        self.resetInit()
        return self

    def _g(self) -> np.ndarray:
        return self.g.reshape(-1, 1)  # a checkpoint of older versions holds a vector

    def _length(self) -> np.ndarray:
        # The 1e-4 under the root is Torch's guard against rows of zeros.
        return np.sqrt(_norms(self.v) ** 2 + 1e-4)

    def parameters(self) -> tuple[Arrays, Arrays]:
        params, gradParams = [self.v, self.g], [self.gradV, self.gradG]
        if self.bias is not None:
            params.append(self.bias)
            gradParams.append(getattr(self.modules[0], "gradBias"))  # noqa: B009
        return params, gradParams

    def zeroGradParameters(self) -> None:
        self.modules[0].zeroGradParameters()
        self.gradV.fill(0)
        self.gradG.fill(0)

    def share(self, other: Module, *names: str) -> "WeightNorm":
        """Share the module's attributes, and ``v``, ``g``, ``gradV``, ``gradG`` where named."""
        super().share(other, *names)
        return Module.share(self, other, *({"v", "g", "gradV", "gradG"} & set(names)))

    def updateWeight(self) -> None:
        """Compute the module's weight from ``v`` and ``g``."""
        weight: np.ndarray = getattr(self.modules[0], "weight")  # noqa: B009
        rows = self.v * (self._g() / self._length())
        moved = np.moveaxis(weight, self.outputDim - 1, 0)
        moved[...] = rows.reshape(moved.shape)

    def updateOutput(self, input: Any) -> Any:
        self.updateWeight()
        return super().updateOutput(input)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        gradWeight: np.ndarray = getattr(self.modules[0], "gradWeight")  # noqa: B009
        gradWeight.fill(0)
        super().accGradParameters(input, gradOutput, scale)
        _add_gradients(
            self._rows(gradWeight), self.v, self._g(), self._length(), self.gradV, self.gradG
        )

    def __repr__(self) -> str:
        return f"nn.WeightNorm [{self.modules[0]!r}]"

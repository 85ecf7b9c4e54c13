"""Pointwise transfer layers: one class that runs the table, and the arguments of each layer.

What the layers compute stands in ``functions.TABLE``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.nn.module import Module
from minigraph.nn.transfer.functions import TABLE, Array, Pointwise
from minigraph.tensors import resize


class Transfer(Module):
    """Base of the pointwise layers: any shape in, the same shape out.

    A subclass of the name of an entry of ``TABLE`` runs that entry; a subclass of another name
    runs its parent's. Torch's argument ``inplace`` is accepted and kept, but the output has a
    buffer of its own: a layer that overwrites its input silently spoils the gradient of a layer
    before it that needs its output (Sigmoid, Tanh, …) and of anything else that reads it.
    """

    _function: ClassVar[Pointwise]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ in TABLE and cls.__module__.startswith("minigraph."):
            cls._function = TABLE[cls.__name__]

    def updateOutput(self, input: Any) -> Array:
        x = self._tensor(input)
        output = resize(self.output, x.shape, self.dtype)
        self._function.forward(self, x, output)
        self.output = output
        return output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Array:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, self.output.shape, self.dtype)
        self._function.backward(self, g, self._tensor(input), self.output, self.gradInput)
        return self.gradInput


class Sigmoid(Transfer):
    """1 / (1 + exp(-x)).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.Sigmoid
    """


class LogSigmoid(Transfer):
    """log(1 / (1 + exp(-x))), without overflow.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.LogSigmoid
    """


class Tanh(Transfer):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.Tanh
    """


class TanhShrink(Transfer):
    """x - tanh(x).

    Source: https://github.com/torch/nn/blob/master/TanhShrink.lua
    """


class SoftSign(Transfer):
    """x / (1 + |x|).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftSign
    """


class SoftPlus(Transfer):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x exceeds 20.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftPlus
    """

    threshold = 20.0

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = 1.0 if beta is None else beta
        if self.beta <= 0:
            raise ArgumentError(f"nn.SoftPlus: beta must be positive, got {beta}")


class ReLU(Transfer):
    """max(0, x).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.ReLU
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)


class Threshold(Transfer):
    """x where it exceeds ``th`` (1e-6 by default), else ``v`` (0).

    Source: https://github.com/torch/nn/blob/master/Threshold.lua
    """

    def __init__(
        self, th: Optional[float] = None, v: Optional[float] = None, inplace: bool = False
    ) -> None:
        super().__init__()
        self.threshold = 1e-6 if th is None else th
        self.val = 0 if v is None else v
        self.inplace = bool(inplace)


class HardTanh(Transfer):
    """x limited to ``min_value`` .. ``max_value``, -1 .. 1 by default.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.HardTanh
    """

    def __init__(
        self,
        min_value: Optional[float] = None,
        max_value: Optional[float] = None,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.min_val = -1 if min_value is None else min_value
        self.max_val = 1 if max_value is None else max_value
        self.inplace = bool(inplace)
        if not self.max_val > self.min_val:
            raise ArgumentError(
                f"{self.typename()}: max_value must be larger than min_value, "
                f"got {self.min_val} .. {self.max_val}"
            )


class Clamp(HardTanh):
    """x limited to ``min_value`` .. ``max_value``.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Clamp
    """

    def __init__(self, min_value: Optional[float] = None, max_value: Optional[float] = None) -> None:
        super().__init__(min_value, max_value)


class ReLU6(HardTanh):
    """min(max(0, x), 6).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.ReLU6
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0, 6, inplace)


class _Shrink(Transfer):
    """Base of HardShrink and SoftShrink; Torch's attribute ``lambda`` is ``lambda_`` here."""

    def __init__(self, lambda_: Optional[float] = None) -> None:
        super().__init__()
        self.lambda_ = 0.5 if lambda_ is None else lambda_
        if not self.lambda_ >= 0:
            raise ArgumentError(f"{self.typename()}: lambda must not be negative, got {lambda_}")


class HardShrink(_Shrink):
    """x where |x| exceeds lambda (0.5 by default), else 0.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.HardShrink
    """


class SoftShrink(_Shrink):
    """x moved by lambda (0.5 by default) towards 0, and 0 where |x| is at most lambda.

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.SoftShrink
    """


class ELU(Transfer):
    """x where positive, else alpha * (exp(x) - 1).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.ELU
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = 1.0 if alpha is None else alpha
        self.inplace = bool(inplace)

    def __repr__(self) -> str:
        return f"nn.ELU (alpha:{self.alpha:f})"


class LeakyReLU(Transfer):
    """x where positive, else negval * x (1/100 by default).

    Source: https://github.com/torch/nn/blob/master/doc/transfer.md#nn.LeakyReLU
    """

    def __init__(self, negval: Optional[float] = None, inplace: bool = False) -> None:
        super().__init__()
        self.negval = 1 / 100 if negval is None else negval
        self.inplace = bool(inplace)

    def __repr__(self) -> str:
        return f"nn.LeakyReLU({self.negval:g})"


class Abs(Transfer):
    """|x|.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Abs
    """


class Exp(Transfer):
    """exp(x).

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Exp
    """


class Log(Transfer):
    """The natural logarithm of x.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Log
    """


class Sqrt(Transfer):
    """The square root of x; where that is 0 the gradient is 0, as in Torch.

    ``eps`` is kept for Torch's signature; Torch does not use it either.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Sqrt
    """

    def __init__(self, eps: Optional[float] = None) -> None:
        super().__init__()
        self.eps = 0 if eps is None else eps


class Square(Transfer):
    """x * x.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Square
    """


class Power(Transfer):
    """x to the power ``p``.

    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Power
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float, np.integer, np.floating)):
            raise ArgumentError(f"nn.Power needs a number, got {p!r}")
        self.pow = p

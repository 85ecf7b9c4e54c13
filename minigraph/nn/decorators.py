"""Containers of one module that change how it runs, not what it computes.

Decorator, DontCast, GPU, NaN, Profile. Source: https://github.com/torch/nn (Decorator.lua and others).
"""

from __future__ import annotations

import itertools
import time
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, NumberError, check_dimension
from minigraph.nn.container import Container
from minigraph.nn.module import Module, Number
from minigraph.nn.state import State
from minigraph.tables import describe, leaves, map_table
from minigraph.tensors import TENSOR_TYPES


class Decorator(Container):
    """Base of containers that hold one module and pass every call on to it."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.add(module)

    def updateOutput(self, input: Any) -> Any:
        self.output = self._run(0, "forward", input)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = self._run(0, "updateGradInput", input, gradOutput)
        self.modules[0].gradInput = self.gradInput
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        self._run(0, "accGradParameters", input, gradOutput, scale)

    headline = State.headline

    def __repr__(self) -> str:
        return f"{self.typename()} @ {self.modules[0]!r}"


class DontCast(Decorator):
    """Keep a module's tensor type whatever ``type()`` does to the network around it.

    With ``castin`` inputs and gradients are converted to the module's type (or ``moduleType``)
    on the way in, and the gradient of the input back on the way out; with ``castout``
    (``castin`` by default) the output is converted to the type of the network.
    """

    _castsBelow = False

    def __init__(
        self,
        module: Module,
        castin: bool = False,
        castout: Optional[bool] = None,
        moduleType: Optional[str] = None,
    ) -> None:
        super().__init__(module)
        self.castin = bool(castin)
        self.castout = self.castin if castout is None else bool(castout)
        self.moduleType = moduleType or module._type
        if self.moduleType not in TENSOR_TYPES:
            raise ArgumentError(f"nn.DontCast: unknown tensor type {moduleType!r}")

    def _into(self, value: Any, wanted: bool) -> Any:
        return _cast(value, TENSOR_TYPES[self.moduleType]) if wanted else value

    def updateOutput(self, input: Any) -> Any:
        output = self._run(0, "forward", self._into(input, self.castin))
        self.output = _cast(output, self.dtype) if self.castout else output
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        gradient = self._run(
            0, "updateGradInput",
            self._into(input, self.castin), self._into(gradOutput, self.castout),
        )
        self.modules[0].gradInput = gradient
        self.gradInput = _cast(gradient, self.dtype) if self.castin else gradient
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        self._run(
            0, "accGradParameters",
            self._into(input, self.castin), self._into(gradOutput, self.castout), scale,
        )


def _cast(value: Any, dtype: np.dtype) -> Any:
    """Convert the float tensors of a table."""

    def convert(leaf: Any) -> Any:
        floating = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
        return leaf.astype(dtype, copy=False) if floating else leaf

    return map_table(convert, value)


class NaN(Decorator):
    """Raise ``NumberError`` when the module's input, parameters, output or gradients hold a NaN.

    ``id`` names the module in the message; without one it is numbered.
    """

    _ids = itertools.count(1)

    def __init__(self, module: Module, id: Any = None) -> None:
        super().__init__(module)
        self.id = next(NaN._ids) if id is None else id

    def _check(self, what: str, value: Any) -> None:
        for path, leaf in leaves(value):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and np.isnan(leaf).any():
                where = f"entry {path} of " if path else ""
                raise NumberError(f"NaN found in {where}{what} of module:\n{self!r}")

    def updateOutput(self, input: Any) -> Any:
        output = super().updateOutput(input)
        if _holds_nan(output):
            self._check("input", input)
            self._check("parameters", self.parameters()[0])
            self._check("output", output)
        return output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        gradient = super().updateGradInput(input, gradOutput)
        if _holds_nan(gradient):
            self._check("gradOutput", gradOutput)
            self._check("gradInput", gradient)
        return gradient

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        super().accGradParameters(input, gradOutput, scale)
        gradients = self.parameters()[1]
        if _holds_nan(gradients):
            self._check("gradOutput", gradOutput)
            self._check("gradParameters", gradients)

    def __repr__(self) -> str:
        return f"nn.NaN({self.id}) @ {self.modules[0]!r}"


def _holds_nan(value: Any) -> bool:
    return any(
        isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and np.isnan(leaf).any()
        for _, leaf in leaves(value)
    )


class GPU(Decorator):
    """Torch7's mark for a module that is to run on the GPU ``device``: here it runs where all do.

    ``device`` and ``outdevice`` (``device`` by default) are kept, for files.
    Source: https://github.com/torch/nn/blob/master/GPU.lua
    """

    def __init__(self, module: Module, device: int, outdevice: Optional[int] = None) -> None:
        super().__init__(module)
        self.device = check_dimension(device, "device")
        self.outdevice = self.device if outdevice is None else check_dimension(outdevice, "outdevice")

    def __repr__(self) -> str:
        return f"nn.GPU({self.device}) @ {self.modules[0]!r}"


class Profile(Decorator):
    """Print how long the module took, once every ``print_interval`` passes, forward and backward.

    ``name`` is what is printed (the module's type by default). The totals since the last line
    are in ``summedFwdTime`` and ``summedBwdTime`` (seconds), ``numFwds`` and ``numBwds``.
    """

    def __init__(self, module: Module, print_interval: int = 100, name: Optional[str] = None) -> None:
        super().__init__(module)
        self.print_interval = 100 if print_interval is None else print_interval
        if self.print_interval < 1:
            raise ArgumentError(f"nn.Profile: print_interval must be at least 1, got {print_interval}")
        self.name = name or module.typename()
        self.numFwds = self.numBwds = 0
        self.summedFwdTime = self.summedBwdTime = 0.0

    def updateOutput(self, input: Any) -> Any:
        started = time.perf_counter()
        output = super().updateOutput(input)
        self.summedFwdTime += time.perf_counter() - started
        self.numFwds += 1
        if self.numFwds >= self.print_interval:
            print(f"{self.name} took {self.summedFwdTime:.3f} seconds for {self.numFwds} forward passes")
            self.numFwds, self.summedFwdTime = 0, 0.0
        return output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        started = time.perf_counter()
        gradient = super().updateGradInput(input, gradOutput)
        self.summedBwdTime += time.perf_counter() - started
        return gradient

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        started = time.perf_counter()
        super().accGradParameters(input, gradOutput, scale)
        self.summedBwdTime += time.perf_counter() - started
        self.numBwds += 1
        if self.numBwds >= self.print_interval:
            print(f"{self.name} took {self.summedBwdTime:.3f} seconds for {self.numBwds} backward passes")
            self.numBwds, self.summedBwdTime = 0, 0.0


class PrintSize(Module):
    """Pass the input on and print its size, and that of ``gradOutput`` on the way back.

    ``prefix`` (``'PrintSize'``) starts each line.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.PrintSize
    """

    def __init__(self, prefix: str = "PrintSize") -> None:
        super().__init__()
        self.prefix = "PrintSize" if prefix is None else prefix

    def updateOutput(self, input: Any) -> Any:
        print(f"{self.prefix}:input {describe(input)}")
        self.output = input
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        print(f"{self.prefix}:gradOutput {describe(gradOutput)}")
        self.gradInput = gradOutput
        return gradOutput

"""The plain containers: Sequential, Concat, DepthConcat, Parallel, Bottle.

Source: https://github.com/torch/nn/blob/master/doc/containers.md
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError, InputError, check_dimension, format_shape
from minigraph.nn.container import Container
from minigraph.nn.module import Module, Number
from minigraph.tables import add_tables, copy_into, describe
from minigraph.tensors import resize


class Sequential(Container):
    """Feed each module's output to the next.

    Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.Sequential
    """

    def insert(self, module: Module, index: Optional[int] = None) -> "Sequential":
        """Insert a module before the 1-based ``index`` (at the end by default)."""
        index = len(self.modules) + 1 if index is None else check_dimension(index, "index")
        if not 1 <= index <= len(self.modules) + 1:
            raise ArgumentError(f"index {index} is out of range 1..{len(self.modules) + 1}")
        self.add(module)
        self.modules.insert(index - 1, self.modules.pop())
        return self

    def remove(self, index: Optional[int] = None) -> Module:
        """Remove the module at the 1-based ``index`` (the last by default) and return it."""
        index = len(self.modules) if index is None else check_dimension(index, "index")
        if not 1 <= index <= len(self.modules):
            raise ArgumentError(f"index {index} is out of range 1..{len(self.modules)}")
        return self.modules.pop(index - 1)

    def updateOutput(self, input: Any) -> Any:
        self.output = None
        for position in range(len(self.modules)):
            input = self._run(position, "forward", input)
        self.output = input
        return input

    def _input(self, position: int, input: Any) -> Any:
        return self.modules[position - 1].output if position else input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        for position in reversed(range(len(self.modules))):
            module = self.modules[position]
            gradOutput = self._run(
                position, "updateGradInput", self._input(position, input), gradOutput
            )
            module.gradInput = gradOutput
        self.gradInput = gradOutput
        return gradOutput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position in reversed(range(len(self.modules))):
            self._run(
                position, "accGradParameters", self._input(position, input), gradOutput, scale
            )
            gradOutput = self.modules[position].gradInput

    def __repr__(self) -> str:
        steps = " -> ".join(f"({number})" for number in range(1, len(self.modules) + 1))
        chain = f"  [input -> {steps} -> output]" if steps else "  [input -> output]"
        first, *rest = super().__repr__().split("\n")
        return "\n".join([first, chain, *rest])


class _Joining(Container):
    """Base of containers that join their modules' outputs along one dimension.

    ``_windows`` holds the part of the output that each module wrote; the same part of
    ``gradOutput`` is its gradient.
    """

    _buffers = ("_windows",)
    _windows: Any = None

    def _join(self, outputs: Sequence[Any], dimension: int) -> np.ndarray:
        tensors = [
            self._tensor(output, what=f"output of module {position}")
            for position, output in enumerate(outputs, 1)
        ]
        if not tensors:
            raise InputError(f"{self.typename()} holds no modules: add some before forward")
        axis = self._axis(tensors, dimension)
        shape = self._outputShape([tensor.shape for tensor in tensors], axis)
        self._windows = []
        start = 0
        for tensor in tensors:
            corner = [(size - own) // 2 for size, own in zip(shape, tensor.shape)]
            corner[axis] = start
            start += tensor.shape[axis]
            self._windows.append(
                tuple(slice(first, first + own) for first, own in zip(corner, tensor.shape))
            )
        self.output = resize(self.output, shape, self.dtype)
        if sum(tensor.size for tensor in tensors) < self.output.size:
            self.output.fill(0)
        for window, tensor in zip(self._windows, tensors):
            self.output[window] = tensor
        return self.output

    def _axis(self, tensors: list[np.ndarray], dimension: int) -> int:
        rank = tensors[0].ndim
        axis = dimension - 1 if dimension > 0 else rank + dimension
        if not 0 <= axis < rank:
            raise InputError(
                f"{self._name()}: outputs of shape {format_shape(tensors[0].shape)} have no "
                f"dimension {dimension} to be joined along",
                "output", dimension, rank,
            )
        if any(tensor.ndim != rank for tensor in tensors):
            raise InputError(
                f"{self._name()}: outputs {describe(tensors)} differ in their number of dimensions",
                "output", rank, describe(tensors),
            )
        return axis

    def _outputShape(self, shapes: list[tuple[int, ...]], axis: int) -> tuple[int, ...]:
        first = shapes[0]
        for shape in shapes:
            if (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
                raise InputError(
                    f"{self._name()}: outputs of shapes {format_shape(first)} and "
                    f"{format_shape(shape)} differ in another dimension than the one they are "
                    "joined along",
                    "output", first, shape,
                )
        return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])

    def _name(self) -> str:
        arguments = ", ".join(map(str, self._arguments[0]))
        return f"{self.typename()}({arguments})"


class Concat(_Joining):
    """Give the same input to every module and join their outputs along one dimension.

    ``dimension`` is 1-based (negative from the end). The outputs must agree in every other
    dimension. Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.Concat
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")

    def updateOutput(self, input: Any) -> np.ndarray:
        outputs = [self._run(position, "forward", input) for position in range(len(self.modules))]
        return self._join(outputs, self.dimension)

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        g = self._tensor(gradOutput, what="gradOutput")
        total: Any = None
        for position, window in enumerate(self._windows):
            gradient = self._run(position, "updateGradInput", input, g[window])
            self.modules[position].gradInput = gradient
            if position == 0:
                total = copy_into(self.gradInput, gradient)
            else:
                total = add_tables(total, gradient, total)
        self.gradInput = total
        return total

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        g = self._tensor(gradOutput, what="gradOutput")
        for position, window in enumerate(self._windows):
            self._run(position, "accGradParameters", input, g[window], scale)


class DepthConcat(Concat):
    """A Concat whose outputs may differ in size: smaller ones are centred among zeros.

    Every dimension but ``dimension`` takes the largest size; where the difference is odd the
    extra zeros come after.
    Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.DepthConcat
    """

    def _outputShape(self, shapes: list[tuple[int, ...]], axis: int) -> tuple[int, ...]:
        largest = [max(sizes) for sizes in zip(*shapes)]
        largest[axis] = sum(shape[axis] for shape in shapes)
        return tuple(largest)


class Parallel(_Joining):
    """Give the i-th slice of the input along ``inputDimension`` to the i-th module; join the outputs.

    Both dimensions are 1-based (negative from the end); a slice has lost ``inputDimension``.
    The input may have fewer slices than there are modules, not more.
    Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.Parallel
    """

    def __init__(self, inputDimension: int, outputDimension: int) -> None:
        super().__init__()
        self.inputDimension = check_dimension(inputDimension, "inputDimension")
        self.outputDimension = check_dimension(outputDimension, "outputDimension")

    def _slices(self, tensor: np.ndarray) -> np.ndarray:
        """Return a view with the slices along the first dimension."""
        axis = self.inputDimension - (self.inputDimension > 0)
        if not -tensor.ndim <= axis < tensor.ndim:
            raise InputError(
                f"{self._name()} needs an input with a dimension {self.inputDimension}, "
                f"got shape {format_shape(tensor.shape)}",
                "input", self.inputDimension, tensor.shape,
            )
        return np.moveaxis(tensor, axis, 0)

    def updateOutput(self, input: Any) -> np.ndarray:
        slices = self._slices(self._tensor(input, cast=False))
        if len(slices) > len(self.modules):
            raise InputError(
                f"{self._name()} holds {len(self.modules)} modules for the "
                f"{len(slices)} slices of an input of shape {format_shape(np.shape(input))}",
                "input", len(self.modules), len(slices),
            )
        outputs = [self._run(position, "forward", part) for position, part in enumerate(slices)]
        return self._join(outputs, self.outputDimension)

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        gradients = self._slices(self.gradInput)
        for position, part in enumerate(self._slices(np.asarray(input))):
            gradient = self._run(position, "updateGradInput", part, g[self._windows[position]])
            self.modules[position].gradInput = gradient
            gradients[position] = gradient
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        g = self._tensor(gradOutput, what="gradOutput")
        for position, part in enumerate(self._slices(np.asarray(input))):
            self._run(position, "accGradParameters", part, g[self._windows[position]], scale)


class Bottle(Container):
    """Let a module work on inputs with more dimensions than it knows, the leading ones fused.

    The input's last ``nInputDim`` (2) dimensions are what the module expects; all before are
    folded into the first of them and unfolded in the output, which the module makes with
    ``nOutputDim`` dimensions (``nInputDim`` by default).
    Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.Bottle
    """

    def __init__(self, module: Module, nInputDim: int = 2, nOutputDim: Optional[int] = None) -> None:
        super().__init__()
        self.nInputDim = 2 if nInputDim is None else nInputDim
        self.nOutputDim = self.nInputDim if nOutputDim is None else nOutputDim
        if min(self.nInputDim, self.nOutputDim) < 1:
            raise ArgumentError("nn.Bottle: nInputDim and nOutputDim must be at least 1")
        self.add(module)

    def _fused(self, tensor: np.ndarray, inner: int) -> np.ndarray:
        """Return ``tensor`` with all dimensions before its last ``inner - 1`` fused into one."""
        if tensor.ndim <= inner:
            return tensor
        split = tensor.ndim - inner + 1
        return tensor.reshape(int(np.prod(tensor.shape[:split])), *tensor.shape[split:])

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        output = self._tensor(
            self._run(0, "forward", self._fused(x, self.nInputDim)), what="output of module 1"
        )
        if x.ndim > self.nInputDim:
            if output.ndim != self.nOutputDim:
                raise InputError(
                    f"{self.typename()}: the module's output has shape "
                    f"{format_shape(output.shape)}, nOutputDim says {self.nOutputDim} dimension(s)",
                    "output", self.nOutputDim, output.ndim,
                )
            leading = x.shape[: x.ndim - self.nInputDim]
            count = int(np.prod(leading))
            rows = output.shape[0] // count if count else x.shape[len(leading)]
            output = output.reshape(*leading, rows, *output.shape[1:])
        self.output = output
        return output

    def _parts(self, input: Any, gradOutput: Any) -> tuple[np.ndarray, np.ndarray]:
        x, g = self._tensor(input, cast=False), self._tensor(gradOutput, what="gradOutput")
        if x.ndim > self.nInputDim:
            return self._fused(x, self.nInputDim), g.reshape(self.modules[0].output.shape)
        return x, g

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        gradient = self._run(0, "updateGradInput", *self._parts(input, gradOutput))
        self.modules[0].gradInput = gradient
        self.gradInput = np.reshape(gradient, np.shape(input))
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        self._run(0, "accGradParameters", *self._parts(input, gradOutput), scale)

"""Container: a module made of modules, and the plain containers.

Source: https://github.com/torch/nn/blob/master/doc/containers.md
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, TypeVar

import numpy as np

from minigraph.errors import ArgumentError, InputError, MinigraphError, check_dimension, format_shape
from minigraph.nn.module import Arrays, Module, Number
from minigraph.tables import add_tables, copy_into, describe
from minigraph.tensors import resize

Self = TypeVar("Self", bound="Container")


class Container(Module):
    """Base of modules that hold others in ``modules``.

    A container forgets its output when a forward begins: if a module in the middle fails, the
    saved activations are of two different inputs, and a backward must be refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.modules: list[Module] = []

    def add(self: Self, module: Module) -> Self:
        """Append a module and return the container.

        A module added a second time is added as its ``twin``: the same parameters with output
        buffers of its own, so that the second use does not overwrite the first. Raises
        ``ArgumentError`` for anything that is not a module.
        """
        if not isinstance(module, Module):
            raise ArgumentError(f"{self.typename()} holds modules, got {type(module).__name__}")
        if any(module is known for known in self.modules):
            module = module.twin()
        self.modules.append(module)
        return self

    def get(self, index: int) -> Module:
        """Return the module at this 1-based (or negative) index."""
        index = check_dimension(index, "index")
        if abs(index) > len(self.modules):
            raise ArgumentError(f"index {index} is out of range 1..{len(self.modules)}")
        return self.modules[index - 1 if index > 0 else index]

    def size(self) -> int:
        """Return the number of modules held."""
        return len(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __bool__(self) -> bool:
        return True

    def parameters(self) -> tuple[Arrays, Arrays]:
        """Return ``(params, gradParams)`` of all modules in order, shared ones once."""
        params: Arrays = []
        gradParams: Arrays = []
        seen: set[tuple[int, int]] = set()
        for module in self.modules:
            for parameter, gradient in zip(*module.parameters()):
                pair = (id(parameter), id(gradient))
                if pair not in seen:
                    seen.add(pair)
                    params.append(parameter)
                    gradParams.append(gradient)
        return params, gradParams

    def zeroGradParameters(self) -> None:
        for module in self.modules:
            module.zeroGradParameters()

    def reset(self: Self, stdv: Optional[Number] = None) -> Self:
        for module in self.modules:
            module.reset(stdv)
        return self

    def training(self: Self) -> Self:
        for module in self.modules:
            module.training()
        self.train = True
        return self

    def evaluate(self: Self) -> Self:
        for module in self.modules:
            module.evaluate()
        self.train = False
        return self

    def clearState(self: Self) -> Self:
        super().clearState()
        for module in self.modules:
            module.clearState()
        return self

    def share(self: Self, other: Module, *names: str) -> Self:
        """Share attributes module by module; ``other`` must be built alike."""
        if not isinstance(other, Container) or len(other.modules) != len(self.modules):
            raise ArgumentError(
                f"share: {self.typename()} of {len(self.modules)} modules and "
                f"{other.typename()} are not built alike"
            )
        for mine, theirs in zip(self.modules, other.modules):
            mine.share(theirs, *names)
        return self

    def replace(self, callback: Callable[[Module], Module]) -> Module:
        replaced = callback(self)
        self.modules[:] = [module.replace(callback) for module in self.modules]
        return replaced

    def listModules(self) -> list[Module]:
        return [self, *(below for module in self.modules for below in module.listModules())]

    def _walk(self, holder: Module) -> Iterator[tuple[Module, Module]]:
        yield self, holder
        for module in self.modules:
            yield from module._walk(self)

    def accUpdateGradParameters(self, input: Any, gradOutput: Any, lr: Number) -> None:
        self.zeroGradParameters()
        self.accGradParameters(input, gradOutput, 1.0)
        self.updateParameters(lr)

    def _run(self, position: int, method: str, *arguments: Any) -> Any:
        """Call a method of a module; an error on the way out names the module."""
        module = self.modules[position]
        try:
            return getattr(module, method)(*arguments)
        except MinigraphError as error:
            error.context.append(f"in module {position + 1} of {self.typename()}: {module!r}")
            raise

    def __repr__(self) -> str:
        lines = [f"{self.typename()} {{"]
        for number, module in enumerate(self.modules, 1):
            lines.append(f"  ({number}): " + repr(module).replace("\n", "\n  "))
        return "\n".join([*lines, "}"])


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


class ConcatTable(Container):
    """Give the same input to every module; the output is the table of their outputs.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.ConcatTable
    """

    _buffers = ("_sum",)
    _sum: Any = None

    def updateOutput(self, input: Any) -> list[Any]:
        self.output = None
        self.output = [
            self._run(position, "forward", input) for position in range(len(self.modules))
        ]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        total: Any = None
        for position, module in enumerate(self.modules):
            gradient = self._run(position, "updateGradInput", input, gradOutput[position])
            module.gradInput = gradient
            if position == 0:
                total = self._sum = copy_into(self._sum, gradient)
            else:
                total = self._sum = add_tables(total, gradient, total)
        self.gradInput = total
        return total

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position in range(len(self.modules)):
            self._run(position, "accGradParameters", input, gradOutput[position], scale)


class ParallelTable(Container):
    """Give the i-th entry of the input table to the i-th module.

    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.ParallelTable
    """

    def updateOutput(self, input: Any) -> list[Any]:
        self.output = None
        self._table(input, length=len(self.modules))
        self.output = [
            self._run(position, "forward", input[position])
            for position in range(len(self.modules))
        ]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        self.gradInput = []
        for position, module in enumerate(self.modules):
            gradient = self._run(
                position, "updateGradInput", input[position], gradOutput[position]
            )
            module.gradInput = gradient
            self.gradInput.append(gradient)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position in range(len(self.modules)):
            self._run(position, "accGradParameters", input[position], gradOutput[position], scale)


class Concat(Container):
    """Give the same input to every module and join their outputs along one dimension.

    ``dimension`` is 1-based (negative from the end). The outputs must agree in every other
    dimension. Source: https://github.com/torch/nn/blob/master/doc/containers.md#nn.Concat
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = check_dimension(dimension, "dimension")

    def updateOutput(self, input: Any) -> np.ndarray:
        buffer, self.output = self.output, None
        outputs = [
            self._tensor(self._run(position, "forward", input), what=f"output of module {position + 1}")
            for position in range(len(self.modules))
        ]
        if not outputs:
            raise InputError("nn.Concat holds no modules: add some before forward")
        axis = self._axis(outputs)
        size = sum(output.shape[axis] for output in outputs)
        shape = (*outputs[0].shape[:axis], size, *outputs[0].shape[axis + 1 :])
        self.output = resize(buffer, shape, self.dtype)
        np.concatenate(outputs, axis=axis, out=self.output)
        return self.output

    def _axis(self, outputs: list[np.ndarray]) -> int:
        rank = outputs[0].ndim
        axis = self.dimension - 1 if self.dimension > 0 else rank + self.dimension
        if not 0 <= axis < rank:
            raise InputError(
                f"{self.typename()}({self.dimension}): outputs of shape "
                f"{format_shape(outputs[0].shape)} have no dimension {self.dimension}"
            )
        for output in outputs:
            if output.ndim != rank or any(
                a != b for i, (a, b) in enumerate(zip(output.shape, outputs[0].shape)) if i != axis
            ):
                raise InputError(
                    f"{self.typename()}({self.dimension}): outputs {describe(outputs)} differ in "
                    "another dimension than the one they are joined along"
                )
        return axis

    def _parts(self, gradOutput: np.ndarray) -> list[np.ndarray]:
        axis = self.dimension - 1 if self.dimension > 0 else gradOutput.ndim + self.dimension
        sizes = [module.output.shape[axis] for module in self.modules]
        return np.split(gradOutput, np.cumsum(sizes)[:-1], axis=axis)

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        total: Any = None
        for position, part in enumerate(self._parts(self._tensor(gradOutput, what="gradOutput"))):
            gradient = self._run(position, "updateGradInput", input, part)
            self.modules[position].gradInput = gradient
            if position == 0:
                total = copy_into(self.gradInput, gradient)
            else:
                total = add_tables(total, gradient, total)
        self.gradInput = total
        return total

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position, part in enumerate(self._parts(self._tensor(gradOutput, what="gradOutput"))):
            self._run(position, "accGradParameters", input, part, scale)

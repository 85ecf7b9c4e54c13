"""Containers whose modules share out or produce tables: ConcatTable, ParallelTable, MapTable.

Source: https://github.com/torch/nn/blob/master/doc/table.md
"""

from __future__ import annotations

from typing import Any, Callable

from minigraph.errors import ArgumentError
from minigraph.nn.container import Container
from minigraph.nn.module import Module, Number
from minigraph.tables import add_tables, copy_into


class _Tabling(Container):
    """Base of containers whose output has an entry for each module."""

    def _each(self, gradOutput: Any) -> Any:
        """Return ``gradOutput``, a table of one entry for each module."""
        return self._table(gradOutput, "gradOutput", len(self.modules))


class ConcatTable(_Tabling):
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
        for position, g in enumerate(self._each(gradOutput)):
            module = self.modules[position]
            gradient = self._run(position, "updateGradInput", input, g)
            module.gradInput = gradient
            if position == 0:
                total = self._sum = copy_into(self._sum, gradient)
            else:
                total = self._sum = add_tables(total, gradient, total)
        self.gradInput = total
        return total

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position, g in enumerate(self._each(gradOutput)):
            self._run(position, "accGradParameters", input, g, scale)


class ParallelTable(_Tabling):
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
        for position, g in enumerate(self._each(gradOutput)):
            gradient = self._run(position, "updateGradInput", input[position], g)
            self.modules[position].gradInput = gradient
            self.gradInput.append(gradient)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position, g in enumerate(self._each(gradOutput)):
            self._run(position, "accGradParameters", input[position], g, scale)


class MapTable(_Tabling):
    """Apply one module to every entry of a table, with buffers for each and the same parameters.

    With ``shared=False`` the copies, which are made as longer tables come, start with the module's
    parameters and then have their own.
    Source: https://github.com/torch/nn/blob/master/doc/table.md#nn.MapTable
    """

    def __init__(self, module: Any = None, shared: bool = True) -> None:
        super().__init__()
        self.shared = shared is None or bool(shared)
        if module is not None:
            self.add(module)

    def add(self, module: Module) -> "MapTable":
        """Set the module to map; raise ArgumentError if there is one already."""
        if self.modules:
            raise ArgumentError("nn.MapTable maps a single module, which it already has")
        super().add(module)
        return self

    @property
    def module(self) -> Module:
        """The module that is mapped."""
        if not self.modules:
            raise ArgumentError("nn.MapTable has no module: give it one, nn.MapTable(module)")
        return self.modules[0]

    def resize(self, n: int) -> None:
        """Keep ready exactly ``n`` copies of the module (at least the module itself)."""
        while len(self.modules) < n:
            self.modules.append(self.module.twin() if self.shared else self.module.clone())
        del self.modules[max(n, 1) :]

    def updateOutput(self, input: Any) -> list[Any]:
        self.resize(len(self._table(input)))
        self.output = [
            self._run(position, "forward", entry) for position, entry in enumerate(input)
        ]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list[Any]:
        self.gradInput = []
        for position, (entry, g) in enumerate(zip(input, self._each(gradOutput))):
            gradient = self._run(position, "updateGradInput", entry, g)
            self.modules[position].gradInput = gradient
            self.gradInput.append(gradient)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        for position, (entry, g) in enumerate(zip(input, self._each(gradOutput))):
            self._run(position, "accGradParameters", entry, g, scale)

    def reset(self, stdv: Any = None) -> "MapTable":
        self.module.reset(stdv)
        return self

    def share(self, other: Module, *names: str) -> "MapTable":
        if not isinstance(other, MapTable):
            raise ArgumentError(f"share: nn.MapTable and {other.typename()} are not built alike")
        self.resize(1)
        self.module.share(other.module, *names)
        return self

    def replace(self, callback: Callable[[Module], Module]) -> Module:
        self.resize(1)
        return super().replace(callback)

    def clearState(self) -> "MapTable":
        del self.modules[1:]
        super().clearState()
        return self

    def __repr__(self) -> str:
        if not self.modules:
            return "nn.MapTable { }"
        return "nn.MapTable {\n  " + repr(self.modules[0]).replace("\n", "\n  ") + "\n}"

"""Container: a module made of modules.

Source: https://github.com/torch/nn/blob/master/doc/containers.md
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, TypeVar

from minigraph.errors import ArgumentError, MinigraphError, check_dimension
from minigraph.nesting import retold
from minigraph.nn.module import Arrays, Module, Number, Pair
from minigraph.nn.state import distinct, held
from minigraph.tables import check_gradInput

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

        A module that is in the container already, however deep, is added as its ``twin``: the same
        parameters with output buffers of its own, so that the second use does not overwrite the
        first. Raises ``ArgumentError`` for anything that is not a module.
        """
        if not isinstance(module, Module):
            raise ArgumentError(f"{self.typename()} holds modules, got {type(module).__name__}")
        self.modules.append(held(self.modules, module))
        return self

    @retold
    def _distinct(self: Self, known: set[int]) -> Self:
        made = super()._distinct(known)
        if made is self:
            self.modules[:] = [module._distinct(known) for module in self.modules]
        return made

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

        def gather(module: Module) -> None:
            for parameter, gradient in zip(*module.parameters()):
                pair = (id(parameter), id(gradient))
                if pair not in seen:
                    seen.add(pair)
                    params.append(parameter)
                    gradParams.append(gradient)

        self.applyToModules(gather)
        return params, gradParams

    @retold
    def applyToModules(self, callback: Callable[[Module], Any]) -> None:
        """Call ``callback(module)`` on each module held, not on those further down."""
        for module in self.modules:
            callback(module)

    def zeroGradParameters(self) -> None:
        self.applyToModules(lambda module: module.zeroGradParameters())

    def _step(self, learningRate: Number, done: set[Pair]) -> None:
        # A container that names its own parameters (WeightNorm) is stepped like a layer.
        if type(self).parameters is not Container.parameters:
            super()._step(learningRate, done)
            return
        for module in self.modules:
            if type(module).updateParameters is Module.updateParameters:
                module._step(learningRate, done)
                continue
            mine = set(module._toStep())
            if not mine <= done:
                module.updateParameters(learningRate)
                done |= mine

    def reset(self: Self, stdv: Optional[Number] = None) -> Self:
        self.applyToModules(lambda module: module.reset(stdv))
        return self

    def _switch(self: Self, train: bool) -> Self:
        self.applyToModules(lambda module: module.training() if train else module.evaluate())
        return super()._switch(train)

    def clearState(self: Self) -> Self:
        super().clearState()
        self.applyToModules(lambda module: module.clearState())
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
        self.modules[:] = distinct(module.replace(callback) for module in self.modules)
        return replaced

    def listModules(self) -> list[Module]:
        found: list[Module] = [self]
        self.applyToModules(lambda module: found.extend(module.listModules()))
        return found

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
            if method == "forward" and type(module).forward is Module.forward:
                return module._evaluate(*arguments)  # whoever runs this has the turn
            result = getattr(module, method)(*arguments)
            if module._foreign and method == "updateGradInput":
                result = module.gradInput if result is None else result
                check_gradInput(result, arguments[0], module._author)
            return result
        except MinigraphError as error:
            error.context.append(f"in module {position + 1} of {self.typename()}: {module.headline()}")
            raise

    def headline(self) -> str:
        return self.typename()

    @retold
    def __repr__(self) -> str:
        lines = [f"{self.headline()} {{"]
        for number, module in enumerate(self.modules, 1):
            lines.append(f"  ({number}): " + repr(module).replace("\n", "\n  "))
        return "\n".join([*lines, "}"])

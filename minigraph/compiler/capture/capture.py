"""Capture: from a network of modules to a program.

The network is walked in its own order with values in place of tensors. What shapes they have is
not computed but observed: ``probe``, a clone that shares the parameters, has run on such an input
before, so that the errors of a wrong input are the engine's own and speak of the user's nodes.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional, Sequence

import numpy as np

from minigraph.compiler.capture.rules import RULES, NotLowered, inherited
from minigraph.compiler.capture.rules.registry import Rule
from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Given, Op, Value
from minigraph.compiler.program.naming import name_of, name_results
from minigraph.graph import Node
from minigraph.nn import MapTable, ModuleFromCriterion, gModule
from minigraph.nn.container import Container
from minigraph.nn.module import Module
from minigraph.tables import leaves, map_table

#: The rules, and that of a network inside a network.
_RULES: dict[type, Rule] = {**RULES, gModule: lambda b, net, input: b.network(net, input)}


class Capture(Builder):
    """Writes the forward operations of a network and remembers how its tables are nested.

    ``draws`` tells whether random masks may be drawn before anything else runs. They may not where
    a module that is called as it is might draw from the same stream in between.
    """

    forward_only = False

    def __init__(self, net: Module, probe: Module, draws: bool = True) -> None:
        super().__init__(net.dtype)
        self._probes = {id(mine): theirs for mine, theirs in paired(net, probe)}
        self._mayDraw = draws
        self._masks: list[tuple[Value, float]] = []
        self.calls: list[Op] = []
        #: What the nodes met are called; see ``naming.py``.
        self.names: dict[Node, str] = {}

    #: How a node is called.
    name_of = staticmethod(name_of)

    def given(self, example: Any, name: str = "") -> Any:
        """Return values for what the caller will hand in, nested and shaped like ``example``."""
        return map_table(lambda array: Given(np.shape(array), np.asarray(array).dtype, name), example)

    def observed(self, module: Module) -> Any:
        """Return the output of ``module`` in the probe's run."""
        return self._probes[id(module)].output

    def lower(self, module: Module, input: Any) -> Any:
        """Write ``module`` with primitives, or as a call if there is no rule for it.

        A layer of another tensor type than the network's computes in that: it is called too.
        """
        rule = inherited(_RULES, type(module))
        fits = self.forward_only or module.dtype == self.dtype or isinstance(module, Container)
        if rule is not None and fits:
            ops, calls, masks, casts = len(self.ops), len(self.calls), len(self._masks), dict(self._casts)
            try:
                return rule(self, module, input)
            except NotLowered:
                del self.ops[ops:], self.calls[calls:], self._masks[masks:]
                self._casts = casts
        return self.call(module, input)

    def network(self, net: gModule, input: Any) -> Any:
        """Write the nodes of ``net`` in their order; see ``gModule.updateOutput``."""
        outer, within, inputs = self.node, self.within, input
        values: list[Any] = [None] * len(net.forwardnodes)
        prefix = f"{within}/" if within else ""
        value = input
        for place, node, module, sources, select in net._forward:
            if len(sources) == 1:
                value = values[sources[0]]
            elif sources:
                value = [values[source] for source in sources]
            else:
                value = inputs
            self.node, self.within = node, prefix + self.name_of(node)
            self.names.setdefault(node, self.within)
            start = len(self.ops)
            if module is not None:
                value = self.lower(module, value)
            elif select is not None:
                value = value[select]
            if module is not None:
                name_results(value, self.within, self.ops[start:])
            elif node.name and isinstance(value, Value) and value.name.endswith("]"):
                value.name = self.within  # an entry of a table that the user has named
            values[place] = value
        self.node, self.within = outer, within
        return value

    def call(self, module: Module, input: Any) -> Any:
        """Write a call of the module's own ``updateOutput``."""
        observed = self.observed(module)
        output = map_table(
            lambda array: Value(np.shape(array), np.asarray(array).dtype), observed
        )
        inputs = tuple(value for _, value in leaves(input))
        outputs = tuple(value for _, value in leaves(output))
        op = Op("call", inputs, outputs, {"module": module, "input": input, "output": output}, self.node)
        self.ops.append(op)
        self.calls.append(op)
        return output

    def draw(self, shape: Sequence[int], p: float) -> Value:
        """Return a mask of ones (probability ``p``) and zeros, drawn anew at each run."""
        if not self._mayDraw:
            raise NotLowered
        mask = Value(tuple(shape), self.dtype, f"{self.within}.mask")
        self._masks.append((mask, p))
        return mask

    @property
    def drawing(self) -> Optional[Op]:
        """The operation that draws all masks, in the order in which they were asked for."""
        if not self._masks:
            return None
        masks, chances = zip(*self._masks)
        return Op("draw", (), masks, {"p": chances})


def paired(mine: Module, theirs: Module) -> Iterator[tuple[Module, Module]]:
    """Yield every module with its probe; a MapTable gets as many copies as its probe has."""
    yield mine, theirs
    if isinstance(mine, MapTable) and isinstance(theirs, MapTable):
        mine.resize(len(theirs.modules))
    if isinstance(mine, ModuleFromCriterion) and isinstance(theirs, ModuleFromCriterion):
        # Criterions may be made of modules, which both have in the same places.
        for part, other in zip(mine.criterion._owners(), theirs.criterion._owners()):
            if isinstance(part, Module) and isinstance(other, Module):
                yield part, other
    if isinstance(mine, Container) and isinstance(theirs, Container):
        for each, other in zip(mine.modules, theirs.modules):
            yield from paired(each, other)

"""gModule: the engine. It runs a graph of modules forward and backward in nngraph's order.

Every node has a place (its position in the forward order, see ``graph/network.py``). Forwards,
a step reads the values at the places of its inputs and leaves its own at the node's place.
Backwards, each consumer appends its gradient to the list at its input's place, and a node
sums its list in that order, so that results equal Torch7's to the last bit wherever the
arithmetic below does.

Source: https://github.com/torch/nngraph/blob/master/gmodule.lua
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, NoReturn, Optional, Sequence

import numpy as np

from minigraph.errors import InputError, MinigraphError, NodeError, StateError
from minigraph.graph import Network, Node
from minigraph.nn.container import Container
from minigraph.nn.module import Module
from minigraph.nn.observer import Observer
from minigraph.nn.state import distinct
from minigraph.nn.threads import exclusive
from minigraph.tables import (
    Path,
    add_tables,
    check_gradInput,
    check_numeric,
    describe,
    fill_none,
    fit_gradient,
    has_none,
    is_table,
)


class Step(NamedTuple):
    """What the engine does at one node: its place, its module and the places of its inputs.

    ``select`` is the 0-based entry that a part of a split takes, ``None`` for other nodes.
    """

    place: int
    node: Node
    module: Optional[Module]
    sources: tuple[int, ...]
    select: Optional[int]


class NodeState(NamedTuple):
    """What the last passes left at a node; ``None`` where there was none."""

    input: Any
    output: Any
    gradOutput: Any


class gModule(Container):
    """A network made of nodes: ``gModule(inputs, outputs)``.

    ``inputs`` and ``outputs`` are lists of nodes. ``forward`` takes the tensor or table of the
    one input, or the table of all of them in that order, and returns likewise; ``backward``
    takes the gradients nested as the outputs and returns them nested as the inputs. Raises
    ``GraphError`` for a graph that ``Network`` refuses. A module that was called at several
    nodes, or is in modules of several, has its parameters in common and its buffers apart (see
    ``Module.twin``).
    """

    #: Watchers of every network (debug mode, traces). Empty costs nothing.
    observers: list[Observer] = []

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        super().__init__()
        self._arguments = ((), {})  # the nodes are kept as graphs
        self._wire(Network(inputs, outputs))
        nodes = [node for node in self.forwardnodes if node.module is not None]
        nodes.sort(key=lambda node: not isinstance(node.module, Container))  # these hold what others are
        for node, module in zip(nodes, distinct(node.module for node in nodes)):
            node.data.module = module
            module._holders += 1
        self.modules = [node.module for node in self.forwardnodes if node.module is not None]
        self._plan()
        self._forget()

    def _distinct(self, known: set[int]) -> "gModule":
        owners = {id(owner) for owner in self._owners()}
        if not known.isdisjoint(owners):
            return self.twin()  # whole: other networks may have been closed over the same nodes
        known |= owners
        return self

    def _wire(self, network: Network) -> None:
        """Take on the graphs and orders of ``network``."""
        self._network = network
        self.fg, self.bg = network.fg, network.bg
        self.forwardnodes, self.backwardnodes = network.forwardnodes, network.backwardnodes
        self.nInputs, self.nOutputs = len(network.inputs), len(network.outputs)

    def _plan(self) -> None:
        """Turn the two orders into steps that refer to nodes by place."""
        place = self._places = {node.data: i for i, node in enumerate(self.forwardnodes)}
        steps = {}
        for node in self.backwardnodes:
            sources = tuple(place[child.data] for child in node.children)
            index = node.data.selectindex
            select = None if index is None else index - 1
            steps[node.data] = Step(place[node.data], node, node.module, sources, select)
        self._forward = [steps[node.data]._replace(node=node) for node in self.forwardnodes]
        self._backward = [steps[node.data] for node in self.backwardnodes]
        self._accumulating = [
            (step, step.module) for step in self._backward
            if step.module is not None
            and type(step.module).accGradParameters is not Module.accGradParameters
        ]

    def _forget(self) -> None:
        """Drop everything that a pass left behind."""
        self._inputs: list[Any] = [None] * len(self.forwardnodes)
        self._values: list[Any] = [None] * len(self.forwardnodes)
        self._totals: list[Any] = [None] * len(self.forwardnodes)
        self._sums: list[Any] = [None] * len(self.forwardnodes)
        self._zeros: list[dict[Path, Any]] = [{} for _ in self.forwardnodes]
        self._ready = ""

    # -- running ---------------------------------------------------------------------------

    @exclusive
    def updateOutput(self, input: Any) -> Any:
        """Evaluate the nodes in ``forwardnodes`` order and return the output (table)."""
        self._ready = ""
        observers = self.observers
        step: Optional[Step] = None
        try:
            value = self._checkInput(input)
            for observer in observers:
                observer.starting(self, "updateOutput", value)
            inputs, values = self._inputs, self._values
            for step in self._forward:
                place, node, module, sources, select = step
                if len(sources) == 1:
                    value = values[sources[0]]
                elif sources:
                    value = [values[source] for source in sources]
                inputs[place] = value
                if module is not None:
                    output = module.updateOutput(value)
                    value = module.output if output is None else output
                    module.output = value
                elif select is not None:
                    value = value[select]
                elif node.data.nSplitOutputs is not None:
                    _check_split(node.data.nSplitOutputs, value)
                values[place] = value
                if observers:
                    for observer in observers:
                        observer.evaluated(self, node, inputs[place], value)
        except Exception as error:
            self._fail("updateOutput", step, error)
        self.output = value
        self._ready = "updateOutput"
        return value

    @exclusive
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Pass gradients through ``backwardnodes`` and return those of the input (table)."""
        observers = self.observers
        step: Optional[Step] = None
        try:
            if not self._ready:
                raise StateError(
                    "backward before forward: the network has no saved activations; "
                    "call forward(input) first (an error, clearState() or another thread's run forgets them)"
                )
            for observer in observers:
                observer.starting(self, "updateGradInput", input)
            self._ready = "updateOutput"
            inputs, values, totals = self._inputs, self._values, self._totals
            contributions: list[list[Any]] = [[] for _ in values]
            contributions[-1].append(fit_gradient(gradOutput, self.output))
            for step in self._backward:
                place, node, module, sources, select = step
                arrived = contributions[place]
                total = gradient = arrived[0] if len(arrived) == 1 else self._sum(place, arrived)
                if module is not None:
                    if type(total) is not np.ndarray and has_none(total):
                        total = fill_none(total, values[place], self._zeros[place])
                    gradient = module.updateGradInput(inputs[place], total)
                    if gradient is None:
                        gradient = module.gradInput
                    module.gradInput = gradient
                    if module._foreign:
                        check_gradInput(gradient, inputs[place], module._author)
                totals[place] = total
                if select is not None:
                    table = contributions[sources[0]]
                    if not table:
                        table.append([None] * len(inputs[place]))
                    table[0][select] = total
                elif len(sources) == 1:
                    contributions[sources[0]].append(gradient)
                else:
                    for source, part in zip(sources, _parts(gradient, sources)):
                        contributions[source].append(part)
                if observers:
                    self._observeBackward(node, total, gradient)
        except Exception as error:
            self._fail("updateGradInput", step, error)
        self.gradInput = fill_none(gradient, inputs[0]) if has_none(gradient) else gradient
        self._ready = "updateGradInput"
        return self.gradInput

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        """Leave the gradients as they are: ``updateGradInput`` checks them and keeps ``None``."""
        return gradOutput

    @exclusive
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Accumulate the parameters' gradients from what ``updateGradInput`` left at the nodes."""
        step: Optional[Step] = None
        try:
            if self._ready != "updateGradInput":
                raise StateError("accGradParameters before updateGradInput: call backward(...)")
            if is_table(gradOutput) and 1 < self.nOutputs != len(gradOutput):
                fit_gradient(gradOutput, self.output)  # raises
            for observer in self.observers:
                observer.starting(self, "accGradParameters", input)
            for step, module in self._accumulating:
                module.accGradParameters(
                    self._inputs[step.place], self._totals[step.place], scale
                )
        except Exception as error:
            self._fail("accGradParameters", step, error)

    def _sum(self, place: int, contributions: list[Any]) -> Any:
        """Add a node's contributions in the order they came; ``None`` is nothing."""
        total: Any = None
        for gradient in contributions:
            if gradient is None:
                continue
            if total is None:
                total = gradient
            else:
                total = self._sums[place] = add_tables(total, gradient, self._sums[place])
        return total

    def _checkInput(self, input: Any) -> Any:
        if self.nInputs > 1 and (not is_table(input) or len(input) != self.nInputs):
            raise wrong_count(input, self.nInputs)
        check_numeric(input)
        return input

    def _observeBackward(self, node: Node, total: Any, gradient: Any) -> None:
        for observer in self.observers:
            observer.differentiated(self, node, total, gradient)
            if node.data.selectindex is not None:
                observer.contributed(self, node, node.data.selectindex - 1, node.children[0], total)
                continue
            parts = [gradient] if len(node.children) == 1 else _parts(gradient, node.children)
            for slot, (source, part) in enumerate(zip(node.children, parts)):
                observer.contributed(self, node, slot, source, part)

    def _fail(self, method: str, step: Optional[Step], error: Exception) -> NoReturn:
        """Raise ``error``, told where it happened; an error of the user's becomes a NodeError."""
        node = None if step is None else step.node
        failure = error
        if node is not None:
            failure = error if isinstance(error, MinigraphError) else NodeError.wrap(error)
            failure.context.append(f"in {method} of {node.describe()}")
        for observer in self.observers:
            observer.failed(self, method, node, failure)
        raise failure

    @property
    def evaluated(self) -> bool:
        """Whether the last forward came to its end, so that what the nodes hold is of one pass."""
        return bool(self._ready)

    def nodeState(self, node: Node) -> NodeState:
        """Return what the last forward and backward left at ``node`` (of either graph)."""
        place = self._places[node.data]
        return NodeState(self._inputs[place], self._values[place], self._totals[place])

    # -- the rest of the module protocol ------------------------------------------------------

    def clearState(self) -> "gModule":
        """Forget outputs, gradients and everything saved at the nodes; return the network."""
        super().clearState()
        self._forget()
        return self

    def replace(self, callback: Callable[[Module], Module]) -> Module:
        """Replace modules below by ``callback(module)``; the nodes follow."""
        replaced = callback(self)
        made = distinct(module.replace(callback) for module in self.modules)
        new = {id(module): made[position] for position, module in enumerate(self.modules)}
        for node in self.forwardnodes:
            if node.module is not None:
                node.data.module = new[id(node.module)]
        self.modules[:] = made
        self._plan()
        return replaced

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name not in _DERIVED}
        return {**state, "_network": self._network.records()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._wire(Network.from_records(state["_network"]))
        self._plan()


_DERIVED = {
    "fg", "bg", "forwardnodes", "backwardnodes", "_places", "_forward", "_backward", "_accumulating",
}


def wrong_count(input: Any, count: int) -> InputError:
    """Return the error for an input that is no table of ``count`` entries."""
    got = f"{len(input)} entries" if is_table(input) else describe(input)
    counts = f"Got {len(input)} inputs instead of {count}: " if is_table(input) else ""
    return InputError(
        f"{counts}expected a table of {count} inputs, got {got}",
        "input", count, len(input) if is_table(input) else describe(input),
    )


def _check_split(count: int, value: Any) -> None:
    """Raise InputError unless ``value`` is a table of ``count`` entries."""
    if not is_table(value):
        raise InputError(
            f"split({count}) needs a table, got {describe(value)}",
            "input", count, describe(value),
        )
    if len(value) != count:
        raise InputError(
            f"split({count}) cannot split a table of {len(value)} entries: {describe(value)}",
            "input", count, len(value),
        )


def _parts(gradient: Any, sources: Sequence[Any]) -> Sequence[Any]:
    """Return one gradient per input of a node that has several."""
    if gradient is None:
        return (None,) * len(sources)
    return gradient if sources else ()

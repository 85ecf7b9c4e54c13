"""Module: the protocol that every layer, container and graph follows.

Source: https://github.com/torch/nn/blob/master/doc/module.md
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, Sequence, TypeVar

import numpy as np

from minigraph import nesting
from minigraph.errors import ArgumentError, GraphError, StateError
from minigraph.graph import Node, NodeData, check_nodes, expecting_node_message, shown
from minigraph.memory import Region, address, root
from minigraph.memory.flat import Flat, givers, retire
from minigraph.nn import sharing
from minigraph.nn.state import State, replace_arrays
from minigraph.nn.threads import exclusive, take_turn
from minigraph.tables import fill_none, fit_gradient, refuse_mask

Self = TypeVar("Self", bound="Module")
Arrays = list[np.ndarray]
#: Where a parameter and its gradient lie; see ``Module._toStep``.
Pair = tuple[int, int, int]
Number = float  # inside the class, ``float`` is Torch's conversion method


class Module(State):
    """A function with parameters, its output and its gradients.

    A layer is three methods: ``updateOutput(input)`` computes and returns ``self.output``,
    ``updateGradInput(input, gradOutput)`` computes and returns ``self.gradInput``, and
    ``accGradParameters(input, gradOutput, scale)`` adds ``scale`` times the gradient of the
    parameters to ``self.gradWeight`` and ``self.gradBias``. Inputs, outputs and their
    gradients are tensors (NumPy arrays) or tables (lists) of them. ``output`` and
    ``gradInput`` are buffers: the next call may overwrite them.
    """

    train: bool = True
    #: Whether the class is not minigraph's own: what it returns as gradInput is then checked.
    _foreign: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._foreign = not cls.__module__.startswith("minigraph.")

    # -- running ---------------------------------------------------------------------------

    def updateOutput(self, input: Any) -> Any:
        """Compute, keep and return the output for ``input``."""
        raise TypeError(f"{self.typename()} does not define updateOutput(input)")

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Compute, keep and return the gradient with respect to ``input``."""
        raise TypeError(f"{self.typename()} does not define updateGradInput(input, gradOutput)")

    def accGradParameters(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> None:
        """Add ``scale`` times the gradient of the parameters; nothing without parameters."""

    def forward(self, input: Any) -> Any:
        """Return the output for ``input``, a tensor or a table (see ``updateOutput``).

        Raises ``StateError`` while another thread runs the module.
        """
        turn = take_turn(self)
        try:
            return self._evaluate(input)
        finally:
            turn.release()

    def _evaluate(self, input: Any) -> Any:
        """Run ``updateOutput``; keep and return the output."""
        try:
            output = self.updateOutput(input)
        except nesting.CAUSES as error:
            nesting.retell(error, {"self": self, "input": input})
        if output is None:  # it is in the attribute
            output = self.output
        self.output = output
        return output

    def backward(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> Any:
        """Return the gradient of ``input`` and accumulate those of the parameters.

        ``input`` is the one last given to ``forward``; ``gradOutput`` is nested like the
        output, with ``None`` anywhere for a zero gradient. Raises ``StateError`` before a
        forward and ``InputError`` where ``gradOutput`` does not fit the output.
        """
        try:
            turn = take_turn(self)
            try:
                gradOutput = self._fitGradOutput(gradOutput)
                gradInput = self._differentiate(input, gradOutput)
                self.accGradParameters(input, gradOutput, scale)
                return gradInput
            finally:
                turn.release()
        except nesting.CAUSES as error:
            nesting.retell(error, {"self": self, "gradOutput": gradOutput})

    def _differentiate(self, input: Any, gradOutput: Any) -> Any:
        """Run ``updateGradInput``; keep and return the gradient."""
        gradInput = self.updateGradInput(input, gradOutput)
        if gradInput is None:  # it is in the attribute
            gradInput = self.gradInput
        self.gradInput = gradInput
        return gradInput

    def _author(self) -> str:
        """Return the module and the source line of its ``updateGradInput``."""
        code = getattr(self.updateGradInput, "__code__", None)
        line = "" if code is None else f" ({shown(code.co_filename)}:{code.co_firstlineno})"
        return f"{repr(self).splitlines()[0]}: updateGradInput{line}"

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        if self.output is None:
            raise StateError(
                f"backward before forward: {self.typename()} has no output yet; "
                "call forward(input) first (clearState() or another thread's run forgets it)"
            )
        return fill_none(fit_gradient(gradOutput, self.output), self.output)

    @exclusive
    def backwardUpdate(self, input: Any, gradOutput: Any, lr: Number) -> Any:
        """Return the gradient of ``input`` and step the parameters by ``-lr`` at once."""
        gradOutput = self._fitGradOutput(gradOutput)
        gradInput = self._differentiate(input, gradOutput)
        self.accUpdateGradParameters(input, gradOutput, lr)
        return gradInput

    def accUpdateGradParameters(self, input: Any, gradOutput: Any, lr: Number) -> None:
        """Step the parameters by ``-lr`` times this call's gradient, which is then gone."""
        if self.parameters()[0]:
            self.zeroGradParameters()
            self.accGradParameters(input, gradOutput, 1.0)
            self.updateParameters(lr)

    def __call__(self, *inputs: Any) -> Node:
        """Make a graph node: ``module()``, ``module(node)`` or ``module([node, …])``.

        Raises ``GraphError`` for anything that is not a node, with its position.
        """
        if len(inputs) > 1:
            raise GraphError(
                f"{self!r} was called with {len(inputs)} arguments: "
                "pass several inputs as one list, module([a, b])"
            )
        node = Node(NodeData(self))
        if not inputs:
            return node
        children = inputs[0] if isinstance(inputs[0], (list, tuple)) else [inputs[0]]
        if not children:
            raise GraphError(
                f"{self!r} was called with an empty list of inputs: leave the parentheses empty "
                "for a node without inputs; if inputs were meant, the variable passed is empty"
            )
        for child in check_nodes(children, "inputs"):
            node.add(child)
        return node

    def __neg__(self) -> Node:
        """``-module`` is ``module()``: a node without inputs."""
        return self()

    def __rsub__(self, nodes: Any) -> Node:
        """``[a, b] - module`` is ``module([a, b])``."""
        if isinstance(nodes, (list, tuple)):
            return self(list(nodes))
        raise GraphError(expecting_node_message(nodes, "inputs", 0))

    @property
    def _backFactor(self) -> Optional[Number]:
        """What ``gradInput`` is as a multiple of the output's derivative; another than 1 only on purpose.

        ``None``: nothing goes back, of ``_penalty`` neither.
        """
        return 1.0

    @property
    def _penalty(self) -> Number:
        """What the last forward adds to the loss beside its output."""
        return 0.0

    @property
    def _fixed(self) -> Arrays:
        """Views of the parts of parameters that get no gradient on purpose."""
        return []

    # -- parameters ------------------------------------------------------------------------

    def parameters(self) -> tuple[Arrays, Arrays]:
        """Return ``(params, gradParams)``, two lists of arrays in matching order."""
        params: Arrays = []
        gradParams: Arrays = []
        for name, gradName in (("weight", "gradWeight"), ("bias", "gradBias")):
            value = getattr(self, name, None)
            if value is not None:
                if type(value) is not np.ndarray:
                    refuse_mask(value, name)
                params.append(value)
                gradParams.append(getattr(self, gradName))
        return params, gradParams

    def getParameters(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(flat, gradFlat)``, 1-d; the parameters are views on them from then on.

        Parameters that share memory share it there too, and every module that uses them, such
        as a clone, follows. A second call returns the same arrays. Arrays that an earlier call
        returned for a part of this network become read-only when its parameters move. Raises
        ``ArgumentError`` when parameters and gradients are not shared alike, and where a flat
        array of another network that shares some of them would be left behind.
        """
        params, gradParams = self.parameters()
        if not params:
            empty = np.empty(0, self.dtype)
            return empty, empty.copy()
        flats = Flat(params), Flat(gradParams)
        if flats[0].size != flats[1].size:
            raise ArgumentError(
                f"{flats[0].size} parameters but {flats[1].size} gradients: "
                "share 'gradWeight' and 'gradBias' wherever 'weight' and 'bias' are shared"
            )
        moving = [flat for flat in flats if not flat.stands()]
        self._check_flat_arrays_of_others(moving)
        users = sharing.sharers(*(flat.region for flat in moving)) if moving else []
        for flat in moving:
            retire(flat.region)
        given = tuple(flat.give(self) for flat in flats)
        if moving:
            users = list({id(user): user for user in (*self._owners(), *users)}.values())
            replace_arrays(users, lambda array: moving[0].move(moving[-1].move(array)))
        if not all(
            root(array) is root(flat) or not array.size
            for arrays, flat in zip(self.parameters(), given) for array in arrays
        ):
            raise ArgumentError(
                f"{self.typename()}: parameters() must return arrays that are attributes of "
                "the module (not copies or fresh views), or they cannot be made views of one"
            )
        return given[0], given[1]

    def _check_flat_arrays_of_others(self, moving: Sequence[Flat]) -> None:
        """Raise ``ArgumentError`` if somebody holds the flat array of a network that is no part of this."""
        own = set(map(id, self._owners())) if moving else set()
        others = sharing.settled(
            lambda: [other for flat in moving for other in givers(flat.region) if id(other) not in own]
        )
        if others:
            raise ArgumentError(
                f"{self.typename()} shares parameters with {others[0].typename()}, whose flat array from "
                "getParameters() would no longer be its parameters: call getParameters() once, on a "
                "container that holds both; or let go of that array (del) and call it there again"
            )

    def zeroGradParameters(self) -> None:
        """Set the accumulated gradients of the parameters to zero."""
        for gradient in self.parameters()[1]:
            gradient.fill(0)

    def updateParameters(self, learningRate: Number) -> None:
        """Step each parameter by ``-learningRate`` times its gradient.

        Shared ones are stepped once by each gradient, which may be shared too. A layer with a rule of
        its own overrides this; containers then call it.
        """
        self._step(learningRate, set())

    def _step(self, learningRate: Number, done: set[Pair]) -> None:
        """Step the parameters that are not in ``done`` with their gradients, and add them to it."""
        for pair, (parameter, gradient) in self._toStep().items():
            if pair not in done:
                done.add(pair)
                parameter -= learningRate * gradient

    def _toStep(self) -> dict[Pair, tuple[np.ndarray, np.ndarray]]:
        """Return parameters with their gradients by where they lie, transposed ones once."""
        return {
            (address(parameter), parameter.size, address(gradient)): (parameter, gradient)
            for parameter, gradient in zip(*self.parameters())
        }

    def reset(self: Self, stdv: Optional[Number] = None) -> Self:
        """Draw the parameters anew from the random stream; return the module."""
        return self

    # -- state -----------------------------------------------------------------------------

    def training(self: Self) -> Self:
        """Switch to training behaviour (dropout draws masks, …); return the module.

        Clones made with ``clone_many`` follow.
        """
        return self._switch(True)

    def evaluate(self: Self) -> Self:
        """Switch to evaluation behaviour; return the module. Clones made with ``clone_many`` follow."""
        return self._switch(False)

    def _switch(self: Self, train: bool) -> Self:
        self.train = train
        for clone in sharing.clones_of(self):
            clone.training() if train else clone.evaluate()
        return self

    def share(self: Self, other: "Module", *names: str) -> Self:
        """Use ``other``'s arrays under these attribute names from now on; return the module.

        A flat array that ``getParameters()`` returned and that held one of its own becomes read-only.
        """
        for name in names:
            if getattr(self, name, None) is not None:
                theirs = getattr(other, name, None)
                if theirs is None:
                    raise ArgumentError(f"{other.typename()} has no '{name}' to share")
                mine = getattr(self, name)
                if isinstance(mine, np.ndarray) and mine is not theirs:
                    retire(Region([mine]))
                setattr(self, name, theirs)
        return self

    # -- the tree of modules ---------------------------------------------------------------

    def apply(self, callback: Callable[["Module"], Any]) -> None:
        """Call ``callback(module)`` on this module and everything below it, parents first."""
        for module in self.listModules():
            callback(module)

    def replace(self, callback: Callable[["Module"], "Module"]) -> "Module":
        """Replace every module below (parents first) by ``callback(module)``; return the new root."""
        return callback(self)

    def listModules(self) -> list["Module"]:
        """Return this module and everything below it, parents first."""
        return [self]

    def findModules(self, typename: str) -> tuple[list["Module"], list["Module"]]:
        """Return ``(modules, containers)``: those of this type name, and what holds each."""
        found: list[Module] = []
        holders: list[Module] = []
        for module, holder in self._walk(self):
            if module.typename() == typename:
                found.append(module)
                holders.append(holder)
        return found, holders

    def _walk(self, holder: "Module") -> Iterator[tuple["Module", "Module"]]:
        yield self, holder

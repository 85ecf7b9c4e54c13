"""Module: the protocol that every layer, container and graph follows.

Source: https://github.com/torch/nn/blob/master/doc/module.md
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, TypeVar

import numpy as np

from minigraph.errors import ArgumentError, GraphError, StateError
from minigraph.graph import Node, NodeData, check_nodes, expecting_node_message
from minigraph.memory import flatten
from minigraph.nn.state import State
from minigraph.tables import fill_none, fit_gradient

Self = TypeVar("Self", bound="Module")
Arrays = list[np.ndarray]
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

    #: Attributes besides ``output`` and ``gradInput`` that hold intermediate results.
    _buffers: tuple[str, ...] = ()

    train: bool = True

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
        """Return the output for ``input``, a tensor or a table (see ``updateOutput``)."""
        output = self.updateOutput(input)
        self.output = output
        return output

    def backward(self, input: Any, gradOutput: Any, scale: Number = 1.0) -> Any:
        """Return the gradient of ``input`` and accumulate those of the parameters.

        ``input`` is the one last given to ``forward``; ``gradOutput`` is nested like the
        output, with ``None`` anywhere for a zero gradient. Raises ``StateError`` before a
        forward and ``InputError`` where ``gradOutput`` does not fit the output.
        """
        gradOutput = self._fitGradOutput(gradOutput)
        gradInput = self.updateGradInput(input, gradOutput)
        self.gradInput = gradInput
        self.accGradParameters(input, gradOutput, scale)
        return gradInput

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        if self.output is None:
            raise StateError(
                f"backward before forward: {self.typename()} has no output yet; "
                "call forward(input) first (clearState() forgets it)"
            )
        return fill_none(fit_gradient(gradOutput, self.output), self.output)

    def backwardUpdate(self, input: Any, gradOutput: Any, lr: Number) -> Any:
        """Return the gradient of ``input`` and step the parameters by ``-lr`` at once."""
        gradOutput = self._fitGradOutput(gradOutput)
        gradInput = self.updateGradInput(input, gradOutput)
        self.gradInput = gradInput
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
    def _backFactor(self) -> Number:
        """What ``gradInput`` is as a multiple of the derivative; another than 1 only on purpose."""
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
                params.append(value)
                gradParams.append(getattr(self, gradName))
        return params, gradParams

    def getParameters(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(flat, gradFlat)``, 1-d; the parameters are views on them from then on.

        Parameters that share memory share it there too. Call it once, before making shared
        clones: a second call moves the parameters again. Raises ``ArgumentError`` when
        parameters and gradients are not shared alike.
        """
        params, gradParams = self.parameters()
        flat, views = flatten(params)
        gradFlat, gradViews = flatten(gradParams)
        if flat.size != gradFlat.size:
            raise ArgumentError(
                f"{flat.size} parameters but {gradFlat.size} gradients: "
                "share 'gradWeight' and 'gradBias' wherever 'weight' and 'bias' are shared"
            )
        if not params:
            empty = np.empty(0, self.dtype)
            return empty, empty.copy()
        moved = {
            id(old): new for old, new in zip([*params, *gradParams], [*views, *gradViews])
        }
        self._replaceArrays(lambda array: moved.get(id(array), array))
        now = {id(array) for arrays in self.parameters() for array in arrays}
        if not all(id(view) in now for view in (*views, *gradViews)):
            raise ArgumentError(
                f"{self.typename()}: parameters() must return arrays that are attributes of "
                "the module (not copies or fresh views), or they cannot be made views of one"
            )
        return flat, gradFlat

    def zeroGradParameters(self) -> None:
        """Set the accumulated gradients of the parameters to zero."""
        for gradient in self.parameters()[1]:
            gradient.fill(0)

    def updateParameters(self, learningRate: Number) -> None:
        """Step each parameter (once, however often it is shared) by ``-learningRate`` times its gradient.

        A layer with a rule of its own overrides this; containers then call it.
        """
        self._step(learningRate, set())

    def _step(self, learningRate: Number, done: set[int]) -> None:
        """Step the parameters whose id is not in ``done``, and add them to it."""
        for parameter, gradient in zip(*self.parameters()):
            if id(parameter) not in done:
                done.add(id(parameter))
                parameter -= learningRate * gradient

    def reset(self: Self, stdv: Optional[Number] = None) -> Self:
        """Draw the parameters anew from the random stream; return the module."""
        return self

    # -- state -----------------------------------------------------------------------------

    def training(self: Self) -> Self:
        """Switch to training behaviour (dropout draws masks, …); return the module."""
        self.train = True
        return self

    def evaluate(self: Self) -> Self:
        """Switch to evaluation behaviour; return the module."""
        self.train = False
        return self

    def clearState(self: Self) -> Self:
        """Forget outputs, gradients of inputs and other intermediate buffers; return the module."""
        for name in ("output", "gradInput", *self._buffers):
            setattr(self, name, None)
        return self

    def share(self: Self, other: "Module", *names: str) -> Self:
        """Use ``other``'s arrays under these attribute names from now on; return the module."""
        for name in names:
            if getattr(self, name, None) is not None:
                theirs = getattr(other, name, None)
                if theirs is None:
                    raise ArgumentError(f"{other.typename()} has no '{name}' to share")
                setattr(self, name, theirs)
        return self

    def twin(self: Self) -> Self:
        """Return a module with the same parameters and state but output buffers of its own.

        This is what a graph uses when one module is called at several nodes.
        """
        copied = self._copy(lambda array: True)
        copied.clearState()
        return copied

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

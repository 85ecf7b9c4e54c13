"""Compiled: a network with the same interface and numbers that runs as a program."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.compiler.programs import Programs
from minigraph.compiler.calls import OtherShape
from minigraph.compiler.run import Run
from minigraph.compiler.specialise import Specialisation
from minigraph.errors import ArgumentError, StateError
from minigraph.nn import gModule
from minigraph.nn.container import Container
from minigraph.nn.module import Module
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.rnn.clones import Settings
from minigraph.tables import fit_gradient, is_table


def compile(net: Module) -> "Compiled":
    """Return ``net`` (a gModule or an ``Unroll``) compiled: the same interface and numbers, faster.

    Nothing is compiled yet: that happens at the first ``forward``, for the shapes and the dtype of
    its input, and again when these change. The parameters are those of ``net``, not copies. Raises
    ``ArgumentError`` for anything that is not a module.
    """
    if isinstance(net, Compiled):
        return net
    if not isinstance(net, Module):
        raise ArgumentError(
            f"mg.compile takes a gModule or an Unroll, got {type(net).__name__}; "
            "a criterion can be a node of a gModule"
        )
    return Compiled(net)


class Compiled(Container):
    """A network that runs as a compiled program; see ``compile``.

    ``net`` is the network that it was made of. It holds the parameters and runs itself where
    somebody watches (debug mode, a trace), so that what is seen are the user's nodes. Nodes keep no
    outputs of compiled runs. ``output`` and ``gradInput`` are buffers: the next call overwrites
    them.
    """

    #: How many specialisations are kept: shapes, modes, settings.
    _KEPT = 8

    def __init__(self, net: Module) -> None:
        super().__init__()
        self._arguments = ((), {})
        self.type(net.type())
        self.modules.append(net)
        self._forget()

    def _forget(self) -> None:
        self._known: dict[Any, tuple[Specialisation, Programs, dict[Optional[int], Run]]] = {}
        self._settings: Optional[Settings] = None
        self._run: Optional[Run] = None
        self._eager = False

    @property
    def net(self) -> Module:
        """The network that was compiled."""
        return self.modules[0]

    # -- running ---------------------------------------------------------------------------------

    def updateOutput(self, input: Any) -> Any:
        """Return the output for ``input``, as the network itself would."""
        self._run = None
        self._eager = bool(gModule.observers)
        if self._eager:
            self.output = self.net.forward(input)
            return self.output
        run = self._specialised(input)
        state = generator.getRNGState() if run.specialisation.calls else None
        try:
            self.output = run.forward(input)
        except (IndexError, OtherShape):
            # The network itself tells which index is out of range, or copes with the other shape.
            self._eager = True
            if state is not None:
                generator.setRNGState(state)
            self.output = self.net.forward(input)
            return self.output
        self._run = run
        return self.output

    def _specialised(self, input: Any) -> Run:
        step = self.net.step if isinstance(self.net, Unroll) else self.net
        if self._settings is None or not self._settings.hold(step):
            self._known.clear()
            self._settings = Settings(step)
        T, key = self._signature(input)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._KEPT:
                self._known.pop(next(iter(self._known)))
            specialisation = Specialisation(self.net, input)
            known = self._known[key] = (specialisation, Programs(specialisation, T is not None), {})
        specialisation, programs, runs = known
        if T not in runs:
            if len(runs) >= self._KEPT:
                runs.pop(next(iter(runs)))
            runs[T] = Run(specialisation, programs, T)
        return runs[T]

    def _signature(self, input: Any) -> tuple[Optional[int], Any]:
        """Return the number of time steps and what programs are specialised to."""
        net = self.net
        if not isinstance(net, Unroll):
            return None, _signature(input)
        entries = net._entries(input)
        T = net._count(entries)
        sequences = net._sequences
        return T, tuple(
            _step_signature(entry) if k in sequences else _signature(entry)
            for k, entry in enumerate(entries)
        )

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Return the gradient of ``input``; the parameters' gradients stay as they are."""
        if self._eager:
            self.gradInput = self.net.updateGradInput(input, gradOutput)
        else:
            self.gradInput = self._ready().backward(self._fitted(gradOutput), accumulate=False)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Accumulate the parameters' gradients for what ``updateGradInput`` was given last."""
        if self._eager:
            self.net.accGradParameters(input, gradOutput, scale)
        else:
            self._scaled(scale, self._ready().accumulate)

    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Do ``updateGradInput`` and ``accGradParameters`` in one program."""
        if self._eager:
            self.gradInput = self.net.backward(input, gradOutput, scale)
            return self.gradInput
        run, given = self._ready(), self._fitted(gradOutput)

        def back() -> None:
            self.gradInput = run.backward(given)

        self._scaled(scale, back)
        return self.gradInput

    def _scaled(self, scale: float, accumulation: Any) -> None:
        """Run ``accumulation`` so that it adds ``scale`` times what it would."""
        if scale == 1.0:
            accumulation()
            return
        gradients = self.net.parameters()[1]
        before = [gradient.copy() for gradient in gradients]
        for gradient in gradients:
            gradient.fill(0)
        accumulation()
        for gradient, old in zip(gradients, before):
            gradient *= scale
            gradient += old

    def _ready(self) -> Run:
        if self._run is None:
            raise StateError(
                "backward before forward: the compiled network has no saved activations; "
                "call forward(input) first (an error or clearState() forgets them)"
            )
        return self._run

    def _fitted(self, gradOutput: Any) -> Any:
        return fit_gradient(gradOutput, self.output)

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        return gradOutput

    # -- the rest of the module protocol -------------------------------------------------------------

    def clearState(self) -> "Compiled":
        """Forget outputs, gradients and everything compiled; return the module."""
        super().clearState()
        self._forget()
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_known": {}, "_settings": None, "_run": None}

    def __repr__(self) -> str:
        return f"compiled {self.net!r}"


def _step_signature(sequence: Any) -> Any:
    """Return the signature of one time step of a sequence."""
    if is_table(sequence):
        return tuple(map(_step_signature, sequence))
    return sequence.shape[1:], sequence.dtype.char


def _signature(input: Any) -> Any:
    """Return the shapes and dtypes of a table as something that can be looked up."""
    if type(input) is np.ndarray:
        return input.shape, input.dtype.char
    if is_table(input):
        return tuple(map(_signature, input))
    return np.shape(input), type(input)

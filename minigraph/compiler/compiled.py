"""Compiled: a network with the same interface and numbers that runs as a program."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Optional

import numpy as np

from minigraph.compiler.capture.signature import signature
from minigraph.compiler.numpy_executor.module_calls import OtherShape
from minigraph.compiler.program.primitives import Refused
from minigraph.compiler.report import PlanReport
from minigraph.compiler.report.of_run import report_of
from minigraph.compiler.running.executors import Programs, native_wanted
from minigraph.compiler.running.moved_parameters import following
from minigraph.compiler.running.run import Run
from minigraph.compiler.running.validity import Watch
from minigraph.compiler.specialise import Specialisation
from minigraph.errors import ArgumentError, MinigraphError, StateError
from minigraph.nesting import retold
from minigraph.nn import gModule
from minigraph.nn.container import Container
from minigraph.nn.module import Module
from minigraph.nn.threads import exclusive
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.tables import copy_table, fit_gradient, is_table


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
        self._setType(net._type)
        self.modules.append(net)
        self._forget()

    def _forget(self) -> None:
        self._known: dict[Any, tuple[Specialisation, Programs, dict[Optional[int], Run]]] = {}
        self._watch: Optional[Watch] = None
        self._current: Optional[Run] = None
        self._eager = False

    @property
    def net(self) -> Module:
        """The network that was compiled."""
        return self.modules[0]

    # -- running ---------------------------------------------------------------------------------

    def forward(self, input: Any) -> Any:
        """Return the output for ``input``, as the network itself would."""
        return self._evaluate(input)

    @exclusive
    def updateOutput(self, input: Any) -> Any:
        """Return the output for ``input``, as the network itself would."""
        self._current = None
        run = None if gModule.observers else self._specialised_or_none(input)
        self._eager = run is None or not run.specialisation.regular
        if run is None or self._eager:
            self.output = self.net.forward(input)
            return self.output
        state = generator.getRNGState() if run.draws else None
        if run.specialisation.calls and run.holds(input):
            input = copy_table(input)  # the network itself may need it after all
        try:
            self.output = run.forward(input)
        except (Refused, OtherShape, MinigraphError) as error:
            # The network itself tells which index is out of range, or copes with the other shape.
            self._eager = True
            if isinstance(error, OtherShape):
                run.specialisation.regular = False
            if state is not None:
                generator.setRNGState(state)
            self.output = self.net.forward(input)
            return self.output
        self._current = run
        return self.output

    def _specialised_or_none(self, input: Any) -> Optional[Run]:
        """Return what runs ``input``, ``None`` for an input that the network itself shall refuse."""
        try:
            return self._specialised(input)
        except MinigraphError:
            return None

    def _specialised(self, input: Any) -> Run:
        if self._watch is None or not self._watch.holds():
            self._known.clear()
            self._watch = Watch(self.net.step if isinstance(self.net, Unroll) else self.net)
        T, key = signature(self.net, input)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._KEPT:
                self._known.pop(next(iter(self._known)))
            specialisation = Specialisation(self.net, input, not native_wanted())
            known = self._known[key] = (specialisation, Programs(specialisation, T is not None), {})
        specialisation, programs, runs = known
        if T not in runs:
            if len(runs) >= self._KEPT:
                runs.pop(next(iter(runs)))
            runs[T] = Run(specialisation, programs, T)
        return runs[T]

    @exclusive
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Return the gradient of ``input``; the parameters' gradients stay as they are."""
        if self._eager:
            self.gradInput = self.net.updateGradInput(input, gradOutput)
        else:
            run = self._ready()
            given = self._fitted(run, gradOutput)
            with self._following(run):
                self.gradInput = run.backward(given, accumulate=False)
        return self.gradInput

    @exclusive
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Accumulate the parameters' gradients for what ``updateGradInput`` was given last."""
        if self._eager:
            self.net.accGradParameters(input, gradOutput, scale)
        else:
            run = self._ready()
            tables = run.given is not None and is_table(gradOutput) and is_table(self.output)
            if tables and len(gradOutput) != len(self.output):
                fit_gradient(gradOutput, self.output)  # raises
            self._accumulating(scale, run.accumulate)

    @retold
    @exclusive
    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Do ``updateGradInput`` and ``accGradParameters`` in one program."""
        if self._eager:
            self.gradInput = self.net.backward(input, gradOutput, scale)
            return self.gradInput
        run = self._ready()
        given = self._fitted(run, gradOutput)

        def back() -> None:
            self.gradInput = run.backward(given)

        self._accumulating(scale, back)
        return self.gradInput

    def _accumulating(self, scale: float, accumulation: Any) -> None:
        """Run ``accumulation`` so that it adds ``scale`` times what it would."""
        if scale == 1.0:
            with self._following(self._ready()):
                accumulation()
            return
        gradients = self.net.parameters()[1]
        before = [gradient.copy() for gradient in gradients]
        for gradient in gradients:
            gradient.fill(0)
        try:
            with self._following(self._ready()):
                accumulation()
        finally:
            # All are read before any is written: some may be others, transposed.
            after = [old + scale * gradient for gradient, old in zip(gradients, before)]
            for gradient, new in zip(gradients, after):
                np.copyto(gradient, new, casting="same_kind")

    def _following(self, run: Run) -> Any:
        """Return a context in which ``run`` works for the parameters as they are now."""
        assert self._watch is not None
        return nullcontext() if self._watch.holds() else following(self.net, run.parameters)

    def _ready(self) -> Run:
        if self._current is None:
            raise StateError(
                "backward before forward: the compiled network has no saved activations; "
                "call forward(input) first (an error, clearState() or another thread's run forgets them)"
            )
        return self._current

    def _fitted(self, run: Run, gradOutput: Any) -> Any:
        run.given = None  # after an error there is nothing to accumulate
        return fit_gradient(gradOutput, self.output)

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        return gradOutput

    # -- what was made -------------------------------------------------------------------------------

    def plan(self) -> PlanReport:
        """Return what the last ``forward`` ran, and every backward program run since, as a report.

        ``print`` shows the programs with their operations, memory and bytes; the fields have the same
        as data (see ``PlanReport``). Raises ``StateError`` where nothing compiled has run.
        """
        if self._current is None:
            ran = "the last forward ran the network itself" if self._eager else "nothing was compiled so far"
            raise StateError(
                f"there is no plan: {ran}; call forward(input), outside of the debug mode and of traces"
            )
        return report_of(self._current)

    def _described(self) -> Module:
        return self.net

    # -- the rest of the module protocol -------------------------------------------------------------

    def share(self, other: Module, *names: str) -> "Compiled":
        """Share attributes with ``other``, a network built like the one that was compiled."""
        self.net.share(other.net if isinstance(other, Compiled) else other, *names)
        return self

    def _leave(self) -> None:
        self.output = self.gradInput = self._current = None
        for _, _, runs in self._known.values():
            runs.clear()  # the memory that was run in, not the programs

    def clearState(self) -> "Compiled":
        """Forget outputs, gradients and everything compiled; return the module."""
        super().clearState()
        self._forget()
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_known": {}, "_watch": None, "_current": None}

    def headline(self) -> str:
        return f"compiled {self.net.headline()}"

    def __repr__(self) -> str:
        return f"compiled {self.net!r}"

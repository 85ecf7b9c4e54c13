"""Compiled: a network with the same interface and numbers that runs as a program."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import Any, Optional, Sequence

import numpy as np

from minigraph.compiler.capture.signature import signature
from minigraph.compiler.failure import message_of, warn
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
        self._setType(net._type)
        self.modules.append(net)
        self._forget()

    def _forget(self) -> None:
        #: What runs inputs of a signature; ``None`` for the network itself.
        self._known: dict[Any, Optional[tuple[Specialisation, Programs, dict[Optional[int], Run]]]] = {}
        self._watch: Optional[Watch] = None
        self._current: Optional[Run] = None
        self._eager = False
        self._input: Any = None
        self._gradOutput: Any = None
        self._warned: set[str] = set()

    @property
    def net(self) -> Module:
        """The network that was compiled."""
        return self.modules[0]

    # -- running ---------------------------------------------------------------------------------

    @exclusive
    def updateOutput(self, input: Any) -> Any:
        """Return the output for ``input``, as the network itself would."""
        self._current, self._eager, self._input = None, False, input
        run, failure = None, None
        try:
            run = None if gModule.observers else self._specialised(input)
            if run is not None:
                self._input = input = run.unshared(input)
                self.output = run.forward(input)
                self._current = run
                return self.output
        except Refused:
            pass  # the network itself tells which index is out of range
        except OtherShape:
            self._give_up()
        except Exception as error:  # the network itself tells if the input is at fault
            failure = error
        if run is not None:
            run.undo()
        self._eager = True
        self.output = self.net.forward(input)
        if failure is not None:
            self._failed(failure)
        return self.output

    def _give_up(self) -> None:
        """Leave inputs like the last one to the network itself from now on."""
        with suppress(Exception):  # of the signature itself
            self._known[signature(self.net, self._input)[1]] = None

    def _failed(self, failure: Exception) -> None:
        self._give_up()
        message = message_of(failure)
        if message not in self._warned:
            self._warned.add(message)
            warn(message, failure)

    def _specialised(self, input: Any) -> Optional[Run]:
        """Return what runs ``input``; ``None`` where the network itself does that."""
        if self._watch is None or not self._watch.holds():
            self._known.clear()
            self._watch = Watch(self.net.step if isinstance(self.net, Unroll) else self.net)
        T, key = signature(self.net, input)
        if key not in self._known:
            if len(self._known) >= self._KEPT:
                self._known.pop(next(iter(self._known)))
            specialisation = Specialisation(self.net, input, not native_wanted())
            programs = Programs(specialisation, T is not None)
            self._known[key] = (specialisation, programs, {}) if specialisation.regular else None
        known = self._known[key]
        if known is None:
            return None
        specialisation, programs, runs = known
        if T not in runs:
            if len(runs) >= self._KEPT:
                runs.pop(next(iter(runs)))
            runs[T] = Run(specialisation, programs, T)
        return runs[T]

    @exclusive
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Return the gradient of ``input``; the parameters' gradients stay as they are."""
        if self._eager or not self._back(self._fitted(gradOutput), False):
            self.gradInput = self.net.updateGradInput(input, gradOutput)
        return self.gradInput

    @exclusive
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Accumulate the parameters' gradients for what ``updateGradInput`` was given last."""
        if not self._eager:
            run, gradInput = self._ready(), self.gradInput
            if run.given is None:
                raise StateError("accGradParameters before updateGradInput: call backward(...)")
            if is_table(gradOutput) and is_table(self.output) and len(gradOutput) != len(self.output):
                fit_gradient(gradOutput, self.output)  # raises
            done = self._back(run.given, True, scale)
            self.gradInput = gradInput
            if done:
                return
            self.net.updateGradInput(input, self._gradOutput)
        self.net.accGradParameters(input, gradOutput, scale)

    @retold
    @exclusive
    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Do ``updateGradInput`` and ``accGradParameters`` in one program."""
        if self._eager or not self._back(self._fitted(gradOutput), True, scale):
            self.gradInput = self.net.backward(input, gradOutput, scale)
        return self.gradInput

    def _back(self, given: Sequence[Any], accumulate: bool, scale: float = 1.0) -> bool:
        """Go back from ``given``, adding ``scale`` times the parameters' gradients; tell whether it is done.

        Where the compiler fails it is not, and the network itself has run forward.
        """
        run = self._ready()
        gradients: list[np.ndarray] = []
        before: list[np.ndarray] = []
        try:
            back = run.going_back(given, accumulate)
            if scale != 1.0 or not back.ran:
                gradients = self.net.parameters()[1]
                before = [gradient.copy() for gradient in gradients]
            if scale != 1.0:
                for gradient in gradients:
                    gradient.fill(0)
            with self._following(run):
                self.gradInput = run.backward(back, given, accumulate)
        except Exception as failure:
            for gradient, old in zip(gradients, before):
                np.copyto(gradient, old)
            if isinstance(failure, MinigraphError):
                raise
            self._forward_again(run)
            self._failed(failure)
            return False
        if scale != 1.0:
            # All are read before any is written: some may be others, transposed.
            after = [old + scale * gradient for gradient, old in zip(gradients, before)]
            for gradient, new in zip(gradients, after):
                np.copyto(gradient, new, casting="same_kind")
        return True

    def _forward_again(self, run: Run) -> None:
        """Have the network itself run forward as ``run`` did: with the same random numbers, for example."""
        self._current, self._eager = None, True
        state = generator.getRNGState()
        run.undo()
        self.net.forward(self._input)
        generator.setRNGState(state)

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

    def _fitted(self, gradOutput: Any) -> list[Any]:
        run = self._ready()
        run.given = None  # after an error there is nothing to accumulate
        self._gradOutput = fit_gradient(gradOutput, self.output)
        return run.leaves(self._gradOutput)

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
        for known in filter(None, self._known.values()):
            known[2].clear()  # the memory that was run in, not the programs

    def clearState(self) -> "Compiled":
        """Forget outputs, gradients and everything compiled; return the module."""
        super().clearState()
        self._forget()
        return self

    def __getstate__(self) -> dict[str, Any]:
        left = dict.fromkeys(("_watch", "_current", "_input", "_gradOutput"))
        return {**super().__getstate__(), "_known": {}, **left}

    def headline(self) -> str:
        return f"compiled {self.net.headline()}"

    def __repr__(self) -> str:
        return f"compiled {self.net!r}"

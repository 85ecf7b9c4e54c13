"""Unroll: one time step, run over a sequence and back through time.

Source: backpropagation through time with clones that share parameters, as in
https://github.com/karpathy/char-rnn/blob/master/train.lua
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError, GraphError, InputError, MinigraphError, StateError
from minigraph.graph import Node
from minigraph.nesting import retold
from minigraph.nn.container import Container
from minigraph.nn.gmodule import gModule, wrong_count
from minigraph.nn.threads import exclusive
from minigraph.rnn.clones import Settings, clone_many, follow
from minigraph.rnn.sequences import as_sequence, at, check_alike, lengths, make_room, owners, put
from minigraph.tables import add_tables, fit_gradient, is_table, map_table


class Unroll(Container):
    """Run a step over time: ``Unroll(step, feedback)``.

    ``step`` is a gModule; ``feedback`` maps the names of output nodes to the names of the input
    nodes that they become at the next time step (``{'next_h1': 'prev_h1'}``). Inputs that nothing
    is fed back to are sequences.

    ``forward`` takes the step's inputs in its order: for a sequence ``(T, ...)`` what the step
    takes as ``(...)``, for a state its initial value; either may be a table, nested at will. It
    returns the step's outputs in its order, each stacked to ``(T, ...)``; the final state is the
    last entry. ``backward`` takes gradients nested as the outputs (``None`` anywhere for zero) and
    returns those of the sequences ``(T, ...)`` and of the initial states. A step of one input or
    output takes or returns that instead of a table. ``T`` may differ from call to call.

    Each time step runs in a clone of ``step`` (see ``clones``) that shares its parameters, their
    gradients and its statistics. Clones are made when they are first needed and kept until
    ``clearState()``: memory grows with the activations only. ``step`` itself is never run.

    Raises ``ArgumentError`` where ``step`` is not a gModule and ``GraphError`` where ``feedback``
    does not fit it. An error during a pass tells the time step and the node.
    """

    def __init__(self, step: gModule, feedback: Optional[Mapping[str, str]] = None) -> None:
        super().__init__()
        self._arguments = ((), {})  # both are kept below
        if not isinstance(step, gModule):
            raise ArgumentError(
                f"Unroll needs a step that is a gModule, got {type(step).__name__}: the nodes' names "
                "say what is fed back; x = nn.Identity()() and nn.gModule([x], [module(x)]) make one"
            )
        if feedback is not None and not isinstance(feedback, Mapping):
            raise ArgumentError(
                f"feedback must be a dict of output name -> input name, got {type(feedback).__name__}"
            )
        self.feedback = dict(feedback or {})
        self._feeds = _match(step, self.feedback)
        self._sequences = [k for k in range(step.nInputs) if k not in self._feeds.values()]
        if not self._sequences:
            raise GraphError(
                "every input of the step is fed back, so nothing tells how many time steps there are: "
                "leave at least one input to be a sequence"
            )
        self.add(step)
        self._setType(step._type)
        self._clones: list[gModule] = []
        self._settings = Settings(step)
        self._forget()

    def _forget(self) -> None:
        self._outputs: list[Any] = []
        self._gradients: list[Any] = []
        self._sums: list[dict[int, Any]] = []
        self._given: list[Any] = []
        self._length = 0
        self._differentiated = False

    @property
    def step(self) -> gModule:
        """The step that was given, which holds the parameters."""
        step: Any = self.modules[0]
        return step

    @property
    def clones(self) -> list[gModule]:
        """The clones that ran the last ``forward``, one for each time step.

        They show what a node held at a time: ``net.clones[t].findModules('nn.Tanh')``.
        """
        return self._clones[: self._length]

    # -- running ---------------------------------------------------------------------------

    @exclusive
    def updateOutput(self, input: Any) -> Any:
        """Run all time steps and return the outputs, stacked; see the class."""
        self._length, self._differentiated, self.output = 0, False, None
        with _telling(self._signature):
            entries = self._entries(input)
            T = self._count(entries)
        clones = self._prepare(T)
        taken = owners(entries)
        states = {target: entries[target] for target in self._feeds.values()}
        self._given = []
        for t in range(T):
            self._given.append(_bare(
                [states[k] if k in states else at(entry, t) for k, entry in enumerate(entries)]
            ))
            with _telling(_moment(t, T)):
                produced = _listed(clones[t].forward(self._given[t]), self.step.nOutputs)
                if t == 0:
                    self._check_states(entries, produced)
                    rooms = make_room(self._outputs, produced, T, taken)
                for k, value in enumerate(produced):
                    put(rooms[k], value, t, self._path("output", k))
            for source, target in self._feeds.items():
                states[target] = produced[source]
        self._outputs, self._length = rooms, T
        self.output = _bare(rooms)
        return self.output

    @exclusive
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Go back through time and return the gradients of sequences and initial states.

        ``input`` is that of the last forward; the clones have kept it.
        """
        return self._goBack(gradOutput)

    @retold
    @exclusive
    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Do ``updateGradInput`` and ``accGradParameters`` in one walk back through time.

        What a time step's modules were given is still in the processor's cache when the parameters'
        gradients are computed from it.
        """
        return self._goBack(gradOutput, lambda t: self._accumulate(t, scale))

    def _goBack(self, gradOutput: Any, visit: Callable[[int], None] = lambda t: None) -> Any:
        """Pass gradients back through all time steps; call ``visit(t)`` when ``t`` is done."""
        self._differentiated = False
        T = self._check_ready()
        given = fit_gradient(gradOutput, self.output)
        entries = [None] * self.step.nOutputs if given is None else _listed(given, self.step.nOutputs)
        taken = owners(entries, self._given)
        later: dict[int, Any] = {}
        for t in reversed(range(T)):
            arrived = [at(entry, t) for entry in entries]
            for source, more in later.items():
                arrived[source] = self._add(t, source, arrived[source], more)
            with _telling(_moment(t, T)):
                gradient = self._clones[t].updateGradInput(self._given[t], _bare(arrived))
                visit(t)
            gradients = _listed(gradient, self.step.nInputs)
            if t == T - 1:
                rooms = self._gradientRooms(gradients, T, taken)
            for k in self._sequences:
                put(rooms[k], gradients[k], t, self._path("gradInput", k))
            later = {source: gradients[target] for source, target in self._feeds.items()}
        for target in self._feeds.values():
            put(rooms[target], gradients[target], 0, self._path("gradInput", target))
        self._gradients, self._differentiated = rooms, True
        self.gradInput = _bare([
            room if k in self._sequences else at(room, 0) for k, room in enumerate(rooms)
        ])
        return self.gradInput

    @exclusive
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Accumulate the parameters' gradients, last time step first."""
        T = self._check_ready()
        if not self._differentiated:
            raise StateError("accGradParameters before updateGradInput: call backward(...)")
        for t in reversed(range(T)):
            with _telling(_moment(t, T)):
                self._accumulate(t, scale)

    def _accumulate(self, t: int, scale: float) -> None:
        self._clones[t].accGradParameters(self._given[t], None, scale)

    def _fitGradOutput(self, gradOutput: Any) -> Any:
        """Leave the gradients as they are: ``updateGradInput`` checks them and keeps ``None``."""
        return gradOutput

    def _prepare(self, T: int) -> list[gModule]:
        """Return ``T`` clones of the step as it is now."""
        if self._clones and not self._settings.hold(self.step):
            self._clones.clear()
        if not self._clones:
            self._settings = Settings(self.step)
        if len(self._clones) < T:
            self._clones.extend(clone_many(self.step, T - len(self._clones)))
        return self._clones

    def _check_ready(self) -> int:
        """Return the number of time steps that can be gone back through."""
        if not self._length:
            raise StateError(
                "backward before forward: Unroll has no saved activations; "
                "call forward(input) first (an error, clearState() or another thread's run forgets them)"
            )
        follow(self._clones, self.step)
        return self._length

    def _add(self, t: int, source: int, given: Any, gradient: Any) -> Any:
        """Add the gradient from the next time step to the one given for this step's output.

        The sum is kept for each time step: ``accGradParameters`` still reads it.
        """
        if given is None:
            return gradient
        while len(self._sums) <= t:
            self._sums.append({})
        total = add_tables(given, gradient, self._sums[t].get(source))
        self._sums[t][source] = total
        return total

    def _gradientRooms(self, gradients: Sequence[Any], T: int, taken: set[int]) -> list[Any]:
        """Return room for the sequences' gradients; an initial state's is of one time step."""
        old = self._gradients or [None] * len(gradients)
        return [
            make_room(old[k], gradient, T if k in self._sequences else 1, taken)
            for k, gradient in enumerate(gradients)
        ]

    # -- checking what comes in ----------------------------------------------------------------

    def _entries(self, input: Any) -> list[Any]:
        """Return the inputs as a list, sequences as arrays; raise InputError for a wrong one."""
        count = self.step.nInputs
        if count > 1 and (not is_table(input) or len(input) != count):
            raise wrong_count(input, count)
        entries = list(_listed(input, count))
        for k in self._sequences:
            entries[k] = as_sequence(entries[k], self._path("input", k))
        for k in self._feeds.values():
            if entries[k] is None:
                where = self._path("input", k)
                raise InputError(
                    f"{where} is None: it is a state and needs its initial value (zeros, for example)",
                    where, "an initial state", None,
                )
            entries[k] = map_table(self._as_state, entries[k])
        return entries

    def _as_state(self, initial: Any) -> Any:
        """Return an initial state in the type of those that follow; what is no number is refused later."""
        numbers = isinstance(initial, np.ndarray) and initial.dtype.kind in "fiub"
        return initial.astype(self.dtype, copy=False) if numbers else initial

    def _count(self, entries: Sequence[Any]) -> int:
        """Return the number of time steps, on which all sequences must agree."""
        found = [pair for k in self._sequences for pair in lengths(entries[k], self._path("input", k))]
        first, T = found[0]
        for where, length in found:
            if length != T:
                raise InputError(
                    f"{where} has {length} time steps, {first} has {T}: all sequences need the same "
                    "first dimension",
                    where, T, length,
                )
        if T == 0:
            raise InputError(f"{first} has no time steps: its first dimension is 0", first, "at least 1", 0)
        return T

    def _check_states(self, entries: Sequence[Any], produced: Sequence[Any]) -> None:
        """Raise InputError where an initial state is not nested and shaped like what follows it."""
        for source, target in self._feeds.items():
            check_alike(
                entries[target], produced[source],
                self._path("input", target), self._path("output", source),
            )

    def _path(self, what: str, position: int) -> str:
        """Write ``input[2]``, without the index where there is but one."""
        count = self.step.nOutputs if what == "output" else self.step.nInputs
        return f"{what}[{position + 1}]" if count > 1 else what

    @property
    def _signature(self) -> str:
        """What forward takes, for messages."""
        return "inputs of this Unroll: " + ", ".join(
            f"{self._path('input', k)} {node.name or node.title()} "
            f"({'sequence' if k in self._sequences else 'initial state'})"
            for k, node in enumerate(self.step._network.inputs)
        )

    # -- the rest of the module protocol ---------------------------------------------------------

    def _switch(self, train: bool) -> "Unroll":
        """Switch the step, which its clones follow, so that these need not be made anew."""
        current = self._settings.hold(self.step)
        super()._switch(train)
        if current:
            self._settings = Settings(self.step)
        return self

    def _leave(self) -> None:
        self.output = self.gradInput = None
        self._forget()

    def clearState(self) -> "Unroll":
        """Forget the clones with all they hold, outputs and gradients; return the module."""
        super().clearState()
        self._clones.clear()
        self._forget()
        return self

    def headline(self) -> str:
        fed = ", ".join(f"{source} -> {target}" for source, target in self.feedback.items())
        return f"{self.typename()} ({fed})" if fed else self.typename()


def _listed(value: Any, count: int) -> Any:
    """Return the entries of a step's input or output, which is no table if there is one."""
    return [value] if count == 1 else value


def _bare(entries: list[Any]) -> Any:
    """Return the entries as a step takes or returns them; see ``_listed``."""
    return entries[0] if len(entries) == 1 else entries


@contextmanager
def _telling(line: str) -> Iterator[None]:
    """Add a line to the context of an error on its way out."""
    try:
        yield
    except MinigraphError as error:
        error.context.append(line)
        raise


def _moment(t: int, T: int) -> str:
    return f"at time step {t + 1} of {T} (index {t} in Python)"


def _match(step: gModule, feedback: Mapping[str, str]) -> dict[int, int]:
    """Return the 0-based positions of feedback's outputs and inputs; GraphError for a wrong name."""
    inputs, outputs = _named(step._network.inputs), _named(step._network.outputs)
    feeds: dict[int, int] = {}
    fed: set[int] = set()
    for source, target in feedback.items():
        k = _find(source, outputs, step._network.outputs, "output", f"feedback {source!r} -> {target!r}")
        j = _find(target, inputs, step._network.inputs, "input", f"feedback {source!r} -> {target!r}")
        if j in fed:
            others = ", ".join(repr(name) for name, to in feedback.items() if to == target)
            raise GraphError(f"feedback feeds the input {target!r} from several outputs: {others}")
        feeds[k] = j
        fed.add(j)
    return feeds


def _named(nodes: Sequence[Node]) -> dict[str, list[int]]:
    """Return the positions of the nodes of each name."""
    found: dict[str, list[int]] = {}
    for k, node in enumerate(nodes):
        if node.name:
            found.setdefault(node.name, []).append(k)
    return found


def _find(name: str, named: dict[str, list[int]], nodes: Sequence[Node], what: str, where: str) -> int:
    """Return the position of the node of this name, of which there must be one."""
    found = named.get(name, [])
    if len({nodes[k] for k in found}) == 1:
        return found[0]
    names = ", ".join(repr(node.name) if node.name else f"{node.title()} (no name)" for node in nodes)
    if found:
        raise GraphError(f"{where}: the step has {len(found)} {what} nodes named {name!r} ({names})")
    raise GraphError(
        f"{where}: the step has no {what} node named {name!r}, it has {names} "
        f"(feedback maps output names to input names; name a node with annotate(name=...))"
    )

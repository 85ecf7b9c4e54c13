"""Run: a specialisation with memory, ready to be called."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.numpy_executor.module_calls import Callees, OtherShape
from minigraph.compiler.program.ir import Value
from minigraph.compiler.program.primitives import kind_of
from minigraph.compiler.running.executors import Programs
from minigraph.compiler.specialise import BackwardPlan, Specialisation
from minigraph.errors import StateError
from minigraph.memory import root
from minigraph.tables import is_table, leaves, map_table


class Run:
    """Calls a specialisation for ``T`` time steps (``None``: there is no time)."""

    def __init__(self, specialisation: Specialisation, programs: Programs, T: Optional[int]) -> None:
        self.specialisation = specialisation
        self._programs, self._T = programs, T
        self._states = {
            state for states in specialisation._program.feedback.values() for state in states
        }
        self._frame: Optional[Frame] = None
        #: The gradients that the last ``backward`` was given, leaf by leaf of the output; ``None`` before.
        self.given: Optional[list[Optional[np.ndarray]]] = None
        #: Whether a forward may draw random numbers.
        self.draws = any(
            kind_of(op).call or kind_of(op).draws for op in specialisation.forward.program.ops
        )
        #: What the programs are bound to.
        self.parameters = specialisation.net.parameters()

    def forward(self, input: Any) -> Any:
        """Run the forward program and return its output."""
        spec = self.specialisation
        self.given = None
        given = [np.asarray(leaf) for _, leaf in leaves(input)]
        frame = self._prepared()
        if self._returned(given, spec.input_values):
            given = [array.copy() for array in given]
        for value, array in zip(spec.input_values, given):
            if value in frame.arrays:  # else nothing reads it
                target = frame.at(value, 0) if value in self._states else frame.arrays[value]
                if not np.can_cast(array.dtype, target.dtype, "same_kind"):
                    raise OtherShape  # a state of fractions that integers are fed back to
                np.copyto(target, array)
        self._forward()
        return map_table(lambda value: frame.arrays[value], spec.outputs)

    def holds(self, input: Any) -> bool:
        """Tell whether some of ``input`` lies where a forward writes: an output, handed in again."""
        owners = set() if self._frame is None else {id(root(a)) for a in self._frame.arrays.values()}
        return any(isinstance(leaf, np.ndarray) and id(root(leaf)) in owners for _, leaf in leaves(input))

    def _returned(self, given: Sequence[Any], targets: Sequence[Optional[Value]]) -> bool:
        """Whether something given is what an earlier call was given, handed through and back again.

        Then copying one operand in may change another before that is read.
        """
        frame = self._frame
        if frame is None:
            return False
        owners = {id(root(frame.arrays[value])) for value in targets if value in frame.arrays}
        return any(array is not None and id(root(array)) in owners for array in given)

    def _prepared(self) -> Frame:
        """Return the frame, made the first time."""
        if self._frame is None:
            frame = self._frame = Frame(self._T)
            self._callees = Callees()
            spec = self.specialisation
            whole = spec.backward([True] * len(spec.output_values))
            frame.reserve([spec.forward.storage, whole.plan.storage])
            frame.add(spec.forward.storage)
            self._forward = self._programs.bind(
                self.specialisation.forward, frame, False, self._callees
            )
            self._backwards: dict[int, Callable[[], Any]] = {}
        return self._frame

    def backward(self, gradOutput: Any, accumulate: bool = True) -> Any:
        """Run the backward program and return the gradient of the input."""
        spec, frame = self.specialisation, self._frame
        assert frame is not None
        self.given = None
        given = _leaves_like(gradOutput, spec.outputs)
        plan = spec.backward([leaf is not None for leaf in given], accumulate)
        executor = self._executor(plan)
        if self._returned(given, plan.seeds):
            given = [None if leaf is None else leaf.copy() for leaf in given]
        self._seed(plan, given)
        executor()
        # What this program does not read, the accumulating one may: of that a copy is kept.
        self.given = [
            frame.arrays[seed] if seed in frame.arrays
            else leaf if leaf is None or accumulate else leaf.copy()
            for seed, leaf in zip(plan.seeds, given)
        ]
        return self._gradients(plan)

    def accumulate(self) -> None:
        """Add the parameters' gradients for what ``backward`` was given last."""
        if self.given is None:
            raise StateError("accGradParameters before updateGradInput: call backward(...)")
        plan = self.specialisation.backward([leaf is not None for leaf in self.given])
        executor = self._executor(plan)
        self._seed(plan, self.given)
        executor()

    def _executor(self, plan: BackwardPlan) -> Callable[[], Any]:
        assert self._frame is not None
        key = id(plan)
        if key not in self._backwards:
            self._frame.add(plan.plan.storage)
            self._backwards[key] = self._programs.bind(plan.plan, self._frame, True, self._callees)
        return self._backwards[key]

    def _seed(self, plan: BackwardPlan, given: Sequence[Optional[np.ndarray]]) -> None:
        """Hand a program the gradients of the outputs; none comes from after the last time step."""
        frame = self._frame
        assert frame is not None
        for seed, leaf in zip(plan.seeds, given):
            if leaf is not None and seed in frame.arrays:  # else nothing reads it
                np.copyto(frame.arrays[seed], leaf)
        for (carry,) in plan.plan.program.feedback.values():
            frame.at(carry, -1)[...] = 0

    def _gradients(self, plan: BackwardPlan) -> Any:
        frame, spec = self._frame, self.specialisation
        assert frame is not None
        found: dict[tuple[int, ...], Optional[np.ndarray]] = {}
        for (path, value), gradient in zip(leaves(spec.inputs), plan.gradients):
            found[path] = None if gradient is None else self._gradient(value, gradient)
        return self._nested(spec.gradient_like(), found, ())

    def _gradient(self, value: Value, gradient: Value) -> np.ndarray:
        assert self._frame is not None
        if value in self._states:
            return self._frame.at(gradient, 0)
        return self._frame.arrays[gradient]

    def _nested(self, like: Any, found: dict[tuple[int, ...], Any], path: tuple[int, ...]) -> Any:
        """Return the gradients nested like the engine's; zeros where nothing depends on an input."""
        if is_table(like):
            return [self._nested(entry, found, (*path, k)) for k, entry in enumerate(like)]
        gradient = found.get(path)
        if gradient is not None:
            return gradient
        T = None if path and self._is_state(path) else self._frame and self._frame.T
        shape = np.shape(like) if T is None else (T, *np.shape(like))
        return np.zeros(shape, np.asarray(like).dtype)

    def _is_state(self, path: tuple[int, ...]) -> bool:
        entry = self.specialisation.inputs[path[0]]
        return any(value in self._states for _, value in leaves(entry))


def _leaves_like(table: Any, like: Any) -> list[Any]:
    """Return the leaves of ``table`` in the order of ``like``; ``None`` for a missing branch too."""
    if is_table(like):
        entries = [None] * len(like) if table is None else table
        return [leaf for entry, each in zip(entries, like) for leaf in _leaves_like(entry, each)]
    return [table]

"""Run: a specialisation with memory, ready to be called."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.numpy_executor.module_calls import Callees, OtherShape
from minigraph.compiler.program.ir import Value
from minigraph.compiler.running.before import Before
from minigraph.compiler.running.executors import Programs
from minigraph.compiler.specialise import BackwardPlan, Specialisation
from minigraph.memory import root
from minigraph.tables import copy_table, is_table, leaves, map_table


class Back:
    """A backward program that is bound to a frame, and whether it has ``ran`` yet."""

    def __init__(self, plan: BackwardPlan, execute: Callable[[], Any]) -> None:
        self.plan, self.execute = plan, execute
        self.ran = False


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
        self._counted, self._owners = -1, set[int]()
        #: What the programs are bound to.
        self.parameters = specialisation.net.parameters()
        self._before = Before(specialisation)

    def forward(self, input: Any) -> Any:
        """Run the forward program and return its output."""
        spec = self.specialisation
        self.given = None
        self._before.remember()
        given = [np.asarray(leaf) for _, leaf in leaves(input)]
        frame = self._prepared()
        for value, array in zip(spec.input_values, given):
            if value in frame.arrays:  # else nothing reads it
                target = frame.at(value, 0) if value in self._states else frame.arrays[value]
                if not np.can_cast(array.dtype, target.dtype, "same_kind"):
                    raise OtherShape  # a state of fractions that integers are fed back to
                np.copyto(target, array)
        self._forward()
        return map_table(lambda value: frame.arrays[value], spec.outputs)

    def undo(self) -> None:
        """Put back what else the last ``forward`` changed: the network itself then does it once more."""
        self._before.put_back()

    def unshared(self, input: Any) -> Any:
        """Return ``input``, a copy if some of it lies where a forward writes: an output, handed in again."""
        frame = self._frame
        if frame is None or len(frame.arrays) != self._counted:
            self._counted = 0 if frame is None else len(frame.arrays)
            self._owners = set() if frame is None else {id(root(array)) for array in frame.arrays.values()}
        held = [isinstance(leaf, np.ndarray) and id(root(leaf)) in self._owners for _, leaf in leaves(input)]
        return copy_table(input) if any(held) else input

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
            self._backwards: dict[int, Back] = {}
        return self._frame

    def leaves(self, gradOutput: Any) -> list[Any]:
        """Return a gradient of the output leaf by leaf, ``None`` for a missing one."""
        return _leaves_like(gradOutput, self.specialisation.outputs)

    def going_back(self, given: Sequence[Any], accumulate: bool) -> "Back":
        """Return the program that goes back from gradients for those leaves, made the first time."""
        plan = self.specialisation.backward([leaf is not None for leaf in given], accumulate)
        if id(plan) not in self._backwards:
            assert self._frame is not None
            self._frame.add(plan.plan.storage)
            execute = self._programs.bind(plan.plan, self._frame, True, self._callees)
            self._backwards[id(plan)] = Back(plan, execute)
        return self._backwards[id(plan)]

    def backward(self, back: "Back", given: Sequence[Any], accumulate: bool) -> Any:
        """Run a backward program and return the gradient of the input."""
        frame, seeds = self._frame, back.plan.seeds
        assert frame is not None
        self.given = None
        if self._returned(given, seeds):
            given = [None if leaf is None else leaf.copy() for leaf in given]
        for seed, leaf in zip(seeds, given):
            if seed in frame.arrays:  # else nothing reads it
                np.copyto(frame.arrays[seed], leaf)
        for (carry,) in back.plan.plan.program.feedback.values():
            frame.at(carry, -1)[...] = 0  # no gradient comes from after the last time step
        back.execute()
        back.ran = True
        # What this program does not read, the accumulating one may: of that a copy is kept.
        self.given = [
            frame.arrays[seed] if seed in frame.arrays
            else leaf if leaf is None or accumulate else leaf.copy()
            for seed, leaf in zip(seeds, given)
        ]
        return self._gradients(back.plan)

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

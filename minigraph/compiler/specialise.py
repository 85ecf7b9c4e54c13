"""Specialisation: a network turned into programs for inputs of certain shapes.

``Specialisation`` has the forward program, and a backward program for every set of outputs that
gradients are given for. Nothing here depends on the number of time steps.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple, Optional, Sequence

import numpy as np

from minigraph.compiler.capture.capture import Capture
from minigraph.compiler.capture.trial_run import Observation, observe
from minigraph.compiler.memory.storage import is_view
from minigraph.compiler.passes.dead import remove_dead
from minigraph.compiler.passes.differentiate import differentiate
from minigraph.compiler.passes.join_slices import windows
from minigraph.compiler.pipeline import BACKWARD, FORWARD, Around, Plan, plan
from minigraph.compiler.program.builder import Builder
from minigraph.compiler.program.ir import Given, Op, Program, Value
from minigraph.compiler.program.naming import name_rest
from minigraph.compiler.program.primitives import kind_of
from minigraph.errors import MinigraphError
from minigraph.nn.module import Module
from minigraph.rnn import Unroll
from minigraph.tables import leaves


class BackwardPlan(NamedTuple):
    """A backward program and its ends.

    ``seeds`` holds for each leaf of the output the value that its gradient is given by, or
    ``None``; ``gradients`` holds for each leaf of the input its gradient, or ``None`` for zero.
    """

    plan: Plan
    seeds: list[Optional[Given]]
    gradients: list[Optional[Value]]


class Specialisation:
    """The programs of ``net`` for inputs of the shapes of ``input``.

    ``inputs`` and ``outputs`` are the values of one time step, nested as the tables are. With
    ``fewer_calls`` the programs are arranged for an executor that makes a call of every operation.
    """

    def __init__(self, net: Module, input: Any, fewer_calls: bool = False) -> None:
        self.net = net
        self.fewer_calls = fewer_calls
        self.observation: Observation = observe(net, input)
        self._gradient_like: Any = None
        step = net.step if isinstance(net, Unroll) else net
        self._capture(step, True)
        if self._writer.calls and self._writer.drawing is not None:
            self._capture(step, False)
        every = [True] * len(self.output_values)
        full = self._derive(every)
        saved = _read_of(full.program, self._program)
        self.forward = plan(self._program, FORWARD, Around(saved), fewer_calls)
        self._windows = windows(self.forward.program) if fewer_calls else {}
        self._backward = {(tuple(every), True): self._scheduled(full)}

    @property
    def calls(self) -> bool:
        """Whether some modules are called as they are."""
        return bool(self._writer.calls)

    @cached_property
    def regular(self) -> bool:
        """Whether shapes are what they were in the trial run; set to False when one turns out not to be.

        Gradients have their inputs' shapes; a sparse layer may give a dense one.
        """
        try:
            like = dict(leaves(self.gradient_like())) if self.calls else {}
        except MinigraphError:  # the network itself tells, when it goes backwards
            return False
        return all(
            path not in like or np.shape(like[path]) == value.shape for path, value in leaves(self.inputs)
        )

    # -- forward -----------------------------------------------------------------------------------

    def _capture(self, step: Module, draws: bool) -> None:
        """Write the forward program, unscheduled."""
        writer = self._writer = Capture(step, self.observation.module, draws)
        self.inputs = writer.given(self.observation.input)
        outputs = writer.lower(step, self.inputs)
        self.names = writer.names
        name_rest(self.inputs, "input")
        name_rest(outputs, "output")
        self.input_values: list[Given] = [value for _, value in leaves(self.inputs)]
        ends = _Ends(writer)
        self.outputs: Any = ends.own(outputs) if not isinstance(outputs, Value) else ends.result(outputs)
        self.output_values: list[Value] = [value for _, value in leaves(self.outputs)]
        feedback: dict[Value, list[Value]] = {}
        for source, target in self._fed():
            feedback[ends.fed(source)] = [target]
        drawing = [] if writer.drawing is None else [writer.drawing]
        self._program = Program([*drawing, *writer.ops], self.output_values, feedback)

    def _fed(self) -> list[tuple[Value, Given]]:
        """Return what is fed back to what, leaf by leaf."""
        if not isinstance(self.net, Unroll):
            return []
        inputs = self.inputs if self.net.step.nInputs > 1 else [self.inputs]
        outputs = self.outputs if self.net.step.nOutputs > 1 else [self.outputs]
        return [
            (produced, taken)
            for source, target in self.net._feeds.items()
            for (_, produced), (_, taken) in zip(leaves(outputs[source]), leaves(inputs[target]))
        ]

    def gradient_like(self) -> Any:
        """Return a gradient of the input of one time step as the engine nests it."""
        if self._gradient_like is None:
            self._gradient_like = self.observation.gradInput()
        return self._gradient_like

    # -- backward ----------------------------------------------------------------------------------

    def backward(self, given: Sequence[bool], accumulate: bool = True) -> BackwardPlan:
        """Return the backward program for gradients given where ``given`` says so.

        Without ``accumulate`` it leaves the gradients of the parameters alone.
        """
        key = (tuple(given), accumulate)
        if key not in self._backward:
            self._backward[key] = self._scheduled(self._derive(given, accumulate))
        return self._backward[key]

    def _derive(self, given: Sequence[bool], accumulate: bool = True) -> "_Derived":
        """Differentiate the forward program; gradients that are fed back may turn out to be zero."""
        carried = [target for targets in self._program.feedback.values() for target in targets]
        while True:
            derived = self._differentiated(given, carried, accumulate)
            alive = [state for state in carried if derived.gradient_of[state] is not None]
            if len(alive) == len(carried):
                return derived
            carried = alive

    def _differentiated(
        self, given: Sequence[bool], carried: Sequence[Value], accumulate: bool
    ) -> "_Derived":
        b = Builder(self.net.dtype)
        seeds: list[Optional[Given]] = []
        arrived: dict[Value, list[Value]] = {}
        for value, there in zip(self.output_values, given):
            seed = Given(value.shape, b.dtype, f"d {value.name} given") if there else None
            seeds.append(seed)
            if seed is not None:
                arrived.setdefault(value, []).append(seed)
        carries: dict[Value, Given] = {}
        for source, (state,) in self._program.feedback.items():
            if state in carried:
                carries[state] = Given(state.shape, b.dtype, f"d {state.name} from later")
                arrived.setdefault(source, []).append(carries[state])
        found = differentiate(b, self._program.ops, arrived, self.input_values)
        gradient_of: dict[Value, Optional[Value]] = dict(zip(self.input_values, found))
        ends = _Ends(b)
        feedback: dict[Value, list[Value]] = {}
        gradients: list[Optional[Value]] = []
        states = {state for states in self._program.feedback.values() for state in states}
        for value in self.input_values:
            gradient = gradient_of[value]
            if gradient is not None and value in states:
                gradient = ends.fed(gradient)
                if value in carries:
                    feedback[gradient] = [carries[value]]
            elif gradient is not None:
                gradient = ends.result(gradient)
            gradients.append(gradient)
        results = [g for g, value in zip(gradients, self.input_values) if g and value not in states]
        if not accumulate:
            b.ops = [_without_accumulation(op) for op in b.ops if not kind_of(op).accumulation]
        program = remove_dead(Program(b.ops, results, feedback, backwards=True))
        return _Derived(program, seeds, gradients, gradient_of)

    def _scheduled(self, derived: "_Derived") -> BackwardPlan:
        made = plan(derived.program, BACKWARD, Around(given=self._windows), self.fewer_calls)
        return BackwardPlan(made, derived.seeds, derived.gradients)


class _Derived(NamedTuple):
    program: Program
    seeds: list[Optional[Given]]
    gradients: list[Optional[Value]]
    gradient_of: dict[Value, Optional[Value]]


class _Ends:
    """Sees to it that what leaves a program is computed by an operation of its own, where needed."""

    def __init__(self, b: Builder) -> None:
        self._b = b
        self._fed: set[Value] = set()

    def own(self, table: Any) -> Any:
        """Return the results, nested as they are, with those copied that do not vary."""
        return [self.own(each) if not isinstance(each, Value) else self.result(each) for each in table]

    def result(self, value: Value) -> Value:
        return value if value.varies else self._copy(value)

    def fed(self, value: Value) -> Value:
        """Return ``value`` or a copy: what is fed back needs memory that is its own."""
        producer = next((op for op in self._b.ops if value in op.outputs), None)
        if producer is None or is_view(producer) or value in self._fed:
            value = self._copy(value)
        self._fed.add(value)
        return value

    def _copy(self, value: Value) -> Value:
        made = Value(value.shape, value.dtype, value.name)
        self._b.ops.append(Op("copy", (value,), (made,), {}, None))
        return made


def _read_of(reader: Program, program: Program) -> frozenset[Value]:
    """Return the values of ``program`` that ``reader`` starts from."""
    mine = {value for op in program.ops for value in (*op.inputs, *op.outputs)}
    return frozenset(value for value in reader.leaves() if value in mine and value.varies)


def _without_accumulation(op: Op) -> Op:
    if op.primitive != "call_back":
        return op
    return op.replace(attributes={**op.attributes, "accumulate": False})

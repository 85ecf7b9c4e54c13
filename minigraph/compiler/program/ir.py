"""The intermediate representation: values, operations on them, and programs of operations.

A program describes **one time step**; a network without time is a program that runs once. Every
operation is defined on the *trailing* axes of its operands, as NumPy's broadcasting is, and says
nothing about what comes before them: the same operation that makes ``(B, N)`` from ``(B, K)``
makes ``(T, B, N)`` from ``(T, B, K)``. So an operation that does not wait for a recurrence can
run once over all time steps, without being rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Sequence

import numpy as np

Shape = tuple[int, ...]


@dataclass(eq=False)
class Value:
    """A tensor of one time step: its shape, its dtype and, for people, a name.

    A plain ``Value`` is what an operation computes; the subclasses are what a program starts from.
    """

    shape: Shape
    dtype: np.dtype
    name: str = ""

    @property
    def ndim(self) -> int:
        """The number of axes within a time step."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements within a time step."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def varies(self) -> bool:
        """Whether there is a tensor for each time step (not for parameters and constants)."""
        return True


@dataclass(eq=False)
class Given(Value):
    """What the caller hands in at every run: an input, a state, a gradient of an output."""


@dataclass(eq=False)
class Parameter(Value):
    """A module's parameter: the attribute ``attribute`` of ``module``, with its gradient.

    Its shape may be another one of as many entries than the attribute has, of which it is then a view.
    """

    module: Any = None
    attribute: str = "weight"
    gradient: str = "gradWeight"

    @property
    def array(self) -> np.ndarray:
        """The numbers, in memory that is the module's."""
        return self._seen(self.attribute)

    @property
    def gradient_array(self) -> np.ndarray:
        """What gradients are added to, in memory that is the module's."""
        return self._seen(self.gradient)

    def _seen(self, name: str) -> np.ndarray:
        array: np.ndarray = getattr(self.module, name)
        return array if array.shape == self.shape else array.reshape(self.shape)

    @property
    def varies(self) -> bool:
        return False


@dataclass(eq=False)
class Joined(Value):
    """Several parameters below each other, copied into memory of its own at the start of each run.

    ``parts`` are parameters of the same shape but for the first axis. It has no gradient: what needs
    one adds to those of the parts.
    """

    parts: tuple[Parameter, ...] = ()

    @property
    def varies(self) -> bool:
        return False


@dataclass(eq=False)
class Constant(Value):
    """A tensor known when the program is made; ``array`` holds it."""

    array: Any = None

    @property
    def varies(self) -> bool:
        return False


@dataclass(eq=False)
class Op:
    """One operation: a primitive (see ``primitives.py``), its operands, results and settings.

    ``node`` is the user's node that this is work for; ``None`` where there is none.
    """

    primitive: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    node: Any = None

    @property
    def output(self) -> Value:
        """The only result."""
        (value,) = self.outputs
        return value

    def replace(self, **changes: Any) -> "Op":
        """Return this operation with some fields changed."""
        kept = {name: changes.get(name, getattr(self, name)) for name in self.__dataclass_fields__}
        return Op(**kept)


@dataclass(eq=False)
class Program:
    """Operations in an order that computes them, what they start from and what they leave.

    ``results`` are the values that somebody outside reads. ``feedback`` maps a value computed at
    one time step to the ``Given`` values that it becomes at the next one (``backwards`` tells that
    the next one is the one before in time). Operations without outputs have an effect: they add
    to the gradient of a parameter.
    """

    ops: list[Op]
    results: list[Value]
    feedback: dict[Value, list[Value]] = field(default_factory=dict)
    backwards: bool = False

    def producers(self) -> dict[Value, Op]:
        """Return which operation computes each value."""
        return {value: op for op in self.ops for value in op.outputs}

    def consumers(self) -> dict[Value, list[Op]]:
        """Return the operations that read each value, in program order."""
        readers: dict[Value, list[Op]] = {}
        for op in self.ops:
            for value in dict.fromkeys(op.inputs):
                readers.setdefault(value, []).append(op)
        return readers

    def with_ops(self, ops: Sequence[Op]) -> "Program":
        """Return this program with other operations."""
        return Program(list(ops), self.results, self.feedback, self.backwards)

    def leaves(self) -> Iterator[Value]:
        """Yield, once each, the values that no operation computes."""
        made = {value for op in self.ops for value in op.outputs}
        sources = dict.fromkeys(value for op in self.ops for value in op.inputs)
        sources.update(dict.fromkeys(self.results))
        return (value for value in sources if value not in made)

"""A random series of calls on a network in all modes, and what to make of a difference."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from fuzzing.kinds import Grown
from fuzzing.layers import Chance
from fuzzing.passes import MODES, Difference, Passes, fractional, near
from minigraph.tables import is_table, leaves, map_table


def check(make: Callable[[], Grown], seed: int, modes: tuple[str, ...] = MODES) -> str:
    """Make a random series of calls in all modes and compare.

    Returns ``"same"``; ``"itself"`` where a compiled network ran the network that it was made of (as it does
    for an input that is refused); ``"unstable"`` where a difference means nothing, for a change of the input
    in its last bits makes one too. Raises ``Difference`` for any other.
    """
    passes = Passes(make, modes)
    try:
        Series(passes, Chance([seed, 3])).run()
        compiled = [net for key, net in passes.nets.items() if key != "engine"]
        return "same" if all(net.output is None for net in compiled) else "itself"
    except Difference as error:
        if _unstable(make, seed, passes):
            return "unstable"
        raise Difference(f"{error}\n\nafter {passes.log}\nof {passes.engine!r}") from error


def _unstable(make: Callable[[], Grown], seed: int, passes: Passes) -> bool:
    """Whether the engine alone gives something else for inputs that differ in their last bits."""
    tolerance = passes.tolerance / 5
    for nudge in (4e-16, -3e-16, 1e-15) if passes.tolerance < 1e-6 else (2e-7, -1.5e-7, 4e-7):
        other = Passes(make, MODES[:1], nudge)
        Series(other, Chance([seed, 3])).run()
        for mine, theirs in zip(passes.results, other.results):
            for (_, a), (_, b) in zip(leaves(mine), leaves(theirs)):
                if a is not None and np.shape(a) == np.shape(b) and not near(a, b, tolerance):
                    return True
    return False


class Series:
    """A random series of calls. ``given`` is the gradient that ``updateGradInput`` was given last."""

    def __init__(self, passes: Passes, c: Chance) -> None:
        self.passes, self.c = passes, c
        self.patterns = [c.below(2**30) if c.maybe(0.7) else None for _ in range(2)]
        self.given: Any = None
        self.ready = False

    def run(self) -> None:
        self.forward()
        for _ in range(2 + self.c.below(6)):
            name = self.c.rng.choice(list(CALLS), p=list(CALLS.values()))
            if name in ("again", "back", "backward", "two", "own", "update", "wrong") and not self.ready:
                name = "forward"
            getattr(self, name)()

    def tell(self, text: str) -> None:
        self.passes.log.append(text)

    # -- forwards ------------------------------------------------------------------------------------

    def forward(self, layout: Callable[[Any], Any] = np.asarray, carried: bool = False) -> None:
        c, grown = self.c, self.passes.grown
        batch = grown.batch if carried or c.maybe(0.85) else c.below(5)
        T = 1 + c.below(5)
        self.tell(f"forward, batch {batch}" + (f", T {T}" if self.passes.recurrent else ""))
        input = grown.inputs(c, batch, T)
        self.ready, self.given = self.passes.forward(input, c.below(1000), layout, carried), None

    def strided(self) -> None:
        """Hand in memory that is not contiguous."""
        self.forward(lambda array: np.repeat(array[..., None], 2, -1)[..., 0])

    def converted(self) -> None:
        """Hand in numbers of another type."""
        self.passes.mixed = True
        kind = self.c.one([np.float32, np.int64])
        self.tell(kind.__name__)
        self.forward(lambda array: array.astype(kind) if fractional(array) else array)

    def large(self) -> None:
        """Hand in numbers at which exponentials overflow."""
        factor = self.c.one([30.0, 1000.0])
        self.tell(f"times {factor}")
        self.forward(lambda array: array * factor if fractional(array) else array)

    def carried(self) -> None:
        """Go on from the last states, which are the network's own memory."""
        self.forward(carried=self.ready)

    def mode(self) -> None:
        self._set(self.c.one(["training", "evaluate"]))

    def step(self) -> None:
        self.tell("updateParameters")
        self.passes.updateParameters(0.01)
        self.forward()

    def clear(self) -> None:
        self._set("clearState")

    def type(self) -> None:
        self._set(self.c.one(["float", "double"]))

    def setting(self) -> None:
        number, value = self.c.below(100), self.c.number() / 2
        self.tell(f"setting {number} = {value}")
        self.passes.set(number, value)
        self.forward()

    def _set(self, name: str, *arguments: Any) -> None:
        self.tell(name)
        self.passes.plainly(name, *arguments)
        self.forward()

    # -- backwards -----------------------------------------------------------------------------------

    def back(self) -> None:
        gradOutput, _ = self._drawn("updateGradInput")
        self._taken(self.passes.updateGradInput(gradOutput), gradOutput)

    def two(self) -> None:
        gradOutput, scale = self._drawn("updateGradInput, accGradParameters")
        if self._taken(self.passes.updateGradInput(gradOutput), gradOutput):
            self.passes.accGradParameters(gradOutput, scale)

    def backward(self) -> None:
        gradOutput, scale = self._drawn("backward")
        self._taken(self.passes.backward(gradOutput, scale), gradOutput)

    def again(self) -> None:
        """Accumulate once more what was given last."""
        if self.given is not None:
            scale = self.c.one([1.0, -0.5])
            self.tell(f"accGradParameters, scale {scale}")
            self.passes.accGradParameters(self.given[0], scale)

    def own(self) -> None:
        """Hand in the output as its own gradient."""
        self.tell("updateGradInput, accGradParameters of the output itself")
        if self.passes.own():
            self.given = (self.passes.output,)

    def update(self) -> None:
        gradOutput, _ = self._drawn("backwardUpdate")
        self.passes.backwardUpdate(gradOutput, 0.01)
        self.forward()

    def zero(self) -> None:
        self.tell("zeroGradParameters")
        self.passes.zeroGradParameters()

    def moved(self) -> None:
        self.tell("getParameters")
        self.passes.plainly("getParameters")

    def wrong(self) -> None:
        self.tell("a wrong gradOutput")
        self.passes.wrong(_misshapen(self.c, self.passes.output))
        self.given = None

    def _drawn(self, name: str) -> tuple[Any, float]:
        gradOutput = _gradient(self.c, self.passes.output, self.c.one(self.patterns))
        scale = self.c.one([1.0, 1.0, 0.5, -2.0])
        self.tell(f"{name}, scale {scale}, {_missing(gradOutput)}")
        return gradOutput, scale

    def _taken(self, fine: bool, gradOutput: Any) -> bool:
        self.given = (gradOutput,) if fine else None
        return fine


#: What a series is made of, and how often.
CALLS = {
    "backward": 0.19, "two": 0.24, "back": 0.09, "again": 0.09, "own": 0.02, "update": 0.02, "zero": 0.07,
    "moved": 0.03, "wrong": 0.03, "forward": 0.08, "carried": 0.03, "strided": 0.02, "converted": 0.01,
    "large": 0.01, "mode": 0.02, "step": 0.02, "clear": 0.01, "type": 0.01, "setting": 0.01,
}


def _gradient(c: Chance, like: Any, pattern: Optional[int]) -> Any:
    """Return a gradient nested like an output; ``pattern`` says where there is none."""
    if pattern is None:
        return map_table(lambda array: _normal(c, array), like)
    return _thinned(c, Chance(pattern), like)


def _thinned(c: Chance, holes: Chance, like: Any) -> Any:
    if holes.maybe(0.3):
        return None
    return [_thinned(c, holes, entry) for entry in like] if is_table(like) else _normal(c, like)


def _normal(c: Chance, like: Any) -> np.ndarray:
    kind = np.asarray(like).dtype
    made = c.rng.standard_normal(np.shape(like)).astype(kind if kind.kind == "f" else np.float64)
    return np.repeat(made[..., None], 2, -1)[..., 0] if c.maybe(0.1) else made


def _misshapen(c: Chance, like: Any) -> Any:
    """Return a gradient that does not fit in one place."""
    if is_table(like):
        number = c.below(len(like) + 1)
        rest = [_gradient(c, entry, None) for entry in like]
        if number == len(like):
            return [*rest, np.zeros(1)]
        return [*rest[:number], _misshapen(c, like[number]), *rest[number + 1 :]]
    return np.zeros((*np.shape(like), 2))


def _missing(gradOutput: Any) -> Any:
    if is_table(gradOutput):
        return [_missing(entry) for entry in gradOutput]
    return None if gradOutput is None else "g"

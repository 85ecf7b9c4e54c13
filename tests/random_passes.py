"""Random passes: what a user may call, in any order, on a network, its NumPy plan and its native code.

``check(make)`` draws a series of calls, makes them on all three and on PyTorch, and compares after each
what it returned, the gradients of all parameters and what was handed in. It raises ``Difference`` with all
that is needed to see the fault.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

import numpy as np
from random_layers import Chance
from random_networks import Grown

import minigraph as mg
from minigraph.errors import MinigraphError
from minigraph.rnn import Unroll
from minigraph.rnn.sequences import at
from minigraph.tables import copy_table, format_path, is_table, leaves, map_table

try:
    import torch
    from torch_formulas import NoFormula, Reference, differentiate, leaf
except ImportError:  # without PyTorch the engine is the reference
    torch = None  # type: ignore[assignment]

#: How far apart may be: the modes in float64 and float32, and any of them from PyTorch (whose formulas lack
#: the small numbers by which Torch's layers avoid a division by zero).
TOLERANCES = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 3e-4}
TORCH_TOLERANCE = 1e-4
MODES = ("engine", "numpy", "native")
#: Settings of modules that may be changed at any time.
SETTINGS = ("p", "constant_scalar", "lambda_", "negval", "alpha", "mean")


class Difference(Exception):
    """Two that should be the same are not."""


@contextmanager
def mode(name: str) -> Iterator[None]:
    """Have the compiler make a NumPy plan, or native code."""
    before = os.environ.get("MINIGRAPH_NATIVE")
    os.environ["MINIGRAPH_NATIVE"] = "0" if name == "numpy" else "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINIGRAPH_NATIVE"]
        else:
            os.environ["MINIGRAPH_NATIVE"] = before


class Passes:
    """One network in all modes, in step with each other."""

    def __init__(self, make: Callable[[], Grown], modes: tuple[str, ...], nudge: float = 0.0) -> None:
        self.modes = modes
        self.grown = make()
        self.nets = {name: (self.grown if name == "engine" else make()).net for name in modes}
        self.subjects = {
            name: net if name == "engine" else mg.compile(net) for name, net in self.nets.items()
        }
        self.engine = self.nets["engine"]
        self.nudge = nudge
        self.recurrent = isinstance(self.engine, Unroll)
        #: What was called, for the message.
        self.log: list[str] = []
        self.results: list[Any] = []
        self._tolerance = 0.0
        #: Whether tensors of several types went in, which only the engine tells apart all the way.
        self.mixed = len({module.dtype for module in self.engine.listModules()}) > 1
        self.input: Any = None
        self.output: Any = None
        self.expected: Optional[Expected] = None
        self.zeroGradParameters()

    @property
    def tolerance(self) -> float:
        """How far apart the modes may be: as far as the coarsest type allows that was computed in."""
        types = [np.dtype(np.float32)] if self.mixed else [m.dtype for m in self.engine.listModules()]
        self._tolerance = max(self._tolerance, *(TOLERANCES[each] for each in types))
        return self._tolerance

    # -- the calls -----------------------------------------------------------------------------------

    def forward(self, input: Any, seed: int, layout: Callable[[Any], Any] = np.asarray) -> bool:
        """Run all on an input, laid out in memory by ``layout``; False where it is refused."""
        self.input = map_table(lambda array: layout(self._nudged(array)), input)

        def run(subject: Any) -> Any:
            mg.manualSeed(seed)
            return subject.forward(self.input)

        self.expected = None
        if torch is not None and not self.nudge:
            self.expected = Expected.of(self.engine, self.input, seed)
        outputs = self._each("forward", run)
        if outputs is None:
            return False
        if self.expected is not None:
            self._like_torch("output", outputs["engine"], self.expected.output)
        self.output = outputs["engine"]
        return True

    def _nudged(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "f" or np.array_equal(array, np.round(array)):
            return array
        made = array.astype(self.engine.dtype)
        return made * (1 + self.nudge) if self.nudge else made

    def updateGradInput(self, gradOutput: Any) -> bool:
        return self._back("updateGradInput", gradOutput, lambda s: s.updateGradInput(self.input, gradOutput))

    def backward(self, gradOutput: Any, scale: float) -> bool:
        self._count(gradOutput, scale)
        return self._back("backward", gradOutput, lambda s: s.backward(self.input, gradOutput, scale))

    def accGradParameters(self, gradOutput: Any, scale: float) -> bool:
        self._count(gradOutput, scale)
        return self._each(
            "accGradParameters", lambda s: s.accGradParameters(self.input, gradOutput, scale)
        ) is not None

    def backwardUpdate(self, gradOutput: Any, rate: float) -> bool:
        if self.engine.parameters()[0]:
            self.total = [np.zeros(g.shape) for g in self.engine.parameters()[1]]
        self._count(gradOutput, 1.0)
        return self._back("backwardUpdate", gradOutput, lambda s: s.backwardUpdate(self.input, gradOutput, rate))

    def _back(self, name: str, gradOutput: Any, call: Callable[[Any], Any]) -> bool:
        if self.expected is not None:
            self.expected.differentiate(gradOutput)
        given = copy_table(gradOutput)
        found = self._each(name, call)
        if found is None:
            return False
        self._same("gradOutput after the call", gradOutput, given, 0.0)
        if self.expected is not None:
            self._like_torch("gradInput", found["engine"], self.expected.gradInput())
        return True

    def _count(self, gradOutput: Any, scale: float) -> None:
        """Add to the gradients that the parameters should have."""
        if self.expected is None or not self.expected.counts:
            self.total = None
        elif self.total is not None:
            self.expected.differentiate(gradOutput)
            self.total = [t + scale * g for t, g in zip(self.total, self.expected.gradients())]

    def wrong(self, gradOutput: Any) -> None:
        """Hand in a gradient that does not fit: all refuse it, and accumulate nothing after that."""
        before = copy_table(self._parameters("engine"))
        for call in (
            lambda s: s.updateGradInput(self.input, gradOutput), lambda s: s.backward(self.input, gradOutput),
            lambda s: s.accGradParameters(self.input, gradOutput),
        ):
            if self._each("a call with a wrong gradOutput", call) is not None:
                raise Difference(f"a wrong gradOutput was accepted: {shapes(gradOutput)}")
        self._same("parameters after a refused call", self._parameters("engine"), before, 0.0)

    def zeroGradParameters(self) -> None:
        self.total: Optional[list[np.ndarray]] = [np.zeros(g.shape) for g in self.engine.parameters()[1]]
        self._each("zeroGradParameters", lambda s: s.zeroGradParameters())

    def set(self, number: int, value: float) -> None:
        """Set a module to something else, the same one in all networks."""
        for net in self.nets.values():
            found = [(m, name) for m in net.listModules() for name in SETTINGS if hasattr(m, name)]
            if found:
                module, name = found[number % len(found)]
                setattr(module, name, value)

    def plainly(self, name: str, *arguments: Any) -> None:
        """Call something that gives no numbers."""
        self._each(name, lambda s: getattr(s, name)(*arguments) and None)

    def _each(self, name: str, call: Callable[[Any], Any]) -> Optional[dict[str, Any]]:
        """Make a call in every mode; compare what it gives, and the gradients; ``None``: all refused."""
        given = None if self.input is None else copy_table(self.input)
        found: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for key, subject in self.subjects.items():
            with mode(key):
                try:
                    found[key] = copy_table(call(subject))
                except MinigraphError as error:
                    errors[key] = type(error).__name__
                except Exception as error:
                    raise Difference(f"{name}, {key}: {type(error).__name__}: {error}") from error
        if errors:
            if len(set(errors.values())) > 1 or len(errors) < len(self.subjects):
                raise Difference(f"{name}: refused by {errors} of {list(self.subjects)}")
            return None
        self.results.append(found["engine"])
        tolerance = self.tolerance
        if given is not None:
            self._same(f"the input after {name}", self.input, given, 0.0)
        reference = self._parameters("engine")
        self.results.append(copy_table(reference))
        for key in self.modes[1:]:
            self._same(f"{name}, {key}", found[key], found["engine"], tolerance, not self.mixed)
            self._same(f"{name}, {key}: parameters", self._parameters(key), reference, tolerance)
        if self.total is not None and torch is not None and not self.nudge:
            self._like_torch(f"parameters' gradients after {name}", reference[1], self.total)
        return found

    def _parameters(self, key: str) -> list[Any]:
        net = self.nets[key]
        means = [m.running_mean for m in net.listModules() if getattr(m, "running_mean", None) is not None]
        return [*map(list, net.parameters()), means]

    # -- comparing -----------------------------------------------------------------------------------

    def _like_torch(self, what: str, found: Any, expected: Any) -> None:
        if all(np.isfinite(array).all() for _, array in leaves(expected)):
            self._same(f"{what}, engine against PyTorch", found, expected, TORCH_TOLERANCE, False)

    def _same(self, what: str, found: Any, expected: Any, tolerance: float, types: bool = True) -> None:
        if self.nudge:
            return
        mine, theirs = list(leaves(found)), list(leaves(expected))
        if [path for path, _ in mine] != [path for path, _ in theirs]:
            raise Difference(f"{what}: nested otherwise: {shapes(found)} instead of {shapes(expected)}")
        for (path, a), (_, b) in zip(mine, theirs):
            where = format_path(path, what)
            if np.shape(a) != np.shape(b):
                raise Difference(f"{where}: {np.shape(a)} instead of {np.shape(b)}")
            if types and a is not None and np.asarray(a).dtype != np.asarray(b).dtype:
                raise Difference(f"{where}: {np.asarray(a).dtype} instead of {np.asarray(b).dtype}")
            if a is not None and not near(a, b, tolerance):
                raise Difference(f"{where} is\n{a}\ninstead of\n{b}")


def near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two arrays are equal, within ``tolerance`` of the largest number in them (at least 1)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not a.size:
        return True
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.allclose(a, b, tolerance, tolerance, equal_nan=True)
    return bool(np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max()))


def shapes(table: Any) -> Any:
    """The shapes of a table's tensors."""
    return [shapes(entry) for entry in table] if is_table(table) else None if table is None else np.shape(table)


class Expected:
    """What PyTorch makes of an input; gradients are those of the last ``differentiate``."""

    def __init__(self, net: Any, input: Any) -> None:
        self.net, self.reference = net, Reference()
        self.inputs = map_table(
            lambda array: leaf(array) if array.dtype.kind == "f" else torch.tensor(array), input
        )
        params, gradParams = ([Reference.key(a) for a in arrays] for arrays in net.parameters())
        self._keys = params
        #: Whether each parameter has one gradient, wherever it is used.
        self.counts = len(set(zip(params, gradParams))) == len(set(params)) == len(set(gradParams))
        self._graph = self._unrolled() if isinstance(net, Unroll) else self.reference.apply(net, self.inputs)
        self.output = map_table(lambda tensor: tensor.detach().numpy().copy(), self._graph)

    @classmethod
    def of(cls, net: Any, input: Any, seed: int) -> Optional["Expected"]:
        """Return it, unless a layer of the network has no formula, or refuses the input."""
        mg.manualSeed(seed)
        try:
            return cls(net, input)
        except (NoFormula, MinigraphError, RuntimeError, IndexError, ValueError):
            return None

    def _unrolled(self) -> Any:
        net = self.net
        count, outputs = net.step.nInputs, net.step.nOutputs
        entries = self.inputs if count > 1 else [self.inputs]
        T = len(next(leaves([entries[k] for k in net._sequences]))[1])
        now = list(entries)
        steps: list[list[Any]] = []
        for t in range(T):
            for k in net._sequences:
                now[k] = at(entries[k], t)
            made = self.reference.apply(net.step, now if count > 1 else now[0])
            steps.append(made if outputs > 1 else [made])
            for source, target in net._feeds.items():
                now[target] = steps[-1][source]
        stacked = [_stack([step[k] for step in steps]) for k in range(outputs)]
        return stacked if outputs > 1 else stacked[0]

    def differentiate(self, gradOutput: Any) -> None:
        for _, tensor in leaves(self.inputs):
            tensor.grad = None
        for tensor in self.reference.parameters.values():
            tensor.grad = None
        differentiate(self._graph, gradOutput)

    def gradInput(self) -> Any:
        return map_table(
            lambda tensor: np.zeros(tuple(tensor.shape)) if tensor.grad is None else tensor.grad.numpy().copy(),
            self.inputs,
        )

    def gradients(self) -> list[np.ndarray]:
        """Return those of the parameters, in the order of ``parameters()`` when this was made."""
        return [self.reference.gradient(key) for key in self._keys]


def _stack(values: list[Any]) -> Any:
    if is_table(values[0]):
        return [_stack([value[k] for value in values]) for k in range(len(values[0]))]
    return torch.stack([value.double() if not value.is_floating_point() else value for value in values])


# -- a series of calls ---------------------------------------------------------------------------------


def check(make: Callable[[], Grown], seed: int, modes: tuple[str, ...] = MODES) -> str:
    """Make a random series of calls; return ``"same"`` or, where it means nothing, ``"unstable"``.

    Raises ``Difference``, unless a change of the input in its last bits makes as much of a difference.
    """
    passes = Passes(make, modes)
    try:
        Series(passes, Chance([seed, 3])).run()
        return "same"
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
            if name in ("again", "back", "backward", "two", "update", "wrong") and not self.ready:
                name = "forward"
            getattr(self, name)()

    def tell(self, text: str) -> None:
        self.passes.log.append(text)

    # -- forwards ------------------------------------------------------------------------------------

    def forward(self, layout: Callable[[Any], Any] = np.asarray) -> None:
        c, grown = self.c, self.passes.grown
        batch = grown.batch if c.maybe(0.85) else 1 + c.below(4)
        T = 1 + c.below(5)
        self.tell(f"forward, batch {batch}" + (f", T {T}" if self.passes.recurrent else ""))
        self.ready, self.given = self.passes.forward(grown.inputs(c, batch, T), c.below(1000), layout), None

    def strided(self) -> None:
        """Hand in memory that is not contiguous."""
        self.forward(lambda array: np.repeat(array[..., None], 2, -1)[..., 0])

    def converted(self) -> None:
        """Hand in numbers of another type."""
        self.passes.mixed = True
        self.forward(lambda array: array.astype(np.float32) if array.dtype.kind == "f" else array)

    def mode(self) -> None:
        self._set(self.c.one(["training", "evaluate"]))

    def step(self) -> None:
        self._set("updateParameters", 0.01)

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
    "backward": 0.2, "two": 0.25, "back": 0.1, "again": 0.1, "update": 0.02, "zero": 0.08, "moved": 0.03,
    "wrong": 0.03, "forward": 0.09, "strided": 0.02, "converted": 0.01, "mode": 0.02, "step": 0.02,
    "clear": 0.01, "type": 0.01, "setting": 0.01,
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
    made = c.rng.standard_normal(np.shape(like)).astype(np.asarray(like).dtype)
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

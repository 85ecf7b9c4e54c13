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
        self.dtype = self.grown.net.dtype
        self.nets = {name: (self.grown if name == "engine" else make()).net for name in modes}
        self.subjects = {
            name: net if name == "engine" else mg.compile(net) for name, net in self.nets.items()
        }
        self.nudge = nudge
        self.recurrent = isinstance(self.grown.net, Unroll)
        #: What was called, for the message.
        self.log: list[str] = []
        self.results: list[Any] = []
        self.input: Any = None
        self.expected: Optional[Expected] = None
        self.total: Optional[list[np.ndarray]] = self._zeros()

    def _zeros(self) -> list[np.ndarray]:
        return [np.zeros(g.shape) for g in self.nets["engine"].parameters()[1]]

    # -- the calls -----------------------------------------------------------------------------------

    def forward(self, input: Any, seed: int) -> bool:
        """Run all on an input; False where it is refused."""
        self.input = map_table(self._nudged, input)

        def run(subject: Any) -> Any:
            mg.manualSeed(seed)
            return subject.forward(self.input)

        self.expected = None
        if torch is not None and not self.nudge:
            self.expected = Expected.of(self.nets["engine"], self.input, seed)
        outputs = self._each("forward", run)
        if outputs is None:
            return False
        if self.expected is not None:
            self._like_torch("output", outputs["engine"], self.expected.output)
        self.like = outputs["engine"]
        return True

    def _nudged(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "f" or np.array_equal(array, np.round(array)):
            return array
        made = array.astype(self.dtype)
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
        if self.expected is None:
            self.total = None
        elif self.total is not None:
            self.expected.differentiate(gradOutput)
            self.total = [t + scale * g for t, g in zip(self.total, self.expected.gradients())]

    def zeroGradParameters(self) -> None:
        self.total = self._zeros()
        self._each("zeroGradParameters", lambda s: s.zeroGradParameters())

    def plainly(self, name: str, *arguments: Any) -> None:
        """Call something that gives no numbers."""
        self._each(name, lambda s: getattr(s, name)(*arguments) and None)

    def _each(self, name: str, call: Callable[[Any], Any]) -> Optional[dict[str, Any]]:
        """Make a call in every mode; compare what it gives, and the gradients; ``None``: all refused."""
        given = copy_table(self.input)
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
        tolerance = TOLERANCES[self.dtype]
        if given is not None:
            self._same(f"the input after {name}", self.input, given, 0.0)
        reference = self._parameters("engine")
        self.results.append(copy_table(reference))
        for key in self.modes[1:]:
            self._same(f"{name}, {key}", found[key], found["engine"], tolerance)
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
        return [self.reference.gradient(array) for array in self.net.parameters()[0]]


def _stack(values: list[Any]) -> Any:
    if is_table(values[0]):
        return [_stack([value[k] for value in values]) for k in range(len(values[0]))]
    return torch.stack([value.double() if not value.is_floating_point() else value for value in values])


# -- a series of calls ---------------------------------------------------------------------------------


def check(make: Callable[[], Grown], seed: int, modes: tuple[str, ...] = MODES) -> str:
    """Make a random series of calls; return ``"same"``, ``"refused"`` or, of no meaning, ``"unstable"``.

    Raises ``Difference``, unless a change of the input in its last bits makes as much of a difference.
    """
    passes = Passes(make, modes)
    try:
        return _run(passes, Chance([seed, 3]))
    except Difference as error:
        if _unstable(make, seed, passes):
            return "unstable"
        raise Difference(f"{error}\n\nafter {passes.log}\nof {passes.grown.net!r}") from error


def _unstable(make: Callable[[], Grown], seed: int, passes: Passes) -> bool:
    """Whether the engine alone gives something else for inputs that differ in their last bits."""
    tolerance = TOLERANCES[passes.dtype] / 5
    for nudge in (4e-16, -3e-16, 1e-15) if passes.dtype == np.float64 else (2e-7, -1.5e-7, 4e-7):
        other = Passes(make, MODES[:1], nudge)
        _run(other, Chance([seed, 3]))
        for mine, theirs in zip(passes.results, other.results):
            for (_, a), (_, b) in zip(leaves(mine), leaves(theirs)):
                if a is not None and np.shape(a) == np.shape(b) and not near(a, b, tolerance):
                    return True
    return False


def _run(passes: Passes, c: Chance) -> str:
    def tell(text: str) -> None:
        passes.log.append(text)

    def forward() -> bool:
        batch = passes.grown.batch if c.maybe(0.85) else 1 + c.below(4)
        T = 1 + c.below(5)
        tell(f"forward, batch {batch}" + (f", T {T}" if passes.recurrent else ""))
        input = passes.grown.inputs(c, batch, T)
        return passes.forward(_strided(c, input) if c.maybe(0.1) else input, c.below(1000))

    if not forward():
        return "refused"
    patterns = [c.below(2**30) if c.maybe(0.7) else None for _ in range(2)]
    given: Any = None
    for _ in range(2 + c.below(6)):
        name = str(c.rng.choice(
            ["backward", "two", "grad", "again", "zero", "forward", "mode", "step", "moved", "cleared"],
            p=[0.22, 0.28, 0.1, 0.1, 0.09, 0.12, 0.03, 0.02, 0.02, 0.02],
        ))
        scale = c.one([1.0, 1.0, 0.5, -2.0])
        if name in ("backward", "two", "grad"):
            gradOutput = _gradient(c, passes.like, c.one(patterns))
            tell(f"{name}, scale {scale}, {_missing(gradOutput)}")
        if name == "backward":
            fine = passes.backward(gradOutput, scale)
        elif name in ("two", "grad"):
            fine = passes.updateGradInput(gradOutput)
            if fine and name == "two":
                fine = passes.accGradParameters(gradOutput, scale)
        elif name == "again":
            if given is None:
                continue
            tell(f"accGradParameters again, scale {scale}")
            passes.accGradParameters(given[0], scale)
            continue
        elif name == "zero":
            tell("zeroGradParameters")
            passes.zeroGradParameters()
            continue
        else:
            if name != "forward":
                call, arguments = {
                    "mode": (c.one(["training", "evaluate"]), ()), "step": ("updateParameters", (0.01,)),
                    "moved": ("getParameters", ()), "cleared": ("clearState", ()),
                }[name]
                tell(call)
                passes.plainly(call, *arguments)
            if not forward():
                return "refused"
            given = None
            continue
        if not fine:
            return "refused"
        given = (gradOutput,)
    return "same"


def _gradient(c: Chance, like: Any, pattern: Optional[int]) -> Any:
    """Return a gradient nested like an output; ``pattern`` says where there is none."""
    if pattern is None:
        return map_table(lambda array: c.rng.standard_normal(array.shape).astype(array.dtype), like)
    return _thinned(c, Chance(pattern), like)


def _thinned(c: Chance, holes: Chance, like: Any) -> Any:
    if holes.maybe(0.3):
        return None
    if is_table(like):
        return [_thinned(c, holes, entry) for entry in like]
    return c.rng.standard_normal(np.shape(like)).astype(np.asarray(like).dtype)


def _strided(c: Chance, table: Any) -> Any:
    """Return the same numbers in memory that is not contiguous."""
    return map_table(lambda array: np.repeat(array[..., None], 2, -1)[..., 0], table)


def _missing(gradOutput: Any) -> Any:
    if is_table(gradOutput):
        return [_missing(entry) for entry in gradOutput]
    return None if gradOutput is None else "g"

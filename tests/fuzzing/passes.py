"""One network in all modes, and in PyTorch: every call is made on all and compared.

The modes are the engine, the compiler's NumPy plan and its native code. After each call ``Passes`` compares
what it returned, the parameters with their gradients and what was handed in, and raises ``Difference``.
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

import numpy as np

import minigraph as mg
from fuzzing.kinds import Grown
from minigraph.errors import MinigraphError
from minigraph.memory import address
from minigraph.rnn import Unroll
from minigraph.rnn.sequences import at
from minigraph.tables import copy_table, format_path, is_table, leaves, map_table

#: Without PyTorch the engine is the reference.
HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    from fuzzing.expected import Expected

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
        self.expected: Optional["Expected"] = None
        self.zeroGradParameters()

    @property
    def tolerance(self) -> float:
        """How far apart the modes may be: as far as the coarsest type allows that was computed in."""
        types = [np.dtype(np.float32)] if self.mixed else [m.dtype for m in self.engine.listModules()]
        self._tolerance = max(self._tolerance, *(TOLERANCES[each] for each in types))
        return self._tolerance

    # -- the calls -----------------------------------------------------------------------------------

    def forward(
        self, input: Any, seed: int, layout: Callable[[Any], Any] = np.asarray, carried: bool = False
    ) -> bool:
        """Run all on an input, laid out in memory by ``layout``; False where it is refused.

        With ``carried`` the states are each network's own, from the end of the last forward.
        """
        self.input = map_table(lambda array: layout(self._nudged(array)), input)
        carried = carried and self.recurrent
        if carried:
            self.input = copy_table(self._carried(self.engine))

        def run(subject: Any) -> Any:
            mg.manualSeed(seed)
            return subject.forward(self._carried(subject) if carried else self.input)

        self.expected = None
        if HAS_TORCH and not self.nudge and self._plain(input):
            self.expected = Expected.of(self.engine, self.input, seed)
        outputs = self._each("forward", run)
        if outputs is None:
            return False
        if self.expected is not None:
            self._like_torch("output", outputs["engine"], self.expected.output)
        self.output = outputs["engine"]
        return True

    def _carried(self, subject: Any) -> Any:
        """Return the input with the last entries of the outputs for the states that they are fed back to."""
        entries = list(self.input) if self.engine.step.nInputs > 1 else [self.input]
        outputs = subject.output if self.engine.step.nOutputs > 1 else [subject.output]
        for source, target in self.engine._feeds.items():
            entries[target] = at(outputs[source], -1)
        return entries if len(entries) > 1 else entries[0]

    def _plain(self, input: Any) -> bool:
        """Whether what went in are the finite numbers of ``input``, of that kind."""
        return all(
            np.isfinite(made).all() and made.dtype.kind == np.asarray(given).dtype.kind
            for (_, made), (_, given) in zip(leaves(self.input), leaves(input))
        )

    def _nudged(self, array: np.ndarray) -> np.ndarray:
        if not fractional(array):
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

    def own(self) -> bool:
        """Hand in each network's output as the gradient of that output."""
        if self._each("updateGradInput", lambda s: s.updateGradInput(self.input, s.output)) is None:
            return False
        self._count(self.output, 1.0)
        call = lambda s: s.accGradParameters(self.input, s.output)  # noqa: E731
        return self._each("accGradParameters", call) is not None

    def backwardUpdate(self, gradOutput: Any, rate: float) -> bool:
        if self.engine.parameters()[0]:
            self.total = [np.zeros(g.shape) for g in self.engine.parameters()[1]]
        self._count(gradOutput, 1.0)
        return self._back(
            "backwardUpdate", gradOutput, lambda s: s.backwardUpdate(self.input, gradOutput, rate)
        )

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

    def updateParameters(self, rate: float) -> None:
        """Step the parameters, in memory that nothing shares first."""
        params, gradParams = self.engine.parameters()
        steps: dict[Any, np.ndarray] = {}
        for parameter, gradient in zip(params, gradParams):
            pair = address(parameter), address(gradient)
            steps.setdefault(pair, np.array(rate * gradient, np.float64))
        wanted = [
            parameter - sum(
                step.reshape(parameter.shape) if step.shape == parameter.shape else step.T
                for (place, _), step in steps.items() if place == address(parameter)
            )
            for parameter in params
        ]
        self._each("updateParameters", lambda s: s.updateParameters(rate))
        coarse = TOLERANCES[np.dtype(np.float32)]
        self._same("parameters after updateParameters", params, wanted, coarse, False)

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
        if self.total is not None and HAS_TORCH and not self.nudge:
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


def fractional(array: np.ndarray) -> bool:
    """Whether an input is no index."""
    return array.dtype.kind == "f" and not (array.size and np.array_equal(array, np.round(array)))


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
    if is_table(table):
        return [shapes(entry) for entry in table]
    return None if table is None else np.shape(table)

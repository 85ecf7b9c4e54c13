"""Which module is wrong: each one run by itself, on its own input and its own gradOutput.

A gradient of a whole network that is wrong shows in everything before the mistake. So every module
that took part in a backward pass is differentiated alone: along one random direction in each of its
arrays, which no entry escapes, and entry by entry where that disagrees. Where a module is made of
others, and one of those is wrong, that one is blamed.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from minigraph import nn
from minigraph.debug.checked import CheckedInside
from minigraph.debug.finite_differences import Comparison, Line, Loss, Variable, central, look
from minigraph.debug.gradcheck_report import Fault, GradcheckRow
from minigraph.debug.names import held, module_text, separator
from minigraph.errors import InputError
from minigraph.graph import Node, NodeData
from minigraph.nn.state import State
from minigraph.rnn.unroll import Unroll
from minigraph.tables import copy_table

#: How far a module that met a kink is moved to be checked beside it, and how exact it must be there.
_ASIDE, _ROUGH = 1e-2, 1e-3
#: How many places around a kink are looked at before a gradient there is called wrong.
_MORE = 8
#: How many entries of an array that disagrees are looked at, and when nothing else was found.
_SOME, _MANY = 50, 1000


class Recorder:
    """Notes what every module and criterion inside ``module`` is given on the way back."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._calls: dict[int, list[list[Any]]] = {}
        self._watched: list[State] = []

    def start(self) -> None:
        """Note every call of ``updateGradInput`` from now on."""
        self._watched = self._module._owners()  # of an Unroll, its clones too
        for owner in self._watched:
            if isinstance(owner, (nn.Module, nn.Criterion)):
                vars(owner)["updateGradInput"] = self._noting(owner, owner.updateGradInput)

    def stop(self) -> None:
        """Leave the modules as they were."""
        for owner in self._watched:
            vars(owner).pop("updateGradInput", None)

    def calls(self, owner: State) -> list[list[Any]]:
        """Return ``[input, gradOutput]`` (of a criterion ``[input, target]``) of each call."""
        return self._calls.get(id(owner), [])

    def _noting(self, owner: State, method: Callable[..., Any]) -> Callable[..., Any]:
        noted = self._calls.setdefault(id(owner), [])

        def updateGradInput(*arguments: Any) -> Any:
            noted.append(copy_table(list(arguments)))
            return method(*arguments)

        return updateGradInput


@dataclass
class Place:
    """A module of the user's network, where it is, what runs in its stead, and what is inside it."""

    module: Any
    name: str
    node: Optional[Node]
    location: str
    running: list[Any]
    inner: list["Place"] = field(default_factory=list)

    @classmethod
    def of(
        cls, module: Any, running: list[Any], name: str = "", node: Optional[Node] = None, location: str = ""
    ) -> "Place":
        """Return the place of ``module`` with all below it; ``running`` are copies that were run."""
        place = cls(module, name, node, location if node is None else node.location, running)
        if isinstance(module, Unroll):  # its clones ran, each as its step
            parts: list[tuple[str, Any, Optional[Node]]] = [("", module.step, None)]
            columns = [[clone for unroll in running for clone in unroll.clones]]
        else:
            parts = list(held(_bare(module)))
            columns = [list(column) for column in zip(*([b for _, b, _ in held(_bare(r))] for r in running))]
        start = name + separator(module) if name else ""
        place.inner = [
            cls.of(below, runs, start + key if key else name, below_node, place.location)
            for (key, below, below_node), runs in zip(parts, columns)
        ]
        return place

    def fault(self, arrays: Sequence[str]) -> Fault:
        """Return the fault of this place's module in the gradients of ``arrays``."""
        node = self.node
        if node is None or node.module is not self.module:
            data = NodeData(self.module, location="-")
            data.location, node = self.location, Node(data)
            node.annotate(name=self.name or self.module.typename())
        text, name = module_text(node), _bare(self.module).typename()
        if name not in text:  # a class of the user's, which shows what its base class does
            text = name
        return Fault(node, self.name or node.name, text, self.location, tuple(arrays), bool(self.inner))


def _bare(module: Any) -> Any:
    """Return the criterion of a node, which is as good as the node's module; else ``module``."""
    return module.criterion if isinstance(module, nn.ModuleFromCriterion) else module


class LocalChecks:
    """Checks the modules that ``recorder`` saw; ``comparison`` says how exactly."""

    def __init__(self, recorder: Recorder, comparison: Comparison, state: dict[str, Any]) -> None:
        self._recorder = recorder
        self._comparison = comparison
        self._state = state
        self._picks = np.random.default_rng(20240301)

    def faults(self, net: nn.Module, original: nn.Module, rows: Sequence[GradcheckRow]) -> list[Fault]:
        """Return the innermost modules that are wrong, in order of execution.

        ``rows`` are the results for the whole: where they are wrong and no module inside is, it is.
        """
        top = Place.of(original, [net])
        wrong = [row.path for row in rows if not row.ok]
        found = [fault for place in top.inner for fault in self._search(place, None)]
        if not top.inner and not wrong:
            found = self._search(top, None)
        if wrong and not found:
            found = [fault for place in top.inner for fault in self._search(place, _MANY)]
        return found or ([top.fault(wrong)] if wrong else [])

    def _search(self, place: Place, most: Optional[int]) -> list[Fault]:
        """Return the faults at ``place``; with ``most`` so many entries of each array are looked at."""
        found = [fault for inner in place.inner for fault in self._search(inner, most)]
        if found:
            return found
        for running in place.running:
            for first, second in self._recorder.calls(running):
                arrays = self._wrong(running, first, second, bool(place.inner), most)
                if arrays:
                    return [place.fault(arrays)]
        return []

    def _wrong(self, module: Any, first: Any, second: Any, composed: bool, most: Optional[int]) -> list[str]:
        """Return the names of the arrays whose gradient is wrong, for one call of ``module``."""
        input, gradOutput = first, second
        if isinstance(module, nn.Criterion):
            module, input, gradOutput = nn.ModuleFromCriterion(module), [first, second], np.ones(1)
        wrong: list[Variable] = []
        kinked: list[Variable] = []
        with closing(CheckedInside(module, input, gradOutput, self._state)) as check:
            loss = Loss(check.evaluate)
            variables = [each for each in check.variables() if not each.note and each.array.size]
            for group in _groups(variables, composed):
                verdict = self._along(loss, group)
                if not composed and (verdict != "ok" or most):
                    row = self._comparison.limited(most or _SOME).row(loss, group[0])
                    verdict = verdict if row.ok else "wrong"
                if verdict != "ok":
                    (wrong if verdict == "wrong" else kinked).extend(group)
        if kinked and not wrong:
            wrong = self._beside(module, check.input, gradOutput, variables, kinked)
        return [each.path for each in wrong]

    def _along(self, loss: Loss, group: Sequence[Variable], tolerance: float = 0.0) -> str:
        """Return ``ok``, ``kink`` or ``wrong`` for the gradients of ``group`` along a random direction."""
        directions = [self._direction(each.array) for each in group]
        products = []
        for each, direction in zip(group, directions):
            gradient = each.fitting()
            if gradient is None:
                return "wrong"
            products.append(gradient * direction)
        analytic = float(sum(product.sum() for product in products))
        line, step = Line([each.array for each in group], directions), self._comparison.near
        slope, rounding, bend = central(loss, line, step)
        if np.isnan(slope) and loss.refusal is not None:
            return "ok" if all(each.discrete for each in group) else "kink"
        largest = max(float(np.abs(product).max()) for product in products)
        # The last term: the entries' steps are rounded too.
        slack = (tolerance or self._comparison.tolerance) * largest + 1e-9 * abs(analytic)
        if abs(analytic - slope) <= slack + rounding:
            return "kink" if bend > _ROUGH * largest + 4 * rounding else "ok"
        return look(loss, line, step, analytic, slope, slack)[0]

    def _direction(self, array: np.ndarray) -> np.ndarray:
        picks = self._picks
        signs = picks.choice((-1.0, 1.0), array.shape)
        return signs * picks.uniform(0.5, 1.0, array.shape) * np.maximum(1.0, np.abs(array))

    def _beside(
        self, module: nn.Module, input: Any, gradOutput: Any, variables: Sequence[Variable],
        kinked: Sequence[Variable],
    ) -> list[Variable]:
        """Return which of ``kinked`` are wrong a little aside, on either side, or at the kink itself.

        ``variables`` have their arrays in ``input`` and ``module``, and all of them are moved, all
        upwards or downwards where the function ends otherwise (``Sqrt`` of zeros). The
        slopes at several kinks at once need not enclose a right gradient, but it is not far off
        those and the ones aside.
        """
        moves = [_ASIDE * self._direction(each.array) for each in variables]
        wrong: set[str] = set()
        looked = 0
        for turn in (lambda move: move, np.negative, np.abs, lambda move: -np.abs(move)):
            with _moved(variables, [turn(move) for move in moves]):
                found = self._gradients(module, input, gradOutput, kinked, wrong)
            looked += found
            if looked == 2:
                break
        for _ in range(_MORE):
            if not any(each.astray(_ROUGH) for each in kinked):
                break
            with _moved(variables, [_ASIDE * self._direction(each.array) for each in variables]):
                self._gradients(module, input, gradOutput, kinked, wrong)
        CheckedInside(module, input, gradOutput, self._state).close()  # back where it was
        return [each for each in kinked if each.path in wrong or each.astray(_ROUGH)]

    def _gradients(
        self, module: nn.Module, input: Any, gradOutput: Any, kinked: Sequence[Variable], wrong: set[str]
    ) -> bool:
        """Note the gradients of ``kinked`` here, and in ``wrong`` the paths of those that disagree.

        Returns whether the module can be here at all.
        """
        try:
            with np.errstate(all="ignore"), closing(
                CheckedInside(module, input, gradOutput, self._state)
            ) as aside:
                loss = Loss(aside.evaluate)
                if not np.isfinite(loss.here).all():
                    return False
                found = {each.path: each for each in aside.variables()}
                for each in kinked:
                    there = found[each.path]
                    each.beside.append(there.fitting())
                    if self._along(loss, [there], _ROUGH) == "wrong":
                        wrong.add(each.path)
        except InputError:
            return False
        return True


@contextmanager
def _moved(variables: Sequence[Variable], moves: Sequence[np.ndarray]) -> Iterator[None]:
    """Move the arrays of ``variables`` meanwhile."""
    origins = [each.array.copy() for each in variables]
    try:
        for each, move in zip(variables, moves):
            each.array += move
        yield
    finally:
        for each, origin in zip(variables, origins):
            each.array[...] = origin


def _groups(variables: Sequence[Variable], composed: bool) -> Iterator[list[Variable]]:
    """Yield what is moved together: each array, but the parameters of a module of modules at once."""
    parameters = [each for each in variables if each.kind == "parameter"]
    for each in variables:
        if each.kind != "parameter" or not composed:
            yield [each]
    if composed and parameters:
        yield parameters

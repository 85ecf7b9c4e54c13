"""Finite differences: the numbers that a hand-written gradient is held against.

A central difference is right to about the square of its step wherever the function is smooth. At a
kink (``ReLU`` at 0, equal inputs of ``CMaxTable``) it is half the slope of either side, while a right
gradient is one of the two, or lies between them. So an entry whose difference disagrees is looked at
from both sides, term by term of the loss: the gradient must lie between the two slopes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from minigraph.debug.gradcheck_report import GradcheckReport, GradcheckRow
from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.tables import as_numeric

#: How many units in the last place of float64 an evaluation is trusted to be off.
_ROUNDING = 100 * float(np.finfo(np.float64).eps)
#: An entry's error is relative to its gradient, and to no less than this part of the array's largest.
_LEAST = 1e-3
#: A gradient further outside the two slopes than this many times their distance is not due to a kink.
_FAR = 1e4
#: How much shorter each step is that looks closer, how many there are, and for how many entries.
_CLOSER, _LOOKS, _ENTRIES = 1 / 64, 7, 20


@dataclass
class Variable:
    """An array to be changed entry by entry, and the gradient to be held against the loss.

    ``note`` says why it is not compared; ``discrete`` that an ``InputError`` means "no entry in
    between" (indices): the array is then not compared either.
    """

    path: str
    array: np.ndarray
    gradient: Any
    kind: str = "variable"
    python_path: str = ""
    node: str = ""
    note: str = ""
    discrete: bool = False
    #: The entries found at a kink: index, gradient, and the slopes on both sides.
    kinks: list[tuple[Any, float, "Sides"]] = field(default_factory=list)
    #: Gradients of a point beside this one, on either side.
    beside: list[Any] = field(default_factory=list)

    def row(self, ok: bool, checked: int, **more: Any) -> GradcheckRow:
        """Return the result for this variable."""
        return GradcheckRow(
            self.kind, self.path, self.python_path, self.node, ok, checked, self.array.size,
            **{"note": self.note, **more},
        )

    def fitting(self) -> Optional[np.ndarray]:
        """Return the gradient as an array (zeros for ``None``); nothing where its shape is wrong."""
        gradient = np.zeros(self.array.shape) if self.gradient is None else np.asarray(self.gradient)
        return gradient if gradient.shape == self.array.shape else None

    def astray(self, tolerance: float) -> bool:
        """Tell whether a gradient at a kink is far off the slopes there and beside it."""
        for index, gradient, near in self.kinks:
            around = [0.0, *(float(each[index]) for each in self.beside if each is not None)]
            low, high = min(near.lowest, *around), max(near.highest, *around)
            room = high - low + tolerance * max(abs(low), abs(high))
            if not low - room <= gradient <= high + room and np.isfinite(near.apart):
                return True
        return False


class Loss:
    """A loss, as the terms it is the sum of, for the arrays as they now are.

    ``here`` are the terms to begin with. Where a layer refuses its input (beyond 0..1, between two
    indices) the terms are NaN, and ``refusal`` is its error.
    """

    def __init__(self, evaluate: Callable[[], np.ndarray]) -> None:
        self._evaluate = evaluate
        self.here = here = evaluate()
        self.refusal: Optional[InputError] = None
        #: What rounding may do to the sum of the terms, if it is independent in each of them.
        self.rounding = _ROUNDING * (float(np.sqrt(np.vdot(here, here))) + abs(float(here.sum())))

    def __call__(self) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):  # a step may leave where the function is defined
                return self._evaluate()
        except InputError as error:
            self.refusal = error
            return np.full(self.here.shape, np.nan)


class Line:
    """A straight line through where some arrays are, along ``directions`` (arrays like them)."""

    def __init__(self, arrays: Sequence[np.ndarray], directions: Sequence[np.ndarray]) -> None:
        self._arrays = arrays
        self._origins = [array.copy() for array in arrays]
        self._directions = directions

    def terms(self, loss: Loss, distance: float) -> np.ndarray:
        """Return the loss's terms at this distance; the arrays are put back whatever happens."""
        try:
            for array, origin, direction in zip(self._arrays, self._origins, self._directions):
                np.add(origin, distance * direction, out=array)
            return loss()
        finally:
            for array, origin in zip(self._arrays, self._origins):
                np.copyto(array, origin)


class Axis(Line):
    """The line along one entry of an array."""

    def __init__(self, array: np.ndarray, index: Any) -> None:
        self._array, self._index = array, index

    def terms(self, loss: Loss, distance: float) -> np.ndarray:
        original = self._array[self._index]
        try:
            self._array[self._index] = original + distance
            return loss()
        finally:
            self._array[self._index] = original

    def step(self, eps: float) -> float:
        """Return a step of about ``eps``, relative beyond 1, that the entry can take exactly."""
        original = float(self._array[self._index])
        return (original + eps * max(1.0, abs(original))) - original


class Central(NamedTuple):
    """A central difference (NaN where it has no two sides), and what rounding may have done to it.

    ``bend`` is how far the slopes on the two sides are apart: of the order of the step, or a kink.
    """

    slope: float
    rounding: float
    bend: float


def central(loss: Loss, line: Line, step: float) -> Central:
    """Return the central difference along ``line``."""
    above, below = line.terms(loss, step), line.terms(loss, -step)
    bend = float(np.abs(above + below - 2 * loss.here).sum()) / step
    return Central(float((above - below).sum()) / (2 * step), loss.rounding / step, bend)


class Sides(NamedTuple):
    """The slopes on the two sides: their bounds over all terms, and how far apart they are.

    ``apart`` is 0 up to rounding where the function is smooth, infinite where it has no slope on
    one side (``Sqrt`` at 0).
    """

    lowest: float
    highest: float
    apart: float
    rounding: float

    @property
    def middle(self) -> float:
        """The slope, where the function is smooth."""
        return (self.lowest + self.highest) / 2

    def judge(self, slope: float, slack: float) -> str:
        """Return ``ok``, ``kink`` or ``wrong`` for a gradient that may be off by ``slack``."""
        slack += self.rounding
        if self.apart == np.inf:
            return "wrong" if np.isnan(slope) else "kink"
        beyond = max(self.lowest - slope, slope - self.highest)
        if self.apart <= 2 * slack:
            return "ok" if beyond <= slack else "wrong"
        return "kink" if beyond <= slack + _FAR * self.apart else "wrong"


def sides(loss: Loss, line: Line, step: float) -> Sides:
    """Return the slopes on both sides, each from two steps.

    The kinks of several terms are independent of each other, so the bounds are sums of bounds.
    """
    slopes = []
    for side in (step, -step):
        near, far = line.terms(loss, side / 2), line.terms(loss, side)
        slopes.append((4 * near - far - 3 * loss.here) / side)
    right, left = slopes
    if not (np.isfinite(right).all() and np.isfinite(left).all()):
        return Sides(-np.inf, np.inf, np.inf, 0.0)
    return Sides(
        float(np.minimum(left, right).sum()), float(np.maximum(left, right).sum()),
        float(np.abs(right - left).sum()), 8 * loss.rounding / step,
    )


def look(
    loss: Loss, line: Line, step: float, slope: float, numeric: float, slack: float
) -> tuple[str, Sides]:
    """Judge a gradient that differs from the central difference ``numeric``: ``ok``, ``kink``, ``wrong``.

    Where the function bends within the step (a norm next to 0), shorter ones tell, as long as what
    rounding does to them is small beside the difference that they are to explain.
    """
    for turn in range(_LOOKS):
        found = sides(loss, line, step * _CLOSER**turn)
        verdict = found.judge(slope, slack)
        if turn and not 10 * (slack + found.rounding) < abs(slope - numeric):
            return "wrong", found
        if verdict != "wrong":
            return verdict, found
    return verdict, found


def gradcheck_function(
    loss: Callable[..., Any],
    variables: Mapping[str, np.ndarray],
    gradients: Mapping[str, Any],
    eps: float = 1e-6,
    tolerance: float = 1e-6,
    max_entries: Optional[int] = None,
    seed: int = 0,
) -> GradcheckReport:
    """Hold gradients against the finite differences of ``loss(**variables)``.

    ``loss`` takes the variables by name and returns a number; it is called with float64
    copies. ``gradients`` has an array of the same shape (or ``None`` for zero) for each
    variable. With ``max_entries`` only that many entries of each variable are compared,
    drawn by ``seed``. An entry agrees when its error, less what rounding may do, is at most
    ``tolerance`` times its gradient (or a thousandth of the variable's largest); one at a kink
    of the loss is counted apart. Raises ``ArgumentError`` where names do not match,
    ``InputError`` where shapes do not.
    """
    if set(variables) != set(gradients):
        odd = sorted(set(variables) ^ set(gradients))
        raise ArgumentError(f"variables and gradients must have the same names, they differ in {odd}")
    arrays = {
        name: as_numeric(np.asarray(value), name).astype(np.float64) for name, value in variables.items()
    }
    checks = []
    for name, array in arrays.items():
        gradient = gradients[name]
        if gradient is not None and np.shape(gradient) != array.shape:
            raise InputError(
                f"the gradient of {name} has shape {format_shape(np.shape(gradient))}, "
                f"the variable {format_shape(array.shape)}", name, array.shape, np.shape(gradient),
            )
        checks.append(Variable(name, array, gradient))

    def evaluate() -> np.ndarray:
        value = loss(**{name: array.copy() for name, array in arrays.items()})
        return np.array([float(np.asarray(value).item())])

    comparison, difference = Comparison(eps, tolerance, max_entries, seed), Loss(evaluate)
    return GradcheckReport.of([comparison.row(difference, each) for each in checks], eps, tolerance)


class Comparison:
    """How gradients are compared: step, tolerance, and how many entries of each array."""

    def __init__(self, eps: float, tolerance: float, max_entries: Optional[int], seed: int) -> None:
        if not eps > 0 or not tolerance > 0:
            raise ArgumentError(f"eps and tolerance must be positive, got {eps} and {tolerance}")
        if max_entries is not None and max_entries < 1:
            raise ArgumentError(f"max_entries must be at least 1, got {max_entries}")
        self.eps = eps
        #: The step that looks at both sides of a point.
        self.near = min(eps, 1e-6)
        self.tolerance = tolerance
        self._most = max_entries
        self._picks = np.random.default_rng(seed)

    def limited(self, most: int) -> "Comparison":
        """Return the same, of no more than ``most`` entries of each array."""
        return Comparison(self.eps, self.tolerance, min(most, self._most or most), 0)

    def row(self, loss: Loss, variable: Variable) -> GradcheckRow:
        """Return the result for one variable, entry by entry; its array is changed and put back."""
        array = variable.array
        if variable.note or not array.size:
            return variable.row(True, 0, note=variable.note or "empty")
        gradient = variable.fitting()
        if gradient is None:
            wrong = format_shape(np.shape(variable.gradient))
            note = f"the gradient has shape {wrong}, not {format_shape(array.shape)}"
            return variable.row(False, 0, note=note, max_rel_error=np.inf)
        places = np.arange(array.size)
        if self._most is not None and self._most < array.size:
            places = np.sort(self._picks.choice(array.size, self._most, replace=False))
        indices = [np.unravel_index(place, array.shape) for place in places]
        axes = [Axis(array, index) for index in indices]
        numeric, rounding, _ = np.array([central(loss, axis, axis.step(self.eps)) for axis in axes]).T
        if loss.refusal is not None and np.isnan(numeric).all():
            # An index that moves off the whole numbers is refused by every layer that takes one.
            if not variable.discrete:
                raise loss.refusal
            return variable.row(True, 0, note="not differentiated: takes whole numbers only")
        analytic = np.array([gradient[index] for index in indices], np.float64)
        larger = np.maximum(np.abs(analytic), np.abs(numeric))
        scale = np.maximum(larger, _LEAST * larger[np.isfinite(larger)].max(initial=0.0))

        kinks, failed = np.zeros(len(axes), bool), 0
        errors = _errors(analytic, numeric)
        for i in np.flatnonzero(_relative(errors - rounding, scale) > self.tolerance):
            if failed == _ENTRIES:
                break
            slack = self.tolerance * scale[i] if np.isfinite(scale[i]) else 0.0
            verdict, near = look(loss, axes[i], axes[i].step(self.near), analytic[i], numeric[i], slack)
            if verdict == "ok":
                numeric[i], rounding[i] = near.middle, near.rounding
            elif verdict == "kink":
                kinks[i] = True
                variable.kinks.append((indices[i], float(analytic[i]), near))
            failed += verdict == "wrong"
        errors = _errors(analytic, numeric)
        relative = _relative(errors - rounding, scale)
        relative[kinks] = 0
        worst = int(np.argmax(relative))
        count = int(kinks.sum())
        if count == len(axes):
            return variable.row(True, 0, kinks=count)
        return variable.row(
            bool(relative[worst] <= self.tolerance), len(axes) - count, kinks=count,
            max_abs_error=float(errors[~kinks].max()), max_rel_error=float(relative[worst]),
            worst=tuple(int(i) for i in indices[worst]),
            analytic=float(analytic[worst]), numeric=float(numeric[worst]),
        )


def _errors(analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        errors = np.abs(analytic - numeric)
    errors[~np.isfinite(errors)] = np.inf
    return errors


def _relative(errors: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the errors relative to ``scale``, infinite ones as they are."""
    relative = np.maximum(errors, 0) / np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
    return np.where(np.isnan(relative), np.inf, relative)

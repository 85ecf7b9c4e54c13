"""Central finite differences: the numbers that a hand-written gradient is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence

import numpy as np

from minigraph.debug.report import Report, group, line, number, text_table
from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.tables import as_numeric

if TYPE_CHECKING:
    from rich.console import RenderableType

#: How many units in the last place of float64 an evaluation is trusted to be off.
_ROUNDING = 100 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class GradcheckRow:
    """The comparison for one array: an entry of the input table, a parameter, a variable.

    ``max_abs_error`` and ``max_rel_error`` are over the ``checked`` of its ``entries`` that
    were compared; ``worst`` is the 0-based index of the entry furthest off, ``analytic`` and
    ``numeric`` its two gradients. ``excess`` is the largest error as a multiple of the one
    allowed. ``note`` says why nothing, or not everything, was compared.
    """

    kind: str
    path: str
    python_path: str
    node: str
    ok: bool
    checked: int
    entries: int
    max_abs_error: Optional[float] = None
    max_rel_error: Optional[float] = None
    worst: Optional[tuple[int, ...]] = None
    analytic: Optional[float] = None
    numeric: Optional[float] = None
    excess: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class GradcheckReport(Report):
    """What the gradient checks return: ``rows``, the worst first, and ``ok``."""

    ok: bool
    rows: list[GradcheckRow]
    eps: float
    tolerance: float

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, path: str) -> GradcheckRow:
        """Return the row of a path (``'input[2][1]'``) or a parameter's name."""
        for row in self.rows:
            if row.path == path:
                return row
        raise ArgumentError(f"nothing called {path!r}; there are {', '.join(r.path for r in self.rows)}")

    def __rich__(self) -> RenderableType:
        wrong = [row for row in self.rows if not row.ok]
        checked = sum(row.checked for row in self.rows)
        verdict = (
            f"gradcheck: ok, {checked} entries of {len(self.rows)} arrays agree" if self.ok else
            f"gradcheck: WRONG in {len(wrong)} of {len(self.rows)} arrays: "
            + ", ".join(row.path for row in wrong)
        )
        cells = [
            [
                "ok" if row.ok and row.checked else "-" if row.ok else "WRONG", row.path, row.python_path,
                row.node, f"{row.checked} of {row.entries}", number(row.max_abs_error),
                number(row.max_rel_error), "" if row.worst is None else list(row.worst),
                number(row.analytic), number(row.numeric), row.note,
            ]
            for row in self.rows
        ]
        headers = (
            "", "path or name", "(Python)", "node", ">checked", ">max abs error", ">max rel error",
            "worst at", ">analytic", ">numeric", "note",
        )
        kept = [i for i in range(len(headers)) if i < 2 or any(row[i] != "" for row in cells)]
        return group(
            line(verdict, style="green" if self.ok else "bold red"),
            text_table(
                f"finite differences with eps {self.eps:g}, tolerance {self.tolerance:g}, worst first",
                [headers[i] for i in kept], [[row[i] for i in kept] for row in cells],
            ),
        )


@dataclass
class Variable:
    """An array to be changed entry by entry, and the gradient to be held against the loss."""

    path: str
    array: np.ndarray
    gradient: Any
    kind: str = "variable"
    python_path: str = ""
    node: str = ""
    note: str = ""
    #: Errors that mean "no entry in between" (indices): the array is then not compared.
    discrete: bool = field(default=False)

    def row(self, ok: bool, checked: int, **more: Any) -> GradcheckRow:
        """Return the result for this variable."""
        return GradcheckRow(
            self.kind, self.path, self.python_path, self.node, ok, checked, self.array.size,
            **{"note": self.note, **more},
        )


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
    drawn by ``seed``. An entry agrees when its error is at most ``tolerance`` times the
    larger of the variable's two largest gradients, plus what rounding may do. Raises
    ``ArgumentError`` where names do not match, ``InputError`` where shapes do not.
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

    def evaluate() -> tuple[float, float]:
        value = float(np.asarray(loss(**{name: array.copy() for name, array in arrays.items()})).item())
        return value, abs(value)

    return compare(evaluate, checks, eps, tolerance, max_entries, seed)


def compare(
    evaluate: Callable[[], tuple[float, float]],
    variables: Sequence[Variable],
    eps: float,
    tolerance: float,
    max_entries: Optional[int],
    seed: int,
) -> GradcheckReport:
    """Compare each variable's gradient with central differences of ``evaluate``.

    ``evaluate`` reads the variables' arrays, which are changed in place and put back, and
    returns the loss and the size of the terms it was summed from.
    """
    if not eps > 0 or not tolerance > 0:
        raise ArgumentError(f"eps and tolerance must be positive, got {eps} and {tolerance}")
    if max_entries is not None and max_entries < 1:
        raise ArgumentError(f"max_entries must be at least 1, got {max_entries}")
    picks = np.random.default_rng(seed)
    size = evaluate()[1]
    rounding = _ROUNDING * size / eps
    rows = [_check(evaluate, each, eps, tolerance, rounding, max_entries, picks) for each in variables]
    rows.sort(key=lambda row: (row.ok, -row.excess))
    return GradcheckReport(all(row.ok for row in rows), rows, eps, tolerance)


def _check(
    evaluate: Callable[[], tuple[float, float]],
    variable: Variable,
    eps: float,
    tolerance: float,
    rounding: float,
    max_entries: Optional[int],
    picks: np.random.Generator,
) -> GradcheckRow:
    array = variable.array
    if variable.note or not array.size:
        return variable.row(True, 0, note=variable.note or "empty")
    gradient = np.zeros(array.shape) if variable.gradient is None else np.asarray(variable.gradient)
    if gradient.shape != array.shape:
        note = f"the gradient has shape {format_shape(gradient.shape)}, not {format_shape(array.shape)}"
        return variable.row(False, 0, note=note, excess=np.inf)
    places = np.arange(array.size)
    if max_entries is not None and max_entries < array.size:
        places = np.sort(picks.choice(array.size, max_entries, replace=False))
    numeric = np.empty(len(places))
    for position, place in enumerate(places):
        index = np.unravel_index(place, array.shape)
        try:
            numeric[position] = _difference(evaluate, array, index, eps)
        except InputError:
            # An index that moves off the whole numbers is refused by every layer that takes one.
            if not variable.discrete:
                raise
            return variable.row(True, 0, note="not differentiated: takes whole numbers only")
    analytic = np.array([gradient[np.unravel_index(place, array.shape)] for place in places], np.float64)
    errors = np.abs(analytic - numeric)
    errors[~np.isfinite(errors)] = np.inf
    larger = np.maximum(np.abs(analytic), np.abs(numeric))
    finite = larger[np.isfinite(larger)]
    allowed = tolerance * (finite.max() if finite.size else 1.0) + rounding
    worst = int(np.argmax(errors))
    relative = errors / np.maximum(larger, max(rounding, np.finfo(np.float64).tiny))
    excess = float(errors[worst] / allowed) if allowed else (np.inf if errors[worst] else 0.0)
    index = np.unravel_index(places[worst], array.shape)
    return variable.row(
        excess <= 1.0, len(places), max_abs_error=float(errors[worst]),
        max_rel_error=float(np.nanmax(relative)), worst=tuple(int(i) for i in index),
        analytic=float(analytic[worst]), numeric=float(numeric[worst]), excess=excess,
    )


def _difference(
    evaluate: Callable[[], tuple[float, float]], array: np.ndarray, index: Any, eps: float
) -> float:
    """Return the central difference at one entry, which is put back whatever happens."""
    original = array[index]
    step = eps * max(1.0, abs(float(original)))
    above, below = original + step, original - step
    try:
        array[index] = above
        upper = evaluate()[0]
        array[index] = below
        lower = evaluate()[0]
    finally:
        array[index] = original
    return (upper - lower) / float(above - below)

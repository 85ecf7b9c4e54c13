"""Two traces held side by side: where two backward passes part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Protocol

import numpy as np

from minigraph.debug.measure import norm_of
from minigraph.debug.report import Report, group, line, number, text_table
from minigraph.tables import Path, format_path, is_table

if TYPE_CHECKING:
    from rich.console import RenderableType


class Recorded(Protocol):
    """What of a trace is compared (see ``trace.Trace``)."""

    @property
    def nodes(self) -> list[Any]: ...

    @property
    def forward(self) -> list[Any]: ...

    @property
    def parameters(self) -> list[Any]: ...

    @property
    def inner(self) -> Mapping[str, Any]: ...

    @property
    def output(self) -> Any: ...

    @property
    def gradInput(self) -> Any: ...


@dataclass(frozen=True)
class DiffRow:
    """One difference.

    ``kind`` is ``'forward'`` (a node's output), ``'parameter'``, ``'contribution'``, ``'sum'``,
    ``'gradInput'`` or ``'output'``; ``where`` names it. ``max_abs`` is the largest difference of two entries
    (``inf`` where shapes differ or one trace has nothing of the kind), ``path`` and ``index``
    (0-based) the entry, ``first`` and ``second`` the norms in the two traces.
    """

    kind: str
    where: str
    max_abs: float
    max_rel: float
    path: str
    index: tuple[int, ...]
    first: Optional[float]
    second: Optional[float]
    note: str = ""


@dataclass(frozen=True)
class TraceDiff(Report):
    """What ``Trace.diff`` returns: ``rows``, the worst first; ``same`` if there are none."""

    same: bool
    compared: int
    rows: list[DiffRow]

    def kind(self, name: str) -> list[DiffRow]:
        """Return the rows of one kind."""
        return [row for row in self.rows if row.kind == name]

    def __rich__(self) -> RenderableType:
        if self.same:
            return line(f"the traces agree in all {self.compared} quantities")
        return group(
            line(f"the traces differ in {len(self.rows)} of {self.compared} quantities"),
            text_table(
                "differences, worst first",
                (
                    "kind", "where", ">max difference", ">relative", "entry", "index", ">norm, first",
                    ">norm, second", "note",
                ),
                [
                    [
                        row.kind, row.where, number(row.max_abs), number(row.max_rel),
                        row.path, list(row.index), _norm(row.first), _norm(row.second), row.note,
                    ]
                    for row in self.rows
                ],
            ),
        )


def _norm(norm: Optional[float]) -> str:
    return "none" if norm is None else number(norm)


def diff(first: Recorded, second: Recorded, tolerance: float = 1e-9) -> TraceDiff:
    """Return where two traces differ by more than ``tolerance`` times their larger entry (or 1).

    Nodes are matched by annotated name, else by number and label; a missing gradient
    (``None``) equals zeros. Rows are sorted by the size of the difference, and within one
    size in the order of the backward pass.
    """
    one, two = dict(_quantities(first)), dict(_quantities(second))
    keys = list(dict.fromkeys([*one, *two]))
    rows = []
    for key in keys:
        if key not in one or key not in two:
            present = one if key in one else two
            which = "first" if key in one else "second"
            norms = (norm_of(one.get(key)), norm_of(two.get(key)))
            if norm_of(present[key]):
                rows.append(DiffRow(*key[:2], np.inf, np.inf, "", (), *norms, f"only in the {which}"))
            continue
        row = _compare(key, one[key], two[key], tolerance)
        if row is not None:
            rows.append(row)
    rows.sort(key=lambda row: -row.max_abs)
    return TraceDiff(not rows, len(keys), rows)


Key = tuple[str, str, int]


def _quantities(trace: Recorded, prefix: str = "") -> Iterator[tuple[Key, Any]]:
    """Yield everything that is compared, each with a key that both traces give it."""
    seen: dict[tuple[str, str], int] = {}

    def key(kind: str, where: str) -> Key:
        # The same node may reach another twice at one slot of a table: number them.
        count = seen[kind, where] = seen.get((kind, where), -1) + 1
        return kind, prefix + where, count

    for parameter in trace.parameters:
        yield key("parameter", parameter.name), parameter.value
    for node in trace.forward:
        yield key("forward", node.node.key), node.value
    for node in trace.nodes:
        for each in node.contributions:
            where = f"{each.source.key} <- {each.consumer.key}[{each.slot + 1}]"
            yield key("contribution", where), each.value
        yield key("sum", node.node.key), node.value
    if not prefix:
        yield key("gradInput", "gradInput"), trace.gradInput
        yield key("output", "output"), trace.output
    for name, inner in trace.inner.items():
        yield from _quantities(inner, f"{prefix}{name}/")


def _compare(key: Key, first: Any, second: Any, tolerance: float) -> Optional[DiffRow]:
    worst: Optional[tuple[float, float, str, tuple[int, ...]]] = None
    note = ""
    for path, a, b in _pairs(first, second):
        one, two = (np.asarray(0.0 if x is None else x, np.float64) for x in (a, b))
        where = format_path(path)
        if a is not None and b is not None and one.shape != two.shape:
            worst, note = (np.inf, np.inf, where, ()), f"shapes {one.shape} and {two.shape}"
            break
        error = np.abs(one - two)
        if not error.size:
            continue
        error = np.where(np.isnan(error), np.where(np.isnan(one) & np.isnan(two), 0.0, np.inf), error)
        size = np.nanmax(np.maximum(np.abs(one), np.abs(two)), initial=0.0)
        largest = float(error.max())
        bound = tolerance * max(1.0, size if np.isfinite(size) else 1.0)
        if largest > bound and (worst is None or largest > worst[0]):
            index = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
            worst = (largest, largest / float(size) if size else np.inf, where, index)
    if worst is None:
        return None
    error_size, relative, where, index = worst
    norms = (norm_of(first), norm_of(second))
    return DiffRow(key[0], key[1], error_size, relative, where, index, *norms, note)


def _pairs(first: Any, second: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Yield the leaves of two tables in pairs; ``None`` stands for a whole table of zeros."""
    if not is_table(first) and not is_table(second):
        yield path, first, second
        return
    one = first if is_table(first) else [first if first is None else np.nan] * len(second)
    two = second if is_table(second) else [second if second is None else np.nan] * len(first)
    for position in range(max(len(one), len(two))):
        a = one[position] if position < len(one) else None
        b = two[position] if position < len(two) else None
        yield from _pairs(a, b, (*path, position))

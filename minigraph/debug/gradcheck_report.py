"""What a gradient check found: array by array, and the nodes whose own backward is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional, Sequence

from minigraph.debug.report import Report, group, line, number, text_table
from minigraph.errors import ArgumentError
from minigraph.graph import Node

if TYPE_CHECKING:
    from rich.console import RenderableType

#: How many arrays a line names.
_NAMED = 4


@dataclass(frozen=True)
class GradcheckRow:
    """The comparison for one array: an entry of the input table, a parameter, a variable.

    ``max_abs_error`` and ``max_rel_error`` are over the ``checked`` of its ``entries`` that were
    compared; ``worst`` is the 0-based index of the entry furthest off, ``analytic`` and
    ``numeric`` its two gradients. The relative error is what exceeds rounding, as a part of the
    entry's gradient; ``ok`` says that none exceeds the tolerance. ``kinks`` counts entries where
    the loss has a kink, which are not compared. ``note`` says why nothing, or not everything, was.
    """

    kind: str
    path: str
    python_path: str
    node: str
    ok: bool
    checked: int
    entries: int
    kinks: int = 0
    max_abs_error: Optional[float] = None
    max_rel_error: Optional[float] = None
    worst: Optional[tuple[int, ...]] = None
    analytic: Optional[float] = None
    numeric: Optional[float] = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``WRONG``, ``kink``, ``ok``, or ``-`` where nothing was compared."""
        return "WRONG" if not self.ok else "kink" if self.kinks else "ok" if self.checked else "-"


@dataclass(frozen=True)
class Fault:
    """A module whose own backward is wrong, and the gradients that are.

    ``node`` is the node of the network; one made for the purpose where the module is none, such
    as a layer of a Sequential. ``name`` says where it is: ``sq``, ``lstm/sq``, ``sq.2``.
    """

    node: Node = field(repr=False)
    name: str
    module: str
    location: str
    arrays: tuple[str, ...]
    #: Whether it is made of modules, each of which is right by itself.
    composed: bool = False

    def __str__(self) -> str:
        where = f", {self.location}" if self.location else ""
        more = len(self.arrays) - _NAMED
        of = ", ".join(self.arrays[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        inside = "; every module in it is right by itself" if self.composed else ""
        return f"wrong at `{self.name}`: {self.module}{where} (the gradient of {of}{inside})"


@dataclass(frozen=True)
class GradcheckReport(Report):
    """What the gradient checks return: ``ok``, ``faults``, and ``rows``, the worst first."""

    ok: bool
    faults: list[Fault]
    rows: list[GradcheckRow]
    eps: float
    tolerance: float

    @classmethod
    def of(
        cls, rows: Sequence[GradcheckRow], eps: float, tolerance: float, faults: Sequence[Fault] = ()
    ) -> "GradcheckReport":
        """Return the report of these rows and faults."""
        ordered = sorted(rows, key=lambda row: (row.ok, -(row.max_rel_error or 0.0)))
        return cls(all(row.ok for row in rows) and not faults, list(faults), ordered, eps, tolerance)

    @property
    def blamed(self) -> list[Node]:
        """The nodes whose own backward is wrong, first in order of execution."""
        return [fault.node for fault in self.faults]

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, path: str) -> GradcheckRow:
        """Return the row of a path (``'input[2][1]'``) or a parameter's name."""
        for row in self.rows:
            if row.path == path:
                return row
        raise ArgumentError(f"nothing called {path!r}; there are {', '.join(r.path for r in self.rows)}")

    def __rich__(self) -> RenderableType:
        wrong = [row.path for row in self.rows if not row.ok]
        checked = sum(row.checked for row in self.rows)
        kinks = sum(row.kinks for row in self.rows)
        lines = [str(fault) for fault in self.faults]
        if wrong:
            lines.append(f"WRONG in {len(wrong)} of {len(self.rows)} arrays: {', '.join(wrong)}")
        else:
            lines.append(
                f"{'ok, ' if self.ok else ''}{checked} entries of {len(self.rows)} arrays agree"
                + (f", {kinks} at a kink" if kinks else "")
            )
        cells = [
            [
                row.verdict, row.path, row.python_path, row.node, f"{row.checked} of {row.entries}",
                row.kinks or "", number(row.max_rel_error), number(row.max_abs_error),
                "" if row.worst is None else list(row.worst),
                number(row.analytic), number(row.numeric), row.note,
            ]
            for row in self.rows
        ]
        headers = (
            "", "path or name", "(Python)", "node", ">checked", ">at a kink", ">max rel error",
            ">max abs error", "worst at", ">analytic", ">numeric", "note",
        )
        kept = [i for i in range(len(headers)) if i < 2 or any(row[i] != "" for row in cells)]
        return group(
            line("\n".join(f"gradcheck: {each}" for each in lines), style="green" if self.ok else "bold red"),
            text_table(
                f"finite differences with eps {self.eps:g}, tolerance {self.tolerance:g} (relative), wrong "
                "ones first, then by relative error",
                [headers[i] for i in kept], [[row[i] for i in kept] for row in cells],
            ),
        )

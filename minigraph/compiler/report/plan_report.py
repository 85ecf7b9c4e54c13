"""The report of a plan as a user sees it."""

from __future__ import annotations

from minigraph.compiler.report.data import PlanFacts
from minigraph.compiler.report.text import text_of


class PlanReport(PlanFacts):
    """What ``fast.plan()`` returns; ``print`` shows it. Its fields are those of ``PlanFacts``."""

    def __str__(self) -> str:
        return text_of(self)

    __repr__ = __str__

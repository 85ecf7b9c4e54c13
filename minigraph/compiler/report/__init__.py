"""What was made of a network: ``fast.plan()``, as data and as text."""

from minigraph.compiler.report.data import (
    PlanBuffer,
    PlanEdge,
    PlanFacts,
    PlanOperation,
    PlanProgram,
    PlanSegment,
)
from minigraph.compiler.report.plan_report import PlanReport

__all__ = [
    "PlanBuffer", "PlanEdge", "PlanFacts", "PlanOperation", "PlanProgram", "PlanReport", "PlanSegment",
]

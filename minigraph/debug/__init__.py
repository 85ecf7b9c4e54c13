"""What the engine did and why: tables, gradient checks, traces, the debug mode's watchers."""

from minigraph.debug.finite_differences import GradcheckReport, GradcheckRow, gradcheck_function
from minigraph.debug.gradcheck import gradcheck
from minigraph.debug.tables import TableRow, TablesReport, tables

__all__ = [
    "GradcheckReport", "GradcheckRow", "TableRow", "TablesReport", "gradcheck", "gradcheck_function",
    "tables",
]

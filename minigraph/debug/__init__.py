"""What the engine did and why: tables, gradient checks, traces, the debug mode's watchers."""

from minigraph.debug.finite_differences import GradcheckReport, GradcheckRow, gradcheck_function
from minigraph.debug.gradcheck import gradcheck
from minigraph.debug.tables import TableRow, TablesReport, tables
from minigraph.debug.trace import Contribution, NodeTrace, ParameterTrace, Trace, trace
from minigraph.debug.trace_diff import DiffRow, TraceDiff

__all__ = [
    "Contribution", "DiffRow", "GradcheckReport", "GradcheckRow", "NodeTrace", "ParameterTrace",
    "TableRow", "TablesReport", "Trace", "TraceDiff", "gradcheck", "gradcheck_function", "tables",
    "trace",
]

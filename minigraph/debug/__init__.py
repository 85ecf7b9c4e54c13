"""What the engine did and why: tables, gradient checks, traces, the debug mode's watchers."""

from minigraph.debug.finite_differences import gradcheck_function
from minigraph.debug.gradcheck import gradcheck
from minigraph.debug.gradcheck_report import Fault, GradcheckReport, GradcheckRow
from minigraph.debug.tables import TableRow, TablesReport, tables
from minigraph.debug.trace import trace
from minigraph.debug.trace_data import (
    Arrival,
    Contribution,
    ForwardTrace,
    NodeTrace,
    ParameterTrace,
    Trace,
    UnrollTrace,
)
from minigraph.debug.trace_diff import DiffRow, TraceDiff

__all__ = [
    "Arrival", "Contribution", "DiffRow", "Fault", "ForwardTrace", "GradcheckReport", "GradcheckRow",
    "NodeTrace", "ParameterTrace", "TableRow", "TablesReport", "Trace", "TraceDiff", "UnrollTrace",
    "gradcheck", "gradcheck_function", "tables", "trace",
]


def __dir__() -> list[str]:
    return __all__

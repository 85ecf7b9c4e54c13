"""What the engine did and why: tables, traces, gradient checks, the debug mode's watchers."""

from minigraph.debug.tables import TableRow, TablesReport, tables

__all__ = ["TableRow", "TablesReport", "tables"]

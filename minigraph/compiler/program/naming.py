"""What values are called: after the user's nodes, so that a plan can be read.

What a node gives has the node's name, ``Linear#7`` where it has none (7 is its number), with the
1-based entry where it gives a table: ``SplitTable#8[2]``. A gradient is ``d`` and the name of what it
is the gradient of. In a network inside a network names begin with that of the outer node and a slash.
"""

from __future__ import annotations

from typing import Any, Sequence

from minigraph.compiler.program.ir import Given, Op
from minigraph.graph import Node
from minigraph.tables import leaves


def name_of(node: Node) -> str:
    """Return the node's own name, or what it is with its number."""
    if node.name:
        return node.name
    what = node.title() if node.module is None else type(node.module).__name__
    return f"{what}#{node.id}"


def name_rest(table: Any, name: str) -> None:
    """Name the values of a table that have no name yet."""
    for path, value in leaves(table):
        value.name = value.name or name + _entry(path)


def name_results(table: Any, name: str, ops: Sequence[Op]) -> None:
    """Name what a node gives, and what its operations compute on the way there."""
    made = {value for op in ops for value in op.outputs}
    for path, value in leaves(table):
        if not value.name and (value in made or isinstance(value, Given)):
            value.name = name + _entry(path)
    for op in ops:
        for value in op.outputs:
            value.name = value.name or f"{name} ({op.primitive})"


def _entry(path: tuple[int, ...]) -> str:
    return "".join(f"[{position + 1}]" for position in path)

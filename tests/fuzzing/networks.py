"""Random networks: ``graph(seed)`` and ``unrolled(seed)``, the same each time for the same seed."""

from __future__ import annotations

import minigraph as mg
from fuzzing.grower import Grower, Made
from fuzzing.kinds import Grown, Kind, random_kind, random_state
from fuzzing.layers import Chance
from minigraph import nn
from minigraph.graph import Node
from minigraph.tables import is_table


def graph(seed: int, dtype: str = "double", size: int = 7) -> Grown:
    """Return a random graph."""
    c = Chance([seed, 1])
    mg.manualSeed(seed)
    batch = 1 + c.below(4)
    grower = Grower(c)
    kinds = [random_kind(c) for _ in range(1 + c.below(3))]
    inputs = [grower.input(kind, batch) for kind in kinds]
    grower.grow(1 + c.below(size))
    net = nn.gModule([entry.node for entry in inputs], grower.outputs())
    return Grown(net.float() if dtype == "float" else net, kinds, batch)


def unrolled(seed: int, dtype: str = "double", size: int = 7) -> Grown:
    """Return a random step, unrolled."""
    c = Chance([seed, 2])
    mg.manualSeed(seed)
    batch = 1 + c.below(4)
    grower = Grower(c)
    fed = [random_state(c) for _ in range(1 + c.below(2))]
    kinds = [random_kind(c) for _ in range(1 + c.below(2))]
    every = [*kinds, *fed]
    order = c.some(range(len(every)), len(every))
    inputs = [grower.input(every[k], batch) for k in order]
    previous = {k: entry for k, entry in zip(order, inputs) if k >= len(kinds)}
    grower.grow(1 + c.below(size))
    feedback, named = {}, []
    for k, entry in previous.items():
        entry.node.annotate(name=f"state{k}")
        node = _next(grower, every[k], entry, batch)
        if node.name or node.module is None:
            node = nn.Identity()(node)
        node.annotate(name=f"next{k}")
        feedback[f"next{k}"] = f"state{k}"
        named.append(node)
    outputs = [*named, *([] if all(e.used for e in grower.made) and c.maybe(0.7) else grower.outputs())]
    outputs = [outputs[k] for k in c.some(range(len(outputs)), len(outputs))]
    step = nn.gModule([entry.node for entry in inputs], outputs)
    net = mg.rnn.Unroll(step, feedback)
    states = {i for i, k in enumerate(order) if k >= len(kinds)}
    return Grown(net.float() if dtype == "float" else net, [every[k] for k in order], batch, states)


def _next(grower: Grower, kind: Kind, previous: Made, batch: int) -> Node:
    """Return a node for the next value of a state: of the same kind, and not growing."""
    rows = {shape: _rows(grower, shape) for shape in _shapes(kind, batch)}
    if all(rows.values()) and not grower.c.maybe(0.15):
        return _become(grower, kind, rows, batch)
    previous.used = True
    return grower.c.one([nn.Identity, nn.Identity, nn.ZeroGrad])()(previous.node)


def _shapes(kind: Kind, batch: int) -> list[tuple[int, ...]]:
    if is_table(kind):
        return [shape for each in kind for shape in _shapes(each, batch)]
    return [((batch,) if kind.batched else ()) + kind.shape]


def _rows(grower: Grower, shape: tuple[int, ...]) -> list[Made]:
    """Return what is of a shape but for the last size."""
    return [
        entry for entry in grower.tensors()
        if entry.value.ndim == len(shape) and entry.value.shape[:-1] == shape[:-1]
    ]


def _become(grower: Grower, kind: Kind, rows: dict[tuple[int, ...], list[Made]], batch: int) -> Node:
    c = grower.c
    if is_table(kind):
        return mg.nest([_become(grower, each, rows, batch) for each in kind])
    (shape,) = _shapes(kind, batch)
    fitting = [entry for entry in rows[shape] if entry.value.shape == shape]
    entry = c.one(fitting if fitting and c.maybe(0.6) else rows[shape])
    entry.used = True
    if entry in fitting:
        return c.one([nn.Tanh, nn.Tanh, nn.Sigmoid, nn.Identity, nn.ZeroGrad])()(entry.node)
    return nn.Tanh()(nn.Linear(entry.value.shape[-1], shape[-1])(entry.node))

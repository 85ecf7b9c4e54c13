"""Steps to unroll, unrolling by hand, and bit-for-bit comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigraph as mg
from minigraph import nn
from minigraph.tables import add_tables, copy_table, leaves, map_table

RNG = np.random.default_rng(0)


def randn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def at(sequence: Any, t: int) -> Any:
    return map_table(lambda leaf: None if leaf is None else leaf[t, ...], sequence)


def assert_same(actual: Any, expected: Any) -> None:
    """Compare tables bit for bit."""
    actual, expected = dict(leaves(actual)), dict(leaves(expected))
    assert list(actual) == list(expected)
    for path in actual:
        np.testing.assert_array_equal(actual[path], expected[path], err_msg=str(path))


def by_hand(step: Any, feeds: dict[int, int], input: list, gradOutput: list) -> tuple[list, list]:
    """Unroll with clone_many and a loop; return outputs and gradInput. Positions count from 0."""
    sequences = [entry for k, entry in enumerate(input) if k not in feeds.values()]
    T = len(next(leaves(sequences))[1])
    clones = mg.rnn.clone_many(step, T)
    states, given, steps = {k: input[k] for k in feeds.values()}, [], []
    for t in range(T):
        given.append([states[k] if k in states else at(entry, t) for k, entry in enumerate(input)])
        steps.append(clones[t].forward(given[t]))
        states = {k: steps[t][source] for source, k in feeds.items()}
    gradients: list = [None] * T
    for t in reversed(range(T)):
        arrived = [at(entry, t) for entry in gradOutput]
        if t + 1 < T:
            for source, k in feeds.items():
                arrived[source] = add_tables(arrived[source], gradients[t + 1][k])
        gradients[t] = clones[t].backward(given[t], arrived)
    ys = [stack([out[k] for out in steps]) for k in range(len(steps[0]))]
    gradInput = [
        gradients[0][k] if k in feeds.values() else stack([gradient[k] for gradient in gradients])
        for k in range(len(input))
    ]
    return ys, gradInput


def stack(entries: list) -> Any:
    if isinstance(entries[0], list):
        return [stack(list(column)) for column in zip(*entries)]
    return np.stack(entries)


def zaremba_step(size: int, layers: int = 2, dropout: float = 0.0) -> nn.gModule:
    """A step whose state is one table: [x, prev_s] in, [h, next_s] out, prev_s = {{c, h}, ...}."""
    x = nn.Identity()().annotate(name="x")
    prev_s = nn.Identity()().annotate(name="prev_s")
    below, next_s = x, []
    for prev in prev_s.split(layers):
        c, h = prev.split(2)
        dropped = nn.Dropout(dropout)(below)
        gates = nn.CAddTable()([nn.Linear(size, 4 * size)(dropped), nn.Linear(size, 4 * size)(h)])
        i, f, o, g = nn.SplitTable(2)(nn.Reshape(4, size)(gates)).split(4)
        kept = nn.CMulTable()([nn.Sigmoid()(f), c])
        c = nn.CAddTable()([kept, nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])])
        below = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(c)])
        next_s.append(nn.Identity()([c, below]))
    whole = nn.Identity()(next_s).annotate(name="next_s")
    return nn.gModule([x, prev_s], [nn.Identity()(below).annotate(name="res"), whole])


def char_model(vocabulary: int, hidden: int, layers: int, dropout: float = 0.0) -> tuple[nn.gModule, dict]:
    """char-rnn's LSTM step: indices in, states and log-probabilities out."""
    x = nn.Identity()().annotate(name="x")
    made = mg.rnn.lstm_layers(nn.OneHot(vocabulary)(x), vocabulary, hidden, layers, dropout)
    top = nn.Dropout(dropout)(made.next[-1]) if dropout > 0 else made.next[-1]
    logits = nn.Linear(hidden, vocabulary)(top).annotate(name="decoder")
    return nn.gModule([x, *made.prev], [*made.next, nn.LogSoftMax()(logits)]), made.feedback


def gradients_of(net: Any) -> list[np.ndarray]:
    return [g.copy() for g in net.parameters()[1]]


def lstm_case(T: int = 5, layers: int = 2, dropout: float = 0.0, seed: int = 1) -> tuple:
    """Return an LSTM's step, feedback, an input and a gradient of its output (B=3, D=4, H=2)."""
    mg.manualSeed(seed)
    step, feedback = mg.rnn.lstm(4, 2, layers, dropout)
    input = [randn(T, 3, 4), *(randn(3, 2) for _ in feedback)]
    return step, feedback, input, [randn(T, 3, 2) for _ in feedback]


def passes(net: Any, input: Any, gradOutput: Any) -> list:
    """Return copies of the output, gradInput and parameter gradients of one pass."""
    net.zeroGradParameters()
    ys = copy_table(net.forward(input))
    return [ys, copy_table(net.backward(input, gradOutput)), gradients_of(net)]

"""The LSTM of the CS231n assignment in plain NumPy, equal to the graph to 1e-12.

Sequences are ``(N, T, D)``: N sequences of T steps of D numbers. All gates come out of
``x Wx + h Wh + b`` in the order i, f, o, g. Note that the steps share one cell state which the
caller never sees: it starts at zero, and only ``h0`` gets a gradient.

Source: https://cs231n.github.io/assignments2017/assignment3/
"""

from __future__ import annotations

import numpy as np
from lstm_explained import lstm_cell

import minigraph as mg
from minigraph import nn


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Run one step: ``x`` ``(N, D)``, ``Wx`` ``(D, 4H)``, ``Wh`` ``(H, 4H)``, ``b`` ``(4H,)``.

    The states are ``(N, H)``. Returns ``(next_h, next_c, cache)``.
    """
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    """Return ``(dx, dprev_h, dprev_c, dWx, dWh, db)`` of one step."""
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    da = np.hstack([
        dc * g * i * (1 - i),
        dc * prev_c * f * (1 - f),
        dnext_h * tanh_c * o * (1 - o),
        dc * i * (1 - g**2),
    ])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    """Run a sequence ``x`` ``(N, T, D)`` from ``h0`` ``(N, H)``; return ``(h (N, T, H), cache)``."""
    h, c = h0, np.zeros_like(h0)
    outputs, cache = [], []
    for t in range(x.shape[1]):
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        outputs.append(h)
        cache.append(step)
    return np.stack(outputs, axis=1), cache


def lstm_backward(dh, cache, step_backward=lstm_step_backward):
    """Return ``(dx, dh0, dWx, dWh, db)`` from ``dh`` ``(N, T, H)``, the gradient of every output."""
    dprev_h = np.zeros_like(dh[:, 0])
    dprev_c = np.zeros_like(dprev_h)
    dx, totals = [], [0.0, 0.0, 0.0]
    for t in reversed(range(dh.shape[1])):
        # An output is used twice, by the loss and by the next step: its gradients add up.
        dx_t, dprev_h, dprev_c, *weights = step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dx.append(dx_t)
        totals = [total + weight for total, weight in zip(totals, weights)]
    return (np.stack(dx[::-1], axis=1), dprev_h, *totals)


def cell_with(Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray) -> nn.gModule:
    """Return the Narrow graph with these weights; its gates stand in the same order."""
    cell = lstm_cell(Wx.shape[0], Wh.shape[0])
    i2h, h2h = cell.findModules("nn.Linear")[0]
    i2h.weight[...], i2h.bias[...] = Wx.T, b
    h2h.weight[...], h2h.bias[...] = Wh.T, 0  # b is there once; the graph has two biases
    cell.zeroGradParameters()
    return cell


def graph_sequence(cell: nn.gModule, x: np.ndarray, h0: np.ndarray, dh: np.ndarray) -> tuple:
    """Unroll the graph by hand; return ``(h, dx, dh0, dWx, dWh, db)`` as the functions above do.

    A module keeps one set of activations, so every step needs a clone. The clones share the
    weights and the place where the gradients accumulate.
    """
    steps = [cell.clone("weight", "bias", "gradWeight", "gradBias") for _ in range(x.shape[1])]
    c, h = np.zeros_like(h0), h0
    inputs = []
    for t, step in enumerate(steps):
        inputs.append([x[:, t], c, h])
        c, h = step.forward(inputs[t])
    outputs = np.stack([step.output[1] for step in steps], axis=1)

    dx = np.empty_like(x)
    dc, dprev_h = None, np.zeros_like(h0)
    for t in reversed(range(len(steps))):
        dx[:, t], dc, dprev_h = steps[t].backward(inputs[t], [dc, dh[:, t] + dprev_h])
    i2h, h2h = cell.findModules("nn.Linear")[0]
    return outputs, dx, dprev_h, i2h.gradWeight.T, h2h.gradWeight.T, i2h.gradBias


def main() -> None:
    mg.manualSeed(231)
    N, T, D, H = 2, 5, 3, 4
    randn = mg.random.randn
    Wx, Wh, b = randn(D, 4 * H), randn(H, 4 * H), randn(4 * H)

    x, prev_h, prev_c = randn(N, D), randn(N, H), randn(N, H)
    dnext_h, dnext_c = randn(N, H), randn(N, H)
    next_h, next_c, cache = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
    mine = [next_h, next_c, *lstm_step_backward(dnext_h, dnext_c, cache)]
    cell = cell_with(Wx, Wh, b)
    c, h = cell.forward([x, prev_c, prev_h])
    dx, dc, dprev_h = cell.backward([x, prev_c, prev_h], [dnext_c, dnext_h])
    i2h, h2h = cell.findModules("nn.Linear")[0]
    graph = [h, c, dx, dprev_h, dc, i2h.gradWeight.T, h2h.gradWeight.T, i2h.gradBias]
    print("one step, largest differences between NumPy and the graph:")
    compare(["next_h", "next_c", "dx", "dprev_h", "dprev_c", "dWx", "dWh", "db"], mine, graph)

    x, h0, dh = randn(N, T, D), randn(N, H), randn(N, T, H)
    outputs, caches = lstm_forward(x, h0, Wx, Wh, b)
    mine = [outputs, *lstm_backward(dh, caches)]
    graph = graph_sequence(cell_with(Wx, Wh, b), x, h0, dh)
    print(f"a sequence of {T} steps, x {x.shape}:")
    compare(["h", "dx", "dh0", "dWx", "dWh", "db"], mine, graph)


def compare(names: list, mine: list, graph: list) -> None:
    """Print and check the largest difference of each pair of arrays."""
    for name, a, b in zip(names, mine, graph):
        difference = np.abs(a - b).max()
        print(f"  {name:8s}{a.shape!s:12s}{difference:.1e}")
        assert a.shape == b.shape
        assert difference < 1e-12, name


if __name__ == "__main__":
    main()

"""The LSTM cell of "LSTM implementation explained", and three of them chained by hand.

All four gates are computed by one Linear of ``4*H`` outputs and cut apart with Narrow: the
first three quarters go through one Sigmoid, the last through Tanh. Nothing here stacks the
layers for us: output and gradients are carried from cell to cell as the article does it,
which shows what a graph of several layers does inside.

Source: https://apaszke.github.io/lstm-explained.html
"""

from __future__ import annotations

import numpy as np

import minigraph as mg
from minigraph import nn

SIZES = [(3, 4), (4, 4), (4, 3)]


def lstm_cell(input_size: int, hidden_size: int) -> nn.gModule:
    """Return one cell: ``[x, prev_c, prev_h]`` in, ``[next_c, next_h]`` out.

    ``x`` is ``(B, input_size)``, all others are ``(B, hidden_size)``. The rows of the two
    weights hold the gates in the order in, forget, out, candidate.
    """
    size = hidden_size
    x = nn.Identity()()
    prev_c = nn.Identity()()
    prev_h = nn.Identity()()

    i2h = nn.Linear(input_size, 4 * size)(x)
    h2h = nn.Linear(size, 4 * size)(prev_h)
    preactivations = nn.CAddTable()([i2h, h2h])

    sigmoid_chunk = nn.Narrow(2, 1, 3 * size)(preactivations)
    all_gates = nn.Sigmoid()(sigmoid_chunk)
    tanh_chunk = nn.Narrow(2, 3 * size + 1, size)(preactivations)
    candidate = nn.Tanh()(tanh_chunk)

    in_gate = nn.Narrow(2, 1, size)(all_gates)
    forget_gate = nn.Narrow(2, size + 1, size)(all_gates)
    out_gate = nn.Narrow(2, 2 * size + 1, size)(all_gates)

    kept = nn.CMulTable()([forget_gate, prev_c])
    written = nn.CMulTable()([in_gate, candidate])
    next_c = nn.CAddTable()([kept, written])
    tanh_c = nn.Tanh()(next_c)
    next_h = nn.CMulTable()([out_gate, tanh_c])

    mg.annotateNodes()
    return nn.gModule([x, prev_c, prev_h], [next_c, next_h])


def one_cell() -> tuple[nn.gModule, list]:
    """Return a cell and an input for it: ``minigraph draw FILE.py:one_cell``."""
    mg.manualSeed(1)
    return lstm_cell(3, 4), [mg.random.randn(2, 3), mg.random.randn(2, 4), mg.random.randn(2, 4)]


def chain_forward(cells: list, x: np.ndarray, states: list) -> list:
    """Run the cells one on the output of the other; return ``[[c, h], ...]``, one pair a cell."""
    following = []
    for cell, (prev_c, prev_h) in zip(cells, states):
        next_c, next_h = cell.forward([x, prev_c, prev_h])
        following.append([next_c, next_h])
        x = next_h
    return following


def chain_backward(cells: list, x: np.ndarray, states: list, following: list, grad_top: np.ndarray) -> tuple:
    """Carry ``grad_top``, the gradient of the last output, down to ``x`` and the states.

    Returns ``(grad_x, [[grad_c, grad_h], ...])``. The gradient of a cell's table
    ``[next_c, next_h]`` has two entries; nothing else uses next_c here, so its entry is None.
    """
    inputs = [x, *(h for _, h in following[:-1])]
    grad_states: list = [None] * len(cells)
    gradient = grad_top
    for k in reversed(range(len(cells))):
        prev_c, prev_h = states[k]
        gradient, grad_c, grad_h = cells[k].backward([inputs[k], prev_c, prev_h], [None, gradient])
        grad_states[k] = [grad_c, grad_h]
    return gradient, grad_states


def main() -> None:
    mg.manualSeed(1)
    cells = [lstm_cell(*sizes) for sizes in SIZES]
    x = mg.random.randn(2, 3)
    states = [[mg.random.randn(2, h), mg.random.randn(2, h)] for _, h in SIZES]
    grad_top = mg.random.randn(2, 3)

    following = chain_forward(cells, x, states)
    for (inputs, outputs), (next_c, next_h) in zip(SIZES, following):
        print(f"cell {inputs}->{outputs}: next_c {next_c.shape}, next_h {next_h.shape}")

    for cell in cells:
        cell.zeroGradParameters()
    grad_x, grad_states = chain_backward(cells, x, states, following, grad_top)
    print(f"gradient of x {grad_x.shape}")
    for number, (grad_c, grad_h) in enumerate(grad_states, 1):
        print(f"gradient of cell {number}'s prev_c {grad_c.shape}, prev_h {grad_h.shape}")

    def loss() -> float:
        return float((chain_forward(cells, x, states)[-1][1] * grad_top).sum())

    checked = [("x", x, grad_x)]
    for number, (values, gradients) in enumerate(zip(states, grad_states), 1):
        checked += [(f"prev_c of cell {number}", values[0], gradients[0])]
        checked += [(f"prev_h of cell {number}", values[1], gradients[1])]
    for number, cell in enumerate(cells, 1):
        params, gradParams = cell.parameters()
        names = ("i2h.weight", "i2h.bias", "h2h.weight", "h2h.bias")
        checked += [(f"{n} of cell {number}", p, g) for n, p, g in zip(names, params, gradParams)]
    # The gradients are buffers that no forward overwrites, so they may be compared in place.
    errors = {name: largest_error(loss, value, gradient) for name, value, gradient in checked}
    worst = max(errors, key=errors.__getitem__)
    print(f"finite differences on {len(errors)} tensors: largest error {errors[worst]:.1e}, of {worst}")
    assert errors[worst] < 1e-8


def largest_error(loss, value: np.ndarray, gradient: np.ndarray, step: float = 1e-5) -> float:
    """Return the largest difference between ``gradient`` and central differences of ``loss()``."""
    largest = 0.0
    for index in np.ndindex(value.shape):
        kept = value[index]
        value[index] = kept + step
        above = loss()
        value[index] = kept - step
        below = loss()
        value[index] = kept
        largest = max(largest, abs((above - below) / (2 * step) - gradient[index]))
    return largest


if __name__ == "__main__":
    main()

"""PyTorch's LSTMCell as a graph: two Linears of ``4*H``, chunks in the order i, f, g, o.

Compared with ``torch.nn.LSTMCell`` where PyTorch is installed, and always with the formulas of
its documentation written out in NumPy.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
"""

from __future__ import annotations

import math

import numpy as np

import minigraph as mg
from minigraph import nn


def lstm_cell(input_size: int, hidden_size: int) -> nn.gModule:
    """Return ``[x, h, c]`` -> ``[next_h, next_c]``, with PyTorch's initialisation.

    All parameters are drawn from uniform(-1/sqrt(H), 1/sqrt(H)), H being ``hidden_size``; the
    weights ``(4*H, input)`` and biases ``(4*H,)`` can be copied to and from PyTorch as they are.
    """
    x, h, c = (nn.Identity()() for _ in range(3))
    i2h = nn.Linear(input_size, 4 * hidden_size)(x)
    h2h = nn.Linear(hidden_size, 4 * hidden_size)(h)
    gates = nn.CAddTable()([i2h, h2h])
    chunks = nn.SplitTable(2)(nn.Reshape(4, hidden_size)(gates))
    i_chunk, f_chunk, g_chunk, o_chunk = chunks.split(4)
    i, f = nn.Sigmoid()(i_chunk), nn.Sigmoid()(f_chunk)
    g, o = nn.Tanh()(g_chunk), nn.Sigmoid()(o_chunk)
    next_c = nn.CAddTable()([nn.CMulTable()([f, c]), nn.CMulTable()([i, g])])
    next_h = nn.CMulTable()([o, nn.Tanh()(next_c)])
    mg.annotateNodes()

    net = nn.gModule([x, h, c], [next_h, next_c])
    bound = 1 / math.sqrt(hidden_size)
    for parameter in net.parameters()[0]:
        parameter[...] = (2 * mg.random.rand(*parameter.shape) - 1) * bound
    return net


def parameters_by_name(net: nn.gModule, gradients: bool = False) -> dict[str, np.ndarray]:
    """Return the parameters (or their gradients) under PyTorch's names."""
    names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    return dict(zip(names, net.parameters()[1 if gradients else 0]))


def numpy_step(net: nn.gModule, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple:
    """Return ``(next_h, next_c)`` by the formulas of PyTorch's page."""
    p = parameters_by_name(net)
    gates = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
    i, f, g, o = np.split(gates, 4, axis=1)
    next_c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(next_c) / (1 + np.exp(-o)), next_c


def torch_results(net: nn.gModule, inputs: list, gradients: list):
    """Return what PyTorch's cell gives: ``(outputs, input gradients, {name: gradient})``, or None."""
    try:
        import torch
    except ImportError:
        return None
    cell = torch.nn.LSTMCell(inputs[0].shape[1], inputs[1].shape[1], dtype=torch.float64)
    with torch.no_grad():
        for name, value in parameters_by_name(net).items():
            getattr(cell, name).copy_(torch.from_numpy(value))
    x, h, c = (torch.from_numpy(value.copy()).requires_grad_() for value in inputs)
    outputs = cell(x, (h, c))
    torch.autograd.backward(outputs, [torch.from_numpy(gradient) for gradient in gradients])
    return (
        [output.detach().numpy() for output in outputs],
        [value.grad.numpy() for value in (x, h, c)],
        {name: getattr(cell, name).grad.numpy() for name in parameters_by_name(net)},
    )


def main() -> None:
    mg.manualSeed(7)
    B, D, H = 3, 5, 4
    net = lstm_cell(D, H)
    for name, value in parameters_by_name(net).items():
        print(f"{name:10s}{value.shape!s:9s}between {value.min():+.3f} and {value.max():+.3f}")
        assert np.abs(value).max() < 1 / math.sqrt(H)

    inputs = [mg.random.randn(B, D), mg.random.randn(B, H), mg.random.randn(B, H)]
    gradients = [mg.random.randn(B, H), mg.random.randn(B, H)]
    outputs = net.forward(inputs)
    print(f"against NumPy: largest difference {largest(outputs, numpy_step(net, *inputs)):.1e}")
    assert largest(outputs, numpy_step(net, *inputs)) < 1e-12

    net.zeroGradParameters()
    gradInput = net.backward(inputs, gradients)
    theirs = torch_results(net, inputs, gradients)
    if theirs is None:
        print("PyTorch is not installed: not compared with torch.nn.LSTMCell")
        return
    names = parameters_by_name(net, gradients=True)
    for what, mine, other in (
        ("outputs", outputs, theirs[0]),
        ("input gradients", gradInput, theirs[1]),
        ("parameter gradients", names.values(), [theirs[2][name] for name in names]),
    ):
        difference = largest(mine, other)
        print(f"against torch.nn.LSTMCell: {what}, largest difference {difference:.1e}")
        assert difference < 1e-12


def largest(mine, others) -> float:
    """Return the largest difference over pairs of arrays."""
    return max(float(np.abs(a - b).max()) for a, b in zip(mine, others))


if __name__ == "__main__":
    main()

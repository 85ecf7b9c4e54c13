"""PyTorch's own layers, ``torch.nn.LSTM`` and ``torch.nn.GRU``: all time steps in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from peers.problem import CELLS, Answer, Problem

#: Where PyTorch's rows of gates come from in the problem's: its LSTM has i, f, g, o.
_ORDER = {"lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}
_KINDS = {"i2h": "ih", "h2h": "hh"}

#: The cells for which PyTorch has a layer.
CELLS_WITH_LAYER = tuple(_ORDER)


class Layers:
    """The layer that PyTorch has for the cell."""

    def __init__(self, problem: Problem) -> None:
        made = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[problem.cell]
        self.net: Any = made(problem.H, problem.H, problem.L)
        self.order = _ORDER[problem.cell]
        self.parameters = {name: self._parameter(name) for name in problem.weights}
        for name, array in problem.weights.items():
            self.parameters[name].data.copy_(torch.from_numpy(self._swapped(array)))
        self.xs, self.dy = torch.tensor(problem.xs, requires_grad=True), torch.tensor(problem.dy)
        # The states of all layers in one tensor: h, and for the LSTM c.
        self.states = {
            kind: torch.tensor(
                np.stack([problem.states[f"prev_{kind}{layer + 1}"] for layer in range(problem.L)]),
                requires_grad=True,
            )
            for kind in reversed(CELLS[problem.cell].states)
        }
        states = tuple(self.states.values())
        self.given = states if len(states) > 1 else states[0]

    def _parameter(self, name: str) -> torch.nn.Parameter:
        node, kind = name.split(".")
        what, layer = node.split("_")
        return getattr(self.net, f"{kind}_{_KINDS[what]}_l{int(layer) - 1}")

    def _swapped(self, array: np.ndarray) -> np.ndarray:
        """Return gates in PyTorch's order, or from it: the LSTM's order is its own inverse."""
        gates = np.split(array, len(self.order))
        return np.concatenate([gates[k] for k in self.order])

    def run(self) -> None:
        for leaf in (self.xs, *self.states.values(), *self.parameters.values()):
            leaf.grad = None
        self.hs, _ = self.net(self.xs, self.given)
        self.hs.backward(self.dy)

    def answer(self) -> Answer:
        """Return what the last run computed."""
        gradients = {name: self._swapped(_gradient(p)) for name, p in self.parameters.items()}
        gradients["xs"] = _gradient(self.xs)
        for kind, tensor in self.states.items():
            for layer, gradient in enumerate(_gradient(tensor), 1):
                gradients[f"prev_{kind}{layer}"] = gradient
        return Answer(float((self.hs.detach().double() * self.dy).sum()), gradients)


def _gradient(tensor: torch.Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.numpy().copy()

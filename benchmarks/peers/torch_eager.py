"""PyTorch, the same modules called step by step, and ``torch.compile`` of the same function."""

from __future__ import annotations

from typing import Any, Callable

import torch

from peers.problem import CELLS, Answer, Problem

Tensors = dict[str, torch.Tensor]

#: One layer's step: (the input's product, h's product, x, states, peepholes) -> the next states.
Step = Callable[[Any, Any, Any, list[Any], list[Any]], list[Any]]


def _lstm(i2h: Any, h2h: Any, x: Any, states: list[Any], peepholes: list[Any]) -> list[Any]:
    i, f, o, g = (i2h + h2h).chunk(4, 1)
    c = torch.sigmoid(f) * states[0] + torch.sigmoid(i) * torch.tanh(g)
    return [c, torch.sigmoid(o) * torch.tanh(c)]


def _gru(i2h: Any, h2h: Any, x: Any, states: list[Any], peepholes: list[Any]) -> list[Any]:
    (h,) = states
    (x_r, x_z, x_n), (h_r, h_z, h_n) = i2h.chunk(3, 1), h2h.chunk(3, 1)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return [(1 - z) * n + z * h]


def _highway(i2h: Any, h2h: Any, x: Any, states: list[Any], peepholes: list[Any]) -> list[Any]:
    (c, _), (p_i, p_f, p_o) = states, peepholes
    i, f, o, g, k = (i2h + h2h).chunk(5, 1)
    c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
    k = torch.sigmoid(k)
    return [c, k * (torch.sigmoid(o + p_o * c) * torch.tanh(c)) + (1 - k) * x]


STEPS: dict[str, Step] = {"lstm": _lstm, "gru": _gru, "highway": _highway}


class Network(torch.nn.Module):
    """The layers; ``forward(xs, states)`` returns the top layer's h ``(T, B, H)``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        cell, H = CELLS[problem.cell], problem.H
        self.step, self.states, self.layers = STEPS[problem.cell], len(cell.states), problem.L
        self.i2h, self.h2h = (
            torch.nn.ModuleList(torch.nn.Linear(H, cell.gates * H) for _ in range(problem.L)) for _ in "ih"
        )
        self.peepholes = torch.nn.ModuleList(
            torch.nn.ParameterList(torch.empty(H) for _ in cell.peepholes) for _ in range(problem.L)
        )
        self.by_name = {}
        for layer in range(problem.L):
            for what, linear in (("i2h", self.i2h[layer]), ("h2h", self.h2h[layer])):
                for kind, parameter in linear.named_parameters():
                    self.by_name[f"{what}_{layer + 1}.{kind}"] = parameter
            for what, parameter in zip(cell.peepholes, self.peepholes[layer]):
                self.by_name[f"{what}_{layer + 1}.weight"] = parameter
        for name, array in problem.weights.items():
            self.by_name[name].data.copy_(torch.from_numpy(array))

    def forward(self, xs: torch.Tensor, states: list[torch.Tensor]) -> torch.Tensor:
        count, hs = self.states, []
        for x in xs.unbind(0):
            following = []
            for layer in range(self.layers):
                mine = states[layer * count : (layer + 1) * count]
                i2h, h2h = self.i2h[layer](x), self.h2h[layer](mine[-1])
                after = self.step(i2h, h2h, x, mine, list(self.peepholes[layer]))
                following += after
                x = after[-1]
            states = following
            hs.append(x)
        return torch.stack(hs)


class Eager:
    """The network as PyTorch runs it, operation by operation."""

    def __init__(self, problem: Problem) -> None:
        self.module = Network(problem)
        self.net: Any = self._net()
        self.xs = torch.tensor(problem.xs, requires_grad=True)
        self.states = {n: torch.tensor(a, requires_grad=True) for n, a in problem.states.items()}
        self.dy = torch.tensor(problem.dy)
        self.leaves: Tensors = {**self.module.by_name, "xs": self.xs, **self.states}

    def _net(self) -> Any:
        return self.module

    def run(self) -> None:
        for leaf in self.leaves.values():
            leaf.grad = None
        self.hs = self.net(self.xs, list(self.states.values()))
        self.hs.backward(self.dy)

    def answer(self) -> Answer:
        """Return what the last run computed."""
        gradients = {}
        for name, leaf in self.leaves.items():
            assert leaf.grad is not None, name
            gradients[name] = leaf.grad.numpy().copy()
        return Answer(float((self.hs.detach().double() * self.dy).sum()), gradients)


class Compiled(Eager):
    """``torch.compile`` of the network; the first run compiles, all time steps unrolled."""

    def _net(self) -> Any:
        torch._dynamo.reset()  # nothing compiled for another size, which would be a dynamic one here
        return torch.compile(self.module, dynamic=False)

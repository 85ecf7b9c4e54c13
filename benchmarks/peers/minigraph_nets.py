"""minigraph: the cells as graphs, run over time by ``Unroll``, eager and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigraph as mg
from minigraph import nn
from minigraph.graph import Node
from peers.problem import CELLS, Answer, Problem, Reference


def step_of(cell: str, H: int, L: int) -> tuple[nn.gModule, dict[str, str]]:
    """Return one time step of L layers ``{x, prev_...} -> {next_...}`` and its feedback."""
    if cell == "lstm":
        return mg.rnn.lstm(H, H, L)
    layer_of = {"gru": _gru, "highway": _highway}[cell]
    x = below = nn.Identity()().annotate(name="x")
    prev: list[Node] = []
    after: list[Node] = []
    feedback = {}
    for layer in range(1, L + 1):
        states = [nn.Identity()().annotate(name=f"prev_{state}{layer}") for state in CELLS[cell].states]
        made = layer_of(below, states, H, layer)
        for state, before, node in zip(CELLS[cell].states, states, made):
            feedback[node.annotate(name=f"next_{state}{layer}").name] = before.name
        prev += states
        after += made
        below = made[-1]
    return nn.gModule([x, *prev], after), feedback


def _linear(what: str, node: Node, gates: int, H: int, layer: int) -> Node:
    return nn.Linear(H, gates * H)(node).annotate(name=f"{what}_{layer}")


def _cut(node: Node, gates: int, H: int) -> list[Node]:
    return nn.SplitTable(2)(nn.Reshape(gates, H, True)(node)).split(gates)


def _mix(gate: Node, one: Node, other: Node) -> Node:
    """Return ``gate * one + (1 - gate) * other``."""
    rest = nn.AddConstant(1)(nn.MulConstant(-1)(gate))
    return nn.CAddTable()([nn.CMulTable()([gate, one]), nn.CMulTable()([rest, other])])


def _gru(x: Node, states: list[Node], H: int, layer: int) -> list[Node]:
    (prev_h,) = states
    x_r, x_z, x_n = _cut(_linear("i2h", x, 3, H, layer), 3, H)
    h_r, h_z, h_n = _cut(_linear("h2h", prev_h, 3, H, layer), 3, H)
    reset = nn.Sigmoid()(nn.CAddTable()([x_r, h_r]))
    keep = nn.Sigmoid()(nn.CAddTable()([x_z, h_z]))
    candidate = nn.Tanh()(nn.CAddTable()([x_n, nn.CMulTable()([reset, h_n])]))
    return [_mix(keep, prev_h, candidate)]


def _highway(x: Node, states: list[Node], H: int, layer: int) -> list[Node]:
    prev_c, prev_h = states

    def peep(gate: str, cell: Node) -> Node:
        return nn.CMul(H)(cell).annotate(name=f"peep_{gate}_{layer}")

    sums = nn.CAddTable()([_linear("i2h", x, 5, H, layer), _linear("h2h", prev_h, 5, H, layer)])
    i, f, o, g, k = _cut(sums, 5, H)
    in_gate = nn.Sigmoid()(nn.CAddTable()([i, peep("i", prev_c)]))
    forget_gate = nn.Sigmoid()(nn.CAddTable()([f, peep("f", prev_c)]))
    written = nn.CMulTable()([in_gate, nn.Tanh()(g)])
    next_c = nn.CAddTable()([nn.CMulTable()([forget_gate, prev_c]), written])
    out_gate = nn.Sigmoid()(nn.CAddTable()([o, peep("o", next_c)]))
    shown = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    return [next_c, _mix(nn.Sigmoid()(k), shown, x)]


class Eager:
    """``mg.rnn.Unroll`` of the step."""

    def __init__(self, problem: Problem, dtype: str = "torch.FloatTensor") -> None:
        step, feedback = step_of(problem.cell, problem.H, problem.L)
        modules = {node.name: node.module for node in step.forwardnodes}
        self.unroll = mg.rnn.Unroll(step, feedback)
        self.unroll.type(dtype)
        self.gradients = {}
        for name, array in problem.weights.items():
            node, kind = name.split(".")
            module: Any = modules[node]
            mine, gradient = (module.weight, module.gradWeight) if kind == "weight" else (
                module.bias, module.gradBias)
            mine.reshape(-1)[...] = array.reshape(-1)
            self.gradients[name] = gradient.reshape(array.shape)
        self.names = ["xs", *problem.states]
        self.inputs = [array.astype(mine.dtype) for array in (problem.xs, *problem.states.values())]
        self.dy = problem.dy.astype(mine.dtype)
        # The h of the top layer is the last output, and the only one where there is one state.
        others = len(problem.states) - 1
        self.given: Any = [*[None] * others, self.dy] if others else self.dy
        self.net: Any = self._net()

    def _net(self) -> Any:
        return self.unroll

    def run(self) -> None:
        self.net.zeroGradParameters()
        self.net.forward(self.inputs)
        self.net.backward(self.inputs, self.given)

    @property
    def hs(self) -> np.ndarray:
        output = self.net.output
        return output[-1] if isinstance(output, list) else output

    def answer(self) -> Answer:
        """Return what the last run computed."""
        gradients = {name: array.copy() for name, array in self.gradients.items()}
        gradients |= {name: array.copy() for name, array in zip(self.names, self.net.gradInput)}
        return Answer(float((self.dy * self.hs).sum(dtype=np.float64)), gradients)


class Compiled(Eager):
    """``mg.compile`` of the same; the first run specialises it to the shapes."""

    def _net(self) -> Any:
        return mg.compile(self.unroll)  # type: ignore[attr-defined]


def reference(problem: Problem) -> Reference:
    """Return the answer of the eager graph in float64, next to which float32's rounding shows."""
    exact = Eager(problem, "torch.DoubleTensor")
    exact.run()
    return Reference(exact.answer(), float(np.abs(exact.dy * exact.hs).sum()))

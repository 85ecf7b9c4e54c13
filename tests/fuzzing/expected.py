"""What PyTorch makes of a network: the output, and by autograd every gradient."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import numpy as np
import torch

import minigraph as mg
from fuzzing import losses  # noqa: F401
from fuzzing.formulas import NoFormula, Reference
from minigraph.errors import MinigraphError
from minigraph.memory import address
from minigraph.rnn import Unroll
from minigraph.rnn.sequences import at
from minigraph.tables import is_table, leaves, map_table


class Expected:
    """What PyTorch makes of an input; gradients are those of the last ``differentiate``."""

    def __init__(self, net: Any, input: Any) -> None:
        self.net, self.reference = net, Reference()
        self.inputs = map_table(
            lambda array: _leaf(array) if array.dtype.kind == "f" else torch.tensor(array), input
        )
        params, gradParams = net.parameters()
        self._places = [Reference.place(array) for array in params]
        #: Whether each parameter has one gradient, wherever it is used.
        self.counts = _pair_up(params, gradParams)
        self._graph = self._unrolled() if isinstance(net, Unroll) else self.reference.apply(net, self.inputs)
        self.output = map_table(lambda tensor: tensor.detach().numpy().copy(), self._graph)

    @classmethod
    def of(cls, net: Any, input: Any, seed: int) -> Optional["Expected"]:
        """Return it, unless a layer of the network has no formula, or refuses the input."""
        mg.manualSeed(seed)
        try:
            return cls(net, input)
        except (NoFormula, MinigraphError, RuntimeError, IndexError, ValueError):
            return None

    def _unrolled(self) -> Any:
        net = self.net
        count, outputs = net.step.nInputs, net.step.nOutputs
        entries = self.inputs if count > 1 else [self.inputs]
        T = len(next(leaves([entries[k] for k in net._sequences]))[1])
        now = list(entries)
        steps: list[list[Any]] = []
        for t in range(T):
            for k in net._sequences:
                now[k] = at(entries[k], t)
            made = self.reference.apply(net.step, now if count > 1 else now[0])
            steps.append(made if outputs > 1 else [made])
            for source, target in net._feeds.items():
                now[target] = steps[-1][source]
        stacked = [_stack([step[k] for step in steps]) for k in range(outputs)]
        return stacked if outputs > 1 else stacked[0]

    def differentiate(self, gradOutput: Any) -> None:
        for _, tensor in leaves(self.inputs):
            tensor.grad = None
        for tensor in self.reference.memory.values():
            tensor.grad = None
        _differentiate(self._graph, gradOutput)

    def gradInput(self) -> Any:
        return map_table(_gradient, self.inputs)

    def gradients(self) -> list[np.ndarray]:
        """Return those of the parameters, in the order of ``parameters()`` when this was made."""
        return [self.reference.gradient(place) for place in self._places]


def _pair_up(params: list[np.ndarray], gradParams: list[np.ndarray]) -> bool:
    """Whether parameters that share memory share that of their gradients too, and the other way round."""
    pairs = {(address(p), address(g)) for p, g in zip(params, gradParams)}
    return len(pairs) == len({p for p, _ in pairs}) == len({g for _, g in pairs})


def _stack(values: list[Any]) -> Any:
    if is_table(values[0]):
        return [_stack([value[k] for value in values]) for k in range(len(values[0]))]
    return torch.stack([value.double() if not value.is_floating_point() else value for value in values])


def _gradient(tensor: torch.Tensor) -> np.ndarray:
    return np.zeros(tuple(tensor.shape)) if tensor.grad is None else tensor.grad.numpy().copy()


def _differentiate(outputs: Any, gradOutput: Any) -> None:
    """Run autograd from the outputs that ``gradOutput`` has a gradient for (``None`` anywhere: none)."""
    pairs = [
        (output, torch.tensor(gradient, dtype=torch.float64))
        for output, gradient in _pairs(outputs, gradOutput) if output.requires_grad
    ]
    if pairs:
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs], retain_graph=True)


def _pairs(outputs: Any, gradients: Any) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    if gradients is None:
        return
    if is_table(outputs):
        for output, gradient in zip(outputs, gradients):
            yield from _pairs(output, gradient)
    else:
        yield outputs, gradients


def _leaf(array: Optional[np.ndarray]) -> torch.Tensor:
    """Return an input that gradients are wanted of."""
    return torch.tensor(np.asarray(array, np.float64), requires_grad=True)

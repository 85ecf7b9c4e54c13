"""A module at one point: the gradients that its backward computes there, and the loss they are of."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import numpy as np

from minigraph import nn, random
from minigraph.debug.finite_differences import Variable
from minigraph.debug.names import named_parameters
from minigraph.debug.structure import input_nodes, input_structure
from minigraph.tables import (
    Path,
    copy_table,
    fill_none,
    fit_gradient,
    format_path,
    format_python_path,
    is_table,
    leaves,
    map_table,
)


class Checked:
    """A float64 module, run forward and backward once, to be evaluated again with arrays changed.

    The loss is the sum of ``gradOutput * output``; without ``gradOutput`` fixed random numbers are
    taken, so that no entry escapes. Random masks are the same in every evaluation. A layer whose
    gradient is not its derivative, on purpose (``GradientReversal``), is evaluated as what it is
    the derivative of. ``watching`` is called between forward and backward. The module belongs to
    this object until ``close()``.
    """

    def __init__(
        self, module: nn.Module, input: Any, gradOutput: Any, state: dict[str, Any],
        watching: Callable[[], None] = lambda: None,
    ) -> None:
        self._module = module
        self._state = state
        self.input = map_table(_double, input)
        self._parameters = named_parameters(module)
        self._forward(copy_table(self.input))  # an Unroll makes its clones, a LookupTable limits its rows
        self._saved = [parameter.value.copy() for parameter in self._parameters]
        layers = [each for each in module._owners() if isinstance(each, nn.Module)]
        self._penalising = [layer for layer in layers if type(layer)._penalty is not nn.Module._penalty]
        self._bent = [_Bent(layer) for layer in layers if layer._backFactor != 1]
        self._fixed = [(array, array.copy()) for layer in layers for array in layer._fixed]
        output = self._forward(mine := copy_table(self.input))
        if gradOutput is None:
            picks = np.random.default_rng(20240229)
            gradOutput = map_table(lambda leaf: _random_like(leaf, picks), output)
        self.gradOutput = copy_table(fill_none(fit_gradient(gradOutput, output), output))
        for parameter in self._parameters:
            for gradient in parameter.gradients:
                gradient.fill(0)
        watching()
        self._backward(mine, copy_table(self.gradOutput))
        self._gradInput = copy_table(module.gradInput)
        self._gradients = [parameter.gradient() for parameter in self._parameters]
        self._restore()

    def close(self) -> None:
        """Leave the module as it was, what it keeps for others (the places of maxima) included."""
        for bent in self._bent:
            bent.straighten()
        self._forward(copy_table(self.input))
        self._restore()

    def _backward(self, input: Any, gradOutput: Any) -> None:
        self._module.backward(input, gradOutput)

    def _forward(self, input: Any) -> Any:
        random.setRNGState(self._state)
        return self._module.forward(input)

    def evaluate(self) -> np.ndarray:
        """Return the loss's terms for the arrays as they now are."""
        for array, kept in self._fixed:
            array[...] = kept
        try:
            # A copy: a layer that works in place must not spoil the next evaluation.
            output = self._forward(copy_table(self.input))
        finally:
            self._restore()
        pairs = zip(leaves(output), leaves(self.gradOutput))
        terms = [np.ravel(np.asarray(value, np.float64) * weight) for (_, value), (_, weight) in pairs]
        terms += [np.array([layer._penalty]) for layer in self._penalising]
        return terms[0] if len(terms) == 1 else np.concatenate(terms)

    def _restore(self) -> None:
        # Some layers change their own parameters in forward (LookupTable with maxNorm).
        for parameter, saved in zip(self._parameters, self._saved):
            np.copyto(parameter.value, saved)

    def variables(self) -> Iterator[Variable]:
        """Yield the entries of the input, then the parameters, with the gradients of each."""
        net = self._module
        slots = input_structure(net) if isinstance(net, nn.gModule) else None
        targets = _targets(net)
        for path, leaf in leaves(self.input):
            slot = slots
            for position in path:
                slot = None if slot is None else slot.entry(position)
            array = leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)
            note = ""
            if not isinstance(leaf, np.ndarray):
                note = "not differentiated: a plain number"
            elif leaf.dtype.kind != "f":
                note = f"not differentiated: {leaf.dtype}"
            elif any(path[: len(target)] == target for target in targets):
                note = "not differentiated: a criterion's target"
            yield Variable(
                format_path(path, "input"), array, _at(self._gradInput, path), "input",
                format_python_path(path, "input"), "" if slot is None else slot.label, note,
                discrete=bool(array.size) and bool(np.all(array == np.round(array))),
            )
        for parameter, gradient in zip(self._parameters, self._gradients):
            yield Variable(parameter.name, parameter.value, gradient, "parameter")


class CheckedInside(Checked):
    """The same of a module inside a network, which calls its parts itself: they may return nothing."""

    def _forward(self, input: Any) -> Any:
        random.setRNGState(self._state)
        output = self._module.updateOutput(input)
        self._module.output = self._module.output if output is None else output
        return self._module.output

    def _backward(self, input: Any, gradOutput: Any) -> None:
        gradInput = self._module.updateGradInput(input, gradOutput)
        self._module.gradInput = self._module.gradInput if gradInput is None else gradInput
        self._module.accGradParameters(input, gradOutput)


class _Bent:
    """Lets a layer's output follow its input by ``_backFactor``, counted from its first input on."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer, self._forward = layer, layer.updateOutput
        self._input: Any = None
        self._output: Any = None
        vars(layer)["updateOutput"] = self._updateOutput

    def straighten(self) -> None:
        """Let it be as it was."""
        del vars(self._layer)["updateOutput"]

    def _updateOutput(self, input: Any) -> Any:
        factor = self._layer._backFactor
        if self._input is None:
            self._input, self._output = copy_table(input), copy_table(self._forward(input))
        output = self._forward(self._input if factor is None else input)
        if factor is None:
            return output
        pairs = iter([(leaf, first) for (_, leaf), (_, first) in zip(leaves(output), leaves(self._output))])

        def follow(_: Any) -> Any:
            leaf, first = next(pairs)
            return first + factor * (leaf - first)

        return map_table(follow, output)


def _double(leaf: Any) -> Any:
    if not isinstance(leaf, np.ndarray):
        return leaf
    return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf.copy()


def _random_like(leaf: Any, picks: np.random.Generator) -> Any:
    array = np.asarray(leaf)
    if array.dtype.kind != "f":
        return None
    return picks.uniform(0.5, 1.5, array.shape) * picks.choice((-1.0, 1.0), array.shape)


def _at(gradient: Any, path: Path) -> Any:
    """Return the gradient at a path; ``None`` (zero) where a table or an entry is missing."""
    for position in path:
        if not is_table(gradient) or position >= len(gradient):
            return None
        gradient = gradient[position]
    return gradient


def _targets(module: nn.Module) -> list[Path]:
    """Return the paths of inputs that only serve as targets: their gradient is zero by convention."""
    if isinstance(module, nn.ModuleFromCriterion):
        return [(1,)]
    if not isinstance(module, nn.gModule):
        return []
    paths: list[Path] = []
    for position, node in enumerate(input_nodes(module)):
        uses = [(edge.target, edge.slot) for edge in module.fg.edges if edge.source == node]
        if all(isinstance(t.module, nn.ModuleFromCriterion) and slot == 1 for t, slot in uses):
            paths.append((position,) if module.nInputs > 1 else ())
    return paths

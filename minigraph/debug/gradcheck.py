"""Gradient check of a module: every entry of its input and of its parameters."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import numpy as np

from minigraph import nn, random
from minigraph.debug.finite_differences import GradcheckReport, Variable, compare
from minigraph.debug.names import named_parameters
from minigraph.debug.structure import input_nodes, input_structure
from minigraph.errors import ArgumentError
from minigraph.nesting import retold
from minigraph.tables import (
    check_numeric,
    copy_table,
    fill_none,
    fit_gradient,
    format_path,
    format_python_path,
    is_table,
    leaves,
    map_table,
)


@retold
def gradcheck(
    module: nn.Module,
    input: Any,
    gradOutput: Any = None,
    eps: float = 1e-6,
    tolerance: float = 1e-6,
    max_entries: Optional[int] = None,
    seed: int = 0,
) -> GradcheckReport:
    """Hold what ``module.backward`` computes against central finite differences.

    The loss is the sum of ``gradOutput * output``; without ``gradOutput`` (nested like the
    output, ``None`` for zero) fixed random numbers are taken, so that no entry escapes.
    Everything runs on a float64 clone: the module, its gradients and running statistics and
    the random stream stay as they are, and a float32 module is checked as the float64 module
    of the same parameters. Random masks are the same in every evaluation. Entries of the
    input that are integers, that only whole numbers fit (indices), or that are a criterion's
    target are listed but not differentiated. With ``max_entries`` only that many entries of
    each array are compared, drawn by ``seed``. Returns a ``GradcheckReport``: ``.ok``, and
    ``.rows`` by table path and parameter name, worst first.
    Source of the method: ``nn.Jacobian`` of https://github.com/torch/nn/blob/master/doc/testing.md
    """
    if not isinstance(module, nn.Module):
        raise ArgumentError(
            f"gradcheck needs a module, got {type(module).__name__} (for a function of arrays use "
            "debug.gradcheck_function)"
        )
    check_numeric(input)
    state = random.getRNGState()
    try:
        return _Check(module, input, gradOutput, state).run(eps, tolerance, max_entries, seed)
    finally:
        random.setRNGState(state)


class _Check:
    """One check: the clone, its input, and the analytic gradients."""

    def __init__(self, module: nn.Module, input: Any, gradOutput: Any, state: dict[str, Any]) -> None:
        self._original = module
        self._state = state
        self._module = module.clone().double()
        self._input = map_table(_double, input)
        self._parameters = named_parameters(self._module)
        self._saved = [parameter.value.copy() for parameter in self._parameters]
        output = self._forward(mine := copy_table(self._input))
        if gradOutput is None:
            picks = np.random.default_rng(20240229)
            gradOutput = map_table(lambda leaf: _random_like(leaf, picks), output)
        self._weights = copy_table(fill_none(fit_gradient(gradOutput, output), output))
        for parameter in self._parameters:
            for gradient in parameter.gradients:
                gradient.fill(0)
        self._module.backward(mine, copy_table(self._weights))
        self._gradInput = copy_table(self._module.gradInput)
        self._gradients = [parameter.gradient() for parameter in self._parameters]
        self._restore()

    def run(self, eps: float, tolerance: float, max_entries: Optional[int], seed: int) -> GradcheckReport:
        """Compare everything and return the report."""
        return compare(self._evaluate, list(self._variables()), eps, tolerance, max_entries, seed)

    def _forward(self, input: Any) -> Any:
        random.setRNGState(self._state)
        return self._module.forward(input)

    def _evaluate(self) -> tuple[float, float]:
        """Return the loss and the sum of its terms' sizes, for the arrays as they now are."""
        try:
            # A copy: a layer that works in place must not spoil the next evaluation.
            output = self._forward(copy_table(self._input))
        finally:
            self._restore()
        loss = size = 0.0
        for (_, value), (_, weight) in zip(leaves(output), leaves(self._weights)):
            terms = np.asarray(value, np.float64) * weight
            loss += float(terms.sum())
            size += float(np.abs(terms).sum())
        return loss, size

    def _restore(self) -> None:
        # Some layers change their own parameters in forward (LookupTable with maxNorm).
        for parameter, saved in zip(self._parameters, self._saved):
            np.copyto(parameter.value, saved)

    def _variables(self) -> Iterator[Variable]:
        net = self._module
        slots = input_structure(net) if isinstance(net, nn.gModule) else None
        targets = _targets(net)
        for path, leaf in leaves(self._input):
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


def _double(leaf: Any) -> Any:
    if not isinstance(leaf, np.ndarray):
        return leaf
    return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf.copy()


def _random_like(leaf: Any, picks: np.random.Generator) -> Any:
    array = np.asarray(leaf)
    if array.dtype.kind != "f":
        return None
    return picks.uniform(0.5, 1.5, array.shape) * picks.choice((-1.0, 1.0), array.shape)


def _at(gradient: Any, path: tuple[int, ...]) -> Any:
    """Return the gradient at a path; ``None`` (zero) where a table or an entry is missing."""
    for position in path:
        if not is_table(gradient) or position >= len(gradient):
            return None
        gradient = gradient[position]
    return gradient


def _targets(module: nn.Module) -> list[tuple[int, ...]]:
    """Return the paths of inputs that only serve as targets: their gradient is zero by convention."""
    if isinstance(module, nn.ModuleFromCriterion):
        return [(1,)]
    if not isinstance(module, nn.gModule):
        return []
    paths: list[tuple[int, ...]] = []
    for position, node in enumerate(input_nodes(module)):
        uses = [(edge.target, edge.slot) for edge in module.fg.edges if edge.source == node]
        if all(isinstance(t.module, nn.ModuleFromCriterion) and slot == 1 for t, slot in uses):
            paths.append((position,) if module.nInputs > 1 else ())
    return paths

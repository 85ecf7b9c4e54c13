"""What the tests of PyTorch and ONNX share: cases of the registry, and comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
from module_registry import CASES
from registry.case import Case

from minigraph import nn
from minigraph.tables import copy_table, leaves, map_table

#: Layers that print.
LEFT_OUT = {"PrintSize", "Profile"}


def modules_of_the_registry(whole: bool = False) -> list[tuple[str, Case]]:
    """Return the cases with a tensor for every leaf; criterions count as nodes.

    The ``whole`` registry has also layers that print and criterions without a target.
    """
    return [
        (f"{case.name}-{case.label}", case)
        for case in CASES
        if whole or case.name not in LEFT_OUT and not (is_criterion(case) and case.data()[1] is None)
    ]


def is_criterion(case: Case) -> bool:
    return issubclass(getattr(nn, case.name), nn.Criterion)


def prepared(case: Case) -> tuple[Any, Any]:
    """Return the module of a case in evaluation, and its input."""
    module = case.fresh()
    input, target = case.data()
    if isinstance(module, nn.Criterion):
        node = nn.ModuleFromCriterion(module).evaluate()
        return node, input if target is None else [input, target]
    if isinstance(module, (nn.SpatialFractionalMaxPooling, nn.VolumetricFractionalMaxPooling)):
        module.forward(input)
        module.fixPoolingRegions()  # the regions of one run, which others can take
    return module.evaluate(), input


def is_float(leaf: Any) -> bool:
    return np.asarray(leaf).dtype.kind == "f"


def flat(table: Any) -> list[np.ndarray]:
    """Return the leaves of a table as arrays."""
    return [np.asarray(leaf) for _, leaf in leaves(table)]


def as_torch(torch: Any, table: Any) -> Any:
    """Return a table of PyTorch tensors; floats want a gradient."""
    return map_table(
        lambda leaf: torch.tensor(np.asarray(leaf)).requires_grad_(is_float(leaf)), table
    )


def largest(mine: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the largest difference, relative beyond 1, after checking shapes."""
    assert [a.shape for a in mine] == [b.shape for b in theirs]
    return max(
        (float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()) for a, b in zip(mine, theirs) if a.size),
        default=0.0,
    )


def compare_with_torch(torch: Any, net: Any, input: Any, gradOutput: Any) -> float:
    """Return the largest difference of outputs, input gradients and parameter gradients."""
    from minigraph import interop

    net.zeroGradParameters()
    output = copy_table(net.forward(input))
    gradInput = copy_table(net.backward(input, gradOutput))
    module = interop.to_torch(net)
    given = as_torch(torch, input)
    returned = module(given)
    assert nesting(returned) == nesting(output)
    tensors = [tensor for _, tensor in leaves(returned)]
    worst = largest(flat(output), [tensor.detach().numpy() for tensor in tensors])
    pairs = [
        (tensor, torch.tensor(g)) for tensor, g in zip(tensors, flat(gradOutput)) if tensor.requires_grad
    ]
    if pairs:
        torch.autograd.backward([tensor for tensor, _ in pairs], [g for _, g in pairs])
    for gradient, (_, tensor) in zip(flat(gradInput), leaves(given)):
        found = np.zeros_like(gradient) if tensor.grad is None else tensor.grad.numpy()
        worst = max(worst, largest([gradient], [found]))
    # The same network with its gradients for parameters converts to what PyTorch's gradients must be.
    twin = net.clone()
    for parameter, gradient in zip(*twin.parameters()):
        parameter[...] = gradient
    wanted = dict(interop.to_torch(twin).named_parameters())
    assert len(wanted) >= len(twin.parameters()[0]) - 1
    for name, parameter in module.named_parameters():
        found = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        worst = max(worst, largest([wanted[name].detach().numpy()], [found]))
    return worst


def nesting(table: Any) -> Any:
    """Return the nesting of a table: lists of ``None``."""
    assert not isinstance(table, tuple), "tables come back as lists"
    return [nesting(entry) for entry in table] if isinstance(table, list) else None

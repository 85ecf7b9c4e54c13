"""Trace: one real forward and backward pass, contribution by contribution."""

from __future__ import annotations

from typing import Any, Union, overload

import numpy as np

from minigraph import nn
from minigraph.debug.names import named_parameters
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.debug.trace_recorder import Recorder, TimeShares, parameter_traces
from minigraph.errors import ArgumentError
from minigraph.nesting import retold
from minigraph.nn.observer import Observer
from minigraph.rnn.unroll import Unroll
from minigraph.tables import map_table


@overload
def trace(net: nn.gModule, input: Any, gradOutput: Any = None) -> Trace: ...
@overload
def trace(net: Unroll, input: Any, gradOutput: Any = None) -> UnrollTrace: ...
@retold
def trace(
    net: Union[nn.gModule, Unroll], input: Any, gradOutput: Any = None
) -> Union[Trace, UnrollTrace]:
    """Run ``net`` forward and backward for real and return what both passes did.

    ``net`` is a ``gModule`` or an ``Unroll``, of which every time step is recorded; of a compiled
    network the one that it was made of is run.
    ``gradOutput`` is nested like the output with ``None`` for zero; without one, every
    output entry gets a gradient of 1 (the gradient of the sum of all outputs). It is a pass
    like any other: ``net.output`` and ``net.gradInput`` are left by it, random masks are
    drawn, running statistics move. Only the parameters' gradients are afterwards what they
    were before; those of this pass are in the trace. Raises ``ArgumentError`` for another
    module.
    """
    if isinstance(net, nn.Module):
        net = net._described()
    if not isinstance(net, (nn.gModule, Unroll)):
        raise ArgumentError(f"debug.trace needs a gModule or an Unroll, got {type(net).__name__}")
    parameters = named_parameters(net.step if isinstance(net, Unroll) else net)
    gradients = [gradient for parameter in parameters for gradient in parameter.gradients]
    saved = [gradient.copy() for gradient in gradients]
    recorder = Recorder()
    watching: list[Observer] = [recorder]
    nn.gModule.observers.append(recorder)
    try:
        output = net.forward(input)
        if gradOutput is None:
            gradOutput = map_table(_ones_like, output)
        for gradient in gradients:
            gradient.fill(0)
        if isinstance(net, nn.gModule):
            gradInput = net.backward(input, gradOutput)
            return recorder.trace(net, output, gradInput, parameter_traces(parameters))
        shares = TimeShares(net, parameters)
        watching.append(shares)
        nn.gModule.observers.append(shares)
        net.backward(input, gradOutput)
        return recorder.unrolled(net, gradOutput, shares.parameters())
    finally:
        for observer in watching:
            nn.gModule.observers.remove(observer)
        for gradient, kept in zip(gradients, saved):
            np.copyto(gradient, kept)


def _ones_like(leaf: Any) -> Any:
    return np.ones_like(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else None

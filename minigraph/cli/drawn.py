"""``minigraph draw``: what is drawn of what a file's name stands for."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from minigraph import debug, nn
from minigraph.cli.failures import describe
from minigraph.debug.trace_data import Trace, UnrollTrace
from minigraph.errors import MinigraphError
from minigraph.rnn import Unroll
from minigraph.tables import map_table

#: What can be drawn. An ``Unroll`` is drawn as its trace, or, without an input, as its step.
KINDS = (nn.gModule, Unroll, Trace, UnrollTrace)


def drawn(net: Any, input: Any, backward: bool, page: bool) -> Any:
    """Return what ``drawing.draw`` shows, run as far as the picture needs.

    With an input, ``backward`` asks for a recorded pass, a ``page`` for the values of both passes, and
    everything else for those of the forward pass. The gradient of every output is 1.
    """
    if isinstance(net, (Trace, UnrollTrace)):
        return net
    if input is None:
        return net.step if isinstance(net, Unroll) else net
    if backward or isinstance(net, Unroll):
        return debug.trace(net, input)
    output = net.forward(input)
    if page:
        _run_backward(net, input, output)
    return net


def _run_backward(net: nn.gModule, input: Any, output: Any) -> None:
    """Leave gradients in the nodes; where the pass breaks off the rest has none, and the reason is said."""
    try:
        net.backward(input, map_table(_ones, output))
    except MinigraphError as error:
        click.echo(f"minigraph: the backward pass broke off: {describe(error)}", err=True)


def _ones(leaf: Any) -> Any:
    return np.ones_like(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else None

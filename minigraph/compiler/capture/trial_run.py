"""The probe: one eager run that tells the shapes of everything, and what is wrong with an input.

It leaves no trace: it runs in a clone that has the same parameters but statistics of its own, and
the random stream is put back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigraph.nn.module import Module
from minigraph.nn.sharing import forget
from minigraph.random import generator
from minigraph.rnn import Unroll
from minigraph.rnn.sequences import at
from minigraph.tables import is_table, map_table


class Observation(NamedTuple):
    """What an eager run showed: the modules with their outputs, and what it took and gave.

    With time, ``module``, ``input`` and ``output`` are those of the first time step.
    """

    module: Module
    input: Any
    output: Any

    def gradInput(self) -> Any:
        """Return the gradient of the input as the engine nests it; its values mean nothing."""
        state = generator.getRNGState()
        zeros = map_table(np.zeros_like, self.output)
        gradient = self.module.updateGradInput(self.input, zeros)
        generator.setRNGState(state)
        return gradient


def observe(net: Module, input: Any) -> Observation:
    """Run ``net`` (or the first time step of an ``Unroll``) on ``input``.

    Raises what the engine raises for such an input.
    """
    state = generator.getRNGState()
    try:
        if isinstance(net, Unroll):
            return _first_step(net, input)
        probe = _clone(net)
        output = probe.forward(input)
        return Observation(probe, _arrays(input), output)
    finally:
        generator.setRNGState(state)


def _first_step(net: Unroll, input: Any) -> Observation:
    entries = net._entries(input)
    net._count(entries)
    states = net._feeds.values()
    short = [entry if k in states else _beginning(entry) for k, entry in enumerate(entries)]
    once = Unroll(_clone(net.step), net.feedback)  # type: ignore[arg-type]
    once.forward(short if len(short) > 1 else short[0])
    given = [entry if k in states else at(entry, 0) for k, entry in enumerate(short)]
    (step,) = forget(once).clones
    return Observation(step, _arrays(given if len(given) > 1 else given[0]), step.output)


def _beginning(sequence: Any) -> Any:
    if is_table(sequence):
        return [_beginning(entry) for entry in sequence]
    return sequence[:1]


def _clone(net: Module) -> Module:
    return forget(net.clone("weight", "bias", "gradWeight", "gradBias"))


def _arrays(input: Any) -> Any:
    return map_table(np.asarray, input)

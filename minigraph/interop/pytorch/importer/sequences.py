"""PyTorch's recurrent layers over time: as ``Unroll``, batch first, in both directions, in a module."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch

from minigraph import nn, rnn
from minigraph.graph import Node
from minigraph.interop.pytorch.importer.recurrent import gru_step, lstm_step, rnn_step
from minigraph.interop.walker import Unconvertible
from minigraph.nn.nest import nest
from minigraph.rnn.reverse import Reverse

#: The recurrent layers and what makes a step of them; cells likewise.
SEQUENCES: dict[type, Callable[..., Any]] = {
    torch.nn.LSTM: lstm_step, torch.nn.GRU: gru_step, torch.nn.RNN: rnn_step,
}
CELLS: dict[type, Callable[..., Any]] = {
    torch.nn.LSTMCell: lstm_step, torch.nn.GRUCell: gru_step, torch.nn.RNNCell: rnn_step,
}
RECURRENT = (*SEQUENCES, *CELLS)


def cell(layer: Any) -> nn.gModule:
    """Convert a cell: one time step."""
    step: nn.gModule = CELLS[type(layer)](layer, layer.input_size, layer.hidden_size, [""])[0]
    return step


def sequence(layer: Any) -> Any:
    """Convert an LSTM, GRU or RNN: ``[xs, states…]`` to all states of all time steps, the output last.

    An ``Unroll``; of a layer with ``batch_first`` or two directions a gModule of what it needs.
    """
    if getattr(layer, "proj_size", 0):
        raise Unconvertible("proj_size is not supported")
    if not (layer.bidirectional or layer.batch_first):
        return rnn.Unroll(*_step(layer, _suffixes(layer), layer.input_size))
    x = nn.Identity()().annotate(name="x")
    xs = nn.Transpose([1, 2])(x) if layer.batch_first else x
    states = [nn.Identity()().annotate(name=f"prev_{name}") for name in _state_names(layer)]
    if layer.bidirectional:
        names = [*_state_names(layer), "output"]
        sequences = _both_directions(layer, xs, states)
    else:
        names = _state_names(layer)
        sequences = _run(_step(layer, _suffixes(layer), layer.input_size), xs, states)
    if layer.batch_first:
        sequences = [nn.Transpose([1, 2])(entry) for entry in sequences]
    for entry, name in zip(sequences, names):
        entry.annotate(name=name if name == "output" else f"next_{name}")
    return nn.gModule([x, *states], sequences)


def _kinds(layer: Any) -> tuple[str, ...]:
    return ("c", "h") if isinstance(layer, (torch.nn.LSTM, torch.nn.LSTMCell)) else ("h",)


def _directions(layer: Any) -> tuple[str, ...]:
    return ("", "_reverse") if layer.bidirectional else ("",)


def _state_names(layer: Any) -> list[str]:
    """Return ``c1``, ``h1``, ``c1_reverse``, ``h1_reverse``, ``c2``, …: the order of the states."""
    return [
        f"{kind}{number}{direction}"
        for number in range(1, layer.num_layers + 1) for direction in _directions(layer)
        for kind in _kinds(layer)
    ]


def _suffixes(layer: Any) -> list[str]:
    return [f"_l{number}" for number in range(layer.num_layers)]


def _step(layer: Any, suffixes: list[str], size: int) -> Any:
    return SEQUENCES[type(layer)](layer, size, layer.hidden_size, suffixes, float(layer.dropout))


def _run(step: Any, xs: Node, states: list[Node]) -> list[Node]:
    """Return the nodes of the stacked outputs of a step over time."""
    node = rnn.Unroll(*step)([xs, *states])
    return [node] if step[0].nOutputs == 1 else node.split(step[0].nOutputs)


def _both_directions(layer: Any, xs: Node, states: list[Node]) -> list[Node]:
    """Return the sequences of all states, each in the order of time, and the output."""
    sequences: list[Node] = []
    size, count = layer.input_size, len(_kinds(layer))
    for number in range(layer.num_layers):
        if number > 0 and layer.dropout > 0:
            xs = nn.Dropout(float(layer.dropout))(xs).annotate(name=f"dropout_{number + 1}")
        outputs = []
        for direction in _directions(layer):
            own, states = states[:count], states[count:]
            step = _step(layer, [f"_l{number}{direction}"], size)
            made = _run(step, Reverse()(xs) if direction else xs, own)
            made = [Reverse()(entry) for entry in made] if direction else made
            outputs.append(made[-1])
            sequences += made
        xs, size = nn.JoinTable(-1)(outputs), 2 * layer.hidden_size
    return [*sequences, xs]


# -- in a traced module --------------------------------------------------------------------------------


def call(layer: Any, net: Any, name: str, input: Node, hx: Any = None) -> Any:
    """Return what PyTorch's layer or cell does when it is called with ``input`` and states ``hx``.

    ``net`` is what it was converted to; its node is called ``name``.
    """
    run = _call_sequence if type(layer) in SEQUENCES else _call_cell
    return run(layer, net, input, hx, name)


def alone(layer: Any, net: Any) -> nn.gModule:
    """Return the network of a layer or cell that is called without states."""
    x = nn.Identity()()
    made = call(layer, net, type(layer).__name__.lower(), x)
    return nn.gModule([x], [nest(entry) for entry in made] if isinstance(made, list) else [made])


def _call_sequence(layer: Any, net: Any, x: Node, hx: Any, name: str) -> list[Any]:
    """Return ``[output, h]``, of an LSTM ``[output, [h, c]]``.

    States ``hx`` are (layers and directions, B, H), zero by default.
    """
    time, kinds, names = 2 if layer.batch_first else 1, _kinds(layer), _state_names(layer)
    if hx is None:
        one = nn.Select(time, 1)(x)
        states = [_zeros(layer, one)] * len(names)
    else:
        states = [
            nn.Select(1, number + 1)(given)
            for number in range(len(names) // len(kinds)) for given in _given_states(hx, kinds)
        ]
    node = net([x, *states]).annotate(name=name)
    count = len(names) + int(layer.bidirectional)
    # Not a split: what the module does not use of them goes.
    sequences = [nn.SelectTable(k)(node) for k in range(1, count + 1)] if count > 1 else [node]
    last: dict[str, list[Node]] = {kind: [] for kind in kinds}
    for name, entry in zip(names, sequences):
        final = nn.Select(time, 1 if name.endswith("_reverse") else -1)(entry)
        last[name[0]].append(nn.Unsqueeze(1)(final))
    stacked = [found[0] if len(found) == 1 else nn.JoinTable(1)(found) for found in last.values()]
    return [sequences[-1], stacked[0] if len(stacked) == 1 else stacked[::-1]]


def _call_cell(layer: Any, net: Any, x: Node, hx: Any, name: str) -> Any:
    """Return h, of an LSTMCell ``[h, c]``."""
    kinds = _kinds(layer)
    states = [_zeros(layer, x)] * len(kinds) if hx is None else _given_states(hx, kinds)
    node = net([x, *states]).annotate(name=name)
    return node if len(kinds) == 1 else [nn.SelectTable(2)(node), nn.SelectTable(1)(node)]


def _given_states(hx: Any, kinds: tuple[str, ...]) -> list[Node]:
    """Return the states in our order, c before h; PyTorch has h before c."""
    if len(kinds) == 1:
        return [hx]
    return list(reversed(hx)) if isinstance(hx, list) else [nn.SelectTable(k)(hx) for k in (2, 1)]


def _zeros(layer: Any, x: Node) -> Node:
    """Return a state of zeros for each sample of ``x`` (B, D)."""
    return nn.Constant(np.zeros(layer.hidden_size), 1)(x)


def may_be_deep(node: Any) -> bool:
    """Tell whether a value may have more than two dimensions: it comes from a sequence, words or frames."""
    while isinstance(node, Node):
        module = node.module
        made = module.modules[-1] if isinstance(module, nn.Sequential) and module.modules else module
        if isinstance(made, nn.LookupTable) or made is not None and any(
            isinstance(below, rnn.Unroll) for below in made.listModules()
        ):
            return True
        # What is made of a Conv1d ends in the transpose that puts its channels in front.
        if isinstance(made, nn.Transpose) and module.findModules("nn.TemporalConvolution"):
            return True
        if made is not None and not isinstance(made, _KEEP_RANK):
            return False
        node = node.children[0] if node.children else None
    return False


#: Layers whose output has as many dimensions as their (first) input.
_KEEP_RANK = (
    nn.Identity, nn.SelectTable, nn.Bottle, nn.Transpose, Reverse, nn.JoinTable, nn.Narrow, nn.Contiguous,
    nn.Dropout, nn.AddConstant, nn.MulConstant, nn.CAddTable, nn.CMulTable, nn.CSubTable, nn.CDivTable,
    nn.Tanh, nn.Sigmoid, nn.ReLU, nn.ELU, nn.LeakyReLU, nn.SoftPlus,
)

"""Recurrent networks: cells as graphs of one time step, and ``Unroll``, which runs them over time."""

from minigraph.rnn.cells import Layers, gru, gru_layers, lstm, lstm_layers, rnn, rnn_layers
from minigraph.rnn.clones import clone_many
from minigraph.rnn.reverse import Reverse
from minigraph.rnn.unroll import Unroll

__all__ = [
    "Layers", "Reverse", "Unroll", "clone_many", "gru", "gru_layers", "lstm", "lstm_layers", "rnn",
    "rnn_layers",
]


def __dir__() -> list[str]:
    return __all__

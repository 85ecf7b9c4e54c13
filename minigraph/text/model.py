"""Model: char-rnn's network, characters in, log-probabilities of the next ones out.

Source: https://github.com/karpathy/char-rnn (model/LSTM.lua, model/GRU.lua, model/RNN.lua)
"""

from __future__ import annotations

from typing import Mapping

import numpy as np

from minigraph import nn, random, rnn
from minigraph.debug.names import named_parameters
from minigraph.errors import InputError, format_shape
from minigraph.text.options import TrainingOptions
from minigraph.text.size import check_memory

_LAYERS = {"lstm": rnn.lstm_layers, "gru": rnn.gru_layers, "rnn": rnn.rnn_layers}
_TYPES = {"float32": "torch.FloatTensor", "float64": "torch.DoubleTensor"}


class CharModel:
    """A step graph and the same over time, with flat parameters.

    ``step`` takes ``[x, prev_c1, prev_h1, ...]`` (``x`` ``(B,)`` numbers from 1, states ``(B, H)``) and
    returns ``[next_c1, next_h1, ..., logprobs]``, the last ``(B, V)``; ``net`` is its ``Unroll``.
    ``state_names`` names the states (``prev_c1``); ``flat`` and ``flat_gradient`` hold all parameters
    and their gradients. The layers draw their initial values from the random stream as Torch's do.
    """

    def __init__(
        self, model: str, vocabulary: int, rnn_size: int, num_layers: int, dropout: float, dtype: str
    ) -> None:
        x = nn.Identity()().annotate(name="x")
        one_hot = nn.OneHot(vocabulary)(x).annotate(name="one_hot")
        layers = _LAYERS[model](one_hot, vocabulary, rnn_size, num_layers, dropout)
        top = layers.next[-1]
        if dropout > 0:
            top = nn.Dropout(dropout)(top).annotate(name="dropout_top")
        scores = nn.Linear(rnn_size, vocabulary)(top).annotate(name="decoder")
        logprobs = nn.LogSoftMax()(scores).annotate(name="logprobs")
        self.step = nn.gModule([x, *layers.prev], [*layers.next, logprobs])
        for node in self.step.forwardnodes:
            node.data.location = __name__  # the caller's line says nothing about these nodes
        self.net = rnn.Unroll(self.step, layers.feedback)
        self.net.type(_TYPES[dtype])
        self.flat, self.flat_gradient = self.net.getParameters()
        self.dtype = np.dtype(dtype)
        self.model, self.num_layers, self.rnn_size = model, num_layers, rnn_size
        self.state_names = [node.name for node in layers.prev]

    def initialise(self) -> None:
        """Fill the parameters as char-rnn does: uniform in ±0.08, the biases of forget gates 1."""
        random.generator.fillUniform(self.flat, -0.08, 0.08)
        if self.model == "lstm":
            size = self.rnn_size
            for node in self.step.forwardnodes:
                if node.name.startswith("i2h_"):
                    node.module.bias[size : 2 * size] = 1  # the gates are i, f, o, g

    def zero_state(self, rows: int) -> list[np.ndarray]:
        """Return zeros for every state, each ``(rows, rnn_size)``."""
        return [np.zeros((rows, self.rnn_size), self.dtype) for _ in self.state_names]

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters by name (``i2h_1.weight``): the arrays themselves."""
        return {entry.name: entry.value for entry in named_parameters(self.step)}

    def broken(self) -> list[str]:
        """Return the names of the parameters that hold NaN or Inf."""
        return [name for name, array in self.parameters().items() if not np.isfinite(array).all()]

    def load(self, values: Mapping[str, np.ndarray], whose: str) -> None:
        """Copy parameters by name; raise ``InputError`` unless they are exactly this model's."""
        mine = self.parameters()
        if set(mine) != set(values):
            odd = sorted(set(mine) ^ set(values))
            raise InputError(f"{whose} does not hold the parameters of this model: {', '.join(odd)}")
        for name, array in mine.items():
            if values[name].shape != array.shape:
                raise InputError(
                    f"{whose}: {name} has shape {format_shape(values[name].shape)}, "
                    f"this model's has {format_shape(array.shape)}",
                    name, array.shape, values[name].shape,
                )
        for name, array in mine.items():
            array[...] = values[name]


def build_model(options: TrainingOptions, vocabulary: int, **passes: int) -> CharModel:
    """Return the model of these options, for this many characters.

    ``passes`` are ``rows``, ``steps`` and ``clones`` of ``check_memory``, which raises ``ArgumentError``.
    """
    check_memory(options, vocabulary, **passes)
    return CharModel(
        options.model, vocabulary, options.rnn_size, options.num_layers, options.dropout, options.dtype
    )

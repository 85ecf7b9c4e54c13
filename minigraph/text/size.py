"""Size: how large a model is, told before anything of it is made."""

from __future__ import annotations

from minigraph.errors import ArgumentError
from minigraph.files.headroom import check_room
from minigraph.text.options import TrainingOptions

#: Gates of a layer, each a Linear from below and one from the step before; bytes of a layer's objects.
_CELLS = {"lstm": (4, 45_000), "gru": (3, 45_000), "rnn": (1, 14_000)}

# While a model is built there are parameters and gradients, once in its layers and once flat.
_COPIES = 4
# Arrays of a pass for each entry of a hidden state or of the scores, at least.
_ARRAYS = 6


def model_text(options: TrainingOptions) -> str:
    """Say what kind of model the options describe, and how large."""
    return f"{options.model} of {options.num_layers} layer(s) of {options.rnn_size}"


def parameter_count(options: TrainingOptions, vocabulary: int) -> int:
    """Return the number of parameters of the model that ``build_model`` makes of these options."""
    gates, _ = _CELLS[options.model]
    size, layers = options.rnn_size, options.num_layers
    below = vocabulary + (layers - 1) * size  # the sizes of all layers' inputs together
    return gates * size * (below + layers * (size + 2)) + vocabulary * (size + 1)


def check_memory(
    options: TrainingOptions, vocabulary: int, rows: int = 1, steps: int = 1, clones: int = 0
) -> None:
    """Raise ``ArgumentError`` if the memory cannot hold this model and a pass of ``steps`` with ``rows``.

    What is counted is less than what is taken in the end. ``clones`` are those of the step, which a
    compiled model has not.
    """
    width = 4 if options.dtype == "float32" else 8
    _, objects = _CELLS[options.model]
    entries = options.num_layers * options.rnn_size + vocabulary
    needed = (
        width * _COPIES * parameter_count(options, vocabulary)
        + width * _ARRAYS * steps * rows * entries
        + objects * options.num_layers * (1 + clones)
    )
    passes = "" if steps == rows == 1 else f", over {steps} time steps of {rows} rows,"
    check_room(
        needed, lambda words: ArgumentError(f"{model_text(options)}{passes} needs at least {words}")
    )

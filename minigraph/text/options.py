"""Options: what a training run is told, under char-rnn's names and with its defaults.

Source: https://github.com/karpathy/char-rnn (train.lua)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Callable, Mapping

from minigraph.errors import ArgumentError

MODELS = ("lstm", "gru", "rnn")
DTYPES = ("float32", "float64")

_LARGEST_WHOLE = 2**53  # of any option: floats hold all up to it


def _option(
    default: Any, words: str, allowed: str, fits: Callable[[Any], bool], same_run: bool = True
) -> Any:
    """Return a field: its default, what ``--help`` says, and which values are allowed.

    ``same_run``: a run that goes on must have been told the same.
    """
    return field(
        default=default, metadata={"words": words, "allowed": allowed, "fits": fits, "same_run": same_run}
    )


def _whole(default: int, least: int, words: str, same_run: bool = True) -> Any:
    return _option(
        default, words, f"a whole number, at least {least}",
        lambda value: isinstance(value, int) and value >= least, same_run,
    )


def _number(
    default: float, allowed: str, fits: Callable[[float], bool], words: str, same_run: bool = True
) -> Any:
    return _option(
        default, words, allowed,
        lambda value: isinstance(value, (int, float)) and fits(value), same_run,
    )


def _positive(default: float, words: str, same_run: bool = True) -> Any:
    return _number(default, "a finite number >= 0", lambda value: 0 <= value < math.inf, words, same_run)


def _share(default: float, words: str) -> Any:
    return _number(default, "a number from 0 to 1", lambda value: 0 <= value <= 1, words)


def _one_of(choices: tuple[str, ...], default: str, words: str) -> Any:
    return _option(default, words, f"one of {', '.join(choices)}", lambda value: value in choices)


@dataclass(frozen=True)
class TrainingOptions:
    """The options of one run, checked when it is made: ``ArgumentError`` names the flag.

    All but ``max_iters``, ``save_every`` and ``keep`` are char-rnn's. The command line has a flag for
    each, with the words that stand here.
    """

    rnn_size: int = _whole(128, 1, "Size of the hidden state of each layer.")
    num_layers: int = _whole(2, 1, "Number of layers.")
    model: str = _one_of(MODELS, "lstm", "lstm, gru or rnn.")
    learning_rate: float = _positive(2e-3, "Learning rate of rmsprop.")
    learning_rate_decay: float = _share(0.97, "Factor of the learning rate after each epoch.")
    learning_rate_decay_after: float = _positive(10, "Epoch after which the learning rate decays.")
    decay_rate: float = _share(0.95, "Decay of rmsprop's mean square gradient.")
    dropout: float = _number(
        0.0, "a probability, 0 <= p < 1", lambda value: 0 <= value < 1,
        "Probability of dropping an entry between layers and before the decoder.",
    )
    seq_length: int = _whole(50, 1, "Time steps to unroll for.")
    batch_size: int = _whole(50, 1, "Sequences to train on in parallel.")
    max_epochs: int = _whole(50, 1, "Passes through the training text.", same_run=False)
    grad_clip: float = _number(
        5.0, "a finite number > 0", lambda value: 0 < value < math.inf,
        "Entries of the gradient are clipped to plus or minus this.",
    )
    train_frac: float = _share(0.95, "Share of the text that is trained on.")
    val_frac: float = _share(0.05, "Share of the text that is held for validation.")
    seed: int = _whole(123, 0, "Seed of all random numbers.")
    eval_val_every: int = _whole(
        1000, 1, "Iterations from one validation to the next.", same_run=False
    )
    dtype: str = _one_of(DTYPES, "float64", "float32 or float64.")
    max_iters: int = _whole(
        0, 0, "Stop after this many iterations (0: when the epochs are over).", same_run=False
    )
    #: A save that takes long is made less often.
    save_every: float = _positive(
        30.0, "Longest time between two saves of the state, in seconds (0: every iteration).",
        same_run=False,
    )
    keep: int = _whole(
        0, 0, "How many checkpoints of validations to keep, besides the best (0: all).", same_run=False
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if type(value) is int and value > _LARGEST_WHOLE:
                raise ArgumentError(f"{flag(option.name)} must be at most {_LARGEST_WHOLE}")
            if isinstance(value, bool) or not option.metadata["fits"](value):
                raise ArgumentError(
                    f"{flag(option.name)} must be {option.metadata['allowed']}; got {value!r}"
                )
        # 0.95 + 0.05 may come out a rounding above 1.
        if self.train_frac + self.val_frac > 1 + 1e-9:
            raise ArgumentError(
                f"--train-frac {self.train_frac:g} and --val-frac {self.val_frac:g} add up to more than 1"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a dict of plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingOptions":
        """Return the options of ``to_dict``; raise ``ArgumentError`` for other names."""
        known = {option.name for option in fields(cls)}
        if set(values) != known:
            wrong = ", ".join(sorted(set(values) ^ known))
            raise ArgumentError(f"these are not the options of a training run: {wrong}")
        return cls(**values)

    def identity(self) -> dict[str, Any]:
        """Return the options that must agree for one run to go on where another stopped."""
        return {
            option.name: getattr(self, option.name) for option in fields(self) if option.metadata["same_run"]
        }


def flag(name: str) -> str:
    """Return the flag of the command line for an option: ``--rnn-size`` for ``rnn_size``."""
    return "--" + name.replace("_", "-")

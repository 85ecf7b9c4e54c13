"""Options: what a training run is told, under char-rnn's names and with its defaults.

Source: https://github.com/karpathy/char-rnn (train.lua)
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, Mapping

from minigraph.errors import ArgumentError

MODELS = ("lstm", "gru", "rnn")
DTYPES = ("float32", "float64")

_LARGEST_WHOLE = 2**53
_LARGEST = sys.float_info.max  # what a whole number may exceed

# What may differ between a run and the one that goes on with it: how long, how often, where.
_NOT_IDENTITY = ("max_epochs", "max_iters", "eval_val_every", "save_every", "keep")


@dataclass(frozen=True)
class TrainingOptions:
    """The options of one run, checked when it is made: ``ArgumentError`` names the flag.

    ``max_iters`` ends the run earlier than ``max_epochs`` (0: not). ``save_every`` is the
    longest time in seconds between two saves of the whole state (0: every iteration is saved; a
    save that takes long is made less often), ``keep`` how many checkpoints of validations are kept
    (0: all). The others are char-rnn's.
    """

    rnn_size: int = 128
    num_layers: int = 2
    model: str = "lstm"
    learning_rate: float = 2e-3
    learning_rate_decay: float = 0.97
    learning_rate_decay_after: float = 10
    decay_rate: float = 0.95
    dropout: float = 0.0
    seq_length: int = 50
    batch_size: int = 50
    max_epochs: int = 50
    grad_clip: float = 5.0
    train_frac: float = 0.95
    val_frac: float = 0.05
    seed: int = 123
    eval_val_every: int = 1000
    dtype: str = "float64"
    max_iters: int = 0
    save_every: float = 30.0
    keep: int = 0

    def __post_init__(self) -> None:
        for name in ("rnn_size", "num_layers", "seq_length", "batch_size", "max_epochs", "eval_val_every"):
            self._whole(name, 1)
        for name in ("max_iters", "keep", "seed"):
            self._whole(name, 0)
        for name in ("learning_rate", "learning_rate_decay_after", "save_every"):
            self._number(name, 0, math.inf, "a finite number >= 0", below=True)
        self._number("grad_clip", 0, math.inf, "a finite number > 0", above=True, below=True)
        for name in ("learning_rate_decay", "decay_rate", "train_frac", "val_frac"):
            self._number(name, 0, 1, "a number from 0 to 1")
        self._number("dropout", 0, 1, "a probability, 0 <= p < 1", below=True)
        self._one_of("model", MODELS)
        self._one_of("dtype", DTYPES)
        # 0.95 + 0.05 may come out a rounding above 1.
        if self.train_frac + self.val_frac > 1 + 1e-9:
            raise ArgumentError(
                f"--train-frac {self.train_frac:g} and --val-frac {self.val_frac:g} add up to more than 1"
            )

    def _whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ArgumentError(f"{flag(name)} must be a whole number, at least {least}; got {value!r}")
        if value > _LARGEST_WHOLE:
            raise ArgumentError(f"{flag(name)} must be at most {_LARGEST_WHOLE}")

    def _number(
        self, name: str, low: float, high: float, words: str, above: bool = False, below: bool = False
    ) -> None:
        value = getattr(self, name)
        fits = (
            not isinstance(value, bool) and isinstance(value, (int, float)) and low <= value <= high
            and abs(value) <= _LARGEST and not (above and value == low) and not (below and value == high)
        )
        if not fits:
            raise ArgumentError(f"{flag(name)} must be {words}; got {value!r}")

    def _one_of(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise ArgumentError(f"{flag(name)} must be one of {', '.join(choices)}; got {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a dict of plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingOptions":
        """Return the options of ``to_dict``; raise ``ArgumentError`` for other names."""
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            wrong = ", ".join(sorted(set(values) ^ known))
            raise ArgumentError(f"these are not the options of a training run: {wrong}")
        return cls(**values)

    def identity(self) -> dict[str, Any]:
        """Return the options that must agree for one run to go on where another stopped."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_IDENTITY}


def flag(name: str) -> str:
    """Return the flag of the command line for an option: ``--rnn-size`` for ``rnn_size``."""
    return "--" + name.replace("_", "-")

"""Batches: how char-rnn lays a text out for training.

Source: https://github.com/karpathy/char-rnn (util/CharSplitLMMinibatchLoader.lua)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.text.corpus import Corpus


class Laid(Sequence[np.ndarray]):
    """A text laid out: entry ``b`` is batch b, ``(seq_length, batch_size)`` int64, made when asked for.

    ``places`` are those of the first batch in ``codes``; beyond the end the text begins anew.
    """

    def __init__(self, codes: np.ndarray, places: np.ndarray, count: int) -> None:
        self._codes, self._places = codes, places
        self.shape = (count, *places.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, batch: Any) -> Any:
        start = range(len(self))[batch] * self.shape[1]
        return self._codes[(self._places + start) % len(self._codes)].astype(np.int64)

    def rows(self, first: int, last: int) -> "Laid":
        """Return the same of some rows only."""
        return Laid(self._codes, self._places[:, first:last], len(self))


@dataclass(frozen=True)
class Batches:
    """All batches of a text, left to right.

    ``x`` and ``y`` are ``(batches, seq_length, batch_size)`` of numbers from 1. The text is cut to
    a multiple of ``batch_size * seq_length`` and laid out as ``batch_size`` rows, so row r of one
    batch goes on in row r of the next; ``y`` is the text shifted by one, its last entry the
    first character. The first ``train`` batches are trained on, the ``validation`` next ones are
    held out.
    """

    x: Laid
    y: Laid
    train: int
    validation: int

    @classmethod
    def cut(
        cls, corpus: Corpus, batch_size: int, seq_length: int, train_frac: float, val_frac: float
    ) -> "Batches":
        """Cut a corpus; raise ``ArgumentError`` where it is too short to train on."""
        size = batch_size * seq_length
        count = len(corpus.codes) // size
        if count == 0:
            raise ArgumentError(
                f"{corpus.name} has {len(corpus.codes)} characters, fewer than one batch of "
                f"{batch_size} rows of {seq_length} ({size}): give more text, or a smaller "
                "--batch-size or --seq-length"
            )
        train = int(count * train_frac)
        if train == 0:
            raise ArgumentError(
                f"{corpus.name} makes {count} batch(es) of {batch_size} rows of {seq_length}, of which "
                f"--train-frac {train_frac:g} leaves none to train on: give more text, or a smaller "
                "--batch-size or --seq-length"
            )
        # char-rnn's rule: without a share for a test, validation takes all that is left.
        test_frac = max(0.0, 1 - (train_frac + val_frac))
        validation = count - train if test_frac == 0 else int(count * val_frac)
        codes = corpus.codes[: count * size]
        places = np.arange(seq_length)[:, None] + np.arange(batch_size) * (count * seq_length)
        return cls(Laid(codes, places, count), Laid(codes, places + 1, count), train, validation)

    def rows(self, first: int, last: int) -> "Batches":
        """Return the batches of some rows only: those from ``first`` up to, not with, ``last``."""
        return Batches(self.x.rows(first, last), self.y.rows(first, last), self.train, self.validation)

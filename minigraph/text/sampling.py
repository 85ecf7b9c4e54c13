"""Sampling: text from a trained model, one character at a time.

Source: https://github.com/karpathy/char-rnn (sample.lua)
"""

from __future__ import annotations

import math
from typing import Iterator

import numpy as np

from minigraph import random
from minigraph.compiler import compile
from minigraph.errors import ArgumentError, NumberError
from minigraph.text.checkpoint import Checkpoint
from minigraph.text.corpus import Vocabulary
from minigraph.text.facts import RunFacts
from minigraph.text.sources import trained_model


class Sampler:
    """A trained model that writes text: ``for character in sampler.sample(...)``.

    It is set up from a checkpoint; raises ``CheckpointError`` where that is not of a training run.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.vocabulary = Vocabulary(RunFacts.of(checkpoint).vocabulary)
        self.model = trained_model(checkpoint)
        self._step = compile(self.model.step)

    def sample(
        self, length: int, primetext: str = "", temperature: float = 1.0, seed: int = 123
    ) -> Iterator[str]:
        """Yield ``length`` characters that go on from ``primetext`` (which is not yielded).

        A model of bytes draws ``length`` bytes, and a character is yielded when all its bytes are there.
        Without ``primetext`` the first character is drawn evenly from all. A low ``temperature``
        makes likely characters likelier; 0 always takes the likeliest (char-rnn's ``-sample 0``). The
        shared random stream is seeded when the first character is drawn: the same seed gives the
        same text. Raises ``ArgumentError`` for a character that the model does not know, a negative
        or infinite temperature, and a negative length.
        """
        if not 0 <= temperature < math.inf:
            raise ArgumentError(f"--temperature must be a finite number >= 0, got {temperature!r}")
        if length < 0:
            raise ArgumentError(f"--length must be a whole number, at least 0; got {length!r}")
        prime = self.vocabulary.encode(primetext, "--primetext") if primetext else np.empty(0, np.int64)
        return self.vocabulary.spell(self._draw(length, prime, temperature, seed))

    def _draw(self, length: int, prime: np.ndarray, temperature: float, seed: int) -> Iterator[int]:
        random.manualSeed(seed)
        state = self.model.zero_state(1)
        size = len(self.vocabulary)
        logprobs = np.full(size, -math.log(size))
        for number in prime:
            logprobs = self._read(int(number), state)
        for _ in range(length):
            number = _choose(logprobs, temperature)
            logprobs = self._read(number, state)
            yield number

    def _read(self, number: int, state: list[np.ndarray]) -> np.ndarray:
        """Read a character: put the next state in ``state``, return the log-probabilities ``(V,)``."""
        *after, logprobs = self._step.forward([np.array([number]), *state])
        for kept, value in zip(state, after):
            kept[...] = value
        return logprobs[0]


def _choose(logprobs: np.ndarray, temperature: float) -> int:
    """Return a number from 1, drawn as char-rnn draws it."""
    if not np.isfinite(logprobs.max()):
        raise NumberError("the model's probabilities are not finite: its parameters are no good")
    if temperature == 0:
        return int(np.argmax(logprobs)) + 1
    scaled = np.asarray(logprobs, np.float64) / temperature
    scaled -= scaled.max()  # the quotient below is the same, and a low temperature cannot underflow
    weights = np.exp(scaled)
    weights /= weights.sum()
    return int(random.multinomial(weights.astype(np.float32), 1)[0])

"""StochasticGradient: the plain training loop of Torch's manual."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from minigraph.errors import ArgumentError
from minigraph.nn.criterions.criterion import Criterion
from minigraph.nn.module import Module
from minigraph.random import randperm


class StochasticGradient:
    """Train a module example by example: one step of gradient descent after each.

    Its attributes may be changed before ``train``: ``learningRate`` (0.01) and
    ``learningRateDecay`` (0; the rate at iteration i is ``learningRate / (1 + i *
    learningRateDecay)``), ``maxIteration`` (25; at 0 it never ends by itself),
    ``shuffleIndices`` (True: one random order, kept for all iterations), ``verbose`` (True:
    print the error of each iteration), ``hookExample(trainer, example)`` and
    ``hookIteration(trainer, iteration, currentError)``, called after each.
    Source: https://github.com/torch/nn/blob/master/doc/training.md#nn.StochasticGradient
    """

    def __init__(self, module: Module, criterion: Criterion) -> None:
        self.module = module
        self.criterion = criterion
        self.learningRate = 0.01
        self.learningRateDecay = 0.0
        self.maxIteration = 25
        self.shuffleIndices = True
        self.verbose = True
        self.hookExample: Optional[Callable[[Any, Any], Any]] = None
        self.hookIteration: Optional[Callable[[Any, int, float], Any]] = None

    def train(self, dataset: Sequence[Any]) -> float:
        """Train on a sequence of ``(input, target)`` pairs; return the last iteration's mean loss.

        The loss is that before each step. Raises ``ArgumentError`` for an empty sequence.
        """
        if not len(dataset):
            raise ArgumentError("nn.StochasticGradient: the dataset is empty")
        order: Sequence[int] = range(len(dataset))
        if self.shuffleIndices:
            order = [int(index) - 1 for index in randperm(len(dataset))]
        iteration = 1
        learningRate = self.learningRate
        self._say("training")
        while True:
            total = 0.0
            for index in order:
                total += self._step(dataset[index], learningRate)
            currentError = total / len(dataset)
            if self.hookIteration is not None:
                self.hookIteration(self, iteration, currentError)
            self._say(f"current error = {currentError:g}", "# ")
            iteration += 1
            learningRate = self.learningRate / (1 + iteration * self.learningRateDecay)
            if 0 < self.maxIteration < iteration:
                self._say("you have reached the maximum number of iterations")
                return currentError

    def _step(self, example: Any, learningRate: float) -> float:
        input, target = example
        loss = self.criterion.forward(self.module.forward(input), target)
        gradient = self.criterion.backward(self.module.output, target)
        self.module.backwardUpdate(input, gradient, learningRate)
        if self.hookExample is not None:
            self.hookExample(self, example)
        return loss

    def _say(self, text: str, start: str = "# StochasticGradient: ") -> None:
        if self.verbose:
            print(start + text)

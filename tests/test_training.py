"""nn.StochasticGradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError


def examples() -> list[tuple[np.ndarray, np.ndarray]]:
    """The manual's: is the product of two numbers negative?"""
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((60, 2))
    return [(x, np.array([-1.0 if x[0] * x[1] > 0 else 1.0])) for x in inputs]


def network() -> Any:
    mg.manualSeed(2)
    return nn.Sequential().add(nn.Linear(2, 12)).add(nn.Tanh()).add(nn.Linear(12, 1))


def test_it_learns(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = nn.StochasticGradient(network(), nn.MSECriterion())
    trainer.learningRate = 0.05
    errors: list[float] = []
    seen: list[Any] = []
    trainer.hookIteration = lambda it, iteration, error: errors.append(error)
    trainer.hookExample = lambda it, example: seen.append(example)
    data = examples()
    last = trainer.train(data)
    assert len(errors) == 25 and errors[-1] == last < 0.5 * errors[0]
    assert len(seen) == 25 * 60
    order = [id(example) for example in seen[:60]]
    assert order != [id(example) for example in data]
    assert sorted(order) == sorted(map(id, data))
    printed = capsys.readouterr().out
    assert printed.count("# current error = ") == 25 and "maximum number of iterations" in printed


def test_each_step_is_plain_gradient_descent() -> None:
    data = examples()[:3]
    trainer = nn.StochasticGradient(network(), nn.MSECriterion())
    trainer.maxIteration, trainer.shuffleIndices, trainer.verbose = 2, False, False
    trainer.learningRateDecay = 0.5
    error = trainer.train(data)
    net, criterion, total = network(), nn.MSECriterion(), 0.0
    for rate in (0.01, 0.01 / (1 + 2 * 0.5)):
        total = 0.0
        for x, t in data:
            net.zeroGradParameters()
            total += criterion.forward(net.forward(x), t)
            net.backward(x, criterion.backward(net.output, t))
            net.updateParameters(rate)
    for mine, theirs in zip(trainer.module.parameters()[0], net.parameters()[0]):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    assert error == pytest.approx(total / 3, rel=1e-12)


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ArgumentError, match="empty"):
        nn.StochasticGradient(network(), nn.MSECriterion()).train([])

"""Every row of golden/rng_optim.json that draws numbers, bit for bit."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from golden_files import load, value

import minigraph as mg
from minigraph import nn
from minigraph import random as R

ROWS = {row["seed"]: row for row in load("rng_optim")["rng"]}


def many(draw: Callable[[], float]) -> Callable[[int], Any]:
    return lambda count: [draw() for _ in range(count)]


def dropout(count: int) -> Any:
    return nn.Dropout(0.3).forward(np.ones((4, 6)))


DRAWS: dict[str, Callable[[int], Any]] = {
    "random": many(R.random),
    "random_1_6": many(lambda: R.random(1, 6)),
    "uniform": many(R.uniform),
    "uniform_m2_3": many(lambda: R.uniform(-2, 3)),
    "normal": many(R.normal),
    "normal_2_3": many(lambda: R.normal(2, 3)),
    "bernoulli_03": many(lambda: R.bernoulli(0.3)),
    "exponential": many(lambda: R.exponential(2)),
    "geometric": many(lambda: R.geometric(0.3)),
    "multinomial_20": lambda n: R.multinomial([0.1, 0.2, 0.3, 0.4], n, True),
    "randperm_12": R.randperm,
    "tensor_rand_3x3": lambda n: R.rand(3, 3),
    "tensor_randn_5": R.randn,
    "tensor_randn_40": R.randn,
    "tensor_bernoulli_20": lambda n: R.generator.fillBernoulli(np.empty(n), 0.6),
    "float_uniform_8": lambda n: R.generator.fillUniform(np.empty(n, np.float32), -1, 1),
    "float_randn_20": lambda n: R.generator.fillNormal(np.empty(n, np.float32)),
    "linear_4_3": lambda n: nn.Linear(4, 3).parameters()[0],
    "lookup_5_3": lambda n: nn.LookupTable(5, 3).weight,
    "dropout_03_4x6": dropout,
}
LATER = {"conv_2_3_3_3"} if not hasattr(nn, "SpatialConvolution") else set()
if not LATER:
    DRAWS["conv_2_3_3_3"] = lambda n: nn.SpatialConvolution(2, 3, 3, 3).parameters()[0]


def test_every_row_is_drawn() -> None:
    assert set(ROWS[1]) - {"seed"} - LATER == set(DRAWS)


@pytest.mark.parametrize("seed", ROWS)
@pytest.mark.parametrize("name", DRAWS)
def test_row(seed: int, name: str) -> None:
    golden = value(ROWS[seed][name])
    mg.manualSeed(seed)
    drawn = DRAWS[name](np.size(golden) if not isinstance(golden, list) else 0)
    if isinstance(golden, list):
        for mine, theirs in zip(drawn, golden):
            np.testing.assert_array_equal(mine.ravel(), theirs.ravel())
    else:
        np.testing.assert_array_equal(np.asarray(drawn, float), golden)


def test_tensor_draws_continue_scalar_draws() -> None:
    mg.manualSeed(7)
    scalars = [R.normal() for _ in range(7)]
    mg.manualSeed(7)
    mixed = [R.normal(), *R.randn(3), R.normal(), *R.randn(2)]
    np.testing.assert_array_equal(mixed, scalars)


def test_state_restores_the_stream_and_the_spare_normal() -> None:
    mg.manualSeed(5)
    R.normal()
    state = R.getRNGState()
    expected = [R.normal(), R.uniform(), *R.randn(3)]
    mg.manualSeed(99)
    R.setRNGState(state)
    assert [R.normal(), R.uniform(), *R.randn(3)] == expected
    assert R.initialSeed() == 5


def test_seed_draws_a_new_seed() -> None:
    number = R.seed()
    first = R.uniform()
    mg.manualSeed(number)
    assert R.uniform() == first


def test_multinomial_without_replacement_draws_each_once() -> None:
    mg.manualSeed(3)
    rows = R.multinomial(np.array([[0.2, 0.0, 0.5, 0.3], [1.0, 1.0, 1.0, 1.0]]), 3)
    assert sorted(rows[0]) == [1, 3, 4]
    assert len(set(rows[1])) == 3


def test_cauchy_and_log_normal_follow_their_formulas() -> None:
    mg.manualSeed(2)
    u = R.uniform()
    mg.manualSeed(2)
    assert R.cauchy(1, 2) == pytest.approx(1 + 2 * np.tan(np.pi * (u - 0.5)), rel=1e-15)
    mg.manualSeed(2)
    z = R.normal(0.5, 0.1)
    mg.manualSeed(2)
    assert R.logNormal(0.5, 0.1) == pytest.approx(np.exp(z), rel=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: R.random(5, 2), "upper bound"),
        (lambda: R.normal(0, 0), "positive"),
        (lambda: R.bernoulli(1.5), "between 0 and 1"),
        (lambda: R.geometric(1), "between 0 and 1"),
        (lambda: R.multinomial([0.0, 0.0], 1), "positive sum"),
        (lambda: R.multinomial([1.0, -1.0], 1), "finite entries >= 0"),
        (lambda: R.multinomial([0.5, 0.5, 0.0], 3), "without replacement"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(mg.errors.ArgumentError, match=message):
        call()

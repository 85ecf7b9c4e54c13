"""cg and lbfgs, the line search and the interpolation, the gradient check."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from objectives import method, quadratic, rosenbrock, watched

from minigraph import optim
from minigraph.errors import ArgumentError

# Several tests give every method the same config.
pytestmark = pytest.mark.filterwarnings("ignore:optim.[a-z]* does not use")


@pytest.mark.parametrize("size", [2, 5, 30])
@pytest.mark.parametrize(
    "name, config",
    [("cg", {"maxIter": 20, "maxEval": 2000}),
     ("lbfgs", {"maxIter": 500, "maxEval": 2000, "lineSearch": optim.lswolfe, "tolFun": 1e-8, "tolX": 0}),
     ("lbfgs", {"maxIter": 500, "maxEval": 900, "lineSearch": optim.lswolfe, "nCorrection": 4,
                "tolFun": 1e-8, "tolX": 0, "lineSearchOptions": {"c1": 1e-3, "c2": 0.5, "maxIter": 40}})],
)
def test_second_order_methods_solve_rosenbrock(name: str, config: dict[str, Any], size: int) -> None:
    x, state = np.zeros(size), {}
    result, losses = method(name)(rosenbrock, x, config, state)
    assert result is x
    np.testing.assert_allclose(x, 1, atol=1e-5)
    assert losses[0] == size - 1 and losses[-1] == pytest.approx(rosenbrock(x)[0], abs=1e-14)
    assert all(later <= earlier for earlier, later in zip(losses, losses[1:]))
    assert len(losses) <= state["funcEval"] <= config["maxEval"] + 45


def first_search(points: list[np.ndarray], losses: list[float]) -> tuple[np.ndarray, int]:
    """Return the point that the first line search accepted and its place among ``points``."""
    place = next(i for i, x in enumerate(points) if i and rosenbrock(x)[0] == losses[1])
    return points[place], place


@pytest.mark.parametrize("rho, sig", [(0.01, 0.5), (0.2, 0.3), (1e-3, 0.9), (0.001, 0.01)])
def test_cg_accepts_what_rho_and_sig_allow(rho: float, sig: float) -> None:
    points: list[np.ndarray] = []
    x = np.array([-1.2, 1.0])
    start, (before, g) = x.copy(), rosenbrock(x)
    _, losses = optim.cg(watched(rosenbrock, points), x, {"rho": rho, "sig": sig, "maxEval": 50})
    found, _ = first_search(points, losses)
    slope = rosenbrock(found)[1] @ -g
    assert losses[1] <= before + rho * (found - start) @ g
    assert abs(slope) <= sig * (g @ g)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 100.0])
def test_cg_begins_a_search_with_at_most_ratio_times_the_last_step(ratio: float) -> None:
    points: list[np.ndarray] = []
    x = np.array([-1.2, 1.0])
    start, g = x.copy(), rosenbrock(x)[1]
    _, losses = optim.cg(watched(rosenbrock, points), x, {"ratio": ratio, "maxEval": 50})
    found, place = first_search(points, losses)
    g1 = rosenbrock(found)[1]
    direction = (g1 @ g1 - g1 @ g) / (g @ g) * -g - g1
    if g1 @ direction > 0:
        direction = -g1
    last = (found - start) @ -g / (g @ g)
    step = last * min(ratio, (g @ g) / -(g1 @ direction))
    np.testing.assert_allclose(points[place + 1], found + step * direction, rtol=1e-12)
    np.testing.assert_allclose(points[1], start - g / (1 + g @ g), rtol=1e-15)


def test_cg_stretches_by_ext_and_shrinks_by_int() -> None:
    points: list[np.ndarray] = []

    def slide(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-x[0]), -np.ones(1)

    optim.cg(watched(slide, points), np.zeros(1), {"ext": 4.0, "maxEval": 5})
    np.testing.assert_allclose([p[0] for p in points], [0, 0.5, 2, 8, 32])

    def wall(x: np.ndarray) -> tuple[float, np.ndarray]:
        over = max(x[0] - 0.01, 0)
        return float(-x[0] + 1e9 * over**2), np.array([-1 + 2e9 * over])

    points.clear()
    optim.cg(watched(wall, points), np.zeros(1), {"int": 0.25, "maxEval": 3})
    assert points[2][0] == pytest.approx(0.25 * points[1][0])


def test_cg_keeps_to_maxEval_and_maxIter() -> None:
    for config, most in (({"maxEval": 7}, 7), ({"maxIter": 8}, 10), ({"maxIter": 3, "maxEval": 40}, 43)):
        state: dict[str, Any] = {}
        x = np.array([-1.2, 1.0])
        _, losses = optim.cg(rosenbrock, x, config, state)
        assert len(losses) <= state["funcEval"] <= most
        assert losses[-1] == rosenbrock(x)[0]


@pytest.mark.parametrize("c1, c2", [(1e-4, 0.9), (0.1, 0.2), (1e-3, 0.05)])
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
def test_lswolfe_satisfies_the_strong_wolfe_conditions(c1: float, c2: float, first: float) -> None:
    x = np.array([-1.2, 1.0, 0.3])
    f, g = rosenbrock(x)
    start, d = x.copy(), -g / np.linalg.norm(g)
    gtd = float(g @ d)
    points: list[np.ndarray] = []
    options = {"c1": c1, "c2": c2, "maxIter": 50}
    f1, g1, x1, t, count = optim.lswolfe(watched(rosenbrock, points), x, first, d, f, g, gtd, options)
    assert x1 is x and count == len(points)
    np.testing.assert_allclose(x, start + t * d, rtol=1e-15)
    assert f1 == rosenbrock(x)[0]
    np.testing.assert_array_equal(g1, rosenbrock(x)[1])
    assert f1 <= f + c1 * t * gtd and abs(g1 @ d) <= -c2 * gtd


def test_polyinterp_finds_the_minimum_of_the_polynomial() -> None:
    cubic = np.array([1.0, -2.0, -3.0, 4.0])
    slope = np.polyder(cubic)
    rows = [(t, np.polyval(cubic, t), np.polyval(slope, t)) for t in (0.5, 3.0)]
    lowest = (2 + math.sqrt(13)) / 3
    assert optim.polyinterp(rows) == pytest.approx(lowest)
    assert optim.polyinterp(rows[::-1]) == pytest.approx(lowest)
    assert optim.polyinterp(rows, 0.0, 10.0) == pytest.approx(lowest)
    assert optim.polyinterp(rows, 2.5, 10.0) == pytest.approx(2.5)
    quintic = np.array([0.1, 0.3, -2.0, -1.0, 3.0, 0.5])
    rows = [(t, np.polyval(quintic, t), np.polyval(np.polyder(quintic), t)) for t in (-1.0, 0.0, 2.0)]
    grid = np.linspace(-3, 3, 60_001)
    assert optim.polyinterp(rows, -3, 3) == pytest.approx(grid[np.polyval(quintic, grid).argmin()], abs=1e-3)
    assert optim.polyinterp([(0, 1, -1), (2, math.nan, 0)]) == 1
    assert optim.polyinterp([(0, 1, -1), (2, math.inf, 0)], 1, 4) == 2.5
    assert optim.polyinterp([(1, 1, 1), (1, 1, 1)]) == 1
    with pytest.raises(ArgumentError, match=r"shape \(N, 3\)"):
        optim.polyinterp([1, 2, 3])


def test_lbfgs_stops_for_each_of_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: dict[str, Any]) -> str:
        optim.lbfgs(rosenbrock, np.array([1, 1.1, 1]), {"verbose": True, "maxEval": 99, **config})
        return capsys.readouterr().out

    assert "max number of iterations" in run({"maxIter": 2})
    assert "max nb of function evals" in run({"maxEval": 3})
    assert "optimality condition" in run({"tolFun": 1e9})
    assert "step size below" in run({"tolX": 100.0, "tolFun": 0})
    assert run({"verbose": False}) == ""
    optim.lbfgs(lambda x: (1.0, x.copy()), np.ones(2), {"verbose": True})
    assert "changing less" in capsys.readouterr().out


def test_lbfgs_goes_on_from_its_state() -> None:
    config = {"lineSearch": optim.lswolfe, "maxEval": 1000, "tolX": 0.0}
    x, state = np.zeros(4), {}
    for _ in range(60):
        optim.lbfgs(rosenbrock, x, {**config, "maxIter": 2, "nCorrection": 5}, state)
        assert len(state["old_dirs"]) == len(state["old_stps"]) == len(state["ro"]) <= 5
    np.testing.assert_allclose(x, 1, atol=1e-4)
    long: dict[str, Any] = {}
    optim.lbfgs(rosenbrock, np.zeros(30), {**config, "maxIter": 90, "maxEval": 900, "nCorrection": 70}, long)
    assert len(long["old_dirs"]) > 40


def test_checkgrad() -> None:
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    before = x.copy()
    diff, exact, estimate = optim.checkgrad(quadratic, x)
    assert diff < 1e-7 and exact.shape == estimate.shape == (2, 3)
    np.testing.assert_array_equal(x, before)
    assert optim.checkgrad(lambda x: (quadratic(x)[0], 1.1 * x), x)[0] == pytest.approx(0.1 / 2.1, rel=1e-5)
    assert optim.checkgrad(lambda x: (1.0, np.zeros(4)), np.ones(4))[0] == 0
    with pytest.raises(ArgumentError, match="eps"):
        optim.checkgrad(quadratic, x, 0)


@pytest.mark.parametrize("config", [{}, {"lineSearch": optim.lswolfe}, {"maxIter": 5, "maxEval": 6.25}])
@pytest.mark.parametrize("name", ["cg", "lbfgs"])
def test_a_line_search_turns_back_where_the_function_ends(name: str, config: dict[str, Any]) -> None:
    def logarithm(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float((10 * x - np.log(x)).sum()), 10 - 1 / x if (x > 0).all() else np.full(2, np.nan)

    x, state = np.array([0.5, 0.7]), {}
    for _ in range(6):
        method(name)(logarithm, x, config, state)
    if name == "cg" or config.get("lineSearch"):
        np.testing.assert_allclose(x, 0.1, rtol=1e-4)
    else:
        assert np.isfinite(x).all()


def test_cg_gives_up_on_a_function_without_a_bottom() -> None:
    x = np.zeros(1)
    with np.errstate(over="ignore"):
        _, losses = optim.cg(lambda x: (float(-x[0]), -np.ones(1)), x, {"maxIter": 5})
    assert x[0] == 0 and losses == [0]

"""A line search that satisfies the Wolfe conditions, for lbfgs."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np

from minigraph.optim.call import Table
from minigraph.optim.inplace import dot
from minigraph.optim.objective import Feval, check_parameters, evaluate
from minigraph.optim.options import Number, Options, nonnegative, whole
from minigraph.optim.polyinterp import polyinterp

_OPTIONS = Options(
    "lswolfe",
    also=("verbose",),
    c1=Number(1e-4, lambda value: 0 < value < 1, "a number between 0 and 1"),
    c2=Number(0.9, lambda value: 0 < value < 1, "a number between 0 and 1"),
    tolX=nonnegative(1e-9), maxIter=whole(20),
)


class _Point(NamedTuple):
    """A point on the line: step, loss, gradient (a copy), slope."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def lswolfe(
    feval: Feval, x: np.ndarray, t: float, d: np.ndarray, f: float, g: np.ndarray, gtd: float,
    options: Optional[Table] = None,
) -> tuple[float, np.ndarray, np.ndarray, float, int]:
    """Search along ``d`` from ``x``; return ``f, g, x, t`` at the point found and the evaluations.

    ``t`` is the first step to try, ``f`` and ``g`` the loss and the gradient at x, ``gtd``
    the slope g.d there (negative). ``options`` may hold ``c1`` (1e-4, sufficient decrease),
    ``c2`` (0.9, curvature), ``tolX`` (1e-9), ``maxIter`` (20) and ``verbose``. x is moved in
    place to x + t * d. A loss or slope that is not finite counts as too high, so that
    the search turns back from it.

    Source: https://github.com/torch/optim/blob/master/lswolfe.lua; Nocedal and Wright,
    "Numerical optimization", algorithms 3.5 and 3.6.
    """
    check_parameters(x, "lswolfe")
    options = options or {}
    _OPTIONS.check_names(options, "options")
    c1, c2, tolerance, most = _OPTIONS.read(options)
    origin = x.copy()
    evaluations = 0

    def move(step: float) -> None:
        np.multiply(d, step, out=x)
        np.add(origin, x, out=x)

    def attempt(step: float) -> _Point:
        nonlocal evaluations
        move(step)
        loss, gradient = evaluate(feval, x, "lswolfe")
        evaluations += 1
        slope = dot(gradient, d)
        return _Point(step, loss if math.isfinite(loss + slope) else math.inf, gradient.copy(), slope)

    def high(point: _Point) -> bool:
        return not point.f <= f + c1 * point.t * gtd

    def flat(point: _Point) -> bool:
        return abs(point.slope) <= -c2 * gtd

    # Bracket a stretch that holds a point which satisfies the conditions.
    start = previous = _Point(0.0, f, g.copy(), gtd)
    point = attempt(t)
    rounds = 0
    while rounds < most:
        if high(point) or (rounds > 1 and point.f >= previous.f) or (not flat(point) and point.slope >= 0):
            bracket = [previous, point]
            break
        if flat(point):
            bracket = [point]
            break
        further = polyinterp(
            [(p.t, p.f, p.slope) for p in (previous, point)],
            point.t + 0.01 * (point.t - previous.t), point.t * 10,
        )
        previous, point = point, attempt(further)
        rounds += 1
    else:
        bracket = [start, point]

    # Narrow the bracket down; its lower end is the best point so far.
    stalled = False
    while len(bracket) == 2 and rounds < most:
        lower = _lowest(bracket)
        step, stalled = _inside(bracket, stalled)
        point = attempt(step)
        rounds += 1
        done = False
        if high(point) or point.f >= bracket[lower].f:
            bracket[1 - lower] = point
        else:
            done = flat(point)
            if not done and point.slope * (bracket[1 - lower].t - bracket[lower].t) >= 0:
                bracket[1 - lower] = bracket[lower]
            bracket[lower] = point
        if done or abs((bracket[0].t - bracket[1].t) * point.slope) < tolerance:
            break
    if rounds == most and options.get("verbose"):
        print("<optim.lswolfe> reached max number of iterations")

    best = bracket[_lowest(bracket)]
    move(best.t)
    return best.f, best.g, x, best.t, evaluations


def _lowest(bracket: list[_Point]) -> int:
    """Return the position of the lower loss; a NaN is never the lower one."""
    return int(len(bracket) == 2 and (bracket[1].f < bracket[0].f or math.isnan(bracket[0].f)))


def _inside(bracket: list[_Point], stalled: bool) -> tuple[float, bool]:
    """Return the next step to try, and whether it is close to an end of the bracket."""
    step = polyinterp([(p.t, p.f, p.slope) for p in bracket])
    left, right = sorted(p.t for p in bracket)
    margin = 0.1 * (right - left)
    if min(right - step, step - left) >= margin:
        return step, False
    if not stalled and left < step < right:
        return step, True
    return (right - margin if abs(step - right) < abs(step - left) else left + margin), False

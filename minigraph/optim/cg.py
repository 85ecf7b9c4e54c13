"""Conjugate gradients with the line search of Rasmussen's minimize.m."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.optim.call import Call, Table
from minigraph.optim.fused import fused_add_scaled, fused_dot
from minigraph.optim.objective import Feval
from minigraph.optim.options import Number, Options, positive, whole

_INSIDE = "a number between 0 and 1"
_OPTIONS = Options(
    "cg",
    state="df0 df1 df2 df3 s x0 funcEval",
    also=("verbose",),
    rho=Number(0.01, lambda value: 0 < value < 1, _INSIDE),
    sig=Number(0.5, lambda value: 0 < value < 1, _INSIDE),
    int=Number(0.1, lambda value: 0 < value < 1, _INSIDE),
    ext=Number(3.0, lambda value: value > 1, "a number > 1"),
    ratio=positive(100.0), maxIter=whole(20), maxEval=positive(None),
)


def cg(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Minimise by conjugate gradients; return ``x`` and the losses, first to last.

    The first loss is the one before anything has moved, each further one is that after a
    line search, the last one belongs to the returned ``x``. A line search that fails puts x
    back to where it began and ends the call, as in Torch; so does an infinite or NaN loss
    that no shorter step avoids. ``config`` may hold ``maxIter`` (20, the longest line
    search), ``maxEval`` (maxIter * 1.25: no line search begins after that many evaluations),
    and the constants of the search ``rho`` (0.01), ``sig`` (0.5), ``int`` (0.1), ``ext`` (3)
    and ``ratio`` (100). State: ``df0`` ... ``df3``, ``s``, ``x0``, reused from call to call,
    and ``funcEval``, all evaluations so far (Torch returns those of a call as a third value).
    ``x`` is changed in place; if ``feval`` raises, it is put back to the last accepted point.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md and C. E. Rasmussen,
    http://learning.eng.cam.ac.uk/carl/code/minimize/
    """
    call = Call(_OPTIONS, feval, x, config, state)
    rho, sig, inside, beyond, ratio, longest, most = _OPTIONS.read(call.config)
    if rho >= sig:
        raise ArgumentError(f"optim.cg: rho {rho} must be less than sig {sig}")
    limits = _Limits(rho, sig, inside, beyond, longest, longest * 1.25 if most is None else most)
    start, first_gradient = call.scratch("x0"), call.scratch("df0")
    gradient, trial = call.scratch("df1"), call.scratch("df2")
    scratch, direction = call.scratch("df3"), call.scratch("s")
    start[...] = x
    search = _Search(call, limits, direction, scratch)
    try:
        return x, _minimise(search, gradient, trial, start, first_gradient, ratio)
    except BaseException:
        x[...] = start
        raise


class _Limits(NamedTuple):
    """The constants of the line search: Torch's rho, sig, int, ext, maxIter and maxEval."""

    rho: float
    sig: float
    inside: float
    beyond: float
    longest: float
    evaluations: float


def _minimise(
    search: "_Search", gradient: np.ndarray, trial: np.ndarray, start: np.ndarray,
    first_gradient: np.ndarray, ratio: float,
) -> list[float]:
    x, direction = search.call.x, search.direction
    loss = search.evaluate(gradient)
    losses = [loss]
    np.negative(gradient, out=direction)
    slope = -fused_dot(direction, direction)
    step = 1 / (1 - slope)
    # A slope that is 0 (a stationary point) or NaN leaves no direction to search in.
    while search.evaluations < search.limits.evaluations and slope < 0:
        start[...] = x
        first_gradient[...] = gradient
        found = search.run(loss, slope, step, trial)
        if found is None:
            x[...] = start
            gradient[...] = first_gradient
            break
        step, loss = found
        losses.append(loss)
        norm = fused_dot(gradient, gradient)
        conjugate = (fused_dot(trial, trial) - fused_dot(trial, gradient)) / norm if norm else 0.0
        direction *= conjugate
        direction -= trial
        gradient, trial = trial, gradient
        next_slope = fused_dot(gradient, direction)
        if next_slope > 0:
            np.negative(gradient, out=direction)
            next_slope = -fused_dot(direction, direction)
        step *= min(ratio, slope / (next_slope - 1e-320))
        slope = next_slope
    return losses


class _Search:
    """Line searches along ``direction``; names f1, d1, z1 ... as in minimize.m.

    Point 1 is where the search begins, point 2 the one being tried, point 3 the one before;
    f is the loss, d the slope, z1 the distance of 2 from 1, z3 that of 3 from 2.
    """

    def __init__(self, call: Call, limits: _Limits, direction: np.ndarray, scratch: np.ndarray) -> None:
        self.call = call
        self.limits = limits
        self.direction = direction
        self.scratch = scratch
        self.evaluations = 0

    def evaluate(self, gradient: np.ndarray) -> float:
        """Copy the gradient at x into ``gradient``; return the loss."""
        loss, dfdx = self.call.evaluate()
        gradient[...] = dfdx
        self.evaluations += 1
        self.call.count("funcEval")
        return loss

    def run(self, f1: float, d1: float, z1: float, gradient: np.ndarray) -> Optional[tuple[float, float]]:
        """Search from x; return ``(distance, loss)``, or None for a search that failed."""
        limits = self.limits

        def advance(distance: float) -> tuple[float, float]:
            fused_add_scaled(self.call.x, distance, self.direction, self.scratch)
            loss = self.evaluate(gradient)
            return loss, fused_dot(gradient, self.direction)

        def too_far(f2: float, d2: float, z1: float) -> bool:
            # Written so that a loss or slope which is not a number counts as too far.
            low = f2 <= f1 + z1 * limits.rho * d1 and d2 <= -limits.sig * d1
            return not (low and math.isfinite(f2 + z1))

        f2, d2 = advance(z1)
        f3, d3, z3 = f1, d1, -z1
        # maxEval may be a fraction; as in Torch only a count of exactly 0 ends extrapolation.
        left = min(limits.longest, limits.evaluations - self.evaluations)
        limit = -1.0
        while True:
            while too_far(f2, d2, z1) and left > 0:
                limit = z1
                z2 = _interpolate(f1, f2, f3, d2, d3, z3)
                z2 = max(min(z2, limits.inside * z3), (1 - limits.inside) * z3)
                z1 += z2
                f2, d2 = advance(z2)
                left -= 1
                z3 -= z2
            if too_far(f2, d2, z1):
                return None
            if d2 > limits.sig * d1:
                return z1, f2
            if left == 0:
                return None
            z2 = self._extrapolate(f2, f3, d2, d3, z1, z3, limit)
            f3, d3, z3 = f2, d2, -z2
            z1 += z2
            f2, d2 = advance(z2)
            left -= 1

    def _extrapolate(
        self, f2: float, f3: float, d2: float, d3: float, z1: float, z3: float, limit: float
    ) -> float:
        inside, beyond = self.limits.inside, self.limits.beyond
        bounded = limit > -0.5
        try:
            a, b = _cubic(f2, f3, d2, d3, z3)
            z2 = -d2 * z3 * z3 / (b + math.sqrt(b * b - a * d2 * z3 * z3))
        except (ZeroDivisionError, ValueError):
            z2 = math.nan
        if not math.isfinite(z2) or z2 < 0:
            return (limit - z1) / 2 if bounded else z1 * (beyond - 1)
        if bounded and z2 + z1 > limit:
            return (limit - z1) / 2
        if not bounded and z2 + z1 > z1 * beyond:
            return z1 * (beyond - 1)
        if z2 < -z3 * inside:
            return -z3 * inside
        if bounded and z2 < (limit - z1) * (1 - inside):
            return (limit - z1) * (1 - inside)
        return z2


def _cubic(f2: float, f3: float, d2: float, d3: float, z3: float) -> tuple[float, float]:
    """Return the coefficients of the cubic through points 2 and 3."""
    return 6 * (f2 - f3) / z3 + 3 * (d2 + d3), 3 * (f3 - f2) - z3 * (d3 + 2 * d2)


def _interpolate(f1: float, f2: float, f3: float, d2: float, d3: float, z3: float) -> float:
    """Return the step from point 2 to the minimum of the polynomial; half way where it has none."""
    try:
        if f2 > f1:
            z2 = z3 - 0.5 * d3 * z3 * z3 / (d3 * z3 + f2 - f3)
        else:
            a, b = _cubic(f2, f3, d2, d3, z3)
            z2 = (math.sqrt(b * b - a * d2 * z3 * z3) - b) / a
    except (ZeroDivisionError, ValueError):
        return z3 / 2
    return z2 if math.isfinite(z2) else z3 / 2

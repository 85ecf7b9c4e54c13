"""L-BFGS: Newton's method with a Hessian remembered as the last steps and gradient changes."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import add_scaled, dot
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, nonnegative, positive, whole
from minigraph.tables import describe

_OPTIONS = Options(
    "lbfgs",
    state="funcEval nIter d t g_old f_old Hdiag old_dirs old_stps ro tmp1 x_old al dir_bufs stp_bufs",
    also=("lineSearch", "lineSearchOptions", "verbose"),
    maxIter=whole(20), maxEval=positive(None), tolFun=nonnegative(1e-5), tolX=nonnegative(1e-9),
    nCorrection=whole(100), learningRate=positive(1.0),
)


def lbfgs(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Minimise by L-BFGS; return ``x`` and the losses, first to last.

    ``config`` may hold ``maxIter`` (20), ``maxEval`` (maxIter * 1.25), ``tolFun`` (1e-5, on
    the sum of abs(dx)), ``tolX`` (1e-9, on the step and on the change of the loss),
    ``nCorrection`` (100, steps remembered), ``learningRate`` (1, the length of a step, or
    the first one that a line search tries), ``lineSearch`` (None: fixed steps; a function
    like ``mg.optim.lswolfe``), ``lineSearchOptions`` (its options) and ``verbose`` (False).
    Without a line search the loss after the last of ``maxIter`` steps is not evaluated.

    State: ``funcEval`` and ``nIter``, counted over all calls (Torch returns the evaluations
    of a call as a third value); ``d``, ``t``, ``g_old``, ``f_old``, ``Hdiag``, the lists
    ``old_dirs``, ``old_stps`` and ``ro`` that the next call continues from; ``tmp1``,
    ``x_old``. x is changed in place. A gradient that is not finite ends the call before it
    reaches x or the memory; if ``feval`` raises, x is put back to the last accepted point.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md; Nocedal and Wright,
    "Numerical optimization", algorithms 7.4 and 7.5.
    """
    call = Call(_OPTIONS, feval, x, config, state)
    state = call.state
    most_rounds, most_evaluations, tol_fun, tol_x, corrections, rate = _OPTIONS.read(call.config)
    if most_evaluations is None:
        most_evaluations = most_rounds * 1.25
    search = call.config.get("lineSearch")
    if search is not None and not callable(search):
        raise ArgumentError(
            f"optim.lbfgs: config['lineSearch'] must be a function such as mg.optim.lswolfe, "
            f"got {describe(search)}"
        )
    say: Callable[..., None] = _say if call.config.get("verbose") else _silent

    loss, g = call.evaluate()
    losses = [loss]
    state["funcEval"] = state.get("funcEval", 0) + 1
    evaluations = 1
    scratch = call.scratch("tmp1")
    size = _size(g, scratch)
    if size <= tol_fun or not math.isfinite(size):
        say("optimality condition below tolFun" if size <= tol_fun else "gradient not finite")
        return x, losses

    direction, last_g, last_x = call.memory("d"), call.memory("g_old"), call.scratch("x_old")
    for rounds in range(1, int(most_rounds) + 1):
        state["nIter"] = state.get("nIter", 0) + 1
        if state["nIter"] == 1:
            np.negative(g, out=direction)
            state.update(old_dirs=[], old_stps=[], ro=[], Hdiag=1.0)
        else:
            _remember(call, g, int(corrections))
            _point(state, g, direction, scratch)
        last_g[...] = g
        state["f_old"] = last_loss = loss
        # Until a step is made none is there to be remembered.
        state["t"] = 0.0
        slope = dot(g, direction)
        if slope > -tol_x:
            say("no progress along the direction")
            break
        step = min(1.0, 1 / size) * rate if state["nIter"] == 1 else rate
        last_x[...] = x
        try:
            if search is not None:
                loss, g, step, count = _search(call, search, step, direction, loss, g, slope)
            else:
                add_scaled(x, step, direction, scratch)
                count = 0
                if rounds < most_rounds:
                    loss, g = call.evaluate()
                    count = 1
        except BaseException:
            x[...] = last_x
            raise
        state["t"] = step
        if search is not None or count:
            losses.append(loss)
        evaluations += count
        state["funcEval"] += count

        size = _size(g, scratch)
        reason = _finished(
            rounds == most_rounds and "reached max number of iterations",
            evaluations >= most_evaluations and "max nb of function evals",
            size <= tol_fun and "optimality condition below tolFun",
            not math.isfinite(size) and "gradient not finite",
            abs(step) * _size(direction, scratch) <= tol_x and "step size below tolX",
            abs(loss - last_loss) < tol_x and "function value changing less than tolX",
        )
        if reason:
            say(reason)
            break
    return x, losses


def _remember(call: Call, g: np.ndarray, most: int) -> None:
    """Store the last step and the change of the gradient over it, if the curvature is positive."""
    state = call.state
    steps, changes, inverses = state["old_dirs"], state["old_stps"], state["ro"]
    change = g - state["g_old"]
    step = state["d"] * state["t"]
    curvature = dot(change, step)
    if curvature > 1e-10:
        for history, value in ((steps, step), (changes, change), (inverses, 1 / curvature)):
            del history[: max(0, len(history) - most + 1)]
            history.append(value)
        state["Hdiag"] = curvature / dot(change, change)


def _point(state: Table, g: np.ndarray, direction: np.ndarray, scratch: np.ndarray) -> None:
    """``direction = -H g`` by the two-loop recursion."""
    steps, changes, inverses = state["old_dirs"], state["old_stps"], state["ro"]
    np.negative(g, out=direction)
    weights = []
    for step, change, inverse in zip(reversed(steps), reversed(changes), reversed(inverses)):
        weight = dot(step, direction) * inverse
        weights.append(weight)
        add_scaled(direction, -weight, change, scratch)
    direction *= state["Hdiag"]
    for step, change, inverse, weight in zip(steps, changes, inverses, reversed(weights)):
        add_scaled(direction, weight - dot(change, direction) * inverse, step, scratch)


def _search(
    call: Call, search: Callable[..., Any], step: float, direction: np.ndarray, loss: float,
    g: np.ndarray, slope: float,
) -> tuple[float, np.ndarray, float, int]:
    """Run the user's line search; return the loss and gradient there, the step, the evaluations."""
    options = call.config.get("lineSearchOptions")
    result = search(call.evaluate, call.x, step, direction, loss, g, slope, options)
    if not isinstance(result, (tuple, list)) or len(result) != 5:
        raise ArgumentError(
            "optim.lbfgs: lineSearch must return f, g, x, t and the number of evaluations, "
            f"got {describe(result)}"
        )
    loss, g, x, step, count = result
    if x is not call.x:
        call.x[...] = x
    return float(loss), g, float(step), int(count)


def _size(values: np.ndarray, scratch: np.ndarray) -> float:
    """Return the sum of the absolute values."""
    return float(np.abs(values, out=scratch).sum())


def _finished(*reasons: Any) -> Any:
    """Return the first reason that holds, or False."""
    return next((reason for reason in reasons if reason), False)


def _say(text: str) -> None:
    print("<optim.lbfgs> ", text)


def _silent(text: str) -> None:
    """Say nothing."""

"""Stochastic gradient descent: with momentum (sgd) and Nesterov's look ahead (nag)."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import add_scaled
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, finite, nonnegative, positive

_SGD = Options(
    "sgd",
    state="evalCounter dfdx deltaParameters decayParameters",
    also=("nesterov", "learningRates", "weightDecays"),
    learningRate=nonnegative(1e-3), learningRateDecay=nonnegative(0.0), weightDecay=nonnegative(0.0),
    momentum=nonnegative(0.0), dampening=finite(None),
)
_NAG = Options(
    "nag",
    state="evalCounter dfdx deltaParameters decayParameters x_copy",
    also=("learningRates",),
    learningRate=nonnegative(1e-3), learningRateDecay=nonnegative(0.0), weightDecay=nonnegative(0.0),
    momentum=positive(0.9), dampening=finite(None),
)


def sgd(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of stochastic gradient descent; return ``x`` and ``[loss before the step]``.

    ``feval(x)`` returns ``(loss, dx)``; ``x`` is changed in place, ``dx`` never (Torch adds
    the weight decay and nesterov's term into it, and so into the gradients of the net).
    ``config`` may hold ``learningRate`` (1e-3), ``learningRateDecay`` (0: the rate at step t is
    learningRate / (1 + t * learningRateDecay)), ``weightDecay`` (0) or ``weightDecays``
    (an array like x), ``momentum`` (0), ``dampening`` (the momentum), ``nesterov`` (False;
    needs a momentum and dampening 0) and ``learningRates`` (an array like x, factors on the
    rate). State: ``evalCounter``, ``dfdx`` (the velocity).

    Raises ``ArgumentError`` for a bad config and ``InputError`` for a bad x or dx, before
    anything has changed. Source: https://github.com/torch/optim/blob/master/doc/algos.md
    """
    call = Call(_SGD, feval, x, config, state)
    rate, rate_decay, decay, momentum, dampening = _SGD.read(call.config)
    if dampening is None:
        dampening = momentum
    nesterov = bool(call.config.get("nesterov", False))
    if nesterov and not (momentum > 0 and dampening == 0):
        raise ArgumentError(
            "optim.sgd: nesterov needs momentum > 0 and dampening = 0, got momentum "
            f"{momentum} and dampening {dampening} (dampening is the momentum unless it is set to 0)"
        )
    rates = call.vector("learningRates")
    decays = call.vector("weightDecays")
    if decays is not None and decay != 0:
        raise ArgumentError("optim.sgd: config has both weightDecay and weightDecays: set one of them")

    loss, dfdx = call.evaluate()
    step = call.scratch("deltaParameters")
    dfdx = call.decayed(dfdx, decay if decays is None else decays)
    if momentum != 0:
        dfdx = _accelerate(call, dfdx, momentum, dampening, nesterov, step)
    rate /= 1 + call.count("evalCounter") * rate_decay
    _scale(dfdx, rate, rates, step)
    x -= step
    return x, [loss]


def nag(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of Nesterov's accelerated gradient; return ``x`` and ``[loss looked at]``.

    The loss and the gradient are those at ``x + momentum * velocity``, where ``feval`` is
    called with x moved there; should it raise, x is put back. ``config`` may hold
    ``learningRate`` (1e-3), ``learningRateDecay`` (0), ``weightDecay`` (0), ``momentum``
    (0.9, more than 0) and ``learningRates`` (an array like x); ``dampening`` is accepted and
    without effect, as in Torch. State: ``evalCounter``, ``dfdx`` (the velocity), ``x_copy``.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md and Sutskever et al.,
    "On the importance of initialization and momentum in deep learning", 2013.
    """
    call = Call(_NAG, feval, x, config, state)
    rate, rate_decay, decay, momentum, _ = _NAG.read(call.config)
    rates = call.vector("learningRates")
    velocity = call.memory("dfdx")
    start = call.scratch("x_copy")
    step = call.scratch("deltaParameters")

    start[...] = x
    try:
        add_scaled(x, momentum, velocity, step)
        loss, dfdx = call.evaluate()
    except BaseException:
        x[...] = start
        raise
    dfdx = call.decayed(dfdx, decay)
    rate /= 1 + call.count("evalCounter") * rate_decay
    _scale(dfdx, rate, rates, step)
    velocity *= momentum
    velocity -= step
    np.add(start, velocity, out=x)
    return x, [loss]


def _accelerate(
    call: Call, dfdx: np.ndarray, momentum: float, dampening: float, nesterov: bool, scratch: np.ndarray
) -> np.ndarray:
    """Bring the velocity up to date and return the direction; the first velocity is ``dfdx``."""
    first = "dfdx" not in call.state
    velocity = call.memory("dfdx")
    if first:
        velocity[...] = dfdx
    else:
        velocity *= momentum
        add_scaled(velocity, 1 - dampening, dfdx, scratch)
    if not nesterov:
        return velocity
    np.multiply(velocity, momentum, out=scratch)
    scratch += dfdx
    return scratch


def _scale(dfdx: np.ndarray, rate: float, rates: Optional[np.ndarray], step: np.ndarray) -> None:
    """``step = rate * rates * dfdx``."""
    if rates is None:
        np.multiply(dfdx, rate, out=step)
    else:
        np.multiply(dfdx, rates, out=step, casting="same_kind")
        step *= rate

"""Adam, and its variant on the infinity norm, AdaMax."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np

from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import average, average_squares, subtract_quotient
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, fraction, nonnegative

_ADAM = Options(
    "adam",
    state="t m v denom decayParameters",
    learningRate=nonnegative(1e-3), learningRateDecay=nonnegative(0.0), weightDecay=nonnegative(0.0),
    beta1=fraction(0.9), beta2=fraction(0.999), epsilon=nonnegative(1e-8),
)
_ADAMAX = Options(
    "adamax",
    state="t m u max decayParameters",
    learningRate=nonnegative(2e-3), weightDecay=nonnegative(0.0),
    beta1=fraction(0.9), beta2=fraction(0.999), epsilon=nonnegative(1e-38),
)


def adam(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of Adam; return ``x`` and ``[loss before the step]``.

    ``config`` may hold ``learningRate`` (1e-3), ``learningRateDecay`` (0), ``weightDecay``
    (0), ``beta1`` (0.9), ``beta2`` (0.999) and ``epsilon`` (1e-8, added to sqrt(v) before the
    correction of the bias, as in Torch7; PyTorch adds it after). State: ``t``, ``m``, ``v``,
    ``denom``. ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md, https://arxiv.org/abs/1412.6980
    """
    call = Call(_ADAM, feval, x, config, state)
    rate, rate_decay, decay, beta1, beta2, epsilon = _ADAM.read(call.config)
    loss, dfdx = call.evaluate()
    m, v = call.memory("m"), call.memory("v")
    scratch = call.scratch("denom")
    dfdx = call.decayed(dfdx, decay)

    t = call.count("t")
    rate /= 1 + t * rate_decay
    t += 1
    average(m, beta1, dfdx, scratch)
    average_squares(v, beta2, dfdx, scratch)
    np.sqrt(v, out=scratch)
    scratch += epsilon
    subtract_quotient(x, rate * math.sqrt(1 - beta2**t) / (1 - beta1**t), m, scratch)
    return x, [loss]


def adamax(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of AdaMax; return ``x`` and ``[loss before the step]``.

    ``config`` may hold ``learningRate`` (2e-3), ``weightDecay`` (0), ``beta1`` (0.9),
    ``beta2`` (0.999) and ``epsilon`` (1e-38, added to abs(dx)). State: ``t``, ``m``, ``u``
    and ``max`` (2 arrays like x in one). ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md, https://arxiv.org/abs/1412.6980
    """
    call = Call(_ADAMAX, feval, x, config, state)
    rate, decay, beta1, beta2, epsilon = _ADAMAX.read(call.config)
    loss, dfdx = call.evaluate()
    m, u = call.memory("m"), call.memory("u")
    pair = call.scratch("max", copies=2)
    dfdx = call.decayed(dfdx, decay)

    t = call.count("t") + 1
    faded, size = pair[0, ...], pair[1, ...]
    average(m, beta1, dfdx, size)
    np.multiply(u, beta2, out=faded)
    np.abs(dfdx, out=size)
    size += epsilon
    np.maximum(faded, size, out=u)
    faded[...] = u
    subtract_quotient(x, rate / (1 - beta1**t), m, faded)
    return x, [loss]

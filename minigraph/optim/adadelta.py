"""AdaDelta."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import average_squares
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, fraction, nonnegative

_OPTIONS = Options(
    "adadelta",
    state="evalCounter paramVariance paramStd delta accDelta decayParameters",
    rho=fraction(0.9), eps=nonnegative(1e-6), weightDecay=nonnegative(0.0),
)


def adadelta(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of AdaDelta; return ``x`` and ``[loss before the step]``.

    ``config`` may hold ``rho`` (0.9), ``eps`` (1e-6) and ``weightDecay`` (0). State:
    ``evalCounter``, ``paramVariance``, ``paramStd``, ``delta`` (the last step), ``accDelta``.
    ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md, https://arxiv.org/abs/1212.5701
    """
    call = Call(_OPTIONS, feval, x, config, state)
    rho, epsilon, decay = _OPTIONS.read(call.config)
    loss, dfdx = call.evaluate()
    squares, steps = call.memory("paramVariance"), call.memory("accDelta")
    scratch, delta = call.scratch("paramStd"), call.scratch("delta")
    dfdx = call.decayed(dfdx, decay)

    average_squares(squares, rho, dfdx, scratch)
    np.add(squares, epsilon, out=scratch)
    np.sqrt(scratch, out=scratch)
    np.add(steps, epsilon, out=delta)
    np.sqrt(delta, out=delta)
    delta /= scratch
    delta *= dfdx
    x -= delta
    average_squares(steps, rho, delta, scratch)
    call.count("evalCounter")
    return x, [loss]

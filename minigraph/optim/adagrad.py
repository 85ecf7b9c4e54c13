"""AdaGrad."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import subtract_quotient
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, nonnegative

_OPTIONS = Options(
    "adagrad",
    state="evalCounter paramVariance paramStd decayParameters",
    learningRate=nonnegative(1e-3), learningRateDecay=nonnegative(0.0), weightDecay=nonnegative(0.0),
)


def adagrad(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of AdaGrad; return ``x`` and ``[loss before the step]``.

    ``config`` may hold ``learningRate`` (1e-3), ``learningRateDecay`` (0) and
    ``weightDecay`` (0). State: ``evalCounter``, ``paramVariance`` (the sum of squared
    gradients), ``paramStd``. ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md
    """
    call = Call(_OPTIONS, feval, x, config, state)
    rate, rate_decay, decay = _OPTIONS.read(call.config)
    loss, dfdx = call.evaluate()
    total = call.memory("paramVariance")
    scratch = call.scratch("paramStd")
    dfdx = call.decayed(dfdx, decay)

    rate /= 1 + call.count("evalCounter") * rate_decay
    np.multiply(dfdx, dfdx, out=scratch)
    total += scratch
    np.sqrt(total, out=scratch)
    scratch += 1e-10
    subtract_quotient(x, rate, dfdx, scratch)
    return x, [loss]
